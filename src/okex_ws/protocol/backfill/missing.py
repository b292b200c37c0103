"""Missing: what one subscription missed, fetched back page by page. Sans-IO.

A page of OKX's history is "the newest so many rows older than `after`", newest first. The rows wanted are numbered by slots
(trade ids, or candles counted from the epoch), so it is known what a page must hold. Holes are filled from their old end on, a
window of at most a page at a time, whose rows go out in order. Pages that are unsorted, overlap or come short are asked for anew.
Source: docs-v5 "Get trades history", "Get candlesticks history".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from okex_ws.events import Event, Push, Recovered, Unrecoverable
from okex_ws.protocol.backfill.ranges import Range, Ranges
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.frames import FrameError

TRIES = 5
"""How often a page may bring nothing new, about 8 to 15 s in all, before its rows count as not there: REST may lag behind."""
ERROR_TRIES = 10
"""How often REST may fail in a row, about two minutes in all, before a hole is given up."""
REFUSALS = ("50014", "50039", "51000", "51001", "51015")
"""Codes after which asking again is pointless: a wrong parameter, an instrument OKX does not know any more."""
MOST_HOLES = 4_096


class Query(NamedTuple):
    """A GET: path below /api/v5/, and its parameters."""

    path: str
    args: dict[str, str]


def wait(tries: int, luck: float) -> int:
    """How long to wait after so many vain tries, ns: doubling from half a second to 30 s, half of it by chance."""
    cap: int = min(30 * SECOND, SECOND // 2 * 2 ** min(tries, 10))
    return cap // 2 + int(cap / 2 * luck)


class Missing:
    """Holes of one subscription. holes: slots still to be fetched. said: events to deliver besides, to be taken by the planner.

    Subclasses say how a slot is asked for and read (`ask`, `read`), what is worth delivering (`accept`), and how a range of slots
    is named in events (`name`).
    """

    width = 100

    def __init__(self, channel: str, instrument: str, luck: Callable[[], float]) -> None:
        self.channel = channel
        self.instrument = instrument
        self.holes = Ranges()
        self.said: list[Event] = []
        self.not_before = 0
        self._luck = luck
        self._window: Range | None = None
        self._held: dict[int, Push] = {}
        self._search: _Search | None = None
        self._above: tuple[int, Push] | None = None  # the lowest row a search has seen
        self._vain = 0
        self._errors = 0
        self._run: tuple[int, int, int] | None = None  # first and last slot fetched back in a row, and how many events that was

    # -- what a subclass says --------------------------------------------------------------------------------------------

    def ask(self, after: int, low: int, now: int) -> Query:
        """The page of rows older than slot `after`; `low` is the oldest slot wanted."""
        raise NotImplementedError

    def path(self, now: int) -> str:
        """The path the next page will be asked of; changes nothing."""
        raise NotImplementedError

    def read(self, rows: list[Any], now: int) -> dict[int, Push]:
        """The rows of a page by slot. Raises FrameError."""
        raise NotImplementedError

    def accept(self, slot: int, event: Push) -> bool:
        """Whether to deliver a row that was fetched back."""
        return True

    def name(self, low: int, high: int) -> dict[str, Any]:
        """first_id, last_id, since, until of a range of slots."""
        raise NotImplementedError

    # -- the planner's side ----------------------------------------------------------------------------------------------

    def due(self) -> int | None:
        """When the next page may be asked for, ns; None: nothing is wanted."""
        return self.not_before if self.holes else None

    def query(self, now: int) -> Query:
        """The page to ask for now."""
        low, high = self.holes.first
        if self._search is not None:
            return self.ask(self._search.at, self._search.low, now)
        if self._window is None or not self.holes.touches(*self._window):
            self._window, self._held = (low, min(high, low + self.width - 1)), {}
        return self.ask(self._unheld(self._window)[-1] + 1, self._window[0], now)

    def take(self, rows: list[Any], now: int) -> list[Event]:
        """A page has come."""
        try:
            page = self.read(rows, now)
        except FrameError as error:
            return self.fail("", str(error), now)
        self._errors = 0
        self.not_before = now
        if not self.holes:
            return []  # what was asked for has come by itself
        return self._searched(page, now) if self._search is not None else self._paged(page, now)

    def fail(self, code: str, detail: str, now: int) -> list[Event]:
        """The page could not be had. code: OKX's, "" if there was no answer."""
        self._errors += 1
        if code in REFUSALS or self._errors >= ERROR_TRIES:
            self._errors = 0
            return self.give_up("refused" if code in REFUSALS else "unreachable", detail, now)
        self.not_before = now + wait(self._errors, self._luck())
        return []

    def give_up(self, reason: str, detail: str, now: int) -> list[Event]:
        """The lowest hole will not be filled; what is held of it is delivered."""
        if not self.holes:
            return []
        low, high = self.holes.first
        out = self._deliver(reason, detail) if self._window is not None and self._held else []
        out += self._write_off(low, high, reason, detail)
        self._begin_anew()
        return out

    def give_all_up(self, reason: str, now: int) -> list[Event]:
        """Nothing more will be fetched."""
        out: list[Event] = []
        while self.holes:
            out += self.give_up(reason, "", now)
        return out

    def want(self, low: int, high: int, now: int) -> None:
        """A new hole, to be filled from `now` on."""
        if not self.holes:
            self.not_before = max(self.not_before, now)
        self.holes.add(low, high)
        if len(self.holes) > MOST_HOLES:
            self.said += self.give_up("overflow", "", now)
        elif low < (self._search.low if self._search else self._window[0] if self._window else low):
            self._begin_anew()  # in order: the lower hole first

    def search(self) -> None:
        """Find out where the lowest hole begins to have rows, before asking for any."""
        self._begin_anew()
        low, high = self.holes.first
        self._search = _Search(low, high + 1, low, self.width)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        self._window, self._held, self._search, self._vain = None, {}, None, 0

    def _unheld(self, window: Range) -> list[int]:
        parts = self.holes.inside(*window)
        return [slot for low, high in parts for slot in range(low, high + 1) if slot not in self._held]

    def _paged(self, page: dict[int, Push], now: int) -> list[Event]:
        if self._window is None or not self.holes.touches(*self._window):
            self._begin_anew()  # the hole was filled otherwise, or a lower one came up, while the page was on its way
            return []
        fresh = [slot for slot in self._unheld(self._window) if slot in page]
        for slot in fresh:
            self._held[slot] = page[slot]
        if not self._unheld(self._window):
            return self._deliver("", "")
        if fresh:
            self._vain = 0
            return []
        self._vain += 1
        if self._vain < TRIES:
            self.not_before = now + wait(self._vain, self._luck())
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
            if search.vain:
                self.not_before = now + wait(search.vain, self._luck())
            return []
        self._begin_anew()
        return self._write_off(low, begin - 1, "absent" if page else "expired", "") if begin > low else []

    def _deliver(self, reason: str, detail: str) -> list[Event]:
        """The window's rows in order; what is missing among them is written off for this reason."""
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
            is_news = self.accept(slot, held[slot])
            if is_news:
                out.append(held[slot])
            first, _, count = self._run or (slot, slot, 0)
            self._run = (first, slot, count + is_news)
        if lost:
            out += self._write_off(*lost, reason, detail)
        self.holes.remove(low, high)
        self._begin_anew()
        if self._run is not None and not self.holes.touches(self._run[1] + 1, self._run[1] + 1):
            out += self._recovered(None)
        return out

    def _recovered(self, last: int | None) -> list[Event]:
        """Say what was fetched back, unless it goes on right after slot `last`."""
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


class _Search:
    """Where the rows that are left begin, from slot `low` on and before `top`: a gallop upwards, then a bisection.

    An answer without rows may be a lie. It is believed at once on the way, but the end is confirmed `TRIES` times.
    """

    def __init__(self, low: int, top: int, floor: int, width: int) -> None:
        self.low = low
        self.top = top
        self.vain = 0
        self._floor = floor  # no row from low up to here
        self._ceiling: int | None = None  # a row is here
        self._step = width * 4

    @property
    def at(self) -> int:
        """The slot to ask for rows below of."""
        if self._ceiling is None:
            return min(self.top, self._floor + self._step)
        return (self._floor + self._ceiling + 1) // 2

    def answer(self, lowest: int | None) -> int | None:
        """The lowest row there is from `low` up to `at`. Returns the first slot that can be had, `top` if none; None: ask on."""
        at = self.at
        if lowest is not None:
            self.vain = 0
            if lowest < self._floor:
                self._floor = self.low  # some answer was wrong
            self._ceiling = lowest
            return lowest if lowest == self.low else None
        if at in (self._ceiling, self.top):
            self.vain += 1
            return at if self.vain >= TRIES else None
        self._floor = at
        self._step *= 4
        return None
