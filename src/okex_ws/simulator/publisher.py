"""Publisher: subscriptions to the market's channels, and the pushes to them with sequence ids and keep-alives.

In: publications of the market, subscriptions. Out: `push` of each subscriber. Sources: OKX V5 docs, "Order book channel".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from okex_ws.simulator.channels import CHANNELS, PUSH_RANK, PublishedChannel, Topic
from okex_ws.simulator.faults import ActiveFaults
from okex_ws.simulator.ledger import FaultApplied, TruthLedger
from okex_ws.simulator.listings import Listings
from okex_ws.simulator.market.base import SECOND, Market, Publication, stamp
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.sequences import SequenceChain, SequenceIds
from okex_ws.simulator.subscriber import PublishedPush, Subscriber
from okex_ws.simulator.timers import TimerQueue

_Address = tuple[str, str]


class Publisher:
    """Publisher of one exchange. on_listings: called when instruments have changed."""

    def __init__(
        self,
        market: Market,
        listings: Listings,
        rules: Rules,
        faults: ActiveFaults,
        timers: TimerQueue,
        ledger: TruthLedger,
        random: SeededRandom,
        on_listings: Callable[[], None],
    ) -> None:
        self._market = market
        self._listings = listings
        self._rules = rules
        self._faults = faults
        self._timers = timers
        self._ledger = ledger
        self._random = random
        self._on_listings = on_listings
        self._ids = SequenceIds(random, timers.now)
        self._subscribers: dict[_Address, dict[tuple[int, bytes], tuple[Subscriber, Topic]]] = {}
        self._chains: dict[_Address, SequenceChain] = {}
        self._ledger_trades: set[_Address] = set()

    # Subscriptions

    def subscribe(self, subscriber: Subscriber, topic: Topic, now: int) -> None:
        """Begin a subscription to a channel of the market."""
        address = (topic.channel.name, topic.key)
        subscribers = self._subscribers.setdefault(address, {})
        if not subscribers and address not in self._ledger_trades:
            self._market.watch(*address)
            if address[0] == "trades":
                self._ledger_trades.add(address)
        subscribers[subscriber.number, topic.identity] = (subscriber, topic)
        if topic.channel.chain:
            chain = self._chain(topic.channel, topic.key, now)
            if len(subscribers) == 1:
                self._begin_keepalive(topic.channel, topic.key, chain, now)

    def unsubscribe(self, subscriber: Subscriber, topic: Topic) -> None:
        """End a subscription. The market goes on with `trades`, so that the ledger has the trades that nobody received."""
        address = (topic.channel.name, topic.key)
        subscribers = self._subscribers.get(address)
        if subscribers is None or subscribers.pop((subscriber.number, topic.identity), None) is None or subscribers:
            return
        del self._subscribers[address]
        self._chains.pop(address, None)
        if address not in self._ledger_trades:
            self._market.unwatch(*address)

    def first_push(self, topic: Topic, now: int) -> PublishedPush | None:
        """Return the first push of a subscription: a full book, the current ticker or candle; None for trades and the like."""
        channel = topic.channel
        if channel.chain == "linked" and not self._rules.in_band_snapshot:
            return None
        snapshot = self._market.snapshot(channel.name, topic.key)
        if snapshot is None:
            return None
        if not channel.chain:
            return PublishedPush(channel, topic.key, snapshot.rows, None, now)
        chain = self._chain(channel, topic.key, now)
        rows = [self._with_ids(channel, row, chain.last, -1) for row in snapshot.rows]
        if channel.chain == "seq":
            chain.rows = rows
        return PublishedPush(channel, topic.key, rows, "snapshot" if channel.chain == "linked" else None, now)

    def full_push(self, topic: Topic, push: PublishedPush) -> PublishedPush:
        """Return a push of a linked book as a snapshot with the same id, any other push unchanged."""
        snapshot = self._market.snapshot(topic.channel.name, topic.key)
        if snapshot is None or topic.channel.chain != "linked" or not push.rows:
            return push
        row = self._with_ids(topic.channel, snapshot.rows[0], push.rows[-1]["seqId"], -1)
        row["ts"] = push.rows[-1]["ts"]
        return PublishedPush(push.channel, push.key, [row], "snapshot", push.ts)

    # Ids

    def seq_shift(self, number: int) -> int:
        """Return the distance of a connection's ids from the exchange's, 0 when ids are the same on every connection."""
        if self._rules.seq_scope == "instrument":
            return 0
        return 1 + self._random.fork(f"shift {number}").below(1_000_000_000)

    def book_seq(self, instrument: str, now: int) -> int:
        """Return the id of the last published state of `books`, which REST sends with the book."""
        return self._chain(CHANNELS["books"], instrument, now).last

    def stale_seq(self, instrument: str, now: int) -> int:
        """Return an id older than any update of the present `books` chain."""
        chain = self._chain(CHANNELS["books"], instrument, now)
        return max(1, chain.first - 1 - self._random.fork(f"stale {now}").below(50))

    def _chain(self, channel: PublishedChannel, key: str, now: int) -> SequenceChain:
        chain = self._chains.get((channel.name, key))
        if chain is None:
            chain = self._ids.chain(key, now)
            if (channel.name, key) in self._subscribers:
                self._chains[channel.name, key] = chain
        return chain

    def _with_ids(
        self, channel: PublishedChannel, row: dict[str, Any], seq: int, previous: int, *, has_checksum: bool = True
    ) -> dict[str, Any]:
        """Return a row with the ids of its channel, in OKX's field order; the checksum is 0 unless the rules say live."""
        out = dict(row)
        checksum = out.pop("checksum", 0)
        if channel.checksum:
            out["checksum"] = checksum if has_checksum and self._rules.checksum == "live" else 0
        out["seqId"] = seq
        if channel.chain == "linked":
            out["prevSeqId"] = previous
        return out

    # Pushes

    def publish(self, publications: Sequence[Publication]) -> None:
        """Push publications of the market."""
        for publication in _in_push_order(publications):
            channel = CHANNELS.get(publication.channel)
            if channel is None:
                continue
            rows, key = publication.rows, publication.key
            if channel.chain and rows and isinstance(rows[0], dict):
                rows = self._numbered(channel, publication)
                if channel.name == "trades":
                    self._ledger.note_trades(key, publication.rows, publication.ts)
            elif channel.name == "instruments":
                rows = [self._listings.published(row) for row in rows]
                self._on_listings()
            self._send(PublishedPush(channel, key, rows, publication.action, publication.ts))

    def publish_instrument(self, inst_type: str, row: dict[str, Any], now: int) -> None:
        """Push one changed row of `instruments`."""
        self._on_listings()
        self._send(PublishedPush(CHANNELS["instruments"], inst_type, [row], None, now))

    def _send(self, push: PublishedPush) -> None:
        subscribers = self._subscribers.get((push.channel.name, push.key))
        if subscribers:
            for subscriber, topic in list(subscribers.values()):
                subscriber.push(topic, push, push.ts)

    def _numbered(self, channel: PublishedChannel, publication: Publication) -> list[Any]:
        key, ts = publication.key, publication.ts
        is_linked, is_snapshot = channel.chain == "linked", publication.action == "snapshot"
        chain = self._chain(channel, key, ts)
        if is_linked and not is_snapshot and self._faults.has("mint"):
            for fault in self._faults.due("mint", ts, 0, channel=channel.name, key=key):
                self._ids.reset(key, ts)
                self._ledger.note_fault(FaultApplied(ts, fault.kind, "", channel.name, key, f"after {chain.last}"))
        rows = []
        for row in publication.rows:
            previous = -1 if is_snapshot or not is_linked else chain.last
            seq = self._ids.next(chain, key, ts, is_linked=is_linked)
            if is_linked:
                self._ledger.note_step(channel.name, key, previous, seq)
            rows.append(self._with_ids(channel, row, seq, previous))
        chain.published = ts
        if not is_linked and channel.name != "trades":
            chain.rows = rows
        return rows

    def _begin_keepalive(self, channel: PublishedChannel, key: str, chain: SequenceChain, now: int) -> None:
        chain.published = now
        if self._rules.book_keepalive_s and channel.name != "trades":
            due = now + round(self._rules.book_keepalive_s * SECOND)
            self._timers.call_at(due, lambda then: self._keep_alive(channel, key, chain, then))

    def _keep_alive(self, channel: PublishedChannel, key: str, chain: SequenceChain, now: int) -> None:
        """Push a quiet book again after about 60 s: an empty update with equal ids, or the last full rows."""
        if self._chains.get((channel.name, key)) is not chain:
            return
        wait = round(self._rules.book_keepalive_s * SECOND)
        if now - chain.published >= wait:
            chain.published = now
            if channel.chain == "linked":
                empty: dict[str, Any] = {"asks": [], "bids": [], "ts": stamp(now)}
                rows = [self._with_ids(channel, empty, chain.last, chain.last, has_checksum=False)]
                self._ledger.note_step(channel.name, key, chain.last, chain.last)
                self._send(PublishedPush(channel, key, rows, "update", now))
            elif chain.rows:
                self._send(PublishedPush(channel, key, chain.rows, None, now))
        self._timers.call_at(chain.published + wait, lambda then: self._keep_alive(channel, key, chain, then))


def _in_push_order(publications: Sequence[Publication]) -> Sequence[Publication]:
    """Sort book channels of one instrument at one instant into OKX's fixed order; other channels keep their place."""
    if all(publications[i].ts != publications[i + 1].ts for i in range(len(publications) - 1)):
        return publications
    places: dict[tuple[int, str], int] = {}
    for place, publication in enumerate(publications):
        places.setdefault((publication.ts, publication.key), place)
    return sorted(publications, key=lambda p: (p.ts, places[p.ts, p.key], PUSH_RANK.get(p.channel, 0)))
