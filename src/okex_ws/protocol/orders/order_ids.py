"""Client order ids that no other process, and no later run of this one, makes again.

An id is a prefix drawn at random for this run, then a count in base 36: the count makes it unique within the run, the prefix
among runs. 80 random bits: among a million runs the chance that any two share a prefix is below 1 in 10^12.
"""

from __future__ import annotations

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
PREFIX_BITS = 80
PREFIX_LENGTH = 17
"""A letter, then 80 bits in base 36."""
LONGEST = 32


class OrderIds:
    """Ids of one run. bits: `PREFIX_BITS` random bits, passed in as luck is everywhere."""

    def __init__(self, bits: int) -> None:
        if not 0 <= bits < 1 << PREFIX_BITS:
            raise ValueError(f"an id prefix is made of {PREFIX_BITS} random bits")
        self.prefix = "w" + base36(bits).rjust(PREFIX_LENGTH - 1, "0")
        self.made = 0

    def next(self) -> str:
        """The next id: letters and digits, at most 32."""
        self.made += 1
        return self.prefix + base36(self.made)


def base36(number: int) -> str:
    """A whole number in digits and small letters."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
