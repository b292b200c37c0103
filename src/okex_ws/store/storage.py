"""How the store uses the journal's Storage: files that appear complete or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from okex_ws.journal.storage import OsStorage, Storage

__all__ = ["OsStorage", "Storage", "content_of", "names_in", "publish", "remove"]


def publish(storage: Storage, temporary: Path, target: Path, content: bytes) -> None:
    """Write a file so that `target` is the old one or the complete new one at any instant.

    The name is durable only after the caller's `fsync_dir` of the folder. Raises OSError.
    """
    if temporary.exists():  # of a crash
        storage.remove(temporary)
    file = storage.create(temporary)
    try:
        storage.write(file, content)
        storage.fsync(file)
    finally:
        storage.close(file)
    storage.rename(temporary, target)


def content_of(storage: Storage, path: Path) -> bytes:
    """A file's content; empty when there is no such file."""
    try:
        return storage.read(path)
    except FileNotFoundError:
        return b""


def names_in(storage: Storage, path: Path) -> list[str]:
    """Names in a folder, sorted; none when there is no such folder."""
    try:
        return storage.list(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove(storage: Storage, path: Path) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        storage.remove(path)
