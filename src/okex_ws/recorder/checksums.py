"""Checksums: books kept beside a replay, to see that each has the checksum it was sent with, or a Gap that says it does not."""

from __future__ import annotations

from collections.abc import Iterable

from okex_ws.events import BookEvent, Event, Gap
from okex_ws.market import Books


class Checksums:
    """Feed it what every record said. verified: how many, by instrument; wrong: (record, channel, instrument) without a Gap."""

    def __init__(self) -> None:
        self.verified: dict[str, int] = {}
        self.wrong: list[tuple[int, str, str]] = []
        self._books = Books()
        self._due: dict[tuple[str, str], int] = {}

    def hear(self, n: int, events: Iterable[Event]) -> None:
        """What record n said."""
        for event in events:
            if isinstance(event, BookEvent):
                self._check(n, event)
                continue
            self._books.apply(event)
            if isinstance(event, Gap):
                self._due.pop((event.channel, event.instrument), None)

    def begin_anew(self) -> None:
        """Behind a hole no book is known."""
        self._books, self._due = Books(), {}

    def _check(self, n: int, event: BookEvent) -> None:
        place = event.channel, event.instrument
        failed = self._due.get(place, n)
        if failed < n:  # the Gap comes with the next record, before anything else of the book
            self.wrong.append((failed, *place))
            del self._due[place]
        book = self._books.get(event.instrument, event.channel)
        before = book.checksums_verified
        if self._books.apply(event) == "checksum":
            self._due[place] = n
        if book.checksums_verified > before:
            self.verified[event.instrument] = self.verified.get(event.instrument, 0) + 1
