"""A take-profit and a stop-loss that come with an order: sent over REST, and carried out once it has filled."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.support.trading_client import exchange, trading_client
from tests.support.virtual_trading import SWAP

import okex_ws
from okex_ws.events import AlgoOrderUpdate
from okex_ws.protocol.orders.tickets import Intent
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.server import Server
from okex_ws.wire.orders import rest_request

D = Decimal


def test_how_it_is_said() -> None:
    attached = okex_ws.Attached(take_profit_trigger=D(70000), stop_loss_trigger=D("50000.0"), stop_loss_price=D("49990"))
    order = okex_ws.PlaceOrder(instrument=SWAP, side="buy", size=D(1), order_type="market", trade_mode="cross", attached=attached)
    path, body = rest_request([order])
    assert path == "trade/order"
    assert body["attachAlgoOrds"] == [
        {"tpTriggerPx": "70000", "tpTriggerPxType": "last", "tpOrdPx": "-1",
         "slTriggerPx": "50000.0", "slTriggerPxType": "last", "slOrdPx": "49990"}
    ]  # fmt: skip
    written = Intent("k1", order)
    assert msgspec.json.decode(msgspec.json.encode(written), type=Intent) == written, "as the intent log keeps it"


def test_what_cannot_be_attached() -> None:
    with pytest.raises(okex_ws.OrderError, match="give take_profit_trigger, stop_loss_trigger or both"):
        okex_ws.Attached()
    with pytest.raises(okex_ws.OrderError, match="take_profit_price without take_profit_trigger would never be used"):
        okex_ws.Attached(stop_loss_trigger=D(1), take_profit_price=D(2))
    with pytest.raises(okex_ws.OrderError, match="1 to 32 letters and digits"):
        okex_ws.Attached(stop_loss_trigger=D(1), client_algo_id="a-b")
    stop = okex_ws.Attached(stop_loss_trigger=D(1))
    with pytest.raises(okex_ws.OrderError, match="nothing can be attached to a spread order"):
        okex_ws.PlaceOrder(instrument="A_B", is_spread=True, side="buy", size=D(1), attached=stop)


def test_it_closes_the_position_that_the_order_opened(tmp_path: Path) -> None:
    async def main() -> None:
        settings = {"halt_file": None, "intent_log": tmp_path / "intents"}
        async with Server(exchange()) as server, asyncio.timeout(20), trading_client(server, **settings) as client:
            done = asyncio.Event()
            client.on(AlgoOrderUpdate, lambda event: done.set() if event.state == "effective" else None)
            client.subscribe("orders-algo", "ANY")
            await client.ready()
            stop = okex_ws.Attached(stop_loss_trigger=D(90000), client_algo_id="s1")  # the market is below it already
            made = await client.orders.place(SWAP, "buy", 1, order_type="market", attached=stop)
            assert made.is_confirmed, "over WebSocket the simulator refuses it"
            await done.wait()
            first, second = server.exchange.engine.orders(DEMO_KEY.uid)
            assert (first.side, first.filled, second.side, second.filled) == ("buy", 1, "sell", 1)
            assert second.reduce_only

    asyncio.run(main())
