"""Continuity of books: a lost change is noticed at the next one, and a snapshot repairs the book."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.chains import T, book, change, feed, snapshot

from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, Gap, Resumed
from okex_ws.protocol.chains.base import MOST_BUFFERED


@st.composite
def chained(draw: st.DrawFn) -> list[BookEvent]:
    """A snapshot and changes as OKX sends them: jumps, keep-alives, resets."""
    rows: list[BookEvent] = [snapshot(1_000_000)]
    at = 1_000_000
    low = 1
    for _ in range(draw(st.integers(3, 30))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            rows.append(change(at, at))
        elif kind == 1:
            low += 10_000
            rows.append(change(at, low))
            at = low
        else:
            step = draw(st.integers(1, 15))
            rows.append(change(at, at + step))
            at += step
    return rows


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(chained(), st.data())
def test_one_change_lost_doubled_or_swapped_is_noticed_at_the_next_message_and_mended_by_an_snapshot(
    rows: list[BookEvent], data: st.DataObject
) -> None:
    what = data.draw(st.sampled_from(["drop", "double", "swap"]))
    at = data.draw(st.integers(1, len(rows) - 2))
    is_kept_alive = isinstance(rows[at], BookUpdate) and rows[at].sequence == rows[at].previous_sequence
    chain = book()
    assert feed(chain, *rows[:at]) == rows[:at]
    if what == "drop":
        out = feed(chain, rows[at + 1])
        assert chain.is_broken is not is_kept_alive, "a lost keep-alive is no loss"
    elif what == "double":
        out = feed(chain, rows[at], rows[at])
        assert out == [rows[at], rows[at]] if is_kept_alive else out == [rows[at]]
        assert not chain.is_broken
    else:
        out = feed(chain, rows[at + 1])
        after_first = chain.is_broken
        out += feed(chain, rows[at])
        is_idle = is_kept_alive or rows[at + 1].sequence == rows[at + 1].previous_sequence
        assert after_first or is_idle
    told = [event for event in out if isinstance(event, Gap)]
    assert bool(told) == chain.is_broken
    if chain.is_broken:
        assert [(gap.cause, gap.last_sequence) for gap in told] == [("sequence", rows[at - 1].sequence)] or what == "swap"
        assert chain.needs_resync
        assert feed(chain, *rows[at + 2 :]) == [], "nothing of a broken book is delivered"
    fresh = snapshot(77_000_000)
    mended = feed(chain, fresh, change(77_000_000, 77_000_003), now=T + 1)
    assert mended[-2:] == [fresh, change(77_000_000, 77_000_003)]
    assert isinstance(mended[0], Resumed if told else Gap)
    assert not chain.is_broken
    assert not chain.needs_resync


def test_the_five_cases() -> None:
    """The sheet's own example of a legal chain, with the gap added."""
    chain = book()
    legal = [snapshot(10), change(10, 15), change(15, 15), change(15, 3), change(3, 5)]
    assert feed(chain, *legal) == legal
    assert [row.is_keepalive for row in legal[1:] if isinstance(row, BookUpdate)] == [False, True, False, False]
    assert [row.is_reset for row in legal[1:] if isinstance(row, BookUpdate)] == [False, False, True, False]
    (gap,) = feed(chain, change(6, 7), now=T + 9)
    assert gap == Gap(
        ts_recv=T + 9, line="public/0", channel="books", instrument="A-B", cause="sequence", last_sequence=5, since=T
    )
    resumed, row = feed(chain, snapshot(9), now=T + 20)
    assert (resumed.since, resumed.last_sequence, resumed.next_sequence, row) == (T, 5, 9, snapshot(9))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (snapshot(10), change(None, 15)),
        (snapshot(10), change(10, None)),
        (snapshot(10), change(None, None)),
        (snapshot(None), change(10, 15)),
        (snapshot(None), change(None, 15)),
        (snapshot(None), change(10, None)),
    ],
)
def test_C7_what_cannot_be_linked_does_not_count_as_linked(first: BookSnapshot, then: BookUpdate) -> None:
    chain = book()
    (gap,) = feed(chain, first, then)[1:]
    assert isinstance(gap, Gap)
    assert chain.is_broken
    assert chain.needs_resync


def test_C7_a_recording_without_any_sequences_is_left_to_its_checksums() -> None:
    chain = book()
    rows = [snapshot(None), change(None, None), change(None, None)]
    assert feed(chain, *rows) == rows


def test_a_snapshot_in_mid_stream_replaces_and_says_what_was_skipped() -> None:
    chain = book()
    feed(chain, snapshot(10), change(10, 15))
    again = feed(chain, snapshot(15))
    assert again == [snapshot(15)], "the same state once more skips nothing"
    gap, row = feed(chain, snapshot(30), now=T + 1)
    assert (gap.cause, gap.last_sequence, gap.next_sequence, row) == ("resnapshot", 15, 30, snapshot(30))
    assert feed(chain, change(30, 31)) == [change(30, 31)]


def test_an_interruption_is_told_once_and_nothing_is_delivered_until_the_snapshot() -> None:
    chain = book()
    feed(chain, snapshot(10))
    assert [gap.cause for gap in chain.interrupt(T + 1, "checksum") if isinstance(gap, Gap)] == ["checksum"]
    assert chain.interrupt(T + 2, "disconnected") == []
    assert feed(chain, change(10, 11), change(11, 12)) == []
    assert [type(event) for event in feed(chain, snapshot(12))] == [Resumed, BookSnapshot]


def test_a_rest_snapshot_is_laid_under_what_was_kept() -> None:
    chain = book()
    assert feed(chain, change(10, 12), change(12, 15), change(15, 15), change(15, 20)) == []
    assert chain.start_from(snapshot(9), T) is None, "older than the first change kept: fetch again"
    assert chain.start_from(snapshot(None), T) is None
    out = chain.start_from(snapshot(13), T)
    assert out == [snapshot(13), change(12, 15), change(15, 15), change(15, 20)], "the first may begin before the snapshot"
    assert chain.start_from(snapshot(99), T) == [], "no longer needed"
    assert feed(chain, change(20, 21)) == [change(20, 21)]


def test_a_rest_snapshot_ahead_of_the_stream_waits_for_it_to_catch_up() -> None:
    chain = book()
    assert feed(chain, change(10, 12, ts_ms=5)) == []
    assert chain.start_from(snapshot(20, ts_ms=9), T) == [snapshot(20, ts_ms=9)]
    assert feed(chain, change(12, 15, ts_ms=7), change(15, 20, ts_ms=9)) == [], "the snapshot has them"
    assert feed(chain, change(20, 22, ts_ms=10)) == [change(20, 22, ts_ms=10)]


def test_a_rest_snapshot_and_a_stream_that_do_not_meet_are_a_gap() -> None:
    chain = book()
    chain.start_from(snapshot(20), T)
    assert [gap.cause for gap in feed(chain, change(25, 30))] == ["sequence"]


def test_a_reset_between_a_rest_snapshot_and_the_stream_is_not_taken_for_an_old_change() -> None:
    """Else every change after it would look older than the snapshot, and a dead book would be served for ever."""
    chain = book()
    chain.start_from(snapshot(95, ts_ms=10), T)
    out = feed(chain, change(90, 3, ts_ms=20), change(3, 5, ts_ms=30))
    assert [type(event) for event in out] == [Gap]
    assert chain.is_broken


def test_after_a_reset_only_a_newer_snapshot_will_do() -> None:
    chain = book()
    feed(chain, change(85, 90, ts_ms=10), change(90, 3, ts_ms=20), change(3, 5, ts_ms=30), change(5, 9, ts_ms=40))
    assert chain.start_from(snapshot(95, ts_ms=15), T) is None, "from before the reset"
    assert chain.start_from(snapshot(2, ts_ms=25), T) is None
    out = chain.start_from(snapshot(3, ts_ms=25), T)
    assert out == [snapshot(3, ts_ms=25), change(3, 5, ts_ms=30), change(5, 9, ts_ms=40)]


def test_only_an_unbroken_run_is_kept_and_not_without_bound() -> None:
    chain = book()
    feed(chain, change(10, 12), change(13, 15), change(15, 16))
    assert chain.buffer == [change(13, 15), change(15, 16)]
    feed(chain, change(16, None))
    assert chain.buffer == []
    for n in range(3 * MOST_BUFFERED):
        feed(chain, change(n, n + 1))
        assert len(chain.buffer) <= MOST_BUFFERED


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_handover_of_a_book_loses_nothing_and_doubles_nothing(data: st.DataObject) -> None:
    """The two connections lag each other by anything; the successor begins with a snapshot of some state."""
    steps = [change(n, n + 1) for n in range(100, 130)]
    chain = book()
    out = feed(chain, snapshot(100), *steps[: data.draw(st.integers(0, 10))])
    chain.start_handover(1)
    old = len(out) - 1
    new = data.draw(st.integers(0, 15))
    pending = [*[(0, row) for row in steps[old:]]]
    fresh = [(1, snapshot(100 + new)), *[(1, row) for row in steps[new:]]]
    while fresh:
        source = fresh if not pending or data.draw(st.booleans()) else pending
        number, row = source.pop(0)
        out += feed(chain, row, number=number)
    out += chain.finish_handover(1, T)
    changes = [event.sequence for event in out if isinstance(event, BookUpdate)]
    snapshots = [event.sequence for event in out if isinstance(event, BookSnapshot)]
    assert changes == sorted(set(changes)), "in order, none twice"
    assert changes[-1] == 130
    told = [event for event in out if isinstance(event, Gap)]
    if not told:
        assert changes == list(range(101, 131))
        assert snapshots == [100]
    else:  # the successor's snapshot lay ahead of everything the primary still said
        assert [gap.cause for gap in told] == ["handover"]
        assert snapshots == [100, 100 + new]
    assert not chain.is_broken


def test_a_handover_to_a_connection_that_has_not_spoken_makes_the_book_stale() -> None:
    chain = book()
    feed(chain, snapshot(10))
    chain.start_handover(1)
    assert not chain.is_handed_over
    assert [event.cause for event in chain.finish_handover(1, T + 1) if isinstance(event, Gap)] == ["handover"]
    assert chain.needs_resync
    assert feed(chain, change(10, 11), number=0) == [], "the predecessor is not listened to any more"
    assert [type(event) for event in feed(chain, snapshot(12), number=1)] == [Resumed, BookSnapshot]


def test_a_snapshot_that_is_sent_again_is_no_gap() -> None:
    def image(sequence: int, size: str) -> BookSnapshot:
        return BookSnapshot(ts_ms=1, instrument="A-B", sequence=sequence, raw_bids=[("1", size, "0", "1")], raw_asks=[])

    chain = book()
    feed(chain, image(10, "1"))
    again = image(20, "1")
    assert feed(chain, again, now=T + 1) == [again]
    gap, other = feed(chain, image(30, "2"), now=T + 2)
    assert (gap.cause, other.sequence) == ("resnapshot", 30)
    feed(chain, change(30, 31), now=T + 3)
    gap, _ = feed(chain, image(40, "2"), now=T + 4)
    assert gap.cause == "resnapshot", "a change came in between"
