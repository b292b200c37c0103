"""audit: does a data folder hold what it says. Tables and ledgers against themselves, and all of it against the journal.

The journal is replayed; every row and every piece of news it says, up to what is committed, has to be in the tables once. What is
not committed yet is no loss: the next recorder commits it. Several folders are one recording, each with its own journals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from okex_ws.events import Push
from okex_ws.journal import JournalError, JournalReader, Problem, recorders
from okex_ws.replay import played
from okex_ws.store.folder import StoreError
from okex_ws.store.query import Folder, Store
from okex_ws.store.tables import table_of
from okex_ws.store.verify import DAMAGE, EXPLAINED, HOLE, UNVERIFIABLE, Finding, Report, verify

WAITING = "waiting"
"""Kind of a finding: rows that are in the journal and not yet in the tables."""

_NAMED = 5


class Audit(msgspec.Struct):
    """report: of tables, ledgers and journals together. journals, records, events: how much was replayed."""

    report: Report
    journals: int = 0
    records: int = 0
    events: int = 0


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
    """What the journal of one recorder says when it is replayed, up to `committed`."""

    committed: int
    last: int = 0
    rows: dict[str, _Sums] = {}
    news: set[tuple[int, int]] = set()
    later: int = 0
    events: int = 0


def audit(paths: Sequence[Path], *, replays: bool = True) -> Audit:
    """Verify data folders. replays: also read every journal and hold it against the tables; takes as long as a replay.

    Raises StoreError when one of them is no data folder, or cannot be read.
    """
    try:
        with Store(*paths) as store:
            done = Audit(verify(store))
            is_damaged = any(finding.kind == DAMAGE for finding in done.report.findings)
            if replays:
                for folder in store.folders:
                    _check_journals(store, folder, done, compares=not is_damaged)
            return done
    except (JournalError, OSError) as error:
        raise StoreError(str(error)) from error


def _check_journals(store: Store, folder: Folder, done: Audit, *, compares: bool) -> None:
    journal = folder.root / "journal"
    here = {path.name: path for path in recorders(journal)} if journal.is_dir() else {}
    for name in sorted({commit.recorder for commit in folder.manifest.commits.items} - here.keys()):
        done.report.findings.append(Finding(UNVERIFIABLE, "segments", f"{name}: its journal is not here", "", name))
    for name, path in here.items():
        committed = folder.manifest.committed(name)
        reader = JournalReader(path)
        said = _said(reader, committed)
        done.journals += 1
        done.records += said.last
        done.events += said.events
        found = list(_journal_findings(name, reader.problems, said))
        done.report.findings += found
        if compares and not any(finding.kind == DAMAGE for finding in found):
            done.report.findings += _compared(store, folder, name, path, said)


def _said(reader: JournalReader, committed: int) -> _Said:
    said = _Said(committed)

    def counted() -> Iterable[object]:
        for record in reader.records():
            said.last = record.n
            yield record

    for n, i, event in played(counted()):
        said.events += 1
        is_row = isinstance(event, Push)
        if n > committed:
            said.later += is_row
        elif is_row:
            name = table_of(type(event)).name
            said.rows.setdefault(name, _Sums()).add(n, i)
        else:
            said.news.add((n, i))
    return said


def _journal_findings(name: str, problems: list[Problem], said: _Said) -> Iterable[Finding]:
    for problem in problems:
        is_tail = problem.kind in ("torn", "cut") and (problem.first is None or problem.first > said.committed)
        kind, why = (EXPLAINED, " (a tail that was never acknowledged)") if is_tail else (DAMAGE, "")
        yield Finding(kind, "journal", f"{name}/{problem}{why}", "", name, problem.first, problem.last)
    if said.committed > said.last and not any(problem.last is None or problem.last >= said.committed for problem in problems):
        text = f"{name}: the tables go on to record {said.committed}, the journal ends at {said.last}"
        yield Finding(DAMAGE, "journal", text, "", name, said.last + 1, said.committed)
    if said.later:
        text = f"{name}: {said.later} rows are in the journal and not yet in the tables; a recorder brings them"
        yield Finding(WAITING, "journal", text, "", name, said.committed + 1, said.last)


def _compared(store: Store, folder: Folder, name: str, path: Path, said: _Said) -> Iterable[Finding]:
    have = _in_tables(store, name, said.committed)
    for table in sorted(said.rows.keys() | have.keys()):
        if said.rows.get(table) != have.get(table):
            yield _difference(store, table, name, path, said.committed)
    told = {
        (row.get("n"), row.get("i"))
        for ledger in (folder.gaps, folder.connections)
        for row in ledger.rows
        if row.get("recorder") == name and row.get("n", 0) <= said.committed
    }
    for places, where in ((said.news - told, "is not in the ledger"), (told - said.news, "is in the ledger, not in the journal")):
        for n, i in sorted(places)[:_NAMED]:
            yield Finding(HOLE, "gaps", f"{name}: event {i} of record {n}, news of the line, {where}", "", name)


def _in_tables(store: Store, name: str, committed: int) -> dict[str, _Sums]:
    found = {}
    for summary in store.tables():
        query = f"SELECT count(*), sum(n), sum(i) FROM raw_{summary.name} WHERE recorder = ? AND n <= ?"  # noqa: S608  # our names
        count, n, i = store.rows(query, name, committed)[0]
        if count:
            found[summary.name] = _Sums(count, int(n), int(i))
    return found


def _difference(store: Store, table: str, name: str, path: Path, committed: int) -> Finding:
    """Which rows: the journal is read again, for one table."""
    said = {
        (n, i)
        for n, i, event in played(JournalReader(path).records(through=committed))
        if isinstance(event, Push) and table_of(type(event)).name == table
    }
    have = set()
    if table in store.table_names():
        have = set(store.rows(f"SELECT n, i FROM raw_{table} WHERE recorder = ? AND n <= ?", name, committed))  # noqa: S608
    missing, extra = sorted(said - have), sorted(have - said)
    words = []
    if missing:
        words.append(f"{len(missing)} rows of the journal are not in the table, the first from record {missing[0][0]}")
    if extra:
        words.append(f"{len(extra)} rows of the table are not in the journal, the first from record {extra[0][0]}")
    text = f"{name}: {table}: {'; '.join(words) or 'rows are there more than once'}"
    return Finding(HOLE, table, text, "", name)
