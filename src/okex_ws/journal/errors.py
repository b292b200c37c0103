"""Errors of the journal, each with a one-line text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from okex_ws.errors import OkexError


class JournalError(OkexError):
    """Error while writing or reading a journal; the text is one line."""


class StorageFailedError(JournalError):
    """A disk operation failed. call: the operation; path: its file; errno: the system's error number."""

    def __init__(self, call: str, path: Path, errno: int) -> None:
        super().__init__(f"{call} failed on {path}: {os.strerror(errno)}")
        self.call = call
        self.path = path
        self.errno = errno


class JournalFullError(JournalError):
    """The record was not accepted: too many bytes wait for a disk that fails."""


class RecordTooLongError(JournalError):
    """The record was not accepted: its text exceeds the maximum length of a record."""


class ForeignFileError(JournalError):
    """The file is not a journal segment."""


class UnknownFormatError(JournalError):
    """The segment was written in a format this version cannot read."""


class LockedError(JournalError):
    """Another process writes to this folder. pid: its id, 0 if unknown."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path.parent} is being written by process {pid or 'unknown'}; one folder has one writer")
        self.path = path
        self.pid = pid


@contextmanager
def naming(call: str, path: Path) -> Iterator[None]:
    """Convert an OSError in the block to a StorageFailedError with the call and the path."""
    try:
        yield
    except OSError as error:
        raise StorageFailedError(call, path, error.errno or 0) from error
