"""A virtual client that trades: the client's own TradingCore, its REST and disk in memory, on the world's one clock.

`Trader` does what `client.trading` does over sockets: carries effects out, and decides nothing. What it wrote down outlives it,
so that `restart` is a crash and a new process.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from tests.support.virtual import VirtualClient, World

from okex_ws import Credentials
from okex_ws.core.trading import (
    PRIVATE,
    Answered,
    FetchInstruments,
    FetchKeyConfig,
    TradingEffect,
    instruments_in,
)
from okex_ws.events import Event, OrderUpdate
from okex_ws.market.account import Account, FetchAccount
from okex_ws.protocol.orders.tickets import FetchInstrument, FetchOrder, FetchOrderClock, Intent, SendRest, Ticket, WriteIntent
from okex_ws.protocol.risk.cancel_all_after import Arm, CancelAllAfter
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.wire.channels import subscription
from okex_ws.wire.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder
from okex_ws.wire.sign import rest_sign

KEY = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
SPOT, SWAP, SPREAD = "BTC-USDT", "BTC-USDT-SWAP", "BTC-USDT_BTC-USDT-SWAP"
FREE = Limits(price_distance=None, orders_per_second=None, open_orders=None, trip_after=None)
NO_ANSWER_S = 10.0
"""How long a client waits for an HTTP answer that never comes."""


class Trader:
    """One account's orders: a TradingCore in the client's core, its REST and disk in memory.

    kept: what former processes wrote down, by key. guarded: False lets orders leave while account or book are not LIVE.
    """

    def __init__(
        self,
        world: World,
        client: VirtualClient,
        *,
        kept: dict[str, Intent],
        run: int,
        limits: Limits = FREE,
        switches: Sequence[CancelAllAfter] = (),
        guarded: bool = False,
    ) -> None:
        self.world, self.client, self.kept = world, client, kept
        self.tickets: list[Ticket] = []
        self.arms: list[tuple[float, int]] = []  # of cancel-all-after, as (seconds since the start, timeout)
        self.rest_is_cut = False
        self.on_step: Callable[[str], None] = lambda step: None
        self.clock = ServerClock()
        self._override = {} if guarded else {"override": "a test"}
        core = client.core
        self.core = core.trade(
            id_prefix=run,
            server_clock=self.clock,
            account=Account(keep_orders=100_000, keep_fills=200_000),
            limits=limits,
            spreads=True,
            switches=switches,
        )
        self.account, self.orders, self.instruments = self.core.account, self.core.orders, core.instruments
        client.trader = self
        for channel, key in PRIVATE:
            client.want(subscription(channel, key))
        self.since = world.now  # by our clock
        self.core.start(list(kept.values()))
        self.carry_out()
        while not self.core.is_prepared and not client.is_gone:
            world.run(0.01)
        self.since = world.now
        self.tickets += self.orders.unresolved

    # -- what a caller does ----------------------------------------------------------------------------------------------

    def submit(self, *orders: OrderRequest, **options: Any) -> list[Ticket]:
        tickets = self.core.submit(orders, self.world.now, **{**self._override, **options})
        self.tickets += tickets
        self.carry_out()
        return tickets

    def place(self, size: str, price: str, *, side: str = "buy", instrument: str = SPOT, **more: Any) -> Ticket:
        options = {name: more.pop(name) for name in ("may_resend",) if name in more}
        mode = "cash" if instrument == SPOT else "cross"
        order = PlaceOrder(
            instrument=instrument, side=side, size=Decimal(size), price=Decimal(price), **{"trade_mode": mode, **more}
        )
        return self.submit(order, **options)[0]

    def amend(self, ticket: Ticket, **change: str) -> Ticket:
        fields: dict[str, Any] = {name: Decimal(value) for name, value in change.items()}
        named = {"instrument": ticket.order.instrument, "client_order_id": ticket.order.client_order_id}
        return self.submit(AmendOrder(**named, **fields))[0]

    def cancel(self, *tickets: Ticket) -> list[Ticket]:
        return self.submit(
            *(CancelOrder(instrument=t.order.instrument, client_order_id=t.order.client_order_id) for t in tickets)
        )

    # -- looking back ----------------------------------------------------------------------------------------------------

    def differences(self, newest: int | None = None, foreign: Container[str] = ()) -> list[str]:
        """Where the client's picture is not the exchange's: orders, fills, positions, cash. newest: of the past, only so many.

        foreign: orders of other programs; one that ended is unknown if no push of it arrived.
        """
        floor, account = self.world.exchange.engine, self.account
        held, wrong = floor.accounts[DEMO_KEY.uid], []
        past = reversed(held.known.values())
        orders = {order.order_id: order for order in (*itertools.islice(past, newest), *held.open.values())}
        for order in orders.values():
            known = account.orders.get(order.order_id)
            theirs = (order.state, order.filled, order.size, order.price)
            ours = (known.state, known.filled_size or Decimal(0), known.size, known.price) if known is not None else None
            if ours is None and not order.is_open:
                is_past = order.created - self.world.ahead < self.since
                if is_past or (order.order_id in foreign and not self._was_pushed(order.order_id)):
                    continue
            if ours != theirs:
                wrong.append(f"order {order.client_order_id}: we say {ours}, it is {theirs}")
        theirs_filled = {
            (fill.order.instrument, fill.trade_id): (fill.price, fill.size)
            for fill in itertools.islice(reversed(held.executions), newest)
            if fill.at - self.world.ahead >= self.since
        }
        ours = ((place, account.fills.get(place)) for place in theirs_filled)
        ours_filled = {place: (fill.price, fill.size) for place, fill in ours if fill is not None}
        if ours_filled != theirs_filled:
            missing = [place for place in theirs_filled if place not in ours_filled]
            wrong.append(f"fills: {missing or 'others'}")
        for currency, balance in held.balances.items():
            row = account.balances.get(currency)
            ours_cash = row.cash if row is not None and row.cash is not None else Decimal(0)
            if ours_cash != balance.cash:
                wrong.append(f"{currency}: we say {ours_cash}, it is {balance.cash}")
        for (instrument, side), position in held.positions.items():
            if account.position(instrument) != position.size:
                wrong.append(f"{instrument} {side}: we say {account.position(instrument)}, it is {position.size}")
        if not account.is_live:
            wrong.append(f"the account is {account.quality}")
        return wrong

    def _was_pushed(self, order_id: str) -> bool:
        """Whether anything that arrived tells of this order."""
        return any(order_id.encode() in frame for wire in self.client.wires.values() for frame in wire.frames)

    def settled_differences(self, newest: int | None = None, foreign: Container[str] = ()) -> list[str]:
        """Differences that do not go away by themselves while what is on its way arrives."""
        for _ in range(20):
            wrong = self.differences(newest, foreign)
            if not wrong:
                break
            self.world.run(0.1)
        return wrong

    # -- the shell -------------------------------------------------------------------------------------------------------

    def deadline(self) -> int | None:
        return self.core.next_deadline

    def on_deadline(self) -> None:
        self.publish(self.core.on_deadline(self.world.now))

    def publish(self, events: list[Event]) -> None:
        """Events that do not come from a line, and what follows from the effects."""
        self.client.publish(events)
        self.carry_out()

    def carry_out(self) -> None:
        """Effects to the disk and to REST in memory, until there is none."""
        while not self.client.is_gone:
            while not self.client.is_gone and (effect := self.core.next_effect(self.world.now)) is not None:
                self._do(effect)
            if any(b'"op":"' in data and b'"args"' in data for data in self.client.settle()):
                self.on_step("after the send")
            events = self.core.settle(self.world.now)
            if not events and not self.core.has_effects:
                break
            self.client.publish(events)
        self.client.settle()

    def _do(self, effect: TradingEffect) -> None:
        match effect:
            case WriteIntent(intents=intents):
                self.on_step("before the record")
                if self.client.is_gone:
                    return
                self.kept.update({intent.key: intent for intent in intents if not intent.done})
                for intent in intents:
                    if intent.done:
                        self.kept.pop(intent.key, None)
                self.on_step("after the record")
            case SendRest(path=path, body=body, expires_ms=expires_ms):
                headers = {"expTime": str(expires_ms)} if expires_ms is not None else {}
                self._post(effect, path, body, headers)
                self.on_step("after the send")
            case Arm(path=path, body=body):
                self.arms.append(((self.world.now - self.since) / 1e9, effect.timeout_s))
                self._post(effect, path, body, {})
            case FetchOrder(path=path, query=query) | FetchAccount(path=path, query=query):
                self._get(effect, path, query)
            case FetchInstrument(instrument=instrument):
                self._get(effect, "public/instruments", {"instType": "SWAP" if instrument.endswith("SWAP") else "SPOT"})
            case FetchInstruments(instrument_type=kind):
                self._get(effect, "public/instruments", {"instType": kind})
            case FetchKeyConfig():
                self._get(effect, "account/config", {})
            case FetchOrderClock():
                self._get(effect, "public/time", {})

    def _post(self, effect: TradingEffect, path: str, body: Any, headers: dict[str, str]) -> None:
        def answered(reply: HttpReply) -> None:
            answer = _body(reply)
            code, message = str(answer.get("code", "")), answer.get("msg", "")
            if code in ("0", "1", "2") and isinstance(answer.get("data"), list) and (code == "0" or isinstance(effect, SendRest)):
                self._answer(Answered(effect=effect, rows=answer["data"], code=code, message=message))
            else:
                unclear = reply.status == 0 or reply.status >= 500
                reason = message or f"HTTP {reply.status}"
                self._answer(Answered(effect=effect, code=code, reason=reason, may_have_happened=unclear))

        self._ask("POST", f"/api/v5/{path}", json.dumps(body).encode(), headers, answered)

    def _get(self, effect: TradingEffect, path: str, query: dict[str, str]) -> None:
        asked = self.world.now

        def answered(reply: HttpReply) -> None:
            answer = _body(reply)
            code = str(answer.get("code", ""))
            rows: Any = answer["data"] if code == "0" else None
            if rows is not None and isinstance(effect, FetchInstrument | FetchInstruments):
                rows = instruments_in(rows)
            elif rows is not None and isinstance(effect, FetchOrderClock):
                self.clock.learn(int(rows[0]["ts"]), asked, self.world.now)
            self._answer(Answered(effect=effect, rows=rows, code=code, reason=answer.get("msg", "")))

        self._ask("GET", f"/api/v5/{path}?{urlencode(query)}", b"", {}, answered)

    def _answer(self, answer: Answered) -> None:
        self.publish(self.core.answered(answer, self.world.now))

    def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str], answered: Callable[[HttpReply], None]) -> None:
        """One signed HTTP request over a network with the world's latency; `rest_is_cut`: it never arrives."""
        world = self.world
        seconds, rest = divmod(self.clock.at(world.now), 1_000_000_000)
        stamp = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"
        signed = {
            "OK-ACCESS-KEY": KEY.api_key,
            "OK-ACCESS-SIGN": rest_sign(KEY.secret, stamp, method, target, body.decode()),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": KEY.passphrase,
            "Content-Type": "application/json",
            **headers,
        }
        lower = {name.lower(): value for name, value in signed.items()}

        def done(reply: HttpReply) -> None:
            if not self.client.is_gone:
                answered(reply)

        def arrive() -> None:
            reply = world.exchange.rest(method, target, lower, body, world.there)
            world.after(world.latency, lambda: done(reply))

        def leave() -> None:
            if self.rest_is_cut:
                world.after(int(NO_ANSWER_S * 1e9), lambda: done(HttpReply(0)))
            else:
                world.after(world.exchange.rest_hold(method, target, body, world.there), arrive)

        world.after(world.latency, leave)


def trading(*faults: Any, run: int = 1, **options: Any) -> tuple[World, Trader]:
    """A world with a trader in it, logged in and settled."""
    world = World(Faults(faults), instruments=(SPOT, SWAP), credentials=KEY, **options)
    trader = Trader(world, world.client, kept={}, run=run)
    world.run(2)
    return world, trader


def restart(world: World, trader: Trader, *, run: int) -> Trader:
    """The process is killed, and another one starts with what was written down."""
    killed(world, trader, run=run)
    return Trader(world, world.client, kept=dict(trader.kept), run=run)


def killed(world: World, trader: Trader, *, run: int) -> None:
    """The process is killed; another client of this world takes its place."""
    trader.client.kill()
    world.client = VirtualClient(world, seed=run, credentials=KEY)


def _body(reply: HttpReply) -> dict[str, Any]:
    try:
        body = json.loads(reply.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


# -- against the exchange's own ledger ---------------------------------------------------------------------------------


def ledger(world: World) -> dict[str, list[Any]]:
    """The exchange's orders by our ids: more than one of an id is a double placement."""
    made: dict[str, list[Any]] = {}
    for order in world.exchange.engine.orders(DEMO_KEY.uid):
        made.setdefault(order.client_order_id, []).append(order)
    return made


def best(world: World, instrument: str = SPOT) -> tuple[Decimal, Decimal]:
    """Best bid and ask right now."""
    book = world.market.book(instrument, 5)
    return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])


def dice(seed: int) -> SeededRandom:
    return SeededRandom(f"orders {seed}")


def last_state(world: World, client_order_id: str) -> str:
    """What the client heard last of an order."""
    states = [e.state for e in world.client.events if isinstance(e, OrderUpdate) and e.client_order_id == client_order_id]
    return states[-1] if states else ""
