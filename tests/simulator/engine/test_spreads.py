"""Spread orders: taken on /business, filled by the spread's book, booked as two trades, told on their own channels."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.support.exchange_orders import SPOT, SWAP, Trader, login, rest, rows
from tests.support.fixed_market import START
from tests.support.talk import Talker, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules

SPREAD = f"{SPOT}_{SWAP}"


def venue(*faults: str) -> Exchange:
    market = SeededMarket(7, start=START, instruments=[SPOT, SWAP, SPREAD], rate=0.2, levels=20)
    return Exchange(market, seed=7, now=START, rules=Rules(idle_close_s=0.0, rest_limits="off"), faults=Faults.parse(faults))


def order(**fields: Any) -> dict[str, Any]:
    return {"sprdId": SPREAD, "side": "buy", "ordType": "limit", "px": "-50", "sz": "0.01", "clOrdId": "s1", **fields}


def listening() -> Trader:
    trader = Trader(venue(), "business")
    trader.subscribe({"channel": "sprd-orders"}, {"channel": "sprd-trades", "sprdId": SPREAD})
    return trader


def told(trader: Trader, channel: str) -> list[dict[str, Any]]:
    return [row for push in trader.pushes(channel) for row in push["data"]]


def test_a_spread_order_rests_is_amended_and_canceled() -> None:
    trader = listening()
    reply = trader.ask("sprd-order", order())
    assert (reply["code"], reply["data"][0]["sCode"], reply["data"][0]["clOrdId"]) == ("0", "0", "s1")
    assert trader.ask("sprd-amend-order", {"clOrdId": "s1", "newSz": "0.02", "newPx": "-40", "reqId": "q1"})["code"] == "0"
    assert trader.ask("sprd-cancel-order", {"clOrdId": "s1"})["code"] == "0"
    assert [(row["state"], row["sz"], row["px"], row["reqId"]) for row in told(trader, "sprd-orders")] == [
        ("live", "0.01", "-50", ""),
        ("live", "0.02", "-40", "q1"),
        ("canceled", "0.02", "-40", ""),
    ]
    assert trader.ask("sprd-cancel-order", {"clOrdId": "s1"})["data"][0]["sCode"] == "51401"
    assert trader.ask("sprd-amend-order", {"clOrdId": "s1", "newSz": "0.02"})["data"][0]["sCode"] == "51503"
    assert trader.ask("sprd-cancel-order", {"clOrdId": "nobody"})["data"][0]["sCode"] == "51400"
    assert trader.pushes("sprd-orders")[0]["arg"]["uid"] == "44"


def test_a_fill_is_two_trades_whose_prices_differ_by_the_spreads() -> None:
    trader = listening()
    before = {name: balance.cash for name, balance in trader.venue.engine.accounts["44"].balances.items()}
    assert trader.ask("sprd-order", order(ordType="market", px="", sz="0.02"))["code"] == "0"
    fills = told(trader, "sprd-trades")
    assert sum(Decimal(row["fillSz"]) for row in fills) == Decimal("0.02")
    account = trader.venue.engine.accounts["44"]
    coins = {"BTC": Decimal(0), "USDT": Decimal(0)}
    for row in fills:
        near, far = row["legs"]
        assert (near["instId"], near["side"], far["instId"], far["side"]) == (SPOT, "sell", SWAP, "buy")
        assert Decimal(far["px"]) - Decimal(near["px"]) == Decimal(row["fillPx"])
        assert (near["szCont"], Decimal(far["szCont"])) == ("", Decimal(row["fillSz"]) * 100)
        coins["BTC"] -= Decimal(near["sz"])
        coins["USDT"] += Decimal(near["sz"]) * Decimal(near["px"]) + Decimal(near["fee"]) + Decimal(far["fee"])
    assert {name: account.balances[name].cash - before[name] for name in coins} == coins
    assert account.positions[SWAP, "net"].size == 2
    assert told(trader, "sprd-orders")[-1]["state"] == "filled"
    assert [row["tradeId"] for row in rows(trader.venue, "sprd/trades")] == [row["tradeId"] for row in fills][::-1]


def test_a_resting_order_fills_when_the_book_comes_to_it() -> None:
    trader = listening()
    exchange = trader.venue
    book = exchange.market.book(SPREAD, 5)
    assert book is not None
    best = Decimal(book["asks"][0][0]) - Decimal("0.1")
    trader.ask("sprd-order", order(ordType="post_only", px=str(best), sz="0.001"))
    assert exchange.trading.spreads.orders("44")[0].is_open
    for second in range(2, 300):
        trader.until(second)
        if not exchange.trading.spreads.orders("44")[0].is_open:
            break
    (fill,) = told(trader, "sprd-trades")
    assert (fill["execType"], Decimal(fill["fillPx"])) == ("M", best)


def test_post_only_and_the_rest_of_an_ioc_are_canceled() -> None:
    trader = listening()
    trader.ask("sprd-order", order(ordType="post_only", px="500"))
    trader.ask("sprd-order", order(ordType="ioc", px="-500", clOrdId="s2"))
    assert [(row["clOrdId"], row["state"], row["cancelSource"]) for row in told(trader, "sprd-orders")] == [
        ("s1", "canceled", "31"),
        ("s2", "live", ""),
        ("s2", "canceled", "14"),
    ]


def test_wrong_spread_orders_and_where_they_are_taken() -> None:
    trader = listening()
    for fields, code in (
        ({"sprdId": "A_B"}, "51001"),
        ({"side": ""}, "50014"),
        ({"ordType": "fok"}, "51000"),
        ({"sz": ""}, "50014"),
        ({"px": ""}, "50014"),
        ({"sz": "99"}, "51008"),
        ({"clOrdId": "s-1"}, "51000"),
    ):
        assert trader.ask("sprd-order", order(**fields))["data"][0]["sCode"] == code, fields
    line = Talker(trader.venue, "private", 2)
    line.say(login(at=2), 2)
    assert line.say({"id": "a", "op": "sprd-order", "args": [order()]}, 2)[0]["code"] == "60028"
    answers = [trader.ask("sprd-order", order(clOrdId=f"m{i}"), at=5)["data"][0]["sCode"] for i in range(21)]
    assert answers == ["0"] * 20 + ["50011"]


def test_all_are_canceled_at_once_or_by_their_own_timer() -> None:
    trader = listening()
    for name in ("s1", "s2"):
        trader.ask("sprd-order", order(clOrdId=name))
    assert trader.ask("sprd-mass-cancel", {"sprdId": SPREAD})["data"] == [{"result": True}]
    assert rows(trader.venue, "sprd/orders-pending") == []
    _, body = rest(trader.venue, "POST", "sprd/order", order(clOrdId="s3"), at=2)
    assert rows(trader.venue, "sprd/orders-pending", at=2)[0]["ordId"] == body["data"][0]["ordId"]
    rest(trader.venue, "POST", "trade/cancel-all-after", {"timeOut": "10"}, at=2)
    rest(trader.venue, "POST", "sprd/cancel-all-after", {"timeOut": "20"}, at=2)
    trader.venue.on_deadline(seconds(21.9))
    assert len(rows(trader.venue, "sprd/orders-pending", at=21.9)) == 1
    trader.venue.on_deadline(seconds(22))
    assert rows(trader.venue, "sprd/order?clOrdId=s3", at=22)[0]["cancelSource"] == "20"


def test_while_a_leg_is_suspended_its_spread_neither_trades_nor_takes_orders() -> None:
    trader = Trader(venue(f"instrument_change instrument={SWAP} at=2s state=suspend"), "business")
    best = trader.venue.market.book(SPREAD, 1)
    assert best is not None
    bid = str(Decimal(best["asks"][0][0]) - Decimal("0.1"))  # the book comes to it within a minute, as above
    assert trader.ask("sprd-order", order(px=bid))["code"] == "0"
    trader.until(60)
    assert trader.ask("sprd-order", order(clOrdId="s2"), at=61)["data"][0]["sCode"] == "51022"
    assert trader.ask("sprd-amend-order", {"clOrdId": "s1", "newSz": "0.02"}, at=61)["data"][0]["sCode"] == "51022"
    assert trader.venue.trading.spreads.find("44", "", "s1").state == "live"
    assert trader.ask("sprd-cancel-order", {"clOrdId": "s1"}, at=61)["code"] == "0"


def test_what_rests_binds_what_both_legs_need_until_it_fills_or_ends() -> None:
    trader = listening()
    engine = trader.venue.engine
    free = {name: engine.available("44", name) for name in ("BTC", "USDT")}

    def bound() -> dict[str, Decimal]:
        return {name: free[name] - engine.available("44", name) for name in free}

    trader.ask("sprd-order", order(sz="1"))
    mark, leverage = engine.mark(SWAP), engine.leverage("44", SWAP)
    assert mark is not None
    assert bound() == {"BTC": Decimal(1), "USDT": mark / leverage}, "a buyer sells the first leg"
    assert engine.frozen("44", "BTC") == 1
    trader.ask("sprd-amend-order", {"clOrdId": "s1", "newSz": "4"})
    assert bound() == {"BTC": Decimal(4), "USDT": 4 * mark / leverage}
    assert trader.ask("sprd-amend-order", {"clOrdId": "s1", "newSz": "99"})["data"][0]["sCode"] == "51008"
    assert bound() == {"BTC": Decimal(4), "USDT": 4 * mark / leverage}
    assert trader.ask("sprd-order", order(clOrdId="s2", sz="4"))["data"][0]["sCode"] == "51008", "the money is bound"
    trader.ask("sprd-cancel-order", {"clOrdId": "s1"})
    assert bound() == {"BTC": Decimal(0), "USDT": Decimal(0)}


def test_a_fill_lets_go_of_what_it_needed() -> None:
    trader = listening()
    exchange = trader.venue
    book = exchange.market.book(SPREAD, 5)
    assert book is not None
    best = Decimal(book["asks"][0][0]) - Decimal("0.1")
    trader.ask("sprd-order", order(px=str(best), sz="4"))
    assert exchange.engine.frozen("44", "BTC") == 4
    seen = []
    for second in range(2, 300):
        trader.until(second)
        (placed,) = exchange.trading.spreads.orders("44")
        assert exchange.engine.accounts["44"].balance("BTC").frozen == (4 - placed.filled if placed.is_open else 0)
        seen.append(placed.filled)
        if not placed.is_open:
            break
    assert len(set(seen)) > 1
