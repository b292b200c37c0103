"""Services of V5: what its connections and its REST share on one exchange."""

from __future__ import annotations

from dataclasses import dataclass

from okex_ws.simulator.context import Context
from okex_ws.simulator.v5.gateway import OrderGateway
from okex_ws.simulator.v5.history import OrderHistory
from okex_ws.simulator.v5.pushes import AccountPushes
from okex_ws.simulator.v5.statements import Statements


@dataclass(frozen=True, slots=True)
class V5Services:
    """Shared parts of V5 on one exchange."""

    context: Context
    history: OrderHistory
    pushes: AccountPushes
    gateway: OrderGateway
    statements: Statements
