"""Trader: carries out what a TradingCore requests, and decides nothing: intents to disk, requests over REST, the kill switch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from okex_ws.client import audit
from okex_ws.client.errors import LoginRefusedError, NotReadyError, NotTradingError
from okex_ws.client.intents import IntentLog, IntentLogError
from okex_ws.client.kill_switch import HALT_FILE, KillSwitch
from okex_ws.client.rest import Rest, RestError
from okex_ws.client.sanitize import one_line
from okex_ws.core.trading import Answered, FetchInstruments, FetchKeyConfig, TradingCore, TradingEffect, instruments_in
from okex_ws.events import Event, OrderResolved
from okex_ws.market.account import FetchAccount
from okex_ws.protocol.orders.tickets import FetchInstrument, FetchOrder, FetchOrderClock, Outcome, Patience, SendRest, WriteIntent
from okex_ws.protocol.orders.verdicts import TOO_FREQUENT
from okex_ws.protocol.risk.cancel_all_after import Arm, CancelAllAfter
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.risk.pre_trade import FILE
from okex_ws.wire.orders import OrderRequest

log = logging.getLogger("okex_ws")
LEAVE_TRIES = 4
"""Attempts to disarm OKX's cancel-all-after at the end."""


class Trading(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a client that trades.

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

    def switches(self) -> list[CancelAllAfter]:
        """Return OKX's kill switches to arm: one for orders, one more for spread orders."""
        of_spreads = (False, True) if self.spreads else (False,)
        timeout_s = self.cancel_all_after_s
        return [] if timeout_s is None else [CancelAllAfter(timeout_s=timeout_s, is_spread=which) for which in of_spreads]


class Trader:
    """The shell of a TradingCore.

    publish: takes events that do not come from a line. flush: sends what the core has queued on lines.
    """

    def __init__(
        self,
        settings: Trading,
        core: TradingCore,
        *,
        rest: Callable[[], Rest],
        publish: Callable[[list[Event]], None],
        flush: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now: Callable[[], int],
    ) -> None:
        self.core = core
        self._rest, self._publish, self._flush, self._spawn, self._now = rest, publish, flush, spawn, now
        self._log = IntentLog(settings.intent_log) if settings.intent_log is not None else None
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._changed = asyncio.Event()
        self._switch = KillSwitch(
            Path(settings.halt_file).expanduser() if settings.halt_file is not None else None,
            settings.halt_signal,
            halt=self.halt,
            resume=self._file_removed,
            is_halted=lambda: self.core.orders.is_halted,
        )

    # -- life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Fetch what trading needs, and settle what a former process left open."""
        self._switch.start()
        self.core.start(list(self._log.open.values()) if self._log is not None else [])
        self.carry_out()

    async def ready(self, within_s: float | None) -> None:
        """Wait until orders can be sent.

        Raises LoginRefusedError or NotTradingError when that will never be, NotReadyError when it takes longer.
        """
        core = self.core
        try:
            async with asyncio.timeout(within_s):
                while not core.is_ready:
                    if core.login_refused:
                        raise LoginRefusedError(one_line(core.login_refused))
                    if core.channel_refused:
                        raise NotTradingError(one_line(core.channel_refused))
                    if core.is_closed:
                        raise NotTradingError("the client was closed before it was ready")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            if core.is_ready:  # in the very turn of the loop in which the time was up
                return
            raise NotReadyError(f"not ready for orders within {within_s:g} s: {one_line(core.why_not_ready)}") from None

    async def leave(self) -> None:
        """Disarm OKX's cancel-all-after before the end, if none of this client's orders is open."""
        for arm in self.core.leave(self._now()):
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
        """Send nothing more. Requests without an answer end UNKNOWN here, and the next process finds out."""
        now = self._now()
        outcomes = self.core.close(now)
        self._changed.set()
        self._switch.stop()
        if self._timer is not None:
            self._timer.cancel()
        for number, future in self._waiting.items():
            ticket, outcome = self.core.orders.ticket(number), outcomes.get(number)
            if ticket is not None and outcome is not None and not future.done():
                audit.resolved(self.core.uid, number, ticket.order, outcome, now)
                future.set_result(outcome)
        self._waiting.clear()
        if self._log is not None:
            self._log.close()

    # -- the caller's side -----------------------------------------------------------------------------------------------

    async def submit(
        self, orders: Sequence[OrderRequest], *, urgent: bool = False, may_resend: bool = False, override: str = ""
    ) -> list[Outcome]:
        """Send one request for all of these; return an outcome for each, in their order. A refused order is not sent.

        Raises OrderError for what cannot be requested, NotTradingError before `ready`.
        """
        why_not = self.core.why_not(orders)
        if why_not:
            raise NotTradingError(why_not)
        tickets = self.core.submit(orders, self._now(), override=override, urgent=urgent, may_resend=may_resend)
        for name in self.core.gate.pre_trade.take_unpriced():
            log.warning("no price of %s is known here, so price_distance is not checked: keep its book, or subscribe to it", name)
        futures = []
        for ticket in tickets:
            future = self._waiting[ticket.number] = asyncio.get_running_loop().create_future()
            futures.append(future)
            audit.asked(self.core.uid, ticket.number, ticket.order, override, ticket.submitted_at)
        self._go_on([])
        return [await future for future in futures]

    def halt(self, reason: str, by: str = "call") -> None:
        """Send no new order from now on; cancel what is open."""
        self.core.halt(reason, by, self._now())
        self._go_on([])

    def resume(self, reason: str = "") -> None:
        """Let new orders leave again."""
        self.core.resume(reason, self._now())
        self._go_on([])

    def _file_removed(self, reason: str) -> None:
        """Resume if the halt file was the reason; another halt stays."""
        if self.core.gate.pre_trade.halted_by == FILE:
            self.resume(reason)

    # -- the shell -------------------------------------------------------------------------------------------------------

    def after_input(self, own: list[Event]) -> list[Event]:
        """Resolve callers and carry out effects after an input of the lines; return the events that follow."""
        if not self.core.is_touched:
            return []
        for event in own:
            self._resolve(event)
        return self.carry_out()

    def carry_out(self) -> list[Event]:
        """Carry out effects until there is none, arm the timer; return the events that follow."""
        core = self.core
        core.is_touched = False
        events: list[Event] = []
        while True:
            while (effect := core.next_effect(self._now())) is not None:
                if isinstance(effect, WriteIntent):
                    events += self._write(effect)
                else:
                    self._spawn(self._fetch(effect))
            more = core.settle(self._now())
            for event in more:
                self._resolve(event)
            events += more
            if not more and not core.has_effects:
                break
        self._flush()
        self._arm()
        self._changed.set()
        return events

    def _go_on(self, events: list[Event]) -> None:
        """Publish events of the core, and what follows from carrying out its effects."""
        for event in events:
            self._resolve(event)
        events = [*events, *self.carry_out()]
        if events:
            self._publish(events)

    def _answer(self, answer: Answered) -> None:
        core = self.core
        had, could = core.missing, core.may_withdraw
        events = core.answered(answer, self._now())
        if core.missing != had:
            log.warning("%s", one_line(core.missing))
        if core.may_withdraw and not could:
            log.warning("this key may withdraw: whoever has it can take the money away; trade with one that cannot")
        self._go_on(events)

    def _write(self, effect: WriteIntent) -> list[Event]:
        """Write an intent to disk; return the events that follow if that fails."""
        if self._log is None:
            return []
        try:
            self._log.append(effect.intents)
        except IntentLogError as error:
            log.error("%s", one_line(str(error)))
            events = self.core.answered(Answered(effect=effect, reason=str(error)), self._now())
            for event in events:
                self._resolve(event)
            return events
        return []

    async def _fetch(self, effect: TradingEffect) -> None:
        rest = self._rest()
        try:
            self._answer(await self._fetched(rest, effect))
        except RestError as error:
            unclear = error.may_have_happened or error.status >= 500
            reason = str(error) or "no answer"
            if isinstance(effect, FetchInstrument):
                log.warning("the reference data of %s could not be fetched: %s", one_line(effect.instrument), one_line(reason))
            self._answer(Answered(effect=effect, code=error.code, reason=reason, may_have_happened=unclear))

    async def _fetched(self, rest: Rest, effect: TradingEffect) -> Answered:
        rows: list[Any] | None = []
        code = message = ""
        match effect:
            case SendRest(path=path, body=body, expires_ms=expires_ms):
                answer = await rest.post(path, body, expires_ms=expires_ms)
                rows, code, message = answer.rows, answer.code, answer.message
            case FetchOrder(path=path, query=query) | FetchAccount(path=path, query=query):
                rows = await rest.get(path, **query)
            case FetchInstrument(instrument=instrument):
                known = self.core.instruments.get(instrument)
                kind = known.instrument_type if known is not None else ""
                rows = instruments_in(await rest.get("public/instruments", instType=kind, instId=instrument))
            case FetchInstruments(instrument_type=kind):
                rows = await rest.instruments(kind)
            case FetchKeyConfig():
                rows = [await rest.account_config()]
            case FetchOrderClock():
                await rest.measure_clock()
            case Arm(path=path, body=body):
                await rest.post(path, body)
        return Answered(effect=effect, rows=rows, code=code, message=message)

    def _resolve(self, event: Event) -> None:
        """Write the audit line of an event, and give a caller its outcome."""
        if not isinstance(event, OrderResolved):
            audit.switched(self.core.uid, event, event.ts_recv)
            return
        ticket = self.core.orders.ticket(event.ticket)
        audit.resolved(self.core.uid, event.ticket, ticket.order if ticket is not None else None, event, event.ts_recv)
        future = self._waiting.pop(event.ticket, None)
        if future is not None and not future.done() and ticket is not None and ticket.outcome is not None:
            future.set_result(ticket.outcome)

    def _arm(self) -> None:
        due = self.core.next_deadline
        if due is None:
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return  # a later deadline is looked up when the timer fires
            self._timer.cancel()
        self._timer_at = due
        delay = max(0.0, (due - self._now()) / 1e9)
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._go_on(self.core.on_deadline(self._now()))
