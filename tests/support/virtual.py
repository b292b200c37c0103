"""A client and an exchange joined in memory on one virtual clock: both are sans-IO, so ten minutes take a second.

What stands between them is a network with latency, in order per connection and direction. `VirtualClient` does what
`client.Client` does with sockets: carries out what lines want, keeps books, fetches images; every decision is the library's own.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from okex_ws.events import BookEvent, Event, Gap, StatusEvent
from okex_ws.market import Books, Latest
from okex_ws.protocol.line import Dial, Failure, HangUp, Line
from okex_ws.protocol.pacing import SECOND, connects_per_ip
from okex_ws.protocol.plan import Plan
from okex_ws.protocol.session import FetchClock, Timing
from okex_ws.simulator.exchange import Exchange, Refusal
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.v5.connection import Abort, Close, Freeze, Text, V5Connection
from okex_ws.wire.channels import Subscription, subscription
from okex_ws.wire.frames import book_image

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

    def __init__(self, world: World, line: Line, number: int) -> None:
        self.world, self.line, self.number = world, line, number
        self.client = world.client
        self.talk: V5Connection | None = None
        self.is_open = True
        self.is_frozen = False
        self.frames: list[bytes] = []  # from the exchange, all of them
        self.sent: list[bytes] = []  # to the exchange, all of them

    def dial(self) -> None:
        world = self.world
        answer = world.exchange.open("/ws/v5/" + self.line.name.split("/")[0], world.there)
        if isinstance(answer, Refusal):
            wait = answer.headers.get("Retry-After", "")
            failure = Failure(f"HTTP {answer.status}", retry_after_s=float(wait) if wait.isdigit() else 0.0)
            world.after(world.latency, lambda: self._failed(failure))
            return
        self.talk = answer
        answer.wake = lambda: self.world.after(0, self._carry)
        world.after(world.latency, self._opened)

    def _failed(self, failure: Failure) -> None:
        if not self._is_asleep(lambda: self._failed(failure)):
            self._tell(self.line.failed(self.number, failure, self.world.now))

    def _opened(self) -> None:
        if self._is_asleep(self._opened):
            return
        if self.is_open:
            self._tell(self.line.opened(self.number, self.world.now))
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
        self._tell(self.line.receive(self.number, data, self.world.now))

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        talk, world = self.talk, self.world
        world.after(world.latency, lambda: talk.receive(data, world.there) if talk and not self.is_frozen else None)

    def closed(self, code: int, reason: str) -> None:
        if self.is_open and not self._is_asleep(lambda: self.closed(code, reason)):
            self.is_open = False
            self._tell(self.line.closed(self.number, code, reason, self.world.now))

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

    def _tell(self, events: list[Event]) -> None:
        self.client.publish(events, self.line)


class VirtualClient:
    """Lines by the library's plan, driven by the world. `events` is everything that came out, in order."""

    def __init__(self, world: World, *, seed: int, timing: Timing = Timing(), credentials: Any = None, **line: Any) -> None:
        self.world = world
        self.events: list[Event] = []
        self.books = Books()
        self.latest = Latest()
        self.lines: dict[str, Line] = {}
        self.wires: dict[tuple[str, int], Wire] = {}
        self.dials: list[int] = []
        self.is_asleep = False
        self.is_gone = False  # its process was killed
        self.missed: list[Callable[[], None]] = []
        self.trader: Any = None  # hears every event, and has deadlines of its own: see tests.support.virtual_trading
        self.on_event: Callable[[Event], None] | None = None
        self._plan = Plan()
        self._connects = connects_per_ip()
        self._luck = SeededRandom(f"luck {seed}").uniform
        self._options = {"timing": timing, "credentials": credentials, **line}

    def subscribe(self, channel: str, *keys: str) -> None:
        for key in keys:
            self.want(subscription(channel, key))

    def want(self, item: Subscription) -> None:
        shard = self._plan.place(item)
        line = self.lines.get(shard.name)
        if line is None:
            line = self.lines[shard.name] = Line(shard.name, luck=self._luck, connects=self._connects, **self._options)
            line.start(self.world.now)
        line.subscribe([item], self.world.now)
        self.settle(line)

    def kill(self) -> None:
        """The process is gone from one instant to the next; the system closes its sockets."""
        self.is_gone = True
        for wire in self.wires.values():
            wire.hang_up()

    def unsubscribe(self, channel: str, *keys: str) -> None:
        for key in keys:
            item = subscription(channel, key)
            shard = self._plan.remove(item)
            assert shard is not None
            self.lines[shard.name].unsubscribe([item], self.world.now)
            self.settle(self.lines[shard.name])

    def deadline(self) -> int | None:
        if self.is_asleep or self.is_gone:
            return None
        dues = [line.next_deadline for line in self.lines.values()]
        if self.trader is not None:
            dues.append(self.trader.deadline())
        return min((due for due in dues if due is not None), default=None)

    def on_deadline(self) -> None:
        if self.is_gone:
            return
        for line in self.lines.values():
            due = line.next_deadline
            if due is not None and due <= self.world.now and not self.is_asleep:
                self.publish(line.on_deadline(self.world.now), line)
        if self.trader is not None and not self.is_asleep and not self.is_gone:
            self.trader.on_deadline()

    def publish(self, events: list[Event], line: Line) -> None:
        extra: list[Event] = []
        for event in events:
            self.latest.apply(event)
            trouble = self.books.apply(event)
            if trouble is not None:
                assert isinstance(event, BookEvent)
                for gap in line.resync(subscription(event.channel, event.instrument), self.world.now, trouble):
                    self.books.apply(gap)
                    extra.append(gap)
            if self.on_event is not None:
                self.on_event(event)
            self.events.append(event)
            if self.trader is not None:
                self.events += self.trader.hear(event)
        self.events += extra
        for wish in line.take_fetches():
            self._fetch(wish, line)
        self.settle(line)

    def settle(self, line: Line) -> None:
        while line.actions:
            match line.actions.pop(0):
                case Dial(number=number):
                    self.dials.append(self.world.now)
                    wire = self.wires[line.name, number] = Wire(self.world, line, number)
                    self.world.after(self.world.latency, wire.dial)
                case HangUp(number=number):
                    self.wires[line.name, number].hang_up()
        for number in line.sessions:
            for data in line.bytes_to_send(number):
                self.wires[line.name, number].send(data)

    def _fetch(self, wish: Any, line: Line) -> None:
        world = self.world
        if isinstance(wish, FetchClock):
            self._fetch_time(line)
            return
        item = wish.subscription

        def ask() -> None:
            reply = world.exchange.rest("GET", f"/api/v5/market/books?instId={item.key}&sz={wish.depth}", {}, b"", world.there)
            body = json.loads(reply.body)
            image = book_image(body["data"], item) if body["code"] == "0" else None
            world.after(world.latency, lambda: self.publish(line.book_fetched(item, image, world.now), line))

        world.after(world.latency, ask)

    def _fetch_time(self, line: Line) -> None:
        world, asked = self.world, self.world.now

        def ask() -> None:
            reply = json.loads(world.exchange.rest("GET", "/api/v5/public/time", {}, b"", world.there).body)
            server_ms = int(reply["data"][0]["ts"]) if reply["code"] == "0" else None
            world.after(world.latency, lambda: self.publish(line.clock_measured(server_ms, asked, world.now), line))

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
