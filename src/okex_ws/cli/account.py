"""`okex-ws account`: balances and positions of one moment, with its time and quality."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import typer

from okex_ws.cli import options
from okex_ws.cli.account_client import account_place, open_account
from okex_ws.cli.errors import OK
from okex_ws.cli.event_lines import clock, plain
from okex_ws.cli.tables import exactly, show_balances, show_positions
from okex_ws.client.client import Client
from okex_ws.market.account import Account


@options.with_location
def account(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with every field of OKX.")] = False,
    *,
    location: options.Location,
) -> int:
    """Show an account: balances, positions, number of open orders, the time of these values, and whether they are LIVE.

    Example: okex-ws account --demo
    """
    place = location.account()
    return asyncio.run(_show(place, as_json))


async def _show(place: options.AccountOptions, as_json: bool) -> int:
    async with open_account(place) as client:
        if as_json:
            print(_json(client.account, place))
        else:
            _print(client, place)
    return OK


def _print(client: Client, place: options.AccountOptions) -> None:
    held = client.account
    totals = held.money.totals
    equity = exactly(totals.total_equity if totals is not None else None, 2)
    print(f"{account_place(place)}: {held.quality}, as of {clock(held.as_of)}")
    print(f"{equity} US dollars, {len(held.orders)} open order{'s' if len(held.orders) != 1 else ''}\n")
    show_balances(held.balances.values())
    show_positions(held.positions)


def _json(held: Account, place: options.AccountOptions) -> str:
    totals = held.money.totals
    fields = {
        "site": place.site.name,
        "quality": held.quality,
        "as_of": held.as_of,
        "total_equity": totals.total_equity if totals is not None else None,
        "open_orders": len(held.orders),
        "balances": [plain(row) for row in held.balances.values()],
        "positions": [plain(row) for row in held.positions],
    }
    return msgspec.json.encode(fields).decode()
