"""OrderPlacement: a new or amended order from its validation to its rest in the book.

In: new orders and amendments, with the account. Out: orders that have traded, rest or have ended; or an ApiError.
"""

from __future__ import annotations

from decimal import Decimal

from okex_ws.simulator.engine import validation
from okex_ws.simulator.engine.accounts import NET, TradingAccount
from okex_ws.simulator.engine.funding import Funding
from okex_ws.simulator.engine.lifecycle import OrderLifecycle
from okex_ws.simulator.engine.margin import insufficient
from okex_ws.simulator.engine.matching import TradingBook
from okex_ws.simulator.engine.orders import (
    AMENDED_BY_USER,
    AMENDED_REDUCE_ONLY,
    CANCELED,
    CANCELED_FOK,
    CANCELED_POST_ONLY,
    FILLED,
    ZERO,
    NewOrder,
    Order,
)
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import InstrumentTerms
from okex_ws.simulator.errors import ApiError

_AMENDED_AND_SHRUNK = "2"


class OrderPlacement:
    """Places and amends the orders of one engine."""

    def __init__(self, lifecycle: OrderLifecycle, prices: Prices, funding: Funding) -> None:
        self._lifecycle = lifecycle
        self._prices = prices
        self._funding = funding

    def place(self, account: TradingAccount, new: NewOrder, now: int) -> Order:
        """Validate an order, match it and let the rest of it rest. Raises ApiError."""
        terms = self._prices.terms(new.instrument)
        validation.check_state(terms)
        validation.check_parameters(new, terms, account)
        counts_quote = validation.counts_quote(new, terms)
        is_priced = new.order_type not in validation.UNPRICED
        if is_priced:
            if new.price is None:
                raise ApiError("50014", "Parameter px can not be empty.")
            validation.check_price(new.price, terms, new.side == "buy", self._prices.band(new.instrument))
        if counts_quote:
            validation.check_quote_amount(new.size, terms)
        else:
            validation.check_size(new.size, terms)
            validation.check_maximum(new.size, new.price if is_priced else None, terms)
        validation.check_counts(account, new.instrument, self._lifecycle.rules)
        validation.check_client_order_id(account, new.client_order_id)
        room = None if terms.is_spot else validation.reducible(account, new)
        order = self._order(account, terms, new, now, counts_quote=counts_quote, only_reduces=room is not None)
        asked = order.size
        if room is not None and asked > room:
            order.size = order.left = room
        lifecycle = self._lifecycle
        book = lifecycle.trading_book(order.instrument)
        self._require_funds(account, terms, order, book)
        lifecycle.open(account, order)
        limit = self._limit(order)
        if order.order_type == "post_only" and book.next_offer(order.is_buy, limit) is not None:
            lifecycle.finish(account, terms, order, CANCELED, now, CANCELED_POST_ONLY)
            lifecycle.emit(order)
            return order
        if order.size != asked:
            order.amend_source = AMENDED_REDUCE_ONLY
            lifecycle.emit(order, amend_result="0")
        lifecycle.emit(order)
        if order.order_type == "fok" and not self._fills_at_once(order, book, limit):
            lifecycle.cancel(account, terms, order, now, CANCELED_FOK)
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
            order_id=self._lifecycle.new_order_id(),
            uid=account.uid,
            instrument=new.instrument,
            instrument_type=terms.instrument_type,
            side=new.side,
            order_type=new.order_type,
            size=new.size,
            price=None if new.order_type in validation.UNPRICED else new.price,
            trade_mode=new.trade_mode,
            position_side=side,
            reduce_only=new.reduce_only,
            target_currency=target,
            client_order_id=new.client_order_id,
            tag=new.tag,
            currency=new.currency,
            self_trade=new.self_trade,
            ban_amend=new.ban_amend,
            leverage=None if terms.is_spot else self._lifecycle.margins.leverage(account, terms, side),
            created=now,
            updated=now,
            left=new.size,
            counts_quote=counts_quote,
            only_reduces=only_reduces,
        )

    def _limit(self, order: Order) -> Decimal | None:
        """Return the worst price an order may trade at: for an optimal_limit_ioc the end of the price band."""
        if order.order_type != "optimal_limit_ioc":
            return order.price
        band = self._prices.band(order.instrument)
        return None if band is None else band[0] if order.is_buy else band[1]

    def _require_funds(self, account: TradingAccount, terms: InstrumentTerms, order: Order, book: TradingBook) -> None:
        """Bind the need of a priced order, and check that the account can pay for a market order. Raises ApiError 51008."""
        lifecycle = self._lifecycle
        if order.price is not None:
            lifecycle.margins.require_funds(account, terms, order, order.price, order.left)
        elif not terms.is_spot:
            offer = book.next_offer(order.is_buy, None)
            price = offer.price if offer is not None else self._prices.mark(order.instrument)
            if price is not None and price > ZERO:
                lifecycle.margins.require_funds(account, terms, order, price, order.left)
                lifecycle.margins.bind(account, terms, order, None, ZERO)
        else:
            currency = terms.quote if order.is_buy else terms.base
            if self._market_need(order, book) > lifecycle.margins.available(account, currency, with_profit=False):
                raise insufficient(currency)

    def _market_need(self, order: Order, book: TradingBook) -> Decimal:
        """Return the amount that a SPOT market order gives away; exact, because it trades before anything changes."""
        if order.is_buy == order.counts_quote:
            return order.left
        need, left = ZERO, order.left
        for price, size in book.reach(order.is_buy, None, order.uid, order.self_trade != "cancel_maker"):
            if order.counts_quote:
                part = min(size, left / price)
                need, left = need + part, left - part * price
            else:
                part = min(size, left)
                need, left = need + part * price, left - part
            if left <= ZERO:
                break
        return need

    def _fills_at_once(self, order: Order, book: TradingBook, limit: Decimal | None) -> bool:
        """True if a fill-or-kill order finds its whole size."""
        reach = book.reach(order.is_buy, limit, order.uid, order.self_trade != "cancel_maker")
        return sum((size for _, size in reach), ZERO) >= order.left

    def _trade_and_rest(
        self, account: TradingAccount, terms: InstrumentTerms, order: Order, limit: Decimal | None, now: int
    ) -> None:
        """Match an order, and add the rest to the book if it may rest."""
        self._lifecycle.match(account, terms, order, limit, now)
        self._funding.follow(terms)
        if order.is_open:
            self._lifecycle.trading_book(order.instrument).rest(order)
            if order.bound:
                self._lifecycle.emit_frozen(terms, order)

    def amend(
        self,
        account: TradingAccount,
        terms: InstrumentTerms,
        order: Order,
        size: Decimal | None,
        price: Decimal | None,
        request_id: str,
        now: int,
    ) -> None:
        """Change the size or the price of an order; see `Engine.amend`. Raises ApiError."""
        lifecycle = self._lifecycle
        validation.check_state(terms)
        new_size = order.size if size is None else size
        new_price = order.price if price is None else price
        assert new_price is not None
        source = AMENDED_BY_USER
        if price is not None:
            validation.check_price(new_price, terms, order.is_buy, self._prices.band(order.instrument))
        if new_size <= order.filled:
            if not new_size.is_finite() or new_size <= ZERO:
                raise validation.parameter("newSz")
            order.size, order.left, order.amend_source = order.filled, ZERO, source
            lifecycle.finish(account, terms, order, FILLED, now)
            lifecycle.emit(order, request_id=request_id, amend_result="0")
            lifecycle.emit_frozen(terms, order)
            return
        validation.check_size(new_size, terms)
        validation.check_maximum(new_size, new_price, terms)
        if order.only_reduces:
            room = order.filled + abs(account.held(order.instrument, order.position_side))
            if new_size > room:
                new_size, source = room, _AMENDED_AND_SHRUNK
        book = lifecycle.trading_book(order.instrument)
        if order.order_type == "post_only" and book.next_offer(order.is_buy, new_price) is not None:
            raise ApiError("51511", "Operation failed as the order price doesn't meet the requirement for Post Only orders")
        lifecycle.margins.require_funds(account, terms, order, new_price, new_size - order.filled)
        keeps_place = new_price == order.price and new_size <= order.size
        if not keeps_place:
            book.side_of(order).remove(order)
        order.size, order.left, order.price = new_size, new_size - order.filled, new_price
        order.amend_source, order.updated = source, now
        lifecycle.emit(order, request_id=request_id, amend_result="0")
        if keeps_place:
            lifecycle.emit_frozen(terms, order)
        else:
            self._trade_and_rest(account, terms, order, new_price, now)
