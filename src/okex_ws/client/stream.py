"""Stream: bounded queue of events for one consumer. Every loss is counted and reported at its place in the stream."""

from __future__ import annotations

import asyncio
import enum
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from okex_ws.events import BookSnapshot, Candle, Dropped, Event, Ticker

E = TypeVar("E", bound=Event, covariant=True)


class Policy(enum.Enum):
    """Reaction to a consumer that is slower than the exchange.

    WAIT: reading from the sockets pauses until there is room; the client loses nothing, but OKX closes a connection that is not
    read. DROP_OLDEST: the oldest events are dropped, and a Dropped event has their number.
    CONFLATE: a newer event replaces an older one of the same kind (tickers, candles, whole books); other events are dropped, the
    oldest first, as above.
    """

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"
    CONFLATE = "conflate"


def _classes(kinds: tuple[Any, ...]) -> tuple[type[Event], ...]:
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise TypeError(f"{kind!r} is not an event class; take one of okex_ws.events, such as okex_ws.Trade")
    return kinds


class Stream(Generic[E]):
    """Async iterator over events of some kinds, for one reader.

    kinds: event classes, () for all. size: events held at most. dropped: number of events dropped so far.
    """

    def __init__(
        self,
        kinds: tuple[type[Event], ...] = (),
        *,
        policy: Policy = Policy.WAIT,
        size: int = 10_000,
        name: str = "stream",
        on_room: Callable[[], None] | None = None,
        on_close: Callable[[Stream[Any]], None] | None = None,
    ) -> None:
        if size < 1:
            raise ValueError("a stream holds at least one event; size must be 1 or more")
        self.kinds = _classes(kinds)
        self.policy = policy = Policy(policy)
        self.size = size
        self.name = name
        self.dropped = 0
        self._on_room = on_room
        self._on_close = on_close
        self._events: deque[Event] | _Newest = _Newest() if policy is Policy.CONFLATE else deque()
        self._unreported = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def conflated(self) -> int:
        """Number of events replaced by newer ones so far."""
        return self._events.replaced if isinstance(self._events, _Newest) else 0

    @property
    def is_full(self) -> bool:
        """True if a WAIT stream has no room."""
        return self.policy is Policy.WAIT and len(self._events) >= self.size and not self._closed

    def put(self, events: Iterable[Event]) -> None:
        """Add events. Never blocks; a full WAIT stream still takes what is in flight, see `is_full`."""
        if self._closed:
            return
        if self.kinds:
            events = [event for event in events if isinstance(event, self.kinds)]
        self._events.extend(events)
        if self.policy is not Policy.WAIT:
            while len(self._events) > self.size:
                self._events.popleft()
                self.dropped += 1
                self._unreported += 1
        if self._events and self._waiter is not None:
            self._wake()

    def close(self) -> None:
        """End the stream. The events it holds can still be read; it does not pause the client any more."""
        self._closed = True
        self._wake()
        if self._on_close is not None:
            self._on_close(self)
        if self._on_room is not None:
            self._on_room()

    def __aiter__(self) -> Stream[E]:
        return self

    async def __anext__(self) -> E:
        if self._waiter is not None:
            raise RuntimeError(f"two readers on {self.name}: give each its own client.stream()")
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return cast(E, self._take())

    def _take(self) -> Event:
        if self._unreported:
            count, self._unreported = self._unreported, 0
            return Dropped(ts_recv=self._events[0].ts_recv, consumer=self.name, count=count, total=self.dropped)
        event = self._events.popleft()
        if self._on_room is not None and len(self._events) == self.size // 2:
            self._on_room()
        return event

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Newest:
    """Queue in which a newer event removes the older one that it replaces, and is added at the end: order never changes."""

    def __init__(self) -> None:
        self.replaced = 0
        self._events: OrderedDict[Any, Event] = OrderedDict()
        self._serial = 0

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, index: int) -> Event:
        assert index == 0, "only the oldest is read"
        return next(iter(self._events.values()))

    def extend(self, events: Iterable[Event]) -> None:
        for event in events:
            place: Any = _place(event)
            if place is None:
                self._serial += 1
                place = self._serial
            elif self._events.pop(place, None) is not None:
                self.replaced += 1
            self._events[place] = event

    def popleft(self) -> Event:
        return self._events.popitem(last=False)[1]


def _place(event: Event) -> tuple[Any, ...] | None:
    """Return the key by which a newer event replaces an older one; None for events that are never replaced."""
    if isinstance(event, Ticker):
        return ("tickers", event.instrument)
    if isinstance(event, Candle):
        return (event.channel, event.instrument, event.open_ms)
    if isinstance(event, BookSnapshot) and event.channel in _FULL_BOOKS:
        return (event.channel, event.instrument)
    return None


_FULL_BOOKS = frozenset(("books5", "bbo-tbt", "sprd-books5", "sprd-bbo-tbt"))
