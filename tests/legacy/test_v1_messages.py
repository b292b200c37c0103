"""V1's messages as events: every recorded one, every page's example, and what they say."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from tests.support.legacy_corpus import SECOND, START, rows, session_v1

from okex_ws.events import (
    AccountUpdate,
    BookSnapshot,
    BookUpdate,
    Candle,
    EstimatedPrice,
    Event,
    IndexTicker,
    LoggedIn,
    Malformed,
    MarkPrice,
    OpenInterest,
    OrderReplied,
    OrderUpdate,
    PositionUpdate,
    PriceLimit,
    Refused,
    Subscribed,
    Ticker,
    Trade,
    Unrecognized,
)
from okex_ws.legacy.frames import Acked, Failed, Frame, LegacyLoginAnswer, Pong, Replied, Rows
from okex_ws.legacy.v1.wire.messages import frames_of

EVENTS = {
    "tickers": {Ticker, OpenInterest, PriceLimit},
    "trades": {Trade},
    "orders": {OrderUpdate},
    "account": {AccountUpdate},
    "positions": {PositionUpdate},
    "index-tickers": {IndexTicker},
    "mark-price": {MarkPrice},
    "estimated-price": {EstimatedPrice},
}


def told(message: Any, *wanted: str, now: int = START) -> list[Event]:
    """What a session that wants these channels makes of a message."""
    data = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    return session_v1(*wanted).receive(data, now)


def whole(row: dict[str, Any]) -> str:
    """The message of a row; of rows that recorded an element alone, the element in its envelope."""
    raw: str = row["raw"]
    if "element only" in row["channel"]:
        name = row["channel"].split(" ")[0].replace("_X_", "_ltc_").replace("_Y_Z", "_this_week_5").replace("_Y", "_this_week")
        return f'[{{"channel":"{name}",{raw[1:]}]'
    return raw


def test_every_recorded_message_and_every_example_is_typed() -> None:
    kinds: Counter[str] = Counter()
    for row in rows("legacy_samples", "v1-comments-2018", dialect="v1"):
        frames = frames_of(whole(row).encode(), START)
        assert frames, row["raw"]
        for frame in frames:
            assert isinstance(frame, Pong | Acked | LegacyLoginAnswer | Failed | Rows | Replied), row["raw"]
            kinds[type(frame).__name__] += 1
            if isinstance(frame, Rows):
                assert frame.events, row["raw"]
                for event in frame.events:
                    channel = event.channel  # type: ignore[attr-defined]
                    candle = {Candle} if channel.startswith("candle") else {BookSnapshot, BookUpdate}
                    assert type(event) in EVENTS.get(channel, candle), row["raw"]
    assert kinds == {"Rows": 60, "Acked": 10, "Failed": 4, "LegacyLoginAnswer": 6, "Replied": 11, "Pong": 2}
    assert kinds.total() == 82 + 11


def test_OKCoins_book_without_binary_and_with_its_time_as_a_text() -> None:
    (row,) = [row for row in rows("xchange-okcoin-v1", dialect="v1") if row["channel"] == "order-book"]
    (book,) = told(row["raw"], "ok_sub_spot_btc_usd_depth")
    assert isinstance(book, BookSnapshot)
    assert [level.price for level in book.bids] == [819.9, 818.63]
    assert [level.price for level in book.asks] == [821.6, 821.65, 821.7]
    assert book.ts_ms == 1484602135246


def test_trades_say_the_takers_side_and_get_their_date_from_their_id() -> None:
    message = '[{"binary":0,"channel":"ok_sub_futureusd_btc_trade_next_week","data":[["1006427740013578","6084","20","17:47:48","bid"],["1006427740013580","6084.8","160.0","17:47:48","ask","2.6"]]}]'  # noqa: E501
    first, second = told(message, "ok_sub_futureusd_btc_trade_next_week")
    assert isinstance(first, Trade)
    assert (first.channel, first.instrument, first.trade_id) == ("trades", "BTC-USD-NEXT-WEEK", 1006427740013578)
    assert (first.price, first.size, first.side, first.count) == (6084.0, 20.0, "buy", None)
    assert first.ts_ms == 1530092868591
    assert first.ts_recv == START
    assert isinstance(second, Trade)
    assert (second.size, second.side) == (160.0, "sell"), "a sixth column was documented: it is let be"


def test_both_sides_of_a_book_come_from_the_highest_price_down_and_leave_from_the_best() -> None:
    row = next(r for r in rows("v1-comments-2018") if r["channel"] == "ok_sub_futureusd_btc_depth_quarter_5")
    (book,) = told(row["raw"], "ok_sub_futureusd_btc_depth_quarter_5")
    assert isinstance(book, BookSnapshot)
    assert (book.channel, book.instrument) == ("books5", "BTC-USD-QUARTER")
    assert book.raw_asks[0][:2] == ("6406.43", "320"), "numbers keep the text they were written with"
    assert book.raw_bids[0][:2] == ("6406.39", "18")
    assert {level.order_count for level in (*book.bids, *book.asks)} == {None}, "V1 does not tell it, and it is not zero"
    assert [level.price for level in book.asks] == sorted(level.price for level in book.asks)
    assert [level.price for level in book.bids] == sorted((level.price for level in book.bids), reverse=True)


def test_deletions_are_told_by_the_second_column_alone() -> None:
    row = next(r for r in rows("legacy_samples") if r["channel"] == "ok_sub_future_etc_depth_this_week_usd")
    (frame,) = frames_of(row["raw"].encode(), START)
    assert isinstance(frame, Rows)
    (change,) = frame.events
    assert isinstance(change, BookUpdate)
    gone = [level for level in change.raw_bids if float(level[1]) == 0]
    assert ("33.741", "0", "0", "0") in gone, "its stale columns, 11.2622 coins, are let be"
    assert all(isinstance(text, str) for level in change.raw_bids for text in level)


def test_a_price_with_an_exponent_is_a_price() -> None:
    data = {"asks": [], "bids": [["115", "1"], ["114", "1"], ["1E-8", "0.0008792"]], "timestamp": 1504529236946}
    (book,) = told([{"channel": "ok_sub_spot_bch_btc_depth_5", "data": data}], "ok_sub_spot_bch_btc_depth_5")
    assert isinstance(book, BookSnapshot)
    assert [level.price for level in book.bids] == [115.0, 114.0, 1e-8]


def test_a_futures_ticker_also_says_open_interest_and_price_limits() -> None:
    row = next(r for r in rows("legacy_samples") if r["channel"] == "ok_sub_futureusd_btc_ticker_this_week")
    ticker, interest, limit = told(row["raw"], "ok_sub_futureusd_btc_ticker_this_week")
    assert isinstance(ticker, Ticker)
    assert isinstance(interest, OpenInterest)
    assert isinstance(limit, PriceLimit)
    assert (ticker.last, ticker.best_bid, ticker.best_ask, ticker.volume_24h) == (10038.48, 10030.29, 10036.18, 5899030.0)
    assert ticker.ts_ms == START // 1_000_000, "V1 gives none: it is the arrival's"
    assert (interest.contracts, limit.max_buy, limit.min_sell) == (1170664.0, 10342.92, 9735.21)


def test_a_volume_with_thousands_commas_is_a_number_and_a_missing_one_is_none() -> None:
    data = {"vol": "1,234,567.5", "last": "1", "buy": "", "timestamp": 1530341128000}
    (ticker,) = told([{"channel": "ok_sub_spot_btc_usdt_ticker", "data": data}], "ok_sub_spot_btc_usdt_ticker")
    assert isinstance(ticker, Ticker)
    assert (ticker.volume_24h, ticker.best_bid, ticker.high_24h) == (1234567.5, None, None)


def test_candles_of_futures_have_a_volume_in_coins_too() -> None:
    row = next(r for r in rows("v1-comments-2018") if "kline" in r["channel"])
    (candle,) = told(row["raw"], row["channel"])
    assert isinstance(candle, Candle)
    assert (candle.channel, candle.bar, candle.instrument) == ("candle4H", "4H", "BTC-USD-THIS-WEEK")
    assert (candle.open, candle.close, candle.volume, candle.volume_currency) == (10031.0, 9966.64, 546034.0, 5458.011290760412)


def test_the_order_of_an_account_by_all_its_shapes() -> None:
    spot = next(r for r in rows("legacy_samples") if r["channel"] == "ok_sub_spot_enj_btc_order")
    (order,) = told(spot["raw"], "ok_sub_spot_enj_btc_order")
    assert isinstance(order, OrderUpdate)
    assert (order.instrument, order.order_id, order.side, order.state) == ("ENJ-BTC", "2009043431203840", "sell", "live")
    assert (order.price, order.size, order.filled_size) == (Decimal("0.00001208"), Decimal("84.88"), Decimal(0))
    assert order.average_price is None, "of nothing there is no average"
    assert (order.created_ms, order.updated_ms) == (1545391569934, 1545391570000), "the id tells when it was made"
    canceled = [r for r in rows("legacy_samples") if r["channel"] == "ok_sub_spot_enj_btc_order" and '"status":-1' in r["raw"]]
    (order,) = told(canceled[0]["raw"], "ok_sub_spot_enj_btc_order")
    assert isinstance(order, OrderUpdate)
    assert (order.state, order.created_ms, order.updated_ms) == ("canceled", 1545391569935, 1545391630000)

    market = {"symbol": "btc_usdt", "orderId": 1, "tradeUnitPrice": "100", "tradeType": "buy_market", "status": 2}
    (order,) = told([{"channel": "ok_sub_spot_btc_usdt_order", "data": market}])
    assert isinstance(order, OrderUpdate)
    assert (order.size, order.target_currency, order.price, order.order_type) == (Decimal(100), "quote_ccy", None, "market")

    futures = [r for r in rows("legacy_samples") if r["channel"] == "ok_sub_futureusd_trades"]
    (order,) = told(futures[0]["raw"])
    assert isinstance(order, OrderUpdate)
    assert (order.instrument, order.side, order.position_side) == ("ETC-USD-THIS-WEEK", "buy", "long")
    assert (order.price, order.size, order.leverage, order.category) == (Decimal("24.555"), Decimal(1), Decimal(10), "0")


def test_private_pushes_without_a_channel_go_by_product_and_type() -> None:
    bare = [r for r in rows("legacy_samples") if r["channel"].startswith("(no channel)")]
    (spot,) = told(bare[0]["raw"], "ok_sub_spot_etc_usdt_order")
    assert isinstance(spot, OrderUpdate)
    assert (spot.channel, spot.instrument, spot.order_id, spot.state) == ("orders", "ETC-USDT", "62877909", "canceled")
    assert (spot.price, spot.size, spot.side) == (Decimal("25.4050"), Decimal("0.01000000"), ""), "what side 1 means is not known"
    (futures,) = told(bare[1]["raw"])
    assert isinstance(futures, OrderUpdate)
    assert (futures.instrument, futures.state) == ("EOS-USD-180420", "filled"), "of a contract called EOS0420 in 2018"
    assert (futures.side, futures.position_side, futures.average_price) == ("sell", "short", Decimal("9.000"))


@pytest.mark.parametrize(
    ("name", "contract_id", "contract"),
    [
        ("BTC1228", 201812280000034, "THIS-WEEK"),
        ("BTC0104", 201901040000035, "NEXT-WEEK"),
        ("BTC0329", 201903290000012, "QUARTER"),
        ("BTC1221", 201812210000033, "181221"),  # delivered three hours ago
    ],
)
def test_a_contract_is_called_as_its_channels_are_whatever_tells_of_it(name: str, contract_id: int, contract: str) -> None:
    made = {"create_date": START // 1_000_000 - 4 * 3_600_000}  # when the last of them was this week's
    order = {"orderid": 1, "type": 1, "status": 0, "contract_name": name, "price": 1}
    shapes: list[tuple[str, Any]] = [
        ("ok_sub_futureusd_trades", {**order, **made}),
        ("ok_sub_futureusd_trades", {**order, "contract_id": contract_id}),
        ("ok_sub_futureusd_positions", {"positions": [{"position": 1, "contract_name": name, "contract_id": contract_id}]}),
        ("ok_futureusd_orderinfo", {"result": True, "orders": [{**order, **made, "order_id": 1, "symbol": "btc_usd"}]}),
    ]
    word = contract.lower().replace("-", "_")
    if not word.isdigit():
        shapes.append(("ok_sub_futureusd_trades", {**order, "contract_type": word}))
    if word == "quarter":
        shapes.append(("ok_sub_futureusd_trades", {**order, "contract_type": "this_quarter"}))
    for channel, data in shapes:
        called = [event.instrument for event in told([{"channel": channel, "data": data}]) if hasattr(event, "instrument")]
        assert called == [f"BTC-USD-{contract}"], (channel, data)


def test_balances_and_positions_are_exact() -> None:
    balance = next(r for r in rows("legacy_samples") if r["channel"] == "ok_sub_spot_enj_btc_balance")
    (account,) = told(balance["raw"], "ok_sub_spot_enj_btc_balance")
    assert isinstance(account, AccountUpdate)
    (enj,) = account.balances
    assert (enj.currency, enj.available, enj.frozen) == ("ENJ", Decimal("102.103565"), Decimal("133.25"))
    shown = next(r for r in rows("legacy_samples") if r["channel"] == "ok_sub_futureusd_positions" and "fixmargin" in r["raw"])
    positions = told(shown["raw"])
    assert [type(event) for event in positions] == [PositionUpdate] * len(positions)
    long, short = positions[:2]
    assert isinstance(long, PositionUpdate)
    assert isinstance(short, PositionUpdate)
    assert (long.instrument, long.position_side, short.position_side) == ("ETC-USD-180216", "long", "short")
    assert (long.margin_mode, long.average_price, long.liquidation_price) == ("isolated", Decimal("24.46"), None)
    assert long.realized_profit == Decimal("-0.01606774")


# -- errors ----------------------------------------------------------------------------------------------------------------


def test_errors_with_and_without_a_channel_cost_nothing_else_of_their_message() -> None:
    message = (
        '[{"binary":0,"data":{"result":false,"error_msg":"The subscription event type is  invalid.","error_code":20103}},'
        '{"binary":0,"channel":"ok_sub_futureusd_ltc_ffthis_week","data":{"result":false,"error_msg":"param not match.","error_code":20116}},'  # noqa: E501
        '{"channel":"ok_sub_spot_btc_usdt_deals","data":[["1","2","3","14:45:28","ask"]]}]'
    )
    first, second, trade = told(message, "ok_sub_spot_btc_usdt_deals")
    assert isinstance(first, Refused)
    assert (first.code, first.channel) == ("20103", "")
    assert "addChannel" in first.advice
    assert isinstance(second, Refused)
    assert (second.code, second.channel) == ("20116", "ok_sub_futureusd_ltc_ffthis_week")
    assert isinstance(trade, Trade)


def test_one_bad_row_is_told_with_its_channel_and_the_rest_goes_on() -> None:
    message = (
        '[{"channel":"ok_sub_spot_btc_usdt_deals","data":[["x","2","3","14:45:28","ask"]]},'
        '{"channel":"ok_sub_spot_eth_usdt_deals","data":[["1","2","3","14:45:28","ask"]]}]'
    )
    bad, trade = told(message, "ok_sub_spot_btc_usdt_deals", "ok_sub_spot_eth_usdt_deals")
    assert isinstance(bad, Malformed)
    assert (bad.channel, bad.key, bad.raw) == ("trades", "BTC-USDT", message.encode())
    assert isinstance(trade, Trade)


@pytest.mark.parametrize(
    "data",
    [
        [["1", "NaN", "3", "14:45:28", "ask"]],
        [["1", "2", "Infinity", "14:45:28", "ask"]],
        [["1", "2", "3", "14:45:28", "neither"]],
        [["1", "2", "3", "99", "ask"]],
        [["1", "2", "3", "24:00:00", "ask"]],
        [["1", "2", "-3", "14:45:28", "ask"]],
        [["1", "2", "1_000", "14:45:28", "ask"]],
        [["1", " 2", "3", "14:45:28", "ask"]],
        [["1", "\uff12", "3", "14:45:28", "ask"]],
        [["1", "2"]],
        {"asks": 1},
        None,
        "text",
        [[[]]],
        [[True, "2", "3", "14:45:28", "ask"]],
    ],
)
def test_what_is_no_trade_is_told_as_malformed(data: Any) -> None:
    (event,) = told([{"channel": "ok_sub_spot_btc_usdt_deals", "data": data}], "ok_sub_spot_btc_usdt_deals")
    assert isinstance(event, Malformed)
    assert "Error" not in event.reason, "in words"


@pytest.mark.parametrize("text", ["null", "[]", "[1]", '{"x":1}', '[{"channel":"ok_who_knows","data":{}}]', '[{"event":"else"}]'])
def test_sound_JSON_of_no_known_shape_is_kept_and_nothing_raises(text: str) -> None:
    events = told(text)
    assert all(isinstance(event, Unrecognized) for event in events)
    assert len(events) == (0 if text == "[]" else 1)


def test_the_pong_is_known_by_its_meaning_not_by_its_spaces() -> None:
    for text in ('{"event":"pong"}', '{ "event" : "pong" }', '[{"event":"pong"}]'):
        frames: list[Frame] = frames_of(text.encode(), START)
        assert frames == [Pong()]


def test_an_ack_that_says_no_refuses_its_channel_whatever_it_says_it_with() -> None:
    for no in ("false", '"false"'):
        text = f'[{{"channel":"addChannel","data":{{"result":{no},"channel":"ok_sub_spot_btc_usdt_deals"}}}}]'
        (event,) = told(text, "ok_sub_spot_btc_usdt_deals")
        assert isinstance(event, Refused)
        assert (event.channel, event.key) == ("trades", "BTC-USDT")


def test_acks_of_two_eras_and_logins_of_three() -> None:
    for text in (
        '[{"binary":1,"channel":"addChannel","data":{"result":true,"channel":"ok_sub_spot_btc_usdt_deals"}}]',
        '[{"success":true,"channel":"ok_sub_spot_btc_usdt_deals"}]',
        '[{"success":"true","channel":"ok_sub_spot_btc_usdt_deals"}]',
    ):
        (event,) = told(text, "ok_sub_spot_btc_usdt_deals")
        assert isinstance(event, Subscribed)
        assert (event.channel, event.key) == ("trades", "BTC-USDT")
    for text in ('[{"binary":0,"channel":"login","data":{"result":true}}]', '[{"data":{"result":"true"},"channel":"login"}]'):
        (event,) = told(text)
        assert isinstance(event, LoggedIn)
    (event,) = told('[{"data":{"result":false,"error_msg":"Invalid logon.","error_code":20102}}]')
    assert isinstance(event, Refused)
    assert (event.channel, event.code) == ("login", "20102")


def test_a_reply_tells_the_order_id_whether_it_is_a_number_or_a_text() -> None:
    for text, order_id in (("6189", "6189"), ('"125433027"', "125433027")):
        (reply,) = told(f'[{{"binary":0,"channel":"ok_spot_order","data":{{"result":true,"order_id":{text}}}}}]')
        assert isinstance(reply, OrderReplied)
        assert (reply.op, reply.code, reply.results[0].order_id) == ("ok_spot_order", "0", order_id)


def test_every_event_of_a_message_carries_the_moment_it_came() -> None:
    for row in rows("legacy_samples", dialect="v1"):
        for event in told(row["raw"], now=START + 7 * SECOND):
            assert event.ts_recv == START + 7 * SECOND


def test_a_futures_order_opens_or_closes_a_side_by_its_type() -> None:
    row = {"orderid": 1, "contract_name": "BTC0928", "contract_type": "quarter", "status": 0, "amount": 1, "deal_amount": 0}
    sides = []
    for kind in (1, 2, 3, 4):
        (order,) = told([{"channel": "ok_sub_futureusd_trades", "data": {**row, "type": kind}}], "ok_sub_futureusd_trades")
        assert isinstance(order, OrderUpdate)
        sides.append((order.side, order.position_side))
    assert sides == [("buy", "long"), ("sell", "short"), ("sell", "long"), ("buy", "short")]
