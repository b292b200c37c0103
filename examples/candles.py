"""One-second candles as they form and close."""

import asyncio
import sys

import okex_ws


async def main(url: str | None = None) -> None:
    site = okex_ws.Site.at(url) if url else okex_ws.Site.okx("global")
    closed = 0
    async with okex_ws.connect("BTC-USDT", channels=["candle1s"], site=site) as client:
        async for event in client:
            if isinstance(event, okex_ws.Candle):
                state = "closed" if event.closed else "forming"
                print(f"{event.open_ms}  {event.open} {event.high} {event.low} {event.close}  {event.volume}  {state}")
                closed += event.closed
                if closed == 2:
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
