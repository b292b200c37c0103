"""Worker: one thread that runs a sink's blocking calls one after the other, in order; ThreadSink: a sink on a Worker."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from okex_ws.sinks.sink import CLOSE_TIMEOUT_S, NOTHING, Batch, SinkPosition

T = TypeVar("T")

Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Worker:
    """A daemon thread that ends when idle; a call that hangs in the kernel does not keep the process alive.

    Calls never overlap, even after the caller of an earlier one was cancelled.
    """

    IDLE_S = 5.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._idle_s = self.IDLE_S

    async def call(self, job: Callable[[], T]) -> T:
        """Run `job` in the thread. A job cancelled before its start does not run; a started one runs to its end."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._wake:
            self._idle_s = self.IDLE_S
            self._jobs.append((job, future, loop))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()
        return await future

    def retire(self) -> None:
        """Let the thread end after its last job; the next call starts another one."""
        with self._wake:
            self._idle_s = 0.0
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._jobs:
                    self._wake.wait_for(lambda: self._jobs or not self._idle_s, self._idle_s)
                if not self._jobs:
                    self._thread = None
                    return
                job, future, loop = self._jobs.popleft()
            if future.cancelled():
                continue
            try:
                result, error = job(), None
            except BaseException as caught:  # passed on to the caller
                result, error = None, caught
            try:
                loop.call_soon_threadsafe(_resolve, future, result, error)
            except RuntimeError:  # the loop is closed: no caller waits
                continue
            del job, future, loop, result, error


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class ThreadSink:
    """Base of the sinks that write with blocking calls, in their own thread."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._worker = Worker(f"okex-ws {name}")
        self._was_empty = False

    async def open(self) -> None:
        await self._worker.call(self._connect)

    async def put(self, batch: Batch) -> None:
        await self._worker.call(lambda: self._store(batch))

    async def reached(self, recorder: str) -> SinkPosition | None:
        return NOTHING if self._was_empty else None

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(self._worker.call(self._disconnect), CLOSE_TIMEOUT_S)
        self._worker.retire()

    def _connect(self) -> None:
        """Open the target. Raises SinkError."""

    def _disconnect(self) -> None:
        """Close the target."""

    def _store(self, batch: Batch) -> None:
        raise NotImplementedError
