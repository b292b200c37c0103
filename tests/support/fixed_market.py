"""A fixed market for the exchange's tests: two instruments whose every publication is written down beforehand.

BTC-USDT and ETH-USDT move one ask level every 100 ms and trade every 250 ms, from `start` for `lasts` seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from okex_ws.simulator.market.base import MILLISECOND, SECOND, Publication, checksum, stamp

START = 1_790_000_000 * SECOND
INSTRUMENTS = ("BTC-USDT", "ETH-USDT")


class FixedMarket:
    """Implements Market; watched channels: books, books5, bbo-tbt, books-l2-tbt, trades, tickers, candle1m."""

    def __init__(self, *, lasts: float = 60.0, step_ms: int = 100, trades_ms: int = 250) -> None:
        self.start = START
        self._end = START + round(lasts * SECOND)
        self._step = step_ms * MILLISECOND
        self._trades = trades_ms * MILLISECOND
        self._now = START
        self.watched: list[tuple[str, str]] = []
        self._matches: dict[str, list[dict[str, Any]]] = {name: [] for name in INSTRUMENTS}

    def _sizes(self, ts: int) -> tuple[list[list[str]], list[list[str]]]:
        turn = (ts - START) // self._step
        asks = [[str(100 + i), str(1 + (turn % 7 if i == turn % 5 else 0)), "0", "1"] for i in range(10)]
        bids = [[str(99 - i), "2", "0", "1"] for i in range(10)]
        return asks, bids

    def deadline(self) -> int | None:
        following = self._now + MILLISECOND
        steps = [-(-following // unit) * unit for unit in (self._step, self._trades)]
        due = min(steps)
        return due if due <= self._end else None

    def advance(self, now: int) -> list[Publication]:
        out: list[Publication] = []
        while (due := self.deadline()) is not None and due <= now:
            self._now = due
            for name in INSTRUMENTS:
                if due % self._trades == 0:
                    out.extend(self._traded(name, due))
                if due % self._step == 0:
                    out.extend(self._moved(name, due))
        self._now = max(self._now, now)
        return [p for p in out if (p.channel, p.key) in self.watched]

    def _traded(self, name: str, ts: int) -> list[Publication]:
        count = 1 + (ts // self._trades) % 3
        history = self._matches[name]
        for _ in range(count):
            match = {"instId": name, "tradeId": str(1001 + len(history)), "px": "100", "sz": "1", "side": "buy"}
            history.append({**match, "source": "0", "ts": stamp(ts)})
        row = {**history[-1], "sz": str(count), "count": str(count)}
        ticker = {"instType": "SPOT", "instId": name, "last": "100", "ts": stamp(ts)}
        candle = [stamp(ts - ts % (60 * SECOND)), "100", "101", "99", "100", "5", "500", "500", "0"]
        return [
            Publication(ts, "trades", name, [row]),
            Publication(ts, "tickers", name, [ticker]),
            Publication(ts, "candle1m", name, [candle]),
        ]

    def _moved(self, name: str, ts: int) -> list[Publication]:
        asks, bids = self._sizes(ts)
        before, _ = self._sizes(ts - self._step)
        changes = [now for now, then in zip(asks, before, strict=True) if now != then]
        out = []
        for channel in ("books5", "books", "books-l2-tbt", "bbo-tbt"):
            depth = {"books5": 5, "bbo-tbt": 1}.get(channel)
            if depth is not None:
                row: dict[str, Any] = {"asks": asks[:depth], "bids": bids[:depth], "ts": stamp(ts)}
                out.append(Publication(ts, channel, name, [row]))
            elif changes:
                row = {"asks": changes, "bids": [], "ts": stamp(ts), "checksum": checksum(bids, asks)}
                out.append(Publication(ts, channel, name, [row], "update"))
        return out

    def watch(self, channel: str, key: str) -> None:
        self.watched.append((channel, key))

    def unwatch(self, channel: str, key: str) -> None:
        self.watched.remove((channel, key))

    def knows(self, channel: str, key: str) -> bool:
        if channel == "status":
            return True
        return key == "SPOT" if channel == "instruments" else key in INSTRUMENTS

    def snapshot(self, channel: str, key: str) -> Publication | None:
        ts = self._now - self._now % self._step
        asks, bids = self._sizes(ts)
        if channel in ("books", "books-l2-tbt", "books50-l2-tbt"):
            row: dict[str, Any] = {"asks": asks, "bids": bids, "ts": stamp(ts), "checksum": checksum(bids, asks)}
            return Publication(ts, channel, key, [row], "snapshot")
        if channel in ("books5", "bbo-tbt"):
            return Publication(ts, channel, key, [{"asks": asks[:1], "bids": bids[:1], "ts": stamp(ts)}])
        if channel == "tickers":
            return Publication(ts, channel, key, [{"instType": "SPOT", "instId": key, "last": "100", "ts": stamp(ts)}])
        if channel == "candle1m":
            return Publication(ts, channel, key, [[stamp(ts), "1", "2", "0", "1", "5", "5", "5", "1"]])
        if channel == "funding-rate":
            return Publication(ts, channel, key, [_FUNDING | {"instId": key}])
        return None

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        if inst_type != "SPOT":
            return []
        return [{"instType": "SPOT", "instId": name, "tickSz": "1", "state": "live", "uly": ""} for name in INSTRUMENTS]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        if instrument not in INSTRUMENTS:
            return None
        ts = self._now - self._now % self._step
        asks, bids = self._sizes(ts)
        return {"asks": asks[:depth], "bids": bids[:depth], "ts": stamp(ts)}

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        book = self.book(instrument, 10)
        return sum((Decimal(size) for at, size, *_ in book[side] if Decimal(at) == price), Decimal(0)) if book else Decimal(0)

    def follow(self, instrument: str) -> None:
        pass

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        return self._matches[instrument]

    def price_candles(self, channel: str, key: str) -> list[list[str]]:
        return []

    def candles(self, instrument: str, period: str) -> list[list[str]]:
        first = self._now - self._now % (60 * SECOND)
        return [[stamp(first - i * 60 * SECOND), "1", "2", "0", "1", "5", "5", "5", "1"] for i in range(500)]

    def status(self) -> list[dict[str, Any]]:
        return [{"title": "upgrade", "state": "scheduled", "begin": "1790100000000", "ts": stamp(self._now)}]


_FUNDING = {
    "instType": "SWAP",
    "method": "current_period",
    "fundingRate": "0.0001",
    "settFundingRate": "0.0002",
    "fundingTime": str(1_790_000_000_000 + 3_600_000),
    "nextFundingTime": str(1_790_000_000_000 + 3_600_000 + 28_800_000),
}
