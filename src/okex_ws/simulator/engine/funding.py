"""Funding: swap positions settle with the market's account at the market's times and rates.

Due times come from the market and are 1 to 8 hours apart. The settled rate is the one that the market publishes as
settled right after, else the expected one. A market without funding figures has no funding.
"""

from __future__ import annotations

from decimal import Decimal

from okex_ws.simulator.engine.accounts import PositionChanged
from okex_ws.simulator.engine.lifecycle import OrderLifecycle
from okex_ws.simulator.engine.orders import ZERO, BalanceChanged
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import InstrumentTerms


class Funding:
    """Settlements of each swap that has been traded: the next one and the last."""

    def __init__(self, lifecycle: OrderLifecycle, prices: Prices) -> None:
        self._lifecycle = lifecycle
        self._prices = prices
        self._due: dict[str, int] = {}
        self._rates: dict[str, Decimal] = {}
        self._settled: dict[str, int] = {}

    def deadline(self) -> int | None:
        """Return the next settlement of a swap that has been traded."""
        return min(self._due.values(), default=None)

    def follow(self, terms: InstrumentTerms) -> None:
        """Track the funding times of a traded swap from now on."""
        if terms.instrument_type != "SWAP" or terms.instrument in self._due:
            return
        figures = self._prices.funding(terms.instrument)
        if figures is not None and figures.due > self._settled.get(terms.instrument, 0):
            self._due[terms.instrument], self._rates[terms.instrument] = figures.due, figures.rate

    def settle(self, now: int) -> None:
        """Settle due funding. A late call, over several due times, settles the first of them only."""
        for instrument in [name for name, due in self._due.items() if due <= now]:
            due, rate = self._due.pop(instrument), self._rates.pop(instrument)
            self._settled[instrument] = due
            figures = self._prices.funding(instrument)
            if figures is not None:
                has_moved_on = figures.due > due
                if not has_moved_on or figures.settled is not None:
                    rate = figures.settled if has_moved_on and figures.settled is not None else figures.rate
                following = figures.due if has_moved_on else figures.following
                if following is not None and following > due:
                    self._due[instrument], self._rates[instrument] = following, figures.rate
            self._pay(self._prices.known(instrument), rate, now)

    def _pay(self, terms: InstrumentTerms, rate: Decimal, now: int) -> None:
        mark = self._prices.mark(terms.instrument)
        if mark is None or rate == ZERO:
            return
        for account in self._lifecycle.books.clients.values():
            for (instrument, _), position in account.positions.items():
                if instrument == terms.instrument and position.size:
                    self._lifecycle.books.fund(account, position, terms, mark, rate, now)
                    self._lifecycle.events.append(PositionChanged(account.uid, position.copy(), "funding_fee"))
                    self._lifecycle.events.append(BalanceChanged(account.uid, (terms.settle,), "funding_fee"))
