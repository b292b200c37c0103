from collections.abc import Iterator

import pytest
from tests.support.shell import Simulator


@pytest.fixture(scope="session")
def venue() -> Iterator[Simulator]:
    """One exchange for everything that does not disturb it. Its connect limit is OKX's: 3 a second."""
    with Simulator("--seed", "7") as running:
        yield running
