"""Calendar: candles open and close where OKX opens and closes them."""

from __future__ import annotations

from okex_ws.simulator.market.base import HOUR, MILLISECOND, MINUTE
from okex_ws.simulator.market.calendar import CANDLE_PERIODS, candle_period, closing, opening

START = 1_790_000_000_000 * MILLISECOND


def test_candles_open_where_okx_opens_them() -> None:
    # 2026-09-21 14:13:20 UTC, a Monday; 22:13:20 in UTC+8.
    def text(period: str) -> int:
        return (opening(START, period) - opening(START, "1Dutc")) // MINUTE

    assert text("1m") == 14 * 60 + 13
    assert text("4H") == 12 * 60
    assert text("6H") == 10 * 60
    assert text("6Hutc") == 12 * 60
    assert text("12H") == 4 * 60
    assert text("1D") == -8 * 60
    assert text("1Wutc") == 0
    assert text("1W") == -8 * 60
    assert text("1Mutc") == -20 * 24 * 60
    assert text("3Mutc") == -(20 + 31 + 31) * 24 * 60
    assert closing(START, "1Mutc") - opening(START, "1Mutc") == 30 * 24 * HOUR
    for period in CANDLE_PERIODS:
        assert opening(START, period) <= START < closing(START, period)
        assert opening(closing(START, period), period) == closing(START, period)
        assert opening(closing(START, period) - 1, period) == opening(START, period)


def test_names_of_candle_channels() -> None:
    assert candle_period("candle1m") == ("candle", "1m")
    assert candle_period("mark-price-candle3Mutc") == ("mark-price-candle", "3Mutc")
    assert candle_period("candle6M") is None
