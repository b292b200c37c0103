"""Checksums: order books kept during a replay, to check that each matches its checksum or has a Gap."""

from __future__ import annotations

from collections.abc import Iterable

from okex_ws.events import BookEvent, Event, Gap
from okex_ws.market import Books


class Checksums:
    """Checksum verification of replayed books. verified: number by instrument; wrong: (record, channel, instrument) without a
    Gap.
    """

    def __init__(self) -> None:
        self.verified: dict[str, int] = {}
        self.wrong: list[tuple[int, str, str]] = []
        self._books = Books()
        self._due: dict[tuple[str, str], int] = {}

    def apply(self, n: int, events: Iterable[Event]) -> None:
        """Apply the events of record n."""
        for event in events:
            if isinstance(event, BookEvent):
                self._check(n, event)
                continue
            self._books.apply(event)
            if isinstance(event, Gap):
                self._due.pop((event.channel, event.instrument), None)

    def reset(self) -> None:
        """Forget all books: after a hole none is known."""
        self._books, self._due = Books(), {}

    def _check(self, n: int, event: BookEvent) -> None:
        place = event.channel, event.instrument
        failed = self._due.get(place, n)
        if failed < n:  # the Gap follows with the next record, before any other event of the book
            self.wrong.append((failed, *place))
            del self._due[place]
        book = self._books.get(event.instrument, event.channel)
        before = book.checksums_verified
        if self._books.apply(event) == "checksum":
            self._due[place] = n
        if book.checksums_verified > before:
            self.verified[event.instrument] = self.verified.get(event.instrument, 0) + 1
