"""BackfillPlanner: decides which REST pages to fetch for missing events, and when. Sans-IO.

In: the events that a client is about to deliver (`feed`), and answers of REST (`fetched`, `failed`). Out: the events to deliver
instead, the fetched events, and an Unrecoverable with its exact range for events that cannot be fetched. Every trade id is
delivered once. Missing trades follow from the Gap of their chain, and are checked by REST where a subscription begins again in a
quiet market; candles and settlements follow from those that pushes skip. Memory is bounded: ranges of ids, one page a
subscription.
Source: docs-v5 REST "Rate limits" of each endpoint, per IP address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from okex_ws.events import (
    Candle,
    Disconnected,
    Event,
    FundingRate,
    Gap,
    IndexCandle,
    MarkPriceCandle,
    Resumed,
    SingleTrade,
    Stale,
    Subscribed,
    Trade,
    Unsubscribed,
)
from okex_ws.protocol.backfill.intervals import intervals
from okex_ws.protocol.backfill.missed_candles import KINDS, MissedCandles, MissedFunding
from okex_ws.protocol.backfill.missed_trades import MissedTrades
from okex_ws.protocol.backfill.missing import Query
from okex_ws.protocol.pacing import SECOND, Window
from okex_ws.stateful import Luck, Stateful

CHANNELS = ("trades", "trades-all", "candle", "funding-rate")
"""Channels that can be fetched; `candle` means candles of any length, of traded prices, mark prices and indices."""
IN_FLIGHT = 4
"""Requests in flight at most, of different subscriptions."""
SLACK_S = 0.2
"""Extra time for each limit: requests sent evenly may arrive close together."""
BUSY = ("50011", "50013", "50040", "50061")

_LIMITS = {
    "market/history-trades": (20, 2.0),
    "market/trades": (100, 2.0),
    "market/candles": (40, 2.0),
    "market/history-candles": (20, 2.0),
    "market/mark-price-candles": (20, 2.0),
    "market/history-mark-price-candles": (10, 2.0),
    "market/index-candles": (20, 2.0),
    "market/history-index-candles": (10, 2.0),
    "public/funding-rate-history": (10, 2.0),
}

Missed = MissedTrades | MissedCandles | MissedFunding


class PageRequest(msgspec.Struct, frozen=True):
    """Request to GET /api/v5/`path`. Its answer carries its `number`; `channel` is the one it serves."""

    number: int
    path: str
    args: dict[str, str]
    channel: str


class BackfillPlanner(Stateful):
    """Backfill of one client.

    channels: those of CHANNELS to fetch. since: ns UTC of the exchange, time of the oldest event to fetch; None: the first push.
    luck: random numbers in [0, 1), to spread retries.
    """

    STATE = {
        int: "_number",
        int | None: "_since",
        Luck: "_luck",
        tuple[str, ...]: "channels",
        dict[str, int]: "_paused",
        dict[str, Window]: "_windows",
        dict[tuple[str, str], Stateful | None]: "_missed",
        dict[tuple[str, str], Stateful]: "_waiting",
        dict[int, tuple[Stateful, Query]]: "_in_flight",
    }

    def __init__(
        self, *, channels: Iterable[str] = CHANNELS, since: int | None = None, luck: Callable[[], float] = lambda: 0.5
    ) -> None:
        self.channels = tuple(channels)
        unknown = [name for name in self.channels if name not in CHANNELS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} cannot be fetched back; these can be: {', '.join(CHANNELS)}")
        self._since = since
        self._luck = luck
        self._missed: dict[tuple[str, str], Missed | None] = {}
        self._waiting: dict[tuple[str, str], Missed] = {}  # those with a request to send, now or later
        self._in_flight: dict[int, tuple[Missed, Query]] = {}
        self._windows = {path: Window(limit, period + SLACK_S) for path, (limit, period) in _LIMITS.items()}
        self._paused: dict[str, int] = {}
        self._number = 0

    # -- events of the stream --------------------------------------------------------------------------------------------

    def feed(self, events: list[Event], now: int) -> list[Event]:
        """Return the events to deliver instead of `events`; the same list if nothing changes."""
        changed: list[Event] | None = None
        for index, event in enumerate(events):
            if type(event) not in _KINDS or self._follows(event):
                if changed is not None:
                    changed.append(event)
                continue
            keep, more = self._apply(event, now) if type(event) is not Disconnected else (True, self._handed_over(event, now))
            if changed is None and (more or not keep):
                changed = events[:index]
            if changed is not None:
                if keep:
                    changed.append(event)
                changed += more
        return events if changed is None else changed

    @property
    def duplicates(self) -> int:
        """Number of pushes not delivered, because REST was faster."""
        return sum(missed.duplicates for missed in self._missed.values() if isinstance(missed, MissedTrades))

    @property
    def is_idle(self) -> bool:
        """True if nothing is being fetched or waits for a fetch."""
        return not self._in_flight and all(missed.due() is None for missed in self._waiting.values())

    def stop(self, now: int) -> list[Event]:
        """Fetch nothing any more, and report everything still missing."""
        self._waiting.clear()
        self._in_flight.clear()
        known = [missed for missed in self._missed.values() if missed is not None]
        return [event for missed in known for event in _dated(missed.give_all_up("stopped", now), now)]

    # -- requests and answers --------------------------------------------------------------------------------------------

    def deadline(self) -> int | None:
        """Time of the next call of `next_page`, ns; None: not before another input."""
        if len(self._in_flight) >= IN_FLIGHT:
            return None
        times = [
            max(due, self._ready_at(missed.path(due), 0))
            for missed in self._waiting.values()
            if (due := missed.due()) is not None
        ]
        return min(times, default=None)

    def next_page(self, now: int) -> PageRequest | None:
        """Return the next request, if any; call until None. Each is answered by `fetched` or `failed`."""
        if len(self._in_flight) >= IN_FLIGHT:
            return None
        for place, missed in list(self._waiting.items()):
            due = missed.due()
            if due is None:
                del self._waiting[place]
                continue
            if due <= now and self._ready_at(missed.path(now), now) <= now:
                return self.ask(*place, now)
        return None

    def ask(self, channel: str, instrument: str, now: int) -> PageRequest:
        """Return the next request of a subscription that `next_page` chose, now or when it was recorded."""
        missed = self._missed[channel, instrument]
        assert missed is not None
        query = missed.query(now)
        self._waiting.pop((channel, instrument), None)
        self._windows[query.path].take(now)
        self._number += 1
        self._in_flight[self._number] = (missed, query)
        return PageRequest(self._number, query.path, query.args, channel)

    def fetched(self, number: int, rows: list[Any], now: int) -> list[Event]:
        """Apply the rows of a page and return the events to deliver."""
        known = self._in_flight.pop(number, None)
        if known is None:
            return []
        return self._after(known[0], known[0].take(rows, now), now)

    def failed(self, number: int, now: int, *, code: str = "", detail: str = "") -> list[Event]:
        """Apply a failed request. code: OKX's; detail: one line of text."""
        known = self._in_flight.pop(number, None)
        if known is None:
            return []
        missed, query = known
        if code in BUSY:
            self._paused[query.path] = max(self._paused.get(query.path, 0), now + SECOND)
        return self._after(missed, missed.fail(code, detail, now), now)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _follows(self, event: Any) -> bool:
        """Apply the usual case fast: a trade that directly follows the last one."""
        if type(event) is not Trade and type(event) is not SingleTrade:
            return False
        missed = self._missed.get((event.channel, event.instrument))
        return type(missed) is MissedTrades and missed.follows(event)

    def _apply(self, event: Any, now: int) -> tuple[bool, list[Event]]:
        """Apply an event. Returns if it is to be delivered, and the events to deliver after it."""
        key = event.instrument if hasattr(event, "instrument") else event.key
        place = (event.channel, key)
        try:
            missed = self._missed[place]
        except KeyError:
            missed = self._missed[place] = self._begin(*place)
        if missed is None:
            return True, []
        keep = True
        if isinstance(missed, MissedTrades):
            if isinstance(event, Trade | SingleTrade):
                keep = missed.feed(event, now)
            elif isinstance(event, Gap):
                missed.feed_gap(event, now)
            elif isinstance(event, Subscribed):
                missed.subscribed(event.line, now)
            elif isinstance(event, Unsubscribed):
                missed.unsubscribed()
            elif isinstance(event, Stale):
                missed.silent(now)
        elif isinstance(missed, MissedCandles):
            if isinstance(event, Candle):
                missed.feed(event, now)
            elif isinstance(event, Resumed):
                missed.resumed()
        elif isinstance(event, FundingRate):
            missed.feed(event, now)
        return keep, self._after(missed, [], now)

    def _handed_over(self, event: Disconnected, now: int) -> list[Event]:
        """Check trades after a hand-over: the predecessor's unread rows are lost, and its last rows may be old."""
        out: list[Event] = []
        for missed in self._missed.values():
            if event.handed_over and isinstance(missed, MissedTrades) and missed.line == event.line:
                missed.subscribed(event.line, now)
                out += self._after(missed, [], now)
        return out

    def _begin(self, channel: str, key: str) -> Missed | None:
        """Return the state of a new subscription; None if nothing of it can be fetched."""
        what = (channel, key, self._luck, self._since)
        kind, word, bar = channel.partition("candle")
        stem = "candle" if word and kind in KINDS else channel
        if not key or stem not in self.channels:
            return None
        if stem == "candle":
            return MissedCandles(*what) if intervals(bar, 0) is not None else None
        return MissedFunding(*what) if stem == "funding-rate" else MissedTrades(*what)

    def _after(self, missed: Missed, events: list[Event], now: int) -> list[Event]:
        if missed.pending:
            events, missed.pending = [*events, *missed.pending], []
        if missed.due() is not None and not any(missed is other for other, _ in self._in_flight.values()):
            self._waiting.setdefault((missed.channel, missed.instrument), missed)
        return _dated(events, now)

    def _ready_at(self, path: str, now: int) -> int:
        """Time at which OKX's limits allow a request of this path; `now` if at once."""
        return max(self._windows[path].ready_at(now), self._paused.get(path, 0))


def _dated(events: list[Event], now: int) -> list[Event]:
    """Set the time of status events to now; rows keep the arrival time of their page."""
    for event in events:
        event.ts_recv = event.ts_recv or now
    return events


_CANDLES = (Candle, MarkPriceCandle, IndexCandle)
_KINDS = frozenset((Trade, SingleTrade, *_CANDLES, FundingRate, Gap, Disconnected, Resumed, Stale, Subscribed, Unsubscribed))
