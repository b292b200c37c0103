"""The ten lines of docs/from-the-2018-demo.md do the demo's job: subscription, pongs, price and time, through a restart."""

from __future__ import annotations

import asyncio
import re
import signal
import sys

from tests.support.looped import looped
from tests.support.paths import ROOT
from tests.support.shell import CLEAN

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

PAGE = ROOT / "docs" / "from-the-2018-demo.md"


def script() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def exchange(now: int) -> Exchange:
    market = SeededMarket(7, start=now, instruments=("BTC-USD-SWAP",), levels=20)
    return Exchange(market, seed=7, now=now, rules=Rules(connects_per_s=0))


def test_it_has_ten_lines_at_most() -> None:
    assert sum(bool(line.strip()) for line in script().splitlines()) <= 10


@looped
async def test_it_prints_subscription_pongs_every_trade_price_and_time_through_a_restart() -> None:
    # Its own words, only quicker: a demo's 30 s and 3 s are too long for a test.
    quick = "from okex_ws.protocol.session import Timing\n" + script()
    pings = ('dialect="v1"', 'dialect="v1", timing=Timing(ping_after_s=0.2)')
    for slow, fast in (("asyncio.sleep(3)", "asyncio.sleep(0.1)"), pings):
        assert slow in quick
        quick = quick.replace(slow, fast)
    async with Server(exchange, speed=10) as first:
        port = first.port
        command = [sys.executable, "-u", "-c", quick, f"{first.ws_url}/ws/v1"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=CLEAN
        )
        assert process.stdout is not None
        lines: list[str] = []

        async def until(*wanted: str) -> None:
            """Read on until each of these was seen from here on."""
            missing = list(wanted)
            while missing:
                line = (await process.stdout.readline()).decode()  # type: ignore[union-attr]
                assert line, (lines, await process.stderr.read())  # type: ignore[union-attr]
                lines.append(line)
                missing = [pattern for pattern in missing if re.match(pattern, line) is None]

        price_and_time = r"\d{5}(\.\d+)? \w{3} \w{3} .\d \d\d:\d\d:\d\d \d{4}$"
        try:
            await until(r"Subscribed\(.*'trades', key='BTC-USD-QUARTER'")
            assert "pong\n" not in lines, "before there was a ping"
            await until(r"pong$", r"Trade\(", price_and_time)
            await first.stop()
            async with Server(exchange, port=port, speed=10):
                await until(r"Disconnected\(", r"Subscribed\(", r"pong$", r"Trade\(", price_and_time)
                process.send_signal(signal.SIGINT)
                _, complaints = await process.communicate()
                assert (process.returncode, complaints) == (0, b""), "Ctrl-C ends cleanly"
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
    trades = [line for line in lines if line.startswith("Trade(")]
    assert len(trades) == len(set(trades)) > 10, "every one, and none twice"
