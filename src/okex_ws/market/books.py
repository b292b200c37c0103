"""Books: the order books of many instruments, kept from the one stream of events."""

from __future__ import annotations

from collections.abc import Iterator

from okex_ws.events import BookEvent, BookUpdate, Event, Gap
from okex_ws.market.book import OrderBook

DEPTHS = {"books5": 5, "bbo-tbt": 1, "books50-l2-tbt": 50, "sprd-books5": 5, "sprd-bbo-tbt": 1}
"""Depth a side where it is not 400."""


class Books:
    """Books by channel and instrument. Feed it every event, in order; a Gap makes its book STALE."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], OrderBook] = {}

    def __iter__(self) -> Iterator[OrderBook]:
        return iter(self._books.values())

    def __len__(self) -> int:
        return len(self._books)

    def get(self, instrument: str, channel: str | None = None) -> OrderBook:
        """The book of an instrument; EMPTY until its first image. channel: None takes the deepest there is."""
        if channel is None:
            names = [name for name, key in self._books if key == instrument]
            channel = max(names, key=lambda name: DEPTHS.get(name, 400), default="books")
        book = self._books.get((channel, instrument))
        if book is None:
            book = self._books[channel, instrument] = OrderBook(instrument, channel, DEPTHS.get(channel, 400))
        return book

    def apply(self, event: Event) -> str | None:
        """Take any event. Returns what is wrong with the book it changed and needs a new image, else None.

        A snapshot that comes crossed is the exchange's own word (call auction, pre-open) and is left alone.
        """
        if isinstance(event, BookEvent):
            book = self._books.get((event.channel, event.instrument))
            if book is None:
                book = self.get(event.instrument, event.channel)
            was_crossed = book.is_crossed
            trouble = book.apply(event)
            if trouble == "crossed" and (was_crossed or not isinstance(event, BookUpdate)):
                return None
            return trouble
        if isinstance(event, Gap):
            book = self._books.get((event.channel, event.instrument))
            # After a resnapshot the image is the very next event: nobody can read in between.
            if book is not None and event.first_id is None:
                book.mark_stale()
        return None

    def forget(self, instrument: str, channel: str) -> None:
        """Let a book go: its subscription has ended."""
        self._books.pop((channel, instrument), None)


