"""Absence: decides from reads of one order that the order does not exist. `protocol.orders` and `market.account` use it.

OKX may not show a new order at first (51603), so a single read proves nothing. The order is absent if reads still miss it a grace
period after the first miss: by its id, and then in the lists of open and of past orders, page by page.
Source: docs-v5 "Get order details", "Order List", "Order history (last 7 days)"; their spread twins.
"""

from __future__ import annotations

from typing import Any

SECOND = 1_000_000_000
GRACE_S = 3.0
"""Longest time for which OKX may not show an order that exists."""
GRACE = int(GRACE_S * SECOND)
NOT_FOUND = ("51603", "51001")
"""The order does not exist; the instrument does not exist."""
PAUSES_S = (0.25, 0.5, 1.0, 1.0, 2.0)
"""Pauses between reads; the last one repeats."""
PAGE = 100
CLOCKS_APART_MS = 60_000
"""OKX refuses a login from a clock that is 30 s off; the lists are read twice as far back."""


class Absence:
    """Evidence that reads of one order have given so far.

    made_ms: time at which the order was made. path, query: the next read, `pause` ns after the last one. since: time of the first
    miss, None if there was none.
    """

    __slots__ = ("_before", "_by_id", "_is_spread", "_lists", "_made_ms", "_reads", "_step", "pause", "since")

    def __init__(self, instrument: str, by_id: tuple[str, dict[str, str]], *, is_spread: bool = False, made_ms: int = 0) -> None:
        self._by_id, self._is_spread = by_id, is_spread
        self._made_ms = made_ms - CLOCKS_APART_MS
        if is_spread:
            of_spread = {"sprdId": instrument}
            self._lists = [("sprd/orders-pending", of_spread), ("sprd/orders-history", of_spread)]
        else:
            history = {"instType": _type_of(instrument), "instId": instrument}
            self._lists = [("trade/orders-pending", {"instId": instrument}), ("trade/orders-history", history)]
        self.since: int | None = None
        self._step = self._reads = self.pause = 0
        self._before = ""

    @property
    def path(self) -> str:
        """Path of the next read, after /api/v5/."""
        return (self._lists[self._step - 1] if self._step else self._by_id)[0]

    @property
    def query(self) -> dict[str, str]:
        """Query of the next read."""
        query = (self._lists[self._step - 1] if self._step else self._by_id)[1]
        return query | ({"endId" if self._is_spread else "after": self._before} if self._before else {})

    def found(self) -> None:
        """Apply a read that found the order: earlier misses prove nothing any more."""
        self._count()
        self._restart()

    def missed(self, rows: list[Any] | None, code: str, read_at: int, *, grace: int = GRACE, may_come: bool = False) -> bool:
        """Apply a read that did not find the order. Return True if the order is absent.

        Args:
            rows: The rows of the answer; None if it had none.
            code: OKX's code of an answer without rows; "" without an answer.
            read_at: Time at which the read was sent, ns.
            grace: Time that must pass after the first miss, ns.
            may_come: True if the order may still be on its way to OKX.
        """
        self._count()
        # A list without the order is evidence; a read by id without rows is none, unless OKX says that the order does not exist.
        if code not in NOT_FOUND and (rows is None or not self._step):
            return False
        if self.since is None:
            self.since = read_at
        if may_come or read_at - self.since < grace:
            return False
        if not (self._step and self._has_next_page(rows or [])):
            self._step, self._before = self._step + 1, ""
        if self._step <= len(self._lists):
            self.pause = 0
            return False
        self._restart()
        return True

    def _count(self) -> None:
        self.pause = int(PAUSES_S[min(self._reads, len(PAUSES_S) - 1)] * SECOND)
        self._reads += 1

    def _restart(self) -> None:
        self.since, self._step, self._before = None, 0, ""

    def _has_next_page(self, rows: list[Any]) -> bool:
        """Return True if the next page may hold the order: rows come newest first, and this page ends with a younger order."""
        last = rows[-1] if len(rows) >= PAGE and isinstance(rows[-1], dict) else {}
        made, before = str(last.get("cTime", "")), str(last.get("ordId", ""))
        if not before or before == self._before or (made.isdigit() and int(made) < self._made_ms):
            return False
        self._before = before
        return True


def _type_of(instrument: str) -> str:
    """Return the instrument type that an id implies, by OKX's rule for ids."""
    parts = instrument.split("-")
    if parts[-1] == "SWAP":
        return "SWAP"
    if parts[-1] in ("C", "P") and len(parts) > 3:
        return "OPTION"
    return "FUTURES" if len(parts) > 2 else "SPOT"
