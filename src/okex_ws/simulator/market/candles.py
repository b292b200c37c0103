"""CandleSeries: candles of one price series, from one second up, with a seeded past of 24 hours.

A bar is [opening ns, open, high, low, close, lots, turnover, money] of ints; prices in ticks, and turnover
and money in whatever unit the owner counts. Seconds are kept for half an hour, minutes for 35 days; longer
bars are sums of minutes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from okex_ws.simulator.market.base import DAY, MINUTE, SECOND, closing, opening
from okex_ws.simulator.seeded_random import SeededRandom

Bar = list[int]
_KEPT_SECONDS = 1_800
_KEPT_MINUTES = 35 * 1_440
_PAST_MINUTES = 1_440
LONGEST_LIST = 1_440
"""OKX's candles page goes back 1,440 bars (Get candlesticks)."""


@dataclass(slots=True)
class Day:
    """The last 24 hours and the two day openings."""

    open: int
    high: int
    low: int
    lots: int
    turnover: int
    money: int
    open_utc0: int
    open_utc8: int


def merged(into: Bar | None, bar: Bar, start: int) -> Bar:
    """The sum of two neighbouring bars as a bar that opens at `start`."""
    if into is None:
        return [start, *bar[1:]]
    into[2] = max(into[2], bar[2])
    into[3] = min(into[3], bar[3])
    into[4] = bar[4]
    into[5] += bar[5]
    into[6] += bar[6]
    into[7] += bar[7]
    return into


class CandleSeries:
    """One series. `roll(now)` must be called at every whole second at the latest before the next price."""

    def __init__(self, dice: SeededRandom, start: int, price: int, *, swing: int, lots: int, turnover: int, money: int) -> None:
        self._dice = dice
        self._start = start
        self._price = price
        self._swing = max(1, swing)
        self._volumes = (lots, turnover, money)
        self._seconds: deque[Bar] = deque(maxlen=_KEPT_SECONDS)
        self._minutes: deque[Bar] = deque(maxlen=_KEPT_MINUTES)
        self._second: Bar | None = None
        self._minute: Bar | None = None
        self._past: list[Bar] | None = None
        self._day_at = -1
        self._day: Day | None = None
        self._watched: dict[str, Bar | None] = {}
        self.last = price

    def add(self, ts: int, price: int, lots: int = 0, turnover: int = 0, money: int = 0) -> None:
        """One price at an instant not older than those before."""
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
            for bar, row in self._watched.items():
                start = opening(second[0], bar)
                self._watched[bar] = merged(row if row is not None and row[0] == start else None, second, start)
        minute = self._minute
        if minute is not None and minute[0] + MINUTE <= now:
            self._minutes.append(minute)
            self._minute = None

    def watch(self, bar: str, now: int) -> None:
        """Keep the forming candle of this bar up to date for `forming`."""
        self._watched[bar] = self._sum(opening(now, bar), bar, with_second=False)

    def unwatch(self, bar: str) -> None:
        """Stop keeping it."""
        self._watched.pop(bar, None)

    def finished(self, bar: str, now: int) -> Bar | None:
        """The watched candle that ends exactly at now, None if nothing traded in it. Call after roll(now)."""
        row = self._watched.get(bar)
        if row is None or closing(row[0], bar) != now:
            return None
        return row

    def forming(self, bar: str, now: int) -> Bar | None:
        """The watched candle that contains now, without the second in progress; None without a price."""
        row = self._watched.get(bar)
        return row if row is not None and row[0] == opening(now, bar) else None

    def current(self, bar: str, now: int) -> Bar:
        """The candle that contains now with everything in it; flat at the last price if nothing traded."""
        start = opening(now, bar)
        row = self._sum(start, bar, with_second=True)
        return row if row is not None else [start, self.last, self.last, self.last, self.last, 0, 0, 0]

    def newest(self, bar: str, now: int) -> list[Bar]:
        """Candles newest first, the forming one at index 0; intervals without trades are flat."""
        groups: dict[int, Bar] = {}
        source: list[Bar] = [*self._seconds] if bar == "1s" else [*self._history(), *self._minutes]
        if bar != "1s" and self._minute is not None:
            source.append(self._minute)
        if self._second is not None:
            source.append(self._second)
        for part in source:
            start = opening(part[0], bar)
            groups[start] = merged(groups.get(start), part, start)
        if not groups:
            return [self.current(bar, now)]
        rows: list[Bar] = []
        start, last_start = min(groups), opening(now, bar)
        close = groups[start][1]
        while start <= last_start:
            row = groups.get(start)
            rows.append(row if row is not None else [start, close, close, close, close, 0, 0, 0])
            close = rows[-1][4]
            start = closing(start, bar)
        rows.reverse()
        return rows[:LONGEST_LIST]

    def day(self, now: int) -> Day:
        """Figures of the last 24 hours at now; the far end moves in whole minutes."""
        minute = now - now % MINUTE
        if self._day is None or self._day_at != minute:
            self.roll(minute)
            self._day = self._sum_day(minute)
            self._day_at = minute
        base = self._day
        live = [bar for bar in (self._minute, self._second) if bar is not None and bar[0] >= minute]
        if not live:
            return base
        return Day(
            open=base.open,
            high=max(base.high, *(bar[2] for bar in live)),
            low=min(base.low, *(bar[3] for bar in live)),
            lots=base.lots + sum(bar[5] for bar in live),
            turnover=base.turnover + sum(bar[6] for bar in live),
            money=base.money + sum(bar[7] for bar in live),
            open_utc0=base.open_utc0,
            open_utc8=base.open_utc8,
        )

    def _sum_day(self, minute: int) -> Day:
        begin = minute - DAY
        utc0, utc8 = opening(minute, "1Dutc"), opening(minute, "1D")
        day = Day(0, 0, 0, 0, 0, 0, self.last, self.last)
        found = False
        for bar in (*self._history(), *self._minutes):
            if bar[0] <= utc0:
                day.open_utc0 = bar[1] if bar[0] == utc0 else bar[4]
            if bar[0] <= utc8:
                day.open_utc8 = bar[1] if bar[0] == utc8 else bar[4]
            if bar[0] < begin or bar[0] >= minute:
                continue
            if not found:
                found = True
                day.open, day.high, day.low = bar[1], bar[2], bar[3]
            day.high = max(day.high, bar[2])
            day.low = min(day.low, bar[3])
            day.lots += bar[5]
            day.turnover += bar[6]
            day.money += bar[7]
        if not found:
            day.open = day.high = day.low = self.last
        return day

    def _sum(self, start: int, bar: str, *, with_second: bool) -> Bar | None:
        total: Bar | None = None
        if bar == "1s":
            parts: list[Bar] = [row for row in [*self._seconds][-2:] if row[0] >= start]
        else:
            parts = [row for row in (*self._history(), *self._minutes) if row[0] >= start]
            if self._minute is not None and self._minute[0] >= start:
                parts.append(self._minute)
        if with_second and self._second is not None and self._second[0] >= start:
            parts.append(self._second)
        for part in parts:
            total = merged(total, part, start)
        return total

    def _history(self) -> list[Bar]:
        """The seeded past: a walk of minutes that ends at the starting price, made when first asked for."""
        if self._past is None:
            dice, price = self._dice, self._price
            lots, turnover, money = self._volumes
            past: list[Bar] = []
            start = self._start - self._start % MINUTE
            for step in range(1, _PAST_MINUTES + 1):
                bits = dice.bits()
                before = price + (bits & 0xFFF) * self._swing // 2048 - self._swing
                before = max(1, before) if price > 0 else before
                high = max(price, before) + ((bits >> 12) & 0xFF) * self._swing // 512
                low = min(price, before) - ((bits >> 20) & 0xFF) * self._swing // 512
                low = max(1, low) if price > 0 else low
                share = 128 + ((bits >> 28) & 0xFF)
                volumes = (lots * share >> 8, turnover * share >> 8, money * share >> 8)
                past.append([start - step * MINUTE, before, high, low, price, *volumes])
                price = before
            past.reverse()
            self._past = past
        return self._past
