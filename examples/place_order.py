"""One order from its placing to its end: it rests, is changed, and is canceled.

The key is that of the environment or of ~/.okx/config.toml; demo trading, or the URL of a simulator: `place_order.py ws://127.0.0.1:18900`.
"""

import asyncio
import sys
from decimal import Decimal

import okex_ws


async def main(url: str | None = None) -> None:
    key = okex_ws.credentials()
    if url is None and not key.site.demo:
        raise SystemExit("this sends orders: use a key of demo trading, or give the URL of a simulator")
    client = okex_ws.Client(site=url, credentials=key, trading=okex_ws.Trading())
    client.subscribe("books", "BTC-USDT")
    async with client:
        await client.ready()
        async for event in client:
            if isinstance(event, okex_ws.BookSnapshot):
                break
        best = client.book("BTC-USDT").best_bid
        assert best is not None
        placed = await client.orders.place(
            "BTC-USDT", "buy", "0.001", price=Decimal(str(best.price)) - 50, order_type="post_only"
        )
        print(placed.verdict.value, placed.client_order_id, placed.reason)
        if not placed.is_confirmed:
            return
        changed = await client.orders.amend("BTC-USDT", client_order_id=placed.client_order_id, size="0.002")
        print(changed.verdict.value, changed.reason)
        gone = await client.orders.cancel("BTC-USDT", client_order_id=placed.client_order_id)
        print(gone.verdict.value, gone.reason)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (okex_ws.CredentialsError, okex_ws.LoginRefusedError, okex_ws.NotReadyError) as error:
        raise SystemExit(str(error)) from None
