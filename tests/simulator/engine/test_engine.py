"""The engine's rules: order types, what is refused and with which code, amends, cancels, self-trades, reduce-only."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from tests.support.staged_market import INVERSE, LINEAR, SPOT, START, limit, market_order, staged

from okex_ws.simulator.engine.accounts import PositionChanged
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import BalanceChanged, NewOrder, OrderChanged
from okex_ws.simulator.engine.validation import EngineRules
from okex_ws.simulator.errors import ApiError


def changes(engine: Engine) -> list[tuple[str, str, str]]:
    """(uid, state, source of a cancellation) of every order change since the last call."""
    return [(h.uid, h.order.state, h.order.cancel_source) for h in engine.take() if isinstance(h, OrderChanged)]


def refused(engine: Engine, new: NewOrder, uid: str = "a") -> str:
    """The code with which an order is refused; nothing must have happened."""
    with pytest.raises(ApiError) as caught:
        engine.place(uid, new, START)
    assert caught.value.message
    assert engine.take() == []
    assert engine.open_orders(uid) == []
    assert all(balance.frozen == 0 for balance in engine.accounts[uid].balances.values())
    return caught.value.code


# -- order types -------------------------------------------------------------------------------------


def test_a_limit_order_rests_and_is_emitted_once() -> None:
    _, engine = staged()
    order = engine.place("a", limit("buy", "1", "100", client_order_id="mine1", tag="t"), START)
    happened = engine.take()
    assert [type(each) for each in happened] == [OrderChanged, BalanceChanged]
    assert (order.state, order.client_order_id, order.tag, order.created) == ("live", "mine1", "t", START)
    assert order.order_id.isdigit()
    assert engine.open_orders("a") == [order]


def test_post_only_that_would_take_is_canceled_and_was_never_live() -> None:
    market, engine = staged()
    market.set_book(SPOT, asks=[("100", "1")])
    order = engine.place("a", limit("buy", "1", "100", order_type="post_only"), START)
    assert changes(engine) == [("a", "canceled", "31")]
    assert order.filled == 0
    engine.place("a", limit("buy", "1", "99.9", order_type="post_only"), START)
    assert changes(engine) == [("a", "live", "")]


def test_ioc_takes_what_is_there_and_the_rest_is_canceled() -> None:
    market, engine = staged()
    market.set_book(SPOT, asks=[("100", "0.4")])
    order = engine.place("a", limit("buy", "1", "100", order_type="ioc"), START)
    assert changes(engine) == [("a", "live", ""), ("a", "partially_filled", ""), ("a", "canceled", "14")]
    assert order.filled == Decimal("0.4")
    assert engine.available("a", "USDT") == Decimal(100_000) - 40


def test_fok_takes_all_or_nothing() -> None:
    market, engine = staged()
    market.set_book(SPOT, asks=[("100", "0.4")])
    engine.place("b", limit("sell", "0.5", "100.1"), START)
    engine.take()
    engine.place("a", limit("buy", "1", "101", order_type="fok"), START)
    assert changes(engine) == [("a", "live", ""), ("a", "canceled", "13")]
    order = engine.place("a", limit("buy", "0.9", "101", order_type="fok"), START)
    assert (order.state, order.filled) == ("filled", Decimal("0.9"))


def test_fok_does_not_count_its_own_accounts_orders() -> None:
    _, engine = staged()
    engine.place("a", limit("sell", "1", "100"), START)
    engine.place("b", limit("sell", "1", "100.1"), START)
    order = engine.place("a", limit("buy", "1", "101", order_type="fok", self_trade="cancel_taker"), START)
    assert (order.state, order.cancel_source) == ("canceled", "13")
    order = engine.place("a", limit("buy", "1", "101", order_type="fok"), START)
    assert (order.state, order.average_price) == ("filled", Decimal("100.1"))


def test_a_spot_market_buy_spends_quote_and_ends_with_a_change_of_its_own() -> None:
    market, engine = staged()
    market.set_book(SPOT, asks=[("100", "1"), ("101", "5")])
    order = engine.place("a", market_order("buy", "302.5"), START)
    changes = [h for h in engine.take() if isinstance(h, OrderChanged)]
    assert [(c.order.state, c.execution is not None) for c in changes] == [
        ("live", False),
        ("partially_filled", True),
        ("partially_filled", True),
        ("filled", False),
    ]
    # 100 for one coin; 202.5 buy two at 101, and half a dollar buys no further lot.
    assert (order.filled, order.size, order.target_currency) == (3, Decimal("302.5"), "quote_ccy")
    assert engine.accounts["a"].balances["USDT"].cash == Decimal(100_000) - 302


def test_a_market_order_counts_in_the_currency_it_names() -> None:
    market, engine = staged()
    market.set_book(SPOT, bids=[("100", "9")], asks=[("101", "9")])
    assert engine.place("a", market_order("buy", "0.5", target_currency="base_ccy"), START).filled == Decimal("0.5")
    assert engine.place("a", market_order("sell", "0.5"), START).filled == Decimal("0.5")
    assert engine.place("a", market_order("sell", "50", target_currency="quote_ccy"), START).filled == Decimal("0.5")


def test_a_market_order_without_a_market_is_canceled() -> None:
    _, engine = staged()
    engine.place("a", market_order("sell", "1"), START)
    assert changes(engine) == [("a", "live", ""), ("a", "canceled", "14")]
    engine.place("a", market_order("sell", "1", LINEAR), START)
    assert changes(engine) == [("a", "live", ""), ("a", "canceled", "14")]


def test_optimal_limit_ioc_goes_as_far_as_the_price_band() -> None:
    market, engine = staged()
    market.set_band(LINEAR, "101", "99")
    market.set_book(LINEAR, asks=[("100", "1"), ("101", "1"), ("102", "9")])
    order = engine.place("a", NewOrder(LINEAR, "buy", "optimal_limit_ioc", Decimal(5), trade_mode="cross"), START)
    assert (order.filled, order.state, order.cancel_source) == (2, "canceled", "14")


def test_a_taker_meets_no_more_makers_than_the_rules_allow() -> None:
    _, engine = staged("a", "b", rules=EngineRules(makers_per_taker=3))
    for _ in range(5):
        engine.place("b", limit("sell", "0.1", "100"), START)
    order = engine.place("a", limit("buy", "1", "100"), START)
    assert (order.filled, order.state, order.cancel_source) == (Decimal("0.3"), "canceled", "33")


@pytest.mark.parametrize("sizes", list(itertools.permutations(("0.1", "0.2", "0.3", "0.4"))))
def test_partial_fills_in_every_order_end_the_same(sizes: tuple[str, ...]) -> None:
    _, engine = staged()
    order = engine.place("a", limit("buy", "1", "100"), START)
    engine.take()
    seen = []
    for size in sizes:
        engine.place("b", limit("sell", size, "100", order_type="ioc"), START)
        changes = [c for c in engine.take() if isinstance(c, OrderChanged) and c.uid == "a"]
        seen += [(c.order.state, c.order.filled, c.execution) for c in changes]
    assert [state for state, *_ in seen] == ["partially_filled"] * 3 + ["filled"]
    assert [filled for _, filled, _ in seen] == list(itertools.accumulate(Decimal(size) for size in sizes))
    assert sum(execution.size for *_, execution in seen if execution) == order.filled == order.size
    assert (order.fee, order.fee_currency) == (Decimal("-0.0008"), "BTC")
    balances = engine.accounts["a"].balances
    assert (balances["USDT"].cash, balances["USDT"].frozen) == (99_900, 0)
    assert balances["BTC"].cash == Decimal("10.9992")


# -- what is refused ---------------------------------------------------------------------------------

REFUSALS: list[tuple[str, NewOrder]] = [
    ("51001", limit("buy", "1", "100", "DOGE-USDT")),
    ("51000", limit("bid", "1", "100")),
    ("51000", limit("buy", "1", "100", order_type="iceberg")),
    ("51000", limit("buy", "1", "100", trade_mode="cross")),
    ("51000", limit("buy", "1", "100", LINEAR, trade_mode="cash")),
    ("51000", limit("buy", "1", "100", LINEAR, trade_mode="isolated")),
    ("51000", limit("buy", "1", "100", LINEAR, position_side="long")),
    ("51000", limit("buy", "1", "100", client_order_id="with-hyphen")),
    ("51000", limit("buy", "1", "100", client_order_id="x" * 33)),
    ("51000", limit("buy", "1", "100", tag="x" * 17)),
    ("51000", limit("buy", "1", "100", self_trade="cancel_all")),
    ("51000", limit("buy", "1", "-100")),
    ("51000", limit("buy", "0", "100")),
    ("51000", limit("buy", "NaN", "100")),
    ("51000", NewOrder(SPOT, "buy", "optimal_limit_ioc", Decimal(1))),
    ("50014", NewOrder(SPOT, "buy", "limit", Decimal(1))),
    ("51205", limit("buy", "1", "100", reduce_only=True)),
    ("51150", limit("buy", "1", "100.05")),
    ("51121", limit("buy", "1.005", "100")),
    ("51020", limit("buy", "0.005", "100")),
    ("51120", limit("buy", "0.005", "100", LINEAR)),
    ("51101", limit("buy", "100000001", "100", LINEAR)),
    ("51202", market_order("buy", "1000001", LINEAR)),
    ("51201", market_order("buy", "1000001")),
    ("51006", limit("buy", "1", "110.1", LINEAR)),
    ("51006", limit("sell", "1", "89.9", LINEAR)),
    ("51008", limit("buy", "1000.01", "100")),
    ("51008", limit("sell", "10.01", "100")),
    ("51008", market_order("buy", "100000.01")),
    ("51008", market_order("sell", "10.01")),
    ("51008", limit("buy", "1000000", "100", LINEAR)),
    ("51008", limit("sell", "100", "100", INVERSE)),
    ("51008", market_order("buy", "900000", LINEAR)),
    ("51169", limit("sell", "1", "100", LINEAR, reduce_only=True)),
    ("54036", limit("buy", "1", "100", order_type="fok", self_trade="cancel_both")),
]


@pytest.mark.parametrize(("code", "new"), REFUSALS, ids=[f"{code}-{i}" for i, (code, _) in enumerate(REFUSALS)])
def test_a_refusal_has_okx_s_code_and_changes_nothing(code: str, new: NewOrder) -> None:
    market, engine = staged()
    for name in (LINEAR, INVERSE):
        market.set_book(name, bids=[("99", "5")], asks=[("101", "5")])
        market.set_mark(name, "100")
    market.set_band(LINEAR, "110", "90")
    assert refused(engine, new) == code


def test_exactly_what_one_has_may_be_spent() -> None:
    _, engine = staged()
    engine.place("a", limit("buy", "1000", "100"), START)
    engine.place("a", limit("sell", "10", "101"), START)
    assert engine.available("a", "USDT") == engine.available("a", "BTC") == 0


@pytest.mark.parametrize(("state", "code"), [("suspend", "51022"), ("preopen", "51021"), ("expired", "51027")])
def test_an_instrument_that_does_not_trade(state: str, code: str) -> None:
    market, engine = staged()
    market.rows[SPOT]["state"] = state
    assert refused(engine, limit("buy", "1", "100")) == code
    market.rows[SPOT]["state"] = "live"
    engine.forget_instruments()
    engine.place("a", limit("buy", "1", "100"), START)


@pytest.mark.parametrize("instrument", [SPOT, LINEAR])
def test_what_rests_in_a_suspended_instrument_meets_nothing_until_it_trades_again(instrument: str) -> None:
    market, engine = staged()
    market.set_book(instrument, bids=[("99", "5")], asks=[("101", "5")])
    bid = engine.place("a", limit("buy", "1", "100", instrument), START)
    market.rows[instrument]["state"] = "suspend"
    engine.forget_instruments()
    market.add_trade(instrument, "sell", "99", "3")
    market.set_book(instrument, bids=[("98", "5")], asks=[("100", "5")])
    engine.advance(START + 1)
    assert (bid.state, bid.filled) == ("live", 0)
    with pytest.raises(ApiError, match="51022"):
        engine.amend("a", bid, START + 1, price=Decimal(101))
    engine.take()
    assert refused(engine, limit("sell", "1", "100", instrument), "b") == "51022"
    market.rows[instrument]["state"] = "live"
    engine.forget_instruments()
    market.set_book(instrument, bids=[("98", "5")], asks=[("101", "5")])
    engine.advance(START + 2)
    assert bid.filled == 0, "what was printed meanwhile is the past"
    market.add_trade(instrument, "sell", "99", "3")
    engine.advance(START + 3)
    assert bid.state == "filled"


def test_what_rests_in_a_suspended_instrument_can_be_canceled() -> None:
    market, engine = staged()
    bid = engine.place("a", limit("buy", "1", "100"), START)
    market.rows[SPOT]["state"] = "suspend"
    engine.forget_instruments()
    assert engine.cancel("a", bid, START).state == "canceled"
    assert engine.frozen("a", "USDT") == 0


def test_a_client_order_id_is_taken_while_its_order_lives_and_then_means_the_latest() -> None:
    _, engine = staged()
    first = engine.place("a", limit("buy", "1", "100", client_order_id="x1"), START)
    with pytest.raises(ApiError, match="51016"):
        engine.place("a", limit("buy", "1", "100", LINEAR, client_order_id="x1"), START)
    engine.place("b", limit("buy", "1", "100", client_order_id="x1"), START)
    engine.cancel("a", first, START)
    second = engine.place("a", limit("buy", "1", "100", client_order_id="x1"), START)
    assert engine.find("a", SPOT, client_order_id="x1") is second
    assert engine.find("a", SPOT, order_id=first.order_id, client_order_id="x1") is first
    assert engine.find("a", LINEAR, client_order_id="x1") is None
    assert engine.find("a", LINEAR, order_id=first.order_id) is None
    assert engine.find("b", SPOT, order_id=first.order_id) is None


def test_pending_orders_are_limited_per_instrument_and_per_account() -> None:
    _, engine = staged("a", rules=EngineRules(pending_per_account=3, pending_per_instrument=2))
    orders = [engine.place("a", limit("buy", "1", "100"), START) for _ in range(2)]
    with pytest.raises(ApiError, match="51102"):
        engine.place("a", limit("buy", "1", "100"), START)
    engine.place("a", limit("buy", "1", "100", LINEAR), START)
    with pytest.raises(ApiError, match="51103"):
        engine.place("a", limit("buy", "1", "100", INVERSE), START)
    engine.cancel("a", orders[0], START)
    engine.place("a", limit("buy", "1", "100"), START)


def test_finished_orders_and_executions_are_remembered_within_bounds_and_counted() -> None:
    _, engine = staged("a", "b", rules=EngineRules(remembered=5))
    for number in range(8):
        engine.place("b", limit("sell", "0.1", "100"), START)
        engine.place("a", limit("buy", "0.1", "100", client_order_id=f"n{number}"), START)
    assert (len(engine.orders("a")), len(engine.executions("a")), engine.accounts["a"].forgotten) == (5, 5, 6)
    assert engine.find("a", SPOT, client_order_id="n2") is None
    assert engine.find("a", SPOT, client_order_id="n3") is not None


# -- cancel and amend --------------------------------------------------------------------------------


def test_cancel_frees_what_was_bound_and_works_once() -> None:
    _, engine = staged()
    order = engine.place("a", limit("buy", "1", "100"), START)
    engine.cancel("a", order, START + 5, source="20")
    assert changes(engine) == [("a", "live", ""), ("a", "canceled", "20")]
    assert (engine.available("a", "USDT"), order.updated) == (100_000, START + 5)
    with pytest.raises(ApiError, match="51400"):
        engine.cancel("a", order, START)


def test_an_amend_emits_its_request_and_source_once() -> None:
    _, engine = staged()
    order = engine.place("a", limit("buy", "1", "100"), START)
    engine.take()
    engine.amend("a", order, START + 1, size=Decimal(2), price=Decimal(99), request_id="r1")
    change = engine.take()[0]
    assert isinstance(change, OrderChanged)
    assert (change.request_id, change.amend_result, change.order.amend_source) == ("r1", "0", "1")
    assert (order.size, order.price, order.amend_source) == (2, 99, "")
    assert engine.available("a", "USDT") == 100_000 - 198


def test_amend_to_what_is_filled_or_less_ends_the_order_as_filled() -> None:
    _, engine = staged()
    order = engine.place("a", limit("buy", "1", "100"), START)
    engine.place("b", limit("sell", "0.4", "100"), START)
    engine.take()
    engine.amend("a", order, START, size=Decimal("0.3"))
    assert changes(engine) == [("a", "filled", "")]
    assert (order.size, order.filled, engine.accounts["a"].balances["USDT"].frozen) == (Decimal("0.4"), Decimal("0.4"), 0)
    with pytest.raises(ApiError, match="51503"):
        engine.amend("a", order, START, size=Decimal(1))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("51500", {}),
        ("51500", {"size": Decimal(1), "price": Decimal(100)}),
        ("51121", {"size": Decimal("1.005")}),
        ("51000", {"size": Decimal(0)}),
        ("51150", {"price": Decimal("100.01")}),
        ("51008", {"size": Decimal(2_000)}),
        ("51511", {"price": Decimal(105)}),
    ],
)
@pytest.mark.parametrize("cancel_on_fail", [False, True])
def test_an_amend_that_fails_leaves_the_order_or_cancels_it(code: str, change: dict[str, Any], cancel_on_fail: bool) -> None:
    market, engine = staged()
    market.set_book(SPOT, asks=[("104", "1")])
    order = engine.place("a", limit("buy", "1", "100", order_type="post_only"), START)
    engine.take()
    with pytest.raises(ApiError) as caught:
        engine.amend("a", order, START, request_id="r1", cancel_on_fail=cancel_on_fail, **change)
    assert caught.value.code == code
    assert (order.size, order.price) == (1, 100)
    if not cancel_on_fail or code == "51500":
        assert engine.take() == []
        assert engine.available("a", "USDT") == 100_000 - 100
    else:
        change = engine.take()[0]
        assert isinstance(change, OrderChanged)
        assert (change.order.state, change.request_id, change.amend_result) == ("canceled", "r1", "1")
        assert engine.available("a", "USDT") == 100_000


# -- self-trades -------------------------------------------------------------------------------------


def test_self_trade_cancels_the_maker_by_default_and_trades_on() -> None:
    _, engine = staged()
    own = engine.place("a", limit("sell", "1", "100"), START)
    engine.place("b", limit("sell", "1", "100.1"), START)
    taker = engine.place("a", limit("buy", "1", "101"), START)
    assert (own.state, own.cancel_source) == ("canceled", "32")
    assert (taker.state, taker.average_price) == ("filled", Decimal("100.1"))


@pytest.mark.parametrize(("mode", "maker_lives"), [("cancel_taker", True), ("cancel_both", False)])
def test_self_trade_may_cancel_the_taker_or_both(mode: str, maker_lives: bool) -> None:
    _, engine = staged()
    engine.place("b", limit("sell", "1", "99.9"), START)
    own = engine.place("a", limit("sell", "1", "100"), START)
    taker = engine.place("a", limit("buy", "3", "101", self_trade=mode), START)
    assert (taker.state, taker.filled, taker.cancel_source) == ("canceled", 1, "32")
    assert own.is_open is maker_lives


# -- reduce-only -------------------------------------------------------------------------------------


def with_position(size: str, *uids: str) -> Engine:
    market, engine = staged(*uids)
    market.set_book(LINEAR, bids=[("100", "9")], asks=[("100.1", "99")])
    market.set_mark(LINEAR, "100")
    engine.place("a", market_order("buy", size, LINEAR), START)
    engine.take()
    return engine


def test_reduce_only_shrinks_to_the_position_and_says_so() -> None:
    engine = with_position("2")
    order = engine.place("a", limit("sell", "5", "101", LINEAR, reduce_only=True), START)
    changes = [h for h in engine.take() if isinstance(h, OrderChanged)]
    assert [(c.order.state, c.order.size, c.order.amend_source, c.amend_result) for c in changes] == [
        ("live", 2, "4", "0"),
        ("live", 2, "", ""),
    ]
    assert engine.frozen("a", "USDT") == 0
    assert order.only_reduces


def test_reduce_only_on_the_side_of_the_position_is_refused() -> None:
    engine = with_position("2")
    assert refused(engine, limit("buy", "1", "90", LINEAR, reduce_only=True)) == "51170"


def test_reduce_only_orders_shrink_with_the_position_and_end_with_it() -> None:
    engine = with_position("3")
    order = engine.place("a", limit("sell", "3", "105", LINEAR, reduce_only=True), START)
    engine.take()
    engine.place("a", limit("sell", "1", "100", LINEAR, order_type="ioc"), START)
    assert (order.size, order.left) == (2, 2)
    engine.take()
    engine.place("a", limit("sell", "2", "100", LINEAR, order_type="ioc"), START)
    assert (order.state, order.cancel_source) == ("canceled", "17")
    closed = [h for h in engine.take() if isinstance(h, PositionChanged)][-1]
    assert (closed.position.size, closed.position.average_price, closed.cause) == (0, None, "filled")


def test_reduce_only_amended_beyond_the_position_is_shrunk() -> None:
    engine = with_position("3")
    order = engine.place("a", limit("sell", "1", "105", LINEAR, reduce_only=True), START)
    engine.take()
    engine.amend("a", order, START, size=Decimal(8))
    change = engine.take()[0]
    assert isinstance(change, OrderChanged)
    assert (order.size, change.order.amend_source) == (3, "2")
