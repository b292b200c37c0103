"""Account: own orders, fills, positions and balances as one picture, with its time and how far it can be trusted. Sans-IO.

Pushes keep it. After every interruption, and when a balance tells of an execution that no order's push does, it is read anew
over REST: the caller carries out `fetches` and hands rows to `fetched`; pushes are applied meanwhile as they come, which is safe
because an older row never undoes a newer one. LIVE means: every channel runs, and everything there was when it last (re)started
has been read since. What ended without a word is found by the list of open orders, which is read now and then.
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
from okex_ws.wire.frames import FrameError, decode_rows

MS, SECOND = 1_000_000, 1_000_000_000
CHANNELS = ("orders", "account", "positions")
"""What has to run for the picture to be LIVE. `balance_and_position` and `fills`, if subscribed, make it faster and check it."""
PAGE = 100
MOST_LOOKUPS = 20
"""Orders read one by one at a time."""
GRACE = SECOND
"""How long a fill may be told after the order whose filled size it is part of."""
PUSH_WITHIN = 2 * SECOND
"""How long the push may take that follows an accepted cancel or amendment."""
LOOK_EVERY = 45 * SECOND
"""Between two looks at the list of open orders while nothing happens: a push may be lost though its channel runs."""
UNTOLD_EVERY = 30 * SECOND
"""Between two readings because of executions that no order's push tells: some, as of block trades, no order ever will."""
RETRY_FIRST, RETRY_LAST = SECOND // 2, 30 * SECOND
TOLD_AFTER = 3
"""After so many failures of one read it is said why the picture is not LIVE."""
OVERLAP_MS = 60_000
"""How far before the last thing known fills are read again: what was told last is not always what happened last."""


class Quality(enum.StrEnum):
    """How far the picture can be trusted."""

    LIVE = "LIVE"
    RECONCILING = "RECONCILING"
    STALE = "STALE"


class FetchAccount(msgspec.Struct, frozen=True):
    """GET /api/v5/`path` with this query, signed; its rows are handed to `fetched`."""

    number: int
    path: str
    query: dict[str, str]


class FillRow(msgspec.Struct, kw_only=True):
    """A row of GET /api/v5/trade/fills."""

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


class _Question:
    """Something asked over REST, and who reads the answer. order_id: the one it is about, "" if about many.

    absence: of an order that is looked for, which then says where.
    """

    __slots__ = ("absence", "asked_at", "order_id", "path", "query", "then", "tries")

    def __init__(self, path: str, query: dict[str, str], then: _Reader, asked_at: int, order_id: str) -> None:
        self.path, self.query, self.then = path, query, then
        self.asked_at, self.order_id = asked_at, order_id
        self.tries = 0
        self.absence: Absence | None = None


_Reader = Callable[[_Question, list[Any]], None]


class Account:
    """One account's picture. Feed it every event, in order.

    channels: those that must run for it to be LIVE. as_of: OKX's time of the newest thing in it, ns. unaccounted: orders whose
    fills are not all known and could not be had. spreads: open spread orders, where `sprd-orders` is subscribed.
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
        self._asked: dict[int, _Question] = {}
        self._later: list[tuple[int, _Question]] = []
        self._to_look_up: list[str] = []
        self._suspects: dict[str, int] = {}  # order → when to look for its missing fills
        self._promised: dict[str, tuple[int, int]] = {}  # order OKX accepted to change → when, and when a push is overdue
        self._untold: dict[tuple[str, int], int] = {}  # execution a balance told of → when an order's push is overdue
        self._untold_again_at = 0
        self._whole_until_ms: int | None = None  # OKX's time until which every fill is known
        self._pending: set[str] = set()
        self._is_first_look = self._has_spreads = False
        self._pending_again_at: int | None = None
        self._hear: dict[type[Event], Callable[[Any], list[Event] | None]] = {
            OrderUpdate: self._on_order,
            SpreadOrderUpdate: self.spreads.apply,
            OrderResolved: self._on_resolved,
            Fill: self._on_fill,
            PositionUpdate: self._on_position,
            AccountUpdate: self._on_balances,
            BalanceAndPosition: self._on_both,
            Subscribed: self._on_subscribed,
            Unsubscribed: self._on_unsubscribed,
            Disconnected: self._on_disconnected,
            Refused: self._on_refused,
            Stale: self._on_doubt,
            Malformed: self._on_doubt,
        }

    # -- the picture -----------------------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        return self.quality is Quality.LIVE

    @property
    def fills(self) -> Mapping[tuple[str, int], OwnFill]:
        """Executions by (instrument, trade_id), oldest told first."""
        return self.orders.fills

    @property
    def positions(self) -> list[PositionUpdate]:
        """Open positions."""
        return list(self.holdings.open.values())

    @property
    def balances(self) -> Mapping[str, Balance]:
        """Balances by currency; one that is not there is zero."""
        return self.money.by_currency

    def position(self, instrument: str, side: str = "") -> Decimal:
        """Net size of all positions in an instrument, negative when short; zero without any. side: of long or short alone."""
        rows = (row for row in self.holdings.of(instrument) if not side or row.position_side == side)
        return sum(((-1 if row.position_side == "short" else 1) * (row.size or Decimal(0)) for row in rows), Decimal(0))

    # -- what is told ----------------------------------------------------------------------------------------------------

    def take_fetches(self) -> list[FetchAccount]:
        """Take the pending reads; each is answered with `fetched`."""
        fetches, self.fetches = self.fetches, []
        return fetches

    def apply(self, event: Event) -> list[Event]:
        """Take any event. Returns what it means for the quality of the picture, if anything."""
        hear = self._hear.get(type(event))
        if hear is None:
            return []
        return hear(event) or []

    def _on_order(self, event: OrderUpdate) -> None:
        if event.backfilled:
            self._read(event, event.ts_recv)
            return
        self.orders.apply(event)
        self._promised.pop(event.order_id, None)
        self._newest(event)
        self._suspect(event.order_id, event.ts_recv)

    def _on_resolved(self, event: OrderResolved) -> None:
        """OKX accepted to end or to change an order: the push that tells so may be the one that is lost."""
        if event.verdict is Verdict.CONFIRMED and event.kind in ("cancel", "amend"):
            order = self.orders.get(event.order_id, client_order_id=event.client_order_id)
            if order is not None and not order.is_final:
                self._promised[order.order_id] = (event.ts_recv, event.ts_recv + PUSH_WITHIN)

    def _on_fill(self, event: Fill) -> None:
        self.orders.apply_fill(event)
        self._newest(event)
        self._suspect(event.order_id, event.ts_recv)

    def _on_position(self, event: PositionUpdate) -> None:
        self.holdings.apply(event)
        self._newest(event)

    def _on_balances(self, event: AccountUpdate) -> None:
        self.money.apply(event)
        self._newest(event)

    def _on_both(self, event: BalanceAndPosition) -> None:
        self.money.change(event)
        for row in event.positions:
            self.holdings.change(row, event.ts_recv)
        for trade in event.trades:
            if trade.trade_id is not None and self.quality is not Quality.STALE:
                due = max(event.ts_recv + GRACE, self._untold_again_at)
                self._untold.setdefault((trade.instrument, trade.trade_id), due)
        self._newest(event)

    def _newest(self, event: Event) -> None:
        self.as_of = max(self.as_of, event.ts_event)

    # -- what happens to the line ----------------------------------------------------------------------------------------

    def _on_subscribed(self, event: Subscribed) -> list[Event]:
        if event.channel == "sprd-orders":
            self._has_spreads = True
            self._ask_spreads(event.ts_recv)
        if event.channel not in self._channels:
            return []
        place = (event.channel, event.key)
        self._down.discard(place)
        self._up.add(place)
        if self.quality is Quality.STALE and self._is_complete:
            return self.begin(event.ts_recv, "every channel runs")
        return []

    def _on_unsubscribed(self, event: Unsubscribed) -> list[Event]:
        if event.channel not in self._channels:
            return []
        self._up.discard((event.channel, event.key))
        told = self._distrust(f"{event.channel} was unsubscribed", event.ts_recv)
        if self._is_complete:  # it runs under another key too
            told += self.begin(event.ts_recv, f"{event.channel} runs still, though less of it was subscribed")
        return told

    @property
    def _is_complete(self) -> bool:
        return not self._down and {channel for channel, _ in self._up}.issuperset(self._channels)

    def _on_disconnected(self, event: Disconnected) -> list[Event]:
        lost = {place for place in event.channels if place[0] in self._channels}
        if event.handed_over and event.line.startswith("private") and self.is_live:
            # The channels run on elsewhere, yet a late push may have gone with the old connection.
            self._whole_until_ms = self.as_of // MS
            self._read_all(event.ts_recv)
        if event.handed_over or not lost:
            return []
        self._up -= lost
        self._down |= lost
        return self._distrust(f"disconnected: {event.reason}", event.ts_recv)

    def _on_refused(self, event: Refused) -> list[Event]:
        if event.channel not in self._channels or event.will_retry:
            return []
        self._up.discard((event.channel, event.key))
        self._down.add((event.channel, event.key))
        return self._distrust(f"{event.channel} was refused: {event.code} {event.message}", event.ts_recv)

    def _on_doubt(self, event: Stale | Malformed) -> list[Event]:
        """A push may have been missed, though the line goes on."""
        if event.channel not in self._channels or self.quality is Quality.STALE:
            return []
        return self.begin(event.ts_recv, f"a push of {event.channel} may have been missed")

    def _distrust(self, reason: str, now: int) -> list[Event]:
        if self.is_live:
            self._whole_until_ms = self.as_of // MS
        self._asked.clear()
        self._later.clear()
        self._to_look_up.clear()
        self._suspects.clear()
        self._promised.clear()
        self._untold.clear()
        self._pending_again_at = None
        self.fetches.clear()
        return self._become(Quality.STALE, reason, now)

    def _become(self, quality: Quality, reason: str, now: int) -> list[Event]:
        if quality is self.quality and quality is not Quality.RECONCILING:
            return []
        self.quality = quality
        return [AccountQuality(ts_recv=now, line="account", quality=quality.value, reason=reason)]

    # -- reconciling -----------------------------------------------------------------------------------------------------

    def begin(self, now: int, reason: str = "asked for") -> list[Event]:
        """Read everything anew, from now on."""
        self._distrust(reason, now)
        events = self._become(Quality.RECONCILING, reason, now)
        self._read_all(now)
        return events

    def _read_all(self, now: int) -> None:
        self._ask("account/balance", {}, self._read_balance, now)
        self._ask("account/positions", {}, self._read_positions, now)
        self._ask_pending(now)
        self._is_first_look = True
        if self._has_spreads:
            self._ask_spreads(now)
        self._ask("trade/fills", {"limit": str(PAGE)}, self._read_fills, now)

    def fetched(self, wish: FetchAccount, rows: list[Any] | None, now: int, code: str = "") -> list[Event]:
        """The answer to a wish: its rows, or None and OKX's code when there was none."""
        question = self._asked.pop(wish.number, None)
        if question is None:
            return []  # overtaken by a later interruption
        question.tries += 1
        absence = question.absence
        try:
            if absence is not None:
                if self._looked_for(question, absence, rows, code):
                    return self._go_on(now)
                if rows is not None or code in NOT_FOUND:
                    self._later.append((now + absence.pause, question))
                    return []
            elif rows is not None:
                question.then(question, rows)
                return self._go_on(now)
        except (FrameError, msgspec.ValidationError, ValueError, KeyError, TypeError):
            pass  # as good as no answer
        pause = min(RETRY_LAST, RETRY_FIRST << min(question.tries - 1, 10))
        self._later.append((now + pause, question))
        if question.tries == TOLD_AFTER and not self.is_live:
            return self._become(Quality.RECONCILING, f"GET {question.path} fails: {code or 'no answer that can be read'}", now)
        return []

    @property
    def next_deadline(self) -> int | None:
        """When to call `on_deadline`, ns; None: nothing is waiting."""
        times = list(self._suspects.values())
        if self._later:
            times += [due for due, _ in self._later]
        if self._promised:
            times += [overdue_at for _, overdue_at in self._promised.values()]
        times += self._untold.values()
        for due in (self.holdings.deadline, self._pending_again_at):
            if due is not None:
                times.append(due)
        return min(times) if times else None

    def on_deadline(self, now: int) -> list[Event]:
        """Time has passed."""
        overdue = [execution for execution, at in self._untold.items() if at <= now]
        for execution in overdue:
            del self._untold[execution]
        untold = [execution for execution in overdue if execution not in self.fills]
        if untold:
            self._untold_again_at = now + UNTOLD_EVERY
            return self.begin(now, f"trade {untold[0][1]} of {untold[0][0]} changed a balance, and no order's push tells of it")
        if self.holdings.deadline is not None and self.holdings.deadline <= now:
            self.holdings.conclude()
        if self._pending_again_at is not None and self._pending_again_at <= now:
            self._pending_again_at = None
            self._ask_pending(now)
        due = [question for at, question in self._later if at <= now]
        self._later = [(at, question) for at, question in self._later if at > now]
        for question in due:
            self._put(question, now)
        for order_id in [order_id for order_id, at in self._suspects.items() if at <= now]:
            del self._suspects[order_id]
            self._investigate(order_id, now)
        for order_id, (since, overdue_at) in list(self._promised.items()):
            if overdue_at <= now:
                del self._promised[order_id]
                if order_id in self.orders.open and self.orders.seen_at(order_id) < since:
                    self._look_up(order_id, now)
        return self._go_on(now)

    def _ask(self, path: str, query: dict[str, str], then: _Reader, now: int, order_id: str = "") -> None:
        self._put(_Question(path, query, then, now, order_id), now)

    def _ask_pending(self, now: int) -> None:
        self._pending = set()
        self._ask("trade/orders-pending", {"limit": str(PAGE)}, self._read_pending, now)

    def _ask_spreads(self, now: int) -> None:
        self._ask("sprd/orders-pending", {"limit": str(PAGE)}, self._read_spreads, now)

    def _put(self, question: _Question, now: int) -> None:
        question.asked_at = now
        if question.absence is not None:
            question.path, question.query = question.absence.path, question.absence.query
        self._number += 1
        self._asked[self._number] = question
        self.fetches.append(FetchAccount(self._number, question.path, question.query))

    def _go_on(self, now: int) -> list[Event]:
        """Look up further orders; LIVE when nothing is left to be read."""
        while self._to_look_up and len(self._asked) < MOST_LOOKUPS:
            self._look_up(self._to_look_up.pop(), now)
        asked = (*self._asked.values(), *(question for _, question in self._later))
        is_busy = self._to_look_up or self._suspects or any(question.then != self._read_spreads for question in asked)
        if self.quality is Quality.RECONCILING and not is_busy:
            return self._become(Quality.LIVE, "everything was read anew", now)
        return []

    def _look_up(self, order_id: str, now: int) -> None:
        order = self.orders.get(order_id)
        under_way = (*self._asked.values(), *(question for _, question in self._later))
        is_looked_for = any(question.absence is not None and question.order_id == order_id for question in under_way)
        if order is not None and not is_looked_for:
            itself = ("trade/order", {"instId": order.instrument, "ordId": order_id})
            question = _Question(*itself, self._read_order, now, order_id)
            question.absence = Absence(order.instrument, itself, made_ms=order.created_ms or 0)
            self._put(question, now)

    def _suspect(self, order_id: str, now: int) -> None:
        """The fills of an order should add up to what is filled of it, if not at once then within the grace."""
        if self.orders.missing(order_id):
            self._suspects.setdefault(order_id, now + GRACE)
        else:
            self._suspects.pop(order_id, None)
            self.unaccounted.discard(order_id)

    def _investigate(self, order_id: str, now: int) -> None:
        """A push was missed: of a fill, or of the order that a fill is part of."""
        order, missing = self.orders.get(order_id), self.orders.missing(order_id)
        if order is None or not missing or self.quality is Quality.STALE:
            return
        if missing < 0 and order_id not in self.unaccounted:
            self.unaccounted.add(order_id)  # until the order's own row explains it
            self._look_up(order_id, now)
        elif missing > 0:
            query = {"instId": order.instrument, "ordId": order_id, "limit": str(PAGE)}
            self._ask("trade/fills", query, self._read_order_fills, now, order_id)

    # -- answers ---------------------------------------------------------------------------------------------------------

    def _read_balance(self, question: _Question, rows: list[Any]) -> None:
        for update in decode_rows(rows, AccountUpdate, "account"):
            self.money.read(update, question.asked_at)
            self._newest(update)

    def _read_positions(self, question: _Question, rows: list[Any]) -> None:
        updates = decode_rows(rows, PositionUpdate, "positions")
        self.holdings.read(updates, question.asked_at)
        for update in updates:
            self._newest(update)

    def _read_pending(self, question: _Question, rows: list[Any]) -> None:
        updates = decode_rows(rows, OrderUpdate, "orders")
        for update in updates:
            self._read(update, question.asked_at)
            self._pending.add(update.order_id)
        if len(rows) >= PAGE:
            further = {**question.query, "after": updates[-1].order_id}
            self._ask(question.path, further, self._read_pending, question.asked_at)
            return
        pause = SHOWN_WITHIN if self._is_first_look else LOOK_EVERY  # at first OKX may not show the youngest orders
        self._is_first_look, self._pending_again_at = False, question.asked_at + pause
        for order in self.orders:  # open as far as we know, and not in OKX's list
            if order.order_id not in self._pending and self.orders.seen_at(order.order_id) <= question.asked_at:
                self._to_look_up.append(order.order_id)

    def _read_order(self, question: _Question, rows: list[Any]) -> None:
        for update in decode_rows(rows, OrderUpdate, "orders"):
            self._read(update, question.asked_at)

    def _read_spreads(self, question: _Question, rows: list[Any]) -> None:
        """Open spread orders, newest first; of more than a page the older ones are as they were last told of."""
        updates = decode_rows(rows, SpreadOrderUpdate, "sprd-orders")
        for update in updates:
            update.ts_recv = question.asked_at
            self.spreads.apply(update)
        if len(rows) < PAGE:
            self.spreads.only({update.order_id for update in updates}, question.asked_at)

    def _looked_for(self, question: _Question, absence: Absence, rows: list[Any] | None, code: str) -> bool:
        """What an answer says of one order; True when nothing is left to ask. What was heard of it since outweighs absence."""
        found = [row for row in rows or [] if row["ordId"] == question.order_id]
        if found:
            self._read_order(question, found)
            return True
        heard_at = self.orders.seen_at(question.order_id)
        if question.order_id not in self.orders.open or heard_at > question.asked_at:
            return True
        if absence.since is not None and heard_at >= absence.since:
            absence.found()
        if not absence.missed(rows, code, question.asked_at):
            return False
        self.orders.presume_ended(question.order_id)
        self._suspect(question.order_id, question.asked_at)
        return True

    def _read(self, update: OrderUpdate, asked_at: int) -> None:
        update.ts_recv = asked_at
        self.orders.read(update)
        self._newest(update)
        self._suspect(update.order_id, asked_at)

    def _read_fills(self, question: _Question, rows: list[Any]) -> None:
        """Newest first, back to where everything is known; at the very first one page, as who starts knows no earlier fills."""
        read = self._add_fills(rows)
        until = self._whole_until_ms
        if until is not None and len(rows) >= PAGE and (read[-1].at_ms or 0) > until - OVERLAP_MS:
            further = {**question.query, "after": str(read[-1].bill_id)}
            self._ask(question.path, further, self._read_fills, question.asked_at)
            return
        for order in [*self.orders.open.values(), *self.orders.finished.values()]:
            self._suspect(order.order_id, question.asked_at)

    def _read_order_fills(self, question: _Question, rows: list[Any]) -> None:
        """All fills of one order: of the last three days, and if that is not enough of the last three months."""
        read = self._add_fills(rows)
        order = self.orders.get(question.order_id)
        if order is None or self.orders.missing(question.order_id) <= 0:
            self.unaccounted.discard(question.order_id)
        elif len(rows) >= PAGE:
            further = {**question.query, "after": str(read[-1].bill_id)}
            self._ask(question.path, further, self._read_order_fills, question.asked_at, question.order_id)
        elif question.path == "trade/fills":
            query = {"instType": order.instrument_type, "instId": order.instrument, "ordId": order.order_id, "limit": str(PAGE)}
            self._ask("trade/fills-history", query, self._read_order_fills, question.asked_at, question.order_id)
        else:
            self.unaccounted.add(question.order_id)

    def _add_fills(self, rows: list[Any]) -> list[FillRow]:
        read = msgspec.convert([_filled(row) for row in rows], list[FillRow], strict=False)
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


def _filled(row: Any) -> Any:
    """A row without its empty texts, which stand for what is not there."""
    return {name: value for name, value in row.items() if value != ""} if isinstance(row, dict) else row
