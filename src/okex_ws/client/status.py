"""Status of a client: sockets, subscriptions, rate budgets, gaps, latency, streams and books at one moment.

In: status events and a sample of all events. Out: one frozen ClientStatus for command lines, metrics and pages.
Times are ns UTC, ages and latencies ns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from okex_ws.client.connection import Driver
from okex_ws.client.stream import Stream
from okex_ws.core.core import ClientCore
from okex_ws.events import Connected, Disconnected, Event, Gap, Push, Refused, Subscribed, Unsubscribed
from okex_ws.market import BookState
from okex_ws.protocol.session import Session

SAMPLES = 1_000
"""Number of recent latencies kept."""

State = Literal["pending", "live", "stale", "refused"]


class SocketStatus(msgspec.Struct, frozen=True):
    """One open connection. connection: its number on the line; since: when it was opened.

    frame_count, byte_count: received by the line so far, over all its connections. requests_left: subscribe, unsubscribe and
    login requests that OKX's hourly limit allows; None in a dialect without that limit.
    """

    line: str
    url: str
    connection: int
    since: int
    frame_count: int
    byte_count: int
    requests_left: int | None


class SubscriptionStatus(msgspec.Struct, frozen=True):
    """One subscription. age: time since its last push, None before the first.

    state: pending before OKX's answer, live, stale after an interruption until the next push, or refused.
    """

    line: str
    channel: str
    instrument: str
    state: State
    age: int | None


class LatencyStatus(msgspec.Struct, frozen=True):
    """ts_recv less ts_event of recent market data: the last one, median and 99th percentile of `count` samples.

    It contains the difference between the exchange's clock and ours.
    """

    last: int
    p50: int
    p99: int
    count: int


class StreamStatus(msgspec.Struct, frozen=True):
    """One stream. held: events in its queue of `size`; dropped, conflated: so far."""

    name: str
    policy: str
    size: int
    held: int
    dropped: int
    conflated: int


class BookStatus(msgspec.Struct, frozen=True):
    """One order book. age: time since its last event, None before the first."""

    channel: str
    instrument: str
    state: BookState
    age: int | None


class ClientStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of a client at `now`.

    event_count, gap_count: so far. connects_left: connections that OKX's limit per IP address allows now. latency: None before
    any data.
    """

    now: int
    event_count: int
    gap_count: int
    connects_left: int
    sockets: tuple[SocketStatus, ...]
    subscriptions: tuple[SubscriptionStatus, ...]
    latency: LatencyStatus | None
    streams: tuple[StreamStatus, ...]
    books: tuple[BookStatus, ...]


class StatusTracker:
    """Keeps what no other object of a client knows: opening times, answers to subscriptions, gaps, recent events.

    The hub gives it status events, and one of many events as a sample.
    """

    def __init__(self) -> None:
        self.gaps = 0
        self._latencies: deque[int] = deque(maxlen=SAMPLES)
        self._opened: dict[tuple[str, int], int] = {}
        self._answers: dict[tuple[str, str, str], State] = {}

    def sample(self, event: Event) -> None:
        """Keep the latency of an event, if it is market data that came by push."""
        if isinstance(event, Push) and not event.backfilled:
            self._latencies.append(event.ts_recv - event.ts_event)

    def apply(self, event: Event) -> None:
        """Apply a status event."""
        match event:
            case Gap():
                self.gaps += 1
            case Connected(line=line, connection=number, ts_recv=now):
                self._opened[line, number] = now
            case Disconnected(line=line, connection=number):
                self._opened.pop((line, number), None)
            case Subscribed(line=line, channel=channel, key=key):
                self._answers[line, channel, key] = "live"
            case Refused(line=line, channel=channel, key=key, will_retry=will_retry):
                self._answers[line, channel, key] = "pending" if will_retry else "refused"
            case Unsubscribed(line=line, channel=channel, key=key):
                self._answers.pop((line, channel, key), None)

    def sockets(self, drivers: Iterable[Driver], now: int) -> Iterator[SocketStatus]:
        """Open connections."""
        for driver in drivers:
            line = driver.line
            for number, session in line.sessions.items():
                left = session.outbox.budget.left(now) if isinstance(session, Session) else None
                since = self._opened.get((line.name, number), 0)
                yield SocketStatus(line.name, line.url, number, since, driver.frame_count, driver.byte_count, left)

    def subscriptions(self, core: ClientCore, now: int) -> Iterator[SubscriptionStatus]:
        """Subscriptions of a core, with their states."""
        for shard in core.plan.shards:
            line = core.lines.get(shard.name)
            chains = {chain.subscription: chain for chain in line.chains.all()} if line is not None else {}
            for item in shard.subscriptions:
                answer = self._answers.get((shard.name, item.channel, item.key), "pending")
                chain = chains.get(item)
                last = chain.last if chain is not None else 0
                state: State = "live" if last and answer == "pending" else answer
                is_open = line is not None and line.is_open
                if state == "live" and (not is_open or (chain is not None and chain.broken_since)):
                    state = "stale"
                yield SubscriptionStatus(shard.name, item.channel, item.key, state, now - last if last else None)

    def latency(self) -> LatencyStatus | None:
        """Latency of the recent market data that came by push."""
        if not self._latencies:
            return None
        last, recent = self._latencies[-1], sorted(self._latencies)
        count = len(recent)
        return LatencyStatus(last, recent[count // 2], recent[min(count - 1, count * 99 // 100)], count)

    def status(
        self,
        now: int,
        *,
        events: int,
        core: ClientCore,
        drivers: Iterable[Driver],
        streams: Iterable[Stream[Event]],
    ) -> ClientStatus:
        """Put a ClientStatus together."""
        drivers = list(drivers)
        return ClientStatus(
            now=now,
            event_count=events,
            gap_count=self.gaps,
            connects_left=core.connects.left(now),
            sockets=tuple(self.sockets(drivers, now)),
            subscriptions=tuple(self.subscriptions(core, now)),
            latency=self.latency(),
            streams=tuple(
                StreamStatus(each.name, each.policy.value, each.size, len(each), each.dropped, each.conflated) for each in streams
            ),
            books=tuple(
                BookStatus(book.channel, book.instrument, book.state, now - book.ts_recv if book.ts_recv else None)
                for book in core.books
            ),
        )
