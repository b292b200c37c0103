"""What a recorder wrote, replayed from the disk, is what its consumers saw: gaps, fetched trades and all."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.waiting import attended

import okex_ws
from okex_ws.events import Event, Recovered, Trade
from okex_ws.journal import JournalReader
from okex_ws.recorder.recorder import Recorder
from okex_ws.replay import played
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.store import verify

FAULTS = ["drop channel=trades every=7", "abort at=15s", "drop channel=books action=update every=31", "rest_error nth=2"]


async def _record(folder: Path) -> tuple[str, list[Event]]:
    said: list[Event] = []
    recovered = asyncio.Event()

    def exchange(now: int) -> Exchange:
        return Exchange(SeededMarket(5, start=now, levels=60), seed=5, now=now, faults=Faults.parse(FAULTS))

    async with attended(exchange, speed=10) as server, asyncio.timeout(240):
        site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
        recorder = Recorder(folder, site=site, backoff_s=(0.01, 0.05), table_flush_s=0.5, flush_within_s=0.2)
        recorder.client.on(Event, said.append)
        late = server.exchange.start + 30 * 10**9
        recorder.client.on(Recovered, lambda _: recovered.set() if server.exchange.now > late else None)
        for channel in ("trades", "books", "tickers"):
            recorder.client.subscribe(channel, "BTC-USDT")
        async with recorder:
            running = asyncio.create_task(recorder.run())
            await recovered.wait()
            recorder.stop()
            await running
    return recorder.name, said


def test_E12_replay_of_a_recording_says_what_was_said(tmp_path: Path) -> None:
    name, said = asyncio.run(_record(tmp_path / "data"))
    reader = JournalReader(tmp_path / "data" / "journal" / name)
    again = [place.event for place in played(reader.records())]
    assert reader.problems == []
    assert any(isinstance(event, Trade) and event.backfilled for event in said)
    differing = [(one, other) for one, other in zip(said, again, strict=False) if one != other]
    assert (len(said), differing[:2]) == (len(again), [])
    assert verify.verify_path(tmp_path / "data").is_clean
