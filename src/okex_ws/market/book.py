"""OrderBook: one instrument's book, in clear Python. The reference a compiled twin has to equal.

Prices are kept by their exact text; a sorted list of floats gives the order, and a text that means the same price as another
("60000" and "60000.0") is recognised exactly. Source: docs-v5 "Order book channel".
"""

from __future__ import annotations

import enum
import zlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from decimal import Decimal

from okex_ws.events import BookEvent, BookSnapshot, Level

CHECKSUM_LEVELS = 25


class BookState(enum.Enum):
    """Whether a book can be trusted: EMPTY before its first image, STALE after a gap until the next."""

    EMPTY = "empty"
    LIVE = "live"
    STALE = "stale"


class _Side:
    """One side. `order` is sorted so that the best price is last: most changes happen there, so little has to move.

    sign: +1 for bids, -1 for asks, whose prices are kept negated in `order`.
    """

    __slots__ = ("levels", "order", "sign", "text_at")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[str, tuple[str, ...]] = {}
        self.order: list[float] = []
        self.text_at: dict[float, str] = {}

    def replace(self, rows: Iterable[tuple[str, ...]]) -> None:
        self.levels.clear()
        self.order.clear()
        self.text_at.clear()
        self.change(rows)

    def change(self, rows: Iterable[tuple[str, ...]]) -> None:
        levels = self.levels
        for row in rows:
            text, size = row[0], row[1]
            if size[0] == "0" and (len(size) == 1 or not float(size)):
                self._remove(text)
            elif text in levels:
                levels[text] = row
            else:
                self._add(text, row)

    def truncate(self, depth: int) -> None:
        """Drop what lies beyond `depth` levels: OKX does not say when a level leaves its window."""
        excess = len(self.order) - depth
        for place in self.order[:excess]:
            del self.levels[self.text_at.pop(place)]
        del self.order[:excess]

    def top(self, count: int) -> list[tuple[str, ...]]:
        levels, text_at = self.levels, self.text_at
        return [levels[text_at[place]] for place in self.order[: -count - 1 : -1]]

    def _add(self, text: str, row: tuple[str, ...]) -> None:
        place = self._place(text)
        known = self.text_at.get(place)
        if known is not None:
            self._same_price(known, text)
            del self.levels[known]
        else:
            insort(self.order, place)
        self.text_at[place] = text
        self.levels[text] = row

    def _remove(self, text: str) -> None:
        if self.levels.pop(text, None) is None:
            known = self.text_at.get(self._place(text))
            if known is None:
                return  # OKX deletes prices it never published
            self._same_price(known, text)
            del self.levels[known]
        place = self._place(text)
        del self.text_at[place]
        del self.order[bisect_left(self.order, place)]

    def _place(self, text: str) -> float:
        price = float(text)
        if price - price != 0:
            raise ValueError(f"{text!r} is not a price")
        return price if self.sign > 0 else -price

    @staticmethod
    def _same_price(known: str, text: str) -> None:
        if Decimal(known) != Decimal(text):
            raise ValueError(f"prices {known} and {text} differ by less than a double can hold")


class OrderBook:
    """A book of one instrument on one channel.

    depth: levels kept a side; 0 keeps all. Prices are floats, sizes contracts (derivatives) or base currency (spot).
    While the book is not LIVE it has no best price and no levels to give: a number that is not known is not served.
    """

    def __init__(self, instrument: str, channel: str = "books", depth: int = 400) -> None:
        self.instrument = instrument
        self.channel = channel
        self.depth_limit = depth
        self.state = BookState.EMPTY
        self.sequence: int | None = None
        self.ts_event = 0
        self.ts_recv = 0
        self.updates = 0
        self.checksums_verified = 0
        self._bids = _Side(+1)
        self._asks = _Side(-1)

    def __repr__(self) -> str:
        bid, ask = self.best_bid, self.best_ask
        touch = f" {bid.price if bid else '-'} / {ask.price if ask else '-'}" if self.is_live else ""
        return f"<OrderBook {self.instrument} {self.channel} {self.state.name}{touch}>"

    # -- writing ---------------------------------------------------------------------------------------------------------

    def apply(self, event: BookEvent) -> str | None:
        """Take a snapshot or a change. Returns None, or what is wrong with the book now: "checksum", "crossed" or "levels".

        After "checksum" and "levels" the book is STALE. "crossed" is a verdict left to the caller: before an instrument opens,
        and in call auctions, books are crossed legitimately. A change without an image before it is ignored.
        """
        try:
            if isinstance(event, BookSnapshot):
                self._bids.replace(event.raw_bids)
                self._asks.replace(event.raw_asks)
                self.state = BookState.LIVE
            elif self.state is not BookState.LIVE:
                return None
            else:
                self._bids.change(event.raw_bids)
                self._asks.change(event.raw_asks)
        except (ValueError, IndexError):
            self.state = BookState.STALE
            return "levels"
        depth = self.depth_limit
        if depth:
            if len(self._bids.order) > depth:
                self._bids.truncate(depth)
            if len(self._asks.order) > depth:
                self._asks.truncate(depth)
        self.sequence = event.sequence
        self.ts_event, self.ts_recv = event.ts_event, event.ts_recv
        self.updates += 1
        # OKX sends 0 for "no checksum"; it is also the true value of an empty book.
        if event.checksum:
            if event.checksum != self.checksum():
                self.state = BookState.STALE
                return "checksum"
            self.checksums_verified += 1
        return "crossed" if self.is_crossed else None

    def mark_stale(self) -> None:
        """Distrust the book until its next image; an EMPTY one stays EMPTY."""
        if self.state is BookState.LIVE:
            self.state = BookState.STALE

    # -- reading ---------------------------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        return self.state is BookState.LIVE

    @property
    def best_bid(self) -> Level | None:
        """The highest bid; None when there is none or the book is not LIVE."""
        return self._best(self._bids)

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask; None when there is none or the book is not LIVE."""
        return self._best(self._asks)

    @property
    def mid(self) -> float | None:
        """Half-way between the best prices; None unless both are known."""
        bid, ask = self.best_bid, self.best_ask
        return (bid.price + ask.price) / 2 if bid and ask else None

    @property
    def spread(self) -> float | None:
        """Best ask less best bid; None unless both are known."""
        bid, ask = self.best_bid, self.best_ask
        return ask.price - bid.price if bid and ask else None

    @property
    def is_crossed(self) -> bool:
        """True when the best bid is at or above the best ask."""
        bids, asks = self._bids.order, self._asks.order
        return bool(bids and asks) and bids[-1] >= -asks[-1]

    def bids(self, count: int = 0) -> list[Level]:
        """The best `count` bids (0: all), highest first; empty when the book is not LIVE."""
        return self._depth(self._bids, count)

    def asks(self, count: int = 0) -> list[Level]:
        """The best `count` asks (0: all), lowest first; empty when the book is not LIVE."""
        return self._depth(self._asks, count)

    def depth(self, count: int = 0) -> tuple[list[Level], list[Level]]:
        """(bids, asks), best first, `count` levels a side (0: all)."""
        return self.bids(count), self.asks(count)

    def checksum(self) -> int:
        """OKX's CRC32 over the best 25 levels a side, as a signed int; 0 for an empty book.

        Live on OKX until 2026-06, on OKX Japan and in recordings since. Built from the texts as received:
        bid price, size, ask price, size, ... joined by colons; where one side ends, the other goes on alone.
        """
        return _crc32(self._bids.top(CHECKSUM_LEVELS), self._asks.top(CHECKSUM_LEVELS))

    def _best(self, side: _Side) -> Level | None:
        if self.state is not BookState.LIVE or not side.order:
            return None
        row = side.levels[side.text_at[side.order[-1]]]
        return Level(float(row[0]), float(row[1]), int(row[-1]))

    def _depth(self, side: _Side, count: int) -> list[Level]:
        if self.state is not BookState.LIVE:
            return []
        return [Level(float(row[0]), float(row[1]), int(row[-1])) for row in side.top(count or len(side.order))]


def _crc32(bids: Sequence[tuple[str, ...]], asks: Sequence[tuple[str, ...]]) -> int:
    parts: list[str] = []
    for index in range(max(len(bids), len(asks))):
        for side in (bids, asks):
            if index < len(side):
                parts += side[index][:2]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value
