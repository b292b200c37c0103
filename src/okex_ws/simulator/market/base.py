"""Market: where the simulated exchange's prices come from, and what every market shares.

A market publishes rows in OKX's shape at its own instants; the exchange adds sequence numbers, keep-alives
and faults. Time is int nanoseconds UTC and always passed in. Sources: OKX V5 docs, WS order book, trades,
candlesticks.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

MILLISECOND = 1_000_000
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

BOOK_DEPTH: dict[str, int] = {
    "books": 400,
    "books5": 5,
    "bbo-tbt": 1,
    "books-l2-tbt": 400,
    "books50-l2-tbt": 50,
    "books-rpi": 400,
    "books-elp": 400,
    "sprd-bbo-tbt": 1,
    "sprd-books5": 5,
    "sprd-books-l2-tbt": 400,
}
INCREMENTAL: frozenset[str] = frozenset(
    {"books", "books-l2-tbt", "books50-l2-tbt", "books-rpi", "books-elp", "sprd-books-l2-tbt"}
)
CHECKSUMMED: frozenset[str] = frozenset({"books", "books-l2-tbt", "books50-l2-tbt", "sprd-books-l2-tbt"})

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
CANDLE_PERIODS: tuple[str, ...] = (*_SPANS, *_MONTHS, *(f"{bar}utc" for bar in _LONG))
"""Every bar of the `candle{bar}` channels; `mark-price-candle` and `index-candle` have all but 1s."""

_MONDAY = 4 * DAY  # 1970-01-05, the first Monday after the epoch: weeks open on Mondays


@dataclass(slots=True)
class Publication:
    """What a market says at one instant on one channel, before the exchange frames it.

    ts: ns UTC, nondecreasing over a market's life. channel: OKX's literal name. key: the value of the
    channel's main key (instId, instFamily, instType or sprdId), "" for channels with none. rows: OKX data
    elements (dicts, or lists for candles) WITHOUT seqId/prevSeqId, which the exchange mints. action:
    "snapshot" or "update" on incremental book channels, else None. A row that carries "checksum" has a true
    one; the exchange sends it or 0 as its rules say.
    """

    ts: int
    channel: str
    key: str
    rows: list[Any]
    action: str | None = None


class Market(Protocol):
    """A source of publications. What trades never depends on who watches; only what is published does."""

    start: int
    """The instant (ns) at which the market's life begins."""

    def deadline(self) -> int | None:
        """The next instant at which `advance` would do something; None when nothing will come."""

    def advance(self, now: int) -> list[Publication]:
        """Everything published up to and including `now`, in order; may be called late."""

    def watch(self, channel: str, key: str) -> None:
        """The first subscriber of this channel and key has come: publish it from now on."""

    def unwatch(self, channel: str, key: str) -> None:
        """The last subscriber has gone."""

    def knows(self, channel: str, key: str) -> bool:
        """False means OKX would answer 60018."""

    def snapshot(self, channel: str, key: str) -> Publication | None:
        """What a new subscriber gets at once, None if the channel has nothing to say at subscription."""

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """Complete REST rows of SPOT, MARGIN, SWAP, FUTURES, OPTION."""

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """The last PUBLISHED state of a book: {"asks", "bids", "ts"}; None if there is none."""

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        """The size that `book` shows at one price of its "bids" or "asks"; zero if nothing."""

    def follow(self, instrument: str) -> None:
        """Somebody trades this instrument: its books and matches go on from now, whether or not they are watched."""

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        """Individual trades oldest first, REST form: instId, tradeId, px, sz, side, ts, source."""

    def candles(self, instrument: str, bar: str) -> list[list[str]]:
        """Rows of nine columns, newest first."""

    def status(self) -> list[dict[str, Any]]:
        """System status rows, newest first."""


def checksum(bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> int:
    """CRC32 of the best 25 levels a side as signed int32: live on OKX until 2026-06-23, 0 since.

    Levels are [price, size, ...] texts exactly as published, best first. Bid and ask alternate level by
    level; when one side is exhausted the other goes on alone.
    """
    parts: list[str] = []
    for i in range(25):
        if i < len(bids):
            parts.append(f"{bids[i][0]}:{bids[i][1]}")
        if i < len(asks):
            parts.append(f"{asks[i][0]}:{asks[i][1]}")
    crc = zlib.crc32(":".join(parts).encode("ascii"))
    return crc - (1 << 32) if crc >= 1 << 31 else crc


class PriceScale:
    """A step such as "0.1" or "0.0005" as integers: n steps have one exact text, as OKX prints it.

    No exponent, no trailing zeros, no "-0".
    """

    __slots__ = ("_texts", "decimals", "mantissa", "step", "unit")

    def __init__(self, step: str) -> None:
        whole, _, fraction = step.partition(".")
        fraction = fraction.rstrip("0")
        self.step = step
        self.decimals = len(fraction)
        self.mantissa = int(whole + fraction)
        self.unit = self.mantissa / 10**self.decimals
        self._texts: dict[int, str] = {}
        if self.mantissa <= 0:
            raise ValueError(f"a step must be positive, not {step!r}")

    def text(self, n: int) -> str:
        """The decimal text of n steps. Remembered: the same prices come back all the time."""
        text = self._texts.get(n)
        if text is None:
            if len(self._texts) > 20_000:
                self._texts.clear()
            text = self._texts[n] = decimal_text(n * self.mantissa, self.decimals)
        return text

    def exact(self, value: Decimal) -> int | None:
        """The number of steps that a value is, None if it is no whole number of them."""
        steps, rest = divmod(value.scaleb(self.decimals), self.mantissa)
        return None if rest else int(steps)

    def fresh(self, n: int) -> str:
        """The same text without remembering it: for sizes, which seldom repeat."""
        return decimal_text(n * self.mantissa, self.decimals)

    def steps(self, value: float) -> int:
        """The number of whole steps nearest to a value."""
        return int(value / self.unit + 0.5) if value >= 0 else -int(-value / self.unit + 0.5)


def decimal_text(scaled: int, decimals: int) -> str:
    """scaled / 10**decimals as plain decimal text without trailing zeros."""
    if decimals == 0 or scaled == 0:
        return str(scaled)
    sign = "-" if scaled < 0 else ""
    whole, fraction = divmod(abs(scaled), 10**decimals)
    if fraction == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:0{decimals}d}".rstrip("0")


def float_text(value: float, decimals: int) -> str:
    """A float rounded to so many decimals as plain text without trailing zeros."""
    factor = 10**decimals
    scaled = int(abs(value) * factor + 0.5)
    return decimal_text(-scaled if value < 0 else scaled, decimals)


def stamp(ts: int) -> str:
    """Nanoseconds as OKX's millisecond text."""
    return str(ts // MILLISECOND)


def candle_period(channel: str) -> tuple[str, str] | None:
    """("candle", "1m") for "candle1m", likewise mark-price-candle, index-candle, sprd-candle; None if it is
    no candle.
    """
    head, found, bar = channel.partition("candle")
    if not found or bar not in CANDLE_PERIODS or head not in ("", "mark-price-", "index-", "sprd-"):
        return None
    if head and bar == "1s":
        return None
    return f"{head}candle", bar


def opening(ts: int, bar: str) -> int:
    """The ns instant at which the bar that contains ts opened.

    Bars of 6H and more open at UTC+8 boundaries unless their name ends in utc (OKX V5 docs, candlesticks
    channel). 2D, 3D and 5D are counted from the epoch; weeks open on Mondays, 3M with the calendar's
    quarters.
    """
    utc = bar.endswith("utc")
    name = bar[:-3] if utc else bar
    shift = 8 * HOUR if name in _LONG and not utc else 0
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


def closing(ts: int, bar: str) -> int:
    """The ns instant at which the bar that contains ts ends and the next one opens."""
    name = bar.removesuffix("utc")
    start = opening(ts, bar)
    if name in _MONTHS:
        return opening(start + (33 if name == "1M" else 95) * DAY, bar)
    return start + _SPANS[name]


def civil(days: int) -> tuple[int, int]:
    """(year, month) of a day number counted from 1970-01-01, proleptic Gregorian."""
    z = days + 719468
    era, day_of_era = divmod(z, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month


def days_to(year: int, month: int, day: int = 1) -> int:
    """Day number from 1970-01-01 of a calendar date."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
