"""OrderFlow: a random flow of orders that really trades on a limit order book of one instrument.

Everything is int: prices in ticks, sizes in lots, time in ns. Levels are kept by the keys of BookSide. The flow depends
on its random numbers and on time alone, not on subscribers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from okex_ws.simulator.market.base import MILLISECOND, SECOND
from okex_ws.simulator.market.level_book import BookSide
from okex_ws.simulator.seeded_random import EXPONENTIAL, SeededRandom

BID, ASK = 0, 1
BUY, SELL = 0, 1
SIDE_NAMES = ("buy", "sell")

OPERATIONS_PER_S = 150.0
TAKERS_PER_S = 8.0

FlowSide = BookSide[int, list[int]]
"""One side of the flow's book: [size, order count] by key."""

_AMEND = 56
_ADD = 100


@dataclass(slots=True)
class Match:
    """One taker order against one resting order. `side` is the taker's; source 1 is retail interest."""

    trade_id: int
    price: int
    size: int
    side: int
    ts: int
    source: int


@dataclass(slots=True)
class Aggregate:
    """Matches of one taker order at one price and source: a row of the trades channel."""

    last_id: int
    price: int
    size: int
    side: int
    ts: int
    count: int
    source: int


@dataclass(slots=True)
class EmptySide:
    """Scheduled period in which one side of the book is empty."""

    at: int
    until: int
    side: int


class TradeHistory(Sequence[dict[str, Any]]):
    """Individual trades oldest first as REST rows, made when read; bounded, ids consecutive."""

    def __init__(self, row: Callable[[Match], dict[str, Any]], limit: int = 120_000) -> None:
        self._matches: list[Match] = []
        self._row = row
        self._limit = limit

    def append(self, match: Match) -> None:
        """Add a match; drops the oldest half when twice the limit is reached."""
        self._matches.append(match)
        if len(self._matches) >= 2 * self._limit:
            del self._matches[: self._limit]

    def last(self) -> Match | None:
        """Return the newest match."""
        return self._matches[-1] if self._matches else None

    def __len__(self) -> int:
        return len(self._matches)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._row(match) for match in self._matches[index]]
        return self._row(self._matches[index])


class OrderFlow:
    """Book of one instrument and the random orders that trade on it.

    fair(t): the price in ticks around which makers quote at time t. levels: fewest levels a side. order_lots: mean size
    of one order. gap: mean distance of neighbouring levels in ticks. least: lowest price in ticks of a bid (None: no
    limit, for spreads). operations, takers: mean rates per second. `dirty` holds pairs of sets, one per side; changed
    keys are added to all of them.
    """

    def __init__(
        self,
        random: SeededRandom,
        fair: Callable[[int], int],
        *,
        start: int,
        levels: int,
        order_lots: int,
        gap: int,
        operations: float,
        takers: float,
        least: int | None,
        first_id: int,
        on_match: Callable[[Match], None],
        on_aggregate: Callable[[Aggregate], None],
    ) -> None:
        self.sides: tuple[FlowSide, FlowSide] = (BookSide(), BookSide())
        self.dirty: list[tuple[set[int], set[int]]] = []
        self.touched = start
        self._random, self._fair = random, fair
        self._order_lots, self._gap, self._least = order_lots, gap, least
        levels = max(levels, 2)
        self._levels, self._target = levels, levels + max(8, levels // 10)
        self._operation_mean, self._taker_mean = SECOND / operations, SECOND / takers
        self._next_id = first_id
        self._on_match, self._on_aggregate = on_match, on_aggregate
        self._bursts: list[tuple[int, int, float]] = []
        self._emptied: list[EmptySide] = []
        self._closed_until = [0, 0]
        self._near = max(2.0, gap * 1.5)
        self._far = gap * levels * 0.6
        centre = fair(start)
        for side in (BID, ASK):
            self._fill(side, self._reference(side, centre), self._target)
        self.next_operation = start + self._wait(self._operation_mean, start)
        self.next_taker = start + self._wait(self._taker_mean, start)

    def burst(self, at: int, seconds: float, factor: float) -> None:
        """Multiply both rates by `factor` from `at` on for so many seconds."""
        self._bursts.append((at, at + int(seconds * SECOND), factor))

    def empty_side(self, at: int, side: int, seconds: float) -> None:
        """Remove every order of a side at `at` and admit none for so many seconds."""
        self._emptied.append(EmptySide(at, at + int(seconds * SECOND), side))
        self._emptied.sort(key=lambda e: e.at)

    @property
    def next_event(self) -> int:
        """Return the instant of the next order."""
        soon = min(self.next_operation, self.next_taker)
        if self._emptied and self._emptied[0].at < soon:
            return self._emptied[0].at
        return soon

    def best(self, side: int) -> int | None:
        """Return the best price of a side in ticks, None when it is empty."""
        keys = self.sides[side].keys
        if not keys:
            return None
        return keys[-1] if side == BID else -keys[-1]

    def run(self, until: int) -> None:
        """Process all orders before `until`, in order of time."""
        while True:
            now = self.next_event
            if now >= until:
                return
            if self._emptied and self._emptied[0].at <= now:
                self._empty(self._emptied.pop(0))
            elif now == self.next_operation:
                self._operate(now)
                self.next_operation = now + self._wait(self._operation_mean, now)
            else:
                self._take(now)
                self.next_taker = now + self._wait(self._taker_mean, now)

    def _wait(self, mean: float, now: int) -> int:
        for begin, end, factor in self._bursts:
            if begin <= now < end:
                mean /= factor
        return 1 + int(mean * EXPONENTIAL[self._random.bits() >> 52])

    def _reference(self, side: int, fair: int) -> int:
        """Return the best key of a maker's quote: bids at the fair price or below, asks a tick above or more."""
        return fair if side == BID else -(fair + 1)

    def _touch(self, side: int, key: int) -> None:
        for sides in self.dirty:
            sides[side].add(key)

    def _operate(self, now: int) -> None:
        bits = self._random.bits()
        side = bits & 1
        if now < self._closed_until[side]:
            return
        self.touched = now
        book = self.sides[side]
        keys = book.keys
        kind = (bits >> 1) & 0xFF
        shape = (bits >> 9) & 0xFF
        quantile = EXPONENTIAL[(bits >> 17) & 0xFFF]
        size = 1 + int(self._order_lots * EXPONENTIAL[(bits >> 29) & 0xFFF])
        if len(keys) < self._levels:
            self._fill(side, self._reference(side, self._fair(now)), self._target)
            return
        if kind >= _AMEND:
            lack = self._target - len(keys)
            if kind < _AMEND + _ADD + (lack if -60 < lack < 60 else 60 if lack > 0 else -60):
                self._add(side, now, shape, quantile, size)
                return
        rank = int(quantile * 5) if shape < 150 else ((bits >> 41) & 0xFFFF) * len(keys) >> 16
        key = keys[-1 - min(rank, len(keys) - 1)]
        level = book.levels[key]
        if kind < _AMEND:
            share = level[0] // level[1]
            level[0] = max(level[1], level[0] - share + size)
        elif level[1] == 1:
            if len(keys) <= self._levels:
                level[0] = size
            else:
                book.remove(key)
        else:
            level[0] -= max(1, level[0] // level[1])
            level[1] -= 1
        self._touch(side, key)

    def _add(self, side: int, now: int, shape: int, quantile: float, size: int) -> None:
        reference = self._reference(side, self._fair(now))
        if shape < 96:
            distance = int(quantile * 2)
        elif shape < 200:
            distance = int(quantile * self._near * 3)
        else:
            distance = int(quantile * self._far)
        key = reference - distance
        if self._least is not None and (key if side == BID else -key) < self._least:
            return
        other = self.sides[1 - side].keys
        if other and key + other[-1] >= 0:
            # The best opposite quote is stale: its maker cancels it, so the book follows the fair price.
            self._remove(1 - side, other[-1])
            return
        self._join(side, key, size)

    def _join(self, side: int, key: int, size: int) -> None:
        book = self.sides[side]
        level = book.levels.get(key)
        if level is None:
            book.put(key, [size, 1])
        else:
            level[0] += size
            level[1] += 1
        self._touch(side, key)

    def _remove(self, side: int, key: int) -> None:
        self.sides[side].remove(key)
        self._touch(side, key)
        self._deepen(side)

    def _deepen(self, side: int) -> None:
        """Restore the fewest number of levels by adding behind the worst one."""
        if len(self.sides[side].keys) < self._levels:
            self._fill(side, self._reference(side, 0), self._levels)

    def _fill(self, side: int, reference: int, wanted: int) -> None:
        """Add levels behind the worst one until there are `wanted`; an empty side begins at `reference`."""
        book = self.sides[side]
        other = self.sides[1 - side].keys
        key = book.keys[0] if book.keys else min(reference, -other[-1] - 1 if other else reference) + 1
        added: list[int] = []
        for _ in range(wanted - len(book.keys)):
            bits = self._random.bits()
            key -= 1 + int((self._gap - 1) * EXPONENTIAL[bits & 0xFFF])
            if self._least is not None and (key if side == BID else -key) < self._least:
                break
            count = 1 + ((bits >> 12) & 0x3F) // 16
            book.levels[key] = [
                count + int(count * self._order_lots * EXPONENTIAL[(bits >> 18) & 0xFFF]),
                count,
            ]
            added.append(key)
            self._touch(side, key)
        added.reverse()
        book.keys[:0] = added

    def _empty(self, order: EmptySide) -> None:
        book = self.sides[order.side]
        for key in book.keys:
            self._touch(order.side, key)
        book.keys.clear()
        book.levels.clear()
        self._closed_until[order.side] = order.until
        self.touched = order.at

    def _take(self, now: int) -> None:
        bits = self._random.bits()
        bid, ask = self.best(BID), self.best(ASK)
        if bid is None or ask is None:
            return
        lean = 2 * self._fair(now) - bid - ask
        buys = (bits & 0xFF) < 128 + max(-96, min(96, lean * 24 // self._gap))
        taker = BUY if buys else SELL
        side = ASK if buys else BID
        book = self.sides[side]
        reach = 1 + int(EXPONENTIAL[(bits >> 8) & 0xFFF] * (0.3 if (bits >> 20) & 7 else 2.0))
        reach = min(reach, len(book.keys) - 1, 12)
        if reach < 1:
            return
        total = sum(book.levels[key][0] for key in book.keys[-reach:])
        want = 1 + total * (1 + ((bits >> 23) & 0xFFF)) // 4096
        if reach == 1:
            want = min(want, 1 + int(self._order_lots * EXPONENTIAL[(bits >> 35) & 0xFFF]))
        improved = (bits >> 47) & 31 == 0
        self.touched = now
        while want > 0 and len(book.keys) > 1:
            key = book.keys[-1]
            price = key if side == BID else -key
            if improved:
                improved = False
                self._publish(now, price, taker, [1 + self._order_lots // 4], 1)
            want = self._hit(side, key, price, taker, want, now)
        self._deepen(side)

    def _hit(self, side: int, key: int, price: int, taker: int, want: int, now: int) -> int:
        """Match up to `want` lots against the orders of one level. Returns the lots left to take."""
        level = self.sides[side].levels[key]
        sizes: list[int] = []
        while want > 0 and level[1] > 0:
            order = level[0]
            if level[1] > 1:
                share = level[0] // level[1]
                order = max(1, min(share // 2 + self._random.below(share + 1), level[0] - level[1] + 1))
            fill = min(order, want)
            want -= fill
            level[0] -= fill
            if fill == order:
                level[1] -= 1
            sizes.append(fill)
        self._publish(now, price, taker, sizes, 0)
        if level[1] == 0:
            book = self.sides[side]
            del book.levels[key]
            book.keys.pop()
        self._touch(side, key)
        return want

    def _publish(self, now: int, price: int, taker: int, sizes: list[int], source: int) -> None:
        ts = now - now % MILLISECOND
        for size in sizes:
            self._on_match(Match(self._next_id, price, size, taker, ts, source))
            self._next_id += 1
        self._on_aggregate(Aggregate(self._next_id - 1, price, sum(sizes), taker, ts, len(sizes), source))
