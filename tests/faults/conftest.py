"""What every test of this room may count on."""

from tests.support.unpaced import unpaced as unpaced
