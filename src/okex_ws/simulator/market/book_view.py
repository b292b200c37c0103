"""BookView: the published window of a book at one depth, and its changes since the last publication.

Incremental channels publish the best `depth` levels a side. A level that is pushed out of that window is not deleted on
the wire: the receiver truncates to the channel's depth (OKX V5 docs, WS order book channel, depth trim).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from heapq import nlargest
from typing import Any

from okex_ws.simulator.market.base import checksum
from okex_ws.simulator.market.order_flow import ASK, BID, FlowSide, OrderFlow

Change = tuple[int, int, int]
"""(key, size, order count); size 0 is a deletion."""
LevelWriter = Callable[[int, int, int], list[str]]
"""Writer of one level of a channel: (price, size, order count) -> texts."""

_LOWEST = -(1 << 62)


class BookView:
    """Published window of one book. The flow adds the keys it changed to `dirty`."""

    def __init__(self, flow: OrderFlow, depth: int) -> None:
        self.depth = depth
        self.flow = flow
        self.dirty: tuple[set[int], set[int]] = (set(), set())
        self.shown: tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]] = ({}, {})
        self._cut = [_LOWEST, _LOWEST]
        flow.dirty.append(self.dirty)
        for side in (BID, ASK):
            self.dirty[side].update(flow.sides[side].keys)
        self.refresh()

    def detach(self) -> None:
        """Stop collecting changes."""
        self.flow.dirty = [sides for sides in self.flow.dirty if sides is not self.dirty]

    def refresh(self) -> tuple[list[Change], list[Change]] | None:
        """Update the window to the present book. Returns (bid changes, ask changes) best first, None without any."""
        if not self.dirty[BID] and not self.dirty[ASK]:
            return None
        bids = self._side(BID, self.flow.sides[BID])
        asks = self._side(ASK, self.flow.sides[ASK])
        return (bids, asks) if bids or asks else None

    def _side(self, side: int, book: FlowSide) -> list[Change]:
        keys, levels, shown, dirty = book.keys, book.levels, self.shown[side], self.dirty[side]
        if not dirty:
            return []
        first = len(keys) - self.depth
        cut = keys[first] if first > 0 else _LOWEST
        changes: list[Change] = []
        for key in dirty:
            level = levels.get(key)
            if level is None:
                if shown.pop(key, None) is not None:
                    changes.append((key, 0, 0))
            elif key < cut:
                shown.pop(key, None)
            else:
                state = (level[0], level[1])
                if shown.get(key) != state:
                    shown[key] = state
                    changes.append((key, *state))
        dirty.clear()
        former = self._cut[side]
        if cut < former:
            for key in keys[max(first, 0) : bisect_left(keys, former)]:
                if key not in shown:
                    level = levels[key]
                    shown[key] = (level[0], level[1])
                    changes.append((key, level[0], level[1]))
        elif cut > former:
            for key in keys[bisect_left(keys, former) : first]:
                shown.pop(key, None)
        self._cut[side] = cut
        changes.sort(reverse=True)
        return changes

    def rows(self, side: int, write: LevelWriter, depth: int | None = None) -> list[list[str]]:
        """Return the published levels of a side, best first."""
        shown = self.shown[side]
        sign = 1 if side == BID else -1
        depth = depth or self.depth
        # The engine reads the best few all the time: they are found faster without sorting all.
        keys = nlargest(depth, shown) if depth <= 8 else sorted(shown, reverse=True)[:depth]
        return [write(sign * key, *shown[key]) for key in keys]

    def checksum(self, write: LevelWriter) -> int:
        """Return the CRC32 of the published state."""
        return checksum(self.rows(BID, write, 25), self.rows(ASK, write, 25))


def written(changes: Sequence[Change], side: int, write: LevelWriter) -> list[list[str]]:
    """Return changes of one side as wire levels."""
    sign = 1 if side == BID else -1
    return [write(sign * key, size, count) for key, size, count in changes]


def top(flow: OrderFlow, side: int, depth: int, write: LevelWriter) -> list[list[str]]:
    """Return the best levels of the live book."""
    book = flow.sides[side]
    sign = 1 if side == BID else -1
    return [write(sign * key, *book.levels[key]) for key in reversed(book.keys[-depth:])]


def best_state(flow: OrderFlow, depth: int) -> tuple[Any, ...]:
    """Return the best levels as a value to compare with a later one."""
    bids, asks = flow.sides
    return (
        [(key, *bids.levels[key]) for key in bids.keys[-depth:]],
        [(key, *asks.levels[key]) for key in asks.keys[-depth:]],
    )
