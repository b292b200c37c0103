"""Clock: nanoseconds UTC that never run backwards.

The wall clock at the start, carried on by the monotonic one: a step of the wall clock cannot freeze or fire timers. Time the
machine slept through is caught up with, since it has really passed.
"""

from __future__ import annotations

import time

STEP = 1_000_000_000


class Clock:
    """`now()` in ns UTC. `correct()`, called now and then, follows the wall clock forward by steps of more than a second.

    behind: how far the wall clock was set back since the start, ns; timestamps stay ahead of it by as much.
    """

    def __init__(self) -> None:
        self.offset = time.time_ns() - time.monotonic_ns()
        self.behind = 0

    def now(self) -> int:
        return time.monotonic_ns() + self.offset

    def correct(self) -> None:
        drift = time.time_ns() - self.now()
        if drift > STEP:
            self.offset += drift
        self.behind = max(0, -drift) if drift < -STEP else 0
