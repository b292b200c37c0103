"""Ranges against plain sets."""

from __future__ import annotations

from okex_ws.protocol.backfill.ranges import Ranges
from okex_ws.simulator.seeded_random import SeededRandom


def test_ranges_are_sets_of_ints() -> None:
    for seed in range(30):
        dice = SeededRandom(f"ranges {seed}")
        ranges, truth = Ranges(), set[int]()
        for _ in range(80):
            low = dice.below(60)
            high = low + dice.below(12) - 1
            some = set(range(low, high + 1))
            if dice.chance(0.6):
                ranges.add(low, high)
                truth |= some
            else:
                ranges.remove(low, high)
                truth -= some
            assert {n for part in ranges for n in range(part[0], part[1] + 1)} == truth
            assert all(b[0] > a[1] + 1 for a, b in zip(list(ranges), list(ranges)[1:], strict=False)), "touching ones are one"
            probe = (dice.below(60), dice.below(60))
            inside = {n for a, b in ranges.inside(*probe) for n in range(a, b + 1)}
            outside = {n for a, b in ranges.outside(*probe) for n in range(a, b + 1)}
            asked = set(range(probe[0], probe[1] + 1))
            if asked:
                assert (inside, outside) == (asked & truth, asked - truth)
                assert ranges.touches(*probe) == bool(asked & truth)


def test_ranges_forget_the_lowest() -> None:
    ranges = Ranges()
    for low in (1, 5, 9):
        ranges.add(low, low)
    assert ranges.forget_lowest(2) == [(1, 1)]
    assert list(ranges) == [(5, 5), (9, 9)]
