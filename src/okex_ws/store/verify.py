"""Verification: missing rows, repeated rows, and agreement with the ledger.

Trades are checked by their ids over all recorders together: a trade that any of them received is not missing. Books are checked
by each recorder's own sequence, since a book is built from one chain. A missing range is explained if a ledger names it, or if
no
recorder was running; every other hole makes the folder unclean.
"""

# ruff: noqa: S608  # SQL is made of our own names and of quoted texts

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from okex_ws.store.folder import StoreError, encode_instrument
from okex_ws.store.ledger import File, span_of
from okex_ws.store.parquet import SWEEP
from okex_ws.store.query import Folder, Store
from okex_ws.store.views import literal

HOLE, DOUBLE, DAMAGE, EXPLAINED, UNVERIFIABLE = "hole", "double", "damage", "explained", "unverifiable"
GONE = "gone"
"""Kind of a finding: whole units are missing, as if deleted by a user: segments with their rows in tables, a day of a table."""

_BOOKS = ("book_snapshots", "book_updates")


class VerifyFinding(msgspec.Struct, frozen=True):
    """One finding. kind: hole, double, damage (unclean); explained, gone or unverifiable (clean).

    first_id, last_id: missing trade ids, both included; or the sequences of a book around a break.
    """

    kind: str
    table: str
    text: str
    instrument: str = ""
    recorder: str = ""
    first_id: int | None = None
    last_id: int | None = None


class VerifyReport(msgspec.Struct):
    """Result of a verification. rows: of all tables, repetitions included; chains: trade and book chains."""

    findings: list[VerifyFinding]
    files: int = 0
    rows: int = 0
    chains: int = 0

    @property
    def is_clean(self) -> bool:
        """True if there is no unexplained hole, no repeated row and no damage."""
        return not any(finding.kind in (HOLE, DOUBLE, DAMAGE) for finding in self.findings)


def verify(store: Store) -> VerifyReport:
    """Check the files, the ledger and every chain of a store."""
    store.refresh()
    report = VerifyReport([])
    for folder in store.folders:
        report.findings += _check_ledger(folder)
        report.findings += _check_files(folder)
        report.findings += _told_gone(folder)
        report.files += len(folder.manifest.files)
    if any(finding.kind == DAMAGE for finding in report.findings):
        return report  # a damaged file would end the queries below
    for table in store.tables():
        report.rows += table.rows
        report.findings += _check_doubles(store, table.name)
        if table.name in ("trades", "single_trades"):
            report.chains += store.rows(f"SELECT count(DISTINCT instrument) FROM {table.name}")[0][0]
            report.findings += check_trades(store, table.name)
    if "book_updates" in store.table_names():
        query = "SELECT count(*) FROM (SELECT DISTINCT recorder, channel, instrument FROM raw_book_updates)"
        report.chains += store.rows(query)[0][0]
        report.findings += check_books(store)
    return report


def check_trades(store: Store, table: str = "trades") -> list[VerifyFinding]:
    """Check that every id of an instrument from the first to the last is present or explained. Skipping ids (V1, V3) are
    unverifiable.
    """
    explained = _explained_ranges(store, "trades" if table == "trades" else "trades-all")
    gone = _gone(store)
    findings = []
    if table == "trades":
        uncounted = "SELECT instrument, count(*) FROM trades WHERE coalesce(count, 0) = 0 GROUP BY ALL ORDER BY ALL"
        for instrument, count in store.rows(uncounted):
            text = f"{instrument}: the ids of {count} trades are not consecutive, so a loss among them cannot be detected"
            findings.append(VerifyFinding(UNVERIFIABLE, table, text, instrument))
    for instrument, before, size in _trade_steps(store, table):
        first, last = before + 1, before + size
        if size < 0:
            text = f"{instrument}: {-size} trades after {before} are counted twice"
            findings.append(VerifyFinding(DOUBLE, table, text, instrument, "", first, None))
            continue
        deleted = sorted((file.low, file.high) for file in gone.get((table, encode_instrument(instrument)), []))
        left = [part[:2] for part in subtract(first, last, deleted) if not part[2]]
        named = explained.get(instrument, [])
        for low, high, is_explained in (part for one in left for part in subtract(*one, named)):
            kind, why = (EXPLAINED, "the gap ledger names it") if is_explained else _why(store, table, instrument, low, high)
            text = f"{instrument}: {high - low + 1} trades missing, {low} to {high}: {why}"
            findings.append(VerifyFinding(kind, table, text, instrument, "", low, high))
    return findings


def check_books(store: Store) -> list[VerifyFinding]:
    """Check that every change follows the previous one, and that every snapshot in mid-stream has a gap in the ledger."""
    snapshots = "UNION ALL SELECT {} , true AS is_snapshot FROM raw_book_snapshots SEMI JOIN chained USING (channel, instrument)"
    columns = "recorder, channel, instrument, n, i, sequence, previous_sequence"
    snapshots = snapshots.format(columns) if "book_snapshots" in store.table_names() else ""
    query = f"""
        WITH chained AS (SELECT DISTINCT channel, instrument FROM raw_book_updates),
        rows AS (SELECT {columns}, false AS is_snapshot FROM raw_book_updates {snapshots}),
        linked AS (
            SELECT *, lag(sequence) OVER chain AS last, lag(is_snapshot) OVER chain AS after_snapshot,
                row_number() OVER chain AS place, coalesce(lag(n) OVER chain, 0) AS before
            FROM rows WINDOW chain AS (PARTITION BY recorder, channel, instrument ORDER BY n, i)
        )
        SELECT recorder, channel, instrument, n, before, last, sequence, previous_sequence, is_snapshot, place FROM linked
        WHERE sequence IS NOT NULL AND CASE
            WHEN is_snapshot THEN last IS NOT NULL AND sequence <> last
            WHEN place = 1 THEN true
            ELSE previous_sequence IS DISTINCT FROM last
                AND NOT (after_snapshot AND previous_sequence <= last AND last < sequence) END
        ORDER BY recorder, channel, instrument, n
    """
    named = "SELECT recorder, channel, instrument, last_sequence FROM gaps WHERE event = 'Gap' AND last_sequence IS NOT NULL"
    gaps = set(store.rows(named))
    gone = _gone(store)
    findings = []
    for recorder, channel, instrument, n, before, last, sequence, previous, is_snapshot, place in store.rows(query):
        name = encode_instrument(instrument)
        deleted = [span_of(file.name) for table in _BOOKS for file in gone.get((table, name), []) if file.recorder == recorder]
        if any(first <= n and before <= through for first, through in deleted):
            continue
        where = f"{instrument} {channel}, record {n} of {recorder}"
        if is_snapshot and (recorder, channel, instrument, last) in gaps:
            kind, text = (EXPLAINED, f"{where}: changes after {last} missing until snapshot {sequence}: the gap ledger names it")
        elif is_snapshot:
            kind, text = HOLE, f"{where}: the snapshot {sequence} follows {last}, and no gap is in the ledger"
        elif place == 1:
            kind, text = HOLE, f"{where}: the book begins with a change, not with a snapshot"
        else:
            kind, text = HOLE, f"{where}: change {sequence} follows {previous}, but the last one was {last}"
        findings.append(VerifyFinding(kind, "book_updates", text, instrument, recorder, last, sequence))
    blind = store.rows(
        "SELECT instrument, channel, count(*) FROM raw_book_updates WHERE sequence IS NULL GROUP BY ALL ORDER BY ALL"
    )
    for instrument, channel, count in blind:
        text = f"{instrument} {channel}: {count} changes have no sequence, so a loss among them cannot be detected"
        findings.append(VerifyFinding(UNVERIFIABLE, "book_updates", text, instrument))
    return findings


def _check_ledger(folder: Folder) -> Iterator[VerifyFinding]:
    damaged = folder.manifest.damaged + folder.gaps.damaged + folder.connections.damaged
    if damaged:
        yield VerifyFinding(DAMAGE, "segments", f"{folder.root}: {damaged} ledger lines cannot be read")
    reached: dict[str, int] = {}
    for commit in folder.manifest.commits.items:
        expected = reached.get(commit.recorder, 0) + 1
        if commit.first > expected:  # lower: a repetition, found in the tables as repeated rows
            text = f"{commit.recorder}: records {expected} to {commit.first - 1} were never committed"
            yield VerifyFinding(HOLE, "segments", text, "", commit.recorder, expected, commit.first - 1)
        reached[commit.recorder] = max(expected - 1, commit.through)


def _check_files(folder: Folder) -> Iterator[VerifyFinding]:
    for file in folder.manifest.files:
        try:
            content = (folder.root / file.path).read_bytes()
        except OSError as error:
            yield VerifyFinding(DAMAGE, file.table, f"{file.path} cannot be read: {error.strerror or error}", "", file.recorder)
            continue
        if len(content) != file.size or zlib.crc32(content) != file.crc:
            yield VerifyFinding(DAMAGE, file.table, f"{file.path} fails its checksum", "", file.recorder)


def _told_gone(folder: Folder) -> Iterator[VerifyFinding]:
    for date in sorted({file.date for file in folder.manifest.gone}):
        files = [file for file in folder.manifest.gone if file.date == date]
        tables = ", ".join(sorted({file.table for file in files}))
        text = f"{date}: the folders of {tables} were deleted, with {sum(file.rows for file in files)} rows in {len(files)} files"
        yield VerifyFinding(GONE, "segments", text)


def _gone(store: Store) -> dict[tuple[str, str], list[File]]:
    """Return the files missing with their whole folder, by table and instrument as in their paths."""
    gone: dict[tuple[str, str], list[File]] = {}
    for folder in store.folders:
        for file in folder.manifest.gone:
            gone.setdefault((file.table, file.partition.rpartition("=")[2]), []).append(file)
    return gone


def _check_doubles(store: Store, table: str) -> Iterator[VerifyFinding]:
    query = f"SELECT recorder, n, i, count(*) FROM raw_{table} GROUP BY recorder, n, i HAVING count(*) > 1 ORDER BY ALL LIMIT 100"
    for recorder, n, i, count in store.rows(query):
        # Copied and merged folders hold the same row more than once; the view returns it once.
        if len(store.folders) == 1:
            yield VerifyFinding(DOUBLE, table, f"event {i} of record {n} of {recorder} appears {count} times", "", recorder)


def _trade_steps(store: Store, table: str) -> list[tuple[str, int, int]]:
    """Return mismatches of ids and counts as (instrument, last id before, number missing; negative: repeated)."""
    resets = store.rows("SELECT DISTINCT instrument FROM gaps WHERE cause = 'id-reset'")
    # A new numbering begins a new chain: rows before and after it are not compared.
    epoch = "0"
    if resets:
        epoch = (
            f"(SELECT count(*) FROM gaps WHERE gaps.cause = 'id-reset' AND gaps.instrument = {table}.instrument "
            f"AND gaps.recorder = {table}.recorder AND gaps.ts_recv <= {table}.ts_recv)"
        )
    count = "count" if table == "trades" else "1"
    query = f"""
        WITH counted AS (
            SELECT instrument, epoch, trade_id, lag(trade_id) OVER chain AS previous_id,
                trade_id - sum(covers) OVER chain AS missing
            FROM (SELECT instrument, trade_id, {count} AS covers, {epoch} AS epoch
                FROM full_{table} AS {table} WHERE {count} > 0)
            WINDOW chain AS (PARTITION BY instrument, epoch ORDER BY trade_id)
        ), settled AS (
            SELECT *, min(missing) OVER (
                PARTITION BY instrument, epoch ORDER BY trade_id ROWS BETWEEN CURRENT ROW AND {SWEEP} FOLLOWING) AS lost
            FROM counted
        ), stepped AS (
            SELECT *, lost - lag(lost) OVER (PARTITION BY instrument, epoch ORDER BY trade_id) AS size FROM settled
        )
        SELECT instrument, previous_id, CAST(size AS BIGINT) FROM stepped WHERE size <> 0 ORDER BY ALL
    """
    return [(instrument, previous, size) for instrument, previous, size in store.rows(query)]


def _explained_ranges(store: Store, channel: str) -> dict[str, list[tuple[int, int]]]:
    """Return the ids that the ledger reports missing, by instrument, sorted; ids fetched later are expected to be present."""
    ranges: dict[str, dict[str, list[tuple[int, int]]]] = {}
    query = (
        "SELECT instrument, event, first_id, last_id, since FROM gaps "
        f"WHERE last_id IS NOT NULL AND channel IN ({literal(channel)}, '') ORDER BY ALL"
    )
    table = "trades" if channel == "trades" else "single_trades"
    for instrument, event, first, last, since in store.rows(query):
        if first is None:
            first = _first_since(store, table, instrument, since) if since and table in store.table_names() else last
        ranges.setdefault(instrument, {}).setdefault(event, []).append((first, last))
    ranges = {instrument: {event: sorted(of) for event, of in events.items()} for instrument, events in ranges.items()}
    explained = {}
    for instrument, by_event in ranges.items():
        recovered = by_event.get("Recovered", [])
        missing = list(by_event.get("Unrecoverable", []))
        for first, last in by_event.get("Gap", []):
            missing += [(low, high) for low, high, is_back in subtract(first, last, recovered) if not is_back]
        explained[instrument] = sorted(missing)
    return explained


def _first_since(store: Store, table: str, instrument: str, since: int) -> int:
    """Return the lowest trade id from `since` on (ns): older trades belong to another chain."""
    query = f"SELECT coalesce(max(trade_id) + 1, 0) FROM {table} WHERE instrument = ? AND ts_event < ?"
    return int(store.rows(query, instrument, since)[0][0])


def subtract(first: int, last: int, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """Split first..last at the ranges (sorted) into parts inside them (True) and outside (False)."""
    at = first
    for low, high in ranges:
        if high < at or low > last:
            continue
        if low > at:
            yield at, low - 1, False
        yield max(low, at), min(high, last), True
        at = high + 1
    if at <= last:
        yield at, last, False


def _why(store: Store, table: str, instrument: str, low: int, high: int) -> tuple[str, str]:
    """Return kind and reason of a hole. A recorder with trades on both sides was running and must have a ledger entry."""
    recorders = store.rows(
        f"SELECT recorder FROM raw_{table} WHERE instrument = ? GROUP BY recorder "
        "HAVING min(trade_id) < ? AND max(trade_id) > ? ORDER BY recorder",
        instrument,
        low,
        high,
    )
    if recorders:
        return HOLE, f"recorder {recorders[0][0]} was running, but no ledger names the hole"
    return EXPLAINED, "no recorder was running"


def verify_path(path: Path | str, *more: Path | str) -> VerifyReport:
    """Run `verify` on data folders. Raises StoreError if one of them is not a data folder."""
    try:
        with Store(path, *more) as store:
            return verify(store)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
