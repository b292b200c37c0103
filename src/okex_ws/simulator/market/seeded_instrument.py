"""SeededInstrument: one instrument of the seeded market: its order flow, published books, trades, ticker, candles.

An instrument writes rows as OKX's pages describe them and computes its next instant of publication. At one instant
trades come first, then bbo-tbt, books-l2-tbt, books50-l2-tbt, books, books-rpi, books5, the ticker and the candles.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.market.base import CHECKSUMMED, INCREMENTAL, MILLISECOND, SECOND, Publication, checksum, stamp
from okex_ws.simulator.market.book_view import BookView, best_state, top, written
from okex_ws.simulator.market.calendar import candle_period
from okex_ws.simulator.market.candles import CandleSeries
from okex_ws.simulator.market.marks import ContractFigures, FairPrice
from okex_ws.simulator.market.order_flow import (
    ASK,
    BID,
    OPERATIONS_PER_S,
    SIDE_NAMES,
    TAKERS_PER_S,
    Aggregate,
    Match,
    OrderFlow,
    TradeHistory,
)
from okex_ws.simulator.market.past import Candle, SeededPast
from okex_ws.simulator.market.reference import Listing
from okex_ws.simulator.seeded_random import SeededRandom

FAST = 10 * MILLISECOND
SLOW = 100 * MILLISECOND

_FAST_BOOKS = (("books-l2-tbt", 400), ("books50-l2-tbt", 50))
_TOPS = {"bbo-tbt": 1, "books5": 5}


class SeededInstrument:
    """Trading of one listing and its channels. `watched` holds the watched channels without the sprd- prefix."""

    def __init__(
        self,
        listing: Listing,
        fair_price: FairPrice,
        random: SeededRandom,
        *,
        start: int,
        rate: float,
        levels: int,
        live_checksum: bool,
    ) -> None:
        self.listing = listing
        self.instrument = listing.instrument
        self.fair_price = fair_price
        self.contract = ContractFigures(listing)
        self.is_spread = listing.inst_type == "SPREAD"
        self.watched: set[str] = set()
        self.is_followed = False
        self.candle_periods: dict[str, str] = {}
        self.new_aggregates: list[Aggregate] = []
        self.lots_traded = 0
        self._prefix = "sprd-" if self.is_spread else ""
        self._id_name = "sprdId" if self.is_spread else "instId"
        self._live_checksum = live_checksum
        self._new_matches: list[Match] = []
        self._tick, self._lot = self.contract.tick.text, self.contract.lot.uncached_text
        self.trades = TradeHistory(self.match_row)
        pace = rate * listing.pace
        takers = TAKERS_PER_S * pace
        price = fair_price.ticks(start)
        lots = int(takers * 20 * listing.order_lots)
        swing = max(1, abs(price) // 4_000)
        past = SeededPast(random.fork("past"), start, price, swing=swing, lots=lots, worth=self.contract.worth)
        self.series = CandleSeries(past, price)
        self.flow = OrderFlow(
            random.fork("flow"),
            fair_price.ticks,
            start=start,
            levels=min(levels, listing.depth or levels),
            order_lots=listing.order_lots,
            gap=listing.gap,
            operations=OPERATIONS_PER_S * pace,
            takers=takers,
            least=None if self.is_spread else 1,
            first_id=100_000 + random.fork("ids").below(900_000),
            on_match=self._matched,
            on_aggregate=self.new_aggregates.append,
        )
        self.books = BookView(self.flow, 400)
        self.books_ts = start
        self._views: dict[str, BookView] = {}
        self._tops: dict[str, Any] = {}
        self._last_ticker: Any = None
        self._candle_sent: dict[str, Candle] = {}
        self._flushed = start
        self.due = self._next_due(start)

    def _matched(self, match: Match) -> None:
        self.trades.append(match)
        self.lots_traded += match.size
        self.series.add(match.ts, match.price, match.size, *self.contract.worth(match.price, match.size))
        if "trades-all" in self.watched:
            self._new_matches.append(match)

    def _next_due(self, now: int) -> int:
        event = self.flow.next_event
        watched = self.watched
        due = event - event % SLOW + SLOW
        if self.flow.touched >= self._flushed:
            # Changes since the last round of the 100 ms channels are not published yet.
            due = min(due, now - now % SLOW + SLOW)
        if "bbo-tbt" in watched or self._views:
            due = min(due, event - event % FAST + FAST)
        elif self.is_followed or "trades" in watched or "trades-all" in watched or "option-trades" in watched:
            taker = self.flow.next_taker
            due = min(due, taker - taker % FAST + FAST)
        return due

    def reschedule(self, now: int) -> None:
        """Compute the next due instant after the subscribers or the flow's schedule changed."""
        self.due = self._next_due(now)

    def watch(self, channel: str, now: int) -> None:
        """Start to publish a channel, given by its full OKX name."""
        channel = self._short(channel)
        self.watched.add(channel)
        candle = candle_period(channel)
        if candle is not None:
            self.candle_periods[channel] = candle[1]
            self.series.watch(candle[1], now)
        for name, depth in _FAST_BOOKS:
            if channel == name and name not in self._views:
                self._views[name] = BookView(self.flow, depth)
        if channel in _TOPS:
            self._tops[channel] = best_state(self.flow, _TOPS[channel])
        self.reschedule(now)

    def unwatch(self, channel: str, now: int) -> None:
        """Stop to publish a channel."""
        channel = self._short(channel)
        self.watched.discard(channel)
        if channel in self.candle_periods:
            self.series.unwatch(self.candle_periods.pop(channel))
            self._candle_sent.pop(channel, None)
        view = self._views.pop(channel, None)
        if view is not None:
            view.detach()
        self.reschedule(now)

    def _short(self, channel: str) -> str:
        name = channel.removeprefix("sprd-") if self.is_spread else channel
        return "trades" if self.is_spread and name == "public-trades" else name

    def publish(self, now: int, out: list[Publication]) -> None:
        """Run the flow to `now` and append the publications of this instant to `out`."""
        self.new_aggregates.clear()
        self.flow.run(now)
        watched = self.watched
        if self.new_aggregates:
            if "trades" in watched:
                rows: list[Any] = [self.trade_row(each) for each in self.new_aggregates]
                self._append(out, now, "public-trades" if self.is_spread else "trades", rows)
            if self._new_matches:
                self._append(out, now, "trades-all", [self.match_row(each) for each in self._new_matches])
                self._new_matches.clear()
        if "bbo-tbt" in watched:
            self._publish_top(now, "bbo-tbt", out)
        for name, _ in _FAST_BOOKS:
            if name in self._views:
                self._publish_changes(now, (name,), self._views[name], out)
        if now % SLOW == 0:
            self._publish_changes(now, ("books", "books-rpi"), self.books, out)
            if "books5" in watched:
                self._publish_top(now, "books5", out)
            if "tickers" in watched:
                self._publish_ticker(now, out)
            self._flushed = now
        self.due = self._next_due(now)

    def _append(self, out: list[Publication], now: int, channel: str, rows: list[Any], action: str | None = None) -> None:
        out.append(Publication(now, self._prefix + channel, self.instrument, rows, action))

    def _publish_top(self, now: int, channel: str, out: list[Publication]) -> None:
        state = best_state(self.flow, _TOPS[channel])
        if state != self._tops.get(channel):
            self._tops[channel] = state
            self._append(out, now, channel, [self._top_row(channel, now)])

    def _publish_changes(self, now: int, channels: tuple[str, ...], view: BookView, out: list[Publication]) -> None:
        changes = view.refresh()
        if changes is None:
            return
        if view is self.books:
            self.books_ts = now
        for channel in channels:
            if channel in self.watched:
                write = self._writer(channel)
                row: dict[str, Any] = {
                    "asks": written(changes[ASK], ASK, write),
                    "bids": written(changes[BID], BID, write),
                    "ts": stamp(now),
                }
                if self._live_checksum and self._prefix + channel in CHECKSUMMED:
                    row["checksum"] = view.checksum(write)
                self._append(out, now, channel, [row], "update")

    def _publish_ticker(self, now: int, out: list[Publication]) -> None:
        last = self.trades.last()
        state = (last.trade_id if last else 0, best_state(self.flow, 1))
        if state != self._last_ticker:
            self._last_ticker = state
            self._append(out, now, "tickers", [self.ticker_row(now)])

    def publish_candles(self, now: int, out: list[Publication]) -> None:
        """Append, at a whole second, the closing row of candles that end now, else the forming row if it changed."""
        self.series.roll(now)
        for channel, period in self.candle_periods.items():
            finished = self.series.finished(period, now)
            row = finished if finished is not None else self.series.forming(period, now)
            if row is None or (finished is None and row == self._candle_sent.get(channel)):
                continue
            self._candle_sent[channel] = row[:]
            self._append(out, now, channel, [self.candle_row(row, closed=finished is not None)])

    def snapshot(self, channel: str, now: int) -> Publication | None:
        """Return the first push of a new subscriber of one of the instrument's own channels."""
        short = self._short(channel)
        candle = candle_period(short)
        if candle is not None:
            row = self.candle_row(self.series.current(candle[1], now), closed=False)
            return Publication(now, channel, self.instrument, [row])
        if short == "tickers":
            return Publication(now, channel, self.instrument, [self.ticker_row(now)])
        if short in _TOPS:
            return Publication(now, channel, self.instrument, [self._top_row(short, now)])
        if channel not in INCREMENTAL:
            return None
        if short in ("books", "books-rpi"):
            view, ts = self.books, self.books_ts
        elif short in self._views:
            view, ts = self._views[short], now
        else:
            view, ts = BookView(self.flow, dict(_FAST_BOOKS)[short]), now
            view.detach()
        write = self._writer(short)
        book: dict[str, Any] = {"asks": view.rows(ASK, write), "bids": view.rows(BID, write), "ts": stamp(ts)}
        if self._live_checksum and channel in CHECKSUMMED:
            book["checksum"] = checksum(book["bids"], book["asks"])
        return Publication(now, channel, self.instrument, [book], "snapshot")

    def book(self, depth: int) -> dict[str, Any]:
        """Return the state last published on `books`, cut to a depth."""
        write = self._writer("books")
        return {
            "asks": self.books.rows(ASK, write, depth),
            "bids": self.books.rows(BID, write, depth),
            "ts": stamp(self.books_ts),
        }

    def shown(self, side: int, price: Decimal) -> Decimal:
        """Return the size last published on `books` at one price, zero if there is none."""
        ticks = self.contract.tick.exact(price)
        level = None if ticks is None else self.books.shown[side].get(ticks if side == BID else -ticks)
        return Decimal(0) if level is None else Decimal(self._lot(level[0]))

    def _writer(self, channel: str) -> Any:
        if self.is_spread:
            return self._spread_level
        return self._improved_level if channel == "books-rpi" else self._level

    def _level(self, price: int, size: int, count: int) -> list[str]:
        return [self._tick(price), self._lot(size), "0", str(count)]

    def _spread_level(self, price: int, size: int, count: int) -> list[str]:
        return [self._tick(price), self._lot(size), str(count)]

    def _improved_level(self, price: int, size: int, count: int) -> list[str]:
        """Return [price, total, total without RPI, orders]: every seventh price has some retail interest too."""
        extra = size // 3 if size and price % 7 == 0 else 0
        return [self._tick(price), self._lot(size + extra), self._lot(size), str(count + (1 if extra else 0))]

    def _top_row(self, channel: str, now: int) -> dict[str, Any]:
        depth, write = _TOPS[channel], self._writer(channel)
        row: dict[str, Any] = {
            "asks": top(self.flow, ASK, depth, write),
            "bids": top(self.flow, BID, depth, write),
        }
        if channel == "books5" and not self.is_spread:
            row["instId"] = self.instrument
        # bbo-tbt carries the matching engine's time, the others the time of publication.
        row["ts"] = stamp(self.flow.touched if channel == "bbo-tbt" else now)
        return row

    def match_row(self, match: Match) -> dict[str, Any]:
        """Return one individual trade as in trades-all and the REST pages."""
        return {
            self._id_name: self.instrument,
            "tradeId": str(match.trade_id),
            "px": self._tick(match.price),
            "sz": self._lot(match.size),
            "side": SIDE_NAMES[match.side],
            "source": str(match.source),
            "ts": stamp(match.ts),
        }

    def trade_row(self, each: Aggregate) -> dict[str, Any]:
        """Return one aggregate as in the trades channel, without seqId."""
        row = {
            self._id_name: self.instrument,
            "tradeId": str(each.last_id),
            "px": self._tick(each.price),
            "sz": self._lot(each.size),
            "side": SIDE_NAMES[each.side],
            "ts": stamp(each.ts),
        }
        if not self.is_spread:
            row["count"] = str(each.count)
            row["source"] = str(each.source)
        return row

    def ticker_row(self, now: int) -> dict[str, Any]:
        """Return the ticker at now; an empty side has "" for price and size."""
        tick, lot = self._tick, self._lot
        day = self.series.day(now)
        last = self.trades.last()
        bids, asks = top(self.flow, BID, 1, self._level), top(self.flow, ASK, 1, self._level)
        volume, volume_ccy, _ = self.contract.volumes(day.lots, day.turnover, day.money)
        row: dict[str, Any] = {} if self.is_spread else {"instType": self.listing.inst_type}
        row |= {
            self._id_name: self.instrument,
            "last": tick(self.series.last),
            "lastSz": lot(last.size if last else self.listing.order_lots),
            "askPx": asks[0][0] if asks else "",
            "askSz": asks[0][1] if asks else "",
            "bidPx": bids[0][0] if bids else "",
            "bidSz": bids[0][1] if bids else "",
            "open24h": tick(day.open),
            "high24h": tick(day.high),
            "low24h": tick(day.low),
        }
        if self.is_spread:
            row["vol24h"] = volume
        else:
            row |= {
                "sodUtc0": tick(day.open_utc0),
                "sodUtc8": tick(day.open_utc8),
                "volCcy24h": volume_ccy,
                "vol24h": volume,
            }
        row["ts"] = stamp(now)
        return row

    def candle_row(self, candle: Candle, *, closed: bool) -> list[str]:
        """Return a row of nine columns (a spread has seven)."""
        tick = self._tick
        volumes = self.contract.volumes(candle[5], candle[6], candle[7])
        return [
            stamp(candle[0]),
            tick(candle[1]),
            tick(candle[2]),
            tick(candle[3]),
            tick(candle[4]),
            *(volumes[:1] if self.is_spread else volumes),
            "1" if closed else "0",
        ]

    def candles(self, period: str, now: int) -> list[list[str]]:
        """Return REST rows newest first, the forming candle first with confirm 0."""
        rows = self.series.newest(period, now - now % SECOND if period == "1s" else now)
        return [self.candle_row(row, closed=index > 0) for index, row in enumerate(rows)]
