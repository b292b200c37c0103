"""audit: does a data folder hold what it says. Tables and ledgers against themselves, and all of it against the journal.

What the folder says was acknowledged has to be in the journal or, where old segments were deleted, in the tables. The journal is
replayed; every row and every piece of news it says, up to what is committed, has to be in the tables once. What is
not committed yet is no loss: the next recorder commits it. Several folders are one recording, each with its own journals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from okex_ws.events import Event, Push
from okex_ws.journal import JournalError, JournalReader, Problem, Record, recorders
from okex_ws.recorder.checksums import Checksums
from okex_ws.recorder.watermarks import Watermark, witnesses
from okex_ws.replay import Replay
from okex_ws.store.folder import DAY, StoreError, date_text
from okex_ws.store.query import Folder, Store
from okex_ws.store.status_rows import status_line
from okex_ws.store.tables import event_ns, table_of
from okex_ws.store.verify import DAMAGE, EXPLAINED, GONE, HOLE, UNVERIFIABLE, VerifyFinding, VerifyReport, subtract, verify

WAITING = "waiting"
"""Kind of a finding: rows that are in the journal and not yet in the tables."""

_NAMED = 5


class Audit(msgspec.Struct):
    """report: of tables, ledgers and journals together. journals, records, events: how much was replayed; checksums: how many of
    the replayed books were verified.
    """

    report: VerifyReport
    journals: int = 0
    records: int = 0
    events: int = 0
    checksums: int = 0


class _Sums(msgspec.Struct):
    """Which events of one table: how many, and their places added up."""

    count: int = 0
    n: int = 0
    i: int = 0

    def add(self, n: int, i: int) -> None:
        self.count += 1
        self.n += n
        self.i += i


class _Said(msgspec.Struct):
    """What the journal of one recorder says when it is replayed.

    committed: the last record that is in the tables; records: how many there are; last: the number of the last one. rows: those
    of records up to `committed`; later: how many after it; news: ledger lines by their places. heard: stretches of records
    whose events are what was said live; blind: those behind a hole, where lines are not known.
    """

    committed: int
    records: int = 0
    last: int = 0
    rows: dict[str, _Sums] = {}
    news: dict[tuple[int, int], bytes] = {}
    later: int = 0
    events: int = 0
    heard: list[list[int]] = []
    blind: list[list[int]] = []
    checksums: Checksums = msgspec.field(default_factory=Checksums)

    def has(self, n: int) -> bool:
        """Whether what was made of a record can be held against the journal."""
        return any(first <= n <= last for first, last in self.heard)

    @property
    def condition(self) -> str:
        """`has`, of committed records, in SQL."""
        heard = " OR ".join(f"n BETWEEN {first} AND {last}" for first, last in self.heard)
        return f"recorder = ? AND n <= {self.committed} AND ({heard or 'false'})"


def audit(paths: Sequence[Path], *, replays: bool = True) -> Audit:
    """Verify data folders. replays: also read every journal and hold it against the tables; takes as long as a replay.

    Raises StoreError when one of them is no data folder, or cannot be read.
    """
    try:
        with Store(*paths) as store:
            known = [witnesses(folder) for folder in store.folders]  # before a journal has grown
            done = Audit(verify(store))
            is_damaged = any(finding.kind == DAMAGE for finding in done.report.findings)
            if replays:
                for folder, witnessed in zip(store.folders, known, strict=True):
                    _check_journals(store, folder, witnessed, done, compares=not is_damaged)
            return done
    except (JournalError, OSError) as error:
        raise StoreError(str(error)) from error


def _check_journals(store: Store, folder: Folder, known: dict[str, Watermark], done: Audit, *, compares: bool) -> None:
    journal = folder.root / "journal"
    here = {path.name: path for path in recorders(journal)} if journal.is_dir() else {}
    for name in sorted(known.keys() - here.keys()):
        done.report.findings += _absent(folder, name, known[name].n, f"its journal is not here, {known[name].by} tells of it")
    for name, path in here.items():
        reader = JournalReader(path)
        said = _said(reader, folder)
        done.journals += 1
        done.records += said.records
        done.events += said.events
        done.checksums += sum(said.checksums.verified.values())
        done.report.findings = [each for each in done.report.findings if not _is_verified(each, said)]
        done.report.findings += _journal_findings(folder, name, reader.problems, said, known.get(name))
        if compares:
            done.report.findings += _compared(store, folder, name, path, said)


def _is_verified(finding: VerifyFinding, said: _Said) -> bool:
    """Whether a book that cannot be verified by its table, for want of sequences, was verified by its checksums."""
    is_book = finding.kind == UNVERIFIABLE and finding.table == "book_updates"
    return is_book and finding.instrument in said.checksums.verified


def _said(reader: JournalReader, folder: Folder) -> _Said:
    said = _Said(folder.manifest.committed(reader.path.name))
    gone = _gone(folder, reader.path.name)
    for record, events, is_exact in _heard(reader):
        said.records += 1
        said.last = record.n
        said.events += len(events)
        if is_exact:
            said.checksums.hear(record.n, events)
        else:
            said.checksums.begin_anew()
        stretches = said.heard if is_exact else said.blind
        if stretches and stretches[-1][1] == record.n - 1:
            stretches[-1][1] = record.n
        else:
            stretches.append([record.n, record.n])
        for i, event in enumerate(events if is_exact else ()):
            if not isinstance(event, Push):
                said.news[record.n, i] = status_line(event, reader.path.name, record.n, i)
            elif record.n > said.committed:
                said.later += 1
            elif not _is_gone(event, gone):
                said.rows.setdefault(table_of(type(event)).name, _Sums()).add(record.n, i)
    return said


def _gone(folder: Folder, name: str) -> set[tuple[str, str]]:
    """Tables and dates whose folders went with this recorder's rows."""
    return {(file.table, file.date) for file in folder.manifest.gone if file.recorder == name}


def _is_gone(event: Push, gone: set[tuple[str, str]]) -> bool:
    """Whether the row went with its folder."""
    return bool(gone) and (table_of(type(event)).name, date_text(event_ns(event) // DAY)) in gone


def _heard(reader: JournalReader) -> Iterator[tuple[Record, list[Event], bool]]:
    """The records of a journal, what was said to each, and whether that is what was said live."""
    replay = Replay()
    replay.resume(reader.path, through=0)
    for record in reader.records():
        yield record, replay.feed(record), replay.is_exact


def _journal_findings(
    folder: Folder, name: str, problems: list[Problem], said: _Said, known: Watermark | None
) -> Iterator[VerifyFinding]:
    is_shorter = known is not None and known.n > said.last
    further = f"{known.by} goes on to record {known.n}" if known is not None and is_shorter else ""
    for problem in problems:
        first, last, is_tail = problem.first, problem.last, problem.kind in ("torn", "cut")
        text = f"{name}/{problem}"
        if is_tail and problem.lost == 0:
            yield VerifyFinding(EXPLAINED, "journal", text, "", name)
        elif first is not None and first > said.last:
            if further and known is not None:
                yield VerifyFinding(DAMAGE, "journal", f"{text}; {further}", "", name, first, max(last or 0, known.n))
                further = ""
            elif is_tail and not is_shorter:
                yield VerifyFinding(EXPLAINED, "journal", f"{text} (a tail that was never acknowledged)", "", name, first, last)
            else:
                yield VerifyFinding(DAMAGE, "journal", text, "", name, first, last)
        elif problem.kind == "missing" and first == 1 and last is not None:
            yield from _absent(folder, name, last, "the first segments of its journal are not here")
        else:
            yield VerifyFinding(DAMAGE, "journal", text, "", name, first, last)
    if further and known is not None:
        text = f"{name}: {further}, its journal ends at {said.last}"
        yield VerifyFinding(DAMAGE, "journal", text, "", name, said.last + 1, known.n)
    for low, high in said.blind:
        text = f"{name}: records {low} to {high} follow a hole; without what came before, their rows cannot be compared"
        yield VerifyFinding(UNVERIFIABLE, "journal", text, "", name, low, high)
    for n, channel, instrument in said.checksums.wrong:
        text = f"{name}: {instrument} {channel}: the book of record {n} does not have its checksum, and no gap was told"
        yield VerifyFinding(HOLE, "book_updates", text, instrument, name, n, n)
    if said.later:
        text = f"{name}: {said.later} rows are in the journal and not yet in the tables; a recorder brings them"
        yield VerifyFinding(WAITING, "journal", text, "", name, said.committed + 1, said.last)


def _absent(folder: Folder, name: str, through: int, why: str) -> Iterator[VerifyFinding]:
    """Whole segments are not here: gone, as far as the tables have their rows, and lost beyond that."""
    commits = sorted((one.first, one.through) for one in folder.manifest.commits.items if one.recorder == name)
    parts = list(subtract(1, through, commits))
    kept = sum(high - low + 1 for low, high, is_kept in parts if is_kept)
    if kept:
        yield VerifyFinding(GONE, "journal", f"{name}: {why}; the tables have the rows of {kept} of {through} records", "", name)
    for low, high, is_kept in parts:
        if not is_kept:
            text = f"{name}: records {low} to {high} were on disk and are lost: {why}, and the tables do not have their rows"
            yield VerifyFinding(DAMAGE, "journal", text, "", name, low, high)


def _compared(store: Store, folder: Folder, name: str, path: Path, said: _Said) -> Iterator[VerifyFinding]:
    have = _in_tables(store, name, said)
    for table in sorted(said.rows.keys() | have.keys()):
        if said.rows.get(table) != have.get(table):
            yield _difference(store, folder, table, name, path, said)
    told = {
        (row.get("n", 0), row.get("i", 0)): row
        for ledger in (folder.gaps, folder.connections)
        for row in ledger.rows
        if row.get("recorder") == name and said.has(row.get("n", 0))
    }
    missing = [place for place in said.news.keys() - told.keys() if place[0] <= said.committed]
    extra = told.keys() - said.news.keys()
    for places, where in ((missing, "is not in the ledger"), (extra, "is in the ledger, not in the journal")):
        for n, i in sorted(places)[:_NAMED]:
            yield VerifyFinding(HOLE, "gaps", f"{name}: event {i} of record {n}, news of the line, {where}", "", name)
    for n, i in sorted(told.keys() & said.news.keys()):
        heard = msgspec.json.decode(said.news[n, i])
        differing = [key for key, value in told[n, i].items() if heard.get(key, value) != value]
        if differing:
            what = ", ".join(f"{key} {told[n, i][key]!r} where it was {heard[key]!r}" for key in differing)
            yield VerifyFinding(DAMAGE, "gaps", f"{name}: event {i} of record {n} was altered in the ledger: {what}", "", name)


def _in_tables(store: Store, name: str, said: _Said) -> dict[str, _Sums]:
    found = {}
    for summary in store.tables():
        query = f"SELECT count(*), sum(n), sum(i) FROM raw_{summary.name} WHERE {said.condition}"  # noqa: S608  # our names
        count, n, i = store.rows(query, name)[0]
        if count:
            found[summary.name] = _Sums(count, int(n), int(i))
    return found


def _difference(store: Store, folder: Folder, table: str, name: str, path: Path, said: _Said) -> VerifyFinding:
    """Which rows: the journal is read again, for one table."""
    gone = _gone(folder, name)
    rows = {
        (record.n, i)
        for record, events, _ in _heard(JournalReader(path))
        if said.has(record.n) and record.n <= said.committed
        for i, event in enumerate(events)
        if isinstance(event, Push) and table_of(type(event)).name == table and not _is_gone(event, gone)
    }
    have = set()
    if table in store.table_names():
        have = set(store.rows(f"SELECT n, i FROM raw_{table} WHERE {said.condition}", name))  # noqa: S608
    missing, extra = sorted(rows - have), sorted(have - rows)
    words = []
    if missing:
        words.append(f"{len(missing)} rows of the journal are not in the table, the first from record {missing[0][0]}")
    if extra:
        words.append(f"{len(extra)} rows of the table are not in the journal, the first from record {extra[0][0]}")
    text = f"{name}: {table}: {'; '.join(words) or 'rows are there more than once'}"
    return VerifyFinding(HOLE, table, text, "", name)
