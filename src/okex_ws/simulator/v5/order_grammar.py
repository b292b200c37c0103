"""Grammar of orders, amends and cancels, and of their replies.

In: one decoded element of a request's args, REST or WebSocket. Out: orders and amendments, or an ApiError with OKX's code;
the rows of a reply. As tolerant as OKX: integers for texts, texts for integers, null for an absent field.
Sources: OKX V5 docs, "WS / Place order" and its neighbours, "POST / Place order", "Error code / Trade class".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.v5 import grammar as v5

MAX_BATCH = 20

ORDER_TYPES = ("limit", "market", "post_only", "fok", "ioc", "optimal_limit_ioc")
_PRICED = frozenset({"limit", "post_only", "fok", "ioc"})
_DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,30})?")

MESSAGES: dict[str, str] = {
    "50001": "Service temporarily unavailable. Try again later",
    "50004": "API endpoint request timeout (does not mean that the request was successful or failed, please check"
    " the request result)",
    "50011": "Rate limit reached. Please refer to API documentation and throttle requests accordingly",
    "50013": "Systems are busy. Please try again later",
    "50014": "Parameter {0} can not be empty.",
    "50015": "Either parameter {0} is required",
    "50026": "System error. Try again later",
    "50036": "The expTime can't be earlier than the current system time. Please adjust the expTime and try again.",
    "50037": "Order expired.",
    "50061": "Sub-account rate limit exceeded. Please refer to API documentation and throttle requests accordingly",
    "51000": "Parameter {0} error",
    "51001": "Instrument ID, Instrument ID code, or Spread ID doesn't exist.",
    "51008": "Order failed. Insufficient balance in account",
    "51016": "Client order ID already exists.",
    "51054": "Request timed out. Please try again.",
    "51111": "Maximum 20 orders can be placed in a batch",
    "51149": "Order timed out. Please try again.",
    "51400": "Cancellation failed as the order has been filled, canceled or does not exist.",
    "51407": "Either order ID or client order ID is required.",
    "51408": "Pair ID or name does not match the order info.",
    "51410": "Cancellation failed as the order is already in canceling status.",
    "51411": "Account does not have permission for mass cancellation.",
    "51500": "You must enter a price, quantity, or TP/SL.",
    "51501": "Maximum 20 orders can be modified at once",
    "51503": "Your order has already been filled or canceled.",
    "51512": "Failed to amend orders in batches. You cannot have duplicate orders in the same amend-batch-orders request",
    "51603": "Order does not exist",
    "60013": "Invalid args",
}


def refused(code: str, about: str = "") -> ApiError:
    """Return the error of a request that does not reach the engine: OKX's code and message, with `about` filled in."""
    return ApiError(code, MESSAGES.get(code, "Operation failed").format(about))


@dataclass(frozen=True, slots=True)
class Op:
    """Operation on orders. verb: order, amend, cancel or mass-cancel. is_spread: on /business, for spreads."""

    name: str
    verb: str
    is_batch: bool = False
    is_spread: bool = False

    @property
    def path(self) -> str:
        """The WebSocket path that takes it."""
        return "business" if self.is_spread else "private"


OPS: dict[str, Op] = {
    op.name: op
    for op in (
        Op("order", "order"),
        Op("batch-orders", "order", True),
        Op("amend-order", "amend"),
        Op("batch-amend-orders", "amend", True),
        Op("cancel-order", "cancel"),
        Op("batch-cancel-orders", "cancel", True),
        Op("mass-cancel", "mass-cancel"),
        Op("sprd-order", "order", is_spread=True),
        Op("sprd-amend-order", "amend", is_spread=True),
        Op("sprd-cancel-order", "cancel", is_spread=True),
        Op("sprd-mass-cancel", "mass-cancel", is_spread=True),
    )
}


@dataclass(frozen=True, slots=True)
class Amendment:
    """Amendment of an order. size: the new total, with the filled part."""

    order_id: str
    client_order_id: str
    request_id: str
    size: Decimal | None
    price: Decimal | None
    cancel_on_fail: bool


@dataclass(slots=True)
class OrderAnswer:
    """Result of one element of a request."""

    order_id: str = ""
    client_order_id: str = ""
    tag: str = ""
    request_id: str | None = None
    ts: int = 0
    code: str = "0"
    message: str = ""

    def row(self) -> dict[str, str]:
        """Return the element of a reply's `data`. ts of an amend is the order's creation."""
        row = {"ordId": self.order_id, "clOrdId": self.client_order_id, "tag": self.tag, "ts": stamp(self.ts)}
        if self.request_id is not None:
            del row["tag"]
            row["reqId"] = self.request_id
        return {**row, "sCode": self.code, "sMsg": self.message, "subCode": ""}


def text(arg: dict[str, Any], name: str) -> str:
    """Return a field as text: null is "", a number or a boolean is its text. Raises ApiError 51000 for anything nested."""
    value = arg.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    raise refused("51000", name)


def number(arg: dict[str, Any], name: str, *, signed: bool = False) -> Decimal | None:
    """Return a field as Decimal, None if it is empty. Raises ApiError 51000, also for an exponent."""
    given = text(arg, name)
    if not given:
        return None
    if _DECIMAL.fullmatch(given) is None or (given.startswith("-") and not signed):
        raise refused("51000", name)
    return Decimal(given)


def _flag(arg: dict[str, Any], name: str) -> bool:
    given = text(arg, name).lower()
    if given not in ("", "true", "false"):
        raise refused("51000", name)
    return given == "true"


def _choice(arg: dict[str, Any], name: str, options: tuple[str, ...], *, needed: bool = False) -> str:
    given = text(arg, name)
    if not given and needed:
        raise refused("50014", name)
    if given and given not in options:
        raise refused("51000", name)
    return given


def identity(arg: dict[str, Any], name: str, longest: int = 32) -> str:
    """Return an id of the client: letters and digits, `longest` at most. Raises ApiError 51000."""
    given = text(arg, name)
    if given and (len(given) > longest or not given.isascii() or not given.isalnum()):
        raise refused("51000", name)
    return given


def read_new(arg: dict[str, Any], instrument: str) -> NewOrder:
    """Parse a new order. Raises ApiError 50014, 51000."""
    side = _choice(arg, "side", ("buy", "sell"), needed=True)
    trade_mode = _choice(arg, "tdMode", ("cash", "cross", "isolated", "spot_isolated"), needed=True)
    order_type = _choice(arg, "ordType", ORDER_TYPES, needed=True)
    size = number(arg, "sz")
    if size is None:
        raise refused("50014", "sz")
    if not size:
        raise refused("51000", "sz")
    price = number(arg, "px")
    if order_type in _PRICED and price is None:
        raise refused("50014", "px")
    return NewOrder(
        instrument=instrument,
        side=side,
        order_type=order_type,
        size=size,
        price=price if order_type in _PRICED else None,
        trade_mode=trade_mode,
        position_side=_choice(arg, "posSide", ("net", "long", "short")),
        reduce_only=_flag(arg, "reduceOnly"),
        target_currency=_choice(arg, "tgtCcy", ("base_ccy", "quote_ccy")),
        client_order_id=identity(arg, "clOrdId"),
        tag=identity(arg, "tag", 16),
        currency=text(arg, "ccy"),
        self_trade=_choice(arg, "stpMode", ("cancel_maker", "cancel_taker", "cancel_both")) or "cancel_maker",
        ban_amend=_flag(arg, "banAmend"),
    )


def read_amendment(arg: dict[str, Any]) -> Amendment:
    """Parse an amendment. Raises ApiError 51000, 51407, 51500."""
    order_id, client_order_id = read_identity(arg)
    size, price = number(arg, "newSz"), number(arg, "newPx", signed=True)
    if size is None and price is None:
        raise refused("51500")
    return Amendment(order_id, client_order_id, identity(arg, "reqId"), size, price, _flag(arg, "cxlOnFail"))


def read_identity(arg: dict[str, Any]) -> tuple[str, str]:
    """Return (order id, client order id). One is needed; the order id takes precedence. Raises ApiError 51407."""
    order_id, client_order_id = text(arg, "ordId"), text(arg, "clOrdId")
    if not order_id and not client_order_id:
        raise refused("51407")
    return order_id, client_order_id


def overall(answers: list[OrderAnswer]) -> str:
    """Return the reply's code: 0 all succeeded, 1 all failed, 2 some failed."""
    failed = sum(answer.code != "0" for answer in answers)
    return "0" if not failed else "1" if failed == len(answers) else "2"


@dataclass(slots=True)
class OrderRequest:
    """Request for orders. args: its elements, all of them objects. id: "" over REST."""

    id: str
    op: Op
    args: list[dict[str, Any]]
    expires_ms: int | None


def read_request(request: v5.V5Request, op: Op) -> OrderRequest:
    """Check the envelope. Raises ApiError 60013 (args), 51111 and 51501 (too many), 51000 (expTime).

    The id is required. A single operation has one element; an object outside a list counts as a list of one.
    """
    args = [request.args] if isinstance(request.args, dict) else request.args
    if not request.id or not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise refused("60013")
    check_count(len(args), op)
    return OrderRequest(request.id, op, args, expiry(request.expires))


def check_count(count: int, op: Op) -> None:
    """Check for at most 20 elements in a batch and one elsewhere. Raises ApiError 51501, 51111, 60013."""
    if op.is_batch and count > MAX_BATCH:
        raise refused("51501" if op.verb == "amend" else "51111")
    if not op.is_batch and count > 1:
        raise refused("60013")


def expiry(value: Any) -> int | None:
    """Return expTime in ms, None without one. Raises ApiError 51000."""
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).isdigit():
        raise refused("51000", "expTime")
    return int(value)


def reply(identity: str, op: str, code: str, message: str, rows: list[Any], in_us: int, out_us: int) -> bytes:
    """Return the reply to an operation on /ws/v5; the gateway's times are in microseconds."""
    body: dict[str, Any] = {"id": identity, "op": op, "code": code, "msg": message, "data": rows}
    return v5.encode({**body, "inTime": str(in_us), "outTime": str(out_us)})
