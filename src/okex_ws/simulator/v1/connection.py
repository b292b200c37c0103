"""V1Connection: one WebSocket that speaks V1, as the exchange sees it, without the socket.

Paths: `/ws/v1` (every message deflated) and `/websocket` (text; deflated with `?compress=true`). Sources: OKEx V1 docs;
where they and its recordings differ, the recordings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.corruption import CorruptionContext
from okex_ws.simulator.legacy.line import LegacyConnection
from okex_ws.simulator.v1 import grammar as v1
from okex_ws.simulator.v1.feeds import V1Feed, feed, forecast
from okex_ws.simulator.v1.gateway import V1OrderGateway
from okex_ws.simulator.v1.grammar import V1Channel, V1RequestError
from okex_ws.simulator.v1.names import Listed, futures, spot
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.connection import PublishedPush
from okex_ws.simulator.v5.grammar import Topic

if TYPE_CHECKING:
    from okex_ws.simulator.engine.engine import Happening
    from okex_ws.simulator.exchange import Exchange

_SECOND = 1_000_000_000


class V1Connection(LegacyConnection):
    """One open line that speaks V1."""

    def __init__(
        self, exchange: Exchange, number: int, conn_id: str, path: str, now: int, peer: str, *, is_deflated: bool = True
    ) -> None:
        super().__init__(exchange, number, conn_id, path, now, peer)
        self.is_deflated = is_deflated
        self._feeds: dict[bytes, V1Feed] = {}
        self._gathered: dict[bytes, list[Any]] = {}
        self._private: set[str] = set()
        self._trading: V1OrderGateway | None = None
        self._pinged = now
        if self._rules.v1_ping_close_s:
            exchange.call_at(now + self._ns(self._rules.v1_ping_close_s), self._check_pings)

    @property
    def _flag(self) -> int:
        """`binary` of acks, errors and first pushes: 1 on deflated lines, while later pushes say 0."""
        return 1 if self.is_deflated else 0

    def _hear(self, data: bytes, now: int) -> None:
        if self._is_too_long(data, now):
            return
        try:
            requests = v1.read_requests(data)
        except V1RequestError as error:
            self._refuse(error)
            return
        for request in requests:
            if self.is_over or self.is_frozen:
                return
            try:
                self._obey(request, now)
            except V1RequestError as error:
                self._refuse(error)

    def _refuse(self, error: V1RequestError) -> None:
        self.say([v1.error(error.code, error.channel, self._flag)])

    def _obey(self, request: v1.V1Request, now: int) -> None:
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
            raise V1RequestError(20103)

    # Accounts

    def _login(self, parameters: dict[str, Any], now: int) -> None:
        struck = self._ack_faults("login", "login", "", now)
        if "error_ack" in struck or not self._open_account(parameters):
            raise V1RequestError(20102)
        self._acknowledge(self._frame([v1.said("login", {"result": True}, self._flag)]), struck, now)

    def _open_account(self, parameters: dict[str, Any]) -> bool:
        """Whether the signature is good; then the line is that account's from now on."""
        known = v1.signer(parameters, self._keys)
        if known is not None and (self.account is None or self.account.uid != known.uid):
            self.account = known
            self._trading = V1OrderGateway(self._exchange, self._exchange.desk.uid(known))
        return known is not None

    def _trade(self, request: v1.V1Request, now: int) -> None:
        """A request to trade or look up: signed by itself, answered under its own name, with the code alone if it fails."""
        name = request.channel
        try:
            if not self._open_account(request.parameters) or self._trading is None:
                raise V1RequestError(10005 if name.startswith("ok_spot") else 20024)
            data = self._trading.obey(name, request.parameters, now)
        except V1RequestError as error:
            self.say([v1.failure(name, error.code, self._flag)])
            return
        desk = self._exchange.desk
        if desk.is_push_first():
            desk.flush(now)
        self.say([v1.said(name, data, self._flag)])
        desk.flush(now)

    def happened(self, happenings: Iterable[Happening], now: int) -> None:
        """PublishedPush what became of the account: futures to whoever is logged in, spot by subscription."""
        if self._trading is None:
            return
        for name, instrument, data in self._trading.told(happenings, now):
            if name.startswith("ok_sub_futureusd") or name in self._private:
                topic = Topic(v5.CHANNELS["orders"], instrument, name.encode())
                self._tell(topic, name, [v1.said(name, data, 0)], "", now)

    # Channels

    def _add_channel(self, channel: V1Channel, now: int) -> None:
        found = None if channel.is_private else self._feed(channel, now)
        struck = self._ack_faults("subscribe", channel.name, found.key if found else "", now, ("linked",))
        if "error_ack" in struck:
            raise V1RequestError(int(struck["error_ack"].options["code"]), channel.name)
        self._acknowledge(self._frame([v1.ack("addChannel", channel.name, self._flag)]), struck, now)
        if channel.is_private:
            self._private.add(channel.name)
        if found is not None:
            self._begin(found, now, is_told="no_snapshot" not in struck)

    def _called(self, topic: Topic) -> str:
        return topic.arg.decode()

    def _begin(self, found: V1Feed, now: int, *, is_told: bool) -> None:
        topic = self._follow(found, now)
        self._gathered.pop(topic.identity, None)
        market = self._exchange.market
        if found.channel.contract and market.knows("estimated-price", found.key):
            self._follow(forecast(found.channel, found.listed, market), now)
        first = found.first(self._rules.v1_first_trades)
        if first is not None and is_told:
            self._say_data(topic, found, first, self._flag, now, is_first=True)

    def _follow(self, found: V1Feed, now: int) -> Topic:
        topic = Topic(v5.CHANNELS[found.source], found.key, found.channel.name.encode())
        self.subscriptions[topic.identity] = topic
        self._feeds[topic.identity] = found
        self._exchange.watch(self, topic, now)
        return topic

    def _remove_channel(self, channel: V1Channel, now: int) -> None:
        self._private.discard(channel.name)
        topic = self.subscriptions.pop(channel.name.encode(), None)
        struck = self._ack_faults("unsubscribe", channel.name, topic.key if topic else "", now)
        if topic is not None:
            self._exchange.unwatch(self, topic)
            del self._feeds[topic.identity]
            self._gathered.pop(topic.identity, None)
        self._acknowledge(self._frame([v1.ack("removeChannel", channel.name, self._flag)]), struck, now)

    def _feed(self, channel: V1Channel, now: int) -> V1Feed | None:
        """The feed of a public channel, None for what is not listed: that is acked and then silent."""
        instruments, market = self._exchange.instruments, self._exchange.market
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
        """Tell one subscription what the market publishes, in V1's words."""
        found = self._feeds.get(topic.identity)
        if found is None:
            return
        if push.action == "snapshot":
            found.restart()
        data = found.told(push.rows)
        if data is None:
            return
        if not found.is_gathered:
            self._say_data(topic, found, data, 0, now)
            return
        waiting = self._gathered.get(topic.identity)
        if waiting is None:
            waiting = self._gathered[topic.identity] = []
            self._exchange.call_at(now - now % _SECOND + _SECOND, lambda then: self._flush(topic, found, waiting, then))
        waiting += data

    def _flush(self, topic: Topic, found: V1Feed, waiting: list[Any], now: int) -> None:
        """Tell what gathered in a second, unless the subscription has ended or begun anew meanwhile."""
        if self._gathered.get(topic.identity) is waiting:
            del self._gathered[topic.identity]
            self._say_data(topic, found, waiting, 0, now)

    def _say_data(self, topic: Topic, found: V1Feed, data: Any, binary: int, now: int, *, is_first: bool = False) -> None:
        name, is_book = found.channel.name, found.channel.kind == "depth"
        action = ("snapshot" if is_first or found.channel.depth else "update") if is_book else ""
        traits = ("book", "update") if is_book else ()
        self._tell(topic, name, [found.message(data, binary)], action, now, *traits)

    def _spoilt(self, message: Any, kind: str, scene: CorruptionContext) -> Any:
        """V1 has its one row bare under `data`, in the one object of a list."""
        if kind == "crossed":
            return _crossed(message, scene)
        whole = super()._spoilt({**message[0], "data": [message[0]["data"]]}, kind, scene)
        rows = whole.get("data")
        if isinstance(rows, list):
            whole["data"] = rows[0]
        return [whole]

    def _check_pings(self, now: int) -> None:
        """The end of a line without a V1 ping for five minutes, however much is pushed on it."""
        if self.is_over or self.is_frozen:
            return
        due = self._pinged + self._ns(self._rules.v1_ping_close_s)
        if now >= due:
            self.close(1000, "", now)
        else:
            self._exchange.call_at(due, self._check_pings)


def _crossed(message: Any, scene: CorruptionContext) -> Any:
    """A book with a bid above the best ask that no later change takes back, as V1's now and then had."""
    told, book = message[0], scene.book()
    levels = told["data"]["asks"] or told["data"]["bids"]
    if not levels or not book or not book["asks"]:
        return message
    price = book["asks"][min(2, len(book["asks"]) - 1)][0]
    bid = [price if isinstance(levels[0][0], str) else float(price), *levels[0][1:]]
    return [{**told, "data": {**told["data"], "bids": [bid, *told["data"]["bids"]]}}]


def plain(exchange: Exchange, number: int, conn_id: str, path: str, now: int, peer: str) -> V1Connection:
    """A line of `/websocket`: text."""
    return V1Connection(exchange, number, conn_id, path, now, peer, is_deflated=False)
