"""Captures: other people's recordings as records, from JSON lines of `dialect`, `kind`, `raw`, `recv_ts`, `conn`, `dir`, `path`.

`raw` is the frame's text, `deflate_b64` the frame itself where it was deflated; `recv_ts` seconds as text; what is
not of a WebSocket, or of another dialect, is passed over. Frames of one `path` are one conversation; without it, those of one
`source`, up to its " line ".
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from okex_ws.journal.errors import naming
from okex_ws.journal.problems import Problem
from okex_ws.journal.records import Record

_MAX_LINE = 64 * 1024 * 1024


class _Capture(msgspec.Struct):
    raw: str
    dialect: str = "v5"
    kind: str = "ws"
    recv_ts: str | float | None = None
    conn: str | int | None = None
    dir: str | None = None
    path: str | None = None
    source: str | None = None
    deflate_b64: bytes | None = None


_decode = msgspec.json.Decoder(_Capture).decode


def dialects_of(path: Path) -> list[str]:
    """What the frames of a capture speak, in the order of their first; v5 where it has none."""
    found: dict[str, None] = {}
    with naming("open", path):
        file = path.open("rb")
    with file:
        for text in iter(lambda: file.readline(_MAX_LINE), b""):
            try:
                capture = _decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if capture.kind == "ws":
                found[capture.dialect] = None
    return list(found) or ["v5"]


def captured(path: Path, dialect: str, problems: list[Problem]) -> Iterator[Record]:
    """Its frames, in the order of the file; n: line of the file; line: the recording's own path.

    A frame without a time has the time of the one before it; 0 when there is none. Lines that cannot be read go to `problems`.
    """
    numbers: dict[tuple[str, str], int] = {}
    ts = n = start = 0
    with naming("open", path):
        file = path.open("rb")
    with file:
        while True:
            with naming("read", path):
                text = file.readline(_MAX_LINE)
            if not text:
                return
            n += 1
            end = start + len(text)
            try:
                capture = _decode(text)
                ts = int(Decimal(str(capture.recv_ts)) * 1_000_000_000) if capture.recv_ts is not None else ts
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError) as error:
                problems.append(Problem(path.name, start, end, n, n, "damaged", f"no capture: {error}"))
            else:
                if capture.kind == "ws" and capture.dialect == dialect:
                    line = capture.path or (capture.source or path.stem).partition(" line ")[0]
                    conn = capture.conn
                    if not isinstance(conn, int):
                        conn = numbers.setdefault((line, conn), len(numbers) + 1) if conn is not None else 0
                    kind, text = "out" if capture.dir == "out" else "in", capture.raw.encode()
                    if capture.deflate_b64 is not None:
                        kind, text = "binary", capture.deflate_b64
                    yield Record(n, ts, line, conn, kind, text, 0)
            start = end
