"""Funding: swap positions settle with the market's account at the market's times and rates.

Due times are the market's own (1 to 8 hours apart, and not to be assumed); the rate settled is the one the market gives
as settled right after, else the one it was heading for. A market that says nothing of funding has none.
"""

from __future__ import annotations

from decimal import Decimal

from okex_ws.simulator.engine.accounts import PositionChanged
from okex_ws.simulator.engine.lifecycle import OrderLifecycle
from okex_ws.simulator.engine.orders import ZERO, BalanceChanged
from okex_ws.simulator.engine.prices import Prices
from okex_ws.simulator.engine.terms import InstrumentTerms


class Funding:
    """When each swap that has been traded settles next, and what has been settled."""

    def __init__(self, dealing: OrderLifecycle, readings: Prices) -> None:
        self._dealing = dealing
        self._readings = readings
        self._due: dict[str, int] = {}
        self._rates: dict[str, Decimal] = {}
        self._settled: dict[str, int] = {}

    def deadline(self) -> int | None:
        """The next settlement of a swap that has been traded."""
        return min(self._due.values(), default=None)

    def follow(self, terms: InstrumentTerms) -> None:
        """A swap is traded: keep its funding times from now on."""
        if terms.instrument_type != "SWAP" or terms.instrument in self._due:
            return
        reading = self._readings.funding(terms.instrument)
        if reading is not None and reading.due > self._settled.get(terms.instrument, 0):
            self._due[terms.instrument], self._rates[terms.instrument] = reading.due, reading.rate

    def settle(self, now: int) -> None:
        """Settle what is due. Called late, over several due times, it settles the first of them only."""
        for instrument in [name for name, due in self._due.items() if due <= now]:
            due, rate = self._due.pop(instrument), self._rates.pop(instrument)
            self._settled[instrument] = due
            reading = self._readings.funding(instrument)
            if reading is not None:
                has_moved_on = reading.due > due
                if not has_moved_on or reading.settled is not None:
                    rate = reading.settled if has_moved_on and reading.settled is not None else reading.rate
                following = reading.due if has_moved_on else reading.following
                if following is not None and following > due:
                    self._due[instrument], self._rates[instrument] = following, reading.rate
            self._pay(self._readings.known(instrument), rate, now)

    def _pay(self, terms: InstrumentTerms, rate: Decimal, now: int) -> None:
        mark = self._readings.mark(terms.instrument)
        if mark is None or rate == ZERO:
            return
        for account in self._dealing.books.clients.values():
            for (instrument, _), position in account.positions.items():
                if instrument == terms.instrument and position.size:
                    self._dealing.books.fund(account, position, terms, mark, rate, now)
                    self._dealing.happenings.append(PositionChanged(account.uid, position.copy(), "funding_fee"))
                    self._dealing.happenings.append(BalanceChanged(account.uid, (terms.settle,), "funding_fee"))
