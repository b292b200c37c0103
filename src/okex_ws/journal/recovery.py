"""Recovery of a recorder's folder before a writer continues: find the end and cut the tail that a kill left.

Only bytes that cannot be a complete block are cut; they are kept beside the segment as `<segment>.torn`. Damage in the middle
and
complete blocks with an invalid payload stay; readers report the loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from okex_ws.journal.errors import UnknownFormatError, naming
from okex_ws.journal.format import Block, Damage, Reader, is_torn_start, other_format, segment_name, torn_name, walk
from okex_ws.journal.problems import Problem
from okex_ws.journal.segment_files import end_of, names_in, opened, segment_numbers, torn_numbers
from okex_ws.journal.storage import OsStorage, Storage

_COPY = 1024 * 1024


class RecoveredTail(NamedTuple):
    """State of the folder: number of the last record, number of the last segment, parts that were cut."""

    last: int
    segment: int
    problems: list[Problem]


def recover(folder: Path, *, storage: Storage = OsStorage()) -> RecoveredTail:
    """Cut the torn tails of a recorder's segments; nothing changes if there are none. The caller holds the FolderLock.

    Reads block headers, not payloads. A killed recovery can run again.
    Raises UnknownFormatError if a segment has another version; then nothing is cut.
    """
    names = names_in(storage, folder)
    numbers = segment_numbers(names)
    last, cuts = 0, []
    for number in numbers:
        path = folder / segment_name(number)
        with opened(storage, path) as (read, size):
            end = end_of(read, size)
            if end is not None:
                last = max(last, end.last)
                continue
            tail = None
            for item in walk(read, size, segment=number):
                if isinstance(item, Block):
                    last = max(last, item.header.last)
                tail = item if isinstance(item, Damage) and item.kind == "torn" else None
            if size and tail is None:
                continue
            head = read(0, 64)
            if other_format(head):
                raise UnknownFormatError(f"{path} is of format {other_format(head)}; this version reads format 1")
            if tail is None or tail.start > 0 or is_torn_start(head, size):
                cuts.append((path, tail or Damage(0, 0, "torn", "the file is empty")))
    problems = [_cut(storage, path, tail) for path, tail in cuts]
    return RecoveredTail(last, max([0, *numbers, *torn_numbers(names)]), problems)


def _cut(storage: Storage, path: Path, tail: Damage) -> Problem:
    torn = path.with_name(torn_name(path.name))
    if tail.start == 0:
        with naming("rename", path):
            storage.rename(path, torn)
    else:
        with opened(storage, path) as (read, _):
            _keep(storage, read, tail, torn)
        with naming("truncate", path):
            storage.truncate(path, tail.start)
    with naming("fsync of the folder", path.parent):
        storage.fsync_dir(path.parent)
    why = f"{tail.why}; kept in {torn.name}"
    return Problem(path.name, tail.start, tail.end, tail.first or None, tail.last or None, "cut", why)


def _keep(storage: Storage, read: Reader, tail: Damage, torn: Path) -> None:
    """Copy the tail to its own file, durable before the tail is cut."""
    partial = torn.with_name(torn.name + ".part")
    with naming("create", partial):
        if partial.name in storage.list(partial.parent):
            storage.remove(partial)  # left by a killed recovery
        file = storage.create(partial)
    try:
        for offset in range(tail.start, tail.end, _COPY):
            with naming("write", partial):
                storage.write(file, read(offset, min(_COPY, tail.end - offset)))
        with naming("fsync", partial):
            storage.fsync(file)
    finally:
        storage.close(file)
    with naming("rename", partial):
        storage.rename(partial, torn)
        storage.fsync_dir(torn.parent)
