"""V1Session: addChannel, removeChannel, login, a ping every 30 s in any case; books with unmarked snapshots.

Source: OKEx's pages "WebSocket API for Spot" and "... for Futures"; the server closed a connection without pings after 300 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from okex_ws.events import BookUpdate, Event
from okex_ws.legacy import session
from okex_ws.legacy.v1.wire import channels, codes, messages, requests
from okex_ws.wire.sign import Credentials


class V1Session(session.LegacySession):
    """Rules of one V1 connection."""

    ping = requests.PING
    codes_again, codes_login = codes.AGAIN, codes.LOGIN
    literal, meaning = staticmethod(channels.literal), staticmethod(channels.meaning)
    needs_login = staticmethod(channels.needs_login)
    advice = staticmethod(codes.advice)
    frames_of = staticmethod(messages.frames_of)

    def login_request(self, credentials: Credentials, now: int) -> bytes:
        return requests.login(credentials)

    def subscribe_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        return requests.add_channels(names)

    def unsubscribe_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        return requests.remove_channels(names)

    def marked(self, entry: session.LegacySubscription, events: list[Event], now: int) -> list[Event]:
        """Return the rows with the snapshot marked: the first push of a whole book, without deletions; all others are changes.

        Rows in flight from before a renewal are dropped.
        """
        if not entry.awaits_snapshot:
            return events
        if entry.renewals and entry.state is not session.LegacyState.CONFIRMED:
            return []
        rows: list[Event] = []
        for event in events:
            is_snapshot = isinstance(event, BookUpdate) and not any(float(row[1]) == 0 for row in event.raw_bids + event.raw_asks)
            rows.append(session.as_snapshot(event) if is_snapshot and not rows else event)  # type: ignore[arg-type]  # just looked
        return rows
