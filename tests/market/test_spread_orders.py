"""SpreadOrders: pushes in any order and the list of open orders give the same state."""

from __future__ import annotations

import itertools

from okex_ws.events import SpreadOrderUpdate
from okex_ws.market.spread_orders import MOST_KNOWN, SpreadOrders


def told(order_id: str = "1", state: str = "live", at: int = 0, heard: int = 0) -> SpreadOrderUpdate:
    return SpreadOrderUpdate(
        ts_recv=heard, instrument="A_B", order_id=order_id, client_order_id=f"c{order_id}", state=state, updated_ms=at
    )


def test_an_ended_order_stays_ended_and_of_open_ones_the_newest_update_counts() -> None:
    for updates in itertools.permutations([told(), told(state="partially_filled", at=5), told("2"), told("2", "canceled", 3)]):
        orders = SpreadOrders()
        for update in updates:
            orders.apply(update)
        assert [(order.order_id, order.state) for order in orders] == [("1", "partially_filled")]
        assert [orders.has_seen(name) for name in ("c1", "c2", "c3")] == [True, True, False]


def test_an_order_missing_from_the_list_has_ended_unless_it_is_newer() -> None:
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
