"""Replay: what a client was told, told again, says the same."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.records import Record
from tests.support.waiting import attended, turns_until

import okex_ws
from okex_ws.events import Disconnected, Event, Gap, Refused, Resumed, Subscribed
from okex_ws.replay import Replay
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.server import Server

FAULTS = [
    "drop channel=books action=update every=13",
    "drop channel=trades every=9",
    "swap channel=trades every=17",
    "abort at=4s",
    "notice at=7s",
    "crossed channel=books every=41",
    "truncate channel=books every=37",
]


async def _live(faults: list[str], seconds: float) -> tuple[list[Record], list[Event]]:
    """A client's inputs and what it said, against a simulator that makes trouble at twenty times the pace."""
    records: list[Record] = []
    said: list[Event] = []

    def tap(now: int, line: str, conn: int, kind: str, text: bytes) -> None:
        records.append(Record(len(records) + 1, now, line, conn, kind, bytes(text)))

    def exchange(now: int) -> Exchange:
        return Exchange(SeededMarket(5, start=now, levels=60), seed=5, now=now, faults=Faults.parse(faults))

    async with attended(exchange, speed=20) as server:
        client = okex_ws.Client(site=okex_ws.Site.at(server.ws_url, rest_url=server.rest_url), tap=tap, backoff_s=(0.01, 0.05))
        client.on(Event, said.append)
        for channel in ("trades", "books", "tickers", "candle1m"):
            client.subscribe(channel, "BTC-USDT")
        done = asyncio.Event()
        client.on(okex_ws.Trade, lambda trade: done.set() if trade.ts_event - first[0] > seconds * 1e9 else None)
        first = [server.exchange.now]
        async with client, asyncio.timeout(240):
            await done.wait()
            await turns_until(lambda: {Gap, Resumed, Disconnected} <= {type(event) for event in said})
            client.subscribe("books5", "BTC-USDT")
            client.unsubscribe("candle1m", "BTC-USDT")
    return records, said


def test_told_the_same_a_line_says_the_same() -> None:
    records, said = asyncio.run(_live(FAULTS, 12))
    replay = Replay()
    again = [event for record in records for event in replay.feed(record)]
    kinds = {type(event) for event in said}
    assert {Gap, Resumed, Disconnected} <= kinds, "the faults struck"
    assert _differences(said, again) == []


def _differences(one: list[Event], other: list[Event]) -> list[Any]:
    found = [(place, a, b) for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    if len(one) != len(other):
        found.append(("lengths", len(one), len(other)))
    return found[:3]


def test_a_clock_that_was_corrected_is_corrected_again_at_the_same_place() -> None:
    records: list[Record] = []
    said: list[Event] = []

    async def main() -> None:
        def exchange(now: int) -> Exchange:
            return Exchange(SeededMarket(5, start=now), seed=5, now=now, faults=Faults.parse(["clock_skew seconds=40"]))

        def tap(now: int, line: str, conn: int, kind: str, text: bytes) -> None:
            records.append(Record(len(records) + 1, now, line, conn, kind, bytes(text)))

        key = okex_ws.Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
        async with Server(exchange) as server:
            site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
            client = okex_ws.Client(site=site, credentials=key, tap=tap, backoff_s=(0.01, 0.05))
            client.on(Event, said.append)
            client.subscribe("orders", "ANY")
            async with client, asyncio.timeout(120):
                async for _ in client.stream(Subscribed):
                    break

    asyncio.run(main())
    assert [event.code for event in said if isinstance(event, Refused)] == ["60006"]
    assert "clock" in {record.kind for record in records}
    replay = Replay()
    again = [event for record in records for event in replay.feed(record)]
    assert _differences(said, again) == []
