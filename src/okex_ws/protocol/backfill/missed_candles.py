"""Missed candles and funding settlements of one instrument.

A candle replaces an older one of the same opening time, so a closed candle is delivered where it is missing or differs.
Source: docs-v5 "Get candlesticks" (the latest 1,440), "Get candlesticks history", the same of mark price and index, "Get funding
rate history".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from okex_ws.events import Candle, Event, FundingRate, Push, Recovered, Unrecoverable
from okex_ws.events.base import MS
from okex_ws.protocol.backfill.intervals import EqualIntervals, MonthIntervals, intervals
from okex_ws.protocol.backfill.missing import ERROR_TRIES, REFUSALS, TRIES, Missing, Query, page_backoff
from okex_ws.protocol.pacing import SECOND, Backoff
from okex_ws.stateful import AnyEvent, EventClass, Luck, Stateful
from okex_ws.wire.channels import bar_of, find
from okex_ws.wire.frames import FrameError, decode_rows

SETTLE = 2 * SECOND
"""Time in which REST closes a candle that the stream left open."""
NEWEST = 1_400
"""Candles fetched from `market/candles`; OKX keeps 1,440 there, older ones come from the history."""
REMEMBERED = 1_440
MOST_SETTLEMENTS = 5_000

KINDS = ("", "mark-price-", "index-")
"""Kinds of candles, as channels and paths write them before the word candle."""


class MissedCandles(Missing):
    """Missing candles of one `candle{bar}` subscription; a slot is a candle. since: ns UTC, time of the oldest one to fetch."""

    STATE = {
        str: "bar _kind",
        int | None: "_since_ms _recheck",
        EventClass: "_event",
        Stateful: "_intervals",
        AnyEvent | None: "_newest",
        dict[int, AnyEvent]: "_closed",
    }

    def __init__(self, channel: str, instrument: str, luck: Callable[[], float], since: int | None) -> None:
        super().__init__(channel, instrument, luck)
        self.bar = bar_of(channel)
        self._kind = channel.removesuffix(f"candle{self.bar}")
        row = find(channel)
        self._event: type[Candle] = row.event if row is not None and issubclass(row.event, Candle) else Candle
        self._intervals: EqualIntervals | MonthIntervals = EqualIntervals(1, 0)  # until the first push gives an opening time
        self._since_ms = since // MS if since is not None else None
        self._newest: Candle | None = None
        self._closed: dict[int, Candle] = {}
        self._recheck: int | None = None

    def feed(self, candle: Candle, now: int) -> None:
        """Apply a push; candles that the push before it left open or skipped are missing."""
        newest = self._newest
        if newest is None:
            self._intervals = intervals(self.bar, candle.open_ms) or self._intervals
        slot = self._slot(candle)
        if newest is None:
            if self._since_ms is not None:
                self._want(self._intervals.slot(self._since_ms - 1) + 1, slot - 1, now)
        elif candle.open_ms > newest.open_ms:
            last = self._slot(newest)
            self._want(last + 1 if last in self._closed else last, slot - 1, now)
        if self._recheck is not None:
            self._want(self._recheck, slot - 1, now)
            self._recheck = None
        if newest is None or candle.open_ms >= newest.open_ms:
            self._newest = candle
        if candle.closed:
            self._remember(slot, candle)

    def resumed(self) -> None:
        """Fetch the candles around an interruption, because closed ones may differ from those delivered."""
        if self._newest is not None and self._recheck is None:
            self._recheck = max(self._closed, default=self._slot(self._newest))

    def ask(self, after: int, low: int, now: int) -> Query:
        self.width = 300 if self._is_new(low, now) and not self._kind else 100
        args = {"instId": self.instrument, "bar": self.bar, "after": str(self._open_ms(after)), "limit": str(self.width)}
        return Query(self._path_of(low, now), args)

    def path(self, now: int) -> str:
        low = self._search.low if self._search else self._window[0] if self._window else self.holes.first[0]
        return self._path_of(low, now)

    def read(self, rows: list[Any], now: int) -> dict[int, Push]:
        page: dict[int, Push] = {}
        for row in rows:
            try:
                candle = self._event.from_row(row)
            except (ValueError, TypeError, OverflowError, LookupError) as error:
                raise FrameError(f"{self.channel}: {error}") from None
            if not candle.closed or candle.open_ms != self._open_ms(self._slot(candle)):
                continue
            candle.ts_recv, candle.channel, candle.backfilled = now, self.channel, True
            candle.instrument, candle.bar = self.instrument, self.bar
            page[self._slot(candle)] = candle
        return page

    def accept(self, slot: int, event: Push) -> bool:
        known = self._closed.get(slot)
        assert isinstance(event, Candle)
        if known is not None and _figures(known) == _figures(event):
            return False
        self._remember(slot, event)
        return True

    def name(self, low: int, high: int) -> dict[str, Any]:
        return {"since": self._open_ms(low) * MS, "until": self._open_ms(high + 1) * MS}

    def _is_new(self, low: int, now: int) -> bool:
        return low > self._intervals.slot(now // MS) - NEWEST

    def _path_of(self, low: int, now: int) -> str:
        return f"market/{self._kind}candles" if self._is_new(low, now) else f"market/history-{self._kind}candles"

    def _remember(self, slot: int, candle: Candle) -> None:
        self._closed[slot] = candle
        if len(self._closed) > REMEMBERED:
            del self._closed[next(iter(self._closed))]

    def _slot(self, candle: Candle) -> int:
        return self._intervals.slot(candle.open_ms)

    def _open_ms(self, slot: int) -> int:
        return self._intervals.opening(slot)

    def _want(self, low: int, high: int, now: int) -> None:
        if low <= high:
            self.want(low, high, now if self.holes else now + SETTLE)


class MissedFunding(Stateful):
    """Missing settlements of one `funding-rate` subscription. since: ns UTC, time of the oldest one to fetch."""

    STATE = {
        str: "channel instrument",
        int: "_not_before",
        int | None: "_since_ms _reached",
        Luck: "_luck",
        Backoff: "_vain _errors",
        tuple[int, int] | None: "_wanted",
        FundingRate | None: "_newest",
        dict[int, FundingRate]: "_held",
        list[AnyEvent]: "pending",
    }

    def __init__(self, channel: str, instrument: str, luck: Callable[[], float], since: int | None) -> None:
        self.channel = channel
        self.instrument = instrument
        self._luck = luck
        self._since_ms = since // MS if since is not None else None
        self.pending: list[Event] = []
        self._newest: FundingRate | None = None
        self._wanted: tuple[int, int] | None = None  # settlement times, ms, both inclusive
        self._held: dict[int, FundingRate] = {}
        self._reached: int | None = None
        self._not_before = 0
        self._vain, self._errors = page_backoff(), page_backoff()

    def feed(self, rate: FundingRate, now: int) -> None:
        """Apply a push; the settlements between it and the push before it are missing."""
        newest = self._newest
        if rate.funding_ms is None:
            return
        if newest is None or newest.funding_ms is None:
            if self._since_ms is not None:
                self._want(self._since_ms, rate.funding_ms - 1, now)
        elif rate.funding_ms > newest.funding_ms and newest.next_funding_ms not in (None, rate.funding_ms):
            self._want(newest.funding_ms, rate.funding_ms - 1, now)
        self._newest = rate

    def due(self) -> int | None:
        return self._not_before if self._wanted else None

    def path(self, now: int) -> str:
        return "public/funding-rate-history"

    def query(self, now: int) -> Query:
        assert self._wanted is not None
        low, high = self._wanted
        after = high + 1 if self._reached is None else self._reached
        args = {"instId": self.instrument, "before": str(low - 1), "after": str(after), "limit": "100"}
        return Query(self.path(now), args)

    def take(self, rows: list[Any], now: int) -> list[Event]:
        try:
            page = self._read(rows, now)
        except FrameError as error:
            return self.fail("", str(error), now)
        self._errors.reset()
        if self._wanted is None:
            return []
        low, high = self._wanted
        fresh = {time: rate for time, rate in page.items() if time not in self._held and low <= time <= high}
        self._held.update(fresh)
        if fresh:
            self._vain.reset()
            self._reached = min(self._held)
            if len(rows) >= 100 and len(self._held) < MOST_SETTLEMENTS:
                return []
            return self._deliver("", "")
        if self._vain.tries + 1 >= TRIES:
            return self._deliver("" if self._held else "absent", "")
        self._not_before = self._vain.next_at(now, self._luck())
        return []

    def fail(self, code: str, detail: str, now: int) -> list[Event]:
        self._not_before = self._errors.next_at(now, self._luck())
        if code in REFUSALS or self._errors.tries >= ERROR_TRIES:
            return self._deliver("refused" if code in REFUSALS else "unreachable", detail)
        return []

    def give_all_up(self, reason: str, now: int) -> list[Event]:
        return self._deliver(reason, "") if self._wanted else []

    def _read(self, rows: list[Any], now: int) -> dict[int, FundingRate]:
        page: dict[int, FundingRate] = {}
        for row, rate in zip(rows, decode_rows(rows, FundingRate, self.channel), strict=True):
            if rate.funding_ms is None or rate.instrument != self.instrument:
                continue
            settled = row.get("realizedRate") or None
            rate.settled_rate = float(settled) if settled is not None else rate.rate
            rate.ts_recv, rate.ts_ms, rate.backfilled, rate.settlement_state = now, rate.funding_ms, True, "settled"
            page[rate.funding_ms] = rate
        return page

    def _deliver(self, reason: str, detail: str) -> list[Event]:
        assert self._wanted is not None
        low, high = self._wanted
        held = [self._held[time] for time in sorted(self._held)]
        out: list[Event] = []
        if reason:  # pages come newest first: the old end was not reached
            top = min(self._held, default=high + 1)
            what = {"channel": self.channel, "instrument": self.instrument, "reason": reason, "detail": detail}
            out.append(Unrecoverable(since=low * MS, until=top * MS, **what))  # type: ignore[arg-type]
            low = top
        out += held
        if held:
            span = {"since": low * MS, "until": (high + 1) * MS, "count": len(held)}
            out.append(Recovered(channel=self.channel, instrument=self.instrument, **span))  # type: ignore[arg-type]
        self._wanted, self._held, self._reached = None, {}, None
        self._vain.reset()
        self._errors.reset()
        return out

    def _want(self, low: int, high: int, now: int) -> None:
        if low > high:
            return
        if self._wanted is not None:
            low, high = min(low, self._wanted[0]), max(high, self._wanted[1])
            self._reached = None
        self._wanted = (low, high)
        self._not_before = max(self._not_before, now + SETTLE)


def _figures(candle: Candle) -> tuple[Any, ...]:
    kept = msgspec.structs.asdict(candle)
    return tuple(value for name, value in kept.items() if name not in ("ts_recv", "backfilled"))
