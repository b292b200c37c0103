"""What an order of ours does, as events; and the account afterwards. For demo trading, or the URL of a simulator."""

import asyncio
import sys

import okex_ws
from okex_ws.events import OrderResolved, OrderUpdate


async def main(url: str | None = None) -> None:
    key = okex_ws.credentials()
    if url is None and not key.site.demo:
        raise SystemExit("this sends orders: use a key of demo trading, or give the URL of a simulator")
    async with okex_ws.Client(site=url, credentials=key, trading=okex_ws.Trading()) as client:
        await client.ready()
        news = client.stream(OrderResolved, OrderUpdate)
        outcome = await client.orders.place("BTC-USDT", "buy", "0.001", order_type="market")
        if not outcome.is_confirmed:
            raise SystemExit(f"{outcome.verdict.value}: {outcome.code} {outcome.reason}; {outcome.advice}")
        async for event in news:
            if isinstance(event, OrderResolved):
                print("request:", event.kind, event.verdict.value)
            elif isinstance(event, OrderUpdate):
                print("order:", event.state, event.filled_size, "at", event.average_price)
                if event.is_final:
                    break
        for fill in client.account.fills.values():
            print("fill:", fill.side, fill.size, "at", fill.price, "fee", fill.fee, fill.fee_currency)
        print(client.account.quality, {name: str(row.cash) for name, row in client.account.balances.items()})


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (okex_ws.CredentialsError, okex_ws.LoginRefusedError, okex_ws.NotReadyError) as error:
        raise SystemExit(str(error)) from None
