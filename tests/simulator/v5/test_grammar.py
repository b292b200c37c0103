"""The V5 grammar: what real clients send is understood, what is wrong gets OKX's code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from tests.support.fixed_market import START
from tests.support.paths import SHARED
from tests.support.talk import Talker, book, exchange

from okex_ws.simulator.rules import DEMO_KEY, ApiKey
from okex_ws.simulator.v5 import grammar as v5

EPOCH_S = START // 10**9


def login(timestamp: Any = EPOCH_S, **changed: Any) -> dict[str, Any]:
    digest = hmac.new(DEMO_KEY.secret.encode(), f"{timestamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
    arg = {
        "apiKey": DEMO_KEY.key,
        "passphrase": DEMO_KEY.passphrase,
        "timestamp": timestamp,
        "sign": base64.b64encode(digest).decode(),
        **changed,
    }
    return {"op": "login", "args": [arg]}


def codes(frames: list[Any]) -> list[str]:
    return [f.get("code", f["event"]) for f in frames]


def test_the_documents_sign_vector() -> None:
    key = ApiKey("k", "NOT-A-REAL-SECRET", "p")
    sign = "RgNU6IB0l6gJrJ58Id2MS2r82X2+eXne/D2klVQ62hM="
    args = [{"apiKey": "k", "passphrase": "p", "timestamp": "1790000000", "sign": sign}]
    assert v5.check_login(args, {"k": key}, 1_790_000_010 * 10**9, 30.0) is key


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{'op':'subscribe'}", "60012"),
        (b'{"op":"subscribe","args":[', "60012"),
        (b"", "60012"),
        (b"[]", "60012"),
        (b"\xff\xfe", "60012"),
        (b"[" * 200_000, "60012"),
        (b"{}", "60012"),
        (b'{"op":"ping"}', "60019"),
        (b'{"op":"sing","args":[]}', "60019"),
        (b'{"op":"order","args":[{}],"id":"1"}', "60028"),
        (b'{"op":"subscribe"}', "60027"),
        (b'{"op":"subscribe","args":[]}', "60027"),
        (b'{"op":"subscribe","args":null}', "60027"),
        (b'{"op":"subscribe","args":"books"}', "60013"),
        (b'{"op":"subscribe","args":["books"]}', "60013"),
        (b'{"op":"subscribe","args":[{"instId":"BTC-USDT"}]}', "60027"),
        (b'{"op":"subscribe","args":[{"channel":"books"}]}', "60027"),
        (b'{"op":"subscribe","args":[{"channel":"books","instId":["BTC"]}]}', "60013"),
        (b'{"op":"subscribe","args":[{"channel":"foo","instId":"BTC-USDT"}]}', "60018"),
        (b'{"op":"subscribe","args":[{"channel":"books","instId":"NO-SUCH"}]}', "60018"),
        (b'{"op":"subscribe","args":[{"channel":"instruments","instType":"COW"}]}', "60018"),
        (b'{"op":"subscribe","args":[{"channel":"opt-summary","uly":"BTC-USD"}]}', "64000"),
        (b'{"op":"subscribe","args":[{"channel":"books-l2-tbt","instId":"BTC-USDT"}]}', "60011"),
        (b'{"op":"subscribe","args":[],"id":"not-alphanumeric"}', "60033"),
        (b'{"op":"subscribe","args":[],"id":"%s"}' % (b"a" * 33), "60033"),
    ],
)
def test_what_is_wrong_gets_its_code_and_the_line_lives(message: bytes, code: str) -> None:
    talker = Talker(exchange())
    (frame,) = talker.say(message, 0)
    assert frame["event"] == "error"
    assert frame["code"] == code
    assert frame["msg"]
    assert "arg" not in frame
    assert frame["connId"] == talker.line.conn_id
    assert talker.closed is None
    assert talker.say(b"ping", 0) == [b"pong"]


def test_B3_one_bad_arg_of_three_carries_the_request_id() -> None:
    talker = Talker(exchange())
    frames = talker.subscribe(book(channel="trades"), book("NO-SUCH"), book("ETH-USDT", "trades"))
    assert codes(frames) == ["subscribe", "60018", "subscribe"]
    assert all(f["id"] == "r1" for f in frames)


@pytest.mark.parametrize(
    "arg",
    [
        {"instId": "BTC-USDT", "channel": "books"},
        {"channel": "books", "instId": "BTC-USDT", "instType": None, "instFamily": None, "sprdId": None},
        {"channel": "books", "instId": "BTC-USDT", "later": {"invention": [1]}},
        {"channel": "books", "instId": "BTC-USDT", "instType": "SPOT"},
    ],
)
def test_B15_tolerates_what_real_clients_send(arg: dict[str, Any]) -> None:
    ack = Talker(exchange()).say({"op": "subscribe", "id": 1512, "args": [arg], "extra": 1}, 0)[0]
    assert ack["arg"] == {"channel": "books", "instId": "BTC-USDT"}
    assert ack["id"] == "1512"


def test_an_ack_without_id_has_no_id() -> None:
    ack = Talker(exchange()).say({"op": "subscribe", "args": [book()]}, 0)[0]
    assert list(ack) == ["event", "arg", "connId"]


@pytest.mark.parametrize(
    ("habit", "business", "public"),
    [
        ("60018", "60018", "60018"),
        ("60008", "60008", "60008"),
        ("64001", "64001", "64001"),
        ("6400x", "64001", "64002"),
    ],
)
def test_B4_right_channel_on_the_wrong_path(habit: str, business: str, public: str) -> None:
    venue = exchange(wrong_path_code=habit)
    assert codes(Talker(venue).subscribe(book(channel="candle1m"))) == [business]
    assert codes(Talker(venue, "business").subscribe(book())) == [public]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "0"),
        ({"timestamp": str(EPOCH_S)}, "0"),
        ({"timestamp": "2026-11-22T10:00:00.000Z"}, "60004"),
        ({"timestamp": EPOCH_S * 1000}, "60004"),
        ({"timestamp": None}, "60004"),
        ({"timestamp": "nan"}, "60004"),
        ({"apiKey": ""}, "60005"),
        ({"timestamp": EPOCH_S - 31}, "60006"),
        ({"sign": "AAAA"}, "60007"),
        ({"sign": 7}, "60007"),
        ({"passphrase": "wrong"}, "60024"),
        ({"apiKey": "another"}, "60032"),
        ({"token": "x"}, "60026"),
    ],
)
def test_login_codes(change: dict[str, Any], code: str) -> None:
    talker = Talker(exchange(), "private")
    (frame,) = talker.say(login(**change), 0)
    assert frame["code"] == code
    assert frame["connId"] == talker.line.conn_id
    assert frame["event"] == ("login" if code == "0" else "error")


def test_second_login_is_60031_and_bulk_login_too() -> None:
    talker = Talker(exchange(), "private")
    talker.say(login(), 0)
    assert codes(talker.say(login(), 0)) == ["60031"]
    twice = {"op": "login", "args": login()["args"] * 2}
    assert codes(Talker(exchange(), "private").say(twice, 0)) == ["60031"]


def test_tick_by_tick_books_need_login_tier_and_company_they_can_bear() -> None:
    talker = Talker(exchange())
    talker.say(login(), 0)
    ack, snapshot = talker.subscribe(book(channel="books-l2-tbt"))
    assert ack["event"] == "subscribe"
    assert snapshot["action"] == "snapshot"
    assert codes(talker.subscribe(book())) == ["64004"]
    assert codes(talker.subscribe(book(channel="books50-l2-tbt"))) == ["64004"]
    assert talker.subscribe(book("ETH-USDT"))[0]["event"] == "subscribe"
    talker.line.account = ApiKey("k", "s", "p", tier=3)
    assert codes(talker.subscribe(book("ETH-USDT", "books50-l2-tbt"))) == ["64003"]


@pytest.mark.parametrize("other", ["books", "books50-l2-tbt"])
@pytest.mark.parametrize("order", [1, -1])
def test_64004_names_the_channel_beside_books_l2_tbt(other: str, order: int) -> None:
    talker = Talker(exchange())
    talker.say(login(), 0)
    first, second = (other, "books-l2-tbt")[::order]
    talker.subscribe(book(channel=first))
    (refusal,) = talker.subscribe(book(channel=second))
    assert refusal["code"] == "64004"
    assert refusal["msg"].startswith(f"Subscribe to both {other} and books-l2-tbt for BTC-USDT is not allowed")


def test_too_many_subscriptions_close_4009() -> None:
    talker = Talker(exchange(max_subscriptions=1))
    talker.subscribe(book(), book(channel="trades"))
    assert talker.closed is not None
    assert talker.closed.code == 4009


def test_G6_errors_quote_no_control_characters() -> None:
    talker = Talker(exchange())
    (frame,) = talker.subscribe({"channel": "x\n\x1b[31m", "instId": "BTC-USDT"})
    assert frame["msg"].isprintable()


def test_frames_are_compact_and_in_okx_field_order() -> None:
    talker = Talker(exchange())
    talker.subscribe(book(), book(channel="trades"))
    talker.until(0.3)
    raw = talker.raw().decode().splitlines()
    snapshot = next(line for line in raw if '"snapshot"' in line)
    assert snapshot.startswith('{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[[')
    assert list(json.loads(snapshot)["data"][0]) == ["asks", "bids", "ts", "checksum", "seqId", "prevSeqId"]
    trade = next(json.loads(line) for line in raw if '"tradeId"' in line)
    assert list(trade["data"][0])[-1] == "seqId"


def test_the_table_agrees_with_the_protocol_sheet() -> None:
    sheet = SHARED / "protocol" / "okx_v5_channels.json"
    if not sheet.exists():
        pytest.skip("the protocol sheet ../shared/protocol/okx_v5_channels.json is not here")
    for entry in json.loads(sheet.read_text()):
        for bar in entry.get("bars", [""]):
            channel = v5.CHANNELS[entry["channel"].replace("{bar}", bar)]
            assert channel.path == entry["endpoint"], channel
            assert channel.login == entry["login_required"], channel
            assert (channel.chain == "linked") == ("prevSeqId" in entry["payload_fields"]), channel
            assert (channel.chain != "") == ("seqId" in entry["payload_fields"]), channel
            assert channel.checksum == ("checksum" in entry["payload_fields"]), channel
            wanted = tuple(key.split("(")[0] for key in entry["args"])
            assert channel.keys == wanted, channel
