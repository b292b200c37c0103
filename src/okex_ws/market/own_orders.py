"""OwnOrders: own orders and their fills, from pushes that may be repeated, reordered or lost.

The result does not depend on the order of arrival: a filled size only grows, a final state stays final, and of two pushes about
the same state the later one by OKX's clock counts, unless it repeats an earlier one.
Source: docs-v5 "Order channel" ("same message may be sent several times, maybe different uTime").
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from okex_ws.events import Fill, OrderUpdate

MOST_CONTENTS = 64
"""Largest number of different contents kept per open order, to detect repetitions."""
NOTHING = Decimal(0)


class OwnFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Fill of an own order. fee: negative if charged, None while unknown; liquidity: T taker, M maker.

    size: base currency on spot, contracts on derivatives; at_ms: OKX's time, ms UTC.
    """

    instrument: str
    trade_id: int
    order_id: str
    client_order_id: str = ""
    side: str = ""
    price: Decimal | None = None
    size: Decimal = NOTHING
    fee: Decimal | None = None
    fee_currency: str = ""
    liquidity: str = ""
    at_ms: int | None = None


class OwnOrders:
    """Open orders, the latest finished ones, and their fills.

    open, finished: the update that counts, by order id; its `fill_` fields are those of some fill, not of the last.
    fills: by (instrument, trade_id), in order of arrival. forgotten_: numbers of orders and fills dropped to stay within keep_.
    """

    def __init__(self, *, keep_orders: int = 1_000, keep_fills: int = 10_000) -> None:
        self.open: dict[str, OrderUpdate] = {}
        self.finished: dict[str, OrderUpdate] = {}
        self.fills: dict[tuple[str, int], OwnFill] = {}
        self.forgotten_orders = 0
        self.forgotten_fills = 0
        self.repeats = 0
        self._keep_orders, self._keep_fills = keep_orders, keep_fills
        self._ids: dict[str, str] = {}  # client order id → latest order id
        self._seen_at: dict[str, int] = {}
        self._sums: dict[str, Decimal] = {}  # sizes of the known fills, by order id
        self._variants: dict[str, dict[tuple[Any, ...], OrderUpdate]] = {}  # open order → content → its first update

    def __iter__(self) -> Iterator[OrderUpdate]:
        """Iterate over open orders."""
        return iter(self.open.values())

    def __len__(self) -> int:
        return len(self.open)

    def get(self, order_id: str = "", *, client_order_id: str = "") -> OrderUpdate | None:
        """Return an order, open or finished; by a client order id the latest of that id."""
        key = order_id or self._ids.get(client_order_id, "")
        return self.open.get(key) or self.finished.get(key)

    def seen_at(self, order_id: str) -> int:
        """Return the time of the latest update of an order, ns by our clock."""
        return self._seen_at.get(order_id, 0)

    def missing(self, order_id: str) -> Decimal:
        """Return the filled size of an order that no known fill accounts for; negative if OKX's data contradict each other."""
        order = self.get(order_id)
        return NOTHING if order is None else (order.filled_size or NOTHING) - self._sums.get(order_id, NOTHING)

    # -- updates ---------------------------------------------------------------------------------------------------------

    def apply(self, update: OrderUpdate) -> bool:
        """Apply a push of `orders`. Return True if it changed the order."""
        if update.trade_id is not None and update.fill_size:
            self.add_fill(_executed(update))
        return self.read(update)

    def read(self, update: OrderUpdate) -> bool:
        """Apply an order without its fill, pushed or read over REST. Return True if it changed the order."""
        key = update.order_id
        self._seen_at[key] = max(update.ts_recv, self._seen_at.get(key, 0))
        known = self.open.get(key) or self.finished.get(key)
        if known is None:
            latest = self.get(client_order_id=update.client_order_id) if update.client_order_id else None
            if latest is None or (update.created_ms or 0) >= (latest.created_ms or 0):
                self._ids[update.client_order_id] = key
            self._store(self._best(update))
            return True
        better = _ended(known, update) if known.is_final or update.is_final else self._best(update)
        if better is known:
            self.repeats += 1
            return False
        self._store(better)
        return True

    def add_fill(self, fill: OwnFill) -> bool:
        """Add a fill from any source, once per (instrument, trade_id). Return True if it is new."""
        key = (fill.instrument, fill.trade_id)
        known = self.fills.get(key)
        if known is not None:
            if known.fee is None and fill.fee is not None:
                self.fills[key] = fill
            return False
        self.fills[key] = fill
        self._sums[fill.order_id] = self._sums.get(fill.order_id, NOTHING) + fill.size
        if len(self.fills) > self._keep_fills:
            del self.fills[next(iter(self.fills))]
            self.forgotten_fills += 1
        return True

    def apply_fill(self, fill: Fill) -> bool:
        """Apply a push of `fills`. Aggregates of several matches are skipped: `orders` pushes each match on its own."""
        if fill.count != 1 or fill.size is None:
            return False
        known = self.get(fill.order_id)
        return self.add_fill(
            OwnFill(
                instrument=fill.instrument,
                trade_id=fill.trade_id,
                order_id=fill.order_id,
                client_order_id=known.client_order_id if known is not None else "",
                side=fill.side,
                price=fill.price,
                size=fill.size,
                liquidity=fill.liquidity,
                at_ms=fill.ts_ms,
            )
        )

    def presume_ended(self, order_id: str) -> None:
        """End an order that OKX no longer shows.

        OKX drops only canceled orders that never traded so fast (after 2 h). An order whose fills add up to its size is filled.
        """
        known = self.open.get(order_id)
        if known is not None:
            filled = max(known.filled_size or NOTHING, self._sums.get(order_id, NOTHING))
            state = "filled" if known.size is not None and filled >= known.size else "canceled"
            self._store(msgspec.structs.replace(known, state=state, filled_size=filled))

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _store(self, order: OrderUpdate) -> None:
        key = order.order_id
        if not order.is_final:
            self.open[key] = order
            return
        self.open.pop(key, None)
        self._variants.pop(key, None)
        self.finished[key] = order
        if len(self.finished) > self._keep_orders:
            oldest = next(iter(self.finished))
            gone = self.finished.pop(oldest)
            self.forgotten_orders += 1
            self._seen_at.pop(oldest, None)
            self._sums.pop(oldest, None)
            if self._ids.get(gone.client_order_id) == oldest:
                del self._ids[gone.client_order_id]

    def _best(self, update: OrderUpdate) -> OrderUpdate:
        """Return the update that counts among all of an open order: the most filled one, then the one with the latest content.

        A content has the time of its first update: a repetition may have a later uTime. At equal times the last arrival counts.
        """
        if update.is_final:
            return update
        variants = self._variants.setdefault(update.order_id, {})
        content = _content(update)
        known = variants.get(content)
        if known is None or _time(update) < _time(known):
            variants[content] = update
        if len(variants) > MOST_CONTENTS:
            del variants[min(variants, key=lambda content: _rank(variants[content]))]
        best = next(reversed(variants.values()))
        for other in reversed(variants.values()):
            if _rank(other) > _rank(best):
                best = other
        return best


def _rank(update: OrderUpdate) -> tuple[Decimal, int]:
    return (update.filled_size or NOTHING, _time(update))


def _time(update: OrderUpdate) -> int:
    return update.updated_ms or 0


def _ended(known: OrderUpdate, update: OrderUpdate) -> OrderUpdate:
    """Return the final update of two, with the larger filled size; `known` itself if nothing changes. One at least is final."""
    filled, before = update.filled_size or NOTHING, known.filled_size or NOTHING
    if known.is_final and update.is_final:
        if filled != before:
            return update if filled > before else known
        return update if _time(update) < _time(known) else known  # the later one repeats it
    final, other = (known, update) if known.is_final else (update, known)
    if (other.filled_size or NOTHING) <= (final.filled_size or NOTHING):
        return final
    more = {name: getattr(other, name) for name in ("filled_size", "average_price", "fee", "rebate", "profit")}
    return msgspec.structs.replace(final, **more)


def _content(update: OrderUpdate) -> tuple[Any, ...]:
    """Return the content of an update: without its time, unless only the time separates a further amendment from a repetition."""
    has_no_request_id = bool(update.amend_source or update.amend_result) and not update.request_id
    return (
        update.updated_ms if has_no_request_id else None,
        update.state,
        update.price,
        update.size,
        update.filled_size,
        update.trade_id,
        update.price_usd,
        update.price_volatility,
        update.take_profit_trigger_price,
        update.take_profit_order_price,
        update.stop_loss_trigger_price,
        update.stop_loss_order_price,
        update.request_id,
        update.amend_source,
        update.amend_result,
        repr(update.attached_orders) if update.attached_orders else "",
    )


def _executed(update: OrderUpdate) -> OwnFill:
    assert update.trade_id is not None
    return OwnFill(
        instrument=update.instrument,
        trade_id=update.trade_id,
        order_id=update.order_id,
        client_order_id=update.client_order_id,
        side=update.side,
        price=update.fill_price,
        size=update.fill_size or NOTHING,
        fee=update.fill_fee,
        fee_currency=update.fill_fee_currency,
        liquidity=update.liquidity,
        at_ms=update.fill_ms,
    )
