"""A ready client of one account, or a one-line reason for its failure; and the outcomes of its orders in words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from okex_ws.cli import options
from okex_ws.cli.api_errors import refusal_error, refusal_text
from okex_ws.cli.errors import FAILED, OK, UNKNOWN, BadInputError, RunFailedError
from okex_ws.cli.instrument_checks import list_of
from okex_ws.cli.tables import exactly, facts
from okex_ws.client.audit import log as audit_log
from okex_ws.client.client import Client
from okex_ws.client.errors import LoginRefusedError, NotReadyError
from okex_ws.client.kill_switch import HALT_FILE
from okex_ws.client.rest import RestError
from okex_ws.client.stream import Stream
from okex_ws.client.trading import Trading
from okex_ws.events import Dropped, OrderUpdate, Verdict
from okex_ws.protocol.orders.tickets import Outcome
from okex_ws.protocol.orders.verdicts import FINAL
from okex_ws.protocol.risk.limits import Limits

READY_WITHIN_S = 20.0
ENDED_WITHIN_S = 3.0
"""Seconds to wait for the final state of an order that cannot rest."""
_EXIT = {Verdict.CONFIRMED: OK, Verdict.REJECTED: FAILED, Verdict.UNKNOWN: UNKNOWN}


@contextlib.contextmanager
def _audited(file: Path | None) -> Iterator[None]:
    """Write the audit log to this file, or discard it: stdout is for the command's result. Raises OSError."""
    handler = logging.FileHandler(file, encoding="utf-8") if file is not None else logging.NullHandler()
    level = audit_log.level
    audit_log.addHandler(handler)
    audit_log.setLevel(logging.INFO)
    try:
        yield
    finally:
        audit_log.removeHandler(handler)
        audit_log.setLevel(level)
        handler.close()


@contextlib.asynccontextmanager
async def open_account(
    place: options.AccountOptions, *instruments: str, orders: bool = False, limits: Limits = Limits(), audit: Path | None = None
) -> AsyncIterator[Client]:
    """Yield a client that is logged in and knows its account. Raises BadInputError or RunFailedError before any order.

    instruments: reference data of their types is loaded. orders: True if new orders are sent; the halt file then stops them.
    audit: a
    file for requests and their outcomes.
    """
    kinds = dict.fromkeys(kind[0] for name in instruments if (kind := list_of(name)) is not None)
    types = tuple(kind for kind in kinds if kind != "OPTION")
    # A resting order must outlive this command, which could not renew a cancel-all-after timer.
    halt_file = HALT_FILE if orders else None
    trading = Trading(instrument_types=types, halt_file=halt_file, cancel_all_after_s=None, limits=limits)
    client = Client(site=place.site, ca_file=place.ca_file, credentials=place.key, keep_books=False, trading=trading)
    try:
        await account_settings(client, place)
        with _audited(audit):
            async with client:
                try:
                    await client.ready(READY_WITHIN_S)
                except LoginRefusedError as error:
                    raise BadInputError(refusal_text("", str(error), place.site, place.key)) from None
                except NotReadyError as error:
                    raise RunFailedError(f"{place.site.websocket}: {error}") from None
                yield client
    finally:
        await client.close()


async def account_settings(client: Client, place: options.AccountOptions) -> dict[str, Any]:
    """Return the account's settings; raises an error in words if the key is not valid here."""
    try:
        return await client.rest.account_config()
    except RestError as error:
        raise refusal_error(error, place.site, place.key) from None


def account_place(place: options.AccountOptions) -> str:
    """Return the site of the account in words."""
    site = place.site
    if site.is_local or site.name == "custom":
        return site.websocket
    return f"OKX {site.name.removesuffix(' demo')} ({'demo trading' if site.demo else 'live'})"


async def wait_until_final(updates: Stream[OrderUpdate | Dropped], outcome: Outcome, within_s: float) -> None:
    """Wait for the push of an accepted order's final state, for a limited time, since the order may rest."""
    if outcome.verdict is not Verdict.CONFIRMED or outcome.state in FINAL:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for update in updates:
                if isinstance(update, OrderUpdate) and update.order_id == outcome.order_id and update.is_final:
                    return


def print_outcome(outcome: Outcome, order: OrderUpdate | None = None) -> int:
    """Print the outcome of an order request on stdout; returns the exit code."""
    print(outcome.verdict.name)
    facts(
        [
            ("instrument", outcome.instrument),
            ("order id", outcome.order_id),
            ("client order id", outcome.client_order_id),
            ("reason", _reason(outcome)),
            ("advice", _unknown_advice(outcome) or outcome.advice),
            ("sent", "no, refused by this client" if outcome.via == "here" else ""),
            ("state", _state(order) if order is not None else outcome.state),
        ]
    )
    return _EXIT[outcome.verdict]


def _reason(outcome: Outcome) -> str:
    return outcome.reason if outcome.via == "here" else f"{outcome.code} {outcome.reason}".strip()


def _unknown_advice(outcome: Outcome) -> str:
    if outcome.verdict is not Verdict.UNKNOWN:
        return ""
    return "it may have happened: check with okex-ws orders before sending it again"


def _state(order: OrderUpdate) -> str:
    filled = order.filled_size or Decimal(0)
    text = order.state.replace("_", " ")
    if filled:
        text += f", {exactly(filled)} at {exactly(order.average_price)}"
        if order.fee is not None:
            text += f", fee {exactly(-order.fee)} {order.fee_currency}"
    elif order.is_final:
        text += ", nothing was filled"
    return text
