"""V5Dialect: V5 on one exchange: its paths and its REST."""

from __future__ import annotations

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.context import Context
from okex_ws.simulator.paths import ExchangePaths, PathEntry
from okex_ws.simulator.v5.connection import V5Connection
from okex_ws.simulator.v5.gateway import OrderGateway
from okex_ws.simulator.v5.history import OrderHistory
from okex_ws.simulator.v5.pushes import AccountPushes
from okex_ws.simulator.v5.rest.router import RestRouter
from okex_ws.simulator.v5.services import V5Services
from okex_ws.simulator.v5.statements import Statements


class V5Dialect:
    """V5 on one exchange."""

    def __init__(self, context: Context, paths: ExchangePaths) -> None:
        history = OrderHistory(context)
        pushes = AccountPushes(context, history)
        statements = Statements(context, history)
        context.listeners[:0] = [history, statements, pushes]
        services = V5Services(context, history, pushes, OrderGateway(context), statements)
        self.rest = RestRouter(services)

        def opened(number: int, conn_id: str, path: str, now: int, peer: str) -> ExchangeConnection:
            return V5Connection(services, number, conn_id, path, now, peer)

        for name in ("public", "business", "private"):
            paths.register(f"/ws/v5/{name}", PathEntry(name, opened))
