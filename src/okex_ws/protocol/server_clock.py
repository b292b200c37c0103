"""ServerClock: what time it is at OKX, by our own clock and the difference measured between the two.

Every signature carries a time that OKX accepts for 30 s, so a computer whose clock is off could sign nothing. Durations and
deadlines are never taken from it: those are ours.
Source: docs-v5 "Login", "REST authentication" (60006, 50102), "Get system time".
"""

from __future__ import annotations

MS = 1_000_000


class ServerClock:
    """OKX's clock, shared by everything one client signs, dates and judges.

    offset: how far OKX is ahead of us, ns; error: by how much that may be wrong. measured: how often that was found out; 0 means
    that the two are taken as equal. measured_at: when last, ns of our clock.
    """

    __slots__ = ("error", "measured", "measured_at", "offset")

    def __init__(self) -> None:
        self.offset = self.error = 0
        self.measured = self.measured_at = 0

    def __repr__(self) -> str:
        return f"ServerClock(offset={self.offset / MS:+.0f} ms, measured={self.measured})"

    def at(self, now: int) -> int:
        """OKX's time when ours is `now`, ns."""
        return now + self.offset

    def ours(self, theirs: int) -> int:
        """Our time when OKX's is `theirs`, ns."""
        return theirs - self.offset

    def surely(self, now: int) -> int:
        """OKX's time when ours is `now`, at the least, ns."""
        return now + self.offset - self.error

    def learn(self, server_ms: int, asked: int, answered: int) -> None:
        """OKX said `server_ms` to a question that left at `asked` and was answered at `answered`, ns of our clock."""
        self.offset, self.error = server_ms * MS - (asked + answered) // 2, (answered - asked) // 2
        self.measured, self.measured_at = self.measured + 1, answered
