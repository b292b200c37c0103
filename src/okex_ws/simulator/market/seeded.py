"""SeededMarket: synthetic markets of a whole exchange that really trade, from one seed.

The same seed, start and calls give the same publications, byte for byte, in any process. Subscribers never change what
trades. All channels are derived from the same books and matches, so they agree with one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from typing import Any

from okex_ws.simulator.market.base import MILLISECOND, MINUTE, SECOND, PriceScale, Publication, stamp
from okex_ws.simulator.market.calendar import candle_period
from okex_ws.simulator.market.marks import (
    FairPrice,
    Underlying,
    funding_row,
    interest_row,
    limit_row,
    liquidation_row,
    mark_row,
    option_row,
    option_trade_row,
    settlement_row,
    status_row,
)
from okex_ws.simulator.market.order_flow import ASK, BID
from okex_ws.simulator.market.price_candles import PriceCandles
from okex_ws.simulator.market.reference import (
    Listing,
    default_listings,
    instrument_row,
    listing_of,
    margin_row,
    start_price,
)
from okex_ws.simulator.market.seeded_instrument import SeededInstrument
from okex_ws.simulator.seeded_random import SeededRandom

_INSTRUMENT_CHANNELS = frozenset(
    {
        "trades",
        "trades-all",
        "tickers",
        "books",
        "books5",
        "bbo-tbt",
        "books-l2-tbt",
        "books50-l2-tbt",
        "books-rpi",
    }
)
_SPREAD_CHANNELS = frozenset(f"sprd-{name}" for name in ("public-trades", "tickers", "books5", "bbo-tbt", "books-l2-tbt"))
_PERIODS: dict[str, int] = {
    "index-tickers": 100 * MILLISECOND,
    "mark-price": 200 * MILLISECOND,
    "price-limit": 200 * MILLISECOND,
    "estimated-price": SECOND,
    "opt-summary": SECOND,
    "open-interest": 3 * SECOND,
    "funding-rate": MINUTE,
}
_AT_LEAST: dict[str, int] = {"index-tickers": MINUTE, "mark-price": 10 * SECOND}
"""Re-sent unchanged after so long (OKX V5 docs, mark price and index tickers channels)."""
_SCHEDULED_ONLY = frozenset(
    {"adl-warning", "call-auction-details", "event-contract-markets", "economic-calendar", "block-tickers"}
    | {"public-block-trades", "public-struc-block-trades"}
)
_LIQUIDATION_SHARE = 400


class SeededMarket:
    """Market from a seed. start: ns UTC. instruments: instIds or Listings (None: the default set). rate: multiplies all
    order rates. levels: fewest levels a side of a liquid book. live_checksum: book rows carry the CRC32 of before 2026.
    """

    def __init__(
        self,
        seed: int | str,
        *,
        start: int,
        instruments: Iterable[str | Listing] | None = None,
        rate: float = 1.0,
        levels: int = 400,
        live_checksum: bool = False,
    ) -> None:
        if rate <= 0:
            raise ValueError(f"rate must be positive, not {rate}")
        self.start = start
        self._now = start
        self._random = random = SeededRandom(seed)
        wanted = default_listings(start) if instruments is None else instruments
        listings = [each if isinstance(each, Listing) else listing_of(each, start) for each in _each(wanted)]
        coins = sorted({listing.underlying for listing in listings})
        self._underlyings = {
            coin: Underlying(random.fork(f"underlying {coin}"), start_price(coin), start, rate) for coin in coins
        }
        self._instruments: dict[str, SeededInstrument] = {}
        for listing in listings:
            self._instruments[listing.instrument] = SeededInstrument(
                listing,
                FairPrice(listing, self._underlyings[listing.underlying]),
                random.fork(listing.instrument),
                start=start,
                rate=rate,
                levels=levels,
                live_checksum=live_checksum,
            )
        self._rows = self._reference_rows(listings)
        self._indexes = {f"{coin}-{quote}": coin for coin in coins for quote in ("USDT", "USD")}
        self._index_scales = {
            coin: PriceScale("0.1" if start_price(coin) > 10_000 else "0.01" if start_price(coin) > 100 else "0.00001")
            for coin in coins
        }
        self._price_candles = PriceCandles(random, start)
        self._watched: dict[str, dict[str, None]] = {}
        self._sent: dict[tuple[str, str], tuple[int, Any]] = {}
        self._scheduled: list[tuple[int, int, str, str, list[Any]]] = []
        self._changes: dict[int, tuple[str, dict[str, Any]]] = {}
        self._schedule_count = 0
        self._statuses: list[dict[str, Any]] = []
        self._liquidated: dict[str, int] = {}
        for listing in listings:
            if listing.inst_type != "SPREAD":
                seeded = self._instruments[listing.instrument]
                first, text = seeded.fair_price.ticks(start), seeded.contract.tick.text
                self._price_candles.add("mark-price-candle", listing.instrument, first, partial(self._mark, seeded), text)
        for index, coin in self._indexes.items():
            price = partial(self._index, index)
            self._price_candles.add("index-candle", index, price(start), price, self._index_scales[coin].text)
        self._due = self._next_due()

    # Market protocol

    def deadline(self) -> int | None:
        """Return the next instant with work; a seeded market never ends."""
        return self._due

    def advance(self, now: int) -> list[Publication]:
        """Return all publications up to and including `now`."""
        out: list[Publication] = []
        while self._due <= now:
            self._at(self._due, out)
            self._due = self._next_due()
        return out

    def watch(self, channel: str, key: str) -> None:
        """Publish a channel and key from now on."""
        self._watched.setdefault(channel, {})[key] = None
        seeded = self._instruments.get(key)
        if self._price_candles.has(channel, key):
            self._price_candles.watch(channel, key, self._now)
        elif seeded is not None:
            seeded.watch(channel, self._now)
        elif channel == "option-trades":
            for each in self._options(key):
                each.watch(channel, self._now)
        self._due = self._next_due()

    def unwatch(self, channel: str, key: str) -> None:
        """Stop to publish a channel and key."""
        self._watched.get(channel, {}).pop(key, None)
        self._sent.pop((channel, key), None)
        if self._price_candles.has(channel, key):
            self._price_candles.unwatch(channel, key)
        elif key in self._instruments:
            self._instruments[key].unwatch(channel, self._now)
        elif channel == "option-trades":
            for each in self._options(key):
                each.unwatch(channel, self._now)
        self._due = self._next_due()

    def knows(self, channel: str, key: str) -> bool:
        """True if OKX accepts this subscription."""
        if channel in ("status", "economic-calendar", "public-struc-block-trades"):
            return key == ""
        candle = candle_period(channel)
        if candle is not None and candle[0] in ("mark-price-candle", "index-candle"):
            return self._price_candles.has(channel, key)
        if channel == "index-tickers":
            return key in self._indexes
        if channel in ("instruments", "liquidation-orders", "event-contract-markets"):
            return key in _TYPES_OF[channel]
        if channel == "adl-warning":
            return key in _TYPES_OF["liquidation-orders"] or key in self._families()
        if channel == "opt-summary":
            return bool(self._options(key))
        if channel == "option-trades":
            return key in ("", "OPTION") or bool(self._options(key))
        if channel == "estimated-price":
            return bool(self._settling(key))
        seeded = self._instruments.get(key)
        if seeded is None:
            return channel == "call-auction-details" and self._row(key) is not None
        if seeded.is_spread:
            return channel in _SPREAD_CHANNELS or (candle is not None and candle[0] == "sprd-candle")
        kind = seeded.listing.inst_type
        if channel in ("open-interest", "price-limit"):
            return kind in ("SWAP", "FUTURES", "OPTION") if channel == "open-interest" else True
        if channel == "funding-rate":
            return kind == "SWAP"
        own = channel in _INSTRUMENT_CHANNELS or (candle is not None and candle[0] == "candle")
        return own or channel == "mark-price" or channel in _SCHEDULED_ONLY

    def snapshot(self, channel: str, key: str) -> Publication | None:
        """Return the first push of a new subscriber."""
        if channel == "status":
            return Publication(self._now, channel, key, self._statuses[:1]) if self._statuses else None
        if self._price_candles.has(channel, key):
            return Publication(self._now, channel, key, [self._price_candles.current(channel, key, self._now)])
        if channel in _PERIODS:
            if channel == "estimated-price":
                return None
            rows = self._derived(channel, key, self._now)
            return Publication(self._now, channel, key, rows) if rows else None
        seeded = self._instruments.get(key)
        if seeded is None or not self.knows(channel, key):
            return None
        return seeded.snapshot(channel, self._now)

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """Return complete REST rows of a type."""
        return [dict(row) for row in self._rows.get(inst_type, {}).values()]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Return the state last published on `books`."""
        seeded = self._instruments.get(instrument)
        return None if seeded is None else seeded.book(depth)

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        """Return the size last published on `books` at one price."""
        seeded = self._instruments.get(instrument)
        return Decimal(0) if seeded is None else seeded.shown(BID if side == "bids" else ASK, price)

    def follow(self, instrument: str) -> None:
        """Update the trades of an instrument every 10 ms from now on, as if `trades` were watched."""
        seeded = self._instruments.get(instrument)
        if seeded is not None and not seeded.is_followed:
            seeded.is_followed = True
            seeded.reschedule(self._now)
            self._due = self._next_due()

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        """Return individual trades oldest first; ids are consecutive."""
        seeded = self._instruments.get(instrument)
        return () if seeded is None else seeded.trades

    def candles(self, instrument: str, period: str) -> list[list[str]]:
        """Return rows newest first, the forming one at index 0. Raises ValueError for an unknown period."""
        if candle_period(f"candle{period}") is None:
            raise ValueError(f"{period!r} is no period of the candle channels")
        seeded = self._instruments.get(instrument)
        return [] if seeded is None else seeded.candles(period, self._now)

    def price_candles(self, channel: str, key: str) -> list[list[str]]:
        """Return rows newest first, the forming one at index 0; none for an unknown channel or key."""
        has = self._price_candles.has(channel, key)
        return self._price_candles.newest(channel, key, self._now) if has else []

    def status(self) -> list[dict[str, Any]]:
        """Return the status rows published so far, newest first."""
        return [dict(row) for row in self._statuses]

    # Events that a scenario arranges

    def burst(self, at: int, seconds: float, factor: float, instrument: str | None = None) -> None:
        """Multiply the order rates of one instrument or of all by `factor`, from `at` on for so many seconds."""
        for seeded in self._chosen(instrument):
            seeded.flow.burst(at, seconds, factor)

    def one_sided(self, at: int, instrument: str, side: str, seconds: float) -> None:
        """Empty the "bids" or the "asks" of an instrument at `at` for so many seconds."""
        if side not in ("bids", "asks"):
            raise ValueError(f"side is 'bids' or 'asks', not {side!r}")
        for seeded in self._chosen(instrument):
            seeded.flow.empty_side(max(at, self._now), BID if side == "bids" else ASK, seconds)
            seeded.reschedule(self._now)
        self._due = self._next_due()

    def schedule_instrument_change(self, at: int, instrument: str, changes: dict[str, Any]) -> None:
        """Change fields of an instrument's row at `at` and publish it; an unknown instId is a new listing."""
        self._schedule_count += 1
        self._changes[self._schedule_count] = (instrument, dict(changes))
        heappush(self._scheduled, (max(at, self._now + 1), self._schedule_count, "instruments", instrument, []))
        self._due = self._next_due()

    def schedule_status(self, at: int, row: dict[str, Any]) -> None:
        """Publish a system status at `at`; missing fields are filled in."""
        self.schedule(at, "status", "", [status_row(at) | row])

    def schedule(self, at: int, channel: str, key: str, rows: list[Any]) -> None:
        """Publish ready rows at `at`: for channels that the market does not compute (adl-warning, block trades, …)."""
        self._schedule_count += 1
        heappush(self._scheduled, (max(at, self._now + 1), self._schedule_count, channel, key, rows))
        self._due = self._next_due()

    # Publishing

    def _chosen(self, instrument: str | None) -> list[SeededInstrument]:
        if instrument is None:
            return list(self._instruments.values())
        if instrument not in self._instruments:
            raise ValueError(f"{instrument} does not trade here; these do: {', '.join(self._instruments)}")
        return [self._instruments[instrument]]

    def _next_due(self) -> int:
        now = self._now
        due = now - now % SECOND + SECOND
        for seeded in self._instruments.values():
            due = min(due, seeded.due)
        for channel, period in _PERIODS.items():
            if self._watched.get(channel):
                due = min(due, now - now % period + period)
        if self._scheduled:
            due = min(due, self._scheduled[0][0])
        return due

    def _at(self, now: int, out: list[Publication]) -> None:
        self._now = now
        whole_second = now % SECOND == 0
        for seeded in self._instruments.values():
            if seeded.due <= now:
                seeded.publish(now, out)
                if seeded.new_aggregates:
                    self._publish_trades(seeded, now, out)
            if whole_second:
                seeded.publish_candles(now, out)
        if whole_second:
            self._price_candles.sample(now, out)
        for channel, period in _PERIODS.items():
            if now % period == 0:
                for key in self._watched.get(channel, ()):
                    self._publish_derived(channel, key, now, out)
        while self._scheduled and self._scheduled[0][0] <= now:
            _, number, channel, key, rows = heappop(self._scheduled)
            self._publish_scheduled(now, number, channel, key, rows, out)

    def _publish_trades(self, seeded: SeededInstrument, now: int, out: list[Publication]) -> None:
        listing = seeded.listing
        rows: list[Any]
        if listing.inst_type == "OPTION":
            spot, mark = self._spot(listing.underlying, now), self._mark_text(seeded, now)
            for key in self._watched.get("option-trades", ()):
                if key in (seeded.instrument, listing.family, "", "OPTION"):
                    rows = [option_trade_row(listing, seeded.trade_row(each), spot, mark) for each in seeded.new_aggregates]
                    out.append(Publication(now, "option-trades", key, rows))
        if listing.inst_type in _TYPES_OF["liquidation-orders"]:
            for each in seeded.new_aggregates:
                # OKX publishes at most one liquidation per contract and second.
                if each.last_id % _LIQUIDATION_SHARE == 0 and self._liquidated.get(seeded.instrument) != now // SECOND:
                    self._liquidated[seeded.instrument] = now // SECOND
                    if listing.inst_type in self._watched.get("liquidation-orders", ()):
                        rows = [liquidation_row(listing, seeded.trade_row(each))]
                        out.append(Publication(now, "liquidation-orders", listing.inst_type, rows))

    def _publish_derived(self, channel: str, key: str, now: int, out: list[Publication]) -> None:
        rows = self._derived(channel, key, now)
        if not rows:
            return
        values: Any = [{**row, "ts": ""} for row in rows]
        sent = self._sent.get((channel, key))
        if sent is not None and sent[1] == values and now - sent[0] < _AT_LEAST.get(channel, 1 << 62):
            return
        self._sent[channel, key] = (now, values)
        out.append(Publication(now, channel, key, rows))

    def _derived(self, channel: str, key: str, now: int) -> list[Any]:
        if channel == "index-tickers":
            return [self._index_row(key, now)] if key in self._indexes else []
        if channel == "opt-summary":
            return [option_row(seeded.listing, self._spot(seeded.listing.underlying, now), now) for seeded in self._options(key)]
        if channel == "estimated-price":
            rows = [
                settlement_row(seeded.listing, self._spot(seeded.listing.underlying, now), now) for seeded in self._settling(key)
            ]
            return [row for row in rows if row is not None]
        seeded = self._instruments.get(key)
        if seeded is None or not self.knows(channel, key):
            return []
        listing = seeded.listing
        if channel == "mark-price":
            return [mark_row(listing, self._mark_text(seeded, now), now)]
        if channel == "price-limit":
            return [limit_row(listing, seeded.contract.tick, seeded.fair_price.ticks(now), now)]
        if channel == "open-interest":
            return [interest_row(listing, seeded.contract, seeded.lots_traded, self._spot(listing.underlying, now), now)]
        return [funding_row(listing, self._random.fork(f"funding {key}"), now)]

    def _spot(self, coin: str, now: int) -> float:
        underlying = self._underlyings[coin]
        return underlying.value(underlying.step(now))

    def _mark(self, seeded: SeededInstrument, now: int) -> int:
        """Return the mark price in ticks: the fair price moved a quarter of the way to the mid price."""
        fair = seeded.fair_price.ticks(now)
        bid, ask = seeded.flow.best(BID), seeded.flow.best(ASK)
        return fair if bid is None or ask is None else fair + (bid + ask - 2 * fair) // 8

    def _mark_text(self, seeded: SeededInstrument, now: int) -> str:
        return seeded.contract.tick.text(self._mark(seeded, now))

    def _index(self, index: str, now: int) -> int:
        spot = self._spot(self._indexes[index], now)
        return self._index_scales[self._indexes[index]].steps(spot * (0.9997 if index.endswith("USD") else 1.0))

    def _index_row(self, index: str, now: int) -> dict[str, Any]:
        text = self._index_scales[self._indexes[index]].text
        day = self._price_candles.day("index-candle", index, now)
        return {
            "instId": index,
            "idxPx": text(self._index(index, now)),
            "high24h": text(day.high),
            "low24h": text(day.low),
            "open24h": text(day.open),
            "sodUtc0": text(day.open_utc0),
            "sodUtc8": text(day.open_utc8),
            "ts": stamp(now),
        }

    def _publish_scheduled(self, now: int, number: int, channel: str, key: str, rows: list[Any], out: list[Publication]) -> None:
        if channel == "status":
            self._statuses[:0] = rows
        if channel != "instruments" or number not in self._changes:
            if key in self._watched.get(channel, ()):
                out.append(Publication(now, channel, key, rows))
            return
        instrument, changes = self._changes.pop(number)
        kinds = [kind for kind, table in self._rows.items() if instrument in table]
        for kind in kinds or [str(changes.get("instType") or instrument_row(instrument)["instType"])]:
            table = self._rows.setdefault(kind, {})
            row = table.get(instrument) or instrument_row(instrument, kind)
            table[instrument] = row | changes | {"instType": kind}
            if kind in self._watched.get("instruments", ()):
                out.append(Publication(now, "instruments", kind, [dict(table[instrument])]))

    def _reference_rows(self, listings: Sequence[Listing]) -> dict[str, dict[str, dict[str, Any]]]:
        rows: dict[str, dict[str, dict[str, Any]]] = {}
        for listing in listings:
            if listing.inst_type == "SPREAD":
                continue
            rows.setdefault(listing.inst_type, {})[listing.instrument] = dict(listing.row)
            if listing.inst_type == "SPOT":
                rows.setdefault("MARGIN", {})[listing.instrument] = margin_row(listing.row)
        return rows

    def _row(self, instrument: str) -> dict[str, Any] | None:
        return next((table[instrument] for table in self._rows.values() if instrument in table), None)

    def _families(self) -> set[str]:
        return {seeded.listing.family for seeded in self._instruments.values() if seeded.listing.family}

    def _options(self, key: str) -> list[SeededInstrument]:
        options = [seeded for seeded in self._instruments.values() if seeded.listing.inst_type == "OPTION"]
        return [seeded for seeded in options if key in (seeded.instrument, seeded.listing.family)]

    def _settling(self, key: str) -> list[SeededInstrument]:
        dated = [seeded for seeded in self._instruments.values() if seeded.listing.inst_type in ("FUTURES", "OPTION")]
        return [seeded for seeded in dated if key in (seeded.instrument, seeded.listing.family)]


_TYPES_OF: dict[str, tuple[str, ...]] = {
    "instruments": ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"),
    "liquidation-orders": ("SWAP", "FUTURES", "OPTION", "MARGIN"),
    "event-contract-markets": ("EVENTS",),
}


def _each(wanted: Iterable[str | Listing] | dict[str, Listing]) -> list[str | Listing]:
    return list(wanted.values()) if isinstance(wanted, dict) else list(wanted)
