"""Grammar of spread orders: elements of requests, and the rows of `sprd-orders`, `sprd-trades` and REST.

In: elements, SpreadOrders and SpreadExecutions. Out: new orders, rows. Sources: OKX V5 docs, "Spread trading / REST API",
"WS / Place order", "Order channel", "Trades channel".
"""

from __future__ import annotations

from typing import Any

from okex_ws.simulator.engine.spreads import NewSpreadOrder, SpreadExecution, SpreadOrder
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.order_rows import plain

_TYPES = ("limit", "post_only", "ioc", "market")


def read_new(arg: dict[str, Any]) -> NewSpreadOrder:
    """Parse a new spread order. Raises ApiError 50014, 51000."""
    given = {name: grammar.text(arg, name) for name in ("sprdId", "side", "ordType")}
    for name in ("sprdId", "side", "ordType"):
        if not given[name]:
            raise grammar.refused("50014", name)
    for name, options in (("side", ("buy", "sell")), ("ordType", _TYPES)):
        if given[name] not in options:
            raise grammar.refused("51000", name)
    size, price = grammar.number(arg, "sz"), grammar.number(arg, "px", signed=True)
    if not size:
        raise grammar.refused("50014", "sz")
    if price is None and given["ordType"] != "market":
        raise grammar.refused("50014", "px")
    price = None if given["ordType"] == "market" else price
    name, tag = grammar.identity(arg, "clOrdId"), grammar.identity(arg, "tag", 16)
    return NewSpreadOrder(given["sprdId"], given["side"], given["ordType"], size, price, name, tag)


def order_row(order: SpreadOrder, fill: SpreadExecution | None = None, request_id: str = "") -> dict[str, Any]:
    """Return the row of a spread order. Fees are in the rows of its trades alone."""
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
    """Return the row of a fill, with both legs."""
    new = fill.order.new
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
        "sprdId": new.spread,
        "tradeId": str(fill.trade_id),
        "ordId": fill.order.order_id,
        "clOrdId": new.client_order_id,
        "tag": new.tag,
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.size),
        "side": new.side,
        "state": "filled",
        "execType": fill.liquidity,
        "ts": stamp(fill.at),
        "legs": legs,
        "code": "",
        "msg": "",
    }
