"""V3 feeds: each public V3 table, made from the market's channels.

In: the market's rows. Out: V3's rows, with the action of a book. A feed belongs to one subscription. Sources: OKEx V3 docs,
the channels' pages; the fields and their order are those recorded in 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from okex_ws.simulator.legacy.rows import recent_trades
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.v3.grammar import V3Channel, iso

Row = dict[str, Any]


class V3Feed:
    """One subscription of a table."""

    def __init__(self, channel: V3Channel, market: Market) -> None:
        self.channel = channel
        self.market = market

    def first(self) -> list[tuple[list[Any], str | None]]:
        """Return (rows, action) of each first push."""
        snapshot = self.market.snapshot(self.channel.source, self.channel.filter)
        return [(self._written(snapshot.rows), None)] if snapshot is not None and snapshot.rows else []

    def pushes(self, rows: list[Any], action: str | None) -> list[tuple[list[Any], str | None]]:
        """Return (rows, action) of the pushes for the market's rows: one push per row, as recorded."""
        return [([row], None) for row in self._written(rows)]

    def _written(self, rows: list[Any]) -> list[Any]:
        return [self._row(row) for row in rows]

    def _row(self, row: Any) -> Row:
        raise NotImplementedError

    def _named(self, row: Row) -> Row:
        return {"instrument_id": row.get("instId", self.channel.filter), "timestamp": iso(row["ts"])}


class V3TickerFeed(V3Feed):
    """`*/ticker`; contracts have volumes in contracts and in tokens, and the open interest."""

    def _row(self, row: Row) -> Row:
        fields = {
            "last": row["last"],
            "open_24h": row["open24h"],
            "best_bid": row["bidPx"],
            "high_24h": row["high24h"],
            "low_24h": row["low24h"],
            "open_utc0": row["sodUtc0"],
            "open_utc8": row["sodUtc8"],
        }
        if self.channel.business == "spot":
            fields |= {"base_volume_24h": row["vol24h"], "quote_volume_24h": row["volCcy24h"], "best_ask": row["askPx"]}
        else:
            fields |= {"volume_24h": row["vol24h"], "volume_token_24h": row["volCcy24h"], "best_ask": row["askPx"]}
            interest = self.market.snapshot("open-interest", self.channel.filter)
            if interest is not None and interest.rows:
                fields["open_interest"] = interest.rows[0]["oi"]
        sizes = {"best_bid_size": row["bidSz"], "best_ask_size": row["askSz"], "last_qty": row["lastSz"]}
        return {**fields, **self._named(row), **sizes}


class V3IndexTickerFeed(V3Feed):
    """`index/ticker`."""

    def _row(self, row: Row) -> Row:
        return {
            "last": row["idxPx"],
            "open_24h": row["open24h"],
            "high_24h": row["high24h"],
            "low_24h": row["low24h"],
            **self._named(row),
        }


class V3TradeFeed(V3Feed):
    """`*/trade`: the size is `size` on spot and swaps, `qty` on futures and options; first the last trade."""

    def first(self) -> list[tuple[list[Any], str | None]]:
        rows = recent_trades(self.market.matches(self.channel.filter), 1)
        return [(self._written(rows), None)] if rows else []

    def _row(self, row: Row) -> Row:
        size = "size" if self.channel.business in ("spot", "swap") else "qty"
        head = {"side": row["side"], "trade_id": row["tradeId"], "price": row["px"], size: row["sz"]}
        return {**head, **self._named(row)}


class V3InstrumentsFeed(V3Feed):
    """`futures/instruments`, all of them, and `option/instruments` of an underlying: first the list, then the changes."""

    def __init__(self, channel: V3Channel, market: Market, listed: Callable[[str], list[Row]]) -> None:
        super().__init__(channel, market)
        self._listed = listed

    def first(self) -> list[tuple[list[Any], str | None]]:
        rows = self._written(self._listed(self.channel.key))
        return [(rows, None)] if rows else []

    def _written(self, rows: list[Any]) -> list[Any]:
        return [self._row(row) for row in rows if self.channel.filter in ("", row["uly"])]

    def _row(self, row: Row) -> Row:
        shared = {
            "instrument_id": row["instId"],
            "underlying": row["uly"],
            "settlement_currency": row["settleCcy"],
            "contract_val": row["ctVal"],
            "tick_size": row["tickSz"],
            "category": row["category"],
        }
        listing, delivery = iso(row["listTime"]), iso(row["expTime"])
        if self.channel.business == "option":
            own = {"option_type": row["optType"], "strike": row["stk"], "lot_size": row["lotSz"], "state": "2"}
            return {**shared, **own, "listing": listing, "delivery": delivery}
        base, quote = row["uly"].split("-")
        return {
            **shared,
            "underlying_index": base,
            "base_currency": base,
            "quote_currency": quote,
            "contract_val_currency": row["ctValCcy"],
            "trade_increment": row["lotSz"],
            "alias": row["alias"],
            "is_inverse": "true" if row["ctType"] == "inverse" else "false",
            "listing": listing[:10],
            "delivery": delivery[:10],
        }


class V3OptionTradesFeed(V3Feed):
    """`option/trades`, subscribed to by underlying: the older table, whose side is `trade_side`."""

    def _row(self, row: Row) -> Row:
        named = self._named(row)
        head = {"instrument_id": named["instrument_id"], "trade_id": row["tradeId"], "price": row["px"]}
        return {**head, "qty": row["sz"], "trade_side": row["side"], "timestamp": named["timestamp"]}


class V3CandleFeed(V3Feed):
    """`*/candleNs`: six columns on spot and indices, seven on contracts."""

    def _row(self, row: Any) -> Row:
        columns = {"spot": 6, "index": 5}.get(self.channel.business, 7)
        volumes = ["0"] if self.channel.business == "index" else []
        return {"candle": [iso(row[0]), *row[1:columns], *volumes], "instrument_id": self.channel.filter}


class V3MarkPriceFeed(V3Feed):
    """`*/mark_price`."""

    def _row(self, row: Row) -> Row:
        return {"mark_price": row["markPx"], **self._named(row)}


class V3PriceRangeFeed(V3Feed):
    """`*/price_range`."""

    def _row(self, row: Row) -> Row:
        return {"highest": row["buyLmt"], "lowest": row["sellLmt"], **self._named(row)}


class V3FundingRateFeed(V3Feed):
    """`swap/funding_rate`."""

    def _row(self, row: Row) -> Row:
        return {
            "estimated_rate": row["fundingRate"],
            "funding_rate": row["fundingRate"],
            "funding_time": iso(row["fundingTime"]),
            "instrument_id": row["instId"],
            "interest_rate": row["interestRate"],
            "settlement_time": iso(row["nextFundingTime"]),
        }


class V3EstimatedPriceFeed(V3Feed):
    """`futures/estimated_price`, in the last half hour of a contract."""

    def _row(self, row: Row) -> Row:
        return {"settlement_price": row["settlePx"], **self._named(row)}


class V3SummaryFeed(V3Feed):
    """`option/summary`: one contract in each push."""

    def first(self) -> list[tuple[list[Any], str | None]]:
        snapshot = self.market.snapshot(self.channel.source, self.channel.filter)
        return self.pushes(snapshot.rows, None) if snapshot is not None else []

    def _row(self, row: Row) -> Row:
        greeks = {name: row[name] for name in ("delta", "gamma", "vega", "theta")}
        volatility = {"mark_vol": row["markVol"], "bid_vol": row["bidVol"], "ask_vol": row["askVol"]}
        rest = {"realized_vol": row["realVol"], "leverage": row["lever"], "estimated_price": row["fwdPx"]}
        return {**self._named(row), **greeks, **volatility, **rest}


def _levels(channel: V3Channel, levels: list[list[str]]) -> list[list[str]]:
    """Return [price, size, orders] on spot's plain books, [price, size, liquidated orders, orders] elsewhere."""
    if channel.business == "spot" and channel.kind != "depth_l2_tbt":
        return [[level[0], level[1], level[3]] for level in levels]
    return [list(level) for level in levels]


class V3Depth5Feed(V3Feed):
    """`*/depth5`: whole every time, without a checksum."""

    def _row(self, row: Row) -> Row:
        sides = {side: _levels(self.channel, row[side]) for side in ("asks", "bids")}
        return {**sides, **self._named(row)}


class V3DepthFeed(V3Feed):
    """`*/depth` and `*/depth_l2_tbt`: partial, then updates, each with the CRC32 of the best 25 levels after it."""

    def __init__(self, channel: V3Channel, market: Market) -> None:
        super().__init__(channel, market)
        self._book = LevelBook()

    def first(self) -> list[tuple[list[Any], str | None]]:
        snapshot = self.market.snapshot(self.channel.source, self.channel.filter)
        return self.pushes(snapshot.rows, "snapshot") if snapshot is not None else []

    def pushes(self, rows: list[Any], action: str | None) -> list[tuple[list[Any], str | None]]:
        name = "partial" if action == "snapshot" else "update"
        return [([self._book_row(row, is_full=action == "snapshot")], name) for row in rows]

    def _book_row(self, row: Row, *, is_full: bool) -> Row:
        self._book.apply(row, is_full=is_full)
        named = self._named(row)
        return {
            "instrument_id": named["instrument_id"],
            "asks": _levels(self.channel, row["asks"]),
            "bids": _levels(self.channel, row["bids"]),
            "timestamp": named["timestamp"],
            "checksum": self._book.checksum(),
        }


_KINDS: dict[str, type[V3Feed]] = {
    "ticker": V3TickerFeed,
    "trade": V3TradeFeed,
    "depth": V3DepthFeed,
    "depth_l2_tbt": V3DepthFeed,
    "depth5": V3Depth5Feed,
    "mark_price": V3MarkPriceFeed,
    "price_range": V3PriceRangeFeed,
    "funding_rate": V3FundingRateFeed,
    "estimated_price": V3EstimatedPriceFeed,
    "summary": V3SummaryFeed,
    "trades": V3OptionTradesFeed,
}


def feed(channel: V3Channel, market: Market, listed: Callable[[str], list[Row]]) -> V3Feed:
    """Return the feed of a public channel. listed: returns the instruments of a type as published."""
    if channel.source == "instruments":
        return V3InstrumentsFeed(channel, market, listed)
    if channel.source == "index-tickers":
        return V3IndexTickerFeed(channel, market)
    return _KINDS.get(channel.kind, V3CandleFeed)(channel, market)
