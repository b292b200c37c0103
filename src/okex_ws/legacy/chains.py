"""Chains of V1 and V3: continuity without sequences, because neither dialect numbers its messages.

A book has one snapshot and then changes, each of which could be lost unnoticed; so every interruption breaks it until the next
snapshot. Trade ids skip: after an interruption trades are missing, unless the first ones received were delivered before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from okex_ws.events import BookSnapshot, Event, Gap, Resumed
from okex_ws.stateful import Stateful
from okex_ws.wire.channels import Subscription

MOST_REMEMBERED = 4096
"""Trades remembered for each subscription."""
CHAINED_BOOKS = ("books", "books-l2-tbt", "books-optimized")


class LegacyChain(Stateful):
    """Continuity of one subscription: it knows interruptions. last: ts_recv of the last row, ns; 0 before the first."""

    STATE = {str: "line", Subscription: "subscription", int: "last broken_since duplicates"}

    def __init__(self, line: str, subscription: Subscription) -> None:
        self.line = line
        self.subscription = subscription
        self.last = 0
        self.broken_since = 0
        self.duplicates = 0

    def feed(self, rows: list[Any], now: int) -> list[Any]:
        """Apply the rows of one frame and return the events to deliver."""
        resumed = self._resumed(now) if self.broken_since else []
        self.last = now
        return [*resumed, *rows]

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """Mark the subscription as interrupted: the line is lost, or its rows are invalid."""
        if not self.broken_since:
            self.broken_since = self.last or now
        return []

    def conclude(self, now: int) -> list[Event]:
        """Return nothing: no report waits here."""
        return []

    def _resumed(self, now: int) -> list[Any]:
        since, self.broken_since = self.broken_since, 0
        item = self.subscription
        return [Resumed(ts_recv=now, line=self.line, channel=item.channel, key=item.key, since=since)]

    def _gap(self, now: int, cause: str) -> Gap:
        item = self.subscription
        return Gap(ts_recv=now, line=self.line, channel=item.channel, instrument=item.key, cause=cause, since=self.last)


class LegacyTradeChain(LegacyChain):
    """Continuity of trades whose ids skip: no trade twice, and a Gap after an interruption unless the first batch overlaps."""

    STATE = {dict[tuple[Any, ...], None]: "_seen", str: "_cause"}

    def __init__(self, line: str, subscription: Subscription) -> None:
        super().__init__(line, subscription)
        self._seen: dict[tuple[Any, ...], None] = {}
        self._cause = ""

    def feed(self, rows: list[Any], now: int) -> list[Any]:
        had_any = bool(self._seen)
        fresh = []
        for row in rows:
            # An id alone is not unique: options of a family share one subscription, and an exchange may restart its numbering.
            whole = (row.instrument, row.trade_id, row.ts_ms, row.price, row.size)
            if whole in self._seen:
                continue
            self._seen[whole] = None
            fresh.append(row)
        while len(self._seen) > MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        overlaps = len(fresh) < len(rows)
        self.duplicates += len(rows) - len(fresh)
        events: list[Any] = []
        if self.broken_since:
            if had_any and not overlaps:
                events.append(self._gap(now, self._cause))
            events += self._resumed(now)
        self.last = now
        return [*events, *fresh]

    def interrupt(self, now: int, cause: str) -> list[Event]:
        self._cause = cause
        return super().interrupt(now, cause)


class LegacyBookChain(LegacyChain):
    """Continuity of an incremental book: a snapshot, then changes; nothing after an interruption until the next snapshot."""

    STATE = {bool: "is_live"}

    def __init__(self, line: str, subscription: Subscription) -> None:
        super().__init__(line, subscription)
        self.is_live = False

    def feed(self, rows: list[Any], now: int) -> list[Any]:
        out: list[Any] = []
        for row in rows:
            if isinstance(row, BookSnapshot):
                out += self._resumed(now) if self.broken_since else []
                self.is_live = True
            elif not self.is_live:
                continue  # a change without a snapshot
            self.last = now
            out.append(row)
        return out

    def interrupt(self, now: int, cause: str) -> list[Event]:
        if not self.is_live:
            return []
        self.is_live = False
        self.broken_since = self.last or now
        return [self._gap(now, cause)]


class LegacyChains(Stateful):
    """Chains of one line, by subscription. V1 and V3 never announce that they will close: there is no hand-over."""

    STATE = {str: "line", dict[Subscription, LegacyChain]: "_chains"}

    deadline: int | None = None
    are_handed_over = True

    def __init__(self, line: str) -> None:
        self.line = line
        self._chains: dict[Subscription, LegacyChain] = {}

    def of(self, subscription: Subscription) -> LegacyChain:
        """Return the chain of a subscription; it is made on first use."""
        chain = self._chains.get(subscription)
        if chain is None:
            chain = self._chains[subscription] = _chain_for(self.line, subscription)
        return chain

    def begin(self, number: int) -> None:
        """Do nothing: the number of the connection has no effect here."""

    def forget(self, subscription: Subscription) -> None:
        self._chains.pop(subscription, None)

    def release(self, subscription: Subscription) -> LegacyChain | None:
        """Remove a chain and return it, for another line."""
        return self._chains.pop(subscription, None)

    def adopt(self, chain: LegacyChain) -> None:
        """Continue a chain of another line here."""
        chain.line = self.line
        self._chains[chain.subscription] = chain

    def all(self) -> Iterable[LegacyChain]:
        return self._chains.values()

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """Interrupt every subscription."""
        return [event for chain in self._chains.values() for event in chain.interrupt(now, cause)]

    def expire(self, now: int) -> list[Event]:
        """Return nothing: no report waits here."""
        return []

    def start_handover(self, successor: int) -> None:
        """Do nothing: V1 and V3 have no hand-over."""

    def finish_handover(self, successor: int, now: int) -> list[Event]:
        return []

    def cancel_handover(self) -> list[Event]:
        return []


def _chain_for(line: str, subscription: Subscription) -> LegacyChain:
    if subscription.channel == "trades":
        return LegacyTradeChain(line, subscription)
    if subscription.channel in CHAINED_BOOKS:
        return LegacyBookChain(line, subscription)
    return LegacyChain(line, subscription)
