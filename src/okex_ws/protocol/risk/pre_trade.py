"""PreTradeRisk: the checks that an order must pass before it is sent.

`check` decides about one order from its RiskContext, and counts the orders that pass. Cancels always pass. Too many refusals
within a second trip the kill switch, so that a faulty strategy is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from okex_ws.events import Event, Halted, OrderRefused, SafetyOverridden, TradingResumed
from okex_ws.protocol.pacing import Window
from okex_ws.protocol.risk.context import LIVE, RiskContext
from okex_ws.protocol.risk.limits import Limits
from okex_ws.wire.orders import AmendOrder, OrderRequest, PlaceOrder, kind_of, plain

_PRICE_IT = "keep a book of the instrument, or give a price"
FILE = "file"
"""Name of the halt file's switch: it halts as long as the file exists."""


class PreTradeRisk:
    """Limits and kill switch of one account.

    by_instrument: limits that replace the general ones, except those of the whole account.
    """

    def __init__(self, limits: Limits = Limits(), by_instrument: Mapping[str, Limits] | None = None) -> None:
        self.limits = limits
        self.by_instrument = dict(by_instrument or {})
        self.is_halted = False
        self.halted_by = ""
        self.halted_reason = ""
        self.refusals = 0
        self._events: list[Event] = []
        self._passed = _window(limits.orders_per_second)  # new and amended orders
        self._refused = _window(limits.trip_after)  # refusals by limits
        self._unpriced: set[str] = set()
        self._new_unpriced: list[str] = []

    # -- the kill switch -------------------------------------------------------------------------------------------------

    def halt(self, reason: str, by: str, now: int) -> bool:
        """Let only cancels pass from now on. Returns False if trading was halted already.

        Another reason replaces the file's: then trading stays halted when the file is removed.
        """
        if self.is_halted and (self.halted_by != FILE or by == FILE):
            return False
        self.is_halted, self.halted_by, self.halted_reason = True, by, reason
        self._events.append(Halted(ts_recv=now, line="guard", reason=reason, by=by))
        return True

    def resume(self, reason: str, now: int) -> bool:
        """Let orders pass again and reset the counts. Returns False if trading was not halted."""
        if not self.is_halted:
            return False
        self.is_halted, self.halted_by, self.halted_reason = False, "", ""
        self._passed, self._refused = _window(self.limits.orders_per_second), _window(self.limits.trip_after)
        self._events.append(TradingResumed(ts_recv=now, line="guard", reason=reason))
        return True

    @property
    def halted_words(self) -> str:
        """Reason of the halt, for refusals."""
        return f"trading is halted by {self.halted_by}: {self.halted_reason}"

    def take_events(self) -> list[Event]:
        """Take the events since the last call: halts, resumptions, overridden checks."""
        events, self._events = self._events, []
        return events

    def take_unpriced(self) -> list[str]:
        """Take the instruments whose orders pass without a price check because no price is known; each is returned once."""
        names, self._new_unpriced = self._new_unpriced, []
        return names

    # -- the check -------------------------------------------------------------------------------------------------------

    def check(self, order: OrderRequest, context: RiskContext, now: int, *, override: str = "") -> OrderRefused | None:
        """Return the reason why an order must not be sent, None if it may be.

        override: reason to send it although account or book are not LIVE; it is reported. Limits and the kill switch ignore it.
        """
        if not isinstance(order, (PlaceOrder, AmendOrder)):
            return None
        if self.is_halted:
            return self._refusal(order, "halted", self.halted_words, "resume trading first", now)
        untrusted = _untrusted(context)
        if untrusted is not None and not override:
            return self._refusal(order, *untrusted, now)
        broken = self._too_many(order, context, now)
        if broken is None:
            limits = self.by_instrument.get(order.instrument, self.limits)
            broken = self._broken(order, context, limits, is_blind=untrusted is not None)
        if broken is not None:
            self._count_refusal(broken[0], now)
            return self._refusal(order, *broken, now)
        if self._passed is not None:
            self._passed.take(now)
        if untrusted is not None:
            overridden = SafetyOverridden(
                ts_recv=now,
                line="guard",
                kind=kind_of(order),
                instrument=order.instrument,
                client_order_id=order.client_order_id,
                rule=untrusted[0],
                reason=override,
            )
            self._events.append(overridden)
        return None

    def take_back(self, count: int) -> None:
        """Uncount the last `count` orders that passed, because they were not sent."""
        if self._passed is not None:
            self._passed.take_back(count)

    def _too_many(self, order: PlaceOrder | AmendOrder, context: RiskContext, now: int) -> tuple[str, str, str] | None:
        """Return the first account limit that an order breaks, as (rule, reason, advice)."""
        if self._passed is not None and self._passed.is_full(now):
            return "orders_per_second", f"{self._passed.limit} orders were sent within the last second", "send fewer"
        most = self.limits.open_orders
        if most is not None and isinstance(order, PlaceOrder) and context.open_orders >= most:
            return "open_orders", f"{context.open_orders} orders are open already", "cancel some first"
        return None

    def _broken(
        self, order: PlaceOrder | AmendOrder, context: RiskContext, limits: Limits, *, is_blind: bool
    ) -> tuple[str, str, str] | None:
        """Return the first limit of its instrument that an order breaks, as (rule, reason, advice)."""
        if order.size is not None and limits.order_size is not None:
            if context.size is None and not is_blind:
                return "order_size", "its size in coins is not known", _PRICE_IT
            if context.size is not None and context.size > limits.order_size:
                return "order_size", f"size {plain(context.size)} is more than {plain(limits.order_size)}", "make it smaller"
        if order.is_spread:
            return None
        if limits.order_notional is not None:
            if context.notional is None and not is_blind:
                return "order_notional", "its value is not known", _PRICE_IT
            if context.notional is not None and context.notional > limits.order_notional:
                reason = f"it is worth {plain(context.notional)}, more than {plain(limits.order_notional)}"
                return "order_notional", reason, "make it smaller"
        if order.price is not None and limits.price_distance is not None and context.mid is not None:
            share = limits.price_distance
            if abs(order.price - context.mid) > share * context.mid:
                percent = plain((share * 100).normalize())
                reason = f"price {plain(order.price)} is more than {percent} % off {plain(context.mid)}"
                return "price_distance", reason, "look at the price again, or allow a larger price distance"
        is_unpriced = order.price is not None and limits.price_distance is not None and context.mid is None
        if is_unpriced and order.instrument not in self._unpriced:
            self._unpriced.add(order.instrument)
            self._new_unpriced.append(order.instrument)
        is_reducing = isinstance(order, PlaceOrder) and order.reduce_only
        if is_reducing or order.size is None or limits.position is None:
            return None
        if context.size is None or context.working is None:
            return None if is_blind else ("position", "the possible position in coins is not known", _PRICE_IT)
        return _too_large(limits.position, context, context.size, context.working)

    def _count_refusal(self, rule: str, now: int) -> None:
        if self._refused is None:
            return
        self._refused.take(now)
        if self._refused.is_full(now):
            self.halt(f"{self._refused.limit} orders broke limits within a second, the last one {rule}", rule, now)

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


def _window(limit: int | None) -> Window | None:
    return None if limit is None else Window(limit, 1.0)


def _too_large(most: Decimal, context: RiskContext, size: Decimal, working: Decimal) -> tuple[str, str, str] | None:
    """Check the position with everything open on this side filled; an order that makes it smaller is always allowed."""
    sign = -1 if context.side == "sell" else 1
    worst = context.position + sign * (working + size)
    is_smaller = worst * context.position >= 0 and abs(worst) <= abs(context.position)
    if abs(worst) <= most or is_smaller:
        return None
    reason = f"the position could become {plain(worst)}, more than {plain(most)}"
    return "position", reason, "make it smaller, or cancel others first"


def _untrusted(context: RiskContext) -> tuple[str, str, str] | None:
    """Return the state that an order depends on and that is not LIVE: of the account, or of a book that is kept."""
    if context.account != LIVE:
        return "account", f"account state is {context.account}", "wait until it is LIVE, or override and say why"
    if context.book is not None and context.book != LIVE:
        return "book", f"the book is {context.book}", "wait until it is LIVE, or override and say why"
    return None
