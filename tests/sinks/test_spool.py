"""Spool: position, limits, back-off, repeated delivery, several recorders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.sink_samples import ListSource, Watched, batch, trades
from tests.support.sink_targets import within

from okex_ws.events import Event
from okex_ws.sinks import SinkError, SinkUnreachableError, Spool
from okex_ws.sinks.sink import NOTHING, Batch, SinkPosition


class ListSink:
    """A sink in memory that can be made unreachable."""

    url = "list"

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.is_away = False
        self.opened = 0
        self.memory: SinkPosition | None = None

    async def open(self) -> None:
        self.opened += 1
        if self.is_away:
            raise SinkUnreachableError("list: away")

    async def put(self, batch: Batch) -> None:
        if self.is_away:
            raise SinkUnreachableError("list: away")
        self.ids += [event_id for event_id, _ in batch]

    async def reached(self, recorder: str) -> SinkPosition | None:
        return self.memory

    async def close(self) -> None: ...


def ids(items: list[Any], recorder: str = "ab12") -> list[str]:
    return [event_id for event_id, _ in batch(items, recorder)]


def saved(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return found


def test_old_recorders_first_and_only_once(tmp_path: Path) -> None:
    path, sink = tmp_path / "spool" / "x.json", ListSink()
    old, running = ListSource(trades(30), "old", finished=True), ListSource(trades(20), "new", finished=True)
    asyncio.run(within(Spool(sink, [old, running], path).run()))
    assert sink.ids == ids(trades(30), "old") + ids(trades(20), "new")
    assert saved(path)["recorders"]["old"] == {"n": 30, "i": 0, "is_finished": True}
    asyncio.run(within(Spool(sink, [old, running], path).run()))
    assert len(sink.ids) == 50
    assert old.asked_after == [0]


def test_a_position_within_a_record(tmp_path: Path) -> None:
    """A record of five events, cut by a batch of three: the other two follow, none twice."""
    path, sink = tmp_path / "x.json", ListSink()

    async def run() -> None:
        source, watched = ListSource(trades(8), per_record=5), Watched(sink)
        spool = Spool(watched, [source], path, max_events=3)
        task = asyncio.create_task(spool.run())
        await watched.until(8)
        await spool.close()
        await task
        source = ListSource(trades(15), per_record=5, finished=True)
        await within(Spool(sink, [source], path, max_events=3).run())
        assert source.asked_after == [1]

    asyncio.run(run())
    assert sink.ids == [f"ab12:{k // 5 + 1}:{k % 5}" for k in range(15)]


def test_back_off_doubles_to_its_bound_with_full_jitter(tmp_path: Path) -> None:
    sink, asked, luck = ListSink(), list[float](), iter([1.0, 0.5, 0.0, 1.0, 1.0, 1.0, 1.0])
    sink.is_away = True

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        sink.is_away = len(asked) < 7

    spool = Spool(sink, [ListSource(trades(5), finished=True)], tmp_path / "x.json", sleep=sleep, luck=lambda: next(luck),
                  retry_s=(1.0, 20.0))  # fmt: skip
    asyncio.run(within(spool.run()))
    assert asked == [1.0, 1.0, 0.0, 8.0, 16.0, 20.0, 20.0]
    assert sink.ids == ids(trades(5))
    assert spool.status.errors == 7
    assert spool.status.error == ""
    assert spool.status.state == "stopped"


def test_memory_is_bounded_while_the_sink_is_away(tmp_path: Path) -> None:
    sink = ListSink()
    sink.is_away = True

    async def run() -> None:
        source, waiting = ListSource(trades(100_000)), asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        spool = Spool(sink, [source], tmp_path / "x.json", sleep=sleep, max_events=500, now=lambda: 10**18 * 2)
        task = asyncio.create_task(spool.run())
        await waiting.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert source.told <= 1001
        status = spool.status
        assert status.held <= 1000
        assert status.behind_records == 100_000
        assert status.behind_s > 10**6
        assert status.state == "waiting"
        assert status.error == "list: away"
        await spool.close(0.1 + 1.5)
        await task

    asyncio.run(within(run()))


def test_a_target_that_was_emptied_is_not_filled_again_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, sink = tmp_path / "x.json", ListSink()

    async def run(count: int) -> None:
        watched = Watched(sink)
        spool = Spool(watched, [ListSource(trades(count))], path)
        await spool.check()
        task = asyncio.create_task(spool.run())
        await watched.until(count - len(sink.ids))
        await spool.close()
        await task

    sink.memory = NOTHING
    asyncio.run(within(run(5)))
    assert caplog.messages == []
    asyncio.run(within(run(9)))
    assert sink.ids == ids(trades(9))
    assert caplog.messages == [
        "list: is empty, though it had events before; it receives new events only. To fill it from the journal, stop, "
        f"delete {path}, start again"
    ]


def test_a_target_that_lost_its_memory_is_filled_again(tmp_path: Path) -> None:
    """A Redis restored from an older snapshot reports its position: delivery restarts there."""
    sink = ListSink()

    async def run() -> None:
        source, watched = ListSource(trades(100)), Watched(sink)

        async def sleep(seconds: float) -> None:
            sink.is_away = False
            sink.memory = SinkPosition(60, 0)
            del sink.ids[60:]

        spool = Spool(watched, [source], tmp_path / "x.json", sleep=sleep, max_events=10)
        task = asyncio.create_task(spool.run())
        await watched.until(100)
        sink.is_away = True
        source.more(trades(20, first=101))
        await watched.until(100 + 60)
        await spool.close()
        await task

    asyncio.run(within(run()))
    assert sink.ids == ids(trades(120))


def test_it_is_the_source_that_fails(tmp_path: Path) -> None:
    class Broken(ListSource):
        async def events(self, after_n: int) -> AsyncIterator[tuple[int, int, Event]]:
            yield 1, 0, trades(1)[0]
            raise OSError("the journal cannot be read")

    sink = ListSink()
    with pytest.raises(OSError, match="the journal cannot be read"):
        asyncio.run(within(Spool(sink, [Broken([])], tmp_path / "x.json").run()))
    assert sink.ids == ["ab12:1:0"]
    assert saved(tmp_path / "x.json")["recorders"]["ab12"]["n"] == 1


def test_a_disk_that_takes_no_position_stops_nothing(tmp_path: Path) -> None:
    sink, path = ListSink(), tmp_path / "spool" / "x.json"

    async def run() -> None:
        watched, source = Watched(sink), ListSource(trades(50))
        spool = Spool(watched, [source], path, max_events=5)
        await spool.check()
        path.parent.write_text("a file where the folder should be")
        task = asyncio.create_task(spool.run())
        await watched.until(50)
        await spool.close()
        await task
        assert "the position is not saved" in spool.status.error

    asyncio.run(within(run()))
    assert sink.ids == ids(trades(50))


@pytest.mark.parametrize("text", ["", "{", '{"format": 1, "recorders": 7}', '{"format": 99}'])
def test_a_position_that_cannot_be_read_is_not_guessed(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SinkError, match=r"x\.json"):
        asyncio.run(Spool(ListSink(), [], path).check())
    assert path.read_text() == text


def test_check_says_what_cannot_be_mended_and_lets_the_rest_pass(tmp_path: Path) -> None:
    sink = ListSink()
    sink.is_away = True

    async def run() -> None:
        spool = Spool(sink, [ListSource(trades(3), finished=True)], tmp_path / "x.json")
        await spool.check()
        assert spool.status.error == "list: away"
        sink.is_away = False
        await spool.run()

    asyncio.run(within(run()))
    assert len(sink.ids) == 3
