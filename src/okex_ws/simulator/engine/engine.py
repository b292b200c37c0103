"""Engine: trades clients' orders with one another and with the market's published book.

In: `place`, `amend`, `cancel` and settings, and `advance(now)` after every instant of the market. Out: return values,
ApiErrors, and the changes to `take()`, in order. Sans-IO: `now` (ns UTC) is an argument. No JSON and none of OKX's short
names: the dialects translate. SPOT in cash; SWAP and FUTURES with cross margin, netted or long and short. Accounts are
not liquidated, contracts do not expire, and clients do not move the published market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

from okex_ws.simulator.engine import validation
from okex_ws.simulator.engine.accounts import (
    LONG,
    LONG_SHORT_MODE,
    NET,
    NET_MODE,
    SHORT,
    AccountPosition,
    Fees,
    Leg,
    PositionChanged,
    TradingAccount,
)
from okex_ws.simulator.engine.funding import Funding
from okex_ws.simulator.engine.lifecycle import OrderLifecycle
from okex_ws.simulator.engine.orders import (
    AMENDED_BY_USER,
    CANCELED_BY_USER,
    ZERO,
    BalanceChanged,
    Execution,
    NewOrder,
    Order,
    OrderChanged,
)
from okex_ws.simulator.engine.placement import OrderPlacement
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import InstrumentTerms
from okex_ws.simulator.engine.validation import EngineRules
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import Market

EngineEvent = OrderChanged | BalanceChanged | PositionChanged
"""Change of an order, a balance or a position, as `Engine.take` returns it."""

DEFAULT_FUNDS: Mapping[str, Decimal] = {
    "USDT": Decimal(100_000),
    "BTC": Decimal(10),
    "ETH": Decimal(100),
    "USDC": Decimal(100_000),
}
"""First funds of an account of the simulator."""

_EXACT = Context(prec=60)
"""Wide enough that no sum or product of money is ever rounded."""
_AMENDED_AND_SHRUNK = "2"
_AMEND_FAILED = "0"


class Engine:
    """Engine of one exchange. instruments: source of the reference rows of an instType (default: the market)."""

    def __init__(
        self,
        market: Market,
        *,
        seed: int = 0,
        now: int,
        rules: EngineRules | None = None,
        instruments: Callable[[str], list[dict[str, Any]]] | None = None,
    ) -> None:
        self.rules = rules if rules is not None else EngineRules()
        self.now = now
        self._prices = Prices(market, instruments if instruments is not None else market.instruments)
        self._lifecycle = OrderLifecycle(market, self._prices, self.rules, seed)
        self._margins = self._lifecycle.margins
        self._funding = Funding(self._lifecycle, self._prices)
        self._placement = OrderPlacement(self._lifecycle, self._prices, self._funding)
        self.books = self._lifecycle.books
        self.accounts: dict[str, TradingAccount] = self.books.clients

    # Accounts

    def open_account(
        self,
        uid: str,
        balances: Mapping[str, Decimal] = DEFAULT_FUNDS,
        *,
        position_mode: str = NET_MODE,
        fees: Fees | None = None,
    ) -> TradingAccount:
        """Open an account with these funds. Raises ValueError if the uid is taken."""
        if uid in self.accounts:
            raise ValueError(f"account {uid} already exists; choose another uid")
        account = self.accounts[uid] = TradingAccount(uid, position_mode, fees if fees is not None else Fees())
        for currency, amount in balances.items():
            account.pay(currency, amount, self.now)
        return account

    def deposit(self, uid: str, currency: str, amount: Decimal, now: int) -> None:
        """Add money from outside."""
        self.accounts[uid].pay(currency, amount, now)
        self._lifecycle.events.append(BalanceChanged(uid, (currency,), "transferred"))

    def leverage(self, uid: str, instrument: str, position_side: str = NET) -> Decimal:
        """Return the leverage in force."""
        return self._margins.leverage(self.accounts[uid], self._prices.terms(instrument), position_side)

    def set_leverage(self, uid: str, instrument: str, leverage: Decimal, now: int, *, position_side: str = NET) -> None:
        """Set the leverage, from 1 to the instrument's maximum. Raises ApiError 51000, 59102 (too high), 59108 (margin)."""
        self.now = now
        account, terms = self.accounts[uid], self._prices.terms(instrument)
        if terms.instrument_type not in validation.DERIVATIVES:
            raise validation.parameter("instId")
        if position_side not in ((LONG, SHORT) if account.position_mode == LONG_SHORT_MODE else (NET,)):
            raise validation.parameter("posSide")
        if not leverage.is_finite() or leverage < 1:
            raise validation.parameter("lever")
        if terms.max_leverage is not None and leverage > terms.max_leverage:
            raise ApiError("59102", f"Leverage exceeds the maximum limit {terms.max_leverage}")
        with localcontext(_EXACT):
            key = (instrument, position_side)
            before = account.leverages.get(key)
            is_lower = leverage < self._margins.leverage(account, terms, position_side)
            account.leverages[key] = leverage
            if is_lower and self._margins.available(account, terms.settle, with_profit=True) < ZERO:
                if before is None:
                    del account.leverages[key]
                else:
                    account.leverages[key] = before
                raise ApiError("59108", "Low leverage and insufficient margin, please adjust the leverage.")
            position = account.positions.get(key)
            if position is not None:
                position.leverage = leverage
                if position.size:
                    position.updated = now
                    self._lifecycle.events.append(PositionChanged(uid, position.copy(), "set_leverage"))
            self._lifecycle.events.append(BalanceChanged(uid, (terms.settle,), "set_leverage"))

    def set_position_mode(self, uid: str, mode: str) -> None:
        """Set net_mode or long_short_mode. Raises ApiError 51000, 59000 while there are positions or orders.

        The mode that is set already is no change and always succeeds: OKX's text of 59000 is about a change of the setting.
        """
        account = self.accounts[uid]
        if mode not in (NET_MODE, LONG_SHORT_MODE):
            raise validation.parameter("posMode")
        if mode == account.position_mode:
            return
        if account.open or any(position.size for position in account.positions.values()):
            raise ApiError("59000", "Setting failed. Cancel any open orders, close positions, and stop trading bots first.")
        account.position_mode = mode

    def available(self, uid: str, currency: str, *, equity: bool = False) -> Decimal:
        """Return the funds for new orders: cash alone (SPOT), or with open profit (contracts). May be below zero."""
        with localcontext(_EXACT):
            return self._margins.available(self.accounts[uid], currency, with_profit=equity)

    def equity(self, uid: str, currency: str) -> Decimal:
        """Return cash plus open profit."""
        with localcontext(_EXACT):
            account = self.accounts[uid]
            return account.balance(currency).cash + self._margins.contracts(account, currency)[2]

    def frozen(self, uid: str, currency: str) -> Decimal:
        """Return the funds of a currency that open orders bind, SPOT and contracts together."""
        with localcontext(_EXACT):
            account = self.accounts[uid]
            return account.balance(currency).frozen + self._margins.contracts(account, currency)[0]

    def freeze(self, uid: str, currency: str, amount: Decimal) -> None:
        """Freeze money for an order outside the engine, such as a spread's; a negative amount releases it."""
        with localcontext(_EXACT):
            self.accounts[uid].balance(currency).frozen += amount
        self._lifecycle.events.append(BalanceChanged(uid, (currency,), ""))

    def unrealised(self, position: AccountPosition) -> Decimal | None:
        """Return the open profit by the mark price, None without one."""
        with localcontext(_EXACT):
            return self._margins.unrealised(self._prices.known(position.instrument), position)

    def margin(self, position: AccountPosition) -> Decimal:
        """Return the initial margin of a position by the mark price, in its currency."""
        with localcontext(_EXACT):
            terms = self._prices.known(position.instrument)
            return self._margins.margin(self.accounts[position.uid], terms, position)

    def mark(self, instrument: str) -> Decimal | None:
        """Return the mark price: the market's, else the mid price, else the last trade."""
        return self._prices.mark(instrument)

    def check_tradable(self, instrument: str) -> None:
        """Raise ApiError 51001, 51021, 51022 or 51027 if an instrument takes no orders now."""
        validation.check_state(self._prices.terms(instrument))

    def is_tradable(self, instrument: str) -> bool:
        """True if resting orders of a known instrument may trade."""
        return self._prices.is_tradable(instrument)

    def terms(self, instrument: str) -> InstrumentTerms:
        """Return the terms of an instrument. Raises ApiError 51001."""
        return self._prices.terms(instrument)

    # Orders

    def place(self, uid: str, new: NewOrder, now: int) -> Order:
        """Accept an order and match it at once. Raises ApiError."""
        self.now = now
        with localcontext(_EXACT):
            return self._placement.place(self.accounts[uid], new, now)

    def amend(
        self,
        uid: str,
        order: Order,
        now: int,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        request_id: str = "",
        cancel_on_fail: bool = False,
    ) -> Order:
        """Change the size (the total with the filled part; at most the filled size ends the order as filled) or the price.
        A smaller size keeps the place in the queue, any other change loses it. Raises ApiError 51500 (nothing to
        change), 51503 (ended), 51511 (post-only would take) and those of `place`; with cancel_on_fail the order is then
        canceled.
        """
        self.now = now
        account = self.accounts[uid]
        if not order.is_open:
            raise ApiError("51503", "Your order has already been filled or canceled.")
        if size in (None, order.size) and price in (None, order.price):
            raise ApiError("51500", "You must enter a price, quantity, or TP/SL.")
        with localcontext(_EXACT):
            terms = self._prices.terms(order.instrument)
            try:
                self._placement.amend(account, terms, order, size, price, request_id, now)
            except ApiError:
                if cancel_on_fail:
                    order.amend_source = AMENDED_BY_USER
                    self._lifecycle.cancel(account, terms, order, now, _AMEND_FAILED, request_id=request_id, amend_result="1")
                raise
        return order

    def cancel(self, uid: str, order: Order, now: int, *, source: str = CANCELED_BY_USER) -> Order:
        """Cancel the rest of an order. Raises ApiError 51400 if it has ended."""
        self.now = now
        if not order.is_open:
            raise ApiError("51400", "Cancellation failed as the order has been filled, canceled or does not exist.")
        with localcontext(_EXACT):
            terms = self._prices.known(order.instrument)
            self._lifecycle.cancel(self.accounts[uid], terms, order, now, source)
        return order

    def net_filled(self, order: Order) -> Decimal:
        """Return the filled size in whole lots, less the fee where it is charged in the coins bought."""
        terms = self._prices.known(order.instrument)
        gained = order.filled + (order.fee if terms.is_spot and order.is_buy else ZERO)
        return gained if terms.lot is None else gained // terms.lot * terms.lot

    def find(self, uid: str, instrument: str, *, order_id: str = "", client_order_id: str = "") -> Order | None:
        """Return an order of this account and instrument. order_id has priority; a reused client id finds the latest."""
        account = self.accounts[uid]
        if order_id:
            order = account.known.get(order_id)
            return order if order is not None and order.instrument == instrument else None
        return account.named.get((instrument, client_order_id)) if client_order_id else None

    def open_orders(self, uid: str) -> list[Order]:
        """Return pending orders, oldest first."""
        return list(self.accounts[uid].open.values())

    def orders(self, uid: str) -> Sequence[Order]:
        """Return every kept order, oldest first."""
        return list(self.accounts[uid].known.values())

    def executions(self, uid: str) -> Sequence[Execution]:
        """Return every kept execution, oldest first."""
        return self.accounts[uid].executions

    def settle(
        self, uid: str, instrument: str, *, is_buy: bool, price: Decimal, size: Decimal, is_maker: bool, now: int
    ) -> tuple[int, Leg]:
        """Post a trade with the market that was agreed elsewhere, such as a leg of a spread. Returns its id and effect."""
        self.now = now
        with localcontext(_EXACT):
            return self._lifecycle.settle(
                self.accounts[uid],
                self._prices.terms(instrument),
                is_buy=is_buy,
                price=price,
                size=size,
                is_maker=is_maker,
                now=now,
            )

    # Time

    def deadline(self) -> int | None:
        """Return the instant of the next funding settlement."""
        return self._funding.deadline()

    def advance(self, now: int) -> None:
        """Match resting orders with the market's trades and books until `now`, and settle due funding."""
        self.now = now
        self._prices.clear()
        with localcontext(_EXACT):
            self._lifecycle.meet_market(now)
            self._funding.settle(now)

    def forget_instruments(self) -> None:
        """Read the reference rows again: they have changed between two instants of the market."""
        self._prices.reread()

    def take(self) -> list[EngineEvent]:
        """Return the changes since the last call, in order."""
        taken = self._lifecycle.events[:]
        self._lifecycle.events.clear()
        return taken
