"""Frames: messages of V1 and V3 in one common form."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import msgspec.inspect

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


def typed(events: list[Event]) -> list[Event]:
    """Return the events, each with the types of V5's in every field. Raises ValueError.

    Numbers are read by their own functions; a text may come as any JSON value.
    """
    for event in events:
        _check_types(event)
    return events


def _check_types(struct: Any) -> None:
    fields, nested, levels = _checked_fields(type(struct))  # type: ignore[arg-type]  # a class is hashable
    for name, accepted in fields:
        value = getattr(struct, name)
        if not isinstance(value, accepted) or (value is True and bool not in accepted):
            raise ValueError(f"{name} {value!r} is not of its type")
    for name in nested:
        for inner in getattr(struct, name):
            _check_types(inner)
    for name in levels:
        for level in getattr(struct, name):
            if not (level[3].isascii() and level[3].isdecimal()):
                raise ValueError(f"{level} is not a level")


@functools.cache
def _checked_fields(kind: type[Any]) -> tuple[list[tuple[str, tuple[type, ...]]], list[str], list[str]]:
    """Return the plain fields of a struct with their types, its lists of structs, and its sides of a book."""
    simple = {
        msgspec.inspect.StrType: (str,),
        msgspec.inspect.IntType: (int,),
        msgspec.inspect.FloatType: (float, int),
        msgspec.inspect.BoolType: (bool,),
        msgspec.inspect.NoneType: (type(None),),
    }
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    fields: list[tuple[str, tuple[type, ...]]] = []
    nested: list[str] = []
    levels: list[str] = []
    for field in info.fields:
        parts = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
        known = [simple.get(type(part)) for part in parts]
        if all(known):
            fields.append((field.name, tuple(one for types in known for one in types or ())))
        elif isinstance(field.type, msgspec.inspect.ListType):
            is_struct = isinstance(field.type.item_type, msgspec.inspect.StructType)
            (nested if is_struct else levels).append(field.name)
    return fields, nested, [name for name in levels if name in ("raw_bids", "raw_asks")]


def why(error: Exception) -> str:
    """Return the reason why rows are unreadable, from the exception raised."""
    match error:
        case KeyError(args=(missing, *_)):
            return f"{missing!r} is missing, or stands for nothing known"
        case IndexError():
            return "a row is too short"
        case ValueError() | OverflowError() | ArithmeticError():
            return str(error)
    return "not the shape of its channel"
