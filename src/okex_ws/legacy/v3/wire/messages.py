"""V3's messages as frames: `pong`, acks, errors, the login's answer, tables of rows."""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.legacy.foreign import foreign
from okex_ws.legacy.frames import Acked, Bad, Failed, Frame, LegacyLoginAnswer, Pong, Rows, Unknown, typed, why
from okex_ws.legacy.v3.wire import rows
from okex_ws.legacy.v3.wire.channels import channel_of, family_of, meaning
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import FrameError

_decode = msgspec.json.Decoder(float_hook=str).decode
"""Decoder that keeps numbers with a point as text, because checksums use texts; whole numbers are exact."""
_ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError)
_SECRET = "a request to log in, which is not repeated here"  # noqa: S105  # replaces the text of an answer that quotes one


def frames_of(data: bytes, now: int) -> list[Frame]:
    """Return the frames of a message. Raises FrameError if it is not JSON."""
    if data == b"pong":
        return [Pong()]
    try:
        message = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error) or type(error).__name__) from None
    if not isinstance(message, dict):
        return [foreign(message, "V3") or Unknown(data)]
    if "table" in message:
        return _rows(message, data, now)
    match message.get("event"):
        case "subscribe" | "unsubscribe" as verb if "channel" in message:
            return [Acked(str(message["channel"]), verb == "subscribe")]
        case "login":
            return [LegacyLoginAnswer("0" if message.get("success") in (True, "true") else "30027", "")]
        case "error" if "errorCode" in message:
            return [_error(str(message.get("errorCode", "")), str(message.get("message", "")))]
    return [foreign(message, "V3") or Unknown(data)]


def _error(code: str, message: str) -> Frame:
    """Return an error as a frame; an unknown channel is named only in its text."""
    head, _, quoted = message.partition(":")
    if "login" in quoted:
        message = f"{head}: {_SECRET}"
    if message.startswith("Channel ") and message.endswith(" doesn't exist"):
        return Failed(code, message, message.removeprefix("Channel ").removesuffix(" doesn't exist"))
    return Failed(code, message)


def _rows(message: dict[str, Any], data: bytes, now: int) -> list[Frame]:
    table, elements = str(message["table"]), message.get("data")
    business, _, word = table.partition("/")
    channel = channel_of(business, word)
    if channel is None:
        return [Unknown(data)]
    if not isinstance(elements, list):
        return [Bad(table, "a table without a list of data")]
    frames: list[Frame] = []
    for element in elements:
        names: tuple[str, ...] = (table,)
        try:
            names = _names(table, element)
            events = typed(rows.events_of(business, word, channel, element, str(message.get("action", ""))))
        except _ODD as error:
            frames.append(Bad(names[0], f"{table}: {why(error)}"))
            continue
        for event in events:
            event.ts_recv, event.channel = now, channel  # type: ignore[attr-defined]  # pushes, all of them
        last = frames[-1] if frames else None
        if isinstance(last, Rows) and last.names == names:
            last.events.extend(events)
        else:
            frames.append(Rows(names, events))
    return frames


def _names(table: str, element: Any) -> tuple[str, ...]:
    """Return the possible subscriptions of a row: by instrument, by underlying, by currency, or the whole table."""
    if not isinstance(element, dict):
        raise ValueError("a row that is no object")
    named = element.get("instrument_id") or element.get("underlying") or ""
    if not isinstance(named, str):
        raise ValueError(f"{named!r} is no instrument")
    instrument = named
    keys = [instrument, family_of(instrument)] if instrument else [str(element.get("currency", ""))]
    if table == "futures/account" and not instrument:
        keys = list(element)
    return (*(f"{table}:{key}" for key in dict.fromkeys(keys) if key), table)


def subscriptions_in(data: bytes) -> list[Subscription]:
    """Return the subscriptions that a recorded message is a push of."""
    try:
        names = [frame.names[0] for frame in frames_of(data, 0) if isinstance(frame, Rows)]
    except FrameError:
        return []
    return [item for name in names if (item := meaning(name)) is not None]
