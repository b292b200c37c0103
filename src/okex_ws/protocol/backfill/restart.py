"""Restart: what was traded between two runs of a recorder, by ids. Sans-IO.

In: what this run hears (`feed`), and, as soon as it is known, where the runs before it ended (`tell`). Out: for each instrument
one Gap with the exact range, where the second of the two is heard.
"""

from __future__ import annotations

from typing import TypeGuard

import msgspec

from okex_ws.events import Event, Gap, SingleTrade, Trade

Place = tuple[str, str]
"""Channel and instrument."""


class Restart:
    """Of one run. Only ids that are counted tell: dead dialects' skip."""

    def __init__(self) -> None:
        self._before: dict[Place, int] = {}  # the id before the first that was heard
        self._known: dict[Place, int] = {}

    def apply(self, text: bytes, now: int) -> list[Event]:
        """The last ids of the runs before, by channel and instrument, as JSON."""
        known = msgspec.json.decode(text, type=dict[str, dict[str, int]])
        self._known = {(channel, name): last for channel, names in known.items() for name, last in names.items()}
        return [gap for place in self._before for gap in self._gap(place, now)]

    def feed(self, events: list[Event]) -> list[Event]:
        """What was heard → what is to be said; the same list, if nothing is to be added."""
        for event in events:
            if self._is_news(event):
                return [said for each in events for said in (each, *self.after(each))]
        return events

    def after(self, event: Event) -> list[Event]:
        """What is to be said after this event."""
        if not self._is_news(event):
            return []
        count = event.count if isinstance(event, Trade) else 1
        if event.backfilled or not count:
            return []
        place = event.channel, event.instrument
        self._before[place] = event.trade_id - count
        return self._gap(place, event.ts_recv)

    def _is_news(self, event: Event) -> TypeGuard[Trade | SingleTrade]:
        """Whether this is a trade, and none was heard there before."""
        return (type(event) is Trade or type(event) is SingleTrade) and (event.channel, event.instrument) not in self._before

    def _gap(self, place: Place, now: int) -> list[Event]:
        first, last = self._known.get(place, self._before[place]) + 1, self._before[place]
        if first > last:
            return []
        return [Gap(ts_recv=now, channel=place[0], instrument=place[1], cause="restart", first_id=first, last_id=last)]
