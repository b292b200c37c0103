"""Funding: at the market's times, at its rate, between those who hold positions and the market's account."""

from __future__ import annotations

from decimal import Decimal

from tests.support.staged_market import INVERSE, LINEAR, SPOT, START, limit, staged

from okex_ws.simulator.engine.accounts import Fees, PositionChanged
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import BalanceChanged
from okex_ws.simulator.market.base import HOUR

D = Decimal
DUE = START + HOUR


def trade(engine: Engine, instrument: str, size: str, price: str) -> None:
    engine.place("b", limit("sell", size, price, instrument), START)
    engine.place("a", limit("buy", size, price, instrument), START)
    engine.take()


def funded(rate: str, instrument: str = LINEAR) -> tuple[object, Engine]:
    market, engine = staged("nobody")
    for uid in ("a", "b"):
        engine.open_account(uid, fees=Fees(D(0), D(0), D(0), D(0)))
    market.set_mark(instrument, "100")
    market.set_funding(instrument, rate, DUE)
    return market, engine


def test_who_is_long_pays_a_positive_rate_to_who_is_short() -> None:
    _, engine = funded("0.001")
    assert engine.deadline() is None
    trade(engine, LINEAR, "1000", "100")  # 1000 dollars
    assert engine.deadline() == DUE
    engine.advance(DUE - 1)
    assert engine.take() == []
    engine.advance(DUE)
    happened = engine.take()
    assert [(type(h), h.uid) for h in happened] == [
        (PositionChanged, "a"),
        (BalanceChanged, "a"),
        (PositionChanged, "b"),
        (BalanceChanged, "b"),
    ]
    assert {h.cause for h in happened if not hasattr(h, "order")} == {"funding_fee"}
    assert [engine.accounts[uid].balances["USDT"].cash for uid in "ab"] == [D(99_999), D(100_001)]
    position = engine.accounts["a"].positions[LINEAR, "net"]
    assert (position.funding, position.realised, position.profit) == (-1, -1, 0)
    assert engine.books.outside.balances["USDT"].cash == 0


def test_an_inverse_swap_pays_coins_by_the_mark_price() -> None:
    market, engine = funded("-0.001", INVERSE)
    trade(engine, INVERSE, "4", "100")
    market.set_mark(INVERSE, "50")  # 400 dollars are 8 coins by now
    engine.advance(DUE)
    assert [engine.accounts[uid].balances["BTC"].cash for uid in "ab"] == [D("10.008"), D("9.992")]


def test_the_market_pays_for_its_own_side() -> None:
    market, engine = funded("0.001")
    market.set_book(LINEAR, asks=[("100", "1000")])
    engine.place("a", limit("buy", "1000", "100", LINEAR), START)
    engine.advance(DUE)
    assert engine.books.outside.balances["USDT"].cash == 1
    assert engine.books.totals() == {"USDT": 300_000, "BTC": 30, "ETH": 300, "USDC": 300_000}


def test_the_rate_that_the_market_says_it_settled_counts() -> None:
    market, engine = funded("0.001")
    trade(engine, LINEAR, "1000", "100")
    market.set_funding(LINEAR, "0.007", DUE + HOUR, settled="0.002")
    engine.advance(DUE)
    assert engine.accounts["a"].positions[LINEAR, "net"].funding == -2
    assert engine.deadline() == DUE + HOUR, "intervals are the market's, not eight hours"


def test_a_market_that_has_not_moved_on_settles_once_at_the_rate_it_says() -> None:
    _, engine = funded("0.001")
    trade(engine, LINEAR, "1000", "100")
    engine.advance(DUE)
    engine.advance(DUE + 1)
    trade(engine, LINEAR, "1000", "100")
    engine.advance(DUE + 2)
    assert engine.accounts["a"].positions[LINEAR, "net"].funding == -1
    assert engine.deadline() == DUE + 8 * HOUR


def test_who_holds_nothing_pays_nothing() -> None:
    _, engine = funded("0.001")
    trade(engine, LINEAR, "10", "100")
    engine.place("a", limit("sell", "10", "100", LINEAR), START)
    engine.place("b", limit("buy", "10", "100", LINEAR), START)
    engine.take()
    engine.advance(DUE)
    assert engine.take() == []


def test_coins_and_swaps_without_a_word_on_funding_have_none() -> None:
    market, engine = funded("0.001")
    market.set_mark(INVERSE, "100")
    trade(engine, SPOT, "1", "100")
    trade(engine, INVERSE, "1", "100")
    assert engine.deadline() is None
