"""A virtual client that trades: `Orders` and its lines joined to the exchange, its REST in memory, on the world's one clock.

`Trader` does what `client.trading` does over sockets: carries out what Orders want, in order, and decides nothing. What it wrote
down outlives it, so that `restart` is a crash and a new process.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Container
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from tests.support.virtual import VirtualClient, World

from okex_ws import Credentials
from okex_ws.events import Event, Instrument, OrderUpdate
from okex_ws.market import Instruments
from okex_ws.market.account import Account, FetchAccount
from okex_ws.protocol.orders.order_ids import OrderIds
from okex_ws.protocol.orders.orders import Orders
from okex_ws.protocol.orders.tickets import (
    FetchInstrument,
    FetchOrder,
    FetchOrderClock,
    Intent,
    SendRest,
    SendSocket,
    Ticket,
    WriteIntent,
)
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.wire.channels import subscription
from okex_ws.wire.frames import decode_rows
from okex_ws.wire.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder
from okex_ws.wire.sign import rest_sign

KEY = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
SPOT, SWAP, SPREAD = "BTC-USDT", "BTC-USDT-SWAP", "BTC-USDT_BTC-USDT-SWAP"
PRIVATE = (("orders", "ANY"), ("positions", "ANY"), ("account", None), ("balance_and_position", None))
NO_ANSWER_S = 10.0
"""How long a client waits for an HTTP answer that never comes."""


class Trader:
    """One account's orders. kept: what former processes wrote down, by key."""

    def __init__(self, world: World, client: VirtualClient, *, kept: dict[str, Intent], run: int, **options: Any) -> None:
        self.world, self.client, self.kept = world, client, kept
        self.account = Account(keep_orders=100_000, keep_fills=200_000)
        self.instruments = Instruments()
        self.tickets: list[Ticket] = []
        self.rest_is_cut = False
        self.on_step: Callable[[str], None] = lambda step: None
        self.clock = ServerClock()
        while not self._knows_time():  # as a client, which takes nothing over before
            world.run(1)
        self.since = world.now  # by our clock
        self.orders = Orders(
            OrderIds(run),
            can_send=lambda endpoint: self._line(endpoint) is not None,
            code_of=self._code,
            clock=self.clock,
            **options,
        )
        client.trader = self
        for channel, key in PRIVATE:
            client.want(subscription(channel, key))
        for kind in ("SPOT", "SWAP"):
            self._load(kind)
        self.tickets += self.orders.adopt(list(kept.values()), world.now)
        self._settle()

    # -- what a caller does ----------------------------------------------------------------------------------------------

    def submit(self, *orders: OrderRequest, **options: Any) -> list[Ticket]:
        tickets = self.orders.submit(orders, self.world.now, **options)
        self.tickets += tickets
        self.client.events += self._settle()
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

    # -- what a shell does -----------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> list[Event]:
        said = self.account.apply(event)
        if isinstance(event, Orders.HEARS):
            self.orders.feed(event, self.world.now)
        elif isinstance(event, Instrument):
            self.instruments.apply(event)
        return [*said, *self._settle()]

    def deadline(self) -> int | None:
        dues = (self.orders.deadline(), self.account.next_deadline)
        return min((due for due in dues if due is not None), default=None)

    def on_deadline(self) -> None:
        now = self.world.now
        self.orders.on_deadline(now)
        due = self.account.next_deadline
        if due is not None and due <= now:
            self.client.events += self.account.on_deadline(now)
        self.client.events += self._settle()

    def _settle(self) -> list[Event]:
        orders, world = self.orders, self.world
        while actions := orders.take_actions():
            for action in actions:
                if self.client.is_gone:
                    return []
                match action:
                    case WriteIntent(intents=intents):
                        self.on_step("before the record")
                        self.kept.update({intent.key: intent for intent in intents if not intent.done})
                        for intent in intents:
                            if intent.done:
                                self.kept.pop(intent.key, None)
                        self.on_step("after the record")
                    case SendSocket(request_id=request_id, endpoint=endpoint, op=op, data=data):
                        line = self._line(endpoint)
                        number = line.send(request_id, op, data, world.now) if line is not None else None
                        if line is None or number is None:
                            orders.not_sent(request_id, world.now)
                        else:
                            orders.sent(request_id, line.name, number)
                            self.client.settle()
                        self.on_step("after the send")
                    case SendRest():
                        self._post(action)
                        self.on_step("after the send")
                    case FetchOrder(ticket=number, path=path, query=query):
                        self._read(path, query, lambda rows, code, n=number: orders.looked_up(n, rows, code, world.now))
                    case FetchInstrument(instrument=instrument):
                        self._load("SWAP" if instrument.endswith("SWAP") else "SPOT")
                        orders.instrument_read(instrument, world.now)
                    case FetchOrderClock():
                        self._read_clock()
        wishes, self.account.wishes = self.account.wishes, []
        for wish in wishes:
            self._read(wish.path, wish.query, lambda rows, code, wish=wish: self._fetched(wish, rows, code))
        said = []
        for event in orders.take_events():
            said += [event, *self.account.apply(event)]
        return said

    def _fetched(self, wish: FetchAccount, rows: list[Any] | None, code: str) -> None:
        self.client.events += self.account.fetched(wish, rows, self.world.now, code)

    def _line(self, endpoint: str) -> Any:
        for name, line in self.client.lines.items():
            if name.startswith(endpoint) and line.trading_session() is not None:
                return line
        return None

    def _code(self, instrument: str) -> int | None:
        return self.instruments[instrument].code if instrument in self.instruments else None

    def _load(self, kind: str) -> None:
        reply = self.world.exchange.rest("GET", f"/api/v5/public/instruments?instType={kind}", {}, b"", self.world.there)
        self.instruments.load(decode_rows(json.loads(reply.body)["data"], Instrument, "instruments"))

    def _post(self, action: SendRest) -> None:
        def answered(reply: HttpReply) -> None:
            now, body = self.world.now, _body(reply)
            code = str(body.get("code", ""))
            if code in ("0", "1", "2") and isinstance(body.get("data"), list):
                self.orders.rest_answered(action.request_id, code, body.get("msg", ""), body["data"], now)
            else:
                unclear = reply.status == 0 or reply.status >= 500
                reason = body.get("msg", "") or f"HTTP {reply.status}"
                self.orders.rest_failed(action.request_id, code, reason, now, may_have_happened=unclear)

        headers = {"expTime": str(action.expires_ms)} if action.expires_ms is not None else {}
        self._ask("POST", f"/api/v5/{action.path}", json.dumps(action.body).encode(), headers, answered)

    def _knows_time(self) -> bool:
        self._clock_told(self.world.exchange.rest("GET", "/api/v5/public/time", {}, b"", self.world.there), self.world.now)
        return self.clock.measured > 0

    def _read_clock(self) -> None:
        asked = self.world.now

        def answered(reply: HttpReply) -> None:
            self._clock_told(reply, asked)
            self.orders.clock_read()

        self._ask("GET", "/api/v5/public/time", b"", {}, answered)

    def _clock_told(self, reply: HttpReply, asked: int) -> None:
        body = _body(reply)
        if body.get("code") == "0":
            self.clock.learn(int(body["data"][0]["ts"]), asked, self.world.now)

    def _read(self, path: str, query: dict[str, str], tell: Callable[[list[Any] | None, str], None]) -> None:
        def answered(reply: HttpReply) -> None:
            body = _body(reply)
            code = str(body.get("code", ""))
            tell(body["data"] if code == "0" else None, code)

        self._ask("GET", f"/api/v5/{path}?{urlencode(query)}", b"", {}, answered)

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
                self.client.events += self._settle()

        def arrive() -> None:
            reply = world.exchange.rest(method, target, lower, body, world.there)
            world.after(world.latency, lambda: done(reply))

        def leave() -> None:
            if self.rest_is_cut:
                world.after(int(NO_ANSWER_S * 1e9), lambda: done(HttpReply(0)))
            else:
                world.after(world.exchange.rest_hold(method, target, body, world.there), arrive)

        world.after(world.latency, leave)


def trading(*faults: Any, run: int = 1, orders: dict[str, Any] | None = None, **options: Any) -> tuple[World, Trader]:
    """A world with a trader in it, logged in and settled."""
    world = World(Faults(faults), instruments=(SPOT, SWAP), credentials=KEY, **options)
    trader = Trader(world, world.client, kept={}, run=run, **(orders or {}))
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
