"""SeededMarket: an exchange's worth of synthetic markets that really trade, from one seed.

Same seed, same start, same calls: the same publications, byte for byte, in any process. What trades never
depends on who watches. Everything published is derived from the same books and matches, so the channels agree
with one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any

from okex_ws.simulator.market.base import (
    MILLISECOND,
    MINUTE,
    SECOND,
    PriceScale,
    Publication,
    candle_period,
    stamp,
)
from okex_ws.simulator.market.candles import Bar, CandleSeries
from okex_ws.simulator.market.marks import (
    Path,
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

_PIT_CHANNELS = frozenset(
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
    """The seeded market. start: ns UTC. instruments: instIds or Listings (None: the default set). rate:
    multiplies all order rates. levels: fewest levels a side of a liquid book. live_checksum: book rows carry
    the old CRC32.
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
        self._dice = dice = SeededRandom(seed)
        wanted = default_listings(start) if instruments is None else instruments
        listings = [each if isinstance(each, Listing) else listing_of(each, start) for each in _each(wanted)]
        coins = sorted({listing.underlying for listing in listings})
        self._underlyings = {coin: Underlying(dice.fork(f"underlying {coin}"), start_price(coin), start, rate) for coin in coins}
        self._pits: dict[str, SeededInstrument] = {}
        for listing in listings:
            self._pits[listing.instrument] = SeededInstrument(
                listing,
                Path(listing, self._underlyings[listing.underlying]),
                dice.fork(listing.instrument),
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
        self._side_bars: dict[tuple[str, str], CandleSeries] = {}
        self._side_candles: dict[tuple[str, str], str] = {}
        self._side_sent: dict[tuple[str, str], Bar] = {}
        self._watched: dict[str, dict[str, None]] = {}
        self._sent: dict[tuple[str, str], tuple[int, Any]] = {}
        self._scheduled: list[tuple[int, int, str, str, list[Any]]] = []
        self._changes: dict[int, tuple[str, dict[str, Any]]] = {}
        self._schedule_count = 0
        self._statuses: list[dict[str, Any]] = []
        self._liquidated: dict[str, int] = {}
        for listing in listings:
            if listing.inst_type != "SPREAD":
                self._follow("mark-price-candle", listing.instrument)
        for index in self._indexes:
            self._follow("index-candle", index)
        self._due = self._next_due()

    # Market protocol

    def deadline(self) -> int | None:
        """The next instant at which something happens; a seeded market never ends."""
        return self._due

    def advance(self, now: int) -> list[Publication]:
        """Everything published up to and including `now`."""
        out: list[Publication] = []
        while self._due <= now:
            self._at(self._due, out)
            self._due = self._next_due()
        return out

    def watch(self, channel: str, key: str) -> None:
        """Publish a channel and key from now on."""
        self._watched.setdefault(channel, {})[key] = None
        pit = self._pits.get(key)
        candle = candle_period(channel)
        if candle is not None and (candle[0], key) in self._side_bars:
            self._side_candles[channel, key] = candle[1]
            self._side_bars[candle[0], key].watch(candle[1], self._now)
        elif pit is not None:
            pit.watch(channel, self._now)
        elif channel == "option-trades":
            for each in self._options(key):
                each.watch(channel, self._now)
        self._due = self._next_due()

    def unwatch(self, channel: str, key: str) -> None:
        """Publish it no longer."""
        self._watched.get(channel, {}).pop(key, None)
        self._sent.pop((channel, key), None)
        bar = self._side_candles.pop((channel, key), None)
        candle = candle_period(channel)
        if bar is not None and candle is not None:
            self._side_bars[candle[0], key].unwatch(bar)
            self._side_sent.pop((channel, key), None)
        elif key in self._pits:
            self._pits[key].unwatch(channel, self._now)
        elif channel == "option-trades":
            for each in self._options(key):
                each.unwatch(channel, self._now)
        self._due = self._next_due()

    def knows(self, channel: str, key: str) -> bool:
        """Whether OKX would accept this subscription."""
        if channel in ("status", "economic-calendar", "public-struc-block-trades"):
            return key == ""
        candle = candle_period(channel)
        if candle is not None and candle[0] in ("mark-price-candle", "index-candle"):
            return (candle[0], key) in self._side_bars
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
        pit = self._pits.get(key)
        if pit is None:
            return channel == "call-auction-details" and self._row(key) is not None
        if pit.is_spread:
            return channel in _SPREAD_CHANNELS or (candle is not None and candle[0] == "sprd-candle")
        kind = pit.listing.inst_type
        if channel in ("open-interest", "price-limit"):
            return kind in ("SWAP", "FUTURES", "OPTION") if channel == "open-interest" else True
        if channel == "funding-rate":
            return kind == "SWAP"
        own = channel in _PIT_CHANNELS or (candle is not None and candle[0] == "candle")
        return own or channel == "mark-price" or channel in _SCHEDULED_ONLY

    def snapshot(self, channel: str, key: str) -> Publication | None:
        """What a new subscriber gets at once."""
        if channel == "status":
            return Publication(self._now, channel, key, self._statuses[:1]) if self._statuses else None
        candle = candle_period(channel)
        if candle is not None and (candle[0], key) in self._side_bars:
            row = self._side_row(candle[0], key, self._side_bars[candle[0], key].current(candle[1], self._now), "0")
            return Publication(self._now, channel, key, [row])
        if channel in _PERIODS:
            if channel == "estimated-price":
                return None
            rows = self._derived(channel, key, self._now)
            return Publication(self._now, channel, key, rows) if rows else None
        pit = self._pits.get(key)
        if pit is None or not self.knows(channel, key):
            return None
        return pit.snapshot(channel, self._now)

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """Complete REST rows of a type."""
        return [dict(row) for row in self._rows.get(inst_type, {}).values()]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """The state last published on `books`."""
        pit = self._pits.get(instrument)
        return None if pit is None else pit.book(depth)

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        """The size last published on `books` at one price."""
        pit = self._pits.get(instrument)
        return Decimal(0) if pit is None else pit.shown(BID if side == "bids" else ASK, price)

    def follow(self, instrument: str) -> None:
        """Prints are told every 10 ms from now on, as if somebody watched `trades`."""
        pit = self._pits.get(instrument)
        if pit is not None and not pit.is_followed:
            pit.is_followed = True
            pit.reschedule(self._now)
            self._due = self._next_due()

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        """Individual trades oldest first; ids are consecutive."""
        pit = self._pits.get(instrument)
        return () if pit is None else pit.tape

    def candles(self, instrument: str, bar: str) -> list[list[str]]:
        """Rows newest first, the forming one at index 0; an unknown bar raises ValueError."""
        if candle_period(f"candle{bar}") is None:
            raise ValueError(f"{bar!r} is no bar of the candle channels")
        pit = self._pits.get(instrument)
        return [] if pit is None else pit.candles(bar, self._now)

    def status(self) -> list[dict[str, Any]]:
        """Status rows told so far, newest first."""
        return [dict(row) for row in self._statuses]

    # What a scenario can arrange

    def burst(self, at: int, seconds: float, factor: float, instrument: str | None = None) -> None:
        """Multiply the order rates by factor from `at` on, of one instrument or of all."""
        for pit in self._chosen(instrument):
            pit.flow.burst(at, seconds, factor)

    def one_sided(self, at: int, instrument: str, side: str, seconds: float) -> None:
        """Empty the "bids" or the "asks" of an instrument at `at` for so many seconds."""
        if side not in ("bids", "asks"):
            raise ValueError(f"side is 'bids' or 'asks', not {side!r}")
        for pit in self._chosen(instrument):
            pit.flow.empty_side(max(at, self._now), BID if side == "bids" else ASK, seconds)
            pit.reschedule(self._now)
        self._due = self._next_due()

    def schedule_instrument_change(self, at: int, instrument: str, changes: dict[str, Any]) -> None:
        """Change fields of an instrument's row at `at` and push it; an unknown instId is a new listing."""
        self._schedule_count += 1
        self._changes[self._schedule_count] = (instrument, dict(changes))
        heappush(self._scheduled, (max(at, self._now + 1), self._schedule_count, "instruments", instrument, []))
        self._due = self._next_due()

    def schedule_status(self, at: int, row: dict[str, Any]) -> None:
        """Tell a system status at `at`; missing fields are filled in."""
        self.schedule(at, "status", "", [status_row(at) | row])

    def schedule(self, at: int, channel: str, key: str, rows: list[Any]) -> None:
        """Publish ready rows at `at`: for channels without a life of their own (adl-warning, block trades,
        …).
        """
        self._schedule_count += 1
        heappush(self._scheduled, (max(at, self._now + 1), self._schedule_count, channel, key, rows))
        self._due = self._next_due()

    # Inner works

    def _chosen(self, instrument: str | None) -> list[SeededInstrument]:
        if instrument is None:
            return list(self._pits.values())
        if instrument not in self._pits:
            raise ValueError(f"{instrument} does not trade here; there are {', '.join(self._pits)}")
        return [self._pits[instrument]]

    def _next_due(self) -> int:
        now = self._now
        due = now - now % SECOND + SECOND
        for pit in self._pits.values():
            due = min(due, pit.due)
        for channel, period in _PERIODS.items():
            if self._watched.get(channel):
                due = min(due, now - now % period + period)
        if self._scheduled:
            due = min(due, self._scheduled[0][0])
        return due

    def _at(self, now: int, out: list[Publication]) -> None:
        self._now = now
        whole_second = now % SECOND == 0
        for pit in self._pits.values():
            if pit.due <= now:
                pit.publish(now, out)
                if pit.fresh:
                    self._publish_prints(pit, now, out)
            if whole_second:
                pit.publish_candles(now, out)
        if whole_second:
            self._sample_side_bars(now, out)
        for channel, period in _PERIODS.items():
            if now % period == 0:
                for key in self._watched.get(channel, ()):
                    self._publish_derived(channel, key, now, out)
        while self._scheduled and self._scheduled[0][0] <= now:
            _, number, channel, key, rows = heappop(self._scheduled)
            self._publish_scheduled(now, number, channel, key, rows, out)

    def _publish_prints(self, pit: SeededInstrument, now: int, out: list[Publication]) -> None:
        listing = pit.listing
        rows: list[Any]
        if listing.inst_type == "OPTION":
            spot, mark = self._spot(listing.underlying, now), self._mark_text(pit, now)
            for key in self._watched.get("option-trades", ()):
                if key in (pit.instrument, listing.family, "", "OPTION"):
                    rows = [option_trade_row(listing, pit.trade_row(each), spot, mark) for each in pit.fresh]
                    out.append(Publication(now, "option-trades", key, rows))
        if listing.inst_type in _TYPES_OF["liquidation-orders"]:
            for each in pit.fresh:
                # OKX tells at most one liquidation per contract and second.
                if each.last_id % _LIQUIDATION_SHARE == 0 and self._liquidated.get(pit.instrument) != now // SECOND:
                    self._liquidated[pit.instrument] = now // SECOND
                    if listing.inst_type in self._watched.get("liquidation-orders", ()):
                        rows = [liquidation_row(listing, pit.trade_row(each))]
                        out.append(Publication(now, "liquidation-orders", listing.inst_type, rows))

    def _publish_derived(self, channel: str, key: str, now: int, out: list[Publication]) -> None:
        rows = self._derived(channel, key, now)
        if not rows:
            return
        what: Any = [{**row, "ts": ""} for row in rows]
        sent = self._sent.get((channel, key))
        if sent is not None and sent[1] == what and now - sent[0] < _AT_LEAST.get(channel, 1 << 62):
            return
        self._sent[channel, key] = (now, what)
        out.append(Publication(now, channel, key, rows))

    def _derived(self, channel: str, key: str, now: int) -> list[Any]:
        if channel == "index-tickers":
            return [self._index_row(key, now)] if key in self._indexes else []
        if channel == "opt-summary":
            return [option_row(pit.listing, self._spot(pit.listing.underlying, now), now) for pit in self._options(key)]
        if channel == "estimated-price":
            rows = [settlement_row(pit.listing, self._spot(pit.listing.underlying, now), now) for pit in self._settling(key)]
            return [row for row in rows if row is not None]
        pit = self._pits.get(key)
        if pit is None or not self.knows(channel, key):
            return []
        listing = pit.listing
        if channel == "mark-price":
            return [mark_row(listing, self._mark_text(pit, now), now)]
        if channel == "price-limit":
            return [limit_row(listing, pit.contract.tick, pit.path.ticks(now), now)]
        if channel == "open-interest":
            return [interest_row(listing, pit.contract, pit.lots_traded, self._spot(listing.underlying, now), now)]
        return [funding_row(listing, self._dice.fork(f"funding {key}"), now)]

    def _spot(self, coin: str, now: int) -> float:
        underlying = self._underlyings[coin]
        return underlying.value(underlying.step(now))

    def _mark(self, pit: SeededInstrument, now: int) -> int:
        """Mark price in ticks: the fair price drawn a quarter of the way to the middle of the book."""
        fair = pit.path.ticks(now)
        bid, ask = pit.flow.best(BID), pit.flow.best(ASK)
        return fair if bid is None or ask is None else fair + (bid + ask - 2 * fair) // 8

    def _mark_text(self, pit: SeededInstrument, now: int) -> str:
        return pit.contract.tick.text(self._mark(pit, now))

    def _index(self, index: str, now: int) -> int:
        spot = self._spot(self._indexes[index], now)
        return self._index_scales[self._indexes[index]].steps(spot * (0.9997 if index.endswith("USD") else 1.0))

    def _index_row(self, index: str, now: int) -> dict[str, Any]:
        text = self._index_scales[self._indexes[index]].text
        day = self._side_bars["index-candle", index].day(now)
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

    def _follow(self, kind: str, key: str) -> None:
        price = self._index(key, self.start) if kind == "index-candle" else self._pits[key].path.ticks(self.start)
        dice = self._dice.fork(f"{kind} {key}")
        self._side_bars[kind, key] = CandleSeries(dice, self.start, price, swing=abs(price) // 4_000, lots=0, turnover=0, money=0)

    def _sample_side_bars(self, now: int, out: list[Publication]) -> None:
        for (kind, key), bars in self._side_bars.items():
            bars.roll(now)
            for (channel, watched_key), bar in self._side_candles.items():
                if watched_key != key or not channel.startswith(kind):
                    continue
                finished = bars.finished(bar, now)
                row = finished if finished is not None else bars.forming(bar, now)
                if row is not None and (finished is not None or row != self._side_sent.get((channel, key))):
                    self._side_sent[channel, key] = row[:]
                    rows: list[Any] = [self._side_row(kind, key, row, "0" if finished is None else "1")]
                    out.append(Publication(now, channel, key, rows))
            price = self._index(key, now) if kind == "index-candle" else self._mark(self._pits[key], now)
            bars.add(now, price)

    def _side_row(self, kind: str, key: str, bar: Bar, confirm: str) -> list[str]:
        scale = self._index_scales[self._indexes[key]] if kind == "index-candle" else self._pits[key].contract.tick
        return [stamp(bar[0]), *(scale.text(price) for price in bar[1:5]), confirm]

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
        return {pit.listing.family for pit in self._pits.values() if pit.listing.family}

    def _options(self, key: str) -> list[SeededInstrument]:
        options = [pit for pit in self._pits.values() if pit.listing.inst_type == "OPTION"]
        return [pit for pit in options if key in (pit.instrument, pit.listing.family)]

    def _settling(self, key: str) -> list[SeededInstrument]:
        dated = [pit for pit in self._pits.values() if pit.listing.inst_type in ("FUTURES", "OPTION")]
        return [pit for pit in dated if key in (pit.instrument, pit.listing.family)]


_TYPES_OF: dict[str, tuple[str, ...]] = {
    "instruments": ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"),
    "liquidation-orders": ("SWAP", "FUTURES", "OPTION", "MARGIN"),
    "event-contract-markets": ("EVENTS",),
}


def _each(wanted: Iterable[str | Listing] | dict[str, Listing]) -> list[str | Listing]:
    return list(wanted.values()) if isinstance(wanted, dict) else list(wanted)
