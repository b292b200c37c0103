"""Checks of order requests in both dialects: numbers above zero, ids without other characters."""

from __future__ import annotations

import re
from decimal import Decimal

from okex_ws.errors import OkexError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NoRequestError(OkexError, ValueError):
    """The dialect has no such request; the text names the change to make."""


def positive(name: str, number: Decimal, *, is_whole: bool = False) -> str:
    """Return a size or a price as text. Raises NoRequestError."""
    if not number.is_finite() or number <= 0:
        raise NoRequestError(f"{name} is {number}; give a number above 0")
    if is_whole and number != number.to_integral_value():
        raise NoRequestError(f"{name} is {number}; contracts are whole")
    return format(number, "f")


def identity(order_id: str) -> str:
    """Return an order id, OKX's or ours, for the signed request. Raises NoRequestError."""
    if _ID.fullmatch(order_id) is None:
        raise NoRequestError(f"{order_id!r} is not an order id")
    return order_id
