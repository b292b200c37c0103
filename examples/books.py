"""Two order books, kept: best bid and ask after every change; a gap makes a book stale until it is renewed."""

import asyncio
import sys

import okex_ws


async def main(url: str | None = None) -> None:
    site = okex_ws.Site.at(url) if url else okex_ws.Site.okx("global")
    changes = 0
    async with okex_ws.connect("BTC-USDT", "ETH-USDT", channels=["books"], site=site) as client:
        async for event in client:
            if isinstance(event, okex_ws.Gap):
                print(f"{event.instrument} missed something ({event.cause}): its book is stale")
            elif isinstance(event, okex_ws.BookSnapshot | okex_ws.BookUpdate):
                book = client.book(event.instrument)
                bid, ask = book.best_bid, book.best_ask
                if bid and ask:
                    print(f"{event.instrument}  {bid.size} @ {bid.price}  |  {ask.price} @ {ask.size}")
                changes += 1
                if changes == 10:
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
