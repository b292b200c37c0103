"""V1's order requests: place, cancel, query; and the answers, which have the request's channel name and no id.

A request is (channel, parameters); `requests.trading` signs it. Numbers go as the texts they are given as.
Source: OKEx's pages "WebSocket API for Spot" and "... for Futures", until these requests were dropped from them (2018, 2019).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from okex_ws.events import Event
from okex_ws.legacy.frames import Replied
from okex_ws.legacy.numbers import text
from okex_ws.legacy.requested import NoRequestError, identity, positive
from okex_ws.legacy.v1.wire.channels import CONTRACTS
from okex_ws.legacy.v1.wire.own import account_rows, order_of
from okex_ws.wire.channels import Subscription

REQUESTS = (
    "ok_spot_order",
    "ok_spot_cancel_order",
    "ok_spot_userinfo",
    "ok_spot_orderinfo",
    "ok_futureusd_trade",
    "ok_futuresusd_trade",
    "ok_futureusd_cancel_order",
    "ok_futureusd_userinfo",
    "ok_futureusd_orderinfo",
)
"""Channels that are requests; `ok_futuresusd_trade` is the spelling of OKCoin's samples."""
KINDS = {("buy", "long"): "1", ("sell", "short"): "2", ("sell", "long"): "3", ("buy", "short"): "4"}
_SPOT = (("instId", ""),)


class V1OrderRequest(NamedTuple):
    """Order request of V1. channel: its name; parameters: texts by V1's names, unsigned."""

    channel: str
    parameters: dict[str, str]


def place(
    instrument: str,
    side: str,
    size: Decimal,
    price: Decimal | None = None,
    *,
    order_type: str = "limit",
    position_side: str = "",
    leverage: int = 10,
) -> V1OrderRequest:
    """Return a request to place an order. order_type: limit or market; a market buy on spot spends `size` of the quote currency.

    Futures: position_side long or short; size in contracts; market takes the counterparty's price; leverage 10 or 20.
    """
    if side not in ("buy", "sell") or order_type not in ("limit", "market"):
        raise NoRequestError(f"V1 knows buy and sell, limit and market, not {side} {order_type}")
    if order_type == "limit" and price is None:
        raise NoRequestError("a limit order needs a price")
    symbol, contract = _place(instrument)
    if not contract:
        kind = side if order_type == "limit" else f"{side}_market"
        parameters = {"symbol": symbol, "type": kind}
        if price is not None and order_type == "limit":
            parameters |= {"price": positive("price", price), "amount": positive("size", size)}
        else:
            parameters["price" if side == "buy" else "amount"] = positive("size", size)
        return V1OrderRequest("ok_spot_order", parameters)
    kind = KINDS.get((side, position_side), "")
    if not kind:
        raise NoRequestError(f"a futures order opens or closes a side: position_side is long or short, not {position_side!r}")
    if leverage not in (10, 20):
        raise NoRequestError(f"V1 had a leverage of 10 or 20, not {leverage}")
    limit = "0" if price is None or order_type == "market" else positive("price", price)
    contracts = positive("size", size, is_whole=True)
    parameters = {"symbol": symbol, "contract_type": contract, "price": limit, "amount": contracts, "type": kind}
    parameters |= {"match_price": "1" if order_type == "market" else "0", "lever_rate": str(leverage)}
    return V1OrderRequest("ok_futureusd_trade", parameters)


def cancel(instrument: str, order_id: str) -> V1OrderRequest:
    """Return a request to cancel an order."""
    symbol, contract = _place(instrument)
    parameters = {"symbol": symbol, "order_id": identity(order_id)}
    if not contract:
        return V1OrderRequest("ok_spot_cancel_order", parameters)
    return V1OrderRequest("ok_futureusd_cancel_order", {**parameters, "contract_type": contract})


def query(instrument: str, order_id: str = "-1", *, page: int = 1, page_length: int = 50) -> V1OrderRequest:
    """Return a request for an order, or for all open ones (order_id -1)."""
    symbol, contract = _place(instrument)
    if not contract:
        return V1OrderRequest("ok_spot_orderinfo", {"symbol": symbol, "order_id": identity(order_id)})
    parameters = {"symbol": symbol, "order_id": identity(order_id), "contract_type": contract, "status": "1"}
    parameters |= {"current_page": str(page), "page_length": str(page_length)}
    return V1OrderRequest("ok_futureusd_orderinfo", parameters)


def balances(*, futures: bool = False) -> V1OrderRequest:
    """Return a request for all balances."""
    return V1OrderRequest("ok_futureusd_userinfo" if futures else "ok_spot_userinfo", {})


def answered(name: str, answer: dict[str, Any], now: int) -> Replied:
    """Return the answer to a request: an order's id, or orders or balances as events. Raises ValueError and similar errors."""
    events: list[Event] = []
    for row in answer.get("orders", ()):
        order = order_of(row, now)
        order.channel = "orders"
        events.append(order)
    if name.endswith("userinfo"):
        events += account_rows(Subscription("account", _SPOT), answer, now)
        for event in events:
            event.channel = "account"  # type: ignore[attr-defined]  # pushes, all of them
    for event in events:
        event.ts_recv = now
    order_id = text(answer.get("order_id", ""))
    if answer.get("result") not in (True, "true"):
        raise ValueError(f"neither a result nor an error: {msgspec.json.encode(answer).decode()}")
    return Replied(name, "0", "", order_id, events)


def _place(instrument: str) -> tuple[str, str]:
    """Return V1's symbol and contract_type; "" on spot."""
    coin, _, rest = instrument.lower().partition("-")
    quote, _, contract = rest.replace("-", "_").partition("_")
    if not coin or not quote or (contract and (quote != "usd" or contract not in CONTRACTS)):
        raise NoRequestError(f"{instrument!r} is not an instrument; V1's look like BTC-USDT or BTC-USD-QUARTER")
    return f"{coin}_{quote}", contract
