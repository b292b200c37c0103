"""V3Session: subscribe, unsubscribe, login with HMAC, the texts ping and pong; books with snapshots, changes and checksums.

Source: OKEx's pages of V3; the server closed a connection after 30 s without a push.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from okex_ws.legacy import session
from okex_ws.legacy.v3.wire import channels, codes, messages, requests
from okex_ws.wire.sign import Credentials


class V3Session(session.LegacySession):
    """Rules of one V3 connection. The owner of the books verifies their checksums, and calls `resync` where one fails."""

    ping = requests.PING
    patience = session.LegacyTiming(ping_after_s=20.0)  # the server closes a connection without messages for 30 s
    pong_is_life = False
    silence_s: Mapping[str, float] = {"mark-price": 30.0, "price-limit": 30.0, "funding-rate": 200.0}
    codes_again, codes_login = codes.AGAIN, codes.LOGIN
    literal, meaning = staticmethod(channels.literal), staticmethod(channels.meaning)
    needs_login = staticmethod(channels.needs_login)
    advice = staticmethod(codes.advice)
    frames_of = staticmethod(messages.frames_of)

    def login_request(self, credentials: Credentials, now: int) -> bytes:
        return requests.login(credentials, now)

    def subscribe_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        return requests.subscribe(names)

    def unsubscribe_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        return requests.unsubscribe(names)
