"""The channel table against OKX's pages, and what it says to a wrong subscription."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.support.paths import SHARED

from okex_ws import events
from okex_ws.wire.channels import (
    BUSINESS,
    CHANNELS,
    PRIVATE,
    PUBLIC,
    Subscription,
    SubscriptionError,
    bar_of,
    channel,
    find,
    from_arg,
    literal_names,
    subscription,
)

SHEET = SHARED / "protocol" / "okx_v5_channels.json"

PINNED = {
    PUBLIC: """
        books books5 bbo-tbt books50-l2-tbt* books-l2-tbt* books-rpi books-elp trades option-trades tickers
        mark-price index-tickers open-interest funding-rate price-limit opt-summary estimated-price
        liquidation-orders adl-warning instruments status call-auction-details event-contract-markets
    """,
    BUSINESS: """
        trades-all candle{bar} mark-price-candle{bar} index-candle{bar} economic-calendar*
        public-struc-block-trades public-block-trades block-tickers rfqs* quotes* struc-block-trades*
        sprd-bbo-tbt sprd-books5 sprd-books-l2-tbt sprd-public-trades sprd-tickers sprd-candle{bar}
        sprd-orders* sprd-trades* orders-algo* algo-advance* grid-orders-spot* grid-orders-contract*
        grid-positions* grid-sub-orders* algo-recurring-buy* copytrading-lead-notification*
        deposit-info* withdrawal-info*
    """,
    PRIVATE: """
        account* positions* balance_and_position* orders* fills* liquidation-warning* account-greeks*
    """,
}
"""Names by endpoint; a star marks those that need a login."""


def test_names_endpoints_and_logins() -> None:
    pinned = {(word.rstrip("*"), endpoint, word.endswith("*")) for endpoint, words in PINNED.items() for word in words.split()}
    assert len(pinned) == len(CHANNELS) == 59
    assert {(row.name, row.endpoint, row.login) for row in CHANNELS.values()} == pinned
    assert all(name == row.name for name, row in CHANNELS.items())


def test_table_equals_the_sheet_field_by_field() -> None:
    if not SHEET.exists():
        pytest.skip("../shared/protocol/okx_v5_channels.json is not here")
    sheet: list[dict[str, Any]] = json.loads(SHEET.read_text())
    for entry in sheet:
        row = CHANNELS[entry["channel"]]
        words = [re.sub(r"\(.*\)", "", word) for word in entry["args"]]
        assert (
            row.name,
            row.endpoint,
            row.login,
            list(row.keys),
            list(row.optional),
            row.depth,
            row.is_chained,
            list(row.bars),
        ) == (
            entry["channel"],
            entry["endpoint"],
            entry["login_required"],
            [word for word in words if not word.endswith("?")],
            [word[:-1] for word in words if word.endswith("?")],
            entry.get("depth", 0),
            entry.get("action", False),
            entry.get("bars", []),
        )
        assert len(entry["examples"]) > 0
    assert [entry["channel"] for entry in sheet] == list(CHANNELS)


def test_only_books_and_clocked_channels_promise_a_cadence() -> None:
    promised = {row.name: row.silence_s for row in CHANNELS.values() if row.silence_s is not None}
    books = {row.name: 70.0 for row in CHANNELS.values() if row.depth}
    assert len(books) == 10
    assert promised == books | {"mark-price": 30.0, "index-tickers": 130.0, "funding-rate": 200.0}


def test_no_channel_falls_to_the_generic_event() -> None:
    assert all(issubclass(row.event, events.Push) for row in CHANNELS.values())
    assert events.GenericPush not in {row.event for row in CHANNELS.values()}
    classes = [row.event for row in CHANNELS.values() if not row.depth]
    assert len(set(classes)) == len(classes) == 49


def test_literal_names_are_found() -> None:
    names = literal_names()
    assert len(names) == len(set(names)) == 55 + 27 + 3 * 26
    for name in names:
        row = find(name)
        assert row is not None
        assert row.name.format(bar=bar_of(name)) == name
    assert find("candle{bar}") is None
    assert find("mark-price-candle1s") is None
    assert find("tomorrow") is None


GOOD = [
    ("books", "BTC-USDT", {}, {"instId": "BTC-USDT"}),
    ("candle1Dutc", "BTC-USDT", {}, {"instId": "BTC-USDT"}),
    ("option-trades", "BTC-USD", {}, {"instType": "OPTION", "instFamily": "BTC-USD"}),
    ("option-trades", "BTC-USD-261225-70000-C", {}, {"instType": "OPTION", "instId": "BTC-USD-261225-70000-C"}),
    ("estimated-price", "BTC-USD", {"instType": "FUTURES"}, {"instType": "FUTURES", "instFamily": "BTC-USD"}),
    ("event-contract-markets", None, {}, {"instType": "EVENTS"}),
    ("event-contract-markets", "EVENTS", {}, {"instType": "EVENTS"}),
    ("orders", "ANY", {}, {"instType": "ANY"}),
    ("orders", "BTC-USDT-SWAP", {"instType": "SWAP"}, {"instType": "SWAP", "instId": "BTC-USDT-SWAP"}),
    ("positions", "ANY", {"extraParams": '{"updateInterval":"0"}'}, {"instType": "ANY", "extraParams": '{"updateInterval":"0"}'}),
    ("account", None, {}, {}),
    ("account", "BTC", {}, {"ccy": "BTC"}),
    ("status", None, {}, {}),
    ("grid-positions", "448965992920907776", {}, {"algoId": "448965992920907776"}),
    ("sprd-tickers", "BTC-USDT_BTC-USDT-SWAP", {}, {"sprdId": "BTC-USDT_BTC-USDT-SWAP"}),
]


@pytest.mark.parametrize(("name", "key", "more", "arg"), GOOD)
def test_main_key_finds_its_place(name: str, key: str | None, more: dict[str, str], arg: dict[str, str]) -> None:
    made = subscription(name, key, **more)
    assert made.arg == {"channel": name, **arg}
    assert from_arg({**made.arg, "uid": "1"}) == made


BAD = [
    ("book", "BTC-USDT", {}, "no channel is called 'book'; did you mean books?"),
    ("candle7m", "BTC-USDT", {}, "7m is not a bar of candle; bars: 1s 1m 3m"),
    ("tickers", "BTCUSDT", {}, "instId='BTCUSDT' is not an OKX id; ids look like BTC-USDT"),
    ("tickers", None, {}, "tickers needs instId; it takes instId"),
    ("tickers", "BTC-USDT\n", {}, "cannot be an OKX id"),
    ("tickers", None, {"instID": "BTC-USDT"}, "tickers has no key instID; it takes instId; did you mean instId?"),
    ("status", "BTC-USDT", {}, "status takes no key, got 'BTC-USDT'; leave it out"),
    ("instruments", "spot", {}, "instType='spot'; types are SPOT MARGIN"),
    ("orders", "BTC-USDT", {}, "orders needs instType; it takes instType [instFamily] [instId]"),
    ("option-trades", "BTC-USD", {"instType": "SWAP"}, "option-trades is only for instType=OPTION, not SWAP"),
    (
        "option-trades",
        None,
        {"instId": "BTC-USD-261225-70000-C", "instFamily": "BTC-USD"},
        "option-trades takes either instId or instFamily, not both",
    ),
]


@pytest.mark.parametrize(("name", "key", "more", "message"), BAD)
def test_a_wrong_subscription_says_what_to_change(name: str, key: str | None, more: dict[str, str], message: str) -> None:
    with pytest.raises(SubscriptionError) as caught:
        subscription(name, key, **more)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text


def test_subscriptions_are_values() -> None:
    one = subscription("positions", instType="ANY", instId="BTC-USDT-SWAP")
    other = from_arg({"instId": "BTC-USDT-SWAP", "channel": "positions", "uid": "7", "instType": "ANY"})
    assert one == other
    assert hash(one) == hash(other)
    assert one.key == "BTC-USDT-SWAP"
    assert str(Subscription("status")) == "status"
    assert channel("books").is_chained
    assert not channel("books5").is_chained
