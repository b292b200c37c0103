"""ClientCore: everything a client decides, without a socket, a loop, a clock or a file.

`feed(input, now)` returns events in order, `effects()` the I/O to carry out, `line.next_deadline` the time of a line's timer.
A shell does the rest: over sockets (`client.connection`), from a journal (`replay`), on virtual time (tests).

Each input passes in one direction: line → backfill → restart → observer → books and caches → trading. A book that fails its check
is invalidated here, before its events leave, so nothing travels back from the consumers of events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from okex_ws.core.effects import Effect, SendText
from okex_ws.core.inputs import (
    BackfillStarted,
    BackfillStopped,
    BinaryReceived,
    BookFetched,
    BookInvalidated,
    ClockMeasured,
    DialFailed,
    EarlierRunsKnown,
    HandedOver,
    Input,
    LineStarted,
    LineStopped,
    Observer,
    Opened,
    PageAsked,
    PageFailed,
    PageFetched,
    ReadingResumed,
    RequestSent,
    SocketClosed,
    Subscribe,
    TextReceived,
    TimerFired,
    Unsubscribe,
    from_record,
    to_record,
)
from okex_ws.core.trading import TradingCore
from okex_ws.dialects import dialect as dialect_named
from okex_ws.events import BookEvent, Candle, Event, Instrument, StatusEvent, Ticker, Trade
from okex_ws.market import Books, Instruments, Latest
from okex_ws.protocol.backfill.planner import BackfillPlanner, PageRequest
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.dialect import V5, Dialect
from okex_ws.protocol.line import Failure, Line
from okex_ws.protocol.pacing import connects_per_ip
from okex_ws.protocol.plan import Plan, Shard
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.session import Timing
from okex_ws.wire.channels import Subscription, from_arg
from okex_ws.wire.frames import book_snapshot
from okex_ws.wire.sign import Credentials

NOBODY = Credentials("replay", "replay", "replay")
"""Stands for the key of a recorded line: what it signs is sent nowhere."""


class ClientCore:
    """All lines of a client, its books and caches, its backfill.

    seeded: makes a source of random numbers in [0, 1) from a text, for jitter. url_of: the address of a shard's endpoint.
    keeps_books: False checks no book; a replay reads in the journal which ones failed. keeps_latest: False keeps no trade or
    reference data. credentials: None takes NOBODY for lines that log in. server_clock: OKX's time, shared by all that signs;
    None gives each line its own.
    """

    def __init__(
        self,
        *,
        seeded: Callable[[str], Callable[[], float]],
        seed: int = 0,
        dialect: Dialect = V5,
        url_of: Callable[[Shard], str] = lambda shard: "",
        credentials: Credentials | None = None,
        timing: Timing | None = None,
        stale_after_s: Mapping[str, float] | None = None,
        backoff_s: tuple[float, float] = (0.5, 30.0),
        server_clock: ServerClock | None = None,
        keeps_books: bool = True,
        keeps_latest: bool = True,
        observer: Observer | None = None,
    ) -> None:
        self.lines: dict[str, Line] = {}
        self.plan = Plan(dialect.endpoint_of)
        self.connects = connects_per_ip()
        self.books = Books()
        self.latest = Latest()
        self.instruments = Instruments()
        self.planner: BackfillPlanner | None = None
        self.restart: Restart | None = None
        self.trading: TradingCore | None = None
        self.own_events: list[Event] = []
        """Events of trading since the shell took them last: they stand in the stream, too."""
        self.observer = observer
        self.event_count = 0
        self.is_started = False
        self._seeded, self._seed = seeded, seed
        self._dialect, self._url_of, self._credentials = dialect, url_of, credentials
        self._timing = timing or dialect.timing
        self._stale_after_s, self._backoff_s = stale_after_s, backoff_s
        self._server_clock = server_clock
        self._keeps_books, self._keeps_latest = keeps_books, keeps_latest
        self._number = 0
        self._caches: dict[type[Event], Callable[[Any], str | None]] = {}

    # -- what is wanted --------------------------------------------------------------------------------------------------

    def start(self, now: int) -> list[Event]:
        """Start the lines of everything subscribed so far."""
        self.is_started = True
        return [event for shard in self.plan.shards for event in self._start_line(shard, now)]

    def stop(self, now: int) -> list[Event]:
        """End every line; report what was still missing."""
        return [event for name in list(self.lines) for event in self.feed(LineStopped(line=name), now)]

    def subscribe(self, items: Iterable[Subscription], now: int) -> list[Event]:
        """Add subscriptions, each to a line that has room for it. They are sent once the core is started."""
        by_shard: dict[str, tuple[Shard, list[Subscription]]] = {}
        for item in items:
            shard = self.plan.place(item)
            by_shard.setdefault(shard.name, (shard, []))[1].append(item)
        if not self.is_started:
            return []
        events: list[Event] = []
        for name, (shard, added) in by_shard.items():
            if name in self.lines:
                events += self.feed(Subscribe(line=name, args=[item.arg for item in added]), now)
            else:
                events += self._start_line(shard, now)
        return events

    def unsubscribe(self, items: Iterable[Subscription], now: int) -> list[Event]:
        """Remove subscriptions, and forget their books."""
        events: list[Event] = []
        for item in items:
            shard = self.plan.remove(item)
            if shard is None:
                continue
            if shard.name in self.lines:
                events += self.feed(Unsubscribe(line=shard.name, args=[item.arg]), now)
            self.books.forget(item.key, item.channel)
        return events

    def trade(self, *, id_prefix: int, server_clock: ServerClock, **settings: Any) -> TradingCore:
        """Add the orders of an account. settings: as of TradingCore."""
        self.trading = TradingCore(
            id_prefix=id_prefix,
            send=self.send_order,
            can_send=lambda endpoint: self.trading_line(endpoint) is not None,
            instruments=self.instruments,
            books=self.books,
            latest=self.latest,
            server_clock=server_clock,
            **settings,
        )
        return self.trading

    def send(self, line: Line, request_id: str, op: str, data: bytes, now: int) -> int | None:
        """Queue an order request on a line; return the connection that carries it, None if none can."""
        self._receive(RequestSent(line=line.name, request_id=request_id, op=op, text=data.decode()), now)
        return line.send(request_id, op, data, now)

    def send_order(self, endpoint: str, request_id: str, op: str, data: bytes, now: int) -> tuple[str, int] | None:
        """Queue an order request on a line that can take it; return line and connection, None if none can."""
        line = self.trading_line(endpoint)
        number = self.send(line, request_id, op, data, now) if line is not None else None
        return None if line is None or number is None else (line.name, number)

    def trading_line(self, endpoint: str) -> Line | None:
        """Return the line of an endpoint that can take an order right now, if any."""
        for name, line in self.lines.items():
            if name.startswith(endpoint) and line.trading_session() is not None:
                return line
        return None

    # -- inputs ----------------------------------------------------------------------------------------------------------

    def receive_text(self, line: Line, connection: int, data: bytes, now: int) -> list[Event]:
        """Feed a text message. The same as `feed(TextReceived(...))`, without making the value."""
        if self.observer is not None:
            self._number = self.observer.received(now, line.name, connection, "in", data)
        events = line.receive(connection, data, now)
        if events:
            events = self._emit(events, now, line)
        return self._split(events, line, now) if line.is_overloaded else events

    def receive_binary(self, line: Line, connection: int, data: bytes, now: int) -> list[Event]:
        """Feed a binary message. The same as `feed(BinaryReceived(...))`, without making the value."""
        if self.observer is not None:
            self._number = self.observer.received(now, line.name, connection, *line.dialect.noted(data))
        events = line.receive(connection, data, now, is_binary=True)
        if events:
            events = self._emit(events, now, line)
        return self._split(events, line, now) if line.is_overloaded else events

    def feed(self, item: Input, now: int) -> list[Event]:
        """Apply one input; return the events that follow from it, in order."""
        match item:
            case TextReceived(line=name, connection=connection, data=data):
                return self.receive_text(self.lines[name], connection, data, now)
            case BinaryReceived(line=name, connection=connection, data=data):
                return self.receive_binary(self.lines[name], connection, data, now)
        self._receive(item, now)
        events = self._apply(item, now)
        line = self.lines.get(item.line)
        events = self._emit(events, now, line)
        return self._split(events, line, now) if line is not None and line.is_overloaded else events

    def feed_record(self, record: Any) -> list[Event]:
        """Apply the input that a journal record holds. Records of other kinds change nothing."""
        line = self.lines.get(record.line)
        if line is not None:
            match record.kind:
                case "in":
                    return self.receive_text(line, record.conn, record.text, record.ts)
                case "deflated":
                    return self.receive_binary(line, record.conn, line.dialect.frame_of(record.text), record.ts)
                case "binary":
                    return self.receive_binary(line, record.conn, record.text, record.ts)
        item = from_record(record.line, record.conn, record.kind, record.text)
        return [] if item is None else self.feed(item, record.ts)

    def pass_on(self, events: list[Event], now: int) -> list[Event]:
        """Pass on events that were decoded elsewhere, as those of a line."""
        if self.planner is not None and events:
            events = self.planner.feed(events, events[0].ts_recv)
        return self._emit(events, now)

    # -- outputs ---------------------------------------------------------------------------------------------------------

    def effects(self) -> list[Effect]:
        """Return the I/O requested since the last call, in order."""
        out: list[Effect] = []
        for line in self.lines.values():
            if line.actions:
                out += line.actions
                line.actions = []
            for number, session in line.sessions.items():
                if session.to_send:
                    out += [SendText(line.name, number, data) for data in line.bytes_to_send(number)]
            out += line.take_fetches()
        return out

    def deadline(self) -> int | None:
        """Time of the next timer of a line, of trading or of the backfill, ns; None: never."""
        dues = [line.next_deadline for line in self.lines.values()]
        if self.trading is not None:
            dues.append(self.trading.next_deadline)
        if self.planner is not None:
            dues.append(self.planner.deadline())
        return min((due for due in dues if due is not None), default=None)

    def sent(self, effect: SendText, now: int) -> None:
        """Record that a text left."""
        if self.observer is not None:
            self.observer.received(now, effect.line, effect.connection, "out", effect.data)

    def add_own(self, events: list[Event]) -> None:
        """Count and observe events that no input of a line gives, such as those of trading. They follow the last input's."""
        self.event_count += len(events)
        if self.observer is not None and events:
            self.observer.emitted(self._number, events)

    # -- backfill --------------------------------------------------------------------------------------------------------

    def next_page(self, now: int) -> PageRequest | None:
        """Return the REST page to request now, if any; call until None. `PageFetched` or `PageFailed` answers each."""
        page = self.planner.next_page(now) if self.planner is not None else None
        if page is not None:
            self._receive(PageAsked(channel=page.channel, instrument=page.args["instId"]), now)
        return page

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _receive(self, item: Input, now: int) -> None:
        if self.observer is not None:
            self._number = self.observer.received(now, item.line, item.connection, *to_record(item))

    def _apply(self, item: Input, now: int) -> list[Event]:
        """Hand an input to the part that it is for."""
        match item:
            case LineStarted():
                return self._make_line(item, now)
            case EarlierRunsKnown(known=known):
                return self.restart.apply(known, now) if self.restart is not None else []
            case BackfillStarted():
                if self.planner is None:  # of a journal; a shell has made its own
                    self.planner = self.make_planner(item)
                return []
            case PageAsked(channel=channel, instrument=instrument):
                if self.planner is not None:
                    self.planner.ask(channel, instrument, now)
                return []
            case PageFetched(number=number, rows=rows):
                return self.planner.fetched(number, rows, now) if self.planner is not None else []
            case PageFailed(number=number, code=code, detail=detail):
                return self.planner.failed(number, now, code=code, detail=detail) if self.planner is not None else []
            case BackfillStopped():
                return self.planner.stop(now) if self.planner is not None else []
        line = self.lines.get(item.line)
        return self._apply_to_line(line, item, now) if line is not None else []

    def _apply_to_line(self, line: Line, item: Input, now: int) -> list[Event]:
        match item:
            case TimerFired():
                return line.on_deadline(now)
            case Opened(connection=number):
                return line.opened(number, now)
            case SocketClosed(connection=number, code=code, reason=reason):
                return line.closed(number, code, reason, now)
            case DialFailed(connection=number, reason=reason, retry_after_s=retry_after_s, fatal=fatal):
                return line.failed(number, Failure(reason, retry_after_s, fatal), now)
            case LineStopped():
                return line.stop(now)
            case BookInvalidated(arg=arg, cause=cause):
                return line.resync(from_arg(arg), now, cause)
            case BookFetched(arg=arg, rows=rows):
                subscription = from_arg(arg)
                return line.book_fetched(subscription, book_snapshot(rows, subscription, now), now)
            case ClockMeasured(server_ms=server_ms, asked=asked):
                return line.clock_measured(server_ms, asked, now)
            case Subscribe(args=args):
                line.subscribe(map(from_arg, args), now)
            case Unsubscribe(args=args):
                line.unsubscribe(map(from_arg, args), now)
            case ReadingResumed():
                line.reset_timeouts(now)
            case RequestSent(request_id=request_id, op=op, text=text):
                line.send(request_id, op, text.encode(), now)
            case HandedOver(arg=arg, to=to):
                line.hand_over(from_arg(arg), self.lines[to], now)
        return []

    def _emit(self, events: list[Event], now: int, line: Line | None = None) -> list[Event]:
        """Pass events on in one order: backfill, restart, observer, caches, trading. Invalidate books that fail their check."""
        if self.planner is not None and events and line is not None:
            events = self.planner.feed(events, events[0].ts_recv)
        if self.restart is not None and events:
            events = self.restart.feed(events)
        if not events:
            return events
        self.event_count += len(events)
        if self.observer is not None:
            self.observer.emitted(self._number, events)
        failed = None
        if self._keeps_books or self._keeps_latest:
            caches = self._caches
            for event in events:
                cache = caches.get(type(event))
                if cache is None:
                    cache = self._cache_of(type(event))
                trouble = cache(event)
                if trouble is not None:
                    failed = [*(failed or ()), (event, trouble)]
        if self.trading is not None:
            events, own = self.trading.feed(events, now)
            if own:
                self.add_own(own)
                self.own_events += own
        if failed is not None:
            for book, cause in failed:
                events = [*events, *self._invalidate(book, cause, now, line)]  # type: ignore[arg-type]  # only books fail a check
        return events

    def _invalidate(self, event: BookEvent, cause: str, now: int, line: Line | None) -> list[Event]:
        """Ask for a new snapshot of a book that failed its check; return the Gap."""
        if line is None:
            return []
        item = next((one for one in line.subscriptions if (one.channel, one.key) == (event.channel, event.instrument)), None)
        return self.feed(BookInvalidated(line=line.name, arg=item.arg, cause=cause), now) if item is not None else []

    def _cache_of(self, kind: type[Event]) -> Callable[[Any], str | None]:
        """Find once which cache takes events of a kind. Only books return something: what is wrong with them."""
        cache: Callable[[Any], Any] = _ignore
        if self._keeps_books and issubclass(kind, BookEvent | StatusEvent):
            cache = self.books.apply
        elif self._keeps_latest and issubclass(kind, Trade | Ticker | Candle):
            cache = self.latest.apply
        elif self._keeps_latest and issubclass(kind, Instrument):
            cache = self.instruments.apply
        self._caches[kind] = cache
        return cache

    def _start_line(self, shard: Shard, now: int, *, is_empty: bool = False) -> list[Event]:
        timing = msgspec.structs.asdict(self._timing)
        args = [] if is_empty else [item.arg for item in shard.subscriptions]
        started = LineStarted(
            line=shard.name,
            dialect=self._dialect.name,
            url=self._url_of(shard),
            timing=timing,
            stale_after_s=dict(self._stale_after_s or {}),
            backoff_s=self._backoff_s,
            login=self._credentials is not None,
            args=args,
            seed=self._seed,
        )
        return self.feed(started, now)

    def _make_line(self, item: LineStarted, now: int) -> list[Event]:
        known = self.lines.get(item.line)
        events = known.stop(now) if known is not None else []  # of a recorder that died, and began again
        dialect = self._dialect if item.dialect == self._dialect.name else dialect_named(item.dialect)
        line = self.lines[item.line] = Line(
            item.line,
            url=item.url,
            luck=self._seeded(f"{item.seed} {item.line}"),
            connects=self.connects,
            credentials=(self._credentials or NOBODY) if item.login else None,
            timing=Timing(**item.timing),
            stale_after_s=item.stale_after_s,
            backoff_s=item.backoff_s,
            dialect=dialect,
            server_clock=self._server_clock,
        )
        line.subscribe(map(from_arg, item.args), now)
        line.start(now)
        return events

    def make_planner(self, item: BackfillStarted) -> BackfillPlanner:
        """Return the planner with these settings."""
        return BackfillPlanner(channels=item.channels, since=item.since, luck=self._seeded(f"{item.seed} backfill"))

    def _split(self, events: list[Event], line: Line, now: int) -> list[Event]:
        """Move half of what a line carries to another: OKX reported that one connection carries too much."""
        line.is_overloaded = False
        shard = next((item for item in self.plan.shards if item.name == line.name), None)
        if shard is None:
            return events  # of a replay: the journal has the moves
        items = list(shard.subscriptions)
        moving = items[len(items) // 2 :] if len(items) > 1 else []
        shard.is_closed = True
        for item in moving:
            del shard.subscriptions[item]
            to = self.plan.place(item)
            if to.name not in self.lines:
                events = [*events, *self._start_line(to, now, is_empty=True)]
            events = [*events, *self.feed(HandedOver(line=line.name, arg=item.arg, to=to.name), now)]
        return events


def _ignore(event: Event) -> None:
    """Take an event that no cache keeps."""
