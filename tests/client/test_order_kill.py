"""F15: kill -9 at every step of the order path, over real sockets: nothing placed twice, nothing forgotten.

OKEX_WS_KILL_LOOPS says how often (12).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Self

import pytest
from tests.support.order_kill_child import STEPS
from tests.support.paths import ROOT

from okex_ws.client.intents import IntentLog
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.simulator.server import Server

LOOPS = int(os.environ.get("OKEX_WS_KILL_LOOPS", "12"))
SETTLE_EVERY = 50


class Traders:
    """Lives of traders, one after another, forked off one process that is prepared for it."""

    process: asyncio.subprocess.Process

    def __init__(self, server: Server, log: Path) -> None:
        self.server, self.log = server, log

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.order_kill_child", stdin=pipe, stdout=pipe, cwd=ROOT, start_new_session=True
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # with a trader that may still live
        await self.process.communicate()

    async def life(self, step: str, count: int = 0) -> list[str]:
        """One trader until its end. Returns what it said, but for the orders it found open, which are compared at once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        words = (str(self.log), self.server.ws_url, self.server.rest_url, step, str(count))
        self.process.stdin.write(("\t".join(words) + "\n").encode())
        said = []
        async for line in self.process.stdout:
            text = line.decode().strip()
            word, _, rest = text.partition(" ")
            if word == "open":
                self._compare(*rest.split(" ") if " " in rest else (rest, ""))
            else:
                said.append(text)
            if word in ("dead", "ended"):
                return said
        raise AssertionError("the prepared process is gone")

    def _compare(self, prefix: str, found: str) -> None:
        """It knows every order that former processes left open. What it made itself since does not count."""
        left = self.server.exchange.engine.open_orders(DEMO_KEY.uid)
        forgotten = {order.order_id for order in left if not order.client_order_id.startswith(prefix)} - set(found.split(","))
        assert forgotten == set()


@pytest.mark.loops
def test_F15_kill_9_at_every_step_of_the_order_path(tmp_path: Path) -> None:
    async def main() -> dict[str, int]:
        def exchange(now: int) -> Exchange:
            market = SeededMarket(7, start=now, instruments=["BTC-USDT"], rate=0.1, levels=10)
            return Exchange(market, seed=7, now=now, rules=Rules(connects_per_s=0))

        log = tmp_path / "intents"
        async with Server(exchange) as server, Traders(server, log) as traders, asyncio.timeout(120 + 30 * LOOPS):
            for loop in range(LOOPS):
                # The 1st to 4th time at each step: in a new order, an amendment, a batch, a cancel.
                assert await traders.life(STEPS[loop % len(STEPS)], 1 + loop // len(STEPS) % 4) == ["dead"]
                if loop % SETTLE_EVERY == SETTLE_EVERY - 1 or loop == LOOPS - 1:
                    assert await traders.life("nowhere") == ["settled", "ended 0"]
                    kept = IntentLog(log)
                    assert kept.open == {}
                    kept.close()
                    for order in server.exchange.engine.open_orders(DEMO_KEY.uid):
                        server.exchange.engine.cancel(DEMO_KEY.uid, order, server.now())
            made: dict[str, int] = {}
            for order in server.exchange.engine.orders(DEMO_KEY.uid):
                made[order.client_order_id] = made.get(order.client_order_id, 0) + 1
            return made

    made = asyncio.run(main())
    assert len(made) >= LOOPS // 2
    assert set(made.values()) == {1}, "an order was placed twice"
