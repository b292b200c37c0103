"""Restart: what was traded between two runs of a recorder, by ids. Sans-IO.

In: what this run hears (`feed`), and, as soon as it is known, where the runs before it ended (`tell`). Out: for each instrument
one Gap with the exact range, where the second of the two is heard.
"""

from __future__ import annotations

import msgspec

from okex_ws.events import Event, Gap, SingleTrade, Trade

Place = tuple[str, str]
"""Channel and instrument."""
_KINDS = frozenset((Trade, SingleTrade))


class Restart:
    """Of one run. Only ids that are counted tell: dead dialects' skip."""

    def __init__(self) -> None:
        self._before: dict[Place, int] = {}  # the id before the first that was heard
        self._known: dict[Place, int] = {}

    def tell(self, text: bytes, now: int) -> list[Event]:
        """The last ids of the runs before, by channel and instrument, as JSON."""
        known = msgspec.json.decode(text, type=dict[str, dict[str, int]])
        self._known = {(channel, name): last for channel, names in known.items() for name, last in names.items()}
        return [gap for place in self._before for gap in self._gap(place, now)]

    def feed(self, events: list[Event]) -> list[Event]:
        """What was heard → what is to be said; the same list, if nothing is to be added."""
        if not any(type(event) in _KINDS for event in events):
            return events
        return [said for event in events for said in (event, *self.after(event))]

    def after(self, event: Event) -> list[Event]:
        """What is to be said after this event."""
        if type(event) is not Trade and type(event) is not SingleTrade:
            return []
        place = event.channel, event.instrument
        count = event.count if isinstance(event, Trade) else 1
        if place in self._before or event.backfilled or not count:
            return []
        self._before[place] = event.trade_id - count
        return self._gap(place, event.ts_recv)

    def _gap(self, place: Place, now: int) -> list[Event]:
        first, last = self._known.get(place, self._before[place]) + 1, self._before[place]
        if first > last:
            return []
        return [Gap(ts_recv=now, channel=place[0], instrument=place[1], cause="restart", first_id=first, last_id=last)]
