"""The log of requests: a line for each, over real sockets, with what the exchange does not know; no secret in it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
from tests.support.exchange_orders import SPOT, iso, login, sign
from tests.support.fixed_market import START
from websockets.asyncio.client import connect

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.request_log import RequestLog
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.simulator.server import Server

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (.+) (\S+) (\S+) \d+us( unknown .*)?$")


async def until(client: Any, text: str) -> None:
    """Read until a message holds this text."""
    while text not in await client.recv():
        pass


def logged(work: Any) -> list[tuple[str, str, str, str]]:
    lines: list[str] = []

    async def main() -> None:
        market = SeededMarket(7, start=START, instruments=[SPOT], rate=0.1, levels=10)
        exchange = Exchange(market, now=START, rules=Rules())
        async with Server(exchange, log=RequestLog(lines.append)) as server:
            await work(server)

    asyncio.run(main())
    assert not [line for line in lines if DEMO_KEY.secret in line or DEMO_KEY.passphrase in line or DEMO_KEY.key in line]
    found = [LINE.match(line) for line in lines]
    assert all(found), lines
    return [(each[1], each[2], each[3], each[4] or "") for each in found if each]


def test_requests_over_http() -> None:
    async def work(server: Server) -> None:
        async with httpx.AsyncClient(base_url=server.rest_url, trust_env=False) as client:
            await client.get("/api/v5/public/time")
            await client.get(f"/api/v5/market/books?instId={SPOT}&sz=5&depth=9")
            await client.get("/api/v5/market/none?instId=X")
            path = "/api/v5/account/balance?ccy=BTC"
            at = (server.now() - START) / 1e9
            await client.get(path, headers=sign(DEMO_KEY, "GET", path, "", at, timestamp=iso(at)))
            await client.get("/api/v5/account/balance")

    assert logged(work) == [
        ("GET /api/v5/public/time", "-", "0", ""),
        (f"GET /api/v5/market/books?instId={SPOT}&sz=5&depth=9", "-", "0", " unknown parameter depth"),
        ("GET /api/v5/market/none?instId=X", "-", "404", " unknown path"),
        ("GET /api/v5/account/balance?ccy=BTC", "44", "0", ""),
        ("GET /api/v5/account/balance", "-", "50103", ""),
    ]


def test_requests_over_websocket() -> None:
    async def work(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v5/private", proxy=None) as client:
            request = login(at=(server.now() - START) / 1e9)
            for each in (request, {"op": "mass-cancel-all"}, {"op": "subscribe", "args": [{"channel": "account"}]}):
                await client.send(json.dumps(each))
                await client.recv()
            await client.send(json.dumps({"id": "1", "op": "order", "args": [{"instId": SPOT}]}))
            await until(client, '"order"')
            await client.send("ping")
            await until(client, "pong")
        async with connect(f"{server.ws_url}/ws/v5/public", proxy=None) as client:
            args = [{"channel": "trades", "instId": SPOT}, {"channel": "trades", "instId": "NO-SUCH"}]
            await client.send(json.dumps({"op": "subscribe", "args": args}))
            await client.send("nonsense")
            await until(client, "60012")

    assert logged(work) == [
        ("WS private login", "44", "0", ""),
        ("WS private mass-cancel-all", "44", "60019", " unknown op"),
        ("WS private subscribe account", "44", "0", ""),
        (f"WS private order {SPOT}", "44", "1,50014", ""),
        ("WS private ping", "44", "0", ""),
        (f"WS public subscribe trades:{SPOT} trades:NO-SUCH", "-", "0,60018", " unknown channel"),
        ("WS public nonsense", "-", "60012", ""),
    ]
