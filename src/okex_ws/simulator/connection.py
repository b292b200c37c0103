"""ExchangeConnection: one open WebSocket on the exchange's side, for every dialect: its outbox, its end, its faults.

In: whole messages (`receive`), pushes (`push`). Out: `take()` returns what the server must send, in order. Time is ns UTC,
passed in. Each dialect parses and answers in a subclass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from okex_ws.simulator.channels import Topic
from okex_ws.simulator.context import Context
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.ledger import Traffic
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.outgoing import Abort, Close, Freeze, Message, Outgoing, Ping
from okex_ws.simulator.subscriber import Subscriber

_ACK_KINDS = {
    "subscribe": ("drop_ack", "delay_ack", "error_ack", "conn_count_error", "no_snapshot"),
    "unsubscribe": ("drop_ack", "delay_ack", "linger"),
    "login": ("drop_ack", "delay_ack", "error_ack"),
    "order": ("drop_ack", "delay_ack"),
}


class ExchangeConnection(Subscriber):
    """One open connection. `wake`, set by the server, is called when `take()` has something after having had nothing."""

    def __init__(self, context: Context, number: int, conn_id: str, path: str, now: int, peer: str) -> None:
        super().__init__(number, path)
        self.conn_id = conn_id
        self.peer = peer
        self.wake: Callable[[], None] | None = None
        self.is_over = False
        self.is_frozen = False
        self.traffic = Traffic()
        self._context = context
        self._rules = context.rules
        self._faults = context.faults
        self._outbox: list[Outgoing] = []
        self._last_active = now
        self._delayed: dict[bytes, deque[tuple[int, Message]]] = {}
        self._swapped: dict[bytes, Message] = {}
        self._has_push_faults = self._faults.has("push") or self._faults.has("line")
        if self._rules.control_ping_s:
            context.timers.call_at(now + self._ns(self._rules.control_ping_s), self._control_ping)

    def receive(self, data: bytes, now: int) -> None:
        """Take one whole message of the client."""
        if self.is_over or self.is_frozen:
            return
        self._context.run_until(now)
        if self.is_over or self.is_frozen:
            return
        self._last_active = now
        self.traffic.requests += 1
        self._handle(data, now)

    def _handle(self, data: bytes, now: int) -> None:
        """Parse and answer one message."""
        raise NotImplementedError

    def holds(self, channel: str | None, instrument: str | None) -> bool:
        """True if a subscription matches this channel and instrument, as faults name them (None: any)."""
        return any(
            channel in (None, self._channel_name(topic)) and instrument in (None, topic.key)
            for topic in self.subscriptions.values()
        )

    def _channel_name(self, topic: Topic) -> str:
        """Return the name of a subscription's channel in this dialect."""
        return topic.channel.name

    def announce_upgrade(self, now: int) -> None:
        """Close after the notice time. A dialect that has a notice sends it now."""
        due = now + self._ns(self._rules.notice_s)
        self._context.timers.call_at(due, lambda then: self.close(1001, "Service upgrade", then))

    @property
    def queued(self) -> list[Outgoing]:
        """Frames to send; `take` returns each once."""
        return self._outbox

    def take(self) -> list[Outgoing]:
        """Return what is to be sent, in order, once."""
        out, self._outbox = self._outbox, []
        return out

    def gone(self, now: int) -> None:
        """End the connection: the peer has closed it or is gone."""
        if not self.is_over:
            self._end(f"gone at {now}")

    def overflow(self, now: int) -> None:
        """Close because the peer does not read what is sent (OKX close 4005)."""
        self.close(4005, "Buffer is full", now)

    def _ack_faults(self, op: str, channel: str, key: str, now: int, traits: tuple[str, ...] = ()) -> dict[str, Fault]:
        found = self._faults.due(
            "ack", now, self.number, path=self.path, channel=channel, key=key, action=op, traits=traits, only=_ACK_KINDS[op]
        )
        if op in ("login", "order"):
            found = [fault for fault in found if fault.channel is not None]
        for fault in found:
            self._note(fault, now, channel, key)
        return {fault.kind: fault for fault in found}

    def _acknowledge(self, out: Message, faults: dict[str, Fault], now: int) -> None:
        if "drop_ack" in faults:
            return
        if "delay_ack" in faults:
            self._context.timers.call_at(now + faults["delay_ack"].options["seconds"], lambda _: self.send(out))
            return
        self.send(out)

    def _deliver(self, topic: Topic, message: Message, faults: dict[str, Fault], now: int) -> None:
        """Send a push, swapped, doubled or delayed. Pushes of one subscription keep their order behind a delayed one."""
        lane = topic.identity
        if "swap" in faults and lane not in self._swapped:
            self._swapped[lane] = message
            return
        batch = [message] * (2 if "duplicate" in faults else 1)
        if lane in self._swapped:
            batch.append(self._swapped.pop(lane))
        delayed = self._delayed.get(lane)
        if "delay" in faults or delayed:
            due = now + (faults["delay"].options["seconds"] if "delay" in faults else 0)
            if delayed is None:
                delayed = self._delayed[lane] = deque()
            if delayed:
                due = max(due, delayed[-1][0])
            delayed.extend((due, one) for one in batch)
            self._context.timers.call_at(due, lambda then: self._send_delayed(lane, then))
            return
        for one in batch:
            self.send(one)

    def _send_delayed(self, lane: bytes, now: int) -> None:
        delayed = self._delayed.get(lane)
        while delayed and delayed[0][0] <= now:
            self.send(delayed.popleft()[1])

    def _apply_push_faults(self, channel: str, key: str, action: str, now: int, also: str = "") -> None:
        """Apply the faults of a whole connection that a push sets off."""
        for fault in self._faults.due(
            "line", now, self.number, path=self.path, channel=channel, key=key, action=action, also=also
        ):
            if fault.kind != "kick_all":
                self.apply_fault(fault, now, channel, key)
                continue
            for each in list(self._context.connections.values()):
                each.apply_fault(fault, now)

    def apply_fault(self, fault: Fault, now: int, channel: str = "", key: str = "") -> None:
        """Apply a fault to the whole connection."""
        if self.is_over or self.is_frozen:
            return
        self._note(fault, now, channel, key)
        if fault.kind == "close":
            self.close(fault.options["code"], fault.options["reason"], now)
        elif fault.kind == "freeze":
            self.is_frozen = True
            self._finish(Freeze(), "frozen")
        elif fault.kind == "notice":
            self.announce_upgrade(now)
        else:
            self._finish(Abort(), "aborted")

    def close(self, code: int, reason: str, now: int) -> None:
        """Send a close frame and end the connection."""
        if not self.is_over and not self.is_frozen:
            self._finish(Close(code, reason), f"closed {code}")

    def send(self, out: Message | Ping) -> None:
        """Put one message into the outbox."""
        if self.is_over or self.is_frozen:
            return
        self._last_active = max(self._last_active, self._context.timers.now)
        self._outbox.append(out)
        if len(self._outbox) == 1:
            self._wake()

    def _wake(self) -> None:
        if self.wake is not None:
            self.wake()

    def _finish(self, last: Outgoing, how: str) -> None:
        self._outbox.append(last)
        self._wake()
        self._end(how)

    def _end(self, how: str) -> None:
        self.is_over = True
        self.traffic.closed = how
        for topic in list(self.subscriptions.values()):
            self._stop(topic)
        self._context.connections.pop(self.number, None)

    def _stop(self, topic: Topic) -> None:
        """Stop the pushes of a subscription."""
        self._context.publisher.unsubscribe(self, topic)

    def _watch_idle(self, now: int) -> None:
        if self._rules.idle_close_s:
            self._context.timers.call_at(now + self._ns(self._rules.idle_close_s), self._check_idle)

    def _check_idle(self, now: int) -> None:
        """Close after 30 s without a push, or without a subscription (OKX V5 docs, "Connect")."""
        if self.is_over or self.is_frozen:
            return
        due = self._last_active + self._ns(self._rules.idle_close_s)
        if self._rules.idle_means == "unsubscribed" and self.subscriptions:
            due = now + self._ns(self._rules.idle_close_s)
        if now >= due:
            self.close(4004, "No data received in 30s.", now)
        else:
            self._context.timers.call_at(due, self._check_idle)

    def _control_ping(self, now: int) -> None:
        if not self.is_over and not self.is_frozen:
            self._outbox.append(Ping(b""))
            self._wake()
            self._context.timers.call_at(now + self._ns(self._rules.control_ping_s), self._control_ping)

    def _note(self, fault: Fault, now: int, channel: str = "", key: str = "", detail: str = "") -> None:
        self._context.note(fault.kind, now, self.conn_id, channel, key, detail)

    @staticmethod
    def _ns(seconds: float) -> int:
        return round(seconds * SECOND)
