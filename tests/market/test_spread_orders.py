"""Open spread orders: pushes in any order, and the list of them, end in the same."""

from __future__ import annotations

import itertools

from okex_ws.events import SpreadOrderUpdate
from okex_ws.market.spread_orders import MOST_KNOWN, SpreadOrders


def told(order_id: str = "1", state: str = "live", at: int = 0, heard: int = 0) -> SpreadOrderUpdate:
    return SpreadOrderUpdate(
        ts_recv=heard, instrument="A_B", order_id=order_id, client_order_id=f"c{order_id}", state=state, updated_ms=at
    )


def test_whatever_comes_last_what_has_ended_is_not_open_and_of_the_rest_the_newest_counts() -> None:
    for updates in itertools.permutations([told(), told(state="partially_filled", at=5), told("2"), told("2", "canceled", 3)]):
        orders = SpreadOrders()
        for update in updates:
            orders.apply(update)
        assert [(order.order_id, order.state) for order in orders] == [("1", "partially_filled")]
        assert [orders.has_seen(name) for name in ("c1", "c2", "c3")] == [True, True, False]


def test_what_the_list_does_not_hold_has_ended_unless_it_is_younger_than_the_list() -> None:
    orders = SpreadOrders()
    for update in (told("1", heard=5), told("2", heard=5), told("3", heard=20)):
        orders.apply(update)
    orders.only({"1"}, requested_at=10)
    assert orders.open.keys() == {"1", "3"}
    orders.apply(told("2", at=9))
    assert len(orders) == 2


def test_memory_is_bounded() -> None:
    orders = SpreadOrders()
    for number in range(MOST_KNOWN + 50):
        orders.apply(told(str(number), "filled"))
    assert (len(orders), len(orders._ended), len(orders._seen)) == (0, MOST_KNOWN, MOST_KNOWN)
