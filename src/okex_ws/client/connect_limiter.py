"""Connect limiter: all clients of a process share one pace of new connections to a host.

OKX counts new connections by IP address. Each line also keeps a pace of its own, which is recorded and replayed; this one covers
every client behind the same address, whatever loop or thread it runs in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from okex_ws.protocol.pacing import Window, connects_per_ip


class ConnectLimiter:
    """Who dials when. now: ns of a clock that all share; the wall clock of each client may be another one."""

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._windows: dict[str, Window] = {}

    def take(self, host: str) -> float:
        """0: dial this `host:port` now. Else seconds, after which to ask again: whoever gives up meanwhile holds up nobody."""
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
"""Of this process."""
