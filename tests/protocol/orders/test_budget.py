"""OKX's order limits are kept whatever is asked for, and nothing waits longer than it may."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ordering import BTC, cancel, limit
from tests.support.talking import at

from okex_ws.protocol.orders.budget import BudgetError, OrderBudget
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.orders import OrderRequest, PlaceOrder


def most_within(times: list[int], period: int = 2 * SECOND) -> int:
    times = sorted(times)
    return max((sum(first <= time < first + period for time in times) for first in times), default=0)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["place", "cancel", "urgent", "batch"])), max_size=400))
def test_no_two_seconds_hold_more_than_okx_allows(asked: list[tuple[int, str]]) -> None:
    budget = OrderBudget(longest_s=1.0)
    now = at(0)
    left: dict[str, list[int]] = {"place": [], "cancel": [], "batch": []}
    for step_ms, what in asked:
        now += step_ms * SECOND // 1000
        orders: list[OrderRequest] = [limit()] * 20 if what == "batch" else [limit() if what == "place" else cancel("c")]
        try:
            due = budget.claim(orders, now, urgent=what == "urgent")
        except BudgetError:
            continue
        assert now <= due <= now + SECOND
        left["cancel" if what == "urgent" else what] += [due] * len(orders)
    assert most_within(left["place"]) <= 60
    assert most_within(left["cancel"]) <= 60
    assert most_within(left["batch"]) <= 300


def test_each_instrument_has_its_own_and_the_account_one_for_all() -> None:
    budget = OrderBudget(longest_s=0)
    left = 0
    for number in range(30):
        order = PlaceOrder(instrument=f"C{number}-USDT", side="buy", size=Decimal(1), price=Decimal(1))
        for _ in range(60):
            try:
                left += budget.claim([order], at(0)) == at(0)
            except BudgetError:
                break
    assert left == 1000


def test_what_okx_found_too_frequent_is_held_back() -> None:
    budget = OrderBudget(longest_s=3)
    budget.hold("place", BTC, at(2))
    assert budget.claim([limit()], at(0)) == at(2)
    assert budget.claim([cancel("c")], at(0)) == at(0)


def test_an_order_that_would_wait_too_long_says_how_long() -> None:
    budget = OrderBudget(longest_s=1)
    for _ in range(60):
        budget.claim([limit()], at(0))
    with pytest.raises(BudgetError, match=r"would have to wait 2\.10 s"):
        budget.claim([limit()], at(0))


def test_ordinary_cancels_leave_a_reserve_that_urgent_ones_use_up_and_no_more() -> None:
    budget = OrderBudget(longest_s=0)

    def leave(count: int, *, urgent: bool) -> int:
        left = 0
        for _ in range(count):
            try:
                left += budget.claim([cancel("c")], at(0), urgent=urgent) == at(0)
            except BudgetError:
                break
        return left

    assert leave(60, urgent=False) == 50
    assert leave(60, urgent=True) == 10


def test_batches_of_many_instruments_stay_within_the_account_s_own() -> None:
    budget = OrderBudget(longest_s=0)
    left = 0
    for number in range(10):
        orders = [PlaceOrder(instrument=f"C{number}-USDT", side="buy", size=Decimal(1), price=Decimal(1))] * 19
        for _ in range(15):
            try:
                left += budget.claim(orders, at(0)) // at(0) * len(orders)
            except BudgetError:
                break
    assert 1000 - 19 < left <= 1000


@pytest.mark.parametrize("longest_s", [-1, float("nan")])
def test_no_order_can_wait_less_than_not_at_all(longest_s: float) -> None:
    with pytest.raises(ValueError, match=r"wait_s .*: an order waits 0 seconds for its turn, or more"):
        OrderBudget(longest_s=longest_s)
