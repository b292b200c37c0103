"""Checkpoints: snapshots of a core in files beside a journal, so that a replay need not begin at its beginning.

In: snapshots of a client's core, or a replay's. Out: files beside the segments, `<record>-<latest receive time>.checkpoint`.
They are a cache and no part of the recording: without them, or with those of other software, a replay reads everything.
Imports nothing of the package.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import zstandard

SUFFIX = ".checkpoint"
_LARGEST = 64 << 20
_STATE = ("core/snapshot.py", "events", "legacy", "protocol", "stateful.py", "wire")


class Checkpoint(NamedTuple):
    """A file on disk. n: the record after which the core had this state; latest: the latest receive time up to it, ns."""

    n: int
    latest: int
    path: Path


def write(folder: Path, n: int, latest: int, snapshot: bytes) -> None:
    """Write a checkpoint beside the segments, unless it is too large to be read. Raises OSError."""
    if len(snapshot) > _LARGEST // 2:
        return
    content = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(_software() + snapshot)
    path = folder / f"{n:012d}-{latest}{SUFFIX}"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def find(folder: Path, *, through: int | None = None, before: int | None = None) -> list[Checkpoint]:
    """Return a recorder's checkpoints after a record ≤ `through`, with every receive time < `before`; the last one first."""
    found = []
    with suppress(OSError):
        for name in os.listdir(folder):
            n, _, latest = name.removesuffix(SUFFIX).partition("-")
            if name.endswith(SUFFIX) and n.isdecimal() and latest.isdecimal():
                found.append(Checkpoint(int(n), int(latest), folder / name))
    return sorted(
        (one for one in found if (through is None or one.n <= through) and (before is None or one.latest < before)), reverse=True
    )


def read(path: Path) -> bytes | None:
    """Return the snapshot in a checkpoint; None if it is damaged, gone, or made by other software."""
    try:
        packed = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
        if zstandard.get_frame_parameters(packed).content_size > _LARGEST:
            return None
        content = zstandard.ZstdDecompressor().decompress(packed)
    except (OSError, zstandard.ZstdError):
        return None
    return content.removeprefix(_software()) if content.startswith(_software()) else None


@functools.cache
def _software() -> bytes:
    """Return a digest of the code whose state is in a checkpoint: no other code may continue from it."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    root = Path(__file__).parent
    for path in sorted(
        path for name in _STATE for path in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
    ):
        digest.update(path.read_bytes())
    return digest.digest()
