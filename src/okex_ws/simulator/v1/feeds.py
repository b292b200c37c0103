"""V1 feeds: each kind of public V1 channel, made from the market's channels.

In: the market's rows. Out: `data` of V1's pushes, None if there is nothing to push. A feed belongs to one subscription and
remembers what it pushed. Sources: OKEx V1 docs, "WebSocket API for Spot", "... for Futures"; recordings
of 2017 to 2019 where the pages are silent.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from typing import Any

from okex_ws.simulator.legacy.rows import recent_trades
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.v1.grammar import V1Channel, clock, number, snowflake
from okex_ws.simulator.v1.grammar import message as message_of
from okex_ws.simulator.v1.names import Listed

LEVELS = 200
"""Levels a side of the incremental books."""

_SIDES = {"buy": "bid", "sell": "ask"}
_COIN_STEP = Decimal("0.0001")


class V1Feed:
    """One subscription. source, key: the market's channel; is_gathered: pushed once a second, in one batch."""

    source = ""
    is_gathered = False

    def __init__(self, channel: V1Channel, listed: Listed, market: Market) -> None:
        self.channel = channel
        self.listed = listed
        self.key = listed.instrument
        self._market = market

    def first(self, batch: int) -> Any:
        """Return the data of the first push."""
        snapshot = self._market.snapshot(self.source, self.key)
        return self.data(snapshot.rows) if snapshot is not None else None

    def data(self, rows: list[Any]) -> Any:
        """Return the market's rows as data of V1."""
        raise NotImplementedError

    def message(self, data: Any, binary: int) -> dict[str, Any]:
        """Return the object that carries the data."""
        return message_of(self.channel.name, data, binary)

    def restart(self) -> None:
        """Expect a whole book as the next rows."""

    def _row(self, source: str) -> dict[str, Any]:
        """Return the market's present row of another channel, empty if there is none."""
        snapshot = self._market.snapshot(source, self.key)
        return snapshot.rows[0] if snapshot is not None and snapshot.rows else {}


class V1SpotTickerFeed(V1Feed):
    """`ok_sub_spot_X_ticker`: texts, and the time as a number."""

    source = "tickers"

    def data(self, rows: list[Any]) -> Any:
        row = rows[-1]
        return {
            "high": row["high24h"],
            "vol": row["vol24h"],
            "last": row["last"],
            "low": row["low24h"],
            "buy": row["bidPx"],
            "change": str(Decimal(row["last"]) - Decimal(row["open24h"])),
            "sell": row["askPx"],
            "dayLow": row["low24h"],
            "close": row["last"],
            "dayHigh": row["high24h"],
            "open": row["open24h"],
            "timestamp": int(row["ts"]),
        }


class V1FuturesTickerFeed(V1Feed):
    """`ok_sub_futureusd_X_ticker_Y`: texts, the contract as a number, no time."""

    source = "tickers"

    def data(self, rows: list[Any]) -> Any:
        row, limits, interest = rows[-1], self._row("price-limit"), self._row("open-interest")
        fields = {
            "high": row["high24h"],
            "limitLow": limits.get("sellLmt"),
            "vol": row["vol24h"],
            "last": row["last"],
            "low": row["low24h"],
            "buy": row["bidPx"],
            "hold_amount": interest.get("oi"),
            "sell": row["askPx"],
            "contractId": self.listed.contract_id,
            "unitAmount": str(number(self.listed.unit)),
            "limitHigh": limits.get("buyLmt"),
        }
        return {name: value for name, value in fields.items() if value is not None}


class V1DealsFeed(V1Feed):
    """`..._deals` and `..._trade_Y`: [id, price, size, clock, side] oldest first; futures once a second, with ids that hold
    their time.
    """

    source = "trades"

    def __init__(self, channel: V1Channel, listed: Listed, market: Market) -> None:
        super().__init__(channel, listed, market)
        self.is_gathered = channel.market == "futures"

    def first(self, batch: int) -> Any:
        rows = recent_trades(self._market.matches(self.key), batch)
        return self.data(rows) if rows else None

    def data(self, rows: list[Any]) -> Any:
        return [self._deal(row) for row in rows]

    def _deal(self, row: dict[str, Any]) -> list[str]:
        ms = int(row["ts"])
        identity = snowflake(ms, int(row["tradeId"])) if self.channel.market == "futures" else row["tradeId"]
        return [identity, row["px"], row["sz"], clock(ms), _SIDES[row["side"]]]


class V1KlineFeed(V1Feed):
    """`..._kline_Y`: [ms, open, high, low, close, volume], futures with the volume in coins besides; all texts."""

    def __init__(self, channel: V1Channel, listed: Listed, market: Market) -> None:
        super().__init__(channel, listed, market)
        self.source = f"candle{channel.bar}"

    def data(self, rows: list[Any]) -> Any:
        return [list(row[: 7 if self.channel.market == "futures" else 6]) for row in rows]


class V1IndexFeed(V1Feed):
    """`ok_sub_futureusd_X_index`."""

    source = "index-tickers"

    def __init__(self, channel: V1Channel, listed: Listed, market: Market) -> None:
        super().__init__(channel, listed, market)
        self.key = f"{channel.coin}-USD".upper()

    def data(self, rows: list[Any]) -> Any:
        return {"timestamp": rows[-1]["ts"], "futureIndex": rows[-1]["idxPx"]}


class V1MarkPriceFeed(V1Feed):
    """`ok_sub_futureusd_X_markprice_Y`, in the fields of the page (`timstamp` is its spelling); no recording has one."""

    source = "mark-price"

    def data(self, rows: list[Any]) -> Any:
        return {
            "symbol": self.channel.coin,
            "contract_type": self.channel.contract,
            "mark_price": rows[-1]["markPx"],
            "timstamp": rows[-1]["ts"],
        }


class V1ForecastFeed(V1Feed):
    """`X_forecast_price`: where a contract will settle, pushed before its delivery to subscribers of the coin's futures; the
    time is beside the data (V1 docs; no recording has one).
    """

    source = "estimated-price"

    def data(self, rows: list[Any]) -> Any:
        return rows[-1]

    def message(self, data: Any, binary: int) -> dict[str, Any]:
        return {"channel": self.channel.name, "timestamp": data["ts"], "data": data["settlePx"]}


class V1DepthFeed(V1Feed):
    """`..._depth...`: both sides from the highest price to the lowest, the whole book first, then what changed, size zero for
    what is gone or has left the best 200.
    """

    source = "books"

    def __init__(self, channel: V1Channel, listed: Listed, market: Market) -> None:
        super().__init__(channel, listed, market)
        self._book = LevelBook()
        self._shown: dict[str, dict[str, tuple[str, list[Any]]]] = {"asks": {}, "bids": {}}

    def restart(self) -> None:
        self._book = LevelBook()

    def data(self, rows: list[Any]) -> Any:
        for row in rows:
            self._book.apply(row, is_full=False)
        sides = {side: self._side(side) for side in self._shown}
        return {**sides, "timestamp": int(rows[-1]["ts"])} if any(sides.values()) else None

    def _side(self, side: str) -> list[list[Any]]:
        """Return the changed levels of a side; `shown` keeps each level's size and its row as last pushed."""
        shown, present = self._shown[side], {}
        changed: list[list[Any]] = []
        coins = contracts = Decimal(0)
        for price, size, *_ in self._book.best(side, self.channel.depth or LEVELS):
            if self.listed.unit:
                coin, held = _worth(price, size, self.listed.unit)
                coins, contracts = coins + coin, contracts + held
            before = shown.get(price)
            if before is None or before[0] != size:
                columns = (Decimal(price), held, coin, coins, contracts) if self.listed.unit else ()
                before = size, [number(each) for each in columns] or [price, size]
                changed.append(before[1])
            present[price] = before
        gone = [[row[0], _nothing(row[1]), *row[2:]] for price, (_, row) in shown.items() if price not in present]
        self._shown[side] = present
        return sorted(changed + gone, key=lambda row: -float(row[0]))


class V1TopDepthFeed(V1DepthFeed):
    """`..._depth..._5`, `_10`, `_20`: the best levels, whole, every time they changed."""

    def data(self, rows: list[Any]) -> Any:
        if super().data(rows) is None:
            return None
        self._shown = {"asks": {}, "bids": {}}
        return {**{side: self._side(side) for side in self._shown}, "timestamp": int(rows[-1]["ts"])}


@lru_cache(maxsize=20_000)
def _worth(price: str, size: str, unit: Decimal) -> tuple[Decimal, Decimal]:
    """Return (coins, contracts) of a level; coins are cut to four digits (recordings of 2017 and 2018)."""
    held = Decimal(size)
    return (held * unit / Decimal(price)).quantize(_COIN_STEP, ROUND_DOWN), held


def _nothing(size: Any) -> Any:
    return "0" if isinstance(size, str) else 0


_KINDS: dict[str, type[V1Feed]] = {"deals": V1DealsFeed, "kline": V1KlineFeed, "index": V1IndexFeed, "markprice": V1MarkPriceFeed}


def feed(channel: V1Channel, listed: Listed, market: Market) -> V1Feed:
    """Return the feed of a public channel."""
    if channel.kind == "ticker":
        return (V1SpotTickerFeed if channel.market == "spot" else V1FuturesTickerFeed)(channel, listed, market)
    if channel.kind == "depth":
        return (V1TopDepthFeed if channel.depth else V1DepthFeed)(channel, listed, market)
    return _KINDS[channel.kind](channel, listed, market)


def forecast(channel: V1Channel, listed: Listed, market: Market) -> V1Feed:
    """Return the feed that accompanies every channel of a contract."""
    return V1ForecastFeed(replace(channel, name=f"{channel.coin}_forecast_price", kind="forecast"), listed, market)
