"""The bytes of a segment: blocks, each a zstd skippable frame that describes it and a zstd frame that holds its JSON lines.

To zstd's own tools a segment is one stream of JSON lines. To us each block stands alone: its fixed header says which records it
holds and how long it is, and two CRC32 say whether header and payload are what was written.
Block 0 holds the segment's header line and no record; a closed segment ends in a block without payload.
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
"""Lines before compression after which a block is cut."""
MAX_TEXT = 16 * 1024 * 1024
"""The longest text of a record: the longest frame the line takes."""
MAX_RECORD = 24 * 1024 * 1024
"""The longest JSON line; a text whose escapes would need more goes as base64."""
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
"""(offset, length) → the bytes there, fewer at the end of the file."""


class BlockHeader(NamedTuple):
    """What a block says of itself. first, amount: its records; raw, length: payload before and after compression, bytes;
    earliest, latest: receive times, ns."""

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
        """The skippable frame."""
        flags, segment, block, amount, raw, length, first, earliest, latest, payload_crc = self
        bare = _LAYOUT.pack(
            _SKIPPABLE, HEADER_BYTES - 8, _SIGNATURE, FORMAT, flags,
            segment, block, amount, raw, length, first, earliest, latest, payload_crc, 0,
        )[:-4]  # fmt: skip
        return bare + crc32(bare).to_bytes(4, "little")

    @property
    def last(self) -> int:
        """Its last record; first - 1 when it has none."""
        return self.first + self.amount - 1


class Block(NamedTuple):
    """A block whose header is as it was written. offset: of its header in the file; end: of its payload."""

    header: BlockHeader
    offset: int
    end: int


class Damage(NamedTuple):
    """Bytes that are no good block. first, last: records they held, when a good header still says so."""

    start: int
    end: int
    kind: str
    why: str
    first: int = 0
    last: int = 0


class SegmentHeader(msgspec.Struct, frozen=True):
    """The first line of a segment. first: number of its first record; created: ns."""

    format: int
    dialect: str
    software: str
    recorder: str
    segment: int
    first: int
    seed: int
    created: int


def segment_name(number: int) -> str:
    """A file name that sorts by number, whatever the clock says."""
    return f"{number:08d}{SUFFIX}"


def torn_name(name: str) -> str:
    """Where the torn tail of a segment is kept, beside it."""
    return name.removesuffix(SUFFIX) + TORN_SUFFIX


def segment_number(name: str) -> int | None:
    """The number in a segment's file name; None for other files."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and stem.isascii() and stem.isdecimal() and len(stem) >= 8 else None


def safe_name(text: str) -> str:
    """A text as one file name: letters, digits, `-`, `_` and inner `.` stay, other bytes become %XX; at most 100 characters."""
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
    """A block header; None when these bytes are not one, or not any more."""
    if len(head) != HEADER_BYTES or not head.startswith(_PREFIX) or crc32(head[:-4]) != int.from_bytes(head[-4:], "little"):
        return None
    values = _LAYOUT.unpack(head)
    header = BlockHeader(*values[4:14])
    if values[3] != FORMAT or header.raw > MAX_RAW or header.length > MAX_PAYLOAD or header.amount > MAX_AMOUNT:
        return None
    return header if header.first < _MAX_NUMBER else None


def other_format(head: bytes) -> int:
    """The format version a file's first bytes claim, when they are a segment's but not of our version; else 0."""
    if len(head) < 16 or head[:4] != _PREFIX[:4] or head[8:12] != _SIGNATURE:
        return 0
    version = int.from_bytes(head[12:14], "little")
    return version if version != FORMAT else 0


def is_torn_start(head: bytes, size: int) -> bool:
    """Whether a file without any good block is the beginning of one that was never finished."""
    if not head.strip(b"\0"):
        return True
    written = head.rstrip(b"\0")[: len(_PREFIX)]
    return _PREFIX.startswith(written) and size < HEADER_BYTES + MAX_PAYLOAD


def walk(read: Reader, size: int, *, offset: int = 0, segment: int | None = None) -> Iterator[Block | Damage]:
    """The blocks of a segment, and what lies between them. Payloads are not looked at.

    Where a header is bad, the next good one is searched for; blocks must be of one segment and in order.
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
            yield Damage(offset, size, "torn", "no whole block follows")
        else:
            yield Damage(offset, after, "damaged", "the block header is not what was written")
        offset = after


def _follows(header: BlockHeader, before: BlockHeader | None, segment: int | None) -> bool:
    if segment is not None and header.segment != segment:
        return False
    return before is None or (header.block > before.block and header.first > before.last)


def _next_header(read: Reader, size: int, offset: int, before: BlockHeader | None, segment: int | None) -> int:
    """Where the next good header begins; `size` when there is none."""
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
    """One to a reader: it may not be shared between threads."""
    return zstandard.ZstdDecompressor(max_window_size=32 * 1024 * 1024)


def unpack(header: BlockHeader, payload: bytes, zstd: zstandard.ZstdDecompressor) -> bytes:
    """A block's lines. Raises ValueError when they are not what was written; never gives more than the header says."""
    if len(payload) != header.length or crc32(payload) != header.payload_crc:
        raise ValueError("the payload is not what was written")
    if not payload:
        return b""
    try:
        frame = zstandard.get_frame_parameters(payload)
        if frame.content_size != header.raw or not frame.has_checksum:
            raise ValueError("the zstd frame is not the one the header describes")
        return zstd.decompress(payload, max_output_size=header.raw, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"zstd: {error}") from None
