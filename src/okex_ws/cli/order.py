"""`okex-ws order`: one order, checked before it is sent, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from okex_ws.cli import options
from okex_ws.cli.checking import check_instruments, check_name, list_of
from okex_ws.cli.errors import BadInputError, RunFailedError
from okex_ws.cli.refusals import ending
from okex_ws.cli.signed_in import ENDED_WITHIN_S, asked, became_final, kind_of_place, signed_in, tell
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
from okex_ws.wire.orders import PlaceOrder

SEEN_WITHIN_S = {"limit": 0.5, "post_only": 0.5}
"""How long to wait for the end of an accepted order that may as well rest."""
_MODES = ("cash", "cross", "isolated")


def order(
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="E.g. BTC-USDT or BTC-USDT-SWAP.")],
    size: Annotated[str, typer.Argument(metavar="SIZE", help="Base currency on spot, e.g. 0.01 BTC; contracts on derivatives.")],
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="PRICE", help="At this price or better; what does not fill rests.")
    ] = None,
    market: Annotated[bool, typer.Option("--market", help="At whatever price there is.")] = False,
    post_only: Annotated[
        bool, typer.Option("--post-only", help="With --limit: only rest; canceled if it would fill at once.")
    ] = False,
    ioc: Annotated[bool, typer.Option("--ioc", help="With --limit: fill what fills at once, cancel the rest.")] = False,
    fok: Annotated[bool, typer.Option("--fok", help="With --limit: fill all of it at once, or nothing.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only make a position smaller.")] = False,
    trade_mode: Annotated[
        str | None,
        typer.Option("--trade-mode", metavar="MODE", help="cash, cross or isolated. Without it: cash on spot, else cross."),
    ] = None,
    position_side: Annotated[
        str | None, typer.Option("--position-side", metavar="SIDE", help="long or short, where positions are held apart.")
    ] = None,
    client_order_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="An id of yours: at most 32 letters and digits.")
    ] = None,
    price_distance: Annotated[
        str,
        typer.Option("--price-distance", metavar="PERCENT", help="With --limit: how far off the last price it may be at most."),
    ] = "5",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send to a live site without asking.")] = False,
    audit: options.Audit = None,
    profile: options.Profile = None,
    site: options.SiteName = None,
    demo: options.Demo = False,
    url: options.Url = None,
    rest_url: options.RestUrl = None,
    ca_file: options.CaFile = None,
) -> int:
    """Send one order, and print how that ended, with its ids and what became of it.

    Before anything is sent, the instrument, its steps and limits, the balance and how far a limit price is off the market are
    checked. A live site asks first.

    CONFIRMED: OKX accepted it; its state tells what was filled. REJECTED: certainly nothing happened.

    UNKNOWN, with exit code 3: it may have happened; look before sending it again.

    Example: okex-ws order buy BTC-USDT 0.01 --limit 60000 --demo
    """
    wish = _wish(side, instrument, size, limit, _order_type(limit, market, post_only=post_only, ioc=ioc, fok=fok))
    if trade_mode is not None and trade_mode not in _MODES:
        raise BadInputError(f"--trade-mode {trade_mode}: modes are {', '.join(_MODES)}")
    if position_side is not None and position_side not in ("long", "short"):
        raise BadInputError(f"--position-side {position_side}: write long or short")
    is_spot = instrument.count("-") == 1
    wish = msgspec.structs.replace(
        wish,
        trade_mode=trade_mode or ("cash" if is_spot else "cross"),
        position_side=position_side or "",
        reduce_only=reduce_only,
        client_order_id=client_order_id or "",
    )
    distance = exact(price_distance, "--price-distance")
    if distance <= 0:
        raise BadInputError(f"--price-distance {price_distance}: write percent of the last price, above zero")
    place = options.account(profile, site, demo, url, rest_url, ca_file)
    asks = not yes and not place.site.demo and not place.site.is_local
    if asks and not sys.stdin.isatty():
        raise BadInputError(f"this would go to {kind_of_place(place)}: add --yes, or type it at a terminal to be asked")
    halted = pressed(HALT_FILE.expanduser())
    if halted is not None:
        raise RunFailedError(f"trading is halted: {halted}; nothing was sent; okex-ws halt --resume lets go")
    known = asyncio.run(_checked(place, wish))
    if asks and not agreed(place, wish, known):
        raise RunFailedError("nothing was sent")
    return asyncio.run(send(place, wish, Limits(price_distance=distance / 100), audit))


def _order_type(limit: str | None, market: bool, **kinds: bool) -> str:
    chosen = [name for name, is_chosen in kinds.items() if is_chosen]
    options_ = " and ".join(f"--{name.replace('_', '-')}" for name in chosen)
    if market == (limit is not None):
        raise BadInputError("give either --limit PRICE or --market")
    if len(chosen) > 1:
        raise BadInputError(f"{options_} exclude each other; leave one out")
    if market and chosen:
        raise BadInputError(f"{options_} goes with --limit, not with --market")
    return chosen[0] if chosen else "market" if market else "limit"


def _wish(side: str, instrument: str, size: str, limit: str | None, order_type: str) -> PlaceOrder:
    if side not in ("buy", "sell"):
        raise BadInputError(f"{side!r} is no side: write okex-ws order buy INSTRUMENT SIZE, or sell")
    check_name(instrument)
    kind = list_of(instrument)
    if kind is None or kind[0] == "OPTION":
        raise BadInputError(f"{instrument}: spot, swaps and futures can be ordered from here; for others use the client")
    price = exact(limit, "price") if limit is not None else None
    return PlaceOrder(instrument=instrument, side=side, size=exact(size), price=price, order_type=order_type)


async def _checked(place: options.AccountOptions, wish: PlaceOrder) -> Instrument | None:
    """Everything that can be known to be wrong before anything is sent; raises BadInputError or SizeError."""
    client = Client(site=place.site, ca_file=place.ca_file, credentials=place.key)
    try:
        await asked(client, place)
        found = await check_instruments(client, [subscription("trades", wish.instrument)])
        known = found.get(wish.instrument)
        if known is not None:
            check_size(known, wish.size, order_type=wish.order_type)
            if wish.price is not None:
                check_price(known, wish.price, wish.side)
        if not wish.reduce_only:
            await _check_balance(client, wish)
        return known
    finally:
        await client.close()


async def _check_balance(client: Client, wish: PlaceOrder) -> None:
    """Whether the account can pay for it; what OKX does not answer is not judged."""
    query = {"instId": wish.instrument, "tdMode": wish.trade_mode}
    if wish.price is not None:
        query["px"] = exactly(wish.price).replace(",", "")
    rows = []
    with contextlib.suppress(RestError):
        rows = await client.rest.get("account/max-size", **query)
    for row in rows:
        most = Decimal(row.get("maxBuy" if wish.side == "buy" else "maxSell") or "NaN")
        if wish.size > most:
            raise BadInputError(
                f"not enough balance to {wish.side} {exactly(wish.size)} {wish.instrument}: it is enough for {exactly(most)}"
            )


def agreed(place: options.AccountOptions, wish: PlaceOrder, known: Instrument | None) -> bool:
    """Whether whoever sits at the terminal says yes to this order."""
    return typer.confirm(f"{_words(wish, known)}, at {kind_of_place(place)}. Send it?", err=True)


def _words(wish: PlaceOrder, known: Instrument | None) -> str:
    price = "at the market" if wish.price is None else f"{wish.order_type.replace('_', ' ')} at {exactly(wish.price)}"
    worth = ""
    if known is not None and wish.price is not None:
        worth = f" ({exactly(notional(known, wish.size, wish.price), 2)} {known.quote_currency or 'USD'})"
    unit = "" if wish.instrument.count("-") == 1 else " contracts"
    return f"{wish.side} {exactly(wish.size)}{unit} {wish.instrument}, {price}{worth}"


async def _learn_price(client: Client, place: options.AccountOptions, instrument: str) -> None:
    """The last price, by which the guard judges a limit; nothing is subscribed here that would tell it."""
    try:
        rows = await client.rest.get("market/ticker", instId=instrument)
    except RestError as error:
        raise ending(error, place.site, place.key) from None
    for ticker in decode_rows(rows, Ticker, "tickers"):
        client.latest.apply(ticker)


async def send(place: options.AccountOptions, wish: PlaceOrder, limits: Limits = Limits(), audit: Path | None = None) -> int:
    """Send it and tell how that ended; a signal in between tells that it may have happened, and by which id to look for it."""
    async with signed_in(place, wish.instrument, orders=True, limits=limits, audit=audit) as client:
        if wish.price is not None:
            await _learn_price(client, place, wish.instrument)
        updates = client.stream(OrderUpdate, policy=Policy.DROP_OLDEST, name="order")
        named = wish.client_order_id or OrderIds(secrets.randbits(PREFIX_BITS)).next()  # known before OKX answers
        placing = asyncio.create_task(
            client.place(
                wish.instrument,
                wish.side,
                wish.size,
                price=wish.price,
                order_type=wish.order_type,
                trade_mode=wish.trade_mode,
                position_side=wish.position_side,
                reduce_only=wish.reduce_only,
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
            text = f"stopped before OKX answered: client order id {named} may be there; look with okex-ws orders"
            print(f"okex-ws: {text}", file=sys.stderr)
            if stopped_by:
                return stopped_by
            raise
        await became_final(updates, outcome, SEEN_WITHIN_S.get(wish.order_type, ENDED_WITHIN_S))
        return tell(outcome, client.account.orders.get(outcome.order_id))
