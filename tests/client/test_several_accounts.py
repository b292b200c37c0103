"""Several accounts in one program: a client and a private connection each, and nothing of one reaches the other."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.support.trading_client import exchange, trading_client
from tests.support.virtual_trading import SPOT, SWAP

import okex_ws
from okex_ws.simulator.rules import DEMO_KEY, ApiKey
from okex_ws.simulator.server import Server

OTHER_KEY = ApiKey("other-key", "NOT-A-REAL-SECRET-EITHER", "other-passphrase", uid="46", funds={"USDT": Decimal(500)})


def test_each_client_trades_and_sees_its_own_account() -> None:
    async def buy(client: okex_ws.Client, instrument: str, size: str) -> str:
        await client.ready()
        news = client.stream(okex_ws.events.OrderUpdate)
        placed = await client.orders.place(instrument, "buy", size, order_type="market")
        assert placed.is_confirmed, placed
        async for update in news:
            if update.is_final:
                return placed.order_id
        raise AssertionError("the stream ended before the order did")

    async def check() -> None:
        made = exchange(keys=(DEMO_KEY, OTHER_KEY))
        async with Server(made) as server, asyncio.timeout(120):
            quiet = {"halt_file": None}
            async with trading_client(server, **quiet) as one, trading_client(server, OTHER_KEY, **quiet) as other:
                ours, theirs = await asyncio.gather(buy(one, SWAP, "1"), buy(other, SPOT, "0.001"))
                floor = server.exchange.engine
                for client, key, order_id in ((one, DEMO_KEY, ours), (other, OTHER_KEY, theirs)):
                    assert [order.order_id for order in floor.orders(key.uid)] == [order_id]
                    assert list(client.account.orders.finished) == [order_id]
                assert "ETH" in one.account.balances
                assert "ETH" not in other.account.balances
                logged_in = [line.account.uid for line in server.exchange.connections if line.account is not None]
                assert sorted(logged_in) == [DEMO_KEY.uid, OTHER_KEY.uid], "one private connection each"

    asyncio.run(check())
