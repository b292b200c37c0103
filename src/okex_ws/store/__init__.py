"""In: events with their journal record. Out: Parquet tables, ledgers of gaps and connections, and SQL over all of it.
May import: journal, protocol's pacing, events; and alone in the package pyarrow and duckdb (numpy for one export).
Exactly once: a row counts if the ledger names its file, and no view returns it twice.
"""

from __future__ import annotations

from pathlib import Path

try:
    import duckdb as _duckdb  # noqa: F401
    import pyarrow as _pyarrow  # type: ignore[import-untyped]  # noqa: F401
except ImportError as error:
    raise ImportError("the store needs pyarrow and duckdb: pip install 'okex-websocket[record]'") from error

from okex_ws.store.folder import StoreError, check, prepare
from okex_ws.store.query import Store, TableSummary
from okex_ws.store.writer import TableWriter


def open(path: Path | str, *more: Path | str) -> Store:  # noqa: A001  # as of a file
    """Open a data folder as an SQL database; several folders are merged. Raises StoreError."""
    return Store(path, *more)


__all__ = ["Store", "StoreError", "TableSummary", "TableWriter", "check", "open", "prepare"]
