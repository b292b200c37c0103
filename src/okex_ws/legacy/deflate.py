"""Deflate of V1 and V3: a binary frame is one raw deflate stream, without a header and with its final block.

Source: RFC 1951; for each of 12,547 recorded V3 frames, `deflated` makes the same bytes of its text.
"""

from __future__ import annotations

import zlib

from okex_ws.wire.frames import MAX_FRAME, FrameError

RAW = -15
"""zlib's window size for a stream without a header."""


def inflated(frame: bytes, most: int = MAX_FRAME) -> bytes:
    """Return the text of a frame. Raises FrameError if it is not exactly one stream, or holds more than `most` bytes."""
    stream = zlib.decompressobj(RAW)
    try:
        text = stream.decompress(frame, most + 1)
    except zlib.error as error:
        raise FrameError(f"not a raw deflate stream: {_reason(error)}") from None
    if len(text) > most:
        raise FrameError(f"a frame of {len(frame)} bytes that inflates to more than {most}")
    if not stream.eof:
        raise FrameError("a deflate stream that is cut short")
    if stream.unused_data:
        raise FrameError(f"{len(stream.unused_data)} bytes behind the end of the deflate stream")
    return text


def deflated(text: bytes) -> bytes:
    """Return the frame that the server makes of a text."""
    stream = zlib.compressobj(1, zlib.DEFLATED, RAW, 8)
    return stream.compress(text) + stream.flush()


def noted(frame: bytes) -> tuple[str, bytes]:
    """Return the form of a frame in a journal: its text if the frame can be made from it again, else the frame itself."""
    try:
        text = inflated(frame)
    except FrameError:
        return "binary", frame
    # A text that quotes a login is always kept as text: only there secrets can be removed.
    return ("deflated", text) if deflated(text) == frame or b"login" in text else ("binary", frame)


def _reason(error: zlib.error) -> str:
    return str(error).rpartition(": ")[2]
