"""Matching: the queue at a price, what the market's prints and books do to resting orders, what is remembered."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from tests.support.staged_market import SPOT, START, StagedMarket, limit, market_order, staged

from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import Execution, OrderChanged


def fills(engine: Engine) -> list[tuple[str, str, str, str]]:
    """(uid, "T" or "M", price, size) of every execution since the last call."""
    found: list[Execution] = [h.execution for h in engine.take() if isinstance(h, OrderChanged) and h.execution is not None]
    return [(e.order.uid, e.liquidity, str(e.price), f"{e.size.normalize():f}") for e in found]


def with_book() -> tuple[StagedMarket, Engine]:
    market, engine = staged("a", "b", "c")
    market.set_book(SPOT, bids=[("99", "1"), ("98", "2")], asks=[("101", "1"), ("102", "2"), ("103", "5")])
    return market, engine


def test_a_taker_walks_the_markets_levels_best_first_at_their_prices() -> None:
    _, engine = with_book()
    order = engine.place("a", limit("buy", "2.5", "102"), START)
    assert fills(engine) == [("a", "T", "101", "1"), ("a", "T", "102", "1.5")]
    assert (order.state, order.average_price) == ("filled", Decimal("101.6"))


def test_what_clients_took_is_gone_until_that_level_changes() -> None:
    market, engine = with_book()
    engine.place("a", limit("buy", "1.5", "102"), START)
    engine.take()
    engine.place("b", limit("buy", "1", "102", order_type="ioc"), START)
    assert fills(engine) == [("b", "T", "102", "1")]
    market.set_book(SPOT, bids=[("99", "1")], asks=[("101", "1"), ("102", "2.5"), ("103", "5")])
    engine.advance(START + 1)
    order = engine.place("c", limit("buy", "9", "102", order_type="ioc"), START + 1)
    assert fills(engine) == [("c", "T", "102", "2.5")], "101 shows what it showed: it stays taken; 102 is new"
    assert (order.state, order.cancel_source) == ("canceled", "14")


def test_a_level_that_vanishes_and_comes_back_is_new() -> None:
    market, engine = with_book()
    engine.place("a", limit("buy", "1", "101"), START)
    market.set_book(SPOT, asks=[("102", "2")])
    engine.advance(START + 1)
    market.set_book(SPOT, asks=[("101", "1"), ("102", "2")])
    engine.advance(START + 2)
    engine.take()
    engine.place("b", limit("buy", "1", "101"), START + 2)
    assert fills(engine) == [("b", "T", "101", "1")]


def test_levels_are_read_as_deep_as_an_order_goes_and_no_deeper() -> None:
    market, engine = staged("a")
    market.set_book(SPOT, asks=[(f"{100 + i}", "0.01") for i in range(120)])
    market.reads = 0
    engine.place("a", limit("buy", "0.02", "100.5", order_type="ioc"), START)
    assert market.reads <= 3
    order = engine.place("a", limit("buy", "5", "210"), START)
    assert order.filled == Decimal("1.10")


def test_a_resting_order_waits_behind_what_the_market_shows_at_its_price() -> None:
    market, engine = with_book()
    order = engine.place("a", limit("buy", "1", "99"), START)
    assert order.ahead == 1
    market.add_trade(SPOT, "sell", "99", "0.6")
    engine.advance(START + 1)
    assert (order.ahead, order.filled) == (Decimal("0.4"), 0)
    market.add_trade(SPOT, "sell", "99", "0.9")
    engine.advance(START + 2)
    assert order.filled == Decimal("0.5")
    assert fills(engine) == [("a", "M", "99", "0.5")]


def test_a_print_of_the_other_side_or_beyond_means_nothing() -> None:
    market, engine = with_book()
    order = engine.place("a", limit("buy", "1", "98.5"), START)
    market.add_trade(SPOT, "buy", "98", "5")
    market.add_trade(SPOT, "sell", "98.6", "5")
    engine.advance(START + 1)
    assert (order.state, order.filled) == ("live", 0)


def test_a_print_through_the_price_fills_best_and_first_up_to_its_size() -> None:
    market, engine = with_book()
    late = engine.place("a", limit("buy", "1", "99"), START)
    low = engine.place("b", limit("buy", "1", "98.5"), START)
    high = engine.place("c", limit("buy", "1", "99.5"), START)
    market.add_trade(SPOT, "sell", "98", "2.3")
    engine.advance(START + 1)
    assert fills(engine) == [("c", "M", "99.5", "1"), ("a", "M", "99", "1"), ("b", "M", "98.5", "0.3")]
    assert [order.state for order in (late, low, high)] == ["filled", "partially_filled", "filled"]


def test_prints_from_before_an_order_came_are_the_past() -> None:
    market, engine = with_book()
    market.add_trade(SPOT, "sell", "90", "100")
    order = engine.place("a", limit("buy", "1", "99"), START)
    engine.advance(START + 1)
    assert order.filled == 0
    engine.cancel("a", order, START + 1)
    market.add_trade(SPOT, "sell", "90", "100")
    engine.advance(START + 2)
    order = engine.place("a", limit("buy", "1", "99"), START + 3)
    engine.advance(START + 4)
    assert order.filled == 0


def test_trades_are_neither_missed_nor_applied_twice_when_the_list_is_cut() -> None:
    market, engine = with_book()
    market.add_trade(SPOT, "sell", "99", "0.01")
    order = engine.place("a", limit("buy", "1", "99.5"), START)
    for turn in range(20):
        market.add_trade(SPOT, "sell", "99.5", "0.03")
        market.add_trade(SPOT, "sell", "99.5", "0.01")
        if turn % 5 == 4:
            del market.trades[SPOT][: -3 if turn % 2 else -2]
        engine.advance(START + turn)
    assert order.filled == Decimal("0.8")


def test_the_queue_ahead_never_exceeds_the_level_shown() -> None:
    market, engine = with_book()
    order = engine.place("a", limit("buy", "1", "98"), START)
    assert order.ahead == 2
    market.set_book(SPOT, bids=[("98", "0.3")], asks=[("101", "1")])
    engine.advance(START + 1)
    assert order.ahead == Decimal("0.3")
    market.set_book(SPOT, bids=[("98", "7")], asks=[("101", "1")])
    engine.advance(START + 2)
    assert order.ahead == Decimal("0.3"), "what joins later stands behind"


def test_a_book_that_crosses_fills_at_the_orders_own_price_up_to_the_size_shown() -> None:
    market, engine = with_book()
    order = engine.place("a", limit("buy", "2", "100"), START)
    market.set_book(SPOT, bids=[("98", "1")], asks=[("99.5", "0.5"), ("100", "0.25"), ("100.5", "9")])
    engine.advance(START + 1)
    assert fills(engine) == [("a", "M", "100", "0.5"), ("a", "M", "100", "0.25")]
    assert order.state == "partially_filled"
    engine.advance(START + 2)
    assert fills(engine) == [], "the same book has nothing more to give"


def test_orders_of_one_price_trade_first_come_first() -> None:
    _, engine = staged("a", "b", "c", "d")
    for uid in ("b", "a", "c"):
        engine.place(uid, limit("sell", "1", "100"), START)
    engine.take()
    engine.place("d", limit("buy", "2.5", "100"), START)
    makers = [fill for fill in fills(engine) if fill[1] == "M"]
    assert makers == [("b", "M", "100", "1"), ("a", "M", "100", "1"), ("c", "M", "100", "0.5")]


def test_the_market_and_clients_share_one_queue() -> None:
    market, engine = staged("a", "b", "c")
    early = engine.place("a", limit("sell", "1", "101"), START)
    market.set_book(SPOT, asks=[("101", "1")])
    engine.advance(START + 1)
    engine.place("b", limit("sell", "1", "101"), START + 1)
    engine.take()
    engine.place("c", limit("buy", "2.5", "101"), START + 2)
    assert fills(engine) == [
        ("c", "T", "101", "1"),
        ("a", "M", "101", "1"),
        ("c", "T", "101", "1"),
        ("c", "T", "101", "0.5"),
        ("b", "M", "101", "0.5"),
    ]
    assert early.state == "filled"


def test_less_size_keeps_the_place_more_size_and_another_price_lose_it() -> None:
    for change, first in ((("0.5", None), "a"), (("2", None), "b"), ((None, "100.1"), "b")):
        _, engine = staged("a", "b", "c")
        order = engine.place("a", limit("sell", "1", "100"), START)
        engine.place("b", limit("sell", "1", "100"), START)
        size, price = (None if each is None else Decimal(each) for each in change)
        engine.amend("a", order, START, size=size, price=price)
        engine.take()
        engine.place("c", limit("buy", "0.1", "101"), START)
        assert [uid for uid, role, *_ in fills(engine) if role == "M"] == [first], change


def test_an_amended_price_may_trade_at_once() -> None:
    _, engine = with_book()
    order = engine.place("a", limit("buy", "1.5", "99"), START)
    engine.take()
    engine.amend("a", order, START, price=Decimal(101))
    assert fills(engine) == [("a", "T", "101", "1")]
    assert (order.state, order.left, order.price) == ("partially_filled", Decimal("0.5"), 101)
    engine.place("b", market_order("sell", "0.5"), START)
    assert fills(engine)[-1] == ("a", "M", "101", "0.5")


def test_a_print_through_the_price_takes_the_market_s_share_of_the_queue_with_it() -> None:
    market, engine = with_book()
    first = engine.place("a", limit("buy", "0.5", "99"), START)
    second = engine.place("b", limit("buy", "0.5", "99"), START)
    market.add_trade(SPOT, "sell", "98", "0.2")
    engine.advance(START + 1)
    assert (first.filled, first.ahead, second.filled, second.ahead) == (Decimal("0.2"), 0, 0, 0)
    market.add_trade(SPOT, "sell", "98", "0.3")
    engine.advance(START + 2)
    assert (first.state, second.filled) == ("filled", 0)


@pytest.mark.parametrize("ways", list(itertools.permutations(("client", "trade", "through", "book"))))
def test_an_order_filled_in_four_ways_ends_the_same_whatever_their_order(ways: tuple[str, ...]) -> None:
    market, engine = staged("a", "b")
    order = engine.place("a", limit("buy", "1", "100"), START)
    states = []
    for now, way in enumerate(ways, START + 1):
        if way == "client":
            engine.place("b", limit("sell", "0.4", "100", order_type="ioc"), now)
        elif way == "trade":
            market.add_trade(SPOT, "sell", "100", "0.3")
        elif way == "through":
            market.add_trade(SPOT, "sell", "99.9", "0.2")
        else:
            market.set_book(SPOT, asks=[("99.8", "0.1")])
        engine.advance(now)
        states += [h.order.state for h in engine.take() if isinstance(h, OrderChanged) and h.uid == "a" and h.execution]
    assert states == ["partially_filled"] * 3 + ["filled"]
    assert (order.filled, order.average_price, order.fee) == (1, 100, Decimal("-0.0008"))
    assert engine.accounts["a"].balances["USDT"].frozen == 0
    assert engine.books.totals()["USDT"] == 200_000
