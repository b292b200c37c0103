"""JsonlSink, CsvSink, StdoutSink: events as lines of text; `name.jsonl`, `name.csv`, `-`.

JSON lines are as in rows.py. CSV has one file per kind of event, e.g. `name.trades.csv`, with a header. Nested fields are JSON,
bytes base64, an unknown value is empty, and a line break within a text is written \\n, so that a row is one line.
A file has one writer. On opening, a torn last line is cut off and the last ids are read, so that a repeated event is
written once. A batch is on disk when `put` returns.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import fcntl
import io
import os
import select
from collections.abc import Callable
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any

import msgspec

from okex_ws.sinks.rows import RowKind, grouped, kind_of
from okex_ws.sinks.sink import Batch, SinkClosedError, SinkError, SinkPosition, SinkUnreachableError, split_id
from okex_ws.sinks.worker import ThreadSink

TAIL = 1 << 20
"""Number of bytes read from the end of a file to find the last ids."""

Ids = Callable[[bytes], str]


class _Appender:
    """An open text file that grows by whole batches: a failed write leaves no partial line.

    url: for messages; start: first bytes of every such file; id_of: returns the id in a line, ValueError if there is none.
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
                self._read_end(start, header, id_of)
            except OSError as error:
                raise _file_error(url, path, error) from None
        except BaseException:
            os.close(self._file)
            raise

    def append(self, events: Batch, encode: Callable[[Batch], bytes]) -> None:
        """Write the events that the file does not hold yet, and sync; on failure truncate to the previous size and raise."""
        reached = dict(self.reached)
        try:
            self._write(encode(_unseen(events, reached)))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _file_error(self.url, self._path, error) from None
        self.reached = reached

    def close(self) -> None:
        os.close(self._file)

    def _write(self, text: bytes) -> None:
        view, offset = memoryview(text), self._size
        while view:
            written = os.pwrite(self._file, view, offset)
            view, offset = view[written:], offset + written
        os.fsync(self._file)
        self._size = offset

    def _read_end(self, start: bytes, header: bytes, id_of: Ids) -> None:
        head = os.pread(self._file, max(len(header), len(start)), 0)
        if not start.startswith(head[: len(start)]):
            raise SinkError(f"{self.url}: {self._path} exists and has another content; choose another name")
        if not header.startswith(head) and header:
            raise SinkError(f"{self.url}: {self._path} has other columns, written by another version; move it away")
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
            with contextlib.suppress(ValueError):  # the first line may be partial, or the header
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


class JsonlSink(ThreadSink):
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
        file.append(batch, _json_lines)


class CsvSink(ThreadSink):
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
            file.append(group, partial(_csv_lines, kind))


class StdoutSink(ThreadSink):
    """JSON lines on standard output, or another open descriptor. A slow reader slows only this sink."""

    def __init__(self, fd: int = 1) -> None:
        super().__init__("-", "stdout")
        self._fd = fd
        self._reached: dict[str, SinkPosition] = {}

    def _store(self, batch: Batch) -> None:
        reached = dict(self._reached)
        self._write(_json_lines(_unseen(batch, reached)))
        self._reached = reached

    def _write(self, text: bytes) -> None:
        view = memoryview(text)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:  # the descriptor is non-blocking
                select.select([], [self._fd], [])
            except BrokenPipeError:
                raise SinkClosedError("-: the reader of standard output has ended") from None
            except OSError as error:
                raise _file_error("-", Path("standard output"), error) from None


def _unseen(batch: Batch, reached: dict[str, SinkPosition]) -> Batch:
    """Return the events after the positions in `reached`, and advance these."""
    fresh = []
    for event_id, event in batch:
        recorder, position = split_id(event_id)
        known = reached.get(recorder)
        if known is None or position > known:
            reached[recorder] = position
            fresh.append((event_id, event))
    return fresh


def _json_lines(batch: Batch) -> bytes:
    return b"".join([kind_of(event).json(event_id, event) + b"\n" for event_id, event in batch])


def _csv_lines(kind: RowKind, batch: Batch) -> bytes:
    return _csv([[_cell(value) for value in (event_id, event.ts_event, *kind.flat(event))] for event_id, event in batch])


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
