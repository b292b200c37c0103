"""Prices: terms, marks, price bands and funding read from the market, cached until its next instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from okex_ws.simulator.engine.orders import ZERO
from okex_ws.simulator.engine.terms import InstrumentTerms, read_terms
from okex_ws.simulator.engine.validation import CLOSED
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import MILLISECOND, Market
from okex_ws.simulator.market.reference import type_of

Band = tuple[Decimal, Decimal]
"""The highest price a buyer may bid, the lowest a seller may ask."""


@dataclass(frozen=True, slots=True)
class FundingPrices:
    """Funding figures of the market: the next settlement (ns), its expected rate, the settlement after that and the rate
    last settled (None where the market has none).
    """

    due: int
    rate: Decimal
    following: int | None
    settled: Decimal | None


class Prices:
    """Terms, mark prices, price bands and funding of every instrument. A figure that the market lacks is None."""

    def __init__(self, market: Market, instruments: Callable[[str], list[dict[str, Any]]]) -> None:
        self._market = market
        self._instruments = instruments
        self._terms: dict[str, tuple[dict[str, Any], InstrumentTerms]] = {}
        self._current: set[str] = set()
        self._known: dict[str, InstrumentTerms] = {}
        self._marks: dict[str, Decimal | None] = {}
        self._bands: dict[str, Band | None] = {}

    def clear(self) -> None:
        """Clear the cache: the market has advanced."""
        self._current.clear()
        self._marks.clear()
        self._bands.clear()

    def reread(self) -> None:
        """Read the terms of all known instruments again: their reference rows have changed."""
        self.clear()
        for instrument in list(self._terms):
            self._read_terms(instrument)

    def is_tradable(self, instrument: str) -> bool:
        """True if a known instrument is listed and in no state that refuses orders."""
        known = self._terms.get(instrument)
        return known is not None and known[1].state not in CLOSED

    def terms(self, instrument: str) -> InstrumentTerms:
        """Return the present terms of an instrument. Raises ApiError 51001 if it is not listed."""
        if instrument not in self._current:
            self._read_terms(instrument)
        known = self._terms.get(instrument)
        if known is None:
            raise ApiError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return known[1]

    def known(self, instrument: str) -> InstrumentTerms:
        """Return the last known terms of an instrument, which its open orders and positions use."""
        return self._known[instrument]

    def _read_terms(self, instrument: str) -> None:
        kind = type_of(instrument)
        row = next((row for row in self._instruments(kind) if row.get("instId") == instrument), None)
        known = self._terms.get(instrument)
        if row is None:
            self._terms.pop(instrument, None)
        elif known is None or known[0] != row:
            self._known[instrument] = terms = read_terms({"instType": kind, **row})
            self._terms[instrument] = (row, terms)
        self._current.add(instrument)

    def mark(self, instrument: str) -> Decimal | None:
        """Return the mark price: the market's own, else the mid price, else the last trade."""
        if instrument not in self._marks:
            mark = self._read_mark(instrument)
            self._marks[instrument] = mark if mark is not None and mark > ZERO else None
        return self._marks[instrument]

    def _read_mark(self, instrument: str) -> Decimal | None:
        mark = _figure(self._row("mark-price", instrument), "markPx")
        if mark is not None:
            return mark
        book = self._market.book(instrument, 1)
        if book is not None and book["bids"] and book["asks"]:
            return (Decimal(book["bids"][0][0]) + Decimal(book["asks"][0][0])) / 2
        matches = self._market.matches(instrument)
        return Decimal(matches[-1]["px"]) if len(matches) else None

    def band(self, instrument: str) -> Band | None:
        """Return the band in which prices of limit orders must lie."""
        if instrument not in self._bands:
            row = self._row("price-limit", instrument)
            highest, lowest = _figure(row, "buyLmt"), _figure(row, "sellLmt")
            self._bands[instrument] = None if highest is None or lowest is None else (highest, lowest)
        return self._bands[instrument]

    def funding(self, instrument: str) -> FundingPrices | None:
        """Return the present funding figures, None if the market has none."""
        row = self._row("funding-rate", instrument)
        rate, due = _figure(row, "fundingRate"), _figure(row, "fundingTime")
        if rate is None or due is None:
            return None
        following = _figure(row, "nextFundingTime")
        return FundingPrices(
            due=int(due) * MILLISECOND,
            rate=rate,
            following=None if following is None else int(following) * MILLISECOND,
            settled=_figure(row, "settFundingRate"),
        )

    def _row(self, channel: str, instrument: str) -> dict[str, Any]:
        """Return the newest row of a channel, empty if there is none."""
        publication = self._market.snapshot(channel, instrument)
        rows = publication.rows if publication is not None else []
        return rows[-1] if rows and isinstance(rows[-1], dict) else {}


def _figure(row: dict[str, Any], name: str) -> Decimal | None:
    try:
        number = Decimal(str(row.get(name) or ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
