"""The REST reads beside those of a stream: truths of the simulated market, and well-formed rows where it has no figures."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, rest, rows, venue
from tests.support.fixed_market import START
from tests.support.paths import CORPORA

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.base import HOUR
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules


def inverse() -> Exchange:
    """An exchange with the whole default set: inverse contracts and options too."""
    return Exchange(SeededMarket(7, start=START, rate=0.1, levels=10), now=START, rules=Rules(rest_limits="off"))


def traded() -> Exchange:
    """An account that bought and sold on SPOT, and opened, enlarged and closed a position."""
    trader = Trader(venue())
    trader.place(px="", ordType="market", sz="1000")
    trader.place(px="", ordType="market", side="sell", sz="0.01")
    for side, size in (("sell", "2"), ("sell", "3"), ("buy", "1"), ("buy", "4")):
        trader.place(instrument=SWAP, px="", ordType="market", side=side, sz=size)
    return trader.venue


READS = [
    *("asset/balances", "asset/deposit-history", "asset/convert/currencies", "account/bills", "account/bills-archive"),
    *("account/positions-history", f"account/max-avail-size?instId={SPOT}&tdMode=cash", "account/max-withdrawal"),
    *(f"account/max-loan?instId={SPOT}&mgnMode=cross", "account/interest-rate", "account/interest-accrued"),
    *("account/interest-limits", "account/greeks", "account/risk-state", "account/account-position-risk"),
    *("public/position-tiers?instType=MARGIN&tdMode=cross", "public/underlying?instType=SWAP"),
    *("public/opt-summary?instFamily=BTC-USD", f"public/estimated-price?instId={SWAP}"),
    *(f"public/convert-contract-coin?instId={SWAP}&sz=1", "public/insurance-fund?instType=SWAP&instFamily=BTC-USDT"),
    *("public/interest-rate-loan-quota", "public/delivery-exercise-history?instType=FUTURES&instFamily=BTC-USD"),
    *(f"market/{twin}{kind}-candles?instId={SPOT}" for twin in ("", "history-") for kind in ("index", "mark-price")),
    *("market/platform-24-volume", "market/exchange-rate", f"market/index-components?index={SPOT}"),
    *(f"market/books-lite?instId={SPOT}", "market/block-tickers?instType=SPOT"),
    *("rubik/stat/contracts/open-interest-volume?ccy=BTC", "rubik/stat/contracts/long-short-account-ratio-contract"),
]


@pytest.mark.parametrize("path", READS)
def test_every_read_answers_in_okx_envelope(path: str) -> None:
    status, body = rest(traded(), "GET", path, at=2)
    assert (status, body["code"], body["msg"]) == (200, "0", "")
    assert isinstance(body["data"], dict if "index-components" in path else list)


def recorded() -> dict[str, dict[str, Any]]:
    lines = (CORPORA / "okx-net-jkorf.jsonl").read_text().splitlines() if CORPORA.exists() else []
    return {str(each["channel"]): each for each in map(json.loads, lines) if each["kind"] == "rest"}


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpora are not here")
@pytest.mark.parametrize("path", [path for path in READS if "candles" not in path])
def test_rows_have_the_fields_of_the_recorded_ones(path: str) -> None:
    found = recorded().get(f"GET /api/v5/{path.partition('?')[0]}")
    body = rest(traded(), "GET", path, at=2)[1]["data"]
    if found is None or not body:
        return
    theirs = json.loads(found["raw"])["data"]
    wanted, given = (each[0] if isinstance(each, list) else each for each in (theirs, body))
    if isinstance(wanted, dict):
        assert set(wanted) - set(given) - {"fillIdxPx"} == set()


@pytest.mark.parametrize("currency", ["USDT", "BTC"])
def test_bills_add_up_to_the_cash(currency: str) -> None:
    exchange = traded()
    bills = rows(exchange, f"account/bills?ccy={currency}", at=2)
    first = {"USDT": Decimal(100_000), "BTC": Decimal(10)}[currency]
    assert first + sum(Decimal(bill["balChg"]) for bill in bills) == exchange.engine.accounts["44"].balances[currency].cash
    assert Decimal(bills[0]["bal"]) == exchange.engine.accounts["44"].balances[currency].cash
    assert {bill["type"] for bill in bills} == {"2"}
    older = rows(exchange, f"account/bills?ccy={currency}&after={bills[1]['billId']}", at=2)
    assert older == bills[2:]


def test_a_fill_has_the_number_of_its_bill() -> None:
    exchange = traded()
    bills = {row["billId"]: row for row in rows(exchange, "account/bills", at=2)}
    fills = rows(exchange, "trade/fills", at=2)
    assert fills
    assert [bills[fill["billId"]]["tradeId"] for fill in fills] == [fill["tradeId"] for fill in fills]
    numbers = [int(number) for number in bills]
    assert numbers == sorted(numbers, reverse=True)
    assert len(rows(exchange, "account/bills", at=2)) == len(bills)


def test_funding_has_a_bill() -> None:
    exchange = venue()
    trader = Trader(exchange)
    trader.place(instrument=SWAP, px="", ordType="market", sz="5")
    hours = 2  # the next settlement is in 1.8
    exchange.on_deadline(START + hours * HOUR)
    bills = rows(exchange, "account/bills", at=hours * 3600)
    cash = exchange.engine.accounts["44"].balances["USDT"].cash
    assert Decimal(100_000) + sum(Decimal(bill["balChg"]) for bill in bills) == cash
    assert {bill["subType"] for bill in bills if bill["type"] == "8"} <= {"173", "174"}
    assert [bill for bill in bills if bill["type"] == "8"]


def test_a_closed_position_is_in_the_history() -> None:
    exchange = traded()
    (row,) = rows(exchange, "account/positions-history", at=2)
    fills = exchange.engine.executions("44")
    swaps = [each for each in fills if each.order.instrument == SWAP]
    assert (row["direction"], row["closeTotalPos"], row["openMaxPos"], row["type"]) == ("short", "5", "5", "2")
    assert Decimal(row["pnl"]) == sum(each.profit for each in swaps)
    assert Decimal(row["fee"]) == sum(each.fee for each in swaps)
    sold = [each for each in swaps if not each.order.is_buy]
    average = sum(each.price * each.size for each in sold) / sum(each.size for each in sold)
    assert Decimal(row["openAvgPx"]) == average.quantize(Decimal("1e-8"))


def test_a_position_turned_round_is_closed_and_opened() -> None:
    trader = Trader(venue())
    for side, size in (("buy", "2"), ("sell", "5"), ("buy", "3")):
        trader.place(instrument=SWAP, px="", ordType="market", side=side, sz=size)
    found = rows(trader.venue, "account/positions-history", at=2)
    assert [(row["direction"], row["closeTotalPos"]) for row in found] == [("short", "3"), ("long", "2")]


def test_what_may_be_used_is_what_an_order_may_cost() -> None:
    exchange = venue()
    (row,) = rows(exchange, f"account/max-avail-size?instId={SPOT}&tdMode=cash")
    assert (row["availBuy"], row["availSell"]) == ("100000", "10")
    assert {r["ccy"]: r["maxWd"] for r in rows(exchange, "account/max-withdrawal?ccy=BTC,USDT")} == {
        "BTC": "10",
        "USDT": "100000",
    }


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("instId=BTC-USDT-SWAP&sz=0.015", "1.5"),
        ("instId=BTC-USDT-SWAP&sz=2&type=2", "0.02"),
        ("instId=BTC-USDT-SWAP&sz=600&px=60000&unit=usds", "1"),
        ("instId=BTC-USD-SWAP&sz=1000&unit=usds", "10"),
        ("instId=BTC-USD-SWAP&sz=0.005&px=60000", "3"),
        ("instId=BTC-USDT-SWAP&sz=0.00019&opType=open", "0.01"),
        ("instId=BTC-USDT-SWAP&sz=0.00019&opType=close", "0.02"),
    ],
)
def test_contracts_and_coins(query: str, size: str) -> None:
    assert rows(inverse(), f"public/convert-contract-coin?{query}", at=0)[0]["sz"] == size


def test_reference_reads_follow_the_listings() -> None:
    exchange = inverse()
    assert rows(exchange, "public/underlying?instType=SWAP", at=0) == [["BTC-USD", "BTC-USDT", "ETH-USDT"]]
    (tier,) = rows(exchange, "public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT", at=0)
    assert (tier["imr"], tier["maxLever"]) == ("0.01", "100")
    assert len(rows(exchange, "public/opt-summary?uly=BTC-USD", at=0)) == 2
    assert Decimal(rows(exchange, "market/platform-24-volume", at=0)[0]["volUsd"]) > 0
    for path, code in (
        ("public/opt-summary", "50015"),
        ("public/position-tiers?instType=SWAP&tdMode=cross", "50015"),
        ("public/position-tiers?instType=SWAP&tdMode=odd&uly=BTC-USDT", "51000"),
        ("public/estimated-price?instId=NO-SUCH", "51001"),
        ("market/index-components?index=NO-SUCH", "51001"),
        ("public/convert-contract-coin?instId=BTC-USDT&sz=1", "51000"),
    ):
        assert rest(exchange, "GET", path, at=0)[1]["code"] == code


def test_an_algo_order_is_amended() -> None:
    exchange = venue()
    business = Trader(exchange, "business")
    business.subscribe({"channel": "orders-algo", "instType": "ANY"})
    order = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "oco", "sz": "1", "algoClOrdId": "a1"}
    stops = {"tpTriggerPx": "70000", "tpOrdPx": "-1", "slTriggerPx": "50000", "slOrdPx": "-1"}
    rest(exchange, "POST", "trade/order-algo", {**order, **stops})
    change = {"instId": SWAP, "algoClOrdId": "a1", "newSz": "2", "newSlTriggerPx": "51000", "newTpOrdPx": "70010", "reqId": "q"}
    _, body = rest(exchange, "POST", "trade/amend-algos", change)
    assert (body["code"], body["data"][0]["sCode"], body["data"][0]["reqId"]) == ("0", "0", "q")
    (row,) = rows(exchange, "trade/orders-algo-pending?ordType=oco")
    assert [row[n] for n in ("sz", "slTriggerPx", "slOrdPx", "tpTriggerPx", "tpOrdPx")] == ["2", "51000", "-1", "70000", "70010"]
    assert len([row for push in business.pushes("orders-algo") for row in push["data"]]) == 2
    _, body = rest(exchange, "POST", "trade/amend-algos", {"instId": SWAP, "algoClOrdId": "none", "newSz": "2"})
    assert (body["code"], body["data"][0]["sCode"]) == ("1", "51603")


def test_an_order_is_checked_before() -> None:
    order = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "59000", "sz": "0.01"}
    exchange = venue()
    assert rest(exchange, "POST", "trade/order-precheck", order)[1]["code"] == "0"
    assert rest(exchange, "POST", "trade/order-precheck", {**order, "side": "up"})[1]["code"] != "0"
    assert exchange.engine.orders("44") == []
