"""Chain: continuity of one subscription without ids.

A chain outlives connections, so that it knows what was missed between two of them. During a planned hand-over it merges two
connections into one stream.
"""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.events import Event, Gap, Resumed
from okex_ws.stateful import AnyEvent, Stateful
from okex_ws.wire.channels import Subscription

MOST_BUFFERED = 2_000
"""Updates kept while a book waits for its snapshot, trades kept while one is missing. With more than that, waiting ends."""


class Chain(Stateful):
    """Continuity of one subscription without ids: it knows interruptions and the connection in use.

    primary: number of the connection whose rows are delivered. last: ts_recv of the last row, ns; 0 before the first.
    """

    STATE = {
        str: "line",
        Subscription: "subscription",
        int: "primary last broken_since duplicates",
        int | None: "deadline",
        bool: "needs_resync",
        dict[tuple[str, ...], None] | None: "_seen",
        list[AnyEvent]: "_last_rows",
    }

    def __init__(self, line: str, subscription: Subscription) -> None:
        self.line = line
        self.subscription = subscription
        self.primary = 0
        self.last = 0
        self.broken_since = 0
        self.duplicates = 0
        self.deadline: int | None = None
        self.needs_resync = False
        self._seen: dict[tuple[str, ...], None] | None = None
        self._last_rows: list[Any] = []

    @property
    def is_broken(self) -> bool:
        """True from an interruption to the next row, or to the next snapshot of a book."""
        return bool(self.broken_since)

    @property
    def is_handed_over(self) -> bool:
        """True if the primary connection is not needed any more beside its successor."""
        return True

    def feed(self, rows: list[Any], number: int, now: int) -> list[Any]:
        """Apply the rows of one frame from connection `number` and return the events to deliver."""
        if self._seen is not None:
            rows = self._unseen(rows)
            if not rows:
                return rows
        self._last_rows = rows
        resumed = self._resume(now) if self.broken_since else []
        self.last = now
        return [*resumed, *rows] if resumed else rows

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """Mark the subscription as interrupted: the line is lost, or silent for too long."""
        if not self.broken_since:
            self.broken_since = self.last or now
        return []

    def start_handover(self, successor: int) -> None:
        """Begin to merge the rows of two connections."""
        self._seen = {}
        for row in self._last_rows:
            self._seen[_signature(row)] = None

    def cancel_handover(self) -> list[Event]:
        """End the merge, because the successor is lost; returns the events that waited for it."""
        self._seen = None
        return []

    def finish_handover(self, successor: int, now: int) -> list[Event]:
        """End the merge: only the successor's rows are delivered from here on."""
        self.primary = successor
        self._seen = None
        return []

    def expire(self, now: int) -> list[Event]:
        """Report what is overdue at `deadline`."""
        self.deadline = None
        return []

    def conclude(self, now: int) -> list[Event]:
        """Report everything missing now, because nothing can arrive late any more."""
        return []

    def reset_timeouts(self, now: int) -> None:
        """Restart the reorder window at `now`, because nothing was read until then."""

    def _resume(self, now: int, **sequences: int | None) -> list[Event]:
        since, self.broken_since = self.broken_since, 0
        return [
            Resumed(
                ts_recv=now,
                line=self.line,
                channel=self.subscription.channel,
                key=self.subscription.key,
                since=since,
                **sequences,
            )
        ]

    def _gap(self, now: int, cause: str, **what: int | None) -> Gap:
        return Gap(
            ts_recv=now,
            line=self.line,
            channel=self.subscription.channel,
            instrument=self.subscription.key,
            cause=cause,
            since=self.last,
            **what,
        )

    def _unseen(self, rows: list[Any]) -> list[Any]:
        assert self._seen is not None
        fresh = []
        for row in rows:
            signature = _signature(row)
            if signature in self._seen:
                self.duplicates += 1
                continue
            self._seen[signature] = None
            if len(self._seen) > 4096:
                del self._seen[next(iter(self._seen))]
            fresh.append(row)
        return fresh


def _signature(row: Any) -> tuple[str, ...]:
    """Return the class and all fields of a row but its time of arrival, as a key that identifies it."""
    return (type(row).__name__, *(repr(value) for name, value in msgspec.structs.asdict(row).items() if name != "ts_recv"))
