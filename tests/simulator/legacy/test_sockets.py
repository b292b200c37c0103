"""V1 and V3 over real sockets, with a client not ours: opcodes, both kinds of requests, closing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.fixed_market import FixedMarket
from tests.support.legacy_talk import add, inflated
from websockets import ConnectionClosed
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server


def on_server(check: Callable[[Server], Awaitable[None]], **rules: Any) -> None:
    """Run a check against a server of the fixed market."""

    async def main() -> None:
        market = FixedMarket()
        exchange = Exchange(market, seed=7, now=market.start, rules=Rules(connects_per_s=0, **rules))
        async with Server(exchange) as server:
            await asyncio.wait_for(check(server), 120)

    asyncio.run(main())


async def said(client: ClientConnection, is_binary: bool) -> Any:
    """One message, which must come by this opcode."""
    frame = await client.recv()
    assert isinstance(frame, bytes if is_binary else str)
    return json.loads(inflated(frame) if isinstance(frame, bytes) else frame)


def test_B16_v1_speaks_binary_or_text_by_its_path() -> None:
    async def check(server: Server) -> None:
        for path, is_binary in (("/ws/v1", True), ("/websocket", False), ("/websocket?compress=true", True)):
            async with connect(f"{server.ws_url}{path}") as client:
                await client.send("{'event':'addChannel','channel':'ok_sub_spot_btc_usdt_deals'}")
                ack = await said(client, is_binary)
                assert ack[0]["data"] == {"result": True, "channel": "ok_sub_spot_btc_usdt_deals"}
                assert (await said(client, is_binary))[0]["data"][0][4] == "bid"
                await client.send(b"{'event':'ping'}")
                while await said(client, is_binary) != {"event": "pong"}:
                    pass

    on_server(check)


def test_v3_speaks_binary_alone() -> None:
    async def check(server: Server) -> None:
        async with connect(f"{server.ws_url}/ws/v3") as client:
            assert "Sec-WebSocket-Extensions" not in client.response.headers  # type: ignore[union-attr]
            await client.send(json.dumps({"op": "subscribe", "args": ["spot/trade:BTC-USDT", "spot/depth:BTC-USDT"]}))
            assert [(await said(client, True))["event"] for _ in range(2)] == ["subscribe"] * 2
            while (await said(client, True)).get("action") != "update":
                pass
            await client.send("ping")
            while True:
                frame = await client.recv()
                assert isinstance(frame, bytes)
                if inflated(frame) == b"pong":
                    break

    on_server(check)


def test_lines_of_three_dialects_share_one_server_and_its_limits() -> None:
    async def check(server: Server) -> None:
        async with (
            connect(f"{server.ws_url}/ws/v1") as first,
            connect(f"{server.ws_url}/ws/v3") as second,
            connect(f"{server.ws_url}/ws/v5/public") as third,
        ):
            await first.send(json.dumps(add("ok_sub_spot_btc_usdt_deals")))
            await second.send(json.dumps({"op": "subscribe", "args": "spot/trade:BTC-USDT"}))
            await third.send(json.dumps({"op": "subscribe", "args": [{"channel": "trades", "instId": "BTC-USDT"}]}))
            v1, v3, v5 = await said(first, True), await said(second, True), await said(third, False)
            assert (v1[0]["channel"], v3["event"], v5["event"]) == ("addChannel", "subscribe", "subscribe")
            assert len(server.exchange.connections) == 3
        with pytest.raises(InvalidStatus, match="404"):
            await connect(f"{server.ws_url}/ws/v4")

    on_server(check)


def test_H1_a_message_too_long_is_closed_with_1009_in_both() -> None:
    async def check(server: Server) -> None:
        for path in ("/ws/v1", "/ws/v3"):
            async with connect(f"{server.ws_url}{path}") as client:
                await client.send("[" * 70_000)
                with pytest.raises(ConnectionClosed) as end:
                    await client.recv()
                assert end.value.rcvd is not None
                assert end.value.rcvd.code == 1009

    on_server(check)
