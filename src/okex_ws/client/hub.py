"""Hub: hands every event to callbacks and streams, in order. Each consumer fails alone."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

from okex_ws.client.sanitize import one_line
from okex_ws.client.status import StatusTracker
from okex_ws.client.stream import Policy, Stream
from okex_ws.events import ConsumerFailed, Event, StatusEvent

log = logging.getLogger("okex_ws")


SAMPLE_ALL = 256
"""Number of first publications that are all sampled for the latency; later, one of SAMPLE_MASK + 1."""
SAMPLE_MASK = 15


class Hub:
    """Hands every event to those that want its kind.

    pause, resume: called when a WAIT stream has no more room, and when there is room again.
    """

    def __init__(self, *, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.tracker = StatusTracker()
        self.is_paused = False
        self.streams: list[Stream[Any]] = []
        self._made = 0
        self._published = 0
        self._pause, self._resume = pause, resume
        self._callbacks: list[tuple[type[Event], Callable[[Any], object], str]] = []
        self._failures: set[tuple[str, str]] = set()
        self._plans: dict[type[Event], _Callbacks] = {}

    def stream(self, kinds: tuple[type[Event], ...], *, policy: Policy, size: int, name: str) -> Stream[Any]:
        """Add a queue for one reader."""
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
        """Add a function to call."""
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise TypeError(f"{kind!r} is not an event class; take one of okex_ws.events, such as okex_ws.Trade")
        self._callbacks.append((kind, callback, name))
        self._plans.clear()

    @property
    def has_consumers(self) -> bool:
        """True if anybody takes events."""
        return bool(self.streams or self._callbacks)

    def off(self, callback: Callable[[Any], object]) -> None:
        """Remove a function."""
        self._callbacks = [item for item in self._callbacks if item[1] is not callback and item[1] != callback]
        self._plans.clear()

    def publish(self, events: list[Event]) -> None:
        """Hand these to the callbacks, one event after the other, then to the streams."""
        self._published += 1
        if self._published < SAMPLE_ALL or not self._published & SAMPLE_MASK:
            self.tracker.sample(events[-1])  # keeping the event itself would cost as much as decoding it
        plans = self._plans
        for event in events:
            callbacks = plans.get(type(event))
            if callbacks is None:
                callbacks = self._plan(type(event))
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

    def report(self, name: str, error: Exception, now: int) -> None:
        """Report that a consumer failed, once for each consumer and kind of error."""
        kind = (name, type(error).__name__)
        if kind in self._failures:
            return
        self._failures.add(kind)
        text = one_line(f"{type(error).__name__}: {error}")
        # Not as exc_info: a handler would print the error's own text as it is, and that may quote what the exchange sent.
        log.error("consumer %s failed: %s\n%s", one_line(name), text, "".join(traceback.format_tb(error.__traceback__)))
        self._put([ConsumerFailed(ts_recv=now, consumer=name, error=text)])

    def close(self) -> None:
        """End the streams; what they hold can still be read."""
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

    def _plan(self, kind: type[Event]) -> _Callbacks:
        """Find once which callbacks want events of a kind."""
        plan: _Callbacks = tuple((callback, name) for wanted, callback, name in self._callbacks if issubclass(kind, wanted))
        if issubclass(kind, StatusEvent):
            plan = ((self.tracker.apply, "status"), *plan)
        self._plans[kind] = plan
        return plan


def _drop(answer: Any) -> None:
    if inspect.iscoroutine(answer):
        answer.close()


_Callbacks = tuple[tuple[Callable[[Any], object], str], ...]
