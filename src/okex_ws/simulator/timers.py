"""Timers of one exchange: its time, and the actions due at an instant."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[int], None]


class TimerQueue:
    """Actions by due time (ns UTC). `now` is the exchange's time; the exchange's time loop moves it."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._queue: list[tuple[int, int, Action]] = []
        self._count = 0

    def call_at(self, due: int, act: Action) -> None:
        """Call `act(now)` at this instant; actions of one instant keep their order."""
        self._count += 1
        heapq.heappush(self._queue, (due, self._count, act))

    def deadline(self) -> int | None:
        """Return the due time of the first action."""
        return self._queue[0][0] if self._queue else None

    def advance(self, now: int) -> None:
        """Move the time forward, never back."""
        self.now = max(self.now, now)

    def run_first(self) -> None:
        """Run the first action at its due time."""
        due, _, act = heapq.heappop(self._queue)
        self.advance(due)
        act(self.now)
