"""Order books of many instruments, built from the stream of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from okex_ws.events import BookEvent, Disconnected, Event, Gap, Refused, Stale, StatusEvent
from okex_ws.market.book import OrderBook

DEPTHS = {"books5": 5, "bbo-tbt": 1, "books50-l2-tbt": 50, "sprd-books5": 5, "sprd-bbo-tbt": 1}
"""Levels on each side, of channels with another depth than 400."""


def deepest(channels: Iterable[str]) -> str | None:
    """Return the channel with the most levels, None for no channels."""
    return max(channels, key=lambda name: DEPTHS.get(name, 400), default=None)


class Books:
    """Books by channel and instrument. Apply every event, in order; a Gap makes its book STALE."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], OrderBook] = {}
        self._channels: dict[str, None] = {}  # of any book

    def __iter__(self) -> Iterator[OrderBook]:
        return iter(self._books.values())

    def __len__(self) -> int:
        return len(self._books)

    def get(self, instrument: str, channel: str | None = None) -> OrderBook:
        """Return the book of an instrument; EMPTY until its first snapshot. channel: None takes the deepest book that exists.

        Without a channel and without a book, the result is an empty book that is not kept.
        """
        if channel is None:
            channel = deepest(book.channel for book in self.of(instrument))
            if channel is None:
                return OrderBook(instrument)
        book = self._books.get((channel, instrument))
        if book is None:
            book = self._books[channel, instrument] = OrderBook(instrument, channel, DEPTHS.get(channel, 400))
            self._channels[channel] = None
        return book

    def of(self, instrument: str) -> list[OrderBook]:
        """Return the existing books of an instrument, one per channel."""
        return [book for channel in self._channels if (book := self._books.get((channel, instrument))) is not None]

    def apply(self, event: Event) -> str | None:
        """Apply any event. Returns the error found in its book, which is then STALE and needs a new snapshot, else None."""
        if isinstance(event, BookEvent):
            book = self._books.get((event.channel, event.instrument))
            if book is None:
                book = self.get(event.instrument, event.channel)
            trouble = book.apply(event)
            if trouble is not None:
                book.mark_stale()
            return trouble
        if isinstance(event, StatusEvent):
            self._apply_status(event)
        return None

    def forget(self, instrument: str, channel: str) -> None:
        """Remove a book after the end of its subscription; it becomes STALE for those who hold it."""
        book = self._books.pop((channel, instrument), None)
        if book is not None:
            book.mark_stale()

    def _apply_status(self, event: StatusEvent) -> None:
        """Make books STALE that receive no data any more."""
        match event:
            # The gap of a trade has ids. After a resnapshot the next event is the snapshot, so no reader sees the book STALE.
            case Gap(first_id=None, channel=channel, instrument=key):
                self._mark_stale(channel, key)
            case Stale(channel=channel, key=key) | Refused(channel=channel, key=key, will_retry=False):
                self._mark_stale(channel, key)
            case Disconnected(channels=channels):
                for channel, key in channels:
                    self._mark_stale(channel, key)

    def _mark_stale(self, channel: str, key: str) -> None:
        book = self._books.get((channel, key))
        if book is not None:
            book.mark_stale()
