"""V1's channel names: what they mean here, and what a name that cannot be is told."""

from __future__ import annotations

import itertools

import pytest

from okex_ws.legacy.v1 import literal, meaning, needs_login, subscription
from okex_ws.wire.channels import SubscriptionError

PERIODS = ["1min", "3min", "5min", "15min", "30min", "1hour", "2hour", "4hour", "6hour", "12hour", "day", "3day", "week"]
CONTRACTS = ("this_week", "next_week", "quarter")
SPOT = ["ticker", "depth", "depth_5", "depth_10", "depth_20", "deals", "order", "balance", *(f"kline_{p}" for p in PERIODS)]
TEMPLATES = [
    *(f"ok_sub_spot_{pair}_{kind}" for pair in ("btc_usdt", "eth_btc") for kind in SPOT),
    *(
        f"ok_sub_futureusd_{coin}_{kind}_{contract}{tail}"
        for coin, contract in itertools.product(("btc", "eos"), CONTRACTS)
        for kind, tail in [
            *((kind, "") for kind in ("ticker", "trade", "depth", "markprice")),
            *(("depth", f"_{levels}") for levels in (5, 10, 20)),
            *(("kline", f"_{period}") for period in PERIODS),
        ]
    ),
    "ok_sub_futureusd_btc_index",
    "ok_sub_futureusd_trades",
    "ok_sub_futureusd_userinfo",
    "ok_sub_futureusd_positions",
]
ALIASES = {
    "ok_sub_futureusd_eth_trade_this_quarter": ("trades", "ETH-USD-QUARTER"),
    "ok_sub_future_etc_depth_this_week_usd": ("books", "ETC-USD-THIS-WEEK"),
    "ok_sub_spotusd_btc_ticker": ("tickers", "BTC-USD"),
    "ok_sub_spotcny_btc_depth_60": ("books60", "BTC-CNY"),
    "ok_sub_spotusd_btc_trades": ("trades", "BTC-USD"),
    "ok_sub_spotcny_ltc_kline_1min": ("candle1m", "LTC-CNY"),
    "ok_btcusd_ticker": ("tickers", "BTC-USD"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_of_the_pages_goes_both_ways(name: str) -> None:
    item = subscription(name)
    assert literal(item) == name
    assert "name" not in dict(item.args), "the usual name needs no mention"
    assert subscription(item.channel, **dict(item.args)) == item, "our words mean the same"
    assert subscription(item.channel, item.key) == item


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_means_the_same_and_is_asked_for_by_its_own_name(name: str) -> None:
    item = subscription(name)
    assert (item.channel, item.key) == ALIASES[name]
    assert literal(item) == name
    assert subscription(item.channel, **dict(item.args)) == item, "as journals and command lines say it again"


def test_instruments_read_well_and_channels_are_called_as_in_V5() -> None:
    assert str(subscription("ok_sub_futureusd_btc_trade_quarter")) == "trades BTC-USD-QUARTER"
    assert str(subscription("ok_sub_futureusd_btc_kline_this_week_4hour")) == "candle4H BTC-USD-THIS-WEEK"
    assert str(subscription("ok_sub_spot_btc_usdt_depth_5")) == "books5 BTC-USDT"
    assert literal(subscription("orders", "FUTURES")) == "ok_sub_futureusd_trades"
    assert literal(subscription("account", "BTC-USDT")) == "ok_sub_spot_btc_usdt_balance"
    private = {item for name in TEMPLATES if needs_login(item := subscription(name))}
    assert {item.channel for item in private} == {"orders", "account", "positions"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ok_sub_futureusd_btc_trade_quater", "ok_sub_futureusd_btc_trade_quarter"),
        ("ok_sub_futureusd_ltc_ffthis_week", "ok_sub_futureusd_ltc_trade_this_week"),
        ("ok_sub_futureusd_btc_kline_quarter_2min", "ok_sub_futureusd_btc_kline_quarter_3min"),
        ("ok_sub_spot_eth_usdt_depth_7", "ok_sub_spot_eth_usdt_depth_5"),
        ("ok_sub_futu_btc_ticker_this_week", "ok_sub_futureusd_btc_ticker_this_week"),
        ("ok_spoteth_btc_ticker", "ok_sub_spot_eth_btc_ticker"),
        ("ok_sub_spot_btc_usdt_trades", "ok_sub_spot_btc_usdt_deals"),
        ("ok_sub_futureusd_btc_deals_quarter", "ok_sub_futureusd_btc_trade_quarter"),
        ("ok_sub_futureusd_btc_quarter_trade", "ok_sub_futureusd_btc_trade_quarter"),
        ("ok_sub_futureusd_btc_depth_20_quarter", "ok_sub_futureusd_btc_depth_quarter_20"),
        ("ok_sub_futureusd_btc_trade", "ok_sub_futureusd_btc_trade_quarter"),
        ("ok_sub_futureusd_btc_userinfo", "ok_sub_futureusd_userinfo"),
        ("ok_sub_futureusd_btc_index_quarter", "ok_sub_futureusd_btc_index"),
        ("ok_sub_futureusd_doge_trade_quater", "ok_sub_futureusd_doge_trade_quarter"),
        ("ok_sub_spot_ethusdt_tickers", "ok_sub_spot_eth_usdt_ticker"),
        ("ok_sub_spot_btc_usdt_kline_1h", "ok_sub_spot_btc_usdt_kline_1hour"),
        ("ok_sub_spot_btc_usdt_depth_50", "ok_sub_spot_btc_usdt_depth_20"),
        ("ok_sub_spot_btc_usdt_account", "ok_sub_spot_btc_usdt_balance"),
        ("ok_sub_spotcny_ltc_trade", "ok_sub_spotcny_ltc_trades"),
        ("ok_", "ok_sub_futureusd_trades"),
        ("ok_sub_futureusd_order", "ok_sub_futureusd_trades"),
        ("ok_sub_futureusd_trade_quarter", "ok_sub_futureusd_btc_trade_quarter"),
        ("ok_sub_spot_btc_usdt_index", "ok_sub_futureusd_btc_index"),
        ("ok_sub_spot_doge_eur_ticker_1", "ok_sub_spot_doge_eur_ticker"),
        ("OK_SUB_SPOT_BTC_USDT_TICKER", "ok_sub_spot_btc_usdt_ticker"),
    ],
)
def test_a_name_that_cannot_exist_says_so_and_names_one_that_can(name: str, nearest: str) -> None:
    assert meaning(name) is None
    with pytest.raises(SubscriptionError) as told:
        subscription(name)
    near = str(told.value).split("the nearest is ")[1].split(",")[0]
    assert meaning(near) is not None, "what is proposed can be asked for"
    assert near == nearest
    assert repr(name) in str(told.value)


@pytest.mark.parametrize(
    ("channel", "key", "words"),
    [
        ("trades", "btc-usdt", "did you mean BTC-USDT?"),
        ("trades", "BTC", "not an instrument"),
        ("trades", "BTC-USDT-SWAP", "did you mean BTC-USD-QUARTER?"),
        ("trades", "BTC-USD-QUATER", "did you mean BTC-USD-QUARTER?"),
        ("trades", "ETH-USD-THISWEEK", "did you mean ETH-USD-THIS-WEEK?"),
        ("funding-rate", "BTC-USDT", "V1 has no funding-rate of BTC-USDT"),
        ("funding-rate", "BTC-USDT", "it has trades, tickers, books, candle1m"),
        ("candle2m", "BTC-USDT", "did you mean candle"),
        ("positions", "BTC-USDT", "it is a channel of all futures at once: FUTURES"),
        ("orders", "BTC-USD-QUARTER", "and of all futures at once: FUTURES"),
        ("index-tickers", "BTC-USDT", "it is a channel of indices, e.g. BTC-USD"),
        ("mark-price", "BTC-USDT", "it is a channel of futures, e.g. BTC-USD-QUARTER"),
        ("trades", "FUTURES", "V1 has no trades of FUTURES; they are of an instrument, e.g. BTC-USD-QUARTER"),
        ("ticker", "FUTURES", "did you mean tickers?"),
        ("ticker", "BTC-USDT", "did you mean tickers?"),
        ("btc_forecast_price", None, "cannot be asked for"),
        ("ok_sub_spot_btc_usdt_deals", "ETH-USDT", "names its instrument itself"),
        ("trades", None, "needs an instrument"),
    ],
)
def test_what_V1_cannot_serve_is_told_before_anything_is_sent(channel: str, key: str | None, words: str) -> None:
    with pytest.raises(SubscriptionError) as told:
        subscription(channel, key)
    assert words in str(told.value)


def test_a_key_V1_does_not_have_is_told() -> None:
    with pytest.raises(SubscriptionError, match="V1 has no key uly"):
        subscription("trades", "BTC-USDT", uly="BTC-USD")
