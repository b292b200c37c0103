"""V1's requests to trade, obeyed on the floor, and what V1 pushes of an account."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.support.captures import recorded, shape
from tests.support.fixed_market import START
from tests.support.legacy_talk import OldTalker, add, pushes, signed
from tests.support.talk import exchange

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY


def seeded() -> Exchange:
    return exchange(market=SeededMarket(7, start=START))


def future(venue: Exchange) -> str:
    return str(venue.instruments("FUTURES")[0]["instId"])


def trader(venue: Exchange) -> OldTalker:
    talker = OldTalker(venue, "/websocket", 20)
    assert talker.say({"event": "login", "parameters": signed(DEMO_KEY)}, 20) == [
        [{"binary": 0, "channel": "login", "data": {"result": True}}]
    ]
    return talker


def test_a_spot_order_is_replied_to_pushed_and_booked() -> None:
    venue = seeded()
    talker = trader(venue)
    for name in ("ok_sub_spot_btc_usdt_order", "ok_sub_spot_btc_usdt_balance"):
        talker.say(add(name), 20)
    parameters = signed(DEMO_KEY, symbol="btc_usdt", type="buy", price="50000", amount="0.5")
    frames = talker.say(add("ok_spot_order", **parameters), 20)
    [reply] = pushes(frames, "ok_spot_order")
    assert reply["result"] is True
    [order] = pushes(frames, "ok_sub_spot_btc_usdt_order")
    assert (order["orderId"], order["status"], order["tradeUnitPrice"]) == (reply["order_id"], 0, "50000")
    [balance] = pushes(frames, "ok_sub_spot_btc_usdt_balance")
    assert balance["info"]["freezed"]["usdt"] == 25000.0
    [found] = pushes(
        talker.say(add("ok_spot_orderinfo", **signed(DEMO_KEY, symbol="btc_usdt", order_id=-1)), 20), "ok_spot_orderinfo"
    )
    assert [each["order_id"] for each in found["orders"]] == [reply["order_id"]]
    cancel = add("ok_spot_cancel_order", **signed(DEMO_KEY, symbol="btc_usdt", order_id=reply["order_id"]))
    frames = talker.say(cancel, 20)
    assert pushes(frames, "ok_spot_cancel_order") == [{"result": True, "order_id": str(reply["order_id"])}]
    assert pushes(frames, "ok_sub_spot_btc_usdt_order")[0]["status"] == -1
    assert pushes(talker.say(cancel, 20), "ok_spot_cancel_order") == [{"result": False, "error_code": 1050}]
    assert venue.engine.open_orders(DEMO_KEY.uid) == []


def test_market_orders_spend_a_price_or_sell_an_amount() -> None:
    venue = seeded()
    talker = trader(venue)
    talker.say(add("ok_sub_spot_btc_usdt_order"), 20)
    for parameters in ({"type": "buy_market", "price": "600"}, {"type": "sell_market", "amount": "0.01"}):
        frames = talker.say(add("ok_spot_order", **signed(DEMO_KEY, symbol="btc_usdt", **parameters)), 20)
        last = pushes(frames, "ok_sub_spot_btc_usdt_order")[-1]
        assert (last["status"], last["tradeType"]) == (2, parameters["type"])
        assert Decimal(last["tradePrice"]) <= 601
    [info] = pushes(talker.say(add("ok_spot_userinfo", **signed(DEMO_KEY)), 20), "ok_spot_userinfo")
    funds = info["info"]["funds"]
    assert Decimal(funds["free"]["usdt"]) == venue.engine.available(DEMO_KEY.uid, "USDT")
    assert set(funds) == {"free", "freezed", "borrow"}


def test_a_futures_order_opens_and_closes_and_is_told_unasked() -> None:
    venue = seeded()
    talker = trader(venue)
    facts = {"symbol": "btc_usd", "contract_type": "quarter", "price": "1", "amount": "1", "match_price": 1, "lever_rate": 20}
    frames = talker.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, type=1)), 20)
    [reply] = pushes(frames, "ok_futureusd_trade")
    trades = pushes(frames, "ok_sub_futureusd_trades")
    assert [trade["orderid"] for trade in trades] == [reply["order_id"]] * len(trades)
    assert (trades[-1]["status"], trades[-1]["type"], trades[-1]["lever_rate"]) == (2, 1, 20.0)
    assert pushes(frames, "ok_sub_futureusd_positions")[-1]["positions"][0]["hold_amount"] == 1.0
    assert pushes(frames, "ok_sub_futureusd_userinfo")[-1]["symbol"] == "btc_usd"
    frames = talker.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, type=3)), 20)
    assert pushes(frames, "ok_sub_futureusd_trades")[-1]["type"] == 3
    assert pushes(frames, "ok_sub_futureusd_positions")[-1]["positions"][0]["hold_amount"] == 0.0
    [info] = pushes(talker.say(add("ok_futureusd_userinfo", **signed(DEMO_KEY)), 20), "ok_futureusd_userinfo")
    assert info["info"]["btc"]["account_rights"] == pytest.approx(float(venue.engine.equity(DEMO_KEY.uid, "BTC")))


def test_a_resting_futures_order_fills_with_the_market() -> None:
    venue = seeded()
    talker = trader(venue)
    book = venue.market.book(future(venue), 1)
    assert book is not None
    facts = {"symbol": "btc_usd", "contract_type": "quarter", "price": book["bids"][0][0], "amount": "0.1", "type": 1}
    frames = talker.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, lever_rate=10)), 20)
    assert [trade["status"] for trade in pushes(frames, "ok_sub_futureusd_trades")] == [0]
    told = pushes(talker.until(90), "ok_sub_futureusd_trades")
    assert told[-1]["status"] == 2
    orderinfo = signed(DEMO_KEY, symbol="btc_usd", contract_type="quarter", order_id=told[-1]["orderid"])
    [found] = pushes(talker.say(add("ok_futureusd_orderinfo", **orderinfo), 90), "ok_futureusd_orderinfo")
    assert found["orders"][0]["deal_amount"] == 0.1


def test_private_shapes_are_those_recorded() -> None:
    venue = seeded()
    talker = trader(venue)
    for name in ("ok_sub_spot_btc_usdt_order", "ok_sub_spot_btc_usdt_balance"):
        talker.say(add(name), 20)
    talker.say(add("ok_spot_order", **signed(DEMO_KEY, symbol="btc_usdt", type="buy", price="50000", amount="0.5")), 20)
    facts = {"symbol": "btc_usd", "contract_type": "this_week", "price": "1", "amount": "1", "match_price": 1, "lever_rate": 10}
    talker.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, type=1)), 20)
    compared = 0
    for line in recorded("legacy_samples"):
        if line["dialect"] != "v1" or not line["source"].startswith("capture:"):
            continue
        message = json.loads(line["raw"])
        told = message[0] if isinstance(message, list) else message
        channel = str(told.get("channel", ""))
        for ending in ("_order", "futureusd_trades", "ok_futureusd_trade"):
            if channel.startswith(("ok_sub_", "ok_futureusd_trade")) and channel.endswith(ending):
                name = "ok_sub_spot_btc_usdt_order" if ending == "_order" else channel
                assert shape(pushes(talker.frames, name)[-1]) == shape(told["data"]), channel
                compared += 1
    assert compared >= 6


SPOT_ORDER = {"symbol": "btc_usdt", "type": "buy", "price": "60000", "amount": "1"}
FUTURES_ORDER = {"symbol": "btc_usd", "contract_type": "quarter", "price": "61000", "amount": "1", "type": 1}
REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("ok_spot_order", {**SPOT_ORDER, "amount": "5"}, 10010),
    ("ok_spot_order", {**SPOT_ORDER, "amount": "1000"}, 1027),
    ("ok_spot_order", {**SPOT_ORDER, "amount": "0.000001"}, 10011),
    ("ok_spot_order", {**SPOT_ORDER, "price": "60000.01"}, 1028),
    ("ok_spot_order", {"symbol": "btc_usdt", "type": "buy", "price": "60000"}, 10000),
    ("ok_spot_order", {**SPOT_ORDER, "price": "NaN"}, 10001),
    ("ok_spot_order", {**SPOT_ORDER, "symbol": "no_such"}, 10001),
    ("ok_spot_cancel_order", {"symbol": "btc_usdt", "order_id": 1}, 10009),
    ("ok_futureusd_trade", {**FUTURES_ORDER, "type": 7}, 20007),
    ("ok_futureusd_trade", {**FUTURES_ORDER, "type": 3}, 20016),
    ("ok_futureusd_trade", {**FUTURES_ORDER, "lever_rate": 7}, 20025),
    ("ok_futureusd_trade", {"symbol": "btc_usd", "contract_type": "quarter", "amount": "1", "type": 1}, 20006),
    ("ok_futureusd_cancel_order", {"symbol": "btc_usd", "contract_type": "quarter", "order_id": 1}, 20015),
]


def test_a_refused_request_tells_its_code_alone() -> None:
    talker = trader(seeded())
    for channel, parameters, code in REFUSED:
        answer = pushes(talker.say(add(channel, **signed(DEMO_KEY, **parameters)), 20), channel)
        assert answer == [{"result": False, "error_code": code}], parameters
    assert talker.venue.engine.orders(DEMO_KEY.uid) == []


def test_a_wrong_signature_trades_nothing() -> None:
    venue = seeded()
    talker = OldTalker(venue, "/websocket", 20)
    for channel, code in (("ok_spot_userinfo", 10005), ("ok_futureusd_userinfo", 20024)):
        answer = pushes(talker.say(add(channel, api_key=DEMO_KEY.key, sign="0" * 32), 20), channel)
        assert answer == [{"result": False, "error_code": code}]


def test_an_account_of_two_sides_holds_both_and_closes_each() -> None:
    venue = seeded()
    venue.engine.set_position_mode(DEMO_KEY.uid, "long_short_mode")
    talker = trader(venue)
    facts = {"symbol": "btc_usd", "contract_type": "this_week", "price": "1", "match_price": 1, "lever_rate": 20}
    held = []
    for move, amount in ((1, "0.3"), (2, "0.2"), (3, "0.3"), (4, "0.1")):
        frames = talker.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, type=move, amount=amount)), 20)
        assert pushes(frames, "ok_futureusd_trade")[0]["result"] is True, frames
        assert pushes(frames, "ok_sub_futureusd_trades")[-1]["type"] == move
        rows = pushes(frames, "ok_sub_futureusd_positions")[-1]["positions"]
        held.append(tuple(row["hold_amount"] for row in rows))
    assert held == [(0.3, 0.0), (0.3, 0.2), (0.0, 0.2), (0.0, 0.1)]
