"""Ranges: a set of ints kept as disjoint ranges, so that a million missing ids cost two numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from okex_ws.stateful import Stateful

Range = tuple[int, int]
"""First and last, both inclusive."""


class Ranges(Stateful):
    """Disjoint ranges in ascending order, both ends inclusive; those that touch are one."""

    __slots__ = ("_highs", "_lows")

    STATE = {list[int]: "_lows _highs"}

    def __init__(self) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []

    def __len__(self) -> int:
        """Number of ranges, not of ints."""
        return len(self._lows)

    def __iter__(self) -> Iterator[Range]:
        return iter(list(zip(self._lows, self._highs, strict=True)))

    @property
    def first(self) -> Range:
        """Lowest range; there must be one."""
        return self._lows[0], self._highs[0]

    def add(self, low: int, high: int) -> None:
        """Add every int from `low` to `high`, if any."""
        if low > high:
            return
        begin = bisect_left(self._highs, low - 1)
        end = bisect_right(self._lows, high + 1)
        if begin < end:
            low, high = min(low, self._lows[begin]), max(high, self._highs[end - 1])
        self._lows[begin:end] = [low]
        self._highs[begin:end] = [high]

    def remove(self, low: int, high: int) -> None:
        """Remove every int from `low` to `high`."""
        begin = bisect_left(self._highs, low)
        end = bisect_right(self._lows, high)
        if low > high or begin >= end:
            return
        left, right = self._lows[begin], self._highs[end - 1]
        kept = [part for part in ((left, low - 1), (high + 1, right)) if part[0] <= part[1]]
        self._lows[begin:end] = [part[0] for part in kept]
        self._highs[begin:end] = [part[1] for part in kept]

    def touches(self, low: int, high: int) -> bool:
        """True if any int from `low` to `high` is in the set."""
        begin = bisect_left(self._highs, low)
        return begin < len(self._lows) and self._lows[begin] <= high

    def outside(self, low: int, high: int) -> list[Range]:
        """Return the parts from `low` to `high` that are not in the set."""
        parts: list[Range] = []
        for index in range(bisect_left(self._highs, low), bisect_right(self._lows, high)):
            if low < self._lows[index]:
                parts.append((low, self._lows[index] - 1))
            low = self._highs[index] + 1
        if low <= high:
            parts.append((low, high))
        return parts

    def inside(self, low: int, high: int) -> list[Range]:
        """Return the parts from `low` to `high` that are in the set."""
        begin, end = bisect_left(self._highs, low), bisect_right(self._lows, high)
        return [(max(low, self._lows[index]), min(high, self._highs[index])) for index in range(begin, end)]

    def forget_lowest(self, most: int) -> list[Range]:
        """Remove the lowest ranges until `most` are left; returns the removed ones."""
        surplus = max(0, len(self._lows) - most)
        gone = list(zip(self._lows[:surplus], self._highs[:surplus], strict=True))
        del self._lows[:surplus], self._highs[:surplus]
        return gone

    def clear(self) -> None:
        self._lows.clear()
        self._highs.clear()
