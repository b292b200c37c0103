"""`okex-ws order`: sends one order after checking it, and shows its outcome."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

from okex_ws.cli import options
from okex_ws.cli.account_client import (
    ENDED_WITHIN_S,
    account_place,
    account_settings,
    open_account,
    print_outcome,
    wait_until_final,
)
from okex_ws.cli.api_errors import refusal_error
from okex_ws.cli.errors import BadInputError, RunFailedError
from okex_ws.cli.instrument_checks import check_instruments, check_name, list_of
from okex_ws.cli.tables import exactly
from okex_ws.cli.watch import Signals
from okex_ws.client.client import Client
from okex_ws.client.kill_switch import HALT_FILE, pressed
from okex_ws.client.rest import RestError
from okex_ws.client.stream import Policy
from okex_ws.events import Instrument, OrderUpdate, Ticker
from okex_ws.market.sizing import check_price, check_size, exact, notional
from okex_ws.protocol.orders.order_ids import PREFIX_BITS, OrderIds
from okex_ws.protocol.risk.limits import Limits
from okex_ws.wire.channels import subscription
from okex_ws.wire.frames import decode_rows
from okex_ws.wire.orders import OrderType, PlaceOrder, Side

SEEN_WITHIN_S = {"limit": 0.5, "post_only": 0.5}
"""Seconds to wait for the final state of an accepted order of a type that may rest."""
_MODES = ("cash", "cross", "isolated")


@options.with_location
def order(
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="E.g. BTC-USDT or BTC-USDT-SWAP.")],
    size: Annotated[str, typer.Argument(metavar="SIZE", help="Base currency on spot, e.g. 0.01 BTC; contracts on derivatives.")],
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="PRICE", help="At this price or better; the unfilled part rests.")
    ] = None,
    market: Annotated[bool, typer.Option("--market", help="At any price.")] = False,
    post_only: Annotated[
        bool, typer.Option("--post-only", help="With --limit: only rest; canceled if it would fill at once.")
    ] = False,
    ioc: Annotated[bool, typer.Option("--ioc", help="With --limit: fill what is possible at once, cancel the rest.")] = False,
    fok: Annotated[bool, typer.Option("--fok", help="With --limit: fill all of it at once, or nothing.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only reduce a position.")] = False,
    trade_mode: Annotated[
        str | None,
        typer.Option("--trade-mode", metavar="MODE", help="cash, cross or isolated. Default: cash on spot, else cross."),
    ] = None,
    position_side: Annotated[
        str | None,
        typer.Option(
            "--position-side", metavar="SIDE", help="long or short, in an account with separate long and short positions."
        ),
    ] = None,
    client_order_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="Your own order id: at most 32 letters and digits.")
    ] = None,
    price_distance: Annotated[
        str, typer.Option("--price-distance", metavar="PERCENT", help="With --limit: largest distance from the last price.")
    ] = "5",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send to a live site without confirmation.")] = False,
    audit: options.Audit = None,
    *,
    location: options.Location,
) -> int:
    """Send one order, and print its outcome with its ids and state.

    Before sending, the instrument, its steps and limits, the balance and the distance of a limit price from the market are
    checked. A live site requires confirmation.

    CONFIRMED: OKX accepted it; its state shows the fills. REJECTED: certainly nothing happened.

    UNKNOWN, with exit code 3: it may have happened; check before sending it again.

    Example: okex-ws order buy BTC-USDT 0.01 --limit 60000 --demo
    """
    request = _order(side, instrument, size, limit, _order_type(limit, market, post_only=post_only, ioc=ioc, fok=fok))
    if trade_mode is not None and trade_mode not in _MODES:
        raise BadInputError(f"--trade-mode {trade_mode}: modes are {', '.join(_MODES)}")
    if position_side is not None and position_side not in ("long", "short"):
        raise BadInputError(f"--position-side {position_side}: write long or short")
    is_spot = instrument.count("-") == 1
    request = msgspec.structs.replace(
        request,
        trade_mode=trade_mode or ("cash" if is_spot else "cross"),
        position_side=position_side or "",
        reduce_only=reduce_only,
        client_order_id=client_order_id or "",
    )
    distance = exact(price_distance, "--price-distance")
    if distance <= 0:
        raise BadInputError(f"--price-distance {price_distance}: write percent of the last price, above zero")
    place = location.account()
    asks = not yes and not place.site.demo and not place.site.is_local
    if asks and not sys.stdin.isatty():
        raise BadInputError(f"this would go to {account_place(place)}: add --yes, or run it in a terminal to confirm")
    halted = pressed(HALT_FILE.expanduser())
    if halted is not None:
        raise RunFailedError(f"trading is halted: {halted}; nothing was sent; run `okex-ws halt --resume` to resume")
    known = asyncio.run(_checked(place, request))
    if asks and not is_confirmed(place, request, known):
        raise RunFailedError("nothing was sent")
    return asyncio.run(send(place, request, Limits(price_distance=distance / 100), audit))


def _order_type(limit: str | None, market: bool, **kinds: bool) -> OrderType:
    chosen = [cast(OrderType, name) for name, is_chosen in kinds.items() if is_chosen]
    options_ = " and ".join(f"--{name.replace('_', '-')}" for name in chosen)
    if market == (limit is not None):
        raise BadInputError("give either --limit PRICE or --market")
    if len(chosen) > 1:
        raise BadInputError(f"{options_} exclude each other; omit one")
    if market and chosen:
        raise BadInputError(f"{options_} goes with --limit, not with --market")
    return chosen[0] if chosen else "market" if market else "limit"


def _order(side: str, instrument: str, size: str, limit: str | None, order_type: OrderType) -> PlaceOrder:
    if side not in ("buy", "sell"):
        raise BadInputError(f"{side!r} is not a side: write okex-ws order buy INSTRUMENT SIZE, or sell")
    check_name(instrument)
    kind = list_of(instrument)
    if kind is None or kind[0] == "OPTION":
        raise BadInputError(
            f"{instrument}: only spot, swaps and futures can be ordered by this command; for others use the client"
        )
    price = exact(limit, "price") if limit is not None else None
    return PlaceOrder(instrument=instrument, side=cast(Side, side), size=exact(size), price=price, order_type=order_type)


async def _checked(place: options.AccountOptions, request: PlaceOrder) -> Instrument | None:
    """Check the order against everything known before sending; raises BadInputError or SizeError."""
    client = Client(site=place.site, ca_file=place.ca_file, credentials=place.key)
    try:
        await account_settings(client, place)
        found = await check_instruments(client, [subscription("trades", request.instrument)])
        known = found.get(request.instrument)
        if known is not None:
            check_size(known, request.size, order_type=request.order_type)
            if request.price is not None:
                check_price(known, request.price, request.side)
        if not request.reduce_only:
            await _check_balance(client, request)
        return known
    finally:
        await client.close()


async def _check_balance(client: Client, request: PlaceOrder) -> None:
    """Raise BadInputError if the balance is too small; skipped if OKX does not answer."""
    query = {"instId": request.instrument, "tdMode": request.trade_mode}
    if request.price is not None:
        query["px"] = exactly(request.price).replace(",", "")
    rows = []
    with contextlib.suppress(RestError):
        rows = await client.rest.get("account/max-size", **query)
    for row in rows:
        most = Decimal(row.get("maxBuy" if request.side == "buy" else "maxSell") or "NaN")
        if request.size > most:
            raise BadInputError(
                f"not enough balance to {request.side} {exactly(request.size)} {request.instrument}: enough for {exactly(most)}"
            )


def is_confirmed(place: options.AccountOptions, request: PlaceOrder, known: Instrument | None) -> bool:
    """Ask the user for confirmation; returns the answer."""
    return typer.confirm(f"{_order_text(request, known)}, at {account_place(place)}. Send it?", err=True)


def _order_text(request: PlaceOrder, known: Instrument | None) -> str:
    price = "at the market" if request.price is None else f"{request.order_type.replace('_', ' ')} at {exactly(request.price)}"
    worth = ""
    if known is not None and request.price is not None:
        worth = f" ({exactly(notional(known, request.size, request.price), 2)} {known.quote_currency or 'USD'})"
    unit = "" if request.instrument.count("-") == 1 else " contracts"
    return f"{request.side} {exactly(request.size)}{unit} {request.instrument}, {price}{worth}"


async def _fetch_last_price(client: Client, place: options.AccountOptions, instrument: str) -> None:
    """Fetch the last price for the limit check, since no ticker is subscribed here."""
    try:
        rows = await client.rest.get("market/ticker", instId=instrument)
    except RestError as error:
        raise refusal_error(error, place.site, place.key) from None
    for ticker in decode_rows(rows, Ticker, "tickers"):
        client.latest.apply(ticker)


async def send(place: options.AccountOptions, request: PlaceOrder, limits: Limits = Limits(), audit: Path | None = None) -> int:
    """Send the order and print its outcome. After a signal in between, print the client order id of the possible order."""
    async with open_account(place, request.instrument, orders=True, limits=limits, audit=audit) as client:
        if request.price is not None:
            await _fetch_last_price(client, place, request.instrument)
        updates = client.stream(OrderUpdate, policy=Policy.DROP_OLDEST, name="order")
        named = request.client_order_id or OrderIds(secrets.randbits(PREFIX_BITS)).next()  # known before OKX answers
        placing = asyncio.create_task(
            client.orders.place(
                request.instrument,
                request.side,
                request.size,
                price=request.price,
                order_type=request.order_type,
                trade_mode=request.trade_mode,
                position_side=request.position_side,
                reduce_only=request.reduce_only,
                client_order_id=named,
            )
        )
        stopped_by = 0

        def stop(code: int) -> None:
            nonlocal stopped_by
            stopped_by = code
            placing.cancel()

        try:
            with Signals(stop):
                outcome = await placing
        except asyncio.CancelledError:
            text = f"stopped before OKX answered: client order id {named} may exist; check with okex-ws orders"
            print(f"okex-ws: {text}", file=sys.stderr)
            if stopped_by:
                return stopped_by
            raise
        await wait_until_final(updates, outcome, SEEN_WITHIN_S.get(request.order_type, ENDED_WITHIN_S))
        return print_outcome(outcome, client.account.orders.get(outcome.order_id))
