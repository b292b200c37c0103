"""Plan: the connection of each subscription, within OKX's limits.

Source: docs-v5 "Connect" and "Order book channel": fewer than 30 depth channels a connection; books-l2-tbt of an instrument
cannot share one with its books or books50-l2-tbt (error 64004); 480 requests an hour and 64 KB of args a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from okex_ws.wire import requests
from okex_ws.wire.channels import Subscription, channel

MOST_BOOKS = 29
MOST_SUBSCRIPTIONS = 100
"""OKX does not publish its limit (closes 4003, 4008, 4009); its texts name 100 for one API key."""
DEEP = ("books", "books-l2-tbt", "books50-l2-tbt", "books-rpi", "books-elp", "sprd-books-l2-tbt")
_RIVALS = {"books-l2-tbt": ("books", "books50-l2-tbt"), "books": ("books-l2-tbt",), "books50-l2-tbt": ("books-l2-tbt",)}


class Shard(msgspec.Struct):
    """One connection's share: endpoint, its place among the connections there, subscriptions in order."""

    endpoint: str
    index: int
    subscriptions: dict[Subscription, None] = {}
    is_closed: bool = False

    @property
    def name(self) -> str:
        """Name in events: `public/0`."""
        return f"{self.endpoint}/{self.index}"

    @property
    def books(self) -> int:
        """Number of its depth channels."""
        return sum(item.channel in DEEP for item in self.subscriptions)

    @property
    def frames(self) -> int:
        """Number of subscribe requests at its start."""
        return sum(1 for _ in requests.batches(list(self.subscriptions)))

    def takes(self, item: Subscription) -> bool:
        """True if there is room for one more subscription, and no rule against it."""
        if self.is_closed or len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            return False
        if item.channel in DEEP and self.books >= MOST_BOOKS:
            return False
        rivals = _RIVALS.get(item.channel, ())
        return not any(Subscription(rival, item.args) in self.subscriptions for rival in rivals)


def endpoint_of(item: Subscription) -> str:
    """Return the endpoint of OKX V5 that serves a subscription."""
    return channel(item.channel).endpoint


class Plan:
    """Shards in use. A subscription stays on its shard; freed room is used again.

    place_of: the endpoint that serves a subscription.
    """

    def __init__(self, place_of: Callable[[Subscription], str] = endpoint_of) -> None:
        self.shards: list[Shard] = []
        self._place_of = place_of

    def place(self, item: Subscription) -> Shard:
        """Place a subscription and return its shard, an existing one if it fits."""
        endpoint = self._place_of(item)
        for shard in self.shards:
            if shard.endpoint == endpoint and item in shard.subscriptions:
                return shard
        for shard in self.shards:
            if shard.endpoint == endpoint and shard.takes(item):
                break
        else:
            shard = Shard(endpoint, sum(other.endpoint == endpoint for other in self.shards))
            self.shards.append(shard)
        shard.subscriptions[item] = None
        return shard

    def remove(self, item: Subscription) -> Shard | None:
        """Remove a subscription and return its shard."""
        for shard in self.shards:
            if item in shard.subscriptions:
                del shard.subscriptions[item]
                return shard
        return None


def plan(subscriptions: Iterable[Subscription]) -> Plan:
    """Return a new plan for subscriptions."""
    made = Plan()
    for item in subscriptions:
        made.place(item)
    return made
