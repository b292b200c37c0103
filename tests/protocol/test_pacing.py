"""Rate limits as windows and buckets over `now`, and back-off."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from okex_ws.protocol.pacing import SECOND, Backoff, Bucket, Window, connects_per_ip, requests_per_connection


def test_a_window_allows_its_limit_at_once_and_then_waits_for_the_oldest_use() -> None:
    window = Window(3, 1.0)
    for use in (0, 10, 20):
        assert window.ready_at(use) == use
        window.take(use)
    assert window.ready_at(30) == SECOND
    assert window.ready_at(5 * SECOND) == 5 * SECOND
    window.take(SECOND)
    assert window.ready_at(SECOND + 1) == SECOND + 10


def test_a_reserve_is_left_untouched() -> None:
    window = Window(5, 1.0)
    for _ in range(3):
        window.take(0)
    assert window.ready_at(0, reserve=2) == SECOND
    assert window.ready_at(0) == 0
    assert window.ready_at(0, reserve=99) == SECOND, "however large the reserve, one use is allowed in the end"


def test_uses_of_the_reserve_count_like_any_other() -> None:
    window = Window(5, 1.0)
    for tenth in range(4):
        window.take(tenth * SECOND // 10)
    assert window.ready_at(SECOND // 2, reserve=2) == SECOND // 10 + SECOND, "when the second of the four is a second old"


def test_asking_about_a_later_time_forgets_nothing() -> None:
    window = Window(1, 1.0)
    window.take(0)
    assert window.ready_at(10 * SECOND) == 10 * SECOND
    assert window.ready_at(1) == SECOND


def test_left_counts_what_the_period_still_holds() -> None:
    window = Window(3, 1.0)
    window.take(0)
    window.take(SECOND // 2)
    assert [window.left(now) for now in (SECOND // 2, SECOND, 2 * SECOND)] == [1, 2, 3]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 3 * SECOND), max_size=60), st.integers(1, 5))
def test_no_period_ever_holds_more_than_the_limit(waits: list[int], limit: int) -> None:
    window, now, uses = Window(limit, 2.0), 0, []
    for wait in waits:
        now = window.ready_at(now + wait)
        window.take(now)
        uses.append(now)
    for use in uses:
        assert sum(use <= other < use + 2 * SECOND for other in uses) <= limit


def test_a_bucket_gives_its_burst_at_once_and_then_one_at_a_time() -> None:
    bucket = Bucket(3, 10.0)
    for _ in range(3):
        assert bucket.ready_at(100) == 100
        bucket.take(100)
    assert bucket.ready_at(100) == 100 + 10 * SECOND
    bucket.take(100 + 10 * SECOND)
    assert bucket.ready_at(100 + 10 * SECOND) == 100 + 20 * SECOND
    later = 100 + 60 * SECOND
    for _ in range(3):
        assert bucket.ready_at(later) == later, "full again"
        bucket.take(later)
    assert bucket.ready_at(later) > later


def test_okx_limits_with_something_to_spare() -> None:
    connects, requests = connects_per_ip(), requests_per_connection()
    for _ in range(3):
        connects.take(0)
    assert SECOND < connects.ready_at(0) < 2 * SECOND
    for _ in range(480):
        assert requests.ready_at(0) == 0
        requests.take(0)
    assert requests.ready_at(0) > 3600 * SECOND


def test_back_off_doubles_under_full_jitter_up_to_its_cap_and_only_a_reset_shortens_it() -> None:
    backoff = Backoff(0.5, 4.0)
    assert [backoff.next_s(1.0) for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert backoff.next_s(0.25) == 1.0
    for _ in range(2000):
        assert backoff.next_s(0.5) == 2.0
    backoff.reset()
    assert backoff.next_s(1.0) == 0.5


def test_a_window_is_full_until_its_oldest_use_is_over() -> None:
    window = Window(2, 1.0)
    window.take(0)
    assert not window.is_full(0)
    window.take(1)
    assert window.is_full(SECOND - 1)
    assert not window.is_full(SECOND)
    window.take_back(5)
    assert window.left(1) == 2


def test_a_part_of_the_delay_may_be_certain() -> None:
    backoff = Backoff(1.0, 30.0, least=0.5)
    assert [backoff.next_s(luck) for luck in (0.0, 1.0, 0.5)] == [0.5, 2.0, 3.0]
    assert backoff.next_at(7, luck=1.0) == 7 + 8 * SECOND
