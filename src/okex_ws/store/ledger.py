"""Ledgers: append-only files of one JSON object a line. They decide which Parquet files hold the rows.

A Parquet file counts only once a line of `segments.jsonl` or `compactions.jsonl` names it. One appended line makes a batch of
files visible, or swaps many files for one: a reader never sees half of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar
from zlib import crc32

import msgspec

from okex_ws.store.folder import LEDGER
from okex_ws.store.storage import Storage, content_of, publish

T = TypeVar("T")
_SEAL = re.compile(rb',"crc":(\d{1,10})}$')


class File(msgspec.Struct, array_like=True, frozen=True):
    """One Parquet file.

    path: relative to the data folder. size: bytes; crc: CRC32 of them. low, high: range of its keys, trade ids if the table has
    them, else ts_event (ns). is_plain: no two of its rows can be copies of each other. backfilled: has rows fetched over REST.
    shape:
    CRC32 of its columns. is_whole: its pushed trades count every id from low to high.
    """

    path: str
    rows: int
    size: int
    crc: int
    low: int
    high: int
    is_plain: bool
    backfilled: bool
    shape: int
    is_whole: bool = False

    @property
    def table(self) -> str:
        return self.path.split("/")[1]

    @property
    def date(self) -> str:
        return self.path.split("/")[2].partition("=")[2]

    @property
    def folder(self) -> str:
        """Folder of its table and date."""
        return self.partition.rpartition("/")[0]

    @property
    def partition(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def recorder(self) -> str:
        return recorder_of(self.name)


def recorder_of(name: str) -> str:
    """Return the recorder that wrote the Parquet file with this name."""
    return name.removesuffix(".parquet").removesuffix("-c").rsplit("-", 2)[0]


def span_of(name: str) -> tuple[int, int]:
    """Return the first and last journal record in the name of a Parquet file. Raises ValueError for a foreign name."""
    first, last = name.removesuffix(".parquet").removesuffix("-c").rsplit("-", 2)[1:]
    return int(first), int(last)


class Commit(msgspec.Struct, omit_defaults=True):
    """A commit: all rows of a recorder's journal records `first` to `through` are in `files`. ts: time, ns UTC."""

    recorder: str
    first: int
    through: int
    ts: int
    files: list[File] = []


class Compaction(msgspec.Struct):
    """A compaction: `added` holds exactly the rows of `removed` (paths). ts: time, ns UTC."""

    ts: int
    added: list[File]
    removed: list[str]


class LedgerLines(Generic[T]):
    """Reader of one ledger: its items in order, read again only after the file has changed. damaged: number of invalid lines."""

    def __init__(self, path: Path, kind: type[T] | Any) -> None:
        self.path = path
        self.items: list[T] = []
        self.damaged = 0
        self._decoder = msgspec.json.Decoder(kind)
        self._state = (0, 0, 0)

    def refresh(self) -> bool:
        """Read new lines; returns True if there are any. A line without its end is ignored."""
        try:
            stat = os.stat(self.path)
            state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if state == self._state:
                return False
            text = self.path.read_bytes()
        except FileNotFoundError:
            text, state = b"", (0, 0, 0)
        if state == self._state:
            return False
        self._state = state
        self.items, self.damaged = [], 0
        for line in text.split(b"\n")[:-1]:
            try:
                self.items.append(self._decoder.decode(_unsealed(line)))
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.damaged += 1
        return True


class Ledger:
    """Durable writer of one ledger. Several writers, threads and processes may append to the same file.

    After a failed write or fsync the file is not trusted: the kernel may mark pages clean that never reached the disk. Its
    readable
    part is copied into a new file before the next write.
    """

    def __init__(self, path: Path, storage: Storage) -> None:
        self.path = path
        self._storage = storage
        self._file: int | None = None
        self.is_uncertain = False  # a write with unknown result: `heal` runs before the next one
        self._depth = 0
        self._mutex = threading.RLock()
        storage.make_folder(path.parent)
        with self._alone():
            text = content_of(storage, path)
            if text and not (text.endswith(b"\n") and _is_line(text[:-1].rpartition(b"\n")[2])):
                self.is_uncertain = True
                self.heal()

    def append(self, lines: Iterable[bytes]) -> None:
        """Append lines; returns when they are on the disk. Raises OSError when that is uncertain."""
        text = b"".join(_sealed(line) + b"\n" for line in lines)
        with self._alone():
            self.heal()
            try:
                file = self._opened()
                self._storage.write(file, text)
                self._storage.fsync(file)
            except BaseException:
                self.is_uncertain = True
                self.close()
                raise

    def heal(self) -> bool:
        """Rewrite the file if it cannot be trusted; returns True if rewritten. Raises OSError if that fails too."""
        if not self.is_uncertain:
            return False
        with self._alone():
            self.close()
            lines = [line for line in content_of(self._storage, self.path).split(b"\n")[:-1] if _is_line(line)]
            temporary = self.path.with_name(f".tmp-{self.path.name}")
            publish(self._storage, temporary, self.path, b"".join(line + b"\n" for line in lines))
            self._storage.fsync_dir(self.path.parent)
            self.is_uncertain = False
        return True

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                self._storage.close(file)

    def _opened(self) -> int:
        """Open the current file of this name: another writer may have replaced it."""
        try:
            there: os.stat_result | None = self.path.stat()
        except FileNotFoundError:
            there = None
        if self._file is not None and there is not None and os.path.samestat(os.fstat(self._file), there):
            return self._file
        self.close()
        self._file = self._storage.open_append(self.path)
        if there is None:
            self._storage.fsync_dir(self.path.parent)
        return self._file

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._mutex:
            self._depth += 1
            try:
                if self._depth > 1:
                    yield
                    return
                lock = os.open(self.path.parent / "append.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    yield
                finally:
                    os.close(lock)
            finally:
                self._depth -= 1


class Manifest:
    """The Parquet files with the rows of a data folder, as of the last `refresh`.

    gone: listed files whose folder of table and date was deleted by a user. If such a folder exists again, all files of the
    recorders
    before the first one with a file in it are gone; any other missing file was lost.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits = LedgerLines[Commit](root / LEDGER / "segments.jsonl", Commit)
        self.compactions = LedgerLines[Compaction](root / LEDGER / "compactions.jsonl", Compaction)
        self.files: list[File] = []
        self.gone: list[File] = []
        self._visible: list[File] = []
        self._folders: dict[str, dict[str, list[File]]] = {}

    def refresh(self) -> bool:
        """Read the ledgers; returns True if the set of files has changed."""
        changed = self.commits.refresh()
        changed = self.compactions.refresh() or changed
        if changed:
            visible = {file.path: file for commit in self.commits.items for file in commit.files}
            for compaction in self.compactions.items:
                visible.update((file.path, file) for file in compaction.added)
            for compaction in self.compactions.items:
                for path in compaction.removed:
                    visible.pop(path, None)
            self._visible = sorted(visible.values(), key=lambda file: file.path)
            self._folders = self._by_folder()
        gone = sorted((file for folder in self._folders for file in self._deleted(folder)), key=lambda file: file.path)
        if changed or gone != self.gone:
            changed, self.gone = True, gone
            paths = {file.path for file in gone}
            self.files = [file for file in self._visible if file.path not in paths]
        return changed

    def _by_folder(self) -> dict[str, dict[str, list[File]]]:
        """Return the visible files by table and date, then by recorder, in order of first commit."""
        order = {name: place for place, name in enumerate(dict.fromkeys(commit.recorder for commit in self.commits.items))}
        folders: dict[str, dict[str, list[File]]] = {}
        for file in sorted(self._visible, key=lambda file: order.get(file.recorder, len(order))):
            folders.setdefault(file.folder, {}).setdefault(file.recorder, []).append(file)
        return folders

    def _deleted(self, folder: str) -> list[File]:
        of_recorders = self._folders[folder].values()
        if not (self.root / folder).is_dir():
            return [file for files in of_recorders for file in files]
        deleted: list[File] = []
        for files in of_recorders:
            if any((self.root / file.path).exists() for file in files):
                return deleted
            deleted += files
        return []  # an empty folder is not a deleted one

    def committed(self, recorder: str) -> int:
        """Return the highest journal record of a recorder whose rows are all in tables; 0 if there is none."""
        return max((commit.through for commit in self.commits.items if commit.recorder == recorder), default=0)

    @property
    def damaged(self) -> int:
        """Number of unreadable ledger lines."""
        return self.commits.damaged + self.compactions.damaged


def _sealed(line: bytes) -> bytes:
    """Return a JSON object with the CRC32 of its bytes as an additional last member."""
    return b'%b,"crc":%d}' % (line[:-1], crc32(line))


def _unsealed(line: bytes) -> bytes:
    """Return the object without its CRC32; a line of an older version has none and is returned unchanged. Raises DecodeError."""
    sealed = _SEAL.search(line)
    if sealed is None:
        return line
    bare = line[: sealed.start()] + b"}"
    if crc32(bare) != int(sealed[1]):
        raise msgspec.DecodeError("the line fails its checksum")
    return bare


def _is_line(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True
