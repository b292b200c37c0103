"""Trade REST: orders over HTTP: placed, amended and canceled, and read back with their fills.

In: a Call. Out: rows, newest first, or the reply to a request about orders. Orders answer here by the same desk, limits
and faults as over WebSocket. Sources: OKX V5 docs, "Order book trading / Trade".
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.engine.orders import CANCELED, Execution, NewOrder, Order
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import DAY, MILLISECOND, SECOND
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5 import order_requests as order_talk
from okex_ws.simulator.v5 import order_rows
from okex_ws.simulator.v5.order_grammar import OPS, Op, OrderRequestRefused
from okex_ws.simulator.v5.rest.http import RestReply, Wrong, integer, number, reply, required
from okex_ws.simulator.v5.rest.private import Answer, Call, Endpoint, decoded

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange

_MICROSECOND = 1_000
_ALL_FAILED = "All operations failed"


def _ordering(op: Op) -> Callable[[Call], Answer]:
    """A POST that places, amends or cancels."""

    def act(call: Call) -> Answer:
        exchange, now = call.exchange, call.now
        struck = order_talk.strike(exchange, op, call.body, now, 0, "rest")
        if "order_lost" in struck:
            return RestReply(0)
        given = struck.get("maintenance") or struck.get("order_answer")
        answer: Answer | None = None
        if given is None or given.options.get("obey"):
            answer = _obey(call, op)
        if "order_then_drop" in struck:
            return RestReply(0)
        if given is not None:
            refused = OrderRequestRefused(given.options["code"])
            return reply(given.options["status"], refused.code, refused.message, [])
        assert answer is not None
        return answer

    return act


def _obey(call: Call, op: Op) -> Answer:
    exchange, now = call.exchange, call.now
    args = call.body if op.is_batch else [call.fields()]
    if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise Wrong("50002", "JSON syntax error")
    grammar.check_count(len(args), op)
    expires = grammar.expiry(call.headers.get("exptime"))
    if expires is not None and op.verb != "cancel" and expires * MILLISECOND < exchange.clock(now):
        raise OrderRequestRefused("50036")
    if op.verb == "mass-cancel":
        exchange.desk.clerk.mass_cancel(call.key, op, args[0], now)
        return [{"result": True}]
    answers = exchange.desk.clerk.act(call.key, op, args, now, line=0, path="rest", expires_ms=expires)
    if not op.is_batch and answers[0].code in ("50011", "50061"):
        raise Wrong(answers[0].code, answers[0].message)
    code = grammar.overall(answers)
    message = {"0": "", "1": _ALL_FAILED, "2": "Bulk operation partially succeeded"}[code]
    times = str(now // _MICROSECOND)
    return reply(200, code, message, [answer.row() for answer in answers], inTime=times, outTime=times)


def hold(exchange: Exchange, name: str, body: bytes, now: int) -> int:
    """How long (ns) a request about orders is on its way before the exchange has it."""
    op = OPS.get(_OPS_BY_PATH.get(name, ""))
    if op is None or not exchange.running.has("order"):
        return 0
    struck = order_talk.strike(exchange, op, decoded(body), now, 0, "rest", slow=True)
    return sum(fault.options["seconds"] for fault in struck.values())


# Reads


def _row(call: Call, order: Order) -> dict[str, Any]:
    desk = call.exchange.desk
    return order_rows.order_read(order, desk.last_fill(order), desk.origin(order))


def _is_forgotten(call: Call, order: Order) -> bool:
    """An order that was canceled without a fill can be read for two hours."""
    kept = round(call.exchange.rules.unfilled_kept_s * SECOND)
    return order.state == CANCELED and not order.filled and order.updated < call.now - kept


def _order(call: Call) -> Answer:
    instrument = required(call.query, "instId")
    order_id, client_order_id = call.query.get("ordId", ""), call.query.get("clOrdId", "")
    if not order_id and not client_order_id:
        raise OrderRequestRefused("51407")
    desk = call.exchange.desk
    if desk.listings.row(instrument) is None:
        raise OrderRequestRefused("51001")
    order = desk.floor.find(call.uid, instrument, order_id=order_id, client_order_id=client_order_id)
    if order is None or _is_forgotten(call, order) or desk.is_hidden(order, call.now):
        raise OrderRequestRefused("51603")
    return [_row(call, order)]


def _pending(call: Call) -> Answer:
    desk = call.exchange.desk
    chosen = [o for o in desk.floor.open_orders(call.uid) if _is_wanted(call, o) and not desk.is_hidden(o, call.now)]
    return [_row(call, order) for order in _page(call, chosen)]


def _history(days: int) -> Callable[[Call], Answer]:
    """Finished orders of the last so many days."""

    def act(call: Call) -> Answer:
        required(call.query, "instType")
        desk, since = call.exchange.desk, call.now - days * DAY
        chosen = [
            order
            for order in desk.floor.orders(call.uid)
            if not order.is_open
            and order.updated >= since
            and _is_wanted(call, order)
            and not _is_forgotten(call, order)
            and not desk.is_hidden(order, call.now)
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
    return (family is None or family == call.exchange.desk.listings.family(order.instrument)) and _is_within(call, order.created)


def _is_within(call: Call, at: int) -> bool:
    begin = integer(call.query, "begin") if "begin" in call.query else 0
    end = integer(call.query, "end") if "end" in call.query else at // MILLISECOND
    return begin <= at // MILLISECOND <= end


def _page(call: Call, chosen: list[Order]) -> list[Order]:
    """Newest first; after=: older than this order id, before=: newer than it."""
    rows = sorted(chosen, key=lambda order: int(order.order_id), reverse=True)
    if "after" in call.query:
        after = integer(call.query, "after")
        rows = [order for order in rows if int(order.order_id) < after]
    if "before" in call.query:
        before = integer(call.query, "before")
        rows = [order for order in rows if int(order.order_id) > before]
    return rows[: number(call.query, "limit", 100, 100)]


def _fills(days: int, *, typed: bool) -> Callable[[Call], Answer]:
    """Fills of the last so many days by bill id, newest first."""

    def act(call: Call) -> Answer:
        if typed:
            required(call.query, "instType")
        bills = call.exchange.desk.bills(call.uid)
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
        "instFamily": call.exchange.desk.listings.family(order.instrument),
    }
    if any(call.query.get(name, value) != value for name, value in given.items()):
        return False
    return _is_within(call, execution.at)


def _rate(call: Call, execution: Execution) -> Decimal:
    fees = call.exchange.floor.accounts[call.uid].fees
    is_maker = execution.liquidity == "M"
    if execution.order.instrument_type == "SPOT":
        return -(fees.spot_maker if is_maker else fees.spot_taker)
    return -(fees.derivative_maker if is_maker else fees.derivative_taker)


# Safety


def _cancel_all_after(call: Call) -> Answer:
    fields = call.fields()
    given, tag = grammar.text(fields, "timeOut"), grammar.text(fields, "tag")
    if not given:
        raise OrderRequestRefused("50014", "timeOut")
    if not given.isdigit() or not (int(given) == 0 or 10 <= int(given) <= 120):
        raise OrderRequestRefused("51000", "timeOut")
    due = call.exchange.desk.cancel_all_after.arm(call.uid, tag, int(given), call.now)
    return [{"triggerTime": str(due // MILLISECOND), "tag": tag, "ts": str(call.now // MILLISECOND)}]


def _close_position(call: Call) -> Answer:
    """Market orders that close a position, reduce-only."""
    fields, desk = call.fields(), call.exchange.desk
    instrument, side = grammar.text(fields, "instId"), grammar.text(fields, "posSide") or "net"
    if not instrument or desk.listings.row(instrument) is None:
        raise OrderRequestRefused("51001")
    position = desk.floor.accounts[call.uid].positions.get((instrument, side))
    if position is None or not position.size:
        raise ApiError("51023", "Position doesn't exist.")
    if grammar.text(fields, "autoCxl") == "true":
        for order in desk.floor.open_orders(call.uid):
            if order.instrument == instrument and order.reduce_only:
                desk.floor.cancel(call.uid, order, call.now, source="1")
    name, tag = grammar.text(fields, "clOrdId"), grammar.text(fields, "tag")
    desk.floor.place(
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


def _rate_limit(call: Call) -> Answer:
    row = {"fillRatio": "", "mainFillRatio": "", "accRateLimit": "1000", "nextAccRateLimit": ""}
    return [{**row, "ts": str(call.now // MILLISECOND)}]


_MANY = 1_000_000  # the desk counts orders itself, together with those over WebSocket
_LIMITS = {"mass-cancel": 5, "sprd-mass-cancel": 10}

_OPS_BY_PATH = {
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
"""REST's names of the operations."""

ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    **{
        ("POST", path): Endpoint(_ordering(OPS[name]), _LIMITS.get(name, _MANY), trades=True)
        for path, name in _OPS_BY_PATH.items()
    },
    ("POST", "trade/cancel-all-after"): Endpoint(_cancel_all_after, 1, SECOND, "tag", trades=True),
    ("POST", "trade/close-position"): Endpoint(_close_position, 20, per="instId", trades=True),
    ("GET", "trade/order"): Endpoint(_order, 60, per="instId"),
    ("GET", "trade/orders-pending"): Endpoint(_pending, 60),
    ("GET", "trade/orders-history"): Endpoint(_history(7), 40),
    ("GET", "trade/orders-history-archive"): Endpoint(_history(92), 20),
    ("GET", "trade/fills"): Endpoint(_fills(3, typed=False), 60),
    ("GET", "trade/fills-history"): Endpoint(_fills(366, typed=True), 10),
    ("GET", "trade/account-rate-limit"): Endpoint(_rate_limit, 1, SECOND),
}
"""(Method, path below /api/v5/) -> what it does and its limit per account (OKX V5 docs, each endpoint's page)."""
