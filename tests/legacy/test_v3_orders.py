"""V3's orders over REST: requests as the pages have them, signatures, answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
from tests.support.legacy_corpus import START

from okex_ws.legacy.v3.wire import orders
from okex_ws.wire.frames import FrameError
from okex_ws.wire.sign import Credentials

REQUESTS: dict[str, tuple[orders.SentRequest, str, str, dict[str, str] | None]] = {
    "spot limit": (
        orders.place("BTC-USDT", "buy", Decimal("0.10"), Decimal(60000), client_order_id="mine"),
        "POST",
        "/api/spot/v3/orders",
        {
            "instrument_id": "BTC-USDT",
            "client_oid": "mine",
            "side": "buy",
            "type": "limit",
            "margin_trading": "1",
            "order_type": "0",
            "price": "60000",
            "size": "0.10",
        },
    ),
    "spot market buy": (
        orders.place("BTC-USDT", "buy", Decimal(100), order_type="market"),
        "POST",
        "/api/spot/v3/orders",
        {"instrument_id": "BTC-USDT", "side": "buy", "type": "market", "margin_trading": "1", "notional": "100"},
    ),
    "spot market sell": (
        orders.place("BTC-USDT", "sell", Decimal("1E-8"), order_type="market"),
        "POST",
        "/api/spot/v3/orders",
        {"instrument_id": "BTC-USDT", "side": "sell", "type": "market", "margin_trading": "1", "size": "0.00000001"},
    ),
    "futures": (
        orders.place("BTC-USD-210625", "sell", Decimal(3), Decimal("59999.7"), order_type="post_only", position_side="short"),
        "POST",
        "/api/futures/v3/order",
        {
            "instrument_id": "BTC-USD-210625",
            "type": "2",
            "size": "3",
            "match_price": "0",
            "price": "59999.7",
            "order_type": "1",
        },
    ),
    "swap at the counterparty's price": (
        orders.place("BTC-USD-SWAP", "sell", Decimal(3), order_type="market", position_side="long"),
        "POST",
        "/api/swap/v3/order",
        {"instrument_id": "BTC-USD-SWAP", "type": "3", "size": "3", "match_price": "1"},
    ),
    "spot cancel": (orders.cancel("BTC-USDT", "7"), "POST", "/api/spot/v3/cancel_orders/7", {"instrument_id": "BTC-USDT"}),
    "swap cancel": (orders.cancel("BTC-USD-SWAP", "6-7-a-0"), "POST", "/api/swap/v3/cancel_order/BTC-USD-SWAP/6-7-a-0", None),
    "spot query": (orders.query("BTC-USDT", "7"), "GET", "/api/spot/v3/orders/7?instrument_id=BTC-USDT", None),
    "futures query": (orders.query("BTC-USD-210625", "7"), "GET", "/api/futures/v3/orders/BTC-USD-210625/7", None),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_what_the_pages_say_and_all_of_them_is_signed(name: str) -> None:
    request, method, path, body = REQUESTS[name]
    assert request[:2] == (method, path)
    assert (json.loads(request.body) if request.body else None) == body
    sent = orders.headers(request, Credentials("key", "secret", "phrase"), "2021-04-17T16:49:03.207Z")
    text = f"2021-04-17T16:49:03.207Z{method}{path}{request.body}"
    assert sent["OK-ACCESS-SIGN"] == base64.b64encode(hmac.digest(b"secret", text.encode(), hashlib.sha256)).decode()
    assert (sent["OK-ACCESS-KEY"], sent["OK-ACCESS-PASSPHRASE"]) == ("key", "phrase")
    assert "secret" not in repr(sent)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("BTC-USDT", "long", Decimal(1), Decimal(1)), "buy and sell"),
        (("BTC-USDT", "buy", Decimal(1)), "needs a price"),
        (("BTC-USD-SWAP", "buy", Decimal(1), Decimal(1)), "opens or closes a side"),
        (("BTC-USD-210423-64000-C", "buy", Decimal(1), Decimal(1)), "is no spot pair"),
        (("btc_usdt", "buy", Decimal(1), Decimal(1)), "is no spot pair"),
        (("BTC-USDT", "buy", Decimal(-1), Decimal(5)), "size is -1; give a number above 0"),
        (("BTC-USDT", "buy", Decimal("NaN"), Decimal(5)), "size is NaN"),
        (("BTC-USDT", "buy", Decimal(1), Decimal(0)), "price is 0"),
    ],
)
def test_an_order_V3_cannot_say_is_told_before_it_is_sent(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(orders.NoRequestError, match=words):
        orders.place(*arguments)


@pytest.mark.parametrize("order_id", ["", "a b&c=1", "../x", "7?instrument_id=ETH-USDT", "é"])
def test_what_is_no_id_does_not_get_into_a_signed_path(order_id: str) -> None:
    for ask in (orders.cancel, orders.query):
        with pytest.raises(orders.NoRequestError, match="is not an order id"):
            ask("BTC-USDT", order_id)


@pytest.mark.parametrize(
    ("body", "code", "order_id"),
    [
        ({"client_oid": "", "error_code": "", "error_message": "", "order_id": "291417735", "result": "true"}, "0", "291417735"),
        ({"result": True, "error_message": "", "error_code": "0", "client_oid": "a", "order_id": "1"}, "0", "1"),
        ({"result": False, "error_message": "Order does not exist", "error_code": "33014", "order_id": "-1"}, "33014", ""),
        ({"code": 30013, "message": "Invalid Sign"}, "30013", ""),
        ({"result": False}, "failed", ""),
    ],
)  # fmt: skip
def test_answers_of_all_shapes_are_results(body: dict[str, Any], code: str, order_id: str) -> None:
    result = orders.answered(json.dumps(body).encode())
    assert (result.code, result.order_id) == (code, order_id)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"{}", b'{"order_id":"1"}'])
def test_what_is_no_answer_is_told(body: bytes) -> None:
    with pytest.raises(FrameError):
        orders.answered(body)
    with pytest.raises(FrameError):
        orders.found(body, "BTC-USDT", START)


def test_an_order_that_was_asked_for_is_an_order_update() -> None:
    row = {
        "client_oid": "mine", "filled_notional": "60", "filled_size": "0.001", "instrument_id": "BTC-USDT", "order_id": "7",
        "order_type": "0", "price": "60000", "side": "buy", "size": "0.1", "state": "1", "timestamp": "2019-09-24T06:45:11.394Z",
        "type": "limit",
    }  # fmt: skip
    order = orders.found(json.dumps(row).encode(), "BTC-USDT", START)
    assert (order.channel, order.client_order_id, order.state) == ("orders", "mine", "partially_filled")
    assert (order.average_price, order.filled_size) == (Decimal(60000), Decimal("0.001"))
    assert (order.ts_recv, order.updated_ms) == (START, 1569307511394)
