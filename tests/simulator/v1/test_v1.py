"""V1's face in memory: loose requests, acks and errors as recorded, trades, books, silence, trading, trouble."""

from __future__ import annotations

import contextlib
import json
import zlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.captures import recorded, shape
from tests.support.fixed_market import START
from tests.support.legacy_talk import OldTalker, add, inflated, pushes
from tests.support.talk import exchange, seconds

from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.legacy.deflate import deflated
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Abort, Binary, Close, Freeze, HttpReply, Text
from okex_ws.simulator.v1 import grammar as v1

DEMO_REQUEST = (
    b"{'event':'addChannel','channel':'ok_sub_futureusd_btc_trade_quarter',"
    b"'parameters':{'api_key':'','sign':'2CB075309DDEEF8ECE7DB92669A7321C'}}"
)
TRADES, DEPTH = "ok_sub_futureusd_btc_trade_quarter", "ok_sub_futureusd_btc_depth_quarter"


def seeded(*faults: str, **rules: Any) -> Exchange:
    return exchange(*faults, market=SeededMarket(7, start=START), **rules)


def future(venue: Exchange) -> str:
    return str(venue.instruments("FUTURES")[0]["instId"])


# Requests


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"addChannel","channel":"X"}',
        "{'event':'addChannel','channel':'X'}",
        "{event:'addChannel',channel:\"X\"}",
        " { 'channel' : 'X' ,\n'event':\"addChannel\" } ",
        "[{'event':'addChannel','channel':'X'}]",
    ],
)
def test_B16_requests_may_be_written_loosely(text: str) -> None:
    assert v1.read_requests(text.encode()) == [v1.V1Request("addChannel", "X", {})]


def test_B16_the_demos_own_bytes_are_understood() -> None:
    [request] = v1.read_requests(DEMO_REQUEST)
    assert request.channel == TRADES
    assert request.parameters == {"api_key": "", "sign": v1.sign({"api_key": ""}, "")}


_WORDS = st.text("abc_'\"\\é0 ", max_size=8)


@given(st.lists(st.tuples(_WORDS, _WORDS), min_size=1, max_size=4))
def test_quotes_of_either_kind_mean_the_same(pairs: list[tuple[str, str]]) -> None:
    requests = [{"event": event, "channel": channel} for event, channel in pairs]

    def quoted(text: str) -> str:
        return "'" + json.dumps(text)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"

    loose = ",".join(f"{{event:{quoted(r['event'])},'channel':{quoted(r['channel'])}}}" for r in requests)
    assert v1.read_requests(f"[{loose}]".encode()) == v1.read_requests(json.dumps(requests).encode())


@given(st.binary(max_size=60) | st.text("{}[]:,'\"abc01.-\\ \n", max_size=60).map(str.encode))
def test_H1_no_bytes_are_more_than_an_error(message: bytes) -> None:
    with contextlib.suppress(ApiError):
        assert all(isinstance(request, v1.V1Request) for request in v1.read_requests(message))


@pytest.mark.parametrize(
    ("parameters", "secret", "expected"),
    [
        ({"api_key": "abc"}, "xyz", "38FB3E5D8B8E95A98FF7252914621604"),
        ({"api_key": ""}, "", "2CB075309DDEEF8ECE7DB92669A7321C"),
        (
            {"api_key": "c821db84-6fbd-11e4-a9e3-c86000d26d7c", "symbol": "btc_usdt", "type": "buy", "price": 680, "amount": 1.0},
            "secretKey",
            "2E8D13ABF63D9CDD98B8E6F4780C87BC",
        ),
    ],
)
def test_signatures_are_those_of_the_page(parameters: dict[str, Any], secret: str, expected: str) -> None:
    assert v1.sign(parameters, secret) == expected


# Framing

ACKS = [
    (
        "4dca310ac0200c05d0bbfcd9a5ab6b8f514a8846b05454340e45bc7b970e1d1fbc63c25d99db03bb19f8c83987040b16d93f18082bc34eb4d04752586d"
        "23fc73b9a90f47bd1625a79e461725095523d63a5f",
        "ok_sub_spot_btc_usdt_depth",
    ),
    (
        "4dca310a80300c05d0bbfcd941d7ae1e4324a426a22855da0415f1ee2e0e8e0f5e7723ce89f385d05418264e495704b048fba182b031c28dacc55743b0"
        "ecfacfdb42c5238d6e9ed58b50b48144779b28e96974a82ed4d4789efe05",
        "ok_sub_futureusd_btc_depth_next_week_10",
    ),
]


@pytest.mark.parametrize(("frame", "channel"), ACKS)
def test_acks_are_the_recorded_bytes(frame: str, channel: str) -> None:
    talker = OldTalker(seeded(), "/ws/v1")
    talker.say(add(channel), 0)
    first = talker.out[0]
    assert isinstance(first, Binary)
    assert first.payload.hex() == frame


def test_pong_is_the_recorded_text_on_every_path() -> None:
    paths = {"/ws/v1": True, "/ws/v1?compress=false": True, "/websocket?compress=true": True, "/websocket": False}
    for path, is_binary in paths.items():
        talker = OldTalker(seeded(), path)
        talker.say("{'event':'ping'}", 0)
        [out] = talker.out
        assert isinstance(out, Binary if is_binary else Text)
        assert (inflated(out.payload) if is_binary else out.payload) == b'{"event":"pong"}'
        if is_binary:
            assert out.payload.hex() == "ab564a2d4bcd2b51b2522ac8cf4b57aa0500"


def test_deflated_acks_say_binary_1_and_later_pushes_0() -> None:
    flags = {}
    for path in ("/ws/v1", "/websocket"):
        talker = OldTalker(seeded(), path)
        first = talker.say(add(DEPTH), 1) + talker.until(1.5)
        flags[path] = [frame[0]["binary"] for frame in first[:3]]
    assert flags == {"/ws/v1": [1, 1, 0], "/websocket": [0, 0, 0]}


def test_no_such_path_is_refused_by_name() -> None:
    refusal = exchange().open("/ws/v2", START)
    assert isinstance(refusal, HttpReply)
    assert b"/ws/v1" in refusal.body


# Acks and errors


def test_errors_have_the_recorded_shapes() -> None:
    talker = OldTalker(seeded(), "/websocket")
    expected = {
        "ok_sub_futureusd_ltc_ffthis_week": {
            "binary": 0,
            "channel": "ok_sub_futureusd_ltc_ffthis_week",
            "data": {"result": False, "error_msg": "param not match.", "error_code": 20116},
        },
        "ok_spoteth_usdt_ticker": None,
        "ok_sub_spot_btc_usdt_ticker_5": None,
        "ok_sub_futureusd_btc_kline_quarter": None,
        "ok_sub_futureusd_btc_depth_quarter_7": None,
    }
    for name, error in expected.items():
        [[answer]] = talker.say(add(name), 0)
        assert answer["data"]["error_code"] == 20116
        assert answer["channel"] == name
        assert error in (None, answer)
    [[unknown]] = talker.say({"event": "subscribe", "channel": "X"}, 0)
    assert unknown == {
        "binary": 0,
        "data": {"result": False, "error_msg": "The subscription event type is  invalid.", "error_code": 20103},
    }
    [[login]] = talker.say({"event": "login", "parameters": {"api_key": "x", "sign": "y"}}, 0)
    assert login == {"data": {"result": False, "error_msg": "Invalid logon.", "error_code": 20102}}
    assert talker.say("{'event'", 0)[0][0]["data"]["error_code"] == 20107


def test_a_dead_pair_and_a_private_channel_are_acked_and_then_silent() -> None:
    talker = OldTalker(seeded(), "/ws/v1")
    for name in ("ok_sub_spot_usd_btc_ticker", "ok_sub_futureusd_eos_trade_quarter", "ok_sub_spot_eth_btc_order"):
        answer = talker.say(add(name), 0)
        assert answer == [[{"binary": 1, "channel": "addChannel", "data": {"result": True, "channel": name}}]]
    assert talker.until(5) == []
    assert talker.line.subscriptions == {}


def test_a_batch_is_acked_one_by_one_and_one_wrong_name_harms_nobody() -> None:
    talker = OldTalker(seeded(), "/ws/v1")
    frames = talker.say([add("ok_sub_futureusd_btc_index"), add("nonsense"), add("ok_sub_spot_btc_usdt_ticker")], 0)
    assert [frame[0]["channel"] for frame in frames] == [
        "addChannel", "ok_sub_futureusd_btc_index", "nonsense", "addChannel", "ok_sub_spot_btc_usdt_ticker",
    ]  # fmt: skip


def test_a_removed_channel_is_silent() -> None:
    talker = OldTalker(seeded(), "/ws/v1")
    talker.say(add("ok_sub_futureusd_btc_index"), 0)
    assert pushes(talker.until(2), "ok_sub_futureusd_btc_index")
    [[answer]] = talker.say({"event": "removeChannel", "channel": "ok_sub_futureusd_btc_index"}, 2)
    assert answer["channel"] == "removeChannel"
    assert talker.until(5) == []


# Data


def test_trades_come_first_in_a_batch_and_then_each_once() -> None:
    venue = seeded()
    venue.on_deadline(seconds(30))
    talker = OldTalker(venue, "/ws/v1", 30)
    first = pushes(talker.say(add(TRADES), 30), TRADES)[0]
    later = pushes(talker.until(60), TRADES)
    assert len(first) == venue.rules.v1_first_trades
    rows = [row for batch in (first, *later) for row in batch]
    numbers = [int(row[0]) for row in rows]
    assert numbers == sorted(set(numbers))
    assert max(map(len, later)) > 1
    published = venue.ledger.trades[future(venue)]
    told = [(int(row[0]) >> 16, int(row[0]) & 0x7FFF) for batch in later for row in batch]
    gathered = [(ms(ts, last, venue), last & 0x7FFF) for _, last, ts in published]
    assert told == gathered[: len(told)]
    assert len(gathered) - len(told) < 10, "only the last second's are still to be told"


def ms(ts: int, last: int, venue: Exchange) -> int:
    """The time of a trade as its V1 id holds it."""
    match = next(m for m in reversed(venue.market.matches(future(venue))) if int(m["tradeId"]) == last)
    return int(match["ts"]) - v1.EPOCH_MS


def test_a_futures_trade_id_holds_the_time_the_row_shows() -> None:
    assert v1.clock((1006427740013578 >> 16) + v1.EPOCH_MS) == "17:47:48"
    assert int(v1.snowflake((1006427740013578 >> 16) + v1.EPOCH_MS, 1006427740013578)) == 1006427740013578
    talker = OldTalker(seeded(), "/ws/v1", 20)
    rows = pushes(talker.say(add(TRADES), 20), TRADES)[0]
    for identity, _, _, clock, side in rows:
        assert v1.clock((int(identity) >> 16) + v1.EPOCH_MS) == clock
        assert side in ("ask", "bid")


def test_futures_books_have_five_columns_that_add_up() -> None:
    talker = OldTalker(seeded(), "/ws/v1", 5)
    talker.say(add(f"{DEPTH}_20"), 5)
    talker.until(6)
    books = pushes(talker.frames, f"{DEPTH}_20")
    assert len(books) > 3
    for book in books:
        for side in ("asks", "bids"):
            levels = book[side]
            assert len(levels) == 20
            assert [row[0] for row in levels] == sorted((row[0] for row in levels), reverse=True)
            coins = contracts = Decimal(0)
            for price, size, coin, sum_coins, sum_contracts in reversed(levels) if side == "asks" else levels:
                exact = Decimal(str(size)) * 100 / Decimal(str(price))
                assert 0 <= exact - Decimal(str(coin)) < Decimal("0.0001")
                coins, contracts = coins + Decimal(str(coin)), contracts + Decimal(str(size))
                assert (Decimal(str(sum_coins)), Decimal(str(sum_contracts))) == (coins, contracts)


@pytest.mark.parametrize("name", [DEPTH, "ok_sub_spot_btc_usdt_depth"])
def test_changes_of_a_book_lead_to_the_published_book(name: str) -> None:
    venue = seeded()
    talker = OldTalker(venue, "/ws/v1", 5)
    instrument = future(venue) if "future" in name else "BTC-USDT"
    sides: dict[str, dict[float, list[Any]]] = {"asks": {}, "bids": {}}
    deleted = 0
    frames = talker.say(add(name), 5)
    for step in range(1, 60):
        for image in pushes(frames, name):
            for side, levels in sides.items():
                assert [float(row[0]) for row in image[side]] == sorted((float(row[0]) for row in image[side]), reverse=True)
                for row in image[side]:
                    if float(row[1]):
                        levels[float(row[0])] = row
                    else:
                        gone = levels.pop(float(row[0]))
                        assert gone[2:] == row[2:] or len(row) == 5, "a deletion keeps its stale columns"
                        deleted += 1
        book = venue.market.book(instrument, 200)
        assert book is not None
        for side, levels in sides.items():
            best = sorted(levels, reverse=side == "bids")
            assert [(p, float(levels[p][1])) for p in best] == [(float(row[0]), float(row[1])) for row in book[side]]
        frames = talker.until(5 + step / 10)
    assert deleted > 20


def test_shapes_are_those_recorded() -> None:
    venue = seeded()
    talker = OldTalker(venue, "/websocket", 20)
    compared = 0
    for name in ("legacy_samples", "v1-comments-2018"):
        for line in recorded(name):
            if line["dialect"] != "v1" or not line["source"].startswith(("capture:", "v1-comments")):
                continue
            message = json.loads(line["raw"])
            told = message[0] if isinstance(message, list) else message
            channel = str(told.get("channel", ""))
            if not channel.startswith("ok_sub_") or "data" not in told or "error_code" in told["data"]:
                continue
            ours = _ours(talker, channel)
            if ours is None:
                continue
            assert shape(ours) == shape(told["data"]), channel
            compared += 1
    assert compared > 15


def _ours(talker: OldTalker, channel: str) -> Any:
    """What we push on the nearest channel to a recorded one that this market has; None for an account's."""
    parts = channel.split("_")
    if any(word in channel for word in ("order", "balance", "trades", "userinfo", "positions")):
        return None
    if parts[2] == "spot":
        name = "_".join(["ok", "sub", "spot", "btc", "usdt", *parts[5:]])
    else:
        name = channel.replace(f"_{parts[3]}_", "_btc_", 1)
    return pushes(talker.say(add(name), 20), name)[0]


def test_a_forecast_of_the_settlement_comes_unasked_before_delivery() -> None:
    at = 63_100  # 22 September 2026, 07:45 UTC, a quarter of an hour before the contract's delivery
    market = SeededMarket(7, start=seconds(at), instruments=["BTC-USD-260922", "BTC-USD-270326"])
    talker = OldTalker(Exchange(market, seed=7, now=seconds(at)), "/websocket", at)
    talker.say(add("ok_sub_futureusd_btc_index"), at)
    assert not pushes(talker.until(at + 3), "btc_forecast_price")
    talker.say(add("ok_sub_futureusd_btc_ticker_this_week"), at + 3)
    [told] = next(frame for frame in talker.until(at + 10) if frame[0]["channel"] == "btc_forecast_price")
    assert set(told) == {"channel", "timestamp", "data"}
    assert seconds(at + 3) < int(told["timestamp"]) * 1_000_000 <= seconds(at + 10)
    assert 50_000 < float(told["data"]) < 70_000
    ticker = pushes(talker.frames, "ok_sub_futureusd_btc_ticker_this_week")[0]
    assert str(ticker["contractId"]).startswith("20260922")


def test_D9_a_book_stays_crossed_until_it_is_asked_for_again() -> None:
    talker = OldTalker(seeded(f"crossed channel={DEPTH} nth=3"), "/websocket")
    for at, is_crossed in ((0, True), (1, False)):
        asks: dict[float, float] = {}
        bids: dict[float, float] = {}
        frames = talker.say(add(DEPTH), at)
        for image in pushes(frames + talker.until(at + 0.9), DEPTH):
            asks |= {row[0]: row[1] for row in image["asks"]}
            bids |= {row[0]: row[1] for row in image["bids"]}
            assert {len(row) for side in ("asks", "bids") for row in image[side]} <= {5}
        best_bid = max(price for price, size in bids.items() if size)
        best_ask = min(price for price, size in asks.items() if size)
        assert (best_bid >= best_ask) == is_crossed


# Silence


def test_no_ping_for_300_s_ends_the_line_however_much_is_pushed() -> None:
    talker = OldTalker(exchange(v1_ping_close_s=300), "/ws/v1")
    talker.say(add("ok_sub_spot_btc_usdt_deals"), 0)
    talker.until(299.9)
    assert talker.closed is None
    assert pushes(talker.frames, "ok_sub_spot_btc_usdt_deals")
    talker.until(300)
    assert talker.closed is not None
    assert talker.closed.code == 1000


def test_pings_keep_the_line_and_nothing_else_does() -> None:
    pinging, talking = (OldTalker(exchange(idle_close_s=30.0), "/ws/v1") for _ in range(2))
    for minute in range(1, 11):
        pinging.say({"event": "ping"}, minute * 60)
        talking.say(add("ok_sub_spot_btc_usdt_deals"), minute * 60)
    assert pinging.closed is None
    assert talking.closed is not None


# Trouble


@pytest.mark.parametrize("what", ["corrupt", "truncated", "doubled", "zlib", "gzip", "bomb"])
def test_C10_C11_frames_that_do_not_inflate(what: str) -> None:
    talker = OldTalker(seeded(f"bad_deflate what={what} channel={TRADES} nth=2 size=3000000"), "/ws/v1", 20)
    talker.say(add(TRADES), 20)
    talker.venue.on_deadline(seconds(23))
    frames = [each.payload for each in talker.line.take() if isinstance(each, Binary)]
    bad = frames[0]
    inflater = zlib.decompressobj(-15)
    if what in ("corrupt", "zlib", "gzip"):
        with pytest.raises(zlib.error):
            inflater.decompress(bad)
    elif what == "bomb":
        assert len(bad) < 10_000
        assert inflater.decompress(bad) == bytes(3_000_000)
    else:
        inflater.decompress(bad)
        assert inflater.eof == (what == "doubled")
        assert bool(inflater.unused_data) == (what == "doubled")
    assert inflated(frames[1]).startswith(b'[{"binary":0')
    assert [fault.kind for fault in talker.venue.ledger.faults] == ["bad_deflate"]


def test_pushes_can_be_lost_doubled_and_late() -> None:
    name = "ok_sub_spot_btc_usdt_deals"
    clean = OldTalker(exchange(), "/ws/v1")
    clean.say(add(name), 0)
    batches = pushes(clean.until(3), name)
    for fault, expected in (("drop nth=2", batches[:1] + batches[2:]), ("duplicate nth=2", batches[:2] + batches[1:])):
        talker = OldTalker(exchange(f"{fault} channel={name}"), "/ws/v1")
        talker.say(add(name), 0)
        assert pushes(talker.until(3), name) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("abort at=2s", Abort()),
        ("close at=2s code=1012 reason=restart", Close(1012, "restart")),
        ("freeze at=2s", Freeze()),
        ("kick_all at=2s", Abort()),
        ("notice at=2s", Close(1001, "Service upgrade")),
    ],
)
def test_A5_A7_A8_A13_A14_trouble_of_the_line_by_the_clock(fault: str, expected: Any) -> None:
    name = "ok_sub_spot_btc_usdt_deals"
    venue = exchange(f"{fault} channel={name}" if "kick" not in fault else fault, notice_s=1.0)
    struck, spared = OldTalker(venue, "/ws/v1"), OldTalker(venue, "/ws/v1")
    struck.say(add(name), 0)
    spared.say(add("ok_sub_spot_eth_usdt_deals"), 0)
    struck.until(4)
    assert struck.out[-1] == expected
    assert spared.line.is_over == ("kick" in fault)


def test_A5_A10_the_line_itself_can_fail() -> None:
    cut = OldTalker(seeded("abort channel=ok_sub_futureusd_btc_index nth=3"), "/ws/v1")
    cut.say(add("ok_sub_futureusd_btc_index"), 0)
    cut.until(10)
    assert isinstance(cut.out[-1], Abort)
    mute = OldTalker(seeded("ignore_ping path=v1"), "/ws/v1")
    assert mute.say({"event": "ping"}, 0) == []


def test_H1_floods_of_garbage_and_of_channels_are_answered_and_kept_small() -> None:
    talker = OldTalker(seeded(), "/ws/v1")
    for n in range(500):
        assert talker.line.receive(b"\xff{{{" * n, START) is None
    batch = [add(f"ok_sub_spot_x{n}_usdt_ticker") for n in range(500)]
    talker.say(batch, 0)
    codes = [frame[0]["data"].get("error_code") for frame in talker.frames]
    assert codes.count(20107) == 500
    assert codes.count(None) == 500
    assert talker.line.subscriptions == {}
    talker.say(b"[" * 70_000, 0)
    assert talker.closed is not None
    assert talker.closed.code == 1009


def test_deflate_is_level_1_of_memory_level_8() -> None:
    text = b'[{"binary":1,"channel":"addChannel"}]' * 20
    packer = zlib.compressobj(1, zlib.DEFLATED, -15, 8)
    assert deflated(text) == packer.compress(text) + packer.flush()
