"""Storage: the file system operations of the journal, an interface so that a test can make any of them fail.

Files are descriptors (int). Every method raises OSError and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

_NEW = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE = 0o640


class Storage(Protocol):
    """A file system."""

    def make_folder(self, path: Path) -> None:
        """Create the folder and its parents, durable; no error if it exists."""

    def create(self, path: Path) -> int:
        """Create a file to append to; FileExistsError if it exists."""

    def open_append(self, path: Path) -> int:
        """Open a file to append to; create it if needed."""

    def open_read(self, path: Path) -> int: ...

    def close(self, file: int) -> None: ...

    def write(self, file: int, content: bytes) -> None:
        """Write all bytes, or raise OSError after a part of them."""

    def fsync(self, file: int) -> None: ...

    def fsync_dir(self, path: Path) -> None: ...

    def truncate(self, path: Path, length: int) -> None:
        """Truncate the file, durable."""

    def rename(self, source: Path, target: Path) -> None: ...

    def remove(self, path: Path) -> None: ...

    def list(self, path: Path) -> list[str]:
        """Return the names in a folder, sorted."""

    def size(self, path: Path) -> int: ...

    def read_at(self, file: int, offset: int, length: int) -> bytes:
        """Return up to `length` bytes; fewer only at the end of the file."""

    def read(self, path: Path) -> bytes:
        """Return the content of a small file."""


class OsStorage:
    """Storage of the operating system."""

    def make_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        self.make_folder(path.parent)
        path.mkdir(mode=0o750, exist_ok=True)
        self.fsync_dir(path.parent)

    def create(self, path: Path) -> int:
        return os.open(path, _NEW | os.O_EXCL, _MODE)

    def open_append(self, path: Path) -> int:
        return os.open(path, _NEW, _MODE)

    def open_read(self, path: Path) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self, file: int) -> None:
        os.close(file)

    def write(self, file: int, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]

    def fsync(self, file: int) -> None:
        os.fsync(file)

    def fsync_dir(self, path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def truncate(self, path: Path, length: int) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.ftruncate(file, length)
            os.fsync(file)
        finally:
            os.close(file)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def remove(self, path: Path) -> None:
        path.unlink()

    def list(self, path: Path) -> list[str]:
        return sorted(os.listdir(path))

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def read_at(self, file: int, offset: int, length: int) -> bytes:
        parts = []
        while length > 0:
            part = os.pread(file, length, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()


def publish(storage: Storage, temporary: Path, target: Path, content: bytes) -> None:
    """Write a file so that `target` is the old one or the complete new one at any instant.

    The name is durable only after the caller's `fsync_dir` of the folder. Raises OSError.
    """
    if temporary.exists():  # left by a crash
        storage.remove(temporary)
    file = storage.create(temporary)
    try:
        storage.write(file, content)
        storage.fsync(file)
    finally:
        storage.close(file)
    storage.rename(temporary, target)
