"""Names of V1, and the market's instruments that they mean.

Spot names are the market's own. Of a coin's inverse contracts, in the order of their delivery, the last is `quarter`, the
first of the others `this_week`, the second `next_week`; a word for which there is no dated contract means the inverse
swap, which V1 did not have, as the nearest thing that trades. `this_quarter` is `quarter` under another name. Where
the delivery does not fit the word, ids and names have the day that V1's calendar has for the word: the
names have no year, and clients took the calendar for granted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okex_ws.simulator.legacy.rows import date
from okex_ws.simulator.market.base import DAY, HOUR, MILLISECOND
from okex_ws.simulator.market.calendar import civil

Instruments = Callable[[str], list[dict[str, Any]]]

_FRIDAY = DAY + 8 * HOUR  # 1970-01-02 08:00 UTC: contracts are delivered on Fridays, 16:00 in Shanghai
_WEEK = 7 * DAY
_REACH = {"this_week": (0, _WEEK), "next_week": (_WEEK, 2 * _WEEK), "quarter": (2 * _WEEK, 26 * _WEEK)}
"""Word -> range of the time to its delivery."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Instrument with its V1 facts. unit: dollars a contract, 0 on spot; contract_id and contract_name of futures."""

    instrument: str
    coin: str
    quote: str
    contract: str = ""
    unit: Decimal = Decimal(0)
    contract_id: int = 0
    contract_name: str = ""

    @property
    def symbol(self) -> str:
        """V1's name of the pair."""
        return f"{self.coin}_{self.quote}"


def spot(instruments: Instruments, coin: str, quote: str) -> Listed | None:
    """Return a spot pair, None if it is not listed."""
    name = f"{coin}-{quote}".upper()
    listed = any(row["instId"] == name for row in instruments("SPOT"))
    return Listed(name, coin, quote) if listed else None


def futures(instruments: Instruments, coin: str, contract: str, now: int) -> Listed | None:
    """Return the contract that a word means today, None if nothing of this coin is listed."""
    underlying = f"{coin}-USD".upper()
    dated = sorted(
        (row for row in instruments("FUTURES") if row.get("uly") == underlying), key=lambda row: int(row["expTime"] or 0)
    )
    chosen = {"quarter": dated[-1:], "this_week": dated[:-1][:1], "next_week": dated[:-1][1:2]}[contract]
    row = chosen[0] if chosen else next((r for r in instruments("SWAP") if r["instId"] == f"{underlying}-SWAP"), None)
    if row is None:
        return None
    due = int(row.get("expTime") or 0) * MILLISECOND
    nearest, furthest = _REACH[contract]
    if not now + nearest < due <= now + furthest:
        due = _delivery(contract, now)
    year, month, day = date(due // DAY)
    return Listed(
        instrument=row["instId"],
        coin=coin,
        quote="usd",
        contract=contract,
        unit=Decimal(row["ctVal"]) * Decimal(row.get("ctMult") or 1),
        contract_id=((year * 100 + month) * 100 + day) * 10_000_000 + int(row.get("instIdCode") or 0) % 10_000_000,
        contract_name=f"{coin.upper()}{month:02d}{day:02d}",
    )


def all_futures(instruments: Instruments, now: int) -> list[Listed]:
    """Return every contract of every coin, each instrument once."""
    coins = sorted({row["uly"].split("-")[0].lower() for kind in ("FUTURES", "SWAP") for row in instruments(kind)})
    found: dict[str, Listed] = {}
    for coin in coins:
        for contract in ("quarter", "this_week", "next_week"):
            listed = futures(instruments, coin, contract, now)
            if listed is not None:
                found.setdefault(listed.instrument, listed)
    return list(found.values())


def _delivery(contract: str, now: int) -> int:
    """Return the Friday of a word's delivery: this week's, the next one, or the last of a quarter that is further away than
    these two.
    """
    friday = now - (now - _FRIDAY) % _WEEK + _WEEK
    if contract == "this_week":
        return friday
    friday += _WEEK
    if contract == "next_week":
        return friday
    while True:
        friday += _WEEK
        _, month = civil(friday // DAY)
        if month % 3 == 0 and civil((friday + _WEEK) // DAY)[1] != month:
            return friday
