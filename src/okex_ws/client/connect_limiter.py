"""Connect limiter: one rate limit on new connections to a host for all clients of a process.

OKX counts new connections by IP address. Each client also has a limit of its own, which is recorded and replayed; this one covers
all clients behind the same address, in any loop or thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from okex_ws.protocol.pacing import Window, connects_per_ip


class ConnectLimiter:
    """Rate limits by host. now: ns of a clock that all clients share; their own clocks may differ."""

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._windows: dict[str, Window] = {}

    def take(self, host: str) -> float:
        """Take a connection to this `host:port` and return 0, or return the seconds until the next try.

        A caller that waits holds no place: if it gives up, nobody is delayed.
        """
        with self._lock:
            window = self._windows.get(host)
            if window is None:
                window = self._windows[host] = connects_per_ip()
            now = self._now()
            at = window.ready_at(now)
            if at <= now:
                window.take(now)
            return (at - now) / 1e9


CONNECT_LIMITER = ConnectLimiter()
"""Connect limiter of this process."""
