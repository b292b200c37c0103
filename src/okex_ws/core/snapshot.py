"""Snapshot: the state of a core as bytes, and a core with that state again.

Stored is what decides about later events: lines, the shared connect limit, backfill, restart. Each class names its fields and
their types (`Stateful.STATE`); bytes that do not have these types are refused. A key is never stored: NOBODY replaces it.

Format: an object is its class name, a zero byte and its fields in msgpack, or the number of an object that was stored before.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from okex_ws.core.core import NOBODY, ClientCore
from okex_ws.dialects import NAMES, dialect
from okex_ws.errors import OkexError
from okex_ws.events import Event
from okex_ws.protocol.backfill.planner import BackfillPlanner
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.dialect import Dialect
from okex_ws.protocol.line import Line
from okex_ws.protocol.pacing import Window
from okex_ws.stateful import AnyEvent, EventClass, Luck, Output, Stateful
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import PushDecoder
from okex_ws.wire.sign import Credentials

_CORE = tuple[dict[str, Line], Window, BackfillPlanner | None, Restart | None]
_GENERATOR = tuple[int, tuple[int, ...], float | None]
_encode = msgspec.msgpack.encode
AnyEvent.register(Event)


class SnapshotError(OkexError, ValueError):
    """No snapshot: the state contains an unknown object, or the bytes are not a snapshot."""


def take(core: ClientCore) -> bytes:
    """Return the state of a core as bytes. Raises SnapshotError."""
    return _Writer().encode((core.lines, core.connects, core.planner, core.restart))


def restore(core: ClientCore, content: bytes, seeded: Callable[[str], Callable[[], float]]) -> None:
    """Give the state in a snapshot to a core. seeded: as of the core. Raises SnapshotError; the core is then unchanged."""
    state = _Reader(seeded).decode(content, _CORE)
    core.lines, core.connects, core.planner, core.restart = state


class _Adapter(NamedTuple):
    """Stored form of a field that is not stored as it is: its type, and both directions."""

    stored: Any
    to_stored: Callable[[Any], Any]
    from_stored: Callable[[Any], Any]


class _Field(NamedTuple):
    """One stored field; `stored` is the type of its stored form."""

    name: str
    adapter: _Adapter | None
    stored: Any


class _Fields(NamedTuple):
    """Fields of a Stateful class. names: all of them; outputs: those that are empty lists after a restore."""

    stored: tuple[_Field, ...]
    outputs: tuple[str, ...]
    names: frozenset[str]


@functools.cache
def _fields_of(cls: type[Any]) -> _Fields:
    by_type = [pair for base in reversed(cls.__mro__) for pair in vars(base).get("STATE", {}).items()]
    named = {name: kind for kind, names in by_type for name in names.split()}
    stored = []
    for name, kind in named.items():
        adapter = _adapters().get(kind) or (_events_in(kind) if _has_events(kind) else None)
        if kind is not Output:
            stored.append(_Field(name, adapter, adapter.stored if adapter else kind))
    outputs = tuple(name for name, kind in named.items() if kind is Output)
    return _Fields(tuple(stored), outputs, frozenset(named))


@functools.cache
def _adapters() -> dict[Any, _Adapter]:
    return {
        Credentials: _Adapter(bool, lambda key: key is not None, lambda is_there: NOBODY if is_there else None),
        Dialect: _Adapter(str, lambda it: it.name, dialect),
        EventClass: _Adapter(str, lambda cls: cls.__name__, lambda name: _event_classes()[name]),
        Luck: _Adapter(Luck, lambda luck: getattr(luck, "__self__", luck), lambda luck: luck.source),
        PushDecoder: _Adapter(Subscription, lambda decoder: decoder.subscription, PushDecoder),
    }


def _events_in(kind: Any) -> _Adapter:
    return _Adapter(kind, _tagged, lambda it: it)


def _has_events(kind: Any) -> bool:
    return kind is AnyEvent or any(map(_has_events, get_args(kind)))


def _tagged(it: Any) -> Any:
    """Return a container with each event in it as bytes that name its class."""
    match it:
        case Event():
            return type(it).__name__.encode() + b"\0" + _encode(it)
        case list() | tuple():
            return [_tagged(item) for item in it]
        case dict():
            return {key: _tagged(item) for key, item in it.items()}
    return it


def _all_below(cls: type[Any]) -> dict[str, type[Any]]:
    return {cls.__name__: cls} | {name: sub for child in cls.__subclasses__() for name, sub in _all_below(child).items()}


@functools.cache
def _event_classes() -> dict[str, type[Event]]:
    return _all_below(Event)


@functools.cache
def _stateful_classes() -> dict[str, type[Stateful]]:
    for name in NAMES:
        dialect(name)  # imports its classes
    return _all_below(Stateful)


class _Writer:
    """Writes the objects of one snapshot, each once."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def encode(self, it: Any) -> bytes:
        try:
            return _encode(it, enc_hook=self._stored)
        except (AttributeError, OverflowError, RecursionError, TypeError, UnicodeError) as error:
            raise SnapshotError(str(error)) from error

    def _stored(self, it: Any) -> Any:
        if isinstance(it, deque):
            return [it.maxlen, *it]
        number = self._numbers.get(id(it))
        if number is not None:
            return number
        if not isinstance(it, Stateful):
            return self._generator(it)
        self._numbers[id(it)] = len(self._numbers)
        cls = type(it)
        fields = _fields_of(cls)  # type: ignore[arg-type]  # a class is hashable
        if hasattr(it, "__dict__") and not it.__dict__.keys() <= fields.names:
            raise SnapshotError(f"{cls.__name__}.STATE does not name {', '.join(sorted(it.__dict__.keys() - fields.names))}")
        values = [
            getattr(it, name) if adapter is None else adapter.to_stored(getattr(it, name)) for name, adapter, _ in fields.stored
        ]
        return cls.__name__.encode() + b"\0" + _encode(values, enc_hook=self._stored)

    def _generator(self, it: Any) -> bytes:
        """Return the state of a random.Random."""
        if not hasattr(it, "getstate"):
            raise SnapshotError(f"a snapshot cannot store {type(it).__name__}")
        self._numbers[id(it)] = len(self._numbers)
        return _encode(it.getstate())


class _Reader:
    """Reads the objects of one snapshot, in the order in which they were written."""

    def __init__(self, seeded: Callable[[str], Callable[[], float]]) -> None:
        self._seeded = seeded
        self._made: list[Any] = []
        self._decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}

    def decode(self, content: bytes, kind: Any) -> Any:
        try:
            return msgspec.msgpack.decode(content, type=kind, dec_hook=self._restored)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise SnapshotError(str(error)) from error

    def _restored(self, kind: Any, stored: Any) -> Any:
        if get_origin(kind) is deque:
            return deque(msgspec.convert(stored[1:], list[get_args(kind)[0]]), stored[0])  # type: ignore[misc]
        if kind is AnyEvent:
            name, _, fields = stored.partition(b"\0")
            return msgspec.msgpack.decode(fields, type=_event_classes()[name.decode()])
        if type(stored) is int:
            it = self._made[stored]
        elif kind is Luck:
            it = self._luck(stored)
        else:
            it = self._object(*stored.split(b"\0", 1))
        if not isinstance(it, kind):
            raise SnapshotError(f"{type(it).__name__} instead of {kind.__name__}")
        return it

    def _luck(self, stored: bytes) -> Luck:
        source: Any = self._seeded("")
        source.__self__.setstate(msgspec.msgpack.decode(stored, type=_GENERATOR))
        self._made.append(Luck(source))
        return self._made[-1]  # type: ignore[no-any-return]  # just made

    def _object(self, name: bytes, content: bytes) -> Any:
        cls = _stateful_classes()[name.decode()]
        fields = _fields_of(cls)  # type: ignore[arg-type]  # a class is hashable
        decoder = self._decoders.get(cls)
        if decoder is None:
            kinds = tuple(field.stored for field in fields.stored)
            decoder = self._decoders[cls] = msgspec.msgpack.Decoder(tuple[kinds], dec_hook=self._restored)  # type: ignore[valid-type]
        it = cls.__new__(cls)
        self._made.append(it)
        for (field, adapter, _), value in zip(fields.stored, decoder.decode(content), strict=True):
            setattr(it, field, value if adapter is None else adapter.from_stored(value))
        for field in fields.outputs:
            setattr(it, field, [])
        it.restored()
        return it
