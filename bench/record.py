"""From socket to disk: CPU a message, messages a second on one core, bytes a message, and how fast a journal replays.

    python bench/record.py [--messages 200000] [--rounds 3] [--book-heavy]

Ours writes a journal (fsync every second), Parquet tables and ledgers; beside it, in the same run, what one writes by hand in an
afternoon. The reader is pinned to one core, the sender to another; interleaved, medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from okex_ws.journal import JournalReader
from okex_ws.replay import played
from recorders import RECORDERS
from sender import BOOK_HEAVY, CHANNELS, frames
from stream import describe, read

HERE = Path(__file__).parent


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--book-heavy", action="store_true", help="books, trades and tickers only, without bbo-tbt")
    chosen = options.parse_args()
    texts = frames(BOOK_HEAVY if chosen.book_heavy else CHANNELS, chosen.messages)
    print(describe(texts))
    results: dict[str, list[dict[str, float]]] = {}
    replays: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "stream.frames"
        path.write_bytes(b"\n".join(texts))
        for turn in range(chosen.rounds):
            for name in RECORDERS:
                folder = Path(place) / f"{turn}-{name.replace(' ', '-')}"
                recorder = [sys.executable, str(HERE / "recorders.py"), name]
                results.setdefault(name, []).append(read(str(path), 0, name, recorder, str(folder)))
                if (folder / "journal").exists():
                    replays.append(replay(folder / "journal"))
    print(f"\n{'recorder':28} {'CPU µs/message':>15} {'messages/s':>12} {'bytes/message':>14} {'resident MB':>12}")
    for name, rounds in results.items():
        cpu, rate, size, resident = (
            statistics.median(r[a] / r[b] if b else r[a] for r in rounds)
            for a, b in (("cpu", "messages"), ("messages", "wall"), ("bytes", "messages"), ("resident", ""))
        )
        print(f"{name:28} {cpu * 1e6:15.1f} {rate:12,.0f} {size:14.0f} {resident:12.0f}")
    rate, cpu = (statistics.median(values) for values in zip(*replays, strict=True))
    print(f"\nreplay of the journal, flat out: {rate:,.0f} messages/s, {cpu * 1e6:.1f} µs CPU a message")
    return 0


def replay(journal: Path) -> tuple[float, float]:
    """(messages a second, CPU seconds a message) of reading a journal back into events."""
    reader = JournalReader(next(journal.iterdir()))
    cpu, wall, count = time.process_time(), time.perf_counter(), 0
    for _ in played(reader.records()):
        count += 1
    return count / (time.perf_counter() - wall), (time.process_time() - cpu) / count


if __name__ == "__main__":
    sys.exit(main())
