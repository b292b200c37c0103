"""Events as lines: readable text for people, JSON for machines.

Text from the exchange is escaped before it reaches a terminal.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from okex_ws.client.sanitize import one_line as escaped
from okex_ws.events import (
    BookEvent,
    BookUpdate,
    Candle,
    Connected,
    ConsumerFailed,
    Disconnected,
    Dropped,
    Event,
    Gap,
    Malformed,
    Notice,
    Push,
    Recovered,
    Refused,
    Resumed,
    SingleTrade,
    Stale,
    StatusEvent,
    Subscribed,
    Ticker,
    Trade,
    Unrecognized,
    Unrecoverable,
    Unsubscribed,
)
from okex_ws.events.books import level_of
from okex_ws.market import Books

_COLOURS = {"dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1"}
_BOOK_RAWS = ("raw_bids", "raw_asks")
_QUIET = (Subscribed, Unsubscribed)


def number(value: float | None) -> str:
    """Return a number without exponent and without a trailing .0; "-" if unknown."""
    if value is None:
        return "-"
    text = repr(float(value))
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def clock(ns: int, *, ms: bool = True) -> str:
    """Return the local time of day, HH:MM:SS.mmm."""
    text = time.strftime("%H:%M:%S", time.localtime(ns // 1_000_000_000))
    return f"{text}.{ns // 1_000_000 % 1000:03d}" if ms else text


def coloured(text: str, colour: str, on: bool) -> str:
    """Return the text in an ANSI colour if `on`."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on else text


class EventLines:
    """Events as text lines. Keeps its own books, so that a line shows the best prices at its event, not the present ones.

    colour: use ANSI. kinds, instruments: values that the first columns must have room for.
    """

    def __init__(self, *, colour: bool, kinds: Iterable[str] = (), instruments: Iterable[str] = ()) -> None:
        self.colour = colour
        self._books = Books()
        self._kind_width = max(map(len, kinds), default=8)
        self._width = max(map(len, instruments), default=8)
        self._price_width = 10

    def line(self, event: Event) -> str | None:
        """Return one line for an event; None for events that are not shown. Every event must be passed, in order."""
        self._books.apply(event)
        if isinstance(event, StatusEvent):
            return None if isinstance(event, _QUIET) else self._news(event)
        kind = event.channel if isinstance(event, Push) else type(event).__name__
        instrument = str(getattr(event, "instrument", "") or getattr(event, "instrument_type", ""))
        head = f"{escaped(kind):<{self._kind_width}}  {escaped(instrument):<{self._width}}"
        return f"{self._paint(clock(event.ts_recv), 'dim')}  {head}  {self._details(event)}"

    def _details(self, event: Event) -> str:
        if isinstance(event, Trade | SingleTrade):
            side = self._paint(f"{escaped(event.side):<4}", "green" if event.side == "buy" else "red")
            return f"{self._price(event.price)}  {side}  {number(event.size):<14}  id {event.trade_id}"
        if isinstance(event, BookEvent):
            return self._book(event)
        if isinstance(event, Ticker):
            touch = f"{self._price(event.best_bid)} / {number(event.best_ask):<{self._price_width}}"
            return f"{self._price(event.last)}  {touch}  24h {number(event.low_24h)} to {number(event.high_24h)}"
        if isinstance(event, Candle):
            prices = f"o {number(event.open)}  h {number(event.high)}  l {number(event.low)}  volume {number(event.volume)}"
            state = "closed" if event.closed else "forming"
            return f"{self._price(event.close)}  {clock(event.open_ms * 1_000_000, ms=False)} {prices}  {state}"
        return " ".join(f"{name}={_short(value)}" for name, value in _own_fields(event))

    def _book(self, event: BookEvent) -> str:
        book = self._books.get(event.instrument, event.channel)
        bid, ask = book.best_bid, book.best_ask
        if not book.is_live:
            touch = self._paint(f"{book.state.value:>{self._price_width}}", "yellow")
        else:
            prices = f"{self._price(bid.price if bid else None)} / {number(ask.price if ask else None):<{self._price_width}}"
            touch = f"{prices} {number(bid.size if bid else None):>10} × {number(ask.size if ask else None):<10}"
        if isinstance(event, BookUpdate):
            what = "alive" if event.is_keepalive else f"+{len(event.raw_bids)} bids +{len(event.raw_asks)} asks"
        else:
            what = f"{len(event.raw_bids)} bids {len(event.raw_asks)} asks"
        return f"{touch}  {self._paint(what, 'dim')}"

    def _news(self, event: StatusEvent) -> str:
        colour = "dim" if isinstance(event, Connected) else "yellow"
        if isinstance(event, Refused) or (isinstance(event, Disconnected) and event.fatal):
            colour = "red"
        kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(event).__name__).lower()
        return f"{self._paint(clock(event.ts_recv), 'dim')}  {self._paint(f'{kind:<12}', colour)} {escaped(status_text(event))}"

    def _price(self, value: float | None) -> str:
        text = number(value)
        self._price_width = max(self._price_width, len(text))
        return f"{text:>{self._price_width}}"

    def _paint(self, text: str, colour: str) -> str:
        return coloured(text, colour, self.colour)


def status_text(event: StatusEvent) -> str:
    """Return a status event in words, not escaped."""
    match event:
        case Connected():
            return f"{event.line} to {event.url}" + (" (takes over without a gap)" if event.handover else "")
        case Disconnected(handed_over=True):
            return f"{event.line} {event.reason}"
        case Disconnected():
            then = "" if event.retry_s is None else f"; next try in {event.retry_s:.1f} s"
            return f"{event.line} {event.reason}{f' ({event.code})' if event.code != 1006 else ''}{then}"
        case Refused():
            advice = f"; {event.advice}" if event.advice else ""
            again = "; will be requested again" if event.will_retry else ""
            return f"{event.channel} {event.key} {event.code} {event.message.rstrip('.')}{advice}{again}".strip()
        case Gap(first_id=int()):
            return f"{event.channel} {event.instrument} trades {event.first_id} to {event.last_id} are missing ({event.cause})"
        case Gap():
            after = "" if event.last_sequence is None else f" after sequence {event.last_sequence}"
            return f"{event.channel} {event.instrument}{after} ({event.cause}): stale until its next snapshot"
        case Recovered(first_id=int()):
            return f"{event.channel} {event.instrument} trades {event.first_id} to {event.last_id} were fetched"
        case Recovered():
            return f"{event.channel} {event.instrument} {clock(event.since)} to {clock(event.until)} was fetched"
        case Unrecoverable():
            ids = f"trades {'…' if event.first_id is None else event.first_id} to {event.last_id}"
            what = ids if event.last_id is not None else f"{clock(event.since)} to {clock(event.until)}"
            because = f"{event.reason}, {event.detail}" if event.detail else event.reason
            return f"{event.channel} {event.instrument} {what} cannot be fetched ({because})"
        case Stale():
            return f"{event.channel} {event.key} silent for {event.silent_s:.0f} s ({event.cause})"
        case Resumed():
            return f"{event.channel} {event.key}"
        case Notice():
            return f"{event.code} {event.message}"
        case Malformed():
            return f"{event.reason}: {event.raw[:120].decode(errors='backslashreplace')}"
        case Unrecognized():
            return event.raw[:120].decode(errors="backslashreplace")
        case Dropped():
            return f"{event.count} events, {event.total} in total: {event.consumer} was too slow"
        case ConsumerFailed():
            return f"{event.consumer}: {event.error}"
    return " ".join(f"{name}={_short(value)}" for name, value in _own_fields(event))


def as_json(event: Event) -> str:
    """Return one JSON object on one line, pure ASCII: event (the class), ts_recv, ts_event, then our field names; levels are
    numbers, or texts where one is no number.
    """
    fields: dict[str, Any] = {"event": type(event).__name__, "ts_recv": event.ts_recv, "ts_event": event.ts_event}
    for name in event.__struct_fields__:
        if name == "ts_recv" or name in _BOOK_RAWS:
            continue
        # Two classes have a field named `event`; the class name replaces it.
        fields["event_" if name == "event" else name] = plain(getattr(event, name))
    if isinstance(event, BookEvent):
        fields["bids"], fields["asks"] = _levels(event.raw_bids), _levels(event.raw_asks)
    text = msgspec.json.encode(fields).decode()
    return text if text.isascii() else re.sub(r"[^\x00-\x7f]", _unicode_escape, text)


def _levels(rows: Sequence[tuple[str, ...]]) -> list[Any]:
    """Return levels as numbers; a level that holds a text that is no number as its texts."""
    levels: list[Any] = []
    for row in rows:
        try:
            levels.append(level_of(row))
        except ValueError:
            levels.append(row)
    return levels


def _unicode_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def plain(value: Any) -> Any:
    """Return a value as JSON types, fields by our names."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return value


def _own_fields(event: Event) -> list[tuple[str, Any]]:
    shared = ("ts_recv", "channel", "backfilled", "instrument", "ts_ms", "line")
    pairs = [(name, getattr(event, name)) for name in event.__struct_fields__ if name not in shared]
    return [(name, value) for name, value in pairs if value not in (None, "", [], (), {})]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, msgspec.Struct | list | tuple | dict | bytes):
        return escaped(msgspec.json.encode(plain(value)).decode())
    return escaped(str(value))
