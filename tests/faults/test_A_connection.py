"""Faults of the connection, rows A1 to A7 and A11: real sockets, scripted peers."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from typing import Any

import pytest
from tests.support.looped import CURIOUS, client_of, closed_port, following, looped, sockets_to, until
from tests.support.market_server import KEY, market_server
from tests.support.raw_server import CLOSE, PING, PONG, TEXT, Peer, RawServer, frame, text_frame, trade
from tests.support.toxics import Proxy

from okex_ws import Event, Gap, Trade
from okex_ws.events import BookSnapshot, Connected, Disconnected, Malformed, Resumed, Subscribed
from okex_ws.simulator.server import Server


async def hold(peer: Peer) -> None:
    await peer.until_gone()


async def refused(port: int, **options: Any) -> Disconnected:
    """The first thing a client of this port hears when it cannot connect."""
    client = client_of(port, **options)
    client.subscribe("trades", "BTC-USDT")
    async with following(client) as stream:
        return await until(stream, Disconnected)


# -- A1 to A4: no connection comes about ------------------------------------------------------------------------------------


@looped
async def test_A1_refused_at_start_is_retried_with_growing_waits_and_never_in_a_tight_loop() -> None:
    client = client_of(closed_port(), backoff_s=(0.01, 0.08), seed=1)
    client.subscribe("trades", "BTC-USDT")
    begun = time.time_ns()
    async with following(client) as stream:
        lost = [await until(stream, Disconnected) for _ in range(5)]
    luck = random.Random("1 public/0")  # each line has its own
    waits = [ceiling * luck.random() for ceiling in (0.01, 0.02, 0.04, 0.08, 0.08)]
    assert [event.retry_s for event in lost] == pytest.approx(waits), "doubled, jittered, capped"
    assert all(event.code == 1006 and not event.fatal for event in lost)
    assert "cannot connect to 127.0.0.1" in lost[0].reason
    # Each dial comes after the end of the one before, and before its own.
    for before, fourth in zip((begun, lost[0].ts_recv), lost[3:], strict=True):
        assert fourth.ts_recv - before >= 1_000_000_000, "OKX allows 3 connects a second"


@looped
async def test_A1_a_host_without_an_address_is_retried() -> None:
    with pytest.MonkeyPatch.context() as patch:

        def fails(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        patch.setattr(socket, "getaddrinfo", fails)
        client = client_of(1, host="localhost")
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            lost = [await until(stream, Disconnected) for _ in range(2)]
    assert all("localhost" in event.reason and "name resolution" in event.reason for event in lost)
    assert all(event.retry_s is not None for event in lost)


@looped
async def test_A2_accepted_and_held_is_given_up_after_the_open_timeout() -> None:
    for scheme in ("ws", "wss"):  # no HTTP answer, no TLS answer
        async with RawServer(hold) as server:
            client = client_of(server.port, scheme=scheme, open_within_s=0.1)
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                lost = [await until(stream, Disconnected) for _ in range(2)]
                assert all(event.reason == "127.0.0.1 did not answer within 0.1 s" for event in lost)
                assert all(event.retry_s is not None for event in lost)
            assert server.connections >= 2
            assert sockets_to(server.port) == 0


@looped
async def test_A2_accepted_and_dropped_without_an_answer_is_retried() -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.read_head()

    async def cut(peer: Peer) -> None:
        await peer.read_head()
        peer.reset()

    async def at_once(peer: Peer) -> None:
        peer.reset()

    async def half(peer: Peer) -> None:
        await peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Proto")

    for script in (hang_up, cut, at_once, half):
        async with RawServer(script) as server:
            lost = await refused(server.port)
            assert lost.retry_s is not None, script
            assert lost.reason


@pytest.mark.parametrize(
    ("status", "header", "at_least_s", "words"),
    [
        ("400 Bad Request", "", 0, "HTTP 400"),
        ("403 Forbidden", "", 0, "HTTP 403"),
        ("429 Too Many Requests", "Retry-After: 7", 7, "HTTP 429"),
        ("503 Service Unavailable", "Retry-After: 11", 11, "HTTP 503"),
        ("503 Service Unavailable", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", 0, "HTTP 503"),
        ("503 Service Unavailable", "Retry-After: 99999999999", 600, "HTTP 503"),
        ("302 Found", "Location: wss://ws.okx.com/x", 0, "a redirect to wss://ws.okx.com/x, which is not followed"),
        ("599 Whatever", "", 0, "does not speak WebSocket"),
    ],
)
def test_A3_an_http_status_instead_of_101_is_named_and_retry_after_is_kept(
    status: str, header: str, at_least_s: float, words: str
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.read_head()
        peer.send(f"HTTP/1.1 {status}\r\n{header + chr(13) + chr(10) if header else ''}Content-Length: 2\r\n\r\nno".encode())
        await peer.until_gone()

    @looped
    async def check() -> None:
        async with RawServer(answer) as server:
            lost = await refused(server.port)
            assert words in lost.reason
            assert lost.retry_s is not None
            assert at_least_s <= lost.retry_s <= max(at_least_s, 0.05)
            assert server.connections == 1

    check()


WRONG_ANSWERS = {
    "wrong accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    "no accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "not upgraded": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "old HTTP": b"HTTP/1.0 101 Switching Protocols\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "garbage": bytes(range(256)) + b"\r\n\r\n",
    "a frame": text_frame({"event": "login"}) + b"\r\n\r\n",
    "endless header": b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"a" * 200_000,
    "many headers": b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
    "terminal codes": b"\x1b[2J\x07evil\nline\r\n\r\n",
}


@pytest.mark.parametrize("what", WRONG_ANSWERS)
def test_A4_a_wrong_answer_to_the_upgrade_is_rejected_without_a_hang(what: str) -> None:
    async def answer(peer: Peer) -> None:
        await peer.read_head()
        peer.send(WRONG_ANSWERS[what])
        await peer.until_gone()

    @looped
    async def check() -> None:
        async with RawServer(answer) as server:
            lost = await refused(server.port)
            assert lost.retry_s is not None
            assert "did not answer" not in lost.reason, "it did answer; waiting for the time to run out is a hang"
            assert lost.reason.isprintable()
            if what != "200":
                assert "does not speak WebSocket" in lost.reason
            assert sockets_to(server.port) == 0

    check()


# -- A5 to A7: a connection ends --------------------------------------------------------------------------------------------


async def swept(ending: str) -> None:
    """Break off after every byte of a frame: it is delivered whole or not at all, and the loss of the line is told."""
    whole = text_frame(trade(2))
    arrived = asyncio.Event()
    cut = 0

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        peer.text(trade(1))
        await arrived.wait()
        peer.send(whole)
        await peer.until_gone()

    async with RawServer(script) as server:
        for cut in range(1, len(whole) + 1):
            arrived.clear()
            async with Proxy(server.port) as proxy:
                client = client_of(proxy.port, backoff_s=(5, 5))
                client.subscribe("trades", "BTC-USDT")
                async with following(client) as stream:
                    seen: list[Event] = []
                    await until(stream, Trade, seen)
                    setattr(proxy.toxics, ending, proxy.down + cut)
                    arrived.set()
                    lost = await until(stream, Disconnected, seen)
            trades = [event.trade_id for event in seen if isinstance(event, Trade)]
            assert trades == [1] if cut < len(whole) else trades in ([1], [1, 2])
            assert not [event for event in seen if isinstance(event, Malformed)]
            assert (lost.code, lost.channels) == (1006, (("trades", "BTC-USDT"),)), f"cut after {cut} bytes"
            assert lost.retry_s is not None
    assert cut == len(whole)


@looped
async def test_A5_a_reset_after_any_byte_of_a_frame_delivers_no_part_of_it() -> None:
    await swept("reset_after")


@looped
async def test_A6_an_end_without_close_frame_after_any_byte_delivers_no_part_of_it() -> None:
    await swept("close_after")


async def resumed_after(ending: str) -> list[Event]:
    """Lose the line between trades 2 and 6, connect again."""

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        for trade_id in (1, 2) if peer.number == 1 else (6, 7):
            peer.text(trade(trade_id))
        if peer.number == 1:
            await told.wait()
            peer.send(text_frame(trade(3))[:20])
            peer.reset() if ending == "reset" else peer.writer.close()
        else:
            await peer.answer_pings()

    told = asyncio.Event()
    seen: list[Event] = []
    async with RawServer(script) as server:
        client = client_of(server.port)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            await until(stream, Trade, seen, trade_id=2)
            told.set()
            await until(stream, Gap, seen)
    return seen


@pytest.mark.parametrize("ending", ["reset", "close"])
def test_A5_A6_the_stream_says_what_was_missed_meanwhile(ending: str) -> None:
    @looped
    async def check() -> None:
        seen = await resumed_after(ending)
        kinds = [type(event) for event in seen if isinstance(event, Trade | Connected | Disconnected | Resumed | Gap)]
        assert kinds == [Connected, Trade, Trade, Disconnected, Connected, Resumed, Trade, Trade, Gap]
        gap = seen[-1]
        assert isinstance(gap, Gap)
        assert (gap.first_id, gap.last_id, gap.cause) == (3, 5, "disconnected")

    check()


def close_all(server: Server, code: int, reason: str, path: str = "public") -> None:
    for line in server.exchange.connections:
        if line.path == path:
            line.close(code, reason, server.now())


@looped
async def test_A7_close_codes_and_reasons_are_told_and_public_data_reconnects_after_each() -> None:
    codes = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, *range(4001, 4010), 4999)
    async with market_server() as server:
        for code in codes:
            client = client_of(server.port, credentials=KEY)  # a key makes no difference where nobody logs in
            client.subscribe("tickers", "BTC-USDT")
            async with following(client) as stream:
                await until(stream, Subscribed)
                close_all(server, code, f"because of {code}")
                lost = await until(stream, Disconnected)
                assert (lost.code, lost.reason, lost.fatal) == (code, f"because of {code}", False)
                assert lost.retry_s is not None
                assert (await until(stream, Connected)).connection == 2
                await until(stream, Subscribed, key="BTC-USDT")


@looped
async def test_A7_close_frames_that_break_the_rules_end_the_connection_as_well() -> None:
    codes = [code.to_bytes(2) for code in (999, 1001, 1005, 4004)]
    for payload in (b"", b"\x03", codes[0], codes[1] + b"\xff\xfe", codes[2], codes[3] + b"a\x1b[2Jb\nc"):

        async def script(peer: Peer, payload: bytes = payload) -> None:
            await peer.upgrade()
            await peer.subscribed()
            peer.send(frame(CLOSE, payload))
            await peer.until_gone()

        async with RawServer(script) as server:
            lost = await refused(server.port)
            assert lost.retry_s is not None
            assert lost.reason.isprintable()
            assert lost.code != 1006, payload


@pytest.mark.parametrize("code", [4001, 4007])
def test_A7_a_dead_key_stops_the_private_line_and_leaves_public_data_alone(code: int) -> None:
    @looped
    async def check() -> None:
        async with market_server() as server:
            client = client_of(server.port, credentials=KEY)
            client.subscribe("account")
            client.subscribe("tickers", "BTC-USDT")
            async with following(client) as stream:
                wanted = {"account", "tickers"}
                while wanted:
                    wanted.discard((await until(stream, Subscribed)).channel)
                for path in ("private", "public"):
                    close_all(server, code, "key deleted", path)
                lost = {(event := await until(stream, Disconnected)).line: event for _ in range(2)}
                assert lost["private/0"].fatal
                assert lost["private/0"].retry_s is None
                assert not lost["public/0"].fatal
                await until(stream, Subscribed, channel="tickers")
                assert [line.path for line in server.exchange.connections] == ["public"]

    check()


@pytest.mark.parametrize("code", [4008, 4009])
def test_A7_too_many_channels_are_spread_over_two_connections_with_their_continuity(code: int) -> None:
    @looped
    async def check() -> None:
        async with market_server() as server:
            client = client_of(server.port)
            client.subscribe("trades", "BTC-USDT", "ETH-USDT")
            client.subscribe("books", "BTC-USDT", "ETH-USDT")
            async with following(client) as stream:
                for kind in (BookSnapshot, Trade):
                    for instrument in ("BTC-USDT", "ETH-USDT"):
                        await until(stream, kind, instrument=instrument)
                close_all(server, code, "too many")
                told = {((event := await until(stream, Resumed)).channel, event.key): event.line for _ in range(4)}
            # What moved to the second connection also says that it was interrupted.
            assert told == {
                ("trades", "BTC-USDT"): "public/0",
                ("trades", "ETH-USDT"): "public/0",
                ("books", "BTC-USDT"): "public/1",
                ("books", "ETH-USDT"): "public/1",
            }

    check()


# -- A11 --------------------------------------------------------------------------------------------------------------------


@looped
async def test_A11_protocol_pings_are_answered_also_inside_a_fragmented_text() -> None:
    answers: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        data = text_frame(trade(1))[2:]
        body = text_frame(trade(1))
        payload = body[4:] if body[1] == 126 else data
        peer.send(frame(PING, b"alone"))
        peer.send(frame(TEXT, payload[:30], fin=False) + frame(PING, b"between") + frame(0, payload[30:]))
        while len(answers) < 2:
            opcode, said = await peer.receive()
            if opcode == PONG:
                answers.append(said)
        peer.text(trade(2))
        await peer.answer_pings()

    async with RawServer(script) as server:
        client = client_of(server.port)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            assert (await until(stream, Trade)).trade_id == 1
            assert (await until(stream, Trade)).trade_id == 2
    assert answers == [b"alone", b"between"]


@looped
async def test_A11_a_server_that_never_pings_is_asked_by_text_and_kept() -> None:
    asked = 0

    async def script(peer: Peer) -> None:
        nonlocal asked
        await peer.upgrade()
        await peer.subscribed()
        while asked < 3:
            assert await peer.receive() == (TEXT, b"ping")
            asked += 1
            peer.text(b"pong")
        peer.text(trade(1))
        await peer.answer_pings()

    async with RawServer(script) as server:
        client = client_of(server.port, timing=CURIOUS)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            seen: list[Event] = []
            await until(stream, Trade, seen)
        assert not [event for event in seen if isinstance(event, Disconnected)]
        assert server.connections == 1
