"""OrderLifecycle: what happens to an order once it is taken: what it binds, whom it meets, what its fills move, how it ends.

In: orders that entry has checked; out: happenings, in order, in `happenings`. The floor decides when; this file decides
what follows. Every fill has a counterparty (accounts.Books), every change is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from okex_ws.simulator.engine.accounts import NET, AccountBooks, AccountPosition, Leg, Pending, PositionChanged, TradingAccount
from okex_ws.simulator.engine.matching import TradingBook
from okex_ws.simulator.engine.orders import (
    AMENDED_REDUCE_ONLY,
    CANCELED,
    CANCELED_FOK,
    CANCELED_IOC_REST,
    CANCELED_POSITION_GONE,
    CANCELED_SELF_TRADE,
    CANCELED_TOO_MANY_MAKERS,
    FILLED,
    PARTIALLY_FILLED,
    ZERO,
    BalanceChanged,
    Execution,
    Order,
    OrderChanged,
)
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import AVERAGE, InstrumentTerms, money
from okex_ws.simulator.engine.validation import IMMEDIATE, UNPRICED
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.seeded_random import SeededRandom

FIRST_TRADE_ID = 8_000_000_000_000_000
"""Trades among and with clients are counted from here: public prints count from far below, and 2**53 lies above."""
_FIRST_ORDER_ID = 680_000_000_000_000_000

Happening = OrderChanged | BalanceChanged | PositionChanged


@dataclass(frozen=True, slots=True)
class EngineRules:
    """Figures of the floor (OKX V5 docs, "Place order": 4000 pending orders per account, 500 per instrument, 1000
    matches per taker). leverage: what an instrument begins with. remembered: finished orders, and executions, kept per
    account.
    """

    pending_per_account: int = 4000
    pending_per_instrument: int = 500
    makers_per_taker: int = 1000
    leverage: Decimal = Decimal(3)
    remembered: int = 100_000


class OrderLifecycle:
    """The floor's inner works."""

    def __init__(self, market: Market, readings: Prices, rules: EngineRules, seed: int) -> None:
        self.books = AccountBooks()
        self.readings = readings
        self.rules = rules
        self.happenings: list[Happening] = []
        self.pits: dict[str, TradingBook] = {}
        self._market = market
        self._trade_id = FIRST_TRADE_ID
        self._order_id = _FIRST_ORDER_ID + SeededRandom(seed).fork("order ids").below(10**15)
        self._looked: set[str] = set()

    def new_order_id(self) -> str:
        """The next one: a higher number than all before."""
        self._order_id += 1
        return str(self._order_id)

    # AccountBooks

    def pit(self, instrument: str) -> TradingBook:
        """The instrument's book of clients' orders, its view of the market no older than the last instant."""
        pit = self.pits.get(instrument)
        if pit is None:
            self._market.follow(instrument)
            pit = self.pits[instrument] = TradingBook(self._market, instrument)
        elif instrument not in self._looked:
            pit.external.refresh()
        self._looked.add(instrument)
        return pit

    def market_moved(self, now: int) -> None:
        """Resting orders against what the market has printed and published since the last time."""
        self._looked.clear()
        for instrument, pit in self.pits.items():
            if pit.is_idle():
                continue
            self._looked.add(instrument)
            if not self.readings.trades(instrument):
                pit.pass_over_prints()  # what is printed or shown while it is suspended reaches nobody
                continue
            terms = self.readings.known(instrument)
            for fill in pit.fills():
                self.trade(terms, fill.order.price or ZERO, fill.size, None, fill.order, now)

    # What orders bind

    def bind(self, account: TradingAccount, terms: InstrumentTerms, order: Order, price: Decimal | None, left: Decimal) -> None:
        """Let an order bind what `left` of it needs at a price: coins on SPOT, its value elsewhere; nothing at zero."""
        if terms.is_spot:
            need = ZERO if price is None else left * price if order.is_buy else left
            if need != order.bound:
                account.balance(terms.quote if order.is_buy else terms.base).frozen += need - order.bound
                order.bound = need
            return
        if order.only_reduces:
            return
        value = ZERO if price is None or left == ZERO else terms.value(price, left)
        pending = self.pending(account, order.instrument, order.position_side)
        if order.is_buy:
            pending.buy_size += left - order.bound_size
            pending.buy_value += value - order.bound
        else:
            pending.sell_size += left - order.bound_size
            pending.sell_value += value - order.bound
        order.bound, order.bound_size = value, left

    def pending(self, account: TradingAccount, instrument: str, side: str) -> Pending:
        """The sums of an account's open orders in an instrument and position side."""
        found = account.pending.get((instrument, side))
        if found is None:
            found = account.pending[instrument, side] = Pending()
        return found

    def leverage(self, account: TradingAccount, terms: InstrumentTerms, side: str) -> Decimal:
        """What was set, else the rules' figure as far as the instrument allows it."""
        chosen = account.leverages.get((terms.instrument, side))
        if chosen is not None:
            return chosen
        return min(self.rules.leverage, terms.max_leverage or self.rules.leverage)

    def order_margin(self, account: TradingAccount, terms: InstrumentTerms, side: str) -> Decimal:
        """Margin and taker fee that open orders need for what they would open."""
        pending = account.pending.get((terms.instrument, side))
        if pending is None:
            return ZERO
        value = pending.opening_value(account.held(terms.instrument, side))
        if value == ZERO:
            return ZERO
        fee = max(ZERO, value * account.fees.derivative_taker)
        return money(value / self.leverage(account, terms, side) + fee)

    def margin(self, account: TradingAccount, terms: InstrumentTerms, position: AccountPosition) -> Decimal:
        """Initial margin of a position, by the mark price where there is one."""
        if position.size == ZERO:
            return ZERO
        mark = self.readings.mark(terms.instrument)
        value = abs(position.cost) if mark is None else terms.value(mark, abs(position.size))
        return money(value / self.leverage(account, terms, position.side))

    def unrealised(self, terms: InstrumentTerms, position: AccountPosition) -> Decimal | None:
        """Open profit, None where no mark price is known."""
        if position.size == ZERO:
            return ZERO
        mark = self.readings.mark(terms.instrument)
        return None if mark is None else position.unrealised(terms, mark)

    def tied(self, account: TradingAccount, currency: str) -> tuple[Decimal, Decimal, Decimal]:
        """(open orders' margin, positions' margin, open profit) of the contracts settled in a currency."""
        orders = positions = profit = ZERO
        for instrument, side in account.pending:
            terms = self.readings.known(instrument)
            if terms.settle != currency:
                continue
            orders += self.order_margin(account, terms, side)
            position = account.positions.get((instrument, side))
            if position is not None and position.size:
                positions += self.margin(account, terms, position)
                profit += self.unrealised(terms, position) or ZERO
        return orders, positions, profit

    def available(self, account: TradingAccount, currency: str, *, with_profit: bool) -> Decimal:
        """What new orders may use; open profit counts only for contracts, open loss always. Below zero: overdrawn."""
        balance = account.balance(currency)
        free = balance.cash - balance.frozen
        if not account.pending:
            return free
        orders, positions, profit = self.tied(account, currency)
        return free - orders - positions + (profit if with_profit else min(ZERO, profit))

    def require_funds(self, account: TradingAccount, terms: InstrumentTerms, order: Order, price: Decimal, left: Decimal) -> None:
        """Bind what the order needs; raises ApiError 51008, with what it bound before, when that is not there."""
        if terms.is_spot:
            before, held = order.bound, order.bound
            currency = terms.quote if order.is_buy else terms.base
            self.bind(account, terms, order, price, left)
            if order.bound <= held or self.available(account, currency, with_profit=False) >= ZERO:
                return
            account.balance(currency).frozen += before - order.bound
            order.bound = before
        else:
            side = order.position_side
            needed = self.order_margin(account, terms, side)
            value, size = order.bound, order.bound_size
            self.bind(account, terms, order, price, left)
            currency = terms.settle
            if self.order_margin(account, terms, side) <= needed:
                return
            if self.available(account, currency, with_profit=True) >= ZERO:
                return
            pending = self.pending(account, order.instrument, side)
            if order.is_buy:
                pending.buy_value += value - order.bound
                pending.buy_size += size - order.bound_size
            else:
                pending.sell_value += value - order.bound
                pending.sell_size += size - order.bound_size
            order.bound, order.bound_size = value, size
        raise short_of(currency)

    # An order's life

    def open(self, account: TradingAccount, order: Order) -> None:
        """An order is pending from now on."""
        account.known[order.order_id] = account.open[order.order_id] = order
        account.counts[order.instrument] = account.counts.get(order.instrument, 0) + 1
        if order.client_order_id:
            account.named[order.instrument, order.client_order_id] = order
            account.live_names.add(order.client_order_id)
        if order.only_reduces:
            account.reducing.setdefault(order.instrument, {})[order.order_id] = order

    def finish(
        self, account: TradingAccount, terms: InstrumentTerms, order: Order, state: str, now: int, source: str = ""
    ) -> None:
        """An order trades no more; it frees what it bound."""
        self.bind(account, terms, order, None, ZERO)
        self.pits[order.instrument].own(order).remove(order)
        del account.open[order.order_id]
        account.counts[order.instrument] -= 1
        account.live_names.discard(order.client_order_id)
        if order.only_reduces:
            del account.reducing[order.instrument][order.order_id]
        order.state, order.cancel_source, order.updated = state, source, now
        account.finished.append(order.order_id)
        if len(account.finished) > self.rules.remembered:
            self._forget(account, account.known.pop(account.finished.popleft()))

    def _forget(self, account: TradingAccount, order: Order) -> None:
        account.forgotten += 1
        name = (order.instrument, order.client_order_id)
        if account.named.get(name) is order:
            del account.named[name]

    def cancel(
        self,
        account: TradingAccount,
        terms: InstrumentTerms,
        order: Order,
        now: int,
        source: str,
        *,
        request_id: str = "",
        amend_result: str = "",
    ) -> None:
        """End an order unfilled, and tell."""
        had_bound = order.bound
        self.finish(account, terms, order, CANCELED, now, source)
        self.tell(order, request_id=request_id, amend_result=amend_result)
        if had_bound:
            self.tell_bound(terms, order)

    def tell(self, order: Order, execution: Execution | None = None, *, request_id: str = "", amend_result: str = "") -> None:
        """Say what an order has become; the source of an amendment is said once."""
        self.happenings.append(OrderChanged(order.uid, order.copy(), execution, request_id, amend_result))
        order.amend_source = ""

    def tell_bound(self, terms: InstrumentTerms, order: Order) -> None:
        """Say that what orders bind has changed."""
        currency = terms.settle if not terms.is_spot or order.is_buy else terms.base
        self.happenings.append(BalanceChanged(order.uid, (currency,), ""))

    # Trades

    def match(self, account: TradingAccount, terms: InstrumentTerms, order: Order, limit: Decimal | None, now: int) -> None:
        """Trade an order with whatever is better than or at `limit`, and end it if it may not rest."""
        pit = self.pit(order.instrument)
        matches = 0
        while order.is_open and order.left > ZERO:
            offer = pit.next_offer(order.is_buy, limit)
            if offer is None:
                break
            maker = offer.maker
            if maker is not None and maker.uid == order.uid:
                if order.self_trade != "cancel_taker":
                    self.cancel(account, terms, maker, now, CANCELED_SELF_TRADE)
                if order.self_trade != "cancel_maker":
                    self.cancel(account, terms, order, now, CANCELED_SELF_TRADE)
                continue
            size = min(offer.size, affordable(order, offer.price, terms))
            if size <= ZERO:
                break
            if matches >= self.rules.makers_per_taker:
                self.cancel(account, terms, order, now, CANCELED_TOO_MANY_MAKERS)
                return
            matches += 1
            if maker is None:
                pit.take_outside(order.is_buy, offer.price, size)
            self.trade(terms, offer.price, size, order, maker, now)
        if order.is_open and order.order_type in IMMEDIATE:
            self._end_immediate(account, terms, order, pit, now)

    def _end_immediate(self, account: TradingAccount, terms: InstrumentTerms, order: Order, pit: TradingBook, now: int) -> None:
        """A market order is done when it has its size, or its money buys no further lot; any other rest is canceled."""
        if order.order_type == "market" and terms.is_spot and order.filled:
            offer = pit.next_offer(order.is_buy, None)
            if order.left == ZERO or (offer is not None and affordable(order, offer.price, terms) == ZERO):
                self.finish(account, terms, order, FILLED, now)
                self.tell(order)
                return
        self.cancel(account, terms, order, now, CANCELED_FOK if order.order_type == "fok" else CANCELED_IOC_REST)

    def trade(
        self, terms: InstrumentTerms, price: Decimal, size: Decimal, taker: Order | None, maker: Order | None, now: int
    ) -> None:
        """One trade between a taker and a maker; None stands for the market."""
        self._trade_id += 1
        first, second = taker or maker, maker if taker else None
        assert first is not None
        self._side(terms, first, price, size, now, is_maker=taker is None)
        if second is not None:
            self._side(terms, second, price, size, now, is_maker=True)
        else:
            self.books.book(
                self.books.outside,
                terms,
                is_buy=not first.is_buy,
                price=price,
                size=size,
                maker=taker is not None,
                side=NET,
                leverage=self.rules.leverage,
                trade_id=self._trade_id,
                now=now,
            )
        if not terms.is_spot:
            for order in (first, second):
                if order is not None:
                    account = self.books.clients[order.uid]
                    if account.reducing.get(order.instrument):
                        self._hold_to_position(account, terms, order.position_side, now)

    def _side(self, terms: InstrumentTerms, order: Order, price: Decimal, size: Decimal, now: int, *, is_maker: bool) -> None:
        """Book one client's side of a trade and tell."""
        account = self.books.clients[order.uid]
        leg = self.books.book(
            account,
            terms,
            is_buy=order.is_buy,
            price=price,
            size=size,
            maker=is_maker,
            side=order.position_side or NET,
            leverage=self.leverage(account, terms, order.position_side),
            trade_id=self._trade_id,
            now=now,
        )
        order.filled += size
        order.left -= price * size if order.counts_quote else size
        order.turnover += size / price if terms.is_inverse else size * price
        order.average_price = average_price(terms, order)
        if leg.fee > ZERO:
            order.rebate += leg.fee
            order.rebate_currency = leg.fee_currency
        else:
            order.fee += leg.fee
            order.fee_currency = leg.fee_currency
        order.profit += leg.profit
        order.updated = now
        execution = Execution(
            order=order,
            trade_id=self._trade_id,
            price=price,
            size=size,
            fee=leg.fee,
            fee_currency=leg.fee_currency,
            liquidity="M" if is_maker else "T",
            profit=leg.profit,
            at=now,
            mark=self.readings.mark(order.instrument),
        )
        account.executions.append(execution)
        if len(account.executions) > self.rules.remembered:
            account.executions.popleft()
            account.forgotten += 1
        # A SPOT market order is said to be filled by a last word of its own, without a trade (OKX V5, "Order channel").
        if order.left == ZERO and not (terms.is_spot and order.order_type == "market"):
            self.finish(account, terms, order, FILLED, now)
        else:
            order.state = PARTIALLY_FILLED
            if order.order_type not in UNPRICED:
                self.bind(account, terms, order, order.price, order.left)
        self.tell(order, execution)
        if leg.position is not None:
            self.happenings.append(PositionChanged(order.uid, leg.position.copy(), "filled"))
        currencies = (terms.base, terms.quote) if terms.is_spot else (terms.settle,)
        self.happenings.append(BalanceChanged(order.uid, currencies, "filled"))

    def settle(
        self,
        account: TradingAccount,
        terms: InstrumentTerms,
        *,
        is_buy: bool,
        price: Decimal,
        size: Decimal,
        is_maker: bool,
        now: int,
    ) -> tuple[int, Leg]:
        """Book a trade with the market that was agreed elsewhere, in a net position; gives its id and what it did."""
        self._trade_id += 1
        leverage = self.leverage(account, terms, NET)
        leg = self.books.book(
            account,
            terms,
            is_buy=is_buy,
            price=price,
            size=size,
            maker=is_maker,
            side=NET,
            leverage=leverage,
            trade_id=self._trade_id,
            now=now,
        )
        self.books.book(
            self.books.outside,
            terms,
            is_buy=not is_buy,
            price=price,
            size=size,
            maker=not is_maker,
            side=NET,
            leverage=self.rules.leverage,
            trade_id=self._trade_id,
            now=now,
        )
        if leg.position is not None:
            self.happenings.append(PositionChanged(account.uid, leg.position.copy(), "filled"))
        if not terms.is_spot and account.reducing.get(terms.instrument):
            self._hold_to_position(account, terms, NET, now)
        currencies = (terms.base, terms.quote) if terms.is_spot else (terms.settle,)
        self.happenings.append(BalanceChanged(account.uid, currencies, "filled"))
        return self._trade_id, leg

    def _hold_to_position(self, account: TradingAccount, terms: InstrumentTerms, side: str, now: int) -> None:
        """Orders that only reduce never exceed the position: they shrink with it and end with it."""
        held = account.held(terms.instrument, side)
        for order in list(account.reducing[terms.instrument].values()):
            if order.position_side != side or not order.is_open:
                continue
            room = ZERO if held == ZERO or (held > ZERO) == order.is_buy else abs(held)
            if room == ZERO:
                self.cancel(account, terms, order, now, CANCELED_POSITION_GONE)
            elif order.left > room:
                order.left, order.size = room, order.filled + room
                order.amend_source, order.updated = AMENDED_REDUCE_ONLY, now
                self.tell(order, amend_result="0")


def affordable(order: Order, price: Decimal, terms: InstrumentTerms) -> Decimal:
    """How much of an order may trade at a price: for an amount of quote currency the whole lots it pays for."""
    if not order.counts_quote:
        return order.left
    if terms.lot is None:
        return order.left / price
    return (order.left / price / terms.lot).to_integral_value(ROUND_DOWN) * terms.lot


def average_price(terms: InstrumentTerms, order: Order) -> Decimal:
    """The average price of what has filled, rounded to AVERAGE."""
    price = order.filled / order.turnover if terms.is_inverse else order.turnover / order.filled
    return price.quantize(AVERAGE).normalize()


def short_of(currency: str) -> ApiError:
    """51008 about a currency."""
    return ApiError("51008", f"Order failed. Insufficient {currency} balance in account")
