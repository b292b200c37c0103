"""Private channels: snapshots in pages, events put together, regular pushes, and what each tells of a trade."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, venue
from tests.support.talk import seconds

from okex_ws.simulator.rules import ApiKey

MANY = ApiKey(
    "many",
    "NOT-A-REAL-SECRET",
    "p",
    funds={"USDT": Decimal(10_000), **{f"C{i:02d}": Decimal(1) for i in range(24)}},
)


def told(trader: Trader, channel: str) -> list[dict[str, Any]]:
    return [row for push in trader.pushes(channel) for row in push["data"]]


def test_account_begins_with_a_snapshot_in_pages() -> None:
    trader = Trader(venue(keys=(MANY,), account_page=10), key=MANY)
    trader.subscribe({"channel": "account"})
    pages = trader.pushes("account")
    assert [(p["eventType"], p["curPage"], p["lastPage"]) for p in pages] == [
        ("snapshot", 1, False),
        ("snapshot", 2, False),
        ("snapshot", 3, True),
    ]
    names = [row["ccy"] for page in pages for row in page["data"][0]["details"]]
    assert len(names) == 25
    assert names == sorted(names)
    assert {page["arg"]["uid"] for page in pages} == {"44"}


def test_events_of_a_moment_go_into_one_push() -> None:
    trader = Trader(venue())
    trader.subscribe({"channel": "account"}, {"channel": "positions", "instType": "ANY"})
    trader.place(instrument=SWAP, px="", ordType="market", sz="2", at=1)
    trader.place(instrument=SWAP, px="", ordType="market", sz="1", at=1.02)
    assert len(trader.pushes("account")) == len(trader.pushes("positions")) == 1
    trader.until(1.2)
    (event,) = trader.pushes("positions")[1:]
    assert event["eventType"] == "event_update"
    assert "curPage" not in event
    assert [(row["instId"], row["pos"]) for row in event["data"]] == [(SWAP, "3")]
    (balance,) = trader.pushes("account")[1:]
    assert [row["ccy"] for row in balance["data"][0]["details"]] == ["USDT"]


def test_regular_pushes_come_by_the_interval_that_was_asked_for() -> None:
    exchange = venue(account_interval_s=5.0)
    exchange.on_deadline(seconds(0))
    usual, quiet, quick = Trader(exchange), Trader(exchange), Trader(exchange)
    usual.place(instrument=SWAP, px="", ordType="market", sz="1", at=0.1)
    usual.until(1)
    for trader, extra in ((usual, None), (quiet, '{"updateInterval":"0"}'), (quick, '{"updateInterval":"2000"}')):
        arg = {"channel": "positions", "instType": "ANY", **({"extraParams": extra} if extra else {})}
        trader.subscribe(arg, at=1)
    account = {"channel": "account", "extraParams": '{"updateInterval":0}'}
    quiet.subscribe(account, at=1)
    usual.until(12.5)
    assert [len(trader.pushes("positions")) for trader in (usual, quiet, quick)] == [3, 1, 6]
    assert len(quiet.pushes("account")) == 1
    assert {push["eventType"] for push in usual.pushes("positions")} == {"snapshot"}
    quick.subscribe(
        {"channel": "positions", "instType": "ANY", "extraParams": '{"updateInterval":"2000"}'}, at=12.5, op="unsubscribe"
    )
    usual.until(20)
    assert len(quick.pushes("positions")) == 6


def test_a_closed_position_is_told_once_as_zero() -> None:
    exchange = venue(account_interval_s=5.0)
    trader = Trader(exchange)
    trader.subscribe({"channel": "positions", "instType": "SWAP"}, {"channel": "balance_and_position"})
    trader.place(instrument=SWAP, px="", ordType="market", sz="2", at=1)
    trader.until(2)
    trader.place(instrument=SWAP, px="", ordType="market", sz="2", side="sell", at=3)
    trader.until(20)
    sizes = [[row["pos"] for row in push["data"]] for push in trader.pushes("positions")]
    assert sizes == [[], ["2"], ["0"]]
    briefs = told(trader, "balance_and_position")
    assert [row["eventType"] for row in briefs] == ["snapshot", "filled", "filled"]
    assert [row["posData"][0]["pos"] for row in briefs[1:]] == ["2", "0"]
    ids = {(trade["instId"], trade["tradeId"]) for row in briefs for trade in row["trades"]}
    assert ids == {(SWAP, str(each.trade_id)) for each in exchange.engine.executions("44")}
    cash = {row["ccy"]: row["cashBal"] for row in briefs[-1]["balData"]}
    assert Decimal(cash["USDT"]) == exchange.engine.accounts["44"].balances["USDT"].cash


def test_binding_money_is_told_on_account_alone() -> None:
    trader = Trader(venue())
    trader.subscribe({"channel": "account"}, {"channel": "balance_and_position"})
    trader.place(at=1)
    trader.until(2)
    assert len(trader.pushes("balance_and_position")) == 1
    (row,) = trader.pushes("account")[1:]
    (detail,) = row["data"][0]["details"]
    assert (detail["ccy"], detail["cashBal"], detail["availBal"], detail["ordFrozen"]) == ("USDT", "100000", "99402", "598")


def test_subscriptions_hear_only_what_they_ask_for() -> None:
    exchange = venue()
    trader, other = Trader(exchange), Trader(exchange)
    orders: dict[str, Any] = {"channel": "orders"}
    trader.subscribe({**orders, "instType": "SWAP"}, {"channel": "account", "ccy": "BTC"}, {"channel": "fills", "instId": SWAP})
    other.subscribe({**orders, "instType": "ANY", "instFamily": "BTC-USDT"}, {**orders, "instType": "SPOT", "instId": SPOT})
    trader.place(px="", ordType="market", sz="100")
    trader.place(instrument=SWAP, px="", ordType="market", sz="1")
    trader.until(2)
    assert {row["instId"] for row in told(trader, "orders")} == {SWAP}
    assert {row["instId"] for row in told(trader, "fills")} == {SWAP}
    assert {d["ccy"] for row in told(trader, "account") for d in row["details"]} == {"BTC"}
    by_arg = {(push["arg"].get("instFamily"), row["instId"]) for push in other.pushes("orders") for row in push["data"]}
    assert by_arg == {("BTC-USDT", SWAP), (None, SPOT)}


def test_an_instrument_that_is_not_listed_is_refused() -> None:
    trader = Trader(venue())
    for channel in ("orders", "positions"):
        refusals = trader.subscribe({"channel": channel, "instType": "ANY", "instId": "NO-SUCH"})
        assert [frame["code"] for frame in refusals] == ["60018"]
    assert [frame["code"] for frame in trader.subscribe({"channel": "fills", "instId": "NO-SUCH"})] == ["60018"]


def test_accounts_do_not_hear_one_another() -> None:
    keys = (ApiKey("a", "NOT-A-REAL-SECRET", "p", uid="1"), ApiKey("b", "NOT-A-REAL-SECRET", "p", uid="2"))
    exchange = venue(keys=keys)
    one, two = (Trader(exchange, key=key) for key in keys)
    for trader in (one, two):
        trader.subscribe({"channel": "orders", "instType": "ANY"}, {"channel": "fills"}, {"channel": "account"})
    one.place(px="60600", ordType="limit", sz="0.01")
    one.until(2)
    assert told(one, "orders")
    assert not told(two, "orders")
    assert not told(two, "fills")
    assert len(two.pushes("account")) == 1


def test_greeks_and_warnings_are_accepted_and_tell_nothing_that_is_not_so() -> None:
    trader = Trader(venue())
    trader.subscribe({"channel": "account-greeks"}, {"channel": "liquidation-warning", "instType": "ANY"})
    greeks = {row["ccy"]: row["deltaBS"] for row in told(trader, "account-greeks")}
    assert greeks["BTC"] == "10"
    assert trader.pushes("liquidation-warning") == []


def test_the_fills_channel_needs_a_tier() -> None:
    low = ApiKey("low", "NOT-A-REAL-SECRET", "p", tier=1)
    trader = Trader(venue(keys=(low,)), key=low)
    assert [frame["code"] for frame in trader.subscribe({"channel": "fills"})] == ["64003"]


@pytest.mark.parametrize(("name", "shown"), [("12345678901", "12345678901"), ("0", "0"), ("abc", "0"), ("9" * 20, "0")])
def test_fills_tell_a_client_id_only_if_it_is_a_number(name: str, shown: str) -> None:
    trader = Trader(venue())
    trader.subscribe({"channel": "fills"})
    trader.place(px="", ordType="market", sz="100", clOrdId=name)
    assert {row["clOrdId"] for row in told(trader, "fills")} == {shown}


def test_a_second_subscription_after_the_line_is_gone_is_not_pushed_to_the_dead() -> None:
    exchange = venue()
    trader = Trader(exchange)
    trader.subscribe({"channel": "orders", "instType": "ANY"}, {"channel": "positions", "instType": "ANY"})
    trader.line.gone(seconds(0.5))
    again = Trader(exchange, at=1)
    again.subscribe({"channel": "orders", "instType": "ANY"}, at=1)
    again.place()
    again.until(10)
    assert len(again.pushes("orders")) == 1
    assert not trader.pushes("orders")
