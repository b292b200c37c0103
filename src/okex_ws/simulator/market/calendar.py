"""Calendar of the simulated exchange: when candles open and close, and dates as day numbers.

Times are int ns UTC; a period is OKX's text, such as "1m", "1D" or "1Dutc". Source: OKX V5 docs, candlesticks channel.
"""

from __future__ import annotations

from okex_ws.simulator.market.base import DAY, HOUR, MINUTE, SECOND

_SPANS: dict[str, int] = {
    "1s": SECOND,
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1H": HOUR,
    "2H": 2 * HOUR,
    "4H": 4 * HOUR,
    "6H": 6 * HOUR,
    "12H": 12 * HOUR,
    "1D": DAY,
    "2D": 2 * DAY,
    "3D": 3 * DAY,
    "5D": 5 * DAY,
    "1W": 7 * DAY,
}
_MONTHS: dict[str, int] = {"1M": 1, "3M": 3}
_LONG = ("6H", "12H", "1D", "2D", "3D", "5D", "1W", "1M", "3M")
CANDLE_PERIODS: tuple[str, ...] = (*_SPANS, *_MONTHS, *(f"{period}utc" for period in _LONG))
"""Periods of the `candle{period}` channels; `mark-price-candle` and `index-candle` have all but 1s."""

_MONDAY = 4 * DAY  # 1970-01-05, the first Monday after the epoch: weeks open on Mondays


def candle_period(channel: str) -> tuple[str, str] | None:
    """Split the name of a candle channel: "index-candle1m" gives ("index-candle", "1m"). None for any other channel."""
    head, found, period = channel.partition("candle")
    if not found or period not in CANDLE_PERIODS or head not in ("", "mark-price-", "index-", "sprd-"):
        return None
    if head and period == "1s":
        return None
    return f"{head}candle", period


def opening(ts: int, period: str) -> int:
    """Return the instant (ns) at which the candle that contains ts opened.

    Candles of 6H and more open at UTC+8 boundaries unless their name ends in utc. 2D, 3D and 5D are counted from the
    epoch; weeks open on Mondays, 3M with the calendar's quarters.
    """
    name = period.removesuffix("utc")
    shift = 8 * HOUR if name in _LONG and name == period else 0
    local = ts + shift
    if name in _MONTHS:
        year, month = civil(local // DAY)
        month -= (month - 1) % _MONTHS[name]
        return days_to(year, month) * DAY - shift
    span = _SPANS[name]
    if name == "1W":
        local -= _MONDAY
        return local - local % span + _MONDAY - shift
    return local - local % span - shift


def closing(ts: int, period: str) -> int:
    """Return the instant (ns) at which the candle that contains ts ends and the next one opens."""
    name = period.removesuffix("utc")
    start = opening(ts, period)
    if name in _MONTHS:
        return opening(start + (33 if name == "1M" else 95) * DAY, period)
    return start + _SPANS[name]


def before(start: int, period: str, count: int) -> int:
    """Return the opening of the candle `count` before the one that opens at `start`, but none before 1970."""
    name = period.removesuffix("utc")
    if name in _MONTHS:
        months = _MONTHS[name] * count
        shift = 0 if name != period else 8 * HOUR
        year, month = civil((start + shift) // DAY)
        at = year * 12 + month - 1 - months
        found = days_to(at // 12, at % 12 + 1) * DAY - shift
    else:
        found = start - count * _SPANS[name]
    return found if found >= 0 else closing(0, period)


def civil(days: int) -> tuple[int, int]:
    """Return (year, month) of a day number counted from 1970-01-01, proleptic Gregorian."""
    z = days + 719468
    era, day_of_era = divmod(z, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month


def days_to(year: int, month: int, day: int = 1) -> int:
    """Return the day number of a calendar date, counted from 1970-01-01."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
