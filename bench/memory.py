"""Memory of a client over many messages: `python bench/memory.py [5000000]`. Books are kept, a handler sees every event.

The sender makes the stream up as it goes, on another core; resident memory is read at every twentieth of the way.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import okex_ws
from okex_ws.events import Gap, Push, Unrecognized

HERE = Path(__file__).parent


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def read(port: str, messages: int) -> list[float]:
    client = okex_ws.Client(site=okex_ws.Site.at(f"ws://127.0.0.1:{port}"))
    for channel in ("books", "bbo-tbt", "trades", "tickers"):
        client.subscribe(channel, "BTC-USDT", "BTC-USDT-SWAP")
    done = asyncio.Event()
    seen = gaps = 0
    sizes: list[float] = []
    step = messages // 20

    def on_push(_: Push) -> None:
        nonlocal seen
        seen += 1
        if seen % step == 0:
            sizes.append(resident_mb())
            print(f"{seen:>10,} events  {sizes[-1]:7.1f} MB", flush=True)

    def on_gap(_: Gap) -> None:
        nonlocal gaps
        gaps += 1

    client.on(Push, on_push)
    client.on(Gap, on_gap)
    client.on(Unrecognized, lambda _: done.set())
    async with client:
        await done.wait()
    print(f"{seen:,} events, {gaps} gaps")
    return sizes


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, str(HERE / "sender.py"), str(messages)], stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        sizes = asyncio.run(read(sender.stdout.readline().strip(), messages))
    settled = sizes[len(sizes) // 4 :]
    print(f"after the first quarter: {min(settled):.1f} to {max(settled):.1f} MB, {settled[-1] - settled[0]:+.1f} MB end to end")
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
