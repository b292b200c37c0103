"""Faults of consumers, rows C13 to C15: a burst, a stop, an exception; real sockets, the exchange's clock running fast."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Any

from tests.support.fixed_market import START, FixedMarket
from tests.support.looped import looped, until
from tests.support.waiting import attended, turns_until

from okex_ws import BookSnapshot, Client, Event, Gap, Site, Ticker, Trade
from okex_ws.client.stream import Policy, Stream
from okex_ws.events import (
    ConsumerFailed,
    Disconnected,
    Dropped,
    LoggedIn,
    Malformed,
    Push,
    Refused,
    Resumed,
    Stale,
    StatusEvent,
    Subscribed,
)
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.session import Timing
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

NEVER = Timing(ping_after_s=3600, pong_within_s=3600)
"""The exchange's minute is a second of ours: what is quiet or idle is not what is tested here."""


def serving(market: FixedMarket, *faults: str, speed: float, **rules: Any) -> Server:
    habits = Rules(**{"connects_per_s": 0, "idle_close_s": 0.0, **rules})
    return attended(Exchange(market, seed=7, now=START, rules=habits, faults=Faults.parse(faults)), speed=speed)


def client_of(server: Server, **options: Any) -> Client:
    settings = {"backoff_s": (0.01, 0.05), "timing": NEVER, **options}
    return Client(site=Site.at(server.ws_url, rest_url=server.rest_url), **settings)


async def read_on(stream: Stream[Event], seen: list[Event], *conditions: Callable[[Event], bool]) -> None:
    """Read until each condition held for some event, in whatever order."""
    left = list(conditions)
    while left:
        event = await anext(stream)
        seen.append(event)
        left = [condition for condition in left if not condition(event)]


def keep_little_in_the_kernel(client: Client) -> None:
    """Small receive buffers: what the kernel holds for a paused socket is read at once when reading goes on."""
    for driver in client._connections.drivers.values():
        for listener in driver._listeners.values():
            assert listener.transport is not None
            handle = listener.transport.underlying_transport.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)


def passed_s(server: Server) -> float:
    """How much of the exchange's time has gone by."""
    return (server.now() - START) / SECOND


def complete(trades: list[Trade]) -> bool:
    return all(b.first_id == a.trade_id + 1 for a, b in itertools.pairwise(trades))


class Watch:
    """What a prompt consumer of the same client saw: every push, and how long the slow ones' queues ever were."""

    def __init__(self, client: Client, *slow: Stream[Event]) -> None:
        self.pushes: list[Push] = []
        self.longest = [0] * len(slow)
        self._slow = slow
        client.on(Push, self._take)

    def _take(self, event: Push) -> None:
        self.pushes.append(event)
        for place, stream in enumerate(self._slow):
            self.longest[place] = max(self.longest[place], len(stream))

    @property
    def reached_s(self) -> float:
        return max((event.ts_event - START) / SECOND for event in self.pushes) if self.pushes else 0.0


@looped
async def test_C13_in_a_burst_slow_consumers_are_bounded_and_every_loss_is_counted() -> None:
    """Ten channels, a thousand pushes a second each: fifty times the busiest second known."""
    async with serving(FixedMarket(lasts=4, step_ms=1, trades_ms=1), speed=4, max_pending=0) as server:
        client = client_of(server)
        dropping = client.stream(Push, policy=Policy.DROP_OLDEST, size=200, name="dropping")
        newest = client.stream(Push, policy=Policy.CONFLATE, size=200, name="newest")
        tickers = client.stream(Ticker, policy=Policy.CONFLATE, size=200, name="tickers")
        watch = Watch(client, dropping, newest, tickers)
        for channel in ("trades", "books", "books5", "bbo-tbt", "tickers"):
            client.subscribe(channel, "BTC-USDT", "ETH-USDT")
        async with client:
            await turns_until(lambda: watch.reached_s >= 3.9)
    total = len(watch.pushes)
    assert total > 20_000
    assert max(watch.longest) <= 200
    kept = {stream.name: [event async for event in stream] for stream in (dropping, newest, tickers)}
    held = kept["dropping"]
    assert isinstance(held[0], Dropped)
    assert (held[0].count, held[0].total, dropping.dropped) == (total - 200,) * 3
    assert held[1:] == watch.pushes[-200:], "the newest, in order, nothing missing after the hole"
    told = [event for event in kept["newest"] if isinstance(event, Dropped)]
    assert newest.dropped == sum(event.count for event in told) > 0
    assert newest.dropped + newest.conflated + len(kept["newest"]) - len(told) == total
    last = {(event.channel, event.instrument): event for event in watch.pushes if isinstance(event, Ticker)}
    assert kept["tickers"] == sorted(last.values(), key=lambda event: watch.pushes.index(event))
    assert tickers.dropped == 0


@looped
async def test_C13_a_burst_loses_nothing_where_the_consumer_is_waited_for() -> None:
    async with serving(FixedMarket(lasts=4, step_ms=2, trades_ms=2), speed=8, max_pending=0) as server:
        client = client_of(server)
        slow = client.stream(Trade, Gap, Disconnected, size=50, name="slow")
        watch = Watch(client, slow)
        client.subscribe("trades", "BTC-USDT")
        client.subscribe("books", "BTC-USDT", "ETH-USDT")
        seen: list[Event] = []
        async with client:
            async for event in slow:
                seen.append(event)
                if event.ts_event >= START + 3.9 * SECOND:
                    break
                for _ in range(3):
                    await asyncio.sleep(0)  # slower than the exchange
    assert complete(seen)  # type: ignore[arg-type]  # trades all of them, or it fails
    assert len(seen) > 1_500
    assert slow.dropped == 0
    assert watch.longest[0] < 1_000, "what is under way when reading stops still fits, and no more"


@looped
async def test_C14_a_consumer_that_stops_for_a_minute_costs_no_healthy_connection() -> None:
    """WAIT: reading pauses, memory stays bounded, and after a minute everything that was sent is read, in order."""
    market = FixedMarket(lasts=75, step_ms=100, trades_ms=5)
    async with serving(market, speed=40, max_pending=0) as server:
        client = client_of(server, timing=Timing())
        stream = client.stream(size=40, name="stops")
        watch = Watch(client, stream)
        client.subscribe("trades", "BTC-USDT")
        client.subscribe("tickers", "BTC-USDT")
        seen: list[Event] = []
        async with client:
            await until(stream, Trade, seen)
            keep_little_in_the_kernel(client)
            await turns_until(lambda: client.hub.is_paused)
            client.subscribe("books5", "BTC-USDT")  # its ack, too, stays unread
            began, held = passed_s(server), len(stream)
            await turns_until(lambda: passed_s(server) > began + 60)
            assert len(stream) == held, "paused, however much comes"
            client._clock.offset += 60 * SECOND  # our clock knows of the minute as well
            await read_on(
                stream,
                seen,
                lambda event: isinstance(event, Trade) and event.ts_event >= START + 74.9 * SECOND,
                lambda event: isinstance(event, Subscribed) and event.channel == "books5",
            )
            assert len(server.exchange.connections) == 1
    trades = [event for event in seen if isinstance(event, Trade)]
    assert complete(trades)
    assert not [event for event in seen if isinstance(event, (Disconnected, Gap, Stale, Refused, Malformed, Dropped))]
    assert {event.channel for event in seen if isinstance(event, Subscribed)} == {"trades", "tickers", "books5"}
    assert len(watch.pushes) > 20_000
    assert watch.longest[0] < 3_000, "its size, and what the kernel held"


@looped
async def test_C14_closed_4005_for_reading_too_slowly_it_comes_back_and_says_what_is_missing() -> None:
    market = FixedMarket(lasts=600, step_ms=500, trades_ms=50)
    async with serving(market, "big_frame channel=books size=3000000 at=10s for=15s", speed=20) as server:
        client = client_of(server)
        stream = client.stream(Trade, BookSnapshot, StatusEvent, size=20, name="stops")
        client.subscribe("trades", "BTC-USDT")
        client.subscribe("books", "BTC-USDT")
        seen: list[Event] = []
        async with client:
            await until(stream, Trade, seen)
            await turns_until(lambda: any(line.closed == "closed 4005" for line in server.exchange.ledger.traffic.values()))
            await read_on(
                stream,
                seen,
                lambda event: isinstance(event, Gap) and event.channel == "trades",
                lambda event: isinstance(event, Resumed) and event.channel == "books",
                lambda event: isinstance(event, Trade) and event.ts_event > START + 40 * SECOND,
            )
            assert client.book("BTC-USDT").is_live
        seen += [event async for event in stream]
    lost = next(event for event in seen if isinstance(event, Disconnected))
    assert (lost.code, lost.fatal) == (4005, False)
    assert lost.retry_s is not None
    trades = [event for event in seen if isinstance(event, Trade)]
    holes = [(a.trade_id + 1, b.first_id - 1) for a, b in itertools.pairwise(trades) if b.first_id != a.trade_id + 1]
    assert holes
    assert holes == [(event.first_id, event.last_id) for event in seen if isinstance(event, Gap) and event.channel == "trades"]


@looped
async def test_C14_a_stream_that_is_closed_while_it_holds_everybody_up_lets_them_go() -> None:
    async with serving(FixedMarket(lasts=60, step_ms=100, trades_ms=10), speed=20, max_pending=0) as server:
        client = client_of(server)
        stuck, brisk = client.stream(Trade, size=10, name="stuck"), client.stream(Trade, size=100_000, name="brisk")
        client.subscribe("trades", "BTC-USDT")
        async with client:
            await turns_until(lambda: client.hub.is_paused)
            stuck.close()
            assert not client.hub.is_paused
            trades = [await until(brisk, Trade) for _ in range(300)]
    assert complete(trades)


@looped
async def test_C15_a_consumer_that_raises_fails_alone_and_is_told_once_per_kind_of_error() -> None:
    async with serving(FixedMarket(lasts=60), speed=20) as server:
        client = client_of(server)
        good: list[Trade] = []
        calls: list[int] = []
        coroutines: list[int] = []

        def bad(event: Trade) -> None:
            calls.append(event.trade_id)
            raise (ValueError if len(calls) % 2 else KeyError)(f"no good: {event.trade_id}")

        async def worse(event: Trade) -> None:
            coroutines.append(event.trade_id)
            raise RuntimeError("worse")

        client.on(Trade, bad)
        client.on(Trade, good.append)
        client.on(Trade, worse)
        stream = client.stream(Trade, StatusEvent)
        client.subscribe("trades", "BTC-USDT")
        seen: list[Event] = []
        async with client:
            for _ in range(60):
                await until(stream, Trade, seen)
            await turns_until(lambda: len(coroutines) >= 60)
        seen += [event async for event in stream]
    trades = [event for event in seen if isinstance(event, Trade)]
    assert complete(trades)
    assert good == trades
    assert calls == coroutines == [event.trade_id for event in trades], "each consumer got everything"
    failed = sorted(event.error.split(":")[0] for event in seen if isinstance(event, ConsumerFailed))
    assert failed == ["KeyError", "RuntimeError", "ValueError"]
    names = {event.consumer.split(".")[-1] for event in seen if isinstance(event, ConsumerFailed)}
    assert names == {"bad", "worse"}
    assert [event for event in seen if isinstance(event, (Disconnected, Gap, LoggedIn))][:-1] == []
