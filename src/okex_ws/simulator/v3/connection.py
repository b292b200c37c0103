"""V3Connection: one WebSocket that speaks V3, as the exchange sees it, without the socket.

Path: `/ws/v3`; every message of the server is deflated. Sources: OKEx V3 docs, "WebSocket"; recordings of 2018 to 2021.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.faults import Fault
from okex_ws.simulator.legacy.line import LegacyConnection
from okex_ws.simulator.v3 import grammar as v3
from okex_ws.simulator.v3.account_pushes import V3AccountPushes
from okex_ws.simulator.v3.feeds import V3Feed, feed
from okex_ws.simulator.v3.grammar import V3Channel, V3RequestError
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.connection import PublishedPush
from okex_ws.simulator.v5.grammar import Topic

if TYPE_CHECKING:
    from okex_ws.simulator.engine.engine import Happening
    from okex_ws.simulator.exchange import Exchange

_HOUR = 3600 * 1_000_000_000
_BOOKS = ("depth", "depth_l2_tbt")


class V3Connection(LegacyConnection):
    """One open line that speaks V3."""

    def __init__(self, exchange: Exchange, number: int, conn_id: str, path: str, now: int, peer: str) -> None:
        super().__init__(exchange, number, conn_id, path, now, peer)
        self._feeds: dict[bytes, V3Feed] = {}
        self._private: V3AccountPushes | None = None
        self._budget: deque[int] = deque()
        if self._rules.idle_close_s:
            exchange.call_at(now + self._ns(self._rules.idle_close_s), self._check_idle)

    def _hear(self, data: bytes, now: int) -> None:
        if data == b"ping":
            self._pong(b"pong", now)
            return
        if self._is_too_long(data, now):
            return
        try:
            request = v3.read_request(data)
            self._spend(now)
            if request.op == "login":
                self._login(request.args, now)
            elif request.op == "subscribe":
                self._subscribe_all(request.args, now)
            else:
                self._unsubscribe_all(request.args, now)
        except V3RequestError as error:
            self.say(v3.error(error))

    def _spend(self, now: int) -> None:
        limit = self._rules.v3_requests_per_hour
        while self._budget and self._budget[0] <= now - _HOUR:
            self._budget.popleft()
        if limit and len(self._budget) >= limit:
            raise V3RequestError(30014)
        self._budget.append(now)

    def _login(self, args: list[Any], now: int) -> None:
        if self.account is not None:
            raise V3RequestError(30042)
        struck = self._ack_faults("login", "login", "", now)
        if "error_ack" in struck:
            raise V3RequestError(int(struck["error_ack"].options["code"]), "Login failed")
        self.account = v3.check_login(args, self._keys, self._exchange.clock(now), self._rules.login_window_s)
        self._private = V3AccountPushes(self._exchange, self._exchange.desk.uid(self.account))
        self._acknowledge(self._frame(v3.LOGIN_ACK), struck, now)

    def _subscribe_all(self, args: list[Any], now: int) -> None:
        """All acks in the order asked for, then what there is to tell at once, the books last: so it was recorded."""
        begun: list[V3Feed] = []
        accounts: list[V3Channel] = []
        for arg in args:
            try:
                channel = v3.read_channel(arg)
                if channel.source:
                    begun += self._subscribe(channel, now)
                else:
                    accounts += self._subscribe_account(channel, now)
            except V3RequestError as error:
                self.say(v3.error(error))
        for found in sorted(begun, key=lambda each: each.channel.kind in _BOOKS):
            topic = self.subscriptions.get(found.channel.name.encode())
            if topic is not None and self._feeds.get(topic.identity) is found:
                self._say_rows(topic, found, found.first(), now)
        for channel in accounts:
            if self._private is not None:
                self._say_account(channel, self._private.first(channel, now), now)

    def _subscribe(self, channel: V3Channel, now: int) -> list[V3Feed]:
        """Ack one channel of the market; the feed if it is to tell something at once."""
        if not self._is_listed(channel):
            raise v3.unknown(channel.name)
        struck = self._acknowledge_channel(channel, now)
        found = feed(channel, self._exchange.market, self._exchange.instruments)
        topic = Topic(v5.CHANNELS[channel.source], channel.key, channel.name.encode())
        self.subscriptions[topic.identity] = topic
        self._feeds[topic.identity] = found
        self._exchange.watch(self, topic, now)
        return [] if "no_snapshot" in struck else [found]

    def _subscribe_account(self, channel: V3Channel, now: int) -> list[V3Channel]:
        if self._private is None:
            raise V3RequestError(30041)
        if not self._private.is_listed(channel):
            raise v3.unknown(channel.name)
        self._acknowledge_channel(channel, now)
        self._private.channels[channel.name] = channel
        return [channel]

    def _acknowledge_channel(self, channel: V3Channel, now: int) -> dict[str, Fault]:
        struck = self._ack_faults("subscribe", channel.table, channel.filter, now, ("linked",))
        if "error_ack" in struck:
            raise V3RequestError(int(struck["error_ack"].options["code"]), f"Channel {channel.name} refused")
        self._acknowledge(self._frame(v3.ack("subscribe", channel.name)), struck, now)
        return struck

    def _called(self, topic: Topic) -> str:
        return topic.arg.decode().partition(":")[0]

    def _is_listed(self, channel: V3Channel) -> bool:
        """Whether the market has this instrument, and in this business."""
        if not self._exchange.market.knows(channel.source, channel.key):
            return False
        if channel.kind == "instruments":
            listed = self._exchange.instruments(channel.key)
            return not channel.filter or any(row["uly"] == channel.filter for row in listed)
        if channel.business == "index" or channel.kind in ("summary", "trades"):
            return True
        return any(row["instId"] == channel.filter for row in self._exchange.instruments(channel.business.upper()))

    def _unsubscribe_all(self, args: list[Any], now: int) -> None:
        for arg in args:
            try:
                channel = v3.read_channel(arg)
            except V3RequestError as error:
                self.say(v3.error(error))
                continue
            struck = self._ack_faults("unsubscribe", channel.table, channel.filter, now)
            topic = self.subscriptions.pop(channel.name.encode(), None)
            if self._private is not None:
                self._private.channels.pop(channel.name, None)
            if topic is not None:
                self._exchange.unwatch(self, topic)
                del self._feeds[topic.identity]
            self._acknowledge(self._frame(v3.ack("unsubscribe", channel.name)), struck, now)

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Tell one subscription what the market publishes, in V3's words."""
        found = self._feeds.get(topic.identity)
        if found is not None:
            self._say_rows(topic, found, found.told(push.rows, push.action), now)

    def _say_rows(self, topic: Topic, found: V3Feed, pushes: list[tuple[list[Any], str | None]], now: int) -> None:
        for rows, action in pushes:
            traits = ("book", "checksum") if action else ()
            known = "snapshot" if action == "partial" else action or ""
            self._tell(topic, found.channel.table, v3.table(found.channel, rows, action), known, now, *traits)

    def happened(self, happenings: Iterable[Happening], now: int) -> None:
        """PublishedPush what became of the account to the private tables subscribed to."""
        if self._private is not None:
            for channel, rows in self._private.told(happenings, now):
                self._say_account(channel, rows, now)

    def _say_account(self, channel: V3Channel, rows: list[Any], now: int) -> None:
        if rows:
            topic = Topic(v5.CHANNELS["orders"], channel.filter, channel.name.encode())
            self._tell(topic, channel.table, v3.table(channel, rows, None), "", now)
