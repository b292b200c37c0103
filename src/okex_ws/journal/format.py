"""Byte format of a segment: blocks of a zstd skippable frame (the block header) and a zstd frame with JSON lines.

zstd tools read a segment as one stream of JSON lines. This package reads each block alone: its fixed header gives its records
and its length, and two CRC32 verify header and payload. Block 0 holds the segment's header line and no record; a closed segment
ends with a block without payload.
Source: RFC 8878 sections 3.1.1 (frames), 3.1.2 (skippable frames).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple
from zlib import crc32

import msgspec
import zstandard

FORMAT = 1
SUFFIX = ".jsonl.zst"
TORN_SUFFIX = SUFFIX + ".torn"

BLOCK_BYTES = 256 * 1024
"""Size of the uncompressed lines at which a block is cut."""
MAX_TEXT = 16 * 1024 * 1024
"""The longest text of a record: the longest frame that a line accepts."""
MAX_RECORD = 24 * 1024 * 1024
"""The longest JSON line; a text whose escapes need more is stored as base64."""
MAX_RAW = MAX_RECORD + BLOCK_BYTES
MAX_PAYLOAD = MAX_RAW + 128 * 1024
MAX_AMOUNT = 64 * 1024
_MAX_NUMBER = 1 << 62

_SKIPPABLE = 0x184D2A5A
_SIGNATURE = b"OKXJ"
_LAYOUT = struct.Struct("<II4sHHIIIIIQqqII")
HEADER_BYTES = _LAYOUT.size
_PREFIX = struct.pack("<II4s", _SKIPPABLE, HEADER_BYTES - 8, _SIGNATURE)
_SCAN = 1024 * 1024

IS_HEADER, IS_END = 1, 2

Reader = Callable[[int, int], bytes]
"""(offset, length) → the bytes at offset; fewer at the end of the file."""


class BlockHeader(NamedTuple):
    """Header of a block. first, amount: its records; raw, length: payload bytes before and after compression;
    earliest, latest: receive times, ns.
    """

    flags: int
    segment: int
    block: int
    amount: int
    raw: int
    length: int
    first: int
    earliest: int
    latest: int
    payload_crc: int

    def pack(self) -> bytes:
        """Return the skippable frame."""
        flags, segment, block, amount, raw, length, first, earliest, latest, payload_crc = self
        bare = _LAYOUT.pack(
            _SKIPPABLE, HEADER_BYTES - 8, _SIGNATURE, FORMAT, flags,
            segment, block, amount, raw, length, first, earliest, latest, payload_crc, 0,
        )[:-4]  # fmt: skip
        return bare + crc32(bare).to_bytes(4, "little")

    @property
    def last(self) -> int:
        """Number of the last record; first - 1 if there is none."""
        return self.first + self.amount - 1


class Block(NamedTuple):
    """A block with a valid header. offset: of the header in the file; end: of the payload."""

    header: BlockHeader
    offset: int
    end: int


class Damage(NamedTuple):
    """Bytes that are not a valid block. first, last: the records they held, if a valid header still gives them."""

    start: int
    end: int
    kind: str
    why: str
    first: int = 0
    last: int = 0


class SegmentHeader(msgspec.Struct, frozen=True):
    """The first line of a segment. first: number of the first record; created: ns."""

    format: int
    dialect: str
    software: str
    recorder: str
    segment: int
    first: int
    seed: int
    created: int


def segment_name(number: int) -> str:
    """Return a file name that sorts by number, independent of the clock."""
    return f"{number:08d}{SUFFIX}"


def torn_name(name: str) -> str:
    """Return the name of the file that keeps the torn tail of a segment."""
    return name.removesuffix(SUFFIX) + TORN_SUFFIX


def segment_number(name: str) -> int | None:
    """Return the number in a segment's file name; None for other files."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and stem.isascii() and stem.isdecimal() and len(stem) >= 8 else None


def safe_name(text: str) -> str:
    """Return the text as one file name: letters, digits, `-`, `_` and inner `.` stay, other bytes become %XX; at most 100
    characters.
    """
    kept = "".join(map(_safe, text))
    if kept.startswith("."):
        kept = "%2E" + kept[1:]
    if len(kept) > 100:
        kept = f"{kept[:91]}%{crc32(text.encode(errors='replace')):08x}"
    return kept or "%"


def _safe(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in "-_."):
        return char
    return "".join(f"%{byte:02X}" for byte in char.encode(errors="replace"))


def parse(head: bytes) -> BlockHeader | None:
    """Return the block header in these bytes; None if they are not a valid one."""
    if len(head) != HEADER_BYTES or not head.startswith(_PREFIX) or crc32(head[:-4]) != int.from_bytes(head[-4:], "little"):
        return None
    values = _LAYOUT.unpack(head)
    header = BlockHeader(*values[4:14])
    if values[3] != FORMAT or header.raw > MAX_RAW or header.length > MAX_PAYLOAD or header.amount > MAX_AMOUNT:
        return None
    return header if header.first < _MAX_NUMBER else None


def other_format(head: bytes) -> int:
    """Return the format version of a segment of another version; 0 for any other bytes."""
    if len(head) < 16 or head[:4] != _PREFIX[:4] or head[8:12] != _SIGNATURE:
        return 0
    version = int.from_bytes(head[12:14], "little")
    return version if version != FORMAT else 0


def is_torn_start(head: bytes, size: int) -> bool:
    """True if a file without a valid block is the beginning of an unfinished segment."""
    if not head.strip(b"\0"):
        return True
    written = head.rstrip(b"\0")[: len(_PREFIX)]
    return _PREFIX.startswith(written) and size < HEADER_BYTES + MAX_PAYLOAD


def walk(read: Reader, size: int, *, offset: int = 0, segment: int | None = None) -> Iterator[Block | Damage]:
    """Yield the blocks of a segment and the damage between them. Payloads are not read.

    After an invalid header the next valid one is searched for. Blocks must belong to one segment and be in order.
    """
    before: BlockHeader | None = None
    while offset < size:
        header = parse(read(offset, HEADER_BYTES))
        if header is not None and _follows(header, before, segment):
            end = offset + HEADER_BYTES + header.length
            if end <= size:
                yield Block(header, offset, end)
                before, segment, offset = header, header.segment, end
                continue
        else:
            header = None
        after = _next_header(read, size, offset + 1, before, segment)
        if after == size and header is not None:
            yield Damage(offset, size, "torn", "the file ends inside a block", header.first, header.last)
        elif after == size:
            yield Damage(offset, size, "torn", "no complete block follows")
        else:
            yield Damage(offset, after, "damaged", "the block header fails its checksum")
        offset = after


def _follows(header: BlockHeader, before: BlockHeader | None, segment: int | None) -> bool:
    if segment is not None and header.segment != segment:
        return False
    return before is None or (header.block > before.block and header.first > before.last)


def _next_header(read: Reader, size: int, offset: int, before: BlockHeader | None, segment: int | None) -> int:
    """Return the offset of the next valid header; `size` if there is none."""
    while offset < size:
        chunk = read(offset, _SCAN + HEADER_BYTES)
        found = chunk.find(_PREFIX)
        while 0 <= found < _SCAN:
            header = parse(chunk[found : found + HEADER_BYTES])
            if header is not None and _follows(header, before, segment):
                return offset + found
            found = chunk.find(_PREFIX, found + 1)
        offset += _SCAN
    return size


def decompressor() -> zstandard.ZstdDecompressor:
    """Return a new decompressor; each reader needs its own, since one must not be shared between threads."""
    return zstandard.ZstdDecompressor(max_window_size=32 * 1024 * 1024)


def unpack(header: BlockHeader, payload: bytes, zstd: zstandard.ZstdDecompressor) -> bytes:
    """Return the lines of a block, never more than the header gives. Raises ValueError if they fail a check."""
    if len(payload) != header.length or crc32(payload) != header.payload_crc:
        raise ValueError("the payload fails its checksum")
    if not payload:
        return b""
    try:
        frame = zstandard.get_frame_parameters(payload)
        if frame.content_size != header.raw or not frame.has_checksum:
            raise ValueError("the zstd frame differs from its header")
        return zstd.decompress(payload, max_output_size=header.raw, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"zstd: {error}") from None
