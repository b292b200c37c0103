"""`okex-ws cancel`: cancels one open order, or all of an instrument."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.account_client import ENDED_WITHIN_S, open_account, print_outcome, wait_until_final
from okex_ws.cli.errors import FAILED, OK, UNKNOWN, BadInputError
from okex_ws.cli.instrument_checks import check_instruments, check_name
from okex_ws.client.client import Client
from okex_ws.client.stream import Policy
from okex_ws.events import OrderUpdate, Verdict
from okex_ws.protocol.orders.tickets import Outcome
from okex_ws.wire.channels import subscription
from okex_ws.wire.orders import CancelOrder


@options.with_location
def cancel(
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="E.g. BTC-USDT.")],
    order_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="The order with this OKX id.")] = None,
    client_order_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The order with this client order id.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open order of the instrument.")] = False,
    audit: options.Audit = None,
    *,
    location: options.Location,
) -> int:
    """Cancel an open order, or all of an instrument, without confirmation. Exit codes as `okex-ws order`.

    Example: okex-ws cancel BTC-USDT --all --demo
    """
    check_name(instrument)
    if sum((order_id is not None, client_order_id is not None, everything)) != 1:
        raise BadInputError("give one of --id ID, --client-id ID or --all")
    place = location.account()
    if everything:
        return asyncio.run(_cancel_all(place, instrument, audit))
    return asyncio.run(
        _cancel(place, CancelOrder(instrument=instrument, order_id=order_id or "", client_order_id=client_order_id or ""), audit)
    )


async def _cancel(place: options.AccountOptions, request: CancelOrder, audit: Path | None) -> int:
    async with open_account(place, request.instrument, audit=audit) as client:
        await _check_known(client, request.instrument)
        ids = {"order_id": request.order_id} if request.order_id else {"client_order_id": request.client_order_id}
        updates = client.stream(OrderUpdate, policy=Policy.DROP_OLDEST, name="cancel")
        outcome = await client.orders.cancel(request.instrument, **ids)
        await wait_until_final(updates, outcome, ENDED_WITHIN_S)
        return print_outcome(outcome, client.account.orders.get(outcome.order_id))


async def _cancel_all(place: options.AccountOptions, instrument: str, audit: Path | None) -> int:
    async with open_account(place, instrument, audit=audit) as client:
        await _check_known(client, instrument)
        return print_outcomes(await client.orders.cancel_all(instrument))


async def _check_known(client: Client, instrument: str) -> None:
    """Raise BadInputError, with the nearest name, for an instrument that OKX does not list."""
    if instrument not in client.instruments:
        await check_instruments(client, [subscription("trades", instrument)])


def print_outcomes(outcomes: list[Outcome]) -> int:
    """Print a line for each order that is still open and a total; returns the exit code."""
    left = [outcome for outcome in outcomes if outcome.verdict is not Verdict.CONFIRMED]
    for outcome in left:
        print_outcome(outcome)
    done = len(outcomes) - len(left)
    print(f"{done} of {len(outcomes)} open orders canceled" if outcomes else "no open order")
    if any(outcome.verdict is Verdict.UNKNOWN for outcome in left):
        return UNKNOWN
    return FAILED if left else OK
