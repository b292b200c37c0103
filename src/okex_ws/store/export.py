"""Exports: CSV of any query, CSV files as tardis.dev lays them out, and event arrays for hftbacktest.

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
    """The answer of a query as one CSV file, compressed when its name ends in .gz; returns how many rows."""
    return _complete(store, query, Path(target))


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
    """One instrument as a CSV file in tardis.dev's layout; returns how many rows.

    kind: trades, incremental_book_L2, or book_snapshot_N of N levels a side. since, until: ts_recv, ns. Times in the file are
    microseconds since 1970; a name ending in .gz is compressed.
    """
    path = Path(target)
    tables = ("trades",) if kind == "trades" else ("book_snapshots", "book_updates")
    _need(store, [name for name in tables if name in store.table_names()], instrument)
    nothing = f"there is nothing of {instrument} in {' and '.join(tables)} then; `okex-ws query` tells what there is"
    head = f"{literal(tardis_exchange(instrument))} AS exchange, {literal(instrument.upper())} AS symbol"
    if kind == "trades":
        query = (
            f"SELECT {head}, ts_event // 1000 AS timestamp, ts_recv // 1000 AS local_timestamp, trade_id AS id, side, price, "
            f"size AS amount FROM trades {_where(instrument, since, until)} ORDER BY ts_recv, trade_id"
        )
        return _complete(store, query, path, nothing)
    if kind == "incremental_book_L2":
        levels = _levels_sql(store, instrument, since, until, channel)
        query = (
            f"SELECT {head}, ts_event // 1000 AS timestamp, local // 1000 AS local_timestamp, is_snapshot, side, price, "
            f"size AS amount FROM ({levels}) WHERE NOT is_clear ORDER BY place, part"
        )
        return _complete(store, query, path, nothing)
    depth = re.fullmatch(r"book_snapshot_(\d{1,3})", kind)
    if depth is None or not int(depth[1]):
        raise StoreError(f"no tardis file is called {kind!r}; there are trades, incremental_book_L2, book_snapshot_N")
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
    """Trades and book of one instrument as an .npz that hftbacktest reads (array `data`); returns how many events.

    Local times are shifted as a whole where the clocks say that a message came before it was sent. Events out of the
    exchange's order are split into one for the exchange's side and one for the local side.
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
    """tardis.dev's name of the part of OKX an instrument is traded on."""
    parts = instrument.split("-")
    if len(parts) == 2:
        return "okex"
    if parts[-1] == "SWAP":
        return "okex-swap"
    return "okex-options" if parts[-1] in ("C", "P") else "okex-futures"


def _need(store: Store, tables: list[str], instrument: str) -> None:
    """Say which instruments there are when this one is none of them, before a file is touched."""
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
    """Snapshots and updates of one book in the order of its chain, numbered by `place`; `local` never steps back.

    What begins in the middle of a chain begins with a snapshot at `since`, of what the rows before amount to.
    """
    where = _where(instrument, None, until, channel)
    if since is not None:
        where += _from_image(store, instrument, since, channel)
    parts = [
        f"SELECT ts_event, ts_recv, sequence, recorder, n, i, {image} AS is_snapshot, bids, asks FROM {table} {where}"
        for table, image in (("book_snapshots", "true"), ("book_updates", "false"))
        if table in store.table_names()
    ]
    if not parts:
        raise StoreError(f"there is no book of {instrument} in {channel}")
    both = " UNION ALL BY NAME ".join(parts)
    recorders = store.rows(f"SELECT count(DISTINCT recorder) FROM ({both})")[0][0]
    # One recorder's own order is the exchange's; the rows of several meet in the sequence.
    order = "n, i" if recorders <= 1 else "ts_event, sequence NULLS FIRST, ts_recv, n, i"
    rows = f"SELECT *, row_number() OVER (ORDER BY {order}) AS place, max(ts_recv) OVER (ORDER BY {order}) AS local FROM ({both})"
    return rows if since is None else _opened_sql(rows, since)


def _from_image(store: Store, instrument: str, since: int, channel: str) -> str:
    """A condition: rows from the last image before `since` on."""
    images = f"SELECT ts_event, ts_recv FROM book_snapshots {_where(instrument, None, since, channel)}"
    last = store.rows(f"{images} ORDER BY ts_recv DESC LIMIT 1") if "book_snapshots" in store.table_names() else []
    # Another recorder may have heard sooner of what comes after the image.
    return f" AND (ts_event >= {last[0][0]} OR ts_recv >= {last[0][1]})" if last else f" AND ts_recv >= {since}"


def _opened_sql(rows: str, since: int) -> str:
    """Rows from `since` on, after a snapshot of what came before them. None where they begin with an image: before it the book
    may have been stale."""
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
        edge AS (SELECT max(place) AS last, max(place) FILTER (is_snapshot) AS image FROM chain WHERE local < {since}),
        opening AS (
            SELECT chain.* FROM chain, edge WHERE place BETWEEN image AND last
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
    """One row a level: place, part, ts_event, local, is_snapshot, is_clear, side, price, size.

    A snapshot's side begins with a row that clears: its price is the last of the side, its size 0.
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


def _in_both_orders(np: Any, rows: Any) -> Any:
    """Rows in local order → events in local order for one side and in the exchange's for the other."""
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
    """A row whenever one of the best `depth` levels has changed."""
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
    """Copy the answer of a query beside its target first: an export is complete or not there. nothing: the error for no rows."""
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent} to export into")
    temporary = path.with_name(f".tmp-{path.name}")
    compression = "gzip" if path.name.endswith(".gz") else "none"
    return _published(temporary, path, store.copy(query, temporary, f"FORMAT csv, HEADER, COMPRESSION {compression}"), nothing)


def _published(temporary: Path, path: Path, count: int, nothing: str) -> int:
    if not count and nothing:
        temporary.unlink()
        raise StoreError(nothing)
    os.replace(temporary, path)
    return count
