"""Backfill: fetches back over REST what a client missed, into the client's own stream.

    client = Client(); client.subscribe("trades", "BTC-USDT")
    async with client, Backfill(client, since=...):
        async for event in client: ...          # event.backfilled is True for what was fetched

`protocol.backfill.BackfillPlanner`, inside the client's core, decides everything; this class carries its requests out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any, Self

from okex_ws.client.client import Client
from okex_ws.client.clock import Clock
from okex_ws.client.hub import log
from okex_ws.client.log_throttle import LogThrottle
from okex_ws.client.rest import RestError
from okex_ws.client.sanitize import one_line
from okex_ws.core.inputs import BackfillStarted, BackfillStopped, Input, PageFailed, PageFetched
from okex_ws.protocol.backfill.planner import CHANNELS, BackfillPlanner, PageRequest
from okex_ws.protocol.pacing import SECOND

HELD_UP_S = 0.1
"""Interval of looking whether a full consumer has room again."""


class Backfill:
    """Backfill of one client. Make it before the client starts, so that the planner sees everything from the first event on.

    channels: of `protocol.backfill.planner.CHANNELS`. since: ns UTC; everything from then on is wanted; None: from the first push
    on. seed: of the jitter of retries. As a context manager it goes inside the client's, and at its end reports what is missing.
    """

    def __init__(
        self, client: Client, *, channels: Iterable[str] = CHANNELS, since: int | None = None, seed: int | None = None
    ) -> None:
        if client.core.is_started:
            raise RuntimeError("make a Backfill before its client starts: what came before would not be known to it")
        self._client = client
        self._connections = client._connections
        self._core = client.core
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        self._started = BackfillStarted(channels=list(channels), since=since, seed=seed)
        self._core.planner = self._core.make_planner(self._started)
        self._clock = Clock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._fetches: set[asyncio.Task[None]] = set()
        self._throttle = LogThrottle()
        self._connections.after_publish = self._look

    @property
    def planner(self) -> BackfillPlanner:
        """The planner that decides."""
        assert self._core.planner is not None
        return self._core.planner

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to fetch."""
        if self._task is None:
            self._feed(self._started)
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop fetching, and report what is still missing."""
        tasks = [task for task in (self._task, *self._fetches) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._feed(BackfillStopped())

    def _look(self) -> None:
        """Wake the task if the planner wants a page."""
        if not self.planner.is_idle:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            is_held_up = self._client.hub.is_paused  # a slow consumer gets no further pages
            while not is_held_up and (page := self._core.next_page(self._clock.now())) is not None:
                task = asyncio.get_running_loop().create_task(self._fetch(page))
                self._fetches.add(task)
                task.add_done_callback(self._fetches.discard)
            due = self.planner.deadline()
            pause_s = None if due is None else max(0.0, (due - self._clock.now()) / SECOND)
            if is_held_up:
                pause_s = HELD_UP_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _fetch(self, page: PageRequest) -> None:
        args: dict[str, Any] = page.args
        try:
            rows = await self._client.rest.get(page.path, **args)
        except RestError as error:
            detail = one_line(str(error))
            if self._throttle.fails(detail.rpartition(f"{page.path}: ")[2], detail, self._clock.now()):
                log.warning("backfill: %s", detail)
            self._feed(PageFailed(number=page.number, code=error.code, detail=detail))
        else:
            if self._throttle.ends():
                log.warning("backfill: REST answers again")  # as loud as what it puts an end to
            self._feed(PageFetched(number=page.number, rows=rows))
        self._wake.set()

    def _feed(self, item: Input) -> None:
        self._connections.feed(item)
