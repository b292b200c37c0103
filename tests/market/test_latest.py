"""Latest: the newest trade, ticker and candle, whatever order and whatever clock they come with."""

from __future__ import annotations

from okex_ws.events import Candle, Ticker, Trade
from okex_ws.market import Latest


def trade(trade_id: int, ts_ms: int, price: float = 1.0) -> Trade:
    return Trade(instrument="A-B", trade_id=trade_id, ts_ms=ts_ms, price=price, size=1, side="buy")


def ticker(ts_ms: int, last: float) -> Ticker:
    return Ticker(instrument="A-B", ts_ms=ts_ms, last=last)


def candle(open_ms: int, close: float, *, closed: bool = False, channel: str = "candle1m") -> Candle:
    return Candle(instrument="A-B", channel=channel, open_ms=open_ms, open=1, high=9, low=0, close=close, closed=closed)


def test_nothing_is_known_before_the_first() -> None:
    latest = Latest()
    assert (latest.trade("A-B"), latest.ticker("A-B"), latest.candle("A-B"), latest.price("A-B")) == (None, None, None, None)


def test_the_newest_trade_is_the_one_with_the_largest_id() -> None:
    latest = Latest()
    for item in (trade(5, 100), trade(7, 100), trade(6, 100), trade(4, 90)):
        latest.apply(item)
    assert latest.trade("A-B") == trade(7, 100)
    latest.apply(trade(1, 200))
    assert latest.trade("A-B") == trade(1, 200), "a new numbering"


def test_D19_a_time_stamp_that_jumps_back_does_not_freeze_the_ticker() -> None:
    latest = Latest()
    latest.apply(ticker(100_000, 1.0))
    latest.apply(ticker(99_999, 2.0))
    assert latest.ticker("A-B") == ticker(100_000, 1.0), "overtaken on its way"
    latest.apply(ticker(90_000, 3.0))
    assert latest.ticker("A-B") == ticker(90_000, 3.0), "the exchange's clock was set back: what came last counts"
    latest.apply(ticker(9_000_000_000_000, 4.0))
    latest.apply(ticker(90_100, 5.0))
    assert latest.ticker("A-B") == ticker(90_100, 5.0), "one wild time stamp does not freeze it either"


def test_D20_a_candle_forms_closes_and_may_be_corrected_but_is_not_reopened() -> None:
    latest = Latest()
    for close in (1.0, 2.0, 3.0):
        latest.apply(candle(60_000, close))
        assert latest.candle("A-B") == candle(60_000, close)
    latest.apply(candle(60_000, 4.0, closed=True))
    latest.apply(candle(60_000, 3.5))
    assert latest.candle("A-B") == candle(60_000, 4.0, closed=True), "a late forming push does not reopen it"
    latest.apply(candle(60_000, 5.0, closed=True))
    assert latest.candle("A-B") == candle(60_000, 5.0, closed=True), "the correction wins"
    latest.apply(candle(120_000, 6.0))
    latest.apply(candle(60_000, 7.0, closed=True))
    assert latest.candle("A-B") == candle(120_000, 6.0)
    assert latest.candle("A-B", "candle5m") is None


def test_the_price_is_the_later_of_trade_and_ticker() -> None:
    latest = Latest()
    latest.apply(ticker(100, 2.0))
    assert latest.price("A-B") == 2.0
    latest.apply(trade(1, 100, 3.0))
    assert latest.price("A-B") == 3.0
    latest.apply(ticker(101, 4.0))
    assert latest.price("A-B") == 4.0
