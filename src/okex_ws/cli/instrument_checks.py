"""Checks of instrument names against the exchange's lists, before any subscription or order."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Iterable

from okex_ws.cli.errors import BadInputError
from okex_ws.client.client import Client
from okex_ws.client.rest import RestError
from okex_ws.events import Instrument
from okex_ws.wire.channels import Subscription, SubscriptionError, subscription

WITHIN_S = 3.0
_INDEX_CHANNELS = ("index-tickers", "index-candle")


def list_of(instrument: str) -> tuple[str, str | None] | None:
    """Return the (type, family) of the list for an instrument id, by its form; None if the form is unknown."""
    parts = instrument.split("-")
    if "_" in instrument or not all(parts):
        return None
    if len(parts) == 2:
        return "SPOT", None
    if len(parts) == 3:
        return ("FUTURES", None) if re.fullmatch(r"\d{6}", parts[2]) else ("SWAP", None)
    if len(parts) == 5:
        return "OPTION", "-".join(parts[:2])
    return None


def check_name(instrument: str) -> None:
    """Raise BadInputError for a text that cannot be an instrument name."""
    try:
        subscription("trades", instrument)
    except SubscriptionError as error:
        raise BadInputError(str(error).removeprefix("trades: ").removeprefix("instId=")) from None


async def check_instruments(client: Client, items: Iterable[Subscription]) -> dict[str, Instrument]:
    """Look up every instrument over REST within `WITHIN_S` seconds; instruments that REST does not answer for are not checked.

    Returns reference data of the known ids; none for a legacy dialect. Raises BadInputError naming the unknown ids and
    the nearest known ones.
    """
    if not client.dialect.has_rest:
        return {}  # there is no REST to ask
    wanted = dict.fromkeys(
        value for item in items if not item.channel.startswith(_INDEX_CHANNELS) for name, value in item.args if name == "instId"
    )
    lists = {place: None for name in wanted if (place := list_of(name)) is not None}
    known: dict[tuple[str, str | None], dict[str, Instrument]] = {}
    try:
        async with asyncio.timeout(WITHIN_S):
            for kind, family in lists:
                rows = await client.rest.instruments(kind, family=family)
                known[kind, family] = {row.instrument: row for row in rows}
    except (RestError, TimeoutError, ValueError):
        pass  # the stream itself reports the error
    found: dict[str, Instrument] = {}
    unknown = []
    for name in wanted:
        place = list_of(name)
        listed = known.get(place) if place is not None else None
        if place is None or not listed:
            continue
        if name in listed:
            found[name] = listed[name]
        else:
            near = difflib.get_close_matches(name.upper(), listed, 1)
            hint = f"did you mean {near[0]}?" if near else f"not among the {len(listed)} of type {place[0]}"
            unknown.append(f"{name} ({hint})")
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise BadInputError(f"unknown instrument{plural} at {client.site.rest}: {', '.join(unknown)}")
    return found
