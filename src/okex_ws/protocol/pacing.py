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
        self._uses: deque[int] = deque()

    def ready_at(self, now: int, *, reserve: int = 0) -> int:
        """When the next use is allowed while leaving `reserve` uses untouched; `now` if at once."""
        self._forget(now)
        limit = max(1, self.limit - reserve)
        if len(self._uses) < limit:
            return now
        return self._uses[len(self._uses) - limit] + self.period

    def take(self, now: int) -> None:
        """Count one use."""
        self._uses.append(now)

    def left(self, now: int) -> int:
        """Uses left right now."""
        self._forget(now)
        return max(0, self.limit - len(self._uses))

    def _forget(self, now: int) -> None:
        while self._uses and self._uses[0] + self.period <= now:
            self._uses.popleft()


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
