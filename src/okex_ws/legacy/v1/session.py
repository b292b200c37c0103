"""V1's V1Session: addChannel, removeChannel, login, a ping every 30 s whatever comes; books whose images do not say so.

Source: OKEx's pages "WebSocket API for Spot" and "... for Futures"; the server closed a line without pings after 300 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from okex_ws.events import BookUpdate, Event
from okex_ws.legacy import session
from okex_ws.legacy.v1.wire import channels, codes, messages, requests
from okex_ws.wire.sign import Credentials


class V1Session(session.LegacySession):
    """The rules of one V1 connection."""

    ping = requests.PING
    codes_again, codes_login = codes.AGAIN, codes.LOGIN
    literal, meaning = staticmethod(channels.literal), staticmethod(channels.meaning)
    needs_login = staticmethod(channels.needs_login)
    advice = staticmethod(codes.advice)
    frames_of = staticmethod(messages.frames_of)

    def login_request(self, credentials: Credentials, now: int) -> bytes:
        return requests.login(credentials)

    def ask_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        return requests.add_channels(names)

    def part_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        return requests.remove_channels(names)

    def fitted(self, wish: session.LegacyFetch, events: list[Event], now: int) -> list[Event]:
        """The rows with the image marked: the first push of a whole book, and it deletes nothing; all others are changes.

        What is still on its way from before a renewal is neither.
        """
        if not wish.awaits_image:
            return events
        if wish.renewals and wish.state is not session.LegacyState.CONFIRMED:
            return []
        rows: list[Event] = []
        for event in events:
            is_image = isinstance(event, BookUpdate) and not any(float(row[1]) == 0 for row in event.raw_bids + event.raw_asks)
            rows.append(session.as_image(event) if is_image and not rows else event)  # type: ignore[arg-type]  # just looked
        return rows
