"""The faults of the order path, one by one: each does what its row of the catalogue says, and says so in the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, Trader, code, login, rest, rows, venue
from tests.support.talk import Talker, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.outgoing import Abort
from okex_ws.simulator.rules import DEMO_KEY

ORDER = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "59800", "sz": "0.01", "clOrdId": "c1"}


def listening(*faults: str, **rules: Any) -> Trader:
    trader = Trader(venue(*faults, **rules))
    trader.subscribe({"channel": "orders", "instType": "ANY"})
    return trader


def open_ids(exchange: Exchange) -> list[str]:
    return [order.client_order_id for order in exchange.engine.open_orders("44")]


def struck(exchange: Exchange) -> list[str]:
    return [fault.kind for fault in exchange.ledger.faults]


def told(trader: Trader) -> list[dict[str, Any]]:
    return [row for push in trader.pushes("orders") for row in push["data"]]


def test_F1_order_then_drop_obeys_and_resets_the_line_without_an_ack() -> None:
    trader = listening("order_then_drop action=order nth=1")
    assert trader.say({"id": "1", "op": "order", "args": [trader.order(clOrdId="c1")]}, 1) == []
    assert isinstance(trader.out[-1], Abort)
    assert open_ids(trader.venue) == ["c1"]
    assert struck(trader.venue) == ["order_then_drop", "abort"]


def test_F1_on_rest_there_is_no_answer() -> None:
    exchange = venue("order_then_drop path=rest")
    assert rest(exchange, "POST", "trade/order", ORDER) == (0, {})
    assert open_ids(exchange) == ["c1"]


@pytest.mark.parametrize("given", ["50004", "51054", "51149"])
def test_F2_an_answer_that_says_neither_yes_nor_no(given: str) -> None:
    exchange = venue(f"order_answer code={given} status=503")
    trader = Trader(exchange)
    reply = trader.ask("order", trader.order(clOrdId="c1"))
    assert (reply["code"], reply["data"]) == (given, [])
    status, body = rest(exchange, "POST", "trade/order", {**ORDER, "clOrdId": "c2"})
    assert (status, body["code"]) == (503, given)
    assert open_ids(exchange) == ["c1", "c2"]


def test_F2_the_same_for_one_order_of_a_batch_and_without_obeying() -> None:
    trader = listening("order_refused code=51149 obey=1 nth=2", "order_answer code=50026 obey=0 action=cancel")
    reply = trader.ask("batch-orders", *(trader.order(clOrdId=f"c{i}") for i in range(3)))
    assert (reply["code"], [row["sCode"] for row in reply["data"]]) == ("2", ["0", "51149", "0"])
    assert open_ids(trader.venue) == ["c0", "c1", "c2"]
    name = {"instIdCode": code(trader.venue, SPOT), "clOrdId": "c1"}
    assert trader.ask("cancel-order", name)["code"] == "50026"
    assert open_ids(trader.venue) == ["c0", "c1", "c2"]


def test_F3_a_lost_request_is_neither_obeyed_nor_answered() -> None:
    trader = listening("order_lost nth=1", "order_lost nth=3 drop=1")
    assert trader.say({"id": "1", "op": "order", "args": [trader.order(clOrdId="c1")]}, 1) == []
    assert trader.place(clOrdId="c2")["sCode"] == "0"
    assert trader.say({"id": "3", "op": "order", "args": [trader.order(clOrdId="c3")]}, 2) == []
    assert isinstance(trader.out[-1], Abort)
    assert open_ids(trader.venue) == ["c2"]
    exchange = venue("order_lost")
    assert rest(exchange, "POST", "trade/order", ORDER) == (0, {})
    assert open_ids(exchange) == []


def test_F4_an_order_is_not_found_by_its_first_lookups() -> None:
    exchange = venue("hide_order lookups=3")
    rest(exchange, "POST", "trade/order", ORDER)
    path = f"trade/order?instId={SPOT}&clOrdId=c1"
    answers = [rest(exchange, "GET", path)[1]["code"] for _ in range(5)]
    assert answers == ["51603", "51603", "51603", "0", "0"]
    rest(exchange, "POST", "trade/order", {**ORDER, "clOrdId": "c2"})
    assert [len(rows(exchange, "trade/orders-pending")) for _ in range(4)] == [1, 1, 1, 2]
    exchange = venue("hide_order lookups=3 seconds=2")
    rest(exchange, "POST", "trade/order", ORDER)
    answers = [rest(exchange, "GET", path, at=at)[1]["code"] for at in (2.0, 3.0)]
    assert answers == ["51603", "0"], "after two seconds the first lookup finds it, too"


def test_F5_a_client_id_that_lives_is_taken() -> None:
    trader = listening()
    first = trader.place(clOrdId="c1")
    assert trader.place(clOrdId="c1")["sCode"] == "51016"
    assert [order.order_id for order in trader.venue.engine.open_orders("44")] == [first["ordId"]]


def test_F7_acks_late_or_lost_and_a_live_that_is_overtaken() -> None:
    trader = listening(
        "delay_ack channel=order seconds=2 nth=1", "drop_ack channel=cancel", "overtaken channel=orders action=live seconds=3"
    )
    assert [f for f in trader.say({"id": "1", "op": "order", "args": [trader.order(clOrdId="c1")]}, 1) if "op" in f] == []
    name = {"instIdCode": code(trader.venue, SPOT), "clOrdId": "c1"}
    assert [f["data"][0]["state"] for f in trader.say({"id": "2", "op": "cancel-order", "args": [name]}, 2)] == ["canceled"]
    late = trader.until(10)
    assert [frame.get("op") or frame["data"][0]["state"] for frame in late] == ["order", "live"]


def test_F8_an_order_push_is_repeated_with_another_time() -> None:
    trader = listening("restated_order")
    trader.place(clOrdId="c1")
    first, second = told(trader)
    assert int(second["uTime"]) == int(first["uTime"]) + 1
    assert {k: v for k, v in first.items() if k != "uTime"} == {k: v for k, v in second.items() if k != "uTime"}


def test_F9_fills_are_lost_on_one_channel_and_stay_readable() -> None:
    trader = listening("drop channel=orders action=partially_filled", "drop channel=fills")
    trader.subscribe({"channel": "fills"})
    trader.place(px="", ordType="market", sz="5000")
    assert trader.pushes("fills") == []
    assert not [row for row in told(trader) if row["tradeId"]]
    assert rows(trader.venue, "trade/fills")


def test_F10_cancel_and_amend_refused_and_an_amend_that_fails_afterwards() -> None:
    trader = listening("order_refused action=cancel code=51410 nth=1", "amend_fails action=amend")
    trader.place(clOrdId="c1")
    name = {"instIdCode": code(trader.venue, SPOT), "clOrdId": "c1"}
    assert trader.ask("cancel-order", name)["data"][0]["sCode"] == "51410"
    assert open_ids(trader.venue) == ["c1"]
    assert trader.ask("amend-order", {**name, "newSz": "0.02", "reqId": "q1"})["code"] == "0"
    row = told(trader)[-1]
    assert (row["state"], row["sz"], row["reqId"], row["amendResult"]) == ("live", "0.01", "q1", "-1")
    assert trader.ask("amend-order", {**name, "newSz": "0.02", "reqId": "q2", "cxlOnFail": True})["code"] == "0"
    row = told(trader)[-1]
    assert (row["state"], row["reqId"], row["amendResult"]) == ("canceled", "q2", "1")
    assert open_ids(trader.venue) == []


def test_F10_the_published_code_is_not_known() -> None:
    trader = listening("code_unknown at=0s for=5s")
    assert trader.place(clOrdId="c1")["sCode"] == "51001"
    assert rest(trader.venue, "POST", "trade/order", ORDER)[1]["code"] == "0"
    assert trader.place(clOrdId="c2", at=6)["sCode"] == "0"


def test_a_relisting_changes_the_code() -> None:
    trader = listening(f"instrument_change instrument={SPOT} at=2s instIdCode=77")
    old = trader.order(clOrdId="c1")
    trader.until(3)
    assert trader.ask("order", old, at=3)["data"][0]["sCode"] == "51001"
    assert trader.place(clOrdId="c1", at=3, instIdCode=77)["sCode"] == "0"


def test_F12_rate_limits_at_will() -> None:
    trader = listening("order_refused code=50061 nth=1", "order_answer code=50011 status=429 obey=0 action=cancel")
    assert trader.place()["sCode"] == "50061"
    assert trader.place(clOrdId="c1")["sCode"] == "0"
    status, body = rest(trader.venue, "POST", "trade/cancel-order", {"instId": SPOT, "clOrdId": "c1"})
    assert (status, body["code"]) == (429, "50011")


@pytest.mark.parametrize("target", ["cancel-all-after", "trade/cancel-all-after", "trade/*"])
def test_F14_cancel_all_after_fails_at_will(target: str) -> None:
    exchange = venue(f"rest_error target={target} status=500 code=50026")
    status, body = rest(exchange, "POST", "trade/cancel-all-after", {"timeOut": "10"})
    assert (status, body["code"]) == (500, "50026")
    assert exchange.trading.cancel_all_after.armed == {}


def test_F16_an_order_is_late() -> None:
    trader = listening("slow_order seconds=2 nth=1", "slow_order seconds=2 inside=1 nth=2", "slow_order seconds=2 nth=3")
    limit = str(seconds(2) // 10**6)
    for number, at in ((1, 1.0), (2, 1.0)):
        assert trader.say({"id": f"s{number}", "op": "order", "args": [trader.order()], "expTime": limit}, at) == []
    answers = {frame["id"]: frame for frame in trader.until(4)}
    assert answers["s1"]["code"] == "50036"
    assert (answers["s2"]["code"], answers["s2"]["data"][0]["sCode"]) == ("1", "50037")
    assert int(answers["s2"]["outTime"]) - int(answers["s2"]["inTime"]) == 2_000_000
    trader.say({"id": "s3", "op": "order", "args": [trader.order(clOrdId="c3")]}, 5)
    trader.line.gone(seconds(6))
    trader.until(8)
    assert open_ids(trader.venue) == ["c3"]


def test_F16_on_rest_the_shell_holds_the_request() -> None:
    exchange = venue("slow_order seconds=2 path=rest nth=1")
    held = [exchange.rest_hold("POST", "/api/v5/trade/order", b"{}", seconds(1)) for _ in range(2)]
    assert held == [2 * 10**9, 0]
    assert exchange.rest_hold("GET", "/api/v5/trade/order", b"", seconds(1)) == 0


def test_F21_the_exchanges_clock_is_off() -> None:
    exchange = venue("clock_skew seconds=35 at=0s for=60s")
    assert Talker(exchange, "private", 1).say(login(at=1), 1)[0]["code"] == "60006"
    assert rest(exchange, "GET", "account/balance", at=1)[1]["code"] == "50102"
    reply = exchange.rest("GET", "/api/v5/public/time", {}, b"", seconds(1))
    assert str(seconds(36) // 10**6).encode() in reply.body
    assert Talker(exchange, "private", 1).say(login(at=36), 1)[0]["event"] == "login"
    assert Talker(exchange, "private", 61).say(login(at=61), 61)[0]["event"] == "login"


def test_F21_the_clock_may_be_behind_as_well() -> None:
    exchange = venue("clock_skew seconds=-35s")
    assert Talker(exchange, "private", 1).say(login(at=1), 1)[0]["code"] == "60006"
    assert Talker(exchange, "private", 40).say(login(at=5), 40)[0]["event"] == "login"


def test_F23_maintenance_for_a_while() -> None:
    trader = listening("maintenance at=1s for=300s code=50013 status=503")
    reply = trader.ask("order", trader.order(), at=2)
    assert (reply["code"], reply["data"]) == ("50013", [])
    assert rest(trader.venue, "POST", "trade/order", ORDER, at=2)[0] == 503
    status, body = rest(trader.venue, "GET", "account/balance", at=2)
    assert (status, body["code"]) == (503, "50013")
    assert open_ids(trader.venue) == []
    trader.until(302)
    assert trader.place(at=302)["sCode"] == "0"


def test_B9_logins_are_refused_with_any_code() -> None:
    for given in ("60004", "60005", "60006", "60007", "60009", "60024", "60032"):
        line = Talker(venue(f"error_ack channel=login code={given} nth=1"), "private")
        assert line.say(login(), 0)[0]["code"] == given
        assert line.say(login(), 0)[0]["event"] == "login"


def test_B10_a_login_ack_comes_late_or_never() -> None:
    late = Talker(venue("delay_ack channel=login seconds=5"), "private")
    assert late.say(login(), 0) == []
    assert [frame["event"] for frame in late.until(6)] == ["login"]
    lost = Talker(venue("drop_ack channel=login"), "private")
    assert lost.say(login(), 0) == []
    assert lost.until(20) == []


def test_B14_a_deleted_key_ends_its_lines_and_opens_no_more() -> None:
    trader = listening(f"key_deleted api_key={DEMO_KEY.key} at=3s")
    trader.place(clOrdId="c1")
    trader.until(4)
    assert trader.closed is not None
    assert trader.closed.code == 4007
    assert Talker(trader.venue, "private", 5).say(login(at=5), 5)[0]["code"] == "60032"
    assert rest(trader.venue, "GET", "account/balance", at=5)[1]["code"] == "50119"
    assert open_ids(trader.venue) == ["c1"]
