"""OrderLifecycle: matching, fills and the end of orders that validation has accepted.

In: accepted orders. Out: changes of orders, positions and balances, in order, in `events`. Every fill has a
counterparty (AccountBooks).
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from okex_ws.simulator.engine.accounts import NET, AccountBooks, EngineTrade, Leg, PositionChanged, TradingAccount
from okex_ws.simulator.engine.margin import Margins
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
from okex_ws.simulator.engine.terms import AVERAGE, InstrumentTerms
from okex_ws.simulator.engine.validation import IMMEDIATE, UNPRICED, EngineRules
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.seeded_random import SeededRandom

FIRST_TRADE_ID = 8_000_000_000_000_000
"""Trades among and with clients are counted from here: public prints count from far below, and 2**53 lies above."""
_FIRST_ORDER_ID = 680_000_000_000_000_000


class OrderLifecycle:
    """Orders of all accounts from acceptance to the end, and the trades between."""

    def __init__(self, market: Market, prices: Prices, rules: EngineRules, seed: int) -> None:
        self.books = AccountBooks()
        self.prices = prices
        self.rules = rules
        self.margins = Margins(prices, rules.leverage)
        self.events: list[OrderChanged | BalanceChanged | PositionChanged] = []
        self._trading_books: dict[str, TradingBook] = {}
        self._market = market
        self._trade_id = FIRST_TRADE_ID
        self._order_id = _FIRST_ORDER_ID + SeededRandom(seed).fork("order ids").below(10**15)
        self._refreshed: set[str] = set()

    def new_order_id(self) -> str:
        """Return the next order id, higher than all before."""
        self._order_id += 1
        return str(self._order_id)

    def trading_book(self, instrument: str) -> TradingBook:
        """Return the instrument's book of clients' orders, with the market as of its last instant."""
        book = self._trading_books.get(instrument)
        if book is None:
            self._market.follow(instrument)
            book = self._trading_books[instrument] = TradingBook(self._market, instrument)
        elif instrument not in self._refreshed:
            book.external.refresh()
        self._refreshed.add(instrument)
        return book

    def meet_market(self, now: int) -> None:
        """Match resting orders with the market's trades and books since the last call."""
        self._refreshed.clear()
        for instrument, book in self._trading_books.items():
            if book.is_idle():
                continue
            self._refreshed.add(instrument)
            if not self.prices.is_tradable(instrument):
                book.skip_trades()  # trades and books of a suspended instrument fill no order
                continue
            terms = self.prices.known(instrument)
            for fill in book.fills():
                self.trade(terms, fill.order.price or ZERO, fill.size, None, fill.order, now)

    def open(self, account: TradingAccount, order: Order) -> None:
        """Register an order as pending."""
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
        """End an order and free the funds it binds."""
        self.margins.bind(account, terms, order, None, ZERO)
        self._trading_books[order.instrument].side_of(order).remove(order)
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
        """Cancel the rest of an order and emit the change."""
        had_bound = order.bound
        self.finish(account, terms, order, CANCELED, now, source)
        self.emit(order, request_id=request_id, amend_result=amend_result)
        if had_bound:
            self.emit_frozen(terms, order)

    def emit(self, order: Order, execution: Execution | None = None, *, request_id: str = "", amend_result: str = "") -> None:
        """Emit the new state of an order; the source of an amendment is emitted once."""
        self.events.append(OrderChanged(order.uid, order.copy(), execution, request_id, amend_result))
        order.amend_source = ""

    def emit_frozen(self, terms: InstrumentTerms, order: Order) -> None:
        """Emit that the frozen funds of an order's currency have changed."""
        currency = terms.settle if not terms.is_spot or order.is_buy else terms.base
        self.events.append(BalanceChanged(order.uid, (currency,), ""))

    def match(self, account: TradingAccount, terms: InstrumentTerms, order: Order, limit: Decimal | None, now: int) -> None:
        """Match an order with all offers at `limit` or better, and end it if it may not rest."""
        book = self.trading_book(order.instrument)
        matches = 0
        while order.is_open and order.left > ZERO:
            offer = book.next_offer(order.is_buy, limit)
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
                book.take_external(order.is_buy, offer.price, size)
            self.trade(terms, offer.price, size, order, maker, now)
        if order.is_open and order.order_type in IMMEDIATE:
            self._end_immediate(account, terms, order, book, now)

    def _end_immediate(self, account: TradingAccount, terms: InstrumentTerms, order: Order, book: TradingBook, now: int) -> None:
        """End an immediate order: filled if a market order has its size or cannot buy another lot, else canceled."""
        if order.order_type == "market" and terms.is_spot and order.filled:
            offer = book.next_offer(order.is_buy, None)
            if order.left == ZERO or (offer is not None and affordable(order, offer.price, terms) == ZERO):
                self.finish(account, terms, order, FILLED, now)
                self.emit(order)
                return
        self.cancel(account, terms, order, now, CANCELED_FOK if order.order_type == "fok" else CANCELED_IOC_REST)

    def trade(
        self, terms: InstrumentTerms, price: Decimal, size: Decimal, taker: Order | None, maker: Order | None, now: int
    ) -> None:
        """Execute one trade between a taker and a maker; None is the market."""
        trade = self._new_trade(price, size, now)
        first, second = taker or maker, maker if taker else None
        assert first is not None
        self._side(terms, first, trade, is_maker=taker is None)
        if second is not None:
            self._side(terms, second, trade, is_maker=True)
        else:
            self._post_outside(terms, trade, is_buy=not first.is_buy, is_maker=taker is not None)
        if not terms.is_spot:
            for order in (first, second):
                if order is not None:
                    account = self.books.clients[order.uid]
                    if account.reducing.get(order.instrument):
                        self._limit_to_position(account, terms, order.position_side, now)

    def _new_trade(self, price: Decimal, size: Decimal, now: int) -> EngineTrade:
        self._trade_id += 1
        return EngineTrade(self._trade_id, price, size, now)

    def _post_outside(self, terms: InstrumentTerms, trade: EngineTrade, *, is_buy: bool, is_maker: bool) -> None:
        """Post the market's side of a trade."""
        outside, leverage = self.books.outside, self.rules.leverage
        self.books.post(outside, terms, trade, is_buy=is_buy, is_maker=is_maker, side=NET, leverage=leverage)

    def _side(self, terms: InstrumentTerms, order: Order, trade: EngineTrade, *, is_maker: bool) -> None:
        """Post one client's side of a trade and emit the changes."""
        account, price, size, now = self.books.clients[order.uid], trade.price, trade.size, trade.at
        side, leverage = order.position_side or NET, self.margins.leverage(account, terms, order.position_side)
        leg = self.books.post(account, terms, trade, is_buy=order.is_buy, is_maker=is_maker, side=side, leverage=leverage)
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
            trade_id=trade.trade_id,
            price=price,
            size=size,
            fee=leg.fee,
            fee_currency=leg.fee_currency,
            liquidity="M" if is_maker else "T",
            profit=leg.profit,
            at=now,
            mark=self.prices.mark(order.instrument),
        )
        account.executions.append(execution)
        if len(account.executions) > self.rules.remembered:
            account.executions.popleft()
            account.forgotten += 1
        # A SPOT market order becomes filled in a last push of its own, without a trade (OKX V5, "Order channel").
        if order.left == ZERO and not (terms.is_spot and order.order_type == "market"):
            self.finish(account, terms, order, FILLED, now)
        else:
            order.state = PARTIALLY_FILLED
            if order.order_type not in UNPRICED:
                self.margins.bind(account, terms, order, order.price, order.left)
        self.emit(order, execution)
        if leg.position is not None:
            self.events.append(PositionChanged(order.uid, leg.position.copy(), "filled"))
        currencies = (terms.base, terms.quote) if terms.is_spot else (terms.settle,)
        self.events.append(BalanceChanged(order.uid, currencies, "filled"))

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
        """Post a trade with the market that was agreed elsewhere, in a net position. Returns its id and its effect."""
        trade = self._new_trade(price, size, now)
        leverage = self.margins.leverage(account, terms, NET)
        leg = self.books.post(account, terms, trade, is_buy=is_buy, is_maker=is_maker, side=NET, leverage=leverage)
        self._post_outside(terms, trade, is_buy=not is_buy, is_maker=not is_maker)
        if leg.position is not None:
            self.events.append(PositionChanged(account.uid, leg.position.copy(), "filled"))
        if not terms.is_spot and account.reducing.get(terms.instrument):
            self._limit_to_position(account, terms, NET, now)
        currencies = (terms.base, terms.quote) if terms.is_spot else (terms.settle,)
        self.events.append(BalanceChanged(account.uid, currencies, "filled"))
        return trade.trade_id, leg

    def _limit_to_position(self, account: TradingAccount, terms: InstrumentTerms, side: str, now: int) -> None:
        """Shrink orders that can only reduce to the size of the position; cancel them without one."""
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
                self.emit(order, amend_result="0")


def affordable(order: Order, price: Decimal, terms: InstrumentTerms) -> Decimal:
    """Return the size of an order that may trade at a price: for a quote amount, the whole lots it pays for."""
    if not order.counts_quote:
        return order.left
    if terms.lot is None:
        return order.left / price
    return (order.left / price / terms.lot).to_integral_value(ROUND_DOWN) * terms.lot


def average_price(terms: InstrumentTerms, order: Order) -> Decimal:
    """Return the average price of the fills, rounded to AVERAGE."""
    price = order.filled / order.turnover if terms.is_inverse else order.turnover / order.filled
    return price.quantize(AVERAGE).normalize()
