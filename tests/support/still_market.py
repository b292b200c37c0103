"""A market in which nothing happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.virtual import START

from okex_ws.simulator.market.base import Publication, stamp


class StillMarket:
    """A market that knows every instrument and in which nothing happens; its books never change."""

    start = START

    def deadline(self) -> int | None:
        return None

    def advance(self, now: int) -> list[Publication]:
        return []

    def watch(self, channel: str, key: str) -> None:
        pass

    def unwatch(self, channel: str, key: str) -> None:
        pass

    def knows(self, channel: str, key: str) -> bool:
        return True

    def snapshot(self, channel: str, key: str) -> Publication | None:
        if channel != "books":
            return None
        row = {"asks": [["101", "1", "0", "1"]], "bids": [["100", "1", "0", "1"]], "ts": stamp(START)}
        return Publication(START, channel, key, [row], "snapshot")

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        return []

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        return None

    def matches(self, instrument: str) -> Sequence[dict[str, Any]]:
        return []

    def price_candles(self, channel: str, key: str) -> list[list[str]]:
        return []

    def candles(self, instrument: str, period: str) -> list[list[str]]:
        return []

    def status(self) -> list[dict[str, Any]]:
        return []
