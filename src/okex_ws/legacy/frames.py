"""Frames: what a message of a dead dialect says, in words both dialects share."""

from __future__ import annotations

import msgspec

from okex_ws.events import Event


class Pong(msgspec.Struct):
    """The answer to our ping."""


class Acked(msgspec.Struct):
    """A subscription begins, or ends; name: the dialect's own channel name."""

    name: str
    is_subscribe: bool


class LegacyLoginAnswer(msgspec.Struct):
    """The server's word on our login; code "0": accepted."""

    code: str
    message: str


class Failed(msgspec.Struct):
    """An error. name: the channel it is about, "" where it does not say."""

    code: str
    message: str
    name: str = ""


class Rows(msgspec.Struct):
    """Data. names: the channels it may be a push of, the likeliest first: V3 does not say which was asked for."""

    names: tuple[str, ...]
    events: list[Event]


class Replied(msgspec.Struct):
    """The answer to a request to trade, which carries no id; name: the request's channel."""

    name: str
    code: str
    message: str
    order_id: str
    events: list[Event] = []


class Foreign(msgspec.Struct):
    """An error of a server that speaks another dialect; message: what to change."""

    code: str
    message: str


class Bad(msgspec.Struct):
    """Rows that cannot be read, of a channel that is known."""

    name: str
    reason: str


class Unknown(msgspec.Struct):
    """Sound JSON of no known shape; raw: as it came."""

    raw: bytes


Frame = Pong | Acked | LegacyLoginAnswer | Failed | Rows | Replied | Foreign | Bad | Unknown


def why(error: Exception) -> str:
    """What is wrong with rows, in words, of what reading them raised."""
    match error:
        case KeyError(args=(missing, *_)):
            return f"{missing!r} is missing, or stands for nothing known"
        case IndexError():
            return "a row is too short"
        case ValueError() | OverflowError():
            return str(error)
    return "not the shape of its channel"
