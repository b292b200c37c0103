"""Books: many books from one stream, and what the line says of them: a book nobody feeds any more is not served."""

from __future__ import annotations

from typing import Any

import pytest

from okex_ws.events import BookSnapshot, BookUpdate, Disconnected, Event, Gap, Refused, Resumed, Stale, Trade
from okex_ws.market import Books, BookState


def image(instrument: str, channel: str = "books", **more: Any) -> BookSnapshot:
    rows: dict[str, Any] = {"raw_bids": [("5", "1", "0", "1")], "raw_asks": [("6", "1", "0", "1")]}
    return BookSnapshot(ts_ms=1, instrument=instrument, channel=channel, **{**rows, **more})


def test_books_are_told_apart_by_channel_and_instrument_and_have_the_depth_of_their_channel() -> None:
    books = Books()
    for channel in ("bbo-tbt", "books5", "books50-l2-tbt", "books"):
        books.apply(image("A-B", channel))
    books.apply(image("C-D", "books5"))
    assert len(books) == 5
    assert [books.get("A-B", c).depth_limit for c in ("bbo-tbt", "books5", "books50-l2-tbt", "books")] == [1, 5, 50, 400]
    assert books.get("A-B").channel == "books", "the deepest there is"
    assert books.get("C-D").channel == "books5"
    assert books.get("E-F").state is BookState.EMPTY
    assert {book.instrument for book in books} == {"A-B", "C-D"}, "looking leaves nothing behind"


def test_trouble_is_passed_on() -> None:
    books = Books()
    assert books.apply(image("A-B")) is None
    assert books.apply(image("A-B", checksum=5)) == "checksum"
    books.apply(image("A-B"))
    crossing = BookUpdate(ts_ms=2, channel="books", instrument="A-B", raw_bids=[("7", "1", "0", "1")], raw_asks=[])
    assert books.apply(crossing) == "crossed"
    assert not books.get("A-B").is_live
    assert books.apply(Trade(ts_ms=1, instrument="A-B", trade_id=1, price=1, size=1, side="buy")) is None


@pytest.mark.parametrize(
    ("news", "is_live"),
    [
        (Gap(channel="books", instrument="A-B", cause="sequence"), False),
        (Gap(channel="trades", instrument="A-B", first_id=1, last_id=2), True),
        (Gap(channel="books", instrument="C-D"), True),
        (Stale(channel="books", key="A-B", silent_s=80), False),
        (Stale(channel="trades", key="A-B", silent_s=80), True),
        (Refused(channel="books", key="A-B", code="channel-conn-count-error"), False),
        (Refused(channel="books", key="A-B", code="60014", will_retry=True), True),
        (Disconnected(channels=(("trades", "A-B"), ("books", "A-B"))), False),
        (Disconnected(channels=(("books", "C-D"),)), True),
        (Disconnected(handed_over=True), True),
        (Resumed(channel="books", key="A-B"), True),
    ],
)
def test_what_the_line_says_decides_whether_a_book_is_served(news: Event, is_live: bool) -> None:
    books = Books()
    books.apply(image("A-B"))
    assert books.apply(news) is None
    assert books.get("A-B").is_live is is_live
    books.apply(image("A-B"))
    assert books.get("A-B").is_live


def test_news_of_unknown_books_makes_none() -> None:
    books = Books()
    books.apply(Gap(channel="books", instrument="A-B"))
    books.apply(Disconnected(channels=(("books", "A-B"),)))
    assert len(books) == 0


def test_a_forgotten_book_is_not_served_to_whoever_still_holds_it() -> None:
    books = Books()
    books.apply(image("A-B"))
    held = books.get("A-B")
    books.forget("A-B", "books")
    books.forget("A-B", "books")
    assert held.state is BookState.STALE
    assert held.best_bid is None
    assert len(books) == 0
