"""Matching: clients' resting orders of one instrument in price-time order, among the market's own liquidity.

There is one queue at a price: an order that comes to rest joins behind the market's published size (`ahead`) and behind
every earlier client's order. Accounts post the money.
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
    """Best offer to a taker: a price and a size, of a client's order or (maker None) of the market."""

    price: Decimal
    size: Decimal
    maker: Order | None


@dataclass(frozen=True, slots=True)
class MatchedFill:
    """Fill of a resting order by the market, at the order's own price."""

    order: Order
    size: Decimal


class TradingBook:
    """Resting orders of one instrument, and the market's book around them."""

    def __init__(self, market: Market, instrument: str) -> None:
        self.external = ExternalBook(market, instrument)
        self.bids, self.asks = OrderQueues(BIDS), OrderQueues(ASKS)
        self._behind: dict[str, Order] = {}  # orders that may have size of the market ahead of them
        self._market = market
        self._instrument = instrument
        self._trades_seen = 0
        self._last_trade = ""
        self.external.refresh()
        self.skip_trades()

    def is_empty(self) -> bool:
        """True if no client's order rests."""
        return not self.bids and not self.asks

    def is_idle(self) -> bool:
        """True if the market's changes have no effect: no order rests and no taken size is kept."""
        return not self.bids and not self.asks and not self.external.has_taken()

    def side_of(self, order: Order) -> OrderQueues:
        """Return the queues in which an order rests."""
        return self.bids if order.side == "buy" else self.asks

    def rest(self, order: Order) -> None:
        """Add an order to its queue, behind the market's published size."""
        assert order.price is not None
        if self.is_empty():
            self.skip_trades()
        side = self.side_of(order)
        order.ahead = self.external.size_at(side.name, order.price)
        if order.ahead > ZERO:
            self._behind[order.order_id] = order
        side.add(order)

    def next_offer(self, is_buy: bool, limit: Decimal | None) -> Offer | None:
        """Return the best offer to a taker at `limit` or better, None if there is none."""
        side = self.asks if is_buy else self.bids
        external = self.external.best(side.name)
        maker = side.best()
        if maker is None:
            if external is None:
                return None
            price, size = external
            offer = Offer(price, size, None)
        else:
            assert maker.price is not None
            price = maker.price
            if external is not None and (external[0] < price if is_buy else external[0] > price):
                offer = Offer(external[0], external[1], None)
            elif external is not None and external[0] == price and maker.ahead > ZERO:
                offer = Offer(price, min(maker.ahead, external[1]), None)
            else:
                offer = Offer(price, maker.left, maker)
        if limit is not None and (offer.price > limit if is_buy else offer.price < limit):
            return None
        return offer

    def take_external(self, is_buy: bool, price: Decimal, size: Decimal) -> None:
        """Take a size of the market at a price: the queue moves up."""
        side = self.asks if is_buy else self.bids
        self.external.take(side.name, price, size)
        _move_up(side.queue(price), size)

    def reach(self, is_buy: bool, limit: Decimal | None, taker: str, stops_at_own: bool) -> list[tuple[Decimal, Decimal]]:
        """Return (price, size) that a taker of this account can reach, best first. The account's own orders are left out,
        and so are all orders behind them if `stops_at_own`.
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
                    before = sum((o.left for o in _before(queue, order)), ZERO)
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
        """Yield the market's fills of resting orders since the last call: by its trades first, then by its book. The caller
        posts each fill (which lowers `left` and may remove the order) before it takes the next.
        """
        for row in self._new_trades():
            yield from self._meet_trade(row["side"] == "buy", Decimal(row["px"]), Decimal(row["sz"]))
        if self.external.refresh():
            self._shorten_queues()
            yield from self._meet_book(self.bids)
            yield from self._meet_book(self.asks)

    def _shorten_queues(self) -> None:
        """Reduce `ahead` to the market's published size. Orders with nothing ahead are not visited again."""
        for order in list(self._behind.values()):
            if order.is_open and order.ahead > ZERO:
                assert order.price is not None
                order.ahead = min(order.ahead, self.external.size_at(self.side_of(order).name, order.price))
            else:
                del self._behind[order.order_id]

    def _meet_trade(self, by_buyer: bool, price: Decimal, size: Decimal) -> Iterator[MatchedFill]:
        """Apply a public trade: beyond an order's price it fills the order; at its price it reduces the queue ahead first."""
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

    def _meet_book(self, side: OrderQueues) -> Iterator[MatchedFill]:
        """Fill resting orders that the market's book reaches, at their own price, up to the published size."""
        is_bid = side.name == BIDS
        while True:
            order = side.best()
            external = self.external.best(ASKS if is_bid else BIDS)
            if order is None or external is None or order.price is None:
                return
            price, size = external
            if price > order.price if is_bid else price < order.price:
                return
            part = min(size, order.left)
            self.take_external(is_bid, price, part)
            yield MatchedFill(order, part)

    def skip_trades(self) -> None:
        """Ignore all public trades until now."""
        matches = self._market.matches(self._instrument)
        self._trades_seen = len(matches)
        self._last_trade = matches[-1]["tradeId"] if self._trades_seen else ""

    def _new_trades(self) -> list[dict[str, Any]]:
        """Return the public trades since the last call, oldest first. Length and id together give the position: the market
        may cut its list at the old end, and a capture that loops repeats its ids.
        """
        matches = self._market.matches(self._instrument)
        seen, last, count = self._trades_seen, self._last_trade, len(matches)
        if count == seen and (not count or matches[-1]["tradeId"] == last):
            return []
        if not 0 < seen <= count or matches[seen - 1]["tradeId"] != last:
            seen = count
            while last and seen and matches[seen - 1]["tradeId"] != last:
                seen -= 1
            seen = seen if last else 0
        self.skip_trades()
        return list(matches[seen:])


def _move_up(queue: Queue, size: Decimal) -> None:
    """Reduce `ahead` of all orders of a queue by a size of the market."""
    for order in queue.values():
        if order.ahead > ZERO:
            order.ahead = order.ahead - size if order.ahead > size else ZERO


def _before(queue: Queue, end: Order) -> Iterator[Order]:
    for order in queue.values():
        if order is end:
            return
        yield order
