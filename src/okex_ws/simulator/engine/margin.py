"""Margin: the money that open orders and positions bind, and the rest that new orders may use.

SPOT orders bind the coins or the quote amount that they give away. Contracts need initial margin at the mark price and
the account's leverage; only the part of the open orders that would open or enlarge a position counts.
"""

from __future__ import annotations

from decimal import Decimal

from okex_ws.simulator.engine.accounts import AccountPosition, Pending, TradingAccount
from okex_ws.simulator.engine.orders import ZERO, Order
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import InstrumentTerms, money
from okex_ws.simulator.errors import ApiError


class Margins:
    """Margin of every account. leverage: the figure an instrument begins with."""

    def __init__(self, prices: Prices, leverage: Decimal) -> None:
        self._prices = prices
        self._leverage = leverage

    def bind(self, account: TradingAccount, terms: InstrumentTerms, order: Order, price: Decimal | None, left: Decimal) -> None:
        """Bind the need of `left` of an order at a price: coins on SPOT, its value elsewhere; nothing at zero."""
        if terms.is_spot:
            need = ZERO if price is None else left * price if order.is_buy else left
            if need != order.bound:
                account.balance(terms.quote if order.is_buy else terms.base).frozen += need - order.bound
                order.bound = need
        elif not order.only_reduces:
            value = ZERO if price is None or left == ZERO else terms.value(price, left)
            self._set_bound(account, terms, order, value, left)

    def _set_bound(self, account: TradingAccount, terms: InstrumentTerms, order: Order, bound: Decimal, size: Decimal) -> None:
        if terms.is_spot:
            if bound != order.bound:
                account.balance(terms.quote if order.is_buy else terms.base).frozen += bound - order.bound
        else:
            pending = account.pending.setdefault((order.instrument, order.position_side), Pending())
            pending.add(size - order.bound_size, bound - order.bound, is_buy=order.is_buy)
        order.bound, order.bound_size = bound, size

    def leverage(self, account: TradingAccount, terms: InstrumentTerms, side: str) -> Decimal:
        """Return the leverage that was set, else the first figure as far as the instrument allows it."""
        chosen = account.leverages.get((terms.instrument, side))
        return chosen if chosen is not None else min(self._leverage, terms.max_leverage or self._leverage)

    def order_margin(self, account: TradingAccount, terms: InstrumentTerms, side: str) -> Decimal:
        """Return the margin and the taker fee of the part of the open orders that would open positions."""
        pending = account.pending.get((terms.instrument, side))
        if pending is None:
            return ZERO
        value = pending.opening_value(account.held(terms.instrument, side))
        if value == ZERO:
            return ZERO
        fee = max(ZERO, value * account.fees.derivative_taker)
        return money(value / self.leverage(account, terms, side) + fee)

    def margin(self, account: TradingAccount, terms: InstrumentTerms, position: AccountPosition) -> Decimal:
        """Return the initial margin of a position, by the mark price where there is one."""
        if position.size == ZERO:
            return ZERO
        mark = self._prices.mark(terms.instrument)
        value = abs(position.cost) if mark is None else terms.value(mark, abs(position.size))
        return money(value / self.leverage(account, terms, position.side))

    def unrealised(self, terms: InstrumentTerms, position: AccountPosition) -> Decimal | None:
        """Return the open profit, None where there is no mark price."""
        if position.size == ZERO:
            return ZERO
        mark = self._prices.mark(terms.instrument)
        return None if mark is None else position.unrealised(terms, mark)

    def contracts(self, account: TradingAccount, currency: str) -> tuple[Decimal, Decimal, Decimal]:
        """Return (orders' margin, positions' margin, open profit) of the contracts settled in a currency."""
        orders = positions = profit = ZERO
        for instrument, side in account.pending:
            terms = self._prices.known(instrument)
            if terms.settle != currency:
                continue
            orders += self.order_margin(account, terms, side)
            position = account.positions.get((instrument, side))
            if position is not None and position.size:
                positions += self.margin(account, terms, position)
                profit += self.unrealised(terms, position) or ZERO
        return orders, positions, profit

    def available(self, account: TradingAccount, currency: str, *, with_profit: bool) -> Decimal:
        """Return the funds for new orders, below zero when overdrawn. Open loss counts always, open profit for contracts."""
        balance = account.balance(currency)
        free = balance.cash - balance.frozen
        if not account.pending:
            return free
        orders, positions, profit = self.contracts(account, currency)
        return free - orders - positions + (profit if with_profit else min(ZERO, profit))

    def require_funds(self, account: TradingAccount, terms: InstrumentTerms, order: Order, price: Decimal, left: Decimal) -> None:
        """Bind the need of an order. Raises ApiError 51008, and restores what was bound, if the account cannot pay."""
        bound, size = order.bound, order.bound_size
        if terms.is_spot:
            currency = terms.quote if order.is_buy else terms.base
            self.bind(account, terms, order, price, left)
            needs_more = order.bound > bound
        else:
            currency = terms.settle
            before = self.order_margin(account, terms, order.position_side)
            self.bind(account, terms, order, price, left)
            needs_more = self.order_margin(account, terms, order.position_side) > before
        if needs_more and self.available(account, currency, with_profit=not terms.is_spot) < ZERO:
            self._set_bound(account, terms, order, bound, size)
            raise insufficient(currency)


def insufficient(currency: str) -> ApiError:
    """Return the error 51008 about a currency."""
    return ApiError("51008", f"Order failed. Insufficient {currency} balance in account")
