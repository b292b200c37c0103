"""Tally: counts of a client's events, and the condition to end. Watch: one run of a client with a Tally."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import FrameType

from okex_ws.cli.errors import BAD_INPUT, FAILED, OK
from okex_ws.client.client import Client
from okex_ws.client.sanitize import one_line as escaped
from okex_ws.events import Connected, Disconnected, Event, Gap, Malformed, Push, Refused, Stale
from okex_ws.wire.codes import CodePolicy, lookup

_SHOWN_AT_ONCE = 256
_INPUT_FAULTS = (CodePolicy.FATAL, CodePolicy.BUG, CodePolicy.ROUTE, CodePolicy.RELOGIN, CodePolicy.FALLBACK)


class Tally:
    """In: every event of a client, by `note`. Out: counts, and the exit code of the run, passed to `on_end`.

    count: end after this number of data events. fetched_back, unrecoverable: results of backfills.
    """

    def __init__(self, client: Client, *, count: int | None = None, on_end: Callable[[], None] = lambda: None) -> None:
        self.client = client
        self.seen: Counter[str] = Counter()
        self.data = 0
        self.gaps = 0
        self.fetched_back = 0
        self.unrecoverable = 0
        self.stale = 0
        self.connections = 0
        self.losses = 0
        self.failure = ""
        self.took_s = 0.0
        self._count = count
        self._on_end = on_end
        self._open = {(item.channel, item.key) for item in client.subscriptions}
        self._ended: int | None = None

    @property
    def is_ending(self) -> bool:
        """True once the run is ending."""
        return self._ended is not None

    def end(self, code: int, why: str = "") -> None:
        """End after the current event; the first call counts."""
        if self._ended is None:
            self._ended = code
            self.failure = why or self.failure
        self._on_end()

    def fail(self, why: str) -> None:
        """Mark the run as failed, whatever it was before."""
        self._ended, self.failure = FAILED, why
        self._on_end()

    def note(self, event: Event) -> None:
        """Count an event; it may end the run."""
        if isinstance(event, Push):
            self.data += 1
            self.seen[type(event).__name__] += 1
            if self._count is not None and self.data >= self._count:
                self.end(OK)
        elif isinstance(event, Connected):
            self.connections += 1
        elif isinstance(event, Gap):
            self.gaps += 1
        elif isinstance(event, Stale):
            self.stale += 1
        elif isinstance(event, Malformed):
            self.seen["Malformed"] += 1
        elif isinstance(event, Disconnected):
            self._note_loss(event)
        elif isinstance(event, Refused):
            self._note_refusal(event)

    def summary(self) -> str:
        """Return one line: duration, counts, and problems."""
        kinds = ", ".join(f"{count} {name}" for name, count in self.seen.most_common())
        trouble = [f"{self.gaps} gap{'s' if self.gaps != 1 else ''}"]
        if self.fetched_back:
            trouble.append(f"{self.fetched_back:,} rows fetched")
        if self.unrecoverable:
            trouble.append(f"{self.unrecoverable} unrecoverable")
        if self.stale:
            trouble.append(f"{self.stale} stale")
        if self.losses:
            trouble.append(f"{self.losses} lost connection{'s' if self.losses != 1 else ''}")
        return f"{self.took_s:.1f} s, {self.data} events{f' ({kinds})' if kinds else ''}, {', '.join(trouble)}"

    def verdict(self) -> int:
        """Return the exit code; a failure is printed on stderr."""
        code = OK if self._ended is None else self._ended
        if code == OK and not self.connections:
            code = FAILED
            self.failure = f"never connected to {self.client.site.websocket}: {self.failure or self._still_opening()}"
        if code in (FAILED, BAD_INPUT) and self.failure:
            print(f"okex-ws: {escaped(self.failure)}", file=sys.stderr)
        return code

    def _still_opening(self) -> str:
        hint = "is it TLS there?" if self.client.site.websocket.startswith("wss://") else "is it a WebSocket without TLS there?"
        return f"still opening after {self.took_s:.3g} s; {hint}"

    def _note_loss(self, event: Disconnected) -> None:
        if event.handed_over or self._ended is not None:
            return
        self.failure = event.reason
        self.losses += bool(self.connections)
        if event.fatal:
            self.end(FAILED, event.reason)

    def _note_refusal(self, event: Refused) -> None:
        if event.will_retry:
            return
        self._open.discard((event.channel, event.key))
        if not self._open:
            is_input = lookup(event.code).policy in _INPUT_FAULTS
            advice = f"; {event.advice}" if event.advice else ""
            why = f"{event.channel} {event.key} was refused: {event.code} {event.message.rstrip('.')}{advice}"
            self.end(BAD_INPUT if is_input else FAILED, why)


class Watch(Tally):
    """In: a client with subscriptions, not yet started. Out: every event to `show`, in order; then an exit code.

    for_s: end after this many seconds; count: after this number of data events. within: context that starts and closes the
    client,
    if the watch does not.
    """

    def __init__(
        self,
        client: Client,
        *,
        for_s: float | None = None,
        count: int | None = None,
        within: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        self._stream = client.stream(name="command")
        super().__init__(client, count=count, on_end=self._stream.close)
        self._for_s = for_s
        self._within = within or client

    async def run(self, show: Callable[[Event], None]) -> int:
        """Connect, show events, end; returns the exit code."""
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        timer = loop.call_later(self._for_s, self.end, OK) if self._for_s is not None else None
        stream = self._stream
        with Signals(self.end):
            try:
                async with self._within:
                    shown = 0
                    async for event in stream:
                        if self._ended is not None:
                            break
                        self.note(event)
                        show(event)
                        shown += 1
                        if not len(stream) or shown >= _SHOWN_AT_ONCE:
                            shown = 0
                            sys.stdout.flush()
                            # A stream with events at all times would keep timers and signals waiting.
                            await asyncio.sleep(0)
            finally:
                self.took_s = time.monotonic() - began
                if timer is not None:
                    timer.cancel()
        return self.verdict()


class Signals:
    """Calls a function in the loop on SIGINT, SIGTERM and SIGHUP (a closed terminal). Off the main thread: no-op.

    A second signal interrupts any blocking call.
    """

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._on_signal = on_signal
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()

            def stop(number: int, frame: FrameType | None) -> None:
                signal.signal(number, signal.default_int_handler)
                loop.call_soon_threadsafe(self._on_signal, 128 + number)

            for number in self._numbers():
                self._before[number] = signal.signal(number, stop)
        return self

    @staticmethod
    def _numbers() -> list[int]:
        hangup: int | None = getattr(signal, "SIGHUP", None)  # Windows has none
        # nohup ignores it, and the program goes on.
        if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
            return [signal.SIGINT, signal.SIGTERM]
        return [signal.SIGINT, signal.SIGTERM, hangup]

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave back
