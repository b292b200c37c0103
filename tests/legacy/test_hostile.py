"""Hostile rows of V1 and V3: every field of an event has the type of V5's, whatever the JSON value was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.support.legacy_corpus import START, rows

from okex_ws.cli.event_lines import as_json
from okex_ws.events import BookSnapshot, BookUpdate, Event
from okex_ws.legacy.frames import Bad, Rows, typed
from okex_ws.legacy.v1.wire import messages as v1_messages
from okex_ws.legacy.v3.wire import messages as v3_messages
from okex_ws.market import OrderBook
from okex_ws.market.book import BookState

NASTY: list[Any] = [[], {}, True, None, "", "x", 7, -1, [["1"]], "∞", "NaN", "1_000", {"a": []}, ["12345"]]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place within a JSON value, at most the first two of a list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from paths(item, (*path, key))


AT = "2020-01-01T00:00:00.000Z"


def spoilt(text: str, path: tuple[Any, ...], nasty: Any) -> bytes:
    whole = value = json.loads(text)
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = nasty
    return json.dumps(whole).encode()


def check(event: Event) -> None:
    """Fails unless the event's fields are of its class's types and the readers can take it."""
    builtin = msgspec.to_builtins(event, enc_hook=str)
    msgspec.convert(builtin, type(event), strict=True, str_keys=True)
    hash((getattr(event, "instrument", ""), getattr(event, "channel", "")))
    as_json(event)


@pytest.mark.parametrize("dialect", ["v1", "v3"])
def test_no_value_gives_an_event_that_readers_cannot_take(dialect: str) -> None:
    frames_of = v1_messages.frames_of if dialect == "v1" else v3_messages.frames_of
    seen: dict[str, int] = {}
    tried = 0
    for row in rows("legacy_samples", dialect=dialect):
        text = row["raw"]
        kind = str(row.get("channel", ""))
        if not isinstance(text, str) or not text.startswith(("{", "[")) or len(text) > 3_000 or seen.get(kind, 0) >= 1:
            continue
        seen[kind] = 1
        for path in paths(json.loads(text)):
            for nasty in NASTY:
                tried += 1
                for frame in frames_of(spoilt(text, path, nasty), START):
                    for event in frame.events if isinstance(frame, Rows) else []:
                        check(event)
    assert tried > 1_000


def test_an_instrument_that_is_no_text_is_a_bad_row() -> None:
    row = {
        "instrument_id": [],
        "trade_id": "1",
        "price": "1",
        "size": "1",
        "side": "buy",
        "timestamp": AT,
    }
    table = {"table": "spot/trade", "data": [row, {**row, "instrument_id": "BTC-USDT"}]}
    good_and_bad = v3_messages.frames_of(json.dumps(table).encode(), START)
    assert sorted(type(frame).__name__ for frame in good_and_bad) == ["Bad", "Rows"]


@pytest.mark.parametrize(
    "level", ["12345", ["1"], [], {"0": "1"}, ["1", "2", [], "1"], ["1", "2", "0", "x"], ["1", "2", "0", None]]
)
def test_a_level_that_is_no_list_of_columns_is_a_bad_row(level: Any) -> None:
    row = {"instrument_id": "BTC-USDT", "timestamp": AT, "bids": [level], "asks": []}
    data = json.dumps({"table": "spot/depth", "action": "partial", "data": [row]}).encode()
    (frame,) = v3_messages.frames_of(data, START)
    assert isinstance(frame, Bad)


def test_a_greek_of_infinity_is_not_known() -> None:
    row = {
        "instrument_id": "BTC-USD-200101-7000-C",
        "timestamp": AT,
        "delta": "∞",
        "gamma": "-∞",
        "vega": "1",
    }
    (frame,) = v3_messages.frames_of(json.dumps({"table": "option/summary", "data": [row]}).encode(), START)
    assert isinstance(frame, Rows)
    (event,) = frame.events
    assert (event.delta, event.gamma, event.vega) == (None, None, 1)  # type: ignore[attr-defined]


def test_a_checksum_of_0_is_that_of_an_empty_book_unless_rows_have_sequences() -> None:
    book = OrderBook("A-B")
    level = [("1", "1", "0", "1")]
    for sequence, trouble in ((None, "checksum"), (7, None)):
        book.apply(BookSnapshot(ts_ms=1, raw_bids=level, raw_asks=[], sequence=sequence))
        assert book.apply(BookUpdate(ts_ms=2, raw_bids=[], raw_asks=[], checksum=0, sequence=sequence)) == trouble
        assert book.state is (BookState.STALE if trouble else BookState.LIVE)
    book.apply(BookSnapshot(ts_ms=1, raw_bids=level, raw_asks=[]))
    assert book.apply(BookUpdate(ts_ms=2, raw_bids=[("1", "0", "0", "0")], raw_asks=[], checksum=0)) is None
    assert book.is_live


@pytest.mark.parametrize("text", ["NaN", "1_000", " 7", "٣", "", "1e-400", "x"])
@pytest.mark.parametrize("size", ["0", "1"])
def test_a_price_that_is_no_number_makes_the_book_stale(text: str, size: str) -> None:
    for rows_ in ([(text, size, "0", "1")], [("5", "1", "0", "1"), (text, size, "0", "1")]):
        book = OrderBook("A-B")
        book.apply(BookSnapshot(ts_ms=1, raw_bids=[("1", "1", "0", "1")], raw_asks=[]))
        update = BookUpdate(ts_ms=2, raw_bids=rows_, raw_asks=[])
        assert book.apply(update) == "levels"
        assert book.state is BookState.STALE
        assert json.loads(as_json(update))["bids"][-1] == [text, size, "0", "1"]


def test_typed_returns_what_it_got() -> None:
    events: list[Event] = [BookSnapshot(ts_ms=1, raw_bids=[("1", "1", "0", "1")], raw_asks=[])]
    assert typed(events) is events
