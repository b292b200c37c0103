"""Listings: the market's instrument rows as the exchange publishes them, with changes by faults and the codes of demo trading."""

from __future__ import annotations

from typing import Any

from okex_ws.simulator.market.base import Market
from okex_ws.simulator.rules import Rules

_DEMO_CODES = 1_000_000


class Listings:
    """Instrument rows of one exchange."""

    def __init__(self, market: Market, rules: Rules) -> None:
        self._market = market
        self._rules = rules
        self._changes: dict[str, dict[str, Any]] = {}

    def rows(self, inst_type: str) -> list[dict[str, Any]]:
        """Return the rows of an instType as published."""
        return [self.published(row) for row in self._market.instruments(inst_type)]

    def published(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the market as published. Demo trading has instrument codes of its own."""
        changes = self._changes.get(row["instId"], {})
        if self._rules.demo and isinstance(row.get("instIdCode"), int):
            row = {**row, "instIdCode": row["instIdCode"] + _DEMO_CODES}
        return {**row, **changes} if changes else row

    def change(self, instrument: str, changes: dict[str, Any]) -> None:
        """Change fields of an instrument's row."""
        self._changes.setdefault(instrument, {}).update(changes)
