"""Client order ids that are unique among processes and runs.

An id is a random prefix of this run, then a count in base 36: the count makes it unique within the run, the prefix among runs.
With 80 random bits the chance that any two of a million runs share a prefix is below 1 in 10^12.
"""

from __future__ import annotations

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
PREFIX_BITS = 80
PREFIX_LENGTH = 17
"""A letter, then 80 bits in base 36."""
LONGEST = 32


class OrderIds:
    """Ids of one run. bits: `PREFIX_BITS` random bits."""

    def __init__(self, bits: int) -> None:
        if not 0 <= bits < 1 << PREFIX_BITS:
            raise ValueError(f"an id prefix is made of {PREFIX_BITS} random bits")
        self.prefix = "w" + base36(bits).rjust(PREFIX_LENGTH - 1, "0")
        self.made = 0

    def next(self) -> str:
        """Return the next id: letters and digits, at most 32."""
        self.made += 1
        return self.prefix + base36(self.made)


def base36(number: int) -> str:
    """Return a whole number in digits and small letters."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
