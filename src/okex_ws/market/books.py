"""Books: the order books of many instruments, kept from the one stream of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from okex_ws.events import BookEvent, Disconnected, Event, Gap, Refused, Stale, StatusEvent
from okex_ws.market.book import OrderBook

DEPTHS = {"books5": 5, "bbo-tbt": 1, "books50-l2-tbt": 50, "sprd-books5": 5, "sprd-bbo-tbt": 1}
"""Depth a side where it is not 400."""


def deepest(channels: Iterable[str]) -> str | None:
    """The channel of most levels, None of none."""
    return max(channels, key=lambda name: DEPTHS.get(name, 400), default=None)


class Books:
    """Books by channel and instrument. Feed it every event, in order; a Gap makes its book STALE."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], OrderBook] = {}
        self._channels: dict[str, None] = {}  # those of any book

    def __iter__(self) -> Iterator[OrderBook]:
        return iter(self._books.values())

    def __len__(self) -> int:
        return len(self._books)

    def get(self, instrument: str, channel: str | None = None) -> OrderBook:
        """The book of an instrument; EMPTY until its first image. channel: None takes the deepest there is.

        Asked for without a channel before there is any, it is a book of nothing, and not kept.
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
        """The books there are of an instrument, one per channel."""
        return [book for channel in self._channels if (book := self._books.get((channel, instrument))) is not None]

    def apply(self, event: Event) -> str | None:
        """Take any event. Returns what is wrong with the book it changed, then STALE and in need of a new image, else None."""
        if isinstance(event, BookEvent):
            book = self._books.get((event.channel, event.instrument))
            if book is None:
                book = self.get(event.instrument, event.channel)
            trouble = book.apply(event)
            if trouble is not None:
                book.mark_stale()
            return trouble
        if isinstance(event, StatusEvent):
            self._hear(event)
        return None

    def forget(self, instrument: str, channel: str) -> None:
        """Let a book go: its subscription has ended. Whoever still holds it finds it STALE."""
        book = self._books.pop((channel, instrument), None)
        if book is not None:
            book.mark_stale()

    def _hear(self, news: StatusEvent) -> None:
        """What the line says of its books: a book nobody feeds any more is STALE."""
        match news:
            # A trade's gap has ids. After a resnapshot the image is the very next event: nobody can read in between.
            case Gap(first_id=None, channel=channel, instrument=key):
                self._distrust(channel, key)
            case Stale(channel=channel, key=key) | Refused(channel=channel, key=key, will_retry=False):
                self._distrust(channel, key)
            case Disconnected(channels=channels):
                for channel, key in channels:
                    self._distrust(channel, key)

    def _distrust(self, channel: str, key: str) -> None:
        book = self._books.get((channel, key))
        if book is not None:
            book.mark_stale()
