"""CancelAllAfterTimers: cancel-all-after, the timer that cancels an account's orders unless the client renews it in time.

In: armings and the exchange's clock. Out: canceled orders (cancelSource 20). It belongs to the account, not to a line: a
dropped connection cancels nothing. Source: OKX V5 docs, "POST / Cancel All After", "POST / Cancel All After (spread)".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from okex_ws.simulator.engine.orders import CANCELED_BY_TIMER
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.v5.order_grammar import OrderRequestRefused

if TYPE_CHECKING:
    from okex_ws.simulator.v5.trading import V5Trading

MAX_TAGS = 20


class CancelAllAfterTimers:
    """All timers of one exchange. armed: (uid, tag) -> the instant (ns) it fires; spreads: the same by uid."""

    def __init__(self, desk: V5Trading) -> None:
        self._desk = desk
        self.armed: dict[tuple[str, str], int] = {}
        self.spreads: dict[str, int] = {}

    def arm(self, uid: str, tag: str, timeout_s: int, now: int) -> int:
        """Cancel this account's orders (with this tag, "": all) unless told otherwise in time; 0 disarms.

        Returns the instant, 0 when disarmed. Raises OrderRequestRefused 51071: more tags than there may be.
        """
        if timeout_s == 0:
            self.armed.pop((uid, tag), None)
            return 0
        tags = sum(1 for owner, other in self.armed if owner == uid and other)
        if tag and (uid, tag) not in self.armed and tags >= MAX_TAGS:
            raise OrderRequestRefused("51071")
        due = self.armed[uid, tag] = now + timeout_s * SECOND
        self._desk.exchange.call_at(due, lambda then: self._fire(uid, tag, due, then))
        return due

    def arm_spreads(self, uid: str, timeout_s: int, now: int) -> int:
        """The same for spread orders, which `arm` leaves alone."""
        if timeout_s == 0:
            self.spreads.pop(uid, None)
            return 0
        due = self.spreads[uid] = now + timeout_s * SECOND
        self._desk.exchange.call_at(due, lambda then: self._fire_spreads(uid, due, then))
        return due

    def _fire(self, uid: str, tag: str, due: int, now: int) -> None:
        if self.armed.get((uid, tag)) != due:
            return
        del self.armed[uid, tag]
        for order in self._desk.floor.open_orders(uid):
            if not tag or order.tag == tag:
                self._desk.floor.cancel(uid, order, now, source=CANCELED_BY_TIMER)
        self._desk.flush(now)

    def _fire_spreads(self, uid: str, due: int, now: int) -> None:
        if self.spreads.get(uid) != due:
            return
        del self.spreads[uid]
        self._desk.spreads.cancel_all(uid, "", now, CANCELED_BY_TIMER)
        self._desk.flush(now)
