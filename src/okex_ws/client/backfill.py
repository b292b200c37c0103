"""Backfill: what a Client's lines missed comes back over REST, in the client's own stream.

    client = Client(); client.subscribe("trades", "BTC-USDT")
    async with client, Backfill(client, since=...):
        async for event in client: ...          # event.backfilled tells which were fetched

Every decision is `protocol.backfill.Planner`'s; this carries its requests out and hands over what it says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any, Self

import msgspec

from okex_ws.client.client import Client
from okex_ws.client.clock import Clock
from okex_ws.client.connection import Tap
from okex_ws.client.hub import log
from okex_ws.client.log_throttle import LogThrottle
from okex_ws.client.rest import RestError
from okex_ws.client.sanitize import one_line
from okex_ws.events import BookEvent, Event
from okex_ws.protocol.backfill.planner import CHANNELS, BackfillPlanner, PageRequest
from okex_ws.protocol.pacing import SECOND

HELD_UP_S = 0.1
"""How often to look whether a consumer that had no more room has some."""


class Backfill:
    """Of one client; make it before the client starts, so that it sees everything from the first event on.

    channels: of `protocol.backfill.CHANNELS`. since: ns UTC; everything from then on is wanted, None: from the first push on.
    seed: of the jitter of retries. tap: sees what the planner is told besides the lines' events, as line "backfill", of kinds
    backfill (its settings), ask, page, page-fail, end; with the lines' own records, a replay says the same.
    As a context manager it goes inside the client's: at its end it says what could not be fetched any more.
    """

    def __init__(
        self,
        client: Client,
        *,
        channels: Iterable[str] = CHANNELS,
        since: int | None = None,
        seed: int | None = None,
        tap: Tap | None = None,
    ) -> None:
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        luck = random.Random(f"{seed} backfill").random  # noqa: S311  # jitter, not a secret
        self.planner = BackfillPlanner(channels=channels, since=since, luck=luck)
        self._settings: dict[str, Any] = {"channels": self.planner.channels, "since": since, "seed": seed}
        self._tap = tap
        self._client = client
        self._clock = Clock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._fetches: set[asyncio.Task[None]] = set()
        self._alarm = LogThrottle()
        client.hub.gate = self._pass

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to fetch."""
        if self._task is None:
            self._note("backfill", **self._settings)
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop fetching, and say what is still missing."""
        tasks = [task for task in (self._task, *self._fetches) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._say(self.planner.stop(self._note("end")))

    def _pass(self, events: list[Event]) -> list[Event]:
        """What the client is about to deliver goes by the planner first: a push that REST has outrun must not get by."""
        if events:
            events = self.planner.feed(events, events[0].ts_recv)
        if not self.planner.is_idle:
            self._wake.set()
        return events

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            is_held_up = self._client.hub.is_paused  # a slow consumer gets no further pages
            while not is_held_up and (page := self._next_page()) is not None:
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

    def _next_page(self) -> PageRequest | None:
        now = self._clock.now()
        page = self.planner.next_page(now)
        if page is not None:
            self._note("ask", now, channel=page.channel, instrument=page.args["instId"])
        return page

    async def _fetch(self, page: PageRequest) -> None:
        args: dict[str, Any] = page.args
        try:
            rows = await self._client.rest.get(page.path, **args)
        except RestError as error:
            code, detail = error.code, one_line(str(error))
            now = self._note("page-fail", number=page.number, code=code, detail=detail)
            if self._alarm.fails(detail.rpartition(f"{page.path}: ")[2], detail, now):
                log.warning("backfill: %s", detail)
            events = self.planner.failed(page.number, now, code=code, detail=detail)
        else:
            if self._alarm.ends():
                log.warning("backfill: REST answers again")  # as loud as what it puts an end to
            now = self._note("page", number=page.number, rows=rows)
            events = self.planner.fetched(page.number, rows, now)
        self._say(events)
        self._wake.set()

    def _note(self, kind: str, now: int = 0, **what: Any) -> int:
        """Let the tap see an input; returns the instant it happens at."""
        now = now or self._clock.now()
        if self._tap is not None:
            self._tap(now, "backfill", 0, kind, msgspec.json.encode(what))
        return now

    def _say(self, events: list[Event]) -> None:
        if events:
            self._client.hub.deliver(events, _trust)


def _trust(event: BookEvent, cause: str) -> list[Event]:
    """No book comes from here."""
    return []
