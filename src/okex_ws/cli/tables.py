"""Tables of an account's contents as text: complete numbers, right-aligned, "-" for unknown values.

On a terminal too narrow for a table each row becomes a paragraph.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from okex_ws.client.sanitize import one_line as escaped
from okex_ws.events import Balance, OrderUpdate, PositionUpdate

_WIDEST = 400


def exactly(value: Decimal | None, decimals: int | None = None) -> str:
    """Return a number with thousands separators, without exponent and trailing zeros; "-" if unknown."""
    if value is None:
        return "-"
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str]) -> None:
    """Print a table on stdout; `right` names the columns of numbers. Without rows: one line.

    No cell is ever cut off: half an id or number is worse than more lines.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [[escaped(cell) for cell in row] for row in rows]
    print(f"{title}:" if rows else f"{title}: none")
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    is_plain = bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    out = io.StringIO()
    console = Console(file=out, width=_WIDEST, force_terminal=not is_plain, highlight=False)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDEST
    if console.measure(table).maximum > width:
        for row in rows:
            first, *others = paragraph(columns, row, width)
            console.print(Text(first, style="bold"), *map(Text, others), sep="\n", no_wrap=True)
    else:
        console.print(table)
    print("\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n")


def paragraph(columns: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """Return a row as lines of at most this width: its first cell, then names and known values."""
    pairs = [
        f"{name} {cell}".replace(" ", "\N{NO-BREAK SPACE}")
        for name, cell in zip(columns[1:], row[1:], strict=True)
        if cell != "-"
    ]
    wrapper = textwrap.TextWrapper(width, "  ", "  ", break_long_words=False, break_on_hyphens=False)
    return [row[0], *(line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapper.wrap("  ".join(pairs)))]


def show_balances(balances: Iterable[Balance]) -> None:
    """Print currencies by value, the largest first."""
    rows = [
        (
            each.currency,
            exactly(each.equity if each.equity is not None else each.cash),
            exactly(each.available if each.available is not None else each.available_equity),
            exactly(each.in_orders),
            exactly(each.equity_usd, 2),
        )
        for each in sorted(balances, key=lambda each: (-(each.equity_usd or 0), each.currency))
    ]
    numbers = ("equity", "available", "in orders", "US dollars")
    show("Balances", ("currency", *numbers), rows, right=numbers)


def show_positions(positions: Iterable[PositionUpdate]) -> None:
    """Print open positions; sizes are contracts, negative if short."""
    rows = [
        (
            each.instrument,
            each.position_side or "net",
            each.margin_mode,
            exactly(each.size),
            exactly(each.average_price),
            exactly(each.mark_price),
            exactly(each.unrealized_profit, 2),
            exactly(each.leverage),
            exactly(each.liquidation_price),
        )
        for each in sorted(positions, key=lambda each: each.instrument)
    ]
    numbers = ("size", "average", "mark", "profit", "leverage", "liquidation")
    show("Positions", ("instrument", "side", "margin", *numbers), rows, right=numbers)


def show_orders(title: str, orders: Iterable[OrderUpdate]) -> None:
    """Print orders, the latest first."""
    rows = [
        (
            time.strftime("%m-%d %H:%M:%S", time.localtime(each.created_ms // 1000)) if each.created_ms else "-",
            each.instrument,
            each.side,
            each.order_type,
            exactly(each.size),
            exactly(each.price),
            exactly(each.filled_size),
            exactly(each.average_price if each.filled_size else None),
            each.state,
            each.order_id,
            each.client_order_id or "-",
        )
        for each in sorted(orders, key=lambda each: -(each.created_ms or 0))
    ]
    columns = ("since", "instrument", "side", "type", "size", "price", "filled", "average", "state", "id", "client id")
    show(title, columns, rows, right=("size", "price", "filled", "average"))


def facts(rows: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line, on stdout; empty values are omitted."""
    shown = [(name, str(value)) for name, value in rows if value not in ("", None)]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name:<{width}}  {escaped(value)}")
