"""No asyncio: events in a plain for loop."""

import sys

import okex_ws


def main(url: str | None = None) -> None:
    site = okex_ws.Site.at(url) if url else okex_ws.Site.okx("global")
    count = 0
    with okex_ws.Blocking("BTC-USDT", channels=["trades", "books"], site=site) as client:
        for event in client:
            if isinstance(event, okex_ws.Trade):
                print(event.price, client.book("BTC-USDT").mid)
                count += 1
                if count == 3:
                    break


if __name__ == "__main__":
    main(*sys.argv[1:])
