"""Times of V1 and V3 as ms UTC: V1 sends Shanghai's wall clock without a date, V3 ISO 8601."""

from __future__ import annotations

import re

DAY = 86_400_000
SHANGHAI = 8 * 3_600_000
"""Offset of China's clock from UTC, the whole year."""

SNOWFLAKE_EPOCH = 1_514_736_000_000
"""Epoch of the milliseconds in a snowflake id: the beginning of 2018 in Shanghai."""
AGREES_WITHIN = 5_000
"""Largest difference between an id's time and the row's, ms: seconds are truncated, and the id is made a little earlier."""
COUNTED_BELOW = DAY << 16
"""Smaller ids are plain counters, of spot and of 2017: read as snowflakes, all of them would lie near one midnight."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)", re.ASCII)
_ISO = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def snowflake_ms(number: int) -> int:
    """Return the time of a snowflake id; for plain counters it has no meaning."""
    return (number >> 16) + SNOWFLAKE_EPOCH


def trade_ms(clock: str, trade_id: int, now_ms: int) -> int:
    """Return the time of a V1 trade: of its id if that agrees with its HH:MM:SS, else on the day nearest to its arrival.

    Raises ValueError if the text is not a time.
    """
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise ValueError(f"{clock!r} is no HH:MM:SS")
    hours, minutes, seconds = map(int, found.groups())
    since_midnight = ((hours * 60 + minutes) * 60 + seconds) * 1000
    made = snowflake_ms(trade_id)
    off = (made + SHANGHAI - since_midnight + DAY // 2) % DAY - DAY // 2
    if trade_id >= COUNTED_BELOW and abs(off) <= AGREES_WITHIN:
        return made
    local = now_ms + SHANGHAI
    there = local - local % DAY + since_midnight
    if there - local > DAY // 2:
        there -= DAY
    elif local - there > DAY // 2:
        there += DAY
    return there - SHANGHAI


def iso_ms(text: str) -> int:
    """Return ms UTC of a text such as "2021-04-17T16:49:03.207Z". Raises ValueError for anything else."""
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time in UTC")
    year, month, day, hours, minutes, seconds = map(int, found.groups()[:6])
    if day_ms(year, month, day) >= day_ms(year + month // 12, month % 12 + 1, 1):
        raise ValueError(f"{text!r} is no time in UTC: that month has no such day")
    fraction = (found[7] or "").ljust(3, "0")[:3]
    return day_ms(year, month, day) + ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(fraction)


def day_ms(year: int, month: int, day: int) -> int:
    """Return the beginning of a day in UTC, by the Gregorian calendar; years begin in March here."""
    year -= month <= 2
    since_march = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (365 * year + year // 4 - year // 100 + year // 400 + since_march - 719_468) * DAY


def year_of(month: int, day: int, after_ms: int) -> int:
    """Return the year of the first such day that ends after `after_ms`, in UTC."""
    year = 1970 + after_ms // 31_556_952_000 - 1  # by 365.2425 days: near new year this may be one too many
    while day_ms(year, month, day) + DAY <= after_ms:
        year += 1
    return year
