"""OrderBudget: OKX's limits on order requests. Each request gets the time at which it may be sent, or is refused.

WebSocket and REST share the limits, so every request claims here first.
Source: docs-v5 "Place order" and its neighbours: 60 single requests per 2 s, 300 orders in batches per 2 s, each for new, amended
and canceled orders apart, per instrument; 1,000 new and amended orders per 2 s and sub-account (50061), cancels exempt.
"""

from __future__ import annotations

from collections.abc import Sequence

from okex_ws.errors import OkexError
from okex_ws.protocol.pacing import SECOND, Window
from okex_ws.wire.orders import Kind, OrderRequest, kind_of

PERIOD_S = 2.1
"""OKX counts 2 s at arrival; the rest covers requests that the network delivers close together."""
SINGLE, BATCHED, ACCOUNT = 60, 300, 1000
SPREAD, MASS, SPREAD_MASS = 20, 5, 10
RESERVED = 6
"""One cancel of this number is reserved for urgent ones: a kill switch must not wait behind a market maker."""

_Key = tuple[Kind, str, bool, bool]


class BudgetError(OkexError):
    """The rate limit allows a request too late. wait_s: seconds that it would have to wait."""

    def __init__(self, wait_s: float, longest_s: float, what: str) -> None:
        super().__init__(f"{what} would have to wait {wait_s:.2f} s for OKX's rate limit, more than {longest_s:g} s")
        self.wait_s = wait_s


class OrderBudget:
    """Budget in order of arrival. longest_s: longest time that a request may wait; with more it is refused."""

    def __init__(self, *, longest_s: float = 1.0) -> None:
        if not longest_s >= 0:
            raise ValueError(f"wait_s {longest_s:g}: an order waits 0 seconds for its turn, or more")
        self.longest_s = longest_s
        self._windows: dict[_Key, Window] = {}
        self._last: dict[_Key, int] = {}
        self._held: dict[tuple[str, str], int] = {}
        self._account = Window(ACCOUNT, PERIOD_S)
        self._account_last = 0

    def claim(self, orders: Sequence[OrderRequest], now: int, *, urgent: bool = False) -> int:
        """Claim and return the time at which orders may be sent, ns; `now` if at once. Raises BudgetError, without a claim."""
        kind, is_batch = kind_of(orders[0]), len(orders) > 1
        counts: dict[str, int] = {}
        for order in orders:
            counts[order.instrument] = counts.get(order.instrument, 0) + 1
        counts_for_account = kind in ("place", "amend") and not orders[0].is_spread
        due = max([now, *(self._held.get((kind, instrument), 0) for instrument in (*counts, "*"))])
        keys: dict[_Key, int] = {}
        for instrument, count in counts.items():
            key: _Key = (kind, "*" if orders[0].is_spread else instrument, is_batch, False)
            if urgent and kind == "cancel":
                spare: _Key = (*key[:3], True)
                key = min(key, spare, key=lambda item, n=count: self._ready(item, n, now))  # type: ignore[misc]
            keys[key] = keys.get(key, 0) + count
            due = max(due, self._ready(key, keys[key], now))
        if counts_for_account:
            due = max(due, self._account.ready_at(now, reserve=len(orders) - 1), self._account_last)
        if due - now > self.longest_s * SECOND:
            what = f"{kind} of {', '.join(list(counts)[:3])}"
            raise BudgetError((due - now) / SECOND, self.longest_s, what)
        for key, count in keys.items():
            self._last[key] = due
            for _ in range(count):
                self._window(key).take(due)
        if counts_for_account:
            self._account_last = due
            for _ in orders:
                self._account.take(due)
        return due

    def hold(self, kind: Kind, instrument: str, until: int) -> None:
        """Send nothing of a kind before `until`, because OKX reported too many requests. instrument "*": of any."""
        self._held[kind, instrument] = max(until, self._held.get((kind, instrument), 0))

    def _ready(self, key: _Key, count: int, now: int) -> int:
        # Not before earlier claims: requests keep their order, and the uses of a window stay sorted.
        return max(self._window(key).ready_at(now, reserve=count - 1), self._last.get(key, 0))

    def _window(self, key: _Key) -> Window:
        window = self._windows.get(key)
        if window is None:
            kind, instrument, is_batch, is_spare = key
            window = self._windows[key] = Window(_limit(kind, instrument == "*", is_batch, is_spare), PERIOD_S)
        return window


def _limit(kind: str, is_spread: bool, is_batch: bool, is_spare: bool) -> int:
    if kind == "mass_cancel":
        return SPREAD_MASS if is_spread else MASS
    limit = SPREAD if is_spread else BATCHED if is_batch else SINGLE
    reserve = limit // RESERVED if kind == "cancel" else 0
    return reserve if is_spare else limit - reserve
