"""OrderBook: equal to a naive model under any changes; texts, truncation, one-sided, empty, crossed, checksums."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, SpreadBookSnapshot, SpreadBookUpdate
from okex_ws.market import BookState, OrderBook

Row = tuple[str, str, str, str]


def level(price: str, size: str = "1", count: str = "1") -> Row:
    return (price, size, "0", count)


def image(bids: list[Row], asks: list[Row], checksum: int | None = None, **more: Any) -> BookSnapshot:
    return BookSnapshot(ts_ms=1, raw_bids=bids, raw_asks=asks, checksum=checksum, **more)


def change(bids: list[Row], asks: list[Row], checksum: int | None = None, **more: Any) -> BookUpdate:
    return BookUpdate(ts_ms=2, raw_bids=bids, raw_asks=asks, checksum=checksum, **more)


def texts(book: OrderBook) -> tuple[list[tuple[float, float, int]], list[tuple[float, float, int]]]:
    bids, asks = book.depth()
    return [tuple(item) for item in bids], [tuple(item) for item in asks]  # type: ignore[misc]


class Naive:
    """A book as the sheet describes it, with decimals and sorting: shares no idea with OrderBook."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[Decimal, Row]] = {"bids": {}, "asks": {}}

    def apply(self, event: BookEvent) -> None:
        for name, rows in (("bids", event.raw_bids), ("asks", event.raw_asks)):
            side = self.sides[name]
            if isinstance(event, BookSnapshot):
                side.clear()
            for row in rows:
                side.pop(Decimal(row[0]), None)
                if Decimal(row[1]):
                    side[Decimal(row[0])] = row
            if self.depth:
                for price in self.prices(name)[self.depth :]:
                    del side[price]

    def prices(self, name: str) -> list[Decimal]:
        return sorted(self.sides[name], reverse=name == "bids")

    def rows(self, name: str) -> list[Row]:
        return [self.sides[name][price] for price in self.prices(name)]

    def numbers(self) -> tuple[Any, Any]:
        return tuple([(float(r[0]), float(r[1]), int(r[3]) or None) for r in self.rows(name)] for name in ("bids", "asks"))  # type: ignore[return-value]

    def checksum(self) -> int:
        bids, asks = self.rows("bids")[:25], self.rows("asks")[:25]
        words = []
        for place in range(25):
            for side in (bids, asks):
                words += list(side[place][:2]) if place < len(side) else []
        value = zlib.crc32(":".join(words).encode())
        return value - 2**32 if value >= 2**31 else value


# Prices whose texts vary while their value does not, and prices that lie close together.
FORMS = ("{}", "{}0", "{}00", "0{}", "{}e0")
prices = st.builds(lambda n, form: form.format(f"{n // 10}.{n % 10}"), st.integers(1, 60), st.sampled_from(FORMS))
sizes = st.sampled_from(["0", "0.0", "0.00", "1", "2.50", "0.10", "1E-7", "1e-07", "123456789"])
rows = st.lists(st.builds(level, prices, sizes, st.sampled_from(["0", "1", "17"])), max_size=8)
events = st.lists(
    st.builds(lambda is_image, b, a: (image if is_image else change)(b, a), st.integers(0, 9).map(lambda n: n == 0), rows, rows)
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(depth=st.sampled_from([0, 1, 3, 5, 400]), first_bids=rows, first_asks=rows, stream=events)
def test_any_changes_give_what_the_naive_model_gives(
    depth: int, first_bids: list[Row], first_asks: list[Row], stream: Any
) -> None:
    book, model = OrderBook("A-B", depth=depth), Naive(depth)
    for event in [image(first_bids, first_asks), *stream]:
        trouble = book.apply(event)
        model.apply(event)
        assert trouble in (None, "crossed")
        assert book.is_live
        assert texts(book) == model.numbers()
        assert book.checksum() == model.checksum()
        best = [model.prices(name)[:1] for name in ("bids", "asks")]
        assert [book.best_bid, book.best_ask] == [(texts(book)[i][0] if best[i] else None) for i in range(2)]
        assert book.is_crossed == bool(best[0] and best[1] and best[0][0] >= best[1][0])
        assert [len(side) for side in book.depth(2)] == [min(2, len(side)) for side in texts(book)]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(stream=st.lists(st.tuples(rows, rows), min_size=1, max_size=12), spoilt=st.data())
def test_a_checksum_of_the_true_book_verifies_and_of_any_other_does_not(stream: Any, spoilt: st.DataObject) -> None:
    book, model = OrderBook("A-B"), Naive(400)
    wrong_at = spoilt.draw(st.integers(0, len(stream) - 1))
    verified = 0
    for place, (bids, asks) in enumerate(stream):
        event = (change if place else image)(bids, asks)
        model.apply(event)
        event.checksum = true = model.checksum()
        if place == wrong_at:
            event.checksum = true ^ 1 << 7 or 1
        trouble = book.apply(event)
        if place == wrong_at:
            assert trouble == "checksum"
            assert book.state is BookState.STALE
            assert (book.best_bid, book.best_ask, book.mid, book.spread, book.bids(), book.asks()) == (
                None,
                None,
                None,
                None,
                [],
                [],
            )
            break
        verified += 1
        assert trouble in (None, "crossed")
    assert book.checksums_verified == verified


def test_D11_checksums_are_of_the_texts_as_received() -> None:
    """The two vectors of the protocol sheet; and 0.10 is not 0.1, 1E-7 not 0.0000001."""
    even = OrderBook("A-B")
    assert (
        even.apply(image([level("3366.1", "7"), level("3366", "6")], [level("3366.8", "9"), level("3368", "8")], -1881014294))
        is None
    )
    lopsided = OrderBook("A-B")
    asks = [level("3366.8", "9"), level("3368", "8"), level("3372", "8")]
    assert lopsided.apply(image([level("3366.1", "7")], asks, 831078360)) is None
    assert (even.checksums_verified, lopsided.checksums_verified) == (1, 1)
    seen = set()
    for size in ("0.1", "0.10", "1E-7", "1e-07", "0.0000001"):
        book = OrderBook("A-B")
        book.apply(image([level("5.0", size)], []))
        value = zlib.crc32(f"5.0:{size}".encode())
        assert book.checksum() == (value - 2**32 if value >= 2**31 else value)
        seen.add(book.checksum())
    assert len(seen) == 5


def test_a_price_may_change_its_text_but_never_its_value() -> None:
    book = OrderBook("A-B")
    book.apply(image([level("60000", "1"), level("59999.9", "2")], []))
    assert book.apply(change([level("60000.0", "3")], [])) is None
    assert texts(book)[0] == [(60000.0, 3.0, 1), (59999.9, 2.0, 1)]
    assert book.apply(change([level("6E4", "0")], [])) is None
    assert texts(book)[0] == [(59999.9, 2.0, 1)]
    near = "59999.90000000000000001"  # the same double, another price: it cannot be told apart, so the book is given up
    assert book.apply(change([level(near, "1")], [])) == "levels"
    assert book.state is BookState.STALE
    for first in (image([level(near)], []), image([], [])):  # nor when the longer text is the one that was there
        book.apply(first)
        book.apply(change([level(near)], []))
        assert book.apply(change([level("59999.9", "1")], [])) == "levels"


def test_the_crc_goes_over_25_levels_a_side_and_no_more() -> None:
    bids = [level(f"{1000 - n}") for n in range(40)]
    asks = [level(f"{1001 + n}") for n in range(40)]
    book = OrderBook("A-B")
    book.apply(image(bids, asks))
    before = book.checksum()
    book.apply(change([level("975", "9")], [level("1026", "9")]))  # the 26th of each side
    assert book.checksum() == before
    book.apply(change([level("976", "9")], []))
    assert book.checksum() != before


def test_one_sided_and_empty_books_are_books() -> None:
    book = OrderBook("A-B")
    assert book.apply(image([], [level("1.5", "2")])) is None
    assert (book.best_bid, book.mid, book.spread, book.is_crossed) == (None, None, None, False)
    assert book.best_ask == (1.5, 2.0, 1)
    assert book.apply(change([], [level("1.5", "0")], 0)) is None
    assert book.is_live
    assert book.checksum() == 0
    assert (book.best_ask, book.depth()) == (None, ([], []))
    assert repr(book) == "<OrderBook A-B books LIVE - / ->"


@pytest.mark.parametrize(
    "row",
    [
        ("", "1", "0", "1"),
        ("abc", "1", "0", "1"),
        ("NaN", "1", "0", "1"),
        ("Infinity", "1", "0", "1"),
        ("-Infinity", "1", "0", "1"),
        ("1", "", "0", "1"),
        ("1", "NaN", "0", "1"),
        ("1", "inf", "0", "1"),
        ("1", "-1", "0", "1"),
        ("1", "1", "0", ""),
        ("1", "1", "0", "x"),
        ("1", "1", "0", "-1"),
        ("1", "1", "0", "1.5"),
    ],
)
@pytest.mark.parametrize("side", ["bids", "asks"])
@pytest.mark.parametrize("among", [0, 1, 3])
@pytest.mark.parametrize("as_image", [True, False])
def test_a_level_that_cannot_be_read_makes_the_book_stale_and_never_raises(
    row: Row, side: str, among: int, as_image: bool
) -> None:
    others = [level(f"{100 + n}") for n in range(among)]
    sides: dict[str, list[Row]] = {"bids": [], "asks": [], side: [*others, row]}
    book = OrderBook("A-B")
    if not as_image:
        book.apply(image([level("50")], [level("60")]))
    assert book.apply((image if as_image else change)(sides["bids"], sides["asks"])) == "levels"
    assert book.state is BookState.STALE
    assert (book.best_bid, book.best_ask, book.bids(), book.asks()) == (None, None, [], [])
    assert book.apply(change([level("51")], [])) is None
    assert book.state is BookState.STALE, "a change does not mend it"
    assert book.apply(image([level("50")], [level("60")])) is None
    assert texts(book) == ([(50.0, 1.0, 1)], [(60.0, 1.0, 1)])


def test_the_numbers_of_an_event_are_numbers_or_a_ValueError() -> None:
    event = change([level("1E-7", "-0")], [level("0.10", "5")])
    assert event.bids == [(1e-07, 0.0, 1)]
    assert event.asks == [(0.1, 5.0, 1)]
    for bad in (level("NaN"), level("1", "Infinity"), level(""), level("1", "1", "")):
        with pytest.raises(ValueError, match=r".+"):
            _ = change([bad], []).bids


def test_a_change_before_any_image_does_nothing() -> None:
    book = OrderBook("A-B")
    book.mark_stale()
    assert book.apply(change([level("1")], [])) is None
    assert (book.state, book.updates, book.sequence, book.ts_event, book.ts_recv) == (BookState.EMPTY, 0, None, 0, 0)


def test_deleting_what_was_never_there_is_legal() -> None:
    book = OrderBook("A-B")
    book.apply(image([level("5"), level("4.5", "0")], [level("6")]))
    assert book.apply(change([level("4", "0"), level("4.5", "0")], [level("7", "0")])) is None
    assert texts(book) == ([(5.0, 1.0, 1)], [(6.0, 1.0, 1)])


def test_what_lies_beyond_the_depth_is_dropped_on_either_side() -> None:
    book = OrderBook("A-B", depth=3)
    book.apply(image([level(p) for p in ("5", "4", "3", "2")], [level(p) for p in ("6", "7", "8", "9")]))
    assert texts(book) == ([(5, 1, 1), (4, 1, 1), (3, 1, 1)], [(6, 1, 1), (7, 1, 1), (8, 1, 1)])
    book.apply(change([level("4.5")], [level("6.5")]))
    assert texts(book) == ([(5, 1, 1), (4.5, 1, 1), (4, 1, 1)], [(6, 1, 1), (6.5, 1, 1), (7, 1, 1)])
    book.apply(change([level("5", "0")], [level("6", "0")]))
    assert texts(book) == ([(4.5, 1, 1), (4, 1, 1)], [(6.5, 1, 1), (7, 1, 1)]), "what was dropped does not come back by itself"
    endless = OrderBook("A-B", depth=0)
    endless.apply(image([level(str(n)) for n in range(1, 1001)], []))
    assert len(endless.bids()) == 1000


def test_a_change_that_crosses_is_told_once_and_an_image_that_comes_crossed_is_not() -> None:
    book = OrderBook("A-B")
    book.apply(image([level("5")], [level("6")]))
    assert book.apply(change([level("6")], [])) == "crossed", "locked counts as crossed"
    assert book.is_live, "the verdict is the caller's to act on"
    assert book.apply(change([level("7")], [])) is None, "told already"
    assert book.apply(change([level("6", "0"), level("7", "0")], [])) is None
    assert not book.is_crossed
    assert book.apply(change([level("8")], [])) == "crossed", "and again when it happens again"
    auction = OrderBook("A-B")
    assert auction.apply(image([level("7")], [level("6")])) is None
    assert auction.is_crossed
    assert auction.apply(change([level("7", "0")], [])) is None
    assert auction.apply(change([level("9")], [])) is None, "in an auction books cross again and again"
    assert auction.apply(image([level("5")], [level("6")])) is None
    assert auction.apply(change([level("9")], [])) == "crossed", "the auction is over"


def test_spread_levels_have_three_columns_and_prices_of_any_sign() -> None:
    book = OrderBook("BTC-USDT_BTC-USDT-SWAP", "sprd-books-l2-tbt")
    book.apply(SpreadBookSnapshot(ts_ms=1, raw_bids=[("-1.2", "10", "1"), ("0", "3", "2")], raw_asks=[("10.5", "25", "2")]))
    book.apply(SpreadBookUpdate(ts_ms=2, raw_bids=[("-0", "0", "0"), ("-5", "1", "4")], raw_asks=[]))
    assert texts(book) == ([(-1.2, 10.0, 1), (-5.0, 1.0, 4)], [(10.5, 25.0, 2)])
    assert book.mid == pytest.approx(4.65)
    assert book.spread == pytest.approx(11.7)


def test_it_knows_what_it_was_fed_last() -> None:
    book = OrderBook("A-B")
    book.apply(image([level("5")], [], sequence=10, ts_recv=7))
    book.apply(change([], [level("6")], sequence=11, ts_recv=9))
    assert (book.sequence, book.ts_event, book.ts_recv, book.updates) == (11, 2_000_000, 9, 2)
    assert repr(book) == "<OrderBook A-B books LIVE 5.0 / 6.0>"
    book.mark_stale()
    assert repr(book) == "<OrderBook A-B books STALE>"
