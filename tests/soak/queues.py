"""Queues: a naive matcher to check the trading engine's against: every price is a list of pieces, first come first.

A piece is the market's own ([None, size]) or a client's order ([its id, size]). Nothing is indexed or counted ahead;
whatever is asked is found by walking lists. SPOT only, nobody short of money.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

from okex_ws.simulator.engine.orders import NewOrder, Order

ZERO = Decimal(0)
LOT = Decimal("0.01")
Fills = list[tuple[str, str, Decimal, Decimal]]


@dataclass
class Resting:
    """What the matcher knows of one order."""

    id: str
    uid: str
    buys: bool
    price: Decimal
    size: Decimal
    filled: Decimal
    kind: str
    self_trade: str


class Queues:
    """One instrument. Each method gives the fills as (order id, "T" or "M", price, size) in the order they happen."""

    def __init__(self) -> None:
        self.pieces: dict[bool, dict[Decimal, list[list[Any]]]] = {True: {}, False: {}}
        self.orders: dict[str, Resting] = {}
        self.shown: dict[bool, dict[Decimal, Decimal]] = {True: {}, False: {}}

    def place(self, order: Order, new: NewOrder) -> Fills:
        """An order the engine has taken: what it must have traded."""
        buys = new.side == "buy"
        price = new.price if new.price is not None else Decimal("Infinity") if buys else ZERO
        resting = Resting(order.order_id, order.uid, buys, price, new.size, ZERO, new.order_type, new.self_trade)
        in_quote = new.order_type == "market" and (new.target_currency or ("quote_ccy" if buys else "base_ccy")) == "quote_ccy"
        if new.order_type == "post_only" and self._best(resting) is not None:
            return []
        if new.order_type == "fok" and self._reachable(resting) < new.size:
            return []
        return self._run(resting, quote=new.size if in_quote else None)

    def cancel(self, order_id: str) -> None:
        """Take an order out."""
        order = self.orders.pop(order_id)
        self._drop(order)

    def amend(self, order_id: str, size: Decimal | None, price: Decimal | None) -> Fills:
        """An amendment the engine has taken."""
        order = self.orders[order_id]
        new_size = order.size if size is None else size
        if new_size <= order.filled:
            self.cancel(order_id)
            return []
        if price is None and new_size <= order.size:
            order.size = new_size
            for piece in self.pieces[order.buys][order.price]:
                if piece[0] == order_id:
                    piece[1] = new_size - order.filled
            return []
        self.cancel(order_id)
        order.size = new_size
        order.price = order.price if price is None else price
        return self._run(order, quote=None)

    def moved(self, prints: list[tuple[str, Decimal, Decimal]], book: dict[str, Any]) -> Fills:
        """The market printed and published."""
        fills: Fills = []
        for side, price, size in prints:
            fills += self._printed(side == "sell", price, size)
        for buys, name in ((True, "bids"), (False, "asks")):
            self._published(buys, {Decimal(level[0]): Decimal(level[1]) for level in book[name]})
        for buys in (True, False):
            fills += self._crossed(buys)
        return fills

    def _drop(self, order: Resting) -> None:
        queue = self.pieces[order.buys][order.price]
        self.pieces[order.buys][order.price] = [piece for piece in queue if piece[0] != order.id]

    def _prices(self, buys: bool) -> list[Decimal]:
        """Prices of one side that hold anything, best first."""
        return sorted((p for p, queue in self.pieces[buys].items() if any(piece[1] for piece in queue)), reverse=buys)

    def _best(self, taker: Resting) -> tuple[Decimal, list[Any]] | None:
        for price in self._prices(not taker.buys):
            if price > taker.price if taker.buys else price < taker.price:
                return None
            return price, next(piece for piece in self.pieces[not taker.buys][price] if piece[1])
        return None

    def _reachable(self, taker: Resting) -> Decimal:
        total = ZERO
        for price in self._prices(not taker.buys):
            if price > taker.price if taker.buys else price < taker.price:
                break
            for order_id, size in self.pieces[not taker.buys][price]:
                if order_id is not None and self.orders[order_id].uid == taker.uid:
                    if taker.self_trade != "cancel_maker":
                        return total
                    continue
                total += size
        return total

    def _run(self, taker: Resting, quote: Decimal | None) -> Fills:
        fills: Fills = []
        while quote is not None or taker.filled < taker.size:
            found = self._best(taker)
            if found is None:
                break
            price, piece = found
            maker = self.orders[piece[0]] if piece[0] is not None else None
            if maker is not None and maker.uid == taker.uid:
                if taker.self_trade != "cancel_taker":
                    self.cancel(maker.id)
                if taker.self_trade != "cancel_maker":
                    return fills
                continue
            left = taker.size - taker.filled
            if quote is not None:
                left = (quote / price / LOT).to_integral_value(ROUND_DOWN) * LOT
                if not left:
                    break
            size = min(left, piece[1])
            piece[1] -= size
            taker.filled += size
            if quote is not None:
                quote -= size * price
            fills.append((taker.id, "T", price, size))
            if maker is not None:
                fills.append((maker.id, "M", price, size))
                self._filled(maker, size)
        if taker.kind in ("limit", "post_only") and taker.filled < taker.size:
            self.orders[taker.id] = taker
            self.pieces[taker.buys].setdefault(taker.price, []).append([taker.id, taker.size - taker.filled])
        return fills

    def _filled(self, order: Resting, size: Decimal) -> None:
        order.filled += size
        if order.filled == order.size:
            self.cancel(order.id)

    def _printed(self, hits_bids: bool, price: Decimal, left: Decimal) -> Fills:
        """A print reaches every price at least as good as its own; only at its own the market's pieces use it up."""
        fills: Fills = []
        for level in self._prices(hits_bids):
            if left <= ZERO or (level < price if hits_bids else level > price):
                break
            gone = ZERO
            queue = self.pieces[hits_bids][level]
            for piece in list(queue):
                if left <= ZERO or not any(later[0] for later in queue):
                    break
                if piece[0] is None:
                    part = piece[1] if level != price else min(left, piece[1])
                    left -= part if level == price else ZERO
                    piece[1] -= part
                    gone += part
                else:
                    order = self.orders[piece[0]]
                    part = min(left, piece[1])
                    left -= part
                    piece[1] -= part
                    fills.append((order.id, "M", order.price, part))
                    self._filled(order, part)
                    queue = self.pieces[hits_bids][level]
            # What the market shows there is what it publishes next; until then its size stands, but behind.
            self.pieces[hits_bids][level].append([None, gone])
        return fills

    def _published(self, buys: bool, levels: dict[Decimal, Decimal]) -> None:
        for price in {*levels, *self.shown[buys]}:
            size = levels.get(price, ZERO)
            if size == self.shown[buys].get(price, ZERO):
                continue
            queue = self.pieces[buys].setdefault(price, [])
            excess = sum((piece[1] for piece in queue if piece[0] is None), ZERO) - size
            if excess < ZERO:
                queue.append([None, -excess])
            for piece in reversed(queue):
                if piece[0] is None and excess > ZERO:
                    part = min(excess, piece[1])
                    piece[1] -= part
                    excess -= part
            self.pieces[buys][price] = [piece for piece in queue if piece[1]]
        self.shown[buys] = levels

    def _crossed(self, buys: bool) -> Fills:
        fills: Fills = []
        while True:
            mine = self._in_order(buys)
            theirs = [p for p in self._prices(not buys) if any(i is None and s for i, s in self.pieces[not buys][p])]
            if not mine or not theirs or (theirs[0] > mine[0].price if buys else theirs[0] < mine[0].price):
                return fills
            order = mine[0]
            piece = next(piece for piece in self.pieces[not buys][theirs[0]] if piece[0] is None and piece[1])
            part = min(order.size - order.filled, piece[1])
            piece[1] -= part
            for own in self.pieces[buys][order.price]:
                if own[0] == order.id:
                    own[1] -= part
            fills.append((order.id, "M", order.price, part))
            self._filled(order, part)

    def _in_order(self, buys: bool) -> list[Resting]:
        return [
            self.orders[piece[0]] for price in self._prices(buys) for piece in self.pieces[buys][price] if piece[0] is not None
        ]
