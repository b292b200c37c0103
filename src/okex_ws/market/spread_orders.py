"""SpreadOrders: own spread orders that are open, from pushes that may be repeated or overtaken, and from OKX's list of them.

They stand beside the account's picture: its quality does not depend on them, and their fills are told by `sprd-trades` alone.
Source: docs-v5 "Spread orders channel", "Get active spread orders".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from okex_ws.events import SpreadOrderUpdate

FINAL = ("filled", "canceled")
MOST_KNOWN = 4_096
"""Orders remembered after they ended, so that an overtaken push does not open one again."""


class SpreadOrders:
    """Open spread orders by order id; iterate over them."""

    def __init__(self) -> None:
        self.open: dict[str, SpreadOrderUpdate] = {}
        self._ended: dict[str, None] = {}
        self._heard: dict[str, None] = {}  # our ids of whatever was told of

    def __iter__(self) -> Iterator[SpreadOrderUpdate]:
        return iter(self.open.values())

    def __len__(self) -> int:
        return len(self.open)

    def has_heard(self, client_order_id: str) -> bool:
        """Whether an order of this id was told of, open or not."""
        return client_order_id in self._heard

    def apply(self, update: SpreadOrderUpdate) -> None:
        """A push, or a row that was read."""
        _remember(self._heard, update.client_order_id)
        known = self.open.get(update.order_id)
        if update.state in FINAL:
            self._end(update.order_id)
        elif update.order_id not in self._ended and (known is None or _time(update) >= _time(known)):
            self.open[update.order_id] = update

    def only(self, order_ids: Collection[str], asked_at: int) -> None:
        """These are all there were at `asked_at`, ns by our clock; others not told of since have ended."""
        for order in list(self):
            if order.order_id not in order_ids and order.ts_recv < asked_at:
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
