"""OrderHistory: what V5's order rows and reads need beside the engine: bills, last fills, origins, hidden orders.

In: what the engine did. Out: facts about an order. Sources: OKX V5 docs, "GET / Transaction details", "Order channel".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.engine.orders import BY_CLIENT, Execution, Order, OrderChanged, Origin
from okex_ws.simulator.engine.trading import TradingListener

_KEPT_FILLS = 100_000


class OrderHistory(TradingListener):
    """History of one exchange's orders."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_fills: dict[str, Execution] = {}
        self._bills: dict[str, list[tuple[int, Execution]]] = {}
        self._bill_count = 600_000_000_000
        self._hidden: dict[str, tuple[int, int]] = {}  # order id -> (lookups that still miss it, until which age; 0: any)

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Keep the fills."""
        for event in events:
            if isinstance(event, OrderChanged) and event.execution is not None:
                self._note_fill(event.uid, event.execution)

    def _note_fill(self, uid: str, execution: Execution) -> None:
        self._last_fills[execution.order.order_id] = execution
        if len(self._last_fills) > _KEPT_FILLS:
            del self._last_fills[next(iter(self._last_fills))]
        self._bill_count += 2  # the bill of the other currency of a SPOT fill has the number after
        bills = self._bills.setdefault(uid, [])
        bills.append((self._bill_count, execution))
        if len(bills) > _KEPT_FILLS:
            del bills[: _KEPT_FILLS // 2]

    def next_bill(self) -> int:
        """Return the number of a bill that no fill has caused."""
        self._bill_count += 2
        return self._bill_count

    def bills(self, uid: str) -> list[tuple[int, Execution]]:
        """Return (bill id, execution) of an account's fills, oldest first."""
        return self._bills.get(uid, [])

    def last_fill(self, order: Order) -> Execution | None:
        """Return the last execution of an order."""
        return self._last_fills.get(order.order_id)

    def origin(self, order: Order) -> Origin:
        """Return the source of an order and the error of the exchange's clock at its creation (fault clock_skew)."""
        origin = self._context.trading.algos.origins.get(order.order_id, BY_CLIENT)
        skew = self._context.clock(order.created) - order.created
        return dataclasses.replace(origin, skew=skew) if skew else origin

    def is_hidden(self, order: Order, now: int) -> bool:
        """True if this lookup does not find the order yet (fault hide_order). Counts the lookup."""
        faults = self._context.faults
        if not faults.has("lookup"):
            return False
        if order.order_id not in self._hidden:
            found = faults.due("lookup", now, 0, key=order.instrument, path="rest")
            self._hidden[order.order_id] = max(
                ((fault.options["lookups"], fault.options["seconds"]) for fault in found), default=(0, 0)
            )
        lookups, age = self._hidden[order.order_id]
        if not lookups or (age and now >= order.created + age):
            return False
        self._hidden[order.order_id] = (lookups - 1, age)
        self._context.note("hide_order", now, "", "lookup", order.instrument, order.order_id)
        return True
