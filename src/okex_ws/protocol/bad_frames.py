"""BadFrames: unreadable frames of one connection, and when there are too many of them."""

from __future__ import annotations

import msgspec

from okex_ws.protocol.pacing import Window
from okex_ws.stateful import Stateful

MALFORMED_MOST, MALFORMED_WITHIN_S = 20, 10


class BadFrames(Stateful):
    """Counter of unreadable frames."""

    STATE = {Window: "_latest"}

    def __init__(self) -> None:
        self._latest = Window(MALFORMED_MOST, MALFORMED_WITHIN_S)

    def add(self, data: bytes, now: int) -> tuple[int, str] | None:
        """Count an unreadable frame. Returns (close code, reason) if the connection should be closed."""
        self._latest.take(now)
        if not _is_utf8(data):
            return 1007, "a text frame was not UTF-8"
        if self._latest.is_full(now):
            return 1002, f"{MALFORMED_MOST} unreadable frames within {MALFORMED_WITHIN_S} s"
        return None


def is_foreign(data: bytes) -> bool:
    """True for valid JSON that is not an object. Every frame of V5 is an object; V1 sends arrays."""
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
