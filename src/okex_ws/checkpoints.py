"""Checkpoints: where lines and backfill stood after some record of a journal, so that a replay need not begin at its beginning.

In: the lines of a client, or of a replay. Out: files beside the segments, `<record>-<latest receive time>.checkpoint`. They are a
cache and no part of the recording: without them, or with those of other software, a replay reads everything. May import:
dialects, protocol, wire, events.

The content is a pickle, and reading one is safe here: nothing is looked up but classes of rooms that know no socket, file or
process, and a few containers. A key is never in it: who reads it gets nobody's key in its place.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import random
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from okex_ws.dialects import dialect
from okex_ws.protocol.backfill import Planner
from okex_ws.protocol.dialect import Dialect
from okex_ws.protocol.line import Line
from okex_ws.protocol.pacing import Window
from okex_ws.wire.frames import PushDecoder
from okex_ws.wire.sign import Credentials

SUFFIX = ".checkpoint"
NOBODY = Credentials("replay", "replay", "replay")
"""Stands for the key of a line that had one: what it signs is sent nowhere."""

_ROOMS = ("events", "legacy", "protocol", "wire")
_OTHERS = {
    ("builtins", "frozenset"),
    ("builtins", "set"),
    ("collections", "deque"),
    ("decimal", "Decimal"),
    ("msgspec._utils", "rebuild"),
    ("okex_ws.checkpoints", "_luck"),
    ("okex_ws.dialects", "dialect"),
}
_LARGEST = 1 << 30
_UNREADABLE = (
    OSError, zstandard.ZstdError, pickle.UnpicklingError,
    AttributeError, EOFError, ImportError, LookupError, TypeError, ValueError,
)  # fmt: skip


class Standing(NamedTuple):
    """All that says what will be said next. connects: OKX's connect limit, which the lines share."""

    lines: dict[str, Line]
    connects: Window
    planner: Planner | None


class Checkpoint(NamedTuple):
    """One that is on disk. n: the record after which it stood so; latest: the latest receive time up to there, ns."""

    n: int
    latest: int
    path: Path


def freeze(standing: Standing) -> bytes:
    """As bytes. Raises pickle.PicklingError, TypeError, AttributeError when something in it cannot be written down."""
    file = io.BytesIO()
    _Pickler(file, 5).dump(tuple(standing))
    return file.getvalue()


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
        content = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=_LARGEST)
        if not content.startswith(_software()):
            return None
        return Standing(*_Unpickler(io.BytesIO(content[len(_software()) :])).load())
    except _UNREADABLE:
        return None


class _Pickler(pickle.Pickler):
    """Writes decoders, dialects and luck as what makes them again, and no key at all."""

    def persistent_id(self, obj: Any) -> str | None:
        return "key" if isinstance(obj, Credentials) else None

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is PushDecoder:
            return PushDecoder, (obj.subscription,)
        if type(obj) is Dialect:
            return dialect, (obj.name,)
        if isinstance(obj, types.BuiltinMethodType) and isinstance(obj.__self__, random.Random):
            return _luck, (obj.__self__.getstate(),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Credentials:
        return NOBODY

    def find_class(self, module_name: str, global_name: str) -> Any:
        room = module_name.split(".")
        is_ours = room[0] == "okex_ws" and len(room) > 1 and room[1] in _ROOMS and "." not in global_name
        if not is_ours and (module_name, global_name) not in _OTHERS:
            raise pickle.UnpicklingError(f"a checkpoint has no {module_name}.{global_name}")
        found = getattr(import_module(module_name), global_name)
        if is_ours and not (isinstance(found, type) and found.__module__ == module_name):
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is no class")
        return found


def _luck(state: Any) -> Callable[[], float]:
    made = random.Random()  # noqa: S311  # the jitter that was
    made.setstate(state)
    return made.random


@functools.cache
def _software() -> bytes:
    """A digest of the code whose objects are in a checkpoint: no other code may go on from it."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    root = Path(__file__).parent
    for path in sorted(path for room in _ROOMS for path in (root / room).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()
