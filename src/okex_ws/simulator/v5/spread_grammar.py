"""Spread orders in OKX's words: what clients ask for, the rows of `sprd-orders` and `sprd-trades`, the reads of REST.

In: elements of requests, Calls, SpreadOrders and SpreadFills. Out: what is asked, rows. Sources: OKX V5 docs, "Spread
trading / REST API", "WS / Place order", "Order channel", "Trades channel".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from okex_ws.simulator.engine.spreads import NewSpreadOrder, SpreadExecution, SpreadOrder
from okex_ws.simulator.market.base import MILLISECOND, SECOND, stamp
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.order_grammar import OrderRequestRefused
from okex_ws.simulator.v5.order_rows import plain
from okex_ws.simulator.v5.rest.http import integer, number
from okex_ws.simulator.v5.rest.private import Answer, Call, Endpoint

_TYPES = ("limit", "post_only", "ioc", "market")


def read_new(arg: dict[str, Any]) -> NewSpreadOrder:
    """A new spread order. Raises OrderRequestRefused 50014, 51000."""
    given = {name: grammar.text(arg, name) for name in ("sprdId", "side", "ordType")}
    for name in ("sprdId", "side", "ordType"):
        if not given[name]:
            raise OrderRequestRefused("50014", name)
    for name, options in (("side", ("buy", "sell")), ("ordType", _TYPES)):
        if given[name] not in options:
            raise OrderRequestRefused("51000", name)
    size, price = grammar.number(arg, "sz"), grammar.number(arg, "px", signed=True)
    if not size:
        raise OrderRequestRefused("50014", "sz")
    if price is None and given["ordType"] != "market":
        raise OrderRequestRefused("50014", "px")
    price = None if given["ordType"] == "market" else price
    name, tag = grammar.identity(arg, "clOrdId"), grammar.identity(arg, "tag", 16)
    return NewSpreadOrder(given["sprdId"], given["side"], given["ordType"], size, price, name, tag)


def order_row(order: SpreadOrder, fill: SpreadExecution | None = None, request_id: str = "") -> dict[str, Any]:
    """A spread order as `sprd-orders` pushes it and REST lists it; fees are told with its trades alone."""
    left = order.size - order.filled
    return {
        "sprdId": order.new.spread,
        "ordId": order.order_id,
        "clOrdId": order.new.client_order_id,
        "tag": order.new.tag,
        "px": plain(order.price),
        "sz": plain(order.size),
        "ordType": order.new.order_type,
        "side": order.new.side,
        "fillSz": plain(fill.size) if fill else "",
        "fillPx": plain(fill.price) if fill else "",
        "tradeId": str(fill.trade_id) if fill else "",
        "accFillSz": plain(order.filled),
        "pendingFillSz": plain(left) if order.is_open else "0",
        "pendingSettleSz": "0",
        "canceledSz": plain(left) if order.cancel_source else "0",
        "state": order.state,
        "avgPx": plain((order.turnover / order.filled).normalize()) if order.filled else "",
        "cancelSource": order.cancel_source,
        "uTime": stamp(order.updated),
        "cTime": stamp(order.created),
        "code": "0",
        "msg": "",
        "reqId": request_id,
        "amendResult": "0" if request_id else "",
    }


def fill_row(fill: SpreadExecution) -> dict[str, Any]:
    """A fill as `sprd-trades` pushes it and REST lists it, with both legs."""
    asked = fill.order.new
    legs = [
        {
            "instId": leg.instrument,
            "px": plain(leg.price),
            "sz": plain(leg.size),
            "szCont": plain(leg.contracts),
            "side": leg.side,
            "fillPnl": plain(leg.profit),
            "fee": plain(leg.fee),
            "feeCcy": leg.fee_currency,
            "tradeId": str(leg.trade_id),
        }
        for leg in fill.legs
    ]
    return {
        "sprdId": asked.spread,
        "tradeId": str(fill.trade_id),
        "ordId": fill.order.order_id,
        "clOrdId": asked.client_order_id,
        "tag": asked.tag,
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.size),
        "side": asked.side,
        "state": "filled",
        "execType": fill.liquidity,
        "ts": stamp(fill.at),
        "legs": legs,
        "code": "",
        "msg": "",
    }


def _one(call: Call) -> Answer:
    order_id, client_order_id = grammar.read_identity(dict(call.query))
    order = call.exchange.desk.spreads.find(call.uid, order_id, client_order_id)
    if order is None:
        raise OrderRequestRefused("51603")
    return [order_row(order)]


def _listed(*, is_open: bool) -> Callable[[Call], Answer]:
    """Orders that may trade, or finished ones, newest first; beginId=: newer than this order, endId=: older than it."""

    def act(call: Call) -> Answer:
        query = call.query
        low = integer(query, "beginId") if "beginId" in query else 0
        high = integer(query, "endId") if "endId" in query else 1 << 63
        chosen = [
            order
            for order in call.exchange.desk.spreads.orders(call.uid)
            if order.is_open is is_open
            and query.get("sprdId", order.new.spread) == order.new.spread
            and low < int(order.order_id) < high
        ]
        return [order_row(order) for order in chosen[: number(query, "limit", 100, 100)]]

    return act


def _trades(call: Call) -> Answer:
    query = call.query
    chosen = [
        fill
        for fill in call.exchange.desk.spreads.fills(call.uid)
        if query.get("sprdId", fill.order.new.spread) == fill.order.new.spread
        and query.get("ordId", fill.order.order_id) == fill.order.order_id
    ]
    return [fill_row(fill) for fill in chosen[: number(query, "limit", 100, 100)]]


def _cancel_all_after(call: Call) -> Answer:
    given = grammar.text(call.fields(), "timeOut")
    if not given.isdigit() or not (int(given) == 0 or 10 <= int(given) <= 120):
        raise OrderRequestRefused("51000", "timeOut")
    due = call.exchange.desk.cancel_all_after.arm_spreads(call.uid, int(given), call.now)
    return [{"triggerTime": str(due // MILLISECOND), "ts": str(call.now // MILLISECOND)}]


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "sprd/cancel-all-after"): Endpoint(_cancel_all_after, 1, SECOND, trades=True),
    ("GET", "sprd/order"): Endpoint(_one, 20),
    ("GET", "sprd/orders-pending"): Endpoint(_listed(is_open=True), 10),
    ("GET", "sprd/orders-history"): Endpoint(_listed(is_open=False), 20),
    ("GET", "sprd/trades"): Endpoint(_trades, 20),
}
"""(Method, path below /api/v5/) -> what it does and its limit per account; orders themselves are in trade_rest.py."""
