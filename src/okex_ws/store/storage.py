"""Storage: the few file operations that what is kept on disk depends on, behind one seam.

Everything the store promises after a crash rests on these calls, so tests replace them by ones that fail.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """File operations; each raises OSError. A file is what `open_append` and `open_new` return."""

    def open_append(self, path: Path) -> int: ...

    def open_new(self, path: Path) -> int: ...

    def write(self, file: int, content: bytes) -> None: ...

    def fsync(self, file: int) -> None: ...

    def close(self, file: int) -> None: ...

    def rename(self, source: Path, target: Path) -> None: ...

    def fsync_dir(self, path: Path) -> None: ...

    def make_dir(self, path: Path) -> None: ...

    def remove(self, path: Path) -> None: ...

    def list(self, path: Path) -> list[str]: ...

    def read(self, path: Path) -> bytes: ...


class OsStorage:
    """The operating system's files."""

    def open_append(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def open_new(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def write(self, file: int, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]

    def fsync(self, file: int) -> None:
        os.fsync(file)

    def close(self, file: int) -> None:
        os.close(file)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def fsync_dir(self, path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def make_dir(self, path: Path) -> None:
        path.mkdir()

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def list(self, path: Path) -> list[str]:
        """Names in a folder, sorted; none when there is no such folder."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def read(self, path: Path) -> bytes:
        """A file's content; empty when there is no such file."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""


def ensure_dir(storage: Storage, path: Path) -> None:
    """Make a folder and its parents so that they survive a power cut."""
    if path.is_dir():
        return
    ensure_dir(storage, path.parent)
    try:
        storage.make_dir(path)
    except FileExistsError:
        return
    storage.fsync_dir(path.parent)


def publish(storage: Storage, temporary: Path, target: Path, content: bytes) -> None:
    """Write a file so that `target` is the old one or the complete new one at any instant.

    The name is durable only after the caller's `fsync_dir` of the folder.
    """
    file = storage.open_new(temporary)
    try:
        storage.write(file, content)
        storage.fsync(file)
    finally:
        storage.close(file)
    storage.rename(temporary, target)
