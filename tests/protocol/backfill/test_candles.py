"""BackfillPlanner: candles and funding settlements that no push told."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st
from tests.support.history import BTC, MS, NOW, History

from okex_ws.events import Candle, Event, FundingRate, IndexCandle, MarkPriceCandle, Recovered, Resumed, Unrecoverable
from okex_ws.protocol.backfill.intervals import intervals
from okex_ws.protocol.backfill.planner import BackfillPlanner
from okex_ws.wire.channels import BARS

MINUTE = 60_000
HOUR = 3_600_000
OPEN = NOW // MS - NOW // MS % MINUTE


def candle(minutes: int, close: float = 1.5, closed: bool = True) -> Candle:
    made = Candle.from_row(candle_row(minutes, close, closed))
    made.channel, made.instrument, made.bar = "candle1m", BTC, "1m"
    return made


def candle_row(minutes: int, close: float = 1.5, closed: bool = True) -> list[str]:
    return [str(OPEN + minutes * MINUTE), "1", "2", "0.5", str(close), "3", "4", "5", "1" if closed else "0"]


def minutes_of(events: list[Event]) -> list[int]:
    return [(event.open_ms - OPEN) // MINUTE for event in events if isinstance(event, Candle)]


def with_candles(planner: BackfillPlanner, low: int, high: int) -> History:
    history = History(planner)
    history.candles = {OPEN + n * MINUTE: candle_row(n, closed=n < high) for n in range(low, high + 1)}
    return history


def test_candles_that_no_push_closed_are_fetched() -> None:
    planner = BackfillPlanner()
    planner.feed([candle(-5), candle(-4, closed=False)], NOW)
    planner.feed([candle(0, closed=False)], NOW)
    events = with_candles(planner, -100, 0).settle()
    assert minutes_of(events) == [-4, -3, -2, -1]
    candles = [event for event in events if isinstance(event, Candle)]
    assert all(c.backfilled and (c.channel, c.instrument, c.bar) == ("candle1m", BTC, "1m") for c in candles)
    news = events[-1]
    assert isinstance(news, Recovered)
    assert (news.since, news.until, news.count) == ((OPEN - 4 * MINUTE) * MS, OPEN * MS, 4)


def test_candles_in_order_cost_no_request() -> None:
    planner = BackfillPlanner()
    for n in range(-5, 0):
        planner.feed([candle(n, closed=False), candle(n, 1.4, closed=False), candle(n)], NOW)
    assert planner.is_idle


def test_after_an_interruption_only_candles_that_are_missing_or_different_are_delivered() -> None:
    planner = BackfillPlanner()
    planner.feed([candle(-6), candle(-5, close=1.25), candle(-4, closed=False)], NOW)
    planner.feed([Resumed(channel="candle1m", key=BTC), candle(-1), candle(0, closed=False)], NOW)
    history = with_candles(planner, -100, 0)
    assert minutes_of(history.settle()) == [-5, -4, -3, -2], "-5 closed at another price than was said; -1 is known"
    assert [page.path for page in history.asked] == ["market/candles"]


def test_an_interruption_that_changed_nothing_delivers_nothing() -> None:
    planner = BackfillPlanner()
    planner.feed([candle(-1), candle(0, closed=False), Resumed(channel="candle1m", key=BTC), candle(0, closed=False)], NOW)
    history = with_candles(planner, -100, 0)
    assert history.settle() == []
    assert len(history.asked) == 1


def test_a_candle_that_rest_has_not_closed_yet_is_asked_again() -> None:
    planner = BackfillPlanner()
    planner.feed([candle(-1, closed=False), candle(0, closed=False)], NOW)
    history = with_candles(planner, -100, 0)
    history.spoil = lambda page, rows: [[*row[:8], "0"] for row in rows] if len(history.asked) < 3 else rows
    assert minutes_of(history.settle()) == [-1]


def test_candles_since_a_time_come_from_the_history_and_its_end_is_told() -> None:
    since = (OPEN - 3_000 * MINUTE + 1) * MS
    planner = BackfillPlanner(since=since)
    planner.feed([candle(0, closed=False)], NOW)
    history = with_candles(planner, -2_500, 0)
    events = history.settle(3600)
    assert minutes_of(events) == list(range(-2_500, 0))
    (news,) = [event for event in events if isinstance(event, Unrecoverable)]
    assert (news.reason, news.since, news.until) == ("expired", (OPEN - 2_999 * MINUTE) * MS, (OPEN - 2_500 * MINUTE) * MS)
    assert {page.path for page in history.asked} == {"market/candles", "market/history-candles"}


def test_minutes_that_okx_never_lists_are_told() -> None:
    planner = BackfillPlanner()
    planner.feed([candle(-6), candle(0, closed=False)], NOW)
    history = with_candles(planner, -100, 0)
    del history.candles[OPEN - 3 * MINUTE]
    events = history.settle()
    assert minutes_of(events) == [-5, -4, -2, -1]
    (news,) = [event for event in events if isinstance(event, Unrecoverable)]
    assert (news.reason, news.since, news.until) == ("absent", (OPEN - 3 * MINUTE) * MS, (OPEN - 2 * MINUTE) * MS)


def test_mark_and_index_candles_are_fetched_from_pages_of_their_own() -> None:
    for stem, kind in (("mark-price-", MarkPriceCandle), ("index-", IndexCandle)):
        planner = BackfillPlanner(since=(OPEN - 1_600 * MINUTE) * MS)
        made = kind.from_row([str(OPEN), "1", "2", "0.5", "1.5", "0"])
        made.channel, made.instrument, made.bar = f"{stem}candle1m", BTC, "1m"
        planner.feed([made], NOW)
        history = History(planner)
        history.candles = {OPEN + n * MINUTE: [str(OPEN + n * MINUTE), "1", "2", "0.5", "1.5", "1"] for n in range(-1_700, 0)}
        events = history.settle(3600)
        assert minutes_of(events) == list(range(-1_600, 0))
        assert {type(event) for event in events} == {kind, Recovered}
        assert {page.path for page in history.asked} == {f"market/{stem}candles", f"market/history-{stem}candles"}
        assert {page.args["limit"] for page in history.asked} == {"100"}


def at(year: int, month: int, *, hours: int = 0) -> int:
    return int(datetime.datetime(year, month, 1, tzinfo=datetime.UTC).timestamp() * 1000) + hours * HOUR


def test_months_are_fetched_by_the_calendar() -> None:
    for bar, hours, step in (("1M", -8, 1), ("1Mutc", 0, 1), ("3M", -8, 3), ("3Mutc", 0, 3)):
        opened = {n: at(2023 + n // 12, n % 12 + 1, hours=hours) for n in range(0, 43, step)}  # January 2023 to July 2026
        last = max(opened)
        rows = {ms: [str(ms), "1", "2", "0.5", "1.5", "3", "4", "5", "01"[n < last]] for n, ms in opened.items()}
        planner = BackfillPlanner(since=(opened[12] - 1) * MS)
        made = Candle.from_row(rows[opened[last]])
        made.channel, made.instrument, made.bar = f"candle{bar}", BTC, bar
        planner.feed([made], NOW)
        history = History(planner)
        history.candles = rows
        events = history.settle(3600)
        expected = [ms for n, ms in opened.items() if 12 <= n < last]
        assert [event.open_ms for event in events if isinstance(event, Candle)] == expected
        (news,) = [event for event in events if isinstance(event, Recovered)]
        assert (news.since, news.until) == (opened[12] * MS, opened[last] * MS)


@given(months=st.integers(0, 12 * 400), count=st.sampled_from([1, 3]), hours=st.sampled_from([-8, 0]))
def test_months_begin_where_the_calendar_says(months: int, count: int, hours: int) -> None:
    start = at(1900 + months // 12, months % 12 + 1, hours=hours)
    found = intervals(f"{count}M", start)
    assert found is not None
    slot = found.slot(start)
    assert (found.opening(slot), found.slot(start - 1)) == (start, slot - 1)
    later = months + count
    assert found.opening(slot + 1) == at(1900 + later // 12, later % 12 + 1, hours=hours)


def test_every_bar_has_spans() -> None:
    assert all(intervals(bar, 0) is not None for bar in BARS)
    assert intervals("", 0) is intervals("m", 0) is intervals("1x", 0) is None
    planner = BackfillPlanner(since=0)
    planner.feed([Candle(channel="sprd-candle1m", instrument=BTC, bar="1m", open_ms=1, open=1, high=1, low=1, close=1)], NOW)
    assert planner.is_idle


def rate(hours: int, following: int) -> FundingRate:
    due, after = OPEN + hours * HOUR, OPEN + following * HOUR
    return FundingRate(channel="funding-rate", instrument=BTC, funding_ms=due, next_funding_ms=after)


def test_settlements_that_no_push_told_are_fetched() -> None:
    planner = BackfillPlanner()
    planner.feed([rate(0, 8), rate(8, 16)], NOW)
    assert planner.is_idle
    planner.feed([rate(32, 40)], NOW)
    history = History(planner)
    history.settlements = [OPEN + n * HOUR for n in range(-800, 33, 8)]
    events = history.settle()
    rates = [event for event in events if isinstance(event, FundingRate)]
    assert [(e.funding_ms - OPEN) // HOUR for e in rates if e.funding_ms] == [8, 16, 24]
    assert all((e.rate, e.settled_rate, e.backfilled, e.channel) == (0.0001, 0.0002, True, "funding-rate") for e in rates)
    assert isinstance(events[-1], Recovered)
    assert events[-1].count == 3


def test_settlements_since_a_time_come_in_pages() -> None:
    planner = BackfillPlanner(since=(OPEN - 1000 * HOUR) * MS)
    planner.feed([rate(8, 16)], NOW)
    history = History(planner)
    history.settlements = [OPEN + n * HOUR for n in range(-8000, 9, 8)]
    empty = iter((True, False, True))
    history.spoil = lambda page, rows: [] if next(empty, False) else rows
    rates = [e for e in history.settle() if isinstance(e, FundingRate)]
    assert [(e.funding_ms - OPEN) // HOUR for e in rates if e.funding_ms] == list(range(-1000, 8, 8))


def test_settlements_out_of_reach_are_told() -> None:
    planner = BackfillPlanner()
    planner.feed([rate(0, 8), rate(16, 24)], NOW)
    history = History(planner)
    history.spoil = lambda page, rows: []
    (news,) = [event for event in history.settle() if isinstance(event, Unrecoverable)]
    assert (news.reason, news.since, news.until) == ("absent", OPEN * MS, (OPEN + 16 * HOUR) * MS)
