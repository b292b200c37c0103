"""Faults of the payload over real sockets, rows C2 and C8 to C12: size, compression, segments, and text that is no text.

V5 sends plain text, and the client offers no permessage-deflate; so of C9 to C11 the tests here say that compressed frames are
never inflated. The inflating half of these rows belongs to the V1 and V3 dialects and comes with them.
"""

from __future__ import annotations

import asyncio
import random
import tracemalloc
import zlib

import pytest
from tests.support.looped import CURIOUS, client_of, following, looped, until
from tests.support.messages import BTC, GOOD, change, encoded, image, only, session
from tests.support.raw_server import BINARY, CLOSE, TEXT, Peer, RawServer, frame, text_frame, trade
from tests.support.virtual import START
from tests.support.waiting import turns_until

from okex_ws.events import (
    Connected,
    Disconnected,
    Event,
    Gap,
    Instrument,
    Malformed,
    Resumed,
    Subscribed,
    Trade,
    Unrecognized,
)
from okex_ws.wire.frames import MAX_FRAME

# -- C2: not UTF-8 ----------------------------------------------------------------------------------------------------------

BINARY_TEXTS = [b"\xff\xfe\xfd", GOOD.replace(b"BTC", b"\xc3\x28C"), GOOD[:-3] + b"\xed\xa0\x80", bytes(range(256))]


@pytest.mark.parametrize("text", BINARY_TEXTS)
def test_C2_text_that_is_not_utf8_is_closed_1007_and_the_break_is_told(text: bytes) -> None:
    @looped
    async def check() -> None:
        codes: list[int] = []

        async def script(peer: Peer) -> None:
            await peer.upgrade()
            await peer.subscribed()
            peer.text(image())
            if peer.number == 1:
                peer.text(text)
            opcode = 0
            while opcode != CLOSE:
                opcode, payload = await peer.receive()
            codes.append(int.from_bytes(payload[:2]))
            peer.send(frame(CLOSE, payload))

        async with RawServer(script) as server:
            client = client_of(server.port)
            client.subscribe("books", BTC)
            async with following(client) as stream:
                assert (await until(stream, Malformed)).raw == text
                assert (await until(stream, Disconnected)).code == 1007
                assert (await until(stream, Gap)).cause == "disconnected"
                await until(stream, Resumed, channel="books")
            await turns_until(lambda: len(codes) == 2)
            assert codes == [1007, 1000]

    check()


# -- C7: what is missing ---------------------------------------------------------------------------------------------------


@looped
async def test_C7_a_wrong_image_that_is_nobodys_does_not_end_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        nameless = image(checksum=5)
        del nameless["arg"]["instId"]
        peer.text(nameless)
        peer.text(trade(1))
        while (await peer.receive())[1] != b"ping":
            pass
        peer.text(trade(2))
        await peer.answer_pings()

    async with RawServer(script) as server:
        client = client_of(server.port, timing=CURIOUS)
        client.subscribe("trades", BTC)
        async with following(client) as stream:
            assert (await until(stream, Trade)).trade_id == 1
            assert (await until(stream, Trade)).trade_id == 2
        assert server.connections == 1


# -- C8: size ---------------------------------------------------------------------------------------------------------------


def instruments_of(size: int) -> bytes:
    """A push of the instruments channel of exactly this many bytes."""
    head = b'{"arg":{"channel":"instruments","instType":"SPOT"},"data":[{"instId":"BTC-USDT","instType":"SPOT","category":"'
    return head + b"x" * (size - len(head) - 4) + b'"}]}'


@looped
async def test_C8_1_2_megabytes_and_16_mebibytes_are_read_and_a_byte_more_is_refused_before_it_arrives() -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        if peer.number > 1:
            peer.text(instruments_of(200))
            await peer.answer_pings()
        for size in (1_200_000, MAX_FRAME):
            peer.send(frame(TEXT, instruments_of(size)))
            await peer.writer.drain()
        peer.send(frame(TEXT, instruments_of(MAX_FRAME + 1))[:1000])  # the rest never comes, and nobody waits for it
        assert (await peer.receive())[1][:2] == (1009).to_bytes(2)

    tapped: list[int] = []
    async with RawServer(script) as server:
        client = client_of(server.port, tap=lambda *seen: tapped.append(len(seen[-1])) if "in" in seen else None)
        client.subscribe("instruments", "SPOT")
        async with following(client) as stream:
            for _ in range(2):
                assert (await until(stream, Instrument)).instrument == BTC
            lost = await until(stream, Disconnected)
            assert lost.code == 1009
            assert str(MAX_FRAME + 1) in lost.reason
            await until(stream, Instrument)
    assert [size for size in tapped if size > 1000] == [1_200_000, MAX_FRAME]


@looped
async def test_C8_many_fragments_may_not_add_up_to_more_either() -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        whole = instruments_of(MAX_FRAME)
        middle = len(whole) // 2
        if peer.number == 1:
            peer.send(frame(TEXT, whole[:middle], fin=False) + frame(0, whole[middle:]))
            peer.send(frame(TEXT, whole[:middle], fin=False) + frame(0, whole[middle:] + b" "))
            await peer.writer.drain()
            opcode = 0
            while opcode != CLOSE:
                opcode, payload = await peer.receive()
            assert payload[:2] == (1009).to_bytes(2)
        await peer.answer_pings()

    async with RawServer(script) as server:
        client = client_of(server.port)
        client.subscribe("instruments", "SPOT")
        async with following(client) as stream:
            await until(stream, Instrument)
            assert (await until(stream, Disconnected)).code == 1009


# -- C9 to C11: compressed ----------------------------------------------------------------------------------------------------


def deflated(data: bytes, bits: int = -15) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return squeezer.compress(data) + squeezer.flush()


async def first_words(sent: bytes, connections: int = 1) -> tuple[list[Event], bytes, int]:
    """What a client hears of these bytes, its upgrade request, and the most memory it took, above what it had."""
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        heads.append(peer.head)
        await peer.subscribed()
        if peer.number <= connections:
            peer.send(sent)
        peer.text(trade(peer.number))
        await peer.answer_pings()

    async with RawServer(script) as server:
        client = client_of(server.port)
        client.subscribe("trades", BTC)
        seen: list[Event] = []
        tracemalloc.start()
        try:
            async with following(client) as stream:
                await until(stream, Trade, seen)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return seen, heads[0], peak


BOMB = deflated(bytes(256 * 2**20))  # 256 MiB of zeros in a quarter of a megabyte


@pytest.mark.parametrize("sent", [frame(TEXT, BOMB, rsv=4), frame(TEXT, deflated(GOOD), rsv=4)], ids=["bomb", "trade"])
def test_C9_no_compression_is_offered_and_a_compressed_frame_is_not_inflated(sent: bytes) -> None:
    @looped
    async def check() -> None:
        seen, head, peak = await first_words(sent)
        assert b"deflate" not in head.lower()
        told = next(event for event in seen if isinstance(event, Malformed))
        assert told.raw in sent
        assert [event.code for event in seen if isinstance(event, Disconnected)] == [1007]
        assert seen[-1] == next(event for event in seen if isinstance(event, Trade)), (
            "the first trade is that of the second connection"
        )
        assert peak < 12 * len(sent) + 2**20

    check()


def test_C10_a_binary_frame_as_V1_and_V3_sent_them_is_not_inflated_here() -> None:
    @looped
    async def check() -> None:
        seen, _, peak = await first_words(frame(BINARY, BOMB))
        assert next(event for event in seen if isinstance(event, Malformed)).raw == BOMB
        assert [event.code for event in seen if isinstance(event, Disconnected)] == [1007]
        assert peak < 12 * len(BOMB) + 2**20

    check()


V3 = b'{"table":"spot/ticker","data":[{"instrument_id":"BTC-USDT","last":"1"}]}'
DEFLATES = {
    "sound": deflated(V3),
    "zlib header": deflated(V3, 15),
    "gzip header": deflated(V3, 31),
    "cut short": deflated(V3)[:20],
    "two streams": deflated(V3) * 2,
    "bits flipped": bytes(byte ^ 0x55 for byte in deflated(V3)),
}


@pytest.mark.parametrize("name", DEFLATES)
def test_C11_deflated_frames_of_any_kind_are_told_with_their_bytes(name: str) -> None:
    line = session()
    told = only(line.receive(DEFLATES[name], START), Malformed)
    assert told.raw == DEFLATES[name]
    assert line.ending is None or line.ending.code == 1007
    only(session().receive(V3, START), Unrecognized)


def test_C11_bits_flipped_in_the_text_of_frames_never_raise() -> None:
    luck = random.Random(11)
    for base in (encoded(image()), encoded(change(10, 12)), GOOD, deflated(V3)):
        line = session()
        line.receive(encoded(image()), START)
        for _ in range(500):
            data = bytearray(base)
            for _ in range(luck.randrange(1, 4)):
                data[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
            line.receive(bytes(data), START)


# -- C12: segments ----------------------------------------------------------------------------------------------------------


def test_C12_ten_thousand_messages_in_one_write_and_messages_in_single_bytes_say_the_same() -> None:
    texts = [text_frame(trade(n)) for n in range(1, 10_001)]
    few = [text_frame(image()), *texts[:6], text_frame(change(10, 12)), text_frame(change(12, 13))]

    async def heard(messages: list[bytes], size: int) -> list[Event]:
        async def script(peer: Peer) -> None:
            await peer.upgrade()
            await peer.subscribed()
            data = b"".join(messages)
            for start in range(0, len(data), size or len(data)):
                peer.send(data[start : start + (size or len(data))])
                if size:
                    await asyncio.sleep(0)
            await peer.answer_pings()

        async with RawServer(script) as server:
            client = client_of(server.port, size=20_000)
            client.subscribe("trades", BTC)
            client.subscribe("books", BTC)
            heard: list[Event] = []
            async with following(client) as stream:
                while len(heard) < len(messages):
                    event = await anext(stream)
                    if isinstance(event, Connected | Subscribed):
                        continue
                    event.ts_recv = 0
                    heard.append(event)
            return heard

    @looped
    async def check() -> None:
        at_once = await heard(texts, 0)
        assert [event.trade_id for event in at_once if isinstance(event, Trade)] == list(range(1, 10_001))
        whole = await heard(few, 0)
        assert len(whole) == len(few)
        assert await heard(few, 1) == whole
        assert await heard(few, 7) == whole

    check()
