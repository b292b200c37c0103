"""Rate limits: sliding windows, and the limits on orders that REST and WebSocket share.

Source: OKX V5 docs, "Rate limits" and each endpoint's own line: per UserID and instrument 60 single orders, amends or
cancels per 2 s (each counted apart) and 300 orders of batches; per sub-account 1000 new and amended orders per 2 s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from okex_ws.simulator.market.base import SECOND

WINDOW = 2 * SECOND
SINGLE = 60
BATCHED = 300
SUB_ACCOUNT = 1000
SPREADS = 20


class SlidingWindows:
    """Counts of requests in sliding windows, by any key."""

    def __init__(self) -> None:
        self._recent: dict[Hashable, deque[int]] = {}

    def spend(self, key: Hashable, limit: int, window: int, now: int, cost: int = 1) -> bool:
        """Count a request of this cost; False, and not counted, if that would exceed the limit. A limit of 0 is off."""
        if not limit:
            return True
        recent = self._recent.get(key)
        if recent is None:
            recent = self._recent[key] = deque()
        while recent and recent[0] <= now - window:
            recent.popleft()
        if len(recent) + cost > limit:
            return False
        recent.extend([now] * cost)
        return True


class OrderLimits:
    """Order limits of all accounts."""

    def __init__(self) -> None:
        self._windows = SlidingWindows()

    def refusal(self, uid: str, verb: str, instrument: str, *, batched: bool, now: int) -> str:
        """Return the code that refuses this order, amend or cancel: 50011, 50061, or "" if it may pass.

        A batch of one counts as a single request (batched=False). Cancels do not count for the sub-account.
        """
        limit = BATCHED if batched else SINGLE
        if not self._windows.spend((uid, verb, instrument, batched), limit, WINDOW, now):
            return "50011"
        if verb != "cancel" and not self._windows.spend((uid,), SUB_ACCOUNT, WINDOW, now):
            return "50061"
        return ""

    def spread_refusal(self, uid: str, verb: str, now: int) -> str:
        """Return the same for spread orders: 20 of each kind per 2 s and account, whatever the spread."""
        return "" if self._windows.spend((uid, verb, "spreads"), SPREADS, WINDOW, now) else "50011"
