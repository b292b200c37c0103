"""Liveness: signs that a connection and its subscriptions are alive: pings after silence, and the silence of single channels.

Source: docs-v5 "Connect": OKX closes a connection that is silent for 30 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.routes import Route, Routes
from okex_ws.stateful import Stateful
from okex_ws.wire.channels import Subscription, find


class Liveness(Stateful):
    """Last signs of life of one connection. last_in: time of the last message, ns; pinged_at: time of an unanswered ping, ns.

    stale_after_s: longest normal silence by channel, in place of the channel table's.
    """

    __slots__ = ("_ping_after", "_pong_within", "_stale_after_s", "last_in", "pinged_at")

    STATE = {int: "_ping_after _pong_within last_in", int | None: "pinged_at", dict[str, float]: "_stale_after_s"}

    def __init__(self, ping_after_s: float, pong_within_s: float, stale_after_s: Mapping[str, float], now: int) -> None:
        self._ping_after, self._pong_within = int(ping_after_s * SECOND), int(pong_within_s * SECOND)
        self._stale_after_s = dict(stale_after_s)
        self.last_in = now
        self.pinged_at: int | None = None

    def must_ping(self, now: int) -> bool:
        """True if a ping is due now; it counts as sent."""
        if now - self.last_in < self._ping_after:
            self.pinged_at = None  # data counts as life, also without a pong
        elif self.pinged_at is None:
            self.pinged_at = now
            return True
        return False

    def is_dead(self, now: int) -> bool:
        """True if a ping has had no answer in time."""
        return self.pinged_at is not None and now - self.pinged_at >= self._pong_within

    def reset(self, now: int) -> None:
        """Restart all timeouts at `now`."""
        self.last_in, self.pinged_at = now, None

    def silent(self, routes: Routes, now: int) -> Iterator[tuple[Subscription, Route]]:
        """Return the subscriptions that have been silent for too long at `now`."""
        for item, route in list(routes.of.items()):
            due = self._silent_at(item, route)
            if due is not None and due <= now:
                yield item, route

    def deadlines(self, routes: Routes) -> Iterator[int]:
        """Return the times of the next ping or its timeout, and of each channel's silence."""
        yield self.last_in + self._ping_after if self.pinged_at is None else self.pinged_at + self._pong_within
        for item, route in routes.of.items():
            due = self._silent_at(item, route)
            if due is not None:
                yield due

    def _silent_at(self, item: Subscription, route: Route) -> int | None:
        """Return the time from which a subscription counts as silent; None if it cannot."""
        row, chain = find(item.channel), route.chain
        limit = self._stale_after_s.get(item.channel, row.silence_s if row else None)
        if limit is None or not chain.last or chain.broken_since:
            return None
        return chain.last + int(limit * SECOND)
