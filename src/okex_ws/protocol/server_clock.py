"""ServerClock: OKX's time, from our clock and the measured offset.

Every signature carries a time that OKX accepts for 30 s, so with a wrong clock every signature would be refused. Durations and
deadlines always use our own clock.
Source: docs-v5 "Login", "REST authentication" (60006, 50102), "Get system time".
"""

from __future__ import annotations

from okex_ws.stateful import Stateful

MS = 1_000_000


class ServerClock(Stateful):
    """OKX's clock, shared by all parts of a client.

    offset: OKX's clock minus ours, ns; error: largest error of the offset, ns. measured: number of measurements; with 0 the
    clocks are taken as equal. measured_at: time of the last one, ns by our clock.
    """

    __slots__ = ("error", "measured", "measured_at", "offset")

    STATE = {int: "offset error measured measured_at"}

    def __init__(self) -> None:
        self.offset = self.error = 0
        self.measured = self.measured_at = 0

    def __repr__(self) -> str:
        return f"ServerClock(offset={self.offset / MS:+.0f} ms, measured={self.measured})"

    def at(self, now: int) -> int:
        """Return OKX's time at our time `now`, ns."""
        return now + self.offset

    def ours(self, theirs: int) -> int:
        """Return our time at OKX's time `theirs`, ns."""
        return theirs - self.offset

    def surely(self, now: int) -> int:
        """Return OKX's earliest possible time at our time `now`, ns."""
        return now + self.offset - self.error

    def learn(self, server_ms: int, asked: int, answered: int) -> None:
        """Apply OKX's time `server_ms`, requested at `asked` and answered at `answered`, ns by our clock."""
        self.offset, self.error = server_ms * MS - (asked + answered) // 2, (answered - asked) // 2
        self.measured, self.measured_at = self.measured + 1, answered
