"""V1's messages → what they say. A message is a list of objects, mostly of one; now and then it is a bare object.

An object is told by what it has, in this order: the pong, an error, an answer to a request, data of a channel, private data
without a channel. `binary` in it says nothing about how it was sent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.legacy.foreign import foreign
from okex_ws.legacy.frames import Acked, Bad, Failed, Frame, LegacyLoginAnswer, Pong, Replied, Rows, Unknown, why
from okex_ws.legacy.v1.wire import rows
from okex_ws.legacy.v1.wire.channels import meaning
from okex_ws.legacy.v1.wire.orders import REQUESTS, answered
from okex_ws.legacy.v1.wire.own import order_of
from okex_ws.legacy.v1.wire.requests import PONG
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import FrameError

_decode = msgspec.json.Decoder(float_hook=str).decode
"""Numbers with a point stay the text they were, and whole ones are exact anyway."""
_ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)


def frames_of(data: bytes, now: int) -> list[Frame]:
    """What a message says, object by object: one that cannot be read does not cost the others. Raises FrameError."""
    if data == PONG:
        return [Pong()]
    try:
        message = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error) or type(error).__name__) from None
    objects = message if isinstance(message, list) else [message]
    return [_frame_of(told, now) for told in objects]


def _frame_of(told: Any, now: int) -> Frame:
    if not isinstance(told, dict):
        return Unknown(msgspec.json.encode(told))
    if told.get("event") == "pong":
        return Pong()
    name, data = str(told.get("channel", "")), told.get("data")
    if name and told.get("success") in (False, "false"):  # OKCoin's way until 2016, and the pages' until the end
        return _failed(name, {"error_code": told.get("errorcode", told.get("errorCode", ""))})
    if "data" not in told:
        return _without_data(told, name, now)
    answer = data if isinstance(data, dict) else {}
    if answer.get("error_code") is not None or answer.get("result") in (False, "false"):
        return _failed(str(answer.get("channel", "")) if name in ("addChannel", "removeChannel") else name, answer)
    if name in ("addChannel", "removeChannel"):
        return Acked(str(answer.get("channel", "")), name == "addChannel")
    if name == "login":
        return LegacyLoginAnswer("0", "") if answer.get("result") in (True, "true") else _failed(name, answer)
    try:
        if name in REQUESTS:
            return answered(name, answer, now)
        if not name:
            return _channel_less(told, now)
        return _rows(name, told, now)
    except _ODD as error:
        return Bad(name, f"{name or 'a push without a channel'}: {why(error)}")


def _failed(name: str, answer: dict[str, Any]) -> Frame:
    code, message = str(answer.get("error_code", "")), str(answer.get("error_msg", ""))
    if name in REQUESTS:
        return Replied(name, code or "failed", message, "")
    # The login's error names no channel either.
    return LegacyLoginAnswer(code or "failed", message) if name == "login" or code == "20102" else Failed(code, message, name)


def _without_data(told: dict[str, Any], name: str, now: int) -> Frame:
    if name and told.get("success") in (True, "true"):
        return Acked(name, is_subscribe=True)
    if name in REQUESTS:
        return Bad(name, f"{name}: an answer without data")
    if "mark_price" in told:  # the page shows it bare, and names the contract inside
        name = f"ok_sub_futureusd_{told.get('symbol')}_markprice_{told.get('contract_type')}"
        try:
            return _rows(name, {"data": told}, now)
        except _ODD as error:
            return Bad(name, f"{name}: {why(error)}")
    return foreign(told, "V1") or Unknown(msgspec.json.encode(told))


def _rows(name: str, told: dict[str, Any], now: int) -> Frame:
    item = meaning(name)
    if item is None:
        return Unknown(msgspec.json.encode(told))
    if item.channel == "estimated-price":
        return Rows((name,), rows.forecast(item, told["data"], told.get("timestamp"), now))
    return Rows((name,), rows.events_of(item, told["data"], now))


def _channel_less(told: dict[str, Any], now: int) -> Frame:
    """After a login, orders and balances come by product and type: base and quote say of what."""
    product, kind, base, quote = (str(told.get(word, "")) for word in ("product", "type", "base", "quote"))
    if product == "futures" and kind == "order":
        order = order_of(told["data"], now)
        order.ts_recv, order.channel = now, "orders"
        return Rows(("ok_sub_futureusd_trades",), [order])
    if product != "spot" or kind not in ("order", "balance") or not base or not quote:
        return Unknown(msgspec.json.encode(told))
    name = f"ok_sub_spot_{base}_{quote}_{kind}"
    item = Subscription("orders" if kind == "order" else "account", (("instId", f"{base}-{quote}".upper()),))
    made = rows.events_of(item, told["data"], now)
    for event in made:
        if kind == "order" and not event.instrument:  # type: ignore[attr-defined]  # orders, all of them
            event.instrument = item.key  # type: ignore[attr-defined]
    return Rows((name,), made)


def heard(data: bytes) -> list[Subscription]:
    """What a message of a recording is a push of."""
    try:
        names = [frame.names[0] for frame in frames_of(data, 0) if isinstance(frame, Rows)]
    except FrameError:
        return []
    return [item for name in names if (item := meaning(name)) is not None]
