"""Turns: OKX counts new connections by IP address, so all clients of a process take turns to dial a host, whatever loop or
thread they run in. A line's own pace is a decision of its own, and is replayed; this is the pace of whoever shares the address.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from okex_ws.protocol.pacing import Window, connects_per_ip


class Turns:
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


TURNS = Turns()
"""Of this process."""
