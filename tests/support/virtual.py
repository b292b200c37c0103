"""A client and an exchange joined in memory on one virtual clock: both are sans-IO, so ten minutes take a second.

Between them is a network with latency, in order per connection and direction. `VirtualClient` is the same `ClientCore` that runs
over sockets, in a shell of a few lines: it carries effects out on the virtual network, and decides nothing.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from okex_ws.core.core import ClientCore
from okex_ws.core.effects import Dial, FetchBook, FetchClock, HangUp, SendText
from okex_ws.core.inputs import (
    BookFetched,
    ClockMeasured,
    DialFailed,
    Input,
    LineStarted,
    Opened,
    SocketClosed,
    TextReceived,
    TimerFired,
)
from okex_ws.events import Event, Gap, StatusEvent
from okex_ws.protocol.pacing import SECOND
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Abort, Close, Freeze, HttpReply, Text
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.v5.connection import V5Connection
from okex_ws.wire.channels import Subscription, subscription

START = 1_790_000_000 * SECOND
MS = SECOND // 1000


class World:
    """One exchange, one client, one time. `run(seconds)` lets it pass; `at(second, act)` plans something.

    now: by the client's clock. ahead_s: how far the exchange's clock is ahead of that.
    """

    def __init__(
        self,
        faults: Iterable[Any] = (),
        *,
        seed: int = 7,
        market: Any = None,
        rules: Any = None,
        instruments: Iterable[str] = ("BTC-USDT",),
        latency_ms: float = 5,
        ahead_s: float = 0,
        **client: Any,
    ) -> None:
        self.now = START
        self.ahead = int(ahead_s * SECOND)
        if market is None:
            market = SeededMarket(seed, start=self.there, instruments=list(instruments), rate=0.5, levels=50)
        self.market = market
        self.exchange = Exchange(market, seed=seed, now=self.there, rules=rules, faults=faults)
        self.latency = int(latency_ms * MS)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.client = VirtualClient(self, seed=seed, **client)

    @property
    def there(self) -> int:
        """Now, by the exchange's clock."""
        return self.now + self.ahead

    def subscribe(self, channel: str, *keys: str) -> None:
        self.client.subscribe(channel, *keys)

    def at(self, second: float, act: Callable[[], None]) -> None:
        self.after(START + int(second * SECOND) - self.now, act)

    def after(self, delay: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + max(0, delay), next(self._order), act))

    def run(self, seconds: float) -> list[Event]:
        """Let time pass; returns what the client was told meanwhile."""
        end = self.now + int(seconds * SECOND)
        first = len(self.client.events)
        while True:
            times = [self._events[0][0]] if self._events else []
            exchange_due = self.exchange.deadline()
            times += [due for due in (exchange_due and exchange_due - self.ahead, self.client.deadline()) if due is not None]
            due = min(times, default=end + 1)
            if due > end:
                break
            self.now = max(self.now, due)
            if self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
                continue
            exchange_due = self.exchange.deadline()
            if exchange_due is not None and exchange_due <= self.there:
                self.exchange.on_deadline(self.there)
            self.client.on_deadline()
        self.now = end
        return self.client.events[first:]

    def sleep(self, seconds: float) -> None:
        """The client's process stands still while the exchange goes on (laptop sleep, a blocked loop)."""
        self.client.is_asleep = True
        self.run(seconds)
        self.client.is_asleep = False
        missed, self.client.missed = self.client.missed, []
        for act in missed:
            self.after(0, act)


class Wire:
    """One WebSocket between the two, with latency."""

    def __init__(self, world: World, line: str, number: int) -> None:
        self.world, self.line, self.number = world, line, number
        self.client = world.client
        self.talk: V5Connection | None = None
        self.is_open = True
        self.is_frozen = False
        self.frames: list[bytes] = []  # from the exchange, all of them
        self.sent: list[bytes] = []  # to the exchange, all of them

    def dial(self) -> None:
        world = self.world
        answer = world.exchange.open("/ws/v5/" + self.line.split("/")[0], world.there)
        if isinstance(answer, HttpReply):
            wait = answer.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdigit() else 0.0
            failed = DialFailed(line=self.line, connection=self.number, reason=f"HTTP {answer.status}", retry_after_s=seconds)
            world.after(world.latency, lambda: self._failed(failed))
            return
        self.talk = answer
        answer.wake = lambda: self.world.after(0, self._carry)
        world.after(world.latency, self._opened)

    def _failed(self, failed: DialFailed) -> None:
        if not self._is_asleep(lambda: self._failed(failed)):
            self.client.feed(failed)

    def _opened(self) -> None:
        if self._is_asleep(self._opened):
            return
        if self.is_open:
            self.client.feed(Opened(line=self.line, connection=self.number))
        self._carry()

    def _carry(self) -> None:
        """What the exchange put out goes on its way."""
        if self.talk is None or self.is_frozen:
            return
        for out in self.talk.take():
            match out:
                case Text(payload=payload):
                    self.world.after(self.world.latency, lambda data=payload: self._arrive(data))
                case Close(code=code, reason=reason):
                    self.world.after(self.world.latency, lambda c=code, r=reason: self.closed(c, r))
                case Abort():
                    self.world.after(self.world.latency, lambda: self.closed(1006, "reset by peer"))
                case Freeze():
                    self.is_frozen = True

    def _arrive(self, data: bytes) -> None:
        if not self.is_open or self._is_asleep(lambda: self._arrive(data)):
            return
        self.frames.append(data)
        self.client.feed(TextReceived(line=self.line, connection=self.number, data=data))

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        talk, world = self.talk, self.world
        world.after(world.latency, lambda: talk.receive(data, world.there) if talk and not self.is_frozen else None)

    def closed(self, code: int, reason: str) -> None:
        if self.is_open and not self._is_asleep(lambda: self.closed(code, reason)):
            self.is_open = False
            self.client.feed(SocketClosed(line=self.line, connection=self.number, code=code, reason=reason))

    def hang_up(self) -> None:
        self.is_open = False
        talk = self.talk
        if talk is not None:
            self.world.after(self.world.latency, lambda: talk.gone(self.world.there))

    def _is_asleep(self, act: Callable[[], None]) -> bool:
        """Whether nobody is there to notice; what happened waits in the socket."""
        if self.client.is_asleep and not self.client.is_gone:
            self.client.missed.append(act)
        return self.client.is_asleep or self.client.is_gone


class VirtualClient:
    """A ClientCore driven by the world. `events` is everything that came out, in order."""

    def __init__(self, world: World, *, seed: int, **options: Any) -> None:
        self.world = world
        self.events: list[Event] = []
        self.core = ClientCore(seeded=lambda text: SeededRandom(text).uniform, seed=seed, **options)
        self.wires: dict[tuple[str, int], Wire] = {}
        self.dials: list[int] = []
        self.is_asleep = False
        self.is_gone = False  # its process was killed
        self.missed: list[Callable[[], None]] = []
        self.trader: Any = None  # carries out what core.trading requests: see tests.support.virtual_trading
        self.on_event: Callable[[Event], None] | None = None
        self.books, self.latest, self.lines = self.core.books, self.core.latest, self.core.lines
        self.core.start(world.now)

    # -- what is wanted --------------------------------------------------------------------------------------------------

    def subscribe(self, channel: str, *keys: str) -> None:
        self.publish(self.core.subscribe([subscription(channel, key) for key in keys], self.world.now))
        self.settle()

    def want(self, item: Subscription) -> None:
        self.publish(self.core.subscribe([item], self.world.now))
        self.settle()

    def unsubscribe(self, channel: str, *keys: str) -> None:
        self.publish(self.core.unsubscribe([subscription(channel, key) for key in keys], self.world.now))
        self.settle()

    def start_line(self, name: str, items: Iterable[Subscription]) -> None:
        """A line beside those of the plan."""
        self.feed(LineStarted(line=name, args=[item.arg for item in items], seed=name))

    def stop(self) -> None:
        """End every line, as a client that is closed."""
        self.publish(self.core.stop(self.world.now))
        self.settle()

    def kill(self) -> None:
        """The process is gone from one instant to the next; the system closes its sockets."""
        self.is_gone = True
        for wire in self.wires.values():
            wire.hang_up()

    # -- the shell -------------------------------------------------------------------------------------------------------

    def feed(self, item: Input) -> None:
        """Something happens now."""
        self.publish(self.core.feed(item, self.world.now))
        self.settle()
        if self.trader is not None and self.core.trading is not None and self.core.trading.is_touched:
            self.core.trading.is_touched = False
            self.trader.carry_out()

    def publish(self, events: list[Event]) -> None:
        for event in events:
            if self.on_event is not None:
                self.on_event(event)
            self.events.append(event)

    def settle(self) -> list[bytes]:
        """Carry effects out on the virtual network; return the texts sent."""
        sent: list[bytes] = []
        for effect in self.core.effects():
            match effect:
                case SendText(line=line, connection=number, data=data):
                    self.wires[line, number].send(data)
                    sent.append(data)
                case Dial(line=line, number=number):
                    self.dials.append(self.world.now)
                    wire = self.wires[line, number] = Wire(self.world, line, number)
                    self.world.after(self.world.latency, wire.dial)
                case HangUp(line=line, number=number):
                    self.wires[line, number].hang_up()
                case FetchClock():
                    self._fetch_time(effect)
                case FetchBook():
                    self._fetch_book(effect)
        return sent

    def deadline(self) -> int | None:
        if self.is_asleep or self.is_gone:
            return None
        dues = [line.next_deadline for line in self.core.lines.values()]
        if self.trader is not None:
            dues.append(self.trader.deadline())
        return min((due for due in dues if due is not None), default=None)

    def on_deadline(self) -> None:
        if self.is_gone:
            return
        for name, line in list(self.core.lines.items()):
            due = line.next_deadline
            if due is not None and due <= self.world.now and not self.is_asleep:
                self.feed(TimerFired(line=name))
        if self.trader is not None and not self.is_asleep and not self.is_gone:
            self.trader.on_deadline()

    def _fetch_book(self, effect: FetchBook) -> None:
        item = effect.subscription

        def answered(body: Any) -> None:
            self.feed(BookFetched(line=effect.line, arg=item.arg, rows=body["data"] if body["code"] == "0" else []))

        self._get(f"/api/v5/market/books?instId={item.key}&sz={effect.depth}", answered)

    def _fetch_time(self, effect: FetchClock) -> None:
        asked = self.world.now

        def answered(body: Any) -> None:
            server_ms = int(body["data"][0]["ts"]) if body["code"] == "0" else None
            self.feed(ClockMeasured(line=effect.line, server_ms=server_ms, asked=asked))

        self._get("/api/v5/public/time", answered)

    def _get(self, target: str, answered: Callable[[Any], None]) -> None:
        world = self.world

        def ask() -> None:
            body = json.loads(world.exchange.rest("GET", target, {}, b"", world.there).body)
            world.after(world.latency, lambda: answered(body))

        world.after(world.latency, ask)

    # -- looking back ----------------------------------------------------------------------------------------------------

    def all(self, kind: type, **where: Any) -> list[Any]:
        """The events of a kind with these field values."""
        return [e for e in self.events if isinstance(e, kind) and all(getattr(e, k) == v for k, v in where.items())]

    @property
    def news(self) -> list[StatusEvent]:
        return [event for event in self.events if isinstance(event, StatusEvent)]

    @property
    def gaps(self) -> list[Gap]:
        return self.all(Gap)
