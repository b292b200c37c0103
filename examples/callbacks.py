"""Functions called with what they care for. One that fails is reported; the other, and the line, go on."""

import asyncio
import sys

import okex_ws
from okex_ws.events import ConsumerFailed, Ticker


async def main(url: str | None = None) -> None:
    client = okex_ws.Client(site=okex_ws.Site.at(url) if url else None)
    client.subscribe("tickers", "BTC-USDT", "ETH-USDT")
    enough = asyncio.Event()
    seen: list[Ticker] = []

    def show(ticker: Ticker) -> None:
        print(ticker.instrument, ticker.last, ticker.best_bid, ticker.best_ask)
        seen.append(ticker)
        if len(seen) == 5:
            enough.set()

    def careless(ticker: Ticker) -> None:
        raise ValueError("this one cannot count")

    client.on(Ticker, show)
    client.on(Ticker, careless)
    failures = client.stream(ConsumerFailed)
    async with client:
        await enough.wait()
        failure = await anext(failures)
        print("reported once:", failure)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
