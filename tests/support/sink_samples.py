"""Events for the sink tests: one of every kind, and long runs of trades; and a source that tells them from a list."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from tests.support.paths import FIXTURES

from okex_ws import events
from okex_ws.events import Event, Trade
from okex_ws.sinks import Sink
from okex_ws.sinks.sink import Batch, SinkPosition
from okex_ws.wire import frames

FIXTURES = FIXTURES / "v5"
START = 1_790_000_000_000_000_000

ABSTRACT = {events.Event, events.Push, events.StatusEvent, events.BookEvent, events.GridUpdate}


def every_kind() -> list[Event]:
    """One event of every class a Session can emit."""
    found: dict[type, Event] = {}
    for path in sorted(FIXTURES.glob("*.json")):
        frame = frames.decode(path.read_bytes())
        assert isinstance(frame, frames.PushFrame)
        for event in frame.events:
            found.setdefault(type(event), event)
    for name in events.__all__:
        cls = getattr(events, name)
        if inspect.isclass(cls) and issubclass(cls, Event) and cls not in ABSTRACT and cls not in found:
            found[cls] = _example(cls)
    kinds = list(found.values())
    for place, event in enumerate(kinds):
        event.ts_recv = START + place * 1_000_001
    return kinds


def _example(cls: type[Event]) -> Event:
    if issubclass(cls, events.BookEvent):
        row: dict[str, Any] = {"bids": [["9.5", "1", "0", "2"]], "asks": [["10.25", "3.75", "0", "1"]], "instId": "A-B"}
        if "Spread" in cls.__name__:
            row = {"bids": [["-0.5", "1", "2"]], "asks": [["0.25", "3.75", "1"]], "instId": "A-B_C-D"}
        return msgspec.convert({**row, "ts": 1_790_000_000_000, "seqId": 12, "prevSeqId": 11}, cls)
    if cls is events.GenericPush:
        return events.GenericPush(channel="new", arg={"instId": "A-B"}, row={"deep": [1, None, {"x": "y"}]}, action="update")
    values: dict[str, Any] = {"raw": b"\x00\xff{not json", "line": "public/0", "channel": "books", "key": "BTC-USDT",
                              "instrument": "BTC-USDT", "reason": 'he said "no", twice', "count": 3, "since": START}  # fmt: skip
    names = {field.name for field in msgspec.structs.fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in names})


def trades(count: int, *, first: int = 1, instrument: str = "BTC-USDT") -> list[Trade]:
    """Trades with ids from `first`, a millisecond apart."""
    return [
        Trade(
            ts_recv=START + n * 1_000_000 + 400_000,
            channel="trades",
            ts_ms=START // 1_000_000 + n,
            instrument=instrument,
            trade_id=n,
            price=65_000.1 + n / 8,
            size=0.001 * n,
            side="buy" if n % 2 else "sell",
        )
        for n in range(first, first + count)
    ]


def batch(items: list[Any], recorder: str = "ab12", first: int = 1) -> list[tuple[str, Event]]:
    """Events with ids, each from a journal record of its own."""
    return [(f"{recorder}:{n}:0", event) for n, event in enumerate(items, first)]


class ListSource:
    """An EventSource over a list. Once told, the list's end is awaited by `more`, or is the end when it is `finished`."""

    def __init__(self, items: list[Any], recorder: str = "ab12", *, finished: bool = False, per_record: int = 1) -> None:
        self.recorder = recorder
        self.items = [(place // per_record + 1, place % per_record, event) for place, event in enumerate(items)]
        self.finished = finished
        self.told = 0
        self.asked_after: list[int] = []
        self._more = asyncio.Event()
        self._per_record = per_record

    @property
    def last_n(self) -> int:
        return self.items[-1][0] if self.items else 0

    def more(self, items: list[Any]) -> None:
        place = len(self.items)
        self.items += [(p // self._per_record + 1, p % self._per_record, event) for p, event in enumerate(items, place)]
        self._more.set()

    async def events(self, after_n: int) -> AsyncIterator[tuple[int, int, Event]]:
        self.asked_after.append(after_n)
        place = 0
        while True:
            while place < len(self.items):
                item = self.items[place]
                place += 1
                if item[0] > after_n:
                    self.told += 1
                    yield item
            if self.finished:
                return
            self._more.clear()
            await self._more.wait()


class Watched:
    """A sink that tells how much it has acknowledged, and passes everything on."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.url = sink, sink.url
        self.acknowledged = 0
        self.batches: list[int] = []
        self._change = asyncio.Event()

    async def open(self) -> None:
        await self.sink.open()

    async def put(self, batch: Batch) -> None:
        await self.sink.put(batch)
        self.acknowledged += len(batch)
        self.batches.append(len(batch))
        self._change.set()

    async def reached(self, recorder: str) -> SinkPosition | None:
        return await self.sink.reached(recorder)

    async def close(self) -> None:
        await self.sink.close()

    async def until(self, count: int) -> None:
        """Wait until this many events are acknowledged."""
        async with asyncio.timeout(60):
            while self.acknowledged < count:
                self._change.clear()
                await self._change.wait()


class Patience:
    """The back-off's sleep: each one is noted, and lasts until the test lets go."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._waiting = asyncio.Event()
        self._go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._waiting.set()
        await self._go.wait()
        await asyncio.sleep(min(seconds, 0.02))

    async def until_waiting(self) -> None:
        async with asyncio.timeout(60):
            await self._waiting.wait()

    def let_go(self) -> None:
        self._go.set()
