"""Numbers of V1 and V3: texts or JSON numbers by era, sometimes with commas, "0" for none."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Any

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)


def text(value: Any) -> str:
    """Return the text of a number as it was written, without commas."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no number")
    return str(value).replace(",", "")


def _number(value: Any) -> str:
    """Return the text of a number. Python's own parsers accept more forms."""
    found = text(value)
    if _NUMBER.fullmatch(found) is None:
        raise ValueError(f"{value!r} is no number")
    return found


def public(value: Any) -> float:
    """Return a public number. Raises ValueError for anything else, also for NaN and Infinity."""
    found = _number(value)
    number = float(found)
    if not isfinite(number) or (not number and found.lower().partition("e")[0].strip("-+0.")):
        raise ValueError(f"{value!r} is no number")
    return number


def amount(value: Any) -> float:
    """Return a public number that is not below zero: a price or a size."""
    number = public(value)
    if number < 0:
        raise ValueError(f"{value!r} is below 0")
    return number


def known(value: Any) -> float | None:
    """Return a public number, or None if it is absent."""
    return None if value in (None, "") else public(value)


def own(value: Any) -> Decimal | None:
    """Return an account's number exactly; None if it is absent."""
    if value in (None, ""):
        return None
    return Decimal(_number(value))


def nonzero(value: Any) -> Decimal | None:
    """Return an account's number; 0 means none, for example the average price without a fill."""
    return own(value) or None


def whole(value: Any) -> int:
    """Return an id, a time or a code; recordings have 1.0 for 1."""
    return int(_number(value).removesuffix(".0"))
