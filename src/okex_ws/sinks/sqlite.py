"""SqliteSink: one table per kind of event in an SQLite file; `sqlite:///file.db`, `sqlite:////absolute/file.db`.

Columns are our field names; `id` is the primary key, so a repeated event is stored once. A trade that several recorders
received
is stored once, as the first one delivered it. Times are int ns UTC; `time` is the same as ISO text, computed when read.
Decimals
are exact texts, nested fields JSON text. A row that SQLite cannot hold (an integer beyond 64 bits) goes to the table `misfits`
as
JSON. Every batch is one transaction, on disk when `put` returns.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from okex_ws.events import Event
from okex_ws.sinks.rows import ColumnType, RowKind, grouped
from okex_ws.sinks.sink import Batch, SinkError, SinkUnreachableError, read_url
from okex_ws.sinks.worker import ThreadSink

_TYPES: dict[ColumnType, str] = {
    "text": "TEXT", "int": "INTEGER", "float": "REAL", "bool": "INTEGER", "decimal": "TEXT", "bytes": "BLOB", "json": "TEXT",
}  # fmt: skip

_TIME = "strftime('%Y-%m-%dT%H:%M:%S', ts_event/1000000000, 'unixepoch') || printf('.%09dZ', ts_event%1000000000)"
_KEY = f"id TEXT PRIMARY KEY, ts_event INTEGER NOT NULL, time TEXT GENERATED ALWAYS AS ({_TIME}) VIRTUAL"
_MISFITS = f"CREATE TABLE IF NOT EXISTS misfits ({_KEY}, kind TEXT NOT NULL, reason TEXT NOT NULL, json TEXT NOT NULL)"
_TRANSIENT = ("locked", "busy", "full", "disk i/o", "unable to open")

BUSY_S = 1.0
"""Timeout of one attempt while another process writes the file."""

Group = list[tuple[str, Event]]


class SqliteSink(ThreadSink):
    """An SQLite file, written in its own thread. A write-ahead log lets readers work meanwhile."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}", "sqlite")
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._inserts: dict[RowKind, str] = {}

    @classmethod
    def from_url(cls, text: str) -> SqliteSink:
        """Return the sink of `sqlite:///` and a path: three slashes relative, four absolute."""
        url = read_url(text, 0)
        path = unquote(url.path)[1:]
        if text.partition("://")[2].partition("/")[0] or not path or path.endswith("/"):
            raise SinkError(f"{url.masked}: write sqlite:///file.db, or sqlite:////absolute/path/file.db")
        url.only()
        return cls(Path(path))

    async def close(self) -> None:
        if self._database is not None:
            self._database.interrupt()
        await super().close()

    def _connect(self) -> None:
        self._disconnect()
        if self._path.is_dir():
            raise SinkError(f"{self.url}: is a folder; name a file in it")
        if not self._path.parent.is_dir():
            raise SinkError(f"{self.url}: the folder {self._path.parent} does not exist")
        database = None
        try:
            database = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            self._was_empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            database.execute(_MISFITS)
        except sqlite3.Error as error:
            if database is not None:
                database.close()
            raise self._error(error) from None
        self._database = database
        self._inserts = {}

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                # An interrupt lasts until the next statement; otherwise closing would leave the log file.
                database.execute("SELECT 1")
            with contextlib.suppress(sqlite3.Error):
                database.close()

    def _store(self, batch: Batch) -> None:
        database = self._database
        if database is None:
            raise SinkUnreachableError(f"{self.url}: not open")
        groups = grouped(batch)
        try:
            for kind in groups:
                if kind not in self._inserts:
                    self._inserts[kind] = self._table(database, kind)
            database.execute("BEGIN IMMEDIATE")
            try:
                for kind, group in groups.items():
                    self._insert(database, kind, group)
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._error(error) from None

    def _insert(self, database: sqlite3.Connection, kind: RowKind, group: Group) -> None:
        rows = [(event_id, event.ts_event, *_values(kind, event)) for event_id, event in group]
        try:
            database.executemany(self._inserts[kind], rows)
        except (OverflowError, ValueError, sqlite3.DataError, sqlite3.InterfaceError):
            for (event_id, event), row in zip(group, rows, strict=True):
                self._insert_one(database, kind, event_id, event, row)

    def _insert_one(self, database: sqlite3.Connection, kind: RowKind, event_id: str, event: Event, row: Sequence[Any]) -> None:
        try:
            database.execute(self._inserts[kind], row)
        except (OverflowError, ValueError, sqlite3.DataError, sqlite3.InterfaceError) as error:
            text = kind.json(event_id, event).decode()
            misfit = (event_id, _clip(event.ts_event), kind.name, str(error), text)
            columns = "id, ts_event, kind, reason, json"
            database.execute(f"INSERT INTO misfits ({columns}) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING", misfit)  # noqa: S608

    def _table(self, database: sqlite3.Connection, kind: RowKind) -> str:
        """Create the kind's table, or add missing columns; returns its insert statement."""
        known = {row[1]: row[5] for row in database.execute(f'PRAGMA table_xinfo("{kind.table}")')}
        if known and not known.get("id"):
            raise SinkError(f"{self.url}: table {kind.table} has another layout; choose another file")
        columns = [f'"{column.name}" {_TYPES[column.type]}' for column in kind.columns]
        if not known:
            database.execute(f'CREATE TABLE IF NOT EXISTS "{kind.table}" ({_KEY}, {", ".join(columns)})')
            by = "instrument, ts_event" if kind.has_instrument else "ts_event"
            database.execute(f'CREATE INDEX IF NOT EXISTS "{kind.table}_by_time" ON "{kind.table}" ({by})')
            if kind.key:
                key = ", ".join((*kind.key, "ts_event"))
                database.execute(f'CREATE UNIQUE INDEX IF NOT EXISTS "{kind.table}_once" ON "{kind.table}" ({key})')
        for column, text in zip(kind.columns, columns, strict=True):
            if known and column.name not in known:
                database.execute(f'ALTER TABLE "{kind.table}" ADD COLUMN {text}')
        names = ", ".join(f'"{column.name}"' for column in kind.columns)
        marks = ",".join("?" * (len(kind.columns) + 2))
        return f'INSERT INTO "{kind.table}" (id, ts_event, {names}) VALUES ({marks}) ON CONFLICT DO NOTHING'  # noqa: S608

    def _error(self, error: sqlite3.Error) -> SinkError:
        text = str(error)
        if "not a database" in text:
            return SinkError(f"{self.url}: exists and is not an SQLite file; choose another name")
        if any(word in text.lower() for word in _TRANSIENT) or isinstance(error, sqlite3.ProgrammingError):
            return SinkUnreachableError(f"{self.url}: {text}")
        return SinkError(f"{self.url}: {text}")


def _values(kind: RowKind, event: Event) -> Sequence[Any]:
    values = kind.flat(event)
    if any(column.type == "decimal" for column in kind.columns):
        return [str(value) if isinstance(value, Decimal) else value for value in values]
    return values


def _clip(number: int) -> int:
    return max(min(number, 2**63 - 1), -(2**63))
