"""Spreads: orders on the difference of two instruments, filled by the spread's published book, booked as two trades.

In: spread orders and `advance(now)` after every instant of the market. Out: changed SpreadOrders and SpreadExecutions to
`on_change`; the engine posts each leg. Buying a spread buys its second leg and sells its first. Resting orders bind what
both legs need at their mark prices. Clients' spread orders do not match one another, and an order that the account cannot
pay for when it would fill is canceled. Sources: OKX V5 docs, "Spread trading".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from okex_ws.simulator.engine.catalogue import Catalogue
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.external_book import ASKS, BIDS, ExternalBook
from okex_ws.simulator.engine.orders import (
    CANCELED,
    CANCELED_BY_USER,
    CANCELED_IOC_REST,
    CANCELED_POST_ONLY,
    FILLED,
    LIVE,
)
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import Market

_PARTIALLY_FILLED = "partially_filled"
_KEPT = 10_000
_INSUFFICIENT_FUNDS = "2"


@dataclass(slots=True)
class NewSpreadOrder:
    """Request for a spread order. order_type: limit, post_only, ioc, market; size counts base coins."""

    spread: str
    side: str
    order_type: str
    size: Decimal
    price: Decimal | None
    client_order_id: str = ""
    tag: str = ""


@dataclass(slots=True)
class SpreadOrder:
    """Spread order that the exchange accepted. turnover: price times size of its fills; bound: frozen money by currency."""

    order_id: str
    uid: str
    new: NewSpreadOrder
    created: int
    updated: int
    size: Decimal
    price: Decimal | None
    state: str = LIVE
    filled: Decimal = Decimal(0)
    turnover: Decimal = Decimal(0)
    cancel_source: str = ""
    bound: dict[str, Decimal] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """True if it may still trade."""
        return self.state in (LIVE, _PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class SpreadLeg:
    """One of the two trades of a fill. size: coins; contracts: of derivatives, None on SPOT."""

    instrument: str
    side: str
    price: Decimal
    size: Decimal
    contracts: Decimal | None
    fee: Decimal
    fee_currency: str
    profit: Decimal
    trade_id: int


@dataclass(frozen=True, slots=True)
class SpreadExecution:
    """One fill of a spread order."""

    order: SpreadOrder
    trade_id: int
    price: Decimal
    size: Decimal
    liquidity: str
    at: int
    legs: tuple[SpreadLeg, ...]


@dataclass(slots=True)
class _SpreadAccount:
    orders: dict[str, SpreadOrder] = field(default_factory=dict)
    names: dict[str, SpreadOrder] = field(default_factory=dict)
    fills: list[SpreadExecution] = field(default_factory=list)


class Spreads:
    """Spread trading of one exchange. on_change: called with an order, its fill or None, an amend's id or "", and now."""

    def __init__(
        self,
        market: Market,
        engine: Engine,
        catalogue: Catalogue,
        on_change: Callable[[SpreadOrder, SpreadExecution | None, str, int], None],
    ) -> None:
        self._market = market
        self._engine = engine
        self._catalogue = catalogue
        self._on_change = on_change
        self._books: dict[str, ExternalBook] = {}
        self._accounts: dict[str, _SpreadAccount] = {}
        self._resting: dict[str, SpreadOrder] = {}
        self._order_count = 3_386_000_000_000_000_000
        self._trade_count = 0

    def is_listed(self, spread: str) -> bool:
        """True if this spread is listed, and both its legs."""
        near, _, far = spread.partition("_")
        known = self._market.knows("sprd-books5", spread)
        return known and self._catalogue.row(near) is not None and self._catalogue.row(far) is not None

    def orders(self, uid: str) -> list[SpreadOrder]:
        """Return an account's spread orders, newest first."""
        return list(reversed(self._of(uid).orders.values()))

    def fills(self, uid: str) -> list[SpreadExecution]:
        """Return an account's spread fills, newest first."""
        return self._of(uid).fills[::-1]

    def find(self, uid: str, order_id: str, client_order_id: str) -> SpreadOrder | None:
        """Return one order. The order id has priority; a reused client id finds the latest."""
        account = self._of(uid)
        return account.orders.get(order_id) if order_id else account.names.get(client_order_id)

    def place(self, uid: str, new: NewSpreadOrder, now: int) -> SpreadOrder:
        """Accept an order and fill what crosses. Raises ApiError 51001, 51016, 51008, and 51022 while a leg is suspended."""
        if not self.is_listed(new.spread):
            raise ApiError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        self._check_legs(new.spread)
        account = self._of(uid)
        rival = account.names.get(new.client_order_id) if new.client_order_id else None
        if rival is not None and rival.is_open:
            raise ApiError("51016", "Client order ID already exists.")
        if not self._can_pay(uid, new.spread, new.side == "buy", new.size):
            raise ApiError("51008", "Order failed. Insufficient balance in account")
        self._order_count += 1
        order = SpreadOrder(str(self._order_count), uid, new, now, now, new.size, new.price)
        account.orders[order.order_id] = order
        if new.client_order_id:
            account.names[new.client_order_id] = order
        while len(account.orders) > _KEPT:
            del account.orders[next(iter(account.orders))]
        book = self._book(new.spread)
        book.refresh()
        if new.order_type == "post_only" and self._offer(order, book) is not None:
            self._end(order, CANCELED_POST_ONLY, now)
            return order
        self._on_change(order, None, "", now)
        self._match(order, book, now, is_maker=False)
        if order.is_open:
            if new.order_type in ("ioc", "market"):
                self._end(order, CANCELED_IOC_REST, now)
            else:
                self._resting[order.order_id] = order
                self._bind(order)
        return order

    def amend(self, order: SpreadOrder, size: Decimal | None, price: Decimal | None, request_id: str, now: int) -> None:
        """Change the total size or the price. Raises ApiError 51503, 51008, and 51022 while a leg is suspended."""
        if not order.is_open:
            raise ApiError("51503", "Your order has already been filled or canceled.")
        self._check_legs(order.new.spread)
        total = order.size if size is None else max(size, order.filled)
        self._release(order)
        if not self._can_pay(order.uid, order.new.spread, order.new.side == "buy", total - order.filled):
            self._bind(order)
            raise ApiError("51008", "Order failed. Insufficient balance in account")
        order.size = total
        order.price = order.price if price is None else price
        order.updated = now
        if order.filled >= order.size:
            order.state = FILLED
            self._resting.pop(order.order_id, None)
        self._bind(order)
        self._on_change(order, None, request_id, now)
        if order.is_open:
            book = self._book(order.new.spread)
            book.refresh()
            self._match(order, book, now, is_maker=False)

    def cancel(self, order: SpreadOrder, now: int, source: str = CANCELED_BY_USER) -> None:
        """Cancel an order. Raises ApiError 51401 if it is canceled already, 51402 if it is filled."""
        if not order.is_open:
            is_done = order.state == FILLED
            how = "completed" if is_done else "canceled"
            raise ApiError("51402" if is_done else "51401", f"Cancellation failed as the order has been {how}.")
        self._end(order, source, now)

    def cancel_all(self, uid: str, spread: str, now: int, source: str = CANCELED_BY_USER) -> None:
        """Cancel the open orders of one spread, or of all ("")."""
        for order in list(self._resting.values()):
            if order.uid == uid and spread in ("", order.new.spread):
                self._end(order, source, now)

    def advance(self, now: int) -> None:
        """Match resting orders with the newly published spread books."""
        moved = {spread for spread, book in self._books.items() if book.refresh()} if self._resting else set()
        for order in list(self._resting.values()):
            spread = order.new.spread
            if spread in moved and all(self._engine.is_tradable(leg) for leg in spread.split("_")):
                self._match(order, self._books[spread], now, is_maker=True)

    def _check_legs(self, spread: str) -> None:
        for leg in spread.split("_"):
            self._engine.check_tradable(leg)

    def _of(self, uid: str) -> _SpreadAccount:
        return self._accounts.setdefault(uid, _SpreadAccount())

    def _book(self, spread: str) -> ExternalBook:
        if spread not in self._books:
            self._market.follow(spread)
            self._books[spread] = ExternalBook(self._market, spread)
        return self._books[spread]

    def _offer(self, order: SpreadOrder, book: ExternalBook) -> tuple[Decimal, Decimal] | None:
        is_buy = order.new.side == "buy"
        best = book.best(ASKS if is_buy else BIDS)
        if best is None or (order.price is not None and (best[0] > order.price if is_buy else best[0] < order.price)):
            return None
        return best

    def _match(self, order: SpreadOrder, book: ExternalBook, now: int, *, is_maker: bool) -> None:
        """Fill an order from the book: a taker at the book's prices, a resting order at its own."""
        if self._offer(order, book) is None:
            return
        self._release(order)
        self._take(order, book, now, is_maker=is_maker)
        self._bind(order)

    def _take(self, order: SpreadOrder, book: ExternalBook, now: int, *, is_maker: bool) -> None:
        is_buy = order.new.side == "buy"
        while order.is_open and (offer := self._offer(order, book)) is not None:
            size = self._whole(order.new.spread, min(offer[1], order.size - order.filled))
            if not size:
                book.take(ASKS if is_buy else BIDS, *offer)
                continue
            if not self._can_pay(order.uid, order.new.spread, is_buy, size):
                self._end(order, _INSUFFICIENT_FUNDS, now)
                return
            book.take(ASKS if is_buy else BIDS, offer[0], size)
            price = order.price if is_maker and order.price is not None else offer[0]
            self._fill(order, price, size, now, is_maker=is_maker)

    def _whole(self, spread: str, size: Decimal) -> Decimal:
        """Return the part of a size that is whole lots in both legs."""
        for leg in spread.split("_"):
            terms = self._engine.terms(leg)
            step = (terms.lot or Decimal(1)) * terms.face
            size = size // step * step
        return size

    def _needs(self, uid: str, spread: str, is_buy: bool, size: Decimal) -> list[tuple[str, Decimal, bool]] | None:
        """Return (currency, coins or margin, True if open profit pays too) of each leg; None without a mark price."""
        needs = []
        for leg, buys in zip(spread.split("_"), (not is_buy, is_buy), strict=True):
            terms, mark = self._engine.terms(leg), self._engine.mark(leg)
            if mark is None:
                return None
            if terms.is_spot:
                needs.append((terms.quote, size * mark, False) if buys else (terms.base, size, False))
            else:
                needs.append((terms.settle, size * mark / self._engine.leverage(uid, leg), True))
        return needs

    def _can_pay(self, uid: str, spread: str, is_buy: bool, size: Decimal) -> bool:
        needs = self._needs(uid, spread, is_buy, size)
        available = self._engine.available
        return needs is not None and all(
            need <= available(uid, currency, equity=with_profit) for currency, need, with_profit in needs
        )

    def _bind(self, order: SpreadOrder) -> None:
        """Bind the need of a resting order's rest."""
        if order.order_id not in self._resting:
            return
        left = order.size - order.filled
        for currency, need, _ in self._needs(order.uid, order.new.spread, order.new.side == "buy", left) or []:
            order.bound[currency] = order.bound.get(currency, Decimal(0)) + need
            self._engine.freeze(order.uid, currency, need)

    def _release(self, order: SpreadOrder) -> None:
        for currency, amount in order.bound.items():
            self._engine.freeze(order.uid, currency, -amount)
        order.bound = {}

    def _fill(self, order: SpreadOrder, price: Decimal, size: Decimal, now: int, *, is_maker: bool) -> None:
        """Execute one fill: the first leg at its mark price, the second at that plus the spread's price."""
        near, far = order.new.spread.split("_")
        base = self._engine.mark(near)
        assert base is not None
        is_buy = order.new.side == "buy"
        legs = (
            self._leg(order.uid, near, not is_buy, base, size, now, is_maker=is_maker),
            self._leg(order.uid, far, is_buy, base + price, size, now, is_maker=is_maker),
        )
        self._trade_count += 1
        order.filled += size
        order.turnover += price * size
        order.updated = now
        order.state = FILLED if order.filled >= order.size else _PARTIALLY_FILLED
        if order.state == FILLED:
            self._resting.pop(order.order_id, None)
        fill = SpreadExecution(order, self._trade_count, price, size, "M" if is_maker else "T", now, legs)
        self._of(order.uid).fills.append(fill)
        self._on_change(order, fill, "", now)

    def _leg(
        self, uid: str, instrument: str, is_buy: bool, price: Decimal, size: Decimal, now: int, *, is_maker: bool
    ) -> SpreadLeg:
        terms = self._engine.terms(instrument)
        contracts = None if terms.is_spot else size / terms.face
        trade_id, leg = self._engine.settle(
            uid,
            instrument,
            is_buy=is_buy,
            price=price,
            size=size if contracts is None else contracts,
            is_maker=is_maker,
            now=now,
        )
        side = "buy" if is_buy else "sell"
        return SpreadLeg(instrument, side, price, size, contracts, leg.fee, leg.fee_currency, leg.profit, trade_id)

    def _end(self, order: SpreadOrder, source: str, now: int) -> None:
        self._resting.pop(order.order_id, None)
        self._release(order)
        order.state, order.cancel_source, order.updated = CANCELED, source, now
        self._on_change(order, None, "", now)
