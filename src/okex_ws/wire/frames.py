"""Frames: OKX's text → pushes, acks, errors, notices.

Pushes of a known channel are decoded in one pass into their event class (`PushDecoder`); all other frames go through the
envelope. A push that does not fit its class because OKX left a number empty ("") is decoded again without its empty fields; if
that fails, its rows are converted one by one.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Literal, TypeVar

import msgspec
import msgspec.inspect

from okex_ws.errors import OkexError
from okex_ws.events import BookEvent, BookSnapshot, Candle, Event, GenericPush, OrderResult, Push
from okex_ws.events.base import NUMBER
from okex_ws.wire.channels import Channel, Subscription, bar_of, find, from_arg

E = TypeVar("E", bound=Push)
S = TypeVar("S", bound=msgspec.Struct)

MAX_FRAME = 16 * 1024 * 1024
"""Largest frame accepted, bytes; the largest real one known is the SPOT instrument list, 1.2 MB."""


class FrameError(OkexError, ValueError):
    """A frame that cannot be read; the text has the reason."""


class BadRowsError(FrameError):
    """A push some of whose rows cannot be read. events: its other rows, in order."""

    def __init__(self, reason: str, events: list[Event]) -> None:
        super().__init__(reason)
        self.events = events


class PushFrame(msgspec.Struct):
    """Rows of one subscription, as events. bad: why other rows of the push cannot be read, "" if all can."""

    subscription: Subscription
    events: list[Event]
    channel: Channel | None
    bad: str = ""


class AckFrame(msgspec.Struct):
    """`event: subscribe` or `unsubscribe`."""

    verb: str
    subscription: Subscription
    request_id: str
    connection_id: str


class ErrorFrame(msgspec.Struct):
    """`event: error`; without arg, with the id of the request that it answers."""

    request_id: str
    code: str
    message: str
    connection_id: str


class LoginFrame(msgspec.Struct):
    """`event: login`; code "0" is success."""

    code: str
    message: str


class NoticeFrame(msgspec.Struct):
    """`event: notice`, e.g. 64008: the connection will be closed for an upgrade."""

    code: str
    message: str


class CountFrame(msgspec.Struct):
    """`channel-conn-count`, or its `-error`: the subscription to that channel was ended."""

    channel: str
    count: int
    is_error: bool


class ReplyFrame(msgspec.Struct):
    """Answer to an order request: `op` in place of `event`, one result per order; times in microseconds UTC."""

    request_id: str
    op: str
    code: str
    message: str
    results: tuple[OrderResult, ...]
    in_us: int | None
    out_us: int | None


class PongFrame(msgspec.Struct):
    """The text `pong`."""


class UnknownFrame(msgspec.Struct):
    """Valid JSON of no documented shape."""


Frame = PushFrame | AckFrame | ErrorFrame | LoginFrame | NoticeFrame | CountFrame | ReplyFrame | PongFrame | UnknownFrame


class _Envelope(msgspec.Struct):
    event: str = ""
    arg: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw()
    action: str = ""
    id: str | int = ""
    op: str = ""
    code: str | int = ""
    msg: str = ""
    connId: str = ""
    channel: str = ""
    connCount: int = 0
    inTime: str = ""
    outTime: str = ""


_envelope = msgspec.json.Decoder(_Envelope, strict=False)
_results_decoder = msgspec.json.Decoder(tuple[OrderResult, ...], strict=False)
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_EMPTY = re.compile(rb',"\w+":""')
"""An empty field that is not the first of its object. These bytes cannot occur within a text, whose quotes are escaped."""

_ODD_NUMBER = re.compile(rb'"(?:[-+]?(?:s?nan|inf)|\\|\s|\+|\.|-?\d+(?:_|\.?\s|\."|\\))', re.IGNORECASE)
"""A text that `Decimal` takes for a number and OKX's grammar does not, or that may be one: its row is checked field by field."""


class PushDecoder:
    """Decodes the pushes of one subscription: whole frames in, events out.

    The hot path of the project. A compiled version must return the same events for the same bytes.
    """

    __slots__ = (
        "_channel",
        "_fast",
        "_fast_update",
        "_has_pages",
        "_is_own",
        "_key",
        "_names_rows",
        "channel",
        "has_updates",
        "subscription",
    )

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.channel = find(subscription.channel)
        self._channel, self._key = subscription.channel, subscription.key
        kind = self.channel.event if self.channel else GenericPush
        update = self.channel.update if self.channel else None
        self.has_updates = update is not None
        by_hand = kind is GenericPush or hasattr(kind, "from_row")
        # An update must never be taken for a snapshot: in a channel with both, a snapshot needs its `action`.
        self._fast = None if by_hand else _rows_decoder(kind, update is not None)
        self._fast_update = _rows_decoder(update) if update else self._fast
        # Book rows do not contain their instrument: it is the subscription's key.
        self._names_rows = issubclass(kind, BookEvent)
        # Account pushes have eventType, curPage and lastPage beside their rows.
        self._has_pages = hasattr(kind, "event_type")
        self._is_own = has_decimals(kind)

    def decode(self, data: bytes, is_update: bool, now: int = 0) -> list[Any]:
        """Return the rows of a frame as events received at `now`, ns. Raises FrameError; BadRowsError if some are good."""
        fast = self._fast_update if is_update else self._fast
        if fast is None:
            return self._tolerant(data, now)
        if self._is_own or not data.isascii():
            _check_utf8(data)  # msgspec does not check the names of fields
            if self._is_own and (not data.isascii() or _ODD_NUMBER.search(data)):
                return self._tolerant(data, now)
        try:
            push = fast(data)
        except _NO_JSON:
            try:
                push = fast(_EMPTY.sub(b"", data))
            except _NO_JSON:
                return self._tolerant(data, now)
        rows: list[Any] = push.data
        name = self._channel
        if self._names_rows:
            key = self._key
            for row in rows:
                row.ts_recv = now
                row.channel = name
                row.instrument = key
        else:
            for row in rows:
                row.ts_recv = now
                row.channel = name
            if self._has_pages:
                for row in rows:
                    row.event_type, row.page, row.is_last_page = push.eventType, push.curPage, push.lastPage
        return rows

    def _tolerant(self, data: bytes, now: int) -> list[Any]:
        """Convert row by row: empty texts and nulls count as absent, arrays and unknown channels become events."""
        push = _parse(data)
        if not isinstance(push, dict) or not isinstance(push.get("data"), list):
            raise FrameError("a push without a list of data")
        action = str(push.get("action", ""))
        if self.channel is None:
            return self._generic(push, action, now)
        events, bad = [], []
        for row in push["data"]:
            try:
                events.append(self._row(self._kind(row, action), row))
            except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
                bad.append(str(error))
        # A book without one of its rows is broken, so all rows of its frame are bad.
        if bad and (self._names_rows or not events):
            raise FrameError(f"{self.subscription}: {bad[0]}")
        for event in events:
            event.ts_recv, event.channel = now, self._channel
            if self._names_rows:
                event.instrument = self._key
            if hasattr(event, "event_type") and "eventType" in push:
                event.event_type = str(push["eventType"])
                event.page = push.get("curPage")
                event.is_last_page = push.get("lastPage")
        if bad:
            raise BadRowsError(f"{self.subscription}: {len(bad)} of {len(push['data'])} rows: {bad[0]}", events)
        return events

    def _kind(self, row: Any, action: str) -> type[Any]:
        assert self.channel is not None
        snapshot, update = self.channel.event, self.channel.update
        if update is None or action == "snapshot":
            return snapshot
        if action == "update":
            return update
        if action:
            raise ValueError(f"the action {action!r} is neither snapshot nor update")
        # Without an action, as over REST, an update has a previous sequence.
        follows = row.get("prevSeqId") if isinstance(row, dict) else None
        return snapshot if follows in (None, "", -1, "-1") else update

    def _row(self, kind: type[Any], row: Any) -> Any:
        if issubclass(kind, Candle):
            if not isinstance(row, list):
                raise FrameError(f"{self.subscription}: a candle is an array")
            candle = kind.from_row(row)
            candle.instrument, candle.bar = self.subscription.key, bar_of(self.subscription.channel)
            return candle
        return converted(row, kind)

    def _generic(self, push: dict[str, Any], action: str, now: int) -> list[Any]:
        arg = push.get("arg") or {}
        return [GenericPush(ts_recv=now, channel=self._channel, arg=arg, row=row, action=action) for row in push["data"]]


@functools.cache
def _rows_decoder(kind: type[Event], needs_action: bool = False) -> Any:
    fields: list[Any] = [("data", list[kind])]  # type: ignore[valid-type]
    if needs_action:
        fields.append(("action", Literal["snapshot"]))
    if hasattr(kind, "event_type"):
        fields += [("eventType", str, ""), ("curPage", int | None, None), ("lastPage", bool | None, None)]
    push = msgspec.defstruct("Push", fields, gc=False)
    return msgspec.json.Decoder(push, strict=False).decode


def _check_utf8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise FrameError(str(error)) from None


def _parse(data: bytes) -> Any:
    _check_utf8(data)
    try:
        return msgspec.json.decode(data)
    except _NO_JSON as error:
        raise FrameError(str(error) or type(error).__name__) from None


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item != "" and item is not None}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_without_empty(item) for item in value]
    return value


def converted(row: Any, kind: type[S]) -> S:
    """Return a row as a struct; empty texts and nulls count as absent. Raises ValueError (TypeError, OverflowError).

    Numbers are held to OKX's grammar: NaN, Infinity, "1_000" and " 7" are no numbers.
    """
    full = _without_empty(row)
    _check_numbers(full, kind)
    return msgspec.convert(full, kind, strict=False)


def _check_numbers(row: Any, kind: type[Any]) -> None:
    numbers, structs = _typed_fields(kind)  # type: ignore[arg-type]  # a class is hashable
    if not isinstance(row, dict):
        return
    for name, value in row.items():
        if name in numbers:
            if isinstance(value, str) and (NUMBER.fullmatch(value) is None or (numbers[name] and "e" in value.lower())):
                raise ValueError(f"{name} {value!r} is not a number")
        elif name in structs:
            for item in value if isinstance(value, list) else [value]:
                _check_numbers(item, structs[name])


@functools.cache
def _typed_fields(kind: type[Any]) -> tuple[dict[str, bool], dict[str, type[Any]]]:
    """Return the fields of a struct that are numbers, with True for whole ones, and those that are structs or lists of them."""
    numbers: dict[str, bool] = {}
    structs: dict[str, type[Any]] = {}
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        for part in _parts(field.type):
            if isinstance(part, msgspec.inspect.StructType):
                structs[field.encode_name] = part.cls
            elif isinstance(part, msgspec.inspect.IntType | msgspec.inspect.FloatType | msgspec.inspect.DecimalType):
                numbers[field.encode_name] = isinstance(part, msgspec.inspect.IntType)
    return numbers, structs


def _parts(part: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    if isinstance(part, msgspec.inspect.UnionType):
        return [inner for one in part.types for inner in _parts(one)]
    if isinstance(part, msgspec.inspect.ListType):
        return [one for one in _parts(part.item_type) if isinstance(one, msgspec.inspect.StructType)]
    return [part]


@functools.cache
def has_decimals(kind: type[Any]) -> bool:
    """True if a struct, or one within it, has fields of type Decimal."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    parts = [part for field in info.fields for part in _parts(field.type)]
    return any(
        isinstance(part, msgspec.inspect.DecimalType)
        or (isinstance(part, msgspec.inspect.StructType) and part.cls is not kind and has_decimals(part.cls))
        for part in parts
    )


def decode(data: bytes, now: int = 0) -> Frame:
    """Decode any frame, received at `now`, by its envelope. Raises FrameError for invalid JSON or contradicting fields."""
    if data == b"pong":
        return PongFrame()
    try:
        frame = _envelope.decode(data)
    except _NO_JSON as error:
        raise FrameError(str(error) or type(error).__name__) from None
    if bytes(frame.data) and frame.arg is not None and not frame.event:
        subscription = from_arg(frame.arg)
        decoder = PushDecoder(subscription)
        try:
            return PushFrame(subscription, decoder.decode(data, frame.action == "update", now), decoder.channel)
        except BadRowsError as error:
            return PushFrame(subscription, error.events, decoder.channel, str(error))
    return _control(frame)


def _control(frame: _Envelope) -> Frame:
    code, request_id = str(frame.code), str(frame.id)
    match frame.event:
        case "subscribe" | "unsubscribe" if frame.arg is not None:
            return AckFrame(frame.event, from_arg(frame.arg), request_id, frame.connId)
        case "error":
            return ErrorFrame(request_id, code, frame.msg, frame.connId)
        case "login":
            return LoginFrame(code, frame.msg)
        case "notice":
            return NoticeFrame(code, frame.msg)
        case "channel-conn-count" | "channel-conn-count-error":
            return CountFrame(frame.channel, frame.connCount, frame.event.endswith("error"))
        case "" if frame.op and request_id:
            return ReplyFrame(request_id, frame.op, code, frame.msg, _results(frame), _us(frame.inTime), _us(frame.outTime))
        case _:
            return UnknownFrame()


def _results(frame: _Envelope) -> tuple[OrderResult, ...]:
    if not bytes(frame.data):
        return ()
    try:
        return _results_decoder.decode(frame.data)
    except _NO_JSON:
        pass
    try:
        rows = _without_empty(msgspec.json.decode(frame.data))
        return tuple(msgspec.convert(rows or [], list[OrderResult], strict=False))
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FrameError(f"reply to {frame.op}: {error}") from None


def _us(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def decode_rows(rows: list[Any], kind: type[E], channel_name: str) -> list[E]:
    """Return the rows of a REST answer as events of a channel, ts_recv not set. Raises FrameError."""
    try:
        events = [converted(row, kind) for row in rows]
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
        raise FrameError(f"{channel_name}: {error}") from None
    for event in events:
        event.channel = channel_name
    return events


def book_snapshot(rows: list[Any], item: Subscription, now: int = 0) -> BookSnapshot | None:
    """Return the book in a REST `market/books` answer as the snapshot of a subscription; None if there is no valid one."""
    if not rows:
        return None
    frame = msgspec.json.encode({"arg": item.arg, "data": rows[:1]})
    try:
        snapshot: BookSnapshot = PushDecoder(item).decode(frame, False, now)[0]
    except FrameError:
        return None
    return snapshot


def pushed(data: bytes) -> Subscription | None:
    """Return the subscription of a push, None for any other frame."""
    try:
        frame = _envelope.decode(data)
    except _NO_JSON:
        return None
    return from_arg(frame.arg) if frame.arg is not None and bytes(frame.data) and not frame.event else None
