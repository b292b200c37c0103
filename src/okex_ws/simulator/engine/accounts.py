"""Accounts: balances, positions, fees and leverage of all clients.

Sums, products and fees are exact Decimals; only quotients are rounded (`terms.MONEY`), once, and both sides of a trade
are posted from the same figure. Money only moves between accounts: the market's account is the counterparty of trades
with the published book, the house receives the fees, and the clearing account pays the profits, so it owes at any time
exactly the unrealised part of the open positions. Cross margin; accounts are never liquidated: one whose losses exceed
its cash is overdrawn and may only reduce. Times are int ns UTC.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter

from okex_ws.simulator.engine.orders import ZERO, Execution, Order
from okex_ws.simulator.engine.terms import InstrumentTerms, money

NET, LONG, SHORT = "net", "long", "short"
NET_MODE, LONG_SHORT_MODE = "net_mode", "long_short_mode"


@dataclass(frozen=True, slots=True)
class Fees:
    """Fee rates as shares of the value traded; a negative rate is a rebate. Default: OKX's regular user, level 1."""

    spot_maker: Decimal = Decimal("0.0008")
    spot_taker: Decimal = Decimal("0.001")
    derivative_maker: Decimal = Decimal("0.0002")
    derivative_taker: Decimal = Decimal("0.0005")

    def rate(self, *, spot: bool, maker: bool) -> Decimal:
        """Return the rate of one side of a trade."""
        if spot:
            return self.spot_maker if maker else self.spot_taker
        return self.derivative_maker if maker else self.derivative_taker


NO_FEES = Fees(ZERO, ZERO, ZERO, ZERO)


@dataclass(slots=True)
class AccountBalance:
    """One currency of one account: the `cash`, and the part of it `frozen` by open SPOT orders."""

    currency: str
    cash: Decimal = ZERO
    frozen: Decimal = ZERO
    updated: int = 0


@dataclass(slots=True)
class AccountPosition:
    """One position. side: net, long or short. size: contracts, below zero when short, on every side. cost: the signed
    entry value in `currency`. realised = profit + fee + funding since it was opened. average_price is None when flat.
    """

    position_id: str
    uid: str
    instrument: str
    instrument_type: str
    side: str
    currency: str
    leverage: Decimal
    created: int
    updated: int
    size: Decimal = ZERO
    cost: Decimal = ZERO
    average_price: Decimal | None = None
    profit: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    trade_id: int = 0

    @property
    def realised(self) -> Decimal:
        """Cash earned since the position was opened, negative for a loss."""
        return self.profit + self.fee + self.funding

    def copy(self) -> AccountPosition:
        """Return a copy of the present state."""
        return AccountPosition(*_every_field(self))

    def trade(self, terms: InstrumentTerms, *, is_buy: bool, size: Decimal, value: Decimal, now: int) -> Decimal:
        """Apply a trade and return the profit it realises. Closing uses up the entry value in proportion."""
        change, paid = (size, value) if is_buy else (-size, -value)
        held = self.size
        if held == ZERO:
            self.profit = self.fee = self.funding = ZERO
            self.created = now
        profit = ZERO
        if held == ZERO or (held > ZERO) == is_buy:
            self.size, self.cost = held + change, self.cost + paid
        else:
            closed = min(abs(held), size)
            share = self.cost if closed == abs(held) else money(self.cost * closed / abs(held))
            closing = paid if closed == size else money(paid * closed / size)
            # A linear contract earns exit - entry, an inverse one entry - exit: coins are worth more the fewer they are.
            profit = closing + share if terms.is_inverse else -closing - share
            self.size, self.cost = held + change, self.cost - share + paid - closing
        self.average_price = terms.price_of(abs(self.cost), abs(self.size)) if self.size and self.cost else None
        self.profit += profit
        self.updated = now
        return profit

    def unrealised(self, terms: InstrumentTerms, mark: Decimal) -> Decimal:
        """Return the open profit at a price."""
        worth = terms.value(mark, self.size)
        return self.cost - worth if terms.is_inverse else worth - self.cost


_every_field = attrgetter(*(each.name for each in fields(AccountPosition)))


@dataclass(slots=True)
class PositionChanged:
    """New state of a position; size zero after closing. cause: filled, funding_fee, set_leverage."""

    uid: str
    position: AccountPosition
    cause: str


@dataclass(slots=True)
class Pending:
    """Sums of the open orders of one instrument and position side. Orders that can only reduce are not counted."""

    buy_size: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_size: Decimal = ZERO
    sell_value: Decimal = ZERO

    def add(self, size: Decimal, value: Decimal, *, is_buy: bool) -> None:
        """Add to the sums of buy or sell orders."""
        if is_buy:
            self.buy_size += size
            self.buy_value += value
        else:
            self.sell_size += size
            self.sell_value += value

    def opening_value(self, held: Decimal) -> Decimal:
        """Return the value of the part that would open or enlarge a position, given the signed size held."""
        buys, sells = self.buy_value, self.sell_value
        if held < ZERO and self.buy_size:
            opening = max(ZERO, self.buy_size + held)
            buys = money(buys * opening / self.buy_size)
        elif held > ZERO and self.sell_size:
            opening = max(ZERO, self.sell_size - held)
            sells = money(sells * opening / self.sell_size)
        return buys + sells


@dataclass(slots=True)
class TradingAccount:
    """Account of one client. position_mode: net_mode or long_short_mode. positions, leverages: by (instrument, position
    side), flat positions too. open: pending orders by id; reducing: pending orders, by instrument, that can only reduce
    a position; known: all kept orders by id; named: the latest of an instrument and client order id. forgotten: number
    of orders and executions no longer kept.
    """

    uid: str
    position_mode: str = NET_MODE
    fees: Fees = field(default_factory=Fees)
    balances: dict[str, AccountBalance] = field(default_factory=dict)
    positions: dict[tuple[str, str], AccountPosition] = field(default_factory=dict)
    leverages: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    pending: dict[tuple[str, str], Pending] = field(default_factory=dict)
    open: dict[str, Order] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reducing: dict[str, dict[str, Order]] = field(default_factory=dict)
    known: dict[str, Order] = field(default_factory=dict)
    named: dict[tuple[str, str], Order] = field(default_factory=dict)
    live_names: set[str] = field(default_factory=set)
    finished: deque[str] = field(default_factory=deque)
    executions: deque[Execution] = field(default_factory=deque)
    forgotten: int = 0

    def balance(self, currency: str) -> AccountBalance:
        """Return the balance of one currency, zero at first."""
        found = self.balances.get(currency)
        if found is None:
            found = self.balances[currency] = AccountBalance(currency)
        return found

    def pay(self, currency: str, amount: Decimal, now: int) -> None:
        """Add to the cash of a currency; a negative amount reduces it."""
        balance = self.balance(currency)
        balance.cash += amount
        balance.updated = now

    def held(self, instrument: str, side: str) -> Decimal:
        """Return the signed size of a position."""
        position = self.positions.get((instrument, side))
        return ZERO if position is None else position.size


@dataclass(frozen=True, slots=True)
class EngineTrade:
    """One trade of the engine, of which each side is posted to an account."""

    trade_id: int
    price: Decimal
    size: Decimal
    at: int


@dataclass(frozen=True, slots=True)
class Leg:
    """Effect of a trade on one side: fee (negative: charged) and its currency, profit, the position."""

    fee: Decimal
    fee_currency: str
    profit: Decimal
    position: AccountPosition | None


class AccountBooks:
    """Accounts of clients by uid, and three of the exchange: `outside` is the counterparty of trades with the published
    book, `house` receives the fees, `clearing` pays profits and collects losses.
    """

    def __init__(self) -> None:
        self.clients: dict[str, TradingAccount] = {}
        self.outside = TradingAccount("outside", fees=NO_FEES)
        self.house = TradingAccount("house", fees=NO_FEES)
        self.clearing = TradingAccount("clearing", fees=NO_FEES)
        self._positions_opened = 0

    def everyone(self) -> list[TradingAccount]:
        """Return all accounts."""
        return [*self.clients.values(), self.outside, self.house, self.clearing]

    def totals(self) -> dict[str, Decimal]:
        """Return the cash per currency over all accounts: constant but for deposits."""
        totals: dict[str, Decimal] = {}
        for account in self.everyone():
            for currency, balance in account.balances.items():
                totals[currency] = totals.get(currency, ZERO) + balance.cash
        return totals

    def position(
        self, account: TradingAccount, terms: InstrumentTerms, side: str, leverage: Decimal, now: int
    ) -> AccountPosition:
        """Return the position of an account, flat at first."""
        found = account.positions.get((terms.instrument, side))
        if found is None:
            self._positions_opened += 1
            found = account.positions[terms.instrument, side] = AccountPosition(
                position_id=str(1_000_000 + self._positions_opened),
                uid=account.uid,
                instrument=terms.instrument,
                instrument_type=terms.instrument_type,
                side=side,
                currency=terms.settle,
                leverage=leverage,
                created=now,
                updated=now,
            )
        return found

    def post(
        self,
        account: TradingAccount,
        terms: InstrumentTerms,
        trade: EngineTrade,
        *,
        is_buy: bool,
        is_maker: bool,
        side: str,
        leverage: Decimal,
    ) -> Leg:
        """Post one side of a trade; the caller posts the other side."""
        price, size, now = trade.price, trade.size, trade.at
        rate = account.fees.rate(spot=terms.is_spot, maker=is_maker)
        value = terms.value(price, size)
        if terms.is_spot:
            account.pay(terms.base, size if is_buy else -size, now)
            account.pay(terms.quote, -value if is_buy else value, now)
            fee, currency = (-size * rate, terms.base) if is_buy else (-value * rate, terms.quote)
            self._charge(account, currency, fee, now)
            return Leg(fee, currency, ZERO, None)
        position = self.position(account, terms, side, leverage, now)
        profit = position.trade(terms, is_buy=is_buy, size=size, value=value, now=now)
        position.trade_id = trade.trade_id
        if profit:
            account.pay(terms.settle, profit, now)
            self.clearing.pay(terms.settle, -profit, now)
        fee = -value * rate
        position.fee += fee
        self._charge(account, terms.settle, fee, now)
        return Leg(fee, terms.settle, profit, position)

    def _charge(self, account: TradingAccount, currency: str, fee: Decimal, now: int) -> None:
        if fee:
            account.pay(currency, fee, now)
            self.house.pay(currency, -fee, now)

    def fund(
        self, account: TradingAccount, position: AccountPosition, terms: InstrumentTerms, mark: Decimal, rate: Decimal, now: int
    ) -> Decimal:
        """Settle funding of one position with the market: long positions pay a positive rate. Returns the amount."""
        amount = -terms.value(mark, position.size) * rate
        account.pay(terms.settle, amount, now)
        self.outside.pay(terms.settle, -amount, now)
        position.funding += amount
        position.updated = now
        return amount
