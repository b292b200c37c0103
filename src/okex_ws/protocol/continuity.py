"""Continuity: is anything missing, is anything here twice.

One chain per subscription. It outlives connections, so that what was missed between two of them is known, and during a planned
handover it merges two connections into one stream.
Source: docs-v5 "Order book channel" (sequence), "Trades channel" (tradeId and count).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, Event, Gap, Resumed
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.channels import Subscription, find

REORDER_WINDOW = SECOND // 2
"""How long a missing trade may still turn up before it counts as lost: ids interleave inside one taker's sweep."""
ID_RESET_AFTER = 10 * SECOND
"""An id far below the last, this much later in the exchange's time, is a new numbering, not a repetition."""
MOST_BUFFERED = 2_000
"""Updates kept while a book waits for its image, prints while one is missing; more than that, and the wait is over."""


class Chain:
    """Continuity of one subscription without ids: knows only whether the line was interrupted, and who speaks now.

    primary: number of the connection whose rows count. last: ts_recv of the last row, ns, 0 before the first.
    """

    def __init__(self, line: str, subscription: Subscription) -> None:
        self.line = line
        self.subscription = subscription
        self.primary = 0
        self.last = 0
        self.broken_since = 0
        self.duplicates = 0
        self.deadline: int | None = None
        self.needs_resync = False
        self._seen: dict[tuple[Any, ...], None] | None = None
        self._last_rows: list[Any] = []

    @property
    def is_broken(self) -> bool:
        """True from an interruption to the next row, or image."""
        return bool(self.broken_since)

    @property
    def is_handed_over(self) -> bool:
        """True when the successor of the primary connection can do without it."""
        return True

    def feed(self, rows: list[Any], number: int, now: int) -> list[Any]:
        """Rows of one frame from connection `number` → what to deliver."""
        if self._seen is not None:
            rows = self._unseen(rows)
            if not rows:
                return rows
        self._last_rows = rows
        resumed = self._resume(now) if self.broken_since else []
        self.last = now
        return [*resumed, *rows] if resumed else rows

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """The line is lost, or silent for too long."""
        if not self.broken_since:
            self.broken_since = self.last or now
        return []

    def start_handover(self, successor: int) -> None:
        """Two connections will speak for a while."""
        self._seen = {}
        for row in self._last_rows:
            self._seen[_signature(row)] = None

    def cancel_handover(self) -> list[Event]:
        """The successor is gone before it was needed; returns what was waiting for it."""
        self._seen = None
        return []

    def finish_handover(self, successor: int, now: int) -> list[Event]:
        """Only the successor speaks from here on."""
        self.primary = successor
        self._seen = None
        return []

    def expire(self, now: int) -> list[Event]:
        """`deadline` has come."""
        self.deadline = None
        return []

    def conclude(self, now: int) -> list[Event]:
        """Nothing late can come any more: every verdict falls now."""
        return []

    def reset_timeouts(self, now: int) -> None:
        """Nothing was read up to `now`: what may come late has its full time again."""

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


class TradeChain(Chain):
    """Continuity of trades by `tradeId - count == previous tradeId`.

    Trades are delivered as they arrive. Only the verdict waits: what is still missing after the reorder window is a Gap with
    its exact ids. Counts decide, not ranges: two prints of one sweep may interleave their ids and are complete all the same.
    """

    def __init__(self, line: str, subscription: Subscription) -> None:
        super().__init__(line, subscription)
        self.settled: int | None = None  # every id up to here is delivered, or reported as missing
        self._settled_ts = 0
        self._pending: dict[int, tuple[int, int]] = {}  # tradeId → count and arrival, above `settled`
        self._missing: list[tuple[int, int]] = []  # the latest gaps reported, for prints that turn up late
        self._hint = "sequence"

    def feed(self, rows: list[Any], number: int, now: int) -> list[Any]:
        self.last = now
        if rows and not self._pending and not self.broken_since:
            settled = self.settled
            for trade in rows:
                if trade.trade_id - (trade.count or 1) != settled:
                    break
                settled = trade.trade_id
            else:
                self.settled = settled
                self._settled_ts = trade.ts_event
                return rows
        return self._feed_one_by_one(rows, now)

    def interrupt(self, now: int, cause: str) -> list[Event]:
        self._hint = cause
        return super().interrupt(now, cause)

    @property
    def is_handed_over(self) -> bool:
        return not self._pending  # the predecessor may still bring what is missing

    def start_handover(self, successor: int) -> None:
        """Nothing to prepare: ids tell repetitions apart."""

    def expire(self, now: int) -> list[Event]:
        """What is missing below a print that came a reorder window ago is lost."""
        ripe = [trade_id for trade_id, (_, arrived) in self._pending.items() if arrived + REORDER_WINDOW <= now]
        gaps = self._judge(max(ripe), now) if ripe else []
        self._set_deadline()
        return gaps

    def conclude(self, now: int) -> list[Event]:
        gaps = self._judge(max(self._pending), now) if self._pending else []
        self.deadline = None
        return gaps

    def reset_timeouts(self, now: int) -> None:
        self._pending = {trade_id: (count, now) for trade_id, (count, _) in self._pending.items()}
        self._set_deadline()

    def _feed_one_by_one(self, rows: list[Any], now: int) -> list[Any]:
        out: list[Any] = self._resume(now) if self.broken_since else []
        for trade in rows:
            if self.settled is None:
                self._settle(trade.trade_id)
            elif trade.trade_id <= self.settled:
                if not self._is_late(trade):
                    if trade.ts_event - self._settled_ts < ID_RESET_AFTER:
                        self.duplicates += 1
                        continue
                    out += self.conclude(now)
                    out.append(self._gap(now, "id-reset", first_id=None, last_id=None))
                    self._settle(trade.trade_id)
                    self._missing = []
            elif trade.trade_id in self._pending:
                self.duplicates += 1
                continue
            else:
                self._pending[trade.trade_id] = (trade.count or 1, now)
                self._advance()
            self._settled_ts = max(self._settled_ts, trade.ts_event)
            out.append(trade)
        if len(self._pending) > MOST_BUFFERED:
            out += self.conclude(now)
        self._set_deadline()
        if not self._pending:
            self._hint = "sequence"
        return out

    def _advance(self) -> None:
        """Settle what is complete: the longest run of pending prints whose counts add up."""
        assert self.settled is not None
        total, best = 0, self.settled
        for trade_id in sorted(self._pending):
            total += self._pending[trade_id][0]
            if total == trade_id - self.settled:
                best = trade_id
        if best != self.settled:
            for trade_id in [key for key in self._pending if key <= best]:
                del self._pending[trade_id]
            self.settled = best

    def _judge(self, newest: int, now: int) -> list[Event]:
        """Report what is missing below `newest` and settle it.

        Prints of one sweep may claim each other's ids: an id claimed twice stands for one that nobody claims, further down.
        """
        assert self.settled is not None
        holes: list[tuple[int, int]] = []
        reached = self.settled
        for trade_id in sorted(self._pending):
            first = trade_id - self._pending[trade_id][0] + 1
            if first <= newest:
                holes.append((reached + 1, first - 1))  # turned round where two prints overlap
            reached = min(max(reached, trade_id), newest)
        missing: list[tuple[int, int]] = []
        surplus = 0
        for low, high in reversed(holes):
            if high < low:
                surplus += low - 1 - high
            elif high - low < surplus:
                surplus -= high - low + 1
            else:
                missing.append((low, high))
                surplus = 0  # rather an id too many than one too few
        missing.reverse()
        self._missing = [*self._missing, *missing][-256:]
        gaps: list[Event] = [self._gap(now, self._hint, first_id=low, last_id=high) for low, high in missing]
        self._settle(newest)
        self._advance()
        return gaps

    def _settle(self, trade_id: int) -> None:
        self.settled = trade_id
        above = {key: held for key, held in self._pending.items() if key > trade_id}
        self._pending = {key: (min(count, key - trade_id), arrived) for key, (count, arrived) in above.items()}
        self._hint = "sequence"

    def _set_deadline(self) -> None:
        oldest = min((arrived for _, arrived in self._pending.values()), default=None)
        self.deadline = None if oldest is None else oldest + REORDER_WINDOW

    def _is_late(self, trade: Any) -> bool:
        """Whether a print below the settled id belongs to a gap already reported; it is delivered, late."""
        first = trade.first_id
        for index, (low, high) in enumerate(self._missing):
            if low <= first and trade.trade_id <= high:
                del self._missing[index]
                if trade.trade_id < high:
                    self._missing.insert(index, (trade.trade_id + 1, high))
                if low < first:
                    self._missing.insert(index, (low, first - 1))
                return True
        return False


class BookChain(Chain):
    """Continuity of an incremental book by `prevSeqId == last seqId`.

    Five cases: image, change in order, keep-alive (equal ids), reset (smaller id, chain intact), gap. From a gap on nothing is
    delivered until the next image. A sequence is an identifier: it jumps, and a break does not say how much is missing.
    """

    def __init__(self, line: str, subscription: Subscription) -> None:
        super().__init__(line, subscription)
        self.sequence: int | None = None
        self.is_live = False
        self.checks = False  # rows carry sequences; recordings before 2023 have none
        self.buffer: list[BookUpdate] = []  # while there is no image
        self._lenient_link = False  # first change after a REST image: prev <= image < seq
        self._image_at = (-1, 0)  # its sequence and time, ms
        self._recent: deque[int] = deque(maxlen=512)
        self._successor: int | None = None
        self._shadow: list[BookEvent] = []

    @property
    def is_broken(self) -> bool:
        return not self.is_live

    @property
    def is_handed_over(self) -> bool:
        return self._successor is None

    def feed(self, rows: list[Any], number: int, now: int) -> list[Any]:
        if self._successor is None and len(rows) == 1:
            row = rows[0]
            if (
                self.is_live
                and row.previous_sequence == self.sequence
                and self.checks
                and row.sequence is not None
                and row.sequence > self.sequence
                and not isinstance(row, BookSnapshot)
                and not self.broken_since
            ):
                self.last = now
                self.sequence = row.sequence
                self._recent.append(row.sequence)
                return rows
        if number == self._successor:
            return self._feed_shadow(rows, now)
        if number != self.primary:
            return []  # a predecessor that has not noticed yet
        out: list[Any] = []
        for row in rows:
            out += self._feed_image(row, now) if isinstance(row, BookSnapshot) else self._feed_change(row, now)
        if self._successor is not None:
            out += self._cut_over(now)
        return out

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """The book cannot be trusted any more. Returns the Gap, once."""
        self._successor, self._shadow = None, []
        self.buffer = []
        if not self.is_live:
            return []
        self.is_live = False
        self.broken_since = self.last or now
        return [self._gap(now, cause, last_sequence=self.sequence)]

    def start_handover(self, successor: int) -> None:
        self._successor, self._shadow = successor, []

    def cancel_handover(self) -> list[Event]:
        self._successor, self._shadow = None, []
        return []

    def finish_handover(self, successor: int, now: int) -> list[Event]:
        """The primary is gone: go on with what the successor said, linked or not."""
        out: list[Any] = []
        if self._successor is not None:
            shadow, self._shadow = self._shadow, []
            self._successor = None
            if not shadow:  # nobody has spoken for this book since the primary left
                out += self.interrupt(now, "handover")
                self.needs_resync = True
            else:
                if self.is_live and isinstance(shadow[0], BookSnapshot):
                    self.is_live, self.broken_since = False, self.last or now
                    out.append(self._gap(now, "handover", last_sequence=self.sequence))
                self.primary = successor
                for row in shadow:
                    out += self.feed([row], successor, now)
        self.primary = successor
        return out

    def start_from(self, image: BookSnapshot, now: int) -> list[Event] | None:
        """Begin from an image fetched over REST. None: it is older than the first buffered change, fetch again."""
        if self.is_live:
            return []
        buffer = self.buffer
        if buffer and not _reaches(image, buffer[0]):
            return None
        rest = [row for row in buffer if row.sequence is not None and row.sequence > (image.sequence or 0)]
        if buffer and buffer[0].is_reset:
            rest = [row for row in rest if row is not buffer[0]]
        out = self._feed_image(image, now)
        self._lenient_link = True
        for row in rest:
            out += self._feed_change(row, now)
        return out

    def _feed_image(self, row: BookSnapshot, now: int) -> list[Any]:
        out: list[Any] = []
        if self.broken_since:
            out = self._resume(now, last_sequence=self.sequence, next_sequence=row.sequence)
        elif self.is_live and row.sequence != self.sequence:
            # OKX restarted the book in mid-stream. The image is right; the changes in between were not seen.
            out = [self._gap(now, "resnapshot", last_sequence=self.sequence, next_sequence=row.sequence)]
        self.is_live, self._lenient_link = True, False
        self.needs_resync = False
        self.buffer = []
        self.checks = row.sequence is not None
        self.sequence = row.sequence
        self._image_at = (-1 if row.sequence is None else row.sequence, row.ts_ms)
        self._recent.clear()
        if row.sequence is not None:
            self._recent.append(row.sequence)
        self.last = now
        return [*out, row]

    def _feed_change(self, row: BookUpdate, now: int) -> list[Any]:
        if not self.is_live:
            self._hold(row)
            return []
        if not self.checks and row.sequence is None and row.previous_sequence is None:
            self.last = now  # a recording from before there were sequences
            return [row]
        if self._is_linked(row):
            out = self._resume(now) if self.broken_since else []
            self._lenient_link = False
            self.last = now
            self.sequence = row.sequence
            if row.is_reset:
                self._recent.clear()  # the old numbers may come again
            if row.sequence is not None:
                self._recent.append(row.sequence)
            return [*out, row]
        if row.sequence in self._recent or self._is_older_than_image(row):
            self.duplicates += 1
            return []
        gap = self.interrupt(now, "sequence")
        self._hold(row)
        self.needs_resync = True
        return list(gap)

    def _is_linked(self, row: BookUpdate) -> bool:
        previous, sequence = row.previous_sequence, row.sequence
        if previous is None or sequence is None or self.sequence is None:
            return False  # what cannot be verified does not count as right
        return previous == self.sequence or (self._lenient_link and previous <= self.sequence < sequence)

    def _is_older_than_image(self, row: BookUpdate) -> bool:
        """Whether the image has this change; a smaller number alone may also mean that the numbering began anew."""
        sequence, ts_ms = self._image_at
        return row.sequence is not None and row.sequence <= sequence and row.ts_ms <= ts_ms

    def _hold(self, row: BookUpdate) -> None:
        """Keep a change until there is an image: only an unbroken run of rising sequences can be laid on one."""
        if row.sequence is None or row.previous_sequence is None:
            self.buffer = []
            return
        is_next = bool(self.buffer) and row.previous_sequence == self.buffer[-1].sequence and not row.is_reset
        if not is_next or len(self.buffer) >= MOST_BUFFERED:
            self.buffer = []
        self.buffer.append(row)

    def _feed_shadow(self, rows: list[Any], now: int) -> list[Any]:
        for row in rows:
            if isinstance(row, BookSnapshot):
                self._shadow = [row]
                continue
            if (self._shadow and row.previous_sequence != self._shadow[-1].sequence) or len(self._shadow) >= MOST_BUFFERED:
                self._shadow = []  # only an unbroken run can be linked
            self._shadow.append(row)
        return self._cut_over(now)

    def _cut_over(self, now: int) -> list[Any]:
        """Change connections where both stand at the same sequence: nothing lost, nothing twice."""
        if not self._shadow or self._successor is None:
            return []
        successor = self._successor
        if not self.is_live:  # the primary has lost its chain; the successor's image is better
            return self.finish_handover(successor, now)
        if self.sequence is None:
            return []
        for index in range(len(self._shadow), -1, -1):
            before = self._shadow[index - 1].sequence if index else self._shadow[0].previous_sequence
            if before == self.sequence:
                rest = self._shadow[index:]
                self._successor, self._shadow, self.primary = None, [], successor
                out: list[Any] = []
                for row in rest:
                    out += self.feed([row], successor, now)
                return out
        return []


class Chains:
    """The chains of one line, by subscription."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.primary = 0
        self._successor: int | None = None
        self._chains: dict[Subscription, Chain] = {}

    def of(self, subscription: Subscription) -> Chain:
        """The chain of a subscription, made when first asked for."""
        chain = self._chains.get(subscription)
        if chain is None:
            chain = self._chains[subscription] = _chain_for(self.line, subscription)
            chain.primary = self.primary
            if self._successor is not None:
                chain.start_handover(self._successor)
        return chain

    def begin(self, number: int) -> None:
        """Connection `number` is the one that speaks."""
        self.primary = number
        for chain in self._chains.values():
            chain.primary = number

    def forget(self, subscription: Subscription) -> None:
        self._chains.pop(subscription, None)

    def release(self, subscription: Subscription) -> Chain | None:
        """Let a chain go to another line."""
        return self._chains.pop(subscription, None)

    def adopt(self, chain: Chain) -> None:
        """A chain of another line goes on here."""
        chain.line, chain.primary = self.line, self.primary
        self._chains[chain.subscription] = chain
        if self._successor is not None:
            chain.start_handover(self._successor)

    def all(self) -> Iterable[Chain]:
        return self._chains.values()

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """The line is lost for every subscription."""
        self._successor = None
        return [event for chain in self._chains.values() for event in chain.interrupt(now, cause)]

    def start_handover(self, successor: int) -> None:
        self._successor = successor
        for chain in self._chains.values():
            chain.start_handover(successor)

    def finish_handover(self, successor: int, now: int) -> list[Event]:
        self.primary, self._successor = successor, None
        return [event for chain in self._chains.values() for event in chain.finish_handover(successor, now)]

    def cancel_handover(self) -> list[Event]:
        self._successor = None
        return [event for chain in self._chains.values() for event in chain.cancel_handover()]

    @property
    def are_handed_over(self) -> bool:
        return all(chain.is_handed_over for chain in self._chains.values())

    @property
    def deadline(self) -> int | None:
        return min((chain.deadline for chain in self._chains.values() if chain.deadline is not None), default=None)

    def expire(self, now: int) -> list[Event]:
        """Verdicts that are due."""
        return [
            event
            for chain in self._chains.values()
            if chain.deadline is not None and chain.deadline <= now
            for event in chain.expire(now)
        ]


def _reaches(image: BookSnapshot, first: BookUpdate) -> bool:
    """Whether an image is recent enough for the changes from `first` on to be laid on it."""
    if image.sequence is None or first.sequence is None or first.previous_sequence is None:
        return False
    if first.is_reset:  # older images have larger numbers
        return image.ts_ms >= first.ts_ms and image.sequence >= first.sequence
    return image.sequence >= first.previous_sequence


def _chain_for(line: str, subscription: Subscription) -> Chain:
    if subscription.channel in ("trades", "trades-all"):
        return TradeChain(line, subscription)
    row = find(subscription.channel)
    if row is not None and row.is_chained:
        return BookChain(line, subscription)
    return Chain(line, subscription)


def _signature(row: Any) -> tuple[Any, ...]:
    """What makes a row itself: everything but when it reached us."""
    return (type(row), *(repr(value) for name, value in msgspec.structs.asdict(row).items() if name != "ts_recv"))
