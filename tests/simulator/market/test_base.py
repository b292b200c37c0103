"""Texts of prices and sizes, and the checksum of a book."""

from __future__ import annotations

from okex_ws.simulator.market.base import PriceScale, checksum, decimal_text


def test_texts_of_steps() -> None:
    assert PriceScale("0.0005").text(3) == "0.0015"
    assert PriceScale("0.1").text(600_000) == "60000"
    assert PriceScale("0.1").text(-12) == "-1.2"
    assert PriceScale("5").text(3) == "15"
    assert decimal_text(1, 9) == "0.000000001"


def test_checksum_vectors() -> None:
    bids, asks = [["3366.1", "7"], ["3366", "6"]], [["3366.8", "9"], ["3368", "8"]]
    assert checksum(bids, asks) == -1881014294
    assert checksum(bids[:1], [*asks, ["3372", "8"]]) == 831078360
    assert checksum([], []) == 0
