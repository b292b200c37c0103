"""Properties of single sinks: Redis's cache, NATS's messages, PostgreSQL's columns, old tables, torn files."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from random import Random

import asyncpg
import pytest
import redis
from tests.support import sink_servers as servers
from tests.support.sink_samples import batch, trades
from tests.support.sink_targets import (
    CsvTarget,
    JsonlTarget,
    NatsTarget,
    PostgresTarget,
    RedisTarget,
    SqliteTarget,
    Target,
    expected,
    within,
)

from okex_ws import events
from okex_ws.events import BookSnapshot, BookUpdate, Candle, Event, Ticker
from okex_ws.sinks import open_sink
from okex_ws.sinks.sink import NOTHING, Batch


def deliver(url: str, *batches: Batch) -> None:
    async def run() -> None:
        sink = open_sink(url)
        await sink.open()
        for part in batches:
            await sink.put(part)
        await sink.close()

    asyncio.run(run())


def book(n: int, bid: str, ask: str, *, update: bool = False, channel: str = "books", ask_size: str = "2") -> Event:
    cls = BookUpdate if update else BookSnapshot
    return cls(ts_recv=n, ts_ms=1_790_000_000_000 + n, channel=channel, instrument="BTC-USDT",
               sequence=n, previous_sequence=n - 1,
               raw_bids=[(bid, "1.5", "0", "3")], raw_asks=[(ask, ask_size, "0", "4")])  # fmt: skip


class Cache:
    """The latest values in Redis."""

    def __init__(self, target: RedisTarget) -> None:
        self.client = redis.Redis(port=target.server.port, password=servers.PASSWORD, decode_responses=True)
        self.prefix = target.name

    def __call__(self, name: str) -> dict[str, str]:
        return {str(key): str(value) for key, value in self.client.hgetall(f"{self.prefix}:latest:{name}").items()}

    def close(self) -> None:
        self.client.close()


def test_redis_holds_the_latest_values(tmp_path: Path) -> None:
    target = RedisTarget(tmp_path)
    late = trades(1, first=3)[0]
    late.backfilled = True
    candle = Candle(channel="candle1m", instrument="BTC-USDT", bar="1m", open_ms=60_000, open=1, high=2, low=0.5, close=1.5)
    ticker = Ticker(ts_recv=1, channel="tickers", ts_ms=5, instrument="BTC-USDT", last=65_000.5, best_bid=None)
    deliver(target.url(), batch([*trades(9), candle, ticker]), batch([late, *trades(2, instrument="A/B C")], first=20))
    cache = Cache(target)
    assert cache("trade:BTC-USDT")["trade_id"] == "9"  # a trade fetched later is not the latest
    assert cache("trade:BTC-USDT")["price"] == "65001.225"
    assert cache("trade:A%2FB%20C")["trade_id"] == "2"
    assert cache("candle1m:BTC-USDT")["close"] == "1.5"
    assert cache("candle1m:BTC-USDT")["closed"] == "false"
    assert cache("ticker:BTC-USDT")["last"] == "65000.5"
    assert cache("ticker:BTC-USDT")["best_bid"] == ""
    cache.close()


def test_redis_holds_the_top_of_the_book_and_says_when_it_is_stale(tmp_path: Path) -> None:
    target = RedisTarget(tmp_path)
    cache = Cache(target)

    async def run() -> None:
        sink = open_sink(target.url())
        await sink.open()
        await sink.put(batch([book(1, "9.5", "10"), book(2, "9.5", "10", update=True, ask_size="0")]))
        assert (cache("book:BTC-USDT")["best_bid"], cache("book:BTC-USDT")["best_ask"]) == ("9.5", "")
        await sink.put(batch([book(3, "9.75", "10.25", update=True)], first=3))
        top = cache("book:BTC-USDT")
        assert (top["best_bid"], top["best_bid_size"], top["best_ask"], top["state"]) == ("9.75", "1.5", "10.25", "live")
        await sink.put(batch([events.Gap(ts_recv=4, channel="books", instrument="BTC-USDT", cause="sequence")], first=4))
        top = cache("book:BTC-USDT")
        assert (top["state"], top["best_bid"], top["sequence"]) == ("stale", "", "3")
        await sink.put(batch([book(6, "1", "2")], first=6))
        assert cache("book:BTC-USDT")["state"] == "live"
        await sink.close()

    asyncio.run(run())
    cache.close()


def test_redis_streams_are_kept_short(tmp_path: Path) -> None:
    target = RedisTarget(tmp_path)
    deliver(target.url().replace("maxlen=0", "maxlen=200"), batch(trades(5_000)))
    rows = target.rows()
    assert 200 <= len(rows) < 400
    assert rows[-1]["trade_id"] == 5_000


def test_redis_as_cache_alone(tmp_path: Path) -> None:
    target = RedisTarget(tmp_path)
    deliver(target.url() + "&streams=no", batch(trades(50)))
    assert target.rows() == []
    cache = Cache(target)
    assert cache("trade:BTC-USDT")["trade_id"] == "50"
    cache.close()


def test_redis_says_how_far_it_got(tmp_path: Path) -> None:
    target = RedisTarget(tmp_path)

    async def run() -> None:
        sink = open_sink(target.url())
        await sink.open()
        assert await sink.reached("ab12") == NOTHING
        await sink.put(batch(trades(1_200)))
        assert await sink.reached("ab12") == (1_200, 0)
        await sink.close()

    asyncio.run(run())


def test_redis_holds_nothing_twice_after_interrupted_transactions(tmp_path: Path) -> None:
    """Fifty kills: each leaves a torn transaction in the append-only file, and batches are cut differently afterwards."""
    target, dice = RedisTarget(tmp_path), Random(3)
    sent = [pair for n in range(1, 4_001) for pair in batch(trades(1, first=n, instrument=f"I{n % 3}"), first=n)]
    other = batch(trades(1_500), "cd34")

    async def put(count: int) -> None:
        sink = open_sink(target.url() + "&latest=no")
        await sink.open()
        for whole in (sent, other):
            recorder = whole[0][0].partition(":")[0]
            held = (await sink.reached(recorder) or NOTHING).n
            await sink.put(whole[max(0, held - 5) : max(0, held) + count])
        await sink.close()

    for kill in range(50):
        asyncio.run(put(dice.randrange(10, 80)))
        target.kill()
        if kill % 4:
            target.tear(dice.randrange(8, 30_000))
        target.mend()
    for _ in range(3):
        asyncio.run(put(4_000))
        target.kill()
        target.mend()
    asyncio.run(put(4_000))
    key = lambda row: tuple(int(part, 36) for part in row["id"].split(":"))  # noqa: E731
    assert sorted(target.rows(), key=key) == sorted(expected([*sent, *other]), key=key)


def test_redis_keeps_events_that_a_wrong_clock_dates_before_a_restart(tmp_path: Path) -> None:
    target = RedisTarget(tmp_path)
    deliver(target.url(), batch(trades(20)))
    with redis.Redis(port=target.server.port, password=servers.PASSWORD) as client:
        key = f"{target.name}:runs:ab12"
        (run,) = client.hgetall(key)
        client.hset(key, run, "99999999999999:-1:-1")
    target.kill()
    target.mend()
    deliver(target.url(), batch(trades(30)))
    assert target.rows() == expected(batch(trades(30)))


def test_nats_puts_many_events_into_a_message(tmp_path: Path) -> None:
    target = NatsTarget(tmp_path)
    items = [*trades(500), *trades(300, instrument="ETH-USDT"), events.Connected(ts_recv=1, line="public/0")]
    deliver(target.url(), batch(items))
    messages = target.messages()
    assert [(subject, payload.count(b"\n") + 1) for subject, payload in messages] == [
        (f"{target.name}.trades.BTC-USDT", 500),
        (f"{target.name}.trades.ETH-USDT", 300),
        (f"{target.name}.line.public%2F0", 1),
    ]


def test_nats_cuts_what_one_message_cannot_hold(tmp_path: Path) -> None:
    target = NatsTarget(tmp_path)
    sizes = [100_000, 100_000, 100_000, 900_000, 5]
    long = [events.Malformed(ts_recv=n, line="x", raw=b"y" * size) for n, size in enumerate(sizes)]
    deliver(target.url(), batch(long), batch(long))
    rows = target.rows()
    assert [row["id"] for row in rows] == [f"ab12:{n}:0" for n in range(1, 6)]
    assert [row["kind"] for row in rows] == ["malformed", "malformed", "malformed", "too_large", "malformed"]
    assert rows[3]["bytes"] > 900_000
    assert len(target.messages()) == 3


def test_nats_leaves_nothing_running_after_a_hang(tmp_path: Path) -> None:
    target = NatsTarget(tmp_path)

    async def run() -> None:
        sink = open_sink(target.url())
        await sink.open()
        target.pause()
        putting = asyncio.create_task(sink.put(batch(trades(3_000))))
        await asyncio.sleep(0)
        putting.cancel()
        await asyncio.wait({putting})
        try:
            await within(sink.close())
        finally:
            target.resume()
        for _ in range(20):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_postgres_types(tmp_path: Path) -> None:
    target = PostgresTarget(tmp_path)
    deliver(target.url(), batch([*trades(3), book(9, "9.5", "10")]))

    async def run() -> None:
        connection = await asyncpg.connect(target.server.url(), server_settings={"search_path": target.name})
        query = ("SELECT column_name, data_type FROM information_schema.columns "
                 "WHERE table_schema = $1 AND table_name = 'trades' AND is_nullable = 'NO'")  # fmt: skip
        rows = await connection.fetch(query, target.name)
        assert dict(rows) == {"id": "text", "time": "timestamp with time zone", "ts_event": "bigint"}
        best = await connection.fetchval("SELECT (bids -> 0 ->> 0)::numeric FROM book_snapshots")
        assert float(best) == 9.5
        plan = await connection.fetchval("SELECT string_agg(indexdef, ' ') FROM pg_indexes WHERE tablename = 'trades' "
                                         "AND schemaname = $1", target.name)  # fmt: skip
        assert '(instrument, "time")' in plan
        await connection.close()

    asyncio.run(run())


def test_postgres_two_recorders_at_once(tmp_path: Path) -> None:
    """Both create the same tables at the same moment, and deliver the same events."""
    target = PostgresTarget(tmp_path)
    sent = batch(trades(500))

    async def one() -> None:
        sink = open_sink(target.url())
        await sink.open()
        for start in range(0, 500, 100):
            await sink.put(sent[start : start + 100])
        await sink.close()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(one())

    asyncio.run(within(run()))
    assert target.rows() == expected(sent)


@pytest.mark.parametrize("cls", [SqliteTarget, PostgresTarget])
def test_a_trade_that_two_recorders_saw_is_there_once(cls: type[Target], tmp_path: Path) -> None:
    target = cls(tmp_path)
    again = trades(30, first=11)
    again[5].backfilled = True
    renumbered = trades(1, first=60)
    renumbered[0].trade_id = 1  # OKX may restart its numbering
    deliver(target.url(), batch(trades(20)), batch([*again, *renumbered], recorder="cd34"))
    assert sorted(row["trade_id"] for row in target.rows()) == [1, *range(1, 41)]


@pytest.mark.parametrize("cls", [SqliteTarget, PostgresTarget, JsonlTarget, CsvTarget, NatsTarget, RedisTarget])
def test_a_target_says_that_it_was_empty(cls: type[Target], tmp_path: Path) -> None:
    target = cls(tmp_path)

    async def run() -> None:
        for was_empty in (True, False):
            sink = open_sink(target.url())
            await sink.open()
            assert (await sink.reached("ab12") == NOTHING) is was_empty
            await sink.put(batch(trades(3)))
            await sink.close()

    asyncio.run(run())


def test_sqlite_is_one_file_when_it_is_closed(tmp_path: Path) -> None:
    """A copy of the file is complete: no log file is left beside it."""
    deliver(f"sqlite:///{tmp_path / 'rows.db'}", batch(trades(3)))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.db"]


def test_sqlite_takes_up_an_older_table(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    deliver(f"sqlite:///{path}", batch(trades(3)))
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE trades DROP COLUMN source")
    database.close()
    deliver(f"sqlite:///{path}", batch(trades(5)))
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT source, time FROM trades ORDER BY ts_event").fetchall()
    database.close()
    assert [source for source, _ in rows] == [None, None, None, "0", "0"]
    assert rows[0][1] == "2026-09-21T14:13:20.001000000Z"


@pytest.mark.parametrize("cut", [1, 2, 60, 150, 151, 10_000])
def test_a_torn_line_is_cut_off_and_written_again(cut: int, tmp_path: Path) -> None:
    for cls in (JsonlTarget, CsvTarget):
        target = cls(tmp_path)
        deliver(target.url(), batch(trades(20)))
        path = tmp_path / ("events.jsonl" if cls is JsonlTarget else "events.trades.csv")
        whole = path.read_bytes()
        path.write_bytes(whole[: max(3, len(whole) - cut)])
        deliver(target.url(), batch(trades(25)))
        assert target.rows() == expected(batch(trades(25)))


def test_a_long_file_is_taken_up_at_its_end(tmp_path: Path) -> None:
    target = JsonlTarget(tmp_path)
    sent = batch(trades(8_000))
    deliver(target.url(), sent)
    assert Path(target.url()).stat().st_size > 3 << 19
    deliver(target.url(), sent)
    lines = Path(target.url()).read_bytes().splitlines()
    assert [json.loads(line)["trade_id"] for line in lines] == list(range(1, 8_001))
