"""Limits: bounds on a client's own orders."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on single orders and on what they add up to; None is no bound.

    order_size, position: in the instrument's own sizes (base currency on spot, contracts on derivatives). position includes all
    open orders on the order's side; long and short count separately where they are held apart. order_notional: in quote currency,
    on inverse contracts in dollars. price_distance: a fraction, from the book's mid or else the last price, where one is known.
    open_orders, orders_per_second: new and amended orders of the whole account, in flight included. trip_after: number of
    refusals by limits within a second that trips the kill switch. Of spread orders only order_size and the limits of the whole
    account are checked, because their price is a difference, often near zero.
    """

    order_size: Decimal | None = None
    order_notional: Decimal | None = None
    price_distance: Decimal | None = Decimal("0.05")
    open_orders: int | None = 200
    orders_per_second: int | None = 30
    position: Decimal | None = None
    trip_after: int | None = 10
