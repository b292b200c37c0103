"""Storage functions of the store: reads and removals of files that may be missing."""

from __future__ import annotations

import contextlib
from pathlib import Path

from okex_ws.journal.storage import OsStorage, Storage, publish

__all__ = ["OsStorage", "Storage", "content_of", "names_in", "publish", "remove"]


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
