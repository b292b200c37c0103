"""Faults of the data, rows D15 to D17: trades that were lost come back by REST, on virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from tests.soak.backfill import Fetching, audit, run
from tests.support.fixed_market import FixedMarket
from tests.support.virtual import MS, START, World

from okex_ws import Gap, Trade
from okex_ws.events import Recovered, SingleTrade, Unrecoverable
from okex_ws.protocol.pacing import SECOND
from okex_ws.simulator.faults import Faults

SEEDS = 50
BTC = "BTC-USDT"


def fetching(*faults: str, channels: tuple[str, ...] = ("trades",), **options: Any) -> tuple[World, Fetching]:
    """A world whose client wants trades of BTC-USDT, fetched back where they are missed."""
    planner = {name: options.pop(name) for name in ("since", "keeps_s", "keeps_from_s", "partitions") if name in options}
    world = World(Faults.parse(faults), **options)
    made = Fetching(world, **planner)
    for channel in channels:
        world.subscribe(channel, BTC)
    return world, made


def ids(world: World, kind: type = Trade, **where: Any) -> list[int]:
    """Every id delivered, in the order of delivery."""
    return [number for trade in world.client.all(kind, **where) for number in range(trade.first_id, trade.trade_id + 1)]


def tape(world: World) -> dict[int, dict[str, Any]]:
    return {int(row["tradeId"]): row for row in world.market.matches(BTC)}


# -- D15: lost in an interruption --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["abort at=20", "kick_all at=20", "close at=20 code=4005", "freeze at=20"])
def test_D15_trades_of_an_interruption_are_fetched_back_merged_in_order_and_marked(fault: str) -> None:
    world, made = fetching(fault, "refuse_connect at=20 for=15", seed=11)
    world.run(120)
    assert audit(world, made) == []
    (gap,) = world.client.gaps
    fetched = world.client.all(Trade, backfilled=True)
    assert [trade.trade_id for trade in fetched] == list(range(gap.first_id or 0, (gap.last_id or 0) + 1))
    rows = tape(world)
    for trade in fetched:
        row = rows[trade.trade_id]
        assert (trade.price, trade.size, trade.ts_ms) == (float(row["px"]), float(row["sz"]), int(row["ts"]))
    (news,) = world.client.all(Recovered)
    assert (news.first_id, news.last_id, news.count) == (gap.first_id, gap.last_id, len(fetched))


def test_D15_nothing_traded_after_the_interruption_and_still_nothing_is_missed() -> None:
    world, made = fetching("abort at=50", "refuse_connect at=50 for=15", market=FixedMarket(lasts=60))
    world.run(120)
    assert audit(world, made) == []
    assert world.client.gaps == [], "no push, so the chain knows of nothing"
    assert ids(world) == list(tape(world)), "REST does"


def test_D15_what_okx_does_not_keep_any_more_is_a_gap_with_its_exact_ids() -> None:
    world, made = fetching("abort at=20", "refuse_connect at=20 for=40", seed=11, keeps_from_s=40)
    world.run(150)
    assert audit(world, made) == []
    (gap,) = world.client.gaps
    (news,) = world.client.all(Unrecoverable)
    delivered = ids(world)
    assert news.reason == "expired"
    assert news.first_id == gap.first_id
    assert set(range(min(delivered), max(delivered) + 1)) - set(delivered) == set(range(news.first_id, news.last_id + 1))
    rows = tape(world)
    assert news.since <= int(rows[news.first_id]["ts"]) * MS
    assert int(rows[news.last_id]["ts"]) * MS <= news.until


def test_D15_since_a_time_before_the_start() -> None:
    world = World(seed=5)
    since = START + 30 * SECOND
    made = Fetching(world, since=since)
    world.run(60)
    world.subscribe("trades", BTC)
    world.run(60)
    assert audit(world, made) == []
    assert min(ids(world)) == min(number for number, row in tape(world).items() if int(row["ts"]) * MS >= since)


def test_D15_interrupted_time_and_again() -> None:
    script = ("abort at=10 repeat=7", "drop channel=trades probability=0.1 at=5 for=100")
    world, made = fetching(*script, seed=3, since=START + 3 * SECOND)
    world.run(180)
    assert audit(world, made) == []
    assert len(world.client.gaps) > 10
    assert world.client.all(Unrecoverable) == []


# -- D16: REST misbehaves ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "rest_overlap target=history-trades rows=10",
        "rest_overlap target=history-trades rows=99",
        "rest_unsorted target=*",
        "rest_empty target=* every=2",
        "rest_error target=* every=2",
        "rest_error target=* every=2 status=503 code=50001",
        "rest_error target=history-trades status=429 code=50011 at=40 for=50",
    ],
)
def test_D16_pages_that_overlap_come_unsorted_empty_or_not_at_all_neither_lose_nor_double(fault: str) -> None:
    script = ("abort at=20", "refuse_connect at=20 for=30", "drop channel=trades probability=0.2 at=50 for=10")
    world, made = fetching(*script, fault, seed=4)
    world.run(250)
    assert audit(world, made) == []
    assert world.client.all(Unrecoverable) == []
    assert len(world.client.all(Trade, backfilled=True)) > 50
    assert [entry.kind for entry in world.exchange.ledger.faults if entry.kind == fault.split()[0]]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("rest_error target=history-trades status=503 code=50001", "unreachable"),
        ("rest_error target=history-trades status=200 code=51001", "refused"),
        ("rest_empty target=history-trades", "expired"),
    ],
)
def test_D16_retries_are_bounded_and_the_remainder_is_honest(fault: str, reason: str) -> None:
    world, made = fetching("drop channel=trades nth=20", fault, seed=4)
    world.run(300)
    (gap,) = world.client.gaps
    (news,) = world.client.all(Unrecoverable)
    assert (news.first_id, news.last_id, news.reason) == (gap.first_id, gap.last_id, reason)
    assert len(made.pages) <= 10
    assert ids(world).count(gap.first_id or 0) == 0
    assert made.planner.is_idle


def test_D16_the_limits_of_rest_are_never_hit() -> None:
    market = FixedMarket(lasts=40, trades_ms=10, step_ms=1000)
    world, made = fetching("abort at=5", "refuse_connect at=5 for=25", market=market)
    world.run(60)
    assert audit(world, made) == []
    assert len(made.pages) > 45
    assert made.answers["50011"] == 0


def test_D16_a_late_push_and_its_page_cross_each_other() -> None:
    world, made = fetching("delay channel=trades at=20 for=20 seconds=8", "abort at=25", seed=4)
    world.run(120)
    assert audit(world, made) == []
    assert made.planner.duplicates > 0


# -- D17: aggregated and single trades ---------------------------------------------------------------------------------------


def test_D17_aggregated_pushes_and_single_matches_of_rest_reconcile_by_id() -> None:
    world, made = fetching("drop channel=trades probability=0.3 at=5 for=60", seed=9)
    world.run(120)
    assert audit(world, made) == []
    delivered = ids(world)
    assert sorted(delivered) == list(range(min(delivered), max(delivered) + 1))
    rows = tape(world)
    aggregates = [trade for trade in world.client.all(Trade) if trade.count > 1]
    assert aggregates
    assert all(trade.count == 1 for trade in world.client.all(Trade, backfilled=True))
    size = sum(trade.size for trade in world.client.all(Trade))
    assert size == pytest.approx(sum(float(rows[number]["sz"]) for number in delivered))


def test_D17_trades_and_trades_all_side_by_side_each_come_to_the_same_ids() -> None:
    script = [f"drop channel={name} probability=0.2 at=5 for=60" for name in ("trades", "trades-all")]
    script.append("kick_all at=40")
    world, made = fetching(*script, channels=("trades", "trades-all"), seed=9, since=START + 3 * SECOND)
    world.run(120)
    assert audit(world, made) == []
    last = min(max(ids(world)), max(ids(world, SingleTrade)))
    both = [sorted(number for number in ids(world, kind) if number <= last) for kind in (Trade, SingleTrade)]
    assert both[0] == both[1]
    assert {gap.channel for gap in world.client.all(Gap)} == {"trades", "trades-all"}


# -- all at once -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(SEEDS))
def test_D15_to_D17_seeded_runs_lose_nothing_untold_and_double_nothing(seed: int) -> None:
    assert audit(*run(seed)) == []


def test_a_run_is_the_same_each_time() -> None:
    first, second = (run(7)[0].client.events for _ in range(2))
    assert first == second
