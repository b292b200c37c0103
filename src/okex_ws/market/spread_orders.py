"""SpreadOrders: own open spread orders, from pushes that may be repeated or reordered, and from OKX's list of them.

The quality of the account does not depend on them. Their fills come in `sprd-trades` only.
Source: docs-v5 "Spread orders channel", "Get active spread orders".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from okex_ws.events import SpreadOrderUpdate

FINAL = ("filled", "canceled")
MOST_KNOWN = 4_096
"""Largest number of ended orders kept, so that a late push does not open one again."""


class SpreadOrders:
    """Open spread orders by order id; iterate over them."""

    def __init__(self) -> None:
        self.open: dict[str, SpreadOrderUpdate] = {}
        self._ended: dict[str, None] = {}
        self._seen: dict[str, None] = {}  # client order ids of all orders seen

    def __iter__(self) -> Iterator[SpreadOrderUpdate]:
        return iter(self.open.values())

    def __len__(self) -> int:
        return len(self.open)

    def has_seen(self, client_order_id: str) -> bool:
        """Return True if an order with this id was seen, open or not."""
        return client_order_id in self._seen

    def apply(self, update: SpreadOrderUpdate) -> None:
        """Apply a push, or a row read over REST."""
        _remember(self._seen, update.client_order_id)
        known = self.open.get(update.order_id)
        if update.state in FINAL:
            self._end(update.order_id)
        elif update.order_id not in self._ended and (known is None or _time(update) >= _time(known)):
            self.open[update.order_id] = update

    def only(self, order_ids: Collection[str], requested_at: int) -> None:
        """End all orders but these that were not updated since `requested_at`, ns by our clock."""
        for order in list(self):
            if order.order_id not in order_ids and order.ts_recv < requested_at:
                self._end(order.order_id)

    def _end(self, order_id: str) -> None:
        self.open.pop(order_id, None)
        _remember(self._ended, order_id)


def _remember(names: dict[str, None], name: str) -> None:
    names[name] = None
    if len(names) > MOST_KNOWN:
        del names[next(iter(names))]


def _time(update: SpreadOrderUpdate) -> int:
    return update.updated_ms or 0
