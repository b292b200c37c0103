"""Missed trades: the ids of one instrument to fetch, and those fetched by REST before their push arrived.

The stream aggregates matches (one push may cover many ids), REST lists every match; ranges of ids reconcile the two.
Source: docs-v5 "Trades channel", "Get trades", "Get trades history" (type 1 pages by id, type 2 by time; the last three months).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from okex_ws.events import Event, Gap, Push, SingleTrade, Trade, Unrecoverable
from okex_ws.events.base import MS
from okex_ws.protocol.backfill.missing import ERROR_TRIES, REFUSALS, TRIES, Missing, Query, page_backoff
from okex_ws.protocol.backfill.ranges import Ranges
from okex_ws.protocol.pacing import SECOND, Backoff
from okex_ws.stateful import EventClass
from okex_ws.wire.frames import FrameError, decode_rows

TAIL_AFTER = 2 * SECOND
"""Time after a subscription begins without a trade, after which the newest trade is fetched over REST."""
REMEMBERED = 1_024
"""Ranges of ids remembered as fetched, and as lost, for pushes that arrive late."""
TAIL = "market/trades"
HISTORY = "market/history-trades"

AnyTrade = Trade | SingleTrade


class MissedTrades(Missing):
    """Missing trades of one subscription to `trades` or `trades-all`.

    since: ns UTC of the exchange, time of the oldest trade to fetch; None: the first trade received.
    frontier: newest id delivered or known as missing. duplicates: late pushes not delivered, because REST was faster.
    """

    STATE = {
        str: "line _start _requested",
        int: "duplicates _start_at",
        int | None: "frontier _since_ms _tail_at",
        bool: "_is_bottomless _has_pushes",
        EventClass: "_kind",
        Ranges: "filled lost _early",
        Backoff: "_start_backoff _tail_backoff",
        tuple[int, int]: "_upper _last",
        deque[tuple[int, int]]: "_recent",
        list[tuple[int, int, int, int]]: "_dates",
    }

    def __init__(self, channel: str, instrument: str, luck: Callable[[], float], since: int | None) -> None:
        super().__init__(channel, instrument, luck)
        self.frontier: int | None = None
        self.duplicates = 0
        self.line = ""
        self.filled = Ranges()
        self.lost = Ranges()
        self._kind: type[Push] = SingleTrade if channel == "trades-all" else Trade
        self._since_ms = -(-since // MS) if since is not None else None
        self._start = (
            "" if since is None else "waiting"
        )  # "waiting" for an upper end, then "searching" for the lower one, then ""
        self._upper = (0, 0)  # id and ms of that upper end
        self._early = Ranges()  # ids below it whose pushes came during the search for the lower end
        self._start_at = 0
        self._start_backoff = page_backoff()
        self._is_bottomless = False  # OKX has no trade older than `since`: slot 1 replaces the unknown lower end
        self._tail_at: int | None = None
        self._tail_backoff = page_backoff()
        self._has_pushes = False  # a push came since the subscription began: from then on the chain reports the gaps
        self._requested = ""
        self._recent: deque[tuple[int, int]] = deque(maxlen=512)  # id and ms of pushes, to date the holes
        self._dates: list[tuple[int, int, int, int]] = []  # first and last id of a hole, ms before and after it
        self._last = (-1, 0)  # id and ms of the last one delivered

    # -- events of the stream --------------------------------------------------------------------------------------------

    def follows(self, trade: AnyTrade) -> bool:
        """Apply a trade that directly follows the frontier. Returns False without a change for any other trade."""
        last = trade.trade_id
        if last - (trade.count or 1) != self.frontier or self._tail_at is not None:
            return False
        self.frontier = last
        self._recent.append((last, trade.ts_ms))
        self._has_pushes = True
        return True

    def feed(self, trade: AnyTrade, now: int) -> bool:
        """Apply a push. Returns False if REST was faster, so that it must not be delivered."""
        last = trade.trade_id
        if last - (trade.count or 1) == self.frontier:
            self.frontier = last
        elif not self._feed_odd(trade, now):
            return False
        elif self.frontier is not None and last < self.frontier:
            return True  # late: it does not show the present state
        self._recent.append((last, trade.ts_ms))
        self._has_pushes = True
        self._tail_at = None
        return True

    def feed_gap(self, gap: Gap, now: int) -> None:
        """Apply the chain's report of missing ids."""
        if gap.first_id is None or gap.last_id is None:
            self._renumbered(gap, now)
            return
        before, after = gap.since // MS, now // MS
        for low, high in self.filled.outside(gap.first_id, gap.last_id):
            for first, last in self.lost.outside(low, high):
                self._want(first, last, before, after, now)

    def subscribed(self, line: str, now: int) -> None:
        """Check for trades from before the subscription began, for the first time or again."""
        self.line = line
        self._has_pushes = False
        if self._tail_at is None:
            self._tail_at = now + TAIL_AFTER
            self._tail_backoff.reset()

    def unsubscribed(self) -> None:
        """Fetch nothing that happens from here on."""
        self.frontier = self._tail_at = None
        if self._start == "waiting":
            self._start = ""

    def silent(self, now: int) -> None:
        """Check for missed trades, because the subscription is silent for too long."""
        if self.frontier is not None and self._tail_at is None:
            self._tail_at = now
            self._tail_backoff.reset()

    # -- requests and answers --------------------------------------------------------------------------------------------

    def due(self) -> int | None:
        times = [time for time in (super().due(), self._tail_at) if time is not None]
        if self._start == "searching":
            times.append(self._start_at)
        return min(times, default=None)

    def path(self, now: int) -> str:
        return TAIL if self._tail_at is not None and self._tail_at <= now else HISTORY

    def query(self, now: int) -> Query:
        if self._tail_at is not None and self._tail_at <= now:
            self._requested = "tail"
            return Query(TAIL, {"instId": self.instrument, "limit": "1"})
        if self._start == "searching" and (self._start_at <= now or not self.holes):
            self._requested = "start"
            return Query(HISTORY, {"instId": self.instrument, "type": "2", "after": str(self._since_ms), "limit": "100"})
        self._requested = "page"
        return super().query(now)

    def ask(self, after: int, low: int, now: int) -> Query:
        return Query(HISTORY, {"instId": self.instrument, "type": "1", "after": str(after), "limit": str(self.width)})

    def read(self, rows: list[Any], now: int) -> dict[int, Push]:
        page: dict[int, Push] = {}
        for event in decode_rows(rows, self._kind, self.channel):
            assert isinstance(event, Trade | SingleTrade)
            if event.instrument != self.instrument:
                continue
            event.ts_recv, event.backfilled = now, True
            page[event.trade_id] = event
            if self._is_bottomless and event.ts_ms < (self._since_ms or 0):
                self.holes.remove(1, event.trade_id)
        return page

    def take(self, rows: list[Any], now: int) -> list[Event]:
        if self._requested == "page":
            return super().take(rows, now)
        try:
            page: dict[int, Any] = self.read(rows, now)
        except FrameError as error:
            return self.fail("", str(error), now)
        self._errors.reset()
        return self._take_tail(page, now) if self._requested == "tail" else self._take_start(page, now)

    def fail(self, code: str, detail: str, now: int) -> list[Event]:
        if self._requested == "page":
            return super().fail(code, detail, now)
        if self._requested == "tail":
            return self._tail_failed(code, detail, now)
        if code in REFUSALS or self._errors.tries + 1 >= ERROR_TRIES:
            self._errors.reset()
            return self._no_start("refused" if code in REFUSALS else "unreachable", detail)
        self._start_at = self._errors.next_at(now, self._luck())
        return []

    def give_all_up(self, reason: str, now: int) -> list[Event]:
        out = self._no_start(reason, "") if self._start == "searching" else []
        out += super().give_all_up(reason, now)
        if self._tail_at is not None and reason != "id-reset":
            out += self._no_tail(reason, "", now)
        self._tail_at = None
        return out

    def accept(self, slot: int, event: Push) -> bool:
        self.filled.add(slot, slot)
        self.filled.forget_lowest(REMEMBERED)
        self._last = (slot, event.ts_event // MS)
        return True

    def name(self, low: int, high: int) -> dict[str, Any]:
        before = next((row[2] for row in self._dates if row[0] <= low <= row[1]), 0)
        after = next((row[3] for row in self._dates if row[0] <= high <= row[1]), 0)
        if self._last[0] == low - 1:
            before = self._last[1]
        above = min((slot for slot in self._held if slot > high), default=None)
        if above == high + 1:
            after = self._held[above].ts_event // MS
        elif self._above is not None and self._above[0] == high + 1:
            after = self._above[1].ts_event // MS
        known = None if self._is_bottomless and low == 1 else low
        return {"first_id": known, "last_id": high, "since": before * MS, "until": after * MS}

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _feed_odd(self, trade: AnyTrade, now: int) -> bool:
        """Apply a push that does not follow the frontier."""
        first, last = trade.first_id, trade.trade_id
        if self.filled.touches(first, last):
            self.duplicates += 1
            for low, high in self.filled.outside(first, last):  # an aggregate cannot be split: its other ids come by REST
                self._want(low, high, trade.ts_ms, trade.ts_ms, now)
            self.frontier = max(self.frontier or 0, last)
            return False
        self.holes.remove(first, last)
        self.lost.remove(first, last)
        if self._start == "searching" and first <= self._upper[0]:
            self._early.add(first, min(last, self._upper[0]))
        if self.frontier is None:
            self.frontier = last
            self._begin_start(first - 1, trade.ts_ms, now)
        elif last > self.frontier:
            if not self._has_pushes:  # the chain may not know the ids before it
                self._want(self.frontier + 1, first - 1, self._date_below(first), trade.ts_ms, now)
            self.frontier = last
        return True

    def _renumbered(self, gap: Gap, now: int) -> None:
        """Give up the missing ids, because OKX began a new numbering."""
        self.pending += self.give_all_up("id-reset", now)
        what = {"channel": self.channel, "instrument": self.instrument, "since": gap.since, "until": now, "reason": "id-reset"}
        self.pending.append(Unrecoverable(**what))  # type: ignore[arg-type]  # names and times
        self.frontier = None
        self.filled.clear()
        self.lost.clear()
        self._recent.clear()

    def _begin_start(self, upper: int, upper_ms: int, now: int) -> None:
        if self._start == "waiting":
            self._start, self._upper, self._start_at = "searching", (upper, upper_ms), now
            self._start_backoff.reset()

    def _take_tail(self, page: dict[int, Any], now: int) -> list[Event]:
        if self._tail_at is None:
            return []  # a push was faster
        newest = max(page, default=0)
        if newest < (self.frontier or 1):  # REST lags behind, or has no trade at all
            self._retry_tail(now)
            if self.frontier is None and self._tail_backoff.tries >= TRIES:
                self._tail_at = None  # a market without trades: the first push suffices
            return []
        self._tail_at = None
        if self.frontier is None:
            self._begin_start(newest, page[newest].ts_ms, now)
        elif newest > self.frontier:
            self._want(self.frontier + 1, newest, self._date_below(newest), page[newest].ts_ms, now)
        self.frontier = newest
        return []

    def _tail_failed(self, code: str, detail: str, now: int) -> list[Event]:
        self._retry_tail(now)
        if code not in REFUSALS:
            return []
        self._tail_at = None
        return self._no_tail("refused", detail, now)

    def _retry_tail(self, now: int) -> None:
        """Fetch the newest trade again; without a push this does not end."""
        if self._tail_at is not None:
            self._tail_at = self._tail_backoff.next_at(now, self._luck())

    def _no_tail(self, reason: str, detail: str, now: int) -> list[Event]:
        """Report that trades after the frontier could not be fetched."""
        if self.frontier is None:
            return []
        what: dict[str, Any] = {"channel": self.channel, "instrument": self.instrument, "reason": reason, "detail": detail}
        first = self.frontier + 1
        return [Unrecoverable(first_id=first, since=self._date_below(first) * MS, until=now, **what)]

    def _take_start(self, page: dict[int, Any], now: int) -> list[Event]:
        if self._start != "searching":
            return []
        upper, upper_ms = self._upper
        older = [trade_id for trade_id, row in page.items() if row.ts_ms < (self._since_ms or 0)]
        if not older:
            if self._start_backoff.tries + 1 < TRIES:
                self._start_at = self._start_backoff.next_at(now, self._luck())
                return []
            self._is_bottomless = True
        self._start = ""
        for low, high in self._early.outside(max(older, default=0) + 1, upper):
            self._want(low, high, self._since_ms or 0, upper_ms, now)
        if self._is_bottomless and self.holes:
            self.search()
        return []

    def _no_start(self, reason: str, detail: str) -> list[Event]:
        self._start = ""
        upper, upper_ms = self._upper
        what: dict[str, Any] = {"channel": self.channel, "instrument": self.instrument, "reason": reason, "detail": detail}
        what |= {"since": (self._since_ms or 0) * MS, "until": upper_ms * MS}
        parts = self._early.outside(1, upper)
        return [Unrecoverable(first_id=low if low > 1 else None, last_id=high, **what) for low, high in parts]

    def _want(self, low: int, high: int, before_ms: int, after_ms: int, now: int) -> None:
        if low > high:
            return
        before_ms = self._date_below(low) or before_ms
        after_ms = next((ms for trade_id, ms in self._recent if trade_id > high), after_ms)
        if len(self._dates) > 2 * len(self.holes) + 16:
            self._dates = [row for row in self._dates if self.holes.touches(row[0], row[1])]
        self._dates.append((low, high, before_ms, after_ms))
        self.want(low, high, now)

    def _date_below(self, trade_id: int) -> int:
        return next((ms for known, ms in reversed(self._recent) if known < trade_id), 0)

    def _write_off(self, low: int, high: int, reason: str, detail: str) -> list[Event]:
        for part in self.holes.inside(low, high):
            self.lost.add(*part)
        self.lost.forget_lowest(REMEMBERED)
        return super()._write_off(low, high, reason, detail)
