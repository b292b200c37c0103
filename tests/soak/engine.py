"""Random operations on the trading engine, with money counted after every one of them.

    python -m tests.soak.engine SEED OPERATIONS

Random orders of every type, amends, cancels, leverage, market moves, prints and funding on four instruments; some
accounts trade coins only, some contracts too, one of them long and short. `Audit.check` has the laws. A naive matcher
(`Queues`) that shares no code with the engine predicts the fills on SPOT.
"""

from __future__ import annotations

import sys
from decimal import Decimal, localcontext
from random import Random
from typing import Any

from tests.soak.queues import Fills, Queues
from tests.support.staged_market import COIN, INSTRUMENTS, INVERSE, LINEAR, SPOT, START, StagedMarket

from okex_ws.simulator.engine.accounts import Fees, PositionChanged
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import BalanceChanged, Execution, NewOrder, Order, OrderChanged
from okex_ws.simulator.engine.validation import EngineRules
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import HOUR, MILLISECOND

ZERO = Decimal(0)
COINS_ONLY = ("s1", "s2", "s3")
MIXED = ("m1", "m2", "m3")
TICK = Decimal("0.1")


class LawBroken(AssertionError):
    """An invariant that does not hold."""


def expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise LawBroken(what)


def joined(fills: Fills) -> Fills:
    """Return fills with successive ones of the same order at the same price joined: the number of pieces of a market
    level is no part of the law.
    """
    result: Fills = []
    for order_id, role, price, size in fills:
        if result and result[-1][:3] == (order_id, role, price):
            size += result.pop()[3]
        result.append((order_id, role, price, size))
    return result


class Audit:
    """Sums of all emitted changes, computed without the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.deposits = engine.books.totals()
        self.fees: dict[str, Decimal] = {}
        self.orders: dict[str, Order] = {}
        self.ended: set[str] = set()
        self.sides: dict[int, list[tuple[str, str, Decimal, Decimal]]] = {}
        self.positions: dict[tuple[str, str, str], Decimal] = {}
        self.fills = 0

    def read(self) -> Fills:
        """Take the changes in; returns the SPOT fills as (order id, "T" or "M", price, size)."""
        spot = []
        for event in self.engine.take():
            if isinstance(event, OrderChanged):
                order, execution = event.order, event.execution
                self._read(order, execution)
                if execution is None:
                    continue
                self.fills += 1
                self.fees[execution.fee_currency] = self.fees.get(execution.fee_currency, ZERO) + execution.fee
                side = (order.instrument, order.side, execution.price, execution.size)
                self.sides.setdefault(execution.trade_id, []).append(side)
                if order.price is not None:
                    better = execution.price <= order.price if order.is_buy else execution.price >= order.price
                    expect(better, f"{order.order_id} traded beyond its price")
                if order.instrument_type == "SPOT":
                    spot.append((order.order_id, execution.liquidity, execution.price, execution.size))
            elif isinstance(event, PositionChanged):
                position = event.position
                self.positions[position.uid, position.instrument, position.side] = position.size
            else:
                expect(isinstance(event, BalanceChanged), "an unknown event")
        return spot

    def _read(self, order: Order, execution: Execution | None) -> None:
        """Check that an order continues from its last state, and never changes after its end."""
        before = self.orders.pop(order.order_id, None)
        expect(order.order_id not in self.ended, f"{order.order_id} changed after its end")
        filled = before.filled if before is not None else ZERO
        if execution is not None:
            expect(execution.size > ZERO, "an empty fill")
            filled += execution.size
        expect(order.filled == filled, f"{order.order_id}: executions add up to {filled}, not to {order.filled}")
        if order.is_open:
            self.orders[order.order_id] = order
        else:
            self.ended.add(order.order_id)

    def check(self) -> None:
        """Check everything that must hold between any two operations."""
        books = self.engine.books
        with localcontext() as context:
            context.prec = 60
            expect(books.totals() == self.deposits, f"money: {books.totals()} is not {self.deposits}")
            charged = {name: -total for name, total in self.fees.items() if total}
            earned = {name: balance.cash for name, balance in books.house.balances.items() if balance.cash}
            expect(earned == charged, f"fees: {earned} is not {charged}")
            self._check_positions()
            for account in books.clients.values():
                self._check_orders(account)
            for number, sides in self.sides.items():
                self._check_trade(number, sides)
            self.sides.clear()
            self._check_books()

    def _check_positions(self) -> None:
        sums: dict[str, Decimal] = {}
        owed: dict[str, Decimal] = {}
        for account in self.engine.books.everyone():
            for (instrument, side), position in account.positions.items():
                sums[instrument] = sums.get(instrument, ZERO) + position.size
                sign = 1 if instrument == INVERSE else -1
                owed[position.currency] = owed.get(position.currency, ZERO) + sign * position.cost
                expect((position.size == ZERO) == (position.average_price is None), "an average price of nothing")
                if side == "long":
                    expect(position.size >= ZERO, "a long position below zero")
                if side == "short":
                    expect(position.size <= ZERO, "a short position above zero")
                emitted = self.positions.get((account.uid, instrument, side))
                expect(account is self.engine.books.outside or emitted == position.size, "a position change not emitted")
        expect(not any(sums.values()), f"positions do not sum to zero: {sums}")
        clearing = self.engine.books.clearing.balances
        for currency, amount in owed.items():
            cash = clearing[currency].cash if currency in clearing else ZERO
            expect(cash == amount, f"the clearing account has {cash} {currency}, open positions owe {amount}")

    def _check_orders(self, account: Any) -> None:
        frozen: dict[str, Decimal] = {}
        pending: dict[tuple[str, str], list[Decimal]] = {}
        counts: dict[str, int] = {}
        for order in account.open.values():
            expect(order.is_open and order.left > ZERO, "a finished order is pending")
            last = self.orders[order.order_id]
            emitted = (last.state, last.filled, last.size, last.price)
            expect(emitted == (order.state, order.filled, order.size, order.price), "a change that was not emitted")
            expect(order.filled + order.left == order.size, "filled and left are not the size")
            counts[order.instrument] = counts.get(order.instrument, 0) + 1
            expect(order.ahead >= ZERO, "less than nothing ahead")
            if order.instrument_type == "SPOT":
                base, quote = order.instrument.split("-")
                currency = quote if order.is_buy else base
                need = order.left * order.price if order.is_buy else order.left
                frozen[currency] = frozen.get(currency, ZERO) + need
            elif not order.only_reduces:
                sums = pending.setdefault((order.instrument, order.position_side), [ZERO] * 4)
                value = self.engine.terms(order.instrument).value(order.price, order.left)
                at = 0 if order.is_buy else 2
                sums[at] += order.left
                sums[at + 1] += value
            else:
                held = account.held(order.instrument, order.position_side)
                expect((held < ZERO) == order.is_buy and order.left <= abs(held), "an order to reduce exceeds the position")
        for currency, balance in account.balances.items():
            expect(balance.frozen == frozen.get(currency, ZERO), f"{balance.frozen} {currency} frozen, {frozen} needed")
            if account.uid in COINS_ONLY:
                expect(balance.cash >= balance.frozen >= ZERO, f"{account.uid} has less than nothing of {currency}")
        for key, sums in account.pending.items():
            found = [sums.buy_size, sums.buy_value, sums.sell_size, sums.sell_value]
            expect(found == pending.get(key, [ZERO] * 4), f"pending {found}, not {pending.get(key)}")
        expect({name: n for name, n in account.counts.items() if n} == counts, "pending orders miscounted")

    def _check_trade(self, number: int, sides: list[tuple[str, str, Decimal, Decimal]]) -> None:
        expect(len(sides) in (1, 2), f"trade {number} has {len(sides)} sides")
        if len(sides) == 2:
            (one, first, *rest), (other, second, *same) = sides
            expect((one, rest) == (other, same) and first != second, f"trade {number} differs from side to side")

    def _check_books(self) -> None:
        for instrument in INSTRUMENTS:
            orders = [o for a in self.engine.accounts.values() for o in a.open.values() if o.instrument == instrument]
            bids = [o.price for o in orders if o.is_buy]
            asks = [o.price for o in orders if not o.is_buy]
            expect(not bids or not asks or max(bids) < min(asks), f"{instrument}: clients' orders cross")


class Run:
    """One seeded run."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.market = StagedMarket()
        self.market.rows[LINEAR]["ctVal"] = "1"
        self.now = START
        rules = EngineRules(pending_per_instrument=60, remembered=500)
        self.engine = Engine(self.market, seed=seed, now=START, rules=rules)
        rich = {"USDT": Decimal(20_000), "BTC": Decimal(200), "ETH": Decimal(200)}
        poor = {"USDT": Decimal(300), "BTC": Decimal(3), "ETH": Decimal(3)}
        rebate = Fees(Decimal("-0.0001"), Decimal("0.001"), Decimal("-0.00005"), Decimal("0.0005"))
        for uid in (*COINS_ONLY, *MIXED):
            mode = "long_short_mode" if uid == "m3" else "net_mode"
            funds = poor if uid in ("s3", "m2") else rich
            self.engine.open_account(uid, funds, position_mode=mode, fees=rebate if uid == "s3" else None)
        self.mid = dict.fromkeys(INSTRUMENTS, 1000)
        self.queues = {name: Queues() for name in (SPOT, COIN)}
        self.audit = Audit(self.engine)
        self.rejected: dict[str, int] = {}
        for name in INSTRUMENTS:
            self.market.set_funding(name, "0.0001", START + 8 * HOUR)
            self._publish(name)
        self.engine.advance(self.now)
        for name in self.queues:
            self._moved(name, [])

    def step(self) -> None:
        """One random operation."""
        self.now += MILLISECOND
        acts = (self._place, self._cancel, self._amend, self._move, self._trade, self._lever, self._fund)
        act = self.random.choices(acts, (52, 16, 12, 12, 7, 1, 0.1))[0]
        expected: Fills = []
        try:
            expected = act()
        except ApiError as rejection:
            self.rejected[rejection.code] = self.rejected.get(rejection.code, 0) + 1
        found = self.audit.read()
        expect(joined(found) == joined(expected), f"fills {found}, the naive matcher expects {expected}")

    def _place(self) -> Fills:
        random = self.random
        uid = random.choice((*COINS_ONLY, *MIXED))
        instrument = random.choice((SPOT, COIN) if uid in COINS_ONLY else INSTRUMENTS)
        is_spot = instrument in self.queues
        kind = random.choice(("limit", "limit", "limit", "limit", "post_only", "ioc", "fok", "market", "optimal_limit_ioc"))
        if is_spot and kind == "optimal_limit_ioc":
            kind = "market"
        side = random.choice(("buy", "sell"))
        price = (self.mid[instrument] + random.choice((random.randint(-14, 14), random.randint(-3, 3)))) * TICK
        size = Decimal(random.randint(1, 400 if random.random() < 0.1 else 40)) / 100
        if random.random() < 0.02:
            size += Decimal("0.001")
        target = random.choice(("", "base_ccy", "quote_ccy")) if kind == "market" and is_spot else ""
        if (target or ("quote_ccy" if side == "buy" else "base_ccy")) == "quote_ccy" and kind == "market" and is_spot:
            size = Decimal(random.randint(1, 4_000))
        new = NewOrder(
            instrument,
            side,
            kind,
            size,
            None if kind in ("market", "optimal_limit_ioc") else price,
            trade_mode="cash" if is_spot else "cross",
            position_side=random.choice(("long", "short")) if uid == "m3" and not is_spot else "",
            reduce_only=not is_spot and uid != "m3" and random.random() < 0.4,
            target_currency=target,
            self_trade=random.choice(("cancel_maker", "cancel_maker", "cancel_taker", "cancel_both")),
        )
        order = self.engine.place(uid, new, self.now)
        if order.is_open and not order.filled and not order.only_reduces:
            self._check_funds(uid, order)
        return self.queues[instrument].place(order, new) if is_spot else []

    def _check_funds(self, uid: str, order: Order) -> None:
        """Check that an account that may bind more can afford it."""
        held = self.engine.accounts[uid].held(order.instrument, order.position_side)
        if order.instrument_type == "SPOT":
            base, quote = order.instrument.split("-")
            left = self.engine.available(uid, quote if order.is_buy else base)
            expect(left >= ZERO, f"{uid} was let bind {-left} more than it has")
        elif held == ZERO or (held > ZERO) == order.is_buy:
            left = self.engine.available(uid, self.engine.terms(order.instrument).settle, equity=True)
            expect(left >= ZERO, f"{uid} was let open {-left} more than it has")

    def _any_order(self) -> tuple[str, Order] | None:
        uid = self.random.choice((*COINS_ONLY, *MIXED))
        orders = self.engine.accounts[uid].open
        return (uid, self.random.choice(list(orders.values()))) if orders else None

    def _cancel(self) -> Fills:
        found = self._any_order()
        if found is None:
            return []
        self.engine.cancel(*found, self.now)
        if found[1].instrument in self.queues:
            self.queues[found[1].instrument].cancel(found[1].order_id)
        return []

    def _amend(self) -> Fills:
        found = self._any_order()
        if found is None:
            return []
        uid, order = found
        random = self.random
        old = order.price
        size = Decimal(random.randint(1, 60)) / 100 if random.random() < 0.7 else None
        price = (self.mid[order.instrument] + random.randint(-14, 14)) * TICK if size is None or random.random() < 0.4 else None
        queues = self.queues.get(order.instrument)
        cancel_on_fail = random.random() < 0.3
        try:
            self.engine.amend(uid, order, self.now, size=size, price=price, cancel_on_fail=cancel_on_fail)
        except ApiError:
            if not order.is_open and queues is not None:
                queues.cancel(order.order_id)
            raise
        return [] if queues is None else queues.amend(order.order_id, size, None if price == old else price)

    def _move(self) -> Fills:
        instrument = self.random.choice(INSTRUMENTS)
        self.mid[instrument] = max(100, self.mid[instrument] + self.random.randint(-4, 4))
        self._publish(instrument)
        self.engine.advance(self.now)
        return self._moved(instrument, [])

    def _moved(self, instrument: str, trades: list[tuple[str, Decimal, Decimal]]) -> Fills:
        if instrument not in self.queues:
            return []
        book = self.market.book(instrument, 400)
        assert book is not None
        return self.queues[instrument].moved(trades, book)

    def _trade(self) -> Fills:
        instrument = self.random.choice(INSTRUMENTS)
        side = self.random.choice(("buy", "sell"))
        price = (self.mid[instrument] + self.random.randint(-8, 8)) * TICK
        size = Decimal(self.random.randint(1, 300)) / 100
        self.market.add_trade(instrument, side, str(price), str(size))
        if len(self.market.trades[instrument]) > 400:
            del self.market.trades[instrument][:200]
        self.engine.advance(self.now)
        return self._moved(instrument, [(side, price, size)])

    def _lever(self) -> Fills:
        uid, instrument = self.random.choice(MIXED), self.random.choice((LINEAR, INVERSE))
        side = self.random.choice(("long", "short")) if uid == "m3" else "net"
        self.engine.set_leverage(uid, instrument, Decimal(self.random.choice((1, 2, 5, 101))), self.now, position_side=side)
        return []

    def _fund(self) -> Fills:
        due = self.engine.deadline()
        if due is None:
            return []
        self.now = max(self.now, due)
        for instrument in (LINEAR, INVERSE):
            rate = Decimal(self.random.randint(-375, 375)) / 100_000
            self.market.set_funding(instrument, str(rate), self.now + 8 * HOUR, settled=str(rate))
        self.engine.advance(self.now)
        return []

    def _publish(self, instrument: str) -> None:
        random, mid = self.random, self.mid[instrument]
        gap = random.randint(1, 3)
        sizes = ["0.05", "0.2", "0.35", "1", "2.5", "7"]
        asks = [(str((mid + gap + i) * TICK), random.choice(sizes)) for i in range(12) if random.random() < 0.7]
        bids = [(str((mid - gap - i) * TICK), random.choice(sizes)) for i in range(12) if random.random() < 0.7]
        self.market.set_book(instrument, bids=bids, asks=asks)
        self.market.set_mark(instrument, str(mid * TICK))
        if instrument in (LINEAR, INVERSE):
            self.market.set_band(instrument, str((mid + 12) * TICK), str((mid - 12) * TICK))


def run(seed: int, operations: int, every: int = 1) -> Run:
    """So many operations, the whole audit after every `every`-th of them."""
    world = Run(seed)
    for number in range(operations):
        try:
            world.step()
            if number % every == 0:
                world.audit.check()
        except LawBroken as broken:
            raise LawBroken(f"seed {seed}, operation {number}: {broken}") from broken
    world.audit.check()
    return world


def main() -> None:
    seed, operations = int(sys.argv[1]), int(sys.argv[2])
    world = run(seed, operations, every=max(1, operations // 20_000))
    counts = ", ".join(f"{code}: {n}" for code, n in sorted(world.rejected.items()))
    print(f"seed {seed}: {operations} operations, {world.audit.fills} fills, money and positions exact; refused {counts}")


if __name__ == "__main__":
    main()
