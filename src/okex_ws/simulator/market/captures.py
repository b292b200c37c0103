"""CaptureMarket: serves a recording of OKX V5 again, its rows untouched, at the pace of the recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from okex_ws.simulator.market.base import BOOK_DEPTH, CHECKSUMMED, INCREMENTAL, MILLISECOND, SECOND, Publication
from okex_ws.simulator.market.calendar import candle_period, closing, opening
from okex_ws.simulator.market.candles import LONGEST_LIST
from okex_ws.simulator.market.capture_file import CapturedPush, read_recording
from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.market.reference import completed, instrument_row, type_of

_HEARTBEAT = 100 * MILLISECOND
_PAUSE_BEFORE_REPEAT = SECOND
_BOOK_SOURCES = ("books", "books-l2-tbt", "books50-l2-tbt", "books5", "bbo-tbt")


class CaptureStream:
    """One channel and key of the chosen connection, and the position in its pushes."""

    def __init__(self, channel: str, key: str) -> None:
        self.channel, self.key = channel, key
        self.pushes: list[CapturedPush] = []
        self.position = 0
        self.has_begun = False
        self.is_watched = False
        self.is_checksummed = False
        self.book = LevelBook(BOOK_DEPTH[channel]) if channel in BOOK_DEPTH else None
        self.last: list[Any] = []

    def open(self) -> None:
        """Skip a captured first snapshot: the first subscriber gets it as its snapshot."""
        first = self.pushes[0]
        row = first.rows[0] if isinstance(first.rows[0], dict) else {}
        self.is_checksummed = self.channel in CHECKSUMMED and "checksum" in row
        if self.channel in INCREMENTAL and first.action == "snapshot":
            self.advance()

    def advance(self) -> CapturedPush:
        """Apply the next push and return it."""
        push = self.pushes[self.position]
        self.position += 1
        self.last = push.rows
        if self.book is not None:
            for row in push.rows:
                self.book.apply(row, is_full=push.action != "update")
        return push

    def snapshot(self, now: int) -> Publication | None:
        """Return the first push of a subscriber: the captured snapshot itself until a later update is published."""
        if self.channel not in INCREMENTAL or self.book is None:
            rows = self.last if self.channel in BOOK_DEPTH or "ticker" in self.channel or "candle" in self.channel else []
            return Publication(now, self.channel, self.key, rows) if rows else None
        if self.position == 1 and self.pushes[0].action == "snapshot":
            return Publication(now, self.channel, self.key, self.pushes[0].rows, "snapshot")
        row: dict[str, Any] = {
            "asks": self.book.best("asks", self.book.depth),
            "bids": self.book.best("bids", self.book.depth),
            "ts": self.book.ts or str(now // MILLISECOND),
        }
        if self.is_checksummed:
            row["checksum"] = self.book.checksum()
        return Publication(now, self.channel, self.key, [row], "snapshot")


_COIN_STEP = Decimal("0.00000001")


class CaptureMarket:
    """One recorded connection as a market. source: a path or lines. start: ns UTC. conn: a name of `connections()` (None:
    the first). loop: repeat the recording a second after its end; trade ids then repeat.

    The capture's clock starts at the first `watch` (`origin`, None before): recorded time t becomes origin + (t - t0),
    where t0 is the first push of the connection. A stream starts when it is first watched and then publishes at once
    all pushes that are due, so that its first subscriber misses nothing. Afterwards it runs whether watched or not.
    """

    def __init__(self, source: str | Path | Iterable[str], *, start: int, conn: str | None = None, loop: bool = False) -> None:
        self.start = start
        self.origin: int | None = None
        self._now = start
        self._loop = loop
        self._recording = read_recording(source)
        names = self.connections()
        if not names:
            # V1 and V3 are served from a market too, which needs more than their pushes contain.
            raise ValueError("the capture holds no V5 pushes, and a market needs them; okex-ws replay reads those of V1 and V3")
        self.conn = names[0] if conn is None else conn
        if self.conn not in self._recording.connections:
            raise ValueError(f"the capture has no connection {conn!r}; it has {', '.join(names)}")
        pushes = self._recording.connections[self.conn]
        self._first = min(push.at for push in pushes)
        self._streams: dict[tuple[str, str], CaptureStream] = {}
        self._length = 0
        before = self._first
        for push in pushes:
            # The recorder's clock may step back; the order of the recording counts.
            push.at = before = max(push.at, before)
            address = (push.channel, push.key)
            self._streams.setdefault(address, CaptureStream(*address)).pushes.append(push)
            self._length = push.at - self._first
        for stream in self._streams.values():
            stream.open()
        self._numbers = {address: number for number, address in enumerate(self._streams)}
        self._heap: list[tuple[int, int, int, tuple[str, str]]] = []
        self._shift = 0
        self._matches: dict[str, list[dict[str, Any]]] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def connections(self) -> list[str]:
        """Return the names of the recorded connections that carry pushes."""
        return list(self._recording.connections)

    def streams(self) -> dict[tuple[str, str], int]:
        """Return (channel, key) -> number of recorded pushes, the first snapshot included."""
        return {address: len(stream.pushes) for address, stream in self._streams.items()}

    def deadline(self) -> int | None:
        """Return the instant of the next push; before the first watch a heartbeat that keeps time; None at the end."""
        if self.origin is None:
            return self._now + _HEARTBEAT
        if not self._heap:
            return None
        return max(self._heap[0][0], self._now)

    def advance(self, now: int) -> list[Publication]:
        """Return the captured pushes up to and including `now`, their rows untouched."""
        out: list[Publication] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, _, address = heappop(self._heap)
            self._now = max(self._now, at)
            stream = self._streams[address]
            push = stream.advance()
            self._schedule(stream)
            if self._has_trades(stream):
                self._keep_matches(stream.key, push.rows)
            if stream.is_watched:
                out.append(Publication(self._now, stream.channel, stream.key, push.rows, push.action))
            if not self._heap and self._loop:
                self._repeat()
        self._now = max(self._now, now)
        return out

    def watch(self, channel: str, key: str) -> None:
        """Start a stream, and with the first one the capture's clock."""
        stream = self._streams.get((channel, key))
        if stream is None:
            return
        stream.is_watched = True
        self._begin(stream)

    def _begin(self, stream: CaptureStream) -> None:
        if self.origin is None:
            self.origin = self._now
        if not stream.has_begun:
            stream.has_begun = True
            self._schedule(stream)

    def unwatch(self, channel: str, key: str) -> None:
        """Stop to publish a stream; its clock runs on."""
        stream = self._streams.get((channel, key))
        if stream is not None:
            stream.is_watched = False

    def knows(self, channel: str, key: str) -> bool:
        """True for recorded streams, and for `status` and `instruments`."""
        if channel == "status":
            return key == ""
        if channel == "instruments":
            return key in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
        return (channel, key) in self._streams

    def snapshot(self, channel: str, key: str) -> Publication | None:
        """Return the first push of a new subscriber."""
        stream = self._streams.get((channel, key))
        return None if stream is None else stream.snapshot(self._now)

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """Return the captured list completed to today's fields, plus rows for recorded ids that no list has."""
        if inst_type not in self._rows:
            listed = self._recording.instruments.get(inst_type, {})
            rows = [completed(row) for row in listed.values()]
            missing = dict.fromkeys(key for _, key in self._streams if "-" in key and key not in listed and "_" not in key)
            self._rows[inst_type] = rows + [instrument_row(key) for key in missing if type_of(key) == inst_type]
        return [dict(row) for row in self._rows[inst_type]]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Return the last published state of the instrument's deepest captured book channel."""
        stream = self._book_stream(instrument)
        if stream is None or stream.book is None:
            return None
        return {
            "asks": stream.book.best("asks", depth),
            "bids": stream.book.best("bids", depth),
            "ts": stream.book.ts or str(self._now // MILLISECOND),
        }

    def _book_stream(self, instrument: str) -> CaptureStream | None:
        streams = (self._streams.get((channel, instrument)) for channel in _BOOK_SOURCES)
        return next((stream for stream in streams if stream is not None), None)

    def shown(self, instrument: str, side: str, price: Decimal) -> Decimal:
        """Return the size in `book` at one price."""
        stream = self._book_stream(instrument)
        return Decimal(0) if stream is None or stream.book is None else stream.book.size_at(side, price)

    def follow(self, instrument: str) -> None:
        """Run the instrument's captured books and trades, watched or not."""
        # One of the two trade channels: both together would give every trade twice.
        trades = "trades-all" if ("trades-all", instrument) in self._streams else "trades"
        for stream in self._streams.values():
            if stream.key == instrument and (stream.book is not None or stream.channel == trades):
                self._begin(stream)

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        """Return the captured trades published so far, oldest first."""
        return self._matches.get(instrument, ())

    def candles(self, instrument: str, period: str) -> list[list[str]]:
        """Return candles of the captured trades published so far, newest first; only intervals with trades."""
        if candle_period(f"candle{period}") is None:
            raise ValueError(f"{period!r} is no period of the candle channels")
        groups: dict[int, list[Decimal]] = {}
        latest = 0
        multiplier, is_inverse = self._contract(instrument)
        for match in self._matches.get(instrument, ()):
            price, size, ts = Decimal(match["px"]), Decimal(match["sz"]), int(match["ts"]) * MILLISECOND
            latest = max(latest, ts)
            row = groups.setdefault(opening(ts, period), [price, price, price, price, *(Decimal(0),) * 3])
            row[1], row[2], row[3] = max(row[1], price), min(row[2], price), price
            row[4] += size
            if multiplier is None:
                row[5], row[6] = row[5] + price * size, row[6] + price * size
            elif is_inverse:
                row[5], row[6] = row[5] + (size * multiplier / price).quantize(_COIN_STEP), row[6] + size * multiplier
            else:
                row[5], row[6] = row[5] + size * multiplier, row[6] + price * size * multiplier
        rows: list[list[str]] = []
        for begin in sorted(groups, reverse=True)[:LONGEST_LIST]:
            values = [f"{value.normalize():f}" for value in groups[begin]]
            closed = "1" if closing(begin, period) <= opening(latest, period) else "0"
            rows.append([str(begin // MILLISECOND), *values, closed])
        return rows

    def _contract(self, instrument: str) -> tuple[Decimal | None, bool]:
        """Return the worth of a contract and True if it is inverse; (None, False) on SPOT."""
        row = next((row for row in self.instruments(type_of(instrument)) if row["instId"] == instrument), {})
        value = row.get("ctVal")
        return (Decimal(value) * Decimal(row.get("ctMult") or 1) if value else None), row.get("ctType") == "inverse"

    def price_candles(self, channel: str, key: str) -> list[list[str]]:
        """Return no rows: candles of prices are not made of captures."""
        return []

    def status(self) -> list[dict[str, Any]]:
        """Return no rows: a capture has no system status."""
        return []

    def _schedule(self, stream: CaptureStream) -> None:
        if stream.position < len(stream.pushes):
            push = stream.pushes[stream.position]
            address = (stream.channel, stream.key)
            at = (self.origin or 0) + self._shift + push.at - self._first
            heappush(self._heap, (at, self._numbers[address], stream.position, address))

    def _repeat(self) -> None:
        """Restart every started stream from its first push; snapshots are published this time."""
        self._shift += self._length + _PAUSE_BEFORE_REPEAT
        for stream in self._streams.values():
            if stream.has_begun:
                stream.position = 0
                self._schedule(stream)

    def _has_trades(self, stream: CaptureStream) -> bool:
        """True if a stream's rows are the instrument's matches: individual trades where there are any, else aggregates."""
        if stream.channel != "trades":
            return stream.channel == "trades-all"
        single = self._streams.get(("trades-all", stream.key))
        return single is None or not single.has_begun

    def _keep_matches(self, instrument: str, rows: list[Any]) -> None:
        kept = self._matches.setdefault(instrument, [])
        for row in rows:
            names = ("instId", "tradeId", "px", "sz", "side", "ts")
            kept.append({**{name: str(row.get(name, "")) for name in names}, "source": str(row.get("source", "0"))})
