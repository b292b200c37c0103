"""Pacing: rate limits as windows over `now`, and the growing delays between tries.

Source: docs-v5 "Connect": 3 connects a second per IP; 480 subscribe, unsubscribe and login requests an hour per connection.
"""

from __future__ import annotations

from collections import deque

from okex_ws.stateful import Stateful

SECOND = 1_000_000_000


class Window(Stateful):
    """At most `limit` uses within any `period_s` seconds; times in ns."""

    STATE = {int: "limit period", deque[int]: "_uses"}

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self.period = int(period_s * SECOND)
        self._uses: deque[int] = deque(maxlen=limit)

    def ready_at(self, now: int, *, reserve: int = 0) -> int:
        """Time of the next use that leaves `reserve` uses free; `now` if at once. Uses may lie in the future."""
        limit = max(1, self.limit - reserve)
        if len(self._uses) < limit:
            return now
        return max(now, self._uses[-limit] + self.period)

    def take(self, now: int) -> None:
        """Count one use."""
        self._uses.append(now)

    def take_back(self, count: int) -> None:
        """Uncount the last `count` uses."""
        for _ in range(min(count, len(self._uses))):
            self._uses.pop()

    def is_full(self, now: int) -> bool:
        """True if no use is left at `now`."""
        return len(self._uses) == self.limit and (not self.limit or self._uses[0] + self.period > now)

    def left(self, now: int) -> int:
        """Number of uses left at `now`."""
        return self.limit - sum(1 for use in self._uses if use + self.period > now)


class Bucket(Stateful):
    """At most `burst` uses at once, then one every `every_s` seconds, so that a busy start blocks nothing for an hour."""

    STATE = {int: "burst every _full_at"}

    def __init__(self, burst: int, every_s: float) -> None:
        self.burst = burst
        self.every = int(every_s * SECOND)
        self._full_at = 0

    def ready_at(self, now: int) -> int:
        """Time of the next use; `now` if at once."""
        return max(now, self._full_at - (self.burst - 1) * self.every)

    def take(self, now: int) -> None:
        """Count one use."""
        self._full_at = max(now, self._full_at) + self.every


def connects_per_ip() -> Window:
    """OKX's limit on new connections, plus a tenth of a second because clocks differ."""
    return Window(3, 1.1)


def requests_per_connection() -> Window:
    """OKX's hourly limit on requests, plus a minute."""
    return Window(480, 3660)


class Backoff(Stateful):
    """Delay before the next try: jitter under a ceiling that doubles from `base_s` to `cap_s`.

    least: the part of the ceiling that is always waited. Only `reset` shortens the delay again; a successful connect alone is no
    reason for it.
    """

    STATE = {float: "base_s cap_s least", int: "tries"}

    def __init__(self, base_s: float, cap_s: float, *, least: float = 0.0) -> None:
        self.base_s, self.cap_s, self.least = base_s, cap_s, least
        self.tries = 0

    def next_s(self, luck: float) -> float:
        """Count a try and return the seconds to wait. luck: a random number in [0, 1); 1 waits the whole ceiling."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return (self.least + (1 - self.least) * luck) * ceiling

    def next_at(self, now: int, luck: float = 1.0) -> int:
        """Count a try and return the time of the next one, ns."""
        return now + int(self.next_s(luck) * SECOND)

    def reset(self) -> None:
        """Start from `base_s` again."""
        self.tries = 0
