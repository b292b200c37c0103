"""Faults of the payload, rows C1 and C3 to C7: what cannot be read is told with its bytes, and everything else goes on.

In memory; what needs a socket (C2, C8 to C12) is in test_C_frames.py.
"""

from __future__ import annotations

import json
import math
import random
from typing import Any

import msgspec
import pytest
from tests.support.messages import BTC, GOOD, WANTED, change, encoded, image, only, push, session, ticker
from tests.support.raw_server import trade
from tests.support.virtual import START, World

from okex_ws.events import (
    BookSnapshot,
    BookUpdate,
    Connected,
    Disconnected,
    Event,
    Gap,
    GenericPush,
    Malformed,
    Resumed,
    Subscribed,
    Ticker,
    Trade,
    Unrecognized,
)
from okex_ws.market import Books
from okex_ws.protocol.bad_frames import MALFORMED_MOST, MALFORMED_WITHIN_S
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.session import Session
from okex_ws.simulator.faults import Fault

DEEP = 200_000


# -- C1: what is no JSON ----------------------------------------------------------------------------------------------------

UNREADABLE = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "half": GOOD[: len(GOOD) // 2],
    "all but the last byte": GOOD[:-1],
    "something behind": GOOD + b"x",
    "two in one": GOOD + GOOD,
    "single quotes": GOOD.replace(b'"', b"'"),
    "words": b"<html>502 Bad Gateway</html>",
    "nul": b"\x00",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_C1_what_cannot_be_read_is_told_with_its_bytes_and_the_next_frame_is_read(name: str) -> None:
    line = session()
    bad = UNREADABLE[name]
    told = only(line.receive(bad, START + 1), Malformed)
    assert told.raw == bad
    assert told.reason
    assert (line.malformed, line.ending) == (1, None)
    assert only(line.receive(GOOD, START + 2), Trade).trade_id == 1
    told = only(line.receive(bad, START + 3), Malformed)
    assert (told.raw, line.malformed, line.ending) == (bad, 2, None), "also once the subscription is known by its first bytes"


def test_C1_cut_off_anywhere_a_frame_is_told_and_never_raises() -> None:
    line, clock = session(), START
    for whole in (encoded(image()), encoded(change(10, 11)), encoded(ticker()), GOOD):
        line.receive(whole, clock)
        for end in range(len(whole)):
            clock += MALFORMED_WITHIN_S * SECOND
            events = line.receive(whole[:end], clock)
            assert [type(event) for event in events if not isinstance(event, Gap)] == [Malformed], whole[:end]
            assert line.ending is None


def test_C1_too_many_within_a_while_end_the_connection_and_as_many_over_a_longer_one_do_not() -> None:
    patient = session()
    for n in range(10 * MALFORMED_MOST):
        patient.receive(b"x", START + n * MALFORMED_WITHIN_S * SECOND // (MALFORMED_MOST - 1))
        assert patient.ending is None
    line = session()
    for n in range(MALFORMED_MOST):
        assert line.ending is None
        line.receive(b"x", START + n)
    assert line.ending is not None
    assert line.ending.code == 1002
    assert f"{MALFORMED_MOST} unreadable frames" in line.ending.reason


def test_C1_a_stream_of_garbage_costs_one_reconnect_and_the_books_come_back() -> None:
    made = World([Fault.parse(f"garbage utf8=1 channel=books at=10 times={MALFORMED_MOST}")])
    for channel in ("books", "trades"):
        made.subscribe(channel, BTC)
    made.run(60)
    assert len(made.client.all(Malformed)) == MALFORMED_MOST
    lost = only(made.client.all(Disconnected), Disconnected)
    assert lost.code == 1002
    assert len(made.client.all(Connected)) == 2
    assert [gap.cause for gap in made.client.all(Gap, channel="books")] == ["disconnected"]
    assert made.client.books.get(BTC, "books").is_live


def test_C1_an_update_that_cannot_be_read_makes_its_book_stale_at_once() -> None:
    line, books = session(), Books()
    for event in line.receive(encoded(image()), START):
        books.apply(event)
    assert books.get(BTC, "books").is_live
    line.bytes_to_send()
    told, gap = line.receive(encoded(change(10, 12))[:-9], START + 1)
    assert isinstance(told, Malformed)
    assert (told.channel, told.key) == ("books", BTC)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.last_sequence) == ("malformed", 10)
    books.apply(gap)
    assert books.get(BTC, "books").best_bid is None
    assert line.receive(encoded(change(12, 13)), START + 2) == []
    line.on_deadline(START + 3)
    assert [json.loads(text)["op"] for text in line.bytes_to_send()] == ["unsubscribe", "subscribe"]
    assert [type(event) for event in line.receive(encoded(image(20)), START + 4)] == [Resumed, BookSnapshot]


# -- C3: numbers ------------------------------------------------------------------------------------------------------------

BIG = "9" * 5_000
NUMBERS: dict[str, Any] = {
    # as JSON writes it: what comes of it as a price, None when the frame is refused
    "NaN": None,
    "Infinity": None,
    "-Infinity": None,
    '"NaN"': None,
    '"nan"': None,
    '"Infinity"': None,
    '"-inf"': None,
    "1e-07": 1e-07,
    '"1e-07"': 1e-07,
    '"1E-7"': 1e-07,
    "1e999": None,
    '"1e999"': None,
    "-0": 0.0,
    '"-0"': 0.0,
    '"-0.0"': 0.0,
    "0.10": 0.1,
    BIG: None,
    f'"{BIG}"': None,
    f"-{BIG}": None,
    f"0.{BIG}": 1.0,
    f'"0.{BIG}"': 1.0,
    '"\\ud800"': None,
    '"1_0"': None,
    '" 1"': None,
    '"0x10"': None,
    '"\\u0661"': None,
    "true": None,
    "[]": None,
    "{}": None,
}


@pytest.mark.parametrize("written", NUMBERS, ids=lambda text: text[:12])
def test_C3_a_price_is_a_finite_number_or_its_frame_is_refused(written: str) -> None:
    line = session()
    data = encoded(trade(7)).replace(b'"px":"100.5"', b'"px":' + written.encode())
    for turn in range(2):
        events = line.receive(data.replace(b'"tradeId":"7"', b'"tradeId":"%d"' % (7 + turn)), START + turn)
        expected = NUMBERS[written]
        if expected is None:
            assert only(events, Malformed).raw.startswith(b'{"arg"')
        else:
            event = only(events, Trade)
            assert type(event.price) is float
            assert event.price == pytest.approx(expected, rel=1e-12)
            assert math.isfinite(event.price)


@pytest.mark.parametrize("written", NUMBERS, ids=lambda text: text[:12])
def test_C3_a_level_keeps_its_text_and_a_text_that_is_no_price_makes_the_book_stale(written: str) -> None:
    line, books = session(), Books()
    books.apply(only(line.receive(encoded(image()), START), BookSnapshot))
    data = encoded(change(10, 12, bids=[["@", "1", "0", "1"]])).replace(b'"@"', written.encode())
    events = line.receive(data, START + 1)
    book = books.get(BTC, "books")
    for event in events:
        trouble = books.apply(event)
        if isinstance(event, BookUpdate):
            (row,) = event.raw_bids
            assert row[0] == json.loads(written), "to the letter"
            assert trouble in (None, "levels", "crossed")
    assert all(isinstance(event, BookUpdate | Malformed | Gap) for event in events)
    assert all(math.isfinite(level.price) and math.isfinite(level.size) for level in book.bids())
    assert book.is_live or not book.bids()
    expected = NUMBERS[written]
    if expected is None and book.is_live:
        assert float(json.loads(written)) > 0, "python reads more texts as numbers than JSON does; none of them is NaN"


@pytest.mark.parametrize(
    "written", [BIG, f'"{BIG}"', '"1.5"', "1.5", "null", '""', "NaN", '"x"', "[1]"], ids=lambda text: text[:12]
)
@pytest.mark.parametrize("name", ["tradeId", "ts", "count", "seqId"])
def test_C3_an_integer_that_is_none_is_refused_or_left_out(name: str, written: str) -> None:
    line = session()
    whole = trade(7)
    whole["data"][0].update({"ts": "1790000000000", "count": "1", "seqId": 5, name: "@"})
    (event,) = line.receive(encoded(whole).replace(b'"@"', written.encode()), START)
    if isinstance(event, Trade):
        assert name in ("count", "seqId")
        assert written in ("null", '""')
        assert (event.count or 1, event.sequence) == (1, None if name == "seqId" else 5)
    else:
        assert isinstance(event, Malformed)
    assert line.ending is None


def test_C3_of_a_key_that_comes_twice_the_last_counts() -> None:
    line = session()
    row = b'{"instId":"BTC-USDT","last":"1","last":"2","ts":"1"}'
    data = b'{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[],"data":[%s]}' % row
    for turn in range(2):
        assert only(line.receive(data, START + turn), Ticker).last == 2.0
    twice = b'{"arg":{"channel":"trades","instId":"X-Y"},"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[%s]}' % row
    for turn in range(2):
        assert only(line.receive(twice, START + turn), Ticker).channel == "tickers"
    assert only(line.receive(encoded(trade(1)), START), Trade).trade_id == 1, "no wrong way was remembered"


# -- C4: depth --------------------------------------------------------------------------------------------------------------

TICKERS = b'{"arg":{"channel":"tickers","instId":"BTC-USDT"},'
ROW = b'"data":[{"instId":"BTC-USDT","last":"1","ts":"1","x":%s}]}'
NEW = b'{"arg":{"channel":"brand-new","instId":"BTC-USDT"},"data":[%s]}'
NESTED = {
    "arrays, open": b"[" * DEEP,
    "arrays": b"[" * DEEP + b"]" * DEEP,
    "objects, open": b'{"a":' * DEEP,
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "data": TICKERS + b'"data":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "an unknown field": TICKERS + ROW % (b"[" * DEEP + b"]" * DEEP),
    "an unknown field, open": TICKERS + ROW % (b"[" * DEEP),
    "an unknown channel": NEW % (b"[" * DEEP + b"]" * DEEP),
    "arg": b'{"arg":{"channel":' + b"[" * DEEP + b"]" * DEEP + b'},"data":[]}',
    "event": b'{"event":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a level": encoded(change(10, 11)).replace(b'"6"', b"[" * DEEP + b"]" * DEEP),
}


@pytest.mark.parametrize("name", NESTED)
def test_C4_nesting_without_end_is_told_and_the_process_lives(name: str) -> None:
    line = session()
    for data in (encoded(ticker()), encoded(image()), NESTED[name], NESTED[name]):
        events = line.receive(data, START)
    assert isinstance(events[0], Malformed | Unrecognized)
    assert events[0].raw == NESTED[name]
    assert line.ending is None
    assert only(line.receive(GOOD, START + 1), Trade).trade_id == 1


# -- C5: types --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [None, {}, {"row": 1}, "text", 5, True, [None], ["x"], [5], [[]], [[1, 2]], [{}], [True]], ids=str
)
@pytest.mark.parametrize("channel", [name for name, _ in WANTED])
@pytest.mark.parametrize("action", [{}, {"action": "snapshot"}, {"action": "update"}], ids=str)
def test_C5_data_of_the_wrong_type_is_told(channel: str, data: Any, action: dict[str, str]) -> None:
    line = session()
    message = encoded({**push(channel, **action), "data": data})
    for turn in range(2):
        told = only(line.receive(message, START + turn), Malformed)
        assert told.raw == message
    assert line.ending is None


@pytest.mark.parametrize(
    "level",
    [
        ["5"],
        ["5", "1"],
        ["5", "1", "0"],
        ["5", "1", "0", "1", "?"],
        [],
        None,
        "5",
        {"p": "5"},
        [5, "1", "0", "1"],
        ["5", 1, "0", "1"],
    ],
    ids=str,
)
@pytest.mark.parametrize("channel", ["books", "books5", "bbo-tbt"])
def test_C5_levels_of_another_shape_are_told(channel: str, level: Any) -> None:
    line = session()
    good = {"asks": [], "bids": [["5", "1", "0", "1"]], "ts": "1", "seqId": 10, "prevSeqId": -1}
    action = {"action": "snapshot"} if channel == "books" else {}
    only(line.receive(encoded(push(channel, good, **action)), START), BookSnapshot)
    bad = {**good, "bids": [["6", "1", "0", "1"], level], "seqId": 12, "prevSeqId": 10}
    action = {"action": "update"} if channel == "books" else {}
    events = line.receive(encoded(push(channel, bad, **action)), START)
    assert isinstance(events[0], Malformed)
    assert [event.cause for event in events[1:] if isinstance(event, Gap)] == (["malformed"] if channel == "books" else [])


@pytest.mark.parametrize(
    "what", ["null_data", "dict_data", "text_data", "short_level", "long_level", "empty_price", "number_price"]
)
def test_C5_spoilt_books_and_trades_are_told_and_come_back(what: str) -> None:
    made = World([Fault.parse(f"bad_types what={what} channel={name} nth=20") for name in ("books", "trades", "bbo-tbt")])
    for channel in ("books", "trades", "bbo-tbt"):
        made.subscribe(channel, BTC)
    states: list[bool] = []
    book = made.client.books.get(BTC, "books")
    made.client.on_event = lambda event: states.append(book.is_live) if isinstance(event, Malformed) else None
    made.run(60)
    told = made.client.all(Malformed)
    spoilt = [fault for fault in made.exchange.ledger.faults if fault.kind == "bad_types"]
    assert len(spoilt) == 3
    levels = [gap for gap in made.client.gaps if gap.cause == "levels"]
    assert len(told) + len(levels) >= {"number_price": 2, "empty_price": 2}.get(what, 2)
    assert all(event.raw for event in told)
    assert book.is_live
    assert made.client.books.get(BTC, "bbo-tbt").is_live
    assert len(made.client.all(Disconnected)) == 0
    assert all(isinstance(trade.price, float) for trade in made.client.all(Trade))


SCRAPS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 10**30, 1.5, 1e300, float("nan"), float("inf")),
    *("", "0", "1", "-1", "1e400", "NaN", "x", "update", "snapshot", "\ud800", "\x00", "é"),
)


def _anything(luck: random.Random, depth: int = 2) -> Any:
    kind = luck.randrange(4) if depth else 0
    if kind == 1:
        return [_anything(luck, depth - 1) for _ in range(luck.randrange(4))]
    if kind == 2:
        names = ("instId", "px", "ts", "asks", "channel", "x")
        return {luck.choice(names): _anything(luck, depth - 1) for _ in range(luck.randrange(3))}
    return luck.choice(SCRAPS)


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, item in inside for found in _places(item, (*path, key)))]


def _replaced(node: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = _replaced(node[path[0]], path[1:], by)
    return copy


def _numbers(event: Event) -> list[float]:
    return [value for value in msgspec.structs.asdict(event).values() if isinstance(value, float)]


CANDLE = ["1790000040000", "1", "2", "0", "1", "5", "5", "5", "0"]
FIRST = tuple(encoded(message) for message in (image(), trade(1), ticker(), push("candle1m", CANDLE)))
BASES: tuple[Any, ...] = (
    *(image(), change(10, 12), ticker(), trade(3), push("candle1m", CANDLE), push("brand-new", {"x": "1"})),
    {"event": "subscribe", "arg": {"channel": "books", "instId": BTC}, "connId": "a", "id": "c0r1"},
    {"event": "error", "code": "60012", "msg": "x", "connId": "a", "id": "c0r1"},
    {"event": "channel-conn-count", "channel": "orders", "connCount": "3", "connId": "a"},
)


def _begun() -> tuple[Session, Books]:
    line, books = session(), Books()
    for data in FIRST:
        for event in line.receive(data, START):
            books.apply(event)
    return line, books


def _read(line: Session, books: Books, data: bytes) -> None:
    """Read a frame twice and look at everything that came of it."""
    for turn in range(2):
        for event in line.receive(data, START + turn):
            assert books.apply(event) in (None, "levels", "crossed", "checksum")
            assert all(math.isfinite(number) for number in _numbers(event)), (data, event)
            assert isinstance(event.ts_event, int)
            repr(event)
    for book in books:
        numbers = [number for level in (*book.bids(), *book.asks()) for number in level if number is not None]
        assert all(map(math.isfinite, numbers)), data
    line.on_deadline(START + 2)


@pytest.mark.parametrize("seed", range(8))
def test_C5_whatever_is_put_in_whatever_place_nothing_raises_and_no_number_is_none(seed: int) -> None:
    """Any node of any push replaced by anything; also C3 and C6 at large."""
    luck = random.Random(seed)
    for _ in range(400):
        spoilt = luck.choice(BASES)
        for _ in range(luck.randrange(1, 3)):
            spoilt = _replaced(spoilt, luck.choice(_places(spoilt)), _anything(luck))
        _read(*_begun(), encoded(spoilt))


@pytest.mark.parametrize("seed", range(8))
def test_C1_whatever_bytes_are_changed_nothing_raises(seed: int) -> None:
    luck = random.Random(seed)
    bases = [encoded(base) for base in BASES]
    for _ in range(400):
        data = bytearray(luck.choice(bases))
        for _ in range(luck.randrange(1, 5)):
            place = luck.randrange(len(data))
            match luck.randrange(3):
                case 0:
                    data[place] = luck.randrange(256)
                case 1:
                    data[place] ^= 1 << luck.randrange(8)
                case _:
                    data[place:place] = luck.choice((b'"', b"[", b"]", b"{", b"}", b",", b"\\", b"9", b"\xff"))
        _read(*_begun(), bytes(data))


# -- C6: the unknown --------------------------------------------------------------------------------------------------------


def test_C6_unknown_fields_channels_and_values_pass() -> None:
    faults = [Fault.parse(text) for text in ("extra_field name=surprise", "unknown_channel every=10")]
    made = World(faults)
    plain = World()
    for world in (made, plain):
        for channel in ("books", "trades", "tickers", "bbo-tbt", "candle1m"):
            world.subscribe(channel, BTC)
        world.run(30)
    news = made.client.all(GenericPush)
    assert len(news) > 20
    assert {event.channel for event in news} == {"brand-new-channel"}
    assert news[0].row == {"x": "1", "ts": "0"}
    assert news[0].arg == {"channel": "brand-new-channel", "instId": BTC}
    assert [event for event in made.client.events if not isinstance(event, GenericPush)] == plain.client.events
    line = session()
    whole = trade(1)
    whole["data"][0].update({"side": "sideways", "source": "9", "brandNew": {"a": [1]}})
    event = only(line.receive(encoded(whole), START), Trade)
    assert (event.side, event.source) == ("sideways", "9")
    event = only(line.receive(encoded({"event": "brand-new", "x": 1}), START), Unrecognized)
    assert event.raw == b'{"event":"brand-new","x":1}'


def test_C6_the_order_of_keys_means_nothing() -> None:
    """Also once the subscription is known by the first bytes of its frames."""
    line = session()
    assert only(line.receive(encoded(image()), START), BookSnapshot).sequence == 10
    turned = change(10, 12)
    turned = {"arg": turned["arg"], "data": turned["data"], "action": "update"}
    assert type(only(line.receive(encoded(turned), START), BookUpdate)) is BookUpdate, "a change is not taken for an image"
    turned = change(12, 13)
    assert only(line.receive(encoded(dict(reversed(turned.items()))), START), BookUpdate).sequence == 13
    assert only(line.receive(json.dumps(change(13, 14), indent=1).encode(), START), BookUpdate).sequence == 14
    turned = image(20)
    turned = {"arg": turned["arg"], "data": turned["data"], "action": "snapshot"}
    assert [type(event) for event in line.receive(encoded(turned), START)] == [Gap, BookSnapshot]
    acknowledged = {"arg": {"channel": "books", "instId": BTC}, "event": "subscribe", "connId": "a", "id": "c0r1"}
    assert (
        only(
            line.receive(
                b'{"arg":{"channel":"books","instId":"BTC-USDT"},'
                + encoded(acknowledged)[len('{"arg":{"channel":"books","instId":"BTC-USDT"},') :],
                START,
            ),
            Subscribed,
        ).key
        == BTC
    )


# -- C7: what is missing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("seqId", "sequence"),
        ("prevSeqId", "sequence"),
        ("ts", "malformed"),
        ("asks", "malformed"),
        ("data", "malformed"),
        ("arg", "sequence"),
    ],
)
def test_C7_an_update_without_a_field_it_needs_has_its_book_renewed(name: str, cause: str) -> None:
    made = World([Fault.parse(f"missing_field name={name} channel=books action=update nth=20")])
    made.subscribe("books", BTC)
    book = made.client.books.get(BTC, "books")
    after: list[tuple[Event, bool]] = []
    made.client.on_event = lambda event: after.append((event, book.is_live))
    made.run(60)
    (gap,) = made.client.gaps
    assert gap.cause == cause
    assert [served for event, served in after if isinstance(event, Gap)] == [False]
    assert all(event.sequence is not None for event, _ in after if isinstance(event, BookUpdate)), (
        "not delivered as if it were sound"
    )
    assert book.is_live
    kinds = {"data": Malformed, "ts": Malformed, "asks": Malformed, "arg": Unrecognized}
    assert len(made.client.all(kinds[name]) if name in kinds else made.client.all(Gap)) == 1


def test_C7_a_missing_checksum_is_none_and_a_missing_action_is_told_by_what_the_row_follows() -> None:
    made = World(
        [Fault.parse("missing_field name=checksum channel=books"), Fault.parse("missing_field name=action channel=books")]
    )
    made.subscribe("books", BTC)
    made.run(60)
    assert made.client.gaps == []
    assert len(made.client.all(BookSnapshot)) == 1
    updates = made.client.all(BookUpdate)
    assert len(updates) > 100
    assert {event.checksum for event in updates} == {None}
    truth = made.market.book(BTC, 20)
    book = made.client.books.get(BTC, "books")
    assert [level.price for level in book.bids(20)] == [float(row[0]) for row in truth["bids"]]


def test_C7_a_push_without_its_instrument_is_nobodys_and_breaks_nothing() -> None:
    line, books = session(), Books()
    only(line.receive(encoded(image()), START), BookSnapshot)
    nameless = change(10, 12)
    del nameless["arg"]["instId"]
    (event,) = line.receive(encoded(nameless), START)
    assert isinstance(event, BookUpdate)
    assert event.instrument == ""
    assert books.apply(event) is None
    (gap,) = line.receive(encoded(change(12, 13)), START)
    assert isinstance(gap, Gap)
    without = trade(5)
    del without["data"][0]["instId"]
    assert isinstance(only(line.receive(encoded(without), START), Malformed), Malformed)
