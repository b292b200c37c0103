"""The traders compared: each places, cancels and fills the same orders on the same exchange, and times what it sees.

Run as a process of its own: `python traders.py NAME WS_URL REST_URL CA_FILE TURNS PER_SECOND`; prints one line of JSON. One
turn is an order that rests, its cancel, and an order that fills at once. Acks are timed from before the request until the
trader has the answer; fills from the exchange's instant (inTime of the ack, same clock) until the trader has the parsed
push. All listen to orders, positions, account and balance_and_position.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

KEY = ("simulator-key", "NOT-A-REAL-SECRET", "simulator-passphrase")
INSTRUMENT, SIZE, RESTING, TAKING = "BTC-USDT", "0.0002", "59700", "60400"
CHANNELS: list[dict[str, str]] = [
    {"channel": "orders", "instType": "ANY"},
    {"channel": "positions", "instType": "ANY"},
    {"channel": "account"},
    {"channel": "balance_and_position"},
]
WARM_UP = 5
PATIENCE_S = 10.0


class Stopwatch:
    """What one trader measured."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.acks: list[float] = []
        self.cancels: list[float] = []
        self.fills: list[float] = []

    def report(self, cpu: float) -> None:
        requests = 3 * self.turns
        times = {"cpu": [cpu / requests], "ack": self.acks, "cancel": self.cancels, "fill": self.fills}
        print(json.dumps(times), flush=True)


async def paced(watch: Stopwatch, per_second: float, turn: Callable[[bool], Awaitable[None]]) -> None:
    """Some turns to warm up, then the measured ones; no two closer than this pace. Reports CPU per request."""
    began = 0.0
    for number in range(-WARM_UP, watch.turns):
        if number == 0:
            began = time.process_time()
        start = time.perf_counter()
        await turn(number >= 0)
        await asyncio.sleep(max(0.0, start + 1 / per_second - time.perf_counter()))
    watch.report(time.process_time() - began)


async def ours(ws_url: str, rest_url: str, ca_file: str, turns: int, per_second: float, intent_log: Path | None) -> None:
    import okex_ws
    from okex_ws.client.sites import Site
    from okex_ws.events import OrderReplied, OrderUpdate
    from okex_ws.wire.sign import Credentials

    watch = Stopwatch(turns)
    settings = okex_ws.Trading(intent_log=intent_log)
    client = okex_ws.Client(
        site=Site.at(ws_url, rest_url=rest_url),
        keep_books=False,
        credentials=Credentials(*KEY),
        ca_file=ca_file,
        trading=settings,
    )
    filled: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    heard = 0

    def on_update(update: OrderUpdate) -> None:
        if update.trade_id is not None and not filled.done():
            filled.set_result(time.time_ns())

    def on_reply(reply: OrderReplied) -> None:
        nonlocal heard
        heard = (reply.in_us or 0) * 1_000

    client.on(OrderUpdate, on_update)
    client.on(OrderReplied, on_reply)

    async def turn(counts: bool) -> None:
        nonlocal filled
        began = time.perf_counter()
        placed = await client.orders.place(INSTRUMENT, "buy", SIZE, price=RESTING)
        assert placed.is_confirmed, placed
        acked = time.perf_counter()
        await client.orders.cancel(INSTRUMENT, client_order_id=placed.client_order_id)
        canceled = time.perf_counter()
        filled = asyncio.get_running_loop().create_future()
        taken = await client.orders.place(INSTRUMENT, "buy", SIZE, price=TAKING, order_type="ioc")
        assert taken.is_confirmed, taken
        at_ns = await asyncio.wait_for(filled, PATIENCE_S)
        if counts:
            watch.acks.append(acked - began)
            watch.cancels.append(canceled - acked)
            watch.fills.append((at_ns - heard) / 1e9)

    async with client:
        await client.ready()
        await paced(watch, per_second, turn)


async def python_okx(ws_url: str, rest_url: str, turns: int, per_second: float) -> None:
    import okx.PublicData as PublicData
    from okx.websocket.WsPrivateAsync import WsPrivateAsync

    watch = Stopwatch(turns)
    public = PublicData.PublicAPI(flag="0", domain=rest_url)
    (row,) = public.get_instruments(instType="SPOT", instId=INSTRUMENT)["data"]
    code = row["instIdCode"]
    loop = asyncio.get_running_loop()
    replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
    filled: asyncio.Future[int] = loop.create_future()
    logged_in, subscribed = loop.create_future(), loop.create_future()

    def on_message(text: str) -> None:
        message = json.loads(text)
        waiting = replies.pop(message.get("id", ""), None)
        if waiting is not None:
            waiting.set_result(message)
        elif message.get("event") == "login":
            logged_in.set_result(None)
        elif message.get("event") == "subscribe" and message["arg"]["channel"] == CHANNELS[-1]["channel"]:
            subscribed.set_result(None)
        elif message.get("arg", {}).get("channel") == "orders":
            for order in message.get("data", []):
                if order["tradeId"] and not filled.done():
                    filled.set_result(time.time_ns())

    client = WsPrivateAsync(KEY[0], KEY[2], KEY[1], f"{ws_url}/ws/v5/private")
    client.callback = on_message
    consuming = await client.start()
    await client.login()
    await logged_in
    await client.send("subscribe", CHANNELS, id="")
    await subscribed
    count = 0

    async def ask(send: Callable[..., Awaitable[None]], **fields: Any) -> dict[str, Any]:
        nonlocal count
        count += 1
        waiting = replies[str(count)] = loop.create_future()
        await send([{"instIdCode": code, **fields}], id=str(count))
        answer: dict[str, Any] = await waiting
        return answer

    async def turn(counts: bool) -> None:
        nonlocal filled
        order = {"tdMode": "cash", "side": "buy", "sz": SIZE}
        began = time.perf_counter()
        name = f"b{count}"
        await ask(client.place_order, **order, ordType="limit", px=RESTING, clOrdId=name)
        acked = time.perf_counter()
        await ask(client.cancel_order, clOrdId=name)
        canceled = time.perf_counter()
        filled = loop.create_future()
        reply = await ask(client.place_order, **order, ordType="ioc", px=TAKING, clOrdId=f"f{count}")
        at_ns = await asyncio.wait_for(filled, PATIENCE_S)
        if counts:
            watch.acks.append(acked - began)
            watch.cancels.append(canceled - acked)
            watch.fills.append((at_ns - int(reply["inTime"]) * 1_000) / 1e9)

    await paced(watch, per_second, turn)
    await client.stop()
    await asyncio.gather(consuming, return_exceptions=True)


async def main() -> None:
    name, ws_url, rest_url, ca_file = sys.argv[1:5]
    turns, per_second = int(sys.argv[5]), float(sys.argv[6])
    if name.startswith("python-okx"):
        await python_okx(ws_url, rest_url, turns, per_second)
    elif "intent" in name:
        with tempfile.TemporaryDirectory() as folder:
            await ours(ws_url, rest_url, ca_file, turns, per_second, Path(folder) / "intents")
    else:
        await ours(ws_url, rest_url, ca_file, turns, per_second, None)


if __name__ == "__main__":
    asyncio.run(main())
