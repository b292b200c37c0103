"""Checksums of replayed books: verified, wrong with a Gap, or wrong without one."""

from __future__ import annotations

from okex_ws.events import BookSnapshot, BookUpdate, Event, Gap
from okex_ws.recorder.checksums import Checksums

IMAGE = BookSnapshot(
    instrument="BTC-USDT",
    channel="books",
    raw_bids=[("3366.1", "7", "0", "1"), ("3366", "6", "0", "1")],
    raw_asks=[("3366.8", "9", "0", "1"), ("3368", "8", "0", "1")],
    ts_ms=1,
    checksum=-1881014294,
)


def change(checksum: int) -> Event:
    return BookUpdate(instrument="BTC-USDT", channel="books", ts_ms=2, raw_bids=[], raw_asks=[], checksum=checksum)


GAP = Gap(channel="books", instrument="BTC-USDT", cause="checksum")


def test_what_is_right_is_counted_and_what_is_wrong_is_found_unless_a_gap_says_so() -> None:
    seen = Checksums()
    for n, events in enumerate(([IMAGE], [change(-1881014294)], [change(1)], [GAP], [change(2)], [IMAGE], [change(3)]), 1):
        seen.apply(n, events)
    assert (seen.verified, seen.wrong) == ({"BTC-USDT": 3}, [])
    seen.apply(8, [change(4)])
    assert seen.wrong == [(7, "books", "BTC-USDT")]


def test_behind_a_hole_no_book_is_known() -> None:
    seen = Checksums()
    seen.apply(1, [IMAGE])
    seen.reset()
    seen.apply(9, [change(1)])
    seen.apply(10, [change(1)])
    assert (seen.verified, seen.wrong) == ({"BTC-USDT": 1}, [])
