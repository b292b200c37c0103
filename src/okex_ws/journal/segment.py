"""Segment and Batch: bytes on their way to the disk. The only part of the writer that waits for it.

A Batch may be stored on another thread than the writer's: it touches its own segment and nothing of the writer's.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from okex_ws.journal.errors import JournalError, StorageFailedError, naming
from okex_ws.journal.storage import Storage

LEFTOVERS_MOST = 1000
"""Abandoned tails remembered for removal; what is forgotten is read as the duplicate it is, and skipped."""


class Segment:
    """One file that grows. length: bytes that are on the disk for sure; created: ns."""

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
        """Write and fsync; the first time create, and fsync the folder. Raises StorageFailedError: then abandon it."""
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
        """Let the file go; what matters is on the disk already."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                self._storage.close(file)

    def trim(self) -> bool:
        """Take away what is not known to be on the disk: the next segment has it. Returns whether nothing is left to take."""
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
    """Framed blocks for one segment, one write and one fsync. through: the last record in it; ends: the segment's last."""

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
        """To the disk. A failure is kept in `error` for `settle` to raise, and the segment is abandoned.

        Nothing is tried twice on one segment: after a failed fsync the kernel may have dropped the pages and called them clean
        (fsync(2), EIO), so a second fsync that succeeds proves nothing.
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
        if not self.segment.trim() and len(self._leftovers) < LEFTOVERS_MOST:
            self._leftovers.append(self.segment)
