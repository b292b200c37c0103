"""Trading over real sockets: what HTTP clients see of lost answers and slow requests."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from tests.support.exchange_orders import SPOT, iso, sign
from tests.support.fixed_market import START

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.simulator.server import Server

ORDER = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "59800", "sz": "0.01", "clOrdId": "c1"}


def venue(*faults: str) -> Exchange:
    market = SeededMarket(7, start=START, instruments=[SPOT], rate=0.1, levels=10)
    return Exchange(market, seed=7, now=START, rules=Rules(), faults=Faults.parse(faults))


async def post(server: Server, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    text = json.dumps(body)
    at = (server.now() - START) / 1e9
    signed = sign(DEMO_KEY, "POST", path, text, at, timestamp=iso(at), **headers)
    async with httpx.AsyncClient(base_url=server.rest_url, trust_env=False) as client:
        return await client.post(path, content=text, headers={"Content-Type": "application/json", **signed})


def test_an_order_over_http() -> None:
    async def main() -> tuple[dict[str, Any], Exchange]:
        async with Server(venue()) as server:
            answer = await post(server, "/api/v5/trade/order", ORDER)
            return answer.json(), server.exchange

    body, exchange = asyncio.run(main())
    assert (body["code"], body["data"][0]["sCode"]) == ("0", "0")
    assert [order.order_id for order in exchange.engine.open_orders("44")] == [body["data"][0]["ordId"]]


@pytest.mark.parametrize(("fault", "placed"), [("order_then_drop", ["c1"]), ("order_lost", [])])
def test_the_connection_is_reset_in_place_of_an_answer(fault: str, placed: list[str]) -> None:
    async def main() -> Exchange:
        async with Server(venue(fault)) as server:
            with pytest.raises(httpx.TransportError):
                await post(server, "/api/v5/trade/order", ORDER)
            return server.exchange

    assert [order.client_order_id for order in asyncio.run(main()).engine.open_orders("44")] == placed


def test_a_slow_request_is_heard_late() -> None:
    async def main() -> dict[str, Any]:
        async with Server(venue("slow_order seconds=300ms")) as server:
            soon = str(server.now() // 10**6 + 100)
            answer = await post(server, "/api/v5/trade/order", ORDER, expTime=soon)
            return dict(answer.json())

    began = time.monotonic()
    assert asyncio.run(main())["code"] == "50036"
    assert time.monotonic() - began >= 0.3
