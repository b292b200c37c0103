"""V1, V3 and V5 are three faces of one market: at one seed they lead to the same trades and the same books.

Client and exchange are joined in memory on one virtual clock, so nothing but the words can differ.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest

from okex_ws.dialects import dialect
from okex_ws.events import BookEvent, Event, Trade
from okex_ws.market import Books
from okex_ws.protocol.line import Dial, Line
from okex_ws.protocol.pacing import connects_per_ip
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Binary, Text
from okex_ws.simulator.rules import Rules

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
PATHS = {"v5": "/ws/v5/public", "v3": "/ws/v3", "v1": "/ws/v1"}
RUN_S = 40


class Face:
    """What a client of one dialect makes of the exchange: every event, and the book of each instrument at each of its times."""

    def __init__(self, name: str, instruments: dict[str, str]) -> None:
        self.events: list[Event] = []
        self.images: dict[tuple[str, int], tuple[Any, Any]] = {}
        self._instruments = instruments  # the dialect's → the market's
        self._books = Books()
        spoken = dialect(name)
        endpoint = "public/0" if name == "v5" else f"{name}/0"
        self._line = Line(endpoint, luck=lambda: 0.5, connects=connects_per_ip(), dialect=spoken, timing=spoken.timing)
        wanted = [spoken.subscription(channel, key) for channel in ("trades", "books") for key in instruments]
        self._line.subscribe(wanted, START)
        self._name = name

    def run(self, venue: Exchange, seconds: int) -> None:
        """Connect and let time pass on both sides."""
        line, now, end = self._line, START, START + seconds * SECOND
        line.start(now)
        (dial,) = line.actions
        assert isinstance(dial, Dial)
        line.actions.clear()
        talk = venue.open(PATHS[self._name], now)
        talk.wake = lambda: None
        self._take(line.opened(dial.number, now))
        while now < end:
            for message in line.bytes_to_send(dial.number):
                talk.receive(message, now)
            for out in talk.take():
                if isinstance(out, Text | Binary):
                    self._take(line.receive(dial.number, out.payload, now, is_binary=isinstance(out, Binary)))
            now = min(due for due in (venue.deadline(), line.next_deadline, end) if due is not None and due > now)
            venue.on_deadline(now)
            if (line.next_deadline or end) <= now:
                self._take(line.on_deadline(now))
            assert not line.actions, line.actions

    def trades(self, instrument: str) -> list[tuple[int, float, float, str]]:
        """(ms, price, size, side) of each print, in order."""
        found = [event for event in self.events if isinstance(event, Trade)]
        return [(t.ts_ms, t.price, t.size, t.side) for t in found if self._instruments[t.instrument] == instrument]

    def _take(self, events: list[Event]) -> None:
        for event in events:
            trouble = self._books.apply(event)
            assert trouble is None, (trouble, event)
            if isinstance(event, BookEvent):
                book = self._books.get(event.instrument, event.channel)
                sides = ([level[:2] for level in book.bids(20)], [level[:2] for level in book.asks(20)])
                self.images[self._instruments[event.instrument], event.ts_ms] = sides
        self.events += events


@functools.cache
def faces() -> tuple[Face, Face, Face]:
    spot, swap = "BTC-USDT", "BTC-USD-SWAP"
    plans = {"v5": {spot: spot, swap: swap}, "v3": {spot: spot, swap: swap}, "v1": {spot: spot, "BTC-USD-QUARTER": swap}}
    made = []
    for name, instruments in plans.items():
        market = SeededMarket(11, start=START, instruments=[spot, swap], levels=40)
        face = Face(name, instruments)
        face.run(Exchange(market, seed=11, now=START, rules=Rules(connects_per_s=0)), RUN_S)
        made.append(face)
    return made[0], made[1], made[2]


@pytest.mark.parametrize("instrument", ["BTC-USDT", "BTC-USD-SWAP"])
def test_three_faces_of_one_market_tell_the_same_trades(instrument: str) -> None:
    v5, v3, v1 = (face.trades(instrument) for face in faces())
    assert len(v5) > 50
    # After what each tells of the time before, up to the last second, of which V1 gathers the trades of futures.
    early, late = START // 1_000_000 + 1000, START // 1_000_000 + (RUN_S - 2) * 1000
    is_whole = instrument == "BTC-USDT"  # a spot trade of V1 has a clock in seconds, of futures an id with milliseconds

    def during(trades: list[tuple[int, float, float, str]], *, cut: bool = False) -> list[tuple[int, float, float, str]]:
        return [(ms // 1000 * 1000 if cut else ms, *rest) for ms, *rest in trades if early <= ms < late]

    assert during(v3) == during(v5)
    assert during(v1) == during(v5, cut=is_whole)


@pytest.mark.parametrize("instrument", ["BTC-USDT", "BTC-USD-SWAP"])
def test_three_faces_of_one_market_lead_to_the_same_books(instrument: str) -> None:
    v5, v3, v1 = ({ms: book for (name, ms), book in face.images.items() if name == instrument} for face in faces())
    for other in (v3, v1):
        both = v5.keys() & other.keys()
        assert len(both) > 50
        assert [ms for ms in sorted(both) if v5[ms] != other[ms]] == []


def test_the_same_seed_says_the_same_again() -> None:
    first, *_ = faces()
    again = Face("v5", {"BTC-USDT": "BTC-USDT", "BTC-USD-SWAP": "BTC-USD-SWAP"})
    market = SeededMarket(11, start=START, instruments=["BTC-USDT", "BTC-USD-SWAP"], levels=40)
    again.run(Exchange(market, seed=11, now=START, rules=Rules(connects_per_s=0)), 10)
    assert [repr(event) for event in again.events] == [repr(event) for event in first.events[: len(again.events)]]
