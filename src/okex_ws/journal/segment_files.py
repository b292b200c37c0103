"""Read access to segment files."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from okex_ws.journal.errors import StorageFailedError, naming
from okex_ws.journal.format import HEADER_BYTES, IS_END, SUFFIX, TORN_SUFFIX, BlockHeader, Reader, parse, segment_number
from okex_ws.journal.storage import Storage

_PIECE = 4096


@contextmanager
def opened(storage: Storage, path: Path) -> Iterator[tuple[Reader, int]]:
    """Open a file as (read, size). Parts that the disk cannot read (EIO) become zeros; the checksums then detect the loss."""
    with naming("open", path):
        file = storage.open_read(path)
    try:
        with naming("stat", path):
            size = storage.size(path)

        def read(offset: int, length: int) -> bytes:
            try:
                return storage.read_at(file, offset, length)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise StorageFailedError("read", path, error.errno or 0) from error
                return _pieces(storage, file, offset, min(length, size - offset))

        yield read, size
    finally:
        storage.close(file)


def _pieces(storage: Storage, file: int, offset: int, length: int) -> bytes:
    parts = []
    while length > 0:
        wanted = min(length, _PIECE)
        try:
            part = storage.read_at(file, offset, wanted)
        except OSError:
            part = b""
        parts.append(part.ljust(wanted, b"\0"))
        offset += wanted
        length -= wanted
    return b"".join(parts)


def end_of(read: Reader, size: int) -> BlockHeader | None:
    """Return the end block of a closed segment; None if the segment is not closed."""
    end = parse(read(size - HEADER_BYTES, HEADER_BYTES)) if size >= HEADER_BYTES else None
    return end if end is not None and end.flags & IS_END and not end.length else None


def names_in(storage: Storage, folder: Path) -> list[str]:
    """Return the names in a folder."""
    with naming("list", folder):
        return storage.list(folder)


def segment_numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the segments among the names, in order."""
    return sorted(number for number in map(segment_number, names) if number is not None)


def torn_numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the segments with a separate torn tail."""
    return segment_numbers(name.removesuffix(TORN_SUFFIX) + SUFFIX for name in names if name.endswith(TORN_SUFFIX))


def recorders(folder: Path) -> list[Path]:
    """Return the recorders' folders in a `journal` folder."""
    with naming("list", folder):
        return sorted(
            inner for inner in folder.iterdir() if inner.is_dir() and any(segment_number(path.name) for path in inner.iterdir())
        )
