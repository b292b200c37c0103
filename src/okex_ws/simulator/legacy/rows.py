"""Rows that V1 and V3 share: states and moves of orders, plain numbers, dates, recent trades."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.orders import Order
from okex_ws.simulator.market.calendar import civil, days_to

_STATES = {"live": 0, "partially_filled": 1, "filled": 2, "canceled": -1}


def status(order: Order) -> int:
    """Return the state of an order: -1 cancelled, 0 open, 1 partly filled, 2 filled."""
    return _STATES[order.state]


def move(order: Order) -> int:
    """Return 1 open long, 2 open short, 3 close long, 4 close short."""
    if order.position_side in ("long", "short"):
        is_opening = order.is_buy == (order.position_side == "long")
        return (1 if order.is_buy else 2) if is_opening else (4 if order.is_buy else 3)
    if order.reduce_only:
        return 4 if order.is_buy else 3
    return 1 if order.is_buy else 2


def plain(value: Decimal) -> str:
    """Return a Decimal as text without an exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def date(day: int) -> tuple[int, int, int]:
    """Return (year, month, day) of a day number from 1970-01-01."""
    year, month = civil(day)
    return year, month, day - days_to(year, month) + 1


def recent_trades(matches: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return the last trades, oldest first, aggregated as `trades` publishes them: one order's matches at one price are one."""
    found: list[dict[str, Any]] = []
    for match in reversed(matches[-count * 8 :]):
        last = found[-1] if found else None
        if last is not None and all(last[name] == match[name] for name in ("px", "side", "ts", "source")):
            last["sz"] = str(Decimal(last["sz"]) + Decimal(match["sz"]))
        elif len(found) == count:
            break
        else:
            found.append(dict(match))
    return found[::-1]
