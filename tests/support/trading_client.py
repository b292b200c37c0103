"""A client that trades over real sockets, and an exchange for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.virtual_trading import SPOT, SPREAD, SWAP

import okex_ws
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY, ApiKey
from okex_ws.simulator.server import Server


def exchange(*faults: str, **options: Any) -> Callable[[int], Exchange]:
    """An exchange for a Server: a market that trades, and these faults."""

    def made(now: int) -> Exchange:
        market = SeededMarket(7, start=now, instruments=[SPOT, SWAP, SPREAD], rate=0.5, levels=50)
        return Exchange(market, seed=7, now=now, faults=Faults(faults), **options)

    return made


def trading_client(server: Server, key: ApiKey = DEMO_KEY, **options: Any) -> okex_ws.Client:
    site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
    credentials = okex_ws.Credentials(key.key, key.secret, key.passphrase)
    return okex_ws.Client(site=site, credentials=credentials, trading=okex_ws.Trading(**options), backoff_s=(0.05, 0.2), seed=1)
