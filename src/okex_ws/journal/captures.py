"""Captures: recordings by other programs as records. JSON lines of `dialect`, `kind`, `raw`, `recv_ts`, `conn`, `dir`, `path`.

`raw` is the text of a frame, `deflate_b64` the frame itself if it was deflated, `recv_ts` seconds as text. Lines of another
dialect, or not from a WebSocket, are skipped. Frames with the same `path` belong to one connection; without a path, frames with
the same `source` up to " line ".
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
    """Return the dialects of a capture's frames in order of first occurrence; v5 if there is none."""
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
    """Yield the frames of a capture in file order. n: line number in the file; line: the path of the recording.

    A frame without a time gets the time of the previous one, or 0. Unreadable lines are appended to `problems`.
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
                problems.append(Problem(path.name, start, end, n, n, "damaged", f"not a capture: {error}"))
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
