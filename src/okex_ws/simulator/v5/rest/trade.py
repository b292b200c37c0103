"""Trade REST: orders over HTTP, and the reads of orders and fills.

In: a Call. Out: rows, newest first, or the reply to an order request. Orders pass the same gateway as over WebSocket.
Sources: OKX V5 docs, "Order book trading / Trade".
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.orders import CANCELED, Execution, NewOrder, Order
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import DAY, MILLISECOND, SECOND
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5 import order_rows
from okex_ws.simulator.v5.gateway import OrderSource
from okex_ws.simulator.v5.order_grammar import OPS, Op, OrderRequest
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, integer, number, reply, required

_MICROSECOND = 1_000
_MESSAGES = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded"}


def _ordering(op: Op) -> Callable[[Call], Answer]:
    """Return the endpoint of an operation on orders."""

    def act(call: Call) -> Answer:
        gateway, source, now = call.services.gateway, OrderSource(call.key, "rest"), call.now
        faults = gateway.faults(source, op, call.body, now)
        if "order_lost" in faults:
            return HttpReply(0)
        outcome = gateway.perform(source, op, lambda: _read(call, op), faults, now, now)
        if outcome.error is not None:
            raise outcome.error
        if "order_then_drop" in faults:
            return HttpReply(0)
        if outcome.given is not None:
            return reply(outcome.status, outcome.given.code, outcome.given.message, [])
        if outcome.is_mass:
            return outcome.rows
        first = outcome.answers[0]
        if not op.is_batch and first.code in ("50011", "50061"):
            raise ApiError(first.code, first.message)
        times = str(now // _MICROSECOND)
        return reply(200, outcome.code, _MESSAGES[outcome.code], outcome.rows, inTime=times, outTime=times)

    return act


def _read(call: Call, op: Op) -> OrderRequest:
    """Parse the body of an order request. Raises ApiError 50002, 51111, 51501, 51000."""
    args = call.body if op.is_batch else [call.fields()]
    if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise ApiError("50002", "JSON syntax error")
    grammar.check_count(len(args), op)
    return OrderRequest("", op, args, grammar.expiry(call.headers.get("exptime")))


# Reads


def _row(call: Call, order: Order) -> dict[str, Any]:
    history = call.services.history
    attached = call.trading.algos.attached_to(order)
    return order_rows.order_read(order, history.last_fill(order), history.origin(order), attached)


def _is_forgotten(call: Call, order: Order) -> bool:
    """True if an order canceled without a fill is past the two hours in which reads find it."""
    kept = round(call.context.rules.unfilled_kept_s * SECOND)
    return order.state == CANCELED and not order.filled and order.updated < call.now - kept


def _order(call: Call) -> Answer:
    instrument = required(call.query, "instId")
    order_id, client_order_id = call.query.get("ordId", ""), call.query.get("clOrdId", "")
    if not order_id and not client_order_id:
        raise grammar.refused("51407")
    trading = call.trading
    if trading.catalogue.row(instrument) is None:
        raise grammar.refused("51001")
    order = trading.engine.find(call.uid, instrument, order_id=order_id, client_order_id=client_order_id)
    if order is None or _is_forgotten(call, order) or call.services.history.is_hidden(order, call.now):
        raise grammar.refused("51603")
    return [_row(call, order)]


def _pending(call: Call) -> Answer:
    is_hidden = call.services.history.is_hidden
    chosen = [o for o in call.trading.engine.open_orders(call.uid) if _is_wanted(call, o) and not is_hidden(o, call.now)]
    return [_row(call, order) for order in _page(call, chosen)]


def _history(days: int) -> Callable[[Call], Answer]:
    """Return the read of finished orders of the last `days`."""

    def act(call: Call) -> Answer:
        required(call.query, "instType")
        since = call.now - days * DAY
        chosen = [
            order
            for order in call.trading.engine.orders(call.uid)
            if not order.is_open
            and order.updated >= since
            and _is_wanted(call, order)
            and not _is_forgotten(call, order)
            and not call.services.history.is_hidden(order, call.now)
        ]
        return [_row(call, order) for order in _page(call, chosen)]

    return act


def _is_wanted(call: Call, order: Order) -> bool:
    given = {
        "instType": order.instrument_type,
        "instId": order.instrument,
        "ordType": order.order_type,
        "state": order.state,
    }
    if any(call.query.get(name, value) != value for name, value in given.items()):
        return False
    family = call.query.get("instFamily") or call.query.get("uly")
    return (family is None or family == call.trading.catalogue.family(order.instrument)) and _is_within(call, order.created)


def _is_within(call: Call, at: int) -> bool:
    begin = integer(call.query, "begin") if "begin" in call.query else 0
    end = integer(call.query, "end") if "end" in call.query else at // MILLISECOND
    return begin <= at // MILLISECOND <= end


def _page(call: Call, chosen: list[Order]) -> list[Order]:
    """Return a page, newest first. after: older than this order id, before: newer."""
    rows = sorted(chosen, key=lambda order: int(order.order_id), reverse=True)
    if "after" in call.query:
        after = integer(call.query, "after")
        rows = [order for order in rows if int(order.order_id) < after]
    if "before" in call.query:
        before = integer(call.query, "before")
        rows = [order for order in rows if int(order.order_id) > before]
    return rows[: number(call.query, "limit", 100, 100)]


def _fills(days: int, *, typed: bool) -> Callable[[Call], Answer]:
    """Return the read of fills of the last `days` by bill id, newest first."""

    def act(call: Call) -> Answer:
        if typed:
            required(call.query, "instType")
        bills = call.services.history.bills(call.uid)
        low, high = 0, len(bills)
        if "after" in call.query:
            high = bisect.bisect_left(bills, integer(call.query, "after"), key=lambda bill: bill[0])
        if "before" in call.query:
            low = bisect.bisect_right(bills, integer(call.query, "before"), key=lambda bill: bill[0])
        limit, since = number(call.query, "limit", 100, 100), call.now - days * DAY
        rows: list[Any] = []
        for i in range(high - 1, low - 1, -1):
            number_, execution = bills[i]
            if execution.at < since or len(rows) == limit:
                break
            if _is_wanted_fill(call, execution):
                rows.append(order_rows.fill_read(execution, number_, _rate(call, execution)))
        return rows

    return act


def _is_wanted_fill(call: Call, execution: Execution) -> bool:
    order = execution.order
    given = {
        "instType": order.instrument_type,
        "instId": order.instrument,
        "ordId": order.order_id,
        "subType": "1" if order.is_buy else "2",
        "instFamily": call.trading.catalogue.family(order.instrument),
    }
    if any(call.query.get(name, value) != value for name, value in given.items()):
        return False
    return _is_within(call, execution.at)


def _rate(call: Call, execution: Execution) -> Decimal:
    fees = call.trading.engine.accounts[call.uid].fees
    is_maker = execution.liquidity == "M"
    if execution.order.instrument_type == "SPOT":
        return -(fees.spot_maker if is_maker else fees.spot_taker)
    return -(fees.derivative_maker if is_maker else fees.derivative_taker)


# Timers and positions


def _cancel_all_after(call: Call) -> Answer:
    fields = call.fields()
    given, tag = grammar.text(fields, "timeOut"), grammar.text(fields, "tag")
    if not given:
        raise grammar.refused("50014", "timeOut")
    if not given.isdigit() or not (int(given) == 0 or 10 <= int(given) <= 120):
        raise grammar.refused("51000", "timeOut")
    due = call.trading.cancel_all_after.arm(call.uid, tag, int(given), call.now)
    return [{"triggerTime": str(due // MILLISECOND), "tag": tag, "ts": str(call.now // MILLISECOND)}]


def _close_position(call: Call) -> Answer:
    """Close a position with a reduce-only market order.

    Resting orders that would close it are canceled with autoCxl, else refused with 51115 (OKX V5 docs, "Close positions",
    "Error code / Trade": Cancel all pending close-orders before liquidation).
    """
    fields, trading = call.fields(), call.trading
    instrument, side = grammar.text(fields, "instId"), grammar.text(fields, "posSide") or "net"
    if not instrument or trading.catalogue.row(instrument) is None:
        raise grammar.refused("51001")
    position = trading.engine.accounts[call.uid].positions.get((instrument, side))
    if position is None or not position.size:
        raise ApiError("51023", "Position doesn't exist.")
    closing = [
        order
        for order in trading.engine.open_orders(call.uid)
        if order.instrument == instrument and order.only_reduces and (order.position_side or "net") == side
    ]
    if closing and grammar.text(fields, "autoCxl") != "true":
        raise ApiError("51115", "Cancel all pending close-orders before liquidation.")
    for order in closing:
        trading.engine.cancel(call.uid, order, call.now, source="1")
    name, tag = grammar.text(fields, "clOrdId"), grammar.text(fields, "tag")
    trading.engine.place(
        call.uid,
        NewOrder(
            instrument,
            "sell" if position.size > 0 else "buy",
            "market",
            abs(position.size),
            trade_mode="cross",
            position_side=side,
            reduce_only=side == "net",
            client_order_id=name,
            tag=tag,
        ),
        call.now,
    )
    return [{"instId": instrument, "posSide": side, "clOrdId": name, "tag": tag}]


def _precheck(call: Call) -> Answer:
    """Check an order's fields and return a row without figures: OKX computes them in multi-currency margin only."""
    fields = call.fields()
    instrument = grammar.text(fields, "instId")
    if call.trading.catalogue.row(instrument) is None:
        raise grammar.refused("51001")
    grammar.read_new(fields, instrument)
    changes = ("adjEq", "imr", "mmr", "mgnRatio", "availBal", "posBal", "liab")
    others = ("liabChgCcy", "liqPx", "liqPxDiff", "liqPxDiffRatio", "type")
    return [dict.fromkeys((*changes, *(f"{name}Chg" for name in changes), *others), "")]


def _rate_limit(call: Call) -> Answer:
    row = {"fillRatio": "", "mainFillRatio": "", "accRateLimit": "1000", "nextAccRateLimit": ""}
    return [{**row, "ts": str(call.now // MILLISECOND)}]


_MANY = 1_000_000  # the gateway counts orders, together with those over WebSocket
_LIMITS = {"mass-cancel": 5, "sprd-mass-cancel": 10}

OPS_BY_PATH = {
    "trade/order": "order",
    "trade/batch-orders": "batch-orders",
    "trade/amend-order": "amend-order",
    "trade/amend-batch-orders": "batch-amend-orders",
    "trade/cancel-order": "cancel-order",
    "trade/cancel-batch-orders": "batch-cancel-orders",
    "trade/mass-cancel": "mass-cancel",
    "sprd/order": "sprd-order",
    "sprd/amend-order": "sprd-amend-order",
    "sprd/cancel-order": "sprd-cancel-order",
    "sprd/mass-cancel": "sprd-mass-cancel",
}
"""Path -> operation of WebSocket."""

ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    **{
        ("POST", path): Endpoint(_ordering(OPS[name]), _LIMITS.get(name, _MANY), trades=True)
        for path, name in OPS_BY_PATH.items()
    },
    ("POST", "trade/cancel-all-after"): Endpoint(_cancel_all_after, 1, SECOND, "tag", trades=True),
    ("POST", "trade/close-position"): Endpoint(_close_position, 20, per="instId", trades=True),
    ("POST", "trade/order-precheck"): Endpoint(_precheck, 5),
    ("GET", "trade/order"): Endpoint(_order, 60, per="instId"),
    ("GET", "trade/orders-pending"): Endpoint(_pending, 60),
    ("GET", "trade/orders-history"): Endpoint(_history(7), 40),
    ("GET", "trade/orders-history-archive"): Endpoint(_history(92), 20),
    ("GET", "trade/fills"): Endpoint(_fills(3, typed=False), 60),
    ("GET", "trade/fills-history"): Endpoint(_fills(366, typed=True), 10),
    ("GET", "trade/account-rate-limit"): Endpoint(_rate_limit, 1, SECOND),
}
"""(method, path below /api/v5/) -> endpoint (OKX V5 docs, each endpoint's page)."""
