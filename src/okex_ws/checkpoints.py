"""Checkpoints: where lines and backfill stood after some record of a journal, so that a replay need not begin at its beginning.

In: the lines of a client, or of a replay. Out: files beside the segments, `<record>-<latest receive time>.checkpoint`. They are a
cache and no part of the recording: without them, or with those of other software, a replay reads everything. May import:
dialects, protocol, wire, events.

The content is plain data: a table of entries, what is shared there once. Nothing that it names is called: it can bring about
containers, and objects of rooms that know no socket, file or process, with fields of their own and no others. A key is never in
it: who reads it gets nobody's key in its place.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import os
import random
import sys
import types
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from okex_ws.core.core import NOBODY, ClientCore
from okex_ws.dialects import dialect
from okex_ws.errors import OkexError
from okex_ws.protocol.backfill.planner import BackfillPlanner
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.dialect import Dialect
from okex_ws.protocol.line import Line
from okex_ws.protocol.pacing import Window
from okex_ws.wire.frames import PushDecoder
from okex_ws.wire.requests import Sealed
from okex_ws.wire.sign import Credentials

SUFFIX = ".checkpoint"
_ROOMS = ("events", "legacy", "protocol", "wire")
_LARGEST = 64 << 20
_SCALARS = frozenset((types.NoneType, bool, int, float, str, bytes))
_LISTS: dict[str, Callable[..., Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_FIELDS = (types.NoneType, types.MemberDescriptorType, bool, int)
"""What a class may have under the name of an object's field: nothing, a slot, a default."""
_decode = msgspec.msgpack.Decoder(list[tuple[str, Any]]).decode


class CheckpointError(OkexError, ValueError):
    """No checkpoint: something cannot be written down, or is not what was written."""


_UNREADABLE = (
    OSError, zstandard.ZstdError,
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip


class Standing(NamedTuple):
    """The state of a core that decides what follows. connects: OKX's connect limit, which the lines share."""

    lines: dict[str, Line]
    connects: Window
    planner: BackfillPlanner | None
    restart: Restart | None

    @classmethod
    def of(cls, core: ClientCore) -> Standing:
        """Return the state of a core, not copied."""
        return cls(core.lines, core.connects, core.planner, core.restart)

    def restore(self, core: ClientCore) -> None:
        """Give this state to a core."""
        core.lines, core.connects, core.planner, core.restart = self


class Checkpoint(NamedTuple):
    """One that is on disk. n: the record after which it stood so; latest: the latest receive time up to there, ns."""

    n: int
    latest: int
    path: Path


Frozen = list[tuple[str, Any]]
"""Entries of which nothing changes any more, not yet bytes."""


def freeze(standing: Standing) -> Frozen:
    """As it stands now; `encoded` may follow in another thread. Raises CheckpointError when it cannot be written down."""
    table = _ObjectTable()
    try:
        table.value(tuple(standing))
    except (RecursionError, TypeError) as error:
        raise CheckpointError(str(error)) from error
    return table.entries


def encoded(frozen: Frozen) -> bytes:
    """As bytes; entry by entry, since no other thread runs within one call. Raises CheckpointError as `freeze`."""
    encode = msgspec.msgpack.Encoder().encode
    parts = [b"\xdd" + len(frozen).to_bytes(4)]  # an array of so many
    try:
        parts += [encode((kind, content.content() if type(content) is _Flat else content)) for kind, content in frozen]
    except (OverflowError, TypeError, UnicodeError) as error:
        raise CheckpointError(str(error)) from error
    content = b"".join(parts)
    if len(content) > _LARGEST // 2:
        raise CheckpointError(f"{len(content)} bytes are more than a reader takes")
    return content


def prepare() -> None:
    """Load what the first `freeze` would have to load."""
    _classes()


def write(folder: Path, n: int, latest: int, frozen: bytes) -> None:
    """Put one beside the segments; a torn one is found out when it is read. Raises OSError."""
    content = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(_software() + frozen)
    path = folder / f"{n:012d}-{latest}{SUFFIX}"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def find(folder: Path, *, through: int | None = None, before: int | None = None) -> list[Checkpoint]:
    """Those of a recorder's folder after a record ≤ `through`, with every receive time < `before`; the last one first."""
    found = []
    with suppress(OSError):
        for name in os.listdir(folder):
            n, _, latest = name.removesuffix(SUFFIX).partition("-")
            if name.endswith(SUFFIX) and n.isdecimal() and latest.isdecimal():
                found.append(Checkpoint(int(n), int(latest), folder / name))
    return sorted(
        (one for one in found if (through is None or one.n <= through) and (before is None or one.latest < before)), reverse=True
    )


def read(path: Path) -> Standing | None:
    """What it says; None when it is damaged, gone, or of other software."""
    try:
        packed = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
        if zstandard.get_frame_parameters(packed).content_size > _LARGEST:
            return None
        content = zstandard.ZstdDecompressor().decompress(packed)
        if not content.startswith(_software()):
            return None
        return Standing(*_thawed(_decode(memoryview(content)[len(_software()) :])))
    except _UNREADABLE:
        return None


class _Flat(tuple[Any, ...]):
    """Taken to be scalars and tuples of scalars: copied, and looked at later."""

    __slots__ = ()

    def content(self) -> list[Any]:
        if not all(map(_is_flat, self)):
            raise CheckpointError("not all items of a deque are as simple as its last one")
        return [[it] if type(it) is tuple else it for it in self]


def _is_flat(it: Any) -> bool:
    return type(it) in _SCALARS or (type(it) is tuple and _SCALARS.issuperset(map(type, it)))


class _ObjectTable:
    """Objects as entries, (kind, content). In a content a scalar is itself, a tuple of scalars [itself], as there are many,
    and everything else [number of its entry].

    What an entry is made of stands before it: nothing that stands here refers to itself.
    """

    def __init__(self) -> None:
        self.entries: Frozen = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # an id names an object only while that lives

    def value(self, it: Any) -> Any:
        if type(it) in _SCALARS:
            return it
        if type(it) is tuple and _is_flat(it):
            return [it]
        if id(it) not in self._numbers:
            self._kept.append(it)
            entry = self._entry(it)
            self._numbers[id(it)] = len(self.entries)
            self.entries.append(entry)
        return [self._numbers[id(it)]]

    def _entry(self, it: Any) -> tuple[str, Any]:
        match it:
            case Credentials() | Sealed():
                return "key" if isinstance(it, Credentials) else "login", None
            case Decimal():
                return "number", str(it)
            case PushDecoder():
                return "decoder", self.value(it.subscription)
            case Dialect():
                return "dialect", it.name
            case types.BuiltinMethodType() if isinstance(it.__self__, random.Random):
                return "luck", self.value(it.__self__.getstate())
            case type():
                return "class", _name(it)
            case enum.Enum():
                return _name(type(it)), it.name
            case list() | tuple() | set() | frozenset():
                is_plain = _LISTS.get(type(it).__name__) is type(it)
                return type(it).__name__ if is_plain else _name(type(it)), [self.value(item) for item in it]
            case deque():
                if it and _is_flat(it[-1]):  # many, and all alike
                    return "deque", _Flat((it.maxlen, *it))
                return "deque", [it.maxlen, *map(self.value, it)]
            case dict():
                return "dict", [(self.value(key), self.value(item)) for key, item in it.items()]
            case msgspec.Struct():
                fields = {name: getattr(it, name) for name in it.__struct_fields__}
            case _:
                state = it.__getstate__() or {}
                fields = state if isinstance(state, dict) else (state[0] or {}) | state[1]
        return _name(type(it)), {name: self.value(field) for name, field in fields.items()}


def _thawed(entries: list[tuple[str, Any]]) -> Any:
    """The last of these entries, and all that it is made of."""
    made: list[Any] = []

    def value(content: Any) -> Any:
        if type(content) is not list:
            return content
        return tuple(content[0]) if type(content[0]) is list else made[content[0]]

    for kind, content in entries:
        made.append(_made(kind, content, value))
    return made[-1]


def _made(kind: str, content: Any, value: Callable[[Any], Any]) -> Any:
    match kind:
        case "list" | "tuple" | "set" | "frozenset":
            return _LISTS[kind](map(value, content))
        case "deque":
            return deque(map(value, content[1:]), content[0])
        case "dict":
            return {value(key): value(item) for key, item in content}
        case "key" | "login":
            return NOBODY if kind == "key" else Sealed()
        case "number":
            return Decimal(content)
        case "decoder":
            return PushDecoder(value(content))
        case "dialect":
            return dialect(content)
        case "luck":
            luck = random.Random()  # noqa: S311  # the jitter that was
            luck.setstate(value(content))
            return luck.random
        case "class":
            return _classes()[content]
    cls: Any = _classes()[kind]
    if issubclass(cls, enum.Enum):
        return cls[content]
    if issubclass(cls, tuple):
        return tuple.__new__(cls, map(value, content))
    fields = {name: value(field) for name, field in content.items()}
    if issubclass(cls, msgspec.Struct):
        return cls(**fields)
    it = cls.__new__(cls)
    for name, field in fields.items():
        if type(inspect.getattr_static(cls, name, None)) not in _FIELDS:
            raise CheckpointError(f"{kind} has no field {name}")
        object.__setattr__(it, name, field)
    return it


def _name(cls: type) -> str:
    name = f"{cls.__module__}.{cls.__qualname__}"
    if _classes().get(name) is not cls:
        raise CheckpointError(f"a checkpoint has no {name}")
    return name


@functools.cache
def _classes() -> dict[str, type[Any]]:
    """Those that objects in a checkpoint may be of, by name."""
    root = Path(__file__).parents[1]
    names = [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in _sources()]
    return {
        f"{name}.{cls.__qualname__}": cls
        for name in names
        for cls in vars(import_module(name)).values()
        if isinstance(cls, type) and cls.__module__ == name
    }


@functools.cache
def _software() -> bytes:
    """A digest of the code whose objects are in a checkpoint: no other code may go on from it."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.digest()


def _sources() -> list[Path]:
    root = Path(__file__).parent
    return sorted(path for room in _ROOMS for path in (root / room).rglob("*.py"))
