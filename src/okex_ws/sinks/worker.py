"""Worker: one thread that does a sink's blocking calls, one after the other, in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Worker:
    """A daemon thread that lives while there is work: a call that hangs in the kernel keeps no process from ending.

    Calls never overlap, even when the caller of an earlier one has given up on it.
    """

    IDLE_S = 5.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._idle_s = self.IDLE_S

    async def call(self, job: Callable[[], T]) -> T:
        """Run `job` in the thread. When cancelled before its turn it does not run; once begun it runs to its end."""
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
        """Let the thread end once it has nothing left to do; the next call starts another."""
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
            except BaseException as caught:  # handed to whoever asked
                result, error = None, caught
            try:
                loop.call_soon_threadsafe(_tell, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                continue
            del job, future, loop, result, error


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
