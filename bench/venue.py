"""The exchange of the order benchmark: the simulator on real sockets, a quiet market, no limits on orders.

Run as a process of its own: prints its URLs and its authority's file on one line, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import sys

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

INSTRUMENT = "BTC-USDT"


def venue(now: int) -> Exchange:
    market = SeededMarket(7, start=now, instruments=[INSTRUMENT, "BTC-USDT-SWAP"], rate=0.05, levels=50)
    return Exchange(market, seed=7, now=now, rules=Rules(order_limits=False, rest_limits="off"))


async def main() -> None:
    async with Server(venue, tls=True) as server:
        print(server.ws_url, server.rest_url, server.ca_file, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
