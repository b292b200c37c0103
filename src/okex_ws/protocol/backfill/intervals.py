"""Intervals: the numbered intervals of candles, of equal length or calendar months. Times are ms UTC.

The opening time of one candle gives the zone of days and months: long candles open at midnight UTC+8, those named `utc` at
midnight UTC.
"""

from __future__ import annotations

from okex_ws.stateful import Stateful

_UNITS_MS = {"s": 1_000, "m": 60_000, "H": 3_600_000, "D": 86_400_000, "W": 604_800_000}
DAY_MS = _UNITS_MS["D"]


class EqualIntervals(Stateful):
    """Intervals of equal length."""

    STATE = {int: "_length _phase"}

    def __init__(self, length_ms: int, opening_ms: int) -> None:
        self._length = length_ms
        self._phase = opening_ms % length_ms

    def slot(self, ms: int) -> int:
        """Return the number of the interval that contains a time."""
        return (ms - self._phase) // self._length

    def opening(self, slot: int) -> int:
        """Return the time at which an interval begins."""
        return slot * self._length + self._phase


class MonthIntervals(Stateful):
    """Intervals of `count` calendar months."""

    STATE = {int: "_count _shift _phase"}

    def __init__(self, count: int, opening_ms: int) -> None:
        self._count = count
        self._shift = -opening_ms % DAY_MS
        self._phase = _month(opening_ms + self._shift) % count

    def slot(self, ms: int) -> int:
        """Return the number of the interval that contains a time."""
        return (_month(ms + self._shift) - self._phase) // self._count

    def opening(self, slot: int) -> int:
        """Return the time at which an interval begins."""
        return _first_day(slot * self._count + self._phase) * DAY_MS - self._shift


def intervals(bar: str, opening_ms: int) -> EqualIntervals | MonthIntervals | None:
    """Return the intervals of a bar such as "15m", "1Dutc" or "3M", one of which begins at `opening_ms`; None for no bar."""
    name = bar.removesuffix("utc")
    count = int(name[:-1]) if name[:-1].isdecimal() else 0
    if not count:
        return None
    if name.endswith("M"):
        return MonthIntervals(count, opening_ms)
    unit = _UNITS_MS.get(name[-1])
    return EqualIntervals(count * unit, opening_ms) if unit else None


def _month(ms: int) -> int:
    """Return the months since January of year 0. Years begin in March here, so that leap days come last."""
    day = ms // DAY_MS + 719_468  # since 1 March of year 0
    cycle, day = divmod(day, 146_097)  # 400 years
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    return (cycle * 400 + year) * 12 + (5 * day + 2) // 153 + 2


def _first_day(month: int) -> int:
    """Return the days from 1970 to the first day of a month as counted by `_month`."""
    year, since_march = divmod(month - 2, 12)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * since_march + 2) // 5 - 719_468
