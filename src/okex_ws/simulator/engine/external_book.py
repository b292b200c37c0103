"""ExternalBook: the market's published book of one instrument, less the sizes that clients have taken.

Clients' orders never move the market, so a taken size is kept until the published state of that level changes. Levels
are read on demand, best first: most orders need only a few.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.orders import ZERO
from okex_ws.simulator.market.base import Market

BIDS, ASKS = "bids", "asks"
_DEPTHS = (5, 50, 400)


class _SideWindow:
    """Levels read so far, best first; `first` is the index of the best with size left; `reads` counts the depths read."""

    __slots__ = ("first", "levels", "reads")

    def __init__(self) -> None:
        self.levels: list[tuple[Decimal, Decimal]] = []
        self.first = 0
        self.reads = 0


class ExternalBook:
    """Size that the market offers clients, by price. `refresh` reads a newly published book."""

    def __init__(self, market: Market, instrument: str) -> None:
        self._market = market
        self._instrument = instrument
        self._seen: dict[str, Any] | None = None
        self._sides = {BIDS: _SideWindow(), ASKS: _SideWindow()}
        self._taken: dict[str, dict[Decimal, tuple[Decimal, Decimal]]] = {BIDS: {}, ASKS: {}}

    def refresh(self) -> bool:
        """Read the best levels; True if the published book has changed. A change that leaves both the time and the five
        best levels as they were is noticed with the next one.
        """
        seen = self._market.book(self._instrument, _DEPTHS[0])
        if seen == self._seen:
            return False
        self._seen = seen
        for name, side in self._sides.items():
            side.levels = [] if seen is None else _levels(seen[name])
            side.first, side.reads = 0, 1
            taken = self._taken[name]
            for price in [p for p, (shown, _) in taken.items() if self._shown(name, p) != shown]:
                del taken[price]
        return True

    def has_taken(self) -> bool:
        """True if a taken size is still kept."""
        return bool(self._taken[BIDS] or self._taken[ASKS])

    def _shown(self, name: str, price: Decimal) -> Decimal:
        return self._market.shown(self._instrument, name, price)

    def best(self, name: str) -> tuple[Decimal, Decimal] | None:
        """Return (price, size left) of the best level of a side with size left."""
        side = self._sides[name]
        while True:
            while side.first < len(side.levels):
                price, shown = side.levels[side.first]
                left = shown - self._taken_at(name, price)
                if left > ZERO:
                    return price, left
                side.first += 1
            if not self._deepen(name, side):
                return None

    def walk(self, name: str, depth: int = _DEPTHS[-1]) -> list[tuple[Decimal, Decimal]]:
        """Return (price, size left) of every level, best first."""
        side = self._sides[name]
        while len(side.levels) < depth and self._deepen(name, side):
            pass
        return [(price, left) for price, shown in side.levels if (left := shown - self._taken_at(name, price)) > ZERO]

    def size_at(self, name: str, price: Decimal) -> Decimal:
        """Return the size left at one price."""
        return max(ZERO, self._shown(name, price) - self._taken_at(name, price))

    def take(self, name: str, price: Decimal, size: Decimal) -> None:
        """Take a size of a level for a client."""
        taken = self._taken[name]
        known = taken.get(price)
        taken[price] = (self._shown(name, price), size) if known is None else (known[0], known[1] + size)

    def _taken_at(self, name: str, price: Decimal) -> Decimal:
        taken = self._taken[name]
        if not taken:
            return ZERO
        known = taken.get(price)
        return ZERO if known is None else known[1]

    def _deepen(self, name: str, side: _SideWindow) -> bool:
        """Read further levels of a side; False if there are none."""
        if self._seen is None or side.reads >= len(_DEPTHS) or len(side.levels) < _DEPTHS[side.reads - 1]:
            return False
        row = self._market.book(self._instrument, _DEPTHS[side.reads])
        side.reads += 1
        if row is None:
            return False
        side.levels = _levels(row[name])
        return True


def _levels(rows: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(row[0]), Decimal(row[1])) for row in rows]
