"""V3 on one exchange: its paths."""

from __future__ import annotations

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.context import Context
from okex_ws.simulator.paths import ExchangePaths, PathEntry
from okex_ws.simulator.v3.connection import V3Connection


def register(context: Context, paths: ExchangePaths) -> None:
    """Register the path of V3."""

    def opened(number: int, conn_id: str, path: str, now: int, peer: str) -> ExchangeConnection:
        return V3Connection(context, number, conn_id, path, now, peer)

    paths.register("/ws/v3", PathEntry("v3", opened))
