"""Timers: things to do at an instant, in order, over `now`."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[int], None]
Check = Callable[[], bool]


class Timers:
    """A heap of acts. One that has become pointless is dropped once it is the first, so nobody wakes up for it."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Act, Check | None]] = []
        self._count = itertools.count()

    def at(self, when: int, act: Act, needed: Check | None = None) -> None:
        """Do this at `when`, ns, if it is still needed."""
        heapq.heappush(self._due, (when, next(self._count), act, needed))

    def next(self) -> int | None:
        """When the first is due; None: never."""
        due = self._due
        while due:
            when, _, _, needed = due[0]
            if needed is None or needed():
                return when
            heapq.heappop(due)
        return None

    def run(self, now: int) -> None:
        """Do what is due."""
        while (due := self.next()) is not None and due <= now:
            heapq.heappop(self._due)[2](now)
