"""Clock: nanoseconds UTC that never run backwards.

It is the wall clock at the start plus the monotonic clock since, so that a step of the wall clock cannot freeze or fire timers.
The time of a machine's sleep is added, because it has really passed.
"""

from __future__ import annotations

import time

STEP = 1_000_000_000


class Clock:
    """Clock of one client. `correct()` is called regularly; it follows forward steps of the wall clock of more than a second.

    behind: time by which the wall clock was set back since the start, ns; timestamps are ahead of it by as much.
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
