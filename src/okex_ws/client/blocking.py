"""Blocking: a Client for scripts without asyncio, with its own thread and event loop; events come from a plain `for`.

It also works if the main thread already runs a loop (Jupyter).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import copy
import inspect
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any, Self, TypeVar, Unpack

from okex_ws.client.client import Client, ClientOptions
from okex_ws.client.sites import Site
from okex_ws.client.status import ClientStatus
from okex_ws.client.stream import Policy
from okex_ws.events import Event
from okex_ws.market import Instruments, Latest, OrderBook
from okex_ws.wire.channels import Subscription

T = TypeVar("T")
E = TypeVar("E", bound=Event)

_AT_ONCE = 256
_CLOSE_WITHIN_S = 2.0
_POLL_S = 0.1
"""Time between two looks of a waiting thread whether the client's thread is alive."""


class Blocking:
    """Market data in a `for` loop: `with Blocking("BTC-USDT", channels=["trades"]) as client: for event in client: ...`.

    Parameters are those of Client. policy, size: of the queue between the connection and the loop, see `Policy`; up to 256 more
    events are on their way out of it. Leaving the `with` ends sockets and thread within two seconds; so does `close()`, from any
    thread. One thread reads at a time.
    """

    def __init__(
        self,
        *instruments: str,
        channels: Iterable[str] | str | None = None,
        site: Site | str | None = None,
        policy: Policy = Policy.WAIT,
        size: int = 10_000,
        **options: Unpack[ClientOptions],
    ) -> None:
        if options.get("trading") is not None:
            raise TypeError("Blocking only reads; orders need an event loop: async with Client(…, trading=Trading()) as client")
        self._client = Client(*instruments, channels=channels, site=site, **options)
        self._stream = self._client.stream(policy=policy, size=size, name="blocking")
        self._ready: deque[Event] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._finish: asyncio.Event | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the thread and connect; returns at once. Raises OSError if there is no event loop."""
        if self._is_closed:
            raise RuntimeError("this client has been closed; make a new one")
        if self._thread is not None:
            return
        begun: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(begun,), name="okex-ws", daemon=True)
        self._thread.start()
        begun.result()
        # A daemon thread must not outlive the interpreter's machinery.
        atexit.register(self.close)

    def close(self) -> None:
        """Close the connections and end the thread; a reader gets the events held and then the end."""
        self._is_closed = True
        atexit.unregister(self.close)
        loop, thread, finish = self._loop, self._thread, self._finish
        if loop is None or thread is None or finish is None or not thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # the loop may just have closed
            loop.call_soon_threadsafe(finish.set)
        if thread is not threading.current_thread():
            thread.join(_CLOSE_WITHIN_S)

    # -- events out ------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            return self.next_event()
        except EOFError:
            raise StopIteration from None

    def next_event(self, timeout_s: float | None = None) -> Event:
        """Return the next event. Raises TimeoutError after `timeout_s` seconds, EOFError if the client is closed and empty."""
        self.start() if not self._is_closed else None
        while not self._ready:
            try:
                if not self._wait(self._fetch(), timeout_s):
                    raise EOFError("the client is closed")
            except (RuntimeError, CancelledError):
                if self._ready:
                    break
                if self._is_closed:
                    raise EOFError("the client is closed") from None
                raise
        return self._ready.popleft()

    def on(self, kind: type[E], callback: Callable[[E], object]) -> None:
        """Call `callback` with every event of a kind, in the client's thread. Keep it short; it must not wait for this client."""
        if inspect.iscoroutinefunction(callback):
            raise TypeError("a blocking client calls plain functions; for coroutines use okex_ws.Client")
        self._do(lambda: self._client.on(kind, callback))

    # -- subscriptions and state -----------------------------------------------------------------------------------------

    def subscribe(self, channel: str, *keys: str, **args: str) -> list[Subscription]:
        """Subscribe to a channel for some instruments, see Client.subscribe."""
        return self._do(lambda: self._client.subscribe(channel, *keys, **args))

    def unsubscribe(self, channel: str, *keys: str, **args: str) -> list[Subscription]:
        """Remove subscriptions."""
        return self._do(lambda: self._client.unsubscribe(channel, *keys, **args))

    def book(self, instrument: str, channel: str | None = None) -> OrderBook:
        """Return a copy of an order book between two events; it does not change."""
        return self._do(lambda: copy.deepcopy(self._client.book(instrument, channel)))

    @property
    def latest(self) -> Latest:
        """Last trade, ticker and candle of each instrument; each value is safe to keep."""
        return self._client.latest

    @property
    def site(self) -> Site:
        """Site of the client."""
        return self._client.site

    def status(self) -> ClientStatus:
        """Return the state of the client between two events, see Client.status."""
        return self._do(self._client.status)

    def load_instruments(self, *types: str, family: str | None = None, timeout_s: float = 30.0) -> Instruments:
        """Fill the catalogue over REST, see Client.load_instruments. Raises RestError, TimeoutError."""
        self.start()
        return self._wait(self._client.load_instruments(*types, family=family), timeout_s)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _run(self, begun: concurrent.futures.Future[None]) -> None:
        async def body() -> None:
            self._loop, self._finish = asyncio.get_running_loop(), asyncio.Event()
            if self._is_closed:  # by another thread, before `_finish` existed
                self._finish.set()
            self._client.start()
            begun.set_result(None)
            await self._finish.wait()
            await self._client.close()

        try:
            with asyncio.Runner() as runner:
                runner.get_loop()  # before the coroutine exists: if this fails, none is left unawaited
                runner.run(body())
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)

    async def _fetch(self) -> bool:
        """Move events from the queue to `_ready`; False at the end."""
        # They are not returned: a reader that is interrupted while it waits finds them at its next try.
        async for event in self._stream:
            self._ready.append(event)
            if not len(self._stream) or len(self._ready) >= _AT_ONCE:
                return True
        return bool(self._ready)

    def _wait(self, work: Coroutine[Any, Any, T], timeout_s: float | None) -> T:
        loop = self._loop
        if loop is None or loop.is_closed() or threading.current_thread() is self._thread:
            work.close()
            why = (
                "a callback must not wait for its client"
                if loop is not None and not loop.is_closed()
                else "the client does not run"
            )
            raise RuntimeError(why)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            future = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:  # closed just now
            work.close()
            raise
        try:
            while True:
                left = _POLL_S if until is None else min(_POLL_S, until - time.monotonic())
                concurrent.futures.wait([future], timeout=max(0.0, left))
                if future.done():
                    return future.result()
                if self._thread is None or not self._thread.is_alive():
                    work.close()  # it ended before this started
                    raise RuntimeError("the client does not run")
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError
        except BaseException:
            future.cancel()
            raise

    def _do(self, action: Callable[[], T]) -> T:
        """Run an action between two events, in the client's thread if there is one."""
        if self._thread is None or self._is_closed or threading.current_thread() is self._thread:
            return action()

        async def run() -> T:
            return action()

        return self._wait(run(), None)
