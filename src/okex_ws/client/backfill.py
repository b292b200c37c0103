"""Backfill: what a Client's lines missed comes back over REST, in the client's own stream.

    client = Client(); client.subscribe("trades", "BTC-USDT")
    async with client, Backfill(client, since=...):
        async for event in client: ...          # event.backfilled tells which were fetched

Every decision is `protocol.backfill.Planner`'s; this carries its requests out and hands over what it says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, Self

from okex_ws.client.client import Client
from okex_ws.client.clock import Clock
from okex_ws.client.hub import Distrust, log
from okex_ws.client.plain import one_line
from okex_ws.client.rest import RestError
from okex_ws.events import BookEvent, Event
from okex_ws.protocol.backfill import CHANNELS, Page, Planner
from okex_ws.protocol.pacing import SECOND


class Backfill:
    """Of one client; make it before the client starts, so that it sees everything from the first event on.

    channels: of `protocol.backfill.CHANNELS`. since: ns UTC; everything from then on is wanted, None: from the first push on.
    As a context manager it goes inside the client's: at its end it says what could not be fetched any more.
    """

    def __init__(
        self,
        client: Client,
        *,
        channels: Iterable[str] = CHANNELS,
        since: int | None = None,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self.planner = Planner(channels=channels, since=since, luck=luck)
        self._client = client
        self._clock = Clock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._fetches: set[asyncio.Task[None]] = set()
        self._deliver = client.hub.publish
        client.hub.publish = self._pass  # type: ignore[method-assign]  # a push that REST has outrun must not get by

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to fetch."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop fetching, and say what is still missing."""
        tasks = [task for task in (self._task, *self._fetches) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._say(self.planner.stop(self._clock.now()))

    def _pass(self, events: list[Event], distrust: Distrust) -> None:
        """What the client is about to deliver goes by the planner first."""
        events = self.planner.feed(events, self._clock.now())
        if events:
            self._deliver(events, distrust)
        if not self.planner.is_idle:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            while (page := self.planner.next_page(self._clock.now())) is not None:
                task = asyncio.get_running_loop().create_task(self._fetch(page))
                self._fetches.add(task)
                task.add_done_callback(self._fetches.discard)
            due = self.planner.deadline()
            pause_s = None if due is None else max(0.0, (due - self._clock.now()) / SECOND)
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _fetch(self, page: Page) -> None:
        args: dict[str, Any] = page.args
        try:
            rows = await self._client.rest.get(page.path, **args)
        except RestError as error:
            log.warning("backfill: %s", one_line(str(error)))
            events = self.planner.failed(page.number, self._clock.now(), code=error.code, detail=one_line(str(error)))
        else:
            events = self.planner.fetched(page.number, rows, self._clock.now())
        self._say(events)
        self._wake.set()

    def _say(self, events: list[Event]) -> None:
        if events:
            self._deliver(events, _trust)


def _trust(event: BookEvent, cause: str) -> list[Event]:
    """No book comes from here."""
    return []
