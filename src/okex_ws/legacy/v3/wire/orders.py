"""V3's order requests over REST, their only way: place, cancel, query; and their answers.

A V3OrderRequest is method, path and body, exactly as they are signed: `headers` makes the signature of one time.
Source: OKEx's pages of V3 "Spot Trading API", "Futures Trading API", "Perpetual Swap API"; clients of that time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from okex_ws.events import OrderResult, OrderUpdate
from okex_ws.legacy.frames import why
from okex_ws.legacy.requested import NoRequestError, identity, positive
from okex_ws.legacy.v3.wire.channels import business_of
from okex_ws.legacy.v3.wire.own import KINDS, ORDER_TYPES, order_rows
from okex_ws.wire.frames import FrameError
from okex_ws.wire.sign import Credentials, rest_sign

_TYPES = {name: number for number, name in ORDER_TYPES.items()}
_SIDES = {sides: number for number, sides in KINDS.items()}
_decode = msgspec.json.Decoder(float_hook=str).decode


class V3OrderRequest(NamedTuple):
    """Signed parts of a request: method, path with query, body ("" for none)."""

    method: str
    path: str
    body: str = ""


def place(
    instrument: str,
    side: str,
    size: Decimal,
    price: Decimal | None = None,
    *,
    order_type: str = "limit",
    position_side: str = "",
    client_order_id: str = "",
) -> V3OrderRequest:
    """Return a request to place an order. order_type: limit, post_only, fok, ioc or market; a market buy on spot spends `size`.

    The size of a market buy on spot is an amount of the quote currency. Futures and swaps: position_side long or short, size in
    contracts, market takes the counterparty's price.
    """
    business = _business(instrument)
    if side not in ("buy", "sell") or order_type not in _TYPES:
        raise NoRequestError(f"V3 knows buy and sell, {', '.join(_TYPES)}, not {side} {order_type}")
    is_market = order_type == "market"
    if price is None and not is_market:
        raise NoRequestError(f"a {order_type} order needs a price")
    body = {"instrument_id": instrument}
    if client_order_id:
        body["client_oid"] = identity(client_order_id)
    if business == "spot":
        body |= {"side": side, "type": "market" if is_market else "limit", "margin_trading": "1"}
        if price is None or is_market:
            body["notional" if side == "buy" else "size"] = positive("size", size)
        else:
            body |= {"order_type": _TYPES[order_type], "price": positive("price", price), "size": positive("size", size)}
        return V3OrderRequest("POST", "/api/spot/v3/orders", _json(body))
    kind = _SIDES.get((side, position_side))
    if kind is None:
        raise NoRequestError(f"an order on a derivative opens or closes a side: long or short, not {position_side!r}")
    body |= {"type": kind, "size": positive("size", size, is_whole=True), "match_price": "1" if is_market else "0"}
    if price is not None and not is_market:
        body |= {"price": positive("price", price), "order_type": _TYPES[order_type]}
    return V3OrderRequest("POST", f"/api/{business}/v3/order", _json(body))


def cancel(instrument: str, order_id: str) -> V3OrderRequest:
    """Return a request to cancel an order by OKX's or the client's id."""
    business, order_id = _business(instrument), identity(order_id)
    if business == "spot":
        return V3OrderRequest("POST", f"/api/spot/v3/cancel_orders/{order_id}", _json({"instrument_id": instrument}))
    return V3OrderRequest("POST", f"/api/{business}/v3/cancel_order/{instrument}/{order_id}")


def query(instrument: str, order_id: str) -> V3OrderRequest:
    """Return a request for an order by OKX's or the client's id."""
    business, order_id = _business(instrument), identity(order_id)
    if business == "spot":
        return V3OrderRequest("GET", f"/api/spot/v3/orders/{order_id}?instrument_id={instrument}")
    return V3OrderRequest("GET", f"/api/{business}/v3/orders/{instrument}/{order_id}")


def headers(request: V3OrderRequest, credentials: Credentials, timestamp: str) -> dict[str, str]:
    """Return the headers of a request. timestamp: ISO 8601 in UTC with milliseconds, valid for 30 s."""
    return {
        "OK-ACCESS-KEY": credentials.api_key,
        "OK-ACCESS-SIGN": rest_sign(credentials.secret, timestamp, request.method, request.path, request.body),
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase,
        "Content-Type": "application/json",
    }


def answered(body: bytes) -> OrderResult:
    """Return the answer to `place` and `cancel`; code "0": accepted. Raises FrameError for anything else."""
    answer = _object(body)
    if "code" in answer:  # refused before trading
        return OrderResult(code=str(answer["code"]), message=str(answer.get("message", "")))
    if "result" not in answer and "error_code" not in answer:
        raise FrameError(f"no answer to an order: {msgspec.json.encode(answer).decode()}")
    code, is_done = str(answer.get("error_code", "")), answer.get("result") in (True, "true")
    return OrderResult(
        order_id="" if str(answer.get("order_id", "")) == "-1" else str(answer.get("order_id", "")),
        client_order_id=str(answer.get("client_oid", "")),
        code="0" if is_done and code in ("", "0") else code or "failed",
        message=str(answer.get("error_message", "")),
    )


def found(body: bytes, instrument: str, now: int) -> OrderUpdate:
    """Return the answer to `query`. Raises FrameError for anything but an order."""
    answer = _object(body)
    kind = {"spot": "SPOT", "futures": "FUTURES", "swap": "SWAP"}[_business(instrument)]
    try:
        (order,) = order_rows(answer, kind)
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError(f"no order: {why(error)}") from None
    assert isinstance(order, OrderUpdate)
    order.ts_recv, order.channel = now, "orders"
    return order


def _business(instrument: str) -> str:
    business = business_of(instrument)
    if business not in ("spot", "futures", "swap"):
        raise NoRequestError(f"{instrument!r} is no spot pair, contract or swap of V3, such as BTC-USD-SWAP")
    return business


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error) or type(error).__name__) from None
    if not isinstance(answer, dict):
        raise FrameError("an answer that is no object")
    return answer


def _json(body: dict[str, str]) -> str:
    return msgspec.json.encode(body).decode()
