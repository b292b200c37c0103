"""Continuity of trades: delivered and reported missing together are what was sent, and nothing comes twice."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.chains import MS, T, gaps, ids, let_pass, trade, trades

from okex_ws.events import Event, Gap, Resumed, SingleTrade
from okex_ws.protocol.chains.base import MOST_BUFFERED
from okex_ws.protocol.chains.trades import ID_RESET_AFTER, REORDER_WINDOW
from okex_ws.protocol.session import Session
from okex_ws.wire.channels import subscription


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
