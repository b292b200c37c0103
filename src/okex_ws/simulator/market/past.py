"""SeededPast: candles from before a market's start, walked backwards from the starting price.

Each candle is the sum of four trades, at its open, high, low and close, so its volumes follow from prices inside it. The
last month is made of minutes, two years before it of hours, the rest of eight hours, which every longer candle is a sum
of. The past begins in 1970: a negative opening time is no answer of OKX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from okex_ws.simulator.market.base import DAY, HOUR, MINUTE, SECOND
from okex_ws.simulator.seeded_random import SeededRandom

Candle = list[int]
Worth = Callable[[int, int], tuple[int, int]]
"""(price, lots) of one trade -> (turnover, money)."""

DAY_MINUTES = 1_440
_MINUTES_UNTIL = 31 * DAY
_HOURS_UNTIL = 721 * DAY
_HOUR_SWING, _EIGHT_HOUR_SWING = 8, 22  # about the square roots of 60 and 480
_PULL = 2_048
"""Share of the way back to the starting price that each step before the last day goes."""


class SeededPast:
    """Past of one series. swing: greatest step of a minute. lots: volume of a usual minute, 0 for prices without trades."""

    def __init__(self, random: SeededRandom, start: int, price: int, *, swing: int, lots: int, worth: Worth) -> None:
        self._random = random
        self._home = self._price = price
        self._swing = max(1, swing)
        self._lots = lots
        self._worth = worth
        self._begin = self.end = start - start % MINUTE
        self._hours_from = _day(start - _MINUTES_UNTIL)
        self._eights_from = _day(start - _HOURS_UNTIL)
        self._units: list[Candle] = []  # newest first

    def day(self) -> list[Candle]:
        """Return the minutes of the last 24 hours, oldest first."""
        self._extend(self.end - DAY)
        return self._units[DAY_MINUTES - 1 :: -1]

    def since(self, ts: int) -> Iterator[Candle]:
        """Yield the units that open at or after ts, oldest first. ts is a boundary of a candle, not before 1970."""
        self._extend(ts)
        low, high = 0, len(self._units)
        while low < high:
            middle = (low + high) // 2
            if self._units[middle][0] >= ts:
                low = middle + 1
            else:
                high = middle
        for i in range(low - 1, -1, -1):
            yield self._units[i]

    def seconds(self) -> list[Candle]:
        """Return seconds of the last 24 minutes, oldest first: one for each trade, so that minutes are their sums."""
        self._extend(self.end - DAY)
        rows: list[Candle] = []
        for minute in self._units[23::-1]:
            start, _, high, low, _, _, _, _ = minute
            offsets = (0, 19, 41, 59) if (high + low) % 2 else (0, 23, 37, 59)
            for offset, (price, lots) in zip(offsets, self._trades(minute), strict=True):
                rows.append([start + offset * SECOND, price, price, price, price, lots, *self._worth(price, lots)])
        return rows

    def _trades(self, candle: Candle) -> Iterator[tuple[int, int]]:
        """Yield (price, lots) of the four trades of a candle."""
        lots = candle[5]
        quarter = lots // 4
        yield from zip(candle[1:5], (quarter, quarter, quarter, lots - 3 * quarter), strict=True)

    def _extend(self, ts: int) -> None:
        while self._begin > max(0, ts):
            if self._begin > self._hours_from:
                self._step(MINUTE, 1)
            elif self._begin > self._eights_from:
                self._step(HOUR, _HOUR_SWING)
            else:
                self._step(8 * HOUR, _EIGHT_HOUR_SWING)

    def _step(self, span: int, factor: int) -> None:
        """Add the candle before the oldest one."""
        bits, price, swing = self._random.bits(), self._price, self._swing * factor
        before = price + (bits & 0xFFF) * swing // 2048 - swing
        if len(self._units) >= DAY_MINUTES:
            before += (self._home - price) // _PULL
        before = max(1, before) if price > 0 else before
        high = max(price, before) + ((bits >> 12) & 0xFF) * swing // 512
        low = min(price, before) - ((bits >> 20) & 0xFF) * swing // 512
        low = max(1, low) if price > 0 else low
        share = 128 + ((bits >> 28) & 0xFF)
        self._begin -= span
        candle = [self._begin, before, high, low, price, self._lots * (span // MINUTE) * share >> 8, 0, 0]
        if self._lots:
            candle[5] = max(4, candle[5])
            for at, size in self._trades(candle):
                turnover, money = self._worth(at, size)
                candle[6] += turnover
                candle[7] += money
        self._units.append(candle)
        self._price = before


def _day(ts: int) -> int:
    return max(0, ts - ts % DAY)
