"""Trader: the orders of one account over real sockets. It carries out what `Orders` and `RiskGate` want, and decides nothing.

An order request leaves only after its intent is on the disk. It goes over the WebSocket, or over REST while that cannot take it.
What a former process left open is settled before anything new is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from okex_ws.client import audit
from okex_ws.client.connection import Driver
from okex_ws.client.intents import IntentLog, IntentLogError
from okex_ws.client.kill_switch import HALT_FILE, KillSwitch
from okex_ws.client.orders import NotTradingError
from okex_ws.client.rest import Rest, RestError
from okex_ws.client.sanitize import one_line
from okex_ws.core.risk_context import surroundings
from okex_ws.errors import OkexError
from okex_ws.events import (
    AccountUpdate,
    BalanceAndPosition,
    Disconnected,
    Event,
    Fill,
    Instrument,
    LoggedIn,
    Malformed,
    OrderResolved,
    PositionUpdate,
    Refused,
    Stale,
    Subscribed,
    Unsubscribed,
    Verdict,
)
from okex_ws.market import Books, Instruments, Latest
from okex_ws.market.account import CHANNELS, Account, FetchAccount
from okex_ws.market.sizing import fit, fit_change, size_unit
from okex_ws.protocol.orders.budget import OrderBudget
from okex_ws.protocol.orders.order_ids import PREFIX_BITS, OrderIds
from okex_ws.protocol.orders.orders import Orders
from okex_ws.protocol.orders.tickets import (
    Action,
    FetchInstrument,
    FetchOrder,
    FetchOrderClock,
    Outcome,
    Patience,
    SendRest,
    SendSocket,
    Ticket,
    WriteIntent,
)
from okex_ws.protocol.orders.verdicts import TOO_FREQUENT
from okex_ws.protocol.risk.cancel_all_after import Arm, CancelAllAfter
from okex_ws.protocol.risk.context import RiskContext
from okex_ws.protocol.risk.gate import RiskGate
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.risk.pre_trade import FILE, PreTradeRisk
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.frames import FrameError, decode_rows
from okex_ws.wire.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder, kind_of

T = TypeVar("T")
log = logging.getLogger("okex_ws")
PRIVATE = (("orders", "ANY"), ("positions", "ANY"), ("account", None), ("balance_and_position", None))
"""What an account is told by, and subscribed to without asking."""
SPREADS = (("sprd-orders", None),)
"""And what its spread orders are told by."""
AGAIN_S = 2.0
"""Between tries of what trading cannot start without."""
LEAVE_TRIES = 4
"""To let go of OKX's cancel-all-after at the end."""


class Trading(msgspec.Struct, frozen=True, kw_only=True):
    """How a client trades.

    intent_log: a file for what is under way, without which a crash forgets it; one process at a time. instrument_types: whose
    reference data is loaded. spreads: also trade spreads, over a connection of their own. wait_s: how long an order may wait for
    its turn under OKX's rate limits. halt_file: the kill switch that `okex-ws halt` writes, None to look for no file.
    halt_signal: a signal, such as signal.SIGUSR1, that does the same to this process. limits: of every instrument that has none
    of its own in limits_by_instrument. cancel_all_after_s: OKX cancels every open order once this process has been silent for so
    long, 10 to 120 s, also after it was closed; None for what shall stay when it ends.
    """

    intent_log: str | Path | None = None
    instrument_types: tuple[str, ...] = ("SPOT", "SWAP")
    spreads: bool = False
    patience: Patience = Patience()
    wait_s: float = 1.0
    halt_file: str | Path | None = HALT_FILE
    halt_signal: int | None = None
    limits: Limits = Limits()
    limits_by_instrument: Mapping[str, Limits] = {}
    cancel_all_after_s: int | None = 30


class NotReadyError(OkexError, TimeoutError):
    """No order could be sent within the time given; the text says what was missing last. The client goes on trying."""


class LoginRefusedError(OkexError):
    """OKX refuses the key, and trying again is pointless; the text says what to change."""


class Trader:
    """One account's orders.

    driver: the connection that can take an order for an endpoint right now, if any. publish: for what is said between the events
    of lines.
    """

    def __init__(
        self,
        settings: Trading,
        *,
        rest: Callable[[], Rest],
        driver: Callable[[str], Driver | None],
        instruments: Instruments,
        books: Books,
        latest: Latest,
        publish: Callable[[list[Event]], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now: Callable[[], int],
        server_clock: ServerClock,
    ) -> None:
        self.settings = settings
        self.orders = Orders(
            OrderIds(secrets.randbits(PREFIX_BITS)),
            can_send=lambda endpoint: driver(endpoint) is not None,
            code_of=self._code_of,
            clock=server_clock,
            patience=settings.patience,
            budget=OrderBudget(longest_s=settings.wait_s),
        )
        self.account = Account()
        armed_s = settings.cancel_all_after_s
        of_spreads = (False, True) if settings.spreads else (False,)
        self.safety = RiskGate(
            self.orders,
            pre_trade=PreTradeRisk(settings.limits, settings.limits_by_instrument),
            switches=[CancelAllAfter(timeout_s=armed_s, is_spread=which) for which in of_spreads] if armed_s is not None else [],
            open_orders=lambda: self.account.orders.open.values(),
            open_spreads=lambda: self.account.spreads.open.values(),
        )
        self._rest, self._driver, self._instruments = rest, driver, instruments
        self._books, self._latest = books, latest
        self._publish, self._spawn, self._now = publish, spawn, now
        self._log = IntentLog(settings.intent_log) if settings.intent_log is not None else None
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._unsent: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._changed = asyncio.Event()
        self._is_prepared = False
        self._name = ""  # OKX's number of the account, as the audit calls it
        self._missing = "no connection yet"
        self._is_closed = False
        self._refused: LoginRefusedError | NotTradingError | None = None
        self._switch = KillSwitch(
            Path(settings.halt_file).expanduser() if settings.halt_file is not None else None,
            settings.halt_signal,
            halt=self.halt,
            resume=self._let_go,
            is_halted=lambda: self.orders.is_halted,
        )

    # -- life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load reference data, and settle what a former process left open."""
        self._switch.start()
        self._spawn(self._prepare())

    async def ready(self, within_s: float | None) -> None:
        """Wait until orders can be sent. Raises LoginRefusedError when that will never be, NotReadyError when it takes longer."""
        try:
            async with asyncio.timeout(within_s):
                while not self.is_ready:
                    if self._refused is not None:
                        raise self._refused
                    if self._is_closed:
                        raise NotTradingError("the client was closed before it was ready")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            if self.is_ready:  # in the very turn of the loop in which the time was up
                return
            is_connected = self._is_prepared and self._driver("private") is not None
            missing = f"the account is {self.account.quality}" if is_connected else self._missing
            if is_connected and self.account.is_live:
                ids = ", ".join(ticket.order.client_order_id or ticket.order.order_id for ticket in self.orders.left_open)
                missing = f"what a former process left open is not known yet: {ids}"
            raise NotReadyError(f"not ready for orders within {within_s:g} s: {missing}") from None

    @property
    def is_ready(self) -> bool:
        """Logged in, reference data loaded, the account read, and what a former process left open settled, or told as UNKNOWN."""
        is_there = self._is_prepared and self._driver("private") is not None and self.account.is_live
        return is_there and not self.orders.left_open

    async def leave(self) -> None:
        """Before the end: OKX's cancel-all-after is let go if no order of ours is open, as it would cancel those of others."""
        for arm in self.safety.close(self._now()):
            for _ in range(LEAVE_TRIES):
                try:
                    async with asyncio.timeout(1.0):
                        await self._rest().post(arm.path, arm.body)
                except RestError as error:
                    if error.code in TOO_FREQUENT:  # OKX takes one such request a second
                        await asyncio.sleep(0.4)
                        continue
                except TimeoutError:
                    pass
                break

    def close(self) -> None:
        """Nothing more is sent. What is still under way is UNKNOWN here, and the next process finds out."""
        self._is_closed = True
        self._changed.set()
        self._switch.stop()
        if self._timer is not None:
            self._timer.cancel()
        now = self._now()
        for number, future in self._waiting.items():
            ticket = self.orders.ticket(number)
            if ticket is not None and not future.done():
                left = _left_open(ticket, now)
                audit.resolved(self._name, number, ticket.order, left, now)
                future.set_result(left)
        self._waiting.clear()
        if self._log is not None:
            self._log.close()

    async def _prepare(self) -> None:
        await self._must("OKX's time", self._rest().measure_clock)  # orders are dated and judged by it
        await self._look_at_key()
        for kind in self.settings.instrument_types:
            rows = await self._must(f"reference data of {kind}", functools.partial(self._rest().instruments, kind))
            self._instruments.load(rows)
        if self._log is not None:
            self.orders.adopt(list(self._log.open.values()), self._now())
        self._is_prepared = True
        self._say()

    async def _must(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until it is there: trading cannot start without."""
        while True:
            try:
                return await ask()
            except RestError as error:
                self._missing = f"{what} is not there yet: {one_line(str(error))}"
                log.warning("%s", self._missing)
                await asyncio.sleep(AGAIN_S)

    async def _look_at_key(self) -> None:
        """Whose it is; and say so when it may do more than trading needs."""
        with contextlib.suppress(RestError):
            config = await self._rest().account_config()
            self._name = str(config.get("uid", ""))
            if "withdraw" in str(config.get("perm", "")).split(","):
                log.warning("this key may withdraw: whoever has it can take the money away; trade with one that cannot")

    # -- asking ----------------------------------------------------------------------------------------------------------

    async def ask(
        self, orders: Sequence[OrderRequest], *, urgent: bool = False, may_resend: bool = False, override: str = ""
    ) -> list[Outcome]:
        """One request for all of them, an outcome for each, in their order. What is refused here is not sent.

        Raises OrderError for what cannot be said, NotTradingError before `ready`.
        """
        self._check_open()
        if self.orders.left_open and any(isinstance(order, (PlaceOrder, AmendOrder)) for order in orders):
            raise NotTradingError("what a former process left open is still looked for; wait for `await client.ready()`")
        if not self.settings.spreads and any(order.is_spread and isinstance(order, (PlaceOrder, AmendOrder)) for order in orders):
            raise NotTradingError("this client hears nothing of spread orders; make it with Trading(spreads=True)")
        fitted = [self._fitted(order) for order in orders]
        tickets = self.safety.submit(fitted, self._around, self._now(), override=override, urgent=urgent, may_resend=may_resend)
        for name in self.safety.pre_trade.take_unpriced():
            log.warning("no price of %s is known here, so price_distance is not checked: keep its book, or subscribe to it", name)
        futures = []
        for ticket in tickets:
            future = self._waiting[ticket.number] = asyncio.get_running_loop().create_future()
            futures.append(future)
            audit.asked(self._name, ticket.number, ticket.order, override, ticket.submitted_at)
        self._say()
        return [await future for future in futures]

    def _check_open(self) -> None:
        if not self._is_prepared or self._is_closed:
            raise NotTradingError("orders can be sent once `await client.ready()` has returned, until the client is closed")

    def _fitted(self, order: OrderRequest) -> OrderRequest:
        """Rounded to the instrument's steps and checked against its limits. Raises SizeError, UnknownInstrumentError."""
        if not isinstance(order, (PlaceOrder, AmendOrder)) or order.is_spread:
            return order
        rules = self._instruments[order.instrument]
        if isinstance(order, AmendOrder):
            known = self.account.orders.get(order.order_id, client_order_id=order.client_order_id)
            size, price = fit_change(rules, side=known.side if known is not None else "", size=order.size, price=order.price)
            return msgspec.structs.replace(order, size=size, price=price)
        side, order_type = order.side, order.order_type
        unit = size_unit(
            rules, side=side, order_type=order_type, trade_mode=order.trade_mode, target_currency=order.target_currency
        )
        size, price = fit(rules, side=side, size=order.size, price=order.price, order_type=order_type, target_currency=unit)
        return msgspec.structs.replace(order, size=size, price=price, target_currency=unit)

    def _around(self, order: PlaceOrder | AmendOrder, others: Sequence[PlaceOrder | AmendOrder]) -> RiskContext:
        return surroundings(
            order,
            account=self.account,
            instruments=self._instruments,
            books=self._books,
            latest=self._latest,
            in_flight=[*self.orders.changing, *others],
        )

    def trade_mode(self, instrument: str) -> str:
        """What a plain order is traded on: cash on spot, cross margin on derivatives. Raises as `ask` does."""
        self._check_open()
        return "cash" if self._instruments[instrument].instrument_type == "SPOT" else "cross"

    def _code_of(self, instrument: str) -> int | None:
        return self._instruments[instrument].code if instrument in self._instruments else None

    # -- the kill switch -------------------------------------------------------------------------------------------------

    def halt(self, reason: str, by: str = "call") -> None:
        """From now on no new order leaves; what is open is canceled, and so is what turns out to be open later."""
        self.safety.halt(reason, by, self._now())
        self._say()

    def resume(self, reason: str = "") -> None:
        """New orders may leave again."""
        self.safety.resume(reason, self._now())
        self._say()

    def _let_go(self, reason: str) -> None:
        """The file is gone; what else has halted meanwhile stays halted."""
        if self.safety.pre_trade.halted_by == FILE:
            self.resume(reason)

    # -- hearing ---------------------------------------------------------------------------------------------------------

    def hear(self, events: list[Event]) -> list[Event]:
        """What lines say, with what follows from it right behind each event."""
        if _HEARS.isdisjoint(map(type, events)):
            return events
        out: list[Event] = []
        now = self._now()
        for event in events:
            out.append(event)
            if type(event) not in _HEARS:
                continue
            said = self.account.apply(event)
            if type(event) in _OF_PICTURE and not said:
                continue  # the picture is another one, and nothing follows from that
            out += said
            for heard in (event, *said):
                self.safety.feed(heard, now)
            self.orders.feed(event, now)
            if isinstance(event, (Refused, Disconnected)):
                self._note_refusal(event)
            out += self._settle()
        self._plan()
        return out

    def _note_refusal(self, event: Refused | Disconnected) -> None:
        if not event.line.startswith("private"):
            return
        if isinstance(event, Refused) and not event.will_retry:
            why = f"{one_line(event.message)} ({event.code})" if event.message else event.code
            if event.channel == "login":
                self._refused = LoginRefusedError(f"OKX refused the login: {why}; {event.advice}")
            elif event.channel in CHANNELS and self._refused is None:
                why = f"OKX refused {event.channel}, without which the account is not known: {why}; {event.advice}"
                self._refused = NotTradingError(why)
        elif isinstance(event, Disconnected) and event.fatal and self._refused is None:
            self._refused = LoginRefusedError(one_line(event.reason))
        elif isinstance(event, Disconnected):
            self._missing = f"{event.line} has no connection: {one_line(event.reason)}"

    def _say(self) -> None:
        """Do what is wanted by now, and tell it."""
        self._tell([])

    def _tell(self, events: list[Event]) -> None:
        events = [*events, *self._settle()]
        self._plan()
        if events:
            self._publish(events)

    def _plan(self) -> None:
        """What is to be read for the account, and when to look again."""
        if self.account.wishes:
            wishes, self.account.wishes = self.account.wishes, []
            for wish in wishes:
                self._spawn(self._read(wish))
        self._arm()
        self._changed.set()

    # -- doing -----------------------------------------------------------------------------------------------------------

    def _settle(self) -> list[Event]:
        """Carry out what is wanted, in order; returns what there is to tell."""
        told: list[Event] = []
        now = self._now()
        while not self._is_closed:
            actions = self.orders.take_actions()
            for action in actions:
                self._do(action)
            events = [*self.orders.take_events(), *self.safety.settle(now)]
            for arm in self.safety.take_arms():
                self._spawn(self._arm_switch(arm))
            for event in events:
                self._resolve(event)
                self.safety.feed(event, now)
                told += [event, *self.account.apply(event)]
            if not events and not self.orders.actions:
                break
        return told

    def _do(self, action: Action) -> None:
        match action:
            case WriteIntent():
                self._record(action)
            case SendSocket(request_id=request_id) | SendRest(request_id=request_id) if request_id in self._unsent:
                self._unsent.discard(request_id)
            case SendSocket():
                self._send(action)
            case SendRest():
                self._spawn(self._post(action))
            case FetchOrder():
                self._spawn(self._look_up(action))
            case FetchInstrument(instrument=instrument):
                self._spawn(self._read_instrument(instrument))
            case FetchOrderClock():
                self._spawn(self._read_clock())

    def _record(self, action: WriteIntent) -> None:
        if self._log is None:
            return
        try:
            self._log.append(action.intents)
        except IntentLogError as error:
            log.error("%s", one_line(str(error)))
            if not all(isinstance(intent.order, CancelOrder) or intent.done for intent in action.intents):
                self._unsent.add(action.request_id)
                self.orders.not_recorded(action.request_id, str(error), self._now())

    def _send(self, action: SendSocket) -> None:
        driver = self._driver(action.endpoint)
        number = driver.send(action.request_id, action.op, action.data) if driver is not None else None
        if driver is None or number is None:
            self.orders.not_sent(action.request_id, self._now())
        else:
            self.orders.sent(action.request_id, driver.line.name, number)

    async def _post(self, action: SendRest) -> None:
        try:
            answer = await self._rest().post(action.path, action.body, expires_ms=action.expires_ms)
        except RestError as error:
            unclear = error.may_have_happened or error.status >= 500
            self.orders.rest_failed(action.request_id, error.code, str(error), self._now(), may_have_happened=unclear)
        else:
            self.orders.rest_answered(action.request_id, answer.code, answer.message, answer.rows, self._now())
        self._say()

    async def _look_up(self, action: FetchOrder) -> None:
        rows, code = None, ""
        try:
            rows = await self._rest().get(action.path, **action.query)
        except RestError as error:
            code = error.code
        self.orders.looked_up(action.ticket, rows, code, self._now())
        self._say()

    async def _read(self, wish: FetchAccount) -> None:
        """What the account's picture is made anew from."""
        rows, code = None, ""
        try:
            rows = await self._rest().get(wish.path, **wish.query)
        except RestError as error:
            code = error.code
        told = self.account.fetched(wish, rows, self._now(), code)
        for event in told:
            self.safety.feed(event, self._now())
        self._tell(told)

    async def _arm_switch(self, arm: Arm) -> None:
        """OKX's own kill switch, armed, renewed or let go."""
        reason = ""
        try:
            await self._rest().post(arm.path, arm.body)
        except RestError as error:
            reason = one_line(str(error)) or "no answer"
        self.safety.armed(arm, reason, self._now())
        self._say()

    async def _read_instrument(self, instrument: str) -> None:
        kind = self._instruments[instrument].instrument_type if instrument in self._instruments else ""
        try:
            rows = await self._rest().get("public/instruments", instType=kind, instId=instrument)
            self._instruments.load(decode_rows(rows, Instrument, "instruments"))
        except (RestError, FrameError) as error:
            log.warning("%s could not be read anew: %s", one_line(instrument), one_line(str(error)))
        self.orders.instrument_read(instrument, self._now())
        self._say()

    async def _read_clock(self) -> None:
        with contextlib.suppress(RestError):
            await self._rest().measure_clock()
        self.orders.clock_read()
        self._say()

    def _resolve(self, event: Event) -> None:
        if not isinstance(event, OrderResolved):
            audit.switched(self._name, event, event.ts_recv)
            return
        ticket = self.orders.ticket(event.ticket)
        audit.resolved(self._name, event.ticket, ticket.order if ticket is not None else None, event, event.ts_recv)
        future = self._waiting.pop(event.ticket, None)
        if future is not None and not future.done() and ticket is not None and ticket.outcome is not None:
            future.set_result(ticket.outcome)

    def _arm(self) -> None:
        dues = (self.orders.deadline(), self.account.next_deadline, self.safety.next_deadline)
        due = min((due for due in dues if due is not None), default=None)
        if due is None or self._is_closed:
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return  # what is due later by now is found out when it rings
            self._timer.cancel()
        self._timer_at = due
        delay = max(0.0, (due - self._now()) / 1e9)
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._now()
        self.orders.on_deadline(now)
        self.safety.on_deadline(now)
        due = self.account.next_deadline
        self._tell(self.account.on_deadline(now) if due is not None and due <= now else [])


def _left_open(ticket: Ticket, now: int) -> Outcome:
    order = ticket.order
    return Outcome(
        verdict=Verdict.UNKNOWN,
        kind=kind_of(order),
        instrument=order.instrument,
        client_order_id=order.client_order_id,
        order_id=ticket.order_id,
        reason="the client was closed before OKX answered",
        sent_at=ticket.first_sent_at,
        resolved_at=now,
    )


_OF_PICTURE = frozenset((AccountUpdate, BalanceAndPosition, Fill, PositionUpdate))
_HEARS = _OF_PICTURE | {*Orders.HEARS, Malformed, Stale, Subscribed, Unsubscribed, LoggedIn, Refused}
