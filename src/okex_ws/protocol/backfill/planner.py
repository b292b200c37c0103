"""BackfillPlanner: decides which REST pages bring back what the stream missed, and when to ask for them. Sans-IO.

In: what a client is about to deliver (`feed`), and the answers of REST (`fetched`, `failed`). Out: what to deliver instead, the
fetched events, and for what cannot be had an Unrecoverable with its exact range. Every trade id is delivered once.
Trades follow their chain's Gap, and are checked by REST where a subscription begins anew in a quiet market; candles and funding
settlements follow from what the pushes skip. Memory is bounded: ranges of ids, one page a subscription.
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
from okex_ws.protocol.backfill.intervals import spans
from okex_ws.protocol.backfill.missed_candles import KINDS, MissedCandles, MissedFunding
from okex_ws.protocol.backfill.missed_trades import MissedTrades
from okex_ws.protocol.backfill.missing import Query
from okex_ws.protocol.pacing import SECOND, Window

CHANNELS = ("trades", "trades-all", "candle", "funding-rate")
"""What can be fetched back; `candle` stands for candles of any bar, of traded prices, mark prices and indices."""
IN_FLIGHT = 4
"""Pages asked for at once, of different subscriptions."""
SLACK_S = 0.2
"""Requests that leave evenly may arrive in a bunch."""
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
    """A request to carry out: GET /api/v5/`path`. Its `number` goes with the answer; `channel` is what it is for."""

    number: int
    path: str
    args: dict[str, str]
    channel: str


class BackfillPlanner:
    """Of one client.

    channels: those of CHANNELS that are to be fetched back. since: ns UTC of the exchange, from which on everything is wanted;
    None: from the first push on. luck: random numbers in [0, 1), to spread retries.
    """

    def __init__(
        self, *, channels: Iterable[str] = CHANNELS, since: int | None = None, luck: Callable[[], float] = lambda: 0.5
    ) -> None:
        self.channels = tuple(channels)
        unknown = [name for name in self.channels if name not in CHANNELS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} cannot be fetched back; what can: {', '.join(CHANNELS)}")
        self._since = since
        self._luck = luck
        self._missed: dict[tuple[str, str], Missed | None] = {}
        self._waiting: dict[tuple[str, str], Missed] = {}  # those that want, or are about to want, a page
        self._in_flight: dict[int, tuple[Missed, Query]] = {}
        self._windows = {path: Window(limit, period + SLACK_S) for path, (limit, period) in _LIMITS.items()}
        self._paused: dict[str, int] = {}
        self._number = 0

    # -- the stream's side -----------------------------------------------------------------------------------------------

    def feed(self, events: list[Event], now: int) -> list[Event]:
        """What a client is about to deliver → what to deliver instead; the same list, if nothing is to be changed."""
        changed: list[Event] | None = None
        for index, event in enumerate(events):
            if type(event) not in _KINDS or self._follows(event):
                if changed is not None:
                    changed.append(event)
                continue
            keep, said = self._look(event, now) if type(event) is not Disconnected else (True, self._handed_over(event, now))
            if changed is None and (said or not keep):
                changed = events[:index]
            if changed is not None:
                if keep:
                    changed.append(event)
                changed += said
        return events if changed is None else changed

    @property
    def duplicates(self) -> int:
        """Pushes not delivered, as REST had been faster."""
        return sum(missed.duplicates for missed in self._missed.values() if isinstance(missed, MissedTrades))

    @property
    def is_idle(self) -> bool:
        """Nothing is being fetched, nor about to be."""
        return not self._in_flight and all(missed.due() is None for missed in self._waiting.values())

    def stop(self, now: int) -> list[Event]:
        """Nothing will be fetched any more: what is still missing is said."""
        self._waiting.clear()
        self._in_flight.clear()
        known = [missed for missed in self._missed.values() if missed is not None]
        return [event for missed in known for event in _dated(missed.give_all_up("stopped", now), now)]

    # -- REST's side -----------------------------------------------------------------------------------------------------

    def deadline(self) -> int | None:
        """When to call `next_page`, ns; None: not before something else happens."""
        if len(self._in_flight) >= IN_FLIGHT:
            return None
        times = [
            max(due, self._ready_at(missed.path(due), 0))
            for missed in self._waiting.values()
            if (due := missed.due()) is not None
        ]
        return min(times, default=None)

    def next_page(self, now: int) -> PageRequest | None:
        """The page to ask for now, if any; call until None. Each is answered by `fetched` or `failed`."""
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
        """The next page of a subscription that wants one: what `next_page` chooses, or chose when it was recorded."""
        missed = self._missed[channel, instrument]
        assert missed is not None
        query = missed.query(now)
        self._waiting.pop((channel, instrument), None)
        self._windows[query.path].take(now)
        self._number += 1
        self._in_flight[self._number] = (missed, query)
        return PageRequest(self._number, query.path, query.args, channel)

    def fetched(self, number: int, rows: list[Any], now: int) -> list[Event]:
        """The rows of a page have come → events to deliver."""
        known = self._in_flight.pop(number, None)
        if known is None:
            return []
        return self._after(known[0], known[0].take(rows, now), now)

    def failed(self, number: int, now: int, *, code: str = "", detail: str = "") -> list[Event]:
        """A page could not be had. code: OKX's; detail: one line for people."""
        known = self._in_flight.pop(number, None)
        if known is None:
            return []
        missed, query = known
        if code in BUSY:
            self._paused[query.path] = max(self._paused.get(query.path, 0), now + SECOND)
        return self._after(missed, missed.fail(code, detail, now), now)

    def apply(self, kind: str, text: bytes, now: int) -> list[Event]:
        """An input as it was recorded: ask, page, page-fail or end. Fed and told the same, a planner says the same."""
        what = msgspec.json.decode(text)
        match kind:
            case "ask":
                self.ask(what["channel"], what["instrument"], now)
            case "page":
                return self.fetched(what["number"], what["rows"], now)
            case "page-fail":
                return self.failed(what["number"], now, code=what["code"], detail=what["detail"])
            case "end":
                return self.stop(now)
        return []

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _follows(self, event: Any) -> bool:
        """The usual case, quickly: the very next trade."""
        if type(event) is not Trade and type(event) is not SingleTrade:
            return False
        missed = self._missed.get((event.channel, event.instrument))
        return type(missed) is MissedTrades and missed.follows(event)

    def _look(self, event: Any, now: int) -> tuple[bool, list[Event]]:
        """Whether to deliver an event, and what to deliver after it."""
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
        """The predecessor is gone with all it had not said yet; what came from it meanwhile says nothing of its successor."""
        out: list[Event] = []
        for missed in self._missed.values():
            if event.handed_over and isinstance(missed, MissedTrades) and missed.line == event.line:
                missed.subscribed(event.line, now)
                out += self._after(missed, [], now)
        return out

    def _begin(self, channel: str, key: str) -> Missed | None:
        """What watches over a subscription; None: nothing can be fetched back there."""
        what = (channel, key, self._luck, self._since)
        kind, word, bar = channel.partition("candle")
        stem = "candle" if word and kind in KINDS else channel
        if not key or stem not in self.channels:
            return None
        if stem == "candle":
            return MissedCandles(*what) if spans(bar, 0) is not None else None
        return MissedFunding(*what) if stem == "funding-rate" else MissedTrades(*what)

    def _after(self, missed: Missed, events: list[Event], now: int) -> list[Event]:
        if missed.said:
            events, missed.said = [*events, *missed.said], []
        if missed.due() is not None and not any(missed is asked for asked, _ in self._in_flight.values()):
            self._waiting.setdefault((missed.channel, missed.instrument), missed)
        return _dated(events, now)

    def _ready_at(self, path: str, now: int) -> int:
        """When OKX's limits allow a request of this path; `now`, if at once."""
        return max(self._windows[path].ready_at(now), self._paused.get(path, 0))


def _dated(events: list[Event], now: int) -> list[Event]:
    """News are said now; rows keep the instant their page came at."""
    for event in events:
        event.ts_recv = event.ts_recv or now
    return events


_CANDLES = (Candle, MarkPriceCandle, IndexCandle)
_KINDS = frozenset((Trade, SingleTrade, *_CANDLES, FundingRate, Gap, Disconnected, Resumed, Stale, Subscribed, Unsubscribed))
