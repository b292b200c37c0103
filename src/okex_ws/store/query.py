"""Store: one or several data folders as an SQL database.

Every query sees the files committed at its beginning; concurrent recorders and compactions do not change its result.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TextIO

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from okex_ws.store.folder import StoreError, check, reading
from okex_ws.store.ledger import Manifest
from okex_ws.store.status_rows import CONNECTION_SCHEMA, CONNECTIONS, GAP_SCHEMA, GAPS, SEGMENT_SCHEMA, StatusRows, segment_rows
from okex_ws.store.views import Source, ordered_sql, raw_sql, view_sql

LEDGERS = ("gaps", "connections", "segments")
RAW = "raw_"
"""Prefix of unmerged tables: `raw_trades` is `trades` with every row of every recorder, repetitions included."""


FULL = "full_"
"""Prefix of tables with all columns: `full_trades` is `trades` with the columns recorder, n and i."""

_CATALOG = re.compile(r"information_schema|duckdb_|show_tables|\b(show|pragma)\b", re.IGNORECASE)


class TableSummary(msgspec.Struct, frozen=True):
    """Size of one table. first_date, last_date: YYYY-MM-DD, UTC; rows: repetitions included; size: bytes."""

    name: str
    rows: int
    files: int
    size: int
    first_date: str
    last_date: str


def as_text(value: Any) -> Any:
    """Return a time as text, UTC with a Z; other values unchanged."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(sep=" ") + "Z"
    return value


class Folder:
    """Ledgers of one data folder, for reading."""

    def __init__(self, root: Path) -> None:
        check(root)
        self.root = root.absolute()
        self.manifest = Manifest(self.root)
        self.gaps = StatusRows(self.root, GAPS, GAP_SCHEMA)
        self.connections = StatusRows(self.root, CONNECTIONS, CONNECTION_SCHEMA)

    def refresh(self) -> bool:
        """Read the ledgers; returns True if anything has changed."""
        changed = [self.manifest.refresh(), self.gaps.refresh(), self.connections.refresh()]
        return any(changed)


class Store:
    """SQL database over data folders: one view per table, and the ledgers gaps, connections, segments.

    Several folders are merged: a row that several recorders received appears once, from the first of them by name (names sort
    by
    start time). Not thread-safe. Errors are StoreError.
    """

    def __init__(self, path: Path | str, *more: Path | str) -> None:
        self.folders = [Folder(Path(root)) for root in (path, *more)]
        self._database = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
        self._database.execute("SET TimeZone = 'UTC'")
        self._database.execute("CREATE SCHEMA ledger")
        self._fresh: set[str] = set()
        self.refresh()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the in-memory database."""
        self._database.close()

    # -- contents ------------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the ledgers again; every query does so."""
        changes = [folder.refresh() for folder in self.folders]
        if any(changes):
            self._fresh.clear()

    def sources(self, table: str) -> list[Source]:
        """Return the files of a table; a file that several folders hold (a backup) is listed once."""
        found: dict[tuple[str, int, int], Source] = {}
        for folder in self.folders:
            for file in folder.manifest.files:
                if file.table == table:
                    found.setdefault((file.path, file.size, file.crc), (folder.root, file))
        return list(found.values())

    def table_names(self) -> list[str]:
        """Return the tables that have rows, then the ledgers."""
        return [*sorted({file.table for f in self.folders for file in f.manifest.files}), *LEDGERS]

    def tables(self) -> list[TableSummary]:
        """Return a summary of each table, from the ledger alone."""
        self.refresh()
        summaries = []
        for name in self.table_names()[: -len(LEDGERS)]:
            files = [file for _, file in self.sources(name)]
            dates = [file.date for file in files]
            rows, size = sum(file.rows for file in files), sum(file.size for file in files)
            summaries.append(TableSummary(name, rows, len(files), size, min(dates), max(dates)))
        return summaries

    # -- queries -----------------------------------------------------------------------------------------------------------

    def sql(self, query: str, *parameters: Any) -> Any:
        """Run a query with parameters for `?` or `$1`. Returns a pyarrow Table."""
        with self._reading():
            try:
                answer = self._lazily(query, parameters)
                return pa.table({}) if answer is None else answer.to_arrow_table()
            except duckdb.Error as error:
                raise self._explained(error) from error

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a query; returns its rows."""
        with self._reading():
            try:
                return list(self._run(query, parameters).fetchall())
            except duckdb.Error as error:
                raise self._explained(error) from error

    def batches(self, query: str, *parameters: Any, rows: int = 100_000) -> Iterator[Any]:
        """Run a query whose result may exceed memory; yields pyarrow RecordBatches."""
        with self._reading():
            try:
                answer = self._lazily(query, parameters)
                if answer is not None:
                    yield from answer.to_arrow_reader(rows)
            except duckdb.Error as error:
                raise self._explained(error) from error

    def write_csv(self, target: TextIO, query: str, *parameters: Any) -> int:
        """Run a query and write its result as CSV with a header; returns the number of rows."""
        count = 0
        writer = csv.writer(target, lineterminator="\n")
        with self._reading():
            try:
                answer = self._run(query, parameters)
                writer.writerow([column[0] for column in answer.description or ()])
                while rows := answer.fetchmany(10_000):
                    writer.writerows([as_text(value) for value in row] for row in rows)
                    count += len(rows)
            except duckdb.Error as error:
                raise self._explained(error) from error
        return count

    def write_parquet(self, target: BinaryIO, query: str, *parameters: Any) -> int:
        """Run a query and write its result as Parquet; returns the number of rows."""
        answer = self.sql(query, *parameters)
        pq.write_table(answer, target, compression="zstd")
        return int(answer.num_rows)

    def copy(self, query: str, target: Path | str, options: str = "FORMAT csv, HEADER") -> int:
        """Run a query and let DuckDB write its result into a file; returns the number of rows."""
        text = str(target).replace("'", "''")
        answer = self.rows(f"COPY ({query}) TO '{text}' ({options})")
        return int(answer[0][0])

    def _reading(self) -> ExitStack:
        stack = ExitStack()
        for folder in self.folders:
            stack.enter_context(reading(folder.root))
        try:
            self.refresh()
        except BaseException:
            stack.close()
            raise
        return stack

    def _run(self, query: str, parameters: tuple[Any, ...]) -> duckdb.DuckDBPyConnection:
        self._provide_for(query)
        return self._database.execute(query, list(parameters))

    def _lazily(self, query: str, parameters: tuple[Any, ...]) -> duckdb.DuckDBPyRelation | None:
        self._provide_for(query)
        return self._database.sql(query, params=list(parameters))

    def _provide_for(self, query: str) -> None:
        statements = len(self._database.extract_statements(query))
        if statements != 1:
            raise StoreError("the query is empty" if not statements else f"these are {statements} queries; run one at a time")
        words = set(re.findall(r"\w+", query.lower()))
        is_catalog = _CATALOG.search(query) is not None
        for name in self.table_names():
            if name in words or is_catalog:
                self._provide(name)
            for prefix in (RAW, FULL):
                if prefix + name in words and name not in LEDGERS:
                    self._provide(name, prefix)

    def _provide(self, name: str, prefix: str = "") -> None:
        view = prefix + name
        if view in self._fresh:
            return
        if name in LEDGERS:
            self._provide_ledger(name)
        else:
            sources = self.sources(name)
            select = ordered_sql(raw_sql(sources) if prefix == RAW else view_sql(name, sources), full=bool(prefix))
            self._database.execute(f"CREATE OR REPLACE VIEW {view} AS {select}")
        self._fresh.add(view)

    def _provide_ledger(self, name: str) -> None:
        if name == "segments":
            rows = [row for folder in self.folders for row in segment_rows(folder.manifest.commits.items)]
            schema, ts = SEGMENT_SCHEMA, "ts"
        else:
            status = [folder.gaps if name == "gaps" else folder.connections for folder in self.folders]
            unique = {(r["recorder"], r["n"], r["i"]): r for each in status for r in each.columns()}
            rows = list(unique.values())
            schema, ts = (GAP_SCHEMA if name == "gaps" else CONNECTION_SCHEMA), "ts_recv"
        self._database.register("lines", pa.Table.from_pylist(rows, schema=schema))
        # In a schema of their own the rows are no table of `show tables`.
        self._database.execute(f"CREATE OR REPLACE TABLE ledger.{name} AS FROM lines")
        self._database.unregister("lines")
        time = f"make_timestamp({ts} // 1000)::TIMESTAMPTZ AS time"
        self._database.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {time}, * FROM ledger.{name} ORDER BY {ts}")  # noqa: S608

    def _explained(self, error: duckdb.Error) -> StoreError:
        text = str(error).strip()
        missing = re.search(r"Table with name (\S+) does not exist", text)
        if missing:
            have = ", ".join(self.table_names())
            return StoreError(f"there is no table {missing[1].strip(chr(34))} here; there are: {have}")
        hidden = re.search(r'Referenced column "(recorder|n|i)" not found', text)
        if hidden:
            return StoreError(f"the column {hidden[1]} is in the tables full_…, e.g. full_trades")
        absent = re.search(r'No files found that match the pattern "(.+?)"|Cannot open file "(.+?)"', text)
        if absent:
            path = (absent[1] or absent[2]).replace("[[]", "[")
            return StoreError(f"{path} does not exist any more; `okex-ws verify FOLDER` lists what is missing")
        return StoreError(text.splitlines()[0] if text else type(error).__name__)
