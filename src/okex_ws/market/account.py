"""Account: own orders, fills, positions and balances in one state, with its time and quality. Sans-IO.

Pushes keep it up to date. After every interruption, and if a balance shows a trade that no order push reports, everything is read
again over REST: the caller carries out `fetches` and passes the rows to `fetched`. Pushes are applied meanwhile, because an older
row never replaces a newer one. LIVE means: every channel runs, and everything was read since the channels last (re)started. The
list of open orders is read from time to time: an order missing from it has ended, and its push was lost.
Source: docs-v5 "Order channel", "Account channel", "Positions channel", "Balance and position channel"; "Get order list" (100 a
page, by ordId), "Get transaction details" (by billId, 3 days), "Get order details" (51603 after 2 h for canceled orders that
never traded).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from okex_ws.absence import GRACE as SHOWN_WITHIN
from okex_ws.absence import NOT_FOUND, Absence
from okex_ws.events import (
    AccountQuality,
    AccountUpdate,
    Balance,
    BalanceAndPosition,
    Disconnected,
    Event,
    Fill,
    Malformed,
    OrderResolved,
    OrderUpdate,
    PositionUpdate,
    Refused,
    SpreadOrderUpdate,
    Stale,
    Subscribed,
    Unsubscribed,
    Verdict,
)
from okex_ws.market.holdings import Balances, Positions
from okex_ws.market.own_orders import OwnFill, OwnOrders
from okex_ws.market.spread_orders import SpreadOrders
from okex_ws.wire.frames import FrameError, converted, decode_rows

MS, SECOND = 1_000_000, 1_000_000_000
CHANNELS = ("orders", "account", "positions")
"""Channels that must run for LIVE. `balance_and_position` and `fills`, if subscribed, make updates faster and check them."""
PAGE = 100
MOST_LOOKUPS = 20
"""Largest number of orders looked up at the same time."""
GRACE = SECOND
"""Longest delay of a fill after the order push whose filled size includes it."""
PUSH_WITHIN = 2 * SECOND
"""Longest delay of the push after an accepted cancel or amendment."""
LIST_EVERY = 45 * SECOND
"""Interval of reads of the list of open orders: a push may be lost although its channel runs."""
UNEXPLAINED_EVERY = 30 * SECOND
"""Shortest interval of full reads for trades that no order push reports: block trades, for example, never have one."""
RETRY_FIRST, RETRY_LAST = SECOND // 2, 30 * SECOND
REPORT_AFTER = 3
"""Number of failures of one read after which an event reports why the account is not LIVE."""
OVERLAP_MS = 60_000
"""Overlap with known fills when fills are read again, because fills may arrive out of order."""


class Quality(enum.StrEnum):
    """Quality of the account state. LIVE: complete; RECONCILING: being read; STALE: a channel is down."""

    LIVE = "LIVE"
    RECONCILING = "RECONCILING"
    STALE = "STALE"


class FetchAccount(msgspec.Struct, frozen=True):
    """Request to send GET /api/v5/`path` with this query, signed, and to pass its rows to `fetched`."""

    number: int
    path: str
    query: dict[str, str]


class FillRow(msgspec.Struct, kw_only=True):
    """Row of GET /api/v5/trade/fills."""

    instrument: str = field(name="instId")
    trade_id: int = field(name="tradeId")
    order_id: str = field(name="ordId")
    bill_id: int = field(default=0, name="billId")
    client_order_id: str = field(default="", name="clOrdId")
    side: str = ""
    price: Decimal | None = field(default=None, name="fillPx")
    size: Decimal = field(default=Decimal(0), name="fillSz")
    fee: Decimal | None = None
    fee_currency: str = field(default="", name="feeCcy")
    liquidity: str = field(default="", name="execType")
    at_ms: int | None = field(default=None, name="ts")


class _AccountRequest:
    """One REST request and the method that applies its rows. order_id: the order it concerns, "" if several.

    absence: of a lookup: it determines path and query of the next read.
    """

    __slots__ = ("absence", "order_id", "path", "query", "read", "sent_at", "tries")

    def __init__(self, path: str, query: dict[str, str], read: _Reader, sent_at: int, order_id: str) -> None:
        self.path, self.query, self.read = path, query, read
        self.sent_at, self.order_id = sent_at, order_id
        self.tries = 0
        self.absence: Absence | None = None


_Reader = Callable[[_AccountRequest, list[Any]], None]


class Account:
    """State of one account. `apply` takes every event, in order.

    channels: channels that must run for LIVE. as_of: OKX's time of the newest change, ns. unaccounted: ids of orders whose fills
    are incomplete and could not be read. spreads: open spread orders, if `sprd-orders` is subscribed.
    """

    def __init__(self, *, channels: tuple[str, ...] = CHANNELS, keep_orders: int = 1_000, keep_fills: int = 10_000) -> None:
        self.orders = OwnOrders(keep_orders=keep_orders, keep_fills=keep_fills)
        self.holdings = Positions()
        self.money = Balances()
        self.spreads = SpreadOrders()
        self.quality = Quality.STALE
        self.as_of = 0
        self.fetches: list[FetchAccount] = []
        self.unaccounted: set[str] = set()
        self._channels = channels
        self._up: set[tuple[str, str]] = set()
        self._down: set[tuple[str, str]] = set()
        self._number = 0
        self._sent: dict[int, _AccountRequest] = {}
        self._delayed: list[tuple[int, _AccountRequest]] = []
        self._to_look_up: list[str] = []
        self._incomplete: dict[str, int] = {}  # order → when to fetch its missing fills
        self._accepted: dict[str, tuple[int, int]] = {}  # order with an accepted change → time, and when its push is overdue
        self._unexplained: dict[tuple[str, int], int] = {}  # trade that changed a balance → when the order push is overdue
        self._unexplained_again_at = 0
        self._complete_until_ms: int | None = None  # OKX's time up to which every fill is known
        self._listed: set[str] = set()
        self._is_first_list = self._has_spreads = False
        self._list_again_at: int | None = None
        self._handlers: dict[type[Event], Callable[[Any], list[Event] | None]] = {
            OrderUpdate: self._on_order,
            SpreadOrderUpdate: self.spreads.apply,
            OrderResolved: self._on_resolved,
            Fill: self._on_fill,
            PositionUpdate: self._on_position,
            AccountUpdate: self._on_balances,
            BalanceAndPosition: self._on_balance_and_position,
            Subscribed: self._on_subscribed,
            Unsubscribed: self._on_unsubscribed,
            Disconnected: self._on_disconnected,
            Refused: self._on_refused,
            Stale: self._on_possible_loss,
            Malformed: self._on_possible_loss,
        }

    # -- state -----------------------------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        return self.quality is Quality.LIVE

    @property
    def fills(self) -> Mapping[tuple[str, int], OwnFill]:
        """Fills by (instrument, trade_id), in order of arrival."""
        return self.orders.fills

    @property
    def positions(self) -> list[PositionUpdate]:
        """Open positions."""
        return list(self.holdings.open.values())

    @property
    def balances(self) -> Mapping[str, Balance]:
        """Balances by currency; a missing currency is zero."""
        return self.money.by_currency

    def position(self, instrument: str, side: str = "") -> Decimal:
        """Return the net size of all positions in an instrument, negative if short. side: only those of side long or short."""
        rows = (row for row in self.holdings.of(instrument) if not side or row.position_side == side)
        return sum(((-1 if row.position_side == "short" else 1) * (row.size or Decimal(0)) for row in rows), Decimal(0))

    # -- events ----------------------------------------------------------------------------------------------------------

    def take_fetches(self) -> list[FetchAccount]:
        """Take the pending reads; each is answered with `fetched`."""
        fetches, self.fetches = self.fetches, []
        return fetches

    def apply(self, event: Event) -> list[Event]:
        """Apply any event; return the changes of quality. An event that cannot be applied makes the account STALE."""
        handler = self._handlers.get(type(event))
        if handler is None:
            return []
        try:
            return handler(event) or []
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
            # No decoder makes such an event, e.g. one with NaN for a size.
            reason = f"{type(event).__name__} cannot be applied: {str(error) or type(error).__name__}"
            stale = self._invalidate(reason, event.ts_recv)
            return [*stale, *self.reconcile(event.ts_recv, reason)] if self._is_complete else stale

    def _on_order(self, event: OrderUpdate) -> None:
        if event.backfilled:
            self._read(event, event.ts_recv)
            return
        self.orders.apply(event)
        self._accepted.pop(event.order_id, None)
        self._note_time(event)
        self._check_fills(event.order_id, event.ts_recv)

    def _on_resolved(self, event: OrderResolved) -> None:
        """Note an accepted cancel or amendment, because its push may be lost."""
        if event.verdict is Verdict.CONFIRMED and event.kind in ("cancel", "amend"):
            order = self.orders.get(event.order_id, client_order_id=event.client_order_id)
            if order is not None and not order.is_final:
                self._accepted[order.order_id] = (event.ts_recv, event.ts_recv + PUSH_WITHIN)

    def _on_fill(self, event: Fill) -> None:
        self.orders.apply_fill(event)
        self._note_time(event)
        self._check_fills(event.order_id, event.ts_recv)

    def _on_position(self, event: PositionUpdate) -> None:
        self.holdings.apply(event)
        self._note_time(event)

    def _on_balances(self, event: AccountUpdate) -> None:
        self.money.apply(event)
        self._note_time(event)

    def _on_balance_and_position(self, event: BalanceAndPosition) -> None:
        self.money.change(event)
        for row in event.positions:
            self.holdings.change(row, event.ts_recv)
        for trade in event.trades:
            if trade.trade_id is not None and self.quality is not Quality.STALE:
                due = max(event.ts_recv + GRACE, self._unexplained_again_at)
                self._unexplained.setdefault((trade.instrument, trade.trade_id), due)
        self._note_time(event)

    def _note_time(self, event: Event) -> None:
        self.as_of = max(self.as_of, event.ts_event)

    # -- channels --------------------------------------------------------------------------------------------------------

    def _on_subscribed(self, event: Subscribed) -> list[Event]:
        if event.channel == "sprd-orders":
            self._has_spreads = True
            self._request_spreads(event.ts_recv)
        if event.channel not in self._channels:
            return []
        place = (event.channel, event.key)
        self._down.discard(place)
        self._up.add(place)
        if self.quality is Quality.STALE and self._is_complete:
            return self.reconcile(event.ts_recv, "every channel runs")
        return []

    def _on_unsubscribed(self, event: Unsubscribed) -> list[Event]:
        if event.channel not in self._channels:
            return []
        self._up.discard((event.channel, event.key))
        events = self._invalidate(f"{event.channel} was unsubscribed", event.ts_recv)
        if self._is_complete:  # the channel also runs under another key
            events += self.reconcile(event.ts_recv, f"{event.channel} still runs with fewer subscriptions")
        return events

    @property
    def _is_complete(self) -> bool:
        return not self._down and {channel for channel, _ in self._up}.issuperset(self._channels)

    def _on_disconnected(self, event: Disconnected) -> list[Event]:
        lost = {place for place in event.channels if place[0] in self._channels}
        if event.handed_over and event.line.startswith("private") and self.is_live:
            # The channels run on the next connection, but a late push may be lost with the old one.
            self._complete_until_ms = self.as_of // MS
            self._read_all(event.ts_recv)
        if event.handed_over or not lost:
            return []
        self._up -= lost
        self._down |= lost
        return self._invalidate(f"disconnected: {event.reason}", event.ts_recv)

    def _on_refused(self, event: Refused) -> list[Event]:
        if event.channel not in self._channels or event.will_retry:
            return []
        self._up.discard((event.channel, event.key))
        self._down.add((event.channel, event.key))
        return self._invalidate(f"{event.channel} was refused: {event.code} {event.message}", event.ts_recv)

    def _on_possible_loss(self, event: Stale | Malformed) -> list[Event]:
        """Reconcile: a push may be lost although the channel runs."""
        if event.channel not in self._channels or self.quality is Quality.STALE:
            return []
        return self.reconcile(event.ts_recv, f"a push of {event.channel} may have been missed")

    def _invalidate(self, reason: str, now: int) -> list[Event]:
        if self.is_live:
            self._complete_until_ms = self.as_of // MS
        self._sent.clear()
        self._delayed.clear()
        self._to_look_up.clear()
        self._incomplete.clear()
        self._accepted.clear()
        self._unexplained.clear()
        self._list_again_at = None
        self.fetches.clear()
        return self._set_quality(Quality.STALE, reason, now)

    def _set_quality(self, quality: Quality, reason: str, now: int) -> list[Event]:
        if quality is self.quality and quality is not Quality.RECONCILING:
            return []
        self.quality = quality
        return [AccountQuality(ts_recv=now, line="account", quality=quality.value, reason=reason)]

    # -- reconciliation --------------------------------------------------------------------------------------------------

    def reconcile(self, now: int, reason: str = "requested") -> list[Event]:
        """Read everything again over REST."""
        self._invalidate(reason, now)
        events = self._set_quality(Quality.RECONCILING, reason, now)
        self._read_all(now)
        return events

    def _read_all(self, now: int) -> None:
        self._request("account/balance", {}, self._read_balance, now)
        self._request("account/positions", {}, self._read_positions, now)
        self._request_open_orders(now)
        self._is_first_list = True
        if self._has_spreads:
            self._request_spreads(now)
        self._request("trade/fills", {"limit": str(PAGE)}, self._read_fills, now)

    def fetched(self, fetch: FetchAccount, rows: list[Any] | None, now: int, code: str = "") -> list[Event]:
        """Apply the answer to a fetch: its rows, or None and OKX's code. Return the changes of quality."""
        request = self._sent.pop(fetch.number, None)
        if request is None:
            return []  # sent before a later interruption
        request.tries += 1
        absence = request.absence
        try:
            if absence is not None:
                if self._apply_lookup(request, absence, rows, code):
                    return self._continue(now)
                if rows is not None or code in NOT_FOUND:
                    self._delayed.append((now + absence.pause, request))
                    return []
            elif rows is not None:
                request.read(request, rows)
                return self._continue(now)
        except (FrameError, msgspec.ValidationError, ValueError, KeyError, TypeError):
            pass  # like no answer
        pause = min(RETRY_LAST, RETRY_FIRST << min(request.tries - 1, 10))
        self._delayed.append((now + pause, request))
        if request.tries == REPORT_AFTER and not self.is_live:
            return self._set_quality(Quality.RECONCILING, f"GET {request.path} fails: {code or 'no readable answer'}", now)
        return []

    @property
    def next_deadline(self) -> int | None:
        """Time at which to call `on_deadline`, ns; None if nothing is due."""
        times = list(self._incomplete.values())
        if self._delayed:
            times += [due for due, _ in self._delayed]
        if self._accepted:
            times += [overdue_at for _, overdue_at in self._accepted.values()]
        times += self._unexplained.values()
        for due in (self.holdings.deadline, self._list_again_at):
            if due is not None:
                times.append(due)
        return min(times) if times else None

    def on_deadline(self, now: int) -> list[Event]:
        """Carry out actions that are due at `now`; return the changes of quality."""
        overdue = [execution for execution, at in self._unexplained.items() if at <= now]
        for execution in overdue:
            del self._unexplained[execution]
        unexplained = [execution for execution in overdue if execution not in self.fills]
        if unexplained:
            self._unexplained_again_at = now + UNEXPLAINED_EVERY
            return self.reconcile(
                now, f"trade {unexplained[0][1]} of {unexplained[0][0]} changed a balance without an order push"
            )
        if self.holdings.deadline is not None and self.holdings.deadline <= now:
            self.holdings.conclude()
        if self._list_again_at is not None and self._list_again_at <= now:
            self._list_again_at = None
            self._request_open_orders(now)
        due = [request for at, request in self._delayed if at <= now]
        self._delayed = [(at, request) for at, request in self._delayed if at > now]
        for request in due:
            self._send(request, now)
        for order_id in [order_id for order_id, at in self._incomplete.items() if at <= now]:
            del self._incomplete[order_id]
            self._fetch_missing(order_id, now)
        for order_id, (since, overdue_at) in list(self._accepted.items()):
            if overdue_at <= now:
                del self._accepted[order_id]
                if order_id in self.orders.open and self.orders.seen_at(order_id) < since:
                    self._look_up(order_id, now)
        return self._continue(now)

    def _request(self, path: str, query: dict[str, str], read: _Reader, now: int, order_id: str = "") -> None:
        self._send(_AccountRequest(path, query, read, now, order_id), now)

    def _request_open_orders(self, now: int) -> None:
        self._listed = set()
        self._request("trade/orders-pending", {"limit": str(PAGE)}, self._read_open_orders, now)

    def _request_spreads(self, now: int) -> None:
        self._request("sprd/orders-pending", {"limit": str(PAGE)}, self._read_spreads, now)

    def _send(self, request: _AccountRequest, now: int) -> None:
        request.sent_at = now
        if request.absence is not None:
            request.path, request.query = request.absence.path, request.absence.query
        self._number += 1
        self._sent[self._number] = request
        self.fetches.append(FetchAccount(self._number, request.path, request.query))

    def _continue(self, now: int) -> list[Event]:
        """Look up further orders; become LIVE when nothing is left to read."""
        while self._to_look_up and len(self._sent) < MOST_LOOKUPS:
            self._look_up(self._to_look_up.pop(), now)
        outstanding = (*self._sent.values(), *(request for _, request in self._delayed))
        is_busy = self._to_look_up or self._incomplete or any(request.read != self._read_spreads for request in outstanding)
        if self.quality is Quality.RECONCILING and not is_busy:
            return self._set_quality(Quality.LIVE, "everything was read again", now)
        return []

    def _look_up(self, order_id: str, now: int) -> None:
        order = self.orders.get(order_id)
        under_way = (*self._sent.values(), *(request for _, request in self._delayed))
        is_under_way = any(request.absence is not None and request.order_id == order_id for request in under_way)
        if order is not None and not is_under_way:
            by_id = ("trade/order", {"instId": order.instrument, "ordId": order_id})
            request = _AccountRequest(*by_id, self._read_order, now, order_id)
            request.absence = Absence(order.instrument, by_id, made_ms=order.created_ms or 0)
            self._send(request, now)

    def _check_fills(self, order_id: str, now: int) -> None:
        """Schedule a fetch if the fills of an order do not add up to its filled size within the grace period."""
        if self.orders.missing(order_id):
            self._incomplete.setdefault(order_id, now + GRACE)
        else:
            self._incomplete.pop(order_id, None)
            self.unaccounted.discard(order_id)

    def _fetch_missing(self, order_id: str, now: int) -> None:
        """Fetch what a lost push contained: a fill of the order, or the order of a fill."""
        order, missing = self.orders.get(order_id), self.orders.missing(order_id)
        if order is None or not missing or self.quality is Quality.STALE:
            return
        if missing < 0 and order_id not in self.unaccounted:
            self.unaccounted.add(order_id)  # until the row of the order explains it
            self._look_up(order_id, now)
        elif missing > 0:
            query = {"instId": order.instrument, "ordId": order_id, "limit": str(PAGE)}
            self._request("trade/fills", query, self._read_order_fills, now, order_id)

    # -- answers ---------------------------------------------------------------------------------------------------------

    def _read_balance(self, request: _AccountRequest, rows: list[Any]) -> None:
        for update in decode_rows(rows, AccountUpdate, "account"):
            self.money.read(update, request.sent_at)
            self._note_time(update)

    def _read_positions(self, request: _AccountRequest, rows: list[Any]) -> None:
        updates = decode_rows(rows, PositionUpdate, "positions")
        self.holdings.read(updates, request.sent_at)
        for update in updates:
            self._note_time(update)

    def _read_open_orders(self, request: _AccountRequest, rows: list[Any]) -> None:
        updates = decode_rows(rows, OrderUpdate, "orders")
        for update in updates:
            self._read(update, request.sent_at)
            self._listed.add(update.order_id)
        if len(rows) >= PAGE:
            further = {**request.query, "after": updates[-1].order_id}
            self._request(request.path, further, self._read_open_orders, request.sent_at)
            return
        pause = SHOWN_WITHIN if self._is_first_list else LIST_EVERY  # at first OKX may not show the newest orders
        self._is_first_list, self._list_again_at = False, request.sent_at + pause
        for order in self.orders:  # open here, and not in OKX's list
            if order.order_id not in self._listed and self.orders.seen_at(order.order_id) <= request.sent_at:
                self._to_look_up.append(order.order_id)

    def _read_order(self, request: _AccountRequest, rows: list[Any]) -> None:
        for update in decode_rows(rows, OrderUpdate, "orders"):
            self._read(update, request.sent_at)

    def _read_spreads(self, request: _AccountRequest, rows: list[Any]) -> None:
        """Apply open spread orders, newest first. With more than one page, the older orders keep their known state."""
        updates = decode_rows(rows, SpreadOrderUpdate, "sprd-orders")
        for update in updates:
            update.ts_recv = request.sent_at
            self.spreads.apply(update)
        if len(rows) < PAGE:
            self.spreads.only({update.order_id for update in updates}, request.sent_at)

    def _apply_lookup(self, request: _AccountRequest, absence: Absence, rows: list[Any] | None, code: str) -> bool:
        """Apply the answer of a lookup; return True if it is finished. A later update of the order outweighs its absence."""
        found = [row for row in rows or [] if row["ordId"] == request.order_id]
        if found:
            self._read_order(request, found)
            return True
        seen_at = self.orders.seen_at(request.order_id)
        if request.order_id not in self.orders.open or seen_at > request.sent_at:
            return True
        if absence.since is not None and seen_at >= absence.since:
            absence.found()
        if not absence.missed(rows, code, request.sent_at):
            return False
        self.orders.presume_ended(request.order_id)
        self._check_fills(request.order_id, request.sent_at)
        return True

    def _read(self, update: OrderUpdate, sent_at: int) -> None:
        update.ts_recv = sent_at
        self.orders.read(update)
        self._note_time(update)
        self._check_fills(update.order_id, sent_at)

    def _read_fills(self, request: _AccountRequest, rows: list[Any]) -> None:
        """Apply fills, newest first, and request pages back to the time up to which all are known; on the first read one page."""
        read = self._add_fills(rows)
        until = self._complete_until_ms
        if until is not None and len(rows) >= PAGE and (read[-1].at_ms or 0) > until - OVERLAP_MS:
            further = {**request.query, "after": str(read[-1].bill_id)}
            self._request(request.path, further, self._read_fills, request.sent_at)
            return
        for order in [*self.orders.open.values(), *self.orders.finished.values()]:
            self._check_fills(order.order_id, request.sent_at)

    def _read_order_fills(self, request: _AccountRequest, rows: list[Any]) -> None:
        """Apply the fills of an order: of three days, and if they are incomplete of three months."""
        read = self._add_fills(rows)
        order = self.orders.get(request.order_id)
        if order is None or self.orders.missing(request.order_id) <= 0:
            self.unaccounted.discard(request.order_id)
        elif len(rows) >= PAGE:
            further = {**request.query, "after": str(read[-1].bill_id)}
            self._request(request.path, further, self._read_order_fills, request.sent_at, request.order_id)
        elif request.path == "trade/fills":
            query = {"instType": order.instrument_type, "instId": order.instrument, "ordId": order.order_id, "limit": str(PAGE)}
            self._request("trade/fills-history", query, self._read_order_fills, request.sent_at, request.order_id)
        else:
            self.unaccounted.add(request.order_id)

    def _add_fills(self, rows: list[Any]) -> list[FillRow]:
        read = [converted(row, FillRow) for row in rows]
        for row in reversed(read):
            self.orders.add_fill(
                OwnFill(
                    instrument=row.instrument,
                    trade_id=row.trade_id,
                    order_id=row.order_id,
                    client_order_id=row.client_order_id,
                    side=row.side,
                    price=row.price,
                    size=row.size,
                    fee=row.fee,
                    fee_currency=row.fee_currency,
                    liquidity=row.liquidity,
                    at_ms=row.at_ms,
                )
            )
        return read
