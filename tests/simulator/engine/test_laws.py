"""The engine's laws over random operations: money, positions, priority. A million of them: python -m tests.soak.engine."""

from __future__ import annotations

import pytest
from tests.soak.engine import run


@pytest.mark.parametrize("seed", range(1, 6))
def test_H3_money_positions_and_priority_hold_after_every_operation(seed: int) -> None:
    world = run(seed, 3_000)
    assert world.audit.fills > 1_000
    # A run in which nobody was ever refused, or short of money, would have shown less than it says.
    assert {"51008", "51006", "51121", "51169", "51170", "51511", "54036"} <= set(world.rejected)


def test_H2_the_same_seed_gives_the_same_fills() -> None:
    worlds = [run(7, 1_500, every=1_500) for _ in range(2)]
    one, other = ([repr(e) for a in world.engine.accounts.values() for e in a.executions] for world in worlds)
    assert one == other
    assert one
