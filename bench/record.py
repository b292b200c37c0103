"""From socket to disk: CPU a message, messages a second on one core, bytes a message, and how fast a journal replays.

    python bench/record.py [--messages 200000] [--rounds 3] [--only books|trades] [--rate 30000]

Ours writes a journal (fsync every second), Parquet tables and ledgers; beside it, in the same run, what one writes by hand in an
afternoon. The reader is pinned to one core, the sender to another; interleaved, medians. "of one core" is messages by CPU time:
what one core takes when nobody else wants it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from okex_ws.journal import JournalReader
from okex_ws.replay import played
from recorders import RECORDERS
from sender import CHANNELS, stream, trades
from stream import describe, read

HERE = Path(__file__).parent


MIXES = {"mixed": CHANNELS, "books": ("books",), "trades": ("trades",)}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", choices=MIXES, default="mixed", help="which channels")
    options.add_argument("--rate", type=float, default=0, help="messages a second, one a packet; 0: as fast as taken")
    chosen = options.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    replays: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "stream.frames"
        texts = trades() if chosen.only == "trades" else stream(MIXES[chosen.only])
        with path.open("wb") as file:
            file.writelines(text + b"\n" for text in itertools.islice(texts, chosen.messages))
        with path.open("rb") as file:
            print(describe([line.rstrip() for line in itertools.islice(file, 40_000)]), "(the first 40,000)")
        for turn in range(chosen.rounds):
            for name in RECORDERS:
                folder = Path(place) / f"{turn}-{name.replace(' ', '-')}"
                recorder = [sys.executable, str(HERE / "recorders.py"), name]
                outcome = read(str(path), chosen.rate, name, recorder, str(folder))
                print(f"{name}: {outcome['wall']:.0f} s at a load of {os.getloadavg()[0]:.1f}", file=sys.stderr)
                results.setdefault(name, []).append(outcome)
                if (folder / "journal").exists():
                    replays.append(replay(folder / "journal"))
                shutil.rmtree(folder)
    show(results)
    rate, cpu = (statistics.median(values) for values in zip(*replays, strict=True))
    print(f"\nreplay of the journal, flat out: {rate:,.0f} events/s, {cpu * 1e6:.1f} µs CPU an event")
    return 0


def show(results: dict[str, list[dict[str, Any]]]) -> None:
    heads = ("CPU µs/message", "CPU µs/row", "messages/s", "of one core", "bytes/message", "resident MB at 1/4, 1/2, end")
    print(f"\n{'recorder':28} " + " ".join(f"{head:>14}" for head in heads))
    for name, rounds in results.items():
        cpu, row, rate, full, size = (
            statistics.median(r[a] / r[b] for r in rounds)
            for a, b in (("cpu", "messages"), ("cpu", "rows"), ("messages", "wall"), ("messages", "cpu"), ("bytes", "messages"))
        )
        resident = ", ".join(f"{mb:.0f}" for mb in rounds[-1]["resident"])
        print(f"{name:28} {cpu * 1e6:14.1f} {row * 1e6:14.1f} {rate:14,.0f} {full:14,.0f} {size:14.0f} {resident:>28}")


def replay(journal: Path) -> tuple[float, float]:
    """(messages a second, CPU seconds a message) of reading a journal back into events."""
    reader = JournalReader(next(journal.iterdir()))
    cpu, wall, count = time.process_time(), time.perf_counter(), 0
    for _ in played(reader.records()):
        count += 1
    return count / (time.perf_counter() - wall), (time.process_time() - cpu) / count


if __name__ == "__main__":
    sys.exit(main())
