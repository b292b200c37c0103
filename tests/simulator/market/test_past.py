"""The past of a seeded market: 1,440 candles of every size, whose volumes follow from trades inside them."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from tests.support.fixed_market import START

from okex_ws.simulator.market.base import HOUR, MILLISECOND, SECOND
from okex_ws.simulator.market.calendar import CANDLE_PERIODS, closing, opening
from okex_ws.simulator.market.candles import LONGEST_LIST
from okex_ws.simulator.market.seeded import SeededMarket

SPOT, LINEAR, INVERSE = "BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP"


@pytest.fixture(scope="module")
def market() -> SeededMarket:
    found = SeededMarket(7, start=START + 1_234 * MILLISECOND, instruments=[SPOT, LINEAR, INVERSE], rate=0.2, levels=10)
    found.advance(START + 200 * SECOND)
    return found


@pytest.mark.parametrize("period", CANDLE_PERIODS)
def test_every_size_reaches_back_1440_candles_or_to_1970(market: SeededMarket, period: str) -> None:
    for rows in (
        market.candles(SPOT, period),
        market.price_candles(f"index-candle{period}", SPOT),
        market.price_candles(f"mark-price-candle{period}", LINEAR),
    ):
        if period == "1s" and not rows:
            continue  # prices that do not trade have no candles of seconds
        times = [int(row[0]) * MILLISECOND for row in rows]
        assert all(closing(early, period) == late for late, early in itertools.pairwise(times))
        assert len(rows) == LONGEST_LIST or (period.startswith(("1M", "3M")) and 0 <= times[-1] < 95 * 24 * HOUR)
        assert [row[-1] for row in rows] == ["0"] + ["1"] * (len(rows) - 1)


@pytest.mark.parametrize("instrument", [SPOT, LINEAR, INVERSE])
@pytest.mark.parametrize("period", ["1s", "1m", "15m", "1H", "1D", "1W"])
def test_the_average_price_of_a_candle_lies_inside_it(market: SeededMarket, instrument: str, period: str) -> None:
    # Coins of an inverse contract are counted in whole 1e-8 for each match.
    slack = Decimal("3e-5") if instrument == INVERSE else Decimal(0)
    for row in market.candles(instrument, period):
        high, low, lots, coins, quote = (Decimal(text) for text in (*row[2:4], *row[5:8]))
        if lots:
            average = coins / lots if instrument == SPOT else quote / coins
            assert low * (1 - slack) <= average <= high * (1 + slack), row


@pytest.mark.parametrize(
    ("short", "long"), [("1s", "1m"), ("1m", "15m"), ("30m", "1H"), ("1H", "6H"), ("12Hutc", "1Dutc"), ("1D", "1W")]
)
def test_a_candle_is_the_sum_of_shorter_ones(market: SeededMarket, short: str, long: str) -> None:
    rows = market.candles(LINEAR, short)[::-1]
    groups: dict[int, list[list[str]]] = {}
    for row in rows:
        groups.setdefault(opening(int(row[0]) * MILLISECOND, long) // MILLISECOND, []).append(row)
    whole = sorted(groups)[1:-1]
    longer = {int(row[0]): row for row in market.candles(LINEAR, long)}
    assert len(whole) > 20
    for start in whole:
        parts, row = [part for part in groups[start] if part[5] != "0"], longer[start]
        prices = (parts[0][1], max(parts, key=lambda p: Decimal(p[2]))[2], min(parts, key=lambda p: Decimal(p[3]))[3])
        assert (*prices, parts[-1][4]) == tuple(row[1:5])
        for column in (5, 6, 7):
            assert sum(Decimal(part[column]) for part in parts) == Decimal(row[column])


def test_the_past_is_the_same_in_whatever_order_it_is_read() -> None:
    one, other = (SeededMarket(7, start=START, instruments=[SPOT], levels=10) for _ in range(2))
    forwards = {period: one.candles(SPOT, period) for period in CANDLE_PERIODS}
    backwards = {period: other.candles(SPOT, period) for period in reversed(CANDLE_PERIODS)}
    assert forwards == backwards


def test_a_market_that_nobody_has_traded_on_for_long_has_flat_candles() -> None:
    market = SeededMarket(7, start=START, instruments=[SPOT], rate=1e-9, levels=10)
    market.advance(START + 40 * 60 * SECOND)
    rows = market.candles(SPOT, "1s")
    assert len(rows) == LONGEST_LIST
    assert len({tuple(row[1:5]) for row in rows}) == 1
