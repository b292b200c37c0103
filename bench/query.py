"""A day of trades asked with SQL: how long it takes, of one recording and of two that saw the same.

    python bench/query.py [--trades 1500000]

Two cases of two: the second recorder lost one trade in a thousand; and both did, each others. Medians of five, store opened anew.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from okex_ws import store
from okex_ws.events import Trade
from okex_ws.store import TableWriter, prepare

DAY_MS = 86_400_000
START = 20_000 * DAY_MS
QUERIES = {
    "volume and average price": "SELECT count(*), sum(size), sum(price * size) / sum(size) FROM trades WHERE {where}",
    "candles of a minute": "SELECT time_bucket(INTERVAL 1 minute, time), arg_min(price, trade_id), max(price), min(price), "
    "arg_max(price, trade_id), sum(size) FROM trades WHERE {where} GROUP BY 1",
    "a hundred of them": "SELECT * FROM trades WHERE {where} AND trade_id BETWEEN 700000000 AND 700000099",
}
WHERE = "instrument = 'BTC-USDT' AND date = '2024-10-04'"


def record(root: Path, count: int, *, delay_ms: int, lost: int | None = None) -> None:
    """A day's trades, spread evenly; the `lost`-th of every thousand is missing."""
    prepare(root, now=1, software="bench")
    writer = TableWriter(root, f"{root.name}-0001")
    for number in range(count):
        if number % 1000 == lost:
            continue
        ts_ms = START + number * DAY_MS // count
        walk = number * 7919 % 1000
        trade = Trade(
            ts_recv=(ts_ms + delay_ms) * 1_000_000, channel="trades", ts_ms=ts_ms, instrument="BTC-USDT",
            trade_id=699_900_000 + number, price=60_000 + walk / 10, size=0.001 * (walk % 97 + 1),
            side="buy" if walk & 4 else "sell", count=1, sequence=number * 3,
        )  # fmt: skip
        writer.add(trade, number + 1, 0)
        if writer.is_full:
            writer.flush(1, number + 1)
    writer.flush(1, count)
    writer.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trades", type=int, default=1_500_000)
    count = options.parse_args().trades
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        record(root / "one", count, delay_ms=5)
        record(root / "two", count, delay_ms=6, lost=500)
        record(root / "three", count, delay_ms=6, lost=7)
        size = sum(path.stat().st_size for path in (root / "one").rglob("*.parquet"))
        print(f"{count:,} trades, {size / count:.1f} bytes each; {os.cpu_count()} cores at a load of {os.getloadavg()[0]:.1f}")
        print(f"\n{'':26} {'':>24} {'seconds':>8} {'CPU':>6}")
        for case, names in (("one", ["one"]), ("two, one whole", ["one", "two"]), ("two, both with losses", ["three", "two"])):
            for what, query in QUERIES.items():
                walls, cpus = [], []
                for _ in range(5):
                    wall, cpu = time.perf_counter(), time.process_time()
                    with store.open(*(root / name for name in names)) as opened:
                        opened.rows(query.format(where=WHERE))
                    walls.append(time.perf_counter() - wall)
                    cpus.append(time.process_time() - cpu)
                print(f"{case:26} {what:>24} {statistics.median(walls):8.2f} {statistics.median(cpus):6.2f}")


if __name__ == "__main__":
    main()
