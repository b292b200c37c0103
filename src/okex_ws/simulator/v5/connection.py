"""V5Connection: one WebSocket that speaks V5, as the exchange sees it, without the socket.

In: whole text messages (`receive`), pushes from the exchange (`push`). Out: `take()` gives what the shell must put on
the wire, in order. Time is ns UTC, passed in. Sources: OKX V5 docs, "Connect", "Login", "Subscribe", "Notification".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from okex_ws.simulator.connection import Abort, Binary, Close, ExchangeConnection, Freeze, Message, Outgoing, Ping, Text
from okex_ws.simulator.corruption import CORRUPTIONS, EXTRA_FRAMES, HEALED, REPEATS, CorruptionContext, truncated
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5 import order_requests as order_talk
from okex_ws.simulator.v5.grammar import Topic, V5Channel, V5RequestError
from okex_ws.simulator.v5.order_grammar import OPS, Op

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange

__all__ = ["Abort", "Binary", "Close", "Freeze", "Message", "Outgoing", "Ping", "PublishedPush", "Text", "V5Connection"]

_HOUR = 3600 * 1_000_000_000


class PublishedPush:
    """One published push, encoded at most once per form of its arg however many it goes to."""

    __slots__ = ("_encoded", "action", "channel", "key", "rows", "ts")

    def __init__(self, channel: V5Channel, key: str, rows: list[Any], action: str | None, ts: int) -> None:
        self.channel = channel
        self.key = key
        self.rows = rows
        self.action = action
        self.ts = ts
        self._encoded: dict[bytes, Text] = {}

    def text(self, arg: bytes) -> Text:
        """The frame for a subscription with this arg."""
        text = self._encoded.get(arg)
        if text is None:
            text = self._encoded[arg] = Text(v5.push(arg, self.rows, self.action))
        return text

    def shifted(self, by: int) -> PublishedPush:
        """The same push with its ids moved: for exchanges whose ids differ per connection."""
        rows = []
        for row in self.rows:
            row = dict(row)
            for name in ("seqId", "prevSeqId"):
                if row.get(name, -1) >= 0:
                    row[name] += by
            rows.append(row)
        return PublishedPush(self.channel, self.key, rows, self.action, self.ts)

    def traits(self) -> set[str]:
        """What the faults' `needs` speak of."""
        traits = {self.channel.chain, self.action or ""}
        if self.channel.checksum:
            traits.add("checksum")
        for row in self.rows[:1]:
            if isinstance(row, dict):
                if "asks" in row:
                    traits.add("book")
                if "ts" in row:
                    traits.add("stamped")
            elif any(row[-1] == "1" for row in self.rows):
                traits.add("closed_candle")
        return traits

    def detail(self) -> str:
        """The ids it carries, for the ledger."""
        first = self.rows[0] if self.rows else None
        if isinstance(first, dict) and "tradeId" in first:
            low = int(first["tradeId"]) - int(first.get("count", "1")) + 1
            return f"trades {low}-{self.rows[-1]['tradeId']}"
        if isinstance(first, dict) and "prevSeqId" in first:
            return f"seq {first['prevSeqId']}->{first['seqId']}"
        return ""


class V5Connection(ExchangeConnection):
    """One open line that speaks V5."""

    def __init__(self, exchange: Exchange, number: int, conn_id: str, path: str, now: int, peer: str) -> None:
        super().__init__(exchange, number, conn_id, path, now, peer)
        self._seq_shift = exchange.seq_shift(number)
        self._budget: deque[int] = deque()
        self._to_heal: set[bytes] = set()
        self._lingering: dict[bytes, int] = {}
        if self._rules.idle_close_s:
            exchange.call_at(now + self._ns(self._rules.idle_close_s), self._check_idle)

    def _hear(self, data: bytes, now: int) -> None:
        if data == b"ping":
            self._answer_ping(now)
            return
        identity = ""
        try:
            request = v5.read_request(data)
            identity = request.id
            self._obey(request, now)
        except V5RequestError as error:
            self._refuse(error.code, error.message, identity)

    def _obey(self, request: v5.V5Request, now: int) -> None:
        op = request.op
        if op in OPS:
            order_talk.hear(self._exchange, self, request, OPS[op], now)
            return
        if op not in ("subscribe", "unsubscribe", "login"):
            raise V5RequestError("60019", v5.echo(op.encode("utf-8", "replace")))
        args = request.args
        self._spend(len(args) if self._rules.count_args and isinstance(args, list) else 1, request.id, now)
        if self.is_over:
            return
        if op == "login":
            self._login(request, now)
            return
        if args is None or args in ("", []):
            raise V5RequestError("60027", "args")
        if not isinstance(args, list):
            raise V5RequestError("60013")
        limit = self._rules.max_args_bytes
        if limit and len(msgspec.json.encode(args)) > limit:
            self.close(1009, "The request is too large", now)
            return
        for arg in args:
            try:
                topic = v5.read_topic(arg)
                if op == "subscribe":
                    self._subscribe(topic, request.id, now)
                else:
                    self._unsubscribe(topic, request.id, now)
            except V5RequestError as error:
                self._refuse(error.code, error.message, request.id)
            if self.is_over or self.is_frozen:
                return

    def _spend(self, cost: int, identity: str, now: int) -> None:
        """480 subscribe, unsubscribe and login requests an hour per connection; over it 60014, then the end."""
        if not self._rules.requests_per_hour:
            return
        while self._budget and self._budget[0] <= now - _HOUR:
            self._budget.popleft()
        if len(self._budget) + cost > self._rules.requests_per_hour:
            if self._rules.over_budget == "error_then_close":
                self._refuse("60014", v5.MESSAGES["60014"], identity)
                self.close(4006, "Too many requests", now)
                return
            raise V5RequestError("60014")
        self._budget.extend([now] * cost)

    def _answer_ping(self, now: int) -> None:
        for fault in self._faults.due("ping", now, self.number, path=self.path):
            self._note(fault, now)
            return
        self.send(Text(b"pong"))

    def _login(self, request: v5.V5Request, now: int) -> None:
        if self.account is not None:
            raise V5RequestError("60031")
        struck = self._ack_faults("login", "login", "", now)
        if "error_ack" in struck:
            code = struck["error_ack"].options["code"]
            raise V5RequestError(code)
        try:
            self.account = v5.check_login(
                request.args, self._exchange.keys, self._exchange.clock(now), self._rules.login_window_s, demo=self._rules.demo
            )
        except V5RequestError as error:
            if self._rules.close_on_bad_login:
                self._refuse(error.code, error.message, request.id)
                self.close(4001, "Login failed", now)
                return
            raise
        self._acknowledge(Text(v5.login_ack(self.conn_id)), struck, now)

    def _subscribe(self, topic: Topic, identity: str, now: int) -> None:
        channel = topic.channel
        if channel.path != self.path:
            code = v5.wrong_path_code(channel, self.path, self._rules.wrong_path_code)
            raise V5RequestError(code, f"channel:{channel.name}")
        is_open = channel.checksum and not self._rules.tick_by_tick_login
        if channel.login and self.account is None and not is_open:
            raise V5RequestError("60011")
        if self.account is not None and channel.tier > self.account.tier:
            raise V5RequestError("64003")
        self._check_company(topic)
        if not self._exchange.knows(topic):
            raise V5RequestError("60018", v5.describe(msgspec.json.decode(topic.arg)))
        limit = self._rules.max_subscriptions
        if limit and len(self.subscriptions) >= limit and topic.identity not in self.subscriptions:
            self.close(4009, "Too many channels on this connection", now)
            return
        struck = self._ack_faults("subscribe", channel.name, topic.key, now, (channel.chain,))
        if "error_ack" in struck:
            raise V5RequestError(struck["error_ack"].options["code"], f"channel:{channel.name},instId:{topic.key}")
        is_new = topic.identity not in self.subscriptions
        self.subscriptions[topic.identity] = topic
        self._lingering.pop(topic.identity, None)
        self._exchange.watch(self, topic, now)
        wanted = is_new or self._rules.duplicate_subscribe == "snapshot"
        first = self._exchange.first_pushes(self, topic, now) if wanted and "no_snapshot" not in struck else []
        ack = Text(v5.ack("subscribe", topic, identity, self.conn_id))
        is_push_first = bool(first) and self._exchange.is_push_first(self.number)
        if not is_push_first:
            self._acknowledge(ack, struck, now)
        for push in first:
            self.push(topic, push, now)
        if is_push_first:
            self._acknowledge(ack, struck, now)
        self._count_connections(topic, struck, now)

    def _check_company(self, topic: Topic) -> None:
        """books-l2-tbt excludes books50-l2-tbt and books of the same instrument on one connection (64004)."""
        rivals = {"books-l2-tbt": ("books", "books50-l2-tbt"), "books": ("books-l2-tbt",)}
        rivals["books50-l2-tbt"] = rivals["books"]
        for other in self.subscriptions.values():
            if other.key == topic.key and other.channel.name in rivals.get(topic.channel.name, ()):
                raise V5RequestError("64004", min(other.channel.name, topic.channel.name, key=len), topic.key)

    def _count_connections(self, topic: Topic, struck: dict[str, Fault], now: int) -> None:
        name = topic.channel.name
        limit = self._rules.conn_count_limits.get(name, 0)
        count = self._exchange.connections_with(name, self.account)
        if "conn_count_error" in struck or (limit and count > limit):
            self._drop_topic(topic)
            shown = limit or count
            self.send(Text(v5.conn_count(name, shown, self.conn_id, breach=True)))
        elif limit:
            self.send(Text(v5.conn_count(name, count, self.conn_id)))

    def _unsubscribe(self, topic: Topic, identity: str, now: int) -> None:
        struck = self._ack_faults("unsubscribe", topic.channel.name, topic.key, now)
        if "linger" in struck and topic.identity in self.subscriptions:
            self._lingering[topic.identity] = struck["linger"].options["frames"]
        else:
            self._drop_topic(topic)
        self._acknowledge(Text(v5.ack("unsubscribe", topic, identity, self.conn_id)), struck, now)

    def _drop_topic(self, topic: Topic) -> None:
        if self.subscriptions.pop(topic.identity, None) is not None:
            self._lingering.pop(topic.identity, None)
            self._exchange.unwatch(self, topic)

    def acknowledge_order(self, op: Op, reply: Text, now: int) -> None:
        """Send the reply to a request about orders, through whatever faults strike acks (channel=order, amend, cancel)."""
        self._acknowledge(reply, self._ack_faults("order", op.verb, "", now), now)

    def _refuse(self, code: str, message: str, identity: str) -> None:
        self.send(Text(v5.error(code, message, identity, self.conn_id)))

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Send a push of the exchange to one subscription, through whatever faults strike it."""
        if self.is_over or self.is_frozen:
            return
        if self._seq_shift and push.channel.chain:
            push = push.shifted(self._seq_shift)
        if not self._is_plagued and not self._lingering:
            self.traffic.pushes += 1
            self.send(push.text(topic.arg))
            return
        if topic.identity in self._to_heal:
            self._to_heal.discard(topic.identity)
            push = self._full(topic, push)
        self._push_through_faults(topic, push, now)
        left = self._lingering.get(topic.identity)
        if left is not None:
            self._lingering[topic.identity] = left - 1
            if left <= 1:
                self._drop_topic(topic)

    def _full(self, topic: Topic, push: PublishedPush) -> PublishedPush:
        """The push as an unasked snapshot with the same id."""
        snapshot = self._exchange.market.snapshot(topic.channel.name, topic.key)
        if snapshot is None or topic.channel.chain != "linked" or not push.rows:
            return push
        row = v5.with_ids(topic.channel, snapshot.rows[0], push.rows[-1]["seqId"], -1, live=self._exchange.is_live)
        row["ts"] = push.rows[-1]["ts"]
        return PublishedPush(push.channel, push.key, [row], "snapshot", push.ts)

    def _push_through_faults(self, topic: Topic, push: PublishedPush, now: int) -> None:
        name, key = topic.channel.name, push.key
        struck = self._faults.due(
            "push", now, self.number, path=self.path, channel=name, key=key, action=push.action or "", traits=push.traits()
        )
        kinds = {fault.kind: fault for fault in struck}
        for fault in struck:
            self._note(fault, now, name, key, push.detail())
        if "resnapshot" in kinds:
            push = self._full(topic, push)
        text = push.text(topic.arg)
        message: dict[str, Any] | None = None
        afterwards: list[Text] = []
        for fault in struck:
            random = self._faults.random(fault, self.number)
            scene = CorruptionContext(fault, random, lambda: self._exchange.market.book(key, 400))
            if fault.kind in EXTRA_FRAMES:
                self.send(Text(EXTRA_FRAMES[fault.kind](msgspec.json.decode(text.payload), scene)))
            elif fault.kind in CORRUPTIONS:
                if message is None:
                    message = msgspec.json.decode(text.payload)
                CORRUPTIONS[fault.kind](message, scene)
                if fault.kind in HEALED and topic.channel.chain == "linked":
                    self._to_heal.add(topic.identity)
            elif fault.kind in REPEATS:
                again = REPEATS[fault.kind](msgspec.json.decode(text.payload))
                if again is not None:
                    afterwards.append(Text(v5.encode(again)))
        if message is not None:
            text = Text(v5.encode(message))
        if "truncate" in kinds:
            text = Text(truncated(text.payload, kinds["truncate"]))
        if "drop" in kinds or "mute" in kinds:
            self.traffic.dropped += 1
        elif "overtaken" in kinds:
            self.traffic.pushes += 1
            self._exchange.call_at(now + kinds["overtaken"].options["seconds"], lambda _: self.send(text))
        else:
            self.traffic.pushes += 1
            self._deliver(topic, text, kinds, now)
            for extra in afterwards:
                self._deliver(topic, extra, {}, now)
        self._strike_line(name, key, push.action or "", now)

    def announce_upgrade(self, now: int) -> None:
        """Send notice 64008 and close after the notice time."""
        self.send(Text(v5.notice(self.conn_id)))
        super().announce_upgrade(now)
