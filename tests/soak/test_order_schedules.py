"""The order path under seeded trouble: schedules audited by the exchange's ledger, and the account after every step of a run."""

from __future__ import annotations

import pytest
from tests.soak.orders import Schedule, audit, run, steps
from tests.soak.workers import workers

from okex_ws.simulator.rules import DEMO_KEY

SCHEDULES = 72
STEPS = 750


@pytest.mark.long
def test_no_schedule_places_twice_or_ends_in_a_wrong_belief() -> None:
    with workers() as pool:
        wrong = {seed: found for seed, found in pool.map(run, range(1, 1 + SCHEDULES), chunksize=2) if found}
    assert wrong == {}


def test_after_every_step_the_account_is_the_exchange_s_ledger() -> None:
    with workers(2) as pool:
        for done, differences in pool.map(steps, (STEPS, STEPS), (1, 2)):
            assert differences == []
            assert done >= STEPS


def test_the_audit_notices_a_second_placement_and_a_wrong_belief() -> None:
    made = Schedule(5)
    assert made.run() == []
    placed = next(t for t in made.trader.tickets if t.kind == "place" and t.outcome and t.outcome.is_confirmed)
    known = made.world.exchange.engine.accounts[DEMO_KEY.uid].known
    order = next(order for order in known.values() if order.client_order_id == placed.order.client_order_id)
    known["twin"] = order.copy()
    assert any("placed 2 times" in line for line in audit(made))
    del known["twin"], known[order.order_id]
    assert any(line.startswith("place ") for line in audit(made))
