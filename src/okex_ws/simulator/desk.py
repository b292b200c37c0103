"""Desk: where orders of every face reach the floor, and where what happens there is told.

In: orders, amends and cancels as clients word them, with their account; `advance(now)` after every instant of the
market. Out: an Answer for each, pushes to whoever listens, and the `floor`, which is the truth about every account.
Sources: OKX V5 docs, "Order book trading", "POST / Cancel all after".
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.algos import AlgoOrder, Algos
from okex_ws.simulator.dice import Dice
from okex_ws.simulator.faces import orders as grammar
from okex_ws.simulator.faces import spreads as spread_words
from okex_ws.simulator.faces.algo_rows import algo_row
from okex_ws.simulator.faces.order_rows import BY_CLIENT, Facts, Origin, Scale
from okex_ws.simulator.faces.orders import Answer, Op, Refused
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.floor import DEFAULT_FUNDS, Floor, Happening
from okex_ws.simulator.limits import OrderLimits
from okex_ws.simulator.markets import SECOND
from okex_ws.simulator.orders import CANCELED_BY_TIMER, Execution, Order, OrderChanged, Rejection
from okex_ws.simulator.private import Private
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.spreads import SpreadFill, SpreadOrder, Spreads

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange

MAX_TAGS = 20
_KEPT_FILLS = 100_000


class Desk:
    """The trading half of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.floor = Floor(exchange.market, seed=exchange.seed, now=exchange.now, instruments=exchange.instruments)
        self.private = Private(self)
        self.algos = Algos(self, self._tell_algo)
        self.spreads = Spreads(self, self._tell_spread)
        self.switches: dict[tuple[str, str], int] = {}
        self._spread_switches: dict[str, int] = {}
        self._limits = OrderLimits()
        self._origins: dict[str, Origin] = {}
        self._last_fills: dict[str, Execution] = {}
        self._bills: dict[str, list[tuple[int, Execution]]] = {}
        self._bill_count = 600_000_000_000
        self._lookups: dict[str, int] = {}
        self._codes: dict[int, str] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._extra: list[Happening] = []
        self._untold_spreads: list[tuple[str, str, dict[str, Any], str]] = []
        self._order_dice = Dice(exchange.seed).fork("ack and push")
        for key in exchange.keys.values():
            self.uid(key)

    def uid(self, key: ApiKey) -> str:
        """The account of a key, opened at its first sight."""
        if key.uid not in self.floor.accounts:
            self.floor.open_account(key.uid, key.funds if key.funds is not None else DEFAULT_FUNDS)
        return key.uid

    # What is listed

    def listing(self, instrument: str) -> dict[str, Any] | None:
        """The reference row of an instrument as it is now published."""
        if instrument not in self._rows:
            self.relist()
        return self._rows.get(instrument)

    def relist(self) -> None:
        """Read the reference rows anew: something was listed, delisted or changed."""
        self._rows.clear()
        self._codes.clear()
        self.floor.forget_instruments()
        for inst_type in ("MARGIN", "SPOT", "SWAP", "FUTURES", "OPTION"):
            for row in self.exchange.instruments(inst_type):
                self._rows[row["instId"]] = row
                if isinstance(row.get("instIdCode"), int):
                    self._codes[row["instIdCode"]] = row["instId"]

    def family(self, instrument: str) -> str:
        """The instFamily of an instrument, "" if it has none."""
        row = self._rows.get(instrument) or (self.listing(instrument) if instrument else None)
        return str(row["instFamily"]) if row else ""

    def facts(self, instrument: str, *, with_index: bool = False) -> Facts:
        """What the market shows of an instrument now."""
        row, market = self.listing(instrument) or {}, self.exchange.market
        matches = market.matches(instrument)
        last = str(matches[-1]["px"]) if matches else ""
        value = row.get("ctVal")
        scale = Scale(Decimal(value) * Decimal(row.get("ctMult") or 1), row["ctType"] == "inverse") if value else Scale()
        index = ""
        if with_index and row.get("uly") and market.knows("index-tickers", row["uly"]):
            snapshot = market.snapshot("index-tickers", row["uly"])
            index = str(snapshot.rows[0]["idxPx"]) if snapshot and snapshot.rows else ""
        return Facts(scale, last, index)

    # Orders in

    def act(
        self, key: ApiKey, op: Op, args: list[dict[str, Any]], now: int, *, line: int, path: str, expires_ms: int | None = None
    ) -> list[Answer]:
        """Obey each element of a request. line: the connection it came by (0: REST), whose path says what names it uses."""
        uid = self.uid(key)
        seen: set[str] = set()
        return [self._one(uid, op, arg, now, line, path, expires_ms, len(args) > 1, seen) for arg in args]

    def _one(
        self, uid: str, op: Op, arg: dict[str, Any], now: int, line: int, path: str, expires_ms: int | None,
        batched: bool, seen: set[str],
    ) -> Answer:
        answer = Answer(ts=now)
        try:
            answer.client_order_id, answer.tag = grammar.text(arg, "clOrdId"), grammar.text(arg, "tag")
            answer.request_id = grammar.text(arg, "reqId") if op.verb == "amend" else None
            if expires_ms is not None and op.verb != "cancel" and expires_ms * 1_000_000 < self.exchange.clock(now):
                raise Refused("50037")
            struck = self._item_faults(op, arg, now, line, path)
            instrument = "" if op.is_spread else self._instrument(arg, path, "code_unknown" in struck)
            self._check_pace(uid, op, instrument, batched, now)
            refused = struck.get("order_refused")
            if refused is None or refused.options["obey"]:
                if op.is_spread:
                    spread_order = self._obey_spread(uid, op, arg, now)
                    order_id, created, asked = spread_order.order_id, spread_order.created, spread_order.asked
                    name, tag = asked.client_order_id, asked.tag
                else:
                    order = self._obey(uid, op, arg, instrument, seen, struck, now)
                    order_id, created, name, tag = order.order_id, order.created, order.client_order_id, order.tag
                answer.order_id, answer.client_order_id, answer.tag = order_id, name, tag
                if op.verb == "amend":
                    answer.ts = created
            if refused is not None:
                answer.order_id = answer.order_id if op.verb != "order" else ""
                raise Refused(refused.options["code"])
        except Rejection as rejection:
            answer.code, answer.message = rejection.code, rejection.message
        return answer

    def _obey(
        self, uid: str, op: Op, arg: dict[str, Any], instrument: str, seen: set[str], struck: dict[str, Fault], now: int
    ) -> Order:
        if op.verb == "order":
            return self.floor.place(uid, grammar.read_new(arg, instrument), now)
        missing = "51400" if op.verb == "cancel" else "51503"
        if op.verb == "cancel":
            return self.floor.cancel(uid, self._found(uid, instrument, *grammar.read_identity(arg), missing), now)
        change = grammar.read_amendment(arg)
        order = self._found(uid, instrument, change.order_id, change.client_order_id, missing)
        if order.order_id in seen:
            raise Refused("51512")
        seen.add(order.order_id)
        if "amend_fails" in struck and order.is_open:
            return self._fail_later(uid, order, change, now)
        return self.floor.amend(
            uid, order, now, size=change.size, price=change.price, request_id=change.request_id,
            cancel_on_fail=change.cancel_on_fail,
        )

    def _obey_spread(self, uid: str, op: Op, arg: dict[str, Any], now: int) -> SpreadOrder:
        if op.verb == "order":
            return self.spreads.place(uid, spread_words.read_new(arg), now)
        order = self.spreads.find(uid, *grammar.read_identity(arg))
        if order is None:
            raise Refused("51400" if op.verb == "cancel" else "51503")
        if op.verb == "cancel":
            self.spreads.cancel(order, now)
        else:
            change = grammar.read_amendment(arg)
            self.spreads.amend(order, change.size, change.price, change.request_id, now)
        return order

    def _fail_later(self, uid: str, order: Order, change: grammar.Amendment, now: int) -> Order:
        """An amend that was accepted fails: the order stays as it was, or is canceled if that was asked for."""
        self._extra += self.floor.take()
        if change.cancel_on_fail:
            self.floor.cancel(uid, order, now)
            for happening in self.floor.take():
                if isinstance(happening, OrderChanged):
                    happening.request_id, happening.amend_result = change.request_id, "1"
                self._extra.append(happening)
        else:
            self._extra.append(OrderChanged(uid, order.copy(), None, change.request_id, "-1"))
        return order

    def _found(self, uid: str, instrument: str, order_id: str, client_order_id: str, missing: str) -> Order:
        order = self.floor.find(uid, instrument, order_id=order_id, client_order_id=client_order_id)
        if order is None:
            raise Refused(missing)
        return order

    def _instrument(self, arg: dict[str, Any], path: str, is_code_unknown: bool) -> str:
        """The instrument an element names: over WebSocket by its code, over REST by its name."""
        name = grammar.text(arg, "instId")
        if path != "rest":
            code = grammar.text(arg, "instIdCode")
            if code:
                if not code.isdigit():
                    raise Refused("51000", "instIdCode")
                if not self._codes:
                    self.relist()
                named = None if is_code_unknown else self._codes.get(int(code))
                if named is None:
                    raise Refused("51001")
                return named
            if self.exchange.rules.order_instrument == "code" or not name:
                raise Refused("50014", "instIdCode")
        elif not name:
            raise Refused("50014", "instId")
        if self.listing(name) is None:
            raise Refused("51001")
        return name

    def _check_pace(self, uid: str, op: Op, instrument: str, batched: bool, now: int) -> None:
        if self.exchange.rules.order_limits:
            if op.is_spread:
                code = self._limits.spread_refusal(uid, op.verb, now)
            else:
                code = self._limits.refusal(uid, op.verb, instrument, batched=batched, now=now)
            if code:
                raise Refused(code)

    def _item_faults(self, op: Op, arg: dict[str, Any], now: int, line: int, path: str) -> dict[str, Fault]:
        if not self.exchange.running.has("item"):
            return {}
        key = self.name_of(arg)
        struck = self.exchange.running.strikes("item", now, line, path=path, key=key, action=op.verb)
        for fault in struck:
            self.exchange.note(fault.kind, now, "", op.name, key, grammar.text(arg, "clOrdId"))
        return {fault.kind: fault for fault in struck}

    def name_of(self, arg: dict[str, Any]) -> str:
        """The instrument an element seems to name, for faults; "" if it names none."""
        if not self._codes:
            self.relist()
        code = str(arg.get("instIdCode") or "")
        return self._codes.get(int(code), "") if code.isdigit() else str(arg.get("instId") or arg.get("sprdId") or "")

    # What happened

    def advance(self, now: int) -> None:
        """After an instant of the market: resting orders against it, and what the floor does by itself."""
        self.floor.advance(now)
        self.algos.advance(now)
        self.spreads.advance(now)
        self.flush(now)

    def flush(self, now: int) -> None:
        """Tell what has happened on the floor since the last time."""
        untold, self._untold_spreads = self._untold_spreads, []
        for uid, channel, row, action in untold:
            self.private.announce(uid, channel, row, now, action=action)
        happenings = self._extra + self.floor.take()
        if not happenings:
            return
        self._extra = []
        for happening in happenings:
            if isinstance(happening, OrderChanged) and happening.execution is not None:
                self._note_fill(happening.uid, happening.execution)
        self.private.tell(happenings, now)
        for line in self.exchange.conversations:
            line.happened(happenings, now)

    def _note_fill(self, uid: str, execution: Execution) -> None:
        self._last_fills[execution.order.order_id] = execution
        if len(self._last_fills) > _KEPT_FILLS:
            del self._last_fills[next(iter(self._last_fills))]
        self._bill_count += 1
        bills = self._bills.setdefault(uid, [])
        bills.append((self._bill_count, execution))
        if len(bills) > _KEPT_FILLS:
            del bills[: _KEPT_FILLS // 2]

    def bills(self, uid: str) -> list[tuple[int, Execution]]:
        """(bill id, execution) of an account's fills, oldest first."""
        return self._bills.get(uid, [])

    def is_push_first(self) -> bool:
        """Whether what an order leads to is pushed before the order's ack."""
        habit = self.exchange.rules.order_push
        return habit == "before_ack" or (habit == "mixed" and self._order_dice.chance(0.5))

    def last_fill(self, order: Order) -> Execution | None:
        """The last execution of an order."""
        return self._last_fills.get(order.order_id)

    def origin(self, order: Order) -> Origin:
        """Where an order came from."""
        return self._origins.get(order.order_id, BY_CLIENT)

    def note_origin(self, order: Order, origin: Origin) -> None:
        """An order comes from an algo order."""
        self._origins[order.order_id] = origin

    def algo_row(self, algo: AlgoOrder) -> dict[str, Any]:
        """An algo order in OKX's words."""
        is_spot = algo.instrument_type in ("SPOT", "MARGIN")
        side = algo.position_side or "net"
        leverage = None if is_spot else self.floor.leverage(algo.uid, algo.instrument, side)
        return algo_row(algo, self.facts(algo.instrument), leverage)

    def _tell_algo(self, algo: AlgoOrder, now: int) -> None:
        self.private.announce(algo.uid, "orders-algo", self.algo_row(algo), now, action=algo.state)

    def _tell_spread(self, order: SpreadOrder, fill: SpreadFill | None, request_id: str, now: int) -> None:
        self._untold_spreads.append((order.uid, "sprd-orders", spread_words.order_row(order, fill, request_id), order.state))
        if fill is not None:
            self._untold_spreads.append((order.uid, "sprd-trades", spread_words.fill_row(fill), ""))

    def is_hidden(self, order: Order, now: int) -> bool:
        """Whether a read does not find this order yet (fault hide_order)."""
        if not self.exchange.running.has("lookup"):
            return False
        asked = self._lookups.get(order.order_id, 0)
        if asked == 0:
            struck = self.exchange.running.strikes("lookup", now, 0, key=order.instrument, path="rest")
            if not struck:
                self._lookups[order.order_id] = -1
                return False
            self._lookups[order.order_id] = asked = max(fault.options["lookups"] for fault in struck)
        if asked < 0:
            return False
        self.exchange.note("hide_order", now, "", "lookup", order.instrument, order.order_id)
        self._lookups[order.order_id] = asked - 1 or -1
        return True

    # Cancel-all-after

    def arm(self, uid: str, tag: str, timeout_s: int, now: int) -> int:
        """Cancel this account's orders (with this tag, "": all) unless told otherwise in time; 0 disarms.

        Returns the instant, 0 when disarmed. Raises Refused 51071: more tags than there may be.
        """
        if timeout_s == 0:
            self.switches.pop((uid, tag), None)
            return 0
        tags = sum(1 for owner, other in self.switches if owner == uid and other)
        if tag and (uid, tag) not in self.switches and tags >= MAX_TAGS:
            raise Refused("51071")
        due = self.switches[uid, tag] = now + timeout_s * SECOND
        self.exchange.call_at(due, lambda then: self._cancel_all(uid, tag, due, then))
        return due

    def _cancel_all(self, uid: str, tag: str, due: int, now: int) -> None:
        if self.switches.get((uid, tag)) != due:
            return
        del self.switches[uid, tag]
        for order in self.floor.open_orders(uid):
            if not tag or order.tag == tag:
                self.floor.cancel(uid, order, now, source=CANCELED_BY_TIMER)
        self.flush(now)

    def arm_spreads(self, uid: str, timeout_s: int, now: int) -> int:
        """The same for spread orders, which `arm` leaves alone."""
        due = self._spread_switches[uid] = now + timeout_s * SECOND if timeout_s else 0
        if due:
            self.exchange.call_at(due, lambda then: self._cancel_spreads(uid, due, then))
        return due

    def _cancel_spreads(self, uid: str, due: int, now: int) -> None:
        if self._spread_switches.get(uid) == due:
            self.spreads.cancel_all(uid, "", now, CANCELED_BY_TIMER)
            self.flush(now)

    def mass_cancel(self, key: ApiKey, arg: dict[str, Any], now: int) -> None:
        """Cancel an instrument family's option orders; portfolio margin accounts alone may. Raises Refused."""
        inst_type, family = grammar.text(arg, "instType"), grammar.text(arg, "instFamily")
        for name, value in (("instType", inst_type), ("instFamily", family)):
            if not value:
                raise Refused("50014", name)
        interval = grammar.text(arg, "lockInterval") or "0"
        if inst_type != "OPTION" or not interval.isdigit() or int(interval) > 10_000:
            raise Refused("51000", "instType" if inst_type != "OPTION" else "lockInterval")
        if key.level != "4":
            raise Refused("51411")
        for order in self.floor.open_orders(self.uid(key)):
            if order.instrument_type == inst_type and self.family(order.instrument) == family:
                self.floor.cancel(key.uid, order, now)
