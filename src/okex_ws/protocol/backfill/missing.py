"""Missing: the missing rows of one subscription, fetched page by page. Sans-IO.

A page of OKX's history holds the newest rows older than `after`, newest first. The missing rows are numbered by slots (trade ids,
or candles counted from the epoch), so the rows that a page must hold are known. Holes are filled from their old end, one window
of at most a page at a time; its rows are delivered in order. Pages that are unsorted, overlap or lack rows are requested again.
Source: docs-v5 "Get trades history", "Get candlesticks history".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from okex_ws.events import Event, Push, Recovered, Unrecoverable
from okex_ws.protocol.backfill.ranges import Range, Ranges
from okex_ws.protocol.pacing import Backoff
from okex_ws.stateful import AnyEvent, Luck, Stateful
from okex_ws.wire.frames import FrameError

TRIES = 5
"""Pages without new rows, about 8 to 15 s in all, after which the rows count as absent: REST may lag behind."""
ERROR_TRIES = 10
"""Failures of REST in a row, about two minutes in all, after which a hole is given up."""
REFUSALS = ("50014", "50039", "51000", "51001", "51015")
"""Codes that make another request pointless: a wrong parameter, an instrument that OKX does not know any more."""
MOST_HOLES = 4_096


class Query(NamedTuple):
    """GET request: path below /api/v5/, and its parameters."""

    path: str
    args: dict[str, str]


def page_backoff() -> Backoff:
    """Return the delay between pages: doubling from a second to 30 s, half of it random."""
    return Backoff(1.0, 30.0, least=0.5)


class Missing(Stateful):
    """Holes of one subscription. holes: slots to fetch. pending: further events to deliver, to be taken by the planner.

    A subclass defines how pages are requested and read (`ask`, `read`), which rows are delivered (`accept`), and the fields that
    describe a range of slots in events (`name`).
    """

    STATE = {
        str: "channel instrument",
        int: "not_before width",
        Luck: "_luck",
        Ranges: "holes",
        Backoff: "_vain _errors",
        Stateful | None: "_search",
        Range | None: "_window",
        tuple[int, int, int] | None: "_run",
        tuple[int, AnyEvent] | None: "_above",
        dict[int, AnyEvent]: "_held",
        list[AnyEvent]: "pending",
    }

    width = 100

    def __init__(self, channel: str, instrument: str, luck: Callable[[], float]) -> None:
        self.channel = channel
        self.instrument = instrument
        self.holes = Ranges()
        self.pending: list[Event] = []
        self.not_before = 0
        self._luck = luck
        self._window: Range | None = None
        self._held: dict[int, Push] = {}
        self._search: _Search | None = None
        self._above: tuple[int, Push] | None = None  # lowest row that a search has found
        self._vain = page_backoff()  # pages without new rows
        self._errors = page_backoff()
        self._run: tuple[int, int, int] | None = None  # first and last slot of a recovered run, and its number of events

    # -- defined by a subclass -------------------------------------------------------------------------------------------

    def ask(self, after: int, low: int, now: int) -> Query:
        """Return the request for rows older than slot `after`; `low` is the oldest slot to fetch."""
        raise NotImplementedError

    def path(self, now: int) -> str:
        """Return the path of the next request, without a change of state."""
        raise NotImplementedError

    def read(self, rows: list[Any], now: int) -> dict[int, Push]:
        """Return the rows of a page by slot. Raises FrameError."""
        raise NotImplementedError

    def accept(self, slot: int, event: Push) -> bool:
        """True if a fetched row is to be delivered."""
        return True

    def name(self, low: int, high: int) -> dict[str, Any]:
        """Return first_id, last_id, since, until of a range of slots."""
        raise NotImplementedError

    # -- the planner's side ----------------------------------------------------------------------------------------------

    def due(self) -> int | None:
        """Time of the next request, ns; None: nothing is missing."""
        return self.not_before if self.holes else None

    def query(self, now: int) -> Query:
        """Return the next request."""
        low, high = self.holes.first
        if self._search is not None:
            return self.ask(self._search.at, self._search.low, now)
        if self._window is None or not self.holes.touches(*self._window):
            self._window, self._held = (low, min(high, low + self.width - 1)), {}
        return self.ask(self._unheld(self._window)[-1] + 1, self._window[0], now)

    def take(self, rows: list[Any], now: int) -> list[Event]:
        """Apply the rows of a page."""
        try:
            page = self.read(rows, now)
        except FrameError as error:
            return self.fail("", str(error), now)
        self._errors.reset()
        self.not_before = now
        if not self.holes:
            return []  # the missing rows have arrived by themselves
        return self._searched(page, now) if self._search is not None else self._paged(page, now)

    def fail(self, code: str, detail: str, now: int) -> list[Event]:
        """Apply a failed request. code: OKX's, "" without an answer."""
        if code in REFUSALS or self._errors.tries + 1 >= ERROR_TRIES:
            self._errors.reset()
            return self.give_up("refused" if code in REFUSALS else "unreachable", detail, now)
        self.not_before = self._errors.next_at(now, self._luck())
        return []

    def give_up(self, reason: str, detail: str, now: int) -> list[Event]:
        """Give up the lowest hole, and deliver the rows held of it."""
        if not self.holes:
            return []
        low, high = self.holes.first
        out = self._deliver(reason, detail) if self._window is not None and self._held else []
        out += self._write_off(low, high, reason, detail)
        self._begin_anew()
        return out

    def give_all_up(self, reason: str, now: int) -> list[Event]:
        """Give up all holes."""
        out: list[Event] = []
        while self.holes:
            out += self.give_up(reason, "", now)
        return out

    def want(self, low: int, high: int, now: int) -> None:
        """Add a hole, to be filled from `now` on."""
        if not self.holes:
            self.not_before = max(self.not_before, now)
        self.holes.add(low, high)
        if len(self.holes) > MOST_HOLES:
            self.pending += self.give_up("overflow", "", now)
        elif low < (self._search.low if self._search else self._window[0] if self._window else low):
            self._begin_anew()  # the lower hole comes first

    def search(self) -> None:
        """Search for the oldest row of the lowest hole before any page of it is requested."""
        self._begin_anew()
        low, high = self.holes.first
        self._search = _Search(low, high + 1, low, self.width)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        self._window, self._held, self._search = None, {}, None
        self._vain.reset()

    def _unheld(self, window: Range) -> list[int]:
        parts = self.holes.inside(*window)
        return [slot for low, high in parts for slot in range(low, high + 1) if slot not in self._held]

    def _paged(self, page: dict[int, Push], now: int) -> list[Event]:
        if self._window is None or not self.holes.touches(*self._window):
            self._begin_anew()  # the hole was filled, or a lower one appeared, while the request was in flight
            return []
        fresh = [slot for slot in self._unheld(self._window) if slot in page]
        for slot in fresh:
            self._held[slot] = page[slot]
        if not self._unheld(self._window):
            return self._deliver("", "")
        if fresh:
            self._vain.reset()
            return []
        if self._vain.tries + 1 < TRIES:
            self.not_before = self._vain.next_at(now, self._luck())
            return []
        if self._held:
            return self._deliver("absent" if page else "expired", "")
        low, high = self.holes.first
        reached = self._window[1]
        self._begin_anew()
        if reached >= high:
            return self._write_off(low, high, "absent" if page else "expired", "")
        self._search = _Search(low, high + 1, reached + 1, self.width)
        return []

    def _searched(self, page: dict[int, Push], now: int) -> list[Event]:
        search = self._search
        assert search is not None
        low, high = self.holes.first
        if low != search.low or high < search.at - 1:
            self._begin_anew()
            return []
        lowest = min((slot for slot in page if search.low <= slot < search.at), default=None)
        if lowest is not None:
            self._above = (lowest, page[lowest])
        begin = search.answer(lowest)
        if begin is None:
            if search.must_wait:
                self.not_before = search.vain.next_at(now, self._luck())
            return []
        self._begin_anew()
        return self._write_off(low, begin - 1, "absent" if page else "expired", "") if begin > low else []

    def _deliver(self, reason: str, detail: str) -> list[Event]:
        """Return the window's rows in order; rows missing among them are written off for this reason."""
        assert self._window is not None
        low, high = self._window
        held = self._held
        out: list[Event] = []
        lost: Range | None = None
        for slot in [slot for part in self.holes.inside(low, high) for slot in range(part[0], part[1] + 1)]:
            if slot not in held:
                lost = (lost[0] if lost else slot, slot)
                continue
            if lost:
                out += self._write_off(*lost, reason, detail)
                lost = None
            out += self._recovered(slot - 1)
            is_accepted = self.accept(slot, held[slot])
            if is_accepted:
                out.append(held[slot])
            first, _, count = self._run or (slot, slot, 0)
            self._run = (first, slot, count + is_accepted)
        if lost:
            out += self._write_off(*lost, reason, detail)
        self.holes.remove(low, high)
        self._begin_anew()
        if self._run is not None and not self.holes.touches(self._run[1] + 1, self._run[1] + 1):
            out += self._recovered(None)
        return out

    def _recovered(self, last: int | None) -> list[Event]:
        """Report the recovered run, unless it continues right after slot `last`."""
        run = self._run
        if run is None or run[1] == last:
            return []
        self._run = None
        if not run[2]:
            return []
        return [Recovered(channel=self.channel, instrument=self.instrument, count=run[2], **self.name(run[0], run[1]))]

    def _write_off(self, low: int, high: int, reason: str, detail: str) -> list[Event]:
        out = self._recovered(None)
        for first, last in self.holes.inside(low, high):
            what = self.name(first, last)
            out.append(Unrecoverable(channel=self.channel, instrument=self.instrument, reason=reason, detail=detail, **what))
        self.holes.remove(low, high)
        return out


class _Search(Stateful):
    """Search for the oldest row from slot `low` up to `top`: with growing steps upwards, then by bisection.

    An answer without rows may be wrong. It is accepted during the search, but the result is confirmed by `TRIES` answers.
    """

    STATE = {int: "low top _floor _step", int | None: "_ceiling", bool: "must_wait", Backoff: "vain"}

    def __init__(self, low: int, top: int, floor: int, width: int) -> None:
        self.low = low
        self.top = top
        self.vain = page_backoff()  # answers without rows at the end of the search
        self.must_wait = False
        self._floor = floor  # no row from `low` up to here
        self._ceiling: int | None = None  # a row is here
        self._step = width * 4

    @property
    def at(self) -> int:
        """Slot below which rows are requested next."""
        if self._ceiling is None:
            return min(self.top, self._floor + self._step)
        return (self._floor + self._ceiling + 1) // 2

    def answer(self, lowest: int | None) -> int | None:
        """Apply the lowest row found from `low` up to `at`. Returns the first slot with a row, `top` if none; None: continue."""
        at = self.at
        if lowest is not None:
            self.vain.reset()
            self.must_wait = False
            if lowest < self._floor:
                self._floor = self.low  # some answer was wrong
            self._ceiling = lowest
            return lowest if lowest == self.low else None
        if at in (self._ceiling, self.top):
            self.must_wait = True
            return at if self.vain.tries + 1 >= TRIES else None
        self._floor = at
        self._step *= 4
        return None
