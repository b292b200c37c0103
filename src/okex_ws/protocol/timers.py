"""Timers: things to do at an instant, in order, over `now`."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[int], None]


class Timers:
    """A heap of acts. One that has become pointless is not removed: it finds out by itself that nothing is left to do."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Act]] = []
        self._count = itertools.count()

    def at(self, when: int, act: Act) -> None:
        """Do this at `when`, ns."""
        heapq.heappush(self._due, (when, next(self._count), act))

    def next(self) -> int | None:
        """When the first is due; None: never."""
        return self._due[0][0] if self._due else None

    def run(self, now: int) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2](now)
