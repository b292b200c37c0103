"""Recovery of an invalid subscription: by subscribing again (Renewal), or by a snapshot over REST (SnapshotFetches).

Renewals that do not help follow each other at growing intervals. A snapshot may be older than the first buffered change; then it
is fetched again, a bounded number of times. Source: docs-v5 "Order book channel"; "Get order book".
"""

from __future__ import annotations

from okex_ws.protocol.pacing import SECOND, Backoff
from okex_ws.stateful import Stateful
from okex_ws.wire.channels import Subscription

SNAPSHOT_WITHIN = 2 * SECOND
"""Time in which changes may come without a snapshot."""
FIRST_ROW_WITHIN = 10 * SECOND
"""Time after its acknowledgement in which a book may send nothing."""
ANSWER_WITHIN = 10 * SECOND
"""Time after which a fetch counts as lost."""
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 8.0
MOST_TRIES = 5
"""Fetches without success, about 8 s in all, after which the subscription is renewed instead."""

HEALTHY_AFTER = 60 * SECOND
"""Time without trouble after which the next renewal is immediate again."""
UNANSWERED_AFTER = 10 * SECOND
REST_BOOKS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}
"""Depth of the snapshot from REST `market/books`, by book channel."""


class Renewal(Stateful):
    """Renewals of one subscription. due: time of the next one, ns; is_requested: True if one was sent and is unanswered."""

    __slots__ = ("_backoff", "_healthy_at", "due", "is_requested")

    STATE = {Backoff: "_backoff", int: "_healthy_at", int | None: "due", bool: "is_requested"}

    def __init__(self) -> None:
        self._backoff = Backoff(0.5, 60.0)
        self._healthy_at = 0
        self.due: int | None = None
        self.is_requested = False

    @property
    def is_planned(self) -> bool:
        """True while a renewal is still to be sent."""
        return self.due is not None and not self.is_requested

    def plan(self, now: int) -> None:
        """Plan a renewal, unless one is planned or in flight already."""
        if self.due is not None:
            return
        if self._healthy_at and now - self._healthy_at > HEALTHY_AFTER:
            self._backoff.reset()
        is_first = self._backoff.tries == 0
        next_at = self._backoff.next_at(now)
        self.due = now if is_first else next_at
        self.is_requested = False

    def requested(self, now: int) -> None:
        """Record that the renewal was sent. Without an answer it is repeated, at growing intervals."""
        earliest = now + UNANSWERED_AFTER
        self.due = max(earliest, self._backoff.next_at(now)) if self.is_requested else earliest
        self.is_requested = True

    def succeeded(self, now: int) -> None:
        """Record that rows arrive again."""
        if self.due is not None:
            self.due, self._healthy_at = None, now


class SnapshotFetches(Stateful):
    """Books of one connection that wait for a snapshot."""

    STATE = {
        dict[Subscription, int]: "_due",
        dict[Subscription, Backoff]: "_backoffs",
        dict[Subscription, float]: "_retry_s",
        set[Subscription]: "_silent",
    }

    def __init__(self) -> None:
        self._due: dict[Subscription, int] = {}
        self._backoffs: dict[Subscription, Backoff] = {}
        self._retry_s: dict[Subscription, float] = {}
        self._silent: set[Subscription] = set()  # no row of these has come yet

    def expect(self, item: Subscription, until: int) -> None:
        """Fetch a snapshot at `until` if an acknowledged book has sent nothing by then."""
        if item not in self._due:
            self._due[item] = until
            self._silent.add(item)

    def want(self, item: Subscription, at: int) -> None:
        """Fetch a snapshot at `at`, because changes came without one; an earlier request for one stays."""
        if item not in self._due or item in self._silent:
            self._due[item] = at
            self._silent.discard(item)

    def postpone(self, item: Subscription, to: int) -> None:
        """Move a pending fetch to `to` and forget its failures."""
        if item in self._due:
            self._due[item] = to
            self._backoffs.pop(item, None)

    def fetching(self, item: Subscription, now: int) -> None:
        """Record that a fetch has begun."""
        self._retry_s[item] = self._backoffs.setdefault(item, Backoff(FIRST_RETRY_S, LAST_RETRY_S)).next_s(1.0)
        self._due[item] = now + ANSWER_WITHIN

    def failed(self, item: Subscription, now: int) -> None:
        """Schedule another fetch after a useless answer, at growing intervals."""
        if item in self._due:
            self._due[item] = now + int(self._retry_s.get(item, FIRST_RETRY_S) * SECOND)

    def drop(self, item: Subscription) -> None:
        """Remove a book that needs no snapshot any more."""
        self._silent.discard(item)
        if self._due.pop(item, None) is not None:
            self._backoffs.pop(item, None)
            self._retry_s.pop(item, None)

    def is_hopeless(self, item: Subscription) -> bool:
        """True after too many fetches without success."""
        backoff = self._backoffs.get(item)
        return backoff is not None and backoff.tries >= MOST_TRIES

    def due(self, now: int) -> list[Subscription]:
        """Return the books whose snapshot is to be fetched at `now`."""
        return [item for item, due in self._due.items() if due <= now]

    @property
    def deadline(self) -> int | None:
        return min(self._due.values(), default=None)
