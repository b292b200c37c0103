"""Holdings: own positions and balances, from three channels and REST, which report the same state at different times.

A row that is older by OKX's time never replaces a newer one, whatever its source. A position of size zero is closed.
Source: docs-v5 "Positions channel", "Account channel", "Balance and position channel".
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from okex_ws.events import AccountUpdate, Balance, BalanceAndPosition, PositionChange, PositionUpdate

MOST_CLOSED = 4_096
"""Largest number of closed positions kept, so that a late push does not open one again."""

PositionKey = tuple[str, ...]
"""OKX's id of a position; without one: instrument, margin mode, position side, currency."""


class Positions:
    """Open positions by key; iterate over `open.values()`. Rows are applied in any order."""

    def __init__(self) -> None:
        self.open: dict[PositionKey, PositionUpdate] = {}
        self._closed: dict[PositionKey, int] = {}  # key → OKX's time, ms
        self._seen_at: dict[PositionKey, int] = {}
        self._listed: set[PositionKey] = set()  # in the snapshot that is arriving
        self._page_at = 0  # arrival of the current page of it: the rows of a page share this time
        self._snapshot_at: int | None = None  # arrival of its last page
        self._snapshot_ms = 0  # its time by OKX's clock

    @property
    def deadline(self) -> int | None:
        """Latest time to conclude a snapshot that has arrived, ns; None without one."""
        return None if self._snapshot_at is None else self._snapshot_at + 100_000_000

    def apply(self, row: PositionUpdate) -> None:
        """Apply a row of a push of `positions`, or of REST."""
        if self._snapshot_at is not None and row.ts_recv != self._snapshot_at:
            self.conclude()
        key = _key(row)
        if row.event_type == "snapshot":
            self._list(row, key)
        self._see(key, row.ts_recv)
        known = self.open.get(key)
        if known is not None and _times(row) < _times(known):
            return
        self._put(key, row, row.updated_ms)

    def change(self, row: PositionChange, ts_recv: int) -> None:
        """Apply a row of `balance_and_position`. It has fewer fields: at equal times the row of `positions` counts."""
        key = _key(row)
        self._see(key, ts_recv)
        known = self.open.get(key)
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
        given = {"size": row.size, "average_price": row.average_price, "trade_id": row.trade_id, "updated_ms": row.updated_ms}
        self._put(key, msgspec.structs.replace(base, pushed_ms=None, **given), row.updated_ms)

    def conclude(self) -> None:
        """Apply the end of a snapshot: close every position that it does not list."""
        if self._snapshot_at is not None:
            self.only(self._listed, self._snapshot_at, self._snapshot_ms)
            self._snapshot_at = None

    def read(self, rows: Iterable[PositionUpdate], requested_at: int) -> None:
        """Apply all positions as REST returned them to a request of `requested_at`; close others that were not updated since."""
        keys = set()
        for row in rows:
            row.ts_recv = requested_at
            self.apply(row)
            keys.add(_key(row))
        self.only(keys, requested_at)

    def only(self, keys: set[PositionKey], at: int, at_ms: int = 0) -> None:
        """Close all positions but these. at: time of the list, ns by our clock; at_ms: by OKX's clock, 0 if unknown."""
        for key, row in list(self.open.items()):
            is_later = self._seen_at.get(key, 0) >= at or (at_ms and (row.updated_ms or 0) > at_ms)
            if key not in keys and not is_later:
                self._close(key, (row.updated_ms or 0) - 1)  # inferred only: a later row opens it again

    def of(self, instrument: str) -> list[PositionUpdate]:
        """Return the open positions in an instrument: one, or several in hedge mode or with mixed margin."""
        return [row for row in self.open.values() if row.instrument == instrument]

    def _list(self, row: PositionUpdate, key: PositionKey) -> None:
        """Note a row of a snapshot, which may arrive in pages of many rows."""
        if row.page in (None, 1) and row.ts_recv != self._page_at:
            self._listed, self._snapshot_ms = set(), 0
        self._page_at = row.ts_recv
        self._listed.add(key)
        self._snapshot_ms = max(self._snapshot_ms, row.pushed_ms or row.updated_ms or 0)
        if row.is_last_page is not False:
            self._snapshot_at = row.ts_recv

    def _see(self, key: PositionKey, ts_recv: int) -> None:
        self._seen_at[key] = max(ts_recv, self._seen_at.get(key, 0))

    def _put(self, key: PositionKey, row: PositionUpdate, updated_ms: int | None) -> None:
        if key in self._closed and (updated_ms or 0) <= self._closed[key]:
            return
        if row.size == 0:
            self._close(key, updated_ms)
        else:
            self._closed.pop(key, None)
            self.open[key] = row

    def _close(self, key: PositionKey, updated_ms: int | None) -> None:
        self.open.pop(key, None)
        self._closed[key] = max(updated_ms or 0, self._closed.get(key, 0))
        while len(self._closed) > MOST_CLOSED:
            gone = next(iter(self._closed))
            del self._closed[gone]
            self._seen_at.pop(gone, None)


class Balances:
    """Balances by currency, and the latest totals of the account; a missing currency is zero."""

    def __init__(self) -> None:
        self.by_currency: dict[str, Balance] = {}
        self.totals: AccountUpdate | None = None
        self._seen_at: dict[str, int] = {}
        self._listed: set[str] = set()

    def apply(self, update: AccountUpdate) -> None:
        """Apply a push of `account`. An update replaces the currencies it lists; a complete snapshot replaces all."""
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

    def read(self, update: AccountUpdate, requested_at: int) -> None:
        """Apply the whole account as REST returned it to a request of `requested_at`."""
        update.ts_recv, update.event_type, update.page, update.is_last_page = requested_at, "snapshot", 1, True
        self.apply(update)

    def change(self, event: BalanceAndPosition) -> None:
        """Apply a push of `balance_and_position`: it has cash only; equity and the rest follow with `account`."""
        for change in event.balances:
            known = self.by_currency.get(change.currency)
            if known is None:
                self._put(Balance(currency=change.currency, cash=change.cash, updated_ms=change.updated_ms), event.ts_recv)
            elif (change.updated_ms or 0) > (known.updated_ms or 0):
                self._put(msgspec.structs.replace(known, cash=change.cash, updated_ms=change.updated_ms), event.ts_recv)
            else:
                self._see(change.currency, event.ts_recv)

    def only(self, currencies: set[str], at: int) -> None:
        """Remove all currencies but these that were not updated since `at`, ns by our clock."""
        for currency in [name for name in self.by_currency if name not in currencies and self._seen_at.get(name, 0) < at]:
            del self.by_currency[currency]

    def _put(self, row: Balance, ts_recv: int) -> None:
        self._see(row.currency, ts_recv)
        known = self.by_currency.get(row.currency)
        if known is None or (row.updated_ms or 0) >= (known.updated_ms or 0):
            self.by_currency[row.currency] = row

    def _see(self, currency: str, ts_recv: int) -> None:
        self._seen_at[currency] = max(ts_recv, self._seen_at.get(currency, 0))


def _times(row: PositionUpdate) -> tuple[int, int]:
    return (row.updated_ms or 0, row.pushed_ms or 0)


def _key(row: PositionUpdate | PositionChange) -> PositionKey:
    """Return the key of a position."""
    if row.position_id:
        return (row.position_id,)
    return (row.instrument, row.margin_mode, row.position_side, row.currency)
