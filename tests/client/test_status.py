"""Status: `client.status()` reports what happened."""

from __future__ import annotations

import asyncio

import msgspec
from tests.support.looped import following, looped, until

import okex_ws
from okex_ws.client.status import StatusTracker
from okex_ws.events import BookSnapshot, Connected, Disconnected, Gap, Refused, Ticker, Trade
from okex_ws.market import BookState
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

MS = 1_000_000


def states(status: okex_ws.ClientStatus) -> dict[tuple[str, str], str]:
    return {(item.channel, item.instrument): item.state for item in status.subscriptions}


@looped
async def test_a_status_follows_the_client_from_start_to_disconnection() -> None:
    def exchange(now: int) -> Exchange:
        return Exchange(SeededMarket(7, start=now, levels=60), seed=7, now=now, rules=Rules(connects_per_s=0))

    async with Server(exchange, speed=5) as server:
        site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
        client = okex_ws.connect("BTC-USDT", channels=["trades", "books5"], site=site, backoff_s=(0.01, 0.05))
        client.subscribe("trades", "FOO-USDT")
        before = client.status()
        assert before.sockets == before.books == ()
        assert before.latency is None
        assert set(states(before).values()) == {"pending"}
        assert {item.age for item in before.subscriptions} == {None}

        slow = client.stream(Trade, policy=okex_ws.Policy.DROP_OLDEST, size=1, name="slow")
        async with following(client) as stream:
            opened = await until(stream, Connected)
            await until(stream, Refused)
            while slow.dropped < 2:
                await until(stream, Trade)
            await until(stream, BookSnapshot)
            now = client.status()
            (socket,) = now.sockets
            assert (socket.line, socket.url, socket.connection, socket.since) == ("public/0", opened.url, 1, opened.ts_recv)
            assert socket.frame_count > 3
            assert socket.byte_count > 300
            assert socket.requests_left is not None
            assert 470 < socket.requests_left < 480
            assert now.connects_left == 2
            expected = {("trades", "BTC-USDT"): "live", ("books5", "BTC-USDT"): "live", ("trades", "FOO-USDT"): "refused"}
            assert states(now) == expected
            assert all((item.age is None) == (item.instrument == "FOO-USDT") for item in now.subscriptions)
            assert now.event_count == client.event_count > 4
            assert now.latency is not None
            assert now.latency.count > 3
            (dropping,) = (item for item in now.streams if item.name == "slow")
            assert (dropping.policy, dropping.size, dropping.held) == ("drop_oldest", 1, 1)
            assert dropping.dropped == slow.dropped >= 2
            assert [(book.channel, book.instrument, book.state) for book in now.books] == [("books5", "BTC-USDT", BookState.LIVE)]
            assert msgspec.json.decode(msgspec.json.encode(now))["gap_count"] == 0

            await server.stop()
            await until(stream, Disconnected)
            after = client.status()
            assert after.sockets == ()
            assert states(after) == {**expected, ("trades", "BTC-USDT"): "stale", ("books5", "BTC-USDT"): "stale"}
            assert after.books[0].state is BookState.STALE


def test_latency_is_that_of_recent_pushes() -> None:
    tracker = StatusTracker()
    for ms in range(100):
        tracker.sample(Ticker(instrument="BTC-USDT", ts_ms=1_000, ts_recv=(1_000 + ms) * MS))
    tracker.sample(Ticker(instrument="BTC-USDT", ts_ms=1_000, ts_recv=9_000 * MS, backfilled=True))
    tracker.sample(Gap(ts_recv=5))
    latency = tracker.latency()
    assert latency is not None
    assert (latency.last, latency.p50, latency.p99, latency.count) == (99 * MS, 50 * MS, 99 * MS, 100)


def test_gaps_are_counted_and_a_refusal_that_is_tried_again_is_pending() -> None:
    tracker = StatusTracker()
    tracker.apply(Gap(ts_recv=1))
    tracker.apply(Gap(ts_recv=2))
    assert tracker.gaps == 2
    client = okex_ws.Client("BTC-USDT")
    client.hub.tracker.apply(Refused(line="public/0", channel="trades", key="BTC-USDT", will_retry=True))
    assert states(client.status()) == {("trades", "BTC-USDT"): "pending"}
    client.hub.tracker.apply(Refused(line="public/0", channel="trades", key="BTC-USDT"))
    assert states(client.status()) == {("trades", "BTC-USDT"): "refused"}


@looped
async def test_a_blocking_client_has_a_status() -> None:
    with okex_ws.Blocking("BTC-USDT", site=okex_ws.Site.local(1)) as client:
        assert states(await asyncio.to_thread(client.status)) == {("trades", "BTC-USDT"): "pending"}
