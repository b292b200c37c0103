"""AccountPushes: subscriptions to an account's channels, and the pushes to them.

In: subscriptions of logged-in connections, what happens in trading. Out: pushes: orders and fills at once, balances and
positions merged over a moment, snapshots in pages at the start and every few seconds. Sources: OKX V5 docs, "Order
channel", "Fills channel", "Account channel", "Positions channel", "Balance and position channel", "Account greeks channel".
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from okex_ws.simulator.channels import CHANNELS, Topic
from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.accounts import AccountPosition
from okex_ws.simulator.engine.algo_orders import AlgoOrder
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.engine.orders import BalanceChanged, Execution, OrderChanged
from okex_ws.simulator.engine.spreads import SpreadExecution, SpreadOrder
from okex_ws.simulator.engine.trading import SimulatedTrading, TradingListener
from okex_ws.simulator.market.base import MILLISECOND, SECOND, stamp
from okex_ws.simulator.subscriber import PublishedPush, Subscriber
from okex_ws.simulator.v5 import account_rows, order_rows, spread_grammar
from okex_ws.simulator.v5.algo_rows import algo_row
from okex_ws.simulator.v5.frames import AccountPush
from okex_ws.simulator.v5.history import OrderHistory

_INTERVALS = {"account": (0,), "positions": (0, 2000, 3000, 4000)}
"""updateInterval (ms) that extraParams may choose; 0 is events only."""


@dataclass(slots=True)
class _PushListener:
    """One subscription. wanted: the fields of its arg; interval: ns between regular pushes, 0 for none."""

    subscriber: Subscriber
    topic: Topic
    wanted: dict[str, str]
    interval: int

    def wants(self, row: dict[str, Any], family: str = "") -> bool:
        """True if it receives a row of an instrument; an instId takes precedence over a family."""
        wanted = self.wanted
        if wanted.get("instType", "ANY") not in ("ANY", row.get("instType", "")):
            return False
        if "instId" in wanted:
            return wanted["instId"] == row.get("instId")
        return "instFamily" not in wanted or wanted["instFamily"] == family


@dataclass(slots=True)
class _Pending:
    """Changes of an account since its last event push."""

    currencies: dict[str, None] = field(default_factory=dict)
    positions: dict[tuple[str, str], AccountPosition] = field(default_factory=dict)
    is_due: bool = False


class AccountPushes(TradingListener):
    """The account channels of one exchange."""

    def __init__(self, context: Context, history: OrderHistory) -> None:
        self._context = context
        self._history = history
        self._spread_rows: list[tuple[str, str, dict[str, Any], str]] = []
        self._listeners: dict[tuple[str, str], dict[tuple[int, bytes], _PushListener]] = {}
        self._pending: dict[str, _Pending] = {}

    @functools.cached_property
    def _trading(self) -> SimulatedTrading:
        return self._context.trading

    def subscribe(self, subscriber: Subscriber, topic: Topic, now: int) -> list[PublishedPush]:
        """Begin a subscription of a logged-in connection; return its snapshot, in pages."""
        assert subscriber.account is not None
        uid = subscriber.account.uid
        name = topic.channel.name
        wanted = {k: v for k, v in msgspec.json.decode(topic.arg).items() if k != "channel"}
        listener = _PushListener(subscriber, topic, wanted, self._interval(name, wanted))
        known = self._listeners.setdefault((uid, name), {})
        is_new = (subscriber.number, topic.identity) not in known
        known[subscriber.number, topic.identity] = listener
        if is_new and listener.interval:
            self._schedule(uid, listener, now)
        return self._snapshot(uid, listener, now)

    def unsubscribe(self, subscriber: Subscriber, topic: Topic) -> None:
        """End a subscription."""
        if subscriber.account is not None:
            known = self._listeners.get((subscriber.account.uid, topic.channel.name), {})
            known.pop((subscriber.number, topic.identity), None)

    # Trading

    def algo_changed(self, algo: AlgoOrder, now: int) -> None:
        """Push an algo order."""
        self._push_row(algo.uid, "orders-algo", algo_row(algo, self._trading), now, action=algo.state)

    def spread_changed(self, order: SpreadOrder, fill: SpreadExecution | None, request_id: str) -> None:
        """Keep a spread order as it is now; `happened` pushes it."""
        self._spread_rows.append((order.uid, "sprd-orders", spread_grammar.order_row(order, fill, request_id), order.state))
        if fill is not None:
            self._spread_rows.append((order.uid, "sprd-trades", spread_grammar.fill_row(fill), ""))

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Push spreads, then orders and fills one by one, then the changes of balances and positions."""
        spread_rows, self._spread_rows = self._spread_rows, []
        for uid, channel, row, action in spread_rows:
            self._push_row(uid, channel, row, now, action=action)
        matches: dict[str, list[Execution]] = {}
        briefs: dict[tuple[str, str], tuple[dict[str, None], dict[tuple[str, str], AccountPosition]]] = {}
        for event in events:
            uid = event.uid
            if isinstance(event, OrderChanged):
                self._push_order(event, now)
                if event.execution is not None:
                    matches.setdefault(uid, []).append(event.execution)
                continue
            pending = self._pending.setdefault(uid, _Pending())
            brief = briefs.setdefault((uid, event.cause), ({}, {}))
            if isinstance(event, BalanceChanged):
                pending.currencies.update(dict.fromkeys(event.currencies))
                brief[0].update(dict.fromkeys(event.currencies))
            else:
                address = (event.position.instrument, event.position.side)
                pending.positions[address] = event.position
                brief[1][address] = event.position
            self._merge(uid, pending, now)
        for uid, executions in matches.items():
            self._push_fills(uid, executions, now)
        for (uid, cause), (currencies, positions) in briefs.items():
            if cause:
                trades = matches.get(uid, []) if cause == "filled" else []
                self._push_brief(uid, cause, currencies, positions.values(), trades, now)

    def _push_row(self, uid: str, channel: str, row: dict[str, Any], now: int, *, action: str = "") -> None:
        """Push one row to the subscriptions of this account's channel that it matches."""
        known = self._listeners.get((uid, channel))
        if not known:
            return
        family = self._trading.catalogue.family(row.get("instId", ""))
        push = AccountPush(CHANNELS[channel], row.get("instId", row.get("sprdId", "")), [row], now, uid, action)
        for listener in list(known.values()):
            if channel.startswith("sprd-"):
                is_wanted = listener.wanted.get("sprdId", row["sprdId"]) == row["sprdId"]
            else:
                is_wanted = listener.wants(row, family)
            if is_wanted:
                listener.subscriber.push(listener.topic, push, now)

    def _push_order(self, change: OrderChanged, now: int) -> None:
        if self._listeners.get((change.uid, "orders")):
            row = order_rows.order_push(
                change.order,
                self._trading.catalogue.figures(change.order.instrument, with_index=change.execution is not None),
                execution=change.execution,
                request_id=change.request_id,
                amend_result=change.amend_result,
                origin=self._history.origin(change.order),
                attached=self._trading.algos.attached_to(change.order),
            )
            self._push_row(change.uid, "orders", row, now, action=change.order.state)

    def _push_fills(self, uid: str, executions: list[Execution], now: int) -> None:
        if not self._listeners.get((uid, "fills")):
            return
        group: list[Execution] = []
        for execution in executions:
            together = (
                group
                and execution.liquidity == "T"
                and (
                    group[0].order.order_id == execution.order.order_id
                    and (group[0].price, group[0].liquidity) == (execution.price, "T")
                )
            )
            if group and not together:
                self._push_row(uid, "fills", order_rows.fill_push(group), now)
                group = []
            group.append(execution)
        self._push_row(uid, "fills", order_rows.fill_push(group), now)

    def _push_brief(
        self,
        uid: str,
        cause: str,
        currencies: Iterable[str],
        positions: Iterable[AccountPosition],
        trades: list[Execution],
        now: int,
    ) -> None:
        if self._listeners.get((uid, "balance_and_position")):
            row = self._brief(uid, cause, currencies, positions, trades, now)
            push = AccountPush(CHANNELS["balance_and_position"], "", [row], now, uid, cause)
            for listener in list(self._listeners[uid, "balance_and_position"].values()):
                listener.subscriber.push(listener.topic, push, now)

    def _brief(
        self,
        uid: str,
        cause: str,
        currencies: Iterable[str],
        positions: Iterable[AccountPosition],
        trades: list[Execution],
        now: int,
    ) -> dict[str, Any]:
        return {
            "pTime": stamp(now),
            "eventType": cause,
            "balData": [account_rows.brief_balance(self._trading.engine, uid, each) for each in currencies],
            "posData": [account_rows.brief_position(each) for each in positions],
            "trades": [{"instId": each.order.instrument, "tradeId": str(each.trade_id)} for each in trades],
        }

    def _merge(self, uid: str, pending: _Pending, now: int) -> None:
        """Merge the events of the next moment into one push."""
        if not pending.is_due:
            pending.is_due = True
            self._context.timers.call_at(
                now + round(self._context.rules.account_merge_s * SECOND), lambda then: self._release(uid, then)
            )

    def _release(self, uid: str, now: int) -> None:
        pending = self._pending.pop(uid, None)
        if pending is None:
            return
        for listener in list(self._listeners.get((uid, "account"), {}).values()):
            chosen = [c for c in pending.currencies if listener.wanted.get("ccy", c) == c]
            if chosen:
                row = account_rows.account(self._trading.engine, uid, sorted(chosen), now)
                self._push_event(uid, listener, [row], now)
        rows = [self._position(each, now) for each in pending.positions.values()]
        for listener in list(self._listeners.get((uid, "positions"), {}).values()):
            chosen_rows = [row for row in rows if listener.wants(row, self._trading.catalogue.family(row["instId"]))]
            if chosen_rows:
                self._push_event(uid, listener, chosen_rows, now)

    def _push_event(self, uid: str, listener: _PushListener, rows: list[Any], now: int) -> None:
        topic = listener.topic
        head = {"eventType": "event_update"}
        push = AccountPush(topic.channel, topic.key, rows, now, uid, "event_update", head)
        listener.subscriber.push(topic, push, now)

    def _schedule(self, uid: str, listener: _PushListener, now: int) -> None:
        self._context.timers.call_at(now + listener.interval, lambda then: self._repeat(uid, listener, then))

    def _repeat(self, uid: str, listener: _PushListener, now: int) -> None:
        """Push the account's snapshot again; of positions only if there are any."""
        topic = listener.topic
        if self._listeners.get((uid, topic.channel.name), {}).get((listener.subscriber.number, topic.identity)) is not listener:
            return
        for push in self._snapshot(uid, listener, now):
            if topic.channel.name != "positions" or push.rows:
                listener.subscriber.push(topic, push, now)
        self._schedule(uid, listener, now)

    def _snapshot(self, uid: str, listener: _PushListener, now: int) -> list[PublishedPush]:
        name = listener.topic.channel.name
        engine = self._trading.engine
        if name == "account":
            chosen = [c for c in account_rows.held(engine, uid) if listener.wanted.get("ccy", c) == c]
            pages = self._pages(chosen)
            whole = [[account_rows.account(engine, uid, page, now)] for page in pages]
            return self._paged(uid, listener, whole, now)
        if name == "positions":
            rows = [self._position(each, now) for each in account_rows.open_positions(engine, uid)]
            rows = [row for row in rows if listener.wants(row, self._trading.catalogue.family(row["instId"]))]
            return self._paged(uid, listener, self._pages(rows), now)
        if name == "balance_and_position":
            positions = account_rows.open_positions(engine, uid)
            row = self._brief(uid, "snapshot", account_rows.held(engine, uid), positions, [], now)
            return [AccountPush(listener.topic.channel, "", [row], now, uid, "snapshot")]
        if name == "account-greeks":
            chosen = [c for c in account_rows.held(engine, uid) if listener.wanted.get("ccy", c) == c]
            greeks = [account_rows.greeks(engine, uid, each, now) for each in chosen]
            return [AccountPush(listener.topic.channel, "", greeks, now, uid, "snapshot")]
        return []

    def _pages(self, items: list[Any]) -> list[list[Any]]:
        size = max(1, self._context.rules.account_page)
        return [items[i : i + size] for i in range(0, len(items), size)] or [[]]

    def _paged(self, uid: str, listener: _PushListener, pages: list[list[Any]], now: int) -> list[PublishedPush]:
        topic = listener.topic
        return [
            AccountPush(
                topic.channel,
                topic.key,
                rows,
                now,
                uid,
                "snapshot",
                {"eventType": "snapshot", "curPage": number, "lastPage": number == len(pages)},
            )
            for number, rows in enumerate(pages, 1)
        ]

    def _position(self, position: AccountPosition, now: int) -> dict[str, Any]:
        return account_rows.position(self._trading.engine, position, self._trading.catalogue.figures(position.instrument), now)

    def _interval(self, name: str, wanted: dict[str, str]) -> int:
        if name not in _INTERVALS:
            return 0
        interval: Any = None
        if "extraParams" in wanted:
            try:
                interval = msgspec.json.decode(wanted["extraParams"]).get("updateInterval")
            except (msgspec.DecodeError, AttributeError):
                interval = None
        if interval is not None and str(interval).isdigit() and int(interval) in _INTERVALS[name]:
            return int(interval) * MILLISECOND
        return round(self._context.rules.account_interval_s * SECOND)
