from collections.abc import Iterator

import pytest
from tests.support.shell import Simulator


@pytest.fixture(scope="session")
def venue() -> Iterator[Simulator]:
    """One exchange for all tests that do not disturb it. Its connect limit is OKX's: 3 a second."""
    with Simulator("--seed", "7") as running:
        yield running


@pytest.fixture(scope="module")
def busy() -> Iterator[Simulator]:
    """An exchange with ten times the usual order flow."""
    with Simulator("--seed", "11", "--rate", "10") as running:
        yield running
