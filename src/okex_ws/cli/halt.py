"""`okex-ws halt`: the kill switch of all trading programs on this machine; also cancels every open order of an account."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.account_client import account_place
from okex_ws.cli.api_errors import refusal_text
from okex_ws.cli.errors import OK, RunFailedError
from okex_ws.client.client import Client
from okex_ws.client.credentials import CredentialsError
from okex_ws.client.kill_switch import HALT_FILE, press, release
from okex_ws.client.rest import RestError
from okex_ws.events import OrderUpdate
from okex_ws.wire.orders import MOST_IN_BATCH

ROUNDS = 5
"""Number of rounds of listing and canceling open orders: an order sent just before the halt may appear a moment later."""
PAUSE_S = 0.5


@options.with_location
def halt(
    resume: Annotated[bool, typer.Option("--resume", help="Resume trading: remove the halt file, send nothing.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="The reason, shown with refused orders.")
    ] = "okex-ws halt",
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="The halt file that trading programs watch.")] = HALT_FILE,
    *,
    location: options.Location,
) -> int:
    """Stop trading: no program on this machine that watches the file sends a new order, and all open orders are canceled.

    The file is written first and needs no key; it stays until --resume. Then every open order of the account is canceled over
    REST,
    except algo and spread orders. Positions do not change. No confirmation is requested.

    Example: okex-ws halt --reason "wrong prices"
    """
    path = file.expanduser()
    problem = ""
    try:
        if resume:
            print(f"trading resumed: {path} is removed" if release(path) else f"trading was not halted: there is no {path}")
            return OK
        press(path, reason)
        print(f"no new orders are sent: {path}", flush=True)
    except OSError as error:
        problem = f"{path}: {os.strerror(error.errno or 0).lower()}; stop trading programs by hand"
    try:
        code = asyncio.run(_cancel_everything(location.account()))
    except CredentialsError as error:
        raise RunFailedError(f"{f'{problem}; ' if problem else ''}open orders were not canceled: {error}") from None
    if problem:
        raise RunFailedError(problem)
    return code


async def _cancel_everything(place: options.AccountOptions) -> int:
    client = Client(site=place.site, ca_file=place.ca_file, credentials=place.key)
    canceled: set[str] = set()
    try:
        for n in range(ROUNDS):
            if n:
                await asyncio.sleep(PAUSE_S)
            left = await client.rest.pending_orders()
            if not left:
                print(f"{len(canceled)} open orders canceled at {account_place(place)}")
                return OK
            canceled |= {order.order_id for order in left}
            await _cancel(client, left)
    except RestError as error:
        raise RunFailedError(
            f"open orders were not all canceled: {refusal_text(error.code, str(error), place.site, place.key)}"
        ) from None
    finally:
        await client.close()
    raise RunFailedError(f"{len(left)} orders are still open at {account_place(place)}; see okex-ws orders, and cancel again")


async def _cancel(client: Client, orders: list[OrderUpdate]) -> None:
    for start in range(0, len(orders), MOST_IN_BATCH):
        batch = orders[start : start + MOST_IN_BATCH]
        body = [{"instId": order.instrument, "ordId": order.order_id} for order in batch]
        # The next list shows the result of each request: the order is gone or still open.
        await client.rest.post("trade/cancel-batch-orders", body)
