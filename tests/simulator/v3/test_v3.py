"""V3's face in memory: acks and errors as recorded, checksums of every book, accounts, silence, trouble."""

from __future__ import annotations

import base64
import json
import zlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.captures import recorded, shape
from tests.support.fixed_market import START, FixedMarket
from tests.support.legacy_talk import OldTalker, add, login, rows, signed
from tests.support.talk import exchange, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.legacy.deflate import deflated
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.market.captures import CaptureMarket
from okex_ws.simulator.market.reference import type_of
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Binary
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.v3 import grammar as v3

NOW = START + 20 * SECOND
STAMP = str(NOW // SECOND)


def seeded(*faults: str, **rules: Any) -> Exchange:
    return exchange(*faults, market=SeededMarket(7, start=START), **rules)


def ask(*channels: str, op: str = "subscribe") -> dict[str, Any]:
    return {"op": op, "args": list(channels)}


def crc(bids: dict[Decimal, list[str]], asks: dict[Decimal, list[str]]) -> int:
    """The checksum as the page tells it, on the texts as they were sent."""
    best = (sorted(bids, reverse=True)[:25], sorted(asks)[:25])
    parts = []
    for i in range(25):
        parts += [":".join(side[keys[i]][:2]) for side, keys in zip((bids, asks), best, strict=True) if i < len(keys)]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


# Grammar


def test_the_vectors_of_the_page() -> None:
    key = DEMO_KEY
    assert login(key, "1545186489.379", secret="secret")["args"][3] == "ZaMaUR53SHwnM2n/42Nvq3dRMlYbnZy9Hs15OxC/07U="
    assert deflated(b"pong").hex() == "2bc8cf4b0700"
    assert deflated(json.dumps(v3.LOGIN_ACK, separators=(",", ":")).encode()).hex() == (
        "ab564a2d4bcd2b51b252cac94fcfcc53d2512a2e4d4e4e2d2e56b22a292a4dad0500"
    )
    assert v3.iso(1618678143207) == "2021-04-17T16:49:03.207Z"


def test_every_recorded_frame_is_packed_to_the_same_bytes() -> None:
    lines = recorded("cryptofeed-2021-04-okcoin-v3")
    frames = [base64.b64decode(line["deflate_b64"]) for line in lines if line.get("deflate_b64")]
    assert len(frames) > 1700
    assert all(deflated(zlib.decompress(frame, -15)) == frame for frame in frames)


_ANY = st.recursive(
    st.none() | st.integers() | st.sampled_from(["subscribe", "unsubscribe", "spot/trade:BTC-USDT", "x"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["op", "args", "x"]), inner),
    max_leaves=6,
)


@given(st.binary(max_size=60) | _ANY.map(lambda each: json.dumps(each).encode()))
def test_H1_no_bytes_are_more_than_an_error(message: bytes) -> None:
    talker = OldTalker(exchange(), "/ws/v3")
    answers = talker.say(message, 0)
    assert message == b"ping" or all(each["event"] in ("error", "subscribe", "unsubscribe") for each in answers)


def test_errors_are_those_recorded() -> None:
    talker = OldTalker(seeded(), "/ws/v3")
    assert talker.say(b"QQQ\n", 0) == [{"event": "error", "message": "Unrecognized request: QQQ\n", "errorCode": 30039}]
    echo = '{"event":"subscribe","channel":"spot/depth:BTC-USDT"}'
    assert talker.say(echo, 0)[0]["message"] == f"Unrecognized request: {echo}"
    assert talker.say(ask("spot/tickerinvalid:NEO-USDT"), 0) == [
        {"event": "error", "message": "Channel spot/tickerinvalid:NEO-USDT doesn't exist", "errorCode": 30040}
    ]
    for wrong in ("spot/ticker:BTC-USD-SWAP", "swap/ticker:NO-USD-SWAP", "spot/candle61s:BTC-USDT", "spot/ticker", 5, None):
        assert talker.say(ask(wrong), 0)[0]["errorCode"] == 30040  # type: ignore[arg-type]
    for private in ("spot/account:USDT", "swap/position:BTC-USD-SWAP"):
        assert talker.say(ask(private), 0)[0]["errorCode"] == 30041


def test_acks_come_in_order_and_the_books_last() -> None:
    talker = OldTalker(seeded(), "/ws/v3", 20)
    asked = ["spot/depth:BTC-USDT", "spot/ticker:BTC-USDT", "spot/nothing:BTC-USDT", "swap/trade:BTC-USD-SWAP"]
    frames = talker.say(ask(*asked), 20)
    assert [each.get("channel") or each.get("errorCode") for each in frames[:4]] == [asked[0], asked[1], 30040, asked[3]]
    assert [each["table"] for each in frames[4:]] == ["spot/ticker", "swap/trade", "spot/depth"]
    assert [len(each["data"]) for each in frames[4:]] == [1, 1, 1]


def test_args_may_be_one_text_and_an_unsubscribed_channel_is_silent() -> None:
    talker = OldTalker(seeded(), "/ws/v3")
    frames = talker.say({"op": "subscribe", "args": "spot/ticker:BTC-USDT"}, 0)
    assert frames[0] == {"event": "subscribe", "channel": "spot/ticker:BTC-USDT"}
    assert talker.until(2)
    assert talker.say(ask("spot/ticker:BTC-USDT", op="unsubscribe"), 2) == [
        {"event": "unsubscribe", "channel": "spot/ticker:BTC-USDT"}
    ]
    assert talker.until(5) == []


def test_ping_is_answered_in_a_deflated_frame_that_is_no_json() -> None:
    talker = OldTalker(seeded(), "/ws/v3")
    assert talker.say(b"ping", 0) == ["pong"]
    assert isinstance(talker.out[0], Binary)


def test_subscribing_again_brings_a_fresh_partial() -> None:
    talker = OldTalker(seeded(), "/ws/v3")
    for at in (0, 1):
        talker.until(at)
        frames = talker.say(ask("spot/depth:BTC-USDT"), at)
        assert frames[0]["event"] == "subscribe"
        assert frames[1]["action"] == "partial"


# Data


@pytest.mark.parametrize("channel", ["spot/depth", "spot/depth_l2_tbt", "swap/depth_l2_tbt", "futures/depth"])
def test_every_checksum_verifies_after_every_push(channel: str) -> None:
    venue = seeded()
    business = channel.partition("/")[0]
    instrument = {"spot": "BTC-USDT", "swap": "BTC-USD-SWAP"}.get(business) or venue.instruments("FUTURES")[0]["instId"]
    talker = OldTalker(venue, "/ws/v3", 5)
    frames = [each for each in talker.say(ask(f"{channel}:{instrument}"), 5) + talker.until(10) if "table" in each]
    assert [each["action"] for each in frames] == ["partial", *["update"] * (len(frames) - 1)]
    assert len(frames) > 30
    sides: dict[str, dict[Decimal, list[str]]] = {"bids": {}, "asks": {}}
    for frame in frames:
        [row] = frame["data"]
        for name, side in sides.items():
            for level in row[name]:
                assert len(level) == (3 if channel == "spot/depth" else 4)
                if Decimal(level[1]):
                    side[Decimal(level[0])] = level
                else:
                    side.pop(Decimal(level[0]), None)
        assert row["checksum"] == crc(sides["bids"], sides["asks"])


def test_every_public_table_tells_something() -> None:
    venue = seeded()
    future, option = venue.instruments("FUTURES")[0]["instId"], venue.instruments("OPTION")[0]["instId"]
    names = {"spot": "BTC-USDT", "swap": "BTC-USD-SWAP", "futures": future, "option": option}
    kinds = ("ticker", "trade", "depth", "depth5", "depth_l2_tbt", "candle60s", "candle604800s")
    asked = [f"{business}/{kind}:{name}" for business, name in names.items() for kind in kinds]
    asked += [f"{each}/{kind}:{names[each]}" for each in ("swap", "futures") for kind in ("mark_price", "price_range")]
    asked += ["swap/funding_rate:BTC-USD-SWAP", "index/ticker:BTC-USD", "index/candle60s:BTC-USD", "option/summary:BTC-USD"]
    talker = OldTalker(venue, "/ws/v3", 60)
    frames = talker.say(ask(*asked), 60)
    assert [each.get("channel") for each in frames[: len(asked)]] == asked
    told = {each["table"] for each in frames if "table" in each}
    expected = {each.partition(":")[0] for each in asked}
    assert expected - told <= {"option/trade"}, "an option may not have traded yet"


def test_instruments_are_listed_whole_and_then_what_changes() -> None:
    future = seeded().instruments("FUTURES")[0]
    venue = seeded(f"instrument_change instrument={future['instId']} at=3s tickSz=0.5")
    talker = OldTalker(venue, "/ws/v3", 2)
    acks = talker.say(ask("futures/instruments", "option/instruments:BTC-USD", "option/instruments:XRP-USD"), 2)
    assert [each.get("channel") for each in acks[:2]] == ["futures/instruments", "option/instruments:BTC-USD"]
    assert acks[2]["errorCode"] == 30040
    listed, options = (rows(acks, table) for table in ("futures/instruments", "option/instruments"))
    assert [row["instrument_id"] for row in listed] == [row["instId"] for row in venue.instruments("FUTURES")]
    assert {row["underlying"] for row in options} == {"BTC-USD"}
    assert listed[0]["delivery"] == v3.iso(future["expTime"])[:10]
    changed = rows(talker.until(5), "futures/instruments")
    assert [(row["instrument_id"], row["tick_size"]) for row in changed] == [(future["instId"], "0.5")]
    assert rows(OldTalker(venue, "/ws/v3", 6).say(ask("futures/instruments"), 6), "futures/instruments")[0]["tick_size"] == "0.5"
    for wrong in ("futures/instruments:BTC-USD", "option/instruments", "swap/instruments", "spot/trade"):
        assert talker.say(ask(wrong), 7)[-1]["errorCode"] == 30040, wrong


def test_shapes_are_those_recorded() -> None:
    venue = seeded()
    talker = OldTalker(venue, "/ws/v3", 60)
    names = {"spot": "BTC-USDT", "swap": "BTC-USD-SWAP"}
    names |= {"futures": venue.instruments("FUTURES")[0]["instId"], "option": venue.instruments("OPTION")[0]["instId"]}
    compared: set[str] = set()
    at = 60
    era = ("capture(deflated frame)", "capture: soulmachine", "cryptofeed-2021-04-okcoin-v3")
    for source in ("legacy_samples", "cryptofeed-2021-04-okcoin-v3"):
        for line in recorded(source):
            if line["dialect"] != "v3" or not line["source"].startswith(era):
                continue
            message = json.loads(line["raw"])
            table = message.get("table") if isinstance(message, dict) else None
            kind = f"{table} {message.get('action')}" if table else ""
            if not table or kind in compared:
                continue
            name = "BTC-USD" if table == "option/trades" else names[table.partition("/")[0]]
            channel = f"{table}:{name}"
            frames = talker.say(ask(channel), at)
            ours = [each for each in frames if each.get("table") == table]
            while not ours or ours[0].get("action") != message.get("action"):
                at += 1
                ours = [each for each in talker.until(at) if each.get("table") == table]
            talker.say(ask(channel, op="unsubscribe"), at)
            assert _flat(shape(ours[0])) == _flat(shape(message)), kind
            compared.add(kind)
    assert len(compared) >= 10


def _flat(form: Any) -> Any:
    """A message's form without what depends on the moment: which sides of a book changed."""
    row = form["data"][0]
    levels = [row.pop(side, []) for side in ("asks", "bids")]
    return form, [each for each in levels if each][:1]


def test_a_recorded_market_is_told_with_the_checksums_it_was_recorded_with() -> None:
    lines = list(recorded("cryptofeed-2021-07-okex-v5"))
    market = CaptureMarket([json.dumps(line) for line in lines], start=START)
    talker = OldTalker(Exchange(market, seed=7, now=START), "/ws/v3")
    kinds = {"SPOT": "spot", "SWAP": "swap", "FUTURES": "futures", "OPTION": "option"}
    books = [key for channel, key in market.streams() if channel == "books-l2-tbt"]
    asked = [f"{kinds[type_of(key)]}/depth_l2_tbt:{key}" for key in books]
    acks = talker.say(ask(*asked), 0)[: len(asked)]
    assert [each["channel"] for each in acks] == asked
    talker.until(40)
    told = [each["data"][0] for each in talker.frames if "action" in each]
    messages = (json.loads(line["raw"]) for line in lines if line["channel"] == "books-l2-tbt" and line.get("dir") != "out")
    recorded_ones = {row["checksum"] for message in messages for row in message.get("data", ())}
    assert len(told) > 1000
    assert {row["checksum"] for row in told} <= recorded_ones


# Accounts


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": str(NOW // SECOND - 31)}, 30008),
        ({"timestamp": "now"}, 30005),
        ({"secret": "wrong"}, 30013),
        ({"passphrase": "wrong"}, 30015),
        ({"passphrase": ""}, 30004),
    ],
)
def test_bad_logins_have_their_codes(change: dict[str, str], code: int) -> None:
    talker = OldTalker(seeded(), "/ws/v3", 20)
    [answer] = talker.say(login(DEMO_KEY, **{"timestamp": STAMP, **change}), 20)
    assert (answer["event"], answer["errorCode"]) == ("error", code)
    assert code != 30013 or answer["message"] == "Invalid sign"


def test_orders_of_another_dialect_are_told_to_the_account() -> None:
    venue = seeded()
    talker, trader = OldTalker(venue, "/ws/v3", 20), OldTalker(venue, "/ws/v1", 20)
    assert talker.say(login(DEMO_KEY, STAMP), 20) == [{"event": "login", "success": True}]
    assert talker.say(login(DEMO_KEY, STAMP), 20)[0]["errorCode"] == 30042
    asked = ["spot/order:BTC-USDT", "spot/account:USDT"]
    asked += [f"swap/{kind}:BTC-USD-SWAP" for kind in ("order", "position", "account")]
    first = talker.say(ask(*asked), 20)
    assert rows(first, "spot/account")[0]["balance"] == "100000"
    trader.say(add("ok_spot_order", **signed(DEMO_KEY, symbol="btc_usdt", type="buy", price="50000", amount="1")), 20)
    told = talker.until(20.01)
    assert rows(told, "spot/order")[-1]["status"] == "open"
    assert rows(told, "spot/account")[-1]["hold"] == "50000"
    facts = {"symbol": "btc_usd", "contract_type": "this_week", "price": "1", "amount": "1", "match_price": 1, "lever_rate": 10}
    trader.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, type=2)), 20.01)
    told = talker.until(20.02)
    assert rows(told, "swap/order")[-1]["type"] == "2"
    assert rows(told, "swap/position")[-1]["holding"][0]["side"] == "short"
    assert rows(told, "swap/account")[-1]["instrument_id"] == "BTC-USD-SWAP"
    talker.say(ask(*asked, op="unsubscribe"), 20.02)
    trader.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts, type=4)), 20.02)
    assert talker.until(20.03) == []


def test_private_rows_have_the_recorded_fields() -> None:
    venue = seeded()
    talker, trader = OldTalker(venue, "/ws/v3", 20), OldTalker(venue, "/ws/v1", 20)
    talker.say(login(DEMO_KEY, STAMP), 20)
    future = venue.instruments("FUTURES")[0]["instId"]
    asked = ["spot/order:BTC-USDT", "spot/account:USDT", "spot/margin_account:ETH-USDT"]
    asked += [f"swap/{kind}:BTC-USD-SWAP" for kind in ("order", "account", "position")]
    talker.say(ask(*asked, f"futures/order:{future}", "futures/account:BTC"), 20)
    trader.say(add("ok_spot_order", **signed(DEMO_KEY, symbol="btc_usdt", type="buy", price="50000", amount="1")), 20)
    for contract in ("this_week", "quarter"):
        facts = {"symbol": "btc_usd", "contract_type": contract, "price": "1", "amount": "1", "match_price": 1, "type": 1}
        trader.say(add("ok_futureusd_trade", **signed(DEMO_KEY, **facts)), 20)
    told = talker.frames
    compared = set()
    for line in recorded("legacy_samples"):
        message = json.loads(line["raw"]) if line["dialect"] == "v3" and line["raw"].startswith('{"table"') else {}
        table = message.get("table")
        ours = rows(told, table) if table else []
        if ours and table not in compared and table.endswith(("order", "account", "position")):
            missing = set(message["data"][0]) - set(ours[-1])
            assert not missing, (table, missing)
            if table == "swap/position":
                assert set(message["data"][0]["holding"][0]) == set(ours[-1]["holding"][0])
            compared.add(table)
    assert compared == {each.partition(":")[0] for each in asked} | {"futures/order", "futures/account"}


# Silence, limits, trouble


def test_a_quiet_line_is_closed_after_30_s_and_pings_keep_it() -> None:
    venues = [exchange(idle_close_s=30.0, market=FixedMarket(lasts=120)) for _ in range(3)]
    quiet, pinging, served = (OldTalker(venue, "/ws/v3") for venue in venues)
    served.say(ask("spot/trade:BTC-USDT"), 0)
    for at in range(20, 120, 20):
        pinging.say(b"ping", at)
    for talker in (quiet, served):
        talker.until(100)
    assert quiet.closed is not None
    assert pinging.closed is None
    assert served.closed is None


def test_H1_request_floods_are_refused_and_large_requests_end_the_line() -> None:
    talker = OldTalker(exchange(v3_requests_per_hour=5), "/ws/v3")
    answers = [talker.say(ask("spot/ticker:NO-PAIR"), 0)[0]["errorCode"] for _ in range(7)]
    assert answers == [30040] * 5 + [30014] * 2
    assert talker.say(ask("spot/trade:BTC-USDT"), 3601)[0]["event"] == "subscribe"
    talker.say(b"x" * 65_537, 3601)
    assert talker.closed is not None
    assert talker.closed.code == 1009


def test_D10_a_wrong_checksum_and_D1_a_lost_update() -> None:
    wrong = OldTalker(seeded("checksum_wrong channel=spot/depth action=update nth=2"), "/ws/v3")
    right = OldTalker(seeded(), "/ws/v3")
    lost = OldTalker(seeded("drop channel=spot/depth action=update nth=2"), "/ws/v3")
    checksums = []
    for talker in (right, wrong, lost):
        talker.say(ask("spot/depth:BTC-USDT"), 0)
        checksums.append([row["checksum"] for row in rows(talker.until(1), "spot/depth")])
    assert [a == b for a, b in zip(checksums[0], checksums[1], strict=True)] == [True, False, *[True] * (len(checksums[0]) - 2)]
    assert checksums[2] == checksums[0][:1] + checksums[0][2:]


def test_C11_a_frame_that_does_not_inflate() -> None:
    talker = OldTalker(seeded("bad_deflate what=corrupt channel=spot/ticker nth=1"), "/ws/v3")
    talker.say(ask("swap/ticker:BTC-USD-SWAP"), 0)
    talker.line.receive(json.dumps(ask("spot/ticker:BTC-USDT")).encode(), seconds(0))
    ack, bad = (each.payload for each in talker.line.take() if isinstance(each, Binary))
    assert b"subscribe" in zlib.decompress(ack, -15)
    with pytest.raises(zlib.error):
        zlib.decompress(bad, -15)
