"""Times as the dialects write them, as ms UTC: V1's wall clock of Shanghai without a date, V3's ISO 8601."""

from __future__ import annotations

import re

DAY = 86_400_000
SHANGHAI = 8 * 3_600_000
"""China's clock is ahead of UTC by as much, the whole year."""

SNOWFLAKE_EPOCH = 1_514_736_000_000
"""What a snowflake id counts its milliseconds from: 2018 began in Shanghai."""
AGREES_WITHIN = 5_000
"""How far an id's time may be from the row's, ms: seconds are cut off, and the id is made a little earlier."""
COUNTED_BELOW = DAY << 16
"""Smaller ids are plain counters, of spot and of 2017: as snowflakes all of them would be of one midnight, and agree with it."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)", re.ASCII)
_ISO = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def snowflake_ms(number: int) -> int:
    """When a snowflake id was made; for ids that are plain counters it says nothing."""
    return (number >> 16) + SNOWFLAKE_EPOCH


def trade_ms(clock: str, trade_id: int, now_ms: int) -> int:
    """When a V1 trade was made: by its id where that agrees with its HH:MM:SS, else on the day nearest to its arrival.

    Raises ValueError when the text is no time.
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
    """ms UTC of "2021-04-17T16:49:03.207Z". Raises ValueError for anything else."""
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time in UTC")
    year, month, day, hours, minutes, seconds = map(int, found.groups()[:6])
    if day_ms(year, month, day) >= day_ms(year + month // 12, month % 12 + 1, 1):
        raise ValueError(f"{text!r} is no time in UTC: that month has no such day")
    fraction = (found[7] or "").ljust(3, "0")[:3]
    return day_ms(year, month, day) + ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(fraction)


def day_ms(year: int, month: int, day: int) -> int:
    """When a day begins in UTC, by the Gregorian calendar, with years that begin in March."""
    year -= month <= 2
    since_march = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (365 * year + year // 4 - year // 100 + year // 400 + since_march - 719_468) * DAY


def year_of(month: int, day: int, after_ms: int) -> int:
    """The year of the first such day that is not over at `after_ms`, in UTC."""
    year = 1970 + after_ms // 31_556_952_000 - 1  # of 365.2425 days: about new year that may be one too many
    while day_ms(year, month, day) + DAY <= after_ms:
        year += 1
    return year
