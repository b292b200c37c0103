"""BookChain: continuity of an incremental book by its sequences.

Source: docs-v5 "Order book channel" (sequence).
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import Any

from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, Event
from okex_ws.protocol.chains.base import MOST_BUFFERED, Chain
from okex_ws.stateful import AnyEvent
from okex_ws.wire.channels import Subscription


class BookChain(Chain):
    """Continuity of an incremental book by `prevSeqId == last seqId`.

    Five cases: snapshot, change in order, keep-alive (equal ids), reset (smaller id, chain intact), gap. After a gap nothing is
    delivered until the next snapshot. A sequence is an identifier: it jumps, so the number of lost changes is not known.
    """

    STATE = {
        int | None: "sequence _successor",
        bool: "is_live checks _lenient_link",
        tuple[int, int]: "_snapshot_at",
        int: "_snapshot_levels",
        deque[int]: "_recent",
        list[AnyEvent]: "buffer _shadow",
    }

    def __init__(self, line: str, subscription: Subscription) -> None:
        super().__init__(line, subscription)
        self.sequence: int | None = None
        self.is_live = False
        self.checks = False  # True if rows carry sequences; recordings before 2023 have none
        self.buffer: list[BookUpdate] = []  # changes since the snapshot became invalid
        self._lenient_link = False  # first change after a REST snapshot: previous <= snapshot < sequence
        self._snapshot_at = (-1, 0)  # its sequence and time, ms
        self._snapshot_levels = 0  # digest of its levels
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
            return []  # a predecessor that is still open
        out: list[Any] = []
        for row in rows:
            out += self._feed_snapshot(row, now) if isinstance(row, BookSnapshot) else self._feed_change(row, now)
        if self._successor is not None:
            out += self._cut_over(now)
        return out

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """Mark the book as broken. Returns the Gap, once."""
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
        """Continue with the rows of the successor, linked or not, because the primary is gone."""
        out: list[Any] = []
        if self._successor is not None:
            shadow, self._shadow = self._shadow, []
            self._successor = None
            if not shadow:  # the successor has sent no row of this book yet
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

    def start_from(self, snapshot: BookSnapshot, now: int) -> list[Event] | None:
        """Start from a snapshot fetched over REST. Returns None if it is older than the first buffered change: fetch again."""
        if self.is_live:
            return []
        buffer = self.buffer
        if buffer and not _reaches(snapshot, buffer[0]):
            return None
        rest = [row for row in buffer if row.sequence is not None and row.sequence > (snapshot.sequence or 0)]
        if buffer and buffer[0].is_reset:
            rest = [row for row in rest if row is not buffer[0]]
        out = self._feed_snapshot(snapshot, now)
        self._lenient_link = True
        for row in rest:
            out += self._feed_change(row, now)
        return out

    def _feed_snapshot(self, row: BookSnapshot, now: int) -> list[Any]:
        out: list[Any] = []
        levels = _digest(row)
        # A snapshot that was sent again, with nothing in between, agrees with the book.
        is_repeated = self.sequence == self._snapshot_at[0] and 0 != levels == self._snapshot_levels
        self._snapshot_levels = levels
        if self.broken_since:
            out = self._resume(now, last_sequence=self.sequence, next_sequence=row.sequence)
        elif self.is_live and row.sequence != self.sequence and not is_repeated:
            # OKX restarted the book in the middle of the stream. The snapshot is right; the changes before it were not received.
            out = [self._gap(now, "resnapshot", last_sequence=self.sequence, next_sequence=row.sequence)]
        self.is_live, self._lenient_link = True, False
        self.needs_resync = False
        self.buffer = []
        self.checks = row.sequence is not None
        self.sequence = row.sequence
        self._snapshot_at = (-1 if row.sequence is None else row.sequence, row.ts_ms)
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
            self.last = now  # a recording without sequences
            return [row]
        if self._is_linked(row):
            out = self._resume(now) if self.broken_since else []
            self._lenient_link = False
            self.last = now
            self.sequence = row.sequence
            if row.is_reset:
                self._recent.clear()  # old sequences may come again
            if row.sequence is not None:
                self._recent.append(row.sequence)
            return [*out, row]
        if row.sequence in self._recent or self._is_older_than_snapshot(row):
            self.duplicates += 1
            return []
        gap = self.interrupt(now, "sequence")
        self._hold(row)
        self.needs_resync = True
        return list(gap)

    def _is_linked(self, row: BookUpdate) -> bool:
        previous, sequence = row.previous_sequence, row.sequence
        if previous is None or sequence is None or self.sequence is None:
            return False  # without sequences the order cannot be verified
        return previous == self.sequence or (self._lenient_link and previous <= self.sequence < sequence)

    def _is_older_than_snapshot(self, row: BookUpdate) -> bool:
        """True if the snapshot contains this change; a smaller sequence alone may also be a reset."""
        sequence, ts_ms = self._snapshot_at
        return row.sequence is not None and row.sequence <= sequence and row.ts_ms <= ts_ms

    def _hold(self, row: BookUpdate) -> None:
        """Buffer a change until the next snapshot; only an unbroken run of rising sequences can be applied to it."""
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
        """Change connections at a sequence that both have reached, so that nothing is lost or repeated."""
        if not self._shadow or self._successor is None:
            return []
        successor = self._successor
        if not self.is_live:  # the primary's chain is broken; the successor's snapshot is better
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


def _digest(row: BookSnapshot) -> int:
    """Return a number for the prices and sizes of a snapshot, equal for equal ones; 0 without levels, which proves nothing."""
    if not row.raw_bids and not row.raw_asks:
        return 0
    sides = ("|".join(f"{level[0]} {level[1]}" for level in side) for side in (row.raw_bids, row.raw_asks))
    return zlib.crc32("/".join(sides).encode(errors="surrogatepass"))


def _reaches(snapshot: BookSnapshot, first: BookUpdate) -> bool:
    """True if a snapshot is recent enough to apply the changes from `first` on to it."""
    if snapshot.sequence is None or first.sequence is None or first.previous_sequence is None:
        return False
    if first.is_reset:  # older snapshots have larger sequences
        return snapshot.ts_ms >= first.ts_ms and snapshot.sequence >= first.sequence
    return snapshot.sequence >= first.previous_sequence
