"""The dice: the same numbers everywhere, plausible distributions, independent forks."""

from __future__ import annotations

import pytest

from okex_ws.simulator.seeded_random import EXPONENTIAL, SeededRandom


def test_known_numbers_of_splitmix64() -> None:
    # The published reference sequence of splitmix64 for seed 1234567.
    dice = SeededRandom(1234567)
    assert [dice.bits() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_text_seeds_do_not_depend_on_the_process() -> None:
    assert SeededRandom("flow").bits() == 11614181209911943879


def test_below_stays_below_and_meets_everything() -> None:
    dice = SeededRandom(1)
    assert {dice.below(6) for _ in range(200)} == set(range(6))
    with pytest.raises(ValueError, match="positive"):
        dice.below(0)


def test_uniform_chance_and_choice() -> None:
    dice = SeededRandom(2)
    values = [dice.uniform() for _ in range(10_000)]
    assert all(0 <= value < 1 for value in values)
    assert abs(sum(values) / len(values) - 0.5) < 0.02
    assert abs(sum(dice.chance(0.25) for _ in range(10_000)) / 10_000 - 0.25) < 0.02
    assert {dice.choice("abc") for _ in range(100)} == set("abc")


def test_exponential_has_its_mean_and_is_never_zero() -> None:
    dice = SeededRandom(3)
    values = [dice.exponential(5.0) for _ in range(20_000)]
    assert min(values) > 0
    assert abs(sum(values) / len(values) - 5.0) < 0.2
    assert EXPONENTIAL[2047] == pytest.approx(0.6933, abs=1e-3)


def test_a_fork_does_not_depend_on_what_was_drawn_before() -> None:
    fresh, used = SeededRandom(4), SeededRandom(4)
    for _ in range(10):
        used.bits()
    assert fresh.fork("a").bits() == used.fork("a").bits()
    assert fresh.fork("a").bits() != fresh.fork("b").bits()
