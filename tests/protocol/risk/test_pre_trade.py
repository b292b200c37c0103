"""The risk: which orders may leave, and when the kill switch trips by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okex_ws.events import Halted, SafetyOverridden, TradingResumed
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.risk.context import RiskContext
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.risk.pre_trade import PreTradeRisk
from okex_ws.wire.orders import AmendOrder, CancelOrder, MassCancel, PlaceOrder

D = Decimal
T0 = 1_790_000_000 * SECOND
NONE = Limits(price_distance=None, open_orders=None, orders_per_second=None, trip_after=None)


def order(size: str = "1", price: str | None = "60000", side: str = "buy", **more: Any) -> PlaceOrder:
    made = {"instrument": "BTC-USDT", "client_order_id": "c1", "order_type": "limit" if price else "market", **more}
    return PlaceOrder(side=side, size=D(size), price=D(price) if price else None, **made)


def amendment(**change: str) -> AmendOrder:
    return AmendOrder(instrument="BTC-USDT", client_order_id="c1", **{name: D(value) for name, value in change.items()})


def around(**more: Any) -> RiskContext:
    base = {"account": "LIVE", "book": "LIVE", "mid": D(60000), "notional": D(60000), "side": "buy"}
    return RiskContext(**{**base, **more})


def rule(risk: PreTradeRisk, made: Any, at: RiskContext | None = None, now: int = T0, **more: Any) -> str:
    at = at or around()
    if at.size is None and not getattr(made, "target_currency", ""):
        at = msgspec.structs.replace(at, size=getattr(made, "size", None))
    refusal = risk.check(made, at, now, **more)
    if refusal is None:
        return ""
    assert refusal.reason
    assert refusal.advice
    return refusal.rule


@pytest.mark.parametrize(
    ("limits", "made", "at", "broken"),
    [
        (Limits(), order(), {}, ""),
        (Limits(order_size=D(1)), order("1"), {}, ""),
        (Limits(order_size=D(1)), order("1.0001"), {}, "order_size"),
        (Limits(order_size=D(1)), amendment(size="2"), {}, "order_size"),
        (Limits(order_size=D("0.05")), order("50", None, target_currency="quote_ccy"), {"size": D("0.00083")}, ""),
        (Limits(order_size=D("0.05")), order("5000", None, target_currency="quote_ccy"), {"size": D("0.083")}, "order_size"),
        (Limits(order_size=D("0.05")), order("50", None, target_currency="quote_ccy"), {}, "order_size"),
        (Limits(position=D(5)), order("50", None, target_currency="quote_ccy"), {}, "position"),
        (Limits(position=D(5)), order("50", None, target_currency="quote_ccy"), {"size": D("0.00083"), "position": D(4)}, ""),
        (Limits(position=D(5)), order("1", None), {"working": None}, "position"),
        (Limits(order_notional=D(60000)), order(), {}, ""),
        (Limits(order_notional=D(59999)), order(), {}, "order_notional"),
        (Limits(order_notional=D(59999)), order(), {"notional": None}, "order_notional"),
        (Limits(price_distance=D("0.1")), order(price="66000"), {}, ""),
        (Limits(price_distance=D("0.1")), order(price="66000.1"), {}, "price_distance"),
        (Limits(price_distance=D("0.1")), order(price="53999"), {}, "price_distance"),
        (Limits(price_distance=D("0.1")), amendment(price="70000"), {}, "price_distance"),
        (Limits(), order(price="90000"), {"book": None, "mid": None}, ""),
        (Limits(), order(price="90000"), {"book": None}, "price_distance"),
        (Limits(), order(price=None), {}, ""),
        (Limits(open_orders=3), order(), {"open_orders": 2}, ""),
        (Limits(open_orders=3), order(), {"open_orders": 3}, "open_orders"),
        (Limits(open_orders=3), amendment(price="60000"), {"open_orders": 3}, ""),
        (Limits(position=D(5)), order("2"), {"position": D(1), "working": D(2)}, ""),
        (Limits(position=D(5)), order("2.1"), {"position": D(1), "working": D(2)}, "position"),
        (Limits(position=D(5)), order("2", side="sell"), {"position": D(-4), "side": "sell"}, "position"),
        (Limits(position=D(5)), order("8", side="sell"), {"position": D(9), "side": "sell"}, ""),
        (Limits(position=D(5)), order("15", side="sell"), {"position": D(9), "side": "sell"}, "position"),
        (Limits(position=D(5)), order("15", reduce_only=True, side="sell"), {"position": D(9), "side": "sell"}, ""),
        (Limits(position=D(5)), amendment(size="6"), {}, "position"),
        (Limits(), order(), {"account": "STALE"}, "account"),
        (Limits(), order(), {"account": "RECONCILING"}, "account"),
        (Limits(), order(), {"book": "STALE"}, "book"),
        (Limits(), amendment(price="60000"), {"book": "EMPTY"}, "book"),
    ],
)
def test_each_rule(limits: Limits, made: Any, at: dict[str, Any], broken: str) -> None:
    risk = PreTradeRisk(limits)
    assert rule(risk, made, around(**at)) == broken
    assert risk.refusals == bool(broken)
    assert risk.take_events() == []


def test_an_instrument_may_have_limits_of_its_own() -> None:
    risk = PreTradeRisk(Limits(order_size=D(1)), {"BTC-USDT": Limits(order_size=D(9))})
    assert rule(risk, order("5")) == ""
    assert rule(risk, order("5", instrument="ETH-USDT")) == "order_size"


def test_cancels_pass_whatever_is_wrong() -> None:
    risk = PreTradeRisk(Limits(order_size=D(0)))
    risk.halt("stop", "call", T0)
    for made in (CancelOrder(instrument="BTC-USDT", client_order_id="c1"), MassCancel(instrument="BTC-USD")):
        assert risk.check(made, around(account="STALE", book="STALE"), T0) is None


def test_a_doubt_can_be_overridden_which_is_told_and_a_limit_cannot() -> None:
    risk = PreTradeRisk(Limits(order_size=D(1)))
    assert rule(risk, order(), around(account="STALE", book="STALE", mid=None), override="closing by hand") == ""
    (told,) = risk.take_events()
    assert isinstance(told, SafetyOverridden)
    assert (told.rule, told.reason, told.kind, told.instrument) == ("account", "closing by hand", "place", "BTC-USDT")
    assert rule(risk, order("2"), around(account="STALE"), override="closing by hand") == "order_size"
    assert rule(risk, order(), override="not needed") == ""
    assert risk.take_events() == []
    risk.halt("stop", "call", T0)
    risk.take_events()
    assert rule(risk, order(), override="please") == "halted"


def test_the_kill_switch_stays_on_until_it_is_released_by_hand() -> None:
    risk = PreTradeRisk()
    assert risk.halt("looks wrong", "signal", T0)
    assert not risk.halt("again", "call", T0 + 1)
    (told,) = risk.take_events()
    assert isinstance(told, Halted)
    assert (told.reason, told.by) == ("looks wrong", "signal")
    refusal = risk.check(order(), around(), T0 + 10**15)
    assert refusal is not None
    assert (refusal.rule, refusal.reason) == ("halted", "trading is halted by signal: looks wrong")
    assert risk.resume("looked at", T0 + 2)
    assert not risk.resume("twice", T0 + 2)
    assert [type(event) for event in risk.take_events()] == [TradingResumed]
    assert rule(risk, order()) == ""


def test_halted_by_more_than_the_file_the_other_reason_outlasts_it() -> None:
    risk = PreTradeRisk()
    assert risk.halt("from the shell", "file", T0)
    assert not risk.halt("from the shell", "file", T0 + 1)
    assert risk.halt("lost too much", "call", T0 + 2)
    assert not risk.halt("from the shell", "file", T0 + 3)
    assert (risk.halted_by, risk.halted_reason) == ("call", "lost too much")


def test_a_rate_is_of_any_second_and_only_what_left_counts() -> None:
    risk = PreTradeRisk(Limits(orders_per_second=5, trip_after=None))
    sent = [now for now in range(T0, T0 + 10 * SECOND, SECOND // 20) if rule(risk, order(), now=now) == ""]
    assert len(sent) == 50
    assert all(b - a >= SECOND for a, b in zip(sent, sent[5:], strict=False))


def test_so_many_refusals_within_a_second_trip_the_switch_once() -> None:
    risk = PreTradeRisk(Limits(order_size=D(1), trip_after=10))
    for number in range(9):
        assert rule(risk, order("2"), now=T0 + number) == "order_size"
    assert rule(risk, order("2"), now=T0 + 2 * SECOND) == "order_size"
    assert not risk.is_halted, "nine and one, not ten within a second"
    rules = [rule(risk, order("2"), now=T0 + 2 * SECOND + number) for number in range(20)]
    assert rules == ["order_size"] * 9 + ["halted"] * 11
    told = risk.take_events()
    assert [(type(event), event.by) for event in told] == [(Halted, "order_size")]  # type: ignore[attr-defined]


def test_not_being_live_is_no_fault_of_the_strategy_and_trips_nothing() -> None:
    risk = PreTradeRisk()
    for number in range(100):
        assert rule(risk, order(), around(account="RECONCILING"), now=T0 + number) == "account"
    assert not risk.is_halted


@given(
    st.decimals(-50, 50, places=2),
    st.decimals(0, 50, places=2),
    st.decimals("0.01", 50, places=2),
    st.sampled_from(["buy", "sell"]),
    st.decimals("0.01", 60, places=2),
)
def test_what_passes_never_takes_a_position_beyond_its_limit_nor_farther_out(
    position: Decimal, working: Decimal, size: Decimal, side: str, limit: Decimal
) -> None:
    risk = PreTradeRisk(Limits(position=limit, price_distance=None))
    at = around(position=position, working=working, side=side)
    if risk.check(order(str(size), side=side), at, T0) is None:
        worst = position + (working + size) * (1 if side == "buy" else -1)
        assert abs(worst) <= max(limit, abs(position))
