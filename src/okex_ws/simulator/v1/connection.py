"""V1Connection: one WebSocket that speaks V1, on the exchange's side, without the socket.

Paths: `/ws/v1` (every message deflated) and `/websocket` (text; deflated with `?compress=true`). Sources: OKEx V1 docs, and
its recordings where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from okex_ws.simulator.channels import CHANNELS, Topic
from okex_ws.simulator.context import Context
from okex_ws.simulator.corruption import CorruptionContext
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.legacy.connection import LegacyConnection
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.subscriber import PublishedPush
from okex_ws.simulator.v1 import grammar as v1
from okex_ws.simulator.v1.feeds import V1Feed, feed, forecast
from okex_ws.simulator.v1.gateway import V1OrderGateway
from okex_ws.simulator.v1.grammar import V1Channel, refused
from okex_ws.simulator.v1.names import Listed, futures, spot


class V1Connection(LegacyConnection):
    """One open connection that speaks V1."""

    def __init__(
        self, context: Context, number: int, conn_id: str, path: str, now: int, peer: str, *, is_deflated: bool = True
    ) -> None:
        super().__init__(context, number, conn_id, path, now, peer)
        self.is_deflated = is_deflated
        self._feeds: dict[bytes, V1Feed] = {}
        self._gathered: dict[bytes, list[Any]] = {}
        self._private: set[str] = set()
        self._gateway: V1OrderGateway | None = None
        self._pinged = now
        if self._rules.v1_ping_close_s:
            context.timers.call_at(now + self._ns(self._rules.v1_ping_close_s), self._check_pings)

    @property
    def _flag(self) -> int:
        """`binary` of acks, errors and first pushes: 1 on deflated connections. Later pushes have 0."""
        return 1 if self.is_deflated else 0

    def _handle(self, data: bytes, now: int) -> None:
        if self._is_too_long(data, now):
            return
        try:
            requests = v1.read_requests(data)
        except ApiError as error:
            self._refuse(error)
            return
        for request in requests:
            if self.is_over or self.is_frozen:
                return
            try:
                self._perform(request, now)
            except ApiError as error:
                self._refuse(error)

    def _refuse(self, error: ApiError) -> None:
        self.send_message([v1.error(error, self._flag)])

    def _perform(self, request: v1.V1Request, now: int) -> None:
        if request.event == "ping":
            self._pinged = now
            self._pong(v1.PONG, now)
        elif request.event == "login":
            self._login(request.parameters, now)
        elif request.event == "addChannel" and request.channel in v1.REQUESTS:
            self._trade(request, now)
        elif request.event == "addChannel":
            channel = v1.read_channel(request.channel)
            if channel.is_private and request.parameters.get("api_key"):
                self._open_account(request.parameters)
            self._add_channel(channel, now)
        elif request.event == "removeChannel":
            self._remove_channel(v1.read_channel(request.channel), now)
        else:
            raise refused(20103)

    # Accounts

    def _login(self, parameters: dict[str, Any], now: int) -> None:
        faults = self._ack_faults("login", "login", "", now)
        if "error_ack" in faults or not self._open_account(parameters):
            raise refused(20102)
        self._acknowledge(self._frame([v1.message("login", {"result": True}, self._flag)]), faults, now)

    def _open_account(self, parameters: dict[str, Any]) -> bool:
        """Log the connection in; False if the signature is wrong."""
        known = v1.signer(parameters, self._keys)
        if known is not None and (self.account is None or self.account.uid != known.uid):
            self.account = known
            self._gateway = V1OrderGateway(self._context, self._context.trading.uid(known))
        return known is not None

    def _trade(self, request: v1.V1Request, now: int) -> None:
        """Answer a signed request to trade or to read under its own name; a failure has its code alone."""
        name = request.channel
        try:
            if not self._open_account(request.parameters) or self._gateway is None:
                raise refused(10005 if name.startswith("ok_spot") else 20024)
            data = self._gateway.perform(name, request.parameters, now)
        except ApiError as error:
            self.send_message([v1.failure(name, error, self._flag)])
            return
        if self._context.is_order_push_first():
            self._context.trading.flush(now)
        self.send_message([v1.message(name, data, self._flag)])
        self._context.trading.flush(now)

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Push the changes of the account: futures on every logged-in connection, spot by subscription."""
        if self._gateway is None:
            return
        for name, instrument, data in self._gateway.pushes(events, now):
            if name.startswith("ok_sub_futureusd") or name in self._private:
                topic = Topic(CHANNELS["orders"], instrument, name.encode())
                self._push_message(topic, name, [v1.message(name, data, 0)], "", now)

    # Channels

    def _add_channel(self, channel: V1Channel, now: int) -> None:
        found = None if channel.is_private else self._feed(channel, now)
        faults = self._ack_faults("subscribe", channel.name, found.key if found else "", now, ("linked",))
        if "error_ack" in faults:
            raise refused(int(faults["error_ack"].options["code"]), channel.name)
        self._acknowledge(self._frame([v1.ack("addChannel", channel.name, self._flag)]), faults, now)
        if channel.is_private:
            self._private.add(channel.name)
        if found is not None:
            self._begin(found, now, has_first="no_snapshot" not in faults)

    def _channel_name(self, topic: Topic) -> str:
        return topic.arg.decode()

    def _begin(self, found: V1Feed, now: int, *, has_first: bool) -> None:
        topic = self._follow(found, now)
        self._gathered.pop(topic.identity, None)
        market = self._context.market
        if found.channel.contract and market.knows("estimated-price", found.key):
            self._follow(forecast(found.channel, found.listed, market), now)
        first = found.first(self._rules.v1_first_trades)
        if first is not None and has_first:
            self._push_data(topic, found, first, self._flag, now, is_first=True)

    def _follow(self, found: V1Feed, now: int) -> Topic:
        topic = Topic(CHANNELS[found.source], found.key, found.channel.name.encode())
        self.subscriptions[topic.identity] = topic
        self._feeds[topic.identity] = found
        self._context.publisher.subscribe(self, topic, now)
        return topic

    def _remove_channel(self, channel: V1Channel, now: int) -> None:
        self._private.discard(channel.name)
        topic = self.subscriptions.pop(channel.name.encode(), None)
        faults = self._ack_faults("unsubscribe", channel.name, topic.key if topic else "", now)
        if topic is not None:
            self._stop(topic)
            del self._feeds[topic.identity]
            self._gathered.pop(topic.identity, None)
        self._acknowledge(self._frame([v1.ack("removeChannel", channel.name, self._flag)]), faults, now)

    def _feed(self, channel: V1Channel, now: int) -> V1Feed | None:
        """Return the feed of a public channel, None if it is not listed: it is acked and then silent."""
        instruments, market = self._context.listings.rows, self._context.market
        if channel.market == "spot":
            listed = spot(instruments, channel.coin, channel.quote)
        elif channel.contract:
            listed = futures(instruments, channel.coin, channel.contract, now)
        else:
            listed = Listed(f"{channel.coin}-USD".upper(), channel.coin, "usd")
        if listed is None:
            return None
        found = feed(channel, listed, market)
        return found if market.knows(found.source, found.key) else None

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Push what the market publishes to one subscription, in V1's form."""
        found = self._feeds.get(topic.identity)
        if found is None:
            return
        if push.action == "snapshot":
            found.restart()
        data = found.data(push.rows)
        if data is None:
            return
        if not found.is_gathered:
            self._push_data(topic, found, data, 0, now)
            return
        waiting = self._gathered.get(topic.identity)
        if waiting is None:
            waiting = self._gathered[topic.identity] = []
            self._context.timers.call_at(now - now % SECOND + SECOND, lambda then: self._flush(topic, found, waiting, then))
        waiting += data

    def _flush(self, topic: Topic, found: V1Feed, waiting: list[Any], now: int) -> None:
        """Push what gathered in a second, unless the subscription has ended or restarted since."""
        if self._gathered.get(topic.identity) is waiting:
            del self._gathered[topic.identity]
            self._push_data(topic, found, waiting, 0, now)

    def _push_data(self, topic: Topic, found: V1Feed, data: Any, binary: int, now: int, *, is_first: bool = False) -> None:
        name, is_book = found.channel.name, found.channel.kind == "depth"
        action = ("snapshot" if is_first or found.channel.depth else "update") if is_book else ""
        traits = ("book", "update") if is_book else ()
        self._push_message(topic, name, [found.message(data, binary)], action, now, *traits)

    def _corrupted(self, message: Any, kind: str, corruption: CorruptionContext) -> Any:
        """Corrupt a message of V1, which has its one row under `data`, not in a list."""
        if kind == "crossed":
            return _crossed(message, corruption)
        whole = super()._corrupted({**message[0], "data": [message[0]["data"]]}, kind, corruption)
        rows = whole.get("data")
        if isinstance(rows, list):
            whole["data"] = rows[0]
        return [whole]

    def _check_pings(self, now: int) -> None:
        """Close after five minutes without a V1 ping, even if pushes go out."""
        if self.is_over or self.is_frozen:
            return
        due = self._pinged + self._ns(self._rules.v1_ping_close_s)
        if now >= due:
            self.close(1000, "", now)
        else:
            self._context.timers.call_at(due, self._check_pings)


def _crossed(message: Any, corruption: CorruptionContext) -> Any:
    """Add a bid above the best ask that no later change removes, as recorded in V1."""
    pushed, book = message[0], corruption.book()
    levels = pushed["data"]["asks"] or pushed["data"]["bids"]
    if not levels or not book or not book["asks"]:
        return message
    price = book["asks"][min(2, len(book["asks"]) - 1)][0]
    bid = [price if isinstance(levels[0][0], str) else float(price), *levels[0][1:]]
    return [{**pushed, "data": {**pushed["data"], "bids": [bid, *pushed["data"]["bids"]]}}]
