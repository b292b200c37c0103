"""The stacks compared: each reads the stream, keeps books, and looks at the touch after every book message.

Run as a process of its own: `python readers.py NAME PORT`; prints messages, CPU seconds and wall seconds. The peers share one
book, a sorted list and a dict, the fastest of plain Python: what differs is the socket, the parser and the layers between.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any

SUBSCRIBE = '{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'


class PeerBook:
    """A book as a careful user writes it."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[float, Any]] = {"bids": {}, "asks": {}}
        self.order: dict[str, list[float]] = {"bids": [], "asks": []}

    def apply(self, row: dict[str, Any], is_snapshot: bool) -> None:
        for name in ("bids", "asks"):
            side, order = self.sides[name], self.order[name]
            if is_snapshot:
                side.clear()
                order.clear()
            for level in row[name]:
                price = float(level[0])
                if level[1] == "0":
                    if side.pop(price, None) is not None:
                        del order[bisect_left(order, price)]
                else:
                    if price not in side:
                        insort(order, price)
                    side[price] = level

    def best(self) -> tuple[float, float]:
        bids, asks = self.order["bids"], self.order["asks"]
        return (bids[-1] if bids else 0.0), (asks[0] if asks else 0.0)


class PeerHandler:
    """What a user's handler does with a parsed push."""

    def __init__(self) -> None:
        self.books: dict[tuple[str, str], PeerBook] = {}
        self.messages = 0
        self.seen = 0.0

    def on_message(self, message: dict[str, Any]) -> bool:
        """False at the end of the stream."""
        arg = message.get("arg")
        if arg is None or "data" not in message:
            return message.get("event") != "end"
        self.messages += 1
        channel, instrument = arg["channel"], arg["instId"]
        for row in message["data"]:
            if channel in ("books", "bbo-tbt"):
                book = self.books.get((channel, instrument))
                if book is None:
                    book = self.books[channel, instrument] = PeerBook()
                book.apply(row, message.get("action") != "update")
                self.seen = book.best()[0]
            elif channel == "trades":
                self.seen = float(row["px"])
            else:
                self.seen = float(row["last"])
        return True


def report(messages: int, cpu: float, wall: float, check: object) -> None:
    print(json.dumps({"messages": messages, "cpu": cpu, "wall": wall, "check": check}), flush=True)


def timed(read: Callable[[], PeerHandler]) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    handler = read()
    tops = sorted((channel, instrument, book.best()) for (channel, instrument), book in handler.books.items())
    report(handler.messages, time.process_time() - cpu, time.perf_counter() - wall, tops)


def websocket_client(port: int) -> None:
    """How the 2018 demo worked."""
    import websocket

    line = websocket.create_connection(f"ws://127.0.0.1:{port}/ws/v5/public")
    line.send(SUBSCRIBE)

    def read() -> PeerHandler:
        handler = PeerHandler()
        while handler.on_message(json.loads(line.recv())):
            pass
        return handler

    timed(read)


def websockets_orjson(port: int) -> None:
    import orjson
    import websockets

    async def read() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws/v5/public", max_size=2**24) as line:
            await line.send(SUBSCRIBE)
            handler = PeerHandler()
            cpu, wall = time.process_time(), time.perf_counter()
            async for text in line:
                if not handler.on_message(orjson.loads(text)):
                    break
            tops = sorted((channel, instrument, book.best()) for (channel, instrument), book in handler.books.items())
            report(handler.messages, time.process_time() - cpu, time.perf_counter() - wall, tops)

    asyncio.run(read())


def python_okx(port: int) -> None:
    """The official SDK; it insists on TLS, which for this comparison is taken out, so that all read the same plain bytes."""
    import websockets
    from okx.websocket import WebSocketFactory
    from okx.websocket.WsPublicAsync import WsPublicAsync

    connect = websockets.connect
    WebSocketFactory.websockets.connect = lambda url, ssl=None: connect(url, max_size=2**24)

    async def read() -> None:
        handler = PeerHandler()
        done = asyncio.Event()

        def on_text(text: str) -> None:
            if not handler.on_message(json.loads(text)):
                done.set()

        client = WsPublicAsync(f"ws://127.0.0.1:{port}/ws/v5/public")
        await client.connect()
        cpu, wall = time.process_time(), time.perf_counter()
        client.callback = on_text
        await client.websocket.send(SUBSCRIBE)
        consuming = asyncio.ensure_future(client.consume())
        await done.wait()
        tops = sorted((channel, instrument, book.best()) for (channel, instrument), book in handler.books.items())
        report(handler.messages, time.process_time() - cpu, time.perf_counter() - wall, tops)
        consuming.cancel()

    asyncio.run(read())


def okex_websocket(port: int) -> None:
    _okex(port, iterate=False)


def okex_websocket_iterated(port: int) -> None:
    """The same through `async for` instead of a callback."""
    _okex(port, iterate=True)


def _okex(port: int, *, iterate: bool) -> None:
    import okex_ws
    from okex_ws.events import BookEvent, Push, Unrecognized

    async def read() -> None:
        client = okex_ws.Client(site=okex_ws.Site.at(f"ws://127.0.0.1:{port}"))
        for channel in ("books", "bbo-tbt", "trades", "tickers"):
            client.subscribe(channel, "BTC-USDT", "BTC-USDT-SWAP")
        done = asyncio.Event()
        seen = 0.0

        def on_push(event: Push) -> None:
            nonlocal seen
            if isinstance(event, BookEvent):
                best = client.book(event.instrument, event.channel).best_bid
                seen = best.price if best else 0.0
            elif isinstance(event, okex_ws.Trade):
                seen = event.price
            elif isinstance(event, okex_ws.Ticker):
                seen = event.last or 0.0

        # The sender's last frame is of no OKX shape.
        client.on(Unrecognized, lambda _: done.set())
        if not iterate:
            client.on(Push, on_push)
        cpu, wall = time.process_time(), time.perf_counter()
        async with client:
            if iterate:

                async def consume() -> None:
                    async for event in client:
                        on_push(event)  # type: ignore[arg-type]  # line news fall through

                consuming = asyncio.ensure_future(consume())
            await done.wait()
            if iterate:
                consuming.cancel()
            frames = next(iter(client._connections.drivers.values())).frame_count
            gaps = client.gaps if hasattr(client, "gaps") else 0
            tops = sorted(
                (book.channel, book.instrument, (book.best_bid.price, book.best_ask.price))
                for book in client.books
                if book.best_bid and book.best_ask
            )
            report(frames - 1, time.process_time() - cpu, time.perf_counter() - wall, tops)
            assert not gaps

    asyncio.run(read())


READERS: dict[str, Callable[[int], None]] = {
    "okex-websocket, callback": okex_websocket,
    "okex-websocket, async for": okex_websocket_iterated,
    "websockets + orjson": websockets_orjson,
    "python-okx (json)": python_okx,
    "websocket-client + json": websocket_client,
}

if __name__ == "__main__":
    READERS[sys.argv[1]](int(sys.argv[2]))
