"""Plan: which subscription goes over which connection, within OKX's limits.

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
"""OKX does not publish its limit (closes 4003, 4008, 4009); its texts speak of 100 for one API key."""
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
        """As events call it: `public/0`."""
        return f"{self.endpoint}/{self.index}"

    @property
    def books(self) -> int:
        """Depth channels it carries."""
        return sum(item.channel in DEEP for item in self.subscriptions)

    @property
    def frames(self) -> int:
        """Subscribe requests it takes to start."""
        return sum(1 for _ in requests.batches(list(self.subscriptions)))

    def takes(self, item: Subscription) -> bool:
        """Whether there is room for one more, and nothing that forbids it."""
        if self.is_closed or len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            return False
        if item.channel in DEEP and self.books >= MOST_BOOKS:
            return False
        rivals = _RIVALS.get(item.channel, ())
        return not any(Subscription(rival, item.args) in self.subscriptions for rival in rivals)


def endpoint_of(item: Subscription) -> str:
    """The endpoint of OKX V5 that serves a subscription."""
    return channel(item.channel).endpoint


class Plan:
    """The shards in use. Subscriptions stay where they are put; room that is freed is used again.

    place_of: the endpoint that serves a subscription.
    """

    def __init__(self, place_of: Callable[[Subscription], str] = endpoint_of) -> None:
        self.shards: list[Shard] = []
        self._place_of = place_of

    def place(self, item: Subscription) -> Shard:
        """The shard a subscription goes to, an existing one if it fits."""
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
        """Take a subscription out; returns the shard it was on."""
        for shard in self.shards:
            if item in shard.subscriptions:
                del shard.subscriptions[item]
                return shard
        return None


def plan(subscriptions: Iterable[Subscription]) -> Plan:
    """A plan for these, from nothing."""
    made = Plan()
    for item in subscriptions:
        made.place(item)
    return made
