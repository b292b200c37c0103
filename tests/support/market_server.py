"""A server with the seeded market and no connect limit, and the key of its funded account."""

from __future__ import annotations

from typing import Any

from okex_ws import Credentials
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.simulator.server import Server

KEY = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)


def market_server(**rules: Any) -> Server:
    def make(now: int) -> Exchange:
        return Exchange(SeededMarket(7, start=now), seed=7, now=now, rules=Rules(connects_per_s=0, **rules))

    return Server(make)
