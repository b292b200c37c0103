"""Recorders compared, each a process of its own: `python recorders.py NAME PORT FOLDER`; prints what it cost."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

SUBSCRIBE = '{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'
CHANNELS = ("books", "bbo-tbt", "trades", "tickers")


class Meter:
    """What a recorder costs, from here on: CPU, wall and resident memory, looked at every half second."""

    def __init__(self) -> None:
        self._resident: list[float] = []
        self._watch = asyncio.get_running_loop().create_task(self._sample())
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def report(self, messages: int, rows: int, folder: Path) -> None:
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        self._watch.cancel()
        seen = self._resident
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        resident = [seen[len(seen) // 4], seen[len(seen) // 2], seen[-1]]
        found = {"messages": messages, "rows": rows, "cpu": cpu, "wall": wall, "bytes": size, "resident": resident}
        print(json.dumps(found), flush=True)

    async def _sample(self) -> None:
        while True:
            self._resident.append(resident_mb())
            await asyncio.sleep(0.5)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def okex_websocket(port: int, folder: Path) -> None:
    """Journal with fsync every second, Parquet tables, ledgers: everything the recorder promises."""
    import okex_ws
    from okex_ws.events import Unrecognized
    from okex_ws.recorder.recorder import Recorder

    async def read() -> None:
        recorder = Recorder(folder, site=okex_ws.Site.at(f"ws://127.0.0.1:{port}"), fetches_back=False)
        for channel in CHANNELS:
            recorder.client.subscribe(channel, "BTC-USDT", "BTC-USDT-SWAP")
        recorder.client.on(Unrecognized, lambda _: recorder.stop())
        meter = Meter()
        async with recorder:
            await recorder.run()
        status = recorder.status()
        assert status.acknowledged == status.last == status.committed
        meter.report(status.frames - 1, status.rows, folder)

    asyncio.run(read())


def _by_hand(port: int, folder: Path, keep: Callable[[list[list[object]]], None]) -> None:
    """websockets, json and a list of rows: what one writes in an afternoon. No gaps noticed, no fsync, no way back."""
    import websockets

    async def read() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws/v5/public", max_size=2**24, ping_interval=None) as line:
            await line.send(SUBSCRIBE)
            messages = rows = 0
            batch: list[list[object]] = []
            meter = Meter()
            async for text in line:
                message = json.loads(text)
                if message.get("event") == "end":
                    break
                if "data" not in message:
                    continue
                messages += 1
                arg = message["arg"]
                for row in message["data"]:
                    levels = json.dumps([row.get("bids"), row.get("asks")]) if "bids" in row else row.get("px", row.get("last"))
                    batch.append([time.time_ns(), arg["channel"], arg["instId"], row.get("ts"), row.get("tradeId"), levels])
                rows += len(message["data"])
                if len(batch) >= 1000:
                    keep(batch)
                    batch = []
            keep(batch)
            meter.report(messages, rows, folder)

    asyncio.run(read())


def by_hand_csv(port: int, folder: Path) -> None:
    folder.mkdir()
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        _by_hand(port, folder, writer.writerows)


def by_hand_sqlite(port: int, folder: Path) -> None:
    folder.mkdir()
    base = sqlite3.connect(folder / "rows.db")
    base.execute("create table rows (recv, channel, instrument, ts, id, value)")

    def keep(batch: list[list[object]]) -> None:
        base.executemany("insert into rows values (?, ?, ?, ?, ?, ?)", batch)
        base.commit()

    _by_hand(port, folder, keep)


RECORDERS: dict[str, Callable[[int, Path], None]] = {
    "okex-ws record": okex_websocket,
    "websockets + json + csv": by_hand_csv,
    "websockets + json + sqlite": by_hand_sqlite,
}

if __name__ == "__main__":
    RECORDERS[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
