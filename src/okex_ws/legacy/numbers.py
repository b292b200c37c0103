"""Numbers as the dialects write them: texts or JSON numbers by era, with commas here and there, "0" where there is nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Any

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)


def text(value: Any) -> str:
    """A number's own text: what a JSON number was written as, no commas."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no number")
    return str(value).replace(",", "")


def _number(value: Any) -> str:
    """The text of what is a number; Python would take a good deal more for one."""
    found = text(value)
    if _NUMBER.fullmatch(found) is None:
        raise ValueError(f"{value!r} is no number")
    return found


def public(value: Any) -> float:
    """A public number. Raises ValueError for what is none, NaN and Infinity included."""
    number = float(_number(value))
    if not isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


def amount(value: Any) -> float:
    """A public number that is not below zero: a price or a size."""
    number = public(value)
    if number < 0:
        raise ValueError(f"{value!r} is below 0")
    return number


def known(value: Any) -> float | None:
    """A public number that may not be there."""
    return None if value in (None, "") else public(value)


def own(value: Any) -> Decimal | None:
    """A number of our own, exact; None where there is none."""
    if value in (None, ""):
        return None
    return Decimal(_number(value))


def nonzero(value: Any) -> Decimal | None:
    """A number of our own where 0 stands for none: an average of no fill, the price of a market order."""
    return own(value) or None


def whole(value: Any) -> int:
    """An id, a time or a code; recordings have 1.0 for 1."""
    return int(_number(value).removesuffix(".0"))
