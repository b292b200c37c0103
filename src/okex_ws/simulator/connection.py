"""ExchangeConnection: one open WebSocket as the exchange sees it, whatever is spoken over it: its outbox, its end, its faults.

In: whole messages (`receive`), pushes from the exchange (`push`). Out: `take()` gives what the shell must put on the wire,
in order. Time is ns UTC, passed in. What is said and understood is a subclass's: V5 in conversation.py, V1 and V3 in
conversation_v1.py and conversation_v3.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from okex_ws.simulator.faults import Fault
from okex_ws.simulator.ledger import Traffic
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.v5.grammar import Topic

if TYPE_CHECKING:
    from okex_ws.simulator.engine.engine import Happening
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.v5.connection import PublishedPush

_ACK_KINDS = {
    "subscribe": ("drop_ack", "delay_ack", "error_ack", "conn_count_error", "no_snapshot"),
    "unsubscribe": ("drop_ack", "delay_ack", "linger"),
    "login": ("drop_ack", "delay_ack", "error_ack"),
    "order": ("drop_ack", "delay_ack"),
}
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Text:
    """A text message. `payload` is shared between all that are sent the same push; it is not always UTF-8."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary message: how V1 and V3 sent what they had deflated."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """A control ping (opcode 9)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame; nothing follows it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Reset TCP now, without a close frame."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stop reading and writing, and leave TCP as it is."""


Message = Text | Binary
Outgoing = Text | Binary | Ping | Close | Abort | Freeze


class ExchangeConnection:
    """One open line. `wake`, set by the shell, is called when `take()` has something after having had nothing.

    path: what faults call it. subscriptions: what the market publishes to it, by identity.
    """

    def __init__(self, exchange: Exchange, number: int, conn_id: str, path: str, now: int, peer: str) -> None:
        self.number = number
        self.conn_id = conn_id
        self.path = path
        self.peer = peer
        self.account: ApiKey | None = None
        self.subscriptions: dict[bytes, Topic] = {}
        self.wake: Callable[[], None] | None = None
        self.is_over = False
        self.is_frozen = False
        self.traffic = Traffic()
        self._exchange = exchange
        self._rules = exchange.rules
        self._faults = exchange.running
        self._outbox: list[Outgoing] = []
        self._last_heard = now
        self._held: dict[bytes, deque[tuple[int, Message]]] = {}
        self._swapped: dict[bytes, Message] = {}
        self._is_plagued = self._faults.has("push") or self._faults.has("line")
        if self._rules.control_ping_s:
            exchange.call_at(now + self._ns(self._rules.control_ping_s), self._control_ping)

    def receive(self, data: bytes, now: int) -> None:
        """One whole message from the client."""
        if self.is_over or self.is_frozen:
            return
        self._exchange.on_deadline(now)
        if self.is_over or self.is_frozen:
            return
        self._last_heard = now
        self.traffic.requests += 1
        self._hear(data, now)

    def _hear(self, data: bytes, now: int) -> None:
        """Understand and answer one message."""
        raise NotImplementedError

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Tell one subscription what the exchange publishes."""
        raise NotImplementedError

    def holds(self, channel: str | None, instrument: str | None) -> bool:
        """Whether something is subscribed to by this channel and instrument, as faults name them (None: any)."""
        return any(
            channel in (None, self._called(topic)) and instrument in (None, topic.key) for topic in self.subscriptions.values()
        )

    def _called(self, topic: Topic) -> str:
        """The name of a subscription's channel in this line's dialect."""
        return topic.channel.name

    def happened(self, happenings: Iterable[Happening], now: int) -> None:
        """Tell what the floor did, where a dialect does so by the line's login and not by subscription alone."""

    def announce_upgrade(self, now: int) -> None:
        """Close after the notice time; a dialect that has a word for it says so now."""
        due = now + self._ns(self._rules.notice_s)
        self._exchange.call_at(due, lambda then: self.close(1001, "Service upgrade", then))

    def take(self) -> list[Outgoing]:
        """What is to be sent, in order; each is handed out once."""
        out, self._outbox = self._outbox, []
        return out

    def gone(self, now: int) -> None:
        """The peer closed or vanished."""
        if not self.is_over:
            self._end(f"gone at {now}")

    def overflow(self, now: int) -> None:
        """The peer does not read what it is sent (OKX close 4005)."""
        self.close(4005, "Buffer is full", now)

    def _ack_faults(self, op: str, channel: str, key: str, now: int, traits: tuple[str, ...] = ()) -> dict[str, Fault]:
        struck = self._faults.due(
            "ack", now, self.number, path=self.path, channel=channel, key=key, action=op, traits=traits, only=_ACK_KINDS[op]
        )
        if op in ("login", "order"):
            struck = [fault for fault in struck if fault.channel is not None]
        for fault in struck:
            self._note(fault, now, channel, key)
        return {fault.kind: fault for fault in struck}

    def _acknowledge(self, out: Message, struck: dict[str, Fault], now: int) -> None:
        if "drop_ack" in struck:
            return
        if "delay_ack" in struck:
            self._exchange.call_at(now + struck["delay_ack"].options["seconds"], lambda _: self.send(out))
            return
        self.send(out)

    def _deliver(self, topic: Topic, message: Message, kinds: dict[str, Fault], now: int) -> None:
        lane = topic.identity
        if "swap" in kinds and lane not in self._swapped:
            self._swapped[lane] = message
            return
        copies = 2 if "duplicate" in kinds else 1
        batch = [message] * copies
        if lane in self._swapped:
            batch.append(self._swapped.pop(lane))
        held = self._held.get(lane)
        if "delay" in kinds or held:
            due = now + (kinds["delay"].options["seconds"] if "delay" in kinds else 0)
            if held is None:
                held = self._held[lane] = deque()
            if held:
                due = max(due, held[-1][0])
            held.extend((due, one) for one in batch)
            self._exchange.call_at(due, lambda then: self._release(lane, then))
            return
        for one in batch:
            self.send(one)

    def _release(self, lane: bytes, now: int) -> None:
        held = self._held.get(lane)
        while held and held[0][0] <= now:
            self.send(held.popleft()[1])

    def _strike_line(self, channel: str, key: str, action: str, now: int, also: str = "") -> None:
        for fault in self._faults.due(
            "line", now, self.number, path=self.path, channel=channel, key=key, action=action, also=also
        ):
            if fault.kind == "kick_all":
                self._exchange.kick_all(now, fault)
            else:
                self.suffer(fault, now, channel, key)

    def suffer(self, fault: Fault, now: int, channel: str = "", key: str = "") -> None:
        """Let a fault of the whole line strike now."""
        if self.is_over or self.is_frozen:
            return
        self._note(fault, now, channel, key)
        if fault.kind == "close":
            self.close(fault.options["code"], fault.options["reason"], now)
        elif fault.kind == "freeze":
            self.is_frozen = True
            self._outbox.append(Freeze())
            self._stir()
            self._end("frozen")
        elif fault.kind == "notice":
            self.announce_upgrade(now)
        else:
            self._outbox.append(Abort())
            self._stir()
            self._end("aborted")

    def close(self, code: int, reason: str, now: int) -> None:
        """Send a close frame and forget the line."""
        if self.is_over or self.is_frozen:
            return
        self._outbox.append(Close(code, reason))
        self._stir()
        self._end(f"closed {code}")

    def send(self, out: Message | Ping) -> None:
        """Put one message on the wire."""
        if self.is_over or self.is_frozen:
            return
        self._last_heard = max(self._last_heard, self._exchange.now)
        self._outbox.append(out)
        if len(self._outbox) == 1:
            self._stir()

    def _stir(self) -> None:
        if self.wake is not None:
            self.wake()

    def _end(self, how: str) -> None:
        self.is_over = True
        self.traffic.closed = how
        for topic in list(self.subscriptions.values()):
            self._exchange.unwatch(self, topic)
        self._exchange.forget(self)

    def _check_idle(self, now: int) -> None:
        """OKX closes a line on which nothing was pushed, or nothing subscribed, for 30 s."""
        if self.is_over or self.is_frozen:
            return
        due = self._last_heard + self._ns(self._rules.idle_close_s)
        if self._rules.idle_means == "unsubscribed" and self.subscriptions:
            due = now + self._ns(self._rules.idle_close_s)
        if now >= due:
            self.close(4004, "No data received in 30s.", now)
        else:
            self._exchange.call_at(due, self._check_idle)

    def _control_ping(self, now: int) -> None:
        if not self.is_over and not self.is_frozen:
            self._outbox.append(Ping(b""))
            self._stir()
            self._exchange.call_at(now + self._ns(self._rules.control_ping_s), self._control_ping)

    def _note(self, fault: Fault, now: int, channel: str = "", key: str = "", detail: str = "") -> None:
        self._exchange.note(fault.kind, now, self.conn_id, channel, key, detail)

    @staticmethod
    def _ns(seconds: float) -> int:
        return round(seconds * _SECOND)
