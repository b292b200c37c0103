"""Real captures through the whole house: served by the simulator, kept as books by the client, and broken on purpose.

The captures are not part of the project; without ../shared/corpora these tests are skipped.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.looped import looped, rest_of
from tests.support.paths import CORPORA
from tests.support.virtual import START, World
from tests.support.waiting import attended

from okex_ws import Client, Site
from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, ConsumerFailed, Event, Gap, Malformed, Resumed
from okex_ws.market import Books
from okex_ws.protocol.chains.books import BookChain
from okex_ws.protocol.chains.registry import Chains
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.base import INCREMENTAL
from okex_ws.simulator.market.captures import CaptureMarket
from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.rules import Rules
from okex_ws.wire.channels import subscription
from okex_ws.wire.frames import PushDecoder

OLD, NEW = "cryptofeed-2021-07-okex-v5", "cryptofeed-2022-05-okx-v5"
CAPTURES = [(OLD, "0"), (OLD, "1"), (OLD, "2"), (NEW, "0")]
UPDATES = {(OLD, "0"): 1_504, (OLD, "1"): 1_446, (OLD, "2"): 1_422, (NEW, "0"): 290}
EVERY_50TH = "drop channel=books* action=update every=50 for=31s"
SPEED = 30.0

Address = tuple[str, str]


@functools.cache
def lines_of(name: str) -> tuple[str, ...]:
    path = CORPORA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"needs ../shared/corpora/{name}.jsonl, which is not here")
    return tuple(path.read_text().splitlines())


def market_of(name: str, conn: str, start: int = START) -> CaptureMarket:
    return CaptureMarket(lines_of(name), start=start, conn=conn)


def books_in(market: CaptureMarket) -> dict[Address, int]:
    """Incremental books in a capture, and how many pushes each has, its first image included."""
    return {address: count for address, count in market.streams().items() if address[0] in INCREMENTAL}


def rules_for(name: str, **more: Any) -> Rules:
    """As OKX was when the capture was made: live checksums, tick-by-tick books open to all."""
    return Rules(checksum="live", tick_by_tick_login=False, idle_close_s=0.0, max_pending=0, **more)


class Witness:
    """Compares what is served with what the exchange's ledger says and with what really arrived.

    A LIVE book must stand at the newest state that arrived, and every step of the exchange's chain from its image to there must
    have arrived. `broken` counts how often a step was missing below one that arrived.
    """

    def __init__(self, exchange: Exchange, books: Books) -> None:
        self.exchange = exchange
        self.books = books
        self.checks = 0
        self.broken = 0
        self._arrived: dict[Address, set[tuple[int, int]]] = {}
        self._newest: dict[Address, int] = {}
        self._whole_to: dict[Address, int] = {}
        self._place: dict[Address, int] = {}
        self._is_broken: dict[Address, bool] = {}

    def arrived(self, data: bytes) -> None:
        """A frame is about to be read."""
        message = json.loads(data) if data != b"pong" else {}
        if "data" not in message or message["arg"]["channel"] not in INCREMENTAL:
            return
        address = (message["arg"]["channel"], message["arg"]["instId"])
        for row in message["data"]:
            if message["action"] == "snapshot":
                self._is_broken[address] = False
                self._whole_to[address] = row["seqId"]
            elif row["prevSeqId"] != self._newest.get(address) and not self._is_broken[address]:
                self._is_broken[address] = True
                self.broken += 1
            self._arrived.setdefault(address, set()).add((row["prevSeqId"], row["seqId"]))
            self._newest[address] = row["seqId"]

    def check(self) -> None:
        """Somebody reads every book."""
        self.checks += 1
        for book in self.books:
            address = (book.channel, book.instrument)
            if not book.is_live:
                assert book.best_bid is book.best_ask is book.mid is None
                assert book.depth() == ([], [])
                continue
            assert not self._is_broken[address], f"{address} is served although its chain is broken"
            assert book.sequence == self._newest[address]
            self._walk(address, book.sequence)

    def _walk(self, address: Address, to: int) -> None:
        steps = self.exchange.ledger.books.get(address, [])
        at, place = self._whole_to[address], self._place.get(address, 0)
        while at != to:
            while steps[place][0] != at:
                place += 1
            is_keepalive = steps[place][1] == at  # nothing is lost with it
            assert is_keepalive or steps[place] in self._arrived[address], f"{address} is served without {steps[place]}"
            at = steps[place][1]
            place += 1
        self._whole_to[address], self._place[address] = at, place


def is_recovered(market: CaptureMarket, books: Books) -> bool:
    """Whether the capture is over and every book is LIVE and as the capture left it."""
    if market.deadline() is not None:
        return False
    for channel, key in books_in(market):
        book, truth = books.get(key, channel), market.book(key, 400)
        assert truth is not None
        if not book.is_live:
            return False
        for ours, theirs in ((book.bids(), truth["bids"]), (book.asks(), truth["asks"])):
            if [(level.price, level.size) for level in ours] != [(float(row[0]), float(row[1])) for row in theirs]:
                return False
    return True


# -- (a) every update, over a socket ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "conn"), CAPTURES)
@looped
async def test_every_real_checksum_verifies_over_a_socket(name: str, conn: str) -> None:
    expected = books_in(market_of(name, conn))
    assert sum(expected.values()) == UPDATES[name, conn]

    def exchange(now: int) -> Exchange:
        return Exchange(market_of(name, conn, now), seed=1, now=now, rules=rules_for(name))

    async with attended(exchange, speed=SPEED) as server:
        client = Client(site=Site.at(server.ws_url, rest_url=server.rest_url))
        stream = client.stream()
        for channel, key in expected:
            client.subscribe(channel, key)
        seen: list[Event] = []
        books = 0
        async with client:
            async for event in stream:
                seen.append(event)
                books += isinstance(event, BookEvent)
                if books == UPDATES[name, conn]:
                    break
        counts = {address: client.book(address[1], address[0]).checksums_verified for address in expected}
    assert counts == expected, "every one of them verified"
    assert not [event for event in seen if isinstance(event, Gap | Malformed)]
    assert all(server.exchange.ledger.books[address] for address in expected)


def test_the_figures_are_those_of_the_issue() -> None:
    assert sum(count for (name, _), count in UPDATES.items() if name == OLD) == 4_372
    assert UPDATES[NEW, "0"] == 290


# -- (b) every 50th update lost ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "conn"), CAPTURES)
@looped
async def test_with_every_50th_update_lost_no_broken_book_is_served_and_all_recover_over_a_socket(name: str, conn: str) -> None:
    markets: list[CaptureMarket] = []

    def exchange(now: int) -> Exchange:
        markets.append(market_of(name, conn, now))
        rules = rules_for(name, book_keepalive_s=15.0)
        return Exchange(markets[0], seed=1, now=now, rules=rules, faults=[Fault.parse(EVERY_50TH)])

    async with attended(exchange, speed=SPEED) as server:
        witness: Witness

        def tap(now: int, line: str, number: int, direction: str, data: bytes) -> None:
            witness.check()  # everything before this frame has been worked off
            if direction == "in":
                witness.arrived(data)

        client = Client(site=Site.at(server.ws_url, rest_url=server.rest_url), tap=tap)
        witness = Witness(server.exchange, client.books)
        client.on(Event, lambda _: witness.check())
        stream = client.stream()
        for channel, key in books_in(markets[0]):
            client.subscribe(channel, key)
        seen: list[Event] = []
        async with client:
            async for event in stream:
                seen.append(event)
                if is_recovered(markets[0], client.books):
                    break
        seen += await rest_of(stream)
        witness_of_the_end(witness, seen)


def witness_of_the_end(witness: Witness, seen: list[Event]) -> None:
    drops = [fault for fault in witness.exchange.ledger.faults if fault.kind == "drop"]
    told = [event for event in seen if isinstance(event, Gap)]
    assert not [event for event in seen if isinstance(event, ConsumerFailed)], "no check failed in a callback"
    assert len(drops) >= 5
    assert 0 < witness.broken <= len(drops), "what is lost while a book is being renewed breaks nothing"
    assert len(told) == witness.broken, "each break is told once, and nothing else is"
    assert {gap.cause for gap in told} == {"sequence"}
    assert sum(isinstance(event, Resumed) for event in seen) == len(told)
    assert witness.checks > sum(isinstance(event, BookEvent) for event in seen)


@pytest.mark.parametrize("checksum", ["live", "zero"])
@pytest.mark.parametrize(("name", "conn"), CAPTURES)
def test_with_every_50th_update_lost_no_broken_book_is_served_and_all_recover_in_virtual_time(
    name: str, conn: str, checksum: Any
) -> None:
    market = market_of(name, conn)
    rules = rules_for(name)
    rules.checksum = checksum
    world = World([Fault.parse(EVERY_50TH)], market=market, rules=rules)
    witness = Witness(world.exchange, world.client.books)
    publish = world.client.publish
    read: dict[Any, int] = {}

    def published(events: list[Event]) -> None:
        for key, wire in world.client.wires.items():
            for data in wire.frames[read.get(key, 0) :]:
                witness.arrived(data)
            read[key] = len(wire.frames)
        publish(events)
        witness.check()

    world.client.publish = published  # type: ignore[method-assign]  # the door every frame goes through
    for channel, key in books_in(market):
        world.subscribe(channel, key)
    world.run(30 + 200)
    witness_of_the_end(witness, world.client.events)
    assert is_recovered(market, world.client.books)
    for channel, key in books_in(market):
        verified = world.client.books.get(key, channel).checksums_verified
        assert verified > 0 if checksum == "live" else verified == 0


# -- (c) every single update lost, doubled, swapped -------------------------------------------------------------------------


def chained_rows(name: str) -> Iterator[tuple[Address, list[BookEvent]]]:
    """Each book of a capture's first connection as events, with sequences of the simulated exchange and live checksums."""
    world = World(market=market_of(name, "0"), rules=rules_for(name))
    addresses = books_in(world.market)
    for channel, key in addresses:
        world.subscribe(channel, key)
    world.run(31)
    frames = [data for wire in world.client.wires.values() for data in wire.frames]
    for address, count in addresses.items():
        decoder = PushDecoder(subscription(*address))
        rows = []
        for data in frames:
            message = json.loads(data) if data != b"pong" else {}
            if "data" in message and (message["arg"]["channel"], message["arg"]["instId"]) == address:
                rows += decoder.decode(data, message["action"] == "update")
        assert len(rows) == count
        yield address, rows


def as_row(event: BookEvent) -> dict[str, Any]:
    return {"bids": [list(row) for row in event.raw_bids], "asks": [list(row) for row in event.raw_asks], "ts": "1"}


class Trial:
    """A book in the hands of the library, begun from the true state before the mutation."""

    def __init__(self, address: Address, truth: LevelBook, before: BookEvent, has_sequence: bool, has_checksum: bool) -> None:
        self.chain = Chains("public/0").of(subscription(*address))
        assert isinstance(self.chain, BookChain)
        self.books = Books()
        self.book = self.books.get(address[1], address[0])
        self.has_sequence, self.has_checksum = has_sequence, has_checksum
        self.feed(
            BookSnapshot(
                channel=address[0],
                instrument=address[1],
                ts_ms=before.ts_ms,
                sequence=before.sequence,
                previous_sequence=-1,
                raw_bids=[tuple(row) for row in truth.best("bids", 400)],
                raw_asks=[tuple(row) for row in truth.best("asks", 400)],
            )
        )
        assert self.book.is_live

    def feed(self, row: BookEvent) -> bool:
        """One message. True when the book is served after it."""
        shown = type(row)(
            channel=row.channel,
            instrument=row.instrument,
            ts_ms=row.ts_ms,
            raw_bids=row.raw_bids,
            raw_asks=row.raw_asks,
            sequence=row.sequence if self.has_sequence else None,
            previous_sequence=row.previous_sequence if self.has_sequence else None,
            checksum=row.checksum if self.has_checksum else 0,
        )
        for event in self.chain.feed([shown], 0, START):
            self.books.apply(event)
        return self.book.is_live


@pytest.mark.parametrize("name", [OLD, NEW])
def test_any_single_update_lost_doubled_or_swapped_is_noticed_within_one_message(name: str) -> None:
    """By sequence: always. By checksum alone: whenever any of the 25 best levels a side is not what it should be."""
    lost = noticed = unnoticed_by_checksum = 0
    for address, rows in chained_rows(name):
        truth = LevelBook(400)
        truth.apply(as_row(rows[0]), is_full=True)
        for place in range(1, len(rows) - 1):
            before, row, following = rows[place - 1 : place + 2]
            assert isinstance(row, BookUpdate)
            for has_sequence, has_checksum in ((True, False), (False, True)):
                begin = functools.partial(Trial, address, truth, before, has_sequence, has_checksum)
                doubled = begin()
                assert doubled.feed(row)
                assert doubled.feed(row), "a repetition is no loss"
                assert doubled.book.checksum() == row.checksum
                dropped = begin()
                is_served = dropped.feed(following)
                lost += 1
                noticed += not is_served
                swapped = begin()
                assert swapped.feed(following) is is_served
                if has_sequence:
                    assert not is_served, f"{address} is served without {row.sequence}"
                    assert not swapped.feed(row)
                    assert not swapped.feed(rows[min(place + 2, len(rows) - 1)])
                elif is_served:
                    unnoticed_by_checksum += 1
                    assert dropped.book.checksum() == following.checksum, "what the checksum covers is right"
            truth.apply(as_row(row), is_full=False)
            assert truth.checksum() == row.checksum
    updates = sum(max(0, count - 2) for count in books_in(market_of(name, "0")).values())
    assert lost == 2 * updates
    assert noticed + unnoticed_by_checksum == lost
    assert noticed >= updates
    print(f"{name}: {updates} updates, each lost in turn: {updates} noticed by sequence, {noticed - updates} by checksum alone")
