"""CancelAllAfterTimers: cancel-all-after, the timer that cancels an account's orders unless the client renews it in time.

In: requests to arm, and the exchange's clock. Out: canceled orders (cancelSource 20). A timer belongs to the account, not
to a connection: a lost connection cancels nothing. Source: OKX V5 docs, "POST /
Cancel All After", "POST / Cancel All After (spread)".
"""

from __future__ import annotations

from collections.abc import Callable

from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import CANCELED_BY_TIMER
from okex_ws.simulator.engine.spreads import Spreads
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import SECOND

MAX_TAGS = 20


class CancelAllAfterTimers:
    """All timers of one exchange. armed: (uid, tag) -> the instant (ns) it fires; armed_spreads: the same by uid.

    call_at: calls a function at an instant. flush: publishes the changes that the engine has collected.
    """

    def __init__(
        self,
        engine: Engine,
        spreads: Spreads,
        call_at: Callable[[int, Callable[[int], None]], None],
        flush: Callable[[int], None],
    ) -> None:
        self._engine = engine
        self._spreads = spreads
        self._call_at = call_at
        self._flush = flush
        self.armed: dict[tuple[str, str], int] = {}
        self.armed_spreads: dict[str, int] = {}

    def arm(self, uid: str, tag: str, timeout_s: int, now: int) -> int:
        """Cancel the account's orders (those with this tag; "": all) after `timeout_s` unless armed again before; 0 disarms.

        Returns the instant, 0 when disarmed. Raises ApiError 51071: too many tags.
        """
        if timeout_s == 0:
            self.armed.pop((uid, tag), None)
            return 0
        tags = sum(1 for owner, other in self.armed if owner == uid and other)
        if tag and (uid, tag) not in self.armed and tags >= MAX_TAGS:
            raise ApiError("51071", "You've reached the maximum limit for tag level cancel all after timers.")
        due = self.armed[uid, tag] = now + timeout_s * SECOND
        self._call_at(due, lambda then: self._fire(uid, tag, due, then))
        return due

    def arm_spreads(self, uid: str, timeout_s: int, now: int) -> int:
        """Cancel the account's spread orders, which `arm` does not touch; otherwise as `arm`."""
        if timeout_s == 0:
            self.armed_spreads.pop(uid, None)
            return 0
        due = self.armed_spreads[uid] = now + timeout_s * SECOND
        self._call_at(due, lambda then: self._fire_spreads(uid, due, then))
        return due

    def _fire(self, uid: str, tag: str, due: int, now: int) -> None:
        if self.armed.get((uid, tag)) != due:
            return
        del self.armed[uid, tag]
        for order in self._engine.open_orders(uid):
            if not tag or order.tag == tag:
                self._engine.cancel(uid, order, now, source=CANCELED_BY_TIMER)
        self._flush(now)

    def _fire_spreads(self, uid: str, due: int, now: int) -> None:
        if self.armed_spreads.get(uid) != due:
            return
        del self.armed_spreads[uid]
        self._spreads.cancel_all(uid, "", now, CANCELED_BY_TIMER)
        self._flush(now)
