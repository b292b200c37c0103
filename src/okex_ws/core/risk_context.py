"""Risk context of an order, from the account, the books, the last prices and the requests in flight.

An unknown value is None; pre-trade risk decides what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal

from okex_ws.events import Instrument, OrderUpdate
from okex_ws.market import Books, BookState, Instruments, Latest
from okex_ws.market.account import Account
from okex_ws.market.sizing import in_quote_currency, notional
from okex_ws.protocol.risk.context import RiskContext
from okex_ws.wire.orders import AmendOrder, PlaceOrder

NOTHING = Decimal(0)
_ROUGH = Context(prec=8, rounding=ROUND_CEILING)
"""Rounding of money to coins: up, to 8 digits."""


def risk_context(
    order: PlaceOrder | AmendOrder,
    *,
    account: Account,
    instruments: Instruments,
    books: Books,
    latest: Latest,
    in_flight: Iterable[PlaceOrder | AmendOrder],
) -> RiskContext:
    """Return the risk context of an order. in_flight: requests that the account may not show yet."""
    amended = _amended(order, account) if isinstance(order, AmendOrder) else None
    side = order.side if isinstance(order, PlaceOrder) else amended.side if amended is not None else ""
    held_on = _held_on(order if isinstance(order, PlaceOrder) else amended)
    coming: list[PlaceOrder] = []
    changed: dict[str, Decimal] = {}
    for other in in_flight:
        if isinstance(other, PlaceOrder):
            if not _is_known(other, account):
                coming.append(other)
        elif other.size is not None and (known := _amended(other, account)) is not None:
            changed[known.order_id] = max(other.size, changed.get(known.order_id, NOTHING))
    book, mid = _book(order.instrument, books)
    if mid is None and book is None:
        last = latest.price(order.instrument)
        mid = None if last is None else Decimal(repr(last))
    rules = instruments.get(order.instrument)
    price = order.price or (amended.price if amended is not None else None) or mid
    size = order.size if order.size is not None else amended.size if amended is not None else None
    return RiskContext(
        account=account.quality.value,
        book=book,
        mid=mid,
        size=None if size is None else _own_size(order, rules, size, price),
        notional=_worth(order, rules, size, price),
        side=side,
        open_orders=len(account.orders) + len(account.spreads) + len(coming),
        position=_position(order, account, rules, amended, held_on),
        working=_working(order, account, coming, changed, side, amended, held_on, rules, price),
    )


def _is_known(order: PlaceOrder, account: Account) -> bool:
    """True if the account shows the order already."""
    if not order.client_order_id:
        return False
    if order.is_spread:
        return account.spreads.has_seen(order.client_order_id)
    return account.orders.get(client_order_id=order.client_order_id) is not None


def _held_on(order: PlaceOrder | OrderUpdate | None) -> str:
    """Return long or short if the account separates these; "" if it nets them."""
    return order.position_side if order is not None and order.position_side in ("long", "short") else ""


def _amended(order: AmendOrder, account: Account) -> OrderUpdate | None:
    return account.orders.get(order.order_id, client_order_id=order.client_order_id)


def _book(instrument: str, books: Books) -> tuple[str | None, Decimal | None]:
    """Return state and mid of the deepest book of an instrument, of a LIVE one if any; (None, None) without a book."""
    kept = books.of(instrument)
    if not kept:
        return None, None
    book = next((book for book in kept if book.is_live), kept[0])
    bid, ask = book.best_bid, book.best_ask
    if not book.is_live or bid is None or ask is None:
        return (book.state.name if book.state is not BookState.LIVE else "one-sided"), None
    return "LIVE", (Decimal(repr(bid.price)) + Decimal(repr(ask.price))) / 2


def _is_money(order: PlaceOrder | AmendOrder | OrderUpdate, rules: Instrument | None) -> bool:
    if isinstance(order, AmendOrder) or rules is None:
        return False  # only a market order can have a size in money, and it cannot be amended
    return in_quote_currency(rules, order.order_type, order.target_currency)


def _own_size(
    order: PlaceOrder | AmendOrder | OrderUpdate, rules: Instrument | None, size: Decimal, price: Decimal | None
) -> Decimal | None:
    """Return a size in the unit of the instrument; None for an amount of money without a price."""
    if not _is_money(order, rules):
        return size
    return _ROUGH.divide(size, price) if price else None


def _worth(
    order: PlaceOrder | AmendOrder, rules: Instrument | None, size: Decimal | None, price: Decimal | None
) -> Decimal | None:
    if rules is None or size is None:
        return None
    if _is_money(order, rules):
        return size
    return None if price is None else notional(rules, size, price)


def _position(
    order: PlaceOrder | AmendOrder, account: Account, rules: Instrument | None, amended: OrderUpdate | None, held_on: str
) -> Decimal:
    """Return the position: on cash spot the balance of the base currency, else that of the order's position side, or the net.

    The position includes the filled part of an amended order. The new size of the order counts it again, so it is subtracted.
    """
    mode = order.trade_mode if isinstance(order, PlaceOrder) else amended.trade_mode if amended is not None else ""
    if mode == "cash" and rules is not None:
        held = account.balances.get(rules.base_currency)
        position = (held.cash or NOTHING) if held is not None else NOTHING
    else:
        position = account.position(order.instrument, held_on)
    if amended is not None and amended.filled_size:
        position -= amended.filled_size if amended.side == "buy" else -amended.filled_size
    return position


def _working(
    order: PlaceOrder | AmendOrder,
    account: Account,
    coming: list[PlaceOrder],
    changed: dict[str, Decimal],
    side: str,
    amended: OrderUpdate | None,
    held_on: str,
    rules: Instrument | None,
    price: Decimal | None,
) -> Decimal | None:
    """Return the open sizes on this side of the instrument, without the amended order; None if a price is missing.

    changed: requested new sizes of orders, by order id.
    """

    def counts(other: OrderUpdate | PlaceOrder) -> bool:
        is_same = other.instrument == order.instrument and other.side == side and _held_on(other) == held_on
        return is_same and other is not amended and not other.reduce_only

    total = NOTHING
    for other in account.orders:
        if counts(other):
            size = _own_size(other, rules, max(other.size or NOTHING, changed.get(other.order_id, NOTHING)), price)
            if size is None:
                return None
            total += size - (other.filled_size or NOTHING)
    for new in coming:
        if counts(new):
            size = _own_size(new, rules, new.size, price)
            if size is None:
                return None
            total += size
    return total
