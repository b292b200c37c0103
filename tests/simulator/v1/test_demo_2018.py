"""The 2018 demo, unchanged, against V1's face: ten minutes of virtual market, and a moment over a real socket."""

from __future__ import annotations

import asyncio
import threading

import websocket
from tests.support.demo_2018 import Demo2018
from tests.support.fixed_market import START
from tests.support.talk import seconds

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.base import MILLISECOND
from okex_ws.simulator.market.reference import far_expiry
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Binary
from okex_ws.simulator.server import Server
from okex_ws.simulator.v1.grammar import EPOCH_MS, clock


def venue(now: int) -> Exchange:
    future = f"BTC-USD-{far_expiry(now)}"
    return Exchange(SeededMarket(7, start=now, instruments=[future]), seed=7, now=now)


def published(exchange: Exchange) -> list[tuple[int, int]]:
    """(time in ms, 15 bits of the id) of every trade the market told since somebody first listened."""
    [instrument] = exchange.ledger.trades
    times = {int(match["tradeId"]): int(match["ts"]) for match in exchange.market.matches(instrument)}
    return [(times[last], last & 0x7FFF) for _, last, _ in exchange.ledger.trades[instrument]]


def seen(rows: list[list[str]]) -> list[tuple[int, int]]:
    """The same of V1 rows."""
    return [((int(row[0]) >> 16) + EPOCH_MS, int(row[0]) & 0x7FFF) for row in rows]


def test_B16_ten_minutes_of_virtual_market_for_the_demo() -> None:
    exchange = venue(START)
    exchange.on_deadline(seconds(15))
    line = exchange.open("/ws/v1", seconds(15))
    assert isinstance(line, ExchangeConnection)
    now = seconds(15)
    demo = Demo2018(lambda text: line.receive(text.encode(), now))

    def deliver() -> None:
        for frame in line.take():
            assert isinstance(frame, Binary), frame
            demo.on_message(frame.payload)

    demo.on_open()
    deliver()
    assert demo.subscribed == [{"result": True, "channel": "ok_sub_futureusd_btc_trade_quarter"}]
    history = len(demo.rows)
    assert history == 24
    for second in range(1, 601):
        now = seconds(15 + second)
        exchange.on_deadline(now)
        if second % 30 == 0:
            demo.ping()
        deliver()
        if second % 3 == 0:
            demo.print()
    assert (demo.pings, demo.pongs) == (20, 20)
    told, truth = seen(demo.rows[history:]), published(exchange)
    assert len(told) > 600
    assert told == truth[: len(told)], "every trade once and in order"
    unsaid = [time for time, _ in truth[len(told) :]]
    assert all(time >= now // MILLISECOND - 1000 for time in unsaid), "but for the last second's"
    assert len(set(seen(demo.rows))) == len(demo.rows)
    assert len(demo.printed) == 200
    assert all(clock(time) == row[3] for (time, _), row in zip(seen(demo.rows), demo.rows, strict=True))
    assert all(50_000 < float(price) < 70_000 for _, price in demo.printed)
    assert not line.is_over


def test_B16_the_demo_over_a_real_socket() -> None:
    enough = threading.Event()

    def run(url: str) -> Demo2018:
        app = websocket.WebSocketApp(f"{url}/ws/v1", on_open=lambda _: demo.on_open(), on_message=lambda _, data: hear(data))
        demo = Demo2018(app.send)
        ended = threading.Event()

        def hear(data: bytes) -> None:
            demo.on_message(data)
            if demo.pongs >= 2 and len(demo.printed) >= 3 and len(demo.rows) > 40:
                enough.set()

        def beat() -> None:
            while not ended.wait(0.3):  # nine seconds of the exchange's
                if demo.rows:
                    demo.ping()
                    demo.print()

        heart = threading.Thread(target=beat)
        socket = threading.Thread(target=app.run_forever)
        socket.start()
        heart.start()
        came = enough.wait(120)
        ended.set()
        heart.join()
        app.close()
        socket.join()
        assert came, (demo.pongs, len(demo.rows))
        return demo

    async def main() -> tuple[Demo2018, Exchange]:
        async with Server(venue, speed=30) as server:
            return await asyncio.to_thread(run, server.ws_url), server.exchange

    demo, exchange = asyncio.run(main())
    assert len(demo.subscribed) == 1
    told, truth = seen(demo.rows), published(exchange)
    first = told.index(truth[0])
    assert told[first:] == truth[: len(told) - first]
