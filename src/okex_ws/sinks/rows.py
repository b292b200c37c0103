"""Rows: an event as a flat row and as a JSON object, in our own field names; the same for every sink.

A row has `id` and `ts_event` before the event's fields; JSON has `kind` before these. Times are int ns UTC, those that end
in _ms are ms. An unknown value is null. Decimals are texts in JSON, bytes are base64.
Book levels are `bids` and `asks`: [[price, size, order_count], ...], best first, with the exact digits of OKX.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from okex_ws.events import BookEvent, Event, SingleTrade, StatusEvent, Trade
from okex_ws.sinks.sink import Batch

ColumnType = Literal["text", "int", "float", "bool", "decimal", "bytes", "json"]

_encode = msgspec.json.Encoder().encode
_check_levels = msgspec.json.Decoder(list[tuple[float, float, int | None]]).decode

# Table names other than the plural of the class name.
_TABLES = {
    "account_quality": "account_qualities",
    "balance_and_position": "balances_and_positions",
    "funding_rate": "funding",
    "generic_push": "generic_pushes",
    "option_summary": "option_summaries",
}
_UNCOUNTED = ("ed", "account_greeks", "logged_in", "open_interest", "stale", "system_status", "unrecoverable")
"""Endings of names without a plural."""

_RENAMED = {"kind": "request_kind"}
"""Fields with the name of one of our columns: `kind` is the kind of event."""


class Column(NamedTuple):
    """One field of a kind of event."""

    name: str
    type: ColumnType


class RowKind:
    """Layout of one class of events. `kind_of` returns the one of an event.

    name: the class name in lower case, e.g. `book_update`; table: its plural. columns: the event's fields, without `id` and
    `ts_event`. key: columns that, with the time, identify a row of any recorder; empty if only our ids do.
    """

    def __init__(self, cls: type[Event]) -> None:
        self.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        self.table = _TABLES.get(self.name) or (self.name if self.name.endswith(_UNCOUNTED) else self.name + "s")
        is_book = issubclass(cls, BookEvent)
        hints = typing.get_type_hints(cls)
        names = [field.name for field in msgspec.structs.fields(cls)]
        self.columns: list[Column] = []
        self._convert: list[tuple[int, Callable[[Any], Any]]] = []
        self._texts: list[int] = []
        for place, name in enumerate(names):
            if is_book and name in ("raw_bids", "raw_asks"):
                self.columns.append(Column(name.removeprefix("raw_"), "json"))
                self._convert.append((place, levels_json))
                self._texts.append(place)
                continue
            kind = _column_type(hints[name])
            self.columns.append(Column(_RENAMED.get(name, name), kind))
            if kind == "json":
                self._texts.append(place)
                if _holds_struct(hints[name]):
                    self._convert.append((place, plain))
        # Filled by position: a struct of our names encodes in half the time of a dict.
        ours = ("kind", "id", "ts_event", *(column.name for column in self.columns))
        self._object = msgspec.defstruct(cls.__name__, [(name, Any) for name in ours], gc=False)
        self._fields = attrgetter(*names)
        self.has_instrument = "instrument" in names
        self.key = ("instrument", "trade_id") if issubclass(cls, Trade | SingleTrade) else ()

    def __repr__(self) -> str:
        return f"<RowKind {self.name}>"

    def values(self, event: Event) -> Sequence[Any]:
        """Return the fields as Python values, one per column; json columns as values that msgspec can encode."""
        values: Sequence[Any] = self._fields(event)
        if self._convert:
            values = list(values)
            for place, convert in self._convert:
                values[place] = convert(values[place])
        return values

    def flat(self, event: Event) -> Sequence[Any]:
        """Return the fields as database values, one per column; json columns as JSON text."""
        values = self.values(event)
        if self._texts:
            values = list(values)
            for place in self._texts:
                values[place] = _encode(values[place]).decode()
        return values

    def json(self, event_id: str, event: Event) -> bytes:
        """Return the event as one JSON object on one line, without the end of line."""
        return _encode(self._object(self.name, event_id, event.ts_event, *self.values(event)))


_kinds: dict[type[Event], RowKind] = {}


def kind_of(event: Event) -> RowKind:
    """Return the layout of an event's class."""
    kind = _kinds.get(type(event))
    if kind is None:
        kind = _kinds[type(event)] = RowKind(type(event))
    return kind


def grouped(batch: Batch) -> dict[RowKind, list[tuple[str, Event]]]:
    """Return a batch by kind; within a kind the order is kept."""
    groups: dict[RowKind, list[tuple[str, Event]]] = {}
    for item in batch:
        kind = kind_of(item[1])
        group = groups.get(kind)
        if group is None:
            group = groups[kind] = []
        group.append(item)
    return groups


def topic(event: Event) -> tuple[str, str]:
    """Return the (channel, instrument) of an event; a subscription's status events have those of its data, others ("line", its
    line).

    "" is the instrument of a channel whose rows belong to no single instrument.
    """
    channel = getattr(event, "channel", "")
    if not channel and isinstance(event, StatusEvent):
        return "line", event.line
    return channel, getattr(event, "instrument", "") or getattr(event, "key", "") or getattr(event, "currency", "")


def safe_token(text: str) -> str:
    """Return a name as one token of a subject, key or file name: letters, digits, `-_:+` stay, the rest becomes %XX; "_" for
    "".
    """
    return quote(text, safe="-_:+").replace(".", "%2E").replace("~", "%7E") or "_"


def levels_json(levels: Sequence[tuple[str, ...]]) -> msgspec.Raw:
    """Return book levels as JSON numbers with OKX's own digits; as JSON texts if one of them is not a number.

    The order count is null if it is unknown: 0 orders of a size that is not 0.
    """
    rows = [(row[0], row[1], row[-1] if row[-1] != "0" or not row[1].strip("0.") else "null") for row in levels]
    text = _encode(rows)
    digits = text.replace(b'"', b"")
    try:
        _check_levels(digits)
    except msgspec.DecodeError:
        return msgspec.Raw(text.replace(b'"null"', b"null"))
    return msgspec.Raw(digits)


def plain(value: Any) -> Any:
    """Return a nested value with structs as dicts of our field names."""
    if isinstance(value, msgspec.Struct):
        return {field.name: plain(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


_SCALARS: dict[Any, ColumnType] = {
    str: "text", int: "int", float: "float", bool: "bool", Decimal: "decimal", bytes: "bytes",
}  # fmt: skip


def _column_type(hint: Any) -> ColumnType:
    inner = _without_none(hint)
    return _SCALARS.get(inner, "json") if isinstance(inner, type) else "json"


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        return members[0] if len(members) == 1 else hint
    return hint


def _holds_struct(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return True
    return any(_holds_struct(inner) for inner in typing.get_args(hint))
