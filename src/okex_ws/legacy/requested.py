"""What an order request may ask for in either dialect: numbers above zero, ids that are nothing but ids."""

from __future__ import annotations

import re
from decimal import Decimal

from okex_ws.errors import OkexError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NoRequestError(OkexError, ValueError):
    """A request the dialect cannot say; the text says what to change."""


def positive(name: str, number: Decimal, *, is_whole: bool = False) -> str:
    """A size or a price as it is written. Raises NoRequestError."""
    if not number.is_finite() or number <= 0:
        raise NoRequestError(f"{name} is {number}; give a number above 0")
    if is_whole and number != number.to_integral_value():
        raise NoRequestError(f"{name} is {number}; contracts are whole")
    return format(number, "f")


def identity(order_id: str) -> str:
    """An order's id, theirs or ours, as it goes into what is signed. Raises NoRequestError."""
    if _ID.fullmatch(order_id) is None:
        raise NoRequestError(f"{order_id!r} is no id of an order")
    return order_id
