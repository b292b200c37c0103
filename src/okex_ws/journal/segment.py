"""Segment and Batch: bytes on their way to the disk. Only this part of the writer waits for the disk.

A Batch may be stored on another thread: it touches its own segment and nothing of the writer.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from okex_ws.journal.errors import JournalError, StorageFailedError, naming
from okex_ws.journal.storage import Storage

MAX_LEFTOVERS = 1000
"""Maximum number of abandoned tails remembered for removal; readers skip the others as duplicates."""


class Segment:
    """One growing file. length: bytes known to be on the disk; created: ns."""

    def __init__(self, storage: Storage, path: Path, number: int, created: int) -> None:
        self.path = path
        self.number = number
        self.created = created
        self.length = 0
        self.blocks = 0
        self._is_ours = False
        self._storage = storage
        self._file: int | None = None

    def append(self, content: bytes) -> None:
        """Write and fsync; the first call creates the file and syncs the folder. After StorageFailedError the segment must be
        abandoned.
        """
        storage = self._storage
        if self._file is None:
            with naming("create", self.path):
                self._file = storage.create(self.path)
            self._is_ours = True
        with naming("write", self.path):
            storage.write(self._file, content)
        with naming("fsync", self.path):
            storage.fsync(self._file)
        if not self.length:
            with naming("fsync of the folder", self.path.parent):
                storage.fsync_dir(self.path.parent)
        self.length += len(content)

    def close(self) -> None:
        """Close the file; acknowledged bytes are on the disk already."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                self._storage.close(file)

    def trim(self) -> bool:
        """Remove bytes not known to be on the disk; the next segment has them. Returns True if none are left."""
        if not self._is_ours:
            return True
        try:
            if self.length:
                self._storage.truncate(self.path, self.length)
            else:
                self._storage.remove(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Batch:
    """Framed blocks for one segment: one write, one fsync. through: its last record; ends: True for the segment's last batch."""

    def __init__(
        self, segment: Segment, content: bytes, *, through: int, blocks: int, ends: bool, leftovers: list[Segment]
    ) -> None:
        self.segment = segment
        self.content = content
        self.through = through
        self.blocks = blocks
        self.ends = ends
        self.error: JournalError | None = None
        self.is_stored = False
        self._leftovers = leftovers

    def store(self) -> None:
        """Write the batch to the disk. On failure `error` is set for `settle` to raise, and the segment is abandoned.

        A write is never repeated on the same segment: after a failed fsync the kernel may drop the pages and mark them clean
        (fsync(2), EIO), so a later successful fsync proves nothing.
        """
        try:
            self.segment.append(self.content)
            self.is_stored = True
        except StorageFailedError as error:
            self.error = error
            self._abandon()
        except BaseException:
            self._abandon()
            raise
        if self.is_stored:
            if self.ends:
                self.segment.close()
            self._leftovers[:] = [segment for segment in self._leftovers if not segment.trim()]

    def _abandon(self) -> None:
        self.segment.close()
        if not self.segment.trim() and len(self._leftovers) < MAX_LEFTOVERS:
            self._leftovers.append(self.segment)
