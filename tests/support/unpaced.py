"""For rooms whose tests make many clients of one server: each has an address of its own, as far as OKX's connect limit goes."""

import itertools

import pytest

from okex_ws.client import connection
from okex_ws.client.connect_limiter import ConnectLimiter


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would wait for one another. Each client still keeps the pace itself."""
    monkeypatch.setattr(connection, "CONNECT_LIMITER", ConnectLimiter(itertools.count(step=10_000_000_000).__next__))
