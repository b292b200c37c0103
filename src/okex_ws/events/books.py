"""Order book events: snapshots and updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import field

from okex_ws.events.base import Timed, number_of

type_levels = list[tuple[str, str, str, str]]
type_spread_levels = list[tuple[str, str, str]]


class Level(NamedTuple):
    """One price of a book: price, size (contracts on derivatives, base currency on spot), number of orders, None if not sent."""

    price: float
    size: float
    order_count: int | None


def level_of(row: tuple[str, ...]) -> Level:
    """Return a level from OKX's texts; the order count is the last column, the fourth, or the third on spreads.

    A size without orders comes from a dialect that does not count them: the count is None.
    Raises ValueError for a text that is no number, NaN and Infinity included.
    """
    price, size = number_of(row[0]), number_of(row[1])
    return Level(price, size, int(row[-1]) or (None if size else 0))


class BookEvent(Timed, kw_only=True, gc=False):
    """Common fields of book snapshots and updates.

    instrument: `instId`, or `sprdId` on spread books.
    sequence, previous_sequence: `seqId`, `prevSeqId`; None if the channel, or an old recording, has none.
    checksum: CRC32 as a signed int, None if absent. OKX sends 0 since 2026-06: 0 means "not given".
    raw_bids, raw_asks: the levels as OKX's texts, best first; use `bids` and `asks` for numbers. Texts are not parsed on arrival:
    `bids` and `asks` raise ValueError if one is no number, and an OrderBook with such a level becomes STALE.
    Source: docs-v5 "Order book channel".
    """

    instrument: str = field(default="", name="instId")
    sequence: int | None = field(default=None, name="seqId")
    previous_sequence: int | None = field(default=None, name="prevSeqId")
    checksum: int | None = None
    raw_bids: type_levels = field(name="bids")
    raw_asks: type_levels = field(name="asks")

    @property
    def bids(self) -> Sequence[Level]:
        """Bid levels as numbers, highest price first; size 0 in an update removes the level."""
        return [level_of(row) for row in self.raw_bids]

    @property
    def asks(self) -> Sequence[Level]:
        """Ask levels as numbers, lowest price first; size 0 in an update removes the level."""
        return [level_of(row) for row in self.raw_asks]


class BookSnapshot(BookEvent, kw_only=True, gc=False):
    """Whole book to the depth of its channel; it always replaces the book.

    `books5`, `bbo-tbt` and their spread channels send nothing else.
    """


class BookUpdate(BookEvent, kw_only=True, gc=False):
    """Change of a book: absolute sizes by price, size 0 removes.

    An update without levels and with two equal sequences is OKX's keep-alive of a quiet book (about every 60 s).
    """

    @property
    def is_keepalive(self) -> bool:
        """True for the empty update of a quiet book."""
        return not self.raw_bids and not self.raw_asks and self.sequence == self.previous_sequence

    @property
    def is_reset(self) -> bool:
        """True if OKX restarted the sequence at a smaller number (maintenance); the change itself is valid."""
        return self.sequence is not None and self.previous_sequence is not None and self.sequence < self.previous_sequence


class SpreadBookSnapshot(BookSnapshot, kw_only=True, gc=False):
    """A BookSnapshot of a spread: three columns a level; prices may be zero or negative."""

    raw_bids: type_spread_levels = field(name="bids")  # type: ignore[assignment]  # three columns instead of four
    raw_asks: type_spread_levels = field(name="asks")  # type: ignore[assignment]


class SpreadBookUpdate(BookUpdate, kw_only=True, gc=False):
    """A BookUpdate of a spread: three columns a level; prices may be zero or negative."""

    raw_bids: type_spread_levels = field(name="bids")  # type: ignore[assignment]  # three columns instead of four
    raw_asks: type_spread_levels = field(name="asks")  # type: ignore[assignment]
