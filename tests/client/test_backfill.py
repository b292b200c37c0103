"""Backfill over sockets, against the simulator's WebSocket and REST."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from tests.support.looped import closed_port, looped, rest_of, until
from tests.support.waiting import attended

from okex_ws import Client, Event, Gap, Site, Trade
from okex_ws.client.backfill import Backfill
from okex_ws.client.stream import Stream
from okex_ws.events import Candle, Recovered, Unrecoverable
from okex_ws.replay import Replay
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

SECOND = 1_000_000_000


class Noted(NamedTuple):
    """An input as a tap saw it."""

    n: int
    ts: int
    line: str
    conn: int
    kind: str
    text: bytes


BTC = "BTC-USDT"


def served(*faults: str, past_s: int = 0, rate: float = 5) -> Server:
    """An exchange that has traded for so many seconds already, busily."""

    def make(now: int) -> Exchange:
        market = SeededMarket(7, start=now - past_s * SECOND, instruments=[BTC], rate=rate, levels=20)
        return Exchange(market, seed=7, now=now, rules=Rules(connects_per_s=0), faults=Faults.parse(faults))

    return attended(make)


@contextlib.asynccontextmanager
async def backfilled(server: Server, rest_url: str = "", **options: Any) -> AsyncIterator[tuple[Client, Backfill, Stream[Event]]]:
    """A started client of this server whose trades are backfilled, and a stream of all it says."""
    client = Client(
        site=Site.at(server.ws_url, rest_url=rest_url or server.rest_url), backoff_s=(0.01, 0.05), tap=options.pop("tap", None)
    )
    backfill = Backfill(client, seed=1, **options)
    client.subscribe("trades", BTC)
    stream = client.stream()
    async with client, backfill:
        yield client, backfill, stream


def times_delivered(events: list[Event]) -> dict[int, int]:
    """Trade id → how often it was delivered."""
    counts: dict[int, int] = {}
    for event in events:
        if isinstance(event, Trade):
            for number in range(event.first_id, event.trade_id + 1):
                counts[number] = counts.get(number, 0) + 1
    return counts


def check_complete(seen: list[Event], server: Server) -> None:
    """Every id from the first delivered to the last once, with the figures of the exchange's tape."""
    counts = times_delivered(seen)
    assert counts == dict.fromkeys(range(min(counts), max(counts) + 1), 1)
    tape = {int(row["tradeId"]): row for row in server.exchange.market.matches(BTC)}
    fetched = [event for event in seen if isinstance(event, Trade) and event.backfilled]
    for event in fetched:
        row = tape[event.trade_id]
        assert (event.price, event.size, event.side) == (float(row["px"]), float(row["sz"]), row["side"])
        assert event.ts_ms == int(row["ts"])
        assert event.ts_recv >= event.ts_event
    ids = [event.trade_id for event in fetched]
    assert ids == sorted(ids)


@looped
async def test_a_lost_push_comes_back_by_rest_in_the_same_stream() -> None:
    async with served("drop channel=trades nth=3") as server, backfilled(server) as (client, _, stream):
        seen: list[Event] = []
        lost = await until(stream, Gap, seen)
        news = await until(stream, Recovered, seen)
        assert (news.first_id, news.last_id) == (lost.first_id, lost.last_id)
        await until(stream, Trade, seen)
        check_complete(seen, server)
        newest = client.latest.trade(BTC)
        assert newest is not None
        assert not newest.backfilled, "what is fetched back does not pass for the latest"


@looped
async def test_what_was_traded_while_the_line_was_down_comes_back() -> None:
    async with served("kick_all at=0.5", "refuse_connect at=0.5 for=0.8") as server, backfilled(server) as (_, backfill, stream):
        seen: list[Event] = []
        await until(stream, Recovered, seen)
        while not backfill.planner.is_idle:
            await until(stream, Trade, seen)
        check_complete(seen, server)


@looped
async def test_since_a_time_before_the_start_it_is_continuous_with_the_live_trades() -> None:
    async with served(past_s=60, rate=1) as server:
        since = server.now() - 40 * SECOND
        async with backfilled(server, since=since) as (_, backfill, stream):
            seen: list[Event] = []
            await until(stream, Recovered, seen)
            while not backfill.planner.is_idle:
                await until(stream, Trade, seen)
            await until(stream, Trade, seen)
        counts = times_delivered(seen)
        tape = {int(row["tradeId"]): int(row["ts"]) for row in server.exchange.market.matches(BTC)}
        assert min(counts) == min(number for number, ts in tape.items() if ts * 1_000_000 >= since)
        assert len(counts) > 100
        assert counts == dict.fromkeys(range(min(counts), max(counts) + 1), 1)


@looped
async def test_what_rest_could_not_give_is_named_at_the_end() -> None:
    rest_url = f"http://127.0.0.1:{closed_port()}"
    async with served("drop channel=trades nth=3") as server:
        async with backfilled(server, rest_url) as (_, _, stream):
            seen: list[Event] = []
            lost = await until(stream, Gap, seen)
        seen += await rest_of(stream)
        (news,) = [event for event in seen if isinstance(event, Unrecoverable)]
        assert (news.channel, news.instrument, news.reason) == ("trades", BTC, "stopped")
        assert (news.first_id, news.last_id) == (lost.first_id, lost.last_id)
        assert news.since < news.until
        assert news.ts_recv
        counts = times_delivered(seen)
        assert lost.first_id is not None
        assert lost.last_id is not None
        assert set(range(min(counts), max(counts) + 1)) - set(counts) == set(range(lost.first_id, lost.last_id + 1))


@looped
async def test_REST_that_is_down_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async with served("rest_error status=503 code=50001 times=2", past_s=60, rate=1) as server:
        since = server.now() - 30 * SECOND
        async with backfilled(server, since=since) as (client, _, stream):
            client.subscribe("trades-all", BTC)
            seen: list[Event] = []
            while len({event.channel for event in seen if isinstance(event, Recovered)}) < 2:
                await until(stream, Recovered, seen)
    said = [record.message for record in caplog.records if record.message.startswith("backfill: ")]
    assert len(said) == 2, said
    assert "code 50001" in said[0]
    assert said[1] == "backfill: REST answers again"


@looped
async def test_candles_are_fetched_since_a_time() -> None:
    async with served(past_s=300, rate=0.1) as server:
        since = server.now() - 200 * SECOND
        client = Client(site=Site.at(server.ws_url, rest_url=server.rest_url))
        backfill = Backfill(client, channels=["candle"], since=since)
        client.subscribe("candle1m", BTC)
        stream = client.stream()
        async with client, backfill:
            live = await until(stream, Candle)
            seen: list[Event] = []
            news = await until(stream, Recovered, seen)
        minute = 60 * SECOND
        assert (news.since, news.until) == (-(-since // minute) * minute, live.ts_event)
        fetched = [event.ts_event for event in seen if isinstance(event, Candle) and event.backfilled]
        assert fetched == list(range(news.since, news.until, minute))


@looped
async def test_what_was_recorded_says_the_same_when_it_is_told_again() -> None:
    records: list[Noted] = []

    def tap(now: int, line: str, conn: int, kind: str, text: bytes) -> None:
        records.append(Noted(len(records) + 1, now, line, conn, kind, text))

    script = ("drop channel=trades probability=0.2", "kick_all at=0.5", "refuse_connect at=0.5 for=0.8", "rest_overlap every=2")
    async with served(*script, past_s=30, rate=2) as server:
        async with backfilled(server, since=server.now() - 20 * SECOND, tap=tap) as (_, _, stream):
            live: list[Event] = []
            for _ in range(4):
                await until(stream, Recovered, live)
        live += await rest_of(stream)
    kinds = {record.kind for record in records if record.line == "backfill"}
    assert kinds == {"backfill", "ask", "page", "end"}
    replay = Replay()
    again = [event for record in records for event in replay.feed(record)]
    assert again == live
    assert [event for event in again if isinstance(event, Trade) and event.backfilled]
