"""Fixtures of the recorder's tests."""

from tests.support.unpaced import unpaced as unpaced
