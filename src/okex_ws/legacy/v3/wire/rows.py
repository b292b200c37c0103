"""V3's market data of spot, futures, swaps, options and indices as events.

Levels keep the server's texts, of which its checksum is made; in the era of JSON numbers, the text of the number.
A trade does not give its number of matches: `count` is None.
Source: OKEx's pages of V3, and recordings where these differ.
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
    FundingRate,
    IndexCandle,
    IndexTicker,
    Instrument,
    MarkPrice,
    OpenInterest,
    OptionSummary,
    PriceLimit,
    SystemStatus,
    Ticker,
    Trade,
)
from okex_ws.legacy.numbers import amount, known, own, public, text, whole
from okex_ws.legacy.times import iso_ms
from okex_ws.legacy.v3.wire.channels import family_of
from okex_ws.legacy.v3.wire.own import account_rows, algo_rows, order_rows, position_rows

TYPES = {"spot": "SPOT", "futures": "FUTURES", "swap": "SWAP", "option": "OPTION", "index": "", "system": ""}
SUMMARY = {
    "leverage": "leverage",
    "mark_volatility": "mark_vol",
    "bid_volatility": "bid_vol",
    "ask_volatility": "ask_vol",
    "realized_volatility": "realized_vol",
    **{name: name for name in ("delta", "gamma", "vega", "theta")},
}
"""Fields of an OptionSummary → V3's."""


def events_of(business: str, word: str, channel: str, row: Any, action: str) -> list[Event]:
    """Return the events in one element of a table. Raises ValueError (KeyError, TypeError, IndexError) for another shape."""
    kind = TYPES[business]
    if channel.startswith("books"):
        return [_book(row, action == "update")]
    if "candle" in channel:
        return [_candle(row, channel)]
    return _MAKERS[channel](row, kind)


def _book(row: Any, is_update: bool) -> Event:
    kind = BookUpdate if is_update else BookSnapshot
    return kind(
        instrument=row["instrument_id"],
        ts_ms=iso_ms(row["timestamp"]),
        checksum=row.get("checksum"),
        raw_bids=[_level(level) for level in row["bids"]],
        raw_asks=[_level(level) for level in row["asks"]],
    )


def _level(row: Any) -> tuple[str, str, str, str]:
    """Return a level of three columns on spot, four elsewhere and on depth_l2_tbt; the last is the number of orders."""
    if not isinstance(row, list) or len(row) < 3 or not isinstance(row[2], str | int):
        raise ValueError(f"{row!r} is not a level")
    price, size = row[0], row[1]
    if type(price) is not str or type(size) is not str:
        price, size = text(price), text(size)
    count = row[-1]
    return price, size, "0" if len(row) < 4 else str(row[2]), count if type(count) is str else str(count)


def _trades(row: Any, kind: str) -> list[Event]:
    return [
        Trade(
            instrument=row["instrument_id"],
            trade_id=whole(row["trade_id"]),
            price=amount(row["price"]),
            size=amount(row["size"] if "size" in row else row["qty"]),
            side=_side(row["side"] if "side" in row else row["trade_side"]),
            ts_ms=iso_ms(row["timestamp"]),
            count=None,
        )
    ]


def _side(side: Any) -> str:
    if side not in ("buy", "sell"):
        raise ValueError(f"{side!r} is no side")
    return str(side)


def _tickers(row: Any, kind: str) -> list[Event]:
    at, instrument = iso_ms(row["timestamp"]), row["instrument_id"]
    is_spot = kind == "SPOT"
    ticker = Ticker(
        instrument=instrument,
        instrument_type=kind,
        last=known(row.get("last")),
        last_size=known(row.get("last_qty")),
        best_bid=known(row.get("best_bid")),
        best_bid_size=known(row.get("best_bid_size")),
        best_ask=known(row.get("best_ask")),
        best_ask_size=known(row.get("best_ask_size")),
        open_24h=known(row.get("open_24h")),
        high_24h=known(row.get("high_24h")),
        low_24h=known(row.get("low_24h")),
        open_utc0=known(row.get("open_utc0")),
        open_utc8=known(row.get("open_utc8")),
        volume_24h=known(row.get("base_volume_24h" if is_spot else "volume_24h")),
        volume_currency_24h=known(row.get("quote_volume_24h" if is_spot else "volume_token_24h")),
        ts_ms=at,
    )
    if row.get("open_interest") in (None, ""):
        return [ticker]
    interest = OpenInterest(instrument=instrument, instrument_type=kind, contracts=public(row["open_interest"]), ts_ms=at)
    return [ticker, interest]


def _candle(row: Any, channel: str) -> Event:
    columns = row["candle"]
    kind = IndexCandle if channel.startswith("index-") else Candle
    volumes = [known(value) for value in columns[5:7]]
    return kind(
        instrument=row["instrument_id"],
        bar=channel.rpartition("candle")[2],
        open_ms=iso_ms(columns[0]),
        open=public(columns[1]),
        high=public(columns[2]),
        low=public(columns[3]),
        close=public(columns[4]),
        volume=volumes[0] if volumes and kind is Candle else None,
        volume_currency=volumes[1] if len(volumes) > 1 and kind is Candle else None,
    )


def _index(row: Any, kind: str) -> list[Event]:
    opened, high, low = known(row.get("open_24h")), known(row.get("high_24h")), known(row.get("low_24h"))
    at, price = iso_ms(row["timestamp"]), public(row["last"])
    return [IndexTicker(instrument=row["instrument_id"], price=price, open_24h=opened, high_24h=high, low_24h=low, ts_ms=at)]


def _mark(row: Any, kind: str) -> list[Event]:
    at = iso_ms(row["timestamp"])
    return [MarkPrice(instrument=row["instrument_id"], instrument_type=kind, price=public(row["mark_price"]), ts_ms=at)]


def _limit(row: Any, kind: str) -> list[Event]:
    highest, lowest, at = known(row.get("highest")), known(row.get("lowest")), iso_ms(row["timestamp"])
    return [PriceLimit(instrument=row["instrument_id"], instrument_type=kind, max_buy=highest, min_sell=lowest, ts_ms=at)]


def _estimated(row: Any, kind: str) -> list[Event]:
    price, at = known(row.get("settlement_price")), iso_ms(row["timestamp"])
    instrument = row["instrument_id"]
    return [EstimatedPrice(instrument=instrument, instrument_type=kind, settlement_type="delivery", price=price, ts_ms=at)]


def _funding(row: Any, kind: str) -> list[Event]:
    funding, settlement = row.get("funding_time"), row.get("settlement_time")
    return [
        FundingRate(
            instrument=row["instrument_id"],
            instrument_type=kind,
            rate=known(row.get("funding_rate")),
            next_rate=known(row.get("estimated_rate")),
            funding_ms=iso_ms(funding) if funding else None,
            next_funding_ms=iso_ms(settlement) if settlement else None,
            interest_rate=known(row.get("interest_rate")),
        )
    ]


def _summary(row: Any, kind: str) -> list[Event]:
    numbers: dict[str, Any] = {ours: _greek(row.get(theirs)) for ours, theirs in SUMMARY.items()}
    instrument = row["instrument_id"]
    underlying = family_of(instrument)
    at = iso_ms(row["timestamp"])
    return [OptionSummary(instrument=instrument, instrument_type=kind, underlying=underlying, ts_ms=at, **numbers)]


def _greek(value: Any) -> float | None:
    """Return a figure of an option; None for "∞", which V3 sent in 2020 where a model had no value."""
    return None if value in ("∞", "-∞") else known(value)


def _instruments(row: Any, kind: str) -> list[Event]:
    """Return instruments as REST lists them; no recording of the channel is known."""
    delivery = row.get("delivery")
    return [
        Instrument(
            instrument=row["instrument_id"],
            instrument_type=kind,
            underlying=row.get("underlying", family_of(row["instrument_id"])),
            base_currency=row.get("base_currency", row.get("underlying_index", "")),
            quote_currency=row.get("quote_currency", ""),
            settlement_currency=row.get("settlement_currency", ""),
            contract_value=own(row.get("contract_val")),
            contract_value_currency=row.get("contract_val_currency", ""),
            option_type=row.get("option_type", ""),
            strike_price=own(row.get("strike")),
            expiry_ms=iso_ms(delivery) if delivery and "T" in delivery else None,
            tick_size=own(row.get("tick_size")),
            lot_size=own(row.get("trade_increment", row.get("lot_size"))),
            alias=row.get("alias", ""),
            category=text(row.get("category", "")),
        )
    ]


def _status(row: Any, kind: str) -> list[Event]:
    begin, end = row.get("start_time"), row.get("end_time")
    states = {"0": "scheduled", "1": "ongoing", "2": "completed"}
    return [
        SystemStatus(
            title=str(row.get("title", "")),
            state=states.get(str(row.get("status", "")), ""),
            begin_ms=iso_ms(begin) if begin else None,
            end_ms=iso_ms(end) if end else None,
            url=str(row.get("href", "")),
            ts_ms=iso_ms(row.get("timestamp", begin)),
        )
    ]


_MAKERS: dict[str, Callable[[Any, str], list[Event]]] = {
    "trades": _trades,
    "tickers": _tickers,
    "index-tickers": _index,
    "mark-price": _mark,
    "price-limit": _limit,
    "estimated-price": _estimated,
    "funding-rate": _funding,
    "opt-summary": _summary,
    "instruments": _instruments,
    "status": _status,
    "orders": order_rows,
    "orders-algo": algo_rows,
    "account": account_rows,
    "positions": position_rows,
}
