"""Recorders compared, each a process of its own: `python recorders.py NAME PORT FOLDER`; prints what it cost."""

from __future__ import annotations

import asyncio
import csv
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

SUBSCRIBE = '{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'
CHANNELS = ("books", "bbo-tbt", "trades", "tickers")


def report(messages: int, rows: int, cpu: float, wall: float, folder: Path, resident: float) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    found = {"messages": messages, "rows": rows, "cpu": cpu, "wall": wall, "bytes": size, "resident": resident}
    print(json.dumps(found), flush=True)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def okex_websocket(port: int, folder: Path) -> None:
    """Journal with fsync every second, Parquet tables, ledgers: everything the recorder promises."""
    import okex_ws
    from okex_ws.events import Unrecognized
    from okex_ws.recorder.recorder import Recorder

    async def read() -> None:
        recorder = Recorder(folder, site=okex_ws.at(f"ws://127.0.0.1:{port}"), fetches_back=False)
        for channel in CHANNELS:
            recorder.client.subscribe(channel, "BTC-USDT", "BTC-USDT-SWAP")
        recorder.client.on(Unrecognized, lambda _: recorder.stop())
        cpu, wall = time.process_time(), time.perf_counter()
        async with recorder:
            await recorder.run()
        status = recorder.status()
        assert status.acknowledged == status.last == status.committed
        report(status.frames - 1, status.rows, time.process_time() - cpu, time.perf_counter() - wall, folder, resident_mb())

    asyncio.run(read())


def _by_hand(port: int, folder: Path, keep: Callable[[list[list[object]]], None]) -> None:
    """websockets, json and a list of rows: what one writes in an afternoon. No gaps noticed, no fsync, no way back."""
    import websockets

    async def read() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws/v5/public", max_size=2**24) as line:
            await line.send(SUBSCRIBE)
            messages = rows = 0
            batch: list[list[object]] = []
            cpu, wall = time.process_time(), time.perf_counter()
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
            report(messages, rows, time.process_time() - cpu, time.perf_counter() - wall, folder, resident_mb())

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
