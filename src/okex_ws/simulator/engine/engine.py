"""Engine: where clients' orders trade, with one another and with the market's published book.

In: `place`, `amend`, `cancel` and settings, and `advance(now)` after every instant of the market; out: what each call
returns, ApiErrors, and the happenings to `take()`, in order. Sans-IO: `now` (ns UTC) is an argument. No JSON and none
of OKX's short names: the faces translate. SPOT in cash; SWAP and FUTURES with cross margin, netted or long and short.
Nobody is liquidated, nothing expires. The published market is not moved by what clients do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

from okex_ws.simulator.engine import validation as entry
from okex_ws.simulator.engine.accounts import (
    LONG,
    LONG_SHORT_MODE,
    NET,
    NET_MODE,
    SHORT,
    AccountBalance,
    AccountPosition,
    Fees,
    Leg,
    PositionChanged,
    TradingAccount,
)
from okex_ws.simulator.engine.funding import Funding
from okex_ws.simulator.engine.lifecycle import EngineRules, Happening, OrderLifecycle, short_of
from okex_ws.simulator.engine.matching import TradingBook
from okex_ws.simulator.engine.orders import (
    AMENDED_BY_USER,
    AMENDED_REDUCE_ONLY,
    CANCELED,
    CANCELED_BY_USER,
    CANCELED_FOK,
    CANCELED_POST_ONLY,
    FILLED,
    ZERO,
    BalanceChanged,
    Execution,
    NewOrder,
    Order,
    OrderChanged,
)
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import InstrumentTerms
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import Market

__all__ = [
    "DEFAULT_FUNDS",
    "AccountBalance",
    "AccountPosition",
    "BalanceChanged",
    "Engine",
    "EngineRules",
    "Execution",
    "Fees",
    "Happening",
    "NewOrder",
    "Order",
    "OrderChanged",
    "PositionChanged",
    "TradingAccount",
]

DEFAULT_FUNDS: Mapping[str, Decimal] = {
    "USDT": Decimal(100_000),
    "BTC": Decimal(10),
    "ETH": Decimal(100),
    "USDC": Decimal(100_000),
}
"""What a funded account of the simulator begins with."""

_EXACT = Context(prec=60)
"""Wide enough that no sum or product of money is ever rounded."""
_AMENDED_AND_SHRUNK = "2"
_AMEND_FAILED = "0"


class Engine:
    """One trading floor. instruments: whose reading of the reference rows counts (default: the market's)."""

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
        self._readings = Prices(market, instruments if instruments is not None else market.instruments)
        self._dealing = OrderLifecycle(market, self._readings, self.rules, seed)
        self._funding = Funding(self._dealing, self._readings)
        self.books = self._dealing.books
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
        """A new client with this money; raises ValueError when the uid is taken."""
        if uid in self.accounts:
            raise ValueError(f"there is an account {uid} already; choose another uid")
        account = self.accounts[uid] = TradingAccount(uid, position_mode, fees if fees is not None else Fees())
        for currency, amount in balances.items():
            account.pay(currency, amount, self.now)
        return account

    def deposit(self, uid: str, currency: str, amount: Decimal, now: int) -> None:
        """Money from outside."""
        self.accounts[uid].pay(currency, amount, now)
        self._dealing.happenings.append(BalanceChanged(uid, (currency,), "transferred"))

    def leverage(self, uid: str, instrument: str, position_side: str = NET) -> Decimal:
        """The leverage in force."""
        return self._dealing.leverage(self.accounts[uid], self._readings.terms(instrument), position_side)

    def set_leverage(self, uid: str, instrument: str, leverage: Decimal, now: int, *, position_side: str = NET) -> None:
        """Set it, from 1 to what the instrument allows. Raises ApiError 51000, 59102 (too high), 59108 (margin)."""
        self.now = now
        account, terms = self.accounts[uid], self._readings.terms(instrument)
        if terms.instrument_type not in entry.DERIVATIVES:
            raise entry.parameter("instId")
        if position_side not in ((LONG, SHORT) if account.position_mode == LONG_SHORT_MODE else (NET,)):
            raise entry.parameter("posSide")
        if not leverage.is_finite() or leverage < 1:
            raise entry.parameter("lever")
        if terms.max_leverage is not None and leverage > terms.max_leverage:
            raise ApiError("59102", f"Leverage exceeds the maximum limit {terms.max_leverage}")
        with localcontext(_EXACT):
            key = (instrument, position_side)
            before = account.leverages.get(key)
            is_lower = leverage < self._dealing.leverage(account, terms, position_side)
            account.leverages[key] = leverage
            if is_lower and self._dealing.available(account, terms.settle, with_profit=True) < ZERO:
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
                    self._dealing.happenings.append(PositionChanged(uid, position.copy(), "set_leverage"))
            self._dealing.happenings.append(BalanceChanged(uid, (terms.settle,), "set_leverage"))

    def set_position_mode(self, uid: str, mode: str) -> None:
        """net_mode or long_short_mode. Raises ApiError 51000, 59000 while there are positions or orders."""
        account = self.accounts[uid]
        if mode not in (NET_MODE, LONG_SHORT_MODE):
            raise entry.parameter("posMode")
        if account.open or any(position.size for position in account.positions.values()):
            raise ApiError("59000", "Setting failed. Cancel any open orders, close positions, and stop trading bots first.")
        account.position_mode = mode

    def available(self, uid: str, currency: str, *, equity: bool = False) -> Decimal:
        """What new orders may use: of cash alone (SPOT), or with the open profit (contracts). May be below zero."""
        with localcontext(_EXACT):
            return self._dealing.available(self.accounts[uid], currency, with_profit=equity)

    def equity(self, uid: str, currency: str) -> Decimal:
        """Cash and open profit."""
        with localcontext(_EXACT):
            account = self.accounts[uid]
            return account.balance(currency).cash + self._dealing.tied(account, currency)[2]

    def frozen(self, uid: str, currency: str) -> Decimal:
        """What open orders bind of a currency, SPOT and contracts together."""
        with localcontext(_EXACT):
            account = self.accounts[uid]
            return account.balance(currency).frozen + self._dealing.tied(account, currency)[0]

    def freeze(self, uid: str, currency: str, amount: Decimal) -> None:
        """Money that an order elsewhere binds, such as a spread's; below zero lets it go."""
        with localcontext(_EXACT):
            self.accounts[uid].balance(currency).frozen += amount
        self._dealing.happenings.append(BalanceChanged(uid, (currency,), ""))

    def unrealised(self, position: AccountPosition) -> Decimal | None:
        """Open profit by the mark price, None where none is known."""
        with localcontext(_EXACT):
            return self._dealing.unrealised(self._readings.known(position.instrument), position)

    def margin(self, position: AccountPosition) -> Decimal:
        """Initial margin of a position by the mark price, in its currency."""
        with localcontext(_EXACT):
            terms = self._readings.known(position.instrument)
            return self._dealing.margin(self.accounts[position.uid], terms, position)

    def mark(self, instrument: str) -> Decimal | None:
        """The mark price: the market's, else the middle of its book, else its last trade."""
        return self._readings.mark(instrument)

    def check_trades(self, instrument: str) -> None:
        """Whether an instrument takes orders now; raises ApiError 51001, 51021, 51022, 51027."""
        entry.check_state(self._readings.terms(instrument))

    def trades(self, instrument: str) -> bool:
        """Whether what rests in an instrument that was asked for before may trade."""
        return self._readings.trades(instrument)

    def terms(self, instrument: str) -> InstrumentTerms:
        """How an instrument trades; raises ApiError 51001."""
        return self._readings.terms(instrument)

    # Orders

    def place(self, uid: str, new: NewOrder, now: int) -> Order:
        """Take an order and match it at once; raises ApiError."""
        self.now = now
        with localcontext(_EXACT):
            return self._place(self.accounts[uid], new, now)

    def _place(self, account: TradingAccount, new: NewOrder, now: int) -> Order:
        terms = self._readings.terms(new.instrument)
        entry.check_state(terms)
        entry.check_words(new, terms, account)
        counts_quote = entry.counts_quote(new, terms)
        is_priced = new.order_type not in entry.UNPRICED
        if is_priced:
            if new.price is None:
                raise ApiError("50014", "Parameter px can not be empty.")
            entry.check_price(new.price, terms, new.side == "buy", self._readings.band(new.instrument))
        if counts_quote:
            entry.check_quote_amount(new.size, terms)
        else:
            entry.check_size(new.size, terms)
            entry.check_most(new.size, new.price if is_priced else None, terms)
        entry.check_counts(account, new.instrument, self.rules)
        entry.check_name(account, new.client_order_id)
        room = None if terms.is_spot else entry.reducible(account, new)
        order = self._order(account, terms, new, now, counts_quote=counts_quote, only_reduces=room is not None)
        asked = order.size
        if room is not None and asked > room:
            order.size = order.left = room
        dealing = self._dealing
        pit = dealing.pit(order.instrument)
        self._require_funds(account, terms, order, pit)
        dealing.open(account, order)
        limit = self._limit(order)
        if order.order_type == "post_only" and pit.next_offer(order.is_buy, limit) is not None:
            dealing.finish(account, terms, order, CANCELED, now, CANCELED_POST_ONLY)
            dealing.tell(order)
            return order
        if order.size != asked:
            order.amend_source = AMENDED_REDUCE_ONLY
            dealing.tell(order, amend_result="0")
        dealing.tell(order)
        if order.order_type == "fok" and not self._fills_at_once(order, pit, limit):
            dealing.cancel(account, terms, order, now, CANCELED_FOK)
            return order
        self._trade_and_rest(account, terms, order, limit, now)
        return order

    def _order(
        self, account: TradingAccount, terms: InstrumentTerms, new: NewOrder, now: int, *, counts_quote: bool, only_reduces: bool
    ) -> Order:
        side = "" if terms.is_spot else new.position_side or NET
        target = ""
        if terms.is_spot and new.order_type == "market":
            target = "quote_ccy" if counts_quote else "base_ccy"
        return Order(
            order_id=self._dealing.new_order_id(),
            uid=account.uid,
            instrument=new.instrument,
            instrument_type=terms.instrument_type,
            side=new.side,
            order_type=new.order_type,
            size=new.size,
            price=None if new.order_type in entry.UNPRICED else new.price,
            trade_mode=new.trade_mode,
            position_side=side,
            reduce_only=new.reduce_only,
            target_currency=target,
            client_order_id=new.client_order_id,
            tag=new.tag,
            currency=new.currency,
            self_trade=new.self_trade,
            ban_amend=new.ban_amend,
            leverage=None if terms.is_spot else self._dealing.leverage(account, terms, side),
            created=now,
            updated=now,
            left=new.size,
            counts_quote=counts_quote,
            only_reduces=only_reduces,
        )

    def _limit(self, order: Order) -> Decimal | None:
        """The worst price an order may trade at. An optimal_limit_ioc goes as far as the price band."""
        if order.order_type != "optimal_limit_ioc":
            return order.price
        band = self._readings.band(order.instrument)
        return None if band is None else band[0] if order.is_buy else band[1]

    def _require_funds(self, account: TradingAccount, terms: InstrumentTerms, order: Order, pit: TradingBook) -> None:
        """Whether the account can pay for an order; what is priced is bound from here on. Raises ApiError 51008."""
        dealing = self._dealing
        if order.price is not None:
            dealing.require_funds(account, terms, order, order.price, order.left)
        elif not terms.is_spot:
            offer = pit.next_offer(order.is_buy, None)
            price = offer.price if offer is not None else self._readings.mark(order.instrument)
            if price is not None and price > ZERO:
                dealing.require_funds(account, terms, order, price, order.left)
                dealing.bind(account, terms, order, None, ZERO)
        else:
            currency = terms.quote if order.is_buy else terms.base
            if self._market_need(order, pit) > dealing.available(account, currency, with_profit=False):
                raise short_of(currency)

    def _market_need(self, order: Order, pit: TradingBook) -> Decimal:
        """What a SPOT market order gives away: exactly known, since it trades before anything can change."""
        if order.is_buy == order.counts_quote:
            return order.left
        need, left = ZERO, order.left
        for price, size in pit.reach(order.is_buy, None, order.uid, order.self_trade != "cancel_maker"):
            if order.counts_quote:
                part = min(size, left / price)
                need, left = need + part, left - part * price
            else:
                part = min(size, left)
                need, left = need + part * price, left - part
            if left <= ZERO:
                break
        return need

    def _fills_at_once(self, order: Order, pit: TradingBook, limit: Decimal | None) -> bool:
        """Whether a fill-or-kill order finds its whole size."""
        reach = pit.reach(order.is_buy, limit, order.uid, order.self_trade != "cancel_maker")
        return sum((size for _, size in reach), ZERO) >= order.left

    def _trade_and_rest(
        self, account: TradingAccount, terms: InstrumentTerms, order: Order, limit: Decimal | None, now: int
    ) -> None:
        """Match, and let rest what may."""
        self._dealing.match(account, terms, order, limit, now)
        self._funding.follow(terms)
        if order.is_open:
            self._dealing.pit(order.instrument).rest(order)
            if order.bound:
                self._dealing.tell_bound(terms, order)

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
        """Change size (the total, filled part included; no more than is filled ends the order as filled) or price. Less
        size keeps the place in the queue, anything else loses it. Raises ApiError 51500 (nothing to change), 51503
        (done already), 51511 (post-only would take) and those of `place`; with cancel_on_fail the order is then canceled.
        """
        self.now = now
        account = self.accounts[uid]
        if not order.is_open:
            raise ApiError("51503", "Your order has already been filled or canceled.")
        if size in (None, order.size) and price in (None, order.price):
            raise ApiError("51500", "You must enter a price, quantity, or TP/SL.")
        with localcontext(_EXACT):
            terms = self._readings.terms(order.instrument)
            try:
                self._amend(account, terms, order, size, price, request_id, now)
            except ApiError:
                if cancel_on_fail:
                    order.amend_source = AMENDED_BY_USER
                    self._dealing.cancel(account, terms, order, now, _AMEND_FAILED, request_id=request_id, amend_result="1")
                raise
        return order

    def _amend(
        self,
        account: TradingAccount,
        terms: InstrumentTerms,
        order: Order,
        size: Decimal | None,
        price: Decimal | None,
        request_id: str,
        now: int,
    ) -> None:
        dealing = self._dealing
        entry.check_state(terms)
        new_size = order.size if size is None else size
        new_price = order.price if price is None else price
        assert new_price is not None
        source = AMENDED_BY_USER
        if price is not None:
            entry.check_price(new_price, terms, order.is_buy, self._readings.band(order.instrument))
        if new_size <= order.filled:
            if not new_size.is_finite() or new_size <= ZERO:
                raise entry.parameter("newSz")
            order.size, order.left, order.amend_source = order.filled, ZERO, source
            dealing.finish(account, terms, order, FILLED, now)
            dealing.tell(order, request_id=request_id, amend_result="0")
            dealing.tell_bound(terms, order)
            return
        entry.check_size(new_size, terms)
        entry.check_most(new_size, new_price, terms)
        if order.only_reduces:
            room = order.filled + abs(account.held(order.instrument, order.position_side))
            if new_size > room:
                new_size, source = room, _AMENDED_AND_SHRUNK
        pit = dealing.pit(order.instrument)
        if order.order_type == "post_only" and pit.next_offer(order.is_buy, new_price) is not None:
            raise ApiError("51511", "Operation failed as the order price doesn't meet the requirement for Post Only orders")
        dealing.require_funds(account, terms, order, new_price, new_size - order.filled)
        keeps_place = new_price == order.price and new_size <= order.size
        if not keeps_place:
            pit.own(order).remove(order)
        order.size, order.left, order.price = new_size, new_size - order.filled, new_price
        order.amend_source, order.updated = source, now
        dealing.tell(order, request_id=request_id, amend_result="0")
        if keeps_place:
            dealing.tell_bound(terms, order)
        else:
            self._trade_and_rest(account, terms, order, new_price, now)

    def cancel(self, uid: str, order: Order, now: int, *, source: str = CANCELED_BY_USER) -> Order:
        """Cancel what is left. Raises ApiError 51400 when nothing is."""
        self.now = now
        if not order.is_open:
            raise ApiError("51400", "Cancellation failed as the order has been filled, canceled or does not exist.")
        with localcontext(_EXACT):
            terms = self._readings.known(order.instrument)
            self._dealing.cancel(self.accounts[uid], terms, order, now, source)
        return order

    def left_of(self, order: Order) -> Decimal:
        """What an order has brought in, in whole lots: what filled, less the fee where that is taken from the coins bought."""
        terms = self._readings.known(order.instrument)
        gained = order.filled + (order.fee if terms.is_spot and order.is_buy else ZERO)
        return gained if terms.lot is None else gained // terms.lot * terms.lot

    def find(self, uid: str, instrument: str, *, order_id: str = "", client_order_id: str = "") -> Order | None:
        """The order of this account and instrument; order_id wins; a client id used again finds the latest."""
        account = self.accounts[uid]
        if order_id:
            order = account.known.get(order_id)
            return order if order is not None and order.instrument == instrument else None
        return account.named.get((instrument, client_order_id)) if client_order_id else None

    def open_orders(self, uid: str) -> list[Order]:
        """Pending orders, oldest first."""
        return list(self.accounts[uid].open.values())

    def orders(self, uid: str) -> Sequence[Order]:
        """Every remembered order, oldest first."""
        return list(self.accounts[uid].known.values())

    def executions(self, uid: str) -> Sequence[Execution]:
        """Every remembered execution, oldest first."""
        return self.accounts[uid].executions

    def settle(
        self, uid: str, instrument: str, *, is_buy: bool, price: Decimal, size: Decimal, is_maker: bool, now: int
    ) -> tuple[int, Leg]:
        """Book a trade with the market that was agreed elsewhere, such as a leg of a spread: its id and what it did."""
        self.now = now
        with localcontext(_EXACT):
            return self._dealing.settle(
                self.accounts[uid],
                self._readings.terms(instrument),
                is_buy=is_buy,
                price=price,
                size=size,
                is_maker=is_maker,
                now=now,
            )

    # Time

    def deadline(self) -> int | None:
        """The next instant at which the floor itself has something to do: a funding settlement."""
        return self._funding.deadline()

    def advance(self, now: int) -> None:
        """The market has come to `now`: resting orders meet what it has printed and published, due funding is settled."""
        self.now = now
        self._readings.forget()
        with localcontext(_EXACT):
            self._dealing.market_moved(now)
            self._funding.settle(now)

    def forget_instruments(self) -> None:
        """Reference rows have changed between two instants of the market: read them anew."""
        self._readings.reread()

    def take(self) -> list[Happening]:
        """What happened since the last call, in order."""
        told = self._dealing.happenings[:]
        self._dealing.happenings.clear()
        return told
