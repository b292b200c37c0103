"""Stream: the bounded hand-off of events to one consumer. Every loss is counted and said, at its place in the stream."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from okex_ws.events import BookSnapshot, Candle, Dropped, Event, Ticker


class Policy(enum.Enum):
    """What happens when a consumer is slower than the exchange.

    WAIT: reading from the sockets pauses until there is room; nothing is lost here, but OKX closes a connection that is not read.
    DROP_OLDEST: the oldest events go, and a Dropped event says how many.
    CONFLATE: where a newer event replaces an older one (tickers, candles, full books), only the newest is kept; what cannot be
    replaced is dropped oldest first, as above.
    """

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"
    CONFLATE = "conflate"


class Stream:
    """An async iterator over events of some kinds.

    kinds: event classes wanted, () for all. size: events held at most. dropped, conflated: how many were let go, ever.
    """

    def __init__(
        self,
        kinds: tuple[type[Event], ...] = (),
        *,
        policy: Policy = Policy.WAIT,
        size: int = 10_000,
        name: str = "stream",
        on_room: Callable[[], None] | None = None,
    ) -> None:
        if size < 1:
            raise ValueError("a stream holds at least one event; size must be 1 or more")
        self.kinds = kinds
        self.policy = policy
        self.size = size
        self.name = name
        self.dropped = 0
        self.conflated = 0
        self._on_room = on_room
        self._events: deque[Event] = deque()
        self._newest: dict[tuple[Any, ...], Event] = {}
        self._untold = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_full(self) -> bool:
        """True when a WAIT stream wants no more for now."""
        return self.policy is Policy.WAIT and len(self._events) >= self.size and not self._closed

    def put(self, events: Iterable[Event]) -> None:
        """Hand events over. Never blocks; a WAIT stream that is full tells so by `is_full`, and what is in flight still fits."""
        if self._closed:
            return
        if self.kinds:
            events = [event for event in events if isinstance(event, self.kinds)]
        if self.policy is Policy.CONFLATE:
            for event in events:
                self._put_conflated(event)
        else:
            self._events.extend(events)
        if self.policy is not Policy.WAIT:
            while len(self._events) > self.size:
                self._drop_oldest()
        if self._events and self._waiter is not None:
            self._wake()

    def close(self) -> None:
        """No more events; what is held can still be read."""
        self._closed = True
        self._wake()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            if self._waiter is not None and not self._waiter.done():
                raise RuntimeError(f"two readers on {self.name}: give each its own client.stream()")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._take()

    def _take(self) -> Event:
        if self._untold:
            count, self._untold = self._untold, 0
            return Dropped(ts_recv=self._events[0].ts_recv, consumer=self.name, count=count, total=self.dropped)
        event = self._events.popleft()
        if self._newest:
            place = _place(event)
            if place is not None and self._newest.get(place) is event:
                del self._newest[place]
        if self._on_room is not None and len(self._events) == self.size // 2:
            self._on_room()
        return event

    def _put_conflated(self, event: Event) -> None:
        place = _place(event)
        if place is None:
            self._events.append(event)
            return
        older = self._newest.get(place)
        self._newest[place] = event
        if older is not None:
            # Keeping the older one's turn would reorder events; it goes, and the newer one queues at the end.
            self._remove(older)
            self.conflated += 1
        self._events.append(event)

    def _remove(self, event: Event) -> None:
        for index, held in enumerate(self._events):
            if held is event:
                del self._events[index]
                return

    def _drop_oldest(self) -> None:
        event = self._events.popleft()
        place = _place(event)
        if place is not None and self._newest.get(place) is event:
            del self._newest[place]
        self.dropped += 1
        self._untold += 1

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _place(event: Event) -> tuple[Any, ...] | None:
    """What a newer event replaces an older one by; None for events of which each counts."""
    if isinstance(event, Ticker):
        return ("tickers", event.instrument)
    if isinstance(event, Candle):
        return (event.channel, event.instrument, event.open_ms)
    if isinstance(event, BookSnapshot) and event.channel in _FULL_BOOKS:
        return (event.channel, event.instrument)
    return None


_FULL_BOOKS = frozenset(("books5", "bbo-tbt", "sprd-books5", "sprd-bbo-tbt"))
