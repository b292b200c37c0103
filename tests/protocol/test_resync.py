"""Recovery: one renewal in flight, ever slower; images fetched a bounded number of times."""

from __future__ import annotations

from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.resync import (
    ANSWER_WITHIN,
    FIRST_ROW_WITHIN,
    HEALTHY_AFTER,
    MOST_TRIES,
    SNAPSHOT_WITHIN,
    UNANSWERED_AFTER,
    Renewal,
    SnapshotFetches,
)
from okex_ws.wire.channels import subscription

T = 1_790_000_000 * SECOND
ITEM = subscription("books", "BTC-USDT")


def pauses(renewal: Renewal, now: int, count: int, *, helps: bool) -> list[float]:
    """How long each renewal waits when trouble comes back at once; helps: whether each is answered."""
    out = []
    for _ in range(count):
        renewal.plan(now)
        assert renewal.due is not None
        out.append((renewal.due - now) / SECOND)
        now = renewal.due
        renewal.requested(now)
        if helps:
            renewal.succeeded(now)
    return out


def test_the_first_renewal_is_at_once_and_the_next_ever_later_up_to_a_minute() -> None:
    assert pauses(Renewal(), T, 10, helps=True) == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_is_not_answered_is_requested_again_not_before_ten_seconds() -> None:
    renewal = Renewal()
    waits = pauses(renewal, T, 9, helps=False)
    assert waits[:3] == [0, UNANSWERED_AFTER / SECOND, UNANSWERED_AFTER / SECOND]
    assert waits == sorted(waits)
    assert waits[-1] == 60


def test_one_is_in_flight_however_often_it_is_planned() -> None:
    renewal = Renewal()
    renewal.plan(T)
    assert (renewal.due, renewal.is_planned) == (T, True)
    renewal.plan(T + 5)
    assert renewal.due == T
    renewal.requested(T + 6)
    due = renewal.due
    assert (due, renewal.is_planned) == (T + 6 + UNANSWERED_AFTER, False)
    for n in range(100):
        renewal.plan(T + 7 + n)
    assert (renewal.due, renewal.is_planned) == (due, False)
    renewal.succeeded(T + 200)
    assert (renewal.due, renewal.is_planned) == (None, False)
    renewal.plan(T + 300)
    assert renewal.due == T + 300 + SECOND


def test_a_minute_of_health_makes_it_quick_again() -> None:
    renewal = Renewal()
    pauses(renewal, T, 6, helps=True)
    renewal.plan(T)
    renewal.succeeded(T)
    renewal.plan(T + HEALTHY_AFTER + 1)
    assert renewal.due == T + HEALTHY_AFTER + 1


def test_an_image_is_fetched_when_changes_come_without_one_or_nothing_comes_at_all() -> None:
    snapshots = SnapshotFetches()
    assert snapshots.deadline is None
    snapshots.expect(ITEM, T + FIRST_ROW_WITHIN)
    assert snapshots.deadline == T + FIRST_ROW_WITHIN
    snapshots.want(ITEM, T + SNAPSHOT_WITHIN)
    snapshots.want(ITEM, T + 9 * SNAPSHOT_WITHIN)
    snapshots.expect(ITEM, T + 9 * SNAPSHOT_WITHIN)
    assert snapshots.due(T + SNAPSHOT_WITHIN - 1) == []
    assert snapshots.due(T + SNAPSHOT_WITHIN) == [ITEM]
    snapshots.drop(ITEM)
    snapshots.drop(ITEM)
    assert snapshots.due(T + 99 * SECOND) == []


def test_a_fetch_without_an_answer_or_of_no_use_is_tried_again_so_many_times() -> None:
    snapshots = SnapshotFetches()
    snapshots.want(ITEM, T)
    now = T
    waits = []
    for _ in range(MOST_TRIES):
        assert not snapshots.is_hopeless(ITEM)
        snapshots.fetching(ITEM, now)
        assert snapshots.deadline == now + ANSWER_WITHIN
        snapshots.failed(ITEM, now)
        assert snapshots.deadline is not None
        waits.append((snapshots.deadline - now) / SECOND)
        now = snapshots.deadline
    assert waits == [0.5, 1, 2, 4, 8]
    assert snapshots.is_hopeless(ITEM)
    snapshots.postpone(ITEM, now + 5)
    assert not snapshots.is_hopeless(ITEM), "after a renewal it begins anew"
    assert snapshots.deadline == now + 5


def test_an_answer_that_comes_when_nobody_wants_it_any_more_asks_for_nothing() -> None:
    snapshots = SnapshotFetches()
    snapshots.failed(ITEM, T)
    snapshots.postpone(ITEM, T)
    assert snapshots.deadline is None
