"""BadFrames: frames that cannot be read, and when there are too many of them to go on with a connection."""

from __future__ import annotations

from collections import deque

import msgspec

from okex_ws.protocol.pacing import SECOND

MALFORMED_MOST, MALFORMED_WITHIN = 20, 10 * SECOND


class BadFrames:
    """Counts those of one connection."""

    def __init__(self) -> None:
        self._latest: deque[int] = deque(maxlen=MALFORMED_MOST)

    def add(self, data: bytes, now: int) -> tuple[int, str] | None:
        """One more; (close code, reason) when the connection should be given up."""
        self._latest.append(now)
        if not _is_utf8(data):
            return 1007, "a text frame was not UTF-8"
        if len(self._latest) == MALFORMED_MOST and now - self._latest[0] < MALFORMED_WITHIN:
            return 1002, f"{MALFORMED_MOST} unreadable frames within {MALFORMED_WITHIN // SECOND} s"
        return None


def is_foreign(data: bytes) -> bool:
    """Whether this is sound JSON, only not an object, as every frame of V5 is: V1 speaks in arrays."""
    try:
        return not isinstance(msgspec.json.decode(data), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
