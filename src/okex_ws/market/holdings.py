"""Holdings: our positions and balances, from three channels and REST that tell of the same things at different times.

By OKX's time an older row never undoes a newer one, whichever way it came. A position of size zero is no position.
Source: docs-v5 "Positions channel", "Account channel", "Balance and position channel".
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from okex_ws.events import AccountUpdate, Balance, BalanceAndPosition, PositionChange, PositionUpdate

MOST_CLOSED = 4_096
"""Closed positions remembered, so that an overtaken push does not open one again."""

Place = tuple[str, ...]


class Positions:
    """Open positions by place; iterate over `open.values()`. Feed it rows in any order."""

    def __init__(self) -> None:
        self.open: dict[Place, PositionUpdate] = {}
        self._closed: dict[Place, int] = {}  # place → OKX's time, ms
        self._heard_at: dict[Place, int] = {}
        self._listed: set[Place] = set()  # in the image that is coming in
        self._page_at = 0  # when the page came that is being read: its rows share this instant
        self._image_at: int | None = None  # the same of an image's last page
        self._image_ms = 0  # the image's time by OKX's clock

    @property
    def deadline(self) -> int | None:
        """When an image that has come in is to be concluded at the latest, ns."""
        return None if self._image_at is None else self._image_at + 100_000_000

    def apply(self, row: PositionUpdate) -> None:
        """A push of `positions`, or a row of REST."""
        if self._image_at is not None and row.ts_recv != self._image_at:
            self.conclude()
        place = _place(row)
        if row.event_type == "snapshot":
            self._list(row, place)
        self._hear(place, row.ts_recv)
        known = self.open.get(place)
        if known is not None and _instant(row) < _instant(known):
            return
        self._put(place, row, row.updated_ms)

    def change(self, row: PositionChange, ts_recv: int) -> None:
        """A row of `balance_and_position`, which tells less: of the same instant the other channel's counts."""
        place = _place(row)
        self._hear(place, ts_recv)
        known = self.open.get(place)
        if known is not None and (row.updated_ms or 0) <= (known.updated_ms or 0):
            return
        base = known or PositionUpdate(
            ts_recv=ts_recv,
            instrument=row.instrument,
            instrument_type=row.instrument_type,
            position_id=row.position_id,
            position_side=row.position_side,
            margin_mode=row.margin_mode,
            currency=row.currency,
            position_currency=row.position_currency,
        )
        told = {"size": row.size, "average_price": row.average_price, "trade_id": row.trade_id, "updated_ms": row.updated_ms}
        self._put(place, msgspec.structs.replace(base, pushed_ms=None, **told), row.updated_ms)

    def conclude(self) -> None:
        """All rows of an image are in: what it does not list is closed."""
        if self._image_at is not None:
            self.only(self._listed, self._image_at, self._image_ms)
            self._image_at = None

    def read(self, rows: Iterable[PositionUpdate], asked_at: int) -> None:
        """Every position, as read over REST by a question of `asked_at`: others, not heard of since, are closed."""
        places = set()
        for row in rows:
            row.ts_recv = asked_at
            self.apply(row)
            places.add(_place(row))
        self.only(places, asked_at)

    def only(self, places: set[Place], at: int, at_ms: int = 0) -> None:
        """These are all there were at `at`, ns by our clock, and at_ms by OKX's, where that is known."""
        for place, row in list(self.open.items()):
            is_later = self._heard_at.get(place, 0) >= at or (at_ms and (row.updated_ms or 0) > at_ms)
            if place not in places and not is_later:
                self._close(place, (row.updated_ms or 0) - 1)  # nobody said so: should it be told of again, it is open again

    def of(self, instrument: str) -> list[PositionUpdate]:
        """Open positions in one instrument: one, or in hedge mode and mixed margin several."""
        return [row for row in self.open.values() if row.instrument == instrument]

    def _list(self, row: PositionUpdate, place: Place) -> None:
        """A row of an image, which may come in pages, each with many rows."""
        if row.page in (None, 1) and row.ts_recv != self._page_at:
            self._listed, self._image_ms = set(), 0
        self._page_at = row.ts_recv
        self._listed.add(place)
        self._image_ms = max(self._image_ms, row.pushed_ms or row.updated_ms or 0)
        if row.is_last_page is not False:
            self._image_at = row.ts_recv

    def _hear(self, place: Place, ts_recv: int) -> None:
        self._heard_at[place] = max(ts_recv, self._heard_at.get(place, 0))

    def _put(self, place: Place, row: PositionUpdate, updated_ms: int | None) -> None:
        if place in self._closed and (updated_ms or 0) <= self._closed[place]:
            return
        if row.size == 0:
            self._close(place, updated_ms)
        else:
            self._closed.pop(place, None)
            self.open[place] = row

    def _close(self, place: Place, updated_ms: int | None) -> None:
        self.open.pop(place, None)
        self._closed[place] = max(updated_ms or 0, self._closed.get(place, 0))
        while len(self._closed) > MOST_CLOSED:
            gone = next(iter(self._closed))
            del self._closed[gone]
            self._heard_at.pop(gone, None)


class Balances:
    """Balances by currency, and the account's totals as last told; a currency that is not there is zero."""

    def __init__(self) -> None:
        self.by_currency: dict[str, Balance] = {}
        self.totals: AccountUpdate | None = None
        self._heard_at: dict[str, int] = {}
        self._listed: set[str] = set()

    def apply(self, update: AccountUpdate) -> None:
        """A push of `account`: an event restates the currencies it lists; an image, once whole, all there are."""
        for row in update.balances:
            self._put(row, update.ts_recv)
        if self.totals is None or (update.updated_ms or 0) >= (self.totals.updated_ms or 0):
            self.totals = update
        if update.event_type != "snapshot":
            return
        if update.page in (None, 1):
            self._listed = set()
        self._listed |= {row.currency for row in update.balances}
        if update.is_last_page is not False:
            self.only(self._listed, update.ts_recv)

    def read(self, update: AccountUpdate, asked_at: int) -> None:
        """The whole account, as read over REST by a question of `asked_at`."""
        update.ts_recv, update.event_type, update.page, update.is_last_page = asked_at, "snapshot", 1, True
        self.apply(update)

    def change(self, event: BalanceAndPosition) -> None:
        """A push of `balance_and_position`: it tells cash alone; equity and the rest follow with `account`."""
        for change in event.balances:
            known = self.by_currency.get(change.currency)
            if known is None:
                self._put(Balance(currency=change.currency, cash=change.cash, updated_ms=change.updated_ms), event.ts_recv)
            elif (change.updated_ms or 0) > (known.updated_ms or 0):
                self._put(msgspec.structs.replace(known, cash=change.cash, updated_ms=change.updated_ms), event.ts_recv)
            else:
                self._hear(change.currency, event.ts_recv)

    def only(self, currencies: set[str], at: int) -> None:
        """These are all there were at `at`, ns by our clock."""
        for currency in [name for name in self.by_currency if name not in currencies and self._heard_at.get(name, 0) < at]:
            del self.by_currency[currency]

    def _put(self, row: Balance, ts_recv: int) -> None:
        self._hear(row.currency, ts_recv)
        known = self.by_currency.get(row.currency)
        if known is None or (row.updated_ms or 0) >= (known.updated_ms or 0):
            self.by_currency[row.currency] = row

    def _hear(self, currency: str, ts_recv: int) -> None:
        self._heard_at[currency] = max(ts_recv, self._heard_at.get(currency, 0))


def _instant(row: PositionUpdate) -> tuple[int, int]:
    return (row.updated_ms or 0, row.pushed_ms or 0)


def _place(row: PositionUpdate | PositionChange) -> Place:
    """What one position is: OKX's id of it, where there is one."""
    if row.position_id:
        return (row.position_id,)
    return (row.instrument, row.margin_mode, row.position_side, row.currency)
