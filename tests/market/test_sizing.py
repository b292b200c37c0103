"""Sizing: sizes and prices by the rules of an instrument (fault F17), contracts and coins."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.instrument_rows import INVERSE, LINEAR, SPOT, row

from okex_ws.events import Instrument, PriceLimit
from okex_ws.market.sizing import (
    SizeError,
    check_price,
    check_size,
    coins,
    contract_size,
    contracts,
    exact,
    fit,
    fit_change,
    in_quote_currency,
    notional,
    price_down,
    price_nearest,
    price_up,
    size_down,
    size_unit,
)
from okex_ws.wire.orders import plain

D = Decimal


@pytest.mark.parametrize("value", [0.1, 1e-07, float("nan"), float("inf"), True, None, b"1", [1], 1 + 0j])
def test_F17_a_float_is_refused_with_the_value_to_write(value: Any) -> None:
    with pytest.raises(SizeError, match="not exact") as caught:
        exact(value, "price")
    assert caught.value.rule == "exact"
    if isinstance(value, float):
        assert f"give {str(value)!r}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "NaN", "-Infinity", "1_000", "1,5", "0x10", " 1", "1 ", "1e999", "\u0661", "9" * 50])
def test_F17_a_text_that_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(SizeError):
        exact(text)
    with pytest.raises(SizeError):
        exact(D("NaN"))


def test_a_number_is_kept_as_written() -> None:
    assert [exact(value) for value in ("1e-07", "0.10", 5, D("2.50"), ".5", "5.")] == [
        D("0.0000001"),
        D("0.10"),
        D(5),
        D("2.50"),
        D("0.5"),
        D(5),
    ]


@given(
    st.decimals(min_value=D("1e-12"), max_value=D("1e12"), allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "0.1", "0.01", "0.5", "0.25", "5", "10", "0.00000001", "1e-9"]),
)
def test_F17_rounding_stays_within_a_step_in_its_direction_without_an_exponent(value: Decimal, step: str) -> None:
    made = row(tickSz=step, lotSz=step)
    down, up, near, size = (f(made, value) for f in (price_down, price_up, price_nearest, size_down))
    assert down <= value <= up
    assert up - down in (0, D(step))
    assert near in (down, up)
    assert abs(near - value) * 2 <= D(step)
    assert size == down
    for number in (down, up, near):
        assert number % D(step) == 0
        assert price_nearest(made, number) == number
        assert re.fullmatch(r"\d+(\.\d+)?", plain(number)), plain(number)
        assert "E" not in str(number) or number.adjusted() < -6


@given(
    st.sampled_from([SPOT, LINEAR, INVERSE]),
    st.sampled_from(["buy", "sell"]),
    st.decimals(min_value=-10, max_value=D("1e9"), allow_nan=False, places=10),
    st.decimals(min_value=-10, max_value=D("1e7"), allow_nan=False, places=6),
)
def test_F17_a_fitted_order_is_never_larger_or_worse_than_requested_and_passes_every_check(
    instrument: Instrument, side: str, size: Decimal, price: Decimal
) -> None:
    refusal = None
    try:
        fitted, at = fit(instrument, side=side, size=size, price=price)
    except SizeError as error:
        refusal = error
    if refusal is not None:
        assert refusal.rule in ("size", "min_size", "max_limit_size", "price", "max_limit_notional")
        if refusal.rule in ("min_size", "max_limit_size"):
            assert refusal.nearest is not None
            check_size(instrument, refusal.nearest)
        return
    assert at is not None
    assert D(0) < fitted <= size
    assert (at <= price) if side == "buy" else (at >= price)
    check_size(instrument, fitted)
    check_price(instrument, at, side)


@pytest.mark.parametrize(
    ("size", "order_type", "rule", "nearest"),
    [
        ("0.000001", "limit", "min_size", "0.00001"),
        ("0.123456789", "limit", "lot_size", "0.12345678"),
        ("10000", "post_only", "max_limit_size", "9999"),
        ("1000001", "market", "max_market_size", "1000000"),
        ("-1", "limit", "min_size", "0.00001"),
    ],
)
def test_an_invalid_size_names_its_rule_and_the_nearest_size(size: str, order_type: str, rule: str, nearest: str) -> None:
    with pytest.raises(SizeError) as caught:
        check_size(SPOT, D(size), order_type=order_type)
    assert (caught.value.rule, caught.value.nearest) == (rule, D(nearest))
    assert f"the nearest is {nearest}" in str(caught.value)
    check_size(SPOT, D(nearest), order_type=order_type)


def test_an_invalid_price_names_its_rule_and_the_nearest_price() -> None:
    limit = PriceLimit(instrument="BTC-USDT", ts_ms=1, max_buy=61000.04, min_sell=58999.96, is_enabled=True)
    for price, side, rule, nearest in (
        ("60000.07", "buy", "tick_size", "60000.1"),
        ("0", "buy", "price", "0.1"),
        ("0.01", "sell", "tick_size", "0.1"),
        ("61000.1", "buy", "price_limit", "61000"),
        ("58999.9", "sell", "price_limit", "59000"),
    ):
        with pytest.raises(SizeError) as caught:
            check_price(SPOT, D(price), side, limit)
        assert (caught.value.rule, caught.value.nearest) == (rule, D(nearest))
    check_price(SPOT, D("61000"), "buy", limit)
    check_price(SPOT, D("61000.1"), "buy", PriceLimit(instrument="BTC-USDT", ts_ms=1, max_buy=61000.1, is_enabled=True))
    check_price(SPOT, D("70000"), "sell", limit)
    check_price(SPOT, D("70000"), "buy", PriceLimit(instrument="BTC-USDT", ts_ms=1, is_enabled=False))


def test_a_missing_or_superfluous_price_is_reported() -> None:
    assert fit(SPOT, side="buy", size="0.1234567891", price="60000.09") == (D("0.12345678"), D("60000"))
    assert fit(SPOT, side="sell", size=1, price="60000.01") == (D(1), D("60000.1"))
    assert fit(SPOT, side="sell", size="0.5", order_type="market") == (D("0.5"), None)
    money = fit(SPOT, side="buy", size="123.456789012", order_type="market", target_currency="quote_ccy")
    assert money == (D("123.456789012"), None)
    for wrong, rule in (
        ({"side": "BUY", "size": 1, "price": 1}, "side"),
        ({"side": "buy", "size": 1}, "price"),
        ({"side": "sell", "size": 1, "price": 5, "order_type": "market"}, "price"),
        ({"side": "buy", "size": 0, "price": 5}, "size"),
        ({"side": "buy", "size": 1, "price": -5}, "price"),
        ({"side": "buy", "size": 0.5, "price": 5}, "exact"),
        ({"side": "buy", "size": 9000, "price": 60000}, "max_limit_notional"),
    ):
        with pytest.raises(SizeError) as caught:
            fit(SPOT, **wrong)
        assert caught.value.rule == rule
    for fields, rule in (({"state": "suspend"}, "state"), ({"tickSz": ""}, "tick_size"), ({"lotSz": ""}, "lot_size")):
        with pytest.raises(SizeError) as caught:
            fit(row(**fields), side="buy", size=1, price=5)
        assert caught.value.rule == rule


def test_an_amendment_is_fitted_like_a_new_order() -> None:
    assert fit_change(SPOT, side="buy", size="0.1234567891") == (D("0.12345678"), None)
    assert fit_change(SPOT, side="buy", price="60000.09") == (None, D("60000"))
    assert fit_change(SPOT, side="sell", price="60000.01", size=1) == (D(1), D("60000.1"))
    assert fit_change(SPOT, side="", price="60000.1") == (None, D("60000.1"))
    for wrong, rule in (
        ({"side": "", "price": "60000.01"}, "tick_size"),
        ({"side": "buy", "price": 0.1}, "exact"),
        ({"side": "sell", "price": -1}, "price"),
        ({"side": "buy", "size": 0}, "min_size"),
        ({"side": "buy", "size": -1}, "min_size"),
    ):
        with pytest.raises(SizeError) as caught:
            fit_change(SPOT, **wrong)
        assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("order_type", "target", "expected"),
    [
        ("market", "", False),
        ("market", "base_ccy", False),
        ("market", "quote_ccy", True),
        ("limit", "quote_ccy", False),
    ],
)
def test_sizes_in_quote_currency(order_type: str, target: str, expected: bool) -> None:
    assert in_quote_currency(SPOT, order_type, target) is expected
    assert not in_quote_currency(LINEAR, order_type, target)


def test_the_unit_of_a_size_is_sent_if_okx_would_assume_money() -> None:
    cash, margin = {"order_type": "market", "trade_mode": "cash"}, {"order_type": "market", "trade_mode": "cross"}
    assert [size_unit(SPOT, side=side, **cash) for side in ("buy", "sell")] == ["base_ccy", "base_ccy"]
    assert size_unit(SPOT, side="buy", **cash, target_currency="quote_ccy") == "quote_ccy"
    assert size_unit(SPOT, side="buy", order_type="limit", trade_mode="cash") == ""
    assert size_unit(LINEAR, side="buy", **margin) == ""
    assert size_unit(SPOT, side="sell", **margin) == "base_ccy"
    with pytest.raises(SizeError, match="in USDT; give it so, with quote_ccy"):
        size_unit(SPOT, side="buy", **margin)


def test_contracts_and_coins() -> None:
    assert contract_size(LINEAR) == D("0.01")
    assert coins(LINEAR, D(3)) == D("0.03")
    assert contracts(LINEAR, D("0.03456")) == D("3.45")
    assert notional(LINEAR, D(3), D(60000)) == D(1800)
    assert contract_size(INVERSE) == D(100)
    assert coins(INVERSE, D(6), D(60000)) == D("0.01")
    assert contracts(INVERSE, D("0.0109"), D(60000)) == D(6)
    assert notional(INVERSE, D(-6), D(1)) == D(600)
    assert coins(SPOT, D("0.5")) == D("0.5")
    assert notional(SPOT, D("0.5"), D(60000)) == D(30000)
    for broken in (lambda: contract_size(SPOT), lambda: coins(INVERSE, D(1)), lambda: contracts(INVERSE, D(1), D(0))):
        with pytest.raises(SizeError):
            broken()


@given(st.integers(1, 10**6), st.decimals(min_value=1, max_value=10**6, places=1))
def test_contracts_to_coins_and_back_lose_at_most_one_lot(lots: int, price: Decimal) -> None:
    for instrument in (LINEAR, INVERSE):
        size = lots * (instrument.lot_size or D(1))
        back = contracts(instrument, coins(instrument, size, price), price)
        assert D(0) <= size - back <= (instrument.lot_size or D(1))
