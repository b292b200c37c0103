"""TradeChain: continuity of trades by their ids.

Source: docs-v5 "Trades channel" (tradeId and count).
"""

from __future__ import annotations

from typing import Any

from okex_ws.events import Event
from okex_ws.protocol.chains.base import MOST_BUFFERED, Chain
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.channels import Subscription

REORDER_WINDOW = SECOND // 2
"""Time in which a missing trade may still arrive before it counts as lost: ids interleave inside one taker's sweep."""
ID_RESET_AFTER = 10 * SECOND
"""An id far below the last one begins a new numbering if it is this much later in exchange time; else it is a repetition."""


class TradeChain(Chain):
    """Continuity of trades by `tradeId - count == previous tradeId`.

    Trades are delivered as they arrive. Only the report waits: ids that are still missing after the reorder window become a Gap.
    Counts decide, not ranges: two trades of one sweep may interleave their ids and are complete all the same.
    """

    STATE = {
        int | None: "settled",
        int: "_settled_ts",
        str: "_hint",
        dict[int, tuple[int, int]]: "_pending",
        list[tuple[int, int]]: "_missing",
    }

    def __init__(self, line: str, subscription: Subscription) -> None:
        super().__init__(line, subscription)
        self.settled: int | None = None  # every id up to this one is delivered or reported as missing
        self._settled_ts = 0
        self._pending: dict[int, tuple[int, int]] = {}  # tradeId → count and arrival, above `settled`
        self._missing: list[tuple[int, int]] = []  # the latest reported gaps, for trades that arrive late
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
        return not self._pending  # the predecessor may still send the missing trades

    def start_handover(self, successor: int) -> None:
        """Do nothing: ids identify repetitions."""

    def expire(self, now: int) -> list[Event]:
        """Report the ids missing below each trade that arrived a reorder window ago."""
        ripe = [trade_id for trade_id, (_, arrived) in self._pending.items() if arrived + REORDER_WINDOW <= now]
        gaps = self._report(max(ripe), now) if ripe else []
        self._set_deadline()
        return gaps

    def conclude(self, now: int) -> list[Event]:
        gaps = self._report(max(self._pending), now) if self._pending else []
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
        """Settle the longest run of pending trades whose counts add up."""
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

    def _report(self, newest: int, now: int) -> list[Event]:
        """Report the ids missing below `newest`, and settle up to it.

        Trades of one sweep may cover each other's ids: an id covered twice replaces a lower id that no trade covers.
        """
        assert self.settled is not None
        holes: list[tuple[int, int]] = []
        reached = self.settled
        for trade_id in sorted(self._pending):
            first = trade_id - self._pending[trade_id][0] + 1
            if first <= newest:
                holes.append((reached + 1, first - 1))  # first > last where two trades overlap
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
                surplus = 0  # better to report an id too many than one too few
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
        """True if a trade below the settled id fills a reported gap; it is then delivered late."""
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
