"""Spread REST: reads of spread orders and trades, and their cancel-all-after.

In: a Call. Out: rows. Source: OKX V5 docs, "Spread trading / REST API".
"""

from __future__ import annotations

from collections.abc import Callable

from okex_ws.simulator.market.base import MILLISECOND, SECOND
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5 import spread_grammar
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, integer, number


def _one(call: Call) -> Answer:
    order_id, client_order_id = grammar.read_identity(dict(call.query))
    order = call.trading.spreads.find(call.uid, order_id, client_order_id)
    if order is None:
        raise grammar.refused("51603")
    return [spread_grammar.order_row(order)]


def _listed(*, is_open: bool) -> Callable[[Call], Answer]:
    """Return the read of open or finished orders, newest first. beginId: newer than this order, endId: older."""

    def read(call: Call) -> Answer:
        query = call.query
        low = integer(query, "beginId") if "beginId" in query else 0
        high = integer(query, "endId") if "endId" in query else 1 << 63
        chosen = [
            order
            for order in call.trading.spreads.orders(call.uid)
            if order.is_open is is_open
            and query.get("sprdId", order.new.spread) == order.new.spread
            and low < int(order.order_id) < high
        ]
        return [spread_grammar.order_row(order) for order in chosen[: number(query, "limit", 100, 100)]]

    return read


def _trades(call: Call) -> Answer:
    query = call.query
    chosen = [
        fill
        for fill in call.trading.spreads.fills(call.uid)
        if query.get("sprdId", fill.order.new.spread) == fill.order.new.spread
        and query.get("ordId", fill.order.order_id) == fill.order.order_id
    ]
    return [spread_grammar.fill_row(fill) for fill in chosen[: number(query, "limit", 100, 100)]]


def _cancel_all_after(call: Call) -> Answer:
    given = grammar.text(call.fields(), "timeOut")
    if not given.isdigit() or not (int(given) == 0 or 10 <= int(given) <= 120):
        raise grammar.refused("51000", "timeOut")
    due = call.trading.cancel_all_after.arm_spreads(call.uid, int(given), call.now)
    return [{"triggerTime": str(due // MILLISECOND), "ts": str(call.now // MILLISECOND)}]


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "sprd/cancel-all-after"): Endpoint(_cancel_all_after, 1, SECOND, trades=True),
    ("GET", "sprd/order"): Endpoint(_one, 20),
    ("GET", "sprd/orders-pending"): Endpoint(_listed(is_open=True), 10),
    ("GET", "sprd/orders-history"): Endpoint(_listed(is_open=False), 20),
    ("GET", "sprd/trades"): Endpoint(_trades, 20),
}
"""(method, path below /api/v5/) -> endpoint. Orders are placed through trade.py."""
