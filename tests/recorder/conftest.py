"""What every test of this room may count on."""

from tests.unpaced import unpaced as unpaced
