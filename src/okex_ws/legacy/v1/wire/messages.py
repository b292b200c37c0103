"""V1's messages as frames. A message is a list of objects, mostly of one; sometimes it is a bare object.

The fields of an object give its kind, in this order: the pong, an error, an answer to a request, data of a channel, account data
without a channel. Its field `binary` has no relation to the way it was sent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.legacy.foreign import foreign
from okex_ws.legacy.frames import Acked, Bad, Failed, Frame, LegacyLoginAnswer, Pong, Replied, Rows, Unknown, typed, why
from okex_ws.legacy.v1.wire import rows
from okex_ws.legacy.v1.wire.channels import meaning
from okex_ws.legacy.v1.wire.orders import REQUESTS, answered
from okex_ws.legacy.v1.wire.own import order_of
from okex_ws.legacy.v1.wire.requests import PONG
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import FrameError

_decode = msgspec.json.Decoder(float_hook=str).decode
"""Decoder that keeps numbers with a point as text; whole numbers are exact."""
_ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError)


def frames_of(data: bytes, now: int) -> list[Frame]:
    """Return the frames of a message, object by object; an unreadable one does not affect the others. Raises FrameError."""
    if data == PONG:
        return [Pong()]
    try:
        message = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error) or type(error).__name__) from None
    objects = message if isinstance(message, list) else [message]
    return [_frame_of(each, now) for each in objects]


def _frame_of(message: Any, now: int) -> Frame:
    if not isinstance(message, dict):
        return Unknown(msgspec.json.encode(message))
    if message.get("event") == "pong":
        return Pong()
    name, data = str(message.get("channel", "")), message.get("data")
    if name and message.get("success") in (False, "false"):  # OKCoin's way until 2016, and the pages' until the end
        return _failed(name, {"error_code": message.get("errorcode", message.get("errorCode", ""))})
    if "data" not in message:
        return _without_data(message, name, now)
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
            return _channel_less(message, now)
        return _rows(name, message, now)
    except _ODD as error:
        return Bad(name, f"{name or 'a push without a channel'}: {why(error)}")


def _failed(name: str, answer: dict[str, Any]) -> Frame:
    code, message = str(answer.get("error_code", "")), str(answer.get("error_msg", ""))
    if name in REQUESTS:
        return Replied(name, code or "failed", message, "")
    # The login's error names no channel.
    return LegacyLoginAnswer(code or "failed", message) if name == "login" or code == "20102" else Failed(code, message, name)


def _without_data(message: dict[str, Any], name: str, now: int) -> Frame:
    if name and message.get("success") in (True, "true"):
        return Acked(name, is_subscribe=True)
    if name in REQUESTS:
        return Bad(name, f"{name}: an answer without data")
    if "mark_price" in message:  # the page shows it without a channel, with the contract inside
        name = f"ok_sub_futureusd_{message.get('symbol')}_markprice_{message.get('contract_type')}"
        try:
            return _rows(name, {"data": message}, now)
        except _ODD as error:
            return Bad(name, f"{name}: {why(error)}")
    return foreign(message, "V1") or Unknown(msgspec.json.encode(message))


def _rows(name: str, message: dict[str, Any], now: int) -> Frame:
    item = meaning(name)
    if item is None:
        return Unknown(msgspec.json.encode(message))
    if item.channel == "estimated-price":
        return Rows((name,), typed(rows.forecast(item, message["data"], message.get("timestamp"), now)))
    return Rows((name,), typed(rows.events_of(item, message["data"], now)))


def _channel_less(message: dict[str, Any], now: int) -> Frame:
    """Return the frame of an order or a balance without a channel: product and type name it, base and quote its pair."""
    product, kind, base, quote = (str(message.get(word, "")) for word in ("product", "type", "base", "quote"))
    if product == "futures" and kind == "order":
        order = order_of(message["data"], now)
        order.ts_recv, order.channel = now, "orders"
        return Rows(("ok_sub_futureusd_trades",), typed([order]))
    if product != "spot" or kind not in ("order", "balance") or not base or not quote:
        return Unknown(msgspec.json.encode(message))
    name = f"ok_sub_spot_{base}_{quote}_{kind}"
    item = Subscription("orders" if kind == "order" else "account", (("instId", f"{base}-{quote}".upper()),))
    made = rows.events_of(item, message["data"], now)
    for event in made:
        if kind == "order" and not event.instrument:  # type: ignore[attr-defined]  # orders, all of them
            event.instrument = item.key  # type: ignore[attr-defined]
    return Rows((name,), typed(made))


def subscriptions_in(data: bytes) -> list[Subscription]:
    """Return the subscriptions that a recorded message is a push of."""
    try:
        names = [frame.names[0] for frame in frames_of(data, 0) if isinstance(frame, Rows)]
    except FrameError:
        return []
    return [item for name in names if (item := meaning(name)) is not None]
