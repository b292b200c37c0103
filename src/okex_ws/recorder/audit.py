"""Audit: checks tables and ledgers of a data folder against each other, and both against the journal.

Acknowledged records must be in the journal or, if old segments were deleted, in the tables. The journal is replayed; every row
and
every status event of a committed record must be in the tables once. Uncommitted records are not lost: the next recorder commits
them. Several folders count as one recording, each with its own journals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from okex_ws.events import Event, Push
from okex_ws.journal import JournalError, JournalReader, Problem, Record, recorders
from okex_ws.recorder.checksums import Checksums
from okex_ws.recorder.watermarks import Watermark, watermarks
from okex_ws.replay import Replay
from okex_ws.store.folder import DAY, StoreError, date_text
from okex_ws.store.query import Folder, Store
from okex_ws.store.status_rows import status_line
from okex_ws.store.tables import event_ns, table_of
from okex_ws.store.verify import DAMAGE, EXPLAINED, GONE, HOLE, UNVERIFIABLE, VerifyFinding, VerifyReport, subtract, verify

WAITING = "waiting"
"""Kind of a finding: rows in the journal and not yet in the tables."""

_NAMED = 5


class Audit(msgspec.Struct):
    """Result of an audit. report: of tables, ledgers and journals together. journals, records, events: numbers replayed;
    checksums:
    number of replayed books that were verified.
    """

    report: VerifyReport
    journals: int = 0
    records: int = 0
    events: int = 0
    checksums: int = 0


class _Sums(msgspec.Struct):
    """Events of one table: their number and the sums of their places."""

    count: int = 0
    n: int = 0
    i: int = 0

    def add(self, n: int, i: int) -> None:
        self.count += 1
        self.n += n
        self.i += i


class _Replayed(msgspec.Struct):
    """Events of one recorder's journal, from a replay.

    committed: the last record in the tables; records: number of records; last: number of the last one. rows: events of records
    up to
    `committed`; later: number of events after it; status: ledger lines by place. exact: ranges of records whose events are the
    live
    ones; inexact: ranges after a hole, where the state of the lines is unknown.
    """

    committed: int
    records: int = 0
    last: int = 0
    rows: dict[str, _Sums] = {}
    status: dict[tuple[int, int], bytes] = {}
    later: int = 0
    events: int = 0
    exact: list[list[int]] = []
    inexact: list[list[int]] = []
    checksums: Checksums = msgspec.field(default_factory=Checksums)

    def has(self, n: int) -> bool:
        """True if the events of a record can be compared with the journal."""
        return any(first <= n <= last for first, last in self.exact)

    @property
    def condition(self) -> str:
        """SQL condition for `has`, of committed records."""
        exact = " OR ".join(f"n BETWEEN {first} AND {last}" for first, last in self.exact)
        return f"recorder = ? AND n <= {self.committed} AND ({exact or 'false'})"


def audit(paths: Sequence[Path], *, replays: bool = True) -> Audit:
    """Verify data folders. replays: also compare every journal with the tables; takes as long as a replay.

    Raises StoreError if a folder is not a data folder, or cannot be read.
    """
    try:
        with Store(*paths) as store:
            known = [watermarks(folder) for folder in store.folders]  # before a running recorder appends more
            done = Audit(verify(store))
            is_damaged = any(finding.kind == DAMAGE for finding in done.report.findings)
            if replays:
                for folder, known_here in zip(store.folders, known, strict=True):
                    _check_journals(store, folder, known_here, done, compares=not is_damaged)
            return done
    except (JournalError, OSError) as error:
        raise StoreError(str(error)) from error


def _check_journals(store: Store, folder: Folder, known: dict[str, Watermark], done: Audit, *, compares: bool) -> None:
    journal = folder.root / "journal"
    here = {path.name: path for path in recorders(journal)} if journal.is_dir() else {}
    for name in sorted(known.keys() - here.keys()):
        done.report.findings += _missing_segments(
            folder, name, known[name].n, f"its journal is missing, but {known[name].by} names it"
        )
    for name, path in here.items():
        reader = JournalReader(path)
        replayed = _replayed(reader, folder)
        done.journals += 1
        done.records += replayed.records
        done.events += replayed.events
        done.checksums += sum(replayed.checksums.verified.values())
        done.report.findings = [each for each in done.report.findings if not _is_verified(each, replayed)]
        done.report.findings += _journal_findings(folder, name, reader.problems, replayed, known.get(name))
        if compares:
            done.report.findings += _compared(store, folder, name, path, replayed)


def _is_verified(finding: VerifyFinding, replayed: _Replayed) -> bool:
    """True if a book without sequences in its table was verified by its checksums."""
    is_book = finding.kind == UNVERIFIABLE and finding.table == "book_updates"
    return is_book and finding.instrument in replayed.checksums.verified


def _replayed(reader: JournalReader, folder: Folder) -> _Replayed:
    replayed = _Replayed(folder.manifest.committed(reader.path.name))
    gone = _gone(folder, reader.path.name)
    for record, events, is_exact in _events_of(reader):
        replayed.records += 1
        replayed.last = record.n
        replayed.events += len(events)
        if is_exact:
            replayed.checksums.apply(record.n, events)
        else:
            replayed.checksums.reset()
        stretches = replayed.exact if is_exact else replayed.inexact
        if stretches and stretches[-1][1] == record.n - 1:
            stretches[-1][1] = record.n
        else:
            stretches.append([record.n, record.n])
        for i, event in enumerate(events if is_exact else ()):
            if not isinstance(event, Push):
                replayed.status[record.n, i] = status_line(event, reader.path.name, record.n, i)
            elif record.n > replayed.committed:
                replayed.later += 1
            elif not _is_gone(event, gone):
                replayed.rows.setdefault(table_of(type(event)).name, _Sums()).add(record.n, i)
    return replayed


def _gone(folder: Folder, name: str) -> set[tuple[str, str]]:
    """Return the tables and dates whose folders were deleted with this recorder's rows."""
    return {(file.table, file.date) for file in folder.manifest.gone if file.recorder == name}


def _is_gone(event: Push, gone: set[tuple[str, str]]) -> bool:
    """True if the row's folder was deleted."""
    return bool(gone) and (table_of(type(event)).name, date_text(event_ns(event) // DAY)) in gone


def _events_of(reader: JournalReader) -> Iterator[tuple[Record, list[Event], bool]]:
    """Yield the records of a journal, the events of each, and True if these are the live ones."""
    replay = Replay()
    replay.resume(reader.path, through=0)
    for record in reader.records():
        yield record, replay.feed(record), replay.is_exact


def _journal_findings(
    folder: Folder, name: str, problems: list[Problem], replayed: _Replayed, known: Watermark | None
) -> Iterator[VerifyFinding]:
    is_shorter = known is not None and known.n > replayed.last
    further = f"{known.by} names record {known.n}" if known is not None and is_shorter else ""
    for problem in problems:
        first, last, is_tail = problem.first, problem.last, problem.kind in ("torn", "cut")
        text = f"{name}/{problem}"
        if is_tail and problem.lost == 0:
            yield VerifyFinding(EXPLAINED, "journal", text, "", name)
        elif first is not None and first > replayed.last:
            if further and known is not None:
                yield VerifyFinding(DAMAGE, "journal", f"{text}; {further}", "", name, first, max(last or 0, known.n))
                further = ""
            elif is_tail and not is_shorter:
                yield VerifyFinding(EXPLAINED, "journal", f"{text} (a tail that was never acknowledged)", "", name, first, last)
            else:
                yield VerifyFinding(DAMAGE, "journal", text, "", name, first, last)
        elif problem.kind == "missing" and first == 1 and last is not None:
            yield from _missing_segments(folder, name, last, "the first segments of its journal are missing")
        else:
            yield VerifyFinding(DAMAGE, "journal", text, "", name, first, last)
    if further and known is not None:
        text = f"{name}: {further}, its journal ends at {replayed.last}"
        yield VerifyFinding(DAMAGE, "journal", text, "", name, replayed.last + 1, known.n)
    for low, high in replayed.inexact:
        text = f"{name}: records {low} to {high} follow a hole; without the records before, their rows cannot be compared"
        yield VerifyFinding(UNVERIFIABLE, "journal", text, "", name, low, high)
    for n, channel, instrument in replayed.checksums.wrong:
        text = f"{name}: {instrument} {channel}: the book of record {n} fails its checksum, and no gap was reported"
        yield VerifyFinding(HOLE, "book_updates", text, instrument, name, n, n)
    if replayed.later:
        text = f"{name}: {replayed.later} rows are in the journal and not yet in the tables; the next recorder adds them"
        yield VerifyFinding(WAITING, "journal", text, "", name, replayed.committed + 1, replayed.last)


def _missing_segments(folder: Folder, name: str, through: int, why: str) -> Iterator[VerifyFinding]:
    """Report missing segments: gone if the tables have their rows, otherwise damage."""
    commits = sorted((one.first, one.through) for one in folder.manifest.commits.items if one.recorder == name)
    parts = list(subtract(1, through, commits))
    kept = sum(high - low + 1 for low, high, is_kept in parts if is_kept)
    if kept:
        yield VerifyFinding(GONE, "journal", f"{name}: {why}; the tables have the rows of {kept} of {through} records", "", name)
    for low, high, is_kept in parts:
        if not is_kept:
            text = f"{name}: records {low} to {high} were on disk and are lost: {why}, and the tables do not have their rows"
            yield VerifyFinding(DAMAGE, "journal", text, "", name, low, high)


def _compared(store: Store, folder: Folder, name: str, path: Path, replayed: _Replayed) -> Iterator[VerifyFinding]:
    have = _in_tables(store, name, replayed)
    for table in sorted(replayed.rows.keys() | have.keys()):
        if replayed.rows.get(table) != have.get(table):
            yield _difference(store, folder, table, name, path, replayed)
    recorded = {
        (row.get("n", 0), row.get("i", 0)): row
        for ledger in (folder.gaps, folder.connections)
        for row in ledger.rows
        if row.get("recorder") == name and replayed.has(row.get("n", 0))
    }
    missing = [place for place in replayed.status.keys() - recorded.keys() if place[0] <= replayed.committed]
    extra = recorded.keys() - replayed.status.keys()
    for places, where in ((missing, "is not in the ledger"), (extra, "is in the ledger, not in the journal")):
        for n, i in sorted(places)[:_NAMED]:
            yield VerifyFinding(HOLE, "gaps", f"{name}: event {i} of record {n}, a status event, {where}", "", name)
    for n, i in sorted(recorded.keys() & replayed.status.keys()):
        replayed_row = msgspec.json.decode(replayed.status[n, i])
        differing = [key for key, value in recorded[n, i].items() if replayed_row.get(key, value) != value]
        if differing:
            what = ", ".join(f"{key} {recorded[n, i][key]!r} where it was {replayed_row[key]!r}" for key in differing)
            yield VerifyFinding(DAMAGE, "gaps", f"{name}: event {i} of record {n} was altered in the ledger: {what}", "", name)


def _in_tables(store: Store, name: str, replayed: _Replayed) -> dict[str, _Sums]:
    found = {}
    for summary in store.tables():
        query = f"SELECT count(*), sum(n), sum(i) FROM raw_{summary.name} WHERE {replayed.condition}"  # noqa: S608  # our names
        count, n, i = store.rows(query, name)[0]
        if count:
            found[summary.name] = _Sums(count, int(n), int(i))
    return found


def _difference(store: Store, folder: Folder, table: str, name: str, path: Path, replayed: _Replayed) -> VerifyFinding:
    """Report the differing rows; the journal is read again for one table."""
    gone = _gone(folder, name)
    rows = {
        (record.n, i)
        for record, events, _ in _events_of(JournalReader(path))
        if replayed.has(record.n) and record.n <= replayed.committed
        for i, event in enumerate(events)
        if isinstance(event, Push) and table_of(type(event)).name == table and not _is_gone(event, gone)
    }
    have = set()
    if table in store.table_names():
        have = set(store.rows(f"SELECT n, i FROM raw_{table} WHERE {replayed.condition}", name))  # noqa: S608
    missing, extra = sorted(rows - have), sorted(have - rows)
    words = []
    if missing:
        words.append(f"{len(missing)} rows of the journal are not in the table, the first from record {missing[0][0]}")
    if extra:
        words.append(f"{len(extra)} rows of the table are not in the journal, the first from record {extra[0][0]}")
    text = f"{name}: {table}: {'; '.join(words) or 'rows are repeated'}"
    return VerifyFinding(HOLE, table, text, "", name)
