"""Market: the source of prices of a simulated exchange; numbers and texts that every market shares.

A market publishes rows in OKX's shape at its own instants; the exchange adds sequence numbers, keep-alives and faults.
Times are int ns UTC and always passed in. Sources: OKX V5 docs, WS order book, trades, candlesticks.
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


@dataclass(slots=True)
class Publication:
    """Rows of one channel at one instant, before the exchange frames them.

    ts: ns UTC, never decreasing. channel: OKX's literal name. key: value of the channel's main key (instId, instFamily,
    instType or sprdId), "" for channels without one. rows: OKX data elements (dicts, or lists for candles) without
    seqId and prevSeqId, which the exchange adds. action: "snapshot" or "update" on incremental book channels, else
    None. A "checksum" in a row is correct; the exchange sends it or 0, as its rules require.
    """

    ts: int
    channel: str
    key: str
    rows: list[Any]
    action: str | None = None


class Market(Protocol):
    """Source of publications. Subscribers change what is published, never what trades."""

    start: int
    """First instant (ns) of the market."""

    def deadline(self) -> int | None:
        """Return the next instant at which `advance` has work; None after the last."""

    def advance(self, now: int) -> list[Publication]:
        """Return all publications up to and including `now`, in order; may be called late."""

    def watch(self, channel: str, key: str) -> None:
        """Publish a channel and key from now on: the first subscriber has come."""

    def unwatch(self, channel: str, key: str) -> None:
        """Stop to publish a channel and key: the last subscriber has gone."""

    def knows(self, channel: str, key: str) -> bool:
        """True if the channel and key exist; otherwise OKX answers 60018."""

    def snapshot(self, channel: str, key: str) -> Publication | None:
        """Return the first push of a new subscriber, None if the channel has none."""

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """Return complete REST rows of SPOT, MARGIN, SWAP, FUTURES or OPTION."""

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Return the last published state of a book: {"asks", "bids", "ts"}; None if there is none."""

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        """Return the size in `book` at one price of its "bids" or "asks", zero if there is none."""

    def follow(self, instrument: str) -> None:
        """Update the books and trades of an instrument from now on, watched or not: clients trade it."""

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        """Return individual trades oldest first, in REST form: instId, tradeId, px, sz, side, ts, source."""

    def candles(self, instrument: str, period: str) -> list[list[str]]:
        """Return candle rows of nine columns, newest first. Raises ValueError for an unknown period."""

    def price_candles(self, channel: str, key: str) -> list[list[str]]:
        """Return rows of six columns of a channel `mark-price-candle{period}` or `index-candle{period}`, newest first; none
        where the market has no such prices.
        """

    def status(self) -> list[dict[str, Any]]:
        """Return system status rows, newest first."""


def checksum(bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> int:
    """Return the CRC32 of the best 25 levels a side as signed int32: live on OKX until 2026-06-23, 0 since.

    Levels are [price, size, ...] texts exactly as published, best first. Bid and ask alternate level by level; the
    longer side continues alone.
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
    """Step such as "0.1" or "0.0005" as integers: n steps have one exact text, without exponent, trailing zeros or "-0"."""

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
        """Return the decimal text of n steps, cached because prices repeat."""
        text = self._texts.get(n)
        if text is None:
            if len(self._texts) > 20_000:
                self._texts.clear()
            text = self._texts[n] = decimal_text(n * self.mantissa, self.decimals)
        return text

    def exact(self, value: Decimal) -> int | None:
        """Return a value as a number of steps, None if it is no whole number of them."""
        steps, rest = divmod(value.scaleb(self.decimals), self.mantissa)
        return None if rest else int(steps)

    def uncached_text(self, n: int) -> str:
        """Return the text of n steps without caching it: for sizes, which seldom repeat."""
        return decimal_text(n * self.mantissa, self.decimals)

    def steps(self, value: float) -> int:
        """Return the number of whole steps nearest to a value."""
        return int(value / self.unit + 0.5) if value >= 0 else -int(-value / self.unit + 0.5)


def decimal_text(scaled: int, decimals: int) -> str:
    """Return scaled / 10**decimals as plain decimal text without trailing zeros."""
    if decimals == 0 or scaled == 0:
        return str(scaled)
    sign = "-" if scaled < 0 else ""
    whole, fraction = divmod(abs(scaled), 10**decimals)
    if fraction == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:0{decimals}d}".rstrip("0")


def float_text(value: float, decimals: int) -> str:
    """Return a float, rounded to so many decimals, as plain text without trailing zeros."""
    factor = 10**decimals
    scaled = int(abs(value) * factor + 0.5)
    return decimal_text(-scaled if value < 0 else scaled, decimals)


def stamp(ts: int) -> str:
    """Return nanoseconds as OKX's millisecond text."""
    return str(ts // MILLISECOND)
