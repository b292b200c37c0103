"""One target per sink: creates the sink, breaks and restores its target, and reads the stored events back."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import itertools
import json
import os
import resource
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import nats
import pytest
import redis
from tests.support import sink_servers as servers
from tests.support.sink_samples import every_kind

from okex_ws.events import Event
from okex_ws.sinks import Sink, open_sink
from okex_ws.sinks.files import StdoutSink
from okex_ws.sinks.rows import RowKind

T = TypeVar("T")
Row = dict[str, Any]

_count = itertools.count()


def kinds() -> dict[str, RowKind]:
    return {kind.table: kind for kind in map(RowKind, {type(event) for event in every_kind()})}


class Target:
    """Target of a sink. can_hang: it can be suspended; can_break: it can fail and return."""

    can_hang = True
    can_break = True
    remembers = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"t{os.getpid()}_{next(_count)}"

    def url(self) -> str:
        raise NotImplementedError

    def sink(self) -> Sink:
        return open_sink(self.url())

    def rows(self) -> list[Row]:
        """Return every stored event as its JSON object."""
        raise NotImplementedError

    def kill(self) -> None: ...

    def mend(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def end(self) -> None: ...


class SqliteTarget(Target):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "events.db"
        self.other: sqlite3.Connection | None = None

    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def kill(self) -> None:
        """Another program locks the file."""
        self.other = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.other.execute("BEGIN EXCLUSIVE")

    def mend(self) -> None:
        assert self.other is not None
        self.other.close()

    pause, resume = kill, mend

    def rows(self) -> list[Row]:
        with sqlite3.connect(self.path) as database:
            database.row_factory = sqlite3.Row
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = [json.loads(row["json"]) for row in database.execute("SELECT json FROM misfits")]
            rows += _events_of({name: database.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall() for name in names})
        database.close()
        return rows


class ServerTarget(Target):
    """A server started by the tests."""

    server: Any
    start: Callable[[], Any]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = type(self).start()

    def kill(self) -> None:
        self.server.kill()

    def mend(self) -> None:
        self.server.start()

    def pause(self) -> None:
        self.server.pause()

    def resume(self) -> None:
        self.server.resume()


class PostgresTarget(ServerTarget):
    server: servers.PostgresServer
    start = staticmethod(servers.postgres)

    def url(self) -> str:
        return f"{self.server.url()}?schema={self.name}"

    def rows(self) -> list[Row]:
        return asyncio.run(self._rows())

    async def _rows(self) -> list[Row]:
        connection = await asyncpg.connect(self.server.url())
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = $1"
        names = {row[0] for row in await connection.fetch(query, self.name)}
        rows = [json.loads(row["json"]) for row in await connection.fetch(f"SELECT json FROM {self.name}.misfits")]
        found = {
            name: await connection.fetch(f"SELECT * FROM {self.name}.{name} ORDER BY ts_recv") for name in names - {"misfits"}
        }
        assert all(int(row["time"].timestamp() * 1000) == row["ts_event"] // 1_000_000 for each in found.values() for row in each)
        rows += _events_of(found)
        await connection.close()
        return rows


class RedisTarget(ServerTarget):
    server: servers.RedisServer
    start = staticmethod(servers.redis)

    def url(self) -> str:
        return f"{self.server.url()}?prefix={self.name}&maxlen=0"

    def rows(self) -> list[Row]:
        with redis.Redis(port=self.server.port, password=servers.PASSWORD) as client:
            entries = [entry for key in client.scan_iter(f"{self.name}:stream:*") for entry in client.xrange(key)]
        return [json.loads(fields[b"json"]) for _, fields in entries]

    def tear(self, room: int) -> None:
        """Cut the append-only file of the killed server inside its last transaction, as an interrupted write does."""
        (path,) = self.server.folder.glob("appendonlydir/*.incr.aof")
        content = path.read_bytes()
        start = content.rindex(b"MULTI")
        path.write_bytes(content[: min(len(content) - 1, start + room)])


class NatsTarget(ServerTarget):
    server: servers.NatsServer
    start = staticmethod(servers.nats)

    def url(self) -> str:
        return f"{self.server.url()}?prefix={self.name}&stream={self.name}"

    def rows(self) -> list[Row]:
        return [json.loads(line) for _, payload in self.messages() for line in payload.splitlines()]

    def messages(self) -> list[tuple[str, bytes]]:
        return asyncio.run(self._messages())

    async def _messages(self) -> list[tuple[str, bytes]]:
        connection = await nats.connect(f"nats://127.0.0.1:{self.server.port}", user="okex", password=servers.PASSWORD)
        stream = connection.jetstream()
        state = (await stream.stream_info(self.name)).state
        found = [await stream.get_msg(self.name, number) for number in range(1, state.last_seq + 1)]
        await connection.close()
        return [(message.subject or "", message.data or b"") for message in found]


class JsonlTarget(Target):
    can_hang = False

    def url(self) -> str:
        return str(self.folder / "events.jsonl")

    def kill(self) -> None:
        """Limit the file size: the next batch is written in part."""
        size = sum(path.stat().st_size for path in self.folder.glob("*.*sv*")) + sum(
            path.stat().st_size for path in self.folder.glob("*.jsonl")
        )
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))

    def mend(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def end(self) -> None:
        self.mend()

    def rows(self) -> list[Row]:
        return [json.loads(line) for line in Path(self.url()).read_bytes().splitlines()]


class CsvTarget(JsonlTarget):
    def url(self) -> str:
        return str(self.folder / "events.csv")

    def rows(self) -> list[Row]:
        texts = {path.name.split(".")[1]: path.read_bytes().decode() for path in self.folder.glob("events.*.csv")}
        return _events_of({name: csv.DictReader(io.StringIO(text, newline="")) for name, text in texts.items()})


class StdoutTarget(Target):
    can_break = False  # a pipe without a reader does not return
    remembers = False  # output before a restart cannot be read

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reading, self.writing = os.pipe()
        self.text = bytearray()
        self.may_read = threading.Event()
        self.may_read.set()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        while True:
            self.may_read.wait()
            part = os.read(self.reading, 1 << 16)
            if not part:
                return
            self.text += part

    def sink(self) -> Sink:
        return StdoutSink(self.writing)

    def pause(self) -> None:
        self.may_read.clear()

    def resume(self) -> None:
        self.may_read.set()

    def rows(self) -> list[Row]:
        self.end()
        return [json.loads(line) for line in bytes(self.text).splitlines()]

    def end(self) -> None:
        self.resume()
        if self.reader.is_alive():
            os.close(self.writing)
            self.reader.join()
            os.close(self.reading)


TARGETS = [SqliteTarget, PostgresTarget, RedisTarget, NatsTarget, JsonlTarget, CsvTarget, StdoutTarget]


def those(**wanted: bool) -> pytest.MarkDecorator:
    """Parametrize with the targets that have these properties: a file does not hang, a pipe without a reader does not return."""
    chosen = [cls for cls in TARGETS if all(getattr(cls, name) is value for name, value in wanted.items())]
    return pytest.mark.parametrize("target", chosen, indirect=True, ids=_name)


def _name(cls: type[Target]) -> str:
    return cls.__name__.removesuffix("Target").lower()


@pytest.fixture(params=TARGETS, ids=_name)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Return each sink's target in turn."""
    made: Target = request.param(tmp_path)
    yield made
    made.end()


def _events_of(tables: Mapping[str, Iterable[Any]]) -> list[Row]:
    """Return the rows of the events' tables as JSON objects."""
    return [_as_json(kind, dict(row)) for table, kind in kinds().items() for row in tables.get(table, ())]


def _as_json(kind: RowKind, row: Row) -> Row:
    """Return a row of a database or CSV as the JSON object of its event."""
    found: Row = {"kind": kind.name, "id": row["id"], "ts_event": int(row["ts_event"])}
    for column in kind.columns:
        found[column.name] = _value(column.type, row[column.name])
    return found


def _value(kind: str, value: Any) -> Any:
    if value is None or (value == "" and kind != "text"):
        return None
    if kind == "json":
        return json.loads(value)
    if kind == "bool":
        return value in (1, True, "true")
    if kind == "bytes":
        return value if isinstance(value, str) else base64.b64encode(value).decode()
    if kind == "decimal":
        return str(value) if not isinstance(value, Decimal) else f"{value}"
    return {"int": int, "float": float}.get(kind, str)(value)


def expected(batch: list[tuple[str, Event]]) -> list[Row]:
    """Return the rows that every target should hold of a batch."""
    return [json.loads(RowKind(type(event)).json(event_id, event)) for event_id, event in batch]


async def within(work: Awaitable[T]) -> T:
    """Return the result, or fail after a minute: even on a busy machine a longer wait is a hang."""
    async with asyncio.timeout(60):
        return await work
