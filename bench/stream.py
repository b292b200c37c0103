"""CPU per message from socket to handler, and messages a second on one core, side by side with the peers.

    python bench/stream.py [--messages 40000] [--rounds 5] [--book-heavy] [--rate 3000]

Every stack reads the same bytes from the same sender over a loopback socket, pinned to one core with the sender on another,
interleaved round by round; medians. All keep books and read the touch after every book message. Ratios are what counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from readers import READERS
from sender import BOOK_HEAVY, CHANNELS, frames

HERE = Path(__file__).parent
FOREIGN = HERE.parent / ".cache" / "foreign-venv" / "bin" / "python"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=40_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--book-heavy", action="store_true", help="books, trades and tickers only, without bbo-tbt")
    options.add_argument("--rate", type=float, default=0, help="messages a second, one a packet; 0: as fast as taken")
    options.add_argument("--only", help="readers whose name contains this")
    chosen = options.parse_args()
    texts = frames(BOOK_HEAVY if chosen.book_heavy else CHANNELS, chosen.messages)
    print(describe(texts))
    with tempfile.NamedTemporaryFile(suffix=".frames") as file:
        Path(file.name).write_bytes(b"\n".join(texts))
        results: dict[str, list[dict[str, float]]] = {}
        for _ in range(chosen.rounds):
            for name in READERS:
                if chosen.only is None or chosen.only in name:
                    outcome = run(name, file.name, chosen.rate)
                    if outcome is not None:
                        results.setdefault(name, []).append(outcome)
    show(results)
    return 0


def describe(texts: list[bytes]) -> str:
    kinds: dict[str, int] = {}
    for text in texts:
        message = json.loads(text)
        if "data" in message:
            kinds[message["arg"]["channel"]] = kinds.get(message["arg"]["channel"], 0) + 1
    total = sum(kinds.values())
    mix = ", ".join(f"{name} {count / total:.0%}" for name, count in sorted(kinds.items(), key=lambda item: -item[1]))
    return f"{total} messages, {sum(map(len, texts)) / len(texts):.0f} bytes each on average: {mix}"


def run(name: str, path: str, rate: float) -> dict[str, float] | None:
    python = str(FOREIGN) if name.startswith("python-okx") else sys.executable
    if not Path(python).exists():
        print(f"{name}: not measured; `make test` makes its environment in .cache/foreign-venv")
        return None
    return read(path, rate, name, [python, str(HERE / "readers.py"), name])


def read(path: str, rate: float, name: str, reader: list[str], *more: str) -> dict[str, float]:
    """Run `reader PORT more...` on one core against a sender of these frames on another; returns what it reports."""
    command = [sys.executable, str(HERE / "sender.py"), path, str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(sender.pid, {1})
        assert sender.stdout is not None
        port = sender.stdout.readline().strip()
        done = subprocess.run(
            [*reader, port, *more],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {0}),
        )
        sender.wait(30)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    outcome: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def show(results: dict[str, list[dict[str, float]]]) -> None:
    tops = {name: json.dumps(rounds[0]["check"]) for name, rounds in results.items()}
    ours = statistics.median(r["cpu"] / r["messages"] for r in next(iter(results.values())))
    print(f"\n{'stack':28} {'CPU µs/message':>15} {'messages/s':>12} {'times ours':>11}")
    for name, rounds in results.items():
        cpu = statistics.median(r["cpu"] / r["messages"] for r in rounds)
        rate = statistics.median(r["messages"] / r["wall"] for r in rounds)
        print(f"{name:28} {cpu * 1e6:15.1f} {rate:12,.0f} {cpu / ours:11.1f}")
    print("\nbooks at the end agree" if len(set(tops.values())) == 1 else f"\nBOOKS DIFFER: {tops}")


if __name__ == "__main__":
    sys.exit(main())
