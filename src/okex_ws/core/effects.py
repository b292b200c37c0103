"""Effects: the I/O that a ClientCore requests, as values. A shell carries them out in order and feeds back what comes of them."""

from __future__ import annotations

import msgspec

from okex_ws.protocol.backfill.planner import PageRequest
from okex_ws.protocol.line import Dial, HangUp
from okex_ws.protocol.session import FetchBook, FetchClock


class SendText(msgspec.Struct):
    """Send a text message over connection `connection` of a line."""

    line: str
    connection: int
    data: bytes


Effect = Dial | HangUp | SendText | FetchBook | FetchClock
"""Pages of the backfill (`PageRequest`) are handed out one by one, by `ClientCore.next_page`, as the shell has room for them."""

__all__ = ["Dial", "Effect", "FetchBook", "FetchClock", "HangUp", "PageRequest", "SendText"]
