"""ConnectLimiter: clients of one process dial a host together no faster than OKX allows one address."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.support.trading_client import exchange

from okex_ws.client import connection
from okex_ws.client.blocking import Blocking
from okex_ws.client.client import Client
from okex_ws.client.connect_limiter import CONNECT_LIMITER, ConnectLimiter
from okex_ws.events import Disconnected, Event, Subscribed
from okex_ws.simulator.server import Server

SECOND = 1_000_000_000


def test_three_a_second_and_every_host_for_itself() -> None:
    now = 0
    turns = ConnectLimiter(lambda: now)
    assert [turns.take("ws.okx.com:443") for _ in range(5)] == [0, 0, 0, 1.1, 1.1], "whoever gives up has taken nothing"
    assert turns.take("wspap.okx.com:443") == 0
    now = SECOND
    assert turns.take("ws.okx.com:443") == pytest.approx(0.1)
    now = 2 * SECOND
    assert [turns.take("ws.okx.com:443") for _ in range(4)] == [0, 0, 0, 1.1]


def test_threads_do_not_take_the_same_turn() -> None:
    turns = ConnectLimiter(lambda: 0)
    waits: list[float] = []

    def dial() -> None:
        waits.extend([turns.take("ws.okx.com:443") for _ in range(300)])

    threads = [threading.Thread(target=dial) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0) == 3


def test_a_second_client_in_a_thread_of_its_own_waits_rather_than_meet_a_429(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_LIMITER", CONNECT_LIMITER)

    async def follow(client: Client) -> list[Event]:
        told: list[Event] = []
        async for event in client.stream(Subscribed, Disconnected):
            told.append(event)
            if isinstance(event, Disconnected) or len(told) == 2:
                break
        return told

    def aside(url: str) -> list[Event]:
        with Blocking("BTC-USDT", channels=["trades", "candle1m"], site=url) as client:
            told = []
            for event in client:
                if isinstance(event, (Subscribed, Disconnected)):
                    told.append(event)
                if isinstance(event, Disconnected) or len(told) == 2:
                    return told
        raise AssertionError("the stream ended first")

    async def check() -> None:
        async with Server(exchange()) as server, asyncio.timeout(20):
            client = Client(site=server.ws_url)
            client.subscribe("trades", "BTC-USDT")
            client.subscribe("candle1m", "BTC-USDT")
            async with client:
                told = await asyncio.gather(follow(client), asyncio.to_thread(aside, server.ws_url))
            assert [event for events in told for event in events if isinstance(event, Disconnected)] == []

    asyncio.run(check())
