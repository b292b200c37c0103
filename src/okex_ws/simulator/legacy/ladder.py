"""LegacyBook: one book as its publications leave it, for faces that must say more of it than what changed.

In: rows of an incremental book channel, a snapshot first. Out: the best levels of a side, texts as published.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any

from okex_ws.simulator.market.base import checksum

Level = Sequence[str]
"""[price, size, ...] as published."""


class _LegacySide:
    """One side; keys are such that the best level has the smallest."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[float] = []
        self.levels: dict[float, Level] = {}

    def put(self, level: Level) -> None:
        key = self.sign * float(level[0])
        if float(level[1]) == 0:
            if self.levels.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]
            return
        if key not in self.levels:
            insort(self.keys, key)
        self.levels[key] = level

    def trim(self, depth: int) -> None:
        for key in self.keys[depth:]:
            del self.levels[key]
        del self.keys[depth:]


class LegacyBook:
    """A book of at most `depth` levels a side."""

    def __init__(self, depth: int = 400) -> None:
        self._depth = depth
        self._sides = {"asks": _LegacySide(1), "bids": _LegacySide(-1)}

    def apply(self, row: Mapping[str, Any], *, is_full: bool = False) -> None:
        """Take over one row: a whole book, or changes of which size zero removes a level."""
        if is_full:
            self._sides = {"asks": _LegacySide(1), "bids": _LegacySide(-1)}
        for name, side in self._sides.items():
            for level in row[name]:
                side.put(level)
            side.trim(self._depth)

    def best(self, side: str, count: int) -> list[Level]:
        """The best levels of "asks" or "bids", best first."""
        chosen = self._sides[side]
        return [chosen.levels[key] for key in chosen.keys[:count]]

    def checksum(self) -> int:
        """CRC32 of the best 25 levels a side."""
        return checksum(self.best("bids", 25), self.best("asks", 25))
