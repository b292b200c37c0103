"""Order requests of one V5 connection: from the envelope to the ack.

In: a request. Out: one reply, before or after the pushes that it causes. Sources: OKX V5 docs, "WS / Place order" and its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.context import Context
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.gateway import OrderGateway, OrderSource
from okex_ws.simulator.v5.grammar import V5Request, refused
from okex_ws.simulator.v5.order_grammar import Op

_MICROSECOND = 1_000


class OrderRequests:
    """Order requests of one connection. acknowledge: sends a reply (verb, frame, now)."""

    def __init__(
        self,
        context: Context,
        gateway: OrderGateway,
        connection: ExchangeConnection,
        acknowledge: Callable[[str, bytes, int], None],
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._connection = connection
        self._acknowledge = acknowledge

    def handle(self, request: V5Request, op: Op, now: int) -> None:
        """Handle one request. Raises ApiError 60028 (wrong path), 60011 (no login)."""
        connection = self._connection
        if op.path != connection.path:
            raise refused("60028")
        if connection.account is None:
            raise refused("60011")
        source = OrderSource(connection.account, connection.path, connection.number)
        faults = self._gateway.faults(source, op, request.args, now)
        if "order_lost" in faults:
            if faults["order_lost"].options["drop"]:
                connection.apply_fault(Fault("abort"), now)
            return
        slow = faults.get("slow_order")
        if slow is None:
            self._answer(request, op, source, faults, now, now)
            return
        is_inside = bool(slow.options["inside"])
        self._context.timers.call_at(
            now + slow.options["seconds"],
            lambda then: self._answer(request, op, source, faults, now if is_inside else then, then),
        )

    def _answer(self, request: V5Request, op: Op, source: OrderSource, faults: dict[str, Fault], received: int, now: int) -> None:
        """Perform a request and reply. received: when the gateway had it."""
        outcome = self._gateway.perform(source, op, lambda: grammar.read_request(request, op), faults, received, now)
        code, message, rows = "0", "", list[Any]()
        error = outcome.given or outcome.error
        if error is not None:
            code, message = error.code, error.message
        else:
            code, rows = outcome.code, outcome.rows
        trading = self._context.trading
        if "order_then_drop" in faults:
            self._connection.apply_fault(Fault("abort"), now)
            trading.flush(now)
            return
        reply = grammar.reply(request.id, op.name, code, message, rows, received // _MICROSECOND, now // _MICROSECOND)
        if self._context.is_order_push_first():
            trading.flush(now)
            self._acknowledge(op.verb, reply, now)
        else:
            self._acknowledge(op.verb, reply, now)
            trading.flush(now)
