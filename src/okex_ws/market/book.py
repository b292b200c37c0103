"""Order book of one instrument. It is the reference for a compiled version.

Levels keep OKX's texts. The key of a price is its double, which is exact up to 15 digits; two texts with the same double are
compared as decimals, so that two prices never become one by rounding. Source: docs-v5 "Order book channel".
"""

from __future__ import annotations

import enum
import zlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import islice
from math import inf, isfinite

import msgspec

from okex_ws.events import BookEvent, BookSnapshot, Level
from okex_ws.events.base import number_of

CHECKSUM_LEVELS = 25
DIGITS = 15
"""Longest text of a price whose double is unique, characters."""


class BookState(enum.Enum):
    """Quality of a book: EMPTY before its first snapshot, STALE from a gap to the next one, else LIVE."""

    EMPTY = "empty"
    LIVE = "live"
    STALE = "stale"


_numbers = msgspec.json.Decoder(list[float]).decode

Rows = Sequence[tuple[str, ...]]
"""Levels as OKX's texts: price, size, ..., order count."""


class _BookSide:
    """One side of a book: levels by price, and the prices in ascending order.

    A snapshot stays unparsed until an update or a deeper read needs it: most snapshots have one level.
    """

    __slots__ = ("is_bid", "is_fine", "levels", "order", "snapshot")

    def __init__(self, *, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.levels: dict[float, tuple[str, ...]] = {}
        self.order: list[float] = []
        self.snapshot: Rows | None = None
        self.is_fine = False  # a price had more digits than a double holds

    def replace(self, rows: Rows) -> None:
        self.snapshot = rows
        if len(rows) == 1:
            row = rows[0]
            text = f"[{row[0]},{row[1]},{row[-1]}]"
            try:  # the usual level, quickly: JSON's numbers are OKX's, but for white space
                price, size, _ = _numbers(text)
                if size > 0 and price and text.isprintable() and " " not in text and row[-1].isdecimal():
                    return
            except (msgspec.DecodeError, ValueError):
                pass
            number_of(row[0])
            if 0 < number_of(row[1]) < inf and _is_count(row[-1]):
                return
        self.index()

    def index(self) -> None:
        """Parse the snapshot."""
        rows, self.snapshot = self.snapshot, None
        if rows is None:
            return
        self.is_fine = False
        read = _read(rows) if rows else ([], [])
        if read is not None:
            self.order, sizes = read
            self.levels = dict(zip(self.order, rows, strict=True))
        if read is not None and len(self.levels) == len(rows) and min(sizes, default=1):
            self.order.sort()
        else:
            self.levels, self.order = {}, []
            self.change_one_by_one(rows)

    def change(self, changes: Iterable[tuple[float, float, tuple[str, ...]]]) -> None:
        """Apply updates: prices and sizes from `_read`, and their rows."""
        levels, order = self.levels, self.order
        for price, size, row in changes:
            if size:
                if price not in levels:
                    insort(order, price)
                levels[price] = row
            elif price in levels:  # OKX also deletes prices it never published
                del levels[price]
                del order[bisect_left(order, price)]

    def change_one_by_one(self, rows: Rows) -> None:
        levels, order = self.levels, self.order
        for row in rows:
            price, size = number_of(row[0]), number_of(row[1])
            self.is_fine = self.is_fine or len(row[0]) > DIGITS
            known = levels.get(price)
            if known is not None and known[0] != row[0]:
                _same_price(known[0], row[0])
            if not size:
                if known is not None:
                    del levels[price]
                    del order[bisect_left(order, price)]
            else:
                if known is None or not 0 < size < inf or not _is_count(row[-1]):
                    _check(row, price, size)
                    insort(order, price)
                levels[price] = row

    def truncate(self, depth: int) -> None:
        """Drop levels beyond `depth`: OKX does not report when a level leaves its window."""
        order = self.order
        excess = order[:-depth] if self.is_bid else order[depth:]
        for price in excess:
            del self.levels[price]
        if self.is_bid:
            del order[: len(excess)]
        else:
            del order[depth:]

    def best(self) -> tuple[str, ...] | None:
        if self.snapshot is not None:
            return self.snapshot[0]
        if not self.order:
            return None
        return self.levels[self.order[-1 if self.is_bid else 0]]

    def top(self, count: int) -> list[tuple[str, ...]]:
        self.index()
        places = self.order[: -count - 1 : -1] if self.is_bid else self.order[:count]
        return [self.levels[price] for price in places]


def _read(rows: Rows) -> tuple[list[float], list[float]] | None:
    """Return prices and sizes, parsed together; None if a row may be no level and needs a check of its own."""
    prices, sizes, *_, counts = zip(*rows, strict=True)
    text = f"[{','.join(prices)},{','.join(sizes)}]"
    if "e" in text or "E" in text or " " in text or "\n" in text or "\t" in text or "\r" in text:
        return None  # exponents and white space, which JSON allows, are checked one by one
    try:  # exact as float() is, several times faster, and no number is NaN or Infinity
        numbers = _numbers(text)
    except msgspec.DecodeError:
        return None
    amounts = numbers[len(rows) :]
    if len(amounts) != len(rows) or min(amounts) < 0 or max(map(len, prices)) > DIGITS:
        return None
    return (numbers[: len(rows)], amounts) if all(counts) and _is_count("".join(counts)) else None


def _check(row: tuple[str, ...], price: float, size: float) -> None:
    if not (isfinite(price) and 0 < size < inf and _is_count(row[-1])):
        raise ValueError(f"{row} is not a level")


def _level(row: tuple[str, ...]) -> Level:
    """Return a level from texts that were checked when they were applied."""
    size = float(row[1])
    return Level(float(row[0]), size, int(row[-1]) or (None if size else 0))


def _is_count(text: str) -> bool:
    return text.isdecimal() and text.isascii()


def _same_price(known: str, text: str) -> None:
    if Decimal(known) != Decimal(text):
        raise ValueError(f"prices {known} and {text} differ by less than a double can hold")


class OrderBook:
    """Book of one instrument on one channel.

    depth: levels kept on each side; 0 keeps all. Prices are floats, sizes contracts (derivatives) or base currency (spot).
    While the book is not LIVE, its prices are None and its levels empty.
    """

    def __init__(self, instrument: str, channel: str = "books", depth: int = 400) -> None:
        self.instrument = instrument
        self.channel = channel
        self.depth_limit = depth
        self.state = BookState.EMPTY
        self.updates = 0
        self.checksums_verified = 0
        self._last: BookEvent | None = None
        self._was_crossed: bool | None = None  # before the next update; None right after a snapshot
        self._may_cross = False  # its snapshot was crossed: an auction, or before the opening
        self._bids = _BookSide(is_bid=True)
        self._asks = _BookSide(is_bid=False)

    def __repr__(self) -> str:
        bid, ask = self.best_bid, self.best_ask
        touch = f" {bid.price if bid else '-'} / {ask.price if ask else '-'}" if self.is_live else ""
        return f"<OrderBook {self.instrument} {self.channel} {self.state.name}{touch}>"

    # -- writing ---------------------------------------------------------------------------------------------------------

    def apply(self, event: BookEvent) -> str | None:
        """Apply a snapshot or an update. Returns None, or the error found: "checksum", "crossed" or "levels".

        After "checksum" and "levels" the book is STALE. "crossed" is returned when an update crosses a book that was not crossed.
        A snapshot may be crossed, and its book then until the next snapshot. An update without a snapshot before it is ignored.
        """
        bids, asks = self._bids, self._asks
        try:
            is_snapshot = isinstance(event, BookSnapshot)
            if is_snapshot:
                bids.replace(event.raw_bids)
                asks.replace(event.raw_asks)
                self.state = BookState.LIVE
            elif self.state is not BookState.LIVE:
                return None
            else:
                if self._was_crossed is None:
                    self._was_crossed = self._may_cross = self.is_crossed
                self._change(event.raw_bids, event.raw_asks)
        except (ValueError, IndexError, TypeError, AttributeError, ArithmeticError):
            self.state = BookState.STALE
            return "levels"
        depth = self.depth_limit
        if depth:
            if len(bids.order) > depth:
                bids.truncate(depth)
            if len(asks.order) > depth:
                asks.truncate(depth)
        self._last = event
        self.updates += 1
        # 0 is the true checksum of an empty book. Since 2026-06 OKX sends it for "no checksum" too, but only on rows with a
        # sequence; V3 and V5 before 2023 have none.
        if event.checksum or (event.checksum is not None and event.sequence is None):
            if event.checksum != self.checksum():
                self.state = BookState.STALE
                return "checksum"
            self.checksums_verified += 1
        if is_snapshot:
            self._was_crossed = None
            return None
        was_crossed, self._was_crossed = self._was_crossed, self.is_crossed
        return "crossed" if self._was_crossed and not was_crossed and not self._may_cross else None

    def _change(self, raw_bids: Rows, raw_asks: Rows) -> None:
        bids, asks = self._bids, self._asks
        bids.index()
        asks.index()
        rows = [*raw_bids, *raw_asks]
        if not rows:
            return
        read = None if bids.is_fine or asks.is_fine else _read(rows)
        if read is None:
            bids.change_one_by_one(raw_bids)
            asks.change_one_by_one(raw_asks)
        else:
            changes = zip(*read, rows, strict=True)
            bids.change(islice(changes, len(raw_bids)))
            asks.change(changes)

    def mark_stale(self) -> None:
        """Make a LIVE book STALE until its next snapshot."""
        if self.state is BookState.LIVE:
            self.state = BookState.STALE

    # -- reading ---------------------------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        return self.state is BookState.LIVE

    @property
    def sequence(self) -> int | None:
        """`seqId` of the last event applied, None if there is none."""
        return self._last.sequence if self._last is not None else None

    @property
    def ts_event(self) -> int:
        """Exchange's time of the last event applied, ns; 0 before the first."""
        return self._last.ts_event if self._last is not None else 0

    @property
    def ts_recv(self) -> int:
        """Time of receipt of the last event applied, ns; 0 before the first."""
        return self._last.ts_recv if self._last is not None else 0

    @property
    def best_bid(self) -> Level | None:
        """Highest bid; None if there is none or the book is not LIVE."""
        row = self._bids.best() if self.state is BookState.LIVE else None
        return _level(row) if row is not None else None

    @property
    def best_ask(self) -> Level | None:
        """Lowest ask; None if there is none or the book is not LIVE."""
        row = self._asks.best() if self.state is BookState.LIVE else None
        return _level(row) if row is not None else None

    @property
    def mid(self) -> float | None:
        """Mean of the best prices; None unless both are known."""
        bid, ask = self.best_bid, self.best_ask
        return (bid.price + ask.price) / 2 if bid and ask else None

    @property
    def spread(self) -> float | None:
        """Best ask minus best bid; None unless both are known."""
        bid, ask = self.best_bid, self.best_ask
        return ask.price - bid.price if bid and ask else None

    @property
    def is_crossed(self) -> bool:
        """True if the best bid is at or above the best ask, as before an instrument opens and in call auctions."""
        bids, asks = self._bids, self._asks
        if bids.order and asks.order and bids.snapshot is asks.snapshot is None:
            return bids.order[-1] >= asks.order[0]
        bid, ask = bids.best(), asks.best()
        return bid is not None and ask is not None and float(bid[0]) >= float(ask[0])

    def bids(self, count: int = 0) -> list[Level]:
        """Return the best `count` bids (0: all), highest first; none if the book is not LIVE."""
        return self._depth(self._bids, count)

    def asks(self, count: int = 0) -> list[Level]:
        """Return the best `count` asks (0: all), lowest first; none if the book is not LIVE."""
        return self._depth(self._asks, count)

    def depth(self, count: int = 0) -> tuple[list[Level], list[Level]]:
        """Return (bids, asks), best first, `count` levels on each side (0: all)."""
        return self.bids(count), self.asks(count)

    def checksum(self) -> int:
        """Return OKX's CRC32 over the best 25 levels of each side, as a signed int; 0 for an empty book.

        Live on OKX until 2026-06, on OKX Japan and in recordings since. Its input are the texts as received: bid price, size, ask
        price, size, ... joined by colons; after the end of the shorter side, those of the other alone.
        """
        return _crc32(self._bids.top(CHECKSUM_LEVELS), self._asks.top(CHECKSUM_LEVELS))

    def _depth(self, side: _BookSide, count: int) -> list[Level]:
        if self.state is not BookState.LIVE:
            return []
        return [_level(row) for row in side.top(count or max(len(side.order), len(side.snapshot or ())))]


def _crc32(bids: Sequence[tuple[str, ...]], asks: Sequence[tuple[str, ...]]) -> int:
    parts: list[str] = []
    for index in range(max(len(bids), len(asks))):
        for side in (bids, asks):
            if index < len(side):
                parts += side[index][:2]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value
