"""Algo orders: they wait for a price, become orders of their own, and are told in every state."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, rest, rows, venue

from okex_ws.simulator.exchange import Exchange


def place(exchange: Exchange, at: float = 1.0, **fields: Any) -> tuple[str, dict[str, Any]]:
    usual = {"instId": SPOT, "tdMode": "cash", "side": "sell", "ordType": "conditional", "sz": "0.01"}
    _, body = rest(exchange, "POST", "trade/order-algo", {**usual, **fields}, at=at)
    return body["code"], (body["data"] or [{}])[0]


def listening(exchange: Exchange) -> Trader:
    trader = Trader(exchange, "business")
    trader.subscribe({"channel": "orders-algo", "instType": "ANY"})
    return trader


def states(trader: Trader) -> list[str]:
    return [row["state"] for push in trader.pushes("orders-algo") for row in push["data"]]


def last(exchange: Exchange, instrument: str = SPOT) -> float:
    return float(exchange.market.matches(instrument)[-1]["px"])


def test_a_stop_fires_at_its_price_and_becomes_a_market_order() -> None:
    exchange = venue()
    trader = listening(exchange)
    exchange.on_deadline(exchange.start + 10**9)
    code, result = place(exchange, slTriggerPx=str(last(exchange) + 1000), slOrdPx="-1", algoClOrdId="a1")
    assert code == "0"
    assert [r["algoId"] for r in rows(exchange, "trade/orders-algo-pending?ordType=conditional")] == [result["algoId"]]
    trader.until(3)
    assert states(trader) == ["live", "effective"]
    push = trader.pushes("orders-algo")[-1]["data"][0]
    assert (push["algoClOrdId"], push["actualSide"], push["slOrdPx"], push["failCode"]) == ("a1", "sl", "-1", "")
    (order,) = rows(exchange, f"trade/order?instId={SPOT}&ordId={push['ordId']}", at=3)
    assert (order["state"], order["algoId"], order["algoClOrdId"], order["source"]) == ("filled", result["algoId"], "a1", "7")
    assert rows(exchange, "trade/orders-algo-pending?ordType=conditional", at=3) == []
    assert rows(exchange, f"trade/order-algo?algoId={result['algoId']}", at=3)[0]["state"] == "effective"


def test_a_take_profit_waits_until_it_is_canceled() -> None:
    exchange = venue()
    trader = listening(exchange)
    exchange.on_deadline(exchange.start + 10**9)
    _, result = place(exchange, tpTriggerPx=str(last(exchange) + 1000), tpOrdPx="61500")
    trader.until(3)
    name = {"instId": SPOT, "algoId": result["algoId"]}
    assert rest(exchange, "POST", "trade/cancel-algos", [name], at=3)[1]["data"][0]["sCode"] == "0"
    assert states(trader) == ["live", "canceled"]
    assert rest(exchange, "POST", "trade/cancel-algos", [name], at=3)[1]["code"] == "1"
    history = rows(exchange, "trade/orders-algo-history?ordType=conditional&state=canceled", at=3)
    assert [row["algoId"] for row in history] == [result["algoId"]]


def test_a_trigger_order_comes_from_either_side_and_its_failure_is_told() -> None:
    exchange = venue()
    trader = listening(exchange)
    exchange.on_deadline(exchange.start + 10**9)
    trigger = {"ordType": "trigger", "triggerPx": str(last(exchange)), "orderPx": "-1", "side": "buy"}
    place(exchange, **trigger, sz="300")
    place(exchange, **{**trigger, "sz": "90000000"})
    trader.until(20)
    assert sorted(states(trader)) == ["effective", "live", "live", "order_failed"]
    failed = [row for push in trader.pushes("orders-algo") for row in push["data"] if row["state"] == "order_failed"]
    assert failed[0]["failCode"] in ("51008", "51201", "51203")


def test_oco_needs_both_and_fires_one_and_a_whole_position_can_be_closed() -> None:
    exchange = venue()
    trader = listening(exchange)
    Trader(exchange).place(instrument=SWAP, px="", ordType="market", sz="3")
    swap = {"instId": SWAP, "tdMode": "cross", "ordType": "oco", "sz": "", "closeFraction": "1", "reduceOnly": "true"}
    exchange.on_deadline(exchange.start + 5 * 10**9)
    price = last(exchange, SWAP)
    assert place(exchange, at=5, **swap, tpTriggerPx=str(price + 900), tpOrdPx="-1")[0] == "50015"
    stops = {"tpTriggerPx": str(price + 900), "tpOrdPx": "-1", "slTriggerPx": str(price + 500), "slOrdPx": "-1"}
    assert place(exchange, at=5, **swap, **stops)[0] == "0"
    trader.until(8)
    assert states(trader) == ["live", "effective"]
    assert rows(exchange, "account/positions", at=8) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"instId": "NO-SUCH"}, "51001"),
        ({"ordType": "magic"}, "51000"),
        ({"sz": ""}, "50014"),
        ({}, "50015"),
        ({"slTriggerPx": "1"}, "50014"),
        ({"slTriggerPx": "1", "slOrdPx": "-1", "slTriggerPxType": "moon"}, "51000"),
    ],
)
def test_bad_algo_orders(fields: dict[str, str], code: str) -> None:
    assert place(venue(), **fields)[0] == code


ATTACHED = {"tpTriggerPx": "70000", "tpOrdPx": "-1", "slTriggerPx": "50000", "slOrdPx": "-1", "attachAlgoClOrdId": "x1"}


def attach(exchange: Exchange, instrument: str = SPOT, *, stops: Any = ATTACHED, **fields: Any) -> dict[str, Any]:
    usual = {"instId": instrument, "tdMode": "cash" if instrument == SPOT else "cross", "side": "buy", "ordType": "market"}
    order = {**usual, "sz": "1", "tgtCcy": "base_ccy", "attachAlgoOrds": [stops], **fields}
    _, body = rest(exchange, "POST", "trade/order", order)
    return dict(body["data"][0])


def pending(exchange: Exchange, at: float) -> list[dict[str, Any]]:
    return rows(exchange, "trade/orders-algo-pending?ordType=conditional,oco", at=at)


def test_what_is_attached_waits_from_the_fill_on_and_then_closes_what_was_bought() -> None:
    exchange = venue()
    trader = listening(exchange)
    exchange.on_deadline(exchange.start + 10**9)
    stops = {"slTriggerPx": str(last(exchange) + 1000), "slOrdPx": "-1"}
    assert attach(exchange, stops=stops)["sCode"] == "0"
    (algo,) = [row for push in trader.pushes("orders-algo") for row in push["data"]]
    assert (algo["state"], algo["side"], algo["ordType"], algo["sz"]) == ("live", "sell", "conditional", "0.999")
    trader.until(3)
    assert states(trader) == ["live", "effective"], "the fee was taken from the coins, and is not there to be sold"
    first, second = exchange.engine.orders("44")
    assert (first.side, second.side, second.filled, second.state) == ("buy", "sell", first.filled + first.fee, "filled")


def test_of_two_the_first_wins_and_a_position_is_only_reduced() -> None:
    exchange = venue()
    exchange.on_deadline(exchange.start + 10**9)
    price = 60000.0
    attach(exchange, SWAP, stops={"tpTriggerPx": str(price - 1000), "tpOrdPx": "-1", "slTriggerPx": "50000", "slOrdPx": "-1"})
    assert [(row["ordType"], row["sz"], row["reduceOnly"]) for row in pending(exchange, 1)] == [("oco", "1", "true")]
    exchange.on_deadline(exchange.start + 3 * 10**9)
    assert pending(exchange, 3) == []
    assert exchange.engine.accounts["44"].positions[SWAP, "net"].size == 0


def test_nothing_waits_before_the_order_has_ended_nor_for_what_did_not_fill() -> None:
    exchange = venue()
    exchange.on_deadline(exchange.start + 10**9)
    resting = attach(exchange, ordType="limit", px="59000")
    assert pending(exchange, 1) == []
    assert rest(exchange, "POST", "trade/cancel-order", {"instId": SPOT, "ordId": resting["ordId"]}, at=2)[1]["code"] == "0"
    assert pending(exchange, 2) == []


def test_what_cannot_be_attached_is_refused_with_the_order() -> None:
    exchange = venue()
    trader = Trader(exchange)
    assert trader.place(attachAlgoOrds=[ATTACHED])["sCode"] == "51000", "over WebSocket it is not documented"
    for stops, code in (
        ({}, "50015"),
        ({"tpTriggerPx": "70000"}, "50014"),
        ({**ATTACHED, "tpTriggerPxType": "no"}, "51000"),
        ("none", "51000"),
    ):
        assert attach(exchange, stops=stops)["sCode"] == code
    assert exchange.engine.orders("44") == []


def test_an_order_shows_its_attached_orders_from_the_first_push_on() -> None:
    trader = Trader(venue())
    trader.subscribe({"channel": "orders", "instType": "ANY"})
    order = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "59000", "sz": "0.01", "clOrdId": "o1"}
    rest(trader.venue, "POST", "trade/order", {**order, "attachAlgoOrds": [ATTACHED]})
    (pushed,) = [row for push in trader.pushes("orders") for row in push["data"]]
    (shown,) = pushed["attachAlgoOrds"]
    assert {name: shown[name] for name in ATTACHED} == ATTACHED
    assert pushed["attachAlgoClOrdId"] == "x1"
    assert shown["attachAlgoId"]
    for path in ("trade/orders-pending", f"trade/order?instId={SPOT}&clOrdId=o1"):
        assert rows(trader.venue, path)[0]["attachAlgoOrds"] == [shown]
    assert rows(trader.venue, "trade/orders-algo-pending?ordType=oco") == []
    rest(trader.venue, "POST", "trade/cancel-order", {"instId": SPOT, "clOrdId": "o1"}, at=2)
    assert rows(trader.venue, f"trade/order?instId={SPOT}&clOrdId=o1", at=3)[0]["attachAlgoOrds"] == [shown]


def test_the_algo_order_that_follows_has_an_id_of_its_own() -> None:
    trader = Trader(venue())
    order = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1", "clOrdId": "o1"}
    rest(trader.venue, "POST", "trade/order", {**order, "attachAlgoOrds": [ATTACHED]})
    (row,) = rows(trader.venue, f"trade/order?instId={SWAP}&clOrdId=o1")
    (algo,) = rows(trader.venue, "trade/orders-algo-pending?ordType=oco")
    (shown,) = row["attachAlgoOrds"]
    assert shown["attachAlgoClOrdId"] == algo["algoClOrdId"] == "x1"
    assert shown["attachAlgoId"] != algo["algoId"]


def test_an_order_without_attached_orders_shows_none() -> None:
    trader = Trader(venue())
    trader.place()
    (row,) = rows(trader.venue, "trade/orders-pending")
    assert (row["attachAlgoOrds"], row["attachAlgoClOrdId"]) == ([], "")
