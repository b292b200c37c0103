"""`okex-ws orders`: lists an account's open orders, or those of the last days."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.account_client import account_place
from okex_ws.cli.api_errors import refusal_error
from okex_ws.cli.errors import OK
from okex_ws.cli.event_lines import as_json as in_json
from okex_ws.cli.instrument_checks import check_instruments, check_name
from okex_ws.cli.tables import show_orders
from okex_ws.client.client import Client
from okex_ws.client.rest import RestError
from okex_ws.events import OrderUpdate
from okex_ws.wire.channels import subscription
from okex_ws.wire.frames import decode_rows

KINDS = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")


@options.with_location
def orders(
    instrument: Annotated[str | None, typer.Argument(metavar="INSTRUMENT", help="Only of this one.")] = None,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="Finished orders of the last 7 days instead; canceled ones without a fill: of the last 2 hours."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    *,
    location: options.Location,
) -> int:
    """List an account's open orders, the latest first.

    Example: okex-ws orders --demo
    """
    if instrument is not None:
        check_name(instrument)
    place = location.account()
    found = asyncio.run(_read(place, instrument, history))
    if as_json:
        for order in found:
            sys.stdout.write(in_json(order) + "\n")
    else:
        show_orders(f"{'Finished' if history else 'Open'} orders at {account_place(place)}", found)
    return OK


async def _finished(client: Client, instrument: str | None) -> list[OrderUpdate]:
    rows = []
    for kind in KINDS:
        rows += await client.rest.all_pages("trade/orders-history", "ordId", instType=kind, instId=instrument)
    return decode_rows(rows, OrderUpdate, "orders")


async def _read(place: options.AccountOptions, instrument: str | None, history: bool) -> list[OrderUpdate]:
    client = Client(site=place.site, ca_file=place.ca_file, credentials=place.key)
    try:
        found = await (_finished(client, instrument) if history else client.rest.pending_orders(instrument))
        if instrument is not None and not found:
            await check_instruments(client, [subscription("trades", instrument)])  # no orders, or an unknown instrument
        return found
    except RestError as error:
        raise refusal_error(error, place.site, place.key) from None
    finally:
        await client.close()
