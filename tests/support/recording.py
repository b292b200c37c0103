"""An exchange in this process, and recorders of it: what the recorder's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import okex_ws
from okex_ws.events import Event
from okex_ws.recorder.recorder import Recorder
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

INSTRUMENTS = ("BTC-USDT", "ETH-USDT")
CHANNELS = ("trades", "books", "tickers")


def market(*faults: str, seed: int = 5, rate: float = 4.0) -> Callable[[int], Exchange]:
    """An exchange that takes as many connections as come, and its market."""

    def made(now: int) -> Exchange:
        flow = SeededMarket(seed, start=now, instruments=INSTRUMENTS, levels=40, rate=rate)
        return Exchange(flow, seed=seed, now=now, faults=Faults.parse(faults), rules=Rules(connects_per_s=0))

    return made


@asynccontextmanager
async def recording(folder: Path, server: Server, **options: Any) -> AsyncIterator[Recorder]:
    """A recorder at work, from here to the end of the `with`."""
    settings = {"site": okex_ws.Site.at(server.ws_url, rest_url=server.rest_url), "backoff_s": (0.01, 0.05), **options}
    recorder = Recorder(folder, flush_within_s=0.05, table_flush_s=0.2, **settings)
    for channel in CHANNELS:
        recorder.client.subscribe(channel, *INSTRUMENTS)
    async with recorder:
        running = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            recorder.stop()
            await running


class Until:
    """`await Until(client, Trade, 50)`: so many events of a kind have come."""

    def __init__(self, client: okex_ws.Client, kind: type[Event], count: int) -> None:
        self._left = count
        self._done = asyncio.Event()
        client.on(kind, self._note)

    def _note(self, event: Event) -> None:
        self._left -= 1
        if self._left <= 0:
            self._done.set()

    def __await__(self) -> Any:
        return self._done.wait().__await__()


def texts(events: Sequence[Event]) -> list[str]:
    """Events as texts, to compare."""
    return [repr(event) for event in events]
