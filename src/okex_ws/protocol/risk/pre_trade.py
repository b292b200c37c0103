"""Pre-trade risk: the checks an order must pass before it may leave.

`check` answers for one order, from what is known around it at that instant; it counts what it lets pass. Cancels always pass. A
strategy that runs wild is not only refused: so many refusals within a second trip the kill switch, once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from okex_ws.events import Event, Halted, OrderRefused, SafetyOverridden, TradingResumed
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.orders import AmendOrder, OrderRequest, PlaceOrder, kind_of, plain

LIVE = "LIVE"
_PRICE_IT = "keep a book of the instrument, or give a price"
FILE = "file"
"""What halts as long as it is there, and lets go by itself."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on single orders and on what they add up to; None is no bound.

    order_size, position: in the instrument's own sizes (base currency on spot, contracts on derivatives), position with all that
    is open on the order's side, and long and short each by itself where they are held apart. order_notional: in quote currency,
    on inverse contracts dollars. price_distance: a fraction, from the middle of the book or the last price, where one is known.
    open_orders, orders_per_second: new and amended orders of the whole account; in flight counts. trip_after: so many refusals
    by limits within a second trip the kill switch. Of spread orders only order_size and what counts for the whole account is
    checked: their price is a difference, often near zero.
    """

    order_size: Decimal | None = None
    order_notional: Decimal | None = None
    price_distance: Decimal | None = Decimal("0.05")
    open_orders: int | None = 200
    orders_per_second: int | None = 30
    position: Decimal | None = None
    trip_after: int | None = 10


class RiskContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known around one order when it is to leave; None is not known.

    account, book: their state, LIVE or not; book None: none is kept of this instrument. middle: of the book, or without one the
    last price. size: the order's in the instrument's own sizes, also where it was given as an amount of money. notional: its
    worth. side: of the order, also of one that is amended. open_orders: of the account, in flight included. position: net, or of
    the order's position side where long and short are held apart; negative when short. working: sizes still open on the order's
    side (and position side) in this instrument, in flight included, without the order itself.
    """

    account: str
    book: str | None = None
    middle: Decimal | None = None
    size: Decimal | None = None
    notional: Decimal | None = None
    side: str = ""
    open_orders: int = 0
    position: Decimal = Decimal(0)
    working: Decimal | None = Decimal(0)


class PreTradeRisk:
    """Limits and kill switch of one account.

    by_instrument: limits in place of the general ones, but for those of the whole account.
    """

    def __init__(self, limits: Limits = Limits(), by_instrument: Mapping[str, Limits] | None = None) -> None:
        self.limits = limits
        self.by_instrument = dict(by_instrument or {})
        self.is_halted = False
        self.halted_by = ""
        self.halted_reason = ""
        self.refusals = 0
        self._events: list[Event] = []
        self._passed: deque[int] = deque()  # new and amended orders of the last second
        self._refused: deque[int] = deque()  # by limits, of the last second
        self._unpriced: set[str] = set()
        self._new_unpriced: list[str] = []

    # -- the kill switch -------------------------------------------------------------------------------------------------

    def halt(self, reason: str, by: str, now: int) -> bool:
        """From now on no order passes, but for cancels. False when that was so already.

        A reason of its own outlasts the file's: when the file goes, that is no leave to trade again.
        """
        if self.is_halted and (self.halted_by != FILE or by == FILE):
            return False
        self.is_halted, self.halted_by, self.halted_reason = True, by, reason
        self._events.append(Halted(ts_recv=now, line="guard", reason=reason, by=by))
        return True

    def resume(self, reason: str, now: int) -> bool:
        """Orders may pass again; what was counted is forgotten. False when they could all along."""
        if not self.is_halted:
            return False
        self.is_halted, self.halted_by, self.halted_reason = False, "", ""
        self._passed.clear()
        self._refused.clear()
        self._events.append(TradingResumed(ts_recv=now, line="guard", reason=reason))
        return True

    @property
    def halted_words(self) -> str:
        """Why no order passes, for whoever is refused."""
        return f"trading is halted by {self.halted_by}: {self.halted_reason}"

    def take_events(self) -> list[Event]:
        """What there is to tell: switches pressed and released, checks overridden."""
        events, self._events = self._events, []
        return events

    def take_unpriced(self) -> list[str]:
        """Instruments whose orders now pass without a check of their price, as none is known here; each is said once."""
        names, self._new_unpriced = self._new_unpriced, []
        return names

    # -- the check -------------------------------------------------------------------------------------------------------

    def check(self, order: OrderRequest, around: RiskContext, now: int, *, override: str = "") -> OrderRefused | None:
        """Why this order must not leave, None if it may.

        override: why it may leave although account or book are not LIVE; it is told. Limits and the kill switch know no override.
        """
        if not isinstance(order, (PlaceOrder, AmendOrder)):
            return None
        if self.is_halted:
            return self._refusal(order, "halted", self.halted_words, "resume trading first", now)
        doubt = _doubt(around)
        if doubt is not None and not override:
            return self._refusal(order, *doubt, now)
        broken = self._too_many(order, around, now)
        if broken is None:
            limits = self.by_instrument.get(order.instrument, self.limits)
            broken = self._broken(order, around, limits, is_blind=doubt is not None)
        if broken is not None:
            self._count_refusal(broken[0], now)
            return self._refusal(order, *broken, now)
        self._passed.append(now)
        if doubt is not None:
            told = SafetyOverridden(
                ts_recv=now,
                line="guard",
                kind=kind_of(order),
                instrument=order.instrument,
                client_order_id=order.client_order_id,
                rule=doubt[0],
                reason=override,
            )
            self._events.append(told)
        return None

    def take_back(self, count: int) -> None:
        """The last orders that passed did not leave after all."""
        for _ in range(min(count, len(self._passed))):
            self._passed.pop()

    def _too_many(self, order: PlaceOrder | AmendOrder, around: RiskContext, now: int) -> tuple[str, str, str] | None:
        """The first limit of the whole account this order breaks, as (rule, reason, advice)."""
        while self._passed and self._passed[0] <= now - SECOND:
            self._passed.popleft()
        most = self.limits.orders_per_second
        if most is not None and len(self._passed) >= most:
            return "orders_per_second", f"{most} orders left within the last second", "send fewer"
        most = self.limits.open_orders
        if most is not None and isinstance(order, PlaceOrder) and around.open_orders >= most:
            return "open_orders", f"{around.open_orders} orders are open already", "cancel some first"
        return None

    def _broken(
        self, order: PlaceOrder | AmendOrder, around: RiskContext, limits: Limits, *, is_blind: bool
    ) -> tuple[str, str, str] | None:
        """The first limit of its instrument this order breaks, as (rule, reason, advice)."""
        if order.size is not None and limits.order_size is not None:
            if around.size is None and not is_blind:
                return "order_size", "its size in coins is not known", _PRICE_IT
            if around.size is not None and around.size > limits.order_size:
                return "order_size", f"size {plain(around.size)} is more than {plain(limits.order_size)}", "make it smaller"
        if order.is_spread:
            return None
        if limits.order_notional is not None:
            if around.notional is None and not is_blind:
                return "order_notional", "its worth is not known", _PRICE_IT
            if around.notional is not None and around.notional > limits.order_notional:
                reason = f"it is worth {plain(around.notional)}, more than {plain(limits.order_notional)}"
                return "order_notional", reason, "make it smaller"
        if order.price is not None and limits.price_distance is not None and around.middle is not None:
            share = limits.price_distance
            if abs(order.price - around.middle) > share * around.middle:
                percent = plain((share * 100).normalize())
                reason = f"price {plain(order.price)} is more than {percent} % off {plain(around.middle)}"
                return "price_distance", reason, "look at the price again, or allow a larger price distance"
        is_unpriced = order.price is not None and limits.price_distance is not None and around.middle is None
        if is_unpriced and order.instrument not in self._unpriced:
            self._unpriced.add(order.instrument)
            self._new_unpriced.append(order.instrument)
        is_reducing = isinstance(order, PlaceOrder) and order.reduce_only
        if is_reducing or order.size is None or limits.position is None:
            return None
        if around.size is None or around.working is None:
            return None if is_blind else ("position", "what it could come to in coins is not known", _PRICE_IT)
        return _too_large(limits.position, around, around.size, around.working)

    def _count_refusal(self, rule: str, now: int) -> None:
        self._refused.append(now)
        while self._refused[0] <= now - SECOND:
            self._refused.popleft()
        if self.limits.trip_after is not None and len(self._refused) >= self.limits.trip_after:
            self.halt(f"{len(self._refused)} orders broke limits within a second, the last one {rule}", rule, now)

    def _refusal(self, order: PlaceOrder | AmendOrder, rule: str, reason: str, advice: str, now: int) -> OrderRefused:
        self.refusals += 1
        return OrderRefused(
            ts_recv=now,
            line="guard",
            kind=kind_of(order),
            instrument=order.instrument,
            client_order_id=order.client_order_id,
            rule=rule,
            reason=reason,
            advice=advice,
        )


def _too_large(most: Decimal, around: RiskContext, size: Decimal, working: Decimal) -> tuple[str, str, str] | None:
    """The position as it would be if everything open on this side were filled; making one smaller is always allowed."""
    sign = -1 if around.side == "sell" else 1
    worst = around.position + sign * (working + size)
    is_smaller = worst * around.position >= 0 and abs(worst) <= abs(around.position)
    if abs(worst) <= most or is_smaller:
        return None
    reason = f"the position could become {plain(worst)}, more than {plain(most)}"
    return "position", reason, "make it smaller, or cancel others first"


def _doubt(around: RiskContext) -> tuple[str, str, str] | None:
    """What the order would depend on and cannot: the account's picture, or a book that is kept."""
    if around.account != LIVE:
        return "account", f"the account's picture is {around.account}", "wait until it is LIVE, or override and say why"
    if around.book is not None and around.book != LIVE:
        return "book", f"the book is {around.book}", "wait until it is LIVE, or override and say why"
    return None
