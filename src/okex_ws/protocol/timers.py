"""Timers: functions to call at given times, in order, over `now`."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[int], None]
Check = Callable[[], bool]


class Timers:
    """Heap of functions. One that is not needed any more is dropped when it is the first, so that it wakes nothing up."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Act, Check | None]] = []
        self._count = itertools.count()

    def at(self, when: int, act: Act, needed: Check | None = None) -> None:
        """Call `act` at `when`, ns, if it is still needed then."""
        heapq.heappush(self._due, (when, next(self._count), act, needed))

    def next(self) -> int | None:
        """Return the time of the first function; None: never."""
        due = self._due
        while due:
            when, _, _, needed = due[0]
            if needed is None or needed():
                return when
            heapq.heappop(due)
        return None

    def run(self, now: int) -> None:
        """Call the functions that are due."""
        while (due := self.next()) is not None and due <= now:
            heapq.heappop(self._due)[2](now)
