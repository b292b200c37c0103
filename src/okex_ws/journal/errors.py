"""What can go wrong with a journal, one line each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from okex_ws.errors import OkexError


class JournalError(OkexError):
    """A journal cannot be written or read as asked; the text is one line."""


class StorageFailedError(JournalError):
    """The disk refused. call: which operation; path: on what; errno: the system's number."""

    def __init__(self, call: str, path: Path, errno: int) -> None:
        super().__init__(f"{call} failed on {path}: {os.strerror(errno)}")
        self.call = call
        self.path = path
        self.errno = errno


class JournalFullError(JournalError):
    """The record was not taken: too much waits for a disk that does not answer."""


class RecordTooLongError(JournalError):
    """The record was not taken: its text is longer than a record may be."""


class ForeignFileError(JournalError):
    """The file is not a journal segment."""


class UnknownFormatError(JournalError):
    """The segment was written in a format this version cannot read."""


class LockedError(JournalError):
    """Another process writes here. pid: which, 0 when unknown."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path.parent} is being written by process {pid or 'unknown'}; one folder has one writer")
        self.path = path
        self.pid = pid


@contextmanager
def naming(call: str, path: Path) -> Iterator[None]:
    """An OSError inside becomes a StorageFailedError that names the call and the path."""
    try:
        yield
    except OSError as error:
        raise StorageFailedError(call, path, error.errno or 0) from error
