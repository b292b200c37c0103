"""Continuity: what was delivered and what was reported as missing together are what was sent, and nothing comes twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, Event, Gap, Resumed, SingleTrade, Ticker, Trade
from okex_ws.protocol.continuity import ID_RESET_AFTER, MOST_BUFFERED, REORDER_WINDOW, BookChain, Chain, Chains, TradeChain
from okex_ws.protocol.session import Session
from okex_ws.wire.channels import subscription

T = 1_790_000_000_000_000_000
MS = 1_000_000


def trade(trade_id: int, count: int = 1, ts_ms: int = T // MS) -> Trade:
    return Trade(instrument="A-B", trade_id=trade_id, count=count, ts_ms=ts_ms, price=1, size=1, side="buy")


def trades(channel: str = "trades") -> TradeChain:
    chain = Chains("public/0").of(subscription(channel, "A-B"))
    assert isinstance(chain, TradeChain)
    return chain


def ids(events: Sequence[Any]) -> list[int]:
    return [event.trade_id for event in events if isinstance(event, Trade | SingleTrade)]


def gaps(events: Sequence[Event]) -> list[tuple[int | None, int | None]]:
    return [(event.first_id, event.last_id) for event in events if isinstance(event, Gap)]


def let_pass(chain: Chain, now: int) -> list[Event]:
    """Every verdict due by `now`, as a Session asks for them."""
    out: list[Event] = []
    while chain.deadline is not None and chain.deadline <= now:
        out += chain.expire(chain.deadline)
    return out


# -- trades -----------------------------------------------------------------------------------------------------------------


@st.composite
def sent_and_received(draw: st.DrawFn) -> tuple[list[tuple[int, int]], set[int], list[tuple[int, int]]]:
    """Prints as (last id, count); which are lost; and (index, arrival ms) of what arrives: displaced in time, some twice."""
    counts = draw(st.lists(st.integers(1, 5), min_size=2, max_size=25))
    lasts = list(itertools.accumulate(counts, initial=1000))[1:]
    prints = list(zip(lasts, counts, strict=True))
    rest = range(1, len(prints))  # the first begins the stream: what was before it was never asked for
    lost = draw(st.sets(st.sampled_from(rest), max_size=len(prints) // 2))
    arrivals = [(0, 0)]
    for index in rest:
        if index not in lost:
            arrivals.append((index, 10 + index * 40 + draw(st.integers(0, 400))))  # each less than the window late
            if draw(st.integers(0, 4)) == 0:
                arrivals.append((index, arrivals[-1][1] + draw(st.integers(0, 3000))))
    return prints, lost, sorted(arrivals, key=lambda item: item[1])


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(sent_and_received())
def test_trades_delivered_and_reported_missing_are_what_was_sent(case: Any) -> None:
    prints, lost, arrivals = case
    chain = trades()
    out: list[Event] = []
    for index, ms in arrivals:
        out += let_pass(chain, T + ms * MS)
        out += chain.feed([trade(*prints[index])], 0, T + ms * MS)
    out += let_pass(chain, T + 60_000 * MS)
    assert chain.deadline is None
    assert sorted(ids(out)) == sorted(prints[i][0] for i in range(len(prints)) if i not in lost), "each once"
    assert ids(out)[0] == prints[0][0]
    missing: set[int] = set()
    for first, last in gaps(out):
        assert first is not None
        assert last is not None
        assert not missing.intersection(range(first, last + 1)), "no id is reported twice"
        missing.update(range(first, last + 1))
    arrived = [prints[index][0] for index, _ in arrivals]
    unheard = {n for i in lost for n in range(prints[i][0] - prints[i][1] + 1, prints[i][0] + 1)}
    # A hole above the newest print that arrived shows with the next print only.
    assert missing == {number for number in unheard if number < max(arrived)}
    assert chain.duplicates == len(arrivals) - len(set(arrived))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.permutations(range(1, 9)), st.integers(1, 8))
def test_any_order_within_the_window_is_no_gap_in_one_frame_or_in_many(order: list[int], at_once: int) -> None:
    chain = trades()
    out = chain.feed([trade(0)], 0, T)
    for start in range(0, len(order), at_once):
        out = out + chain.feed([trade(n) for n in order[start : start + at_once]], 0, T + start)
    out = out + let_pass(chain, T + 10 * REORDER_WINDOW)
    assert ids(out) == [0, *order], "delivered at once, as they came"
    assert gaps(out) == []
    assert (chain.settled, chain.deadline) == (8, None)


@st.composite
def interleaved(draw: st.DrawFn) -> list[tuple[int, list[set[int]]]]:
    """Sweeps whose prints share out the sweep's ids among them, as OKX may split by price and source."""
    sweeps, start = [], 1
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 7))
        owner = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
        parts: dict[int, set[int]] = {}
        for offset, who in enumerate(owner):
            parts.setdefault(who, set()).add(start + offset)
        sweeps.append((start, list(parts.values())))
        start += size
    return sweeps


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(interleaved(), st.data())
def test_ids_interleaved_between_the_prints_of_a_sweep(sweeps: Any, data: st.DataObject) -> None:
    """Complete, it is no gap in whatever order. With prints lost, never fewer ids are reported than were lost."""
    prints = [part for _, parts in sweeps for part in parts]
    lost = data.draw(st.sets(st.integers(0, len(prints) - 1), max_size=2))
    order = data.draw(st.permutations([i for i in range(len(prints)) if i not in lost]))
    chain = trades()
    chain.feed([trade(0)], 0, T)
    out: list[Event] = []
    for step, index in enumerate(order):
        out += chain.feed([trade(max(prints[index]), len(prints[index]))], 0, T + step * MS)
    newest = sum(len(part) for part in prints)
    out += chain.feed([trade(newest + 1)], 0, T + 100 * MS)
    out += let_pass(chain, T + 10 * REORDER_WINDOW)
    assert sorted(ids(out)) == sorted([*(max(prints[i]) for i in order), newest + 1])
    reported = sum(last - first + 1 for first, last in gaps(out))  # type: ignore[operator]
    assert reported >= sum(len(prints[i]) for i in lost)
    if not lost:
        assert gaps(out) == []
        assert chain.settled == newest + 1


def test_rather_an_id_too_many_is_reported_than_one_too_few() -> None:
    """Lost are 1 and 3. The prints of 4 and 6, and of 5 and 7, both claim 6: that stands for 4, but may not excuse 1 as well."""
    chain = trades()
    out = chain.feed([trade(0), trade(2), trade(6, 2), trade(7, 2)], 0, T)
    assert gaps(out + let_pass(chain, T + REORDER_WINDOW)) == [(1, 1), (3, 4)]


def test_a_verdict_waits_its_full_window_even_when_another_hole_has_just_closed() -> None:
    chain = trades()
    chain.feed([trade(1)], 0, T)
    chain.feed([trade(3)], 0, T + 1)  # 2 is missing
    chain.feed([trade(5)], 0, T + REORDER_WINDOW)  # 4 is missing, since now
    chain.feed([trade(2)], 0, T + REORDER_WINDOW)
    assert let_pass(chain, T + REORDER_WINDOW + 2) == []
    assert ids(chain.feed([trade(4)], 0, T + 2 * REORDER_WINDOW - 1)) == [4]
    assert let_pass(chain, T + 9 * REORDER_WINDOW) == []
    assert chain.settled == 5


def test_a_verdict_on_one_hole_leaves_a_younger_one_its_time() -> None:
    chain = trades()
    chain.feed([trade(1)], 0, T)
    chain.feed([trade(3)], 0, T + 1)
    chain.feed([trade(6)], 0, T + REORDER_WINDOW)
    assert gaps(let_pass(chain, T + REORDER_WINDOW + 1)) == [(2, 2)]
    assert chain.deadline == T + 2 * REORDER_WINDOW
    assert gaps(let_pass(chain, T + 2 * REORDER_WINDOW)) == [(4, 5)]


def test_what_comes_after_the_verdict_is_delivered_late_and_once() -> None:
    chain = trades()
    chain.feed([trade(10), trade(20)], 0, T)
    assert gaps(let_pass(chain, T + REORDER_WINDOW)) == [(11, 19)]
    late = chain.feed([trade(15, 2), trade(15, 2), trade(11), trade(19)], 0, T + 2 * REORDER_WINDOW)
    assert ids(late) == [15, 11, 19]
    assert gaps(late) == []
    assert ids(chain.feed([trade(14), trade(12)], 0, T + 2 * REORDER_WINDOW)) == [12]
    assert chain.duplicates == 2
    assert chain.feed([trade(21)], 0, T + 2 * REORDER_WINDOW) == [trade(21)]


def test_the_cause_and_the_time_of_a_gap_are_told() -> None:
    chain = trades()
    chain.feed([trade(1)], 0, T)
    assert chain.interrupt(T + 5, "disconnected") == []
    out = chain.feed([trade(4)], 0, T + 100)
    assert out == [Resumed(ts_recv=T + 100, line="public/0", channel="trades", key="A-B", since=T), trade(4)]
    told = let_pass(chain, T + 100 + REORDER_WINDOW)
    expected = Gap(
        channel="trades", instrument="A-B", line="public/0", cause="disconnected", first_id=2, last_id=3, since=T + 100
    )
    expected.ts_recv = T + 100 + REORDER_WINDOW
    assert told == [expected]
    chain.feed([trade(6)], 0, T + 10 * REORDER_WINDOW)
    assert [gap.cause for gap in let_pass(chain, T + 20 * REORDER_WINDOW) if isinstance(gap, Gap)] == ["sequence"]


def test_while_nothing_is_read_no_verdict_falls() -> None:
    """A consumer held the socket up for ten seconds: the missing print may lie in it, unread."""
    line = Session("public/0", [subscription("trades", "A-B")], now=T)
    same = {"instId": "A-B", "px": "1", "sz": "1", "side": "buy", "ts": "1", "count": "1"}

    def push(trade_id: int, now: int) -> list[Event]:
        message = {"arg": {"channel": "trades", "instId": "A-B"}, "data": [{**same, "tradeId": str(trade_id)}]}
        return line.receive(json.dumps(message).encode(), now)

    push(1, T)
    push(3, T + 1)
    later = T + 20 * REORDER_WINDOW
    line.reset_timeouts(later)
    assert gaps(line.on_deadline(later)) == []
    assert ids(push(5, later + 1)) == [5]
    assert gaps(line.on_deadline(later + 2)) == []
    assert gaps(line.on_deadline(later + REORDER_WINDOW)) == [(2, 2)]


def test_when_nothing_can_come_any_more_every_verdict_falls() -> None:
    chain = trades()
    chain.feed([trade(1), trade(3), trade(6)], 0, T)
    assert gaps(chain.conclude(T + 1)) == [(2, 2), (4, 5)]
    assert chain.deadline is None
    assert chain.conclude(T + 2) == []


def test_a_new_numbering_is_told_and_an_old_print_is_not_one() -> None:
    chain = trades()
    chain.feed([trade(1000), trade(1002)], 0, T)
    assert ids(chain.feed([trade(5)], 0, T + 1)) == [], "an id from the past, at the same time: a repetition"
    later = (T + ID_RESET_AFTER) // MS
    out = chain.feed([trade(5, ts_ms=later)], 0, T + ID_RESET_AFTER)
    assert gaps(out) == [(1001, 1001), (None, None)], "what was missing until then is told first"
    assert [event.cause for event in out if isinstance(event, Gap)] == ["sequence", "id-reset"]
    assert ids(out) == [5]
    assert chain.feed([trade(6, ts_ms=later)], 0, T + ID_RESET_AFTER) == [trade(6, ts_ms=later)]


def test_while_a_print_is_missing_not_more_than_so_many_wait_for_it() -> None:
    chain = trades()
    out = chain.feed([trade(1)], 0, T) + chain.feed([trade(n) for n in range(3, MOST_BUFFERED + 5)], 0, T + 1)
    assert gaps(out) == [(2, 2)]
    assert chain.deadline is None


def test_odd_counts_break_nothing() -> None:
    chain = trades()
    out = chain.feed([trade(1), trade(2, 0), trade(3, -4), trade(5, 10**6), trade(9, 2)], 0, T)
    out = out + let_pass(chain, T + 9 * REORDER_WINDOW)
    assert ids(out) == [1, 2, 3, 5, 9]
    assert (chain.settled, chain.deadline) == (9, None)


def test_single_trades_are_chained_by_their_ids_alone() -> None:
    chain = trades("trades-all")
    rows = [SingleTrade(instrument="A-B", trade_id=n, ts_ms=1, price=1, size=1, side="buy") for n in (7, 8, 10)]
    assert chain.feed(rows, 0, T) == rows
    assert gaps(let_pass(chain, T + REORDER_WINDOW)) == [(9, 9)]
    assert [row.first_id for row in rows] == [7, 8, 10]


# -- books ------------------------------------------------------------------------------------------------------------------


def image(sequence: int | None, ts_ms: int = 1) -> BookSnapshot:
    return BookSnapshot(instrument="A-B", ts_ms=ts_ms, raw_bids=[], raw_asks=[], sequence=sequence, previous_sequence=-1)


def change(previous: int | None, sequence: int | None, ts_ms: int = 2) -> BookUpdate:
    return BookUpdate(instrument="A-B", ts_ms=ts_ms, raw_bids=[], raw_asks=[], sequence=sequence, previous_sequence=previous)


def book() -> BookChain:
    chain = Chains("public/0").of(subscription("books", "A-B"))
    assert isinstance(chain, BookChain)
    return chain


def feed(chain: BookChain, *rows: BookEvent, now: int = T, number: int = 0) -> list[Any]:
    return [event for row in rows for event in chain.feed([row], number, now)]


@st.composite
def chained(draw: st.DrawFn) -> list[BookEvent]:
    """An image and changes as OKX sends them: jumps, keep-alives, resets."""
    rows: list[BookEvent] = [image(1_000_000)]
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
def test_one_change_lost_doubled_or_swapped_is_noticed_at_the_next_message_and_mended_by_an_image(
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
    fresh = image(77_000_000)
    mended = feed(chain, fresh, change(77_000_000, 77_000_003), now=T + 1)
    assert mended[-2:] == [fresh, change(77_000_000, 77_000_003)]
    assert isinstance(mended[0], Resumed if told else Gap)
    assert not chain.is_broken
    assert not chain.needs_resync


def test_the_five_cases() -> None:
    """The sheet's own example of a legal chain, with the gap added."""
    chain = book()
    legal = [image(10), change(10, 15), change(15, 15), change(15, 3), change(3, 5)]
    assert feed(chain, *legal) == legal
    assert [row.is_keepalive for row in legal[1:] if isinstance(row, BookUpdate)] == [False, True, False, False]
    assert [row.is_reset for row in legal[1:] if isinstance(row, BookUpdate)] == [False, False, True, False]
    (gap,) = feed(chain, change(6, 7), now=T + 9)
    assert gap == Gap(
        ts_recv=T + 9, line="public/0", channel="books", instrument="A-B", cause="sequence", last_sequence=5, since=T
    )
    resumed, row = feed(chain, image(9), now=T + 20)
    assert (resumed.since, resumed.last_sequence, resumed.next_sequence, row) == (T, 5, 9, image(9))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (image(10), change(None, 15)),
        (image(10), change(10, None)),
        (image(10), change(None, None)),
        (image(None), change(10, 15)),
        (image(None), change(None, 15)),
        (image(None), change(10, None)),
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
    rows = [image(None), change(None, None), change(None, None)]
    assert feed(chain, *rows) == rows


def test_an_image_in_mid_stream_replaces_and_says_what_was_skipped() -> None:
    chain = book()
    feed(chain, image(10), change(10, 15))
    again = feed(chain, image(15))
    assert again == [image(15)], "the same state once more skips nothing"
    gap, row = feed(chain, image(30), now=T + 1)
    assert (gap.cause, gap.last_sequence, gap.next_sequence, row) == ("resnapshot", 15, 30, image(30))
    assert feed(chain, change(30, 31)) == [change(30, 31)]


def test_an_interruption_is_told_once_and_nothing_is_delivered_until_the_image() -> None:
    chain = book()
    feed(chain, image(10))
    assert [gap.cause for gap in chain.interrupt(T + 1, "checksum") if isinstance(gap, Gap)] == ["checksum"]
    assert chain.interrupt(T + 2, "disconnected") == []
    assert feed(chain, change(10, 11), change(11, 12)) == []
    assert [type(event) for event in feed(chain, image(12))] == [Resumed, BookSnapshot]


def test_a_rest_image_is_laid_under_what_was_kept() -> None:
    chain = book()
    assert feed(chain, change(10, 12), change(12, 15), change(15, 15), change(15, 20)) == []
    assert chain.start_from(image(9), T) is None, "older than the first change kept: fetch again"
    assert chain.start_from(image(None), T) is None
    out = chain.start_from(image(13), T)
    assert out == [image(13), change(12, 15), change(15, 15), change(15, 20)], "the first may begin before the image"
    assert chain.start_from(image(99), T) == [], "no longer needed"
    assert feed(chain, change(20, 21)) == [change(20, 21)]


def test_a_rest_image_ahead_of_the_stream_waits_for_it_to_catch_up() -> None:
    chain = book()
    assert feed(chain, change(10, 12, ts_ms=5)) == []
    assert chain.start_from(image(20, ts_ms=9), T) == [image(20, ts_ms=9)]
    assert feed(chain, change(12, 15, ts_ms=7), change(15, 20, ts_ms=9)) == [], "the image has them"
    assert feed(chain, change(20, 22, ts_ms=10)) == [change(20, 22, ts_ms=10)]


def test_a_rest_image_and_a_stream_that_do_not_meet_are_a_gap() -> None:
    chain = book()
    chain.start_from(image(20), T)
    assert [gap.cause for gap in feed(chain, change(25, 30))] == ["sequence"]


def test_a_reset_between_a_rest_image_and_the_stream_is_not_taken_for_an_old_change() -> None:
    """Else every change after it would look older than the image, and a dead book would be served for ever."""
    chain = book()
    chain.start_from(image(95, ts_ms=10), T)
    out = feed(chain, change(90, 3, ts_ms=20), change(3, 5, ts_ms=30))
    assert [type(event) for event in out] == [Gap]
    assert chain.is_broken


def test_after_a_reset_only_a_newer_image_will_do() -> None:
    chain = book()
    feed(chain, change(85, 90, ts_ms=10), change(90, 3, ts_ms=20), change(3, 5, ts_ms=30), change(5, 9, ts_ms=40))
    assert chain.start_from(image(95, ts_ms=15), T) is None, "from before the reset"
    assert chain.start_from(image(2, ts_ms=25), T) is None
    out = chain.start_from(image(3, ts_ms=25), T)
    assert out == [image(3, ts_ms=25), change(3, 5, ts_ms=30), change(5, 9, ts_ms=40)]


def test_only_an_unbroken_run_is_kept_and_not_without_bound() -> None:
    chain = book()
    feed(chain, change(10, 12), change(13, 15), change(15, 16))
    assert chain.buffer == [change(13, 15), change(15, 16)]
    feed(chain, change(16, None))
    assert chain.buffer == []
    for n in range(3 * MOST_BUFFERED):
        feed(chain, change(n, n + 1))
        assert len(chain.buffer) <= MOST_BUFFERED


# -- one stream from two connections ----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_handover_of_a_book_loses_nothing_and_doubles_nothing(data: st.DataObject) -> None:
    """The two connections lag each other by anything; the successor begins with an image of some state."""
    steps = [change(n, n + 1) for n in range(100, 130)]
    chain = book()
    out = feed(chain, image(100), *steps[: data.draw(st.integers(0, 10))])
    chain.start_handover(1)
    old = len(out) - 1
    new = data.draw(st.integers(0, 15))
    pending = [*[(0, row) for row in steps[old:]]]
    fresh = [(1, image(100 + new)), *[(1, row) for row in steps[new:]]]
    while fresh:
        source = fresh if not pending or data.draw(st.booleans()) else pending
        number, row = source.pop(0)
        out += feed(chain, row, number=number)
    out += chain.finish_handover(1, T)
    changes = [event.sequence for event in out if isinstance(event, BookUpdate)]
    images = [event.sequence for event in out if isinstance(event, BookSnapshot)]
    assert changes == sorted(set(changes)), "in order, none twice"
    assert changes[-1] == 130
    told = [event for event in out if isinstance(event, Gap)]
    if not told:
        assert changes == list(range(101, 131))
        assert images == [100]
    else:  # the successor's image lay ahead of everything the primary still said
        assert [gap.cause for gap in told] == ["handover"]
        assert images == [100, 100 + new]
    assert not chain.is_broken


def test_a_handover_to_a_connection_that_has_not_spoken_makes_the_book_stale() -> None:
    chain = book()
    feed(chain, image(10))
    chain.start_handover(1)
    assert not chain.is_handed_over
    assert [event.cause for event in chain.finish_handover(1, T + 1) if isinstance(event, Gap)] == ["handover"]
    assert chain.needs_resync
    assert feed(chain, change(10, 11), number=0) == [], "the predecessor is not listened to any more"
    assert [type(event) for event in feed(chain, image(12), number=1)] == [Resumed, BookSnapshot]


def test_what_has_no_ids_is_told_apart_by_its_content_while_two_speak() -> None:
    chain = Chains("public/0").of(subscription("tickers", "A-B"))
    one, two, three = (Ticker(instrument="A-B", ts_ms=n, last=float(n)) for n in (1, 2, 3))
    assert chain.feed([one], 0, T) == [one]
    chain.start_handover(1)
    assert chain.feed([one], 1, T + 1) == []
    assert chain.feed([two], 1, T + 1) == [two]
    assert chain.feed([two, three], 0, T + 2) == [three]
    chain.finish_handover(1, T + 3)
    assert chain.feed([three], 1, T + 3) == [three], "alone again, it repeats what it likes"
    assert chain.duplicates == 2
