"""V5Connection: one WebSocket that speaks V5, on the exchange's side, without the socket.

In: whole text messages (`receive`), pushes (`push`). Out: `take()` returns what the server must send, in order. Time is
ns UTC, passed in. Sources: OKX V5 docs, "Connect", "Login", "Subscribe", "Notification".
"""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.simulator.channels import Topic
from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.corruption import CORRUPTIONS, EXTRA_FRAMES, HEALED, REPEATS, CorruptionContext, truncated
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.base import HOUR
from okex_ws.simulator.outgoing import Text
from okex_ws.simulator.rate_limits import SlidingWindows
from okex_ws.simulator.subscriber import PublishedPush
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.frames import detail, frame, shifted, traits
from okex_ws.simulator.v5.grammar import refused
from okex_ws.simulator.v5.order_grammar import OPS
from okex_ws.simulator.v5.order_requests import OrderRequests
from okex_ws.simulator.v5.services import V5Services

_EXCLUSIVE = {
    "books-l2-tbt": ("books", "books50-l2-tbt"),
    "books": ("books-l2-tbt",),
    "books50-l2-tbt": ("books-l2-tbt",),
}


class V5Connection(ExchangeConnection):
    """One open connection that speaks V5."""

    def __init__(self, services: V5Services, number: int, conn_id: str, path: str, now: int, peer: str) -> None:
        super().__init__(services.context, number, conn_id, path, now, peer)
        self._publisher = services.context.publisher
        self._pushes = services.pushes
        self._orders = OrderRequests(services.context, services.gateway, self, self._acknowledge_order)
        self._seq_shift = self._publisher.seq_shift(number)
        self._windows = SlidingWindows()
        self._to_heal: set[bytes] = set()
        self._lingering: dict[bytes, int] = {}
        self._watch_idle(now)

    # Requests

    def _handle(self, data: bytes, now: int) -> None:
        if data == b"ping":
            self._answer_ping(now)
            return
        identity = ""
        try:
            request = v5.read_request(data)
            identity = request.id
            self._perform(request, now)
        except ApiError as error:
            self._refuse(error, identity)

    def _perform(self, request: v5.V5Request, now: int) -> None:
        op, args = request.op, request.args
        if op in OPS:
            self._orders.handle(request, OPS[op], now)
            return
        if op not in ("subscribe", "unsubscribe", "login"):
            raise refused("60019", v5.echo(op.encode("utf-8", "replace")))
        self._spend(len(args) if self._rules.count_args and isinstance(args, list) else 1, request.id, now)
        if self.is_over:
            return
        if op == "login":
            self._login(request, now)
            return
        if args is None or args in ("", []):
            raise refused("60027", "args")
        if not isinstance(args, list):
            raise refused("60013")
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
            except ApiError as error:
                self._refuse(error, request.id)
            if self.is_over or self.is_frozen:
                return

    def _spend(self, cost: int, identity: str, now: int) -> None:
        """Count a request: 480 subscribe, unsubscribe and login requests an hour per connection, then 60014 and the end."""
        if self._windows.spend("", self._rules.requests_per_hour, HOUR, now, cost):
            return
        if self._rules.over_budget == "error":
            raise refused("60014")
        self._refuse(refused("60014"), identity)
        self.close(4006, "Too many requests", now)

    def _answer_ping(self, now: int) -> None:
        for fault in self._faults.due("ping", now, self.number, path=self.path):
            self._note(fault, now)
            return
        self.send(Text(b"pong"))

    def _login(self, request: v5.V5Request, now: int) -> None:
        if self.account is not None:
            raise refused("60031")
        faults = self._ack_faults("login", "login", "", now)
        if "error_ack" in faults:
            raise refused(faults["error_ack"].options["code"])
        keys, clock = self._context.keys, self._context.clock(now)
        try:
            self.account = v5.check_login(request.args, keys, clock, self._rules.login_window_s, demo=self._rules.demo)
        except ApiError as error:
            if not self._rules.close_on_bad_login:
                raise
            self._refuse(error, request.id)
            self.close(4001, "Login failed", now)
            return
        self._acknowledge(Text(v5.login_ack(self.conn_id)), faults, now)

    # Subscriptions

    def _subscribe(self, topic: Topic, identity: str, now: int) -> None:
        channel = topic.channel
        self._check_topic(topic)
        limit = self._rules.max_subscriptions
        if limit and len(self.subscriptions) >= limit and topic.identity not in self.subscriptions:
            self.close(4009, "Too many channels on this connection", now)
            return
        faults = self._ack_faults("subscribe", channel.name, topic.key, now, (channel.chain,))
        if "error_ack" in faults:
            raise refused(faults["error_ack"].options["code"], f"channel:{channel.name},instId:{topic.key}")
        is_new = topic.identity not in self.subscriptions
        self.subscriptions[topic.identity] = topic
        self._lingering.pop(topic.identity, None)
        if channel.is_market_data:
            self._publisher.subscribe(self, topic, now)
        wanted = is_new or self._rules.duplicate_subscribe == "snapshot"
        first = self._first_pushes(topic, now) if wanted and "no_snapshot" not in faults else []
        ack = Text(v5.ack("subscribe", topic, identity, self.conn_id))
        is_push_first = bool(first) and self._context.is_push_before_ack()
        if not is_push_first:
            self._acknowledge(ack, faults, now)
        for push in first:
            self.push(topic, push, now)
        if is_push_first:
            self._acknowledge(ack, faults, now)
        self._count_connections(topic, faults, now)

    def _check_topic(self, topic: Topic) -> None:
        """Raise the error of a channel on the wrong path, without a login or tier, excluded by another, or unknown."""
        channel = topic.channel
        if channel.path != self.path:
            code = v5.wrong_path_code(channel, self.path, self._rules.wrong_path_code)
            raise refused(code, f"channel:{channel.name}")
        is_open = channel.checksum and not self._rules.tick_by_tick_login
        if channel.login and self.account is None and not is_open:
            raise refused("60011")
        if self.account is not None and channel.tier > self.account.tier:
            raise refused("64003")
        for other in self.subscriptions.values():
            if other.key == topic.key and other.channel.name in _EXCLUSIVE.get(channel.name, ()):
                pair = {other.channel.name, channel.name}
                raise refused("64004", *(pair - {"books-l2-tbt"}), topic.key)
        arg = msgspec.json.decode(topic.arg)
        if channel.is_market_data:
            is_known = self._context.market.knows(channel.name, topic.key)
        else:
            is_known = arg.get("instId") is None or self._context.trading.catalogue.row(arg["instId"]) is not None
        if not is_known:
            raise refused("60018", v5.describe(arg))

    def _first_pushes(self, topic: Topic, now: int) -> list[PublishedPush]:
        if not topic.channel.is_market_data:
            return self._pushes.subscribe(self, topic, now)
        first = self._publisher.first_push(topic, now)
        return [] if first is None else [first]

    def _count_connections(self, topic: Topic, faults: dict[str, Fault], now: int) -> None:
        name = topic.channel.name
        limit = self._rules.conn_count_limits.get(name, 0)
        uid = self.account.uid if self.account is not None else None
        count = sum(
            1
            for each in self._context.connections.values()
            if (each.account.uid if each.account else None) == uid
            and any(other.channel.name == name for other in each.subscriptions.values())
        )
        if "conn_count_error" in faults or (limit and count > limit):
            self._drop(topic)
            self.send(Text(v5.conn_count(name, limit or count, self.conn_id, breach=True)))
        elif limit:
            self.send(Text(v5.conn_count(name, count, self.conn_id)))

    def _unsubscribe(self, topic: Topic, identity: str, now: int) -> None:
        faults = self._ack_faults("unsubscribe", topic.channel.name, topic.key, now)
        if "linger" in faults and topic.identity in self.subscriptions:
            self._lingering[topic.identity] = faults["linger"].options["frames"]
        else:
            self._drop(topic)
        self._acknowledge(Text(v5.ack("unsubscribe", topic, identity, self.conn_id)), faults, now)

    def _drop(self, topic: Topic) -> None:
        if self.subscriptions.pop(topic.identity, None) is not None:
            self._lingering.pop(topic.identity, None)
            self._stop(topic)

    def _stop(self, topic: Topic) -> None:
        if topic.channel.is_market_data:
            super()._stop(topic)
        else:
            self._pushes.unsubscribe(self, topic)

    def _acknowledge_order(self, verb: str, reply: bytes, now: int) -> None:
        """Send the reply to an order request and apply the faults of acks (channel=order, amend, cancel)."""
        self._acknowledge(Text(reply), self._ack_faults("order", verb, "", now), now)

    def _refuse(self, error: ApiError, identity: str) -> None:
        self.send(Text(v5.error(error.code, error.message, identity, self.conn_id)))

    # Pushes

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Send a push to one subscription and apply the faults of pushes."""
        if self.is_over or self.is_frozen:
            return
        if self._seq_shift and push.channel.chain:
            push = shifted(push, self._seq_shift)
        if not self._has_push_faults and not self._lingering:
            self.traffic.pushes += 1
            self.send(frame(push, topic.arg))
            return
        if topic.identity in self._to_heal:
            self._to_heal.discard(topic.identity)
            push = self._publisher.full_push(topic, push)
        self._push_with_faults(topic, push, now)
        left = self._lingering.get(topic.identity)
        if left is not None:
            self._lingering[topic.identity] = left - 1
            if left <= 1:
                self._drop(topic)

    def _push_with_faults(self, topic: Topic, push: PublishedPush, now: int) -> None:
        name, key, action = topic.channel.name, push.key, push.action or ""
        found = self._faults.due(
            "push", now, self.number, path=self.path, channel=name, key=key, action=action, traits=traits(push)
        )
        faults = {fault.kind: fault for fault in found}
        for fault in found:
            self._note(fault, now, name, key, detail(push))
        if "resnapshot" in faults:
            push = self._publisher.full_push(topic, push)
        text, repeats = self._corrupted(topic, push, found)
        if "truncate" in faults:
            text = Text(truncated(text.payload, faults["truncate"]))
        if "drop" in faults or "mute" in faults:
            self.traffic.dropped += 1
        elif "overtaken" in faults:
            self.traffic.pushes += 1
            self._context.timers.call_at(now + faults["overtaken"].options["seconds"], lambda _: self.send(text))
        else:
            self.traffic.pushes += 1
            self._deliver(topic, text, faults, now)
            for extra in repeats:
                self._deliver(topic, extra, {}, now)
        self._apply_push_faults(name, key, action, now)

    def _corrupted(self, topic: Topic, push: PublishedPush, faults: list[Fault]) -> tuple[Text, list[Text]]:
        """Send the extra frames of the faults; return the frame as corrupted and the frames that repeat it."""
        text = frame(push, topic.arg)
        message: dict[str, Any] | None = None
        repeats: list[Text] = []
        for fault in faults:
            random = self._faults.random(fault, self.number)
            corruption = CorruptionContext(fault, random, lambda: self._context.market.book(push.key, 400))
            if fault.kind in EXTRA_FRAMES:
                self.send(Text(EXTRA_FRAMES[fault.kind](msgspec.json.decode(text.payload), corruption)))
            elif fault.kind in CORRUPTIONS:
                if message is None:
                    message = msgspec.json.decode(text.payload)
                CORRUPTIONS[fault.kind](message, corruption)
                if fault.kind in HEALED and topic.channel.chain == "linked":
                    self._to_heal.add(topic.identity)
            elif fault.kind in REPEATS:
                again = REPEATS[fault.kind](msgspec.json.decode(text.payload))
                if again is not None:
                    repeats.append(Text(v5.encode(again)))
        return (text if message is None else Text(v5.encode(message))), repeats

    def announce_upgrade(self, now: int) -> None:
        """Send notice 64008 and close after the notice time."""
        self.send(Text(v5.notice(self.conn_id)))
        super().announce_upgrade(now)
