"""CaptureMarket: a recording of OKX V5 served again, its rows untouched, at the pace it was recorded.

In: JSON lines, one recorded frame each, with at least `raw` (the wire text) and, where known, `kind`, `dir`,
`conn`, `path`, `recv_ts`, `channel`. Pushes that came in and instrument lists are kept, everything else is
passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from okex_ws.simulator.market.base import (
    BOOK_DEPTH,
    CHECKSUMMED,
    INCREMENTAL,
    MILLISECOND,
    SECOND,
    Publication,
    candle_period,
    closing,
    opening,
)
from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.market.reference import completed, instrument_row, type_of

_HEARTBEAT = 100 * MILLISECOND
_PAUSE_BEFORE_AGAIN = SECOND
_BOOK_SOURCES = ("books", "books-l2-tbt", "books50-l2-tbt", "books5", "bbo-tbt")
_KEYS = ("instId", "sprdId", "instFamily", "instType")
_LONGEST_LIST = 1_440


@dataclass(slots=True)
class Frame:
    """One recorded push: `at` in ns of the recorder's clock."""

    at: int
    channel: str
    key: str
    rows: list[Any]
    action: str | None


@dataclass(slots=True)
class Recording:
    """What a file holds: the pushes of every connection in order, and instrument rows by type."""

    connections: dict[str, list[Frame]] = field(default_factory=dict)
    instruments: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def recorded_lines(source: str | Path | Iterable[str]) -> Iterator[dict[str, Any]]:
    """The records of a file or of lines already read; empty lines are passed over."""
    if isinstance(source, str | Path):
        with Path(source).open(encoding="utf-8") as lines:
            yield from recorded_lines(lines)
        return
    for number, line in enumerate(source, 1):
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} of the capture is no JSON: {error}") from None
            if isinstance(record, dict):
                yield record


def read_recording(source: str | Path | Iterable[str]) -> Recording:
    """Sort a capture's records. A connection is one (path, conn); connections are named "0", "1", … as they
    appear. Raises ValueError for a push that cannot be served: a file may come from anywhere.
    """
    recording = Recording()
    names: dict[tuple[str, str], str] = {}
    for number, record in enumerate(recorded_lines(source), 1):
        if record.get("dialect", "v5") != "v5" or record.get("dir", "in") != "in":
            continue
        raw = record.get("raw")
        message = _message(raw if isinstance(raw, str) else "")
        rows = message.get("data")
        if not isinstance(rows, list) or not rows:
            continue
        if record.get("kind") == "rest":
            if "instruments" in str(record.get("channel", "")) + str(record.get("url", "")):
                _keep_instruments(recording, rows)
            continue
        arg = message.get("arg")
        if not isinstance(arg, dict) or "channel" not in arg:
            continue
        origin = (str(record.get("path", "")), str(record.get("conn", "")))
        name = names.setdefault(origin, str(len(names)))
        key = next((str(arg[each]) for each in _KEYS if each in arg), "")
        try:
            _check(str(arg["channel"]), rows)
            at = _instant(record.get("recv_ts"), rows)
        except (ValueError, ArithmeticError, LookupError, TypeError) as error:
            raise ValueError(f"record {number} of the capture cannot be served: {error or type(error).__name__}") from None
        frame = Frame(at, str(arg["channel"]), key, rows, message.get("action"))
        recording.connections.setdefault(name, []).append(frame)
    return recording


def _message(raw: str) -> dict[str, Any]:
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _keep_instruments(recording: Recording, rows: list[Any]) -> None:
    for row in rows:
        if isinstance(row, dict) and row.get("instId") and row.get("instType"):
            recording.instruments.setdefault(str(row["instType"]), {}).setdefault(str(row["instId"]), row)


def _instant(recv_ts: Any, rows: list[Any]) -> int:
    """ns of the recorder's clock (seconds with a fraction, or ns), else of the row's own ms."""
    if recv_ts not in (None, ""):
        moment = _number(recv_ts)
        return int(moment if moment > 1_000_000_000_000 else moment * SECOND)
    row = rows[-1]
    ts = row.get("ts") if isinstance(row, dict) else row[0] if isinstance(row, list) and row else None
    return int(_number(ts or 0)) * MILLISECOND


def _check(channel: str, rows: list[Any]) -> None:
    """Raise what comes when a row is not what its channel's rows are, or a number is beyond all measure."""
    for row in rows:
        if "candle" in channel:
            for value in row[:5]:
                _number(value)
        elif not isinstance(row, dict):
            raise TypeError("a row is no object")
        elif channel in BOOK_DEPTH:
            for level in (*row.get("asks", ()), *row.get("bids", ())):
                if not isinstance(level, list):
                    raise TypeError("a level is no array")
                _number(level[0])
                _number(level[1])
        elif channel in ("trades", "trades-all"):
            for name in ("px", "sz", "ts", "tradeId"):
                _number(row[name])


def _number(value: Any) -> Decimal:
    """A price, size, id or time. 1e999999999 is short to write and fills the memory when it is written out."""
    number = Decimal(str(value)[:64])
    if not number.is_finite() or not -40 <= number.adjusted() <= 40:
        raise ValueError(f"{str(value)[:64]!r} is no number to count on")
    return number


class CaptureStream:
    """One channel and key of the chosen connection, and how far it has been told."""

    def __init__(self, channel: str, key: str) -> None:
        self.channel, self.key = channel, key
        self.frames: list[Frame] = []
        self.position = 0
        self.has_begun = False
        self.is_watched = False
        self.is_checksummed = False
        self.book = LevelBook(BOOK_DEPTH[channel]) if channel in BOOK_DEPTH else None
        self.last: list[Any] = []

    def open(self) -> None:
        """A captured first snapshot is not published: the first subscriber gets it as its snapshot."""
        first = self.frames[0]
        row = first.rows[0] if isinstance(first.rows[0], dict) else {}
        self.is_checksummed = self.channel in CHECKSUMMED and "checksum" in row
        if self.channel in INCREMENTAL and first.action == "snapshot":
            self.tell()

    def tell(self) -> Frame:
        """Go one frame on."""
        frame = self.frames[self.position]
        self.position += 1
        self.last = frame.rows
        if self.book is not None:
            for row in frame.rows:
                self.book.apply(row, is_full=frame.action != "update")
        return frame

    def snapshot(self, now: int) -> Publication | None:
        """What a subscriber gets at once: the captured snapshot itself until a later update was told."""
        if self.channel not in INCREMENTAL or self.book is None:
            told = self.last if self.channel in BOOK_DEPTH or "ticker" in self.channel or "candle" in self.channel else []
            return Publication(now, self.channel, self.key, told) if told else None
        if self.position == 1 and self.frames[0].action == "snapshot":
            return Publication(now, self.channel, self.key, self.frames[0].rows, "snapshot")
        row: dict[str, Any] = {
            "asks": self.book.best("asks", self.book.depth),
            "bids": self.book.best("bids", self.book.depth),
            "ts": self.book.ts or str(now // MILLISECOND),
        }
        if self.is_checksummed:
            row["checksum"] = self.book.checksum()
        return Publication(now, self.channel, self.key, [row], "snapshot")


class CaptureMarket:
    """One recorded connection as a market. source: a path or lines. start: ns UTC. conn: a name of
    `connections()` (None: the first). loop: begin again a second after the end; trade ids then repeat.

    The capture's clock begins with the first `watch` (`origin`, None before): recorded time t is then origin
    + (t - t0), t0 being the first push of the connection. A stream waits until it is watched for the first
    time; what its recorded time has passed by then is told at once, so that its first subscriber misses
    nothing. Later it runs on whether or not it is watched.
    """

    def __init__(self, source: str | Path | Iterable[str], *, start: int, conn: str | None = None, loop: bool = False) -> None:
        self.start = start
        self.origin: int | None = None
        self._now = start
        self._loop = loop
        self._recording = read_recording(source)
        names = self.connections()
        if not names:
            # V1's and V3's faces are made of a market too, which tells more than their pushes did.
            raise ValueError("the capture holds no V5 pushes, of which a market is made; okex-ws replay tells those of V1 and V3")
        self.conn = names[0] if conn is None else conn
        if self.conn not in self._recording.connections:
            raise ValueError(f"the capture has no connection {conn!r}; it has {', '.join(names)}")
        frames = self._recording.connections[self.conn]
        self._first = min(frame.at for frame in frames)
        self._streams: dict[tuple[str, str], CaptureStream] = {}
        self._length = 0
        before = self._first
        for frame in frames:
            # The recorder's clock may step back; the order of the recording is what counts.
            frame.at = before = max(frame.at, before)
            address = (frame.channel, frame.key)
            self._streams.setdefault(address, CaptureStream(*address)).frames.append(frame)
            self._length = frame.at - self._first
        for stream in self._streams.values():
            stream.open()
        self._numbers = {address: number for number, address in enumerate(self._streams)}
        self._heap: list[tuple[int, int, int, tuple[str, str]]] = []
        self._shift = 0
        self._matches: dict[str, list[dict[str, Any]]] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def connections(self) -> list[str]:
        """The names of the recorded connections that carry pushes."""
        return list(self._recording.connections)

    def streams(self) -> dict[tuple[str, str], int]:
        """(channel, key) -> number of recorded pushes, the first snapshot included."""
        return {address: len(stream.frames) for address, stream in self._streams.items()}

    def deadline(self) -> int | None:
        """The next push; before the first watch a heartbeat that keeps time; None when all has been told."""
        if self.origin is None:
            return self._now + _HEARTBEAT
        if not self._heap:
            return None
        return max(self._heap[0][0], self._now)

    def advance(self, now: int) -> list[Publication]:
        """The captured pushes up to and including `now`, their rows untouched."""
        out: list[Publication] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, _, address = heappop(self._heap)
            self._now = max(self._now, at)
            stream = self._streams[address]
            frame = stream.tell()
            self._line_up(stream)
            if self._is_tape(stream):
                self._keep_matches(stream.key, frame.rows)
            if stream.is_watched:
                out.append(Publication(self._now, stream.channel, stream.key, frame.rows, frame.action))
            if not self._heap and self._loop:
                self._again()
        self._now = max(self._now, now)
        return out

    def watch(self, channel: str, key: str) -> None:
        """Somebody listens: the stream begins, and with the very first the capture's clock."""
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
            self._line_up(stream)

    def unwatch(self, channel: str, key: str) -> None:
        """Nobody listens any more; the stream runs on unheard."""
        stream = self._streams.get((channel, key))
        if stream is not None:
            stream.is_watched = False

    def knows(self, channel: str, key: str) -> bool:
        """Only what was recorded, and the two channels that say something about the exchange itself."""
        if channel == "status":
            return key == ""
        if channel == "instruments":
            return key in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
        return (channel, key) in self._streams

    def snapshot(self, channel: str, key: str) -> Publication | None:
        """What a new subscriber gets at once."""
        stream = self._streams.get((channel, key))
        return None if stream is None else stream.snapshot(self._now)

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """The captured list completed to today's fields, plus rows for recorded ids in no list."""
        if inst_type not in self._rows:
            listed = self._recording.instruments.get(inst_type, {})
            rows = [completed(row) for row in listed.values()]
            missing = dict.fromkeys(key for _, key in self._streams if "-" in key and key not in listed and "_" not in key)
            self._rows[inst_type] = rows + [instrument_row(key) for key in missing if type_of(key) == inst_type]
        return [dict(row) for row in self._rows[inst_type]]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """The state last told on the deepest captured book channel of the instrument."""
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
        """The size that `book` shows at one price."""
        stream = self._book_stream(instrument)
        return Decimal(0) if stream is None or stream.book is None else stream.book.size_at(side, price)

    def follow(self, instrument: str) -> None:
        """Let the instrument's captured books and trades run, heard or unheard."""
        # One tape of the two is enough: both would tell every trade twice.
        tape = "trades-all" if ("trades-all", instrument) in self._streams else "trades"
        for stream in self._streams.values():
            if stream.key == instrument and (stream.book is not None or stream.channel == tape):
                self._begin(stream)

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        """Captured trades told so far, oldest first."""
        return self._matches.get(instrument, ())

    def candles(self, instrument: str, bar: str) -> list[list[str]]:
        """Candles of the captured trades told so far, newest first; only intervals with trades."""
        if candle_period(f"candle{bar}") is None:
            raise ValueError(f"{bar!r} is no bar of the candle channels")
        groups: dict[int, list[Decimal]] = {}
        latest = 0
        for match in self._matches.get(instrument, ()):
            price, size, ts = Decimal(match["px"]), Decimal(match["sz"]), int(match["ts"]) * MILLISECOND
            latest = max(latest, ts)
            row = groups.setdefault(opening(ts, bar), [price, price, price, price, Decimal(0), Decimal(0)])
            row[1], row[2], row[3] = max(row[1], price), min(row[2], price), price
            row[4] += size
            row[5] += price * size
        rows: list[list[str]] = []
        for begin in sorted(groups, reverse=True)[:_LONGEST_LIST]:
            values = [f"{value:f}" for value in groups[begin]]
            closed = "1" if closing(begin, bar) <= opening(latest, bar) else "0"
            rows.append([str(begin // MILLISECOND), *values, values[5], closed])
        return rows

    def status(self) -> list[dict[str, Any]]:
        """A capture knows of none."""
        return []

    def _line_up(self, stream: CaptureStream) -> None:
        if stream.position < len(stream.frames):
            frame = stream.frames[stream.position]
            address = (stream.channel, stream.key)
            at = (self.origin or 0) + self._shift + frame.at - self._first
            heappush(self._heap, (at, self._numbers[address], stream.position, address))

    def _again(self) -> None:
        """Every begun stream from its first frame; the snapshots are published this time."""
        self._shift += self._length + _PAUSE_BEFORE_AGAIN
        for stream in self._streams.values():
            if stream.has_begun:
                stream.position = 0
                self._line_up(stream)

    def _is_tape(self, stream: CaptureStream) -> bool:
        """Whether a stream's rows are the instrument's matches: its individual trades, where they are told."""
        if stream.channel != "trades":
            return stream.channel == "trades-all"
        single = self._streams.get(("trades-all", stream.key))
        return single is None or not single.has_begun

    def _keep_matches(self, instrument: str, rows: list[Any]) -> None:
        kept = self._matches.setdefault(instrument, [])
        for row in rows:
            names = ("instId", "tradeId", "px", "sz", "side", "ts")
            kept.append({**{name: str(row.get(name, "")) for name in names}, "source": str(row.get("source", "0"))})
