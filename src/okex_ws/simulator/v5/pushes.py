"""AccountPushes: who listens to an account's channels, and what is pushed to them when and how.

In: subscriptions of lines that are logged in, the floor's happenings. Out: pushes to those lines: orders and fills as
they happen, balances and positions after a moment in which events are put together, snapshots in pages at the start and
every few seconds. Sources: OKX V5 docs, "Order channel", "Fills channel", "Account channel", "Positions channel",
"Balance and position channel", "Account greeks channel".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from okex_ws.simulator.connection import ExchangeConnection, Text
from okex_ws.simulator.engine.accounts import AccountPosition
from okex_ws.simulator.engine.orders import BalanceChanged, Execution, OrderChanged
from okex_ws.simulator.market.base import MILLISECOND, SECOND, stamp
from okex_ws.simulator.v5 import account_rows, order_rows
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.connection import PublishedPush
from okex_ws.simulator.v5.grammar import Topic, V5Channel

if TYPE_CHECKING:
    from okex_ws.simulator.engine.engine import Happening
    from okex_ws.simulator.v5.trading import V5Trading

_INTERVALS = {"account": (0,), "positions": (0, 2000, 3000, 4000)}
"""What extraParams may ask for as updateInterval (ms); 0 is events only."""


class PrivatePush(PublishedPush):
    """One push to an account's listeners; `action`, which faults may ask for, is the order's state or the event type."""

    __slots__ = ("head", "uid")

    def __init__(
        self,
        channel: V5Channel,
        key: str,
        rows: list[Any],
        ts: int,
        uid: str,
        action: str = "",
        head: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(channel, key, rows, action, ts)
        self.uid = uid
        self.head = b"".join(b'"%b":%b,' % (name.encode(), v5.encode(value)) for name, value in (head or {}).items())

    def text(self, arg: bytes) -> Text:
        """The frame for a subscription with this arg, to which the uid is added."""
        text = self._encoded.get(arg)
        if text is None:
            whose = b'%b,"uid":"%b"}' % (arg[:-1], self.uid.encode())
            frame = b'{"arg":%b,%b"data":%b}' % (whose, self.head, v5.encode(self.rows))
            text = self._encoded[arg] = Text(frame)
        return text

    def traits(self) -> set[str]:
        """What the faults' `needs` speak of."""
        return {"order"} if self.channel.name == "orders" else set()

    def detail(self) -> str:
        """What it is about, for the ledger."""
        row = self.rows[0] if self.rows else {}
        return " ".join(str(row[name]) for name in ("ordId", "state", "tradeId", "pos") if row.get(name))


@dataclass(slots=True)
class _PushListener:
    """One subscription. wanted: the fields of its arg; interval: ns between regular pushes, 0 for none."""

    line: ExchangeConnection
    topic: Topic
    wanted: dict[str, str]
    interval: int

    def wants(self, row: dict[str, Any], family: str = "") -> bool:
        """Whether a row of an instrument is for it; an instId wins over a family."""
        wanted = self.wanted
        if wanted.get("instType", "ANY") not in ("ANY", row.get("instType", "")):
            return False
        if "instId" in wanted:
            return wanted["instId"] == row.get("instId")
        return "instFamily" not in wanted or wanted["instFamily"] == family


@dataclass(slots=True)
class _Pending:
    """What changed in an account since its last event push."""

    currencies: dict[str, None] = field(default_factory=dict)
    positions: dict[tuple[str, str], AccountPosition] = field(default_factory=dict)
    is_due: bool = False


class AccountPushes:
    """The account channels of one exchange."""

    def __init__(self, desk: V5Trading) -> None:
        self._desk = desk
        self._listeners: dict[tuple[str, str], dict[tuple[int, bytes], _PushListener]] = {}
        self._pending: dict[str, _Pending] = {}

    def join(self, line: ExchangeConnection, topic: Topic, now: int) -> list[PublishedPush]:
        """A subscription begins; returns its snapshot, in pages. The line must be logged in."""
        uid = self._uid(line)
        name = topic.channel.name
        wanted = {k: v for k, v in msgspec.json.decode(topic.arg).items() if k != "channel"}
        listener = _PushListener(line, topic, wanted, self._interval(name, wanted))
        joined = self._listeners.setdefault((uid, name), {})
        is_new = (line.number, topic.identity) not in joined
        joined[line.number, topic.identity] = listener
        if is_new and listener.interval:
            self._schedule(uid, listener, now)
        return self._snapshot(uid, listener, now)

    def leave(self, line: ExchangeConnection, topic: Topic) -> None:
        """A subscription ends."""
        if line.account is not None:
            joined = self._listeners.get((line.account.uid, topic.channel.name), {})
            joined.pop((line.number, topic.identity), None)

    def tell(self, happenings: Iterable[Happening], now: int) -> None:
        """PublishedPush what happened: orders and fills one by one, then what it did to balances and positions."""
        matches: dict[str, list[Execution]] = {}
        briefs: dict[tuple[str, str], tuple[dict[str, None], dict[tuple[str, str], AccountPosition]]] = {}
        for happening in happenings:
            uid = happening.uid
            if isinstance(happening, OrderChanged):
                self._tell_order(happening, now)
                if happening.execution is not None:
                    matches.setdefault(uid, []).append(happening.execution)
                continue
            pending = self._pending.setdefault(uid, _Pending())
            brief = briefs.setdefault((uid, happening.cause), ({}, {}))
            if isinstance(happening, BalanceChanged):
                pending.currencies.update(dict.fromkeys(happening.currencies))
                brief[0].update(dict.fromkeys(happening.currencies))
            else:
                address = (happening.position.instrument, happening.position.side)
                pending.positions[address] = happening.position
                brief[1][address] = happening.position
            self._merge(uid, pending, now)
        for uid, executions in matches.items():
            self._tell_fills(uid, executions, now)
        for (uid, cause), (currencies, positions) in briefs.items():
            if cause:
                trades = matches.get(uid, []) if cause == "filled" else []
                self._tell_briefly(uid, cause, currencies, positions.values(), trades, now)

    def announce(self, uid: str, channel: str, row: dict[str, Any], now: int, *, action: str = "") -> None:
        """PublishedPush one ready row to whoever listens to this account's channel and wants the row."""
        joined = self._listeners.get((uid, channel))
        if not joined:
            return
        family = self._desk.listings.family(row.get("instId", ""))
        push = PrivatePush(v5.CHANNELS[channel], row.get("instId", row.get("sprdId", "")), [row], now, uid, action)
        for listener in list(joined.values()):
            if channel.startswith("sprd-"):
                is_wanted = listener.wanted.get("sprdId", row["sprdId"]) == row["sprdId"]
            else:
                is_wanted = listener.wants(row, family)
            if is_wanted:
                listener.line.push(listener.topic, push, now)

    def _tell_order(self, change: OrderChanged, now: int) -> None:
        if self._listeners.get((change.uid, "orders")):
            row = order_rows.order_push(
                change.order,
                self._desk.listings.figures(change.order.instrument, with_index=change.execution is not None),
                execution=change.execution,
                request_id=change.request_id,
                amend_result=change.amend_result,
                origin=self._desk.origin(change.order),
            )
            self.announce(change.uid, "orders", row, now, action=change.order.state)

    def _tell_fills(self, uid: str, executions: list[Execution], now: int) -> None:
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
                self.announce(uid, "fills", order_rows.fill_push(group), now)
                group = []
            group.append(execution)
        self.announce(uid, "fills", order_rows.fill_push(group), now)

    def _tell_briefly(
        self,
        uid: str,
        cause: str,
        currencies: Iterable[str],
        positions: Iterable[AccountPosition],
        trades: list[Execution],
        now: int,
    ) -> None:
        if self._listeners.get((uid, "balance_and_position")):
            self._send_brief(uid, self._brief(uid, cause, currencies, positions, trades, now), cause, now)

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
            "balData": [account_rows.brief_balance(self._desk.floor, uid, each) for each in currencies],
            "posData": [account_rows.brief_position(each) for each in positions],
            "trades": [{"instId": each.order.instrument, "tradeId": str(each.trade_id)} for each in trades],
        }

    def _send_brief(self, uid: str, row: dict[str, Any], cause: str, now: int) -> None:
        push = PrivatePush(v5.CHANNELS["balance_and_position"], "", [row], now, uid, cause)
        for listener in list(self._listeners[uid, "balance_and_position"].values()):
            listener.line.push(listener.topic, push, now)

    def _merge(self, uid: str, pending: _Pending, now: int) -> None:
        """Events of the next moment go into one push."""
        if not pending.is_due:
            pending.is_due = True
            self._desk.exchange.call_at(
                now + round(self._desk.exchange.rules.account_merge_s * SECOND), lambda then: self._release(uid, then)
            )

    def _release(self, uid: str, now: int) -> None:
        pending = self._pending.pop(uid, None)
        if pending is None:
            return
        for listener in list(self._listeners.get((uid, "account"), {}).values()):
            chosen = [c for c in pending.currencies if listener.wanted.get("ccy", c) == c]
            if chosen:
                row = account_rows.account(self._desk.floor, uid, sorted(chosen), now)
                self._push_event(uid, listener, [row], now)
        rows = [self._position(each, now) for each in pending.positions.values()]
        for listener in list(self._listeners.get((uid, "positions"), {}).values()):
            chosen_rows = [row for row in rows if listener.wants(row, self._desk.listings.family(row["instId"]))]
            if chosen_rows:
                self._push_event(uid, listener, chosen_rows, now)

    def _push_event(self, uid: str, listener: _PushListener, rows: list[Any], now: int) -> None:
        topic = listener.topic
        head = {"eventType": "event_update"}
        push = PrivatePush(topic.channel, topic.key, rows, now, uid, "event_update", head)
        listener.line.push(topic, push, now)

    def _schedule(self, uid: str, listener: _PushListener, now: int) -> None:
        self._desk.exchange.call_at(now + listener.interval, lambda then: self._repeat(uid, listener, then))

    def _repeat(self, uid: str, listener: _PushListener, now: int) -> None:
        """The regular push: the account's snapshot again, of positions only when there are any."""
        topic = listener.topic
        if self._listeners.get((uid, topic.channel.name), {}).get((listener.line.number, topic.identity)) is not listener:
            return
        for push in self._snapshot(uid, listener, now):
            if topic.channel.name != "positions" or push.rows:
                listener.line.push(topic, push, now)
        self._schedule(uid, listener, now)

    def _snapshot(self, uid: str, listener: _PushListener, now: int) -> list[PublishedPush]:
        name = listener.topic.channel.name
        floor = self._desk.floor
        if name == "account":
            chosen = [c for c in account_rows.held(floor, uid) if listener.wanted.get("ccy", c) == c]
            pages = self._pages(chosen)
            whole = [[account_rows.account(floor, uid, page, now)] for page in pages]
            return self._paged(uid, listener, whole, now)
        if name == "positions":
            rows = [self._position(each, now) for each in account_rows.open_positions(floor, uid)]
            rows = [row for row in rows if listener.wants(row, self._desk.listings.family(row["instId"]))]
            return self._paged(uid, listener, self._pages(rows), now)
        if name == "balance_and_position":
            positions = account_rows.open_positions(floor, uid)
            row = self._brief(uid, "snapshot", account_rows.held(floor, uid), positions, [], now)
            return [PrivatePush(listener.topic.channel, "", [row], now, uid, "snapshot")]
        if name == "account-greeks":
            chosen = [c for c in account_rows.held(floor, uid) if listener.wanted.get("ccy", c) == c]
            greeks = [account_rows.greeks(floor, uid, each, now) for each in chosen]
            return [PrivatePush(listener.topic.channel, "", greeks, now, uid, "snapshot")]
        return []

    def _pages(self, items: list[Any]) -> list[list[Any]]:
        size = max(1, self._desk.exchange.rules.account_page)
        return [items[i : i + size] for i in range(0, len(items), size)] or [[]]

    def _paged(self, uid: str, listener: _PushListener, pages: list[list[Any]], now: int) -> list[PublishedPush]:
        topic = listener.topic
        return [
            PrivatePush(
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
        return account_rows.position(self._desk.floor, position, self._desk.listings.figures(position.instrument), now)

    def _interval(self, name: str, wanted: dict[str, str]) -> int:
        if name not in _INTERVALS:
            return 0
        asked: Any = None
        if "extraParams" in wanted:
            try:
                asked = msgspec.json.decode(wanted["extraParams"]).get("updateInterval")
            except (msgspec.DecodeError, AttributeError):
                asked = None
        if asked is not None and str(asked).isdigit() and int(asked) in _INTERVALS[name]:
            return int(asked) * MILLISECOND
        return round(self._desk.exchange.rules.account_interval_s * SECOND)

    @staticmethod
    def _uid(line: ExchangeConnection) -> str:
        assert line.account is not None
        return line.account.uid
