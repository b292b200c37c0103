"""Disks that fail, journals to damage, and the oracle of what a reader may say about them."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from okex_ws.journal import JournalReader, JournalWriter, OsStorage, Problem, Record, Storage

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class _File:
    """content: as a process sees it; synced: as it would be after a power cut."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.synced = content


class MemoryDisk:
    """A disk in memory that knows what survives a power cut: what was fsynced, under the names its folder was fsynced with."""

    def __init__(self) -> None:
        self.files: dict[Path, _File] = {}
        self.durable: dict[Path, _File] = {}
        self.folders: set[Path] = set()
        self.handles: dict[int, _File] = {}

    def after_power_cut(self, keep: Callable[[bytes, bytes], bytes]) -> MemoryDisk:
        """What the next start finds. keep: of (synced, whole) content, what a file has then."""
        disk = MemoryDisk()
        disk.folders = set(self.folders)
        disk.files = {path: _File(keep(file.synced, bytes(file.content))) for path, file in self.durable.items()}
        disk.durable = dict(disk.files)
        return disk

    def _open(self, path: Path) -> int:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        file = len(self.handles) + 1
        self.handles[file] = self.files[path]
        return file

    def make_folder(self, path: Path) -> None:
        self.folders.add(path)

    def create(self, path: Path) -> int:
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "file exists", str(path))
        self.files[path] = _File()
        return self._open(path)

    def open_append(self, path: Path) -> int:
        self.files.setdefault(path, _File())
        return self._open(path)

    def open_read(self, path: Path) -> int:
        return self._open(path)

    def close(self, file: int) -> None:
        pass

    def write(self, file: int, content: bytes) -> None:
        self.handles[file].content += content

    def fsync(self, file: int) -> None:
        self.handles[file].synced = bytes(self.handles[file].content)

    def fsync_dir(self, path: Path) -> None:
        kept = {name: file for name, file in self.durable.items() if name.parent != path}
        self.durable = kept | {name: file for name, file in self.files.items() if name.parent == path}

    def truncate(self, path: Path, length: int) -> None:
        file = self.files[path]
        del file.content[length:]
        file.synced = bytes(file.content)

    def rename(self, source: Path, target: Path) -> None:
        self.files[target] = self.files.pop(source)

    def remove(self, path: Path) -> None:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        del self.files[path]

    def list(self, path: Path) -> list[str]:
        return sorted(name.name for name in self.files if name.parent == path)

    def size(self, path: Path) -> int:
        return len(self.files[path].content)

    def read_at(self, file: int, offset: int, length: int) -> bytes:
        return bytes(self.handles[file].content[offset : offset + length])

    def read(self, path: Path) -> bytes:
        return bytes(self.files[path].content)


class FailingDisk(MemoryDisk):
    """Fails the calls `fails(number)` picks. A failing write leaves half behind; a failing fsync loses what it should have kept.

    `calls` counts what changes the disk: make_folder, create, write, fsync, fsync_dir, truncate, rename, remove.
    """

    def __init__(self, fails: Callable[[int], int]) -> None:
        super().__init__()
        self.fails = fails
        self.calls = 0
        self.failures: list[tuple[str, int]] = []

    def _may(self, call: str) -> None:
        self.calls += 1
        code = self.fails(self.calls)
        if code:
            self.failures.append((call, code))
            raise OSError(code, os.strerror(code))

    def make_folder(self, path: Path) -> None:
        self._may("make_folder")
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self._may("create")
        return super().create(path)

    def write(self, file: int, content: bytes) -> None:
        try:
            self._may("write")
        except OSError:
            super().write(file, content[: len(content) // 2])
            raise
        super().write(file, content)

    def fsync(self, file: int) -> None:
        try:
            self._may("fsync")
        except OSError:
            held = self.handles[file]
            del held.content[len(held.synced) :]
            raise
        super().fsync(file)

    def fsync_dir(self, path: Path) -> None:
        self._may("fsync_dir")
        super().fsync_dir(path)

    def truncate(self, path: Path, length: int) -> None:
        self._may("truncate")
        super().truncate(path, length)

    def rename(self, source: Path, target: Path) -> None:
        self._may("rename")
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._may("remove")
        super().remove(path)


class DyingStorage(OsStorage):
    """Kills its own process at call number `at`: before it, or in the middle of it when it is a write."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.calls = 0

    def _count(self) -> bool:
        self.calls += 1
        return self.calls == self.at

    def _may(self) -> None:
        if self._count():
            os.kill(os.getpid(), signal.SIGKILL)

    def create(self, path: Path) -> int:
        self._may()
        return super().create(path)

    def write(self, file: int, content: bytes) -> None:
        if self._count():
            super().write(file, content[: len(content) // 3])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(file, content)

    def fsync(self, file: int) -> None:
        self._may()
        super().fsync(file)

    def fsync_dir(self, path: Path) -> None:
        self._may()
        super().fsync_dir(path)

    def truncate(self, path: Path, length: int) -> None:
        self._may()
        super().truncate(path, length)

    def rename(self, source: Path, target: Path) -> None:
        self._may()
        super().rename(source, target)


class UnreadableStorage(OsStorage):
    """Cannot read the byte at `bad`: EIO, as from a bad sector."""

    def __init__(self, bad: int) -> None:
        self.bad = bad

    def read_at(self, file: int, offset: int, length: int) -> bytes:
        if offset <= self.bad < offset + length:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read_at(file, offset, length)


class BytesStorage(OsStorage):
    """One file, in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open_read(self, path: Path) -> int:
        return 0

    def close(self, file: int) -> None:
        pass

    def size(self, path: Path) -> int:
        return len(self.content)

    def read_at(self, file: int, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


SEGMENT = Path("00000001.jsonl.zst")


def text_of(n: int) -> bytes:
    """The text of record n in these tests: of many lengths, some with what JSON must escape."""
    return b'{"n":"%d","x":"%s"}' % (n, (b'a\\"\x01\xc3\xa9' * (n % 7)) + b"%d" % (n * 2654435761 % 2**32))


def fill(writer: JournalWriter, numbers: Iterable[int], now: int = START) -> None:
    """Write these records; each must get the number expected of it."""
    for n in numbers:
        assert writer.write(now + n, "public/0", 1, "in", text_of(n)) == n


def small_segment(
    folder: Path, *, blocks: int = 3, each: int = 4, closed: bool = True, storage: Storage = OsStorage()
) -> tuple[Path, int]:
    """One segment of so many blocks of so many records; its path and how many records it has."""
    writer = JournalWriter(folder, recorder="r", software="test", now=START, storage=storage)
    for block in range(blocks):
        fill(writer, range(block * each + 1, (block + 1) * each + 1))
        writer.flush(START)
    if closed:
        writer.close(START)
    return folder / "r" / "00000001.jsonl.zst", blocks * each


def check(records: Iterable[Record], problems: list[Problem], written: Iterable[int]) -> list[int]:
    """Every record as written and in order, and the problems name exactly those that are not there. Returns the numbers read."""
    expected = set(written)
    numbers = []
    for record in records:
        assert record.text == text_of(record.n)
        assert record.n in expected
        assert record.ts == START + record.n
        numbers.append(record.n)
    assert numbers == sorted(set(numbers))
    claimed: set[int] = set()
    for problem in problems:
        if problem.first is None and problem.last is None:
            continue
        last = problem.last if problem.last is not None else max(expected)
        first = problem.first if problem.first is not None else 1
        stretch = set(range(first, last + 1))
        if problem.last is not None:
            assert stretch <= expected, str(problem)
        assert not stretch & claimed
        claimed |= stretch
    assert claimed == expected - set(numbers), [str(problem) for problem in problems]
    return numbers


def read(path: Path, written: Iterable[int], *, storage: Storage = OsStorage()) -> tuple[list[int], list[Problem]]:
    """Read all of a journal and `check` it."""
    reader = JournalReader(path, storage=storage)
    records = list(reader.records())
    return check(records, reader.problems, written), reader.problems
