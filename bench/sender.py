"""A recorded stream, sent over a real socket as fast as the reader takes it.

The stream comes from the simulator on virtual time: real frames of `books`, `bbo-tbt`, `trades` and `tickers` of some
instruments, with ids and sequences unbroken from the first message to the last.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Text
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.v5.connection import V5Connection

INSTRUMENTS = ("BTC-USDT", "BTC-USDT-SWAP")
CHANNELS = ("books", "bbo-tbt", "trades", "tickers")
BOOK_HEAVY = ("books", "trades", "tickers")
START = 1_790_000_000_000_000_000


def frames(channels: tuple[str, ...], count: int, seed: int = 7) -> list[bytes]:
    """`count` texts as an exchange would send them."""
    return list(itertools.islice(stream(channels, seed), count))


def stream(channels: tuple[str, ...], seed: int = 7) -> Iterator[bytes]:
    """Texts without end, as an exchange would send them."""
    market = SeededMarket(seed, start=START, instruments=list(INSTRUMENTS))
    exchange = Exchange(market, seed=seed, now=START, rules=Rules(idle_close_s=0, requests_per_hour=0, ledger_limit=1000))
    talk = exchange.open("/ws/v5/public", START)
    assert isinstance(talk, V5Connection)
    args = [{"channel": channel, "instId": instrument} for channel in channels for instrument in INSTRUMENTS]
    talk.receive(json.dumps({"id": "1", "op": "subscribe", "args": args}).encode(), START)
    while True:
        now = exchange.deadline()
        assert now is not None
        exchange.on_deadline(now)
        for out in talk.take():
            if isinstance(out, Text):
                yield out.payload


def trades() -> Iterator[bytes]:
    """Trades alone without end, one a text: what a market does when it does nothing else. Quicker made than a market's own."""
    push = b'{"arg":{"channel":"trades","instId":"%s"},"data":[{"instId":"%s","tradeId":"%d","px":"%d.%d","sz":"0.%05d",' \
        b'"side":"%s","ts":"%d","count":"1","source":"0","seqId":%d}]}'  # fmt: skip
    names = [name.encode() for name in INSTRUMENTS]
    yield from (b'{"event":"subscribe","arg":{"channel":"trades","instId":"%s"},"connId":"a4d3ae55"}' % name for name in names)
    for number in itertools.count(1):
        name, ts, walk = names[number % 2], START // 1_000_000 + number // 3, number * 7919 % 1000
        price, size, side = (60_000 + walk // 10, walk % 10), walk * 37 % 99_991, b"buy" if walk & 4 else b"sell"
        yield push % (name, name, 700_000_000 + number // 2, *price, size, side, ts, number * 3)


def framed(text: bytes) -> bytes:
    """A text as an unmasked WebSocket frame (RFC 6455, 5.2)."""
    size = len(text)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + text
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + text
    return struct.pack("!BBQ", 0x81, 127, size) + text


async def serve(texts: Iterable[bytes], rate: float) -> None:
    """Serve one reader: handshake, wait for a subscribe, send everything (`rate` messages a second, 0: as taken), close."""
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(":", 1)[1].strip() for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        upgrade = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        writer.write("\r\n".join((*upgrade, f"Sec-WebSocket-Accept: {accept}", "", "")).encode())
        await reader.read(64)
        if rate:
            begun = time.perf_counter()
            for place, text in enumerate(texts):
                while time.perf_counter() < begun + place / rate:
                    pass  # this core has nothing else to do, and sleeping is not this exact
                writer.write(framed(text))
            await writer.drain()
        else:
            left = iter(texts)
            while group := list(itertools.islice(left, 100)):
                writer.write(b"".join(map(framed, group)))
                await writer.drain()
        writer.write(framed(b'{"event":"end"}'))
        await writer.drain()
        await reader.read()
        writer.close()
        done.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await done.wait()
    server.close()


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        asyncio.run(serve(itertools.islice(stream(CHANNELS), int(sys.argv[1])), 0))
    else:
        with Path(sys.argv[1]).open("rb") as lines:
            asyncio.run(serve((line.rstrip(b"\n") for line in lines), float(sys.argv[2])))
