"""Order requests in OKX's words, over WebSocket and over REST.

Over WebSocket an instrument is addressed by its number (instIdCode), and expTime is a field of the frame; over REST by its id,
and expTime is a header. Numbers never have an exponent.
Source: docs-v5 "Place order", "Place multiple orders", "Amend order", "Cancel order", "Mass cancel", "Spread trading"; changelog
2026-03-26 and 2026-04-07 (instId is ignored over WebSocket).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from okex_ws.errors import OkexError

Kind = Literal["place", "amend", "cancel", "mass_cancel"]
Side = Literal["buy", "sell"]
OrderType = Literal[
    "limit", "market", "post_only", "fok", "ioc", "optimal_limit_ioc", "mmp", "mmp_and_post_only", "op_fok", "rpi"
]
"""mmp: market maker protection; op_fok: fill or kill of options; rpi: retail price improvement, once called elp."""
TradeMode = Literal["cash", "cross", "isolated", "spot_isolated"]
PositionSide = Literal["net", "long", "short"]

MOST_IN_BATCH = 20
"""Largest number of orders in one request; OKX refuses more with 51111 or 51501."""
REST_PATHS = {
    "order": "trade/order",
    "batch-orders": "trade/batch-orders",
    "amend-order": "trade/amend-order",
    "batch-amend-orders": "trade/amend-batch-orders",
    "cancel-order": "trade/cancel-order",
    "batch-cancel-orders": "trade/cancel-batch-orders",
    "mass-cancel": "trade/mass-cancel",
    "sprd-order": "sprd/order",
    "sprd-amend-order": "sprd/amend-order",
    "sprd-cancel-order": "sprd/cancel-order",
    "sprd-mass-cancel": "sprd/mass-cancel",
}
"""REST path, after /api/v5/, by WebSocket op."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "side": get_args(Side),
    "order_type": get_args(OrderType),
    "trade_mode": get_args(TradeMode),
    "position_side": ("", *get_args(PositionSide)),
}
_VALID = frozenset(itertools.product(*_CHOICES.values()))
"""Valid combinations, so that the check of a valid order is one look-up."""
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_encode = msgspec.json.encode


class OrderError(OkexError, ValueError):
    """An order that cannot be expressed as a request; the text says what to change. Nothing was sent."""


class _Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Common fields. instrument: its id, or a spread's if is_spread. client_order_id: ours, at most 32 letters and digits."""

    instrument: str
    client_order_id: str = ""
    order_id: str = ""
    is_spread: bool = False

    def __post_init__(self) -> None:
        if self.client_order_id and not _ID.match(self.client_order_id):
            raise OrderError(f"client_order_id {self.client_order_id!r}: OKX takes 1 to 32 letters and digits, no hyphen")


class Attached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Take-profit, stop-loss, or both, of which the first wins: it closes the position of an order after its fill.

    …_trigger: the trigger price; …_price: of the order it then becomes, None for a market order. trigger_by: the price that is
    compared, last, mark or index. Source: docs-v5 "POST / Place order", attachAlgoOrds; over WebSocket they are not documented.
    """

    take_profit_trigger: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_trigger: Decimal | None = None
    stop_loss_price: Decimal | None = None
    trigger_by: str = "last"
    client_algo_id: str = ""

    def __post_init__(self) -> None:
        if self.take_profit_trigger is None and self.stop_loss_trigger is None:
            raise OrderError("nothing to attach: give take_profit_trigger, stop_loss_trigger or both")
        for trigger, price, name in (
            (self.take_profit_trigger, self.take_profit_price, "take_profit"),
            (self.stop_loss_trigger, self.stop_loss_price, "stop_loss"),
        ):
            if trigger is None and price is not None:
                raise OrderError(f"{name}_price without {name}_trigger would never be used")
        for price in self.prices:
            if not isinstance(price, Decimal) or not price.is_finite() or price <= 0:
                raise OrderError(f"attached price {price!r}: give a Decimal above 0, such as Decimal('59000')")
        if self.client_algo_id and not _ID.match(self.client_algo_id):
            raise OrderError(f"client_algo_id {self.client_algo_id!r}: OKX takes 1 to 32 letters and digits, no hyphen")

    @property
    def prices(self) -> list[Decimal]:
        """All given prices."""
        given = (self.take_profit_trigger, self.take_profit_price, self.stop_loss_trigger, self.stop_loss_price)
        return [price for price in given if price is not None]

    def words(self) -> dict[str, str]:
        words = {"attachAlgoClOrdId": self.client_algo_id} if self.client_algo_id else {}
        for short, trigger, price in (
            ("tp", self.take_profit_trigger, self.take_profit_price),
            ("sl", self.stop_loss_trigger, self.stop_loss_price),
        ):
            if trigger is not None:
                words[f"{short}TriggerPx"], words[f"{short}TriggerPxType"] = plain(trigger), self.trigger_by
                words[f"{short}OrdPx"] = plain(price) if price is not None else "-1"
        return words


class PlaceOrder(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="place", tag_field="kind"):
    """New order. size: base currency on spot, contracts on derivatives; quote currency on a spot market order whose
    target_currency is quote_ccy.

    position_side: long or short in hedge mode, else ""; self_trade: cancel_maker, cancel_taker, cancel_both. attached: orders
    that close its position; with them it goes over REST. Raises OrderError for a side, type or mode that OKX does not have.
    """

    side: Side
    size: Decimal
    order_type: OrderType = "limit"
    price: Decimal | None = None
    trade_mode: TradeMode = "cash"
    position_side: PositionSide | Literal[""] = ""
    reduce_only: bool = False
    target_currency: str = ""
    currency: str = ""
    tag: str = ""
    self_trade: str = ""
    ban_amend: bool = False
    attached: Attached | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.side, self.order_type, self.trade_mode, self.position_side) not in _VALID:
            self._refuse()
        if self.is_spread and self.attached is not None:
            raise OrderError("nothing can be attached to a spread order")

    def _refuse(self) -> None:
        """Raise OrderError that names the wrong choice and the valid ones."""
        for name, choices in _CHOICES.items():
            if (given := getattr(self, name)) not in choices:
                raise OrderError(f"{name} {given!r}: OKX has {', '.join(filter(None, choices))}")

    def words(self) -> dict[str, Any]:
        words: dict[str, Any] = {"side": self.side, "ordType": self.order_type, "sz": plain(self.size)}
        if not self.is_spread:
            words["tdMode"] = self.trade_mode
        optional = {
            "px": plain(self.price) if self.price is not None else "",
            "clOrdId": self.client_order_id,
            "posSide": self.position_side,
            "tgtCcy": self.target_currency,
            "ccy": self.currency,
            "tag": self.tag,
            "stpMode": self.self_trade,
            "reduceOnly": self.reduce_only,
            "banAmend": self.ban_amend,
            "attachAlgoOrds": [self.attached.words()] if self.attached is not None else [],
        }
        return words | {name: value for name, value in optional.items() if value}


class AmendOrder(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="amend", tag_field="kind"):
    """Amendment of an order. size: the new total including fills; request_id: repeated in the push about the change."""

    size: Decimal | None = None
    price: Decimal | None = None
    request_id: str = ""
    cancel_on_fail: bool = False

    def words(self) -> dict[str, Any]:
        optional = {
            "newSz": plain(self.size) if self.size is not None else "",
            "newPx": plain(self.price) if self.price is not None else "",
            "reqId": self.request_id,
            "cxlOnFail": self.cancel_on_fail,
        }
        return _named(self) | {name: value for name, value in optional.items() if value}


class CancelOrder(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="cancel", tag_field="kind"):
    """Cancel of an order."""

    def words(self) -> dict[str, Any]:
        return _named(self)


class MassCancel(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="mass_cancel", tag_field="kind"):
    """Cancel of all market maker orders of an option family (instrument), or of all orders of a spread (instrument; "": all)."""

    lock_ms: int = 0

    def words(self) -> dict[str, Any]:
        if self.is_spread:
            return {"sprdId": self.instrument} if self.instrument else {}
        lock = {"lockInterval": str(self.lock_ms)} if self.lock_ms else {}
        return {"instType": "OPTION", "instFamily": self.instrument, **lock}


OrderRequest = PlaceOrder | AmendOrder | CancelOrder | MassCancel


def kind_of(order: OrderRequest) -> Kind:
    """Return the kind of a request."""
    return order.__struct_config__.tag  # type: ignore[return-value]  # the tags are the kinds


def plain(number: Decimal) -> str:
    """Return a number in OKX's form: digits and a point, no exponent (1e-07 is refused with 51000). Raises OrderError for NaN."""
    if not number.is_finite():
        raise OrderError(f"{number} is not a number an order can have")
    return format(number, "f")


def op_of(orders: Sequence[OrderRequest]) -> str:
    """Return the WebSocket op for orders of one kind, a single one or a batch. Raises OrderError."""
    if not orders:
        raise OrderError("an empty batch: give one order at least")
    kinds = {kind_of(order) for order in orders}
    if len(kinds) > 1:
        raise OrderError("a request carries orders of one kind: all new, all amendments or all cancels")
    if len(orders) > MOST_IN_BATCH:
        raise OrderError(f"{len(orders)} orders in a batch; OKX takes {MOST_IN_BATCH}: make smaller ones")
    is_batch, is_spread = len(orders) > 1, any(order.is_spread for order in orders)
    if is_batch and (is_spread or isinstance(orders[0], MassCancel)):
        raise OrderError("spread orders and mass cancels go one by one: OKX has no batch of them")
    single, batch = _OPS[kind_of(orders[0])]
    if is_spread:
        return f"sprd-{single}"
    return batch if is_batch else single


def endpoint_of(orders: Sequence[OrderRequest]) -> str:
    """Return the WebSocket endpoint for these orders."""
    return "business" if orders[0].is_spread else "private"


def goes_by_rest(orders: Sequence[OrderRequest]) -> bool:
    """Return True if OKX documents these orders over REST only."""
    return any(isinstance(order, PlaceOrder) and order.attached is not None for order in orders)


def socket_request(
    request_id: str, op: str, orders: Sequence[OrderRequest], codes: Sequence[int | None], expires_ms: int | None
) -> bytes:
    """Return one frame. codes: the instIdCode of each order's instrument; expires_ms: OKX refuses it after that, ms UTC."""
    args = [_addressed(order, code) for order, code in zip(orders, codes, strict=True)]
    frame: dict[str, Any] = {"id": request_id, "op": op, "args": args}
    if expires_ms is not None and isinstance(orders[0], (PlaceOrder, AmendOrder)):
        frame["expTime"] = str(expires_ms)
    return _encode(frame)


def rest_request(orders: Sequence[OrderRequest]) -> tuple[str, Any]:
    """Return the path (after /api/v5/) and the body of the same request over REST; expTime is a header there."""
    op = op_of(orders)
    args = [{**_by_id(order), **order.words()} for order in orders]
    return REST_PATHS[op], args if op.startswith("batch") else args[0]


def lookup_query(order: PlaceOrder | AmendOrder | CancelOrder) -> tuple[str, dict[str, str]]:
    """Return the path (after /api/v5/) and query that read one order, by our id if it has one: only that is certainly ours."""
    ours = {"clOrdId": order.client_order_id} if order.client_order_id else {"ordId": order.order_id}
    if order.is_spread:
        return "sprd/order", ours
    return "trade/order", {"instId": order.instrument, **ours}


def _addressed(order: OrderRequest, code: int | None) -> dict[str, Any]:
    if isinstance(order, MassCancel) or order.is_spread:
        return {**_by_id(order), **order.words()}
    if code is None:
        raise OrderError(f"{order.instrument} has no instIdCode: it can be traded over REST only")
    return {"instIdCode": code, **order.words()}


def _by_id(order: OrderRequest) -> dict[str, Any]:
    if isinstance(order, MassCancel):
        return {}
    if order.is_spread:
        return {"sprdId": order.instrument} if isinstance(order, PlaceOrder) else {}
    return {"instId": order.instrument}


def _named(order: AmendOrder | CancelOrder) -> dict[str, Any]:
    """Return one id of an order: of two, OKX would use its own."""
    if order.client_order_id:
        return {"clOrdId": order.client_order_id}
    if order.order_id:
        return {"ordId": order.order_id}
    raise OrderError("which order? give its client_order_id or its order_id")


_OPS: dict[str, tuple[str, str]] = {
    "place": ("order", "batch-orders"),
    "amend": ("amend-order", "batch-amend-orders"),
    "cancel": ("cancel-order", "batch-cancel-orders"),
    "mass_cancel": ("mass-cancel", "mass-cancel"),
}
