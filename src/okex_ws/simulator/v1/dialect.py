"""V1 on one exchange: its paths."""

from __future__ import annotations

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.context import Context
from okex_ws.simulator.paths import ExchangePaths, PathEntry
from okex_ws.simulator.v1.connection import V1Connection


def register(context: Context, paths: ExchangePaths) -> None:
    """Register the paths of V1: deflated on `/ws/v1`, text on `/websocket` unless its query asks for compression."""

    def deflated(number: int, conn_id: str, path: str, now: int, peer: str) -> ExchangeConnection:
        return V1Connection(context, number, conn_id, path, now, peer)

    def text(number: int, conn_id: str, path: str, now: int, peer: str) -> ExchangeConnection:
        return V1Connection(context, number, conn_id, path, now, peer, is_deflated=False)

    paths.register("/ws/v1", PathEntry("v1", deflated, is_counted=False))
    paths.register("/websocket", PathEntry("v1", text, is_counted=False))
    paths.register("/websocket?compress=true", PathEntry("v1", deflated, is_counted=False))
