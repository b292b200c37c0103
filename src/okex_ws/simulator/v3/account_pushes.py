"""V3AccountPushes: what V3 pushes of an account to the private tables one line has subscribed to.

In: the channels subscribed to, the floor's happenings. Out: (channel, rows) of pushes. V3 took orders over REST alone, so
nothing is obeyed here: the orders come from lines of the same account that speak V1 or V5, or from REST.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.engine.accounts import AccountPosition, PositionChanged
from okex_ws.simulator.engine.orders import BalanceChanged, OrderChanged
from okex_ws.simulator.v3 import account_rows as v3_private
from okex_ws.simulator.v3.grammar import V3Channel

if TYPE_CHECKING:
    from okex_ws.simulator.engine.engine import Happening
    from okex_ws.simulator.exchange import Exchange

_TYPES = {"spot": ("SPOT", "MARGIN"), "futures": ("FUTURES",), "swap": ("SWAP",)}


class V3AccountPushes:
    """The private tables of one line."""

    def __init__(self, exchange: Exchange, uid: str) -> None:
        self._exchange = exchange
        self._floor = exchange.floor
        self.uid = uid
        self.channels: dict[str, V3Channel] = {}

    def is_listed(self, channel: V3Channel) -> bool:
        """Whether there is such a currency or instrument."""
        return bool(self._settle(channel)) if channel.kind == "account" else self._row(channel, channel.filter) is not None

    def first(self, channel: V3Channel, now: int) -> list[Any]:
        """What a new subscriber gets at once: the account or the position as it is; orders only when they change."""
        if channel.kind == "account":
            return [v3_private.account(channel, self._floor, self.uid, self._settle(channel), now)]
        if channel.kind == "margin_account":
            return [v3_private.margin_account(channel.filter)]
        return [self._position(channel, now)] if channel.kind == "position" else []

    def told(self, happenings: Iterable[Happening], now: int) -> list[tuple[V3Channel, list[Any]]]:
        """What the subscribed tables have to tell of happenings: orders and positions as they went, then each account once,
        as it is after all of them.
        """
        pushes: list[tuple[V3Channel, list[Any]]] = []
        touched: set[str] = set()
        for happening in happenings:
            if happening.uid != self.uid:
                continue
            if isinstance(happening, BalanceChanged):
                touched.update(happening.currencies)
                continue
            for channel in self.channels.values():
                row = self._told(channel, happening, now)
                if row is not None:
                    pushes.append((channel, [row]))
        accounts = [each for each in self.channels.values() if each.kind == "account" and self._settle(each) in touched]
        return [*pushes, *((channel, self.first(channel, now)) for channel in accounts)]

    def _told(self, channel: V3Channel, happening: Happening, now: int) -> dict[str, Any] | None:
        if isinstance(happening, OrderChanged) and channel.kind == "order":
            return self._order(channel, happening)
        if isinstance(happening, PositionChanged) and channel.kind == "position":
            changed = happening.position
            return self._position(channel, now, changed) if changed.instrument == channel.filter else None
        return None

    def _order(self, channel: V3Channel, change: OrderChanged) -> dict[str, Any] | None:
        order = change.order
        if order.instrument != channel.filter or order.instrument_type not in _TYPES[channel.business]:
            return None
        if channel.business == "spot":
            return v3_private.spot_order(order, change.execution)
        row = self._row(channel, order.instrument) or {}
        return v3_private.contract_order(order, str(row.get("ctVal", "")))

    def _position(self, channel: V3Channel, now: int, changed: AccountPosition | None = None) -> dict[str, Any]:
        held = {
            each.side: each
            for each in self._floor.accounts[self.uid].positions.values()
            if each.instrument == channel.filter and (each.size or each is changed)
        }
        if changed is not None:
            held[changed.side] = changed
        if channel.business == "futures":
            return v3_private.futures_position(list(held.values()), channel.filter, now)
        return v3_private.swap_position(list(held.values()), channel.filter, self._floor)

    def _settle(self, channel: V3Channel) -> str:
        """The currency an account channel is about, "" if there is none: futures name a coin or an underlying."""
        name = channel.filter.upper()
        if channel.business == "spot":
            known = {row[side] for row in self._exchange.instruments("SPOT") for side in ("baseCcy", "quoteCcy")}
            return name if name in known or name in self._floor.accounts[self.uid].balances else ""
        for row in self._exchange.instruments(channel.business.upper()):
            if channel.business == "swap" and row["instId"] == name:
                return str(row["settleCcy"])
            if channel.business == "futures" and name in (row["settleCcy"], row["uly"]):
                return str(row["settleCcy"])
        return ""

    def _row(self, channel: V3Channel, instrument: str) -> dict[str, Any] | None:
        rows = self._exchange.instruments(channel.business.upper())
        return next((row for row in rows if row["instId"] == instrument), None)
