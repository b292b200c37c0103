"""V1's market data of spot and futures as events.

Numbers stay texts until they are converted. Rows without a time have the time of arrival. A trade does not give its number of
matches, and ids skip: `count` is None, and so is the order count of a level.
Source: OKEx's pages "WebSocket API for Spot" and "... for Futures", and recordings where these differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from okex_ws.events import (
    BookSnapshot,
    BookUpdate,
    Candle,
    EstimatedPrice,
    Event,
    IndexTicker,
    MarkPrice,
    OpenInterest,
    PriceLimit,
    Ticker,
    Trade,
)
from okex_ws.events.base import MS
from okex_ws.legacy.numbers import amount, known, public, text, whole
from okex_ws.legacy.times import trade_ms
from okex_ws.legacy.v1.wire.own import account_rows, order_rows, position_rows
from okex_ws.wire.channels import Subscription

SIDES = {"bid": "buy", "ask": "sell"}
"""Last column of a trade, the taker's side of the book → our side."""


def events_of(item: Subscription, data: Any, now: int) -> list[Event]:
    """Return the events in the data of a channel. Raises ValueError (KeyError, TypeError, IndexError) for another shape."""
    make = _MAKERS.get(item.channel) or (_candles if item.channel.startswith("candle") else _books)
    events = make(item, data, now)
    for event in events:
        event.ts_recv, event.channel = now, item.channel  # type: ignore[attr-defined]  # pushes, all of them
    return events


def _trades(item: Subscription, data: Any, now: int) -> list[Event]:
    trades: list[Event] = []
    for row in data:  # a sixth column, the size in coins, was documented and never sent
        trade_id = whole(row[0])
        trades.append(
            Trade(
                instrument=item.key,
                trade_id=trade_id,
                price=amount(row[1]),
                size=amount(row[2]),
                side=SIDES[row[4]],
                ts_ms=trade_ms(row[3], trade_id, now // MS),
                count=None,
            )
        )
    return trades


def _books(item: Subscription, data: Any, now: int) -> list[Event]:
    """Return a book with the best level of each side first; V1 sends both sides with the highest price first."""
    # V1 sends the whole book once and then its changes, without a mark: only the session can distinguish them.
    kind = BookUpdate if item.channel == "books" else BookSnapshot
    book = kind(
        instrument=item.key,
        ts_ms=whole(data["timestamp"]),
        raw_bids=_levels(data.get("bids") or [], is_bid=True),
        raw_asks=_levels(data.get("asks") or [], is_bid=False),
    )
    return [book]


def _levels(rows: Any, *, is_bid: bool) -> list[tuple[str, str, str, str]]:
    """Return levels of two columns on spot, five on futures: price, contracts, coins, and both sums, which are left out."""
    levels = [(text(row[0]), text(row[1]), "0", "0") for row in rows]
    for price, size, *_ in levels:
        amount(price), amount(size)
    levels.sort(key=lambda level: float(level[0]), reverse=is_bid)
    return levels


def _tickers(item: Subscription, data: Any, now: int) -> list[Event]:
    at = whole(data["timestamp"]) if data.get("timestamp") else now // MS
    ticker = Ticker(
        instrument=item.key,
        instrument_type="FUTURES" if item.key.count("-") > 1 else "SPOT",
        last=known(data.get("last")),
        best_bid=known(data.get("buy")),
        best_ask=known(data.get("sell")),
        high_24h=known(data.get("high")),
        low_24h=known(data.get("low")),
        volume_24h=known(data.get("vol")),
        ts_ms=at,
    )
    events: list[Event] = [ticker]
    if data.get("hold_amount") not in (None, ""):
        contracts = public(data["hold_amount"])
        events.append(OpenInterest(instrument=item.key, instrument_type="FUTURES", contracts=contracts, ts_ms=at))
    if data.get("limitHigh") not in (None, ""):
        highest, lowest = known(data["limitHigh"]), known(data.get("limitLow"))
        limit = PriceLimit(instrument=item.key, instrument_type="FUTURES", max_buy=highest, min_sell=lowest, ts_ms=at)
        events.append(limit)
    return events


def _candles(item: Subscription, data: Any, now: int) -> list[Event]:
    bar = item.channel.removeprefix("candle")
    return [
        Candle(
            instrument=item.key,
            bar=bar,
            open_ms=whole(row[0]),
            open=public(row[1]),
            high=public(row[2]),
            low=public(row[3]),
            close=public(row[4]),
            volume=known(row[5]) if len(row) > 5 else None,
            volume_currency=known(row[6]) if len(row) > 6 else None,
        )
        for row in data
    ]


def _index(item: Subscription, data: Any, now: int) -> list[Event]:
    return [IndexTicker(instrument=item.key, price=public(data["futureIndex"]), ts_ms=whole(data["timestamp"]))]


def _mark(item: Subscription, data: Any, now: int) -> list[Event]:
    rows = data if isinstance(data, list) else [data]
    at = [row.get("timstamp", row.get("timestamp", now // MS)) for row in rows]  # the page spells it so
    return [
        MarkPrice(instrument=item.key, instrument_type="FUTURES", price=public(row["mark_price"]), ts_ms=whole(ms))
        for row, ms in zip(rows, at, strict=True)
    ]


def forecast(item: Subscription, price: Any, timestamp: Any, now: int) -> list[Event]:
    """Return the estimated delivery price; its time is beside the data."""
    at = whole(timestamp) if timestamp not in (None, "") else now // MS
    event = EstimatedPrice(
        instrument=item.key, instrument_type="FUTURES", settlement_type="delivery", price=public(price), ts_ms=at
    )
    event.ts_recv, event.channel = now, item.channel
    return [event]


_MAKERS: dict[str, Callable[[Subscription, Any, int], list[Event]]] = {
    "trades": _trades,
    "tickers": _tickers,
    "index-tickers": _index,
    "mark-price": _mark,
    "orders": order_rows,
    "account": account_rows,
    "positions": position_rows,
}
