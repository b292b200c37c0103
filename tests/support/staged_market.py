"""Staged market for the tests of the engine: a test sets books, trades, marks, bands and funding.

Four instruments: BTC-USDT and ETH-USDT in coins, BTC-USDT-SWAP linear (0.01 BTC a contract), BTC-USD-SWAP inverse (100
dollars a contract); tick 0.1, lot 0.01, least 0.01, unless a test changes the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.market.base import HOUR, SECOND, Publication, stamp
from okex_ws.simulator.market.reference import instrument_row, type_of

START = 1_790_000_000 * SECOND
SPOT, COIN, LINEAR, INVERSE = "BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP"
INSTRUMENTS = (SPOT, COIN, LINEAR, INVERSE)
Levels = Sequence[tuple[str, str]]


class StagedMarket:
    """Market with the parts that the engine reads."""

    def __init__(self) -> None:
        self.start = START
        self.rows = {
            name: instrument_row(name, tickSz="0.1", lotSz="0.01", minSz="0.01", maxLmtAmt="", lever="100")
            for name in INSTRUMENTS
        }
        self.books: dict[str, dict[str, Any]] = {name: {"asks": [], "bids": [], "ts": "0"} for name in INSTRUMENTS}
        self.trades: dict[str, list[dict[str, Any]]] = {name: [] for name in INSTRUMENTS}
        self.figures: dict[tuple[str, str], dict[str, Any]] = {}
        self.followed: list[str] = []
        self.reads = 0
        self._shown: dict[tuple[str, str], dict[Decimal, Decimal]] = {}

    def set_book(self, instrument: str, *, bids: Levels = (), asks: Levels = ()) -> None:
        """Publish a book, best levels first."""
        at = int(self.books[instrument]["ts"]) + 100
        sides = {"asks": asks, "bids": bids}
        self.books[instrument] = {name: [[price, size, "0", "1"] for price, size in levels] for name, levels in sides.items()} | {
            "ts": str(at)
        }
        for name, levels in sides.items():
            self._shown[instrument, name] = {Decimal(price): Decimal(size) for price, size in levels}

    def add_trade(self, instrument: str, side: str, price: str, size: str) -> None:
        """Publish a trade; side is the taker's."""
        trades = self.trades[instrument]
        ids = {"instId": instrument, "tradeId": str(1 + len(trades)), "source": "0", "ts": stamp(START)}
        trades.append({**ids, "px": price, "sz": size, "side": side})

    def set_mark(self, instrument: str, price: str) -> None:
        """Set the mark price."""
        self.figures["mark-price", instrument] = {"instId": instrument, "markPx": price}

    def set_band(self, instrument: str, highest: str, lowest: str) -> None:
        """Set the price band."""
        self.figures["price-limit", instrument] = {"instId": instrument, "buyLmt": highest, "sellLmt": lowest}

    def set_funding(self, instrument: str, rate: str, due: int, settled: str = "") -> None:
        """Set the funding rate; the settlement after `due` is eight hours later."""
        self.figures["funding-rate", instrument] = {
            "fundingRate": rate,
            "settFundingRate": settled,
            "fundingTime": stamp(due),
            "nextFundingTime": stamp(due + 8 * HOUR),
        }

    def snapshot(self, channel: str, key: str) -> Publication | None:
        row = self.figures.get((channel, key))
        return None if row is None else Publication(START, channel, key, [row])

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        return [dict(row) for name, row in self.rows.items() if type_of(name) == inst_type]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        self.reads += 1
        book = self.books[instrument]
        return {"asks": book["asks"][:depth], "bids": book["bids"][:depth], "ts": book["ts"]}

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        return self._shown.get((instrument, side), {}).get(price, Decimal(0))

    def follow(self, instrument: str) -> None:
        self.followed.append(instrument)

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        return self.trades[instrument]

    def deadline(self) -> int | None:
        return None

    def advance(self, now: int) -> list[Publication]:
        return []

    def watch(self, channel: str, key: str) -> None:
        return

    def unwatch(self, channel: str, key: str) -> None:
        return

    def knows(self, channel: str, key: str) -> bool:
        return key in INSTRUMENTS

    def price_candles(self, channel: str, key: str) -> list[list[str]]:
        return []

    def candles(self, instrument: str, period: str) -> list[list[str]]:
        return []

    def status(self) -> list[dict[str, Any]]:
        return []


def limit(side: str, size: str, price: str, instrument: str = SPOT, order_type: str = "limit", **more: Any) -> NewOrder:
    """Return a priced order."""
    mode = "cash" if type_of(instrument) == "SPOT" else "cross"
    return NewOrder(instrument, side, order_type, Decimal(size), Decimal(price), **{"trade_mode": mode, **more})


def market_order(side: str, size: str, instrument: str = SPOT, **more: Any) -> NewOrder:
    """Return a market order."""
    mode = "cash" if type_of(instrument) == "SPOT" else "cross"
    return NewOrder(instrument, side, "market", Decimal(size), **{"trade_mode": mode, **more})


def staged(*uids: str, **more: Any) -> tuple[StagedMarket, Engine]:
    """Return a market with empty books, and an engine on it with funded accounts."""
    market = StagedMarket()
    engine = Engine(market, seed=1, now=START, **more)
    for uid in uids or ("a", "b"):
        engine.open_account(uid)
    return market, engine
