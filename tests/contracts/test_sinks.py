"""Contract of every sink: all kinds arrive with their fields, none is lost or repeated, no caller waits for a dead server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import msgspec
import pytest
from tests.support.sink_samples import ListSource, Patience, Watched, batch, every_kind, trades
from tests.support.sink_targets import JsonlTarget, Target, expected, target, those, within

from okex_ws import events
from okex_ws.sinks import Spool

__all__ = ["target"]

HUGE = 2**70


def by_id(row: dict[str, object]) -> tuple[str, int, int]:
    recorder, n, i = str(row["id"]).rsplit(":", 2)
    return recorder, int(n), int(i)


def test_every_kind_arrives_with_its_fields(target: Target) -> None:
    sent = batch(every_kind())

    async def run() -> None:
        sink = target.sink()
        await sink.open()
        await sink.put(sent)
        await sink.close()

    asyncio.run(run())
    assert sorted(target.rows(), key=by_id) == expected(sent)


def test_delivered_again_it_is_stored_once(target: Target) -> None:
    sent = batch(trades(40)) + batch(trades(20, instrument="ETH-USDT"), "cd34")

    async def run() -> None:
        sink = target.sink()
        await sink.open()
        await sink.put(sent[:30])
        await sink.put(sent[:30])
        await sink.put(sent[10:])  # cut differently, as after a restart
        if target.remembers:
            await sink.close()
            sink = target.sink()
            await sink.open()
        await sink.put(sent)
        await sink.close()
        await sink.open()
        await sink.close()

    asyncio.run(run())
    assert sorted(target.rows(), key=by_id) == sorted(expected(sent), key=by_id)


def test_special_characters_and_sizes(target: Target) -> None:
    odd = ["BTC/USDT T.*>~", "ÜÑ-日本-🚀", "a'b\"c\\d", "one\ttwo", "*.>", "../..", "%s {0} $1", "; DROP TABLE trades; --"]
    sent = batch(
        [
            *(trade for name in odd for trade in trades(1, instrument=name)),
            events.Notice(ts_recv=1, line="public/0", code="64008", message='O\'Hara, "quoted" \x1b[31m 🚀'),
            events.Notice(ts_recv=2, line="public/0", message="a NUL \x00 inside"),
            events.ConnectionCount(ts_recv=3, line="x", count=HUGE),
            events.GenericPush(ts_recv=4, channel="x" * 300, arg={"instId": "\x00"}, row=["\u2028", {"'": 1e-300}]),
            events.Malformed(ts_recv=5, raw=bytes(range(256)) * 4),
            *trades(1, first=2**62),
        ]
    )

    async def run() -> None:
        sink = target.sink()
        await sink.open()
        await sink.put(sent)
        await sink.put(sent)
        await sink.close()

    asyncio.run(run())
    assert sorted(target.rows(), key=by_id) == expected(sent)


@those(can_break=True)
def test_it_dies_and_returns_and_nothing_is_lost(target: Target) -> None:
    items = trades(900)

    async def run() -> None:
        source, sink, patience = ListSource(items[:300]), Watched(target.sink()), Patience()
        spool = Spool(sink, [source], target.folder / "spool" / "x.json", sleep=patience.sleep, max_events=100, luck=lambda: 0.5)
        task = asyncio.create_task(spool.run())
        await sink.until(300)
        target.kill()
        source.more(items[300:])
        await within(patience.until_waiting())
        status = spool.status
        assert status.state == "waiting"
        assert status.error.startswith(sink.url)
        assert "\n" not in status.error
        assert status.held <= 200
        assert source.told <= 300 + 201  # the rest has not been read: the journal keeps it
        assert status.behind_records >= 300
        target.mend()
        patience.let_go()
        await sink.until(900)
        assert spool.status.error == ""
        await spool.close()
        await within(task)

    asyncio.run(run())
    assert [by_id(row) for row in target.rows()] == [("ab12", n, 0) for n in range(1, 901)]


@those(can_break=True)
def test_killed_again_and_again_in_the_middle_of_batches(target: Target) -> None:
    items, dice = trades(3000), Random(7)

    async def run() -> None:
        source, sink = ListSource(items), Watched(target.sink())
        path = target.folder / "x.json"
        spool = Spool(sink, [source], path, sleep=lambda _: asyncio.sleep(0.01), max_events=40, put_timeout_s=5)
        task = asyncio.create_task(spool.run())
        for k in range(5):
            await sink.until(400 * k + dice.randrange(300) + 1)
            await asyncio.to_thread(target.kill)
            for _ in range(dice.randrange(50)):
                await asyncio.sleep(0)
            await asyncio.to_thread(target.mend)
        await sink.until(3000)
        await spool.close()
        await within(task)

    asyncio.run(run())
    ids = [by_id(row) for row in target.rows()]
    assert sorted(ids) == [("ab12", n, 0) for n in range(1, 3001)]


@those(can_hang=True)
def test_it_hangs_and_goes_on_and_nothing_is_doubled(target: Target) -> None:
    items = trades(3000)

    async def run() -> None:
        source, sink, patience = ListSource(items[:100]), Watched(target.sink()), Patience()
        spool = Spool(sink, [source], target.folder / "x.json", sleep=patience.sleep, max_events=1500)
        task = asyncio.create_task(spool.run())
        await sink.until(100)
        target.pause()
        spool._put_timeout_s, patient = 0.3, spool._put_timeout_s
        source.more(items[100:])
        await within(patience.until_waiting())
        assert spool.status.held <= 3000
        spool._put_timeout_s = patient
        target.resume()
        patience.let_go()
        await sink.until(3000)
        await spool.close()
        await within(task)

    asyncio.run(run())
    assert sorted(by_id(row) for row in target.rows()) == [("ab12", n, 0) for n in range(1, 3001)]


@those(remembers=True)
def test_a_recorder_that_died_with_an_old_position_doubles_nothing(target: Target) -> None:
    items = trades(500)
    path = target.folder / "x.json"

    async def run(count: int, size: int) -> None:
        source, sink = ListSource(items[:count], finished=True), Watched(target.sink())
        await within(Spool(sink, [source], path, max_events=size).run())

    asyncio.run(run(400, 37))
    saved = msgspec.json.decode(path.read_bytes())
    saved["recorders"]["ab12"] = {"n": 123, "i": 0, "is_finished": False}
    path.write_bytes(msgspec.json.encode(saved))
    asyncio.run(run(500, 53))
    assert sorted(by_id(row) for row in target.rows()) == [("ab12", n, 0) for n in range(1, 501)]


@those(can_hang=True)
def test_close_takes_no_time_even_when_the_target_hangs(target: Target) -> None:

    async def run() -> None:
        source, sink = ListSource(trades(50)), Watched(target.sink())
        spool = Spool(sink, [source], target.folder / "x.json")
        task = asyncio.create_task(spool.run())
        await sink.until(50)
        target.pause()
        source.more(trades(5000, first=51))
        await asyncio.sleep(0)
        try:
            await within(spool.close())
            assert task.done()
        finally:
            target.resume()

    asyncio.run(run())
    assert sorted(by_id(row) for row in target.rows())[:50] == [("ab12", n, 0) for n in range(1, 51)]


def test_a_file_is_whole_after_a_batch_that_did_not_fit(tmp_path: Path) -> None:
    target = JsonlTarget(tmp_path)
    sent = batch(trades(200))

    async def run() -> None:
        sink = target.sink()
        await sink.open()
        await sink.put(sent[:50])
        target.kill()
        with pytest.raises(Exception, match=r"events\.jsonl: .*large"):
            await sink.put(sent[50:])
        target.mend()
        assert len(target.rows()) == 50
        await sink.put(sent[50:])
        await sink.close()

    try:
        asyncio.run(run())
    finally:
        target.end()
    assert target.rows() == expected(sent)
