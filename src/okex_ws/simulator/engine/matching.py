"""Matching: clients' resting orders of one instrument in price-time order, among the market's own liquidity.

At one price the queue is one: an order that comes to rest joins behind what the market shows there (`ahead`), and
behind every client's order that came before it. No money here: who pays what is the floor's affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.external_book import ASKS, BIDS, ExternalBook
from okex_ws.simulator.engine.orders import ZERO, Order
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.market.level_book import BookSide

Queue = dict[str, Order]
"""Orders of one price by order id, first come first."""


class OrderQueues:
    """Resting orders of one side: a queue at each price."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sign = 1 if name == BIDS else -1
        self._side: BookSide[Decimal, Queue] = BookSide()

    def __bool__(self) -> bool:
        return bool(self._side.keys)

    def best(self) -> Order | None:
        """Return the order that trades next."""
        side = self._side
        return next(iter(side.levels[side.keys[-1]].values())) if side.keys else None

    def add(self, order: Order) -> None:
        """Add an order at the end of the queue of its price."""
        assert order.price is not None
        key = order.price * self._sign
        queue = self._side.levels.get(key)
        if queue is None:
            self._side.put(key, {order.order_id: order})
        else:
            queue[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out of its queue, if it is in one."""
        if order.price is None:
            return
        key = order.price * self._sign
        queue = self._side.levels.get(key)
        if queue is not None and queue.pop(order.order_id, None) is not None and not queue:
            self._side.remove(key)

    def queue(self, price: Decimal) -> Queue:
        """Return the orders at one price, first come first."""
        return self._side.levels.get(price * self._sign, {})

    def queues(self) -> Iterator[tuple[Decimal, Queue]]:
        """Yield (price, orders) best first; the side must not change meanwhile."""
        for key in reversed(self._side.keys):
            yield key * self._sign, self._side.levels[key]

    def reached(self, price: Decimal) -> list[tuple[Decimal, list[Order]]]:
        """Return (price, orders) of every queue at this price or better, best first, as a copy."""
        least = price * self._sign
        found = []
        for key in reversed(self._side.keys):
            if key < least:
                break
            found.append((key * self._sign, list(self._side.levels[key].values())))
        return found


@dataclass(frozen=True, slots=True)
class Offer:
    """What a taker meets next: so much at a price, from a client's order or (maker None) from the market."""

    price: Decimal
    size: Decimal
    maker: Order | None


@dataclass(frozen=True, slots=True)
class MatchedFill:
    """What the market does to a resting order: so much, at the order's own price."""

    order: Order
    size: Decimal


class TradingBook:
    """One instrument's resting orders and the market's book around them."""

    def __init__(self, market: Market, instrument: str) -> None:
        self.external = ExternalBook(market, instrument)
        self.bids, self.asks = OrderQueues(BIDS), OrderQueues(ASKS)
        self._behind: dict[str, Order] = {}  # orders that may have something of the market's own ahead of them
        self._market = market
        self._instrument = instrument
        self._prints_seen = 0
        self._last_print = ""
        self.external.refresh()
        self.pass_over_prints()

    def is_empty(self) -> bool:
        """Whether no client's order rests here."""
        return not self.bids and not self.asks

    def is_idle(self) -> bool:
        """Whether it is all the same what the market does: nothing rests here, nothing taken is remembered."""
        return not self.bids and not self.asks and not self.external.is_depleted()

    def own(self, order: Order) -> OrderQueues:
        """The side in which an order rests."""
        return self.bids if order.side == "buy" else self.asks

    def rest(self, order: Order) -> None:
        """Let an order rest, behind what the market shows at its price."""
        assert order.price is not None
        if self.is_empty():
            self.pass_over_prints()
        side = self.own(order)
        order.ahead = self.external.at(side.name, order.price)
        if order.ahead > ZERO:
            self._behind[order.order_id] = order
        side.add(order)

    def next_offer(self, is_buy: bool, limit: Decimal | None) -> Offer | None:
        """The best a taker can have now, at `limit` or better."""
        side = self.asks if is_buy else self.bids
        outside = self.external.best(side.name)
        maker = side.best()
        if maker is None:
            if outside is None:
                return None
            price, size = outside
            offer = Offer(price, size, None)
        else:
            assert maker.price is not None
            price = maker.price
            if outside is not None and (outside[0] < price if is_buy else outside[0] > price):
                offer = Offer(outside[0], outside[1], None)
            elif outside is not None and outside[0] == price and maker.ahead > ZERO:
                offer = Offer(price, min(maker.ahead, outside[1]), None)
            else:
                offer = Offer(price, maker.left, maker)
        if limit is not None and (offer.price > limit if is_buy else offer.price < limit):
            return None
        return offer

    def take_outside(self, is_buy: bool, price: Decimal, size: Decimal) -> None:
        """A taker had this much of the market's own at a price: the queue moves up."""
        side = self.asks if is_buy else self.bids
        self.external.take(side.name, price, size)
        _move_up(side.queue(price), size)

    def reach(self, is_buy: bool, limit: Decimal | None, taker: str, stops_at_own: bool) -> list[tuple[Decimal, Decimal]]:
        """(price, size) that a taker of this account could have, best first, by price; its own orders are none of it,
        and nothing behind them is either if `stops_at_own`.
        """
        side = self.asks if is_buy else self.bids
        at: dict[Decimal, Decimal] = dict(self.external.walk(side.name))
        end: Decimal | None = None
        for price, queue in side.queues():
            if limit is not None and (price > limit if is_buy else price < limit):
                break
            total = at.get(price, ZERO)
            for order in queue.values():
                if order.uid != taker:
                    total += order.left
                elif stops_at_own:
                    before = sum((o.left for o in _until(queue, order)), ZERO)
                    total, end = before + min(order.ahead, at.get(price, ZERO)), price
                    break
            at[price] = total
            if end is not None:
                break
        found = []
        for price in sorted(at, reverse=not is_buy):
            if limit is not None and (price > limit if is_buy else price < limit):
                break
            found.append((price, at[price]))
            if price == end:
                break
        return found

    def fills(self) -> Iterator[MatchedFill]:
        """What the market does to resting orders since the last time: its prints first, then its book. Each fill is
        to be booked (which lowers `left` and may remove the order) before the next is asked for.
        """
        for row in self._fresh_prints():
            yield from self._printed(row["side"] == "buy", Decimal(row["px"]), Decimal(row["sz"]))
        if self.external.refresh():
            self._shorten_queues()
            yield from self._crossed(self.bids)
            yield from self._crossed(self.asks)

    def _shorten_queues(self) -> None:
        """Nobody waits behind more than the market shows. What rests far away waits behind nothing, and costs nothing."""
        for order in list(self._behind.values()):
            if order.is_open and order.ahead > ZERO:
                assert order.price is not None
                order.ahead = min(order.ahead, self.external.at(self.own(order).name, order.price))
            else:
                del self._behind[order.order_id]

    def _printed(self, by_buyer: bool, price: Decimal, size: Decimal) -> Iterator[MatchedFill]:
        """A public print: through an order's price it fills it; at its price it eats the queue ahead first."""
        side = self.asks if by_buyer else self.bids
        left = size
        for level, orders in side.reached(price):
            eaten = ZERO
            for order in orders:
                if left <= ZERO:
                    break
                if not order.is_open:
                    continue
                if level != price:
                    eaten = max(eaten, order.ahead)
                elif order.ahead > eaten:
                    step = min(left, order.ahead - eaten)
                    eaten += step
                    left -= step
                part = min(left, order.left)
                left -= part
                if part > ZERO:
                    yield MatchedFill(order, part)
            if eaten > ZERO:
                _move_up(side.queue(level), eaten)
            if left <= ZERO:
                return

    def _crossed(self, side: OrderQueues) -> Iterator[MatchedFill]:
        """The market's book reaches resting orders: they trade at their own price, up to the size shown."""
        is_bid = side.name == BIDS
        while True:
            order = side.best()
            outside = self.external.best(ASKS if is_bid else BIDS)
            if order is None or outside is None or order.price is None:
                return
            price, size = outside
            if price > order.price if is_bid else price < order.price:
                return
            part = min(size, order.left)
            self.take_outside(is_bid, price, part)
            yield MatchedFill(order, part)

    def pass_over_prints(self) -> None:
        """Everything printed until now is the past."""
        matches = self._market.matches(self._instrument)
        self._prints_seen = len(matches)
        self._last_print = matches[-1]["tradeId"] if self._prints_seen else ""

    def _fresh_prints(self) -> list[dict[str, Any]]:
        """Prints since the last look, oldest first. The market's list may have been cut at its old end, and a
        capture that loops says the same ids again: so length and id together tell where we were.
        """
        matches = self._market.matches(self._instrument)
        seen, last, count = self._prints_seen, self._last_print, len(matches)
        if count == seen and (not count or matches[-1]["tradeId"] == last):
            return []
        if not 0 < seen <= count or matches[seen - 1]["tradeId"] != last:
            seen = count
            while last and seen and matches[seen - 1]["tradeId"] != last:
                seen -= 1
            seen = seen if last else 0
        self.pass_over_prints()
        return list(matches[seen:])


def _move_up(queue: Queue, size: Decimal) -> None:
    """So much of the market's own, from the front of the queue, is gone."""
    for order in queue.values():
        if order.ahead > ZERO:
            order.ahead = order.ahead - size if order.ahead > size else ZERO


def _until(queue: Queue, end: Order) -> Iterator[Order]:
    for order in queue.values():
        if order is end:
            return
        yield order
