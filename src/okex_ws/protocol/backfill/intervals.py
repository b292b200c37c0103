"""Spans: the numbered intervals that candles are of: equally long ones, and calendar months. Times are ms UTC.

One opening time tells which zone days and months are of: long bars open at midnight UTC+8, those called `utc` at midnight UTC.
"""

from __future__ import annotations

_UNITS_MS = {"s": 1_000, "m": 60_000, "H": 3_600_000, "D": 86_400_000, "W": 604_800_000}
DAY_MS = _UNITS_MS["D"]


class Even:
    """Spans of one length."""

    def __init__(self, length_ms: int, opening_ms: int) -> None:
        self._length = length_ms
        self._phase = opening_ms % length_ms

    def slot(self, ms: int) -> int:
        """Which one an instant is in."""
        return (ms - self._phase) // self._length

    def opening(self, slot: int) -> int:
        """When one begins."""
        return slot * self._length + self._phase


class Months:
    """Spans of so many calendar months."""

    def __init__(self, count: int, opening_ms: int) -> None:
        self._count = count
        self._shift = -opening_ms % DAY_MS
        self._phase = _month(opening_ms + self._shift) % count

    def slot(self, ms: int) -> int:
        """Which one an instant is in."""
        return (_month(ms + self._shift) - self._phase) // self._count

    def opening(self, slot: int) -> int:
        """When one begins."""
        return _first_day(slot * self._count + self._phase) * DAY_MS - self._shift


def spans(bar: str, opening_ms: int) -> Even | Months | None:
    """Those of a bar such as "15m", "1Dutc" or "3M", of which one begins at `opening_ms`; None for what is no bar."""
    name = bar.removesuffix("utc")
    count = int(name[:-1]) if name[:-1].isdecimal() else 0
    if not count:
        return None
    if name.endswith("M"):
        return Months(count, opening_ms)
    unit = _UNITS_MS.get(name[-1])
    return Even(count * unit, opening_ms) if unit else None


def _month(ms: int) -> int:
    """Months since January of year 0, of the Gregorian calendar. Years begin in March here, so that leap days come last."""
    day = ms // DAY_MS + 719_468  # since 1 March of year 0
    cycle, day = divmod(day, 146_097)  # 400 years
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    return (cycle * 400 + year) * 12 + (5 * day + 2) // 153 + 2


def _first_day(month: int) -> int:
    """Days from 1970 to the first of a month as counted above."""
    year, since_march = divmod(month - 2, 12)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * since_march + 2) // 5 - 719_468
