"""Seeded fault schedules: what was delivered and what was reported as missing are together what the exchange published.

A hundred of ten virtual minutes each here, a thousand by `make soak`; the same schedules, shorter, over real sockets.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.soak.run import run
from tests.soak.schedule import INSTRUMENTS, audit, faults, world
from tests.soak.workers import workers

import okex_ws
from okex_ws.events import BookSnapshot, Connected, Event, Trade
from okex_ws.protocol.session import Timing
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.server import Server

SCHEDULES = 100
OVER_SOCKETS = 4


@pytest.mark.timeout(1800)  # minutes of work for both cores
@pytest.mark.long
def test_a_hundred_fault_schedules_leave_nothing_unexplained() -> None:
    with workers() as pool:
        wrong = {seed: found for seed, found in pool.map(run, range(1, 1 + SCHEDULES), chunksize=2) if found}
    assert wrong == {}


def test_the_audit_notices_a_trade_that_vanished() -> None:
    made = world(3)
    made.run(120)
    trade = made.client.all(Trade)[40]
    made.client.events.remove(trade)
    assert any("lost without a word" in line for line in audit(made))


def test_the_audit_notices_a_book_change_that_vanished() -> None:
    made = world(3)
    made.run(120)
    steps = [event for event in made.client.events if getattr(event, "previous_sequence", None)]
    made.client.events.remove(steps[30])
    assert any("lost without a word" in line for line in audit(made))


class _Seen:
    """What the audit asks of a client, for one that runs over sockets."""

    def __init__(self, client: okex_ws.Client, events: list[Event]) -> None:
        self.books = client.books
        self.events = events
        self.dials = [event.ts_recv for event in events if isinstance(event, Connected)]

    def all(self, kind: type, **where: object) -> list[Event]:
        return [e for e in self.events if isinstance(e, kind) and all(getattr(e, k) == v for k, v in where.items())]


class _Made:
    """What the audit asks of a world."""

    def __init__(self, server: Server, client: okex_ws.Client, events: list[Event]) -> None:
        self.exchange, self.market = server.exchange, server.exchange.market
        self.client = _Seen(client, events)
        self.now = min(book.ts_event for book in client.books)


@pytest.mark.long
def test_the_same_schedules_over_real_sockets() -> None:
    wrong = {seed: found for seed in range(1, 1 + OVER_SOCKETS) if (found := asyncio.run(_over_sockets(seed)))}
    assert wrong == {}


async def _over_sockets(seed: int, trouble_s: float = 60) -> list[str]:
    """A minute of trouble at ten times the pace, then calm until every chain is whole again."""
    dice = SeededRandom(f"schedule {seed}")
    events: list[Event] = []

    def exchange(now: int) -> Exchange:
        market = SeededMarket(seed, start=now, instruments=list(INSTRUMENTS), rate=0.5, levels=50)
        return Exchange(market, seed=seed, now=now, rules=Rules(connects_per_s=0), faults=faults(dice, trouble_s))

    async with Server(exchange, speed=10) as server, asyncio.timeout(300):
        calm = server.exchange.start + int((trouble_s + 40) * 1e9)
        site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
        timing = Timing(ping_after_s=0.5, pong_within_s=0.5)
        client = okex_ws.Client(
            site=site, timing=timing, stale_after_s={"books": 3, "trades": 5}, backoff_s=(0.05, 0.5), seed=seed
        )
        whole = asyncio.Event()

        def see(event: Event) -> None:
            events.append(event)
            if isinstance(event, Trade) and event.ts_event > calm and all(book.is_live for book in client.books):
                whole.set()

        client.on(Event, see)
        for instrument in INSTRUMENTS:
            client.subscribe("trades", instrument)
            client.subscribe("books", instrument)
        async with client:
            await whole.wait()
            assert any(isinstance(event, BookSnapshot) for event in events)
            return audit(_Made(server, client, events))  # type: ignore[arg-type]  # shaped like a World
