"""FolderLock: one writer for a data folder, by a lock of the operating system that ends with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from okex_ws.journal.errors import LockedError, naming


class FolderLock:
    """The lock file `path`, held inside `with`.

    Raises LockedError with the other process's id if it is held, StorageFailedError if the file cannot be opened or locked.
    The file is never removed: otherwise two processes could lock two files with the same name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        with naming("open", self.path):
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            with naming("lock", self.path):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    holder = os.pread(file, 20, 0).strip()
                    raise LockedError(self.path, int(holder) if holder.isdigit() else 0) from None
                os.ftruncate(file, 0)
                os.pwrite(file, b"%d\n" % os.getpid(), 0)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
