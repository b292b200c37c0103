"""SeededRandom: a small seeded generator (splitmix64) with the same numbers on every platform and in every process.

Only integer and basic floating arithmetic is used, so no result depends on a platform's maths library.
`fork(label)` returns an independent stream that depends on the seed and the label alone, not on the numbers drawn before:
one more draw in one place changes no other place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_STEPS = 4096


def _text_seed(text: str) -> int:
    """Return FNV-1a of the UTF-8 bytes: `hash()` of a text differs between processes."""
    state = _FNV_OFFSET
    for byte in text.encode():
        state = ((state ^ byte) * _FNV_PRIME) & _MASK
    return state


def _minus_log(x: float) -> float:
    """Return -ln(x) for 0 < x <= 1 by halving and the atanh series: basic arithmetic only."""
    halvings = 0
    while x < 0.5:
        x *= 2.0
        halvings += 1
    t = (x - 1.0) / (x + 1.0)
    square, term, total = t * t, t, 0.0
    for odd in range(1, 41, 2):
        total += term / odd
        term *= square
    return halvings * 0.6931471805599453 - 2.0 * total


EXPONENTIAL: tuple[float, ...] = tuple(_minus_log((i + 0.5) / _STEPS) for i in range(_STEPS))
"""Quantiles of the exponential distribution of mean 1, longest first: index with 12 random bits."""


class SeededRandom:
    """Stream of random numbers of one seed (an int, or a text such as a label)."""

    __slots__ = ("_seed", "_state")

    def __init__(self, seed: int | str) -> None:
        self._seed = (_text_seed(seed) if isinstance(seed, str) else seed) & _MASK
        self._state = self._seed

    def bits(self) -> int:
        """Return the next 64 random bits."""
        self._state = z = (self._state + _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """Return an int in 0 .. n-1; n must be positive and well under 2**64 (the bias is n / 2**64)."""
        if n <= 0:
            raise ValueError(f"below({n}): the bound must be positive")
        return (self.bits() * n) >> 64

    def uniform(self) -> float:
        """Return a float in [0, 1) with 53 random bits."""
        return (self.bits() >> 11) * (1.0 / (1 << 53))

    def chance(self, p: float) -> bool:
        """Return True with probability p."""
        return self.uniform() < p

    def choice(self, options: Sequence[T]) -> T:
        """Return one of the options, each equally likely."""
        return options[self.below(len(options))]

    def exponential(self, mean: float) -> float:
        """Return a waiting time of this mean; never zero, at most about nine times the mean."""
        return mean * EXPONENTIAL[self.bits() >> 52]

    def fork(self, label: str) -> SeededRandom:
        """Return the independent stream of a label."""
        return SeededRandom(_text_seed(f"{self._seed}/{label}"))
