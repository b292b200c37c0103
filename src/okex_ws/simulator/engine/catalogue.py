"""Catalogue: the published reference rows by instId and by instIdCode, and the market figures that order rows carry.

The rows are read once; `reread` is called when they have changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okex_ws.simulator.market.base import Market

_TYPES = ("MARGIN", "SPOT", "SWAP", "FUTURES", "OPTION")  # SPOT after MARGIN: both have the same instIds, and the later row stays


@dataclass(frozen=True, slots=True)
class ContractScale:
    """Worth of one unit of an instrument's size: `multiplier` coins per contract (dollars on inverse contracts), None on SPOT."""

    multiplier: Decimal | None = None
    is_inverse: bool = False

    def worth(self, size: Decimal, price: Decimal | None) -> Decimal | None:
        """Return the value of a size in the quote currency, None without a price."""
        if self.multiplier is not None and self.is_inverse:
            return size * self.multiplier
        if price is None:
            return None
        return size * price * (self.multiplier if self.multiplier is not None else 1)


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """Market figures that order rows carry: the scale, the last price and the index price ("" where there is none)."""

    scale: ContractScale
    last: str = ""
    index: str = ""


class Catalogue:
    """Instruments of one exchange. `instruments` returns the reference rows of an instType."""

    def __init__(self, market: Market, instruments: Callable[[str], list[dict[str, Any]]]) -> None:
        self._market = market
        self._instruments = instruments
        self._codes: dict[int, str] = {}
        self._rows: dict[str, dict[str, Any]] = {}

    def row(self, instrument: str) -> dict[str, Any] | None:
        """Return the published reference row of an instrument."""
        if instrument not in self._rows:
            self.reread()
        return self._rows.get(instrument)

    def reread(self) -> None:
        """Read the reference rows again: an instrument was listed, delisted or changed."""
        self._rows.clear()
        self._codes.clear()
        for inst_type in _TYPES:
            for row in self._instruments(inst_type):
                self._rows[row["instId"]] = row
                if isinstance(row.get("instIdCode"), int):
                    self._codes[row["instIdCode"]] = row["instId"]

    def family(self, instrument: str) -> str:
        """Return the instFamily of an instrument, "" if it has none."""
        row = self._rows.get(instrument) or (self.row(instrument) if instrument else None)
        return str(row["instFamily"]) if row else ""

    def figures(self, instrument: str, *, with_index: bool = False) -> MarketFigures:
        """Return the present market figures of an instrument."""
        row, market = self.row(instrument) or {}, self._market
        matches = market.matches(instrument)
        last = str(matches[-1]["px"]) if matches else ""
        value = row.get("ctVal")
        scale = (
            ContractScale(Decimal(value) * Decimal(row.get("ctMult") or 1), row["ctType"] == "inverse")
            if value
            else ContractScale()
        )
        index = ""
        if with_index and row.get("uly") and market.knows("index-tickers", row["uly"]):
            snapshot = market.snapshot("index-tickers", row["uly"])
            index = str(snapshot.rows[0]["idxPx"]) if snapshot and snapshot.rows else ""
        return MarketFigures(scale, last, index)

    def by_code(self, code: int) -> str | None:
        """Return the instrument with this instIdCode."""
        if not self._codes:
            self.reread()
        return self._codes.get(code)

    def named_in(self, arg: dict[str, Any]) -> str:
        """Return the instrument that a request element seems to name, for faults; "" if it names none."""
        code = str(arg.get("instIdCode") or "")
        return (self.by_code(int(code)) or "") if code.isdigit() else str(arg.get("instId") or arg.get("sprdId") or "")
