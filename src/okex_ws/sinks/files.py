"""JsonlSink, CsvSink, StdoutSink: events as lines of text; `name.jsonl`, `name.csv`, `-`.

JSON lines are as in rows.py. CSV is one file a kind of event beside the name given, `name.trades.csv`, with a header; nested
fields are JSON, bytes base64, an unknown value is empty, and a line break within a text is written \\n, so that a row is a line.
A file belongs to one writer. When opened, a torn last line is cut off and the last ids are read: what comes twice is
written once. A batch is on disk when `put` returns.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import fcntl
import io
import os
import select
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Any

import msgspec

from okex_ws.events import Event
from okex_ws.sinks.rows import RowKind, grouped, kind_of
from okex_ws.sinks.sink import (
    CLOSE_TIMEOUT_S,
    NOTHING,
    Batch,
    SinkClosedError,
    SinkError,
    SinkPosition,
    SinkUnreachableError,
    split_id,
)
from okex_ws.sinks.worker import Worker

TAIL = 1 << 20
"""Bytes of a file's end that are read for the last ids."""

Ids = Callable[[bytes], str]


class _Appender:
    """An open file of lines that grows by whole batches: a write that fails leaves no half line.

    url: for messages; start: bytes every such file begins with; id_of: the id in a line, ValueError when it has none.
    """

    def __init__(self, path: Path, url: str, start: bytes, header: bytes, id_of: Ids) -> None:
        self.url, self.reached = url, dict[str, SinkPosition]()
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _file_error(url, path, error) from None
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SinkUnreachableError(f"{url}: {path} is being written by another process") from None
            self._size = os.fstat(self._file).st_size
            try:
                self._take_up(start, header, id_of)
            except OSError as error:
                raise _file_error(url, path, error) from None
        except BaseException:
            os.close(self._file)
            raise

    def append(self, text: bytes) -> None:
        """Write, sync; on failure cut the file back and raise."""
        try:
            self._write(text)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _file_error(self.url, self._path, error) from None

    def is_new(self, event_id: str) -> bool:
        """Whether the file does not have this event yet; takes note of it."""
        recorder, position = split_id(event_id)
        known = self.reached.get(recorder)
        if known is not None and position <= known:
            return False
        self.reached[recorder] = position
        return True

    def close(self) -> None:
        os.close(self._file)

    def _write(self, text: bytes) -> None:
        view, offset = memoryview(text), self._size
        while view:
            written = os.pwrite(self._file, view, offset)
            view, offset = view[written:], offset + written
        os.fsync(self._file)
        self._size = offset

    def _take_up(self, start: bytes, header: bytes, id_of: Ids) -> None:
        head = os.pread(self._file, max(len(header), len(start)), 0)
        if not start.startswith(head[: len(start)]):
            raise SinkError(f"{self.url}: {self._path} exists and is not a file of ours; choose another name")
        if not header.startswith(head) and header:
            raise SinkError(f"{self.url}: {self._path} has other columns, as another version wrote it; move it away")
        end = self._last_line_end()
        if header and end < len(header):
            end = 0
        if end < self._size:
            os.ftruncate(self._file, end)
        self._size = end
        if header and not end:
            self._write(header)
        tail = os.pread(self._file, min(TAIL, self._size), max(0, self._size - TAIL))
        for line in tail.splitlines():
            with contextlib.suppress(ValueError):  # the first may be a half, or the header
                recorder, position = split_id(id_of(line))
                self.reached[recorder] = max(position, self.reached.get(recorder, position))

    def _last_line_end(self) -> int:
        place = self._size
        while place:
            begin = max(0, place - TAIL)
            found = os.pread(self._file, place - begin, begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            place = begin
        return 0


class _LinesSink:
    """What is written in a thread of its own, a batch at a time."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._worker = Worker(f"okex-ws {name}")
        self._was_empty = False

    async def open(self) -> None:
        await self._worker.call(self._connect)

    async def put(self, batch: Batch) -> None:
        await self._worker.call(lambda: self._store(batch))

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(self._worker.call(self._disconnect), CLOSE_TIMEOUT_S)
        self._worker.retire()

    async def reached(self, recorder: str) -> SinkPosition | None:
        return NOTHING if self._was_empty else None

    def _connect(self) -> None:
        """Open what is to be written to. Raises SinkError."""

    def _disconnect(self) -> None:
        """Let it go."""

    def _store(self, batch: Batch) -> None:
        raise NotImplementedError


class JsonlSink(_LinesSink):
    """A file of JSON lines."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "jsonl")
        self._path = Path(path)
        self._file: _Appender | None = None

    def _connect(self) -> None:
        self._disconnect()
        self._file = _Appender(self._path, self.url, b'{"kind":"', b"", _id_of_json)
        self._was_empty = not self._file.reached

    def _disconnect(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _store(self, batch: Batch) -> None:
        file = self._file
        if file is None:
            raise SinkUnreachableError(f"{self.url}: not open")
        before = dict(file.reached)
        lines = [kind_of(event).json(event_id, event) for event_id, event in batch if file.is_new(event_id)]
        try:
            file.append(b"".join([line + b"\n" for line in lines]))
        except SinkError:
            file.reached = before
            raise


class CsvSink(_LinesSink):
    """A CSV file for each kind of event: `name.trades.csv`, `name.tickers.csv`, ..."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "csv")
        self._path = Path(path)
        self._is_open = False
        self._files: dict[RowKind, _Appender] = {}

    def _connect(self) -> None:
        self._disconnect()
        folder = self._path.parent
        if not folder.is_dir():
            raise SinkError(f"{self.url}: the folder {folder} does not exist")
        if not os.access(folder, os.W_OK):
            raise SinkError(f"{self.url}: no permission to write in {folder}")
        self._was_empty = not any(folder.glob(f"{escape(self._path.stem)}.*.csv"))
        self._is_open = True

    def _disconnect(self) -> None:
        files, self._files, self._is_open = self._files, {}, False
        for file in files.values():
            file.close()

    def _store(self, batch: Batch) -> None:
        if not self._is_open:
            raise SinkUnreachableError(f"{self.url}: not open")
        for kind, group in grouped(batch).items():
            file = self._files.get(kind)
            if file is None:
                path = self._path.with_name(f"{self._path.stem}.{kind.table}.csv")
                header = _csv([["id", "ts_event", *(column.name for column in kind.columns)]])
                file = self._files[kind] = _Appender(path, self.url, b"id,ts_event,", header, _id_of_csv)
            before = dict(file.reached)
            rows = [_cells(kind, event_id, event) for event_id, event in group if file.is_new(event_id)]
            try:
                file.append(_csv(rows))
            except SinkError:
                file.reached = before
                raise


class StdoutSink(_LinesSink):
    """JSON lines on standard output, or another open descriptor. A slow reader slows this sink alone."""

    def __init__(self, fd: int = 1) -> None:
        super().__init__("-", "stdout")
        self._fd = fd
        self._reached: dict[str, SinkPosition] = {}

    def _store(self, batch: Batch) -> None:
        reached, lines = dict(self._reached), []
        for event_id, event in batch:
            recorder, position = split_id(event_id)
            known = reached.get(recorder)
            if known is None or position > known:
                reached[recorder] = position
                lines.append(kind_of(event).json(event_id, event) + b"\n")
        self._write(b"".join(lines))
        self._reached = reached

    def _write(self, text: bytes) -> None:
        view = memoryview(text)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:  # someone made the descriptor non-blocking
                select.select([], [self._fd], [])
            except BrokenPipeError:
                raise SinkClosedError("-: the reader of standard output has ended") from None
            except OSError as error:
                raise _file_error("-", Path("standard output"), error) from None


def _cells(kind: RowKind, event_id: str, event: Event) -> list[Any]:
    return [_cell(value) for value in (event_id, event.ts_event, *kind.flat(event))]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r", "\\r").replace("\n", "\\n") if "\n" in value or "\r" in value else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _csv(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


def _id_of_json(line: bytes) -> str:
    return msgspec.json.decode(line, type=_Identified).id


class _Identified(msgspec.Struct):
    id: str


def _id_of_csv(line: bytes) -> str:
    return line.partition(b",")[0].decode()


def _file_error(url: str, path: Path, error: OSError) -> SinkError:
    text = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError):
        return SinkError(f"{url}: the folder {path.parent} does not exist")
    if isinstance(error, IsADirectoryError | PermissionError):
        return SinkError(f"{url}: {path}: {text}")
    return SinkUnreachableError(f"{url}: {path}: {text}")
