"""BookSide: levels of one side of a book, ordered by price. LevelBook: a book as its publications leave it.

In: levels by price; rows of a book channel, a snapshot first. Out: the best levels, as they were put in.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

from okex_ws.simulator.market.base import checksum

Key = TypeVar("Key", int, Decimal)
Level = TypeVar("Level")


class BookSide(Generic[Key, Level]):
    """Levels of one side by key: the price of a bid, minus the price of an ask. `keys` ascend, so the best level is last."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.levels: dict[Key, Level] = {}

    def put(self, key: Key, level: Level) -> None:
        """Add a level or replace the one at this key."""
        if key not in self.levels:
            insort(self.keys, key)
        self.levels[key] = level

    def remove(self, key: Key) -> bool:
        """Remove a level; False if there is none at this key."""
        if self.levels.pop(key, None) is None:
            return False
        del self.keys[bisect_left(self.keys, key)]
        return True

    def trim(self, depth: int) -> None:
        """Remove all but the best `depth` levels."""
        for key in self.keys[:-depth]:
            del self.levels[key]
        del self.keys[:-depth]

    def best(self, depth: int) -> list[Level]:
        """Return the best levels, best first."""
        return [self.levels[key] for key in reversed(self.keys[-depth:])]


class LevelBook:
    """Book of at most `depth` levels a side. A level is [price, size, ...] as published; prices are compared exactly."""

    def __init__(self, depth: int = 400) -> None:
        self.depth = depth
        self.ts = ""
        self._sides: dict[str, BookSide[Decimal, list[str]]] = {"bids": BookSide(), "asks": BookSide()}

    def apply(self, row: Mapping[str, Any], *, is_full: bool) -> None:
        """Apply one row: a whole book, or changes of which size zero removes a level."""
        for name, side in self._sides.items():
            if is_full:
                side = self._sides[name] = BookSide()
            for level in row.get(name, ()):
                key = _key(name, Decimal(level[0]))
                if Decimal(level[1]) == 0:
                    side.remove(key)
                else:
                    side.put(key, level)
            # Levels pushed out of the window are not deleted by OKX: the receiver truncates.
            side.trim(self.depth)
        self.ts = str(row.get("ts", self.ts))

    def best(self, side: str, depth: int) -> list[list[str]]:
        """Return the best levels of "bids" or "asks", best first."""
        return self._sides[side].best(depth)

    def size_at(self, side: str, price: Decimal) -> Decimal:
        """Return the size at one price of "bids" or "asks", zero if there is none."""
        level = self._sides[side].levels.get(_key(side, price))
        return Decimal(0) if level is None else Decimal(level[1])

    def checksum(self) -> int:
        """Return the CRC32 of the best 25 levels a side."""
        return checksum(self.best("bids", 25), self.best("asks", 25))


def _key(side: str, price: Decimal) -> Decimal:
    return price if side == "bids" else -price
