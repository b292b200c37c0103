"""OwnOrders: our orders and their executions, from pushes that may be repeated, overtaken or lost.

What is true does not depend on the order in which it was told: a filled size only grows, what is final stays final, and of two
pushes about the same state the later one by OKX's clock counts, unless it only repeats what was said before.
Source: docs-v5 "Order channel" ("same message may be sent several times, maybe different uTime").
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from okex_ws.events import Fill, OrderUpdate

MOST_CONTENTS = 64
"""Different contents remembered per open order, to know a repetition by."""
NOTHING = Decimal(0)


class OwnFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution of an order of ours. fee: negative when charged, None while not told; liquidity: T taker, M maker.

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
    """Open orders, the finished ones last heard of, and their fills.

    open, finished: the update that counts, by order id; its `fill_` fields are those of some execution, not of the last.
    fills: by (instrument, trade_id), oldest told first. forgotten_: how many were let go to stay within keep_.
    """

    def __init__(self, *, keep_orders: int = 1_000, keep_fills: int = 10_000) -> None:
        self.open: dict[str, OrderUpdate] = {}
        self.finished: dict[str, OrderUpdate] = {}
        self.fills: dict[tuple[str, int], OwnFill] = {}
        self.forgotten_orders = 0
        self.forgotten_fills = 0
        self.repeats = 0
        self._keep_orders, self._keep_fills = keep_orders, keep_fills
        self._ids: dict[str, str] = {}  # ours → theirs, the latest
        self._heard_at: dict[str, int] = {}
        self._sums: dict[str, Decimal] = {}  # sizes of the known fills, by order
        self._said: dict[str, dict[tuple[Any, ...], OrderUpdate]] = {}  # by open order: content → what first said it

    def __iter__(self) -> Iterator[OrderUpdate]:
        """Open orders."""
        return iter(self.open.values())

    def __len__(self) -> int:
        return len(self.open)

    def get(self, order_id: str = "", *, client_order_id: str = "") -> OrderUpdate | None:
        """An order, open or finished; by a client order id the latest of that id."""
        key = order_id or self._ids.get(client_order_id, "")
        return self.open.get(key) or self.finished.get(key)

    def heard_at(self, order_id: str) -> int:
        """When an order was last told of, ns by our clock."""
        return self._heard_at.get(order_id, 0)

    def missing(self, order_id: str) -> Decimal:
        """How much of an order's filled size no known fill accounts for. Below zero: OKX's words contradict one another."""
        order = self.get(order_id)
        return NOTHING if order is None else (order.filled_size or NOTHING) - self._sums.get(order_id, NOTHING)

    # -- what is told ----------------------------------------------------------------------------------------------------

    def apply(self, update: OrderUpdate) -> bool:
        """A push of the channel. True when it changed the order."""
        if update.trade_id is not None and update.fill_size:
            self.add_fill(_executed(update))
        return self.read(update)

    def read(self, update: OrderUpdate) -> bool:
        """An order as it was pushed or read over REST, without its fill. True when it changed."""
        key = update.order_id
        self._heard_at[key] = max(update.ts_recv, self._heard_at.get(key, 0))
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
        """An execution, however it was told; once per (instrument, trade_id). True when it is new."""
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

    def hear_fill(self, fill: Fill) -> bool:
        """A push of `fills`. One of several matches together is left to the order's own pushes, which tell them one by one."""
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

    def presume_gone(self, order_id: str) -> None:
        """OKX shows an order no more: only canceled ones that never traded are forgotten so fast (2 h). Fills outweigh that."""
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
        self._said.pop(key, None)
        self.finished[key] = order
        if len(self.finished) > self._keep_orders:
            oldest = next(iter(self.finished))
            gone = self.finished.pop(oldest)
            self.forgotten_orders += 1
            self._heard_at.pop(oldest, None)
            self._sums.pop(oldest, None)
            if self._ids.get(gone.client_order_id) == oldest:
                del self._ids[gone.client_order_id]

    def _best(self, update: OrderUpdate) -> OrderUpdate:
        """Of all that was ever said of an open order, this included, what holds: most filled, and then what was first said last.

        When something was first said, because a repetition may carry a later uTime. Of one instant, the later to come.
        """
        if update.is_final:
            return update
        said = self._said.setdefault(update.order_id, {})
        content = _content(update)
        known = said.get(content)
        if known is None or _time(update) < _time(known):
            said[content] = update
        if len(said) > MOST_CONTENTS:
            del said[min(said, key=lambda content: _standing(said[content]))]
        best = next(reversed(said.values()))
        for other in reversed(said.values()):
            if _standing(other) > _standing(best):
                best = other
        return best


def _standing(update: OrderUpdate) -> tuple[Decimal, int]:
    return (update.filled_size or NOTHING, _time(update))


def _time(update: OrderUpdate) -> int:
    return update.updated_ms or 0


def _ended(known: OrderUpdate, update: OrderUpdate) -> OrderUpdate:
    """Of two, at least one of them final: the final one, with the larger filled size. `known` itself if nothing changes."""
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
    """What an update says, but for the time; with it where nothing else tells a further amendment from a repetition."""
    is_unnamed = bool(update.amend_source or update.amend_result) and not update.request_id
    return (
        update.updated_ms if is_unnamed else None,
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
