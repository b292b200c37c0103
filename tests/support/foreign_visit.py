"""A visit by the official python-okx SDK, unmodified: run in an environment of its own, prints what it saw as JSON.

Arguments: WebSocket URL, REST URL, instrument. The SDK trusts what Python trusts; SSL_CERT_FILE names the authority.
"""

import asyncio
import json
import sys
from typing import Any

import okx.MarketData as MarketData
import okx.PublicData as PublicData
import okx.Status as Status
from okx.websocket.WsPublicAsync import WsPublicAsync

PUSHES = 12


async def stream(url: str, instrument: str, channels: list[str], keys: dict[str, str]) -> list[dict[str, Any]]:
    """Subscribe with the SDK's public client and return the first frames."""
    frames: list[dict[str, Any]] = []
    enough = asyncio.Event()

    def keep(message: str) -> None:
        frames.append(json.loads(message))
        seen = {f["arg"]["channel"] for f in frames if "data" in f}
        if len([f for f in frames if "data" in f]) >= PUSHES and seen == set(channels):
            enough.set()

    client = WsPublicAsync(url=url, **keys)
    consuming = await client.start()
    if keys:
        client.callback = keep
        await client.login()
    await client.subscribe([{"channel": name, "instId": instrument} for name in channels], keep, id="visit1")
    await asyncio.wait_for(enough.wait(), 120)
    await client.unsubscribe([{"channel": channels[0], "instId": instrument}], keep)
    await client.stop()
    await asyncio.gather(consuming, return_exceptions=True)
    return frames


def reads(url: str, instrument: str) -> dict[str, Any]:
    """What the SDK's REST classes return."""
    market = MarketData.MarketAPI(flag="0", domain=url)
    public = PublicData.PublicAPI(flag="0", domain=url)
    return {
        "time": public.get_system_time(),
        "instruments": public.get_instruments(instType="SPOT"),
        "book": market.get_orderbook(instId=instrument, sz="5"),
        "trades": market.get_trades(instId=instrument, limit="10"),
        "history": market.get_history_trades(instId=instrument, limit="10", type="1"),
        "candles": market.get_candlesticks(instId=instrument, bar="1m", limit="3"),
        "ticker": market.get_ticker(instId=instrument),
        "status": Status.StatusAPI(flag="0", domain=url).status(),
    }


async def main() -> None:
    ws_url, rest_url, instrument = sys.argv[1:4]
    keys = {"apiKey": "simulator-key", "passphrase": "simulator-passphrase", "secretKey": "NOT-A-REAL-SECRET"}
    seen = {
        "public": await stream(f"{ws_url}/ws/v5/public", instrument, ["trades", "books"], {}),
        "tick_by_tick": await stream(f"{ws_url}/ws/v5/public", instrument, ["books-l2-tbt"], keys),
        "business": await stream(f"{ws_url}/ws/v5/business", instrument, ["candle1m", "trades-all"], {}),
        "rest": await asyncio.to_thread(reads, rest_url, instrument),
    }
    print(json.dumps(seen))


asyncio.run(main())
