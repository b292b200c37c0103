"""Hub: the one door events leave by. Caches take them first, then callbacks, then streams; each consumer fails alone."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

from okex_ws.client.sanitize import one_line
from okex_ws.client.status import StatusTracker
from okex_ws.client.stream import Policy, Stream
from okex_ws.events import BookEvent, Candle, ConsumerFailed, Event, Instrument, StatusEvent, Ticker, Trade
from okex_ws.market import Books, Instruments, Latest

log = logging.getLogger("okex_ws")

Distrust = Callable[[BookEvent, str], list[Event]]
"""Asks a line for a new image of a book that is wrong, and returns the Gap it says."""


class Hub:
    """Hands every event to whoever wants its kind, in order.

    gate: sees what is about to be handed over and returns what shall be; for whoever fetches what is missing.
    pause, resume: called when a WAIT stream has no more room, and when there is room again.
    """

    def __init__(self, *, keep_books: bool, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.books = Books()
        self.latest = Latest()
        self.instruments = Instruments()
        self.tracker = StatusTracker()
        self.event_count = 0
        self.is_paused = False
        self._made = 0
        self.gate: Callable[[list[Event]], list[Event]] | None = None
        self.streams: list[Stream[Any]] = []
        self._keeps_books = keep_books
        self._pause, self._resume = pause, resume
        self._callbacks: list[tuple[type[Event], Callable[[Any], object], str]] = []
        self._failures: set[tuple[str, str]] = set()
        self._plans: dict[type[Event], tuple[bool, _Takers, _Callbacks]] = {}

    def stream(self, kinds: tuple[type[Event], ...], *, policy: Policy, size: int, name: str) -> Stream[Any]:
        """A further queue for one reader."""
        self._made += 1
        made = Stream[Any](
            kinds,
            policy=policy,
            size=size,
            name=name or f"stream {self._made}",
            on_room=self._on_room,
            on_close=self._on_close,
        )
        self.streams.append(made)
        return made

    def on(self, kind: type[Event], callback: Callable[[Any], object], name: str) -> None:
        """A further function to call."""
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise TypeError(f"{kind!r} is not an event class; take one of okex_ws.events, such as okex_ws.Trade")
        self._callbacks.append((kind, callback, name))
        self._plans.clear()

    @property
    def has_consumers(self) -> bool:
        """Whether anybody is there to take an event."""
        return bool(self.streams or self._callbacks)

    def off(self, callback: Callable[[Any], object]) -> None:
        """Call it no more."""
        self._callbacks = [item for item in self._callbacks if item[1] is not callback and item[1] != callback]
        self._plans.clear()

    def publish(self, events: list[Event], distrust: Distrust) -> None:
        """Hand over what lines say, through the gate."""
        if self.gate is not None:
            events = self.gate(events)
        if events:
            self.deliver(events, distrust)

    def deliver(self, events: list[Event], distrust: Distrust) -> None:
        """Hand these over. A callback that reads a book or a latest value sees the state right after its event."""
        self.event_count += len(events)
        self.tracker.recent.append(events[-1])
        plans = self._plans
        wrong: list[tuple[BookEvent, str]] = []
        for event in events:
            is_book, takers, callbacks = plans.get(type(event)) or self._plan(type(event))
            if is_book:
                trouble = self.books.apply(event)
                if trouble is not None:
                    wrong.append((event, trouble))  # type: ignore[arg-type]  # only books get into trouble
            for take in takers:
                take(event)
            for callback, name in callbacks:
                try:
                    answer = callback(event)
                    if answer is not None and inspect.isawaitable(answer):
                        _drop(answer)
                        raise TypeError("a callback returned something to await; make it a coroutine function")
                except Exception as error:
                    self.report(name, error, event.ts_recv)
        if self.streams:
            self._put(events)
        for book, trouble in wrong:
            self.publish(distrust(book, trouble), distrust)

    def report(self, name: str, error: Exception, now: int) -> None:
        """A consumer failed: said once per consumer and kind of error."""
        kind = (name, type(error).__name__)
        if kind in self._failures:
            return
        self._failures.add(kind)
        text = one_line(f"{type(error).__name__}: {error}")
        # Not as exc_info: a handler would print the error's own text as it is, and that may quote what the exchange sent.
        log.error("consumer %s failed: %s\n%s", one_line(name), text, "".join(traceback.format_tb(error.__traceback__)))
        self._put([ConsumerFailed(ts_recv=now, consumer=name, error=text)])

    def close(self) -> None:
        """No more events; what is held can still be read."""
        for stream in list(self.streams):
            stream.close()

    def _put(self, events: list[Event]) -> None:
        is_full = False
        for stream in self.streams:
            stream.put(events)
            is_full = is_full or stream.is_full
        if is_full and not self.is_paused:
            self.is_paused = True
            names = ", ".join(stream.name for stream in self.streams if stream.is_full)
            log.info("reading from the exchange pauses until there is room in %s", names)
            self._pause()

    def _on_close(self, stream: Stream[Any]) -> None:
        self.streams = [other for other in self.streams if other is not stream]

    def _on_room(self) -> None:
        if self.is_paused and not any(stream.is_full for stream in self.streams):
            self.is_paused = False
            self._resume()

    def _plan(self, kind: type[Event]) -> tuple[bool, _Takers, _Callbacks]:
        """Who wants events of a kind: found out once."""
        is_book = self._keeps_books and issubclass(kind, (BookEvent, StatusEvent))
        takers: _Takers = ()
        if issubclass(kind, (Trade, Ticker, Candle)):
            takers = (self.latest.apply,)
        elif issubclass(kind, Instrument):
            takers = (self.instruments.apply,)
        elif issubclass(kind, StatusEvent):
            takers = (self.tracker.apply,)
        callbacks = tuple((callback, name) for wanted, callback, name in self._callbacks if issubclass(kind, wanted))
        plan = self._plans[kind] = (is_book, takers, callbacks)
        return plan


def _drop(answer: Any) -> None:
    if inspect.iscoroutine(answer):
        answer.close()


_Takers = tuple[Callable[[Event], None], ...]
_Callbacks = tuple[tuple[Callable[[Any], object], str], ...]
