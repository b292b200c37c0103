"""LevelBook against a dict of all levels, sorted."""

from __future__ import annotations

from decimal import Decimal

import pytest

from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.seeded_random import SeededRandom


@pytest.mark.parametrize("depth", [5, 400])
def test_the_best_levels_are_those_of_a_sorted_dict(depth: int) -> None:
    random = SeededRandom(depth)
    book, naive = LevelBook(depth), {"bids": {}, "asks": {}}
    for number in range(2_000):
        is_full = random.below(100) == 0
        row = {"ts": str(number)}
        for side, levels in naive.items():
            changes = [(random.below(60), random.below(4)) for _ in range(random.below(6))]
            row[side] = [[f"{price / 10:.1f}", str(size), "0", "1"] for price, size in changes]
            if is_full:
                levels.clear()
            for price, size in changes:
                levels.pop(price, None)
                if size:
                    levels[price] = str(size)
            for price in sorted(levels, reverse=side == "bids")[depth:]:
                del levels[price]
        book.apply(row, is_full=is_full)
        for side, levels in naive.items():
            prices = sorted(levels, reverse=side == "bids")
            expected = [(Decimal(price) / 10, levels[price]) for price in prices]
            assert [(Decimal(level[0]), level[1]) for level in book.best(side, 400)] == expected
            price = Decimal(random.below(60)) / 10
            assert book.size_at(side, price) == Decimal(levels.get(int(price * 10), "0"))
        assert book.ts == str(number)


def test_prices_are_compared_exactly() -> None:
    book = LevelBook()
    book.apply({"bids": [["1.10", "2"], ["1.1", "3"], ["1.10000000000000000001", "4"]], "asks": []}, is_full=True)
    assert book.best("bids", 5) == [["1.10000000000000000001", "4"], ["1.1", "3"]]
