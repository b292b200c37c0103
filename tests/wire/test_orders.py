"""Order requests in OKX's words, over WebSocket and over REST; numbers without an exponent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okex_ws.wire.orders import (
    AmendOrder,
    Attached,
    CancelOrder,
    MassCancel,
    OrderError,
    OrderRequest,
    PlaceOrder,
    endpoint_of,
    lookup_query,
    op_of,
    plain,
    rest_request,
    socket_request,
)

BTC = PlaceOrder(instrument="BTC-USDT", side="buy", size=Decimal("0.01"), price=Decimal("60000"), client_order_id="c1")
SPREAD = "BTC-USDT_BTC-USDT-SWAP"


def frame(*orders: OrderRequest, code: int | None = 123456, expires_ms: int | None = 1790000001000) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(socket_request("a1", op_of(orders), orders, [code] * len(orders), expires_ms))
    return made


def test_the_example_of_the_docs() -> None:
    assert frame(BTC) == {
        "id": "a1",
        "op": "order",
        "args": [
            {
                "instIdCode": 123456,
                "tdMode": "cash",
                "side": "buy",
                "ordType": "limit",
                "px": "60000",
                "sz": "0.01",
                "clOrdId": "c1",
            }
        ],
        "expTime": "1790000001000",
    }


def test_the_same_over_rest_goes_by_the_id_of_the_instrument() -> None:
    path, body = rest_request([BTC])
    assert path == "trade/order"
    assert body["instId"] == "BTC-USDT"
    assert "instIdCode" not in body


def test_batches_have_ops_and_rest_paths_of_their_own() -> None:
    cancels = [CancelOrder(instrument="BTC-USDT", client_order_id=f"c{i}") for i in range(20)]
    amends = [AmendOrder(instrument="BTC-USDT", order_id=str(i), size=Decimal(2)) for i in range(2)]
    assert frame(BTC, BTC)["op"] == "batch-orders"
    assert frame(*cancels)["op"] == "batch-cancel-orders"
    assert "expTime" not in frame(*cancels), "cancels do not expire"
    assert frame(*amends)["args"][1] == {"instIdCode": 123456, "ordId": "1", "newSz": "2"}
    assert rest_request(amends)[0] == "trade/amend-batch-orders"
    assert len(rest_request(cancels)[1]) == 20


def test_spread_orders_go_to_business_by_the_name_of_the_spread() -> None:
    order = PlaceOrder(
        instrument=SPREAD, is_spread=True, side="sell", size=Decimal(1), price=Decimal("-3.5"), client_order_id="c1"
    )
    assert endpoint_of([order]) == "business"
    assert frame(order, code=None)["args"] == [
        {"sprdId": SPREAD, "side": "sell", "ordType": "limit", "sz": "1", "px": "-3.5", "clOrdId": "c1"}
    ]
    assert frame(CancelOrder(instrument=SPREAD, is_spread=True, client_order_id="c1"), code=None)["args"] == [{"clOrdId": "c1"}]
    everything = MassCancel(instrument="", is_spread=True)
    assert (frame(everything)["op"], frame(everything)["args"]) == ("sprd-mass-cancel", [{}])
    assert lookup_query(order) == ("sprd/order", {"clOrdId": "c1"})


def test_a_mass_cancel_names_a_family() -> None:
    made = frame(MassCancel(instrument="BTC-USD", lock_ms=500))
    assert (made["op"], made["args"]) == ("mass-cancel", [{"instType": "OPTION", "instFamily": "BTC-USD", "lockInterval": "500"}])


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        ([], "empty batch"),
        ([BTC] * 21, "OKX takes 20"),
        ([BTC, CancelOrder(instrument="BTC-USDT", order_id="1")], "one kind"),
        ([CancelOrder(instrument="BTC-USDT")], "which order?"),
        ([PlaceOrder(instrument=SPREAD, is_spread=True, side="buy", size=Decimal(1))] * 2, "one by one"),
        ([PlaceOrder(instrument="BTC-USDT", side="buy", size=Decimal("NaN"))], "not a number"),
    ],
)
def test_what_cannot_be_said_says_what_to_change(orders: list[OrderRequest], says: str) -> None:
    with pytest.raises(OrderError, match=says):
        rest_request(orders)


def test_a_client_order_id_is_letters_and_digits() -> None:
    with pytest.raises(OrderError, match="no hyphen"):
        CancelOrder(instrument="BTC-USDT", client_order_id="my-order")


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("side", "buy, sell"),
        ("order_type", "limit, market, post_only, fok, ioc, optimal_limit_ioc, mmp, mmp_and_post_only, op_fok, rpi"),
        ("trade_mode", "cash, cross, isolated, spot_isolated"),
        ("position_side", "net, long, short"),
    ],
)
def test_a_choice_that_okx_does_not_have_is_refused_with_those_it_has(name: str, choices: str) -> None:
    given: dict[str, Any] = {"side": "buy", name: "x"}
    with pytest.raises(OrderError, match=f"{name} 'x': OKX has {choices}$"):
        PlaceOrder(instrument="BTC-USDT", size=Decimal(1), **given)


def test_without_a_code_there_is_only_rest() -> None:
    with pytest.raises(OrderError, match="REST only"):
        frame(BTC, code=None)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e20"), max_value=Decimal("1e20")))
def test_numbers_keep_their_value_and_have_no_exponent(number: Decimal) -> None:
    text = plain(number)
    assert Decimal(text) == number
    assert "E" not in text.upper()


@pytest.mark.parametrize("price", [59000.5, "59000", 59000, Decimal("NaN"), Decimal(0), Decimal(-1)])
def test_an_attached_price_is_a_decimal_above_zero(price: Any) -> None:
    with pytest.raises(OrderError, match="give a Decimal above 0"):
        Attached(stop_loss_trigger=price)
