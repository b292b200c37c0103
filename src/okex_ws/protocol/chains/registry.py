"""Chains: one chain for each subscription of a line."""

from __future__ import annotations

from collections.abc import Iterable

from okex_ws.events import Event
from okex_ws.protocol.chains.base import Chain
from okex_ws.protocol.chains.books import BookChain
from okex_ws.protocol.chains.trades import TradeChain
from okex_ws.stateful import Stateful
from okex_ws.wire.channels import Subscription, find


class Chains(Stateful):
    """Chains of one line, by subscription."""

    STATE = {str: "line", int: "primary", int | None: "_successor", dict[Subscription, Chain]: "_chains"}

    def __init__(self, line: str) -> None:
        self.line = line
        self.primary = 0
        self._successor: int | None = None
        self._chains: dict[Subscription, Chain] = {}

    def of(self, subscription: Subscription) -> Chain:
        """Return the chain of a subscription; it is made on first use."""
        chain = self._chains.get(subscription)
        if chain is None:
            chain = self._chains[subscription] = _chain_for(self.line, subscription)
            chain.primary = self.primary
            if self._successor is not None:
                chain.start_handover(self._successor)
        return chain

    def begin(self, number: int) -> None:
        """Make connection `number` the primary one."""
        self.primary = number
        for chain in self._chains.values():
            chain.primary = number

    def forget(self, subscription: Subscription) -> None:
        self._chains.pop(subscription, None)

    def release(self, subscription: Subscription) -> Chain | None:
        """Remove a chain and return it, for another line."""
        return self._chains.pop(subscription, None)

    def adopt(self, chain: Chain) -> None:
        """Continue a chain of another line here."""
        chain.line, chain.primary = self.line, self.primary
        self._chains[chain.subscription] = chain
        if self._successor is not None:
            chain.start_handover(self._successor)

    def all(self) -> Iterable[Chain]:
        return self._chains.values()

    def interrupt(self, now: int, cause: str) -> list[Event]:
        """Interrupt every subscription."""
        self._successor = None
        return [event for chain in self._chains.values() for event in chain.interrupt(now, cause)]

    def start_handover(self, successor: int) -> None:
        self._successor = successor
        for chain in self._chains.values():
            chain.start_handover(successor)

    def finish_handover(self, successor: int, now: int) -> list[Event]:
        self.primary, self._successor = successor, None
        return [event for chain in self._chains.values() for event in chain.finish_handover(successor, now)]

    def cancel_handover(self) -> list[Event]:
        self._successor = None
        return [event for chain in self._chains.values() for event in chain.cancel_handover()]

    @property
    def are_handed_over(self) -> bool:
        return all(chain.is_handed_over for chain in self._chains.values())

    @property
    def deadline(self) -> int | None:
        return min((chain.deadline for chain in self._chains.values() if chain.deadline is not None), default=None)

    def expire(self, now: int) -> list[Event]:
        """Return the reports that are due."""
        return [
            event
            for chain in self._chains.values()
            if chain.deadline is not None and chain.deadline <= now
            for event in chain.expire(now)
        ]


def _chain_for(line: str, subscription: Subscription) -> Chain:
    if subscription.channel in ("trades", "trades-all"):
        return TradeChain(line, subscription)
    row = find(subscription.channel)
    if row is not None and row.is_chained:
        return BookChain(line, subscription)
    return Chain(line, subscription)
