"""The data folder: its marker file, the paths of tables, and the locks of readers and compactions."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from okex_ws.errors import OkexError
from okex_ws.store.storage import OsStorage, Storage, names_in, publish

FORMAT = 1
MARK = "okex-ws.json"
TABLES = "tables"
LEDGER = "ledger"
READERS_LOCK = "readers.lock"
DAY = 86_400_000_000_000
"""Nanoseconds in a day."""

NO_INSTRUMENT = "none"
"""Folder of rows without an instrument. Hive's name for it is read too: pyarrow infers no type from that name alone."""
_LONGEST_NAME = 200
_LAST_DAY = 106_751  # of int64 nanoseconds: 2262-04-11


class StoreError(OkexError):
    """Error of the store; the text is one line that names the cause."""


class _FolderMark(msgspec.Struct):
    format: int
    software: str = ""
    created: int = 0


def prepare(path: Path | str, *, now: int, software: str, storage: Storage | None = None) -> None:
    """Create a folder for recording, or check an existing one.

    Must be called before anything else is written there. now: ns UTC, stored as the folder's creation time. Raises StoreError
    for a
    foreign folder, an unknown version, a file, or a folder that cannot be written.
    """
    storage = storage or OsStorage()
    root = Path(path)
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root} is a file, not a data folder")
    try:
        storage.make_folder(root.absolute())
        if not (root / MARK).exists():
            strangers = [name for name in names_in(storage, root) if name not in ("lock", f"{MARK}.tmp")]
            if strangers:
                raise StoreError(f"{root} is not a data folder of okex-ws and is not empty: it holds {strangers[0]}")
            mark = msgspec.json.encode(_FolderMark(format=FORMAT, software=software, created=now)) + b"\n"
            publish(storage, root / f"{MARK}.tmp", root / MARK, mark)
            storage.fsync_dir(root)
        check(root)
        for name in (TABLES, LEDGER):
            storage.make_folder((root / name).absolute())
        if not (root / LEDGER / READERS_LOCK).exists():
            storage.close(storage.open_append(root / LEDGER / READERS_LOCK))
    except OSError as error:
        raise StoreError(f"{root} cannot be written: {error.strerror or error}") from error


def check(path: Path | str) -> None:
    """Raise StoreError unless `path` is a data folder that this version can read."""
    root = Path(path)
    if not root.exists():
        raise StoreError(f"there is no data folder {root}")
    if not root.is_dir():
        raise StoreError(f"{root} is a file, not a data folder")
    try:
        text = (root / MARK).read_bytes()
    except FileNotFoundError:
        if any(root.iterdir()):
            raise StoreError(f"{root} is not a data folder of okex-ws: it has no {MARK}") from None
        raise StoreError(f"{root} is empty: nothing was recorded there") from None
    except OSError as error:
        raise StoreError(f"{root / MARK} cannot be read: {error.strerror or error}") from error
    try:
        mark = msgspec.json.decode(text, type=_FolderMark)
    except msgspec.DecodeError as error:
        raise StoreError(f"{root / MARK} is damaged: {error}") from error
    if mark.format != FORMAT:
        by = f", written by okex-ws {mark.software}" if mark.software else ""
        raise StoreError(f"{root} has format {mark.format}{by}; this version reads format {FORMAT}")


def partition(table: str, day: int, instrument: str) -> str:
    """Return the folder of a table, UTC day (days since 1970) and instrument, relative to the data folder."""
    return f"{TABLES}/{table}/date={date_text(day)}/instrument={encode_instrument(instrument)}"


def table_files(storage: Storage, root: Path) -> Iterator[str]:
    """Yield every file in the tables of a data folder, committed or not, relative to it."""
    folders = [TABLES]
    for _ in ("table", "date", "instrument"):
        folders = [f"{folder}/{name}" for folder in folders for name in names_in(storage, root / folder)]
    for folder in folders:
        yield from (f"{folder}/{name}" for name in names_in(storage, root / folder))


def date_text(day: int) -> str:
    """Return YYYY-MM-DD of a day since 1970."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=min(max(day, 0), _LAST_DAY))).isoformat()


def encode_instrument(instrument: str) -> str:
    """Return an instrument id as one safe path component: percent-encoded, shortened with a digest if too long."""
    if not instrument:
        return NO_INSTRUMENT
    name = quote(instrument.encode("utf-8", "surrogatepass"), safe="")
    if len(name) > _LONGEST_NAME or name == NO_INSTRUMENT:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name[:100].rpartition('%')[0] or name[:100]}~{digest}"
    return name


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """Hold the readers' lock: no file that a reader may have listed is removed."""
    try:
        lock = os.open(root / LEDGER / READERS_LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield  # a read-only copy without the lock file; no compaction runs in it either
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


@contextmanager
def removing(root: Path) -> Iterator[bool]:
    """True if no reader is active and none can begin until this ends; False if a reader is active."""
    lock = os.open(root / LEDGER / READERS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


@contextmanager
def compacting(root: Path) -> Iterator[None]:
    """Allow one compaction of a folder at a time; raises StoreError while another one runs."""
    lock = os.open(root / LEDGER / "compact.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{root} is being compacted by another process") from None
        yield
    finally:
        os.close(lock)
