"""Absence: reading one order until it is found, or until it is certain that there is none. A step at a time, over `asked_at`.

OKX may not show an order at first (51603), so a single read proves nothing. There is none only when a grace window after the
first read that missed it further ones miss it too: by itself, and then in the lists of open and of past orders, page by page.
Source: docs-v5 "Get order details", "Order List", "Order history (last 7 days)"; their spread twins.
"""

from __future__ import annotations

from typing import Any

SECOND = 1_000_000_000
GRACE_S = 3.0
"""How long OKX may not show an order that exists."""
GRACE = int(GRACE_S * SECOND)
NOT_FOUND = ("51603", "51001")
"""There is no such order; there is no such instrument."""
PAUSES_S = (0.25, 0.5, 1.0, 1.0, 2.0)
"""Between reads; the last one from then on."""
PAGE = 100
CLOCKS_APART_MS = 60_000
"""OKX takes no login from a clock that is half a minute off; twice that is allowed for here."""


class Absence:
    """What reads of one order have shown so far.

    made_ms: when it was made. path, query: the next read, `pause` ns after the last. since: when it was first missed, None while
    it was not.
    """

    __slots__ = ("_before", "_by_itself", "_is_spread", "_lists", "_made_ms", "_reads", "_step", "pause", "since")

    def __init__(
        self, instrument: str, by_itself: tuple[str, dict[str, str]], *, is_spread: bool = False, made_ms: int = 0
    ) -> None:
        self._by_itself, self._is_spread = by_itself, is_spread
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
        return (self._lists[self._step - 1] if self._step else self._by_itself)[0]

    @property
    def query(self) -> dict[str, str]:
        query = (self._lists[self._step - 1] if self._step else self._by_itself)[1]
        return query | ({"endId" if self._is_spread else "after": self._before} if self._before else {})

    def found(self) -> None:
        """It was there: whatever was missed before proves nothing any more."""
        self._count()
        self._restart()

    def missed(self, rows: list[Any] | None, code: str, asked_at: int, *, grace: int = GRACE, may_come: bool = False) -> bool:
        """A read of `asked_at` did not find it; True when there is none. rows: None when there were none, and then OKX's code.

        may_come: it may still be on its way.
        """
        self._count()
        # A list that does not hold it says something; no row of the order itself says nothing, unless OKX says why.
        if code not in NOT_FOUND and (rows is None or not self._step):
            return False
        if self.since is None:
            self.since = asked_at
        if may_come or asked_at - self.since < grace:
            return False
        if not (self._step and self._goes_on(rows or [])):
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

    def _goes_on(self, rows: list[Any]) -> bool:
        """Whether it may be on a further page of the list: newest come first, and this one ends with younger orders."""
        last = rows[-1] if len(rows) >= PAGE and isinstance(rows[-1], dict) else {}
        made, before = str(last.get("cTime", "")), str(last.get("ordId", ""))
        if not before or before == self._before or (made.isdigit() and int(made) < self._made_ms):
            return False
        self._before = before
        return True


def _type_of(instrument: str) -> str:
    """What kind of instrument an id names; OKX builds ids by this rule."""
    parts = instrument.split("-")
    if parts[-1] == "SWAP":
        return "SWAP"
    if parts[-1] in ("C", "P") and len(parts) > 3:
        return "OPTION"
    return "FUTURES" if len(parts) > 2 else "SPOT"
