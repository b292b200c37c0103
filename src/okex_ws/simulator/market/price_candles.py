"""PriceCandles: candles of prices that do not trade, sampled once a second: `mark-price-candle` and `index-candle`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from okex_ws.simulator.market.base import Publication, stamp
from okex_ws.simulator.market.calendar import candle_period
from okex_ws.simulator.market.candles import CandleSeries, Day
from okex_ws.simulator.market.past import Candle, SeededPast
from okex_ws.simulator.seeded_random import SeededRandom


@dataclass(frozen=True, slots=True)
class _PriceSeries:
    candles: CandleSeries
    price: Callable[[int], int]
    text: Callable[[int], str]

    def row(self, candle: Candle, confirm: str) -> list[str]:
        return [stamp(candle[0]), *(self.text(price) for price in candle[1:5]), confirm]


class PriceCandles:
    """Candle series of mark and index prices, by (kind, key): ("index-candle", "BTC-USDT")."""

    def __init__(self, random: SeededRandom, start: int) -> None:
        self._random = random
        self._start = start
        self._series: dict[tuple[str, str], _PriceSeries] = {}
        self._watched: dict[tuple[str, str], str] = {}
        self._sent: dict[tuple[str, str], Candle] = {}

    def add(self, kind: str, key: str, first: int, price: Callable[[int], int], text: Callable[[int], str]) -> None:
        """Sample `price(now)` from now on; `first` is the price at the start, `text` writes a price."""
        random = self._random.fork(f"{kind} {key}")
        past = SeededPast(random, self._start, first, swing=abs(first) // 4_000, lots=0, worth=_nothing)
        candles = CandleSeries(past, first)
        self._series[kind, key] = _PriceSeries(candles, price, text)

    def has(self, channel: str, key: str) -> bool:
        """True if the channel shows candles of this key."""
        split = candle_period(channel)
        return split is not None and (split[0], key) in self._series

    def watch(self, channel: str, key: str, now: int) -> None:
        """Publish a channel and key from now on."""
        series, period = self._find(channel, key)
        self._watched[channel, key] = period
        series.candles.watch(period, now)

    def unwatch(self, channel: str, key: str) -> None:
        """Stop to publish a channel and key."""
        period = self._watched.pop((channel, key), None)
        if period is not None:
            self._find(channel, key)[0].candles.unwatch(period)
            self._sent.pop((channel, key), None)

    def current(self, channel: str, key: str, now: int) -> list[str]:
        """Return the row of the candle that contains now."""
        series, period = self._find(channel, key)
        return series.row(series.candles.current(period, now), "0")

    def newest(self, channel: str, key: str, now: int) -> list[list[str]]:
        """Return rows newest first, the forming one at index 0."""
        series, period = self._find(channel, key)
        rows = series.candles.newest(period, now)
        return [series.row(row, "1" if index else "0") for index, row in enumerate(rows)]

    def day(self, kind: str, key: str, now: int) -> Day:
        """Return the figures of the last 24 hours."""
        return self._series[kind, key].candles.day(now)

    def sample(self, now: int, out: list[Publication]) -> None:
        """Add the price of a whole second to every series and append the watched candles that ended or changed to `out`."""
        for (kind, key), series in self._series.items():
            candles = series.candles
            candles.roll(now)
            for (channel, watched_key), period in self._watched.items():
                if watched_key != key or not channel.startswith(kind):
                    continue
                finished = candles.finished(period, now)
                candle = finished if finished is not None else candles.forming(period, now)
                if candle is not None and (finished is not None or candle != self._sent.get((channel, key))):
                    self._sent[channel, key] = candle[:]
                    rows: list[Any] = [series.row(candle, "0" if finished is None else "1")]
                    out.append(Publication(now, channel, key, rows))
            candles.add(now, series.price(now))

    def _find(self, channel: str, key: str) -> tuple[_PriceSeries, str]:
        split = candle_period(channel)
        assert split is not None
        return self._series[split[0], key], split[1]


def _nothing(price: int, lots: int) -> tuple[int, int]:
    return 0, 0
