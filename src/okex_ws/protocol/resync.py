"""Recovery: how a subscription that cannot be trusted comes back: asked for anew (Renewal), or by an image over REST (Images).

A renewal that does not help is followed by the next ever later. An image may be older than the first change kept; then it is
fetched again, a bounded number of times. Source: docs-v5 "Order book channel"; "Get order book".
"""

from __future__ import annotations

from okex_ws.protocol.pacing import SECOND, Backoff
from okex_ws.wire.channels import Subscription

IMAGE_WITHIN = 2 * SECOND
"""How long changes may come without an image."""
FIRST_WORD_WITHIN = 10 * SECOND
"""How long a book may say nothing at all after its acknowledgement."""
ANSWER_WITHIN = 10 * SECOND
"""How long a fetch may take before it counts as lost."""
MOST_TRIES = 5
"""After so many fetches in vain, about 8 s, the subscription is renewed instead."""


HEALTHY_AFTER = 60 * SECOND
"""After so long without trouble the next renewal is at once again."""
UNANSWERED_S = 10.0
REST_BOOKS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}
"""Book channels whose image REST `market/books` can give, and its depth."""


class Renewal:
    """The renewals of one subscription. due: when the next is to be asked for, ns; is_asked: it was, and nothing came yet."""

    __slots__ = ("_backoff", "_healthy_at", "due", "is_asked")

    def __init__(self) -> None:
        self._backoff = Backoff(0.5, 60.0)
        self._healthy_at = 0
        self.due: int | None = None
        self.is_asked = False

    @property
    def is_planned(self) -> bool:
        """True while a renewal is still to be asked for."""
        return self.due is not None and not self.is_asked

    def plan(self, now: int) -> None:
        """Something is wrong. One renewal is in flight at a time, however much keeps arriving."""
        if self.due is not None:
            return
        if self._healthy_at and now - self._healthy_at > HEALTHY_AFTER:
            self._backoff.reset()
        is_first = self._backoff.tries == 0
        wait_s = self._backoff.next_s(1.0)
        self.due = now if is_first else now + int(wait_s * SECOND)
        self.is_asked = False

    def asked(self, now: int) -> None:
        """It left. Not answered in good time, it is asked again, ever later."""
        wait_s = max(UNANSWERED_S, self._backoff.next_s(1.0)) if self.is_asked else UNANSWERED_S
        self.due, self.is_asked = now + int(wait_s * SECOND), True

    def succeeded(self, now: int) -> None:
        """The subscription speaks again."""
        if self.due is not None:
            self.due, self._healthy_at = None, now


class Images:
    """The books of one connection that wait for an image."""

    def __init__(self) -> None:
        self._due: dict[Subscription, int] = {}
        self._tries: dict[Subscription, int] = {}
        self._silent: set[Subscription] = set()  # nothing was heard of them yet

    def expect(self, item: Subscription, until: int) -> None:
        """It was acknowledged: should it say nothing at all, fetch one then."""
        if item not in self._due:
            self._due[item] = until
            self._silent.add(item)

    def want(self, item: Subscription, at: int) -> None:
        """There are changes but no image: fetch one at `at`, unless one is wanted already."""
        if item not in self._due or item in self._silent:
            self._due[item] = at
            self._silent.discard(item)

    def postpone(self, item: Subscription, to: int) -> None:
        """Something else is tried first; if one is still wanted then, begin anew."""
        if item in self._due:
            self._due[item] = to
            self._tries.pop(item, None)

    def fetching(self, item: Subscription, now: int) -> None:
        """A fetch has begun."""
        self._tries[item] = self._tries.get(item, 0) + 1
        self._due[item] = now + ANSWER_WITHIN

    def failed(self, item: Subscription, now: int) -> None:
        """What was fetched is of no use: again, each time a little later."""
        if item in self._due:
            self._due[item] = now + (SECOND // 4 << min(self._tries.get(item, 1), MOST_TRIES))

    def drop(self, item: Subscription) -> None:
        """It has its image, or needs none any more."""
        self._silent.discard(item)
        if self._due.pop(item, None) is not None:
            self._tries.pop(item, None)

    def is_hopeless(self, item: Subscription) -> bool:
        return self._tries.get(item, 0) >= MOST_TRIES

    def due(self, now: int) -> list[Subscription]:
        return [item for item, due in self._due.items() if due <= now]

    @property
    def deadline(self) -> int | None:
        return min(self._due.values(), default=None)
