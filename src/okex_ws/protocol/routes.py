"""Routes: where the pushes of each subscription go, found by the bytes that a frame begins with."""

from __future__ import annotations

import msgspec

from okex_ws.protocol.chains.base import Chain
from okex_ws.protocol.chains.registry import Chains
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import PushDecoder

MOST_PREFIXES = 4096


class Route:
    """Where the pushes of one subscription go: decoder, then chain."""

    __slots__ = ("chain", "decoder", "subscription")

    def __init__(self, subscription: Subscription, chain: Chain) -> None:
        self.subscription = subscription
        self.decoder = PushDecoder(subscription)
        self.chain = chain


class Routes:
    """The routes of one connection. by_prefix: those whose frames were seen, by what these begin with, `{"arg":{...}`."""

    def __init__(self, chains: Chains) -> None:
        self.by_prefix: dict[bytes, Route] = {}
        self.of: dict[Subscription, Route] = {}
        self._chains = chains

    def to(self, subscription: Subscription) -> Route:
        """The route of a subscription, made if there is none."""
        route = self.of.get(subscription)
        if route is None:
            route = self.of[subscription] = Route(subscription, self._chains.of(subscription))
        return route

    def remember(self, data: bytes, route: Route) -> None:
        """From now on frames that begin with the same bytes go straight there."""
        end = data.find(b"}") + 1
        prefix = data[:end]
        if prefix.startswith(b'{"arg":{') and len(self.by_prefix) < MOST_PREFIXES:
            try:
                msgspec.json.decode(prefix[7:])
            except msgspec.DecodeError:
                return  # a brace inside a text: these bytes do not name the subscription
            self.by_prefix[prefix] = route

    def forget(self, subscription: Subscription) -> None:
        """Nothing goes there any more."""
        route = self.of.pop(subscription, None)
        if route is not None:
            self.by_prefix = {prefix: other for prefix, other in self.by_prefix.items() if other is not route}
