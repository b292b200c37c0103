"""Frames: messages of V1 and V3 in one common form."""

from __future__ import annotations

import msgspec

from okex_ws.events import Event


class Pong(msgspec.Struct):
    """Answer to our ping."""


class Acked(msgspec.Struct):
    """Begin or end of a subscription; name: the dialect's channel name."""

    name: str
    is_subscribe: bool


class LegacyLoginAnswer(msgspec.Struct):
    """Answer to our login; code "0": accepted."""

    code: str
    message: str


class Failed(msgspec.Struct):
    """Error. name: its channel, "" if it names none."""

    code: str
    message: str
    name: str = ""


class Rows(msgspec.Struct):
    """Data. names: the channels it may belong to, the likeliest first: V3 does not name the subscription."""

    names: tuple[str, ...]
    events: list[Event]


class Replied(msgspec.Struct):
    """Answer to an order request, without an id; name: the request's channel."""

    name: str
    code: str
    message: str
    order_id: str
    events: list[Event] = []


class Foreign(msgspec.Struct):
    """Error of a server that speaks another dialect; message: the change to make."""

    code: str
    message: str


class Bad(msgspec.Struct):
    """Unreadable rows of a known channel."""

    name: str
    reason: str


class Unknown(msgspec.Struct):
    """Valid JSON of no known shape; raw: the original bytes."""

    raw: bytes


Frame = Pong | Acked | LegacyLoginAnswer | Failed | Rows | Replied | Foreign | Bad | Unknown


def why(error: Exception) -> str:
    """Return the reason why rows are unreadable, from the exception raised."""
    match error:
        case KeyError(args=(missing, *_)):
            return f"{missing!r} is missing, or stands for nothing known"
        case IndexError():
            return "a row is too short"
        case ValueError() | OverflowError():
            return str(error)
    return "not the shape of its channel"
