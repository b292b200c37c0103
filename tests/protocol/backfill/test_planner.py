"""BackfillPlanner: which pages of trades it asks for and when, and what it makes of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.history import BTC, MS, NOW, Error, gap, ids_of, lost, ms_of, single, subscribed, told, trade

from okex_ws.events import Disconnected, Event, Gap, Recovered, SingleTrade, Stale, Ticker, Trade, Unrecoverable, Unsubscribed
from okex_ws.protocol.backfill.missing import ERROR_TRIES, TRIES
from okex_ws.protocol.backfill.planner import IN_FLIGHT, BackfillPlanner, PageRequest
from okex_ws.protocol.pacing import SECOND

# -- trades: gaps ------------------------------------------------------------------------------------------------------------


def test_what_is_complete_passes_untouched_and_costs_no_request() -> None:
    planner, history = told()
    for events in ([trade(900)], [trade(903, 3), trade(904)], [Ticker(instrument=BTC, ts_ms=1)]):
        assert planner.feed(events, NOW) is events
    assert history.settle() == []
    assert planner.deadline() is None
    assert planner.is_idle


def test_a_gap_is_fetched_back_in_id_order_and_marked() -> None:
    _, history = told(trade(900), trade(906, 2), gap(901, 904))
    events = history.settle()
    assert [page.args for page in history.asked] == [{"instId": BTC, "type": "1", "after": "905", "limit": "100"}]
    assert ids_of(events) == [901, 902, 903, 904]
    assert all(isinstance(e, Trade) and e.backfilled and e.count == 1 and e.channel == "trades" for e in events[:-1])
    assert all(event.ts_recv == NOW for event in events[:-1])
    recovered = events[-1]
    assert isinstance(recovered, Recovered)
    assert (recovered.first_id, recovered.last_id, recovered.count) == (901, 904, 4)
    assert (recovered.since, recovered.until) == (ms_of(900) * MS, ms_of(906) * MS)


def test_a_wide_hole_comes_page_by_page_oldest_first() -> None:
    planner, history = told(trade(100), trade(1000), gap(101, 999))
    events = history.settle()
    assert ids_of(events) == list(range(101, 1000))
    assert [page.args["after"] for page in history.asked] == [str(n) for n in (*range(201, 1000, 100), 1000)]
    assert [event.count for event in events if isinstance(event, Recovered)] == [899]
    assert planner.is_idle


def test_a_hole_below_comes_before_the_one_that_is_being_filled() -> None:
    planner, history = told(trade(100), trade(1000), gap(600, 999))
    first = planner.next_page(NOW)
    assert first is not None
    planner.feed([gap(101, 110)], NOW)
    assert ids_of(history.answer(first)) == [], "asked for the upper one; the lower one goes first"
    assert ids_of(history.settle()) == [*range(101, 111), *range(600, 1000)]


def test_two_channels_of_one_instrument_are_each_filled_in_their_own_kind() -> None:
    _, history = told(trade(990, 5), single(990), trade(995, 2), single(995), gap(991, 993), gap(991, 994, channel="trades-all"))
    events = history.settle()
    assert [type(event) for event in events if hasattr(event, "trade_id")] == [Trade] * 3 + [SingleTrade] * 4
    assert sorted(ids_of(events)) == [991, 991, 992, 992, 993, 993, 994]


@pytest.mark.parametrize("spoilt", ["unsorted", "short", "overlapping", "twice", "another instrument"])
def test_pages_out_of_order_short_overlapping_or_doubled_lose_and_double_nothing(spoilt: str) -> None:
    _, history = told(trade(100), trade(1000), gap(101, 999))

    def spoil(page: PageRequest, rows: list[Any]) -> list[Any]:
        if spoilt == "unsorted":
            return rows[1::2] + rows[::2]
        if spoilt == "short":
            return rows[:30]
        if spoilt == "overlapping":
            again = PageRequest(0, page.path, {**page.args, "after": str(int(page.args["after"]) + 10)}, page.channel)
            return history.rows(again)
        if spoilt == "twice":
            return rows + rows
        return [{**row, "instId": "ETH-USDT", "tradeId": "105"} for row in rows[:3]] + rows

    history.spoil = spoil
    events = history.settle()
    assert ids_of(events) == list(range(101, 1000))
    assert lost(events) == []


def test_rows_that_cannot_be_read_count_as_an_error() -> None:
    _, history = told(trade(900), trade(902), gap(901, 901))
    history.spoil = lambda page, rows: [{**rows[0], "px": "NaN"}] if len(history.asked) < 3 else rows
    assert ids_of(history.settle()) == [901]
    assert len(history.asked) == 3


# -- trades: what cannot be had ----------------------------------------------------------------------------------------------


def test_rest_that_lags_behind_is_asked_again_ever_slower() -> None:
    _, history = told(trade(900), trade(902), gap(901, 901))
    behind = NOW + 5 * SECOND
    history.spoil = lambda page, rows: [row for row in rows if int(row["tradeId"]) < 901] if history.now < behind else rows
    assert ids_of(history.settle()) == [901]
    waits = [b - a for a, b in zip(history.instants, history.instants[1:], strict=False)]
    assert waits == sorted(waits)
    assert len(waits) < TRIES


def test_what_okx_does_not_have_any_more_is_an_exact_range() -> None:
    _, history = told(trade(100), trade(1000), gap(101, 999), ids=range(641, 1001))
    events = history.settle()
    assert lost(events) == [(101, 640, "expired")]
    assert ids_of(events) == list(range(641, 1000))
    news = events[0]
    assert isinstance(news, Unrecoverable)
    assert (news.since, news.until) == (ms_of(100) * MS, ms_of(641) * MS)


@pytest.mark.parametrize(("first", "oldest"), [(1, 999_000), (101, 102), (1, 500_000), (101, 5_000_000), (101, 4_999_999)])
def test_the_end_of_the_history_is_found_in_few_steps(first: int, oldest: int) -> None:
    last = 4_999_999
    _, history = told(trade(first - 1) if first > 1 else trade(1), trade(last + 1), gap(first, last), ids=())
    history.ids = range(oldest, last + 2)  # type: ignore[assignment]
    history.rows = lambda page: [  # type: ignore[method-assign]
        {"instId": BTC, "tradeId": str(n), "px": "1", "sz": "1", "side": "buy", "ts": str(ms_of(n))}
        for n in range(min(last + 2, int(page.args["after"])) - 1, max(oldest, int(page.args["after"]) - 100) - 1, -1)
    ]
    out: list[Event] = []
    while not lost(out) and len(history.asked) < 100:
        page = history.planner.next_page(history.now)
        if page is None:
            history.now = history.planner.deadline() or history.now
            continue
        out += history.answer(page)
    assert lost(out)[0][:2] == (first, min(oldest, last + 1) - 1)
    assert len(history.asked) < 60


def test_a_lie_on_the_way_to_the_end_of_the_history_loses_nothing() -> None:
    _, history = told(trade(100), trade(10_000), gap(101, 9_999), ids=range(5_123, 10_001))
    lies = iter(range(1000))
    history.spoil = lambda page, rows: [] if next(lies) in (6, 8, 10) else rows
    events = history.settle(3600)
    assert lost(events) == [(101, 5_122, "expired")]
    assert ids_of(events) == list(range(5_123, 10_000))


def test_ids_that_okx_does_not_list_among_its_neighbours_are_named() -> None:
    _, history = told(trade(900), trade(960), gap(901, 959), ids={*range(1, 1001)} - {903, 930, 931})
    events = history.settle()
    assert lost(events) == [(903, 903, "absent"), (930, 931, "absent")]
    assert ids_of(events) == [n for n in range(901, 960) if n not in (903, 930, 931)]
    assert [(e.first_id, e.last_id) for e in events if isinstance(e, Recovered)] == [(901, 902), (904, 929), (932, 959)]


def test_a_whole_stretch_that_is_not_listed_is_named_at_once() -> None:
    _, history = told(trade(100), trade(100_000), gap(101, 99_999), ids=[*range(1, 101), *range(99_990, 100_001)])
    events = history.settle()
    assert lost(events) == [(101, 99_989, "absent")]
    assert ids_of(events) == list(range(99_990, 100_000))


def test_empty_answers_for_good_end_after_a_bounded_number_of_tries() -> None:
    planner, history = told(trade(900), trade(910), gap(901, 909))
    history.spoil = lambda page, rows: []
    assert lost(history.settle()) == [(901, 909, "expired")]
    assert len(history.asked) == TRIES
    assert planner.is_idle


def test_errors_are_retried_within_bounds_and_the_hole_is_named_with_the_last_of_them() -> None:
    planner, history = told(trade(100), trade(900), gap(101, 899), gap(901, 901))
    failing = True

    def spoil(page: PageRequest, rows: list[Any]) -> list[Any]:
        if failing and len(history.asked) > 2:
            raise Error("50001")
        return rows

    history.spoil = spoil
    out: list[Event] = []
    while not lost(out):
        out += history.settle(1)
    assert lost(out) == [(301, 899, "unreachable")]
    assert ids_of(out) == list(range(101, 301))
    assert len([page for page in history.asked if page.args["after"] != "902"]) == 2 + ERROR_TRIES
    assert 60 * SECOND < history.now - NOW < 180 * SECOND
    assert [event.detail for event in out if isinstance(event, Unrecoverable)] == ["trouble"]
    failing = False
    assert ids_of(history.settle()) == [901], "the next hole has tries of its own"
    assert planner.is_idle


def test_a_refusal_is_not_tried_again() -> None:
    _, history = told(trade(900), trade(910), gap(901, 909))

    def spoil(page: PageRequest, rows: list[Any]) -> list[Any]:
        raise Error("51001")

    history.spoil = spoil
    assert lost(history.settle()) == [(901, 909, "refused")]
    assert len(history.asked) == 1


def test_stopping_says_what_was_still_missing_and_later_answers_are_ignored() -> None:
    planner, history = told(trade(100), trade(900), gap(101, 250), gap(300, 310))
    page = planner.next_page(NOW)
    assert page is not None
    assert ids_of(history.answer(page)) == list(range(101, 201))
    page = planner.next_page(NOW)
    assert page is not None
    assert lost(planner.stop(NOW)) == [(201, 250, "stopped"), (300, 310, "stopped")]
    assert history.answer(page) == []


def test_a_new_numbering_ends_the_old_holes() -> None:
    planner, history = told(trade(900), trade(950), gap(901, 949))
    events = planner.feed([gap(None, None), trade(7)], NOW)
    assert lost(events) == [(901, 949, "id-reset"), (None, None, "id-reset")]
    assert isinstance(events[0], Gap)
    planner.feed([trade(9), gap(8, 8)], NOW)
    assert ids_of(history.settle()) == [8]


# -- trades: once only -------------------------------------------------------------------------------------------------------


def test_a_late_push_that_comes_while_its_page_is_in_flight_is_delivered_once() -> None:
    planner, history = told(trade(900), trade(910), gap(901, 909))
    page = planner.next_page(NOW)
    assert page is not None
    late = [trade(905, 3)]
    assert planner.feed(late, NOW) is late
    events = history.answer(page)
    assert ids_of(events) == [901, 902, 906, 907, 908, 909]
    assert [(e.first_id, e.last_id) for e in events if isinstance(e, Recovered)] == [(901, 902), (906, 909)]


def test_a_late_push_that_fills_the_whole_hole_leaves_nothing_to_deliver() -> None:
    planner, history = told(trade(900), trade(910), gap(901, 909))
    page = planner.next_page(NOW)
    assert page is not None
    planner.feed([trade(909, 9)], NOW)
    assert history.answer(page) == []
    assert planner.is_idle


def test_a_push_that_comes_after_rest_gave_it_is_held_back() -> None:
    planner, history = told(trade(900), trade(910), gap(901, 909))
    history.settle()
    assert planner.feed([trade(911), trade(905, 3), trade(912)], NOW) == [trade(911), trade(912)]
    assert planner.duplicates == 1


def test_of_an_aggregate_that_rest_gave_in_part_the_rest_is_fetched() -> None:
    planner, history = told(subscribed(), trade(900), subscribed(), ids=range(1, 904))
    history.now = NOW + 3 * SECOND
    assert ids_of(history.settle()) == [901, 902, 903], "REST shows the first three matches of a sweep"
    assert planner.feed([trade(906, 6)], NOW) == []
    history.ids = list(range(1, 907))
    assert ids_of(history.settle()) == [904, 905, 906]
    assert planner.feed([trade(907)], NOW) == [trade(907)]


def test_the_chains_verdict_on_what_rest_already_gave_is_not_fetched_again() -> None:
    planner, history = told(subscribed(), trade(900), subscribed(), ids=range(1, 951))
    history.now = NOW + 3 * SECOND
    assert ids_of(history.settle()) == list(range(901, 951))
    asked = len(history.asked)
    planner.feed([trade(960, 2), gap(901, 958)], NOW)
    history.ids = list(range(1, 961))
    assert ids_of(history.settle()) == list(range(951, 959))
    assert len(history.asked) == asked + 1


# -- trades: tails and beginnings --------------------------------------------------------------------------------------------


def test_a_quiet_market_is_checked_once_after_a_subscription_begins_anew() -> None:
    planner, history = told(subscribed(), trade(995), subscribed())
    events = history.settle()
    assert [page.path for page in history.asked] == ["market/trades", "market/history-trades"]
    assert history.asked[0].args == {"instId": BTC, "limit": "1"}
    assert ids_of(events) == list(range(996, 1001))
    assert history.instants[0] >= NOW + 2 * SECOND, "the stream may say it first"
    assert planner.is_idle


def test_nothing_missed_at_the_tail_costs_one_request() -> None:
    planner, history = told(subscribed(), trade(1000), subscribed())
    assert history.settle() == []
    assert len(history.asked) == 1
    assert planner.is_idle


def test_a_push_spares_the_check() -> None:
    planner, history = told(subscribed(), trade(995), subscribed(), trade(996))
    assert history.settle() == []
    assert history.asked == []
    assert planner.is_idle


def test_pushes_of_a_predecessor_do_not_spare_the_check_of_its_successor() -> None:
    gone = Disconnected(line="", handed_over=True)
    _, history = told(subscribed(), trade(995), subscribed(), trade(996), gone)
    assert ids_of(history.settle()) == [997, 998, 999, 1000]


def test_a_silent_subscription_is_checked_at_once() -> None:
    _, history = told(trade(995), Stale(channel="trades", key=BTC, cause="silence"))
    assert ids_of(history.settle(0)) == [996, 997, 998, 999, 1000]


def test_a_tail_that_cannot_be_told_is_asked_for_until_it_can() -> None:
    planner, history = told(subscribed(), trade(995), subscribed())

    def spoil(page: PageRequest, rows: list[Any]) -> list[Any]:
        if len(history.asked) % 2:
            raise Error("50001")
        return []

    history.spoil = spoil
    assert history.settle(600) == []
    waits = [b - a for a, b in zip(history.instants, history.instants[1:], strict=False)]
    assert waits[:6] == sorted(waits[:6])
    assert set(waits[-10:]) == {22_500_000_000}, "half a minute at most, half of it by chance"
    history.spoil = lambda page, rows: rows
    assert ids_of(history.settle()) == [996, 997, 998, 999, 1000]
    assert planner.is_idle


def test_a_tail_that_was_never_told_is_a_range_without_an_end() -> None:
    planner, history = told(subscribed(), trade(995), subscribed())
    history.spoil = lambda page, rows: []
    history.settle(30)
    assert lost(planner.stop(history.now)) == [(996, None, "stopped")]
    planner, history = told(subscribed(), trade(995), subscribed())

    def spoil(page: PageRequest, rows: list[Any]) -> list[Any]:
        raise Error("51001")

    history.spoil = spoil
    assert lost(history.settle()) == [(996, None, "refused")]
    assert planner.is_idle


def test_a_market_without_a_trade_is_left_alone() -> None:
    planner, history = told(subscribed(), ids=())
    assert history.settle() == []
    assert len(history.asked) == TRIES
    assert planner.is_idle


def test_a_chain_that_began_anew_does_not_hide_what_lies_between() -> None:
    planner, history = told(subscribed(), trade(900), subscribed(), trade(910, 2))
    assert ids_of(history.settle()) == list(range(901, 909))
    planner.feed([Unsubscribed(channel="trades", key=BTC), subscribed(), trade(950)], NOW)
    assert history.settle() == [], "what happened after it was let go is not wanted"


def test_before_the_first_push_nothing_is_wanted_unless_asked_for() -> None:
    planner, history = told(subscribed())
    assert history.settle() == [], "the check only finds out where the market stands"
    assert len(history.asked) == 1
    planner.feed([trade(1003)], NOW)
    history.ids = list(range(1, 1004))
    assert ids_of(history.settle()) == [1001, 1002], "from then on all is wanted, though the chain knows of nothing"


def test_since_a_time_everything_up_to_the_first_push_is_fetched() -> None:
    _, history = told(subscribed(), trade(1000, 4), since=ms_of(640) * MS)
    events = history.settle()
    assert history.asked[0].args == {"instId": BTC, "type": "2", "after": str(ms_of(640)), "limit": "100"}
    assert ids_of(events) == list(range(640, 997))
    assert lost(events) == []


def test_since_a_time_in_a_quiet_market_goes_up_to_its_newest_trade() -> None:
    planner, history = told(subscribed(), since=ms_of(900) * MS)
    assert ids_of(history.settle()) == list(range(900, 1001))
    history.ids = list(range(1, 1011))
    planner.feed([trade(1010)], NOW)
    assert ids_of(history.settle()) == list(range(1001, 1010)), "the chain has no word on it: it began with this push"


def test_since_a_time_between_two_trades_begins_with_the_later_one() -> None:
    _, history = told(subscribed(), trade(1000), since=(ms_of(990) + 1) * MS)
    assert ids_of(history.settle()) == list(range(991, 1000))


def test_since_a_time_older_than_the_history_says_so() -> None:
    since = ms_of(100) * MS
    _, history = told(subscribed(), trade(1000), since=since, ids=range(700, 1001))
    events = history.settle()
    assert lost(events) == [(None, 699, "expired")]
    assert (events[0].since, events[0].until) == (since, ms_of(700) * MS)  # type: ignore[attr-defined]
    assert ids_of(events) == list(range(700, 1000))


def test_since_a_time_with_rest_out_of_reach_names_what_is_not_known() -> None:
    since = ms_of(100) * MS
    planner, history = told(subscribed(), trade(1000), since=since)

    def spoil(page: PageRequest, rows: list[Any]) -> list[Any]:
        raise Error("")

    history.spoil = spoil
    assert lost(history.settle()) == [(None, 999, "unreachable")]
    assert planner.is_idle
    planner, history = told(subscribed(), trade(1000), since=since)
    assert lost(planner.stop(NOW)) == [(None, 999, "stopped")]


def test_pushes_that_come_while_the_beginning_is_sought_are_not_fetched() -> None:
    for answered in (True, False):
        planner, history = told(subscribed(), since=ms_of(990) * MS)
        history.now = NOW + 3 * SECOND
        page = planner.next_page(history.now)
        assert page is not None
        assert page.path == "market/trades"
        history.answer(page)  # the newest is 1000, pushes are late
        assert planner.feed([trade(997, 2), trade(1000)], NOW) == [trade(997, 2), trade(1000)]
        if answered:
            assert ids_of(history.settle()) == [*range(990, 996), 998, 999]
        else:
            assert lost(planner.stop(NOW)) == [(None, 995, "stopped"), (998, 999, "stopped")]


def test_answers_that_lie_about_the_beginning_are_found_out() -> None:
    _, history = told(subscribed(), trade(1000), since=ms_of(640) * MS)
    history.spoil = lambda page, rows: [] if page.args["type"] == "2" else rows
    events = history.settle(3600)
    assert ids_of(events) == list(range(640, 1000))
    assert lost(events) == []


# -- pacing ------------------------------------------------------------------------------------------------------------------


def test_limits_hold_over_all_instruments_and_each_gets_its_turn() -> None:
    names = [f"C{n}-USDT" for n in range(40)]
    _, history = told(*(trade(100, instrument=name) for name in names), *(gap(101, 600, name) for name in names))
    events = history.settle()
    assert len(history.asked) == 40 * 5
    assert all(b - a >= 2 * SECOND for a, b in zip(history.instants, history.instants[20:], strict=False))
    assert history.instants[-1] - NOW < 25 * SECOND, "and they are made use of"
    assert {page.args["instId"] for page in history.asked[:40]} == set(names)
    for name in names:
        assert [e.trade_id for e in events if isinstance(e, Trade) and e.instrument == name] == list(range(101, 601))


def test_only_so_many_pages_are_in_flight_and_one_of_a_subscription() -> None:
    names = [f"C{n}-USDT" for n in range(6)]
    planner, _ = told(*(trade(100, instrument=name) for name in names), *(gap(101, 600, name) for name in names))
    pages = [planner.next_page(NOW) for _ in range(6)]
    assert [page.args["instId"] for page in pages if page] == names[:IN_FLIGHT]
    assert planner.deadline() is None, "an answer has to come first"


def test_too_many_requests_hold_up_all_of_that_kind() -> None:
    planner, history = told(trade(100), trade(100, instrument="X"), gap(101, 110), gap(101, 110, "X"))
    page = planner.next_page(NOW)
    assert page is not None
    planner.failed(page.number, NOW, code="50011")
    assert planner.next_page(NOW) is None
    assert planner.deadline() is not None
    assert planner.deadline() >= NOW + SECOND  # type: ignore[operator]
    assert len(ids_of(history.settle())) == 20


def test_a_million_missing_trades_are_two_numbers() -> None:
    planner, _ = told(trade(100), trade(1_000_101), gap(101, 1_000_100))
    missed: Any = planner._missed["trades", BTC]
    assert list(missed.holes) == [(101, 1_000_100)]


def test_holes_beyond_number_let_the_oldest_go_and_say_so() -> None:
    planner = BackfillPlanner()
    out = planner.feed([trade(1), *(gap(n, n) for n in range(10, 10 + 2 * 4_100, 2))], NOW)
    assert lost(out) == [(n, n, "overflow") for n in (10, 12, 14, 16)]


def test_channels_that_cannot_be_fetched_back_are_refused_or_left_alone() -> None:
    with pytest.raises(ValueError, match="'books' cannot be fetched back"):
        BackfillPlanner(channels=["books"])
    planner = BackfillPlanner(channels=["candle"])
    planner.feed([trade(1), trade(5), gap(2, 4), subscribed("books")], NOW)
    assert planner.is_idle
