"""Parquet: batches of columns → the bytes of one file and its ledger entry."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from okex_ws.store.folder import StoreError
from okex_ws.store.ledger import File

PARTITION = ("date", "instrument")

SWEEP = 256
"""Number of prints after a missing id whose counts may still cover it: ids interleave only inside one taker's sweep."""


def without_partition(table: Any) -> Any:
    """Return a table without the columns that its path holds: a column in both places stops pandas and pyarrow.dataset."""
    return table.drop_columns([name for name in PARTITION if name in table.column_names])


def encode(table: Any) -> bytes:
    """Return a pyarrow Table as Parquet; the same rows give the same bytes."""
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts or False,
        column_encoding={field.name: "DELTA_BINARY_PACKED" for field in table.schema if pa.types.is_int64(field.type)},
        write_statistics=True,
        store_schema=False,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def describe(path: str, table: Any, content: bytes, *, has_ids: bool) -> File:
    """Return the ledger entry of a file; path is relative to the data folder."""
    is_plain, is_whole, backfilled = True, False, pc.any(table["backfilled"]).as_py() is True
    if has_ids:
        ids = table["trade_id"]
        counts = table["count"] if "count" in table.column_names else pc.add(pc.subtract(ids, ids), 1)
        low, high = pc.min(pc.add(pc.subtract(ids, counts), 1)).as_py(), pc.max(ids).as_py()
        is_plain = not backfilled and pc.count_distinct(ids).as_py() == table.num_rows
        is_whole = is_plain and None not in (low, high) and _is_whole(ids, counts, low)
    else:
        low, high = pc.min(table["ts_event"]).as_py(), pc.max(table["ts_event"]).as_py()
    if low is None or high is None:
        low, high, is_plain = -(2**63), 2**63 - 1, False
    shape = zlib.crc32(str(table.schema).encode())
    return File(path, table.num_rows, len(content), zlib.crc32(content), low, high, is_plain, backfilled, shape, is_whole)


def _is_whole(ids: Any, counts: Any, low: int) -> bool:
    """True if every id from `low` on is counted once, by its own print or by another of its sweep."""
    if ids.null_count or counts.null_count:
        return False
    order = pc.sort_indices(ids)
    missing = pc.subtract(pc.subtract(ids.take(order), low - 1), pc.cumulative_sum(counts.take(order)))
    if pc.min(missing).as_py() != 0 or missing[-1].as_py() != 0:
        return False
    settled = pc.indices_nonzero(pc.equal(missing, 0)).cast(pa.int64())
    between = pc.max(pc.pairwise_diff(settled)).as_py() or 0
    return max(between, settled[0].as_py() + 1) <= SWEEP  # type: ignore[no-any-return]


def read(root: Path, file: File) -> Any:
    """Read one file of a data folder as a pyarrow Table without partition columns. Raises StoreError if its checksum differs."""
    content = (root / file.path).read_bytes()
    if len(content) != file.size or zlib.crc32(content) != file.crc:
        raise StoreError(f"{file.path} is not the file that was written: its checksum differs")
    return pq.ParquetFile(pa.BufferReader(content)).read()
