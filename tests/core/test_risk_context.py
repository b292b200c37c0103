"""Risk context of an order: from books, last prices, the account and requests in flight."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from tests.support.instrument_rows import INVERSE, SPOT
from tests.support.own_account import balance, feed, live, order, position, pushed

from okex_ws.core.risk_context import risk_context
from okex_ws.events import BookSnapshot, Disconnected, Trade
from okex_ws.market import Books, Instruments, Latest
from okex_ws.protocol.risk.context import RiskContext
from okex_ws.wire.channels import subscription
from okex_ws.wire.frames import book_snapshot
from okex_ws.wire.orders import AmendOrder, PlaceOrder

D = Decimal


def place(size: str = "1", price: str | None = "60000", side: str = "buy", **more: Any) -> PlaceOrder:
    base = {"instrument": "BTC-USDT", "client_order_id": "n1", "order_type": "limit" if price else "market"}
    return PlaceOrder(side=side, size=D(size), price=D(price) if price else None, **{**base, **more})


def image(bids: list[list[str]], asks: list[list[str]], channel: str = "books5") -> BookSnapshot:
    row = {"bids": bids, "asks": asks, "ts": "1790000000000", "seqId": 1, "instId": "BTC-USDT"}
    made = book_snapshot([row], subscription(channel, "BTC-USDT"))
    assert made is not None
    return made


class Known:
    """Everything that is known, to be filled in."""

    def __init__(self) -> None:
        self.account, _ = live()
        self.instruments, self.books, self.latest = Instruments(), Books(), Latest()
        self.instruments.load([SPOT, INVERSE])

    def around(self, made: PlaceOrder | AmendOrder, *in_flight: PlaceOrder) -> RiskContext:
        known = {"account": self.account, "instruments": self.instruments, "books": self.books, "latest": self.latest}
        return risk_context(made, **known, in_flight=in_flight)  # type: ignore[arg-type]


def test_mid_is_that_of_the_book_or_else_the_last_price() -> None:
    known = Known()
    assert (known.around(place()).book, known.around(place()).mid) == (None, None)
    known.latest.apply(Trade(instrument="BTC-USDT", trade_id=1, price=59000.1, size=1, side="buy", ts_ms=1))
    assert known.around(place()).mid == D("59000.1")
    known.books.apply(image([["59999.9", "1", "0", "1"]], [["60000", "1", "0", "1"]]))
    assert (known.around(place()).book, known.around(place()).mid) == ("LIVE", D("59999.95"))
    known.books.apply(image([["59999.9", "1", "0", "1"]], []))
    assert (known.around(place()).book, known.around(place()).mid) == ("one-sided", None)
    known.books.apply(Disconnected(channels=(("books5", "BTC-USDT"),)))
    assert (known.around(place()).book, known.around(place()).mid) == ("STALE", None)
    known.books.apply(image([["50000", "1", "0", "1"]], [["50002", "1", "0", "1"]], "bbo-tbt"))
    assert (known.around(place()).book, known.around(place()).mid) == ("LIVE", D(50001)), "one that lives will do"


def test_notional_is_by_price_by_mid_or_the_amount_of_money() -> None:
    known = Known()
    assert known.around(place("0.5")).notional == D(30000)
    assert known.around(place("0.5", None, side="sell")).notional is None
    money = place("500", None, target_currency="quote_ccy")
    assert (known.around(money).notional, known.around(money).size) == (D(500), None)
    assert known.around(place(instrument="NO-SUCH")).notional is None
    known.books.apply(image([["59999", "1", "0", "1"]], [["60001", "1", "0", "1"]]))
    assert known.around(place("0.5", None, side="sell")).notional == D(30000)
    assert known.around(place("7", instrument="BTC-USD-SWAP")).notional == D(700)
    assert (known.around(place("0.5", None)).size, known.around(place("7", instrument="BTC-USD-SWAP")).size) == (D("0.5"), D(7))
    assert (known.around(money).notional, known.around(money).size) == (D(500), D("0.0083333334"))


def test_amounts_of_money_in_flight_count_as_coins() -> None:
    known = Known()
    money = place("600", None, client_order_id="n2", target_currency="quote_ccy")
    assert (known.around(place("1", None), money).working, known.around(place(), money).working) == (None, D("0.01"))
    update = {"clOrdId": "n2", "sz": "600", "accFillSz": "0.004", "ordType": "market", "px": "", "tgtCcy": "quote_ccy"}
    feed(known.account, pushed("orders", order("1", state="partially_filled", **update)))
    assert known.around(place(), money).working == D("0.006")


def test_a_request_in_flight_counts_until_its_push_arrives() -> None:
    known = Known()
    flying = [
        place("2", client_order_id="n2"),
        place("4", client_order_id="n3", side="sell"),
        place("8", client_order_id="n4", reduce_only=True),
        place("16", client_order_id="n5", instrument="BTC-USD-SWAP"),
    ]
    at = known.around(place(), *flying)
    assert (at.open_orders, at.working) == (4, D(2))
    feed(known.account, pushed("orders", order("1", clOrdId="n2", sz="2", accFillSz="0.5", state="partially_filled")))
    at = known.around(place(), *flying)
    assert (at.open_orders, at.working) == (4, D("1.5"))
    feed(known.account, pushed("orders", order("1", clOrdId="n2", sz="2", accFillSz="2", state="filled", updated=9)))
    at = known.around(place(), *flying)
    assert (at.open_orders, at.working) == (3, D(0))


def test_the_position_is_the_balance_on_cash_spot_and_the_positions_on_margin() -> None:
    known = Known()
    known.instruments.load([msgspec.structs.replace(SPOT, base_currency="BTC")])
    assert known.around(place()).position == D(0)
    feed(known.account, pushed("account", {"uTime": "1", "details": [balance("BTC", "2.5")]}))
    feed(known.account, pushed("positions", position("-7", instId="BTC-USD-SWAP")))
    assert known.around(place()).position == D("2.5")
    assert known.around(place(instrument="BTC-USD-SWAP", trade_mode="cross")).position == D(-7)
    assert known.around(place()).account == "LIVE"


def test_an_amended_order_counts_with_its_new_size_only() -> None:
    known = Known()
    feed(
        known.account,
        pushed("positions", position("1", instId="BTC-USD-SWAP")),
        pushed("orders", order("1", "partially_filled", filled="1", instId="BTC-USD-SWAP", sz="5", tdMode="cross", px="50000")),
        pushed("orders", order("2", instId="BTC-USD-SWAP", sz="3", tdMode="cross")),
    )
    at = known.around(AmendOrder(instrument="BTC-USD-SWAP", client_order_id="c1", size=D(6)))
    assert (at.side, at.position, at.working, at.notional) == ("buy", D(0), D(3), D(600))
    at = known.around(AmendOrder(instrument="BTC-USD-SWAP", order_id="1", price=D(40000)))
    assert at.notional == D(500)
    unknown = known.around(AmendOrder(instrument="BTC-USD-SWAP", order_id="99", size=D(1)))
    assert unknown.side == ""


def test_in_hedge_mode_each_position_side_counts_alone() -> None:
    known = Known()
    swap = {"instId": "BTC-USD-SWAP"}
    feed(
        known.account,
        pushed(
            "positions",
            position("9", posId="1", posSide="long", **swap),
            position("7", posId="2", posSide="short", **swap),
        ),
        pushed("orders", order("1", sz="3", posSide="long", tdMode="cross", **swap)),
        pushed("orders", order("2", sz="2", posSide="short", tdMode="cross", **swap)),
    )
    hedged = {"instrument": "BTC-USD-SWAP", "trade_mode": "cross"}
    flying = place("4", client_order_id="n2", position_side="long", **hedged)
    at = known.around(place(position_side="long", **hedged), flying)
    assert (at.position, at.working) == (D(9), D(7)), "not the net of 2"
    at = known.around(place(position_side="short", side="sell", **hedged), flying)
    assert (at.position, at.working) == (D(-7), D(0))
    at = known.around(AmendOrder(instrument="BTC-USD-SWAP", order_id="1", size=D(6)), flying)
    assert (at.position, at.working) == (D(9), D(4))
