"""Faults of books, trades and time, rows D1 to D14 and D18 to D21: client and exchange joined in memory, on virtual time."""

from __future__ import annotations

import gc
import itertools
import json
import tracemalloc
from typing import Any

import pytest
from tests.support.fed_core import FedCore
from tests.support.fixed_market import FixedMarket
from tests.support.looped import looped, until
from tests.support.virtual import MS, START, World
from tests.support.waiting import attended

from okex_ws import Client, Site
from okex_ws.events import (
    BookSnapshot,
    BookUpdate,
    Candle,
    Event,
    Gap,
    Instrument,
    Resumed,
    Stale,
    Ticker,
    Trade,
)
from okex_ws.market import BookState
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.session import Timing
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.base import Publication
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules

BTC = "BTC-USDT"


def world(*faults: str, channel: str = "books", **options: Any) -> World:
    """A client that wants one channel of BTC-USDT from an exchange with these faults."""
    made = World([Fault.parse(text) for text in faults], **options)
    made.subscribe(channel, BTC)
    return made


def live_market() -> SeededMarket:
    return SeededMarket(7, start=START, instruments=[BTC], rate=0.5, levels=50, live_checksum=True)


def strokes(made: World, kind: str) -> list[Any]:
    return [fault for fault in made.exchange.ledger.faults if fault.kind == kind]


def requests(made: World) -> int:
    """Subscribe and unsubscribe frames the exchange was sent so far; pings too, but there are none while data flows."""
    return sum(traffic.requests for traffic in made.exchange.ledger.traffic.values())


def levels(book: Any) -> Any:
    return [[(level.price, level.size) for level in side] for side in book.depth()]


def is_true(made: World, channel: str = "books") -> bool:
    """Whether the client's book is the exchange's, level by level; waits out what is still on its way."""
    for _ in range(50):
        truth = made.market.book(BTC, 400)
        book = made.client.books.get(BTC, channel)
        if book.ts_event == int(truth["ts"]) * 1_000_000 or not book.is_live:
            return bool(levels(book) == [[(float(r[0]), float(r[1])) for r in truth[s]] for s in ("bids", "asks")])
        made.run(0.007)
    return False


def watched(made: World) -> list[tuple[Event, bool]]:
    """Every event with whether the book was served right after it, to be filled while the world runs."""
    seen: list[tuple[Event, bool]] = []
    made.client.on_event = lambda event: seen.append((event, made.client.books.get(BTC, "books").best_bid is not None))
    return seen


# -- D1 to D3: the chain ----------------------------------------------------------------------------------------------------


def test_D1_a_lost_update_is_noticed_at_the_next_message_and_the_book_is_not_served_until_it_is_renewed() -> None:
    made = world("drop channel=books action=update nth=20")
    seen = watched(made)
    made.run(60)
    (lost,) = strokes(made, "drop")
    steps = made.exchange.ledger.books["books", BTC]
    before, after = (int(number) for number in lost.detail.removeprefix("seq ").split("->"))
    (gap,) = made.client.gaps
    assert (gap.cause, gap.channel, gap.instrument) == ("sequence", "books", BTC)
    assert gap.last_sequence == before, "the last good one"
    (resumed,) = made.client.all(Resumed)
    assert resumed.last_sequence == before
    assert resumed.next_sequence >= next(seq for prev, seq in steps if prev == after)
    place = next(i for i, (event, _) in enumerate(seen) if event is gap)
    assert [served for _, served in seen[place : place + 3]] == [False, True, True], (
        "gap; then resumed and image, which come in one message"
    )
    assert isinstance(seen[place - 1][0], BookUpdate)
    assert seen[place - 1][1]
    assert requests(made) == 3, "subscribe; unsubscribe and subscribe"
    assert is_true(made)


def test_D2_a_repeated_update_is_left_out_and_a_swap_is_a_gap() -> None:
    made = world("duplicate channel=books every=7")
    made.run(60)
    assert len(strokes(made, "duplicate")) > 10
    sequences = [event.sequence for event in made.client.all(BookUpdate)]
    assert sequences == sorted(set(sequences))
    assert made.client.gaps == []
    assert requests(made) == 1
    assert is_true(made)

    made = world("swap channel=books action=update nth=20")
    made.run(60)
    assert [gap.cause for gap in made.client.gaps] == ["sequence"]
    assert requests(made) == 3
    assert is_true(made)


def test_D2_what_is_replayed_after_a_reconnect_is_left_out() -> None:
    made = world("abort channel=books at=20")
    made.subscribe("trades", BTC)
    made.run(30)
    assert [gap.cause for gap in made.client.all(Gap, channel="books")] == ["disconnected"]
    first, second = made.client.wires["public/0", 1], made.client.wires["public/0", 2]
    before = len(made.client.events)
    asked = requests(made)
    old = [data for data in first.frames if b'"data"' in data and b'"snapshot"' not in data]
    assert len(old) > 50
    for data in old:
        second._arrive(data)
    assert made.client.events[before:] == []
    made.run(30)
    gaps = made.client.all(Gap, channel="books")
    assert len(gaps) == 1
    assert requests(made) == asked
    assert is_true(made)
    ids = [trade.trade_id for trade in made.client.all(Trade)]
    assert ids == sorted(set(ids))


def test_D3_a_legal_reset_is_applied_and_labelled() -> None:
    made = world("seq_reset at=10 instrument=BTC-USDT times=1")
    made.run(60)
    assert len(strokes(made, "seq_reset")) == 1
    updates = made.client.all(BookUpdate)
    (reset,) = [event for event in updates if event.is_reset]
    assert reset.sequence < reset.previous_sequence
    following = updates[updates.index(reset) + 1]
    assert following.previous_sequence == reset.sequence
    assert made.client.gaps == []
    assert requests(made) == 1
    assert is_true(made)


# -- D4 to D6: silence, beginnings, images ----------------------------------------------------------------------------------


def test_D4_a_quiet_book_is_alive_as_long_as_it_says_so() -> None:
    made = world(market=FixedMarket(lasts=5))
    made.run(10)
    quiet = levels(made.client.books.get(BTC, "books"))
    told = made.run(600)
    alive = [event for event in told if isinstance(event, BookUpdate)]
    assert len(alive) == 10
    assert all(event.is_keepalive for event in alive)
    assert not [event for event in told if isinstance(event, Gap | Stale)]
    book = made.client.books.get(BTC, "books")
    assert book.is_live
    assert levels(book) == quiet
    assert book.ts_recv > START + 600 * SECOND, "its freshness is renewed"

    rules = Rules(book_keepalive_s=0, idle_close_s=0)
    dead = world(market=FixedMarket(lasts=5), rules=rules, timing=Timing(ping_after_s=1000, stalled_after_s=1000))
    dead.run(5 + 65)
    assert dead.client.books.get(BTC, "books").is_live
    told = dead.run(10)
    assert [type(event) for event in told if isinstance(event, Gap | Stale)] == [Stale, Gap]
    assert dead.client.books.get(BTC, "books").is_live, "asked for anew, it is there again"
    assert requests(dead) == 3


@pytest.mark.parametrize("rules", [{}, {"in_band_snapshot": False}])
def test_D5_updates_before_any_image_wait_for_one_from_rest(rules: Any) -> None:
    made = world("no_snapshot channel=books times=1", rules=Rules(**rules))
    seen = watched(made)
    made.run(1.5)
    assert seen == [] or not any(served for _, served in seen)
    assert made.client.books.get(BTC, "books").state is BookState.EMPTY
    made.run(30)
    (image,) = made.client.all(BookSnapshot)
    assert image.previous_sequence is None, "from REST"
    first = made.client.all(BookUpdate)[0]
    assert first.previous_sequence <= image.sequence < first.sequence
    assert made.client.gaps == []
    assert requests(made) == 1
    assert is_true(made)


def test_D5_a_book_that_rest_cannot_give_is_asked_for_anew() -> None:
    made = world("no_snapshot channel=books-rpi times=1", channel="books-rpi", seed=3)
    made.run(30)
    assert len(strokes(made, "no_snapshot")) == 1
    assert requests(made) == 3
    book = made.client.books.get(BTC, "books-rpi")
    assert book.is_live
    assert made.client.gaps == []


def test_D5_a_book_that_says_nothing_at_all_after_its_ack_is_fetched() -> None:
    """No image, no update: nothing but the acknowledgement tells that the subscription runs."""
    made = world("no_snapshot channel=books times=1", market=FixedMarket(lasts=0))
    made.run(9)
    assert made.client.books.get(BTC, "books").state is BookState.EMPTY
    made.run(10)
    assert made.client.books.get(BTC, "books").is_live


@pytest.mark.parametrize("fault", ["resnapshot channel=books nth=20", "resnapshot channel=books every=5"])
def test_D6_an_image_in_mid_stream_replaces_the_book(fault: str) -> None:
    made = world(fault)
    seen = watched(made)
    made.run(60)
    again = strokes(made, "resnapshot")
    assert again
    assert len(made.client.all(BookSnapshot)) == 1 + len(again)
    assert [gap.cause for gap in made.client.gaps] == ["resnapshot"] * len(again), "what changed in between was not seen"
    first = next(i for i, (event, _) in enumerate(seen) if isinstance(event, BookSnapshot))
    assert all(served for event, served in seen[first:] if not isinstance(event, Gap))
    assert requests(made) == 1
    assert is_true(made)


# -- D7 to D11: what a book may look like -----------------------------------------------------------------------------------


def test_D7_deletes_of_unknown_levels_and_levels_of_size_zero_are_ignored() -> None:
    made = world("unknown_delete channel=books every=2", "zero_size_in_snapshot channel=books")
    made.run(60)
    assert len(strokes(made, "unknown_delete")) > 20
    assert len(strokes(made, "zero_size_in_snapshot")) == 1
    (image,) = made.client.all(BookSnapshot)
    assert any(row[1] == "0" for row in image.raw_bids)
    assert made.client.gaps == []
    assert is_true(made)


@pytest.mark.parametrize(
    ("fault", "sides"),
    [("one_sided side=asks", (True, False)), ("one_sided side=bids", (False, True)), ("empty_book", (False, False))],
)
def test_D8_one_sided_and_empty_books_are_valid(fault: str, sides: tuple[bool, bool]) -> None:
    made = world(f"{fault} channel=books action=update nth=20")
    shapes: list[tuple[bool, bool, bool]] = []
    book = made.client.books.get(BTC, "books")
    made.client.on_event = lambda _: shapes.append((book.is_live, bool(book.best_bid), bool(book.best_ask)))
    made.run(60)
    assert len(strokes(made, fault.split()[0])) == 1
    assert (True, *sides) in shapes
    assert not [gap for gap in made.client.gaps if gap.cause != "resnapshot"], "the simulator mends it by an image"
    assert is_true(made)


def test_D9_an_update_that_crosses_the_book_has_it_renewed() -> None:
    made = world("crossed channel=books action=update nth=20")
    seen = watched(made)
    made.run(60)
    (gap,) = made.client.gaps
    assert gap.cause == "crossed"
    crossing = next(
        i for i, (event, _) in enumerate(seen) if isinstance(event, BookUpdate) and event.sequence == gap.last_sequence
    )
    assert not seen[crossing][1], "not served even once"
    assert seen[crossing + 1] == (gap, False), "reported right behind it"
    assert all(served for _, served in seen[crossing + 2 :])
    resumed, _ = seen[crossing + 2]
    assert isinstance(resumed, Resumed), "nothing was delivered in between"
    assert requests(made) == 3
    assert is_true(made)


def test_D9_a_venue_that_keeps_crossing_its_books_does_not_make_a_storm() -> None:
    made = world("crossed channel=books action=update every=3")
    made.run(600)
    assert len(strokes(made, "crossed")) > 500
    gaps = [gap for gap in made.client.gaps if gap.cause == "crossed"]
    assert 5 < len(gaps) < 30, "ever slower"
    assert requests(made) <= 1 + 2 * len(gaps)


class Auction(FixedMarket):
    """A market before its opening: its books are crossed by every other update, and its images are too."""

    def _sizes(self, ts: int) -> Any:
        asks, bids = super()._sizes(ts)
        return asks, [["105", str(1 + (ts // self._step) % 2), "0", "1"], *bids]

    def advance(self, now: int) -> list[Publication]:
        out = super().advance(now)
        for publication in out:
            if publication.action == "update":
                crossing = (publication.ts // self._step) % 2
                for row in publication.rows:
                    row["bids"] = [["105", "1" if crossing else "0", "0", "1"]]
                    row.pop("checksum")
        return out


def test_D9_in_a_call_auction_crossed_books_are_left_alone() -> None:
    made = world(market=Auction(lasts=300))
    made.run(299)
    book = made.client.books.get(BTC, "books")
    assert len(made.client.all(BookUpdate)) > 1000
    assert made.client.gaps == []
    assert book.is_live
    assert requests(made) == 1


def test_D10_checksums_of_zero_are_none_and_live_ones_are_verified() -> None:
    zero = world()
    zero.run(60)
    updates = zero.client.all(BookUpdate)
    assert {event.checksum for event in updates} == {0}
    assert zero.client.gaps == []
    assert zero.client.books.get(BTC, "books").checksums_verified == 0
    live = world(rules=Rules(checksum="live"), market=live_market())
    live.run(60)
    images, updates = live.client.all(BookSnapshot), live.client.all(BookUpdate)
    assert live.client.books.get(BTC, "books").checksums_verified == len(images) + len(updates) > 50
    assert live.client.gaps == []
    assert is_true(live)


@pytest.mark.parametrize("checksum", ["zero", "live"])
def test_D10_a_checksum_wrong_once_has_the_book_renewed_once(checksum: Any) -> None:
    made = world("checksum_wrong channel=books action=update nth=20", rules=Rules(checksum=checksum), market=live_market())
    seen = watched(made)
    made.run(60)
    (gap,) = made.client.gaps
    assert gap.cause == "checksum"
    (wrong,) = [event for event, served in seen if isinstance(event, BookUpdate) and not served]
    assert wrong.sequence == gap.last_sequence, "not served even once"
    assert requests(made) == 3
    assert is_true(made)


def test_D10_a_checksum_wrong_on_every_image_is_asked_about_ever_more_slowly() -> None:
    made = world("checksum_wrong channel=books action=snapshot")
    seen = watched(made)
    made.run(600)
    assert not any(served for _, served in seen), "a book that never verifies is never served"
    gaps = made.client.gaps
    assert {gap.cause for gap in gaps} == {"checksum"}
    pauses = [(b.ts_recv - a.ts_recv) / SECOND for a, b in itertools.pairwise(gaps)]
    assert all(a < b + 1 for a, b in itertools.pairwise(pauses))
    assert 40 < pauses[-1] < 80
    assert requests(made) == 1 + 2 * (len(gaps) - 1) or requests(made) == 1 + 2 * len(gaps)
    assert len(gaps) < 20
    assert made.client.all(BookSnapshot)[0].previous_sequence == -1
    assert all(image.previous_sequence == -1 for image in made.client.all(BookSnapshot)), "REST is not asked beside it"


def test_D11_numbers_keep_the_text_they_came_with() -> None:
    """The vectors are in tests/market/test_book.py, the real checksums in tests/captures. Here: the text survives the way."""
    fed = FedCore(("books", BTC))
    fed.opened()
    arg = {"channel": "books", "instId": BTC}
    rows = [["1E-7", "0.10", "0", "1"], ["0.00000009", "1.000", "0", "1"]]
    push = {"arg": arg, "action": "snapshot", "data": [{"asks": [], "bids": rows, "ts": "1", "seqId": 1, "prevSeqId": -1}]}
    (image,) = fed.text(json.dumps(push, separators=(",", ":")).encode(), START + 1)
    assert isinstance(image, BookSnapshot)
    assert image.raw_bids == [tuple(row) for row in rows]


# -- D12 to D14: load -------------------------------------------------------------------------------------------------------


def test_D12_while_a_book_is_renewed_its_updates_ask_for_nothing() -> None:
    market = SeededMarket(7, start=START, instruments=[BTC, "ETH-USDT"], rate=3, levels=20)
    made = World([Fault.parse("drop channel=books action=update nth=40")], market=market, latency_ms=450)
    for instrument in (BTC, "ETH-USDT"):
        made.subscribe("books", instrument)
    asked: list[int] = []
    made.client.on_event = lambda event: asked.append(requests(made)) if isinstance(event, Resumed) else None
    made.run(30)
    assert len(strokes(made, "drop")) == 1
    (gap,), (resumed,) = made.client.gaps, made.client.all(Resumed)
    assert resumed.ts_recv - gap.ts_recv >= 900 * MS, "there and back"
    steps = made.exchange.ledger.books["books", gap.instrument]
    meanwhile = [prev for prev, _ in steps if gap.last_sequence < prev < resumed.next_sequence]
    assert len(meanwhile) >= 5, "the book was busy meanwhile"
    assert asked == [3], "one subscribe for both; one unsubscribe and one subscribe"
    assert requests(made) == 3


def test_D12_many_books_broken_at_once_are_renewed_together() -> None:
    names = [f"{coin}-USDT" for coin in ("BTC", "ETH", "SOL", "XRP", "DOGE")]
    market = SeededMarket(7, start=START, instruments=names, rate=0.5, levels=10)
    made = World([Fault.parse("drop channel=books action=update at=10 for=1s")], market=market)
    made.client.subscribe("books", *names)
    before = requests(made)
    made.run(25)
    assert {gap.instrument for gap in made.client.gaps} == set(names)
    assert requests(made) - before <= 2 + 2 * len(names)
    assert all(book.is_live for book in made.client.books)


def test_D13_a_rest_image_older_than_the_stream_is_fetched_again() -> None:
    made = world("stale_rest_book times=3", rules=Rules(in_band_snapshot=False))
    made.run(30)
    assert len(strokes(made, "stale_rest_book")) == 3
    (image,) = made.client.all(BookSnapshot)
    assert made.client.all(BookUpdate)[0].previous_sequence <= image.sequence
    assert requests(made) == 1
    assert made.client.gaps == []
    assert is_true(made)


def test_D13_after_so_many_tries_the_subscription_is_renewed_and_neither_is_done_without_bound() -> None:
    made = world("stale_rest_book for=595s", rules=Rules(in_band_snapshot=False))
    made.run(590)
    stale = strokes(made, "stale_rest_book")
    assert made.client.books.get(BTC, "books").state is BookState.EMPTY, "an old image is never served"
    assert 20 <= len(stale) <= 100
    assert 5 <= (requests(made) - 1) // 2 <= 25
    first_minute = [fault for fault in stale if fault.ts < START + 60 * SECOND]
    assert len(first_minute) <= 30
    made.run(120)
    assert is_true(made)


def test_D13_a_rest_image_is_used_where_the_renewal_brings_none() -> None:
    made = world("drop channel=books action=update nth=40", rules=Rules(in_band_snapshot=False))
    made.run(60)
    assert [gap.cause for gap in made.client.gaps] == ["sequence"]
    assert len(made.client.all(BookSnapshot)) == 2
    assert is_true(made)


def _level(price: int, size: str) -> tuple[str, str, str, str]:
    return (f"{price / 10:.1f}", size, "0", "3")


def test_D14_500_books_of_400_levels_are_bounded_whatever_comes_beyond_their_window() -> None:
    """Every text is a fresh one, as off the wire. What ten changes leave behind must not grow a book."""

    def image(instrument: int) -> BookSnapshot:
        return BookSnapshot(
            instrument=f"I-{instrument}",
            channel="books",
            ts_ms=1,
            raw_bids=[_level(50_000 - n, "1.5") for n in range(400)],
            raw_asks=[_level(50_001 + n, "1.5") for n in range(400)],
        )

    def change(instrument: int, turn: int) -> BookUpdate:
        far = [_level(45_000 - 60 * turn - n, "2.5") for n in range(50)]  # beyond the window
        near = [_level(50_000 + turn, "0.5"), _level(50_000 - 7 * turn, "0")]
        above = [_level(50_001 + 20 * n, "0") for n in range(turn)]
        return BookUpdate(instrument=f"I-{instrument}", channel="books", ts_ms=2, raw_bids=near + far, raw_asks=above)

    books = FedCore().core.books
    gc.collect()
    tracemalloc.start()
    try:
        for instrument in range(500):
            books.apply(image(instrument))
        gc.collect()
        full, _ = tracemalloc.get_traced_memory()
        for turn in range(1, 11):
            for instrument in range(0, 500, 10):
                books.apply(change(instrument, turn))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert full < 500 * 800 * 600, "less than 600 bytes a level"
    assert after < full * 1.03
    assert len(books) == 500
    assert max(len(side) for book in books for side in book.depth()) <= 400


# -- D18 to D21: order and time ---------------------------------------------------------------------------------------------


def test_D18_trades_of_one_instant_and_one_sequence_keep_their_order() -> None:
    fed = FedCore(("trades", BTC))
    fed.opened()
    out: list[Event] = []

    def push(*ids: int) -> None:
        same = {
            "instId": BTC,
            "px": "1",
            "sz": "1",
            "side": "buy",
            "ts": "1790000000000",
            "count": "1",
            "source": "0",
            "seqId": 5,
        }
        message = {"arg": {"channel": "trades", "instId": BTC}, "data": [{**same, "tradeId": str(n)} for n in ids]}
        out.extend(fed.text(json.dumps(message, separators=(",", ":")).encode(), START + 1))

    push(1)
    push(2, 4, 3)
    push(5)
    push(6, 7)
    assert [event.trade_id for event in out if isinstance(event, Trade)] == [1, 2, 4, 3, 5, 6, 7]
    assert {(event.ts_event, event.sequence) for event in out if isinstance(event, Trade)} == {(START, 5)}


def test_D19_time_stamps_that_jump_back_lag_or_lie_ahead_change_no_order() -> None:
    plain = World(seed=5)
    faults = ("ts_back every=4", "late at=20 for=10s", "late at=40 for=10s seconds=-3")
    odd = World([Fault.parse(text) for text in faults], seed=5)
    for made in (plain, odd):
        for channel in ("trades", "books", "tickers", "bbo-tbt"):
            made.subscribe(channel, BTC)
        made.run(60)

    def told(made: World) -> list[tuple[Any, ...]]:
        ids = ("ts_recv", "channel", "trade_id", "sequence")
        return [(type(event), *(getattr(event, name, None) for name in ids)) for event in made.client.events]

    assert told(odd) == told(plain), "what came, when and in which order does not hang on the exchange's clock"
    assert odd.client.gaps == []
    delays = [event.ts_recv - event.ts_event for event in odd.client.all(Ticker)]
    assert min(delays) < 0 < 10 * SECOND <= max(delays), "both were seen"
    last = odd.client.all(Ticker)[-1]
    assert odd.client.latest.ticker(BTC) == last
    assert odd.client.latest.trade(BTC) == odd.client.all(Trade)[-1]
    assert levels(odd.client.books.get(BTC, "books")) == levels(plain.client.books.get(BTC, "books"))


def test_D20_of_a_candle_the_last_push_counts_and_a_correction_after_its_close_wins() -> None:
    made = world("candle_correction channel=candle1m times=1", channel="candle1m")
    latest: list[Any] = []
    made.client.on_event = lambda event: latest.append(made.client.latest.candle(BTC)) if isinstance(event, Candle) else None
    made.run(200)
    candles = made.client.all(Candle)
    first = [candle for candle in candles if candle.open_ms == next(c for c in candles if c.closed).open_ms]
    assert [candle.closed for candle in first] == [False] * (len(first) - 2) + [True, True]
    assert len(first) > 3
    closed, corrected = first[-2:]
    assert closed.close != corrected.close
    assert latest[candles.index(closed)] is closed
    assert latest[candles.index(corrected)] is corrected
    opens = [candle.open_ms for candle in candles]
    assert opens == sorted(opens)
    assert made.client.latest.candle(BTC) is candles[-1]


@looped
async def test_D21_an_instrument_that_changes_is_patched_while_the_session_runs() -> None:
    changes = ("tickSz=0.5 lotSz=0.01 at=1", "state=suspend at=2", "state=expired expTime=1790000100000 at=3")

    def exchange(now: int) -> Exchange:
        market = SeededMarket(7, start=now, instruments=[BTC, "ETH-USDT"], rate=1, levels=20)
        faults = [Fault.parse(f"instrument_change instrument={BTC} {change}") for change in changes]
        return Exchange(market, seed=7, now=now, faults=faults, rules=Rules(idle_close_s=0))

    async with attended(exchange, speed=4.0) as server, Client(site=Site.at(server.ws_url, rest_url=server.rest_url)) as client:
        stream = client.stream(Instrument)
        known = await client.load_instruments("SPOT")
        before, other = known[BTC], known["ETH-USDT"]
        assert (before.state, before.tick_size) != ("suspend", 0.5)
        await until(stream, Instrument, state="suspend")
        assert (float(known[BTC].tick_size), float(known[BTC].lot_size), known[BTC].state) == (0.5, 0.01, "suspend")
        await until(stream, Instrument, state="expired")
        assert known[BTC].state == "expired"
        assert known[BTC].quote_currency == before.quote_currency
        assert known["ETH-USDT"] == other
