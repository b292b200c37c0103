"""CancelAllAfter: OKX cancels all orders should we fall silent. When to arm that, renew it, and let it go. Sans-IO.

The caller carries out `actions`, reports back, and tells whether orders are live. The switch is not tied to any connection: a
dropped socket cancels nothing, a living one renews nothing. Spread orders have one of their own, which knows no tag.
Source: docs-v5 "Cancel All After", of trade and of spread trading: 10 to 120 s, or 0 to disarm; once a second per user and tag.
"""

from __future__ import annotations

import msgspec

from okex_ws.events import Event, SwitchArmed, SwitchFailed
from okex_ws.protocol.pacing import SECOND

SHORTEST_S, LONGEST_S = 10, 120
PACE = SECOND * 11 // 10
"""OKX takes one such request a second, by when they arrive."""


class Arm(msgspec.Struct, frozen=True):
    """POST `path`: {"timeOut": timeout_s, "tag": tag}; timeout_s 0 disarms. The answer goes to `answered`."""

    number: int
    timeout_s: int
    tag: str = ""
    is_spread: bool = False

    @property
    def path(self) -> str:
        return "sprd/cancel-all-after" if self.is_spread else "trade/cancel-all-after"

    @property
    def body(self) -> dict[str, str]:
        return {"timeOut": str(self.timeout_s)} | ({"tag": self.tag} if self.tag else {})


class CancelAllAfter:
    """The switch of one account's orders, of those of one tag, or of its spread orders.

    timeout_s: how long after the last renewal OKX waits. renew_s: between renewals. until: when OKX will cancel, ns by our clock;
    None while it will not. failure: why it could not be renewed until only a third of that time was left, or not be armed within
    such a third; then nothing more should be placed, and OKX is asked to cancel everything as soon as it can be. "" while all is
    well.
    """

    def __init__(
        self,
        *,
        timeout_s: int = 30,
        renew_s: float = 5.0,
        tag: str = "",
        is_spread: bool = False,
    ) -> None:
        if not SHORTEST_S <= timeout_s <= LONGEST_S:
            raise ValueError(f"timeout_s {timeout_s}: OKX takes {SHORTEST_S} to {LONGEST_S} s")
        if not 1.0 <= renew_s <= timeout_s / 2:
            raise ValueError(f"renew_s {renew_s:g}: renew at most once a second, and at least twice within {timeout_s} s")
        self.timeout_s = timeout_s
        self.tag = tag
        self.is_spread = is_spread
        self.actions: list[Arm] = []
        self.until: int | None = None
        self.failures = 0
        self.failure = ""
        self._renew = int(renew_s * SECOND)
        self._margin = timeout_s * SECOND // 3
        self._answer_within = timeout_s * SECOND // 10
        self._uncovered_since = 0
        self._live = False
        self._idle_since = 0
        self._renew_at = 0
        self._not_before = 0
        self._number = 0
        self._asked: Arm | None = None
        self._asked_at = 0
        self._is_firing = False
        self._has_fired = False

    @property
    def is_armed(self) -> bool:
        """Whether OKX will cancel everything at `until` unless it hears from us."""
        return self.until is not None

    def orders_live(self, are_live: bool, now: int) -> None:
        """Whether any order is open, or on its way, by now. The first one arms the switch at once."""
        if are_live == self._live:
            return
        self._live = are_live
        if are_live:
            self._uncovered_since = now
        else:
            self._idle_since = now
        self._ask(now)

    def fire(self, now: int) -> None:
        """Let OKX cancel everything as soon as it can: armed with the shortest time, and not renewed."""
        if not self._is_firing:
            self._is_firing = True
            self._ask(now)

    def reset(self, now: int) -> None:
        """Trading goes on: arm and renew as before."""
        self._is_firing = self._has_fired = False
        self.failure, self.failures, self._renew_at, self._uncovered_since = "", 0, now, now
        self._ask(now)

    def leave(self) -> list[Arm]:
        """Nothing more will be renewed: disarm at once if that would cancel nobody's orders but others'."""
        if self._live or self._is_firing or not self.is_armed:
            return []
        return [Arm(self._number + 1, 0, self.tag, self.is_spread)]

    def answered(self, number: int, reason: str, now: int) -> list[Event]:
        """OKX's answer to an Arm; reason: why it failed, "" when it did not."""
        asked = self._asked
        if asked is None or asked.number != number:
            return []  # overdue, and counted as failed
        self._asked = None
        events = self._failed(asked, reason, now) if reason else self._succeeded(asked, now)
        self._ask(now)
        return events

    @property
    def next_deadline(self) -> int | None:
        """When to call `on_deadline`, ns; None: nothing is going on."""
        times = [self.until] if self.until is not None else []
        if self._asked is not None:
            times.append(self._asked_at + self._answer_within)
        else:
            due = self._due()
            if due is not None:
                times.append(max(due[0], self._not_before))
        return min(times, default=None)

    def on_deadline(self, now: int) -> list[Event]:
        """Time has passed."""
        events: list[Event] = []
        if self._asked is not None and now - self._asked_at >= self._answer_within:
            asked, self._asked = self._asked, None
            events += self._failed(asked, "no answer", now)
        if self.until is not None and now >= self.until:
            self.until, self._uncovered_since = None, now
            if self._live and not self._is_firing:
                what = "spread orders" if self.is_spread else "orders"
                events.append(self._told_failed(f"it ran out: OKX has canceled all {what}", now))
        self._ask(now)
        return events

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _due(self) -> tuple[int, int] | None:
        """What to ask for next, and when: (ns, timeout_s)."""
        if self._is_firing:
            return (0, SHORTEST_S) if self._live and not self._has_fired else None
        if self._live:
            return (self._renew_at if self.is_armed else 0, self.timeout_s)
        return (self._idle_since + self._renew, 0) if self.is_armed else None

    def _ask(self, now: int) -> None:
        due = self._due()
        if self._asked is not None or due is None or max(due[0], self._not_before) > now:
            return
        self._number += 1
        self._asked, self._asked_at = Arm(self._number, due[1], self.tag, self.is_spread), now
        self._not_before = now + PACE
        self.actions.append(self._asked)

    def _succeeded(self, asked: Arm, now: int) -> list[Event]:
        self.failures = 0
        was = self.until
        self.until = self._asked_at + asked.timeout_s * SECOND if asked.timeout_s else None
        self._renew_at = self._asked_at + self._renew
        self._has_fired = self._is_firing and asked.timeout_s == SHORTEST_S
        if (was is None) == (self.until is None) and not self._has_fired:
            return []  # a renewal is no news
        until = self.until or 0
        return [
            SwitchArmed(ts_recv=now, line="guard", timeout_s=asked.timeout_s, until=until, tag=self.tag, is_spread=self.is_spread)
        ]

    def _failed(self, asked: Arm, reason: str, now: int) -> list[Event]:
        if not asked.timeout_s:
            return []  # disarming: OKX finds nothing to cancel, and it is asked again
        self.failures += 1
        self._renew_at = now
        lasts_until = self.until - self._margin if self.until is not None else self._uncovered_since + self._margin
        if self._live and now >= lasts_until and not self._is_firing:
            self.failure, self._is_firing = reason, True
        return [self._told_failed(reason, now)]

    def _told_failed(self, reason: str, now: int) -> SwitchFailed:
        return SwitchFailed(
            ts_recv=now, line="guard", reason=reason, failures=self.failures, tag=self.tag, is_spread=self.is_spread
        )
