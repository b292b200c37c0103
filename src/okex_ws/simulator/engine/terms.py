"""InstrumentTerms: steps, limits and contract value of one instrument, read from its reference row.

A figure that the row lacks is None and is not checked. Source: OKX V5 docs, "Get instruments".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from okex_ws.simulator.engine.orders import ZERO

MONEY = Decimal("1e-16")
"""Step to which quotients of money are rounded, half to even; sums and products are never rounded."""
AVERAGE = Decimal("1e-8")
"""Step of average prices. They are for display; money is computed from entry values."""

DOLLARS = frozenset({"USD", "USDT", "USDC"})


def money(amount: Decimal) -> Decimal:
    """Return a quotient rounded to MONEY."""
    return amount.quantize(MONEY)


@dataclass(frozen=True, slots=True)
class InstrumentTerms:
    """Terms of one instrument. face: value of one contract in base coins (linear) or dollars (inverse); 1 on SPOT. settle:
    the currency of profit and margin; on SPOT the quote currency. The max_…_amount are in dollars.
    """

    instrument: str
    instrument_type: str
    state: str
    base: str
    quote: str
    settle: str
    is_spot: bool
    is_inverse: bool
    face: Decimal
    tick: Decimal | None
    lot: Decimal | None
    least: Decimal | None
    max_limit_size: Decimal | None
    max_market_size: Decimal | None
    max_limit_amount: Decimal | None
    max_market_amount: Decimal | None
    max_leverage: Decimal | None

    def value(self, price: Decimal, size: Decimal) -> Decimal:
        """Return the value of a size at a price, in `settle`. Rounded to MONEY for inverse contracts, else exact."""
        if self.is_inverse:
            return money(size * self.face / price)
        return price * size * self.face

    def price_of(self, cost: Decimal, size: Decimal) -> Decimal:
        """Return the price at which a size is worth `cost`, rounded to AVERAGE."""
        price = size * self.face / cost if self.is_inverse else cost / (size * self.face)
        return price.quantize(AVERAGE).normalize()


def read_terms(row: Mapping[str, Any]) -> InstrumentTerms:
    """Return the terms of a row of `public/instruments`."""
    instrument = str(row["instId"])
    kind = str(row["instType"])
    parts = instrument.split("-")
    base = str(row.get("baseCcy") or parts[0])
    quote = str(row.get("quoteCcy") or (parts[1] if len(parts) > 1 else ""))
    is_inverse = row.get("ctType") == "inverse"
    spot = kind == "SPOT"
    settle = quote if spot else str(row.get("settleCcy") or (base if is_inverse else quote))
    face = Decimal(1) if spot else (_figure(row, "ctVal") or Decimal(1)) * (_figure(row, "ctMult") or Decimal(1))
    return InstrumentTerms(
        instrument=instrument,
        instrument_type=kind,
        state=str(row.get("state") or "live"),
        base=base,
        quote=quote,
        settle=settle,
        is_spot=spot,
        is_inverse=is_inverse,
        face=face,
        tick=_figure(row, "tickSz"),
        lot=_figure(row, "lotSz"),
        least=_figure(row, "minSz"),
        max_limit_size=_figure(row, "maxLmtSz"),
        max_market_size=_figure(row, "maxMktSz"),
        max_limit_amount=_figure(row, "maxLmtAmt"),
        max_market_amount=_figure(row, "maxMktAmt"),
        max_leverage=_figure(row, "lever"),
    )


def _figure(row: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a positive number of the row, None if it has none."""
    try:
        number = Decimal(str(row.get(name) or ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number > ZERO else None
