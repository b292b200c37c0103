"""Numbers as the dialects write them: texts or JSON numbers by era, with commas here and there, "0" where there is nothing."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any


def text(value: Any) -> str:
    """A number's own text: what a JSON number was written as, no commas."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no number")
    return str(value).replace(",", "")


def public(value: Any) -> float:
    """A public number. Raises ValueError for what is none, NaN and Infinity included."""
    number = float(text(value))
    if not isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


def known(value: Any) -> float | None:
    """A public number that may not be there."""
    return None if value in (None, "") else public(value)


def own(value: Any) -> Decimal | None:
    """A number of our own, exact; None where there is none."""
    if value in (None, ""):
        return None
    try:
        number = Decimal(text(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    return number


def nonzero(value: Any) -> Decimal | None:
    """A number of our own where 0 stands for none: an average of no fill, the price of a market order."""
    return own(value) or None


def whole(value: Any) -> int:
    """An id, a time or a code; recordings have 1.0 for 1."""
    return int(text(value).removesuffix(".0"))
