"""Orders: from request to ack, from fill to event, CPU per request, beside python-okx; and how many the simulator matches.

    python bench/orders.py [--turns 80] [--rounds 3] [--per-second 8]

Every trader talks to the same simulated exchange over TLS on the loopback (python-okx speaks nothing else), pinned to one
core with the exchange on another, interleaved round by round. The pace keeps within OKX's limits, which our client keeps by
itself. Matching is measured in memory: on the floor alone, and with the JSON of requests, acks and pushes around it.

They do not do the same. python-okx writes the request and hands over text, of which the bench reads the JSON: what an answer or a
push means, lost answers, rounding and limits are left to its caller. Ours rounds to the instrument's steps, asks the guard, keeps
within the rate limits, makes one verdict of ack and pushes, keeps orders, fills, balances and positions as typed events in
Decimal, renews cancel-all-after over REST every 5 s, and looks for the halt file; with the intent log it also waits for the disk
(fdatasync) before each request. At this pace more than half of the CPU, everybody's, is the price of waking up with cold caches.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import ApiKey, Rules
from okex_ws.simulator.v5.connection import V5Connection

HERE = Path(__file__).parent
FOREIGN = HERE.parent / ".cache" / "foreign-venv" / "bin" / "python"
TRADERS = ("okex-websocket", "okex-websocket, intent log", "python-okx")
START = 1_790_000_000_000_000_000
INSTRUMENT = "BTC-USDT"
FUNDS = {"USDT": Decimal(10**9), "BTC": Decimal(10**5)}
KEYS = tuple(ApiKey(name, "NOT-A-REAL-SECRET", "p", uid=name, funds=FUNDS) for name in ("maker", "taker"))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int, default=80)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--per-second", type=float, default=8.0)
    options.add_argument("--matched", type=int, default=20_000, help="orders for the matching measurement")
    chosen = options.parse_args()
    results: dict[str, list[dict[str, list[float]]]] = {}
    for _ in range(chosen.rounds):
        for name in TRADERS:
            outcome = run(name, chosen.turns, chosen.per_second)
            if outcome is not None:
                results.setdefault(name, []).append(outcome)
    show(results)
    print(f"\nfloor alone           {floor_alone(chosen.matched):10,.0f} orders/s")
    print(f"with JSON and pushes  {with_json(chosen.matched):10,.0f} orders/s")
    return 0


def run(name: str, turns: int, per_second: float) -> dict[str, list[float]] | None:
    python = str(FOREIGN) if name.startswith("python-okx") else sys.executable
    if not Path(python).exists():
        print(f"{name}: not measured; `make test` makes its environment in .cache/foreign-venv")
        return None
    command = [sys.executable, str(HERE / "venue.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as venue:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(venue.pid, {1})
        assert venue.stdout is not None
        assert venue.stdin is not None
        urls = venue.stdout.readline().split()
        done = subprocess.run(
            [python, "-W", "ignore", str(HERE / "traders.py"), name, *urls, str(turns), str(per_second)],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {0}),
            env={**os.environ, "SSL_CERT_FILE": urls[2]},
        )
        venue.stdin.close()
        venue.wait(30)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    outcome: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def show(results: dict[str, list[dict[str, list[float]]]]) -> None:
    heads = ("ack p50", "ack p99", "cancel p50", "cancel p99", "fill p50", "fill p99", "CPU/request")
    print(f"{'µs':28}" + "".join(f"{head:>12}" for head in heads))
    for name, rounds in results.items():
        cells = []
        for what in ("ack", "cancel", "fill"):
            times = sorted(each for outcome in rounds for each in outcome[what])
            cells += [statistics.median(times), times[int(len(times) * 0.99)]]
        cells.append(statistics.median(each for outcome in rounds for each in outcome["cpu"]))
        print(f"{name:28}" + "".join(f"{cell * 1e6:12.0f}" for cell in cells))


def exchange() -> tuple[Exchange, str]:
    """An exchange whose market stands still, and a price inside its spread."""
    market = SeededMarket(7, start=START, instruments=[INSTRUMENT], rate=0.01, levels=20)
    venue = Exchange(market, seed=7, now=START, rules=Rules(order_limits=False), keys=KEYS)
    book = market.book(INSTRUMENT, 1)
    assert book is not None
    price = Decimal(book["asks"][0][0]) - Decimal("0.1")
    assert price > Decimal(book["bids"][0][0])
    return venue, str(price)


def floor_alone(count: int) -> float:
    """Orders a second of CPU: one rests, the next takes it, from two accounts."""
    venue, price = exchange()
    floor, fixed = venue.engine, Decimal(price)
    began = time.process_time()
    for number in range(count):
        is_maker = number % 2 == 0
        new = NewOrder(INSTRUMENT, "sell" if is_maker else "buy", "limit", Decimal("0.01"), fixed)
        floor.place("maker" if is_maker else "taker", new, START + number)
        floor.take()
    elapsed = time.process_time() - began
    assert sum(order.state == "filled" for order in floor.orders("taker")) == count // 2
    return count / elapsed


def with_json(count: int) -> float:
    """The same through two logged-in lines that also listen to their orders and balances."""
    venue, price = exchange()
    code = venue.instruments("SPOT")[0]["instIdCode"]
    lines = []
    for key in KEYS:
        line = venue.open("/ws/v5/private", START)
        assert isinstance(line, V5Connection)
        line.account = key
        args = [{"channel": "orders", "instType": "ANY"}, {"channel": "account"}, {"channel": "balance_and_position"}]
        line.receive(json.dumps({"op": "subscribe", "args": args}).encode(), START)
        lines.append(line)
    requests = []
    for side in ("sell", "buy"):
        order = {"instIdCode": code, "tdMode": "cash", "side": side, "ordType": "limit", "px": price, "sz": "0.01"}
        requests.append(json.dumps({"id": "1", "op": "order", "args": [order]}).encode())
    began = time.process_time()
    for number in range(count):
        lines[number % 2].receive(requests[number % 2], START + number)
        for line in lines:
            line.take()
    elapsed = time.process_time() - began
    assert len(venue.engine.executions("taker")) == count // 2
    return count / elapsed


if __name__ == "__main__":
    sys.exit(main())
