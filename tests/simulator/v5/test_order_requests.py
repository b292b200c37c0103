"""Orders over WebSocket: the envelope, OKX's codes, and what is pushed of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, code, login, venue
from tests.support.paths import CORPORA
from tests.support.talk import Talker, seconds

from okex_ws.simulator.rules import DEMO_KEY, DEMO_TRADING_KEY, ApiKey


def states(trader: Trader) -> list[tuple[str, str]]:
    return [(row["clOrdId"], row["state"]) for push in trader.pushes("orders") for row in push["data"]]


def orders(trader: Trader) -> list[dict[str, Any]]:
    return [row for push in trader.pushes("orders") for row in push["data"]]


def listening(**rules: Any) -> Trader:
    trader = Trader(venue(**rules))
    trader.subscribe({"channel": "orders", "instType": "ANY"})
    return trader


def test_an_order_is_acknowledged_and_rests() -> None:
    trader = listening()
    reply = trader.ask("order", trader.order(clOrdId="c1", tag="t1"), at=1)
    (result,) = reply["data"]
    order_id = result["ordId"]
    assert reply == {
        "id": "r1",
        "op": "order",
        "code": "0",
        "msg": "",
        "data": [
            {
                "ordId": order_id,
                "clOrdId": "c1",
                "tag": "t1",
                "ts": str(seconds(1) // 10**6),
                "sCode": "0",
                "sMsg": "",
                "subCode": "",
            }
        ],
        "inTime": str(seconds(1) // 1000),
        "outTime": str(seconds(1) // 1000),
    }
    (row,) = orders(trader)
    assert (row["ordId"], row["state"], row["accFillSz"], row["avgPx"], row["px"]) == (order_id, "live", "0", "0", "59800")
    assert trader.pushes("orders")[0]["arg"] == {"channel": "orders", "instType": "ANY", "uid": "44"}
    assert [order.order_id for order in trader.venue.engine.open_orders("44")] == [order_id]


def test_a_push_has_every_field_of_the_real_ones(shared_orders: list[dict[str, Any]]) -> None:
    trader = listening()
    trader.place(px="", ordType="market", sz="1000")
    fill = next(row for row in orders(trader) if row["tradeId"])
    for real in shared_orders:
        assert set(real) - set(fill) == set()
    quiet = next(row for row in orders(trader) if not row["tradeId"])
    assert set(quiet) == set(fill)
    assert (quiet["fillSz"], quiet["fillPx"], quiet["fillPnl"]) == ("0", "", "0")


def test_fills_are_told_one_by_one_and_add_up() -> None:
    trader = listening()
    trader.subscribe({"channel": "fills"})
    trader.place(instrument=SWAP, px="60600", sz="400", clOrdId="77")
    told = [row for row in orders(trader) if row["tradeId"]]
    assert len(told) > 1
    assert float(told[-1]["accFillSz"]) == pytest.approx(sum(float(row["fillSz"]) for row in told))
    assert len({row["tradeId"] for row in told}) == len(told)
    assert told[-1]["execType"] == "T"
    fills = [row for push in trader.pushes("fills") for row in push["data"]]
    assert sum(int(row["count"]) for row in fills) == len(told)
    assert {row["clOrdId"] for row in fills} == {"77"}
    assert len({row["fillPx"] for row in fills}) == len(fills)


def test_post_only_that_would_take_is_only_told_as_canceled() -> None:
    trader = listening()
    assert trader.place(ordType="post_only", px="60500", clOrdId="p1")["sCode"] == "0"
    assert trader.place(ordType="post_only", px="59800", clOrdId="p2")["sCode"] == "0"
    assert states(trader) == [("p1", "canceled"), ("p2", "live")]
    assert orders(trader)[0]["cancelSource"] == "31"


def test_amend_and_cancel() -> None:
    trader = listening()
    placed = trader.place(clOrdId="c1")
    name = {"instIdCode": code(trader.venue, SPOT), "clOrdId": "c1"}
    reply = trader.ask("amend-order", {**name, "newSz": "0.02", "reqId": "q1"}, at=2)
    (result,) = reply["data"]
    assert (result["reqId"], result["ordId"], result["sCode"]) == ("q1", placed["ordId"], "0")
    assert result["ts"] == str(seconds(1) // 10**6)  # the order's making
    row = orders(trader)[-1]
    assert (row["sz"], row["reqId"], row["amendResult"], row["amendSource"]) == ("0.02", "q1", "0", "1")
    assert trader.ask("cancel-order", name, at=3)["code"] == "0"
    row = orders(trader)[-1]
    assert (row["state"], row["cancelSource"], row["reqId"]) == ("canceled", "1", "")
    again = trader.ask("cancel-order", name, at=4)
    assert (again["code"], again["data"][0]["sCode"]) == ("1", "51400")
    assert trader.ask("amend-order", {**name, "newPx": "59000"}, at=4)["data"][0]["sCode"] == "51503"


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"instIdCode": ""}, "50014"),
        ({"instIdCode": "", "instId": SPOT}, "50014"),
        ({"instIdCode": 1}, "51001"),
        ({"instIdCode": "x"}, "51000"),
        ({"side": "up"}, "51000"),
        ({"side": ""}, "50014"),
        ({"tdMode": ""}, "50014"),
        ({"ordType": "magic"}, "51000"),
        ({"px": ""}, "50014"),
        ({"px": "1e4"}, "51000"),
        ({"sz": "1e-07"}, "51000"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "0"}, "51000"),
        ({"sz": "0.0100000001"}, "51121"),
        ({"sz": "0.00000001"}, "51020"),
        ({"px": "59800.123456"}, "51150"),
        ({"clOrdId": "not-alnum"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
        ({"tag": "t" * 17}, "51000"),
        ({"reduceOnly": "perhaps"}, "51000"),
        ({"sz": {"a": 1}}, "51000"),
        ({"sz": "3"}, "51008"),
    ],
)
def test_a_bad_order_gets_its_code(changed: dict[str, Any], refusal: str) -> None:
    trader = listening()
    reply = trader.ask("order", trader.order(**changed))
    assert (reply["code"], reply["data"][0]["sCode"]) == ("1", refusal), reply
    assert reply["data"][0]["sMsg"]
    assert reply["data"][0]["ordId"] == ""
    assert not orders(trader)


def test_tolerant_of_what_real_clients_send() -> None:
    trader = listening()
    fields = {
        "instIdCode": str(code(trader.venue, SPOT)),
        "instId": SPOT,
        "px": 59800,
        "sz": 0.01,
        "reduceOnly": False,
        "clOrdId": None,
        "tag": None,
        "ccy": None,
        "banAmend": "false",
        "surprise": [1],
    }
    reply = trader.ask("order", {**trader.order(), **fields})
    assert reply["code"] == "0", reply
    assert trader.say({"id": 17, "op": "order", "args": trader.order()}, 2)[0]["id"] == "17"


def test_batches_answer_in_order_and_say_how_many_failed() -> None:
    trader = listening()
    good, bad = trader.order(clOrdId="g1"), trader.order(clOrdId="b1", side="up")
    reply = trader.ask("batch-orders", good, bad, trader.order(clOrdId="g2", px="59700"))
    assert reply["code"] == "2"
    assert [(row["clOrdId"], row["sCode"]) for row in reply["data"]] == [("g1", "0"), ("b1", "51000"), ("g2", "0")]
    names = [{"instIdCode": good["instIdCode"], "clOrdId": name} for name in ("g1", "g2")]
    amended = trader.ask("batch-amend-orders", *({**name, "newSz": "0.02"} for name in names))
    assert [row["sCode"] for row in amended["data"]] == ["0", "0"]
    twice = trader.ask("batch-amend-orders", *({**names[0], "newSz": size} for size in ("0.03", "0.04")))
    assert [row["sCode"] for row in twice["data"]] == ["0", "51512"]
    gone = trader.ask("batch-cancel-orders", *names, {**names[0], "clOrdId": "nobody"})
    assert [row["sCode"] for row in gone["data"]] == ["0", "0", "51400"]
    assert not trader.venue.engine.open_orders("44")
    assert trader.ask("batch-orders", *[trader.order()] * 21) | {"inTime": "", "outTime": ""} == {
        "id": trader.asked and f"r{trader.asked}",
        "op": "batch-orders",
        "code": "51111",
        "data": [],
        "msg": "Maximum 20 orders can be placed in a batch",
        "inTime": "",
        "outTime": "",
    }


@pytest.mark.parametrize("args", [None, [], "order", [1], [[]], [{}, {}]])
def test_malformed_args_are_60013(args: Any) -> None:
    trader = listening()
    (reply,) = trader.say({"id": "m1", "op": "order", "args": args}, 1)
    assert (reply["op"], reply["code"], reply["data"]) == ("order", "60013", [])
    (reply,) = trader.say({"op": "order", "args": [trader.order()]}, 1)
    assert reply["code"] == "60013"


def test_where_orders_are_taken_and_from_whom() -> None:
    exchange = venue()
    stranger = Talker(exchange, "private")
    assert stranger.say({"id": "a", "op": "order", "args": [{}]}, 0)[0]["code"] == "60011"
    for path in ("public", "business"):
        line = Talker(exchange, path)
        line.say(login(at=2), 2)
        (error,) = line.say({"id": "a1", "op": "order", "args": [{}]}, 2)
        assert (error["event"], error["code"], error["id"]) == ("error", "60028", "a1")
    reader = ApiKey("reader", "NOT-A-REAL-SECRET", "p", permissions="read_only")
    trader = Trader(venue(keys=(reader,)), key=reader)
    assert trader.place()["code"] == "50120"


def test_demo_and_production_do_not_know_one_another() -> None:
    exchange, demo = venue(), venue(demo=True)
    assert Talker(exchange, "private").say(login(DEMO_TRADING_KEY), 0)[0]["code"] == "60032"
    assert Talker(demo, "private").say(login(DEMO_KEY), 0)[0]["code"] == "60032"
    trader = Trader(demo, key=DEMO_TRADING_KEY)
    assert trader.place()["sCode"] == "0"
    assert code(demo, SPOT) != code(exchange, SPOT)
    assert trader.place(instIdCode=code(exchange, SPOT))["sCode"] == "51001"


def test_an_order_that_comes_too_late_is_not_taken() -> None:
    trader = listening()
    before, after = str(seconds(0.5) // 10**6), str(seconds(5) // 10**6)
    assert trader.ask("order", trader.order(), expTime=before)["code"] == "50036"
    assert trader.ask("order", trader.order(), expTime="soon")["code"] == "51000"
    assert trader.ask("order", trader.order(clOrdId="c1"), expTime=after)["code"] == "0"
    name = {"instIdCode": code(trader.venue, SPOT), "clOrdId": "c1"}
    assert trader.ask("amend-order", {**name, "newSz": "0.02"}, expTime=int(before))["code"] == "50036"
    assert trader.ask("cancel-order", name, expTime=before)["code"] == "0"


def test_limits_are_per_instrument_kind_and_account_and_shared_with_batches_of_one() -> None:
    trader = listening()
    answers = [trader.place(clOrdId=f"c{i}")["sCode"] for i in range(61)]
    assert answers == ["0"] * 60 + ["50011"]
    assert trader.ask("batch-orders", trader.order())["data"][0]["sCode"] == "50011"
    assert trader.place(instrument=SWAP)["sCode"] == "0"
    assert trader.ask("batch-orders", trader.order(), trader.order())["code"] == "0"
    name = {"instIdCode": code(trader.venue, SPOT), "clOrdId": "c1"}
    assert trader.ask("cancel-order", name)["code"] == "0"
    assert trader.place(at=3.1)["sCode"] == "0"


def test_a_sub_account_may_not_send_more_than_1000_in_two_seconds_cancels_aside() -> None:
    trader = listening()
    batch = [trader.order(sz="0.0001") for _ in range(20)]
    swaps = [trader.order(SWAP) for _ in range(20)]
    taken = refused = 0
    for args in [*[batch] * 15, *[swaps] * 15]:
        rows = trader.ask("batch-orders", *args)["data"]
        taken += sum(row["sCode"] == "0" for row in rows)
    assert taken == 600
    ids = [order.order_id for order in trader.venue.engine.open_orders("44") if order.instrument == SPOT]
    for i in range(0, 300, 20):
        args = [{"instIdCode": batch[0]["instIdCode"], "ordId": each, "newSz": "0.0002"} for each in ids[i : i + 20]]
        rows = trader.ask("batch-amend-orders", *args)["data"]
        taken += sum(row["sCode"] == "0" for row in rows)
    swap_ids = [order.order_id for order in trader.venue.engine.open_orders("44") if order.instrument == SWAP]
    for i in range(0, 300, 20):
        args = [{"instIdCode": swaps[0]["instIdCode"], "ordId": each, "newSz": "2"} for each in swap_ids[i : i + 20]]
        rows = trader.ask("batch-amend-orders", *args)["data"]
        taken += sum(row["sCode"] == "0" for row in rows)
        refused += sum(row["sCode"] == "50061" for row in rows)
    assert (taken, refused) == (1000, 200)
    gone = trader.ask("batch-cancel-orders", *({"instIdCode": batch[0]["instIdCode"], "ordId": each} for each in ids[:20]))
    assert gone["code"] == "0"


def test_names_in_place_of_codes_where_the_rules_allow_them() -> None:
    trader = listening(order_instrument="code_or_name")
    assert trader.place(instIdCode="", instId=SPOT)["sCode"] == "0"
    assert trader.place(instIdCode="", instId="NO-SUCH")["sCode"] == "51001"


def test_ack_and_push_come_in_either_order() -> None:
    for habit in ("after_ack", "before_ack", "mixed"):
        trader = listening(order_push=habit)
        for i in range(20):
            trader.place(clOrdId=f"c{i}")
        frames = [f for f in trader.drain() if f.get("op") == "order" or "data" in f]
        firsts = ["ack" if "op" in frame else "push" for frame in frames[::2]]
        expected = {"after_ack": {"ack"}, "before_ack": {"push"}, "mixed": {"ack", "push"}}[habit]
        assert set(firsts) == expected


def test_orders_live_on_when_the_line_drops() -> None:
    trader = listening()
    trader.place(clOrdId="c1")
    trader.line.gone(seconds(2))
    trader.venue.on_deadline(seconds(100))
    assert [order.client_order_id for order in trader.venue.engine.open_orders("44")] == ["c1"]


def test_mass_cancel_is_for_portfolio_margin_accounts_and_options() -> None:
    arg = {"instType": "OPTION", "instFamily": "BTC-USD", "lockInterval": 0}
    assert listening().ask("mass-cancel", arg)["code"] == "51411"
    key = ApiKey("pm", "NOT-A-REAL-SECRET", "p", level="4")
    trader = Trader(venue(keys=(key,)), key=key)
    reply = trader.ask("mass-cancel", arg)
    assert (reply["code"], reply["data"]) == ("0", [{"result": True}])
    assert trader.ask("mass-cancel", {**arg, "instType": "SWAP"})["code"] == "51000"
    assert trader.ask("mass-cancel", {"instType": "OPTION"})["code"] == "50014"


@pytest.fixture
def shared_orders() -> list[dict[str, Any]]:
    """The rows of the real order pushes kept beside the project."""
    path = CORPORA / "tradebot-private-2026.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}: the recorded order pushes are not here")
    raws = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for raw in raws if raw["channel"] == "orders" for row in json.loads(raw["raw"])["data"]]
