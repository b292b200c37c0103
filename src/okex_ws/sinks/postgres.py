"""PostgresSink: one plain table per kind of event, filled by COPY; `postgresql://user:password@host:5432/database`.

Columns are our field names. `time` (timestamptz, not null) is ts_event in microseconds, ts_event and ts_recv the int ns.
The primary key is (id, time), the index (instrument, time): `select create_hypertable('trades', 'time', migrate_data => true)`
makes any of them a TimescaleDB hypertable. Decimals are numeric, nested fields jsonb. A repeated event is stored once. A trade
that several recorders received is stored once, as the first one delivered it. A row that PostgreSQL cannot hold (a NUL in a
text,
an integer beyond 64 bits) goes to the table `misfits` as JSON.
Option: schema. Other options (sslmode, ...) are the server's. Every batch is one transaction, committed when `put` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from okex_ws.events import Event
from okex_ws.sinks.rows import ColumnType, RowKind, grouped
from okex_ws.sinks.sink import (
    CLOSE_TIMEOUT_S,
    NOTHING,
    OPEN_TIMEOUT_S,
    Batch,
    SinkError,
    SinkPosition,
    SinkUnreachableError,
    SinkUrl,
    library,
    read_url,
)

_TYPES: dict[ColumnType, str] = {
    "text": "text", "int": "bigint", "float": "double precision", "bool": "boolean", "decimal": "numeric", "bytes": "bytea",
    "json": "jsonb",
}  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY = "id text NOT NULL, time timestamptz NOT NULL, ts_event bigint NOT NULL"
_MISFITS = ("id", "time", "ts_event", "kind", "reason", "json")
_DDL_LOCK = 0x6F6B6578  # lock for several recorders that create the same tables at once

Group = list[tuple[str, Event]]


class PostgresSink:
    """One connection to a PostgreSQL database. Needs the extra `postgres` (asyncpg)."""

    def __init__(self, url: SinkUrl, schema: str = "") -> None:
        self.url = url.masked
        self._url = url
        self._schema = schema
        self._asyncpg: Any = None
        self._connection: Any = None
        self._columns: dict[RowKind, list[str]] = {}
        self._was_empty = False

    @classmethod
    def from_url(cls, text: str) -> PostgresSink:
        url = read_url(text, 5432)
        schema = url.options.pop("schema", "")
        if schema and not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
            raise SinkError(f"{url.masked}: schema={schema} is not a plain name; use lower-case letters, digits and _")
        if not url.path.strip("/"):
            raise SinkError(f"{url.masked}: has no database name; write postgresql://user:password@{url.host}/database")
        return cls(url, schema)

    async def open(self) -> None:
        self._asyncpg = library("asyncpg", "postgres", "postgresql://")
        await self.close()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                connection = await self._asyncpg.connect(dsn=self._dsn(), timeout=OPEN_TIMEOUT_S)
                self._connection = connection
                await connection.execute("SET application_name TO 'okex-ws'")
                if self._schema:
                    async with connection.transaction():
                        await connection.execute("SELECT pg_advisory_xact_lock($1)", _DDL_LOCK)
                        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
                    await connection.execute(f"SET search_path TO {self._schema}")
                columns = f"{_KEY}, kind text NOT NULL, reason text NOT NULL, json text NOT NULL"
                self._was_empty = not await self._known("misfits")
                await self._create("misfits", columns, "time")
        except Exception as error:
            await self.close()
            raise self._error(error) from None
        self._columns = {}

    async def put(self, batch: Batch) -> None:
        connection = self._connection
        if connection is None or connection.is_closed():
            raise SinkUnreachableError(f"{self.url}: not connected")
        groups = grouped(batch)
        try:
            for kind in groups:
                if kind not in self._columns:
                    self._columns[kind] = await self._table(kind)
            try:
                async with connection.transaction():
                    for kind, group in groups.items():
                        await self._copy(kind, group)
            except (self._asyncpg.DataError, self._asyncpg.UniqueViolationError, ValueError, OverflowError):
                async with connection.transaction():
                    for kind, group in groups.items():
                        await self._merge(kind, group)
        except SinkError:
            raise
        except Exception as error:
            raise self._error(error) from None

    async def reached(self, recorder: str) -> SinkPosition | None:
        return NOTHING if self._was_empty else None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await asyncio.wait_for(connection.close(), CLOSE_TIMEOUT_S)
        except Exception:  # a connection that does not close in time is aborted
            with contextlib.suppress(Exception):
                connection.terminate()

    async def _copy(self, kind: RowKind, group: Group, table: str = "") -> None:
        rows = [(event_id, _time(event.ts_event), event.ts_event, *kind.flat(event)) for event_id, event in group]
        await self._connection.copy_records_to_table(table or kind.table, records=rows, columns=self._columns[kind])

    async def _merge(self, kind: RowKind, group: Group) -> None:
        """Insert through a temporary table, without rows that exist, halving the group until a misfit is alone."""
        names = ", ".join(f'"{name}"' for name in self._columns[kind])
        try:
            async with self._connection.transaction():
                empty = f'SELECT {names} FROM "{kind.table}" WITH NO DATA'  # noqa: S608  # names are ours
                await self._connection.execute(f"CREATE TEMP TABLE arriving ON COMMIT DROP AS {empty}")
                await self._copy(kind, group, "arriving")
                move = f'INSERT INTO "{kind.table}" ({names}) SELECT {names} FROM arriving'  # noqa: S608
                await self._connection.execute(f"{move} ON CONFLICT DO NOTHING")
                await self._connection.execute("DROP TABLE arriving")
        except (self._asyncpg.DataError, ValueError, OverflowError) as error:
            if len(group) == 1:
                await self._keep_misfit(kind, *group[0], error)
            else:
                middle = len(group) // 2
                await self._merge(kind, group[:middle])
                await self._merge(kind, group[middle:])

    async def _keep_misfit(self, kind: RowKind, event_id: str, event: Event, error: Exception) -> None:
        time = _EPOCH
        for ts in (event.ts_recv, event.ts_event):
            with contextlib.suppress(OverflowError):
                time = _time(ts)
        ts_event = max(min(event.ts_event, 2**63 - 1), -(2**63))
        reason = self._url.clean(error).replace("\0", "")
        row = (event_id, time, ts_event, kind.name, reason, kind.json(event_id, event).decode())
        await self._connection.execute(
            f"INSERT INTO misfits ({', '.join(_MISFITS)}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",  # noqa: S608
            *row,
        )

    async def _table(self, kind: RowKind) -> list[str]:
        """Create the kind's table, or add missing columns; returns the columns to fill."""
        columns = [f'"{column.name}" {_TYPES[column.type]}' for column in kind.columns]
        known = await self._known(kind.table)
        if not known:
            uniques = [f"CONSTRAINT {kind.table}_once UNIQUE ({', '.join((*kind.key, 'time'))})"] if kind.key else []
            index = "instrument, time" if kind.has_instrument else "time"
            await self._create(kind.table, ", ".join((_KEY, *columns, *uniques)), index)
        elif not {"id", "time", "ts_event"} <= known:
            raise SinkError(f"{self.url}: table {kind.table} has another layout; add ?schema=okx to the URL")
        for column, text in zip(kind.columns, columns, strict=True):
            if known and column.name not in known:
                await self._connection.execute(f'ALTER TABLE "{kind.table}" ADD COLUMN IF NOT EXISTS {text}')
        return ["id", "time", "ts_event", *(column.name for column in kind.columns)]

    async def _known(self, table: str) -> set[str]:
        rows = await self._connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped", table
        )
        return {row["attname"] for row in rows}

    async def _create(self, table: str, columns: str, index: str) -> None:
        async with self._connection.transaction():
            await self._connection.execute("SELECT pg_advisory_xact_lock($1)", _DDL_LOCK)
            await self._connection.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({columns}, PRIMARY KEY (id, time))')
            await self._connection.execute(f'CREATE INDEX IF NOT EXISTS "{table}_by_time" ON "{table}" ({index})')

    def _dsn(self) -> str:
        parts = urlsplit(self._url.text)
        return urlunsplit(parts._replace(query=urlencode(self._url.options, quote_via=quote)))

    def _error(self, error: Exception) -> SinkError:
        pg, url = self._asyncpg, self._url
        name = url.path.strip("/")
        if isinstance(error, SinkError):
            return error
        if isinstance(error, pg.InvalidPasswordError | pg.InvalidAuthorizationSpecificationError):
            return SinkError(f"{self.url}: PostgreSQL refuses the login of {url.user or 'this user'}: wrong user or password")
        if isinstance(error, pg.InvalidCatalogNameError):
            return SinkError(f"{self.url}: there is no database {name}; create it: createdb -h {url.host} -p {url.port} {name}")
        if isinstance(error, pg.InsufficientPrivilegeError):
            return SinkError(f"{self.url}: {url.clean(error)}; grant it, or choose your own schema with ?schema=")
        if isinstance(error, ConnectionRefusedError):
            return SinkUnreachableError(f"{self.url}: connection refused at {url.place}; is PostgreSQL running?")
        if isinstance(error, TimeoutError):
            return SinkUnreachableError(f"{self.url}: no answer from {url.place} within {OPEN_TIMEOUT_S:.0f} s")
        if isinstance(error, pg.PostgresError) and (error.sqlstate or "")[:2] in ("42", "28", "3D", "3F", "22"):
            return SinkError(f"{self.url}: {url.clean(error)}")
        if isinstance(error, pg.ClientConfigurationError | ValueError | TypeError):
            return SinkError(f"{self.url}: {url.clean(error)}")
        return SinkUnreachableError(f"{self.url}: {url.clean(error) or type(error).__name__}")


def _time(ts: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ts // 1000)
