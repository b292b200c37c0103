"""A journal record without a journal."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    n: int
    ts: int
    line: str
    conn: int
    kind: str
    text: bytes
