"""Exports: CSV of any query, CSV files in tardis.dev's layout, and event arrays for hftbacktest.

Books are exported in the order of their chain. Sources of the layouts: docs.tardis.dev "Downloadable CSV files, Data types";
hftbacktest's documentation, "Data" and `hftbacktest.types`.
"""

# ruff: noqa: S608  # SQL is made of our own names and of quoted texts

from __future__ import annotations

import csv
import os
import re
from bisect import bisect_left, insort
from pathlib import Path
from typing import Any

from okex_ws.store.folder import StoreError
from okex_ws.store.query import Store
from okex_ws.store.views import literal

DEPTH_EVENT, TRADE_EVENT, DEPTH_CLEAR_EVENT, DEPTH_SNAPSHOT_EVENT = 1, 2, 3, 4
EXCH_EVENT, LOCAL_EVENT, BUY_EVENT, SELL_EVENT = 1 << 31, 1 << 30, 1 << 29, 1 << 28

EVENT_FIELDS = [
    ("ev", "u8"),
    ("exch_ts", "i8"),
    ("local_ts", "i8"),
    ("px", "f8"),
    ("qty", "f8"),
    ("order_id", "u8"),
    ("ival", "i8"),
    ("fval", "f8"),
]
"""The dtype of hftbacktest's events, 64 bytes each, aligned."""


def export_csv(store: Store, target: Path | str, query: str) -> int:
    """Write the result of a query as one CSV file, compressed if the name ends in .gz; returns the number of rows."""
    return _complete(store, query, Path(target))


def export_parquet(store: Store, target: Path | str, query: str) -> int:
    """Write the result of a query as one Parquet file; returns the number of rows."""
    path = Path(target)
    _require_folder(path)
    temporary = path.with_name(f".tmp-{path.name}")
    return _published(temporary, path, store.copy(query, temporary, "FORMAT parquet, COMPRESSION zstd"), "")


def export_tardis(
    store: Store,
    target: Path | str,
    kind: str,
    instrument: str,
    *,
    since: int | None = None,
    until: int | None = None,
    channel: str = "books",
) -> int:
    """Write one instrument as a CSV file in tardis.dev's layout; returns the number of rows.

    kind: trades, incremental_book_L2, or book_snapshot_N with N levels a side. since, until: ts_recv, ns. Times in the file are
    microseconds since 1970; the file is compressed if its name ends in .gz.
    """
    path = Path(target)
    tables = ("trades",) if kind == "trades" else ("book_snapshots", "book_updates")
    _require_instrument(store, [name for name in tables if name in store.table_names()], instrument)
    nothing = f"there is nothing of {instrument} in {' and '.join(tables)} in this period; see `okex-ws query FOLDER`"
    head = f"{literal(tardis_exchange(instrument))} AS exchange, {literal(instrument.upper())} AS symbol"
    if kind == "trades":
        query = (
            f"SELECT {head}, ts_event // 1000 AS timestamp, ts_recv // 1000 AS local_timestamp, trade_id AS id, side, price, "
            f"size AS amount FROM trades {_where(instrument, since, until)} ORDER BY ts_recv, trade_id"
        )
        return _complete(store, query, path, nothing)
    if kind == "incremental_book_L2":
        levels = _changes_sql(store, instrument, since, until, channel)
        query = (
            f"SELECT {head}, ts_event // 1000 AS timestamp, local // 1000 AS local_timestamp, is_snapshot, side, price, "
            f"size AS amount FROM ({levels}) ORDER BY place, part"
        )
        return _complete(store, query, path, nothing)
    depth = re.fullmatch(r"book_snapshot_(\d{1,3})", kind)
    if depth is None or not int(depth[1]):
        raise StoreError(f"unknown tardis file {kind!r}; known are trades, incremental_book_L2, book_snapshot_N")
    return _export_snapshots(store, path, int(depth[1]), instrument, since, until, channel, nothing)


def export_hftbacktest(
    store: Store,
    target: Path | str,
    instrument: str,
    *,
    since: int | None = None,
    until: int | None = None,
    channel: str = "books",
) -> int:
    """Write trades and book of one instrument as an .npz for hftbacktest (array `data`); returns the number of events.

    All local times are shifted if the clocks make a message arrive before it was sent. An event out of the exchange's order is
    split
    into one event for the exchange side and one for the local side.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise StoreError("this export needs numpy: pip install 'okex-websocket[record]'") from error
    names = store.table_names()
    columns = []
    if "trades" in names:
        columns.append(
            store.sql(
                f"SELECT ts_event, ts_recv AS local, {TRADE_EVENT} + CASE side WHEN 'buy' THEN {BUY_EVENT} WHEN 'sell' "
                f"THEN {SELL_EVENT} ELSE 0 END AS ev, price, size FROM trades {_where(instrument, since, until)} "
                "ORDER BY ts_recv, trade_id"
            )
        )
    if "book_snapshots" in names or "book_updates" in names:
        columns.append(
            store.sql(
                f"SELECT ts_event, local, CASE WHEN is_clear THEN {DEPTH_CLEAR_EVENT} WHEN is_snapshot THEN "
                f"{DEPTH_SNAPSHOT_EVENT} ELSE {DEPTH_EVENT} END + CASE side WHEN 'bid' THEN {BUY_EVENT} ELSE {SELL_EVENT} END "
                f"AS ev, price, size FROM ({_levels_sql(store, instrument, since, until, channel)}) ORDER BY place, part"
            )
        )
    rows = np.zeros(sum(table.num_rows for table in columns), np.dtype(EVENT_FIELDS, align=True))
    if not len(rows):
        raise StoreError(f"there is no trade and no book of {instrument} in {channel}")
    start = 0
    for table in columns:
        part = rows[start : start + table.num_rows]
        pairs = (("ev", "ev"), ("exch_ts", "ts_event"), ("local_ts", "local"), ("px", "price"), ("qty", "size"))
        for ours, theirs in pairs:
            part[ours] = table[theirs].to_numpy()
        start += table.num_rows
    rows["local_ts"] += max(0, -int((rows["local_ts"] - rows["exch_ts"]).min()))
    rows = _in_both_orders(np, rows[np.argsort(rows["local_ts"], kind="stable")])
    path = Path(target)
    temporary = path.with_name(f".tmp-{path.name}")
    with temporary.open("wb") as file:
        np.savez_compressed(file, data=rows)
    os.replace(temporary, path)
    return len(rows)


def tardis_exchange(instrument: str) -> str:
    """Return tardis.dev's exchange name for an instrument."""
    parts = instrument.split("-")
    if len(parts) == 2:
        return "okex"
    if parts[-1] == "SWAP":
        return "okex-swap"
    return "okex-options" if parts[-1] in ("C", "P") else "okex-futures"


def _require_instrument(store: Store, tables: list[str], instrument: str) -> None:
    """Raise StoreError with the known instruments if this one is not among them, before a file is written."""
    found = {row[0] for table in tables for row in store.rows(f"SELECT DISTINCT instrument FROM raw_{table}")}
    if tables and instrument not in found:
        raise StoreError(f"{instrument} is not in {' or '.join(tables)}; there are {', '.join(sorted(found)) or 'none'}")


def _where(instrument: str, since: int | None, until: int | None, channel: str = "") -> str:
    conditions = [f"instrument = {literal(instrument)}"]
    if channel:
        conditions.append(f"channel = {literal(channel)}")
    if since is not None:
        conditions.append(f"ts_recv >= {int(since)}")
    if until is not None:
        conditions.append(f"ts_recv < {int(until)}")
    return "WHERE " + " AND ".join(conditions)


def _rows_sql(store: Store, instrument: str, since: int | None, until: int | None, channel: str) -> str:
    """SQL of one book's snapshots and updates in the order of their chain, numbered by `place`; `local` never decreases.

    If `since` is in the middle of a chain, the first row is a snapshot at `since`, built from the rows before it.
    """
    where = _where(instrument, None, until, channel)
    if since is not None:
        where += _from_snapshot(store, instrument, since, channel)
    parts = [
        f"SELECT ts_event, ts_recv, sequence, recorder, n, i, {is_snapshot} AS is_snapshot, bids, asks FROM full_{table} {where}"
        for table, is_snapshot in (("book_snapshots", "true"), ("book_updates", "false"))
        if table in store.table_names()
    ]
    if not parts:
        raise StoreError(f"there is no book of {instrument} in {channel}")
    both = " UNION ALL BY NAME ".join(parts)
    recorders = store.rows(f"SELECT count(DISTINCT recorder) FROM ({both})")[0][0]
    # One recorder's own order is the exchange's; rows of several recorders are merged by sequence.
    order = "n, i" if recorders <= 1 else "ts_event, sequence NULLS FIRST, ts_recv, n, i"
    rows = f"SELECT *, row_number() OVER (ORDER BY {order}) AS place, max(ts_recv) OVER (ORDER BY {order}) AS local FROM ({both})"
    return rows if since is None else _from_since_sql(rows, since)


def _from_snapshot(store: Store, instrument: str, since: int, channel: str) -> str:
    """SQL condition: rows from the last snapshot before `since` on."""
    snapshots = f"SELECT ts_event, ts_recv FROM book_snapshots {_where(instrument, None, since, channel)}"
    last = store.rows(f"{snapshots} ORDER BY ts_recv DESC LIMIT 1") if "book_snapshots" in store.table_names() else []
    # Another recorder may have received the rows after the snapshot sooner.
    return f" AND (ts_event >= {last[0][0]} OR ts_recv >= {last[0][1]})" if last else f" AND ts_recv >= {since}"


def _from_since_sql(rows: str, since: int) -> str:
    """SQL of the rows from `since` on, after a snapshot of the rows before. No such snapshot if they begin with one: the book
    before it may have been stale.
    """
    sides = [
        f"SELECT place, '{side}' AS side, unnest({side}s) AS level, generate_subscripts({side}s, 1) AS rank FROM opening"
        for side in ("bid", "ask")
    ]
    bids, asks = (
        f"coalesce((SELECT list(level ORDER BY level.price {order}) FROM levels WHERE side = '{side}'), []) AS {side}s"
        for side, order in (("bid", "DESC"), ("ask", "ASC"))
    )
    return f"""
        WITH chain AS MATERIALIZED ({rows}),
        edge AS (SELECT max(place) AS last, max(place) FILTER (is_snapshot) AS snapshot FROM chain WHERE local < {since}),
        opening AS (
            SELECT chain.* FROM chain, edge WHERE place BETWEEN snapshot AND last
            AND (SELECT NOT is_snapshot FROM chain, edge WHERE place = last + 1)
        ),
        levels AS (
            SELECT side, arg_max(level, [place, rank]) AS level FROM ({" UNION ALL ".join(sides)}) GROUP BY side, level.price
            HAVING arg_max(level, [place, rank]).size > 0
        )
        SELECT max(place) AS place, max(ts_event) AS ts_event, {since} AS local, true AS is_snapshot, {bids}, {asks}
        FROM opening HAVING count(*) > 0
        UNION ALL SELECT place, ts_event, local, is_snapshot, bids, asks FROM chain WHERE local >= {since}
    """


def _levels_sql(store: Store, instrument: str, since: int | None, until: int | None, channel: str) -> str:
    """SQL with one row per level: place, part, ts_event, local, is_snapshot, is_clear, side, price, size.

    A snapshot's side begins with a row that clears it: its price is the last of the side, its size 0.
    """
    rows = _rows_sql(store, instrument, since, until, channel)
    head = "place, ts_event, local, is_snapshot"
    selects = []
    for number, side in enumerate(("bid", "ask")):
        numbered = f"SELECT {head}, unnest({side}s) AS level, generate_subscripts({side}s, 1) AS rank FROM book"
        selects.append(
            f"SELECT {head}, false AS is_clear, '{side}' AS side, {number} * 100000 + rank AS part, level.price AS price, "
            f"level.size AS size FROM ({numbered})"
        )
        selects.append(
            f"SELECT {head}, true, '{side}', {number} * 100000, {side}s[-1].price, 0.0 FROM book "
            f"WHERE is_snapshot AND len({side}s) > 0"
        )
    return f"WITH book AS MATERIALIZED ({rows}) " + " UNION ALL ".join(selects)


def _changes_sql(store: Store, instrument: str, since: int | None, until: int | None, channel: str) -> str:
    """SQL with one row per level for tardis.dev: place, part, ts_event, local, is_snapshot, side, price, size.

    By tardis.dev's rule a snapshot row discards the book only if the row before is none. An image that follows an image, as each
    one of books5 does, is therefore written as a change: the levels that it does not have are removed.
    """
    rows = _rows_sql(store, instrument, since, until, channel)
    head = "place, ts_event, local"
    before = "lag({}) OVER (ORDER BY place)"
    book = (
        f"SELECT *, is_snapshot AND coalesce({before.format('is_snapshot')}, false) AS is_repeated, "
        f"{before.format('bids')} AS old_bids, {before.format('asks')} AS old_asks FROM ({rows})"
    )
    selects = []
    for number, side in enumerate(("bid", "ask")):
        numbered = f"SELECT *, unnest({side}s) AS level, generate_subscripts({side}s, 1) AS rank FROM book"
        selects.append(
            f"SELECT {head}, is_snapshot AND NOT is_repeated AS is_snapshot, '{side}' AS side, {number} * 100000 + rank AS part, "
            f"level.price AS price, level.size AS size FROM ({numbered})"
        )
        places = f"unnest(old_{side}s).price AS price, generate_subscripts(old_{side}s, 1) AS rank"
        old = f"SELECT {head}, {places} FROM book WHERE is_repeated"
        new = f"SELECT place, unnest({side}s).price AS price FROM book WHERE is_repeated"
        selects.append(
            f"SELECT {head}, false, '{side}', {number} * 100000 + rank - 1000000, price, 0.0 "
            f"FROM ({old}) ANTI JOIN ({new}) USING (place, price)"
        )
    return f"WITH book AS MATERIALIZED ({book}) " + " UNION ALL ".join(selects)


def _in_both_orders(np: Any, rows: Any) -> Any:
    """Return rows in local order as events in local order for one side and in the exchange's order for the other."""
    reached = np.maximum.accumulate(rows["exch_ts"])
    is_late = rows["exch_ts"] < reached
    rows["ev"] |= np.where(is_late, LOCAL_EVENT, LOCAL_EVENT | EXCH_EVENT).astype("u8")
    if not is_late.any():
        return rows
    late = rows[is_late].copy()
    late = late[np.argsort(late["exch_ts"], kind="stable")]
    late["ev"] = (late["ev"] & ~np.uint64(LOCAL_EVENT)) | np.uint64(EXCH_EVENT)
    return np.insert(rows, np.searchsorted(reached, late["exch_ts"], side="right"), late)


class _ExportSide:
    """One side of a book: sizes by price, prices in ascending order."""

    def __init__(self, *, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.sizes: dict[float, float] = {}
        self.prices: list[float] = []

    def change(self, levels: list[dict[str, float]]) -> None:
        for level in levels:
            price, size = level["price"], level["size"]
            if price in self.sizes:
                if not size:
                    del self.sizes[price]
                    del self.prices[bisect_left(self.prices, price)]
                    continue
            elif size:
                insort(self.prices, price)
            else:
                continue
            self.sizes[price] = size

    def replace(self, levels: list[dict[str, float]]) -> None:
        self.sizes, self.prices = {}, []
        self.change(levels)

    def top(self, count: int) -> list[tuple[float, float]]:
        prices = self.prices[: -count - 1 : -1] if self.is_bid else self.prices[:count]
        return [(price, self.sizes[price]) for price in prices]


def _export_snapshots(
    store: Store, path: Path, depth: int, instrument: str, since: int | None, until: int | None, channel: str, nothing: str
) -> int:
    """Write a row whenever one of the best `depth` levels has changed."""
    exchange, symbol = tardis_exchange(instrument), instrument.upper()
    bids, asks = _ExportSide(is_bid=True), _ExportSide(is_bid=False)
    is_known, before, count = False, None, 0
    rows = _rows_sql(store, instrument, since, until, channel)
    temporary = path.with_name(f".tmp-{path.name}")
    with _text(temporary, path.name) as file:
        writer = csv.writer(file, lineterminator="\n")
        cells = [f"{side}[{at}].{what}" for at in range(depth) for side in ("asks", "bids") for what in ("price", "amount")]
        writer.writerow(["exchange", "symbol", "timestamp", "local_timestamp", *cells])
        for batch in store.batches(f"SELECT ts_event, local, is_snapshot, bids, asks FROM ({rows}) ORDER BY place", rows=1000):
            for row in batch.to_pylist():
                if row["is_snapshot"]:
                    bids.replace(row["bids"])
                    asks.replace(row["asks"])
                    is_known = True
                elif is_known:
                    bids.change(row["bids"])
                    asks.change(row["asks"])
                top = (asks.top(depth), bids.top(depth))
                if is_known and top != before:
                    before = top
                    flat: list[Any] = []
                    for at in range(depth):
                        for side in top:
                            flat += side[at] if at < len(side) else ("", "")
                    writer.writerow([exchange, symbol, row["ts_event"] // 1000, row["local"] // 1000, *flat])
                    count += 1
    return _published(temporary, path, count, nothing)


def _text(path: Path, name: str) -> Any:
    if name.endswith(".gz"):
        import gzip

        return gzip.open(path, "wt", encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def _complete(store: Store, query: str, path: Path, nothing: str = "") -> int:
    """Write the result of a query to a temporary file, then rename it: the export is complete or absent. nothing: error for no
    rows.
    """
    _require_folder(path)
    temporary = path.with_name(f".tmp-{path.name}")
    compression = "gzip" if path.name.endswith(".gz") else "none"
    return _published(temporary, path, store.copy(query, temporary, f"FORMAT csv, HEADER, COMPRESSION {compression}"), nothing)


def _require_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent} to export into")


def _published(temporary: Path, path: Path, count: int, nothing: str) -> int:
    if not count and nothing:
        temporary.unlink()
        raise StoreError(nothing)
    os.replace(temporary, path)
    return count
