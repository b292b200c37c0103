"""Rows: every event as a flat row and as JSON with our names."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.support.sink_samples import FIXTURES, every_kind

from okex_ws import events
from okex_ws.events import BookSnapshot, Event
from okex_ws.sinks.rows import RowKind, kind_of, levels_json, safe_token, topic
from okex_ws.wire import frames

KINDS = every_kind()


def test_every_kind_has_a_table_of_its_own() -> None:
    tables = [kind_of(event).table for event in KINDS]
    assert len(set(tables)) == len(tables) >= 70
    assert {"trades", "book_updates", "book_snapshots", "tickers", "candles", "funding", "gaps"} <= set(tables)
    assert "misfits" not in tables
    assert {"recovered", "unrecoverable", "order_refused", "dropped"} <= set(tables)
    assert not [table for table in tables if table.endswith(("eds", "ys"))]


@pytest.mark.parametrize("event", KINDS, ids=lambda event: type(event).__name__)
def test_a_row_has_every_field_and_only_our_words(event: Event) -> None:
    kind = kind_of(event)
    names = [column.name for column in kind.columns]
    fields = [field.name for field in msgspec.structs.fields(type(event))]
    if isinstance(event, events.BookEvent):
        fields = [name.removeprefix("raw_") for name in fields]
    assert names == [{"kind": "request_kind"}.get(name, name) for name in fields]
    assert len(kind.flat(event)) == len(kind.values(event)) == len(names)
    assert not {"id", "kind", "time"} & set(names)
    row = json.loads(kind.json("ab12:7:0", event))
    assert list(row) == ["kind", "id", "ts_event", *names]
    # OKX's names have capitals, ours have none; fields kept in OKX's form keep their names.
    foreign = {"arg", "row", "trigger_parameters"}
    assert [key for key in _keys({name: row[name] for name in row if name not in foreign}) if key != key.lower()] == []


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []


def test_a_trade_as_json() -> None:
    frame = frames.decode((FIXTURES / "trades.json").read_bytes())
    assert isinstance(frame, frames.PushFrame)
    trade = frame.events[0]
    trade.ts_recv = 7
    row = json.loads(RowKind(type(trade)).json("ab12:7:0", trade))
    assert row["kind"] == "trade"
    assert row["ts_recv"] == 7
    assert row["ts_event"] == row["ts_ms"] * 1_000_000
    assert row["backfilled"] is False


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        ([], "[]"),
        ([("67000.10", "0.00000001", "0", "3")], "[[67000.10,0.00000001,3]]"),
        ([("-0.5", "12", "2")], "[[-0.5,12,2]]"),
        ([("1e3", "12", "0", "2")], "[[1e3,12,2]]"),
        ([("NaN", "1", "0", "2")], '[["NaN","1","2"]]'),
        ([('1],["', "1", "0", "2")], '[["1],[\\"","1","2"]]'),
        ([("00.1", "1", "0", "2"), ("1", "1", "0", "1")], '[["00.1","1","2"],["1","1","1"]]'),
        ([("1", "", "0", "")], '[["1","",""]]'),
        ([("6395.1", "1", "0", "0"), ("6395", "0.0", "0", "0")], "[[6395.1,1,null],[6395,0.0,0]]"),
        ([("NaN", "1", "0", "0")], '[["NaN","1",null]]'),
    ],
)
def test_levels_keep_their_digits_and_are_always_json(levels: list[tuple[str, ...]], text: str) -> None:
    assert bytes(levels_json(levels)).decode() == text
    json.loads(text)


def test_news_of_a_subscription_goes_where_its_data_goes() -> None:
    book = BookSnapshot(channel="books", instrument="BTC-USDT", ts_ms=1, raw_bids=[], raw_asks=[])
    assert topic(book) == topic(events.Gap(line="public/0", channel="books", instrument="BTC-USDT")) == ("books", "BTC-USDT")
    assert topic(events.Stale(line="public/0", channel="books", key="BTC-USDT")) == ("books", "BTC-USDT")
    assert topic(events.Connected(line="public/0")) == ("line", "public/0")
    assert topic(events.GenericPush(channel="new", arg={"instId": "A-B"})) == ("new", "A-B")
    assert topic(events.AccountGreeks(ts_ms=1, channel="account-greeks", currency="BTC")) == ("account-greeks", "BTC")


@pytest.mark.parametrize(
    ("name", "token"),
    [("BTC-USDT", "BTC-USDT"), ("", "_"), ("a.b *>", "a%2Eb%20%2A%3E"), ("../x", "%2E%2E%2Fx"), ("Ü", "%C3%9C"), ("~", "%7E")],
)
def test_tokens_are_safe_in_subjects_keys_and_file_names(name: str, token: str) -> None:
    assert safe_token(name) == token
