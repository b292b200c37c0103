"""V3: channel names, every recorded message, checksums over whole sessions, what its V3Session says and when."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from tests.support.legacy_corpus import SECOND, START, rows, session_v3

from okex_ws.events import (
    AccountUpdate,
    AlgoOrderUpdate,
    BookEvent,
    BookSnapshot,
    BookUpdate,
    Candle,
    Event,
    FundingRate,
    Gap,
    IndexTicker,
    LoggedIn,
    Malformed,
    OpenInterest,
    OrderUpdate,
    PositionUpdate,
    PriceLimit,
    Refused,
    Subscribed,
    Ticker,
    Trade,
    Unrecognized,
)
from okex_ws.legacy.deflate import deflated
from okex_ws.legacy.frames import Acked, Failed, LegacyLoginAnswer, Pong, Rows
from okex_ws.legacy.v3 import V3Session, literal, meaning, subscription, subscriptions_in
from okex_ws.legacy.v3.wire import codes, requests
from okex_ws.legacy.v3.wire.messages import frames_of
from okex_ws.market import Books
from okex_ws.wire.channels import SubscriptionError
from okex_ws.wire.sign import Credentials

KEY = Credentials("key", "secret", "words-of-v3")
EVENTS = {
    "tickers": {Ticker, OpenInterest},
    "trades": {Trade},
    "books": {BookSnapshot, BookUpdate},
    "books5": {BookSnapshot},
    "books-l2-tbt": {BookSnapshot, BookUpdate},
    "candle1m": {Candle},
    "funding-rate": {FundingRate},
    "price-limit": {PriceLimit},
    "index-tickers": {IndexTicker},
    "account": {AccountUpdate},
    "orders": {OrderUpdate},
    "orders-algo": {AlgoOrderUpdate},
    "positions": {PositionUpdate},
}


def said(session: V3Session) -> list[Any]:
    return [json.loads(text) if text.startswith(b"{") else text for text in session.bytes_to_send()]


def told(message: str, *wanted: str) -> list[Event]:
    return session_v3(*wanted).receive(message.encode(), START)


def of(*names: str) -> Iterable[dict[str, Any]]:
    return (row for row in rows(*names, dialect="v3") if row.get("dir") != "out" and not row["channel"].startswith("(client"))


# -- names -----------------------------------------------------------------------------------------------------------------

NAMES = {
    "spot/trade:BTC-USDT": ("trades", "BTC-USDT"),
    "spot/ticker:BTC-USDT": ("tickers", "BTC-USDT"),
    "spot/depth:BTC-USDT": ("books", "BTC-USDT"),
    "spot/depth5:BTC-USDT": ("books5", "BTC-USDT"),
    "spot/depth_l2_tbt:BTC-USDT": ("books-l2-tbt", "BTC-USDT"),
    "spot/optimized_depth:BTC-USDT": ("books-optimized", "BTC-USDT"),
    "spot/candle60s:BTC-USDT": ("candle1m", "BTC-USDT"),
    "spot/candle604800s:BTC-USDT": ("candle1W", "BTC-USDT"),
    "spot/order:BTC-USDT": ("orders", "BTC-USDT"),
    "spot/order_algo:BTC-USDT": ("orders-algo", "BTC-USDT"),
    "spot/account:USDT": ("account", "USDT"),
    "spot/margin_account:ETH-USDT": ("account", "ETH-USDT"),
    "futures/instruments": ("instruments", "FUTURES"),
    "futures/ticker:BTC-USD-190329": ("tickers", "BTC-USD-190329"),
    "futures/mark_price:BTC-USD-190329": ("mark-price", "BTC-USD-190329"),
    "futures/estimated_price:BTC-USD-190329": ("estimated-price", "BTC-USD-190329"),
    "futures/price_range:BTC-USDT-210625": ("price-limit", "BTC-USDT-210625"),
    "futures/position:BTC-USD-190329": ("positions", "BTC-USD-190329"),
    "futures/account:BTC": ("account", "BTC"),
    "futures/account:BTC-USDT": ("account", "BTC-USDT"),
    "swap/funding_rate:BTC-USD-SWAP": ("funding-rate", "BTC-USD-SWAP"),
    "swap/order:BTC-USD-SWAP": ("orders", "BTC-USD-SWAP"),
    "swap/account:ETH-USD-SWAP": ("account", "ETH-USD-SWAP"),
    "swap/candle43200s:BTC-USD-SWAP": ("candle12H", "BTC-USD-SWAP"),
    "option/trade:BTC-USD-210423-64000-C": ("trades", "BTC-USD-210423-64000-C"),
    "option/trades:BTC-USD": ("trades", "BTC-USD"),
    "option/instruments:BTC-USD": ("instruments", "BTC-USD"),
    "option/summary:BTC-USD": ("opt-summary", "BTC-USD"),
    "option/order:BTC-USD": ("orders", "BTC-USD"),
    "index/ticker:BTC-USD": ("index-tickers", "BTC-USD"),
    "index/candle60s:BTC-USD": ("index-candle1m", "BTC-USD"),
    "system/status": ("status", ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_table_of_the_pages_goes_both_ways(name: str) -> None:
    item = subscription(name)
    assert (item.channel, item.key) == NAMES[name]
    assert literal(item) == name
    assert subscription(item.channel, **dict(item.args)) == item


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("spot/tickerinvalid:NEO-USDT", None, "the nearest is spot/ticker:NEO-USDT"),
        ("swap/trade:BTC-USDT", None, "the nearest is spot/trade:BTC-USDT"),
        ("spot/candle61s:BTC-USDT", None, "the nearest is spot/candle60s:BTC-USDT"),
        ("spot/trade", None, "the nearest is spot/trade:BTC-USDT"),
        ("foo/bar:x", None, "the nearest is spot/"),
        ("spot/trade:X", None, "the nearest is spot/trade:BTC-USDT"),
        ("spot/trade:btc-usdt", None, "the nearest is spot/trade:BTC-USDT"),
        ("spot/account", None, "the nearest is spot/account:BTC"),
        ("futures/trade:BTC", None, "the nearest is futures/trade:BTC-USD-210625"),
        ("futures/position:BTC-USD-QUARTER", None, "the nearest is futures/position:BTC-USD-210625"),
        ("futures/instruments:BTC", None, "the nearest is futures/instruments"),
        ("spot/funding_rate:BTC-USD-SWAP", None, "the nearest is swap/funding_rate:BTC-USD-SWAP"),
        ("option/summry:BTC-USD", None, "the nearest is option/summary:BTC-USD"),
        ("index/tick:BTC-USD", None, "the nearest is index/ticker:BTC-USD"),
        ("index/candle61s:BTC-USD", None, "the nearest is index/candle60s:BTC-USD"),
        ("trades", "btc-usdt", "did you mean BTC-USDT?"),
        ("trades", "BTC", "not an instrument"),
        ("funding-rate", "BTC-USD-190329", "V3 has no funding-rate of BTC-USD-190329, which is futures"),
        ("candle7m", "BTC-USDT", "did you mean candle"),
        ("instruments", "SPOT", "V3 has instruments of FUTURES"),
    ],
)
def test_what_V3_cannot_serve_is_told_before_anything_is_sent(name: str, key: str | None, words: str) -> None:
    with pytest.raises(SubscriptionError) as error:
        subscription(name, key)
    assert words in str(error.value)
    if "the nearest is " in str(error.value):
        assert subscription(str(error.value).split("the nearest is ")[1])


# -- recordings ------------------------------------------------------------------------------------------------------------


def test_every_recorded_message_and_every_example_is_typed() -> None:
    kinds: Counter[str] = Counter()
    for row in of("legacy_samples", "crypto-msg-parser", "cryptofeed-2021-04-okcoin-v3"):
        for frame in frames_of(row["raw"].encode(), START):
            assert isinstance(frame, Pong | Acked | LegacyLoginAnswer | Failed | Rows), row["raw"]
            kinds[type(frame).__name__] += 1
            if isinstance(frame, Rows):
                assert frame.events
                channel = frame.events[0].channel  # type: ignore[attr-defined]
                assert {type(event) for event in frame.events} <= EVENTS[channel], row["raw"]
                assert meaning(frame.names[0]) is not None or frame.names[0].endswith("ltc_usdt"), frame.names
    assert kinds["Failed"] == 4
    assert sum(kinds.values()) == 2548 - 1 + 18 + 1770, "all but the client's own request"


def verified(session: V3Session, messages: Iterable[tuple[bytes, bool]], books: Books) -> tuple[int, list[Event]]:
    """(books with a checksum, news) of what a session makes of messages; every book verifies."""
    count, news = 0, []
    for number, (data, is_binary) in enumerate(messages):
        now = START + number
        for event in session.receive_binary(data, now) if is_binary else session.receive(data, now):
            assert books.apply(event) is None, event
            if isinstance(event, BookEvent):
                count += 1
            elif not isinstance(event, Trade | Ticker | OpenInterest | Subscribed):
                news.append(event)
    return count, news


def test_all_1620_checksums_of_okcoins_session_verify_from_the_original_frames() -> None:
    recorded = [row for row in rows("cryptofeed-2021-04-okcoin-v3") if row.get("dir") == "in"]
    total = 0
    for connection in sorted({row["conn"] for row in recorded}):
        asked = next(
            json.loads(row["raw"])["args"]
            for row in rows("cryptofeed-2021-04-okcoin-v3")
            if row.get("dir") == "out" and row["conn"] == connection
        )
        session, books = session_v3(*asked), Books()
        assert [name for request in said(session) for name in request["args"]] == asked
        frames = [(base64.b64decode(row["deflate_b64"]), True) for row in recorded if row["conn"] == connection]
        count, news = verified(session, frames, books)
        assert news == []
        assert session.is_settled
        assert sum(book.checksums_verified for book in books) == count
        total += count
    assert total == 1620


def test_all_2398_checksums_of_okexs_session_verify_from_frames_deflated_anew() -> None:
    recorded = [row for row in rows("legacy_samples") if "OKEX.ws.56" in row["source"]]
    asked = json.loads(recorded[0]["raw"])["args"]
    session, books = session_v3(*asked), Books()
    count, news = verified(session, ((deflated(row["raw"].encode()), True) for row in recorded[1:]), books)
    assert (count, news) == (2398, [])
    assert sum(book.checksums_verified for book in books) == 2398
    assert len(books) == 10


def test_books_of_2019_with_whole_counts_verify() -> None:
    session, books = session_v3("spot/depth:BTC-USDT", "spot/depth:WAVES-BTC", "spot/depth:EOS-USDT"), Books()
    recorded = [row for row in rows("legacy_samples") if "thrasher-corp" in row["source"] and row["channel"] == "spot/depth"]
    messages = [row for row in recorded if "checksum" in row["raw"]]
    count, news = verified(session, ((row["raw"].encode(), False) for row in messages), books)
    assert (count, news) == (5, [])
    assert sum(book.checksums_verified for book in books) == 5


@pytest.mark.parametrize(
    ("bids", "asks", "checksum"),
    [
        ([["3366.1", "7"], ["3366", "6"]], [["3366.8", "9"], ["3368", "8"]], -1881014294),
        ([["3366.1", "7"]], [["3366.8", "9"], ["3368", "8"], ["3372", "8"]], 831078360),
    ],
)
@pytest.mark.parametrize("as_number", [False, True])
def test_the_pages_checksums_verify_in_both_number_eras(
    bids: list[list[str]], asks: list[list[str]], checksum: int, as_number: bool
) -> None:
    def side(levels: list[list[str]]) -> str:
        rows_of = [f"[{price},{size},0,1]" if as_number else f'["{price}","{size}","0","1"]' for price, size in levels]
        return f"[{','.join(rows_of)}]"

    row = (
        f'{{"instrument_id":"BTC-USD-190329","bids":{side(bids)},"asks":{side(asks)},'
        f'"timestamp":"2019-02-25T19:46:33.178Z","checksum":{checksum}}}'
    )
    message = f'{{"table":"futures/depth","action":"partial","data":[{row}]}}'
    books = Books()
    (image,) = told(message, "futures/depth:BTC-USD-190329")
    assert books.apply(image) is None
    assert books.get("BTC-USD-190329").checksums_verified == 1
    if as_number:  # 3827.0 is not 3827: the text of a number is kept
        wrong = message.replace('"asks":[[3366.8,9', '"asks":[[3366.80,9')
        (image,) = told(wrong, "futures/depth:BTC-USD-190329")
        assert Books().apply(image) == "checksum"


# -- the session -----------------------------------------------------------------------------------------------------------

DEPTH = "spot/depth:BTC-USDT"
IMAGE = (
    '{"table":"spot/depth","action":"partial","data":[{"instrument_id":"BTC-USDT","asks":[["3366.8","9",1],["3368","8",1]],'
    '"bids":[["3366.1","7",1],["3366","6",1]],"timestamp":"2019-02-25T19:46:33.178Z","checksum":-1881014294}]}'
)
CHANGE = (
    '{"table":"spot/depth","action":"update","data":[{"instrument_id":"BTC-USDT","asks":[["3372","8",1]],'
    '"bids":[["3366","0",0]],"timestamp":"2019-02-25T19:46:34.178Z","checksum":831078360}]}'
)


def test_a_wrong_checksum_breaks_the_book_until_a_new_partial() -> None:
    session, books = session_v3(DEPTH), Books()
    session.receive(f'{{"event":"subscribe","channel":"{DEPTH}"}}'.encode(), START)
    said(session)
    for message, trouble in ((IMAGE, None), (CHANGE.replace("831078360", "831078361"), "checksum")):
        (event,) = session.receive(message.encode(), START)
        assert books.apply(event) == trouble
    assert not books.get("BTC-USDT").is_live
    (gap,) = session.resync(subscription(DEPTH), START, "checksum")
    assert isinstance(gap, Gap)
    assert (gap.channel, gap.instrument, gap.cause) == ("books", "BTC-USDT", "checksum")
    assert said(session) == [{"op": "unsubscribe", "args": [DEPTH]}, {"op": "subscribe", "args": [DEPTH]}]
    assert session.receive(CHANGE.encode(), START + 1) == [], "of the book that is not known any more"
    for text in (f'{{"event":"unsubscribe","channel":"{DEPTH}"}}', f'{{"event":"subscribe","channel":"{DEPTH}"}}'):
        assert session.receive(text.encode(), START + 2) == []
    resumed, image = session.receive(IMAGE.encode(), START + 3)
    assert type(resumed).__name__ == "Resumed"
    assert books.apply(image) is None
    assert books.get("BTC-USDT").is_live


def test_an_empty_change_still_verifies() -> None:
    session, books = session_v3(DEPTH), Books()
    empty = CHANGE.replace('[["3372","8",1]]', "[]").replace('[["3366","0",0]]', "[]").replace("831078360", "-1881014294")
    for message in (IMAGE, empty):
        (event,) = session.receive(message.encode(), START)
        assert books.apply(event) is None
    assert books.get("BTC-USDT").checksums_verified == 2


def test_requests_are_split_where_they_would_be_too_long() -> None:
    names = [f"spot/depth_l2_tbt:COIN{n}-USDT" for n in range(400)]
    batches = list(requests.subscribe(names))
    assert len(batches) > 1
    assert all(len(batch) <= requests.MAX_REQUEST for batch in batches)
    assert [name for batch in batches for name in json.loads(batch)["args"]] == names


def test_the_login_signs_the_time_and_its_vector_verifies() -> None:
    session = session_v3("spot/order:BTC-USDT", now=1545186489_379000000, credentials=KEY)
    assert said(session) == [
        {"op": "login", "args": ["key", "words-of-v3", "1545186489.379", "ZaMaUR53SHwnM2n/42Nvq3dRMlYbnZy9Hs15OxC/07U="]}
    ]
    for text in ('{"event":"login","success":true}', '{"event":"login","success":"true"}'):
        again = session_v3("spot/order:BTC-USDT", credentials=KEY)
        said(again)
        (event,) = again.receive(text.encode(), START)
        assert isinstance(event, LoggedIn)
        assert said(again) == [{"op": "subscribe", "args": ["spot/order:BTC-USDT"]}]
    login, private = session.receive(b'{"event":"error","message":"Invalid sign","errorCode":30013}', session.next_deadline)
    assert isinstance(login, Refused)
    assert isinstance(private, Refused)
    assert (login.channel, login.code, private.channel) == ("login", "30013", "orders")


def test_an_unknown_channel_is_refused_by_the_name_in_its_text() -> None:
    session = session_v3("spot/ticker:NEO-USDT", "spot/trade:BTC-USDT")
    (event,) = session.receive(
        b'{"event":"error","message":"Channel spot/ticker:NEO-USDT doesn\'t exist","errorCode":30040}', START
    )
    assert isinstance(event, Refused)
    assert (event.channel, event.key) == ("tickers", "NEO-USDT")
    assert event.advice == "correct the channel's name, or ask for an instrument that trades there"


def test_an_error_that_quotes_a_login_is_told_without_it() -> None:
    quoted = json.dumps({"op": "login", "args": ["key-of-mine", "passphrase-of-mine", "1", "sign-of-mine"]})
    message = json.dumps({"event": "error", "message": f"Unrecognized request: {quoted}", "errorCode": 30039})
    (event,) = told(message)
    assert isinstance(event, Refused)
    assert "of-mine" not in repr(event)
    assert event.code == "30039"


def test_a_quiet_line_is_pinged_with_a_text_and_data_counts_as_life() -> None:
    session = session_v3("spot/trade:BTC-USDT")
    session.receive(b'{"event":"subscribe","channel":"spot/trade:BTC-USDT"}', START)
    said(session)
    session.on_deadline(START + 30 * SECOND)
    assert said(session) == [b"ping"]
    session.receive_binary(bytes.fromhex("2bc8cf4b0700"), START + 31 * SECOND)
    session.on_deadline(START + 61 * SECOND)
    assert said(session) == [b"ping"]
    assert session.ending is None
    session.on_deadline(START + 71 * SECOND)
    assert session.ending is not None
    assert session.ending.code == 1001


def test_a_session_by_itself_pings_before_the_server_would_close() -> None:
    session = session_v3()
    assert session.deadline() - START == 20 * SECOND
    session.on_deadline(START + 20 * SECOND)
    assert session.bytes_to_send() == [b"ping"]


def test_own_data_of_all_businesses_is_exact() -> None:
    order = '{"filled_qty":"0","fee":"-0.01","client_oid":"mine","price_avg":"0.00","type":"4","instrument_id":"ETH-USD-SWAP","size":"1","price":"51.00","contract_val":"10","order_id":"66-7-4cdb0d73a-0","order_type":"1","status":"-1","timestamp":"2019-02-28T10:51:15.209Z"}'  # noqa: E501
    (event,) = told(f'{{"table":"swap/order","data":[{order}]}}', "swap/order:ETH-USD-SWAP")
    assert isinstance(event, OrderUpdate)
    assert (event.order_id, event.client_order_id) == ("66-7-4cdb0d73a-0", "mine")
    assert (event.state, event.order_type) == ("canceled", "post_only")
    assert (event.side, event.position_side, event.price, event.average_price) == ("buy", "short", Decimal("51.00"), None)
    assert (event.fee, event.updated_ms) == (Decimal("-0.01"), 1551351075209)
    fixed = next(row for row in of("legacy_samples") if row["channel"] == "futures/position" and "long_margin" in row["raw"])
    long, short = told(fixed["raw"], "futures/position:BTC-USD-170317")
    assert isinstance(long, PositionUpdate)
    assert isinstance(short, PositionUpdate)
    assert (long.size, long.average_price, long.leverage, long.margin_mode) == (62, Decimal("2689.763"), 10, "isolated")
    assert (short.size, short.liquidation_price) == (17, Decimal("4803.766"))
    margin = next(row for row in of("legacy_samples") if row["channel"] == "spot/margin_account")
    (account,) = told(margin["raw"], "spot/margin_account:ETH-USDT")
    assert isinstance(account, AccountUpdate)
    assert {balance.currency for balance in account.balances} == {"ETH", "USDT"}


def test_rows_of_several_instruments_go_to_their_own_subscriptions() -> None:
    trade = '{{"side":"buy","trade_id":"{}","price":"1","size":"1","instrument_id":"{}","timestamp":"2021-03-22T01:16:28.687Z"}}'
    both = f'{{"table":"spot/trade","data":[{trade.format(1, "BTC-USDT")},{trade.format(1, "ETH-USDT")}]}}'
    events = told(both, "spot/trade:BTC-USDT", "spot/trade:ETH-USDT")
    assert [event.instrument for event in events if isinstance(event, Trade)] == ["BTC-USDT", "ETH-USDT"]
    assert [str(item) for item in subscriptions_in(both.encode())] == ["trades BTC-USDT", "trades ETH-USDT"]
    bad = both.replace('"price":"1"', '"price":"?"', 1)
    first, second = told(bad, "spot/trade:BTC-USDT", "spot/trade:ETH-USDT")
    assert isinstance(first, Malformed)
    assert (first.channel, first.key) == ("trades", "BTC-USDT")
    assert isinstance(second, Trade)


@pytest.mark.parametrize("text", ["[]", "{}", '{"table":"who/knows","data":[]}', '{"event":"else"}', "1"])
def test_sound_JSON_of_no_known_shape_is_kept(text: str) -> None:
    (event,) = told(text)
    assert isinstance(event, Unrecognized)
    assert event.raw == text.encode()


def test_every_code_of_the_sheet_has_a_meaning() -> None:
    assert len(codes.MEANINGS) == 42
    assert codes.advice("30041") == "give credentials; this channel needs a login"
    assert codes.advice("30036") == "no data"
    assert codes.advice("33017") == "an error of spot and margin trading"
    assert codes.advice("x") == ""


def test_a_funding_rate_and_the_next_one_are_told() -> None:
    row = {"estimated_rate": "0.00019", "funding_rate": "0.00022993", "funding_time": "2019-10-11T16:00:00.000Z"}
    row |= {"instrument_id": "BTC-USD-SWAP", "interest_rate": "0", "settlement_time": "2019-10-12T08:00:00.000Z"}
    (event,) = told(json.dumps({"table": "swap/funding_rate", "data": [row]}), "swap/funding_rate:BTC-USD-SWAP")
    assert isinstance(event, FundingRate)
    assert (event.rate, event.next_rate, event.interest_rate) == (0.00022993, 0.00019, 0.0)
    assert (event.funding_ms, event.next_funding_ms) == (1570809600000, 1570867200000)


@pytest.mark.parametrize(
    "wrong", [{"side": "xx"}, {"size": "-1"}, {"size": "1_0"}, {"price": "NaN"}, {"timestamp": "2019-13-45T99:99:99.000Z"}]
)
def test_a_trade_that_cannot_be_is_malformed(wrong: dict[str, str]) -> None:
    row = {"side": "buy", "trade_id": "1", "price": "5", "size": "1", "instrument_id": "BTC-USDT"}
    told = {"table": "spot/trade", "data": [{**row, "timestamp": "2019-01-01T00:00:00.000Z", **wrong}]}
    (event,) = session_v3("spot/trade:BTC-USDT").receive(json.dumps(told).encode(), START)
    assert isinstance(event, Malformed)
    assert repr(next(iter(wrong.values()))) in event.reason
