"""The first trades of an instrument. `python examples/first_trade.py` asks OKX; with a URL it asks a simulator there."""

import asyncio
import sys

import okex_ws


async def main(url: str | None = None) -> None:
    site = okex_ws.Site.at(url) if url else okex_ws.Site.okx("global")
    count = 0
    async with okex_ws.connect("BTC-USDT", channels=["trades"], site=site) as client:
        async for event in client:
            if isinstance(event, okex_ws.Trade):
                print(event.instrument, event.side, event.price, event.size)
                count += 1
                if count == 3:
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
