"""Statements: bills of every change of cash, and the positions that were closed.

In: what the engine did. Out: Bills and ClosedPositions, oldest first, and their rows. The bills of an account add up to its
cash. Sources: OKX V5 docs, "Get bills details (last 7 days)", "Get positions history".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.accounts import AccountPosition, PositionChanged
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.engine.orders import ZERO, BalanceChanged, Execution, OrderChanged
from okex_ws.simulator.engine.trading import TradingListener
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.v5.history import OrderHistory
from okex_ws.simulator.v5.order_rows import plain

_KEPT = 100_000
_TYPES = {"transferred": "1", "filled": "2", "funding_fee": "8"}
_STEP = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class Bill:
    """One change of cash. balance: cash after it. cause: filled, funding_fee, transferred. execution: the fill, if it is one."""

    number: int
    at: int
    currency: str
    change: Decimal
    balance: Decimal
    cause: str
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class ClosedPosition:
    """Position that was closed. The prices are averages; opened: its greatest size; pnl and fee: sums over its fills."""

    at: int
    position: AccountPosition
    direction: str
    open_price: Decimal
    close_price: Decimal
    opened: Decimal
    closed: Decimal
    profit: Decimal
    fee: Decimal


@dataclass(slots=True)
class _Course:
    """Fills of a position since it was opened. size: signed."""

    size: Decimal = ZERO
    greatest: Decimal = ZERO
    opened: Decimal = ZERO
    open_worth: Decimal = ZERO
    closed: Decimal = ZERO
    close_worth: Decimal = ZERO
    profit: Decimal = ZERO
    fee: Decimal = ZERO


@dataclass(slots=True)
class _Account:
    bills: list[Bill] = field(default_factory=list)
    closed: list[ClosedPosition] = field(default_factory=list)
    cash: dict[str, Decimal] = field(default_factory=dict)
    courses: dict[tuple[str, str], _Course] = field(default_factory=dict)


class Statements(TradingListener):
    """Statements of one exchange's accounts."""

    def __init__(self, context: Context, history: OrderHistory) -> None:
        self._context = context
        self._history = history
        self._accounts: dict[str, _Account] = {}

    def bills(self, uid: str) -> list[Bill]:
        """Return an account's bills, oldest first."""
        return self._accounts[uid].bills if uid in self._accounts else []

    def closed(self, uid: str) -> list[ClosedPosition]:
        """Return an account's closed positions, oldest first."""
        return self._accounts[uid].closed if uid in self._accounts else []

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Write the bills of these events, and the positions that they closed."""
        fills: dict[str, list[Execution]] = {}
        causes: dict[str, dict[str, str]] = {}
        for event in events:
            if isinstance(event, OrderChanged):
                if event.execution is not None:
                    fills.setdefault(event.uid, []).append(event.execution)
            elif isinstance(event, BalanceChanged) and event.cause:
                causes.setdefault(event.uid, {}).update(dict.fromkeys(event.currencies, event.cause))
        for uid in dict.fromkeys([*fills, *causes]):
            account = self._accounts.setdefault(uid, _Account())
            self._write_bills(uid, account, fills.get(uid, []), causes.get(uid, {}), now)
            for execution in fills.get(uid, []):
                self._follow(account, execution, events)

    def _write_bills(self, uid: str, account: _Account, fills: list[Execution], causes: dict[str, str], now: int) -> None:
        changes = [(currency, change, each) for each in fills for currency, change in _changes(each, self._quote(each))]
        sums: dict[str, Decimal] = {}
        for currency, change, _ in changes:
            sums[currency] = sums.get(currency, ZERO) + change
        balances = self._context.trading.engine.accounts[uid].balances
        numbers = {id(execution): number for number, execution in self._history.bills(uid)[-len(fills) :]} if fills else {}
        written: list[Bill] = []
        for currency in dict.fromkeys([*sums, *causes]):
            cash = balances[currency].cash
            balance = account.cash.get(currency, cash - sums.get(currency, ZERO))
            rest = cash - balance - sums.get(currency, ZERO)
            for name, change, execution in changes:
                if name == currency and change:
                    balance += change
                    number = numbers.get(id(execution)) or self._history.next_bill()
                    numbers[id(execution)] = number + 1
                    written.append(Bill(number, execution.at, currency, change, balance, "filled", execution))
            if rest:
                number = self._history.next_bill()
                written.append(Bill(number, now, currency, rest, cash, causes.get(currency, "filled")))
            account.cash[currency] = cash
        account.bills += sorted(written, key=lambda bill: bill.number)
        if len(account.bills) > _KEPT:
            del account.bills[: _KEPT // 2]

    def _quote(self, execution: Execution) -> tuple[str, str]:
        """Return the base and quote currency of a SPOT fill, ("", "") for contracts."""
        order = execution.order
        if order.instrument_type != "SPOT":
            return "", ""
        row = self._context.trading.catalogue.row(order.instrument) or {}
        return str(row.get("baseCcy") or ""), str(row.get("quoteCcy") or "")

    def _follow(self, account: _Account, execution: Execution, events: Sequence[EngineEvent]) -> None:
        order = execution.order
        if order.instrument_type == "SPOT":
            return
        address = (order.instrument, order.position_side or "net")
        course = account.courses.setdefault(address, _Course())
        change = execution.size if order.is_buy else -execution.size
        is_opening = course.size == ZERO or (course.size > ZERO) == order.is_buy
        course.profit += execution.profit
        course.fee += execution.fee
        closing = ZERO if is_opening else min(abs(course.size), execution.size)
        if closing:
            course.closed += closing
            course.close_worth += closing * execution.price
            if closing == abs(course.size):
                self._close(account, course, address, execution, events)
                account.courses[address] = course = _Course()
                change = (execution.size - closing) * (1 if order.is_buy else -1)
            else:
                course.size += change
                return
        if change:
            course.size += change
            course.opened += abs(change)
            course.open_worth += abs(change) * execution.price
            course.greatest = max(course.greatest, abs(course.size))

    def _close(
        self,
        account: _Account,
        course: _Course,
        address: tuple[str, str],
        execution: Execution,
        events: Sequence[EngineEvent],
    ) -> None:
        found = [
            event.position
            for event in events
            if isinstance(event, PositionChanged) and event.uid == execution.order.uid
            if (event.position.instrument, event.position.side) == address
        ]
        if not found or not course.opened:
            return
        position = next((each for each in found if not each.size), found[-1])
        account.closed.append(
            ClosedPosition(
                execution.at,
                position,
                "long" if course.size > ZERO else "short",
                (course.open_worth / course.opened).quantize(_STEP),
                (course.close_worth / course.closed).quantize(_STEP),
                course.greatest,
                course.closed,
                course.profit,
                course.fee,
            )
        )
        if len(account.closed) > _KEPT:
            del account.closed[: _KEPT // 2]


def _changes(execution: Execution, currencies: tuple[str, str]) -> list[tuple[str, Decimal]]:
    """Return (currency, change of cash) of one fill."""
    base, quote = currencies
    if not base:
        return [(execution.fee_currency, execution.profit + execution.fee)]
    sign = 1 if execution.order.is_buy else -1
    changes = {base: sign * execution.size, quote: -sign * execution.price * execution.size}
    changes[execution.fee_currency] = changes.get(execution.fee_currency, ZERO) + execution.fee
    return list(changes.items())


def bill_row(bill: Bill) -> dict[str, Any]:
    """Return the row of a bill."""
    execution = bill.execution
    order = execution.order if execution is not None else None
    subtype = "173" if bill.change < ZERO else "174"
    if bill.cause != "funding_fee":
        subtype = ("1" if order.is_buy else "2") if order is not None else ("11" if bill.change > ZERO else "12")
    is_fee = execution is not None and execution.fee_currency == bill.currency
    unused = ("from", "to", "notes", "fillFwdPx", "fillIdxPx", "fillMarkVol", "fillPxUsd", "fillPxVol", "earnAmt", "earnApr")
    return {
        "billId": str(bill.number),
        "instType": order.instrument_type if order is not None else "",
        "instId": order.instrument if order is not None else "",
        "ccy": bill.currency,
        "mgnMode": order.trade_mode if order is not None else "",
        "type": _TYPES.get(bill.cause, "2"),
        "subType": subtype,
        "ts": stamp(bill.at),
        "balChg": plain(bill.change),
        "posBalChg": "0",
        "bal": plain(bill.balance),
        "posBal": "0",
        "sz": plain(execution.size if execution is not None else abs(bill.change)),
        "px": plain(execution.price) if execution is not None else "",
        "pnl": plain(execution.profit) if execution is not None else "0",
        "fee": plain(execution.fee) if execution is not None and is_fee else "0",
        "interest": "0",
        "ordId": order.order_id if order is not None else "",
        "clOrdId": order.client_order_id if order is not None else "",
        "tag": order.tag if order is not None else "",
        "execType": execution.liquidity if execution is not None else "",
        "tradeId": str(execution.trade_id) if execution is not None else "",
        "fillTime": stamp(execution.at) if execution is not None else "",
        "fillMarkPx": plain(execution.mark) if execution is not None else "",
        **dict.fromkeys(unused, ""),
    }


def closed_row(closed: ClosedPosition, listing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a closed position."""
    position = closed.position
    realised = closed.profit + closed.fee + position.funding
    margin = closed.opened * closed.open_price * Decimal(listing.get("ctVal") or 1) / position.leverage
    ratio = realised / margin if margin and listing.get("ctType") == "linear" else None
    return {
        "instType": position.instrument_type,
        "instId": position.instrument,
        "mgnMode": "cross",
        "type": "2",
        "cTime": stamp(position.created),
        "uTime": stamp(closed.at),
        "openAvgPx": plain(closed.open_price),
        "nonSettleAvgPx": "",
        "closeAvgPx": plain(closed.close_price),
        "posId": position.position_id,
        "openMaxPos": plain(closed.opened),
        "closeTotalPos": plain(closed.closed),
        "realizedPnl": plain(realised),
        "settledPnl": "",
        "pnl": plain(closed.profit),
        "pnlRatio": "" if ratio is None else plain(ratio.quantize(_STEP)),
        "fee": plain(closed.fee),
        "fundingFee": plain(position.funding),
        "liqPenalty": "0",
        "posSide": position.side,
        "direction": closed.direction,
        "lever": plain(position.leverage),
        "triggerPx": "",
        "uly": str(listing.get("uly") or ""),
        "ccy": position.currency,
    }
