"""Restart: gaps of trade ids between two runs of a recorder. Sans-IO.

In: events of this run (`feed`), and the last ids of the runs before it, as soon as they are read (`apply`). Out: for each
instrument one Gap with the exact range, as soon as both are known.
"""

from __future__ import annotations

from typing import TypeGuard

from okex_ws.events import Event, Gap, SingleTrade, Trade
from okex_ws.stateful import Stateful

Place = tuple[str, str]
"""Channel and instrument."""


class Restart(Stateful):
    """Gaps before one run. Only trades with a count are used: ids of V1 and V3 skip."""

    STATE = {dict[Place, int]: "_before _known"}

    def __init__(self) -> None:
        self._before: dict[Place, int] = {}  # id before the first one of this run
        self._known: dict[Place, int] = {}

    def apply(self, known: dict[str, dict[str, int]], now: int) -> list[Event]:
        """Apply the last ids of the runs before, by channel and instrument."""
        self._known = {(channel, name): last for channel, names in known.items() for name, last in names.items()}
        return [gap for place in self._before for gap in self._gap(place, now)]

    def feed(self, events: list[Event]) -> list[Event]:
        """Return `events` with gaps inserted; the same list if there are none."""
        for event in events:
            if self._is_first(event):
                return [found for each in events for found in (each, *self.after(each))]
        return events

    def after(self, event: Event) -> list[Event]:
        """Return the gaps to deliver after an event."""
        if not self._is_first(event):
            return []
        count = event.count if isinstance(event, Trade) else 1
        if event.backfilled or not count:
            return []
        place = event.channel, event.instrument
        self._before[place] = event.trade_id - count
        return self._gap(place, event.ts_recv)

    def _is_first(self, event: Event) -> TypeGuard[Trade | SingleTrade]:
        """True for the first trade of an instrument in this run."""
        return (type(event) is Trade or type(event) is SingleTrade) and (event.channel, event.instrument) not in self._before

    def _gap(self, place: Place, now: int) -> list[Event]:
        first, last = self._known.get(place, self._before[place]) + 1, self._before[place]
        if first > last:
            return []
        return [Gap(ts_recv=now, channel=place[0], instrument=place[1], cause="restart", first_id=first, last_id=last)]
