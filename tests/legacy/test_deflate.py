"""Deflated frames: the recorded ones, to the byte; and what is not exactly one raw stream (C10, C11)."""

from __future__ import annotations

import base64
import contextlib
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.legacy_corpus import START, rows, session_v1, session_v3

from okex_ws.events import BookSnapshot, Event, Malformed, Trade
from okex_ws.legacy.deflate import deflated, inflated, noted
from okex_ws.wire.frames import MAX_FRAME, FrameError

VECTORS = {
    "4dca310ac0200c05d0bbfcd9a5ab6b8f514a8846b05454340e45bc7b970e1d1fbc63c25d99db03bb19f8c83987040b16d93f18082bc34eb4d04752586d23fc73b9a90f47bd1625a79e461725095523d63a5f":
        '[{"binary":1,"channel":"addChannel","data":{"result":true,"channel":"ok_sub_spot_btc_usdt_depth"}}]',
    "4dca310a80300c05d0bbfcd941d7ae1e4324a426a22855da0415f1ee2e0e8e0f5e7723ce89f385d05418264e495704b048fba182b031c28dacc55743b0ecfacfdb42c5238d6e9ed58b50b48144779b28e96974a82ed4d4789efe05":
        '[{"binary":1,"channel":"addChannel","data":{"result":true,"channel":"ok_sub_futureusd_btc_depth_next_week_10"}}]',
    "4dca310a80300c05d0bbfcd9c1b9abc71009a98928968a69328878771707c7076fbc91b7ca7621f51de6956bd5820416193e74107646ba61daa238925be83f1f3bb5c8b484876934a1ec33b9b1289dc1e66a789ee905":
        '[{"binary":0,"channel":"addChannel","data":{"result":true,"channel":"ok_sub_futureusd_btc_trade_quarter"}}]',
    "ab564a2d4bcd2b51b2522ac8cf4b57aa0500": '{"event":"pong"}',
    "ab564a2d4bcd2b51b2522a2e4d2a4e2eca4c4a55d2514ace48cccb4bcd018ae6179464e6e7e997642667a71659398538eb8606bbe81a191a981819eb9a99181818e83a2bd50200":
        '{"event":"subscribe","channel":"option/ticker:BTC-USD-210423-64000-C"}',
    "2bc8cf4b0700": "pong",
    "ab564a2d4bcd2b51b252cac94fcfcc53d2512a2e4d4e4e2d2e56b22a292a4dad0500": '{"event":"login","success":true}',
}  # fmt: skip


@pytest.mark.parametrize("frame", VECTORS)
def test_frames_of_the_wire_inflate_and_are_made_again_to_the_byte(frame: str) -> None:
    assert inflated(bytes.fromhex(frame)).decode() == VECTORS[frame]
    assert deflated(VECTORS[frame].encode()).hex() == frame


def test_every_recorded_V3_frame_is_made_of_its_text_again_to_the_byte() -> None:
    frames = [row for row in rows("cryptofeed-2021-04-okcoin-v3") if "deflate_b64" in row]
    assert len(frames) == 1770
    for row in frames:
        frame = base64.b64decode(row["deflate_b64"])
        assert inflated(frame).decode() == row["raw"]
        assert deflated(row["raw"].encode()) == frame
        assert noted(frame) == ("deflated", row["raw"].encode())


@given(st.binary(max_size=500))
def test_what_is_deflated_inflates_to_itself(text: bytes) -> None:
    assert inflated(deflated(text)) == text


@given(st.binary(max_size=200))
def test_any_bytes_inflate_or_are_refused_in_words(frame: bytes) -> None:
    kind, kept = noted(frame)
    if kind == "deflated":
        assert inflated(frame) == kept
        assert deflated(kept) == frame
        return
    assert kept == frame
    with contextlib.suppress(FrameError):
        assert deflated(inflated(frame)) != frame


# -- C10, C11: what a session makes of them --------------------------------------------------------------------------------

GOOD = b'[{"binary":0,"channel":"ok_sub_spot_btc_usdt_deals","data":[["1","6395.004","0.0413","14:45:28","ask"]]}]'
WRONG = {
    "zlib header": zlib.compress(GOOD),
    "gzip header": zlib.compress(GOOD, wbits=31),
    "cut short": deflated(GOOD)[:-9],
    "empty": b"",
    "two streams": deflated(GOOD) * 2,
    "bytes behind": deflated(GOOD) + b"\0\0",
    "bits flipped": bytes(byte ^ 0x55 for byte in deflated(GOOD)),
    "text in a binary frame": GOOD,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("make", [session_v1, session_v3])
def test_C11_a_frame_that_is_not_one_raw_stream_is_told_with_its_bytes_and_ends_the_connection(name: str, make: object) -> None:
    session = make()  # type: ignore[operator]
    events: list[Event] = session.receive_binary(WRONG[name], START)
    assert [(type(event), event.raw) for event in events] == [(Malformed, WRONG[name])]  # type: ignore[attr-defined]
    assert session.ending.code == 1007
    assert not session.ending.fatal
    assert "cannot be read" in session.ending.reason


def test_C11_every_single_bit_of_a_real_frame_may_flip_and_nothing_raises() -> None:
    frame = deflated(GOOD)
    told = 0
    for place in range(len(frame) * 8):
        data = bytearray(frame)
        data[place // 8] ^= 1 << place % 8
        events = session_v1("ok_sub_spot_btc_usdt_deals").receive_binary(bytes(data), START)
        told += any(isinstance(event, Malformed) for event in events)
    assert told > len(frame) * 4, "most flips are seen: deflate has no checksum, but JSON has a grammar"


def test_C10_a_bomb_is_refused_without_being_blown_up() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 1.1 * 2**18, "1029 to 1"
    session = session_v1()
    tracemalloc.start()
    try:
        (told,) = session.receive_binary(bomb, START)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(told, Malformed)
    assert told.raw is bomb
    assert str(MAX_FRAME) in told.reason
    assert session.ending is not None
    assert peak < 2 * MAX_FRAME + 2 * len(bomb)


def test_a_frame_as_large_as_allowed_is_read() -> None:
    rows_of = ",".join(f'["{n}","6395.004","0.0413","14:45:28","ask"]' for n in range(1000))
    text = f'[{{"channel":"ok_sub_spot_btc_usdt_deals","data":[{rows_of}]}}]'.encode().ljust(MAX_FRAME)
    session = session_v1("ok_sub_spot_btc_usdt_deals")
    events = session.receive_binary(deflated(text), START)
    assert sum(isinstance(event, Trade) for event in events) == 1000
    assert session.ending is None
    (told,) = session.receive_binary(deflated(text + b" "), START)
    assert isinstance(told, Malformed)


def test_a_lost_frame_breaks_the_books_of_its_connection_until_a_new_image() -> None:
    session = session_v1("ok_sub_spot_btc_usdt_depth")
    ack = b'[{"channel":"addChannel","data":{"result":true,"channel":"ok_sub_spot_btc_usdt_depth"}}]'
    image = b'[{"channel":"ok_sub_spot_btc_usdt_depth","data":{"asks":[["2","1"]],"bids":[["1","1"]],"timestamp":1530341128123}}]'
    session.receive(ack, START)
    assert any(isinstance(event, BookSnapshot) for event in session.receive(image, START))
    session.bytes_to_send()
    events = session.receive(b"[{broken", START + 1)
    assert [type(event).__name__ for event in events] == ["Malformed", "Gap"]
    assert session.ending is None
    assert session.receive(image, START + 2) == [], "on its way from before the renewal: no image of this book"
    session.on_deadline(START + 2)
    assert session.bytes_to_send() == [
        b'{"event":"removeChannel","channel":"ok_sub_spot_btc_usdt_depth"}',
        b'{"event":"addChannel","channel":"ok_sub_spot_btc_usdt_depth"}',
    ]
    session.receive(ack, START + 3)
    assert [type(event).__name__ for event in session.receive(image, START + 4)] == ["Resumed", "BookSnapshot"]
