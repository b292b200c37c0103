"""The exchange on real sockets: the loopback, TLS, clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import websockets
from tests.support.fixed_market import FixedMarket
from tests.support.talk import book
from websockets.asyncio.client import ClientConnection, connect

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import MAX_FRAME, Server


def venue(*faults: str, lasts: float = 60.0, **rules: Any) -> Exchange:
    habits = Rules(**{"connects_per_s": 0, "idle_close_s": 0.0, **rules})
    market = FixedMarket(lasts=lasts)
    return Exchange(market, seed=7, now=market.start, rules=habits, faults=Faults.parse(faults))


def on_server(check: Callable[[Server], Awaitable[None]], exchange: Exchange | None = None, **settings: Any) -> Server:
    """Run a check against a started server; returns the stopped server."""

    async def main() -> Server:
        async with Server(exchange if exchange is not None else venue(), **settings) as server:
            await asyncio.wait_for(check(server), 120)
        return server

    return asyncio.run(main())


async def hello(client: ClientConnection, *args: dict[str, Any]) -> list[Any]:
    """Subscribe and read until every ack is there."""
    await client.send(json.dumps({"op": "subscribe", "id": "1", "args": list(args)}))
    frames: list[Any] = []
    while sum("event" in f for f in frames) < len(args):
        frames.append(json.loads(await client.recv()))
    return frames


async def end_of(client: ClientConnection, frames: list[Any] | None = None) -> websockets.ConnectionClosed:
    """Read until the line ends, keeping what came if a list is given."""
    kept = frames if frames is not None else []
    try:
        while True:
            kept.append(json.loads(await client.recv()))
    except websockets.ConnectionClosed as end:
        return end


def test_G4_only_the_loopback_unless_insisted() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "example.com", "::"):
        with pytest.raises(ValueError, match="loopback"):
            Server(venue(), host)
    for host in ("127.0.0.1", "localhost", "::1"):
        Server(venue(), host)
    Server(venue(), "0.0.0.0", allow_remote=True)


def test_streams_over_a_socket_with_default_compression_declined() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:
            assert "Sec-WebSocket-Extensions" not in client.response.headers  # type: ignore[union-attr]
            frames = await hello(client, book(), book(channel="trades"))
            while sum("data" in f for f in frames) < 8:
                frames.append(json.loads(await client.recv()))
            await client.send("ping")
            while await client.recv() != "pong":
                pass

    server = on_server(check, speed=5)
    assert not server.exchange.connections, "the server said goodbye to its lines"


def test_rest_port_is_the_next_one_and_keeps_connections_alive() -> None:
    async def check(server: Server) -> None:
        async with httpx.AsyncClient(base_url=server.rest_url) as client:
            for _ in range(3):
                reply = await client.get("/api/v5/public/time")
                assert reply.json()["code"] == "0"
                assert reply.headers["content-type"] == "application/json"
            assert (await client.get("/api/v5/market/books", params={"instId": "NO"})).json()["code"] == "51001"
            assert (await client.post("/api/v5/public/time", json={"a": 1})).status_code == 405
            assert (await client.get("/nowhere")).status_code == 404

    on_server(check)


def test_rest_survives_what_is_not_http() -> None:
    async def check(server: Server) -> None:
        for junk in (b"\x00\xff\r\n\r\n", b"GET /" + b"a" * 100_000, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.rest_port)
            writer.write(junk)
            writer.write_eof()
            await reader.read()
            writer.close()
        async with httpx.AsyncClient(base_url=server.rest_url) as client:
            assert (await client.get("/api/v5/public/time")).status_code == 200

    on_server(check)


def test_tls_with_the_throw_away_authority() -> None:
    async def check(server: Server) -> None:
        assert server.ws_url.startswith("wss://")
        assert server.ca_file is not None
        context = ssl.create_default_context(cafile=server.ca_file)
        async with connect(f"{server.ws_url}/ws/v5/public", ssl=context) as client:
            await hello(client, book())
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"{server.ws_url}/ws/v5/public", ssl=ssl.create_default_context())
        async with httpx.AsyncClient(base_url=server.rest_url, verify=context) as client:
            assert (await client.get("/api/v5/public/time")).status_code == 200

    on_server(check, tls=True)


@pytest.mark.parametrize(
    ("path", "status", "faults"),
    [
        ("/ws/v5/nothing", 404, []),
        ("/", 404, []),
        ("/ws/v5/public", 503, ["refuse_connect status=503 retry_after=7"]),
        ("/ws/v5/public", 429, ["refuse_connect status=429"]),
    ],
)
def test_A3_refused_upgrades(path: str, status: int, faults: list[str]) -> None:
    async def check(server: Server) -> None:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect(server.ws_url + path)
        assert caught.value.response.status_code == status
        if status == 503:
            assert caught.value.response.headers["Retry-After"] == "7"

    on_server(check, venue(*faults))


def test_A3_redirect() -> None:
    async def check(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(UPGRADE)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert b" 302 " in head
        assert b"Location: ws://elsewhere/" in head

    on_server(check, venue("refuse_connect status=302 location=ws://elsewhere/"))


def test_fourth_connect_within_a_second_is_429() -> None:
    async def check(server: Server) -> None:
        lines = [await connect(f"{server.ws_url}/ws/v5/public") for _ in range(3)]
        with pytest.raises(websockets.InvalidStatus, match="429"):
            await connect(f"{server.ws_url}/ws/v5/public")
        for line in lines:
            await line.close()

    clock = time.time_ns()
    on_server(check, venue(connects_per_s=3), clock=lambda: clock)


UPGRADE = (
    b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_A2_A16_a_held_handshake_does_not_hold_others() -> None:
    async def check(server: Server) -> None:
        held_reader, held = await asyncio.open_connection("127.0.0.1", server.port)
        held.write(UPGRADE)
        waiting = asyncio.create_task(held_reader.read(1))
        async with connect(f"{server.ws_url}/ws/v5/public") as second:
            await hello(second, book())
        assert not waiting.done()
        assert [f.kind for f in server.exchange.ledger.faults] == ["slow_open"]
        held.close()
        await waiting

    on_server(check, venue("slow_open seconds=1h nth=1"))


def test_A2_a_held_handshake_is_answered_in_the_end() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:
            await hello(client, book())

    on_server(check, venue("slow_open seconds=3 nth=1"), speed=100)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("close code=4006 reason=abnormal after_frames=2", 4006),
        ("close code=1012 after_frames=1", 1012),
        ("die_after_frames frames=2", None),
        ("kick_all after_frames=1", None),
    ],
)
def test_A6_A7_ends_reach_the_client(fault: str, code: int | None) -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:
            await client.send(json.dumps({"op": "subscribe", "args": [book()]}))
            end = await end_of(client)
            assert (end.rcvd.code if end.rcvd else None) == code

    on_server(check, venue(fault), speed=10)


def test_idle_close_4004_by_the_timer() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:
            end = await end_of(client)
            assert end.rcvd is not None
            assert (end.rcvd.code, end.rcvd.reason) == (4004, "No data received in 30s.")

    on_server(check, venue(idle_close_s=30.0), speed=200)


def test_A8_a_frozen_line_neither_reads_nor_writes_and_stop_still_works() -> None:
    async def check(server: Server) -> None:
        client = await connect(f"{server.ws_url}/ws/v5/public", ping_interval=None, close_timeout=0.1)
        await client.send(json.dumps({"op": "subscribe", "args": [book()]}))
        for _ in range(3):
            await client.recv()
        assert server.exchange.connections == []
        await client.send("ping")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 0.05)
        client.transport.abort()

    on_server(check, venue("freeze after_frames=2"), speed=10)


def test_fragmented_requests_are_joined() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:
            text = json.dumps({"op": "subscribe", "args": [book(channel="trades")]})
            await client.send(iter([text[:10], text[10:20], text[20:]]))
            assert json.loads(await client.recv())["event"] == "subscribe"

    on_server(check)


async def raw_line(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket opened by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(UPGRADE)
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x85\0\0\0\0\xff\xfe\xff\xfe\xff", 1007),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x81\x02hi", 1002),
        (b"\x81\xff" + (MAX_FRAME + 1).to_bytes(8, "big") + b"\0\0\0\0", 1009),
        (b"\x88\x80\0\0\0\0", 1000),
    ],
)
def test_H1_malformed_frames_end_their_line_and_no_other(frame: bytes, code: int) -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as bystander:
            reader, writer = await raw_line(server)
            writer.write(frame)
            head = await reader.readexactly(2)
            assert head[0] == 0x88
            assert int.from_bytes(await reader.readexactly(2), "big") == code
            writer.close()
            await hello(bystander, book())

    on_server(check)


def test_H1_fragments_beyond_16_MiB_close_1009() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:

            async def pour() -> None:
                piece = "x" * (MAX_FRAME // 4)
                await client.send(iter([piece] * 6))

            pouring = asyncio.create_task(pour())
            end = await end_of(client)
            assert end.rcvd is not None
            assert end.rcvd.code == 1009
            await asyncio.gather(pouring, return_exceptions=True)

    on_server(check)


def test_H1_subscribe_flood_is_stopped_by_the_budget() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/public") as client:

            async def flood() -> None:
                for n in range(2000):
                    await client.send(json.dumps({"op": "subscribe", "id": str(n), "args": [book(channel="trades")]}))

            flooding = asyncio.create_task(flood())
            frames: list[Any] = []
            end = await end_of(client, frames)
            codes = [f.get("code", f.get("event")) for f in frames]
            assert end.rcvd is not None
            await asyncio.gather(flooding, return_exceptions=True)
            assert codes.count("subscribe") == 480
            assert codes[-1] == "60014"

    on_server(check)


def test_H1_a_slow_reader_is_closed_and_the_others_live() -> None:
    async def check(server: Server) -> None:
        handle = socket.socket()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        handle.connect(("127.0.0.1", server.port))
        handle.setblocking(False)
        lazy_reader, lazy = await asyncio.open_connection(sock=handle, limit=1024)
        lazy.write(UPGRADE)
        await lazy_reader.readuntil(b"\r\n\r\n")
        lazy.transport.pause_reading()  # type: ignore[attr-defined]
        body = json.dumps({"op": "subscribe", "args": [book()]}).encode()
        lazy.write(b"\x81" + bytes([0x80 | len(body)]) + b"\0\0\0\0" + body)
        async with connect(f"{server.ws_url}/ws/v5/public") as brisk:
            await hello(brisk, book(channel="trades"))
            while not any(t.closed == "closed 4005" for t in server.exchange.ledger.traffic.values()):
                await brisk.recv()
            assert "data" in json.loads(await brisk.recv())
        lazy.transport.abort()

    on_server(check, venue("big_frame channel=books size=3000000", lasts=600.0), speed=10)


def test_H1_a_thousand_clients() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1000
    if hard != resource.RLIM_INFINITY and hard < 2 * wanted + 100:
        pytest.skip(f"only {hard} open files are allowed here, {2 * wanted + 100} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * wanted + 100), hard))

    async def check(server: Server) -> None:
        request = json.dumps({"op": "subscribe", "args": [book(channel="tickers")]}).encode()
        frame = b"\x81" + bytes([0x80 | len(request)]) + b"\0\0\0\0" + request
        lines = [await raw_line(server) for _ in range(wanted)]
        for _, writer in lines:
            writer.write(frame)
        for reader, _ in lines:
            await reader.readuntil(b'"event":"subscribe"')
            await reader.readuntil(b'"data"')
        assert len(server.exchange.connections) == wanted
        for _, writer in lines:
            writer.close()

    on_server(check, venue(lasts=600.0))


def test_stop_ends_everything_and_frees_the_ports() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        server = Server(venue())
        await server.start()
        client = await connect(f"{server.ws_url}/ws/v5/public")
        web = httpx.AsyncClient(base_url=server.rest_url)
        await web.get("/api/v5/public/time")
        await server.stop()
        end = await end_of(client)
        assert end.rcvd is not None
        assert end.rcvd.code == 1001
        again = Server(venue(), port=server.port, rest_port=server.rest_port)
        await again.start()
        await again.stop()
        await web.aclose()
        assert asyncio.all_tasks() <= before

    asyncio.run(asyncio.wait_for(main(), 120))


def test_an_exchange_can_be_made_for_the_time_of_the_start() -> None:
    async def main() -> None:
        made: list[int] = []

        def make(now: int) -> Exchange:
            made.append(now)
            return Exchange(FixedMarket(), now=now)

        server = Server(make, clock=lambda: 1_790_000_001_000_000_000)
        with pytest.raises(RuntimeError, match="not been started"):
            _ = server.exchange
        async with server:
            assert made == [1_790_000_001_000_000_000] == [server.exchange.start]

    asyncio.run(main())
