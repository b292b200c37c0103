"""CancelAllAfter: when to arm, renew and disarm OKX's switch that cancels all orders of a silent client. Sans-IO.

The caller sends `actions`, passes the answers in, and reports if orders are live. The switch does not depend on any connection: a
lost socket cancels nothing, an open one renews nothing. Spread orders have a switch of their own, without tags.
Source: docs-v5 "Cancel All After", of trade and of spread trading: 10 to 120 s, or 0 to disarm; once a second per user and tag.
"""

from __future__ import annotations

import msgspec

from okex_ws.events import Event, SwitchArmed, SwitchFailed
from okex_ws.protocol.pacing import SECOND

SHORTEST_S, LONGEST_S = 10, 120
PACE = SECOND * 11 // 10
"""Interval of requests: OKX takes one a second, counted at their arrival."""


class Arm(msgspec.Struct, frozen=True):
    """Request to POST `body` to `path`; timeout_s 0 disarms. Its answer goes to `answered`."""

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
    """Switch for the orders of one account or of one tag, or for the account's spread orders.

    timeout_s: time that OKX waits after the last renewal. renew_s: time between renewals. until: when OKX will cancel, ns by our
    clock; None while it will not. failure: reason why the switch could not be renewed before two thirds of its time were over, or
    not be armed within one third; then nothing more should be placed, and OKX is requested to cancel everything as soon as
    possible. "" without such a failure.
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
        self._requested: Arm | None = None
        self._requested_at = 0
        self._is_firing = False
        self._has_fired = False

    @property
    def is_armed(self) -> bool:
        """True if OKX will cancel everything at `until` without a renewal."""
        return self.until is not None

    def set_live(self, are_live: bool, now: int) -> None:
        """Set if any order is open or in flight. The first one arms the switch at once."""
        if are_live == self._live:
            return
        self._live = are_live
        if are_live:
            self._uncovered_since = now
        else:
            self._idle_since = now
        self._request(now)

    def fire(self, now: int) -> None:
        """Arm the switch with the shortest time and do not renew it, so that OKX cancels everything soon."""
        if not self._is_firing:
            self._is_firing = True
            self._request(now)

    def reset(self, now: int) -> None:
        """Arm and renew as before, because trading is resumed."""
        self._is_firing = self._has_fired = False
        self.failure, self.failures, self._renew_at, self._uncovered_since = "", 0, now, now
        self._request(now)

    def close(self) -> list[Arm]:
        """Return the request to disarm, if none of this client's orders is open: the switch would cancel only those of others."""
        if self._live or self._is_firing or not self.is_armed:
            return []
        return [Arm(self._number + 1, 0, self.tag, self.is_spread)]

    def answered(self, number: int, reason: str, now: int) -> list[Event]:
        """Apply OKX's answer to an Arm; reason: why it failed, "" on success."""
        request = self._requested
        if request is None or request.number != number:
            return []  # it was overdue and counted as failed
        self._requested = None
        events = self._failed(request, reason, now) if reason else self._succeeded(request, now)
        self._request(now)
        return events

    @property
    def next_deadline(self) -> int | None:
        """Time of the next `on_deadline`, ns; None: never."""
        times = [self.until] if self.until is not None else []
        if self._requested is not None:
            times.append(self._requested_at + self._answer_within)
        else:
            due = self._due()
            if due is not None:
                times.append(max(due[0], self._not_before))
        return min(times, default=None)

    def on_deadline(self, now: int) -> list[Event]:
        """Apply timeouts and send what is due at `now`."""
        events: list[Event] = []
        if self._requested is not None and now - self._requested_at >= self._answer_within:
            request, self._requested = self._requested, None
            events += self._failed(request, "no answer", now)
        if self.until is not None and now >= self.until:
            self.until, self._uncovered_since = None, now
            if self._live and not self._is_firing:
                what = "spread orders" if self.is_spread else "orders"
                events.append(self._failure_event(f"it ran out: OKX has canceled all {what}", now))
        self._request(now)
        return events

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _due(self) -> tuple[int, int] | None:
        """Return the next request as (time in ns, timeout_s)."""
        if self._is_firing:
            return (0, SHORTEST_S) if self._live and not self._has_fired else None
        if self._live:
            return (self._renew_at if self.is_armed else 0, self.timeout_s)
        return (self._idle_since + self._renew, 0) if self.is_armed else None

    def _request(self, now: int) -> None:
        due = self._due()
        if self._requested is not None or due is None or max(due[0], self._not_before) > now:
            return
        self._number += 1
        self._requested, self._requested_at = Arm(self._number, due[1], self.tag, self.is_spread), now
        self._not_before = now + PACE
        self.actions.append(self._requested)

    def _succeeded(self, request: Arm, now: int) -> list[Event]:
        self.failures = 0
        was = self.until
        self.until = self._requested_at + request.timeout_s * SECOND if request.timeout_s else None
        self._renew_at = self._requested_at + self._renew
        self._has_fired = self._is_firing and request.timeout_s == SHORTEST_S
        if (was is None) == (self.until is None) and not self._has_fired:
            return []  # a renewal is not reported
        until = self.until or 0
        return [
            SwitchArmed(
                ts_recv=now, line="guard", timeout_s=request.timeout_s, until=until, tag=self.tag, is_spread=self.is_spread
            )
        ]

    def _failed(self, request: Arm, reason: str, now: int) -> list[Event]:
        if not request.timeout_s:
            return []  # disarming is repeated; meanwhile OKX finds nothing to cancel
        self.failures += 1
        self._renew_at = now
        lasts_until = self.until - self._margin if self.until is not None else self._uncovered_since + self._margin
        if self._live and now >= lasts_until and not self._is_firing:
            self.failure, self._is_firing = reason, True
        return [self._failure_event(reason, now)]

    def _failure_event(self, reason: str, now: int) -> SwitchFailed:
        return SwitchFailed(
            ts_recv=now, line="guard", reason=reason, failures=self.failures, tag=self.tag, is_spread=self.is_spread
        )
