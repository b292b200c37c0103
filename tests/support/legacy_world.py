"""A client of a dead dialect and the simulator's face of it, joined in memory on one virtual clock, reconnects and all."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from okex_ws.dialects import dialect
from okex_ws.events import BookEvent, Event
from okex_ws.market import Books
from okex_ws.protocol.line import Dial, HangUp, Line
from okex_ws.protocol.pacing import connects_per_ip
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Abort, Binary, Close, Freeze, Text
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.seeded_random import SeededRandom

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
LATENCY = 5_000_000


class World:
    """`run(seconds)` lets time pass; `events` is everything the client was told, `books` what it made of it."""

    def __init__(self, name: str, faults: list[str], *wanted: tuple[str, str], seed: int = 3, rules: Rules | None = None) -> None:
        self.now = START
        instruments = sorted({key for _, key in wanted})
        self.market = SeededMarket(seed, start=START, instruments=instruments, levels=30)
        self.venue = Exchange(
            self.market, seed=seed, now=START, rules=rules or Rules(connects_per_s=0), faults=Faults.parse(faults)
        )
        spoken = dialect(name)
        self.path = spoken.path
        self.events: list[Event] = []
        self.books = Books()
        luck = SeededRandom(f"luck {seed}").uniform
        self.line = Line(f"{name}/0", luck=luck, connects=connects_per_ip(), dialect=spoken, timing=spoken.timing)
        self._items = [spoken.subscription(channel, key) for channel, key in wanted]
        self.line.subscribe(self._items, START)
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._talks: dict[int, Any] = {}
        self._frozen: set[int] = set()
        self.line.start(START)
        self._settle()

    def run(self, seconds: float) -> list[Event]:
        """Let time pass; what was told meanwhile."""
        end, first = self.now + int(seconds * SECOND), len(self.events)
        while True:
            times = [self._due[0][0]] if self._due else []
            times += [due for due in (self.venue.deadline(), self.line.next_deadline) if due is not None]
            due = min(times, default=end + 1)
            if due > end:
                break
            self.now = max(self.now, due)
            if self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()
            elif (self.venue.deadline() or end + 1) <= self.now:
                self.venue.on_deadline(self.now)
            else:
                self._told(self.line.on_deadline(self.now))
        self.now = end
        return self.events[first:]

    def _after(self, act: Callable[[], None], delay: int = LATENCY) -> None:
        heapq.heappush(self._due, (self.now + delay, next(self._order), act))

    def _told(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            trouble = self.books.apply(event)
            if trouble is not None:
                assert isinstance(event, BookEvent)
                item = next(item for item in self._items if (item.channel, item.key) == (event.channel, event.instrument))
                self._told(self.line.resync(item, self.now, trouble))
        self._settle()

    def _settle(self) -> None:
        actions, self.line.actions = self.line.actions, []
        for action in actions:
            number = action.number
            if isinstance(action, Dial):
                self._after(lambda number=number: self._open(number))  # type: ignore[misc]
            elif isinstance(action, HangUp):
                talk = self._talks.pop(number, None)
                if talk is not None:
                    self._after(lambda talk=talk: talk.gone(self.now))  # type: ignore[misc]
        for number in list(self.line.sessions):
            for message in self.line.bytes_to_send(number):
                self._after(lambda number=number, message=message: self._hear(number, message))  # type: ignore[misc]

    def _open(self, number: int) -> None:
        talk: Any = self.venue.open(self.path, self.now)
        self._talks[number] = talk
        talk.wake = lambda: self._after(lambda: self._carry(number), 0)
        self._told(self.line.opened(number, self.now))
        self._carry(number)

    def _hear(self, number: int, message: bytes) -> None:
        if number in self._talks and number not in self._frozen:
            self._talks[number].receive(message, self.now)

    def _carry(self, number: int) -> None:
        talk = self._talks.get(number)
        for out in talk.take() if talk is not None and number not in self._frozen else ():
            if isinstance(out, Text | Binary):
                self._after(lambda out=out: self._arrive(number, out))  # type: ignore[misc]
            elif isinstance(out, Close):
                self._after(lambda out=out: self._lost(number, out.code, out.reason))  # type: ignore[misc]
            elif isinstance(out, Abort):
                self._after(lambda: self._lost(number, 1006, "reset by peer"))
            elif isinstance(out, Freeze):
                self._frozen.add(number)

    def _arrive(self, number: int, out: Text | Binary) -> None:
        if number in self._talks:
            self._told(self.line.receive(number, out.payload, self.now, is_binary=isinstance(out, Binary)))

    def _lost(self, number: int, code: int, reason: str) -> None:
        if self._talks.pop(number, None) is not None:
            self._told(self.line.closed(number, code, reason, self.now))
