"""OKX's rate limits as windows over `now`.

Source: docs-v5 "Connect": 3 connects a second per IP; 480 subscribe, unsubscribe and login requests an hour per connection.
"""

from __future__ import annotations

from collections import deque

SECOND = 1_000_000_000


class Window:
    """At most `limit` uses within any `period_s` seconds; times in ns."""

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self.period = int(period_s * SECOND)
        self._uses: deque[int] = deque(maxlen=limit)

    def ready_at(self, now: int, *, reserve: int = 0) -> int:
        """When the next use is allowed while leaving `reserve` uses untouched; `now` if at once. It may lie ahead."""
        limit = max(1, self.limit - reserve)
        if len(self._uses) < limit:
            return now
        return max(now, self._uses[-limit] + self.period)

    def take(self, now: int) -> None:
        """Count one use."""
        self._uses.append(now)

    def left(self, now: int) -> int:
        """Uses left right now."""
        return self.limit - sum(1 for use in self._uses if use + self.period > now)


class Bucket:
    """`burst` uses at once, then one every `every_s` seconds: nobody waits an hour because the first minutes were busy."""

    def __init__(self, burst: int, every_s: float) -> None:
        self.burst = burst
        self.every = int(every_s * SECOND)
        self._full_at = 0

    def ready_at(self, now: int) -> int:
        """When the next use is allowed; `now` if at once."""
        return max(now, self._full_at - (self.burst - 1) * self.every)

    def take(self, now: int) -> None:
        """Count one use."""
        self._full_at = max(now, self._full_at) + self.every


def connects_per_ip() -> Window:
    """OKX's limit on new connections, with a tenth of a second to spare for clocks that differ."""
    return Window(3, 1.1)


def requests_per_connection() -> Window:
    """OKX's hourly limit on requests, with a minute to spare."""
    return Window(480, 3660)


class Backoff:
    """How long to wait before the next try: full jitter under a doubling cap.

    Only `reset` shortens it again, and that is for proven health, not for a bare connect.
    """

    def __init__(self, base_s: float, cap_s: float) -> None:
        self.base_s, self.cap_s = base_s, cap_s
        self.tries = 0

    def next_s(self, luck: float) -> float:
        """Seconds to wait; luck: a random number in [0, 1)."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return luck * ceiling

    def reset(self) -> None:
        self.tries = 0
