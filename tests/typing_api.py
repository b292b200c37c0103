"""The public types as a program. It is never run: `make types` checks it, and every line that should fail must be marked so."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import assert_type

import okex_ws
from okex_ws import BookSnapshot, BookUpdate, Candle, Client, Event, Gap, Ticker, Trade
from okex_ws.events import BookEvent, Dropped, FundingRate, Level


async def streams() -> None:
    async with okex_ws.connect("BTC-USDT", channels=["trades", "books"]) as client:
        assert_type(client, Client)
        async for event in client:
            assert_type(event, Event)
            if isinstance(event, Trade):
                assert_type(event.price, float)
                assert_type(event.size, float)
                assert_type(event.trade_id, int)
                assert_type(event.ts_event, int)
                assert_type(event.instrument, str)
            elif isinstance(event, BookSnapshot | BookUpdate):
                assert_type(event.bids, Sequence[Level])
                assert_type(event.bids[0].price, float)
                assert_type(event.sequence, int | None)
            elif isinstance(event, Gap):
                assert_type(event.first_id, int | None)
            elif isinstance(event, Candle):
                assert_type(event.closed, bool)
                assert_type(event.volume, float | None)


async def streams_of_kinds(client: Client) -> None:
    trades = client.stream(Trade)
    assert_type(trades, okex_ws.Stream[Trade])
    async for trade in trades:
        assert_type(trade, Trade)
    async for event in client.stream(Trade, Ticker):
        assert_type(event, Trade | Ticker)
    assert_type(client.stream(Trade, Ticker, Candle, size=5), okex_ws.Stream[Trade | Ticker | Candle])
    assert_type(client.stream(BookSnapshot, BookUpdate, Gap), okex_ws.Stream[BookSnapshot | BookUpdate | Gap])
    assert_type(client.stream(), okex_ws.Stream[Event])
    assert_type(client.stream(policy=okex_ws.Policy.CONFLATE), okex_ws.Stream[Event])
    dropping = client.stream(Trade, policy=okex_ws.Policy.DROP_OLDEST)  # it contains what was dropped, too
    assert_type(dropping, okex_ws.Stream[Trade | Dropped])
    everything: okex_ws.Stream[Event] = trades
    client.stream(str)  # type: ignore[type-var]  # no event class
    _ = everything


async def books_and_latest(client: Client) -> None:
    book = client.book("BTC-USDT")
    assert_type(book, okex_ws.OrderBook)
    assert_type(book.best_bid, Level | None)
    assert_type(book.mid, float | None)
    assert_type(book.bids(5), list[Level])
    _ = book.best_bid.price  # type: ignore[union-attr]  # a book may have no best bid
    assert_type(client.latest.price("BTC-USDT"), float | None)
    assert_type(client.latest.ticker("BTC-USDT"), Ticker | None)
    instruments = await client.load_instruments("SPOT")
    assert_type(instruments, okex_ws.Instruments)


def callbacks(client: Client) -> None:
    def on_trade(trade: Trade) -> None: ...

    async def on_rate(rate: FundingRate) -> None: ...

    def on_book(book: BookEvent) -> None: ...

    client.on(Trade, on_trade)
    client.on(FundingRate, on_rate)
    client.on(BookUpdate, on_book)
    client.on(Ticker, on_trade)  # type: ignore[arg-type]  # a function for trades gets no tickers


def blocking() -> None:
    with okex_ws.Blocking("BTC-USDT", channels=["trades"], policy=okex_ws.Policy.CONFLATE) as client:
        assert_type(client, okex_ws.Blocking)
        for event in client:
            assert_type(event, Event)
        assert_type(client.next_event(1.0), Event)
        assert_type(client.book("BTC-USDT"), okex_ws.OrderBook)


def wanted() -> None:
    site, key = okex_ws.Site.okx("eea"), okex_ws.Credentials("key", "secret", "passphrase")
    assert_type(okex_ws.connect("BTC-USDT", "ETH-USDT", channels="books", site=site, credentials=key, size=5), Client)
    assert_type(Client("BTC-USDT", "ETH-USDT", channels=["books"], site="eea", credentials=key, size=5), Client)
    okex_ws.Blocking("BTC-USDT", "ETH-USDT", channels="books", site="ws://127.0.0.1:18900", credentials=key, size=5)
    okex_ws.connect("BTC-USDT", channel="books")  # type: ignore[call-arg]  # it is called channels
    okex_ws.Client("BTC-USDT", channel="books")  # type: ignore[call-arg]
    okex_ws.Blocking("BTC-USDT", channel="books")  # type: ignore[call-arg]
    okex_ws.connect(["BTC-USDT"])  # type: ignore[arg-type]  # one by one
    okex_ws.Blocking("BTC-USDT", size="5")  # type: ignore[arg-type]


def places() -> None:
    assert_type(okex_ws.Site.okx("eea", demo=True), okex_ws.Site)
    assert_type(okex_ws.Site.local(18900), okex_ws.Site)
    assert_type(okex_ws.Site.at("wss://ws.okx.com"), okex_ws.Site)
    okex_ws.Client(site=okex_ws.Site.okx("us"), credentials=okex_ws.Credentials("key", "secret", "passphrase"))
    okex_ws.Client(site="wss://ws.okx.com")
    okex_ws.Client(site=7)  # type: ignore[arg-type]  # neither a Site nor the name of one


async def orders(client: Client) -> None:
    await client.ready()
    outcome = await client.orders.place("BTC-USDT", "buy", "0.01", price=60000)
    assert_type(outcome, okex_ws.Outcome)
    assert_type(outcome.verdict, okex_ws.Verdict)
    assert_type(outcome.is_confirmed, bool)
    await client.orders.place("BTC-USDT", "buy", 0.01, price="60000")  # type: ignore[arg-type]  # a float is not exact
    assert_type(await client.orders.amend("BTC-USDT", client_order_id=outcome.client_order_id, size="0.02"), okex_ws.Outcome)
    assert_type(await client.orders.cancel("BTC-USDT", order_id=outcome.order_id), okex_ws.Outcome)
    batch = [okex_ws.PlaceOrder(instrument="BTC-USDT", side="buy", size=Decimal(1), price=Decimal(60000))]
    assert_type(batch[0].side, okex_ws.Side)
    assert_type(batch[0].order_type, okex_ws.OrderType)
    mode: okex_ws.TradeMode = "isolated"
    side: okex_ws.PositionSide = "short"
    await client.orders.place("BTC-USDT-SWAP", "sell", 1, order_type="market", trade_mode=mode, position_side=side)
    await client.orders.place("BTC-USDT", "bid", 1)  # type: ignore[arg-type]  # buy or sell
    await client.orders.place("BTC-USDT", "buy", 1, order_type="limt")  # type: ignore[arg-type]
    await client.orders.place("BTC-USDT", "buy", 1, trade_mode="margin")  # type: ignore[arg-type]
    await client.orders.place("BTC-USDT", "buy", 1, position_side="both")  # type: ignore[arg-type]
    await client.orders.place_spread("BTC-USDT_BTC-USDT-SWAP", "up", 1)  # type: ignore[arg-type]
    assert_type(await client.orders.place_batch(batch), list[okex_ws.Outcome])
    await client.orders.cancel_batch(batch)  # type: ignore[arg-type]  # these are no cancels
    client.halt("enough")
