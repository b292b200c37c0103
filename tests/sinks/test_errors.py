"""Errors of a sink's URL or server: one line that names the remedy, without the password."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from tests.support import sink_servers as servers
from tests.support.sink_samples import ListSource, batch, trades

from okex_ws.sinks import SinkClosedError, SinkError, SinkUnreachableError, Spool, mask, open_sink, spool_name
from okex_ws.sinks.files import StdoutSink

SECRETS = ("hunter2", servers.PASSWORD, servers.ESCAPED, "p@ss", "w:rd")


def refusal(url: str, put: bool = False) -> SinkError:
    """Return the error of opening a sink: one line without secrets."""

    async def run() -> None:
        sink = open_sink(url)
        try:
            await sink.open()
            if put:
                await sink.put(batch(trades(1)))
        finally:
            await sink.close()

    with pytest.raises(SinkError) as caught:
        asyncio.run(run())
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    assert not any(secret in text for secret in SECRETS), text
    return caught.value


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("kafka://user:hunter2@host", "unknown sink kafka://"),
        ("reddis://:hunter2@host", "did you mean redis://?"),
        ("events.parquet", "not a sink"),
        ("", "not a sink"),
        ("sqlite://", "sqlite:///file.db"),
        ("sqlite://file.db", "sqlite:///file.db"),
        ("sqlite:///folder/", "sqlite:///file.db"),
        ("sqlite:///x.db?mode=ro", "no option mode; options: none"),
        ("postgresql://okex:hunter2@host", "has no database name"),
        ("postgresql://okex:hunter2@host/db?schema=Robert'); drop", "not a plain name"),
        ("postgresql://okex:hunter2/3@host/db", "%2F"),
        ("postgresql://okex:hunter2#3@host/db", "%23"),
        ("redis://:hunter2", "cannot be read as a URL"),
        ("redis://:hunter2?3@host/0", "%3F"),
        ("redis://:hunter2@host:port/0", "cannot be read as a URL"),
        ("redis://:hunter2@host/first", "a Redis database is a number"),
        ("redis://:hunter2@host/0?maxlen=many", "maxlen=many is not a whole number"),
        ("redis://:hunter2@host/0?maxlem=1", "no option maxlem; options: maxlen"),
        ("redis://:hunter2@host/0?streams=maybe", "neither yes nor no"),
        ("redis://:hunter2@host/0?streams=no&latest=no", "disable all output"),
        ("nats://okex:hunter2@host?stream=a.b", "letters, digits"),
        ("nats://hunter2@host?streem=a", "no option streem"),
    ],
)
def test_a_url_that_cannot_be(url: str, says: str) -> None:
    with pytest.raises(SinkError) as caught:
        open_sink(url)
    text = str(caught.value)
    assert says in text
    assert "\n" not in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("url", "module", "says"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/db", "asyncpg", "pip install okex-websocket[postgres]"),
        ("redis://:hunter2@127.0.0.1:1/0", "redis.asyncio", "pip install okex-websocket[redis]"),
        ("nats://u:hunter2@127.0.0.1:1", "nats.aio.client", "pip install okex-websocket[nats]"),
    ],
)
def test_a_missing_extra(url: str, module: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert says in str(refusal(url))


@pytest.mark.parametrize(
    "scheme", ["postgresql://u:hunter2@127.0.0.1:{}/db", "redis://:hunter2@127.0.0.1:{}/0", "nats://u:hunter2@127.0.0.1:{}"]
)
def test_nobody_answers(scheme: str) -> None:
    error = refusal(scheme.format(servers.free_port()))
    assert "connection refused at 127.0.0.1:" in str(error)
    assert isinstance(error, SinkUnreachableError)


def test_postgres_refusals() -> None:
    server = servers.postgres()
    good = server.url()
    error = refusal(good.replace(servers.ESCAPED, "hunter2"))
    assert "wrong user or password" in str(error)
    assert not isinstance(error, SinkUnreachableError)
    error = refusal(server.url("nowhere"))
    assert "there is no database nowhere; create it: createdb -h 127.0.0.1" in str(error)
    assert not isinstance(error, SinkUnreachableError)
    error = refusal(good + "?sslmode=sometimes")
    assert "sslmode" in str(error)
    error = refusal(good + "?sslmode=require")
    assert "SSL" in str(error)


def test_redis_refusals() -> None:
    good = servers.redis().url()
    for password in ("hunter2", ""):
        error = refusal(good.replace(servers.ESCAPED, password))
        assert "wrong user or password" in str(error)
        assert not isinstance(error, SinkUnreachableError)
    error = refusal(servers.redis().url(99))
    assert "has no database 99" in str(error)
    assert not isinstance(error, SinkUnreachableError)


def test_nats_refusals() -> None:
    good = servers.nats().url()
    error = refusal(good.replace(servers.ESCAPED, "hunter2"))
    assert "wrong user, password or token" in str(error)
    assert not isinstance(error, SinkUnreachableError)
    error = refusal(servers.plain_nats().url())
    assert "no JetStream; start it with: nats-server -js" in str(error)
    assert not isinstance(error, SinkUnreachableError)


def test_somebody_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port of another kind of server."""
    for module in ("postgres", "redis", "nats"):
        monkeypatch.setattr(f"okex_ws.sinks.{module}.OPEN_TIMEOUT_S", 1.0)
    redis, nats = servers.redis(), servers.nats()
    for url in (f"postgresql://u:hunter2@127.0.0.1:{redis.port}/db", f"redis://:hunter2@127.0.0.1:{nats.port}/0",
                f"nats://u:hunter2@127.0.0.1:{redis.port}"):  # fmt: skip
        assert str(refusal(url)).startswith(mask(url))


@pytest.mark.parametrize("name", ["events.jsonl", "events.csv", "sqlite"])
def test_a_folder_that_is_not_there(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none/x.db" if name == "sqlite" else f"{tmp_path}/none/{name}"
    assert f"the folder {tmp_path}/none does not exist" in str(refusal(url))


@pytest.mark.parametrize("name", ["events.jsonl", "events.trades.csv", "events.db"])
@pytest.mark.parametrize("text", ["my diary\nof 2026\n", "price,size\n1,2\n", "no line end", '{"other":1}\n'])
def test_a_foreign_file_is_refused_and_untouched(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text * 50)
    url = f"sqlite:///{path}" if name.endswith("db") else str(path).replace(".trades.csv", ".csv")
    assert "choose another name" in str(refusal(url, put=True))
    assert path.read_text() == text * 50


def test_a_database_with_a_table_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE trades (when_ TEXT, what TEXT)")
    database.close()
    assert "table trades has another layout" in str(refusal(f"sqlite:///{path}", put=True))


def test_a_csv_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "events.trades.csv").write_text("id,ts_event,price,size\n")
    assert "has other columns" in str(refusal(str(tmp_path / "events.csv"), put=True))


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    async def run() -> None:
        first, second = open_sink(str(tmp_path / "a.jsonl")), open_sink(str(tmp_path / "a.jsonl"))
        await first.open()
        with pytest.raises(SinkUnreachableError, match="being written by another process"):
            await second.open()
        await second.close()
        await first.close()
        await second.open()
        await second.close()

    asyncio.run(run())


def test_the_reader_of_standard_output_ends() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    async def run() -> None:
        path = Path("/nonexistent/never-written.json")
        with pytest.raises(SinkClosedError, match="the reader of standard output has ended"):
            await Spool(StdoutSink(writing), [ListSource(trades(5))], path).run()

    asyncio.run(run())
    os.close(writing)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:hunt@er2@host/0", "redis://:***@host/0"),
        ("postgresql://u:hunter2/x@host/db", "postgresql://u:***@host/db"),
        ("nats://hunter2@host", "nats://***@host"),
        ("nats://user:hunter2@host", "nats://user:***@host"),
        ("postgresql://u@host/db?password=hunter2&sslmode=require", "postgresql://u@host/db?password=***&sslmode=require"),
        ("failed: redis://a:hunter2@h, again", "failed: redis://a:***@h, again"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("sqlite:////data/a@b.db", "sqlite:////data/a@b.db"),
    ],
)
def test_mask(text: str, shown: str) -> None:
    assert mask(text) == shown


def test_spool_names_tell_targets_apart_not_passwords() -> None:
    one = spool_name("redis://:hunter2@host:6379/0?maxlen=5")
    assert one == spool_name("redis://:other@host:6379/0")
    assert one != spool_name("redis://:hunter2@host:6379/1")
    assert "hunter2" not in one
    assert spool_name("-").startswith("stdout-")
    assert all(name.endswith(".json") and "/" not in name for name in (one, spool_name("../../x.jsonl")))


def test_a_missing_server_skips_by_name_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OKEX_WS_SKIP_NOTHING", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Debian package: kafka-server"):
        servers.program("kafka-server-start", "kafka-server")
    monkeypatch.setenv("OKEX_WS_SKIP_NOTHING", "1")
    with pytest.raises(pytest.fail.Exception, match="Debian package: kafka-server"):
        servers.program("kafka-server-start", "kafka-server")
