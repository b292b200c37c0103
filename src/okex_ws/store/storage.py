"""Storage functions of the store: files that appear complete or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from okex_ws.journal.storage import OsStorage, Storage

__all__ = ["OsStorage", "Storage", "content_of", "names_in", "publish", "remove"]


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


def content_of(storage: Storage, path: Path) -> bytes:
    """Return a file's content; empty if there is no such file."""
    try:
        return storage.read(path)
    except FileNotFoundError:
        return b""


def names_in(storage: Storage, path: Path) -> list[str]:
    """Return the names in a folder, sorted; none if there is no such folder."""
    try:
        return storage.list(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove(storage: Storage, path: Path) -> None:
    """Remove a file if it exists."""
    with contextlib.suppress(FileNotFoundError):
        storage.remove(path)
