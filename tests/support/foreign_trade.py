"""A trading day of the official python-okx SDK, unmodified: run in an environment of its own, prints what it saw as JSON.

Arguments: WebSocket URL, REST URL, instrument. It logs in, places, amends and cancels over WebSocket and over REST, and
reads its fills.
"""

import asyncio
import json
import sys
from typing import Any

import okx.Account as Account
import okx.PublicData as PublicData
import okx.Trade as Trade
from okx.websocket.WsPrivateAsync import WsPrivateAsync

KEY = {"apiKey": "simulator-key", "passphrase": "simulator-passphrase", "secretKey": "NOT-A-REAL-SECRET"}
REST_KEY = {"api_key": KEY["apiKey"], "api_secret_key": KEY["secretKey"], "passphrase": KEY["passphrase"], "flag": "0"}


class Socket:
    """The SDK's private client; frames are kept and can be waited for."""

    def __init__(self, url: str) -> None:
        self.client = WsPrivateAsync(url=url, useServerTime=None, **KEY)
        self.frames: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.client.callback = self.keep

    def keep(self, message: str) -> None:
        self.frames.append(json.loads(message))
        self.news.set()

    async def until(self, wanted: Any) -> dict[str, Any]:
        """The first frame for which wanted(frame) holds."""
        async with asyncio.timeout(120):
            while True:
                for frame in self.frames:
                    if wanted(frame):
                        return frame
                self.news.clear()
                await self.news.wait()

    async def reply(self, identity: str) -> dict[str, Any]:
        """The answer to a request."""
        return await self.until(lambda frame: frame.get("id") == identity)

    async def order(self, **fields: str) -> dict[str, Any]:
        """The first push of an order with these fields."""
        frame = await self.until(
            lambda frame: any(
                all(row.get(name) == value for name, value in fields.items())
                for row in frame.get("data", [])
                if frame.get("arg", {}).get("channel") == "orders"
            )
        )
        return dict(next(row for row in frame["data"] if all(row.get(n) == v for n, v in fields.items())))


async def over_websocket(url: str, code: int, price: str) -> dict[str, Any]:
    """Place, amend, cancel, and a market order that fills."""
    socket = Socket(url)
    client = socket.client
    consuming = await client.start()
    await client.login()
    seen = {"login": await socket.until(lambda frame: frame.get("event") in ("login", "error"))}
    channels = [{"channel": "orders", "instType": "ANY"}, {"channel": "account"}]
    await client.send("subscribe", channels, id="s1")
    await socket.until(lambda frame: frame.get("event") == "subscribe" and frame["arg"]["channel"] == "account")
    order = {"instIdCode": code, "tdMode": "cash", "side": "buy"}
    await client.place_order([{**order, "ordType": "limit", "px": price, "sz": "0.01", "clOrdId": "sdk1"}], id="o1")
    seen["place"] = await socket.reply("o1")
    await client.amend_order([{"instIdCode": code, "clOrdId": "sdk1", "newSz": "0.02"}], id="o2")
    seen["amend"] = await socket.reply("o2")
    await client.cancel_order([{"instIdCode": code, "clOrdId": "sdk1"}], id="o3")
    seen["cancel"] = await socket.reply("o3")
    seen["canceled"] = await socket.order(clOrdId="sdk1", state="canceled")
    pair = [{**order, "ordType": "limit", "px": price, "sz": "0.01", "clOrdId": f"sdkb{i}"} for i in (1, 2)]
    await client.batch_orders(pair, id="o4")
    seen["batch"] = await socket.reply("o4")
    await client.batch_cancel_orders([{"instIdCode": code, "clOrdId": f"sdkb{i}"} for i in (1, 2)], id="o5")
    seen["batch cancel"] = await socket.reply("o5")
    await client.place_order([{**order, "ordType": "market", "sz": "500", "clOrdId": "sdk2"}], id="o6")
    seen["market"] = await socket.reply("o6")
    seen["filled"] = await socket.order(clOrdId="sdk2", state="filled")
    seen["pushes"] = {
        "rows": [
            row for frame in socket.frames if frame.get("arg", {}).get("channel") == "orders" for row in frame.get("data", [])
        ]
    }
    await client.stop()
    await asyncio.gather(consuming, return_exceptions=True)
    return seen


def over_rest(url: str, instrument: str, price: str) -> dict[str, Any]:
    """The same over HTTP, and what can be read afterwards."""
    trade, account = Trade.TradeAPI(domain=url, **REST_KEY), Account.AccountAPI(domain=url, **REST_KEY)
    order = {"instId": instrument, "tdMode": "cash", "side": "buy"}
    seen = {"place": trade.place_order(**order, ordType="limit", px=price, sz="0.01", clOrdId="sdk3")}
    order_id = seen["place"]["data"][0]["ordId"]
    seen["amend"] = trade.amend_order(instId=instrument, ordId=order_id, newSz="0.03")
    seen["open"] = trade.get_order_list(instType="SPOT")
    seen["cancel"] = trade.cancel_order(instId=instrument, ordId=order_id)
    seen["market"] = trade.place_order(**order, ordType="market", sz="400", clOrdId="sdk4")
    seen["order"] = trade.get_order(instId=instrument, clOrdId="sdk4")
    seen["fills"] = trade.get_fills(instType="SPOT")
    seen["history"] = trade.get_orders_history(instType="SPOT")
    seen["balance"] = account.get_account_balance()
    seen["positions"] = account.get_positions()
    seen["config"] = account.get_account_config()
    return seen


async def main() -> None:
    ws_url, rest_url, instrument = sys.argv[1:4]
    public = PublicData.PublicAPI(flag="0", domain=rest_url)
    (row,) = (await asyncio.to_thread(public.get_instruments, instType="SPOT", instId=instrument))["data"]
    price = "59800"
    seen = {
        "websocket": await over_websocket(f"{ws_url}/ws/v5/private", row["instIdCode"], price),
        "rest": await asyncio.to_thread(over_rest, rest_url, instrument, price),
    }
    print(json.dumps(seen))


asyncio.run(main())
