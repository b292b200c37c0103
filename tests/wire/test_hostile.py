"""Hostile and odd pushes: numbers beyond OKX's grammar, bad rows among good ones, unknown actions, old candles."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from okex_ws.events import BookSnapshot, Candle, Event, IndexCandle, Malformed, SpreadCandle, Trade
from okex_ws.events.base import number_of
from okex_ws.protocol.chains.registry import Chains
from okex_ws.protocol.session import Session
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import BadRowsError, FrameError, PushDecoder, decode_rows

NO_NUMBERS = ["NaN", "sNaN", "Infinity", "inf", "-inf", "1_000", " 7", "7 ", "\t7", "٣", "+7", ".5", "5.", "0x1", "∞", "--1"]
OWN = [
    ("account", {"mgnRatio": "2.5", "details": [{"ccy": "BTC", "eq": "1"}]}, "mgnRatio"),
    ("positions", {"instId": "BTC-USDT-SWAP", "pos": "1"}, "pos"),
    ("orders", {"instId": "BTC-USDT", "ordId": "1", "accFillSz": "1"}, "accFillSz"),
]
TRADE = {"instId": "BTC-USDT", "tradeId": "1", "px": "2", "sz": "3", "side": "buy", "ts": "4"}
SUMMARY = {"instId": "BTC-USD-250101-1-C", "delta": "0.5", "ts": "1"}


def decoder(channel: str, **args: str) -> PushDecoder:
    return PushDecoder(Subscription(channel, tuple(args.items())))


def frame(channel: str, rows: list[Any], *, escaped: bool = False, **fields: Any) -> bytes:
    text = json.dumps({"arg": {"channel": channel}, **fields, "data": rows}, ensure_ascii=escaped, separators=(",", ":"))
    return text.encode()


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize(("channel", "row", "name"), OWN, ids=[channel for channel, *_ in OWN])
def test_an_own_number_outside_the_grammar_is_refused(channel: str, row: Any, name: str, text: str, escaped: bool) -> None:
    (good,) = decoder(channel).decode(frame(channel, [row]), False)
    with pytest.raises(FrameError, match="is not a number"):
        decoder(channel).decode(frame(channel, [{**row, name: text}], escaped=escaped), False)
    with pytest.raises(FrameError, match="is not a number"):
        decode_rows([{**row, name: text}], type(good), channel)


def test_a_number_in_a_row_within_a_row_is_checked_too() -> None:
    with pytest.raises(FrameError, match="eq 'NaN' is not a number"):
        decoder("account").decode(frame("account", [{"details": [{"ccy": "BTC", "eq": "NaN"}]}]), False)


def test_a_text_that_looks_like_no_number_is_no_number_field() -> None:
    row = {"instId": "BTC-USDT", "ordId": "1", "clOrdId": "nan", "tag": "inf", "accFillSz": "0.10"}
    (order,) = decoder("orders").decode(frame("orders", [row]), False)
    assert (order.client_order_id, order.tag, str(order.filled_size)) == ("nan", "inf", "0.10")


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1e-400", "1e400", "", "1e9999"])
def test_a_public_number_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        number_of(text)
    row = ["1597026383085", "1", "1", "1", text, "1", "1", "1", "1"]
    with pytest.raises(FrameError):
        decoder("candle1m", instId="A-B").decode(frame("candle1m", [row]), False)


@pytest.mark.parametrize("text", ["0", "-0", "1", "-1.5", "0.10", "1e-7", "1E2", "0e5", "0.000"])
def test_plain_numbers_are_read(text: str) -> None:
    assert number_of(text) == float(text)


def test_a_bad_row_costs_the_row() -> None:
    rows = [SUMMARY] * 300 + [{**SUMMARY, "delta": "-∞"}]
    with pytest.raises(BadRowsError, match=r"1 of 301 rows: delta '-∞' is not a number") as caught:
        decoder("opt-summary", instFamily="BTC-USD").decode(frame("opt-summary", rows), False, 7)
    assert [(event.ts_recv, event.delta) for event in caught.value.events] == [(7, 0.5)] * 300  # type: ignore[attr-defined]


def test_bad_rows_among_good_ones_do_not_end_the_connection() -> None:
    session = Session("public/0", [Subscription("trades", (("instId", "BTC-USDT"),))], now=0, chains=Chains("public/0"))
    found: list[Event] = []
    for number in range(40):
        rows = [{**TRADE, "tradeId": str(number + 1)}, {**TRADE, "px": "NaN"}]
        text = json.dumps({"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": rows}).encode()
        found += session.receive(text, number)
    assert session.ending is None
    assert sum(type(event) is Trade for event in found) == sum(type(event) is Malformed for event in found) == 40
    assert "1 of 2 rows" in next(event.reason for event in found if isinstance(event, Malformed))


def test_a_bad_row_of_a_book_costs_the_frame() -> None:
    good = {"bids": [], "asks": [], "ts": "1", "seqId": 1, "prevSeqId": -1}
    with pytest.raises(FrameError) as caught:
        decoder("books", instId="A-B").decode(frame("books", [good, {**good, "ts": "x"}], action="snapshot"), False)
    assert not isinstance(caught.value, BadRowsError)


def test_an_action_that_is_unknown_is_malformed() -> None:
    row = {"bids": [], "asks": [], "ts": "1"}
    for action in ("partial", "Update", "", "snapshot"):
        fields = {"action": action} if action else {}
        text = frame("books", [row], **fields)
        if action in ("", "snapshot"):
            assert type(decoder("books", instId="A-B").decode(text, False)[0]) is BookSnapshot
        else:
            with pytest.raises(FrameError, match="neither snapshot nor update"):
                decoder("books", instId="A-B").decode(text, False)


def test_utf8_is_valid_in_the_names_of_fields_too() -> None:
    text = frame("books5", [{"bids": [], "asks": [], "ts": "1", "checksum": 5}])
    assert decoder("books5", instId="A-B").decode(text, False)[0].checksum == 5
    for channel, good in (("books5", text), ("trades", frame("trades", [TRADE])), ("orders", frame("orders", [OWN[2][1]]))):
        for name in (b"checksum", b"side", b"accFillSz"):
            bad = good.replace(b'"%b"' % name, b'"%b\xff"' % name)
            if bad != good:
                with pytest.raises(FrameError, match="can't decode byte"):
                    decoder(channel, instId="A-B").decode(bad, False)


@pytest.mark.parametrize(
    ("kind", "rest", "volumes", "closed"),
    [
        (Candle, ["1", "2", "3", "1"], (1, 2, 3), True),
        (Candle, ["1", "2", "3", "0"], (1, 2, 3), False),
        (Candle, ["5", "1"], (5, 1, None), False),
        (Candle, ["1"], (1, None, None), False),
        (Candle, [], (None, None, None), False),
        (IndexCandle, ["1"], (None, None, None), True),
        (IndexCandle, [], (None, None, None), False),
        (SpreadCandle, ["5", "1"], (5, None, None), True),
    ],
)
def test_candles_of_every_time(kind: type[Candle], rest: list[str], volumes: Any, closed: bool) -> None:
    """Seven columns: V5 from June to September 2022; six: crypto-msg-parser; five: indices of 2021."""
    candle = kind.from_row(["1654154580000", "1", "2", "0.5", "1.5", *rest])
    assert (candle.volume, candle.volume_currency, candle.volume_quote, candle.closed) == (*volumes, closed)
    with pytest.raises(ValueError, match="at least 5 columns"):
        kind.from_row(["1654154580000", "1", "2", "0.5"])


def test_an_empty_number_is_absent() -> None:
    (row,) = decode_rows([{"instId": "A-B", "ordId": "1", "px": "", "accFillSz": None}], type(_order()), "orders")
    assert row.price is None  # type: ignore[attr-defined]
    assert row.filled_size is None  # type: ignore[attr-defined]


def _order() -> Any:
    return decoder("orders").decode(msgspec.json.encode({"data": [OWN[2][1]]}), False)[0]
