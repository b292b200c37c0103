"""V3AccountPushes: V3's pushes of an account to the private tables of one connection.

In: the subscribed channels, what the engine did. Out: (channel, rows) of pushes. V3 took orders over REST alone: the orders
come from connections of the same account that speak V1 or V5, or from REST.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.accounts import AccountPosition, PositionChanged
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.engine.orders import BalanceChanged, OrderChanged
from okex_ws.simulator.v3 import account_rows
from okex_ws.simulator.v3.grammar import V3Channel

_TYPES = {"spot": ("SPOT", "MARGIN"), "futures": ("FUTURES",), "swap": ("SWAP",)}


class V3AccountPushes:
    """The private tables of one connection."""

    def __init__(self, context: Context, uid: str) -> None:
        self._context = context
        self._engine = context.trading.engine
        self.uid = uid
        self.channels: dict[str, V3Channel] = {}

    def is_listed(self, channel: V3Channel) -> bool:
        """True if the currency or instrument exists."""
        return bool(self._settle(channel)) if channel.kind == "account" else self._row(channel, channel.filter) is not None

    def first(self, channel: V3Channel, now: int) -> list[Any]:
        """Return the rows of the first push: the account or position as it is; none of orders."""
        if channel.kind == "account":
            return [account_rows.account(channel, self._engine, self.uid, self._settle(channel), now)]
        if channel.kind == "margin_account":
            return [account_rows.margin_account(channel.filter)]
        return [self._position(channel, now)] if channel.kind == "position" else []

    def pushes(self, events: Sequence[EngineEvent], now: int) -> list[tuple[V3Channel, list[Any]]]:
        """Return (channel, rows) of pushes: orders and positions in order, then each account once, as it is last."""
        pushes: list[tuple[V3Channel, list[Any]]] = []
        touched: set[str] = set()
        for event in events:
            if event.uid != self.uid:
                continue
            if isinstance(event, BalanceChanged):
                touched.update(event.currencies)
                continue
            for channel in self.channels.values():
                row = self._row_of(channel, event, now)
                if row is not None:
                    pushes.append((channel, [row]))
        accounts = [each for each in self.channels.values() if each.kind == "account" and self._settle(each) in touched]
        return [*pushes, *((channel, self.first(channel, now)) for channel in accounts)]

    def _row_of(self, channel: V3Channel, event: EngineEvent, now: int) -> dict[str, Any] | None:
        if isinstance(event, OrderChanged) and channel.kind == "order":
            return self._order(channel, event)
        if isinstance(event, PositionChanged) and channel.kind == "position":
            changed = event.position
            return self._position(channel, now, changed) if changed.instrument == channel.filter else None
        return None

    def _order(self, channel: V3Channel, change: OrderChanged) -> dict[str, Any] | None:
        order = change.order
        if order.instrument != channel.filter or order.instrument_type not in _TYPES[channel.business]:
            return None
        if channel.business == "spot":
            return account_rows.spot_order(order, change.execution)
        row = self._row(channel, order.instrument) or {}
        return account_rows.contract_order(order, str(row.get("ctVal", "")))

    def _position(self, channel: V3Channel, now: int, changed: AccountPosition | None = None) -> dict[str, Any]:
        held = {
            each.side: each
            for each in self._engine.accounts[self.uid].positions.values()
            if each.instrument == channel.filter and (each.size or each is changed)
        }
        if changed is not None:
            held[changed.side] = changed
        if channel.business == "futures":
            return account_rows.futures_position(list(held.values()), channel.filter, now)
        return account_rows.swap_position(list(held.values()), channel.filter, self._engine)

    def _settle(self, channel: V3Channel) -> str:
        """Return the currency of an account channel, "" if unknown. Futures name a coin or an underlying."""
        name = channel.filter.upper()
        if channel.business == "spot":
            known = {row[side] for row in self._context.listings.rows("SPOT") for side in ("baseCcy", "quoteCcy")}
            return name if name in known or name in self._engine.accounts[self.uid].balances else ""
        for row in self._context.listings.rows(channel.business.upper()):
            if channel.business == "swap" and row["instId"] == name:
                return str(row["settleCcy"])
            if channel.business == "futures" and name in (row["settleCcy"], row["uly"]):
                return str(row["settleCcy"])
        return ""

    def _row(self, channel: V3Channel, instrument: str) -> dict[str, Any] | None:
        rows = self._context.listings.rows(channel.business.upper())
        return next((row for row in rows if row["instId"] == instrument), None)
