"""Routes: the decoder and chain of each subscription, found by the first bytes of a frame."""

from __future__ import annotations

import msgspec

from okex_ws.protocol.chains.base import Chain
from okex_ws.protocol.chains.registry import Chains
from okex_ws.stateful import Stateful
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import PushDecoder

MOST_PREFIXES = 4096


class Route(Stateful):
    """Way of one subscription's pushes: decoder, then chain."""

    __slots__ = ("chain", "decoder", "subscription")

    STATE = {Subscription: "subscription", PushDecoder: "decoder", Chain: "chain"}

    def __init__(self, subscription: Subscription, chain: Chain) -> None:
        self.subscription = subscription
        self.decoder = PushDecoder(subscription)
        self.chain = chain


class Routes(Stateful):
    """Routes of one connection. by_prefix: routes by the first bytes of their frames, `{"arg":{...}`."""

    STATE = {dict[bytes, Route]: "by_prefix", dict[Subscription, Route]: "of", Chains: "_chains"}

    def __init__(self, chains: Chains) -> None:
        self.by_prefix: dict[bytes, Route] = {}
        self.of: dict[Subscription, Route] = {}
        self._chains = chains

    def to(self, subscription: Subscription) -> Route:
        """Return the route of a subscription; it is made on first use."""
        route = self.of.get(subscription)
        if route is None:
            route = self.of[subscription] = Route(subscription, self._chains.of(subscription))
        return route

    def remember(self, data: bytes, route: Route) -> None:
        """Find the route of later frames by their first bytes."""
        end = data.find(b"}") + 1
        prefix = data[:end]
        if prefix.startswith(b'{"arg":{') and len(self.by_prefix) < MOST_PREFIXES:
            try:
                msgspec.json.decode(prefix[7:])
            except msgspec.DecodeError:
                return  # a brace inside a text: these bytes do not name the subscription
            self.by_prefix[prefix] = route

    def forget(self, subscription: Subscription) -> None:
        """Remove the route of a subscription."""
        route = self.of.pop(subscription, None)
        if route is not None:
            self.by_prefix = {prefix: other for prefix, other in self.by_prefix.items() if other is not route}
