"""V3Connection: one WebSocket that speaks V3, on the exchange's side, without the socket.

Path: `/ws/v3`; every message of the server is deflated. Sources: OKEx V3 docs, "WebSocket"; recordings of 2018 to 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from okex_ws.simulator.channels import CHANNELS, Topic
from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.legacy.connection import LegacyConnection
from okex_ws.simulator.market.base import HOUR
from okex_ws.simulator.rate_limits import SlidingWindows
from okex_ws.simulator.subscriber import PublishedPush
from okex_ws.simulator.v3 import grammar as v3
from okex_ws.simulator.v3.account_pushes import V3AccountPushes
from okex_ws.simulator.v3.feeds import V3Feed, feed
from okex_ws.simulator.v3.grammar import V3Channel, refused

_BOOKS = ("depth", "depth_l2_tbt")


class V3Connection(LegacyConnection):
    """One open connection that speaks V3."""

    def __init__(self, context: Context, number: int, conn_id: str, path: str, now: int, peer: str) -> None:
        super().__init__(context, number, conn_id, path, now, peer)
        self._feeds: dict[bytes, V3Feed] = {}
        self._private: V3AccountPushes | None = None
        self._windows = SlidingWindows()
        self._watch_idle(now)

    def _handle(self, data: bytes, now: int) -> None:
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
        except ApiError as error:
            self.send_message(v3.error(error))

    def _spend(self, now: int) -> None:
        if not self._windows.spend("", self._rules.v3_requests_per_hour, HOUR, now):
            raise refused(30014)

    def _login(self, args: list[Any], now: int) -> None:
        if self.account is not None:
            raise refused(30042)
        faults = self._ack_faults("login", "login", "", now)
        if "error_ack" in faults:
            raise refused(int(faults["error_ack"].options["code"]), "Login failed")
        self.account = v3.check_login(args, self._keys, self._context.clock(now), self._rules.login_window_s)
        self._private = V3AccountPushes(self._context, self._context.trading.uid(self.account))
        self._acknowledge(self._frame(v3.LOGIN_ACK), faults, now)

    def _subscribe_all(self, args: list[Any], now: int) -> None:
        """Send the acks in the order of the args, then the first pushes, books last, as recorded."""
        begun: list[V3Feed] = []
        accounts: list[V3Channel] = []
        for arg in args:
            try:
                channel = v3.read_channel(arg)
                if channel.source:
                    begun += self._subscribe(channel, now)
                else:
                    accounts += self._subscribe_account(channel, now)
            except ApiError as error:
                self.send_message(v3.error(error))
        for found in sorted(begun, key=lambda each: each.channel.kind in _BOOKS):
            topic = self.subscriptions.get(found.channel.name.encode())
            if topic is not None and self._feeds.get(topic.identity) is found:
                self._push_rows(topic, found, found.first(), now)
        for channel in accounts:
            if self._private is not None:
                self._push_account(channel, self._private.first(channel, now), now)

    def _subscribe(self, channel: V3Channel, now: int) -> list[V3Feed]:
        """Ack one channel of the market; return its feed if it has a first push."""
        if not self._is_listed(channel):
            raise v3.unknown(channel.name)
        faults = self._acknowledge_channel(channel, now)
        found = feed(channel, self._context.market, self._context.listings.rows)
        topic = Topic(CHANNELS[channel.source], channel.key, channel.name.encode())
        self.subscriptions[topic.identity] = topic
        self._feeds[topic.identity] = found
        self._context.publisher.subscribe(self, topic, now)
        return [] if "no_snapshot" in faults else [found]

    def _subscribe_account(self, channel: V3Channel, now: int) -> list[V3Channel]:
        if self._private is None:
            raise refused(30041)
        if not self._private.is_listed(channel):
            raise v3.unknown(channel.name)
        self._acknowledge_channel(channel, now)
        self._private.channels[channel.name] = channel
        return [channel]

    def _acknowledge_channel(self, channel: V3Channel, now: int) -> dict[str, Fault]:
        faults = self._ack_faults("subscribe", channel.table, channel.filter, now, ("linked",))
        if "error_ack" in faults:
            raise refused(int(faults["error_ack"].options["code"]), f"Channel {channel.name} refused")
        self._acknowledge(self._frame(v3.ack("subscribe", channel.name)), faults, now)
        return faults

    def _channel_name(self, topic: Topic) -> str:
        return topic.arg.decode().partition(":")[0]

    def _is_listed(self, channel: V3Channel) -> bool:
        """True if the market has this instrument in this business."""
        if not self._context.market.knows(channel.source, channel.key):
            return False
        if channel.kind == "instruments":
            listed = self._context.listings.rows(channel.key)
            return not channel.filter or any(row["uly"] == channel.filter for row in listed)
        if channel.business == "index" or channel.kind in ("summary", "trades"):
            return True
        return any(row["instId"] == channel.filter for row in self._context.listings.rows(channel.business.upper()))

    def _unsubscribe_all(self, args: list[Any], now: int) -> None:
        for arg in args:
            try:
                channel = v3.read_channel(arg)
            except ApiError as error:
                self.send_message(v3.error(error))
                continue
            faults = self._ack_faults("unsubscribe", channel.table, channel.filter, now)
            topic = self.subscriptions.pop(channel.name.encode(), None)
            if self._private is not None:
                self._private.channels.pop(channel.name, None)
            if topic is not None:
                self._stop(topic)
                del self._feeds[topic.identity]
            self._acknowledge(self._frame(v3.ack("unsubscribe", channel.name)), faults, now)

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Push what the market publishes to one subscription, in V3's form."""
        found = self._feeds.get(topic.identity)
        if found is not None:
            self._push_rows(topic, found, found.pushes(push.rows, push.action), now)

    def _push_rows(self, topic: Topic, found: V3Feed, pushes: list[tuple[list[Any], str | None]], now: int) -> None:
        for rows, action in pushes:
            traits = ("book", "checksum") if action else ()
            known = "snapshot" if action == "partial" else action or ""
            self._push_message(topic, found.channel.table, v3.table(found.channel, rows, action), known, now, *traits)

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Push the changes of the account to the subscribed tables."""
        if self._private is not None:
            for channel, rows in self._private.pushes(events, now):
                self._push_account(channel, rows, now)

    def _push_account(self, channel: V3Channel, rows: list[Any], now: int) -> None:
        if rows:
            topic = Topic(CHANNELS["orders"], channel.filter, channel.name.encode())
            self._push_message(topic, channel.table, v3.table(channel, rows, None), "", now)
