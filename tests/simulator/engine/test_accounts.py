"""Accounts: what fills do to balances, positions, margin and fees, in figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.staged_market import (
    INVERSE,
    LINEAR,
    SPOT,
    START,
    StagedMarket,
    limit,
    market_order,
    staged,
)

from okex_ws.simulator.engine.accounts import AccountPosition, Fees, PositionChanged
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.terms import read_terms
from okex_ws.simulator.errors import ApiError

D = Decimal
NO_FEES = Fees(D(0), D(0), D(0), D(0))


def contracts(*uids: str) -> tuple[StagedMarket, Engine]:
    """A market with a mark of 100 on both swaps, and accounts without fees."""
    market, engine = staged("nobody")
    for name in (LINEAR, INVERSE):
        market.set_mark(name, "100")
    for uid in uids or ("a", "b"):
        engine.open_account(uid, fees=NO_FEES)
    return market, engine


def trade(engine: Engine, instrument: str, size: str, price: str, buyer: str = "a", seller: str = "b") -> None:
    """One trade between two accounts."""
    engine.place(seller, limit("sell", size, price, instrument), START)
    order = engine.place(buyer, limit("buy", size, price, instrument), START)
    assert order.state == "filled"


def cash(engine: Engine, uid: str, currency: str) -> Decimal:
    return engine.accounts[uid].balance(currency).cash


def held(engine: Engine, uid: str, instrument: str, side: str = "net") -> AccountPosition:
    return engine.accounts[uid].positions[instrument, side]


# -- SPOT --------------------------------------------------------------------------------------------


def test_a_buyer_pays_its_fee_in_coins_and_a_seller_in_quote() -> None:
    _, engine = staged()
    maker = engine.place("b", limit("sell", "2", "100"), START)
    taker = engine.place("a", limit("buy", "2", "100"), START)
    assert (cash(engine, "a", "USDT"), cash(engine, "a", "BTC")) == (D(99_800), D("11.998"))
    assert (cash(engine, "b", "USDT"), cash(engine, "b", "BTC")) == (D("100199.84"), D(8))
    assert (taker.fee, taker.fee_currency) == (D("-0.002"), "BTC")
    assert (maker.fee, maker.fee_currency) == (D("-0.16"), "USDT")
    house = engine.books.house.balances
    assert (house["BTC"].cash, house["USDT"].cash) == (D("0.002"), D("0.16"))


def test_a_rebate_is_paid_by_the_house_and_is_no_fee() -> None:
    _, engine = staged("a")
    engine.open_account("maker", fees=Fees(D("-0.0001"), D("0.001"), D("-0.0001"), D("0.0005")))
    order = engine.place("maker", limit("sell", "1", "100"), START)
    engine.place("a", limit("buy", "1", "100"), START)
    assert (order.fee, order.rebate, order.rebate_currency) == (0, D("0.01"), "USDT")
    assert engine.books.house.balances["USDT"].cash == D("-0.01")
    assert cash(engine, "maker", "USDT") == D("100100.01")


def test_a_better_price_frees_what_was_bound_for_the_worse_one() -> None:
    market, engine = staged()
    market.set_book(SPOT, asks=[("90", "1")])
    engine.place("a", limit("buy", "2", "100"), START)
    balance = engine.accounts["a"].balances["USDT"]
    assert (balance.cash, balance.frozen, engine.available("a", "USDT")) == (D(99_910), D(100), D(99_810))


def test_the_market_s_own_account_is_the_counterparty_of_who_trades_with_the_book() -> None:
    market, engine = staged("a")
    market.set_book(SPOT, asks=[("100", "5")])
    engine.place("a", market_order("buy", "300"), START)
    outside = engine.books.outside.balances
    assert (outside["BTC"].cash, outside["USDT"].cash) == (-3, 300)


# -- contracts ---------------------------------------------------------------------------------------


def test_a_linear_position_is_opened_added_to_reduced_and_turned() -> None:
    _, engine = contracts()
    trade(engine, LINEAR, "100", "100")  # one coin, 100 dollars
    trade(engine, LINEAR, "100", "110")
    position = held(engine, "a", LINEAR)
    assert (position.size, position.average_price, position.cost) == (200, 105, 210)
    trade(engine, LINEAR, "50", "125", buyer="b", seller="a")
    assert (position.size, position.average_price, position.profit) == (150, 105, 10)
    assert (cash(engine, "a", "USDT"), cash(engine, "b", "USDT")) == (D(100_010), D(99_990))
    trade(engine, LINEAR, "250", "95", buyer="b", seller="a")
    assert (position.size, position.average_price, position.profit) == (-100, 95, -5)
    assert (held(engine, "b", LINEAR).size, held(engine, "b", LINEAR).average_price) == (100, 95)


def test_an_inverse_position_earns_coins() -> None:
    _, engine = contracts()
    trade(engine, INVERSE, "4", "100")  # 400 dollars: 4 coins
    trade(engine, INVERSE, "4", "200")  # 400 dollars: 2 coins
    position = held(engine, "a", INVERSE)
    assert (position.cost, position.average_price) == (6, D("133.33333333"))
    trade(engine, INVERSE, "8", "160", buyer="b", seller="a")  # 800 dollars: 5 coins
    assert (position.size, position.profit, position.average_price) == (0, 1, None)
    assert (cash(engine, "a", "BTC"), cash(engine, "b", "BTC")) == (11, 9)
    assert engine.books.clearing.balances["BTC"].cash == 0


def test_profits_that_are_no_round_figure_still_cancel_to_the_last_digit() -> None:
    _, engine = contracts("a", "b", "c")
    trade(engine, INVERSE, "1", "300")
    trade(engine, INVERSE, "2", "70")
    trade(engine, INVERSE, "1", "130", buyer="c", seller="a")
    trade(engine, INVERSE, "2", "90", buyer="c", seller="a")
    trade(engine, INVERSE, "3", "110", buyer="b", seller="c")
    assert [held(engine, uid, INVERSE).size for uid in "abc"] == [0, 0, 0]
    assert engine.books.clearing.balances["BTC"].cash == 0
    with localcontext(prec=60):
        assert sum((cash(engine, uid, "BTC") for uid in "abc"), D(0)) == 30


def test_fees_of_contracts_are_paid_in_the_settlement_currency() -> None:
    _, engine = staged()
    trade(engine, LINEAR, "100", "100")
    assert (cash(engine, "a", "USDT"), cash(engine, "b", "USDT")) == (D("99999.95"), D("99999.98"))
    position = held(engine, "a", LINEAR)
    assert (position.fee, position.realised) == (D("-0.05"), D("-0.05"))
    trade(engine, INVERSE, "1", "100")
    assert cash(engine, "a", "BTC") == D("9.9995")


def test_open_profit_equity_and_margin_follow_the_mark_price() -> None:
    market, engine = contracts()
    engine.set_leverage("a", LINEAR, D(5), START)
    trade(engine, LINEAR, "1000", "100")  # ten coins
    market.set_mark(LINEAR, "103")
    engine.advance(START + 1)
    position = held(engine, "a", LINEAR)
    assert (engine.unrealised(position), engine.margin(position)) == (30, 206)
    assert engine.equity("a", "USDT") == 100_030
    assert engine.available("a", "USDT") == 100_000 - 206
    assert engine.available("a", "USDT", equity=True) == 100_030 - 206
    market.set_mark(LINEAR, "98")
    engine.advance(START + 2)
    assert engine.available("a", "USDT") == engine.available("a", "USDT", equity=True) == 100_000 - 20 - 196


def test_the_middle_of_the_book_and_the_last_trade_stand_in_for_a_mark_price() -> None:
    market, engine = staged()
    assert engine.mark(LINEAR) is None
    market.add_trade(LINEAR, "buy", "97", "1")
    engine.advance(START + 1)
    assert engine.mark(LINEAR) == 97
    market.set_book(LINEAR, bids=[("99", "1")], asks=[("100", "1")])
    engine.advance(START + 2)
    assert engine.mark(LINEAR) == D("99.5")


def test_orders_bind_margin_and_fee_only_for_what_they_would_open() -> None:
    _, engine = staged()
    engine.set_leverage("a", LINEAR, D(10), START)
    order = engine.place("a", limit("buy", "1000", "100", LINEAR), START)  # 1000 dollars
    assert engine.frozen("a", "USDT") == 100 + D("0.5")
    engine.cancel("a", order, START)
    assert engine.frozen("a", "USDT") == 0
    trade(engine, LINEAR, "300", "100")
    engine.place("a", limit("sell", "300", "120", LINEAR), START)
    assert engine.frozen("a", "USDT") == 0
    engine.place("a", limit("sell", "300", "120", LINEAR), START)
    assert engine.frozen("a", "USDT") == 36 + D("0.18")


def test_an_overdrawn_account_may_only_reduce() -> None:
    market, engine = contracts("b")
    engine.open_account("a", {"USDT": D(100)}, fees=NO_FEES)
    trade(engine, LINEAR, "300", "100")
    market.set_mark(LINEAR, "60")
    engine.advance(START + 1)
    assert engine.available("a", "USDT") < 0
    with pytest.raises(ApiError, match="51008"):
        engine.place("a", limit("buy", "1", "60", LINEAR), START)
    engine.place("a", limit("sell", "300", "61", LINEAR), START)


def test_leverage_has_bounds_and_needs_its_margin() -> None:
    _, engine = contracts()
    assert engine.leverage("a", LINEAR) == 3
    for leverage, code in (("101", "59102"), ("0.5", "51000"), ("NaN", "51000")):
        with pytest.raises(ApiError, match=code):
            engine.set_leverage("a", LINEAR, D(leverage), START)
    with pytest.raises(ApiError, match="51000"):
        engine.set_leverage("a", SPOT, D(3), START)
    engine.set_leverage("a", LINEAR, D(100), START)
    trade(engine, LINEAR, "250000", "100", buyer="a", seller="b")  # 250,000 dollars
    engine.take()
    with pytest.raises(ApiError, match="59108"):
        engine.set_leverage("a", LINEAR, D(2), START)
    assert engine.leverage("a", LINEAR) == 100
    engine.set_leverage("a", LINEAR, D(5), START)
    changed = engine.take()[0]
    assert isinstance(changed, PositionChanged)
    assert (changed.position.leverage, changed.cause) == (5, "set_leverage")


# -- long and short ----------------------------------------------------------------------------------


def hedged() -> Engine:
    market, engine = staged("b")
    market.set_mark(LINEAR, "100")
    engine.open_account("a", position_mode="long_short_mode", fees=NO_FEES)
    market.set_book(LINEAR, bids=[("100", "500")], asks=[("101", "500")])
    return engine


def test_long_and_short_are_two_positions() -> None:
    engine = hedged()
    engine.place("a", market_order("buy", "100", LINEAR, position_side="long"), START)
    engine.place("a", market_order("sell", "200", LINEAR, position_side="short"), START)
    assert (held(engine, "a", LINEAR, "long").size, held(engine, "a", LINEAR, "short").size) == (100, -200)
    engine.place("a", market_order("buy", "50", LINEAR, position_side="short"), START)
    assert (held(engine, "a", LINEAR, "short").size, held(engine, "a", LINEAR, "short").profit) == (-150, D("-0.5"))


def test_closing_orders_never_exceed_the_position_they_close() -> None:
    engine = hedged()
    with pytest.raises(ApiError, match="51169"):
        engine.place("a", limit("sell", "1", "105", LINEAR, position_side="long"), START)
    engine.place("a", market_order("buy", "100", LINEAR, position_side="long"), START)
    engine.place("a", limit("sell", "70", "105", LINEAR, position_side="long"), START)
    assert engine.frozen("a", "USDT") == 0
    with pytest.raises(ApiError, match="51112"):
        engine.place("a", limit("sell", "31", "105", LINEAR, position_side="long"), START)
    engine.place("a", limit("sell", "30", "105", LINEAR, position_side="long"), START)


def test_a_side_is_needed_and_the_mode_changes_only_when_flat() -> None:
    engine = hedged()
    with pytest.raises(ApiError, match="51000"):
        engine.place("a", limit("buy", "1", "99", LINEAR), START)
    order = engine.place("a", limit("buy", "1", "99", LINEAR, position_side="long"), START)
    with pytest.raises(ApiError, match="59000"):
        engine.set_position_mode("a", "net_mode")
    engine.cancel("a", order, START)
    engine.set_position_mode("a", "net_mode")
    engine.place("a", limit("buy", "1", "99", LINEAR), START)


# -- laws --------------------------------------------------------------------------------------------

TRADES = st.lists(st.tuples(st.booleans(), st.integers(1, 10**6), st.integers(1, 10**7)), min_size=1, max_size=30)


@given(TRADES, st.sampled_from([LINEAR, INVERSE]))
def test_cash_and_entry_value_together_only_move_by_what_is_traded(trades: list[tuple[bool, int, int]], name: str) -> None:
    """However profit is shared out, and whatever is rounded, none of it is made or lost."""
    terms = read_terms(StagedMarket().rows[name])
    position = AccountPosition("1", "a", name, "SWAP", "net", terms.settle, D(3), 0, 0)
    with localcontext(prec=60):
        paid = size = profit = D(0)
        for is_buy, lots, ticks in trades:
            amount, price = D(lots) / 100, D(ticks) / 10
            value = terms.value(price, amount)
            profit += position.trade(terms, is_buy=is_buy, size=amount, value=value, now=0)
            size += amount if is_buy else -amount
            paid += value if is_buy else -value
            assert position.size == size
            assert position.cost == (paid - profit if name == INVERSE else paid + profit)
            assert (position.cost > 0) == (size > 0) or position.cost == 0
