"""Every channel's event class against a synthetic push of it: nothing is lost, anything may be empty."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.support.paths import FIXTURES, SHARED

from okex_ws import events
from okex_ws.events.base import MS
from okex_ws.wire import frames
from okex_ws.wire.channels import CHANNELS

FIXTURES = FIXTURES / "v5"
SHEET = SHARED / "protocol" / "okx_v5_channels.json"
ROWS = [name for name, row in CHANNELS.items() if not row.bars]
CANDLES = [name for name, row in CHANNELS.items() if row.bars]


def fixture(name: str) -> dict[str, Any]:
    push: dict[str, Any] = json.loads((FIXTURES / f"{name.format(bar='1m')}.json").read_text())
    return push


def decoded(push: dict[str, Any]) -> list[Any]:
    frame = frames.decode(json.dumps(push).encode())
    assert isinstance(frame, frames.PushFrame)
    return list(frame.events)


def same(wire: Any, ours: Any) -> bool:
    """Whether a value says what OKX's text says; ours has wire names and may have more."""
    if isinstance(wire, dict):
        return isinstance(ours, dict) and all(key in ours and same(wire[key], ours[key]) for key in wire)
    if isinstance(wire, list):
        return len(wire) == len(ours) and all(map(same, wire, ours))
    if isinstance(ours, bool):
        return ours is (wire in (True, "true"))
    if isinstance(ours, int | float):
        return Decimal(str(wire)) == Decimal(str(ours))
    return bool(wire == ours)


def test_every_channel_has_an_event_class_and_a_fixture() -> None:
    expected = {f"{name.format(bar='1m')}.json" for name in CHANNELS}
    present = {path.name for path in FIXTURES.iterdir()}
    assert sorted(expected - present) == [], "channels without a fixture"
    assert sorted(present - expected) == [], "fixtures without a channel"
    nameless = [name for name, row in CHANNELS.items() if row.event.__name__ not in events.__all__]
    assert nameless == [], "channels whose event class is not exported"


def test_fixtures_hold_every_documented_field() -> None:
    if not SHEET.exists():
        pytest.skip("../shared/protocol/okx_v5_channels.json is not here")
    for entry in json.loads(SHEET.read_text()):
        push = fixture(entry["channel"])
        row = push["data"][0]
        if entry.get("element") == "array":
            assert len(row) == len(entry["payload_fields"])
            continue
        assert set(entry.get("top_level", ())) <= set(push)
        for word in entry["payload_fields"]:
            name, _, inner = word.rstrip("]").partition("[")
            assert row[name] not in ("", [], None), (entry["channel"], name)
            item = row[name][0] if isinstance(row[name], list) else row[name]
            if inner:
                assert set(inner.split(";")) == set(item), (entry["channel"], name)


@pytest.mark.parametrize("name", ROWS)
def test_nothing_of_a_push_is_lost(name: str) -> None:
    push = fixture(name)
    (event,) = decoded(push)
    assert event.channel == name
    assert type(event) is CHANNELS[name].event
    ours = msgspec.to_builtins(event)
    for key, value in push["data"][0].items():
        assert key in ours, f"{name}: {key} is not a field of {type(event).__name__}"
        assert same(value, ours[key]), f"{name}: {key} is {ours[key]!r}, was {value!r}"
    for key in ("eventType", "curPage", "lastPage"):
        if key in push:
            assert same(push[key], ours[f"${key}"]), f"{name}: top-level {key}"


@pytest.mark.parametrize("name", ROWS)
def test_any_field_may_be_empty_or_absent(name: str) -> None:
    push = fixture(name)
    row = push["data"][0]
    needed = {item.encode_name for item in msgspec.structs.fields(CHANNELS[name].event) if item.required}
    for key in row.keys() - needed:
        for damaged in ({**row, key: ""}, {other: row[other] for other in row if other != key}):
            (event,) = decoded({**push, "data": [damaged]})
            assert type(event) is CHANNELS[name].event
        inner = row[key][0] if isinstance(row[key], list) and row[key] else row[key]
        if isinstance(inner, dict):
            empty = dict.fromkeys(inner, "")
            (event,) = decoded({**push, "data": [{**row, key: [empty] if isinstance(row[key], list) else empty}]})
            assert type(event) is CHANNELS[name].event


def test_only_what_identifies_a_row_is_required() -> None:
    allowed = {
        "instId", "sprdId", "ts", "tradeId", "px", "sz", "side", "bids", "asks", "markPx", "idxPx",
        "ordId", "algoId", "rfqId", "quoteId", "blockTdId", "calendarId", "ccy", "depId", "wdId",
    }  # fmt: skip
    for name in ROWS:
        needed = {item.encode_name for item in msgspec.structs.fields(CHANNELS[name].event) if item.required}
        assert needed <= allowed, name


def test_unknown_fields_are_ignored() -> None:
    push = fixture("orders")
    push["data"][0]["newIn2027"] = {"deep": [1, ""]}
    (event,) = decoded(push)
    assert event.order_id == "701200000000000017"


@pytest.mark.parametrize("name", CANDLES)
def test_candles(name: str) -> None:
    push = fixture(name)
    (candle,) = decoded(push)
    row = push["data"][0]
    assert type(candle) is CHANNELS[name].event
    assert isinstance(candle, events.Candle)
    assert (candle.bar, candle.instrument) == ("1m", next(iter(set(push["arg"].values()) - {push["arg"]["channel"]})))
    assert [candle.open_ms, candle.open, candle.high, candle.low, candle.close] == [float(text) for text in row[:5]]
    volumes = [candle.volume, candle.volume_currency, candle.volume_quote]
    given = [float(text) for text in row[5:-1]]
    assert volumes == given + [None] * (3 - len(given))
    assert candle.closed
    assert candle.ts_event == int(row[0]) * MS


def test_own_numbers_are_decimal_and_public_ones_float() -> None:
    (order,) = decoded(fixture("orders"))
    (fill,) = decoded(fixture("fills"))
    (trade,) = decoded(fixture("trades-all"))
    assert type(order.fill_fee) is type(fill.price) is Decimal
    assert type(trade.price) is float
    assert type(trade.trade_id) is type(fill.trade_id) is int
    assert order.fill_fee < 0


def test_a_number_that_is_no_number_is_refused() -> None:
    for text in ("NaN", "Infinity", "1e999", "six"):
        push = fixture("mark-price")
        push["data"][0]["markPx"] = text
        with pytest.raises(frames.FrameError):
            decoded(push)


def test_order_states() -> None:
    push = fixture("orders")
    for state, final in {"live": False, "partially_filled": False, "filled": True, "canceled": True}.items():
        push["data"][0]["state"] = state
        (order,) = decoded(push)
        assert order.is_final is final
        assert order.is_fill
    push["data"][0] |= {"tradeId": "", "fillSz": "0", "fillPx": "", "fillTime": ""}
    (order,) = decoded(push)
    assert not order.is_fill
    assert (order.fill_size, order.fill_price, order.fill_ms) == (Decimal(0), None, None)


def test_an_empty_text_stays_a_text_and_an_empty_number_is_none() -> None:
    push = fixture("tickers")
    push["data"][0] |= {"bidPx": "", "bidSz": "", "instType": ""}
    (ticker,) = decoded(push)
    assert (ticker.best_bid, ticker.best_bid_size, ticker.instrument_type) == (None, None, "")


TIMES = {
    "trades": "ts",
    "funding-rate": "ts",
    "orders": "uTime",
    "positions": "uTime",
    "account": "uTime",
    "balance_and_position": "pTime",
    "algo-advance": "pTime",
    "deposit-info": "pTime",
    "public-struc-block-trades": "cTime",
}


@pytest.mark.parametrize(("name", "key"), TIMES.items())
def test_event_time(name: str, key: str) -> None:
    push = fixture(name)
    (event,) = decoded(push)
    assert event.ts_event == int(push["data"][0][key]) * MS


def test_event_time_falls_back_to_the_time_it_reached_us() -> None:
    push = fixture("orders")
    push["data"][0] |= {"uTime": "", "cTime": "0"}
    (order,) = decoded(push)
    order.ts_recv = 5
    assert order.ts_event == 5
    for name in ("instruments", "event-contract-markets", "copytrading-lead-notification"):
        (event,) = decoded(fixture(name))
        event.ts_recv = 7
        assert event.ts_event == 7


def test_a_liquidation_happened_at_its_last_detail() -> None:
    push = fixture("liquidation-orders")
    first = push["data"][0]["details"][0]
    push["data"][0]["details"].append({**first, "ts": "1795999999999"})
    (liquidation,) = decoded(push)
    assert liquidation.ts_event == 1795999999999 * MS
    assert [detail.side for detail in liquidation.details] == ["sell", "sell"]


def test_exports_are_sorted_and_real() -> None:
    assert list(events.__all__) == sorted(events.__all__)
    for name in events.__all__:
        assert hasattr(events, name)


def test_events_speak_in_long_words() -> None:
    short = re.compile(r"(^|_)(px|sz|inst|ccy|ord|cl|td|pos|mgn|amt|avg|bal|lever|liq|fwd|idx|upl|pnl|qty)(_|$)")
    for name in events.__all__:
        kind = getattr(events, name)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            words = [item.name for item in msgspec.structs.fields(kind)]
            assert [word for word in words if short.search(word)] == [], name


def test_what_an_event_is_about_is_its_instrument() -> None:
    for name in events.__all__:
        kind = getattr(events, name)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            ours = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
            assert {ours[wire] for wire in ("instId", "sprdId") if wire in ours} <= {"instrument"}, name
            assert "key" not in ours.values() or kind(key="BTC-USDT").instrument == "BTC-USDT"


def test_the_old_name_of_status_events_still_works() -> None:
    with pytest.warns(DeprecationWarning, match="StatusEvent"):
        assert events.News is events.StatusEvent  # type: ignore[attr-defined]
