"""CandleSeries: candles of one price series, from one second up, with a seeded past.

A candle is [opening ns, open, high, low, close, lots, turnover, money] of ints; prices are in ticks, turnover and money
in the owner's unit. Seconds are kept for half an hour, minutes for 35 days; longer candles are sums of minutes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from okex_ws.simulator.market.base import DAY, MINUTE, SECOND
from okex_ws.simulator.market.calendar import before, closing, opening
from okex_ws.simulator.market.past import Candle, SeededPast

_KEPT_SECONDS = 1_800
_KEPT_MINUTES = 35 * 1_440
LONGEST_LIST = 1_440
"""Candles that OKX's page goes back (Get candlesticks), and candles of each size that the past reaches back."""


@dataclass(slots=True)
class Day:
    """Figures of the last 24 hours, and the opening prices of the UTC and the UTC+8 day."""

    open: int
    high: int
    low: int
    lots: int
    turnover: int
    money: int
    open_utc0: int
    open_utc8: int


def merged(into: Candle | None, candle: Candle, start: int) -> Candle:
    """Return the sum of two neighbouring candles as a candle that opens at `start`."""
    if into is None:
        return [start, *candle[1:]]
    into[2] = max(into[2], candle[2])
    into[3] = min(into[3], candle[3])
    into[4] = candle[4]
    into[5] += candle[5]
    into[6] += candle[6]
    into[7] += candle[7]
    return into


class CandleSeries:
    """Candles of one series. The owner calls `roll(now)` at every whole second, before the next price."""

    def __init__(self, past: SeededPast, price: int) -> None:
        self._past = past
        self._groups: dict[str, list[Candle]] = {}
        self._seconds: deque[Candle] = deque(maxlen=_KEPT_SECONDS)
        self._minutes: deque[Candle] = deque(maxlen=_KEPT_MINUTES)
        self._second: Candle | None = None
        self._minute: Candle | None = None
        self._day_at = -1
        self._day: Day | None = None
        self._watched: dict[str, Candle | None] = {}
        self.last = price

    def add(self, ts: int, price: int, lots: int = 0, turnover: int = 0, money: int = 0) -> None:
        """Add one price, in order of time."""
        second = self._second
        if second is None or ts >= second[0] + SECOND:
            if second is not None:
                self.roll(ts)
            self._second = second = [ts - ts % SECOND, price, price, price, price, 0, 0, 0]
        second[2] = max(second[2], price)
        second[3] = min(second[3], price)
        second[4] = self.last = price
        second[5] += lots
        second[6] += turnover
        second[7] += money

    def roll(self, now: int) -> None:
        """Close the current second and minute if they ended at or before now."""
        second = self._second
        if second is not None and second[0] + SECOND <= now:
            self._second = None
            self._seconds.append(second)
            start = second[0] - second[0] % MINUTE
            if self._minute is not None and self._minute[0] != start:
                self._minutes.append(self._minute)
                self._minute = None
            self._minute = merged(self._minute, second, start)
            for period, row in self._watched.items():
                start = opening(second[0], period)
                self._watched[period] = merged(row if row is not None and row[0] == start else None, second, start)
        minute = self._minute
        if minute is not None and minute[0] + MINUTE <= now:
            self._minutes.append(minute)
            self._minute = None

    def watch(self, period: str, now: int) -> None:
        """Keep the forming candle of a period up to date for `forming`."""
        self._watched[period] = self._sum(opening(now, period), period, with_second=False)

    def unwatch(self, period: str) -> None:
        """Stop keeping the forming candle of a period."""
        self._watched.pop(period, None)

    def finished(self, period: str, now: int) -> Candle | None:
        """Return the watched candle that ends exactly at now, None if nothing traded in it. Call after roll(now)."""
        row = self._watched.get(period)
        if row is None or closing(row[0], period) != now:
            return None
        return row

    def forming(self, period: str, now: int) -> Candle | None:
        """Return the watched candle that contains now, without the second in progress; None without a price."""
        row = self._watched.get(period)
        return row if row is not None and row[0] == opening(now, period) else None

    def current(self, period: str, now: int) -> Candle:
        """Return the candle that contains now, complete; flat at the last price if nothing traded."""
        start = opening(now, period)
        row = self._sum(start, period, with_second=True)
        return row if row is not None else [start, self.last, self.last, self.last, self.last, 0, 0, 0]

    def newest(self, period: str, now: int) -> list[Candle]:
        """Return candles newest first, the forming one at index 0; intervals without trades are flat."""
        past = self._past_candles(period, now)
        groups: dict[int, Candle] = {row[0]: row for row in past}
        if past:
            groups[past[-1][0]] = past[-1][:]
        source: list[Candle] = [*self._seconds] if period == "1s" else [*self._minutes]
        if period != "1s" and self._minute is not None:
            source.append(self._minute)
        if self._second is not None:
            source.append(self._second)
        for part in source:
            start = opening(part[0], period)
            groups[start] = merged(groups.get(start), part, start)
        rows: list[Candle] = []
        last_start = opening(now, period)
        start = max(min(groups, default=0), before(last_start, period, LONGEST_LIST - 1))
        earlier = max((each for each in groups if each < start), default=None)
        close = self.last if earlier is None else groups[earlier][4]
        while start <= last_start:
            row = groups.get(start)
            rows.append(row if row is not None else [start, close, close, close, close, 0, 0, 0])
            close = rows[-1][4]
            start = closing(start, period)
        rows.reverse()
        return rows

    def _past_candles(self, period: str, now: int) -> list[Candle]:
        """Return the candles of the past, oldest first; the last one may go on after the start."""
        rows = self._groups.get(period)
        if rows is None:
            rows = []
            first = before(opening(now, period), period, LONGEST_LIST - 1)
            for part in self._past.seconds() if period == "1s" else self._past.since(first):
                start = opening(part[0], period)
                if rows and rows[-1][0] == start:
                    merged(rows[-1], part, start)
                elif start >= 0:
                    rows.append([start, *part[1:]])
            self._groups[period] = rows
        return rows

    def day(self, now: int) -> Day:
        """Return the figures of the last 24 hours at now; the far end moves in whole minutes."""
        minute = now - now % MINUTE
        if self._day is None or self._day_at != minute:
            self.roll(minute)
            self._day = self._sum_day(minute)
            self._day_at = minute
        base = self._day
        live = [candle for candle in (self._minute, self._second) if candle is not None and candle[0] >= minute]
        if not live:
            return base
        return Day(
            open=base.open,
            high=max(base.high, *(candle[2] for candle in live)),
            low=min(base.low, *(candle[3] for candle in live)),
            lots=base.lots + sum(candle[5] for candle in live),
            turnover=base.turnover + sum(candle[6] for candle in live),
            money=base.money + sum(candle[7] for candle in live),
            open_utc0=base.open_utc0,
            open_utc8=base.open_utc8,
        )

    def _sum_day(self, minute: int) -> Day:
        begin = minute - DAY
        utc0, utc8 = opening(minute, "1Dutc"), opening(minute, "1D")
        day = Day(0, 0, 0, 0, 0, 0, self.last, self.last)
        found = False
        for candle in (*self._past.day(), *self._minutes):
            if candle[0] <= utc0:
                day.open_utc0 = candle[1] if candle[0] == utc0 else candle[4]
            if candle[0] <= utc8:
                day.open_utc8 = candle[1] if candle[0] == utc8 else candle[4]
            if candle[0] < begin or candle[0] >= minute:
                continue
            if not found:
                found = True
                day.open, day.high, day.low = candle[1], candle[2], candle[3]
            day.high = max(day.high, candle[2])
            day.low = min(day.low, candle[3])
            day.lots += candle[5]
            day.turnover += candle[6]
            day.money += candle[7]
        if not found:
            day.open = day.high = day.low = self.last
        return day

    def _sum(self, start: int, period: str, *, with_second: bool) -> Candle | None:
        total: Candle | None = None
        if period == "1s":
            parts: list[Candle] = [row for row in [*self._seconds][-2:] if row[0] >= start]
        else:
            parts = [*self._past.since(start)] if start < self._past.end else []
            parts += [row for row in self._minutes if row[0] >= start]
            if self._minute is not None and self._minute[0] >= start:
                parts.append(self._minute)
        if with_second and self._second is not None and self._second[0] >= start:
            parts.append(self._second)
        for part in parts:
            total = merged(total, part, start)
        return total
