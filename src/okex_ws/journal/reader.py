"""JournalReader: reads records from segments. Damaged parts are skipped and reported; a wrong record is never returned.

A block is valid if its header, the CRC32 of its payload, zstd's checksum, its number of lines and their record numbers all
agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from okex_ws.journal.captures import captured
from okex_ws.journal.errors import ForeignFileError, JournalError, StorageFailedError, UnknownFormatError
from okex_ws.journal.format import (
    FORMAT,
    HEADER_BYTES,
    IS_END,
    IS_HEADER,
    SUFFIX,
    Block,
    Damage,
    Reader,
    SegmentHeader,
    decompressor,
    is_torn_start,
    other_format,
    parse,
    segment_name,
    torn_name,
    unpack,
    walk,
)
from okex_ws.journal.problems import Problem
from okex_ws.journal.records import Record, records_of
from okex_ws.journal.segment_files import names_in, opened, segment_numbers, torn_numbers
from okex_ws.journal.storage import OsStorage, Storage


class _Place(NamedTuple):
    """A file to read. limit: first record of the next segment; from there on the next segment is used."""

    number: int | None
    path: Path
    limit: int | None


class _SegmentMark(NamedTuple):
    """Position of the previous pass: segment, offset, next record."""

    number: int | None
    offset: int
    expected: int


class JournalReader:
    """Reader of a recorder's folder, one segment file, or a capture in JSON lines (`.jsonl`; see captures.py).

    `problems`: parts that the latest pass could not read, complete after the pass. `header`: of the latest segment read.
    `dialect`: of a capture, whose frames of other dialects are skipped; a journal's lines carry their own.
    `is_closed`: True if the last segment was closed; False while the journal is being written, or after a kill.
    """

    def __init__(self, path: Path, *, dialect: str = "v5", storage: Storage = OsStorage()) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.header: SegmentHeader | None = None
        self.is_closed = False
        self.dialect = dialect
        self._storage = storage
        self._zstd = decompressor()
        self._mark: _SegmentMark | None = None
        self._expected: int | None = None
        self._pending: list[tuple[str, Damage]] = []
        self._torn: frozenset[int] = frozenset()

    def records(
        self, *, after: int = 0, since: int | None = None, until: int | None = None, through: int | None = None
    ) -> Iterator[Record]:
        """Yield records with number > after, ≤ through, and since ≤ receive time < until (ns), in order of number.

        Reads the records present at the start. A later call with a higher `after` continues at the end of the previous one, so
        following
        a journal costs only the new records. One pass at a time. Raises ForeignFileError, UnknownFormatError,
        StorageFailedError.
        """
        self.problems = []
        self._pending = []
        self.is_closed = False
        if self.path.suffix == ".jsonl":
            found = captured(self.path, self.dialect, self.problems)
        else:
            found = self._read(after, since, until)
        for record in found:
            if through is not None and record.n > through:
                return
            if record.n > after and (since is None or record.ts >= since) and (until is None or record.ts < until):
                yield record

    def _read(self, after: int, since: int | None, until: int | None) -> Iterator[Record]:
        places, offset = self._places(after)
        for place in places:
            self.is_closed = False
            try:
                with opened(self._storage, place.path) as (read, size):
                    is_ours = self._check(place, read, size)
                    yield from self._blocks(place, read, size, offset, is_ours, after, since, until)
            except StorageFailedError as error:
                if place.path == self.path or not isinstance(error.__cause__, FileNotFoundError):
                    raise  # else: an abandoned segment, removed since the folder was listed
            offset = 0
            name = place.path.name
            if place.number in self._torn:
                length = self._size(place.path)
                self._pending.append((name, Damage(length, length, "cut", f"a tail was moved to {torn_name(name)}")))
        self._resolve(None, after=after)

    def _blocks(
        self, place: _Place, read: Reader, size: int, offset: int, is_ours: bool, after: int, since: int | None, until: int | None
    ) -> Iterator[Record]:
        name = place.path.name
        for item in walk(read, size, offset=offset, segment=place.number):
            if isinstance(item, Damage):
                self._pending.append((name, item if is_ours else item._replace(kind="foreign", why="not a journal segment")))
                continue
            header = item.header
            if place.limit is not None and header.first >= place.limit and header.amount:
                continue
            lines = b""
            if header.amount == 0 or self._is_wanted(item, after, since, until):
                try:
                    lines = unpack(header, read(item.offset + HEADER_BYTES, header.length), self._zstd)
                    found = records_of(lines, header) if header.amount else []
                except ValueError as error:
                    self._pending.append((name, Damage(item.offset, item.end, "damaged", str(error), header.first, header.last)))
                    continue
            else:
                found = []
            if self._expected is None and header.segment == 1:
                self._expected = 1
            self._resolve(header.first, after=after, name=name, offset=item.offset)
            if header.flags & IS_HEADER:
                self._read_header(place.path, lines)
            self.is_closed = bool(header.flags & IS_END)
            fresh = [record for record in found if record.n >= (self._expected or 0)]
            after_it = header.last + 1 if place.limit is None else min(header.last + 1, place.limit)
            self._expected = max(self._expected or 0, after_it)
            self._mark = _SegmentMark(place.number, item.end, self._expected)
            yield from fresh if place.limit is None else (record for record in fresh if record.n < place.limit)

    def _is_wanted(self, block: Block, after: int, since: int | None, until: int | None) -> bool:
        """True if the block may hold a requested record; otherwise its payload is not read."""
        header = block.header
        return (
            header.last > after
            and header.last >= (self._expected or 0)
            and (since is None or header.latest >= since)
            and (until is None or header.earliest < until)
        )

    def _places(self, after: int) -> tuple[list[_Place], int]:
        """Return the files to read and the offset in the first one; set the next expected record."""
        mark = self._mark
        if self.path.is_file() or self.path.name.endswith(SUFFIX):
            known = mark is not None and after + 1 >= mark.expected and mark.offset <= self._size(self.path)
            self._expected = mark.expected if known and mark is not None else None
            return [_Place(None, self.path, None)], mark.offset if known and mark is not None else 0
        names = names_in(self._storage, self.path)
        numbers = segment_numbers(names)
        self._torn = frozenset(torn_numbers(names))
        places: list[_Place] = []
        limit: int | None = None
        known = mark is not None and after + 1 >= mark.expected and mark.number in numbers
        for number in reversed(numbers):
            place = _Place(number, self.path / segment_name(number), limit)
            places.insert(0, place)
            if known and mark is not None and number == mark.number:
                if self._size(place.path) < mark.offset:
                    break  # cut since the previous pass: read it from its beginning
                self._expected = mark.expected
                return places, mark.offset
            first = self._first(place.path)
            limit = limit if first is None else first
            if after and first is not None and first <= after + 1 and not known:
                break
        else:  # all segments are read: requested records before the first one are missing
            self._expected = after + 1
            return places, 0
        self._expected = None
        return places, 0

    def _size(self, path: Path) -> int:
        try:
            return self._storage.size(path)
        except OSError:
            return 0

    def _first(self, path: Path) -> int | None:
        """Return the number of the first record in a segment's header; None if it cannot be read."""
        try:
            with opened(self._storage, path) as (read, _):
                header = parse(read(0, HEADER_BYTES))
        except StorageFailedError:
            return None
        return header.first if header is not None else None

    def _check(self, place: _Place, read: Reader, size: int) -> bool:
        """True if the file is a segment or the beginning of one. Raises an error if it is the only file to read and is not."""
        head = read(0, 4096)
        if parse(head[:HEADER_BYTES]) is not None or any(isinstance(item, Block) for item in walk(read, size)):
            return True
        if other_format(head):
            raise UnknownFormatError(f"{place.path} is of format {other_format(head)}; this version reads format {FORMAT}")
        is_ours = is_torn_start(head, size)
        if not is_ours and self.path == place.path:
            raise ForeignFileError(f"{place.path} is not a journal segment")
        return is_ours

    def _read_header(self, path: Path, line: bytes) -> None:
        try:
            header = msgspec.json.decode(line, type=SegmentHeader)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ForeignFileError(f"{path} has no header line that this version can read") from None
        if header.format != FORMAT:
            raise UnknownFormatError(f"{path} is of format {header.format}; this version reads format {FORMAT}")
        self.header = header

    def _resolve(self, first: int | None, *, after: int, name: str = "", offset: int = 0) -> None:
        """Report pending damage: the next valid block begins with record `first`, or the journal ends (None)."""
        expected = self._expected if self._expected is not None else (after + 1 if first is None else None)
        pending, self._pending = self._pending, []
        if self._expected is None:
            expected = min((damage.first for _, damage in pending if damage.first), default=expected)
        if not pending:
            if first is not None and expected is not None and first > expected:
                why = "no segment has these records"
                self.problems.append(Problem(name, offset, offset, expected, first - 1, "missing", why))
        else:
            self._report(pending, *_lost_range(pending, expected, first))
        if first is not None:
            self._expected = max(first, self._expected or 0)

    def _report(self, pending: list[tuple[str, Damage]], lost_first: int | None, lost_last: int | None) -> None:
        stretches: dict[str, list[Damage]] = {}
        for name, damage in pending:
            stretches.setdefault(name, []).append(damage)
        for name, damages in stretches.items():
            kinds = [damage.kind for damage in damages]
            kind = "damaged" if "damaged" in kinds else kinds[-1]
            why = ", ".join(dict.fromkeys(damage.why for damage in damages))
            self.problems.append(Problem(name, damages[0].start, damages[-1].end, lost_first, lost_last, kind, why))
            lost_first = lost_last = None  # the range is reported once


def _lost_range(pending: list[tuple[str, Damage]], expected: int | None, first: int | None) -> tuple[int | None, int | None]:
    """Return the first and last record lost with this damage; see Problem."""
    if first is not None:
        if expected is None:
            return None, first - 1 or None
        return (expected, first - 1) if first > expected else (None, None)
    latest = pending[-1][1]
    if latest.first and expected is not None:
        return (expected, latest.last) if latest.last >= expected else (None, None)
    return expected, None


def read_header(path: Path, *, storage: Storage = OsStorage()) -> SegmentHeader:
    """Return the header line of a segment. Raises JournalError if it is damaged."""
    reader = JournalReader(path, storage=storage)
    for _ in reader.records():
        break
    if reader.header is None:
        raise JournalError(f"{path} has no readable header line")
    return reader.header
