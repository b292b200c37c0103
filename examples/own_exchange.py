"""An exchange in this process that loses book updates, and a client that notices. Needs the extra `simulator`."""

import asyncio

import okex_ws
from okex_ws.events import Resumed
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.server import Server


def exchange(now: int) -> Exchange:
    faults = Faults.parse(["drop channel=books nth=5"])
    return Exchange(SeededMarket(7, start=now), seed=7, now=now, faults=faults)


async def main() -> None:
    async with Server(exchange) as server:
        site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
        async with okex_ws.connect("BTC-USDT", channels=["books"], site=site) as client:
            async for event in client:
                if isinstance(event, okex_ws.Gap):
                    print("gap:", event.cause, "the book is now", client.book("BTC-USDT").state.value)
                elif isinstance(event, Resumed):
                    print("resumed:", client.book("BTC-USDT"))
                    return


if __name__ == "__main__":
    asyncio.run(main())
