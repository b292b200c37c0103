"""Faults of the simulator, rows H1 and H2: clients that misbehave, and the same seed twice."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from tests.soak.schedule import faults
from tests.support.fixed_market import START, FixedMarket
from tests.support.looped import client_of, looped, until
from tests.support.paths import ROOT
from tests.support.virtual import World
from websockets.asyncio.client import ClientConnection, connect

from okex_ws import Client, Event, Gap, Trade
from okex_ws.events import Disconnected, Malformed, Refused, Stale
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.outgoing import Text
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.server import MAX_FRAME, Server

TRADES = {"channel": "trades", "instId": "BTC-USDT"}


def serving(*script: str, speed: float = 10, clock: Callable[[], int] = time.time_ns, **rules: Any) -> Server:
    habits = Rules(**{"connects_per_s": 0, "idle_close_s": 0.0, **rules})
    market = FixedMarket(lasts=3600)
    return Server(Exchange(market, seed=7, now=START, rules=habits, faults=Faults.parse(script)), speed=speed, clock=clock)


@asynccontextmanager
async def bystander(server: Server) -> AsyncIterator[Client]:
    """A well-behaved client of ours; whatever others do, it misses nothing and is never disconnected."""
    client: Client = client_of(server.port)
    stream = client.stream()
    client.subscribe("trades", "BTC-USDT")
    client.subscribe("books", "ETH-USDT")
    seen: list[Event] = []
    async with client:
        await until(stream, Trade, seen)
        yield client
        newest = max(event.ts_recv for event in seen if isinstance(event, Trade))
        while True:
            trade = await until(stream, Trade, seen)
            if trade.ts_recv > newest and len(stream) == 0:
                break
    trades = [event for event in seen if isinstance(event, Trade)]
    assert all(b.first_id == a.trade_id + 1 for a, b in itertools.pairwise(trades))
    assert not [event for event in seen if isinstance(event, (Disconnected, Gap, Stale, Refused, Malformed))]


async def answer(line: ClientConnection) -> dict[str, Any]:
    """The next frame that is no push."""
    while True:
        frame = json.loads(await line.recv())
        if "event" in frame:
            return dict(frame)


def nonsense(dice: SeededRandom) -> str:
    """A text no OKX client would send, yet a WebSocket carries."""
    pieces = ('{"op":', '"subscribe"', "args", "[", "]", "{", "}", '"', "null", "1e999", "NaN", "\\ud800", "\x00", ":", ",", "💥")
    match dice.below(6):
        case 0:
            return "".join(dice.choice(pieces) for _ in range(1 + dice.below(30)))
        case 1:
            op = dice.choice(("subscribe", "unsubscribe", "login", "order", "ping", "", "x" * 5000))
            args = dice.choice((None, "", [], {}, 7, [None], [[]], ["trades"], [{}], [{"channel": 7}], [{"channel": "x" * 9000}]))
            return json.dumps({"id": dice.choice((1, None, "", "a b", "x" * 33, "ok1", [], {})), "op": op, "args": args})
        case 2:
            return "[" * (1 + dice.below(100_000))
        case 3:
            instrument = dice.choice(("../..", "\x1b[31m", "", "BTC-USDT\n"))
            return json.dumps({"op": "subscribe", "args": [{"channel": "trades", "instId": instrument}]})
        case 4:
            return json.dumps([{"event": "addChannel", "channel": "ok_sub_spot_btc_usdt_ticker"}])
        case _:
            return '{"op":"subscribe","args":[{"channel":"trades","instId":' + "9" * (1 + dice.below(5000)) + "}]}"


# -- H1: clients that misbehave ----------------------------------------------------------------------


@looped
async def test_H1_every_kind_of_nonsense_is_answered_with_a_code_and_hurts_nobody_else() -> None:
    dice = SeededRandom("nonsense")
    async with serving(requests_per_hour=0) as server, bystander(server):
        codes: dict[str, int] = {}
        async with connect(f"{server.ws_url}/ws/v5/public") as line:
            for _ in range(300):
                text = nonsense(dice)
                await line.send(text)
                frame = await answer(line)
                assert frame["event"] in ("error", "subscribe", "unsubscribe"), text[:200]
                if frame["event"] == "error":
                    assert len(frame["msg"]) < 500
                    assert frame["msg"].isprintable()
                    codes[frame["code"]] = codes.get(frame["code"], 0) + 1
            await line.send(json.dumps({"id": "end", "op": "subscribe", "args": [TRADES]}))
            while (await answer(line)).get("id") != "end":
                pass
    assert {"60012", "60013", "60018", "60019", "60027", "60033"} <= set(codes)


@looped
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x85\0\0\0\0\xff\xfe\xff\xfe\xff", 1007),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x02hi", 1002),
        (b"\x81\xff" + (MAX_FRAME + 1).to_bytes(8, "big") + b"\0\0\0\0", 1009),
    ],
)
async def test_H1_a_frame_against_the_protocol_ends_its_line_and_no_other(frame: bytes, code: int) -> None:
    async with serving() as server, bystander(server):
        reader, writer = await raw_line(server)
        writer.write(frame)
        head = await reader.readexactly(4)
        assert (head[0], int.from_bytes(head[2:4], "big")) == (0x88, code)
        writer.close()
        await writer.wait_closed()


@looped
async def test_H1_a_flood_of_requests_is_stopped_at_480_an_hour() -> None:
    async with serving(speed=1) as server, bystander(server):
        async with connect(f"{server.ws_url}/ws/v5/public") as line:

            async def flood() -> None:
                for n in range(1_000):
                    await line.send(json.dumps({"id": str(n), "op": "subscribe", "args": [TRADES]}))

            flooding = asyncio.ensure_future(flood())
            frames: list[dict[str, Any]] = []

            async def read() -> None:
                while True:
                    frames.append(await answer(line))

            with pytest.raises(websockets.ConnectionClosed) as end:
                await read()
            await asyncio.gather(flooding, return_exceptions=True)
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 4006
        assert [frame["event"] for frame in frames] == ["subscribe"] * 480 + ["error"]
        assert frames[-1]["code"] == "60014"


@looped
async def test_H1_too_large_a_request_and_too_many_connections_are_refused() -> None:
    async with serving(connects_per_s=3, clock=lambda: 0) as server:
        lines = [await connect(f"{server.ws_url}/ws/v5/public") for _ in range(3)]
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect(f"{server.ws_url}/ws/v5/public")
        assert caught.value.response.status_code == 429
        args = [{"channel": "trades", "instId": f"COIN{n:05}-USDT"} for n in range(2_000)]
        await lines[0].send(json.dumps({"op": "subscribe", "args": args}))
        with pytest.raises(websockets.ConnectionClosed) as end:
            await lines[0].recv()
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 1009
        await lines[1].send(json.dumps({"op": "subscribe", "args": [TRADES]}))
        assert (await answer(lines[1]))["event"] == "subscribe"
        for line in lines:
            await line.close()


@looped
async def test_H1_a_reader_too_slow_is_closed_and_the_others_live() -> None:
    async with serving("big_frame channel=books5 size=3000000") as server, bystander(server) as client:
        reader, lazy = await raw_line(server)
        lazy.transport.pause_reading()  # type: ignore[attr-defined]
        body = json.dumps({"op": "subscribe", "args": [{"channel": "books5", "instId": "BTC-USDT"}]}).encode()
        lazy.write(b"\x81" + bytes([0x80 | len(body)]) + b"\0\0\0\0" + body)
        others = client.stream(Trade)
        while not any(line.closed == "closed 4005" for line in server.exchange.ledger.traffic.values()):
            await anext(others)
        others.close()
        lazy.transport.abort()
        assert not reader.at_eof()


@looped
async def test_H1_a_thousand_clients_are_served() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1000
    needed = 2 * wanted + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"only {hard} open files are allowed here, {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    body = json.dumps({"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}).encode()
    frame = b"\x81" + bytes([0x80 | len(body)]) + b"\0\0\0\0" + body
    async with serving(speed=1) as server, bystander(server):
        lines = [await raw_line(server) for _ in range(wanted)]
        for _, writer in lines:
            writer.write(frame)
        for reader, _ in lines:
            await reader.readuntil(b'"event":"subscribe"')
            await reader.readuntil(b'"data"')
        assert len(server.exchange.connections) == wanted + 1
        for _, writer in lines:
            writer.transport.abort()
        while len(server.exchange.connections) > 1:  # noqa: ASYNC110  # a turn of the loop, not a time
            await asyncio.sleep(0)


async def raw_line(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket opened by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


# -- H2: the same seed twice -------------------------------------------------------------------------


def story(seed: int, seconds: float = 40, step: float | None = None) -> str:
    """SHA-256 of everything a client and an exchange said to each other, and of every event, under seeded faults."""
    world = World(faults(SeededRandom(f"story {seed}"), seconds / 2), seed=seed, instruments=("BTC-USDT", "ETH-USDT"))
    world.subscribe("trades", "BTC-USDT", "ETH-USDT")
    world.subscribe("books", "BTC-USDT")
    world.subscribe("candle1m", "BTC-USDT")
    world.subscribe("tickers", "ETH-USDT")
    if step is None:
        world.run(seconds)
    else:
        for _ in range(round(seconds / step)):
            world.run(step)
    digest = hashlib.sha256()
    for (name, number), wire in world.client.wires.items():
        digest.update(f"{name} {number} {len(wire.frames)}".encode())
        for frame in wire.frames:
            digest.update(frame)
    for event in world.client.events:
        digest.update(repr(event).encode())
    digest.update(repr(world.exchange.ledger).encode())
    return digest.hexdigest()


def test_H2_the_same_seed_gives_the_same_bytes_and_events_twice() -> None:
    assert story(3) == story(3)
    assert story(4) != story(3)


def test_H2_however_often_time_is_looked_at() -> None:
    assert story(5) == story(5, step=0.05) == story(5, step=4)


def test_H2_in_other_processes_with_other_hash_seeds() -> None:
    here = story(6, 20)
    search = [str(ROOT), str(ROOT / "src")]
    program = f"import sys; sys.path[:0] = {search!r}; from tests.faults.test_H_simulator import story; print(story(6, 20))"
    for salt in ("1", "31337"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": salt},
        )
        assert there.stdout.strip() == here


def said_by(steps: int, *script: str) -> list[bytes]:
    """What an exchange sends a line within ten seconds, woken this often."""
    market = FixedMarket(lasts=20)
    venue = Exchange(market, seed=7, now=START, rules=Rules(push_before_ack="sometimes"), faults=Faults.parse(script))
    line = venue.open("/ws/v5/public", START)
    assert not hasattr(line, "status")
    channels = ("books", "trades", "books5", "tickers")
    args = [{"channel": name, "instId": instrument} for name in channels for instrument in ("BTC-USDT", "ETH-USDT")]
    line.receive(json.dumps({"op": "subscribe", "args": args}).encode(), START)  # type: ignore[union-attr]
    out: list[bytes] = []
    for step in range(1, steps + 1):
        venue.on_deadline(START + 10_000_000_000 * step // steps)
        out += [text.payload for text in line.take() if isinstance(text, Text)]  # type: ignore[union-attr]
    return out


def test_H2_an_exchange_that_is_woken_late_says_the_same() -> None:
    script = ("drop channel=books probability=5%", "swap channel=trades every=7", "delay channel=books5 seconds=0.4")
    often = said_by(5_000, *script)
    assert len(often) > 500
    assert often == said_by(1, *script) == said_by(7, *script)


@looped
async def test_H2_over_sockets_the_exchange_says_the_same_at_any_speed() -> None:
    """The clock stands while the line subscribes, then jumps: in one step, in fifty, at other speeds."""

    async def visit(speed: float, steps: int) -> list[bytes | str]:
        clock = [0]
        venue = Exchange(
            FixedMarket(lasts=10),
            seed=7,
            now=START,
            rules=Rules(push_before_ack="sometimes"),
            faults=Faults.parse(["drop channel=books probability=5%", "duplicate channel=trades every=5"]),
        )
        async with Server(venue, clock=lambda: clock[0], speed=speed) as server:
            url = f"{server.ws_url}/ws/v5/public"
            async with connect(url) as line:
                args = [{"channel": name, "instId": "BTC-USDT"} for name in ("books", "trades")]
                await line.send(json.dumps({"id": "1", "op": "subscribe", "args": args}))
                frames: list[bytes | str] = []
                while sum('"event"' in str(frame) for frame in frames) < 2:
                    frames.append(await line.recv())
                for step in range(1, steps + 1):
                    clock[0] = round(10_000_000_000 * step / steps / speed)
                    await line.send("ping")
                    while (frame := await line.recv()) != "pong":
                        frames.append(frame)
                return frames

    once = await visit(1, 1)
    assert len(once) > 100
    assert once == await visit(1, 50) == await visit(25, 3)
