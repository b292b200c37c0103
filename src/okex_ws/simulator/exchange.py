"""Exchange: a small OKX without sockets. It owns sequence ids, subscriptions, keep-alives, limits and faults.

In: `open` (an upgrade request), a ExchangeConnection's messages, `rest` (an HTTP request), and `now` (ns UTC) with each; out:
conversations to drain with `take()`, REST replies, the `ledger`. Nothing happens between calls: the shell calls
`on_deadline(now)` at or after `deadline()`. Sources: OKX V5 docs, "WebSocket", "Order book channel", "Connect".
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.faults import ActiveFaults, Fault, Faults
from okex_ws.simulator.ledger import FaultApplied, TruthLedger
from okex_ws.simulator.market.base import Market, Publication
from okex_ws.simulator.paths import NO_DOOR, door
from okex_ws.simulator.rules import DEMO_KEY, DEMO_TRADING_KEY, ApiKey, Rules
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.connection import PublishedPush
from okex_ws.simulator.v5.grammar import Topic, V5Channel
from okex_ws.simulator.v5.rest.http import RestReply
from okex_ws.simulator.v5.rest.public import PublicRest
from okex_ws.simulator.v5.trading import V5Trading

_MS = 1_000_000
_SECOND = 1_000 * _MS
_TICK = 10 * _MS
_JUMP = 8
_DEMO_CODES = 1_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """The HTTP answer to an upgrade that is not a 101."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class _Chain:
    """Where one channel of one instrument stands: its last id, the id it began at, and its last rows and time."""

    last: int
    first: int
    epoch: int
    published: int
    rows: list[Any]


class Exchange:
    """One simulated OKX. Everything random comes from `seed`: same seed and same calls, same bytes.

    keys: the API keys it knows (default: DEMO_KEY of production and DEMO_TRADING_KEY of demo trading). `market.start`
    should not lie after `now`. `floor` is the truth about every account: orders, executions, balances, positions.
    """

    def __init__(
        self,
        market: Market,
        *,
        seed: int = 0,
        now: int,
        rules: Rules | None = None,
        faults: Faults | Iterable[Fault] | None = None,
        keys: Iterable[ApiKey] = (DEMO_KEY, DEMO_TRADING_KEY),
    ) -> None:
        self.market = market
        self.seed = seed
        self.start = now
        self.now = now
        self.rules = rules if rules is not None else Rules()
        self.running = ActiveFaults(faults or (), seed, now)
        self.keys: dict[str, ApiKey] = {key.key: key for key in keys}
        self.ledger = TruthLedger(self.rules.ledger_limit)
        self._dice = SeededRandom(seed).fork("exchange")
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self._timer_count = 0
        self._conversations: dict[int, ExchangeConnection] = {}
        self._opened = 0
        self._connects: dict[str, deque[int]] = {}
        self._watchers: dict[tuple[str, str], dict[tuple[int, bytes], tuple[ExchangeConnection, Topic]]] = {}
        self._held_trades: set[str] = set()
        self._chains: dict[tuple[str, str], _Chain] = {}
        self._offsets: dict[str, int] = {}
        self._bases: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._changes: dict[str, dict[str, str]] = {}
        self._order_dice = self._dice.fork("push before ack")
        self._desk: V5Trading | None = None
        self._rest = PublicRest(self)
        for due, fault in self.running.timed():
            self._schedule_fault(due, fault)

    @property
    def is_live(self) -> bool:
        """True if books carry live checksums."""
        return self.rules.checksum == "live"

    @property
    def desk(self) -> V5Trading:
        """The trading half, made when somebody first logs in."""
        if self._desk is None:
            self._desk = V5Trading(self)
        return self._desk

    @property
    def floor(self) -> Engine:
        """What every account really has."""
        return self.desk.floor

    @property
    def conversations(self) -> list[ExchangeConnection]:
        """The open lines, oldest first."""
        return list(self._conversations.values())

    def hold(self, now: int) -> int:
        """How long (ns) a shell should hold a fresh TCP connection before it answers (fault slow_open)."""
        held = 0
        for fault in self.running.due("hold", now, 0):
            self.note(fault.kind, now)
            held += fault.options["seconds"]
        return held

    def open(
        self, path: str, now: int, *, peer: str = "127.0.0.1", headers: Mapping[str, str] | None = None
    ) -> ExchangeConnection | Refusal:
        """An upgrade request: a line, or the HTTP answer that refuses it (404 path, 429 more than 3 a second)."""
        self.on_deadline(now)
        entrance = door(path)
        name = entrance.name if entrance is not None else path.partition("?")[0]
        for fault in self.running.due("open", now, 0, path=name):
            self.note(fault.kind, now, detail=str(fault.options["status"]))
            given = {"Retry-After": fault.options["retry_after"], "Location": fault.options["location"]}
            return Refusal(fault.options["status"], {n: v for n, v in given.items() if v})
        if entrance is None:
            return Refusal(404, {}, NO_DOOR)
        if self.rules.connects_per_s and entrance.is_counted:
            recent = self._connects.setdefault(peer, deque())
            while recent and recent[0] <= now - _SECOND:
                recent.popleft()
            if len(recent) >= self.rules.connects_per_s:
                return Refusal(429, {"Retry-After": "1"}, b"Too many connections: 3 per second and IP\n")
            recent.append(now)
        self._opened += 1
        conn_id = f"{self._dice.fork(f'connection {self._opened}').bits() >> 32:08x}"
        conversation = entrance.open(self, self._opened, conn_id, name, now, peer)
        self._conversations[conversation.number] = conversation
        self.ledger.traffic[conn_id] = conversation.traffic
        return conversation

    def rest_hold(self, method: str, target: str, body: bytes, now: int) -> int:
        """How long (ns) a shell should hold an HTTP request before it hands it to `rest` (fault slow_order)."""
        return self._rest.hold(method, target, body, now)

    def rest(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: int, *, peer: str = "127.0.0.1"
    ) -> RestReply:
        """One HTTP request; target is the path with its query."""
        self.on_deadline(now)
        return self._rest.answer(method, target, headers, body, now, peer)

    def deadline(self) -> int | None:
        """The next instant (ns) at which something happens by itself."""
        due = self._market_deadline()
        if self._timers and (due is None or self._timers[0][0] < due):
            return self._timers[0][0]
        return due

    def _market_deadline(self) -> int | None:
        """The market's next instant, or the floor's own if that is sooner."""
        due = self.market.deadline()
        settling = self._desk.floor.deadline() if self._desk is not None else None
        return settling if due is None or (settling is not None and settling < due) else due

    def on_deadline(self, now: int) -> None:
        """Live through everything up to and including `now`, each thing at its own instant and in order."""
        market, timers = self.market, self._timers
        while True:
            due = self._market_deadline()
            if timers and (due is None or timers[0][0] <= due):
                if timers[0][0] > now:
                    break
                instant, _, act = heapq.heappop(timers)
                self.now = max(self.now, instant)
                act(self.now)
            elif due is not None and due <= now:
                self.now = max(self.now, due)
                publications = market.advance(due)
                if len(publications) > 1:
                    publications = _in_push_order(publications)
                for publication in publications:
                    self._publish(publication)
                if self._desk is not None:
                    self._desk.advance(self.now)
            else:
                break
        self.now = max(self.now, now)

    def call_at(self, due: int, act: Callable[[int], None]) -> None:
        """Have `act(now)` called at this instant; two at one instant keep their order."""
        self._timer_count += 1
        heapq.heappush(self._timers, (due, self._timer_count, act))

    def kick_all(self, now: int, fault: Fault | None = None) -> None:
        """Reset every line at once."""
        chosen = fault if fault is not None else Fault("kick_all")
        for conversation in self.conversations:
            conversation.suffer(chosen, now)

    def forget(self, conversation: ExchangeConnection) -> None:
        """A conversation is over."""
        self._conversations.pop(conversation.number, None)

    def note(self, kind: str, now: int, conn_id: str = "", channel: str = "", key: str = "", detail: str = "") -> None:
        """Enter one stroke of a fault in the ledger."""
        self.ledger.note_fault(FaultApplied(now, kind, conn_id, channel, key, detail))

    def clock(self, now: int) -> int:
        """What the exchange takes the time to be (fault clock_skew)."""
        if not self.running.has("clock"):
            return now
        skews: list[int] = [fault.options["seconds"] for fault in self.running.due("clock", now, 0)]
        return now + sum(skews)

    def seq_shift(self, number: int) -> int:
        """How far a connection's ids lie from the exchange's (0 when they are the same everywhere)."""
        if self.rules.seq_scope == "instrument":
            return 0
        return 1 + self._dice.fork(f"shift {number}").below(1_000_000_000)

    def is_push_first(self, number: int) -> bool:
        """Whether this subscription's first push goes out before its ack (seen at OKX, documented nowhere)."""
        habit = self.rules.push_before_ack
        return habit == "always" or (habit == "sometimes" and self._order_dice.chance(0.5))

    def connections_with(self, channel: str, account: ApiKey | None) -> int:
        """How many open lines of this account hold this channel."""
        uid = account.uid if account is not None else None
        return sum(
            1
            for line in self._conversations.values()
            if (line.account.uid if line.account else None) == uid
            and any(topic.channel.name == channel for topic in line.subscriptions.values())
        )

    def knows(self, topic: Topic) -> bool:
        """Whether there is what a subscription asks for; of an account's own channels, whether the instrument is listed."""
        if topic.channel.is_market_data:
            return self.market.knows(topic.channel.name, topic.key)
        instrument = msgspec.json.decode(topic.arg).get("instId")
        return instrument is None or self.desk.listings.row(instrument) is not None

    def watch(self, conversation: ExchangeConnection, topic: Topic, now: int) -> None:
        """A subscription to the market's data begins; of an account's own channels `first_pushes` takes care."""
        if not topic.channel.is_market_data:
            return
        address = (topic.channel.name, topic.key)
        watchers = self._watchers.setdefault(address, {})
        if not watchers and address[1] not in self._held_trades_of(address[0]):
            self.market.watch(*address)
            if address[0] == "trades":
                self._held_trades.add(address[1])
        watchers[conversation.number, topic.identity] = (conversation, topic)
        chain = self._chain(topic.channel, topic.key, now)
        if chain is not None and len(watchers) == 1:
            self._begin_keepalive(topic.channel, topic.key, chain, now)

    def unwatch(self, conversation: ExchangeConnection, topic: Topic) -> None:
        """A subscription ends. `trades` stays watched, so that the ledger also knows what nobody received."""
        if not topic.channel.is_market_data:
            self.desk.private.leave(conversation, topic)
            return
        address = (topic.channel.name, topic.key)
        watchers = self._watchers.get(address)
        if watchers is None or watchers.pop((conversation.number, topic.identity), None) is None or watchers:
            return
        del self._watchers[address]
        self._chains.pop(address, None)
        if address[1] not in self._held_trades_of(address[0]):
            self.market.unwatch(*address)

    def first_pushes(self, conversation: ExchangeConnection, topic: Topic, now: int) -> list[PublishedPush]:
        """What a new subscriber gets at once; of an account's channels, in pages."""
        if not topic.channel.is_market_data:
            return self.desk.private.join(conversation, topic, now)
        first = self.first_push(topic, now)
        return [] if first is None else [first]

    def first_push(self, topic: Topic, now: int) -> PublishedPush | None:
        """What a new subscriber gets at once: a full book, the current ticker or candle; None for trades and such."""
        channel = topic.channel
        if channel.chain == "linked" and not self.rules.in_band_snapshot:
            return None
        snapshot = self.market.snapshot(channel.name, topic.key)
        if snapshot is None:
            return None
        chain = self._chain(channel, topic.key, now)
        if chain is None:
            return PublishedPush(channel, topic.key, snapshot.rows, None, now)
        rows = [v5.with_ids(channel, row, chain.last, -1, live=self.is_live) for row in snapshot.rows]
        if channel.chain == "seq":
            chain.rows = rows
        return PublishedPush(channel, topic.key, rows, "snapshot" if channel.chain == "linked" else None, now)

    def book_seq(self, instrument: str, now: int) -> int:
        """The id of the last published state of `books`: what REST gives with the book."""
        return self._chain_at(v5.CHANNELS["books"], instrument, now).last

    def stale_seq(self, instrument: str, now: int) -> int:
        """An id older than any update of the present `books` chain."""
        chain = self._chain_at(v5.CHANNELS["books"], instrument, now)
        return max(1, chain.first - 1 - self._dice.fork(f"stale {now}").below(50))

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """The market's rows, with the changes that faults have made."""
        return [self._published(row) for row in self.market.instruments(inst_type)]

    def _published(self, row: dict[str, Any]) -> dict[str, Any]:
        """A market's instrument row as this exchange tells it: demo trading has codes of its own."""
        changes = self._changes.get(row["instId"], {})
        if self.rules.demo and isinstance(row.get("instIdCode"), int):
            row = {**row, "instIdCode": row["instIdCode"] + _DEMO_CODES}
        return {**row, **changes} if changes else row

    def _held_trades_of(self, channel: str) -> set[str]:
        return self._held_trades if channel == "trades" else set()

    def _publish(self, publication: Publication) -> None:
        name, key = publication.channel, publication.key
        channel = v5.CHANNELS.get(name)
        if channel is None:
            return
        rows, action = publication.rows, publication.action
        if channel.chain and rows and isinstance(rows[0], dict):
            rows = self._with_ids(channel, publication)
            if name == "trades":
                self.ledger.note_trades(key, publication.rows, publication.ts)
        elif name == "instruments":
            rows = [self._published(row) for row in rows]
            if self._desk is not None:
                self._desk.relist()
        self._spread(PublishedPush(channel, key, rows, action, publication.ts), publication.ts)

    def _spread(self, push: PublishedPush, now: int) -> None:
        watchers = self._watchers.get((push.channel.name, push.key))
        if watchers:
            for conversation, topic in list(watchers.values()):
                conversation.push(topic, push, now)

    def _with_ids(self, channel: V5Channel, publication: Publication) -> list[Any]:
        key, ts = publication.key, publication.ts
        chain = self._chain_at(channel, key, ts)
        if channel.chain == "linked" and publication.action != "snapshot" and self.running.has("mint"):
            for fault in self.running.due("mint", ts, 0, channel=channel.name, key=key):
                self._reset(key, ts)
                self.note(fault.kind, ts, "", channel.name, key, f"after {chain.last}")
        rows = []
        for row in publication.rows:
            seq = self._mint(key, ts)
            is_restarted = chain.epoch != self._epochs.get(key, 0)
            if channel.chain == "linked":
                if not is_restarted and seq <= chain.last:
                    seq = chain.last + 1 + seq % 3
                previous = -1 if publication.action == "snapshot" else chain.last
                self.ledger.note_step(channel.name, key, previous, seq)
            else:
                previous = -1
                if not is_restarted:
                    seq = max(seq, chain.last)
            rows.append(v5.with_ids(channel, row, seq, previous, live=self.is_live))
            if is_restarted:
                chain.first = seq
            chain.last, chain.epoch = seq, self._epochs.get(key, 0)
        chain.published = ts
        if channel.chain == "seq" and channel.name != "trades":
            chain.rows = rows
        return rows

    def _chain(self, channel: V5Channel, key: str, now: int) -> _Chain | None:
        return self._chain_at(channel, key, now) if channel.chain else None

    def _chain_at(self, channel: V5Channel, key: str, now: int) -> _Chain:
        chain = self._chains.get((channel.name, key))
        if chain is None:
            seq = self._mint(key, now)
            chain = _Chain(seq, seq, self._epochs.get(key, 0), now, [])
            if (channel.name, key) in self._watchers:
                self._chains[channel.name, key] = chain
        return chain

    def _mint(self, key: str, ts: int) -> int:
        """An instrument's id at an instant: random steps of 1 to 15 every 10 ms, whoever watches whatever."""
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = 1_000_000_000 + self._dice.fork(f"seq {key}").below(300_000_000_000)
        tick = (ts - self.start) // _TICK
        return base + tick * _JUMP + SeededRandom(base + tick).below(_JUMP) - self._offsets.get(key, 0)

    def _reset(self, key: str, ts: int) -> None:
        """After maintenance the ids of an instrument go on from a small number (OKX V5 docs, sequence reset)."""
        present = self._mint(key, ts)
        self._offsets[key] = self._offsets.get(key, 0) + present - 3 - self._dice.fork(f"reset {ts}").below(1000)
        self._epochs[key] = self._epochs.get(key, 0) + 1

    def _begin_keepalive(self, channel: V5Channel, key: str, chain: _Chain, now: int) -> None:
        chain.published = now
        if self.rules.book_keepalive_s and channel.name != "trades":
            due = now + round(self.rules.book_keepalive_s * _SECOND)
            self.call_at(due, lambda then: self._keep_alive(channel, key, chain, then))

    def _keep_alive(self, channel: V5Channel, key: str, chain: _Chain, now: int) -> None:
        """A quiet book re-sends after about 60 s: empty with equal ids, or the last full rows."""
        if self._chains.get((channel.name, key)) is not chain:
            return
        wait = round(self.rules.book_keepalive_s * _SECOND)
        if now - chain.published >= wait:
            chain.published = now
            if channel.chain == "linked":
                empty: dict[str, Any] = {"asks": [], "bids": [], "ts": str(now // _MS)}
                rows = [v5.with_ids(channel, empty, chain.last, chain.last, live=False)]
                self.ledger.note_step(channel.name, key, chain.last, chain.last)
                self._spread(PublishedPush(channel, key, rows, "update", now), now)
            elif chain.rows:
                self._spread(PublishedPush(channel, key, chain.rows, None, now), now)
        self.call_at(chain.published + wait, lambda then: self._keep_alive(channel, key, chain, then))

    def _schedule_fault(self, due: int, fault: Fault) -> None:
        def strike(now: int) -> None:
            over = fault.lasts is not None and now >= self.start + (fault.at or 0) + fault.lasts
            if over or not self.running.use(fault):
                return
            if fault.kind == "key_deleted":
                self._delete_keys(fault, now)
            elif fault.stage == "market":
                self._change_instrument(fault, now)
            else:
                for conversation in self._victims(fault):
                    conversation.suffer(fault, now)
            if fault.repeat:
                self.call_at(now + fault.repeat, strike)

        self.call_at(due, strike)

    def _victims(self, fault: Fault) -> list[ExchangeConnection]:
        lines = [c for c in self._conversations.values() if fault.path in (None, c.path)]
        if fault.channel is not None or fault.instrument is not None:
            lines = [c for c in lines if c.holds(fault.channel, fault.instrument)]
        if lines and fault.options.get("whom") == "one":
            return [self.running.random(fault, 0).choice(lines)]
        return lines

    def _delete_keys(self, fault: Fault, now: int) -> None:
        """Keys that are gone close their lines with 4007 and log in no more."""
        for name in [name for name in self.keys if fault.options["api_key"] in ("*", name)]:
            key = self.keys.pop(name)
            self.note(fault.kind, now, detail=name)
            for conversation in self.conversations:
                if conversation.account == key:
                    conversation.close(4007, "API key has been updated or deleted", now)

    def _change_instrument(self, fault: Fault, now: int) -> None:
        changes = {name: value for name, value in fault.options.items() if value is not None}
        for inst_type in v5.INST_TYPES:
            for row in self.market.instruments(inst_type):
                if row["instId"] != fault.instrument:
                    continue
                self._changes.setdefault(row["instId"], {}).update(changes)
                self.note(fault.kind, now, "", "instruments", row["instId"], str(changes))
                changed = self._published(row)
                if self._desk is not None:
                    self._desk.relist()
                self._spread(PublishedPush(v5.CHANNELS["instruments"], inst_type, [changed], None, now), now)


def _in_push_order(publications: list[Publication]) -> list[Publication]:
    """Book channels of one instrument at one instant in OKX's fixed order; everything else keeps its place before."""
    if all(publications[i].ts != publications[i + 1].ts for i in range(len(publications) - 1)):
        return publications
    places: dict[tuple[int, str], int] = {}
    for place, publication in enumerate(publications):
        places.setdefault((publication.ts, publication.key), place)
    return sorted(publications, key=lambda p: (p.ts, places[p.ts, p.key], v5.PUSH_RANK.get(p.channel, 0)))
