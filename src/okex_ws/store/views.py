"""SQL views that make a set of Parquet files one table in which no row appears twice.

Most files cannot repeat a row of another file, and the ledger proves it: their ranges of trade ids do not overlap, or one
recorder alone wrote them. Other files have no row of their own and are not opened: an earlier recorder has every trade of their
range. Only the rest is compared. For two recorders with losses, or a second pass over a journal under another name, the later
one contributes the trades whose ids the earlier one lacks. Rows fetched over REST, tables without ids, and files of one
recorder
that may repeat each other's rows are sorted. Of a row that several recorders have, the view returns the first recorder's,
and a pushed row before a fetched one.
"""

# ruff: noqa: S608  # SQL is made of our own names and of quoted paths

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from okex_ws.store.folder import NO_INSTRUMENT
from okex_ws.store.ledger import File
from okex_ws.store.parquet import SWEEP
from okex_ws.store.tables import Table, known_tables, table_of

Source = tuple[Path, File]
"""A file and its data folder."""

BOOKKEEPING = ("recorder", "n", "i")
"""Columns that say which recorder wrote a row, from which journal record, and from which event of it."""

_FIRST = ("time", "instrument")
_LAST = ("channel", "ts_event", "ts_recv", "backfilled", "date")

LAYERS = 8
"""Maximum number of recorders' files in layers; for more, one sort costs less."""


def view_sql(name: str, sources: list[Source]) -> str:
    """Return the SELECT of a table's view."""
    table = known_table(name)
    plain, mixed = separate(sources, has_ids=table is None or table.has_ids)
    parts = []
    if plain:
        parts.append(raw_sql(plain))
    layers, tangled = _layered(mixed) if table is not None and table.has_ids else ([], mixed)
    parts += [_layer_sql(layer, [source for below in layers[:number] for source in below]) for number, layer in enumerate(layers)]
    if tangled:
        is_backfilled = any(file.backfilled for _, file in tangled)
        parts.append(_unique_sql(table, scan(tangled), is_backfilled=is_backfilled))
    return " UNION ALL BY NAME ".join(f"({part})" for part in parts)


def raw_sql(sources: list[Source]) -> str:
    """Return the SELECT of every row of a table, repetitions included; copies of a folder do not count as repetitions."""
    places = {(file.recorder, root) for root, file in sources}
    is_shared = len(places) > len({recorder for recorder, _ in places})
    once = " QUALIFY row_number() OVER (PARTITION BY recorder, n, i) = 1" if is_shared else ""
    return f"SELECT * FROM {scan(sources)}{once}"


def ordered_sql(select: str, *, full: bool) -> str:
    """Return a SELECT with the columns that people read first; `full`: also the recorder's own columns, last."""
    others = f"* EXCLUDE ({', '.join((*_FIRST, *_LAST, *BOOKKEEPING))})"
    names = ["time::TIMESTAMPTZ AS time", *_FIRST[1:], others, *_LAST, *(BOOKKEEPING if full else ())]
    return f"SELECT {', '.join(names)} FROM ({select})"


def known_table(name: str) -> Table | None:
    """Return the table of this name; None for a table of another version."""
    kind = known_tables().get(name)
    return table_of(kind) if kind is not None else None


def separate(sources: list[Source], *, has_ids: bool) -> tuple[list[Source], list[Source]]:
    """Return the files that can be read as they are, and those that may hold a row of another file."""
    groups: dict[str, list[Source]] = {}
    for source in sources:
        file = source[1]
        instrument = file.partition.rpartition("/")[2]
        groups.setdefault(instrument if has_ids else file.partition, []).append(source)
    plain: list[Source] = []
    mixed: list[Source] = []
    for group in groups.values():
        one, other = _by_overlap(group) if has_ids else _by_recorder(group)
        plain += one
        mixed += other
    return plain, mixed


def _by_overlap(group: list[Source]) -> tuple[list[Source], list[Source]]:
    plain: list[Source] = []
    mixed: list[Source] = []
    cluster: list[Source] = []
    reached = 0
    for source in sorted(_without_copies(group), key=lambda item: (item[1].low, item[1].high, item[1].path)):
        if cluster and source[1].low > reached:
            (plain if len(cluster) == 1 and cluster[0][1].is_plain else mixed).extend(cluster)
            cluster = []
        reached = max(reached, source[1].high) if cluster else source[1].high
        cluster.append(source)
    (plain if len(cluster) == 1 and cluster[0][1].is_plain else mixed).extend(cluster)
    return plain, mixed


def _without_copies(group: list[Source]) -> list[Source]:
    """Drop the files whose trades are all in a file of the same day and of an earlier or the same recorder."""
    kept: list[Source] = []
    whole: dict[str, list[tuple[int, int]]] = {}
    for source in sorted(group, key=lambda item: (item[1].recorder, item[1].low, item[1].high, item[1].path)):
        file = source[1]
        spans = whole.setdefault(file.date, [])
        if any(low <= file.low and file.high <= high for low, high in spans):
            continue
        kept.append(source)
        if file.is_whole:
            touching = [span for span in spans if span[0] <= file.high + 1 and file.low <= span[1] + 1]
            low, high = min((file.low, *(low for low, _ in touching))), max((file.high, *(high for _, high in touching)))
            whole[file.date] = [*(span for span in spans if span not in touching), (low, high)]
    return kept


def _layered(mixed: list[Source]) -> tuple[list[list[Source]], list[Source]]:
    """Return files by layers, and files that do not fit in. A layer does not repeat its own rows; a lower layer comes first."""
    instruments: dict[str, list[Source]] = {}
    for source in mixed:
        instruments.setdefault(source[1].partition.rpartition("/")[2], []).append(source)
    layers: list[list[Source]] = [[] for _ in range(LAYERS)]
    tangled: list[Source] = []
    for group in instruments.values():
        layer_of = _layers_of(group)
        if layer_of is None:
            tangled += group
        else:
            for source in group:
                layers[layer_of[source[1].recorder]].append(source)
    return [layer for layer in layers if layer], tangled


def _layers_of(group: list[Source]) -> dict[str, int] | None:
    """Return the layer of each recorder of one instrument: above every earlier recorder that it overlaps. None if impossible."""
    spans: dict[str, tuple[int, int]] = {}
    for _, file in sorted(group, key=lambda source: source[1].low):
        low, high = spans.get(file.recorder, (file.low, file.low - 1))
        if not file.is_plain or file.low <= high:
            return None
        spans[file.recorder] = (low, file.high)
    layers: dict[str, int] = {}
    for recorder, (low, high) in sorted(spans.items()):
        below = [layer for other, layer in layers.items() if spans[other][0] <= high and low <= spans[other][1]]
        layers[recorder] = max(below, default=-1) + 1
    return layers if max(layers.values()) < LAYERS else None


def _by_recorder(group: list[Source]) -> tuple[list[Source], list[Source]]:
    """Split off files of recorders in more than one folder: one folder is a copy of the other. Other recorders repeat nothing."""
    spans: dict[tuple[Path, str], tuple[int, int]] = {}
    for root, file in group:
        low, high = spans.get((root, file.recorder), (file.low, file.high))
        spans[root, file.recorder] = (min(low, file.low), max(high, file.high))
    plain: list[Source] = []
    mixed: list[Source] = []
    for source in group:
        root, file = source
        overlaps = any(
            whose != (root, file.recorder) and low <= file.high and file.low <= high for whose, (low, high) in spans.items()
        )
        (mixed if overlaps else plain).append(source)
    return plain, mixed


def scan(sources: Iterable[Source]) -> str:
    """Return read_parquet of some files; `date` and `instrument` come from folder names, so DuckDB opens only matching files."""
    sources = list(sources)
    # DuckDB could read a folder's name as a pattern; names below it are percent-encoded.
    paths = ", ".join(literal(str(root).replace("[", "[[]") + "/" + file.path) for root, file in sources)
    union = ", union_by_name = true" if len({file.shape for _, file in sources}) > 1 else ""
    files = f"read_parquet([{paths}], hive_partitioning = true, hive_types = {{'date': DATE, 'instrument': VARCHAR}}{union})"
    if all(not file.partition.endswith(f"/instrument={NO_INSTRUMENT}") for _, file in sources):
        return files
    return f"(SELECT * REPLACE (nullif(instrument, {literal(NO_INSTRUMENT)}) AS instrument) FROM {files})"


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _layer_sql(layer: list[Source], below: list[Source]) -> str:
    if not below:
        return raw_sql(layer)
    return f"""
        WITH known AS (SELECT instrument, date, trade_id FROM {scan(below)})
        SELECT every.* FROM {scan(layer)} AS every ANTI JOIN known
            ON every.trade_id = known.trade_id AND every.date = known.date
            AND every.instrument IS NOT DISTINCT FROM known.instrument
    """


def _unique_sql(table: Table | None, source: str, *, is_backfilled: bool) -> str:
    if table is not None and table.name == "trades" and is_backfilled:
        return _unique_trades_sql(source)
    if table is None:
        keys = ["recorder", "n", "i"]
    elif table.has_ids:
        keys = ["instrument", "date", "trade_id"]
    elif "previous_sequence" in table.own:
        # Old recordings have no sequences: there the levels themselves identify a row.
        levels = "CASE WHEN sequence IS NULL THEN md5(CAST(struct_pack(bids, asks) AS VARCHAR)) END"
        keys = ["instrument", "channel", "ts_event", "sequence", "previous_sequence", levels]
    else:
        keys = ["instrument", "channel", "ts_event", *(f'"{name}"' for name in table.own)]
    order = "backfilled, recorder, n, i"
    return f"SELECT * FROM {source} QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {order}) = 1"


def _unique_trades_sql(source: str) -> str:
    """Return the SELECT of trades with one row per id, without fetched matches that a pushed print already counts.

    A pushed print covers `count` ids that end with its own; prints of one sweep may interleave their ids. So the ids covered
    before a print are those of its step that no later surplus of counts makes up for. A print without a count covers nothing.
    """
    return f"""
        WITH every AS MATERIALIZED (
            SELECT * FROM {source}
            QUALIFY row_number() OVER (
                PARTITION BY instrument, date, trade_id ORDER BY backfilled, recorder, n, i) = 1
        ), counted AS (
            SELECT instrument, trade_id, coalesce(count, 0) AS count, lag(trade_id) OVER chain AS previous_id,
                trade_id - sum(coalesce(count, 0)) OVER chain AS missing
            FROM every WHERE NOT backfilled WINDOW chain AS (PARTITION BY instrument ORDER BY trade_id)
        ), settled AS (
            SELECT *, min(missing) OVER (
                PARTITION BY instrument ORDER BY trade_id ROWS BETWEEN CURRENT ROW AND {SWEEP} FOLLOWING) AS lost
            FROM counted
        ), covered AS (
            SELECT instrument AS covered_instrument, trade_id AS upper, coalesce(
                previous_id + lost - lag(lost) OVER (PARTITION BY instrument ORDER BY trade_id),
                trade_id - count) AS above
            FROM settled
        )
        SELECT every.* FROM every ASOF LEFT JOIN covered
            ON every.instrument = covered.covered_instrument AND every.trade_id <= covered.upper
        WHERE NOT every.backfilled OR covered.above IS NULL OR every.trade_id <= covered.above
    """
