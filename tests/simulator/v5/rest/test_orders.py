"""Signed REST: signatures, limits, paging and what the reads tell of orders, fills and accounts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, rest, rows, sign, venue
from tests.support.talk import seconds

from okex_ws.simulator.rules import DEMO_KEY, DEMO_TRADING_KEY, ApiKey
from okex_ws.simulator.v5.rest import signed

ORDER = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "59800", "sz": "0.01"}


POSITION_MODES = ("net_mode", "long_short_mode")


def place(exchange: Any, at: float = 1.0, **fields: Any) -> dict[str, Any]:
    status, body = rest(exchange, "POST", "trade/order", {**ORDER, **fields}, at=at)
    assert status == 200, body
    return dict(body["data"][0])


def test_the_documents_signature_vectors() -> None:
    key = ApiKey("k", "NOT-A-REAL-SECRET", "p")
    sent = "2026-11-22T10:00:00.000Z"
    now = signed.instant(sent)
    assert now == 1_795_341_600 * 10**9
    for method, target, body, signature in (
        ("GET", "/api/v5/account/balance?ccy=BTC,USDT", "", "Vxf2sa3EZ64eQ2YPGeIt/ECZ/4QL3bO8EziG27HMyWg="),
        (
            "POST",
            "/api/v5/trade/order",
            '{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"60000","sz":"0.01"}',
            "DPj1JqBTsrWtFpZbwzR+5VTyL6bfyf7hynLjrbZG6ko=",
        ),
    ):
        headers = {"ok-access-key": "k", "ok-access-sign": signature, "ok-access-timestamp": sent, "ok-access-passphrase": "p"}
        known = {"k": key}
        assert signed.check(method, target, headers, body.encode(), keys=known, now=now, window_s=30, demo=False) is key


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"OK-ACCESS-KEY": ""}, "50103"),
        ({"OK-ACCESS-PASSPHRASE": ""}, "50104"),
        ({"OK-ACCESS-PASSPHRASE": "wrong"}, "50105"),
        ({"OK-ACCESS-SIGN": ""}, "50106"),
        ({"OK-ACCESS-TIMESTAMP": ""}, "50107"),
        ({"OK-ACCESS-KEY": "no such key!"}, "50111"),
        ({"timestamp": "1790000001"}, "50112"),
        ({"timestamp": "2026-13-40T10:00:00.000Z"}, "50112"),
        ({"timestamp": "2026-09-21T14:12:00.000Z"}, "50102"),
        ({"OK-ACCESS-SIGN": "AAAA"}, "50113"),
        ({"OK-ACCESS-KEY": "another-key"}, "50119"),
        ({"x-simulated-trading": "1"}, "50101"),
    ],
)
def test_what_is_wrong_with_a_signature(changed: dict[str, str], code: str) -> None:
    status, body = rest(venue(), "GET", "account/balance", at=1, **changed)
    assert (status, body["code"], body["data"]) == (401, code, [])
    assert "NOT-A-REAL-SECRET" not in str(body)


def test_what_is_signed_is_what_is_sent() -> None:
    exchange = venue()
    headers = sign(DEMO_KEY, "GET", "/api/v5/account/balance?ccy=BTC,USDT", "", 1)
    reply = exchange.rest("GET", "/api/v5/account/balance?ccy=USDT,BTC", headers, b"", seconds(1))
    assert b"50113" in reply.body
    headers = sign(DEMO_KEY, "POST", "/api/v5/trade/order", "{}", 1)
    assert b"50113" in exchange.rest("POST", "/api/v5/trade/order", headers, b"{ }", seconds(1)).body


def test_demo_keys_need_the_header_and_the_demo_exchange() -> None:
    demo = venue(demo=True)
    assert rest(demo, "GET", "account/config", key=DEMO_TRADING_KEY)[1]["data"][0]["uid"] == "45"
    assert rest(demo, "GET", "account/config", key=DEMO_TRADING_KEY, **{"x-simulated-trading": ""})[1]["code"] == "50101"
    assert rest(demo, "GET", "account/config", key=DEMO_KEY)[1]["code"] == "50101"
    assert rest(venue(), "GET", "account/config", key=DEMO_TRADING_KEY)[1]["code"] == "50101"


def test_permissions() -> None:
    reader = ApiKey("reader", "NOT-A-REAL-SECRET", "p", permissions="read_only")
    exchange = venue(keys=(reader,))
    assert rest(exchange, "POST", "trade/order", ORDER, key=reader)[1]["code"] == "50120"
    assert rest(exchange, "GET", "account/config", key=reader)[1]["data"][0]["perm"] == "read_only"
    rich = ApiKey("rich", "NOT-A-REAL-SECRET", "p", permissions="read_only,withdraw,trade")
    assert rows(venue(keys=(rich,)), "account/config", key=rich)[0]["perm"] == "read_only,withdraw,trade"


def test_an_order_is_placed_amended_read_and_canceled() -> None:
    exchange = venue()
    status, body = rest(exchange, "POST", "trade/order", {**ORDER, "clOrdId": "c1"})
    assert (status, body["code"], body["inTime"]) == (200, "0", str(seconds(1) // 1000))
    order_id = body["data"][0]["ordId"]
    (row,) = rows(exchange, f"trade/order?instId={SPOT}&clOrdId=c1")
    assert (row["ordId"], row["state"], row["sz"], row["avgPx"], row["fillSz"]) == (order_id, "live", "0.01", "", "0")
    assert [r["ordId"] for r in rows(exchange, "trade/orders-pending")] == [order_id]
    status, body = rest(exchange, "POST", "trade/amend-order", {"instId": SPOT, "ordId": order_id, "newSz": "0.02"})
    assert body["code"] == "0"
    assert rows(exchange, f"trade/order?instId={SPOT}&ordId={order_id}")[0]["sz"] == "0.02"
    assert rest(exchange, "POST", "trade/cancel-order", {"instId": SPOT, "ordId": order_id})[1]["code"] == "0"
    status, body = rest(exchange, "POST", "trade/cancel-order", {"instId": SPOT, "ordId": order_id})
    assert (status, body["code"], body["msg"], body["data"][0]["sCode"]) == (200, "1", "All operations failed", "51400")
    assert rows(exchange, "trade/orders-pending") == []
    assert [r["ordId"] for r in rows(exchange, "trade/orders-history?instType=SPOT")] == [order_id]


def test_a_cancel_without_a_fill_is_forgotten_after_two_hours() -> None:
    exchange = venue(unfilled_kept_s=20.0)
    order_id = place(exchange)["ordId"]
    filled = place(exchange, ordType="market", sz="100", px="")["ordId"]
    rest(exchange, "POST", "trade/cancel-order", {"instId": SPOT, "ordId": order_id}, at=2)
    path = f"trade/order?instId={SPOT}&ordId="
    assert rows(exchange, path + order_id, at=21)[0]["state"] == "canceled"
    assert rest(exchange, "GET", path + order_id, at=23)[1]["code"] == "51603"
    assert [r["ordId"] for r in rows(exchange, "trade/orders-history?instType=SPOT", at=23)] == [filled]
    assert rows(exchange, path + filled, at=23)[0]["state"] == "filled"


def test_batches_use_rests_own_names() -> None:
    exchange = venue()
    orders = [{**ORDER, "clOrdId": f"c{i}", "px": str(59800 - i)} for i in range(3)]
    status, body = rest(exchange, "POST", "trade/batch-orders", [*orders, {**ORDER, "side": "up"}])
    assert (status, body["code"], len(body["data"])) == (200, "2", 4)
    names = [{"instId": SPOT, "clOrdId": f"c{i}"} for i in range(3)]
    changes = [{**name, "newSz": "0.02"} for name in names]
    assert rest(exchange, "POST", "trade/amend-batch-orders", changes)[1]["code"] == "0"
    assert rest(exchange, "POST", "trade/cancel-batch-orders", names)[1]["code"] == "0"
    assert rest(exchange, "POST", "trade/batch-orders", orders * 7)[1]["code"] == "51111"
    assert rest(exchange, "POST", "trade/batch-orders", {"a": 1})[1]["code"] == "50002"
    assert rest(exchange, "POST", "trade/batch-orders", "[")[1]["code"] == "50002"
    assert rest(exchange, "POST", "trade/order", "")[1]["code"] == "50000"
    assert rest(exchange, "GET", "trade/batch-orders")[0] == 405


def test_paging_is_newest_first_by_order_id() -> None:
    exchange = venue()
    ids = [place(exchange, px=str(59800 - i))["ordId"] for i in range(7)]
    assert [r["ordId"] for r in rows(exchange, "trade/orders-pending?limit=3")] == ids[:3:-1]
    assert [r["ordId"] for r in rows(exchange, f"trade/orders-pending?limit=3&after={ids[4]}")] == ids[3:0:-1]
    assert [r["ordId"] for r in rows(exchange, f"trade/orders-pending?before={ids[4]}")] == [ids[6], ids[5]]
    assert rows(exchange, "trade/orders-pending?instType=SWAP") == []
    assert rows(exchange, "trade/orders-pending?ordType=post_only") == []
    assert rest(exchange, "GET", "trade/orders-history")[1]["code"] == "50014"


def test_fills_are_paged_by_bill_and_tell_the_ledger() -> None:
    exchange = venue()
    for i in range(5):
        place(exchange, at=1 + i, ordType="market", px="", sz="200", clOrdId=f"c{i}")
    told = rows(exchange, "trade/fills", at=7)
    ledger = [str(each.trade_id) for each in exchange.engine.executions("44")]
    assert [row["tradeId"] for row in told] == ledger[::-1]
    bills = [int(row["billId"]) for row in told]
    assert bills == sorted(bills, reverse=True)
    page = rows(exchange, f"trade/fills?after={bills[1]}&limit=2", at=7)
    assert [int(row["billId"]) for row in page] == bills[2:4]
    assert [int(row["billId"]) for row in rows(exchange, f"trade/fills?before={bills[2]}", at=7)] == bills[:2]
    assert {row["feeRate"] for row in told} == {"-0.001"}
    assert rows(exchange, "trade/fills?instType=SWAP", at=7) == []
    assert rows(exchange, "trade/fills-history?instType=SPOT", at=7) == told
    (one,) = rows(exchange, f"trade/order?instId={SPOT}&clOrdId=c0", at=7)
    own = [row for row in told if row["clOrdId"] == "c0"]
    assert one["tradeId"] == own[0]["tradeId"]


def test_balance_and_positions_agree_with_the_ledger() -> None:
    exchange = venue()
    place(exchange, ordType="market", px="", sz="500")
    rest(exchange, "POST", "trade/order", {**ORDER, "instId": SWAP, "tdMode": "cross", "ordType": "market", "sz": "3"})
    (account,) = rows(exchange, "account/balance")
    cash = {row["ccy"]: row["cashBal"] for row in account["details"]}
    for currency, balance in exchange.engine.accounts["44"].balances.items():
        assert float(cash[currency]) == pytest.approx(float(balance.cash), rel=1e-15)
    (position,) = rows(exchange, "account/positions")
    assert (position["instId"], position["pos"], position["posSide"], position["mgnMode"]) == (SWAP, "3", "net", "cross")
    assert rows(exchange, f"account/positions?instId={SPOT}") == []
    assert [row["ccy"] for row in rows(exchange, "account/balance?ccy=BTC")[0]["details"]] == ["BTC"]
    _, body = rest(exchange, "POST", "trade/close-position", {"instId": SWAP, "mgnMode": "cross"}, at=2)
    assert body["data"] == [{"instId": SWAP, "posSide": "net", "clOrdId": "", "tag": ""}]
    assert rows(exchange, "account/positions", at=2) == []
    assert rest(exchange, "POST", "trade/close-position", {"instId": SWAP, "mgnMode": "cross"}, at=2)[1]["code"] == "51023"


def test_settings_and_facts_of_the_account() -> None:
    exchange = venue()
    (config,) = rows(exchange, "account/config")
    assert (config["uid"], config["posMode"], config["acctLv"], config["perm"]) == ("44", "net_mode", "2", "read_only,trade")
    body = {"instId": SWAP, "lever": "5", "mgnMode": "cross"}
    assert rest(exchange, "POST", "account/set-leverage", body)[1]["data"][0]["lever"] == "5"
    assert rows(exchange, f"account/leverage-info?instId={SWAP}&mgnMode=cross")[0]["lever"] == "5"
    isolated = rest(exchange, "POST", "account/set-leverage", {**body, "mgnMode": "isolated"})[1]
    assert (isolated["code"], "no isolated margin" in isolated["msg"]) == ("51000", True), "none of its orders would be taken"
    assert rest(exchange, "POST", "account/set-position-mode", {"posMode": "long_short_mode"})[1]["code"] == "0"
    assert rest(exchange, "POST", "account/set-position-mode", {"posMode": "x"})[1]["code"] == "51000"
    assert len(rows(exchange, f"account/leverage-info?instId={SWAP}&mgnMode=cross")) == 2
    (fee,) = rows(exchange, "account/trade-fee?instType=SPOT")
    assert (fee["maker"], fee["taker"]) == ("-0.0008", "-0.001")
    assert rows(exchange, "account/trade-fee?instType=SWAP")[0]["takerU"] == "-0.0005"
    (size,) = rows(exchange, f"account/max-size?instId={SPOT}&tdMode=cash")
    assert float(size["maxBuy"]) == pytest.approx(100_000 / 60_000, rel=0.01)
    assert float(size["maxSell"]) == 10
    assert [row["instId"] for row in rows(exchange, "account/instruments?instType=SWAP")] == [SWAP]
    assert rows(exchange, "trade/account-rate-limit")[0]["accRateLimit"] == "1000"


def test_limits_are_shared_with_the_socket_and_answered_429() -> None:
    exchange = venue(rest_limits="429")
    trader = Trader(exchange)
    for _ in range(59):
        assert trader.place()["sCode"] == "0"
    assert rest(exchange, "POST", "trade/order", ORDER)[1]["code"] == "0"
    status, body = rest(exchange, "POST", "trade/order", ORDER)
    assert (status, body["code"], body["data"]) == (429, "50011", [])
    assert trader.place()["sCode"] == "50011"
    assert rest(exchange, "POST", "trade/order", ORDER, at=3.1)[1]["code"] == "0"
    answers = [rest(exchange, "GET", "account/balance", at=4)[0] for _ in range(11)]
    assert answers == [200] * 10 + [429]


def test_an_expired_request_is_not_obeyed() -> None:
    exchange = venue()
    past = {"expTime": str(seconds(0) // 10**6)}
    status, body = rest(exchange, "POST", "trade/order", ORDER, **past)
    assert (status, body["code"]) == (400, "50036")
    assert not exchange.engine.open_orders("44")


def test_cancel_all_after_fires_unless_it_is_renewed() -> None:
    exchange = venue()
    trader = Trader(exchange)
    trader.subscribe({"channel": "orders", "instType": "ANY"})
    place(exchange, tag="t1", clOrdId="c1")
    place(exchange, clOrdId="c2")
    _, body = rest(exchange, "POST", "trade/cancel-all-after", {"timeOut": "10"}, at=2)
    (row,) = body["data"]
    assert row == {"triggerTime": str(seconds(12) // 10**6), "tag": "", "ts": str(seconds(2) // 10**6)}
    rest(exchange, "POST", "trade/cancel-all-after", {"timeOut": "10"}, at=8)
    exchange.on_deadline(seconds(17.9))
    assert len(exchange.engine.open_orders("44")) == 2
    exchange.on_deadline(seconds(18))
    assert exchange.engine.open_orders("44") == []
    gone = [row for push in trader.pushes("orders") for row in push["data"] if row["state"] == "canceled"]
    assert [row["cancelSource"] for row in gone] == ["20", "20"]


def test_cancel_all_after_by_tag_and_its_bounds() -> None:
    exchange = venue(rest_limits="429")
    place(exchange, tag="t1", clOrdId="c1")
    place(exchange, clOrdId="c2")
    path = "trade/cancel-all-after"
    for wrong in ("5", "121", "x", "-1"):
        assert rest(exchange, "POST", path, {"timeOut": wrong, "tag": wrong.strip("-")}, at=2)[1]["code"] == "51000"
    assert rest(exchange, "POST", path, {"tag": "q"}, at=2)[1]["code"] == "50014"
    for i in range(20):
        assert rest(exchange, "POST", path, {"timeOut": "120", "tag": f"t{i}"}, at=2)[1]["code"] == "0"
    assert rest(exchange, "POST", path, {"timeOut": "120", "tag": "more"}, at=2)[1]["code"] == "51071"
    assert rest(exchange, "POST", path, {"timeOut": "10", "tag": "t1"}, at=2)[0] == 429
    assert rest(exchange, "POST", path, {"timeOut": "10", "tag": "t1"}, at=4)[1]["code"] == "0"
    off = rest(exchange, "POST", path, {"timeOut": "0", "tag": "t2"}, at=4)[1]["data"][0]
    assert off["triggerTime"] == "0"
    exchange.on_deadline(seconds(15))
    assert [order.client_order_id for order in exchange.engine.open_orders("44")] == ["c2"]


def test_closing_a_position_beside_an_order_that_would_close_it() -> None:
    exchange = venue()
    order = {**ORDER, "instId": SWAP, "tdMode": "cross", "sz": "2"}
    rest(exchange, "POST", "trade/order", {**order, "ordType": "market", "px": ""})
    closing = {**order, "side": "sell", "px": "60600", "reduceOnly": "true"}
    assert rest(exchange, "POST", "trade/order", closing)[1]["code"] == "0"
    close = {"instId": SWAP, "mgnMode": "cross"}
    status, body = rest(exchange, "POST", "trade/close-position", close)
    assert (status, body["code"]) == (429, "51115")
    assert [row["pos"] for row in rows(exchange, "account/positions")] == ["2"]
    assert rest(exchange, "POST", "trade/close-position", {**close, "autoCxl": True})[1]["code"] == "0"
    assert rows(exchange, "account/positions") == rows(exchange, "trade/orders-pending") == []


def test_closing_a_position_beside_an_order_that_opens() -> None:
    exchange = venue()
    order = {**ORDER, "instId": SWAP, "tdMode": "cross", "sz": "2"}
    rest(exchange, "POST", "trade/order", {**order, "ordType": "market", "px": ""})
    rest(exchange, "POST", "trade/order", {**order, "px": "59500"})
    assert rest(exchange, "POST", "trade/close-position", {"instId": SWAP, "mgnMode": "cross"})[1]["code"] == "0"
    assert len(rows(exchange, "trade/orders-pending")) == 1


def test_the_position_mode_that_is_set_may_be_set_again() -> None:
    exchange = venue()
    rest(exchange, "POST", "trade/order", {**ORDER, "instId": SWAP, "tdMode": "cross", "ordType": "market", "px": "", "sz": "2"})
    modes = {mode: rest(exchange, "POST", "account/set-position-mode", {"posMode": mode})[1]["code"] for mode in POSITION_MODES}
    assert modes == {"net_mode": "0", "long_short_mode": "59000"}
