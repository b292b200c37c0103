"""Account: built from pushes in any order, read again after interruptions, LIVE only when it is complete."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.own_account import (
    MS0,
    PLACES,
    SECOND,
    T0,
    D,
    Rest,
    at,
    balance,
    down,
    feed,
    fill,
    live,
    live_at,
    order,
    position,
    pushed,
    qualities,
    state_of,
    up,
)
from tests.support.paths import CORPORA

from okex_ws.events import (
    AccountQuality,
    Disconnected,
    Event,
    Malformed,
    OrderResolved,
    Refused,
    Subscribed,
    Trade,
    Unsubscribed,
    Verdict,
)
from okex_ws.market.account import LIST_EVERY, Account, Quality
from okex_ws.market.own_orders import OwnOrders
from okex_ws.wire.frames import PushFrame, decode

CORPUS = CORPORA / "tradebot-private-2026.jsonl"


# -- quality ---------------------------------------------------------------------------------------


def test_an_account_is_live_only_when_every_channel_runs_and_everything_was_read() -> None:
    account, rest = Account(), Rest()
    assert (account.quality, account.is_live) == (Quality.STALE, False)
    assert up(account, 0, *PLACES[:2]) == []
    assert account.fetches == []
    events = up(account, 1, PLACES[2])
    assert qualities(events) == ["RECONCILING"]
    assert [fetch.path for fetch in account.fetches] == [
        "account/balance",
        "account/positions",
        "trade/orders-pending",
        "trade/fills",
    ]
    for path in ("balance", "positions", "pending"):
        assert rest.answer(account, 2, only=path) == []
    events = rest.answer(account, 3)
    assert qualities(events) == ["LIVE"]
    assert events[0].ts_recv == at(3)
    assert account.balances["USDT"].cash == D(100)
    assert account.apply(Trade(instrument="BTC-USDT", trade_id=1, price=1, size=1, side="buy", ts_ms=1)) == []


@pytest.mark.parametrize(
    "lost",
    [
        Disconnected(ts_recv=at(5), reason="reset", channels=(("orders", "ANY"),), retry_s=1.0),
        Disconnected(ts_recv=at(5), reason="key deleted", channels=PLACES, fatal=True),
        Refused(ts_recv=at(5), channel="positions", key="ANY", code="60018"),
        Refused(ts_recv=at(5), channel="orders", key="ANY", code="channel-conn-count-error"),
        Unsubscribed(ts_recv=at(5), channel="account", key=""),
    ],
)
def test_the_end_of_any_channel_makes_the_account_stale(lost: Event) -> None:
    account, rest = live()
    events = account.apply(lost)
    assert qualities(events) == ["STALE"]
    assert account.apply(lost) == [], "reported once"
    assert account.fetches == []
    for place in PLACES:
        up(account, 6, place)
    rest.answer(account, 7)
    assert account.is_live, "all of it runs again"


def test_unrelated_events_change_nothing() -> None:
    account, _ = live()
    for event in (
        Disconnected(ts_recv=at(5), channels=(("trades", "BTC-USDT"),), retry_s=1.0),
        Disconnected(ts_recv=at(5), channels=PLACES, handed_over=True),
        Refused(ts_recv=at(5), channel="orders", key="ANY", will_retry=True),
        Refused(ts_recv=at(5), channel="trades", key="X"),
        Malformed(ts_recv=at(5), channel="trades", key="BTC-USDT"),
        Unsubscribed(ts_recv=at(5), channel="trades", key="X"),
        Subscribed(ts_recv=at(5), channel="orders", key="ANY"),
    ):
        assert account.apply(event) == []
    assert account.is_live


def test_an_unreadable_push_makes_the_account_reconcile() -> None:
    account, rest = live()
    assert qualities(account.apply(Malformed(ts_recv=at(5), channel="orders", key="ANY"))) == ["RECONCILING"]
    assert qualities(rest.answer(account, 6)) == ["LIVE"]


def test_answers_from_before_an_interruption_are_ignored() -> None:
    account, rest = Account(), Rest()
    up(account)
    old = list(account.fetches)
    assert qualities(down(account, 1)) == ["STALE"]
    for fetch in old:
        assert account.fetched(fetch, [], at(2)) == []
    assert account.quality is Quality.STALE
    up(account, 3)
    assert account.quality is Quality.RECONCILING
    assert qualities(rest.answer(account, 4)) == ["LIVE"]


def test_failed_reads_are_repeated_with_growing_pauses_and_the_reason_is_reported() -> None:
    account, rest = Account(), Rest()
    up(account)
    rest.answer(account, 0, only="account")
    rest.answer(account, 0, only="fills")
    events: list[Event] = []
    waits = []
    now = at(0)
    for _ in range(8):
        (fetch,) = account.fetches
        account.fetches.clear()
        events += account.fetched(fetch, None, now, "50120")
        assert account.next_deadline is not None
        waits.append((account.next_deadline - now) / SECOND)
        now = account.next_deadline
        account.on_deadline(now)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [(event.quality, "50120" in event.reason) for event in events] == [("RECONCILING", True)]  # type: ignore[attr-defined]
    (fetch,) = account.fetches
    account.fetches.clear()
    account.fetched(fetch, [{"nonsense": 1}], now)
    account.on_deadline(account.next_deadline or 0)
    assert qualities(rest.answer(account, 300)) == ["LIVE"]


# -- orders ----------------------------------------------------------------------------------------


def test_F8_a_repeated_push_counts_once_and_two_changes_of_one_millisecond_count_twice() -> None:
    account, _ = live()
    feed(account, pushed("orders", order(slTriggerPx="50000")), pushed("orders", order(slTriggerPx="50000", updated=9)))
    assert (len(account.orders), account.orders.repeats) == (1, 1)
    feed(account, pushed("orders", order(slTriggerPx="51000")))
    assert account.orders.open["1"].stop_loss_trigger_price == D(51000), "another content, though uTime is that of the first"
    feed(account, pushed("orders", order(slTriggerPx="50000")))
    assert account.orders.open["1"].stop_loss_trigger_price == D(51000)


def test_F8_a_late_repetition_of_the_first_state_does_not_undo_an_amendment() -> None:
    account, _ = live()
    amended = {"px": "61000", "reqId": "r1", "amendSource": "1", "amendResult": "0"}
    feed(account, pushed("orders", order()), pushed("orders", order(updated=2, **amended)), pushed("orders", order(updated=3)))
    assert account.orders.open["1"].price == D(61000)
    feed(account, pushed("orders", order(updated=4, px="60000", reqId="r2", amendSource="1", amendResult="0")))
    assert account.orders.open["1"].price == D(60000), "amended back on purpose"
    feed(account, pushed("orders", order(updated=9, **amended)))
    assert account.orders.open["1"].price == D(60000), "one result per request"


def test_a_filled_size_only_grows_and_a_final_state_stays_final() -> None:
    account, _ = live()
    feed(
        account,
        pushed("orders", fill(11, total="2", updated=5)),
        pushed("orders", fill(10, total="1", updated=4)),
        pushed("orders", order(updated=9)),
    )
    assert account.orders.open["1"].filled_size == D(2)
    assert len(account.fills) == 2
    feed(account, pushed("orders", order(state="canceled", filled="2", updated=6, cancelSource="1")))
    feed(account, pushed("orders", order(updated=20)), pushed("orders", order(state="canceled", filled="2", updated=30)))
    assert account.orders.open == {}
    done = account.orders.finished["1"]
    assert (done.state, done.filled_size, done.cancel_source) == ("canceled", D(2), "1")
    feed(account, pushed("orders", fill(12, total="3", updated=7)))
    done = account.orders.finished["1"]
    assert (done.state, done.filled_size) == ("canceled", D(3)), "it was executed more than its end said"


def test_of_two_final_states_the_one_with_more_fills_counts() -> None:
    ends = [order(state="canceled", filled="1", updated=5), order(state="filled", filled="3", updated=4)]
    for story in itertools.permutations(ends):
        account, _ = live()
        feed(account, *(pushed("orders", row) for row in story))
        assert account.orders.finished["1"].filled_size == D(3)


def test_an_older_push_of_an_open_position_changes_nothing() -> None:
    account, _ = live()
    feed(account, pushed("positions", position("3", 5)), pushed("positions", position("9", 4)))
    assert account.position("BTC-USDT-SWAP") == D(3)


def test_a_channel_unsubscribed_under_one_key_that_runs_under_another_is_live_again() -> None:
    account, rest = live()
    up(account, 4, ("orders", "SPOT"))
    events = account.apply(Unsubscribed(ts_recv=at(5), channel="orders", key="SPOT"))
    assert qualities(events) == ["STALE", "RECONCILING"]
    rest.answer(account, 6)
    assert account.is_live


def test_after_a_hand_over_everything_is_read_because_a_late_push_may_be_lost() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=5))
    assert account.apply(Disconnected(ts_recv=at(6), line="private/0", reason="handed over", handed_over=True)) == []
    rest.orders["1"] = order(state="canceled", updated=2)
    rest.answer(account, 6.1)
    assert (account.orders.finished["1"].state, account.is_live) == ("canceled", True)


def test_every_subscription_of_a_channel_must_run_again() -> None:
    account, rest = live()
    down(account, 5, ("orders", "SPOT"), *PLACES)
    up(account, 6)
    assert account.quality is Quality.STALE
    assert qualities(up(account, 7, ("orders", "SPOT"))) == ["RECONCILING"]
    rest.answer(account, 8)
    assert account.is_live


def test_a_fill_counts_once_over_all_channels_and_repetitions() -> None:
    account, _ = live()
    quick = {
        "instId": "BTC-USDT",
        "fillSz": "1",
        "fillPx": "60000",
        "side": "buy",
        "ts": str(MS0),
        "ordId": "1",
        "clOrdId": "0",
        "tradeId": "10",
        "execType": "T",
        "count": "1",
    }
    feed(account, pushed("orders", order()), pushed("fills", quick))
    assert account.fills["BTC-USDT", 10].fee is None
    assert account.fills["BTC-USDT", 10].client_order_id == "c1"
    feed(account, pushed("orders", fill(10, total="1", updated=2)), pushed("orders", fill(10, total="1", updated=8)))
    feed(account, pushed("fills", {**quick, "tradeId": "12", "count": "2", "fillSz": "2"}))
    assert [made.trade_id for made in account.fills.values()] == [10], "`orders` pushes the two matches one by one"
    assert account.fills["BTC-USDT", 10].fee == D("-0.1")
    assert account.orders.missing("1") == 0


def test_the_last_push_of_a_spot_market_order_is_not_a_fill() -> None:
    account, _ = live()
    market = {"ordType": "market", "px": "", "sz": "180000", "tgtCcy": "quote_ccy"}
    feed(account, pushed("orders", fill(10, "3", total="3", updated=2, **market)))
    feed(account, pushed("orders", order(state="filled", filled="3", updated=3, **market)))
    assert account.orders.finished["1"].state == "filled"
    assert len(account.fills) == 1


def test_a_reused_client_order_id_names_the_latest_order() -> None:
    account, _ = live()
    feed(account, pushed("orders", order("1", state="filled", filled="3")))
    feed(account, pushed("orders", order("2", clOrdId="c1", cTime=str(MS0 + 5))))
    found = account.orders.get(client_order_id="c1")
    assert found is not None
    assert found.order_id == "2"
    feed(account, pushed("orders", order("3", clOrdId="c1", cTime=str(MS0 + 1))))
    assert account.orders.get(client_order_id="c1") == found
    assert account.orders.get(client_order_id="c9") is account.orders.get("9") is None


def test_finished_orders_and_fills_are_bounded_and_dropped_ones_are_counted() -> None:
    account = Account(keep_orders=3, keep_fills=4)
    for n in range(10):
        feed(account, pushed("orders", fill(100 + n, "3", total="3", updated=n, state="filled", ordId=str(n), clOrdId=f"c{n}")))
    assert list(account.orders.finished) == ["7", "8", "9"]
    assert account.orders.forgotten_orders == 7
    assert [trade for _, trade in account.fills] == [106, 107, 108, 109]
    assert account.orders.forgotten_fills == 6
    assert account.orders.get(client_order_id="c0") is None
    sizes = {name: len(value) for name, value in vars(account.orders).items() if isinstance(value, dict)}
    assert all(size <= 4 for size in sizes.values()), sizes
    busy = OwnOrders()
    for n in range(500):
        (update,) = pushed("orders", order(px=str(60000 + n), updated=n))
        busy.apply(update)  # type: ignore[arg-type]
    assert len(busy._variants["1"]) == 64


# -- missed pushes ---------------------------------------------------------------------------------


def executed(trade: int, size: str = "1", bill: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "tradeId": str(trade),
        "ordId": "1",
        "clOrdId": "c1",
        "billId": str(bill or trade),
        "fillPx": "60000",
        "fillSz": size,
        "side": "buy",
        "execType": "T",
        "feeCcy": "USDT",
        "fee": "-0.1",
        "ts": str(MS0 + trade),
        **more,
    }


def test_F9_missing_fills_are_fetched_after_the_grace_period() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=5), pushed("orders", fill(12, total="3", updated=4, state="filled"), now=5))
    assert account.fetches == [], "one that was overtaken may still come"
    feed(account, pushed("orders", fill(10, total="1", updated=2), now=5.5))
    assert account.orders.missing("1") == D(1)
    assert account.next_deadline == at(6)
    account.on_deadline(at(6))
    rest.fills = [executed(12), executed(11), executed(10)]
    rest.answer(account, 6.1)
    assert [fetch.path for fetch in rest.fetched] == ["trade/fills"]
    assert sorted(trade for _, trade in account.fills) == [10, 11, 12]
    assert account.orders.missing("1") == 0
    assert account.unaccounted == set()
    assert account.is_live


def test_F9_fills_in_neither_list_leave_the_order_unaccounted() -> None:
    for archived, left in ((True, set()), (False, {"1"})):
        account, rest = live()
        feed(account, pushed("orders", fill(12, total="2", updated=4), now=5))
        account.on_deadline(at(6))
        rest.fills = [executed(11, archived=True)] if archived else []
        rest.answer(account, 6.1)
        assert [fetch.path for fetch in rest.fetched] == ["trade/fills", "trade/fills-history"]
        assert rest.fetched[1].query["instType"] == "SPOT"
        assert account.unaccounted == left
        assert account.next_deadline == at(3) + LIST_EVERY, "it is not read for ever"


def test_a_fill_without_an_order_push_makes_the_account_read_the_order() -> None:
    account, rest = live()
    quick = {
        "instId": "BTC-USDT",
        "fillSz": "3",
        "fillPx": "60000",
        "side": "buy",
        "ts": str(MS0),
        "ordId": "1",
        "clOrdId": "0",
        "tradeId": "10",
        "execType": "T",
        "count": "1",
    }
    feed(account, pushed("orders", order(), now=5), pushed("fills", quick, now=5))
    rest.orders["1"] = order(state="filled", filled="3", updated=3)
    account.on_deadline(at(6))
    rest.answer(account, 6)
    assert account.orders.finished["1"].filled_size == D(3)
    assert account.unaccounted == set()


def test_an_accepted_cancel_or_amendment_without_a_push_makes_the_account_read_the_order() -> None:
    for kind, row in (("cancel", order(state="canceled", updated=5)), ("amend", order(px="61000", updated=5))):
        account, rest = live()
        feed(account, pushed("orders", order(), order("2"), now=5))
        for order_id in ("", "2"):
            resolved = OrderResolved(
                ts_recv=at(6), kind=kind, verdict=Verdict.CONFIRMED, order_id=order_id, client_order_id="" if order_id else "c1"
            )
            assert account.apply(resolved) == []
        feed(account, pushed("orders", {**row, "ordId": "2", "clOrdId": "c2"}, now=6.1))
        assert account.next_deadline == at(8)
        rest.orders["1"] = row
        account.on_deadline(at(8))
        rest.answer(account, 8)
        assert [(fetch.path, fetch.query["ordId"]) for fetch in rest.fetched] == [("trade/order", "1")]
        known = account.orders.get("1")
        assert known is not None
        assert (known.state, known.price) == (("canceled", D(60000)) if kind == "cancel" else ("live", D(61000)))
        assert account.next_deadline == at(3) + LIST_EVERY


def executions(*trades: int, now: float) -> list[Event]:
    rows = [{"instId": "BTC-USDT", "tradeId": str(trade)} for trade in trades]
    return pushed("balance_and_position", {"pTime": str(MS0), "eventType": "filled", "balData": [], "trades": rows}, now=now)


def test_a_trade_in_a_balance_without_an_order_push_makes_the_account_reconcile() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=5), executions(10, 11, now=5))
    for trade in (10, 11):
        feed(account, pushed("orders", fill(trade, total=str(trade - 9), updated=trade), now=5.5))
    assert account.on_deadline(at(6)) == []
    feed(account, executions(12, now=7))
    (events,) = account.on_deadline(at(8))
    assert isinstance(events, AccountQuality)
    assert (events.quality, events.reason) == (
        "RECONCILING",
        "trade 12 of BTC-USDT changed a balance without an order push",
    )
    rest.orders["1"], rest.fills = order(state="filled", filled="3", updated=20), [executed(12), executed(11), executed(10)]
    assert qualities(rest.answer(account, 8)) == ["LIVE"]
    assert account.orders.finished["1"].filled_size == D(3)
    assert sorted(trade for _, trade in account.fills) == [10, 11, 12]


def test_trades_that_never_get_an_order_push_do_not_keep_the_account_reconciling() -> None:
    account, rest = live()
    times = []
    for second in range(5, 65):
        feed(account, executions(second, now=second))
        if account.next_deadline is not None and account.next_deadline <= at(second):
            times += [second] * len(qualities(account.on_deadline(at(second))))
        rest.answer(account, second)
        assert account.is_live
    assert times == [6, 36]


def test_the_list_of_open_orders_is_read_at_intervals() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), order("2"), now=5))
    rest.pending, rest.orders["1"] = [order("2")], order(state="canceled", updated=5)
    for look in (1, 2):
        assert account.next_deadline == at(3) + look * LIST_EVERY
        assert account.on_deadline(account.next_deadline) == []
        rest.answer(account, 3 + look * LIST_EVERY / SECOND)
    assert [fetch.path for fetch in rest.fetched] == ["trade/orders-pending", "trade/order", "trade/orders-pending"]
    assert (list(account.orders.open), account.orders.finished["1"].state, account.is_live) == (["2"], "canceled", True)


# -- reconciling -----------------------------------------------------------------------------------


def test_a_failing_list_of_spread_orders_does_not_keep_the_account_from_live() -> None:
    account, rest = live()
    spread = {"sprdId": "A_B", "ordId": "7", "clOrdId": "s7", "state": "live", "side": "buy", "uTime": str(MS0)}
    feed(account, [Subscribed(ts_recv=at(5), channel="sprd-orders", key="")])
    (fetch,) = account.fetches
    account.fetches.clear()
    account.fetched(fetch, [spread], at(5))
    assert account.spreads.open.keys() == {"7"}
    down(account, 10)
    up(account, 20)
    (fetch,) = [fetch for fetch in account.fetches if fetch.path == "sprd/orders-pending"]
    account.fetches.remove(fetch)
    rest.answer(account, 20)
    assert account.is_live
    account.fetched(fetch, None, at(21), "50120")
    assert account.is_live
    assert account.spreads.open.keys() == {"7"}, "what was last known"


def test_changes_during_a_disconnect_are_found() -> None:
    account, rest = live()
    feed(
        account,
        pushed("orders", *(order(str(n), px=str(n)) for n in range(1, 6)), now=3),
        pushed("positions", position("3"), position("5", position_id="2", instId="ETH-USDT-SWAP"), now=3),
        pushed("account", {"uTime": str(MS0 + 1), "details": [balance(), balance("BTC", "1")]}, now=3, eventType="event_update"),
    )
    down(account, 10)
    assert account.orders.open.keys() == {"1", "2", "3", "4", "5"}, "what is known is kept, and not called LIVE"
    up(account, 20)
    rest.pending = [order("6", updated=8), order("2", px="2"), order("1", px="7", updated=9)]
    rest.orders = {
        "3": order("3", state="filled", filled="3", updated=9),
        "4": order("4", state="canceled", updated=9),
    }
    rest.fills = [executed(30, "3", ordId="3")]
    rest.positions = [position("2", updated=9)]
    rest.balances = [balance("USDT", "250", updated=9)]
    rest.answer(account, 20)
    assert account.quality is Quality.RECONCILING, "5 is neither open nor to be found, which is asked again and again"
    live_at(account, rest)
    assert account.is_live
    assert {key: row.price for key, row in account.orders.open.items()} == {"1": D(7), "2": D(2), "6": D(60000)}
    assert {key: row.state for key, row in account.orders.finished.items()} == {"3": "filled", "4": "canceled", "5": "canceled"}
    assert [(row.position_id, row.size) for row in account.positions] == [("1", D(2))]
    assert account.position("BTC-USDT-SWAP") == D(2)
    assert {name: row.cash for name, row in account.balances.items()} == {"USDT": D(250)}
    assert account.fills["BTC-USDT", 30].size == D(3)
    looked_up = sorted(fetch.query["ordId"] for fetch in rest.fetched if fetch.path == "trade/order")
    assert looked_up == ["3", "4", *["5"] * 6]


def test_F4_an_order_that_okx_does_not_show_for_a_while_stays_open() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=9))
    down(account, 10)
    up(account, 20)
    rest.answer(account, 20)
    for _ in range(5):
        assert account.next_deadline is not None
        now = (account.next_deadline - at(0)) / SECOND
        account.on_deadline(account.next_deadline)
        rest.pending = [order()] if now >= 23 else []  # the order by itself is still hidden
        rest.answer(account, now)
    assert account.orders.open["1"].state == "live"
    live_at(account, rest)
    assert (account.orders.open["1"].state, account.is_live) == ("live", True)


def test_F4_fills_decide_how_an_order_ended_that_okx_no_longer_shows() -> None:
    for size, ended in (("3", ("filled", D(3))), ("2", ("canceled", D(2)))):
        account, rest = live()
        feed(account, pushed("orders", order(), now=5))
        down(account, 6)
        rest.fills = [executed(10, size)]
        up(account, 20)
        rest.answer(account, 20)
        live_at(account, rest)
        gone = account.orders.finished["1"]
        assert ((gone.state, gone.filled_size), account.is_live) == (ended, True)
        assert (account.orders.missing("1"), account.unaccounted) == (0, set())


def test_F4_a_new_order_that_okx_does_not_show_at_first_is_found_by_the_second_list() -> None:
    account, rest = Account(), Rest()
    up(account, 20)
    rest.answer(account, 20)
    assert (account.is_live, len(account.orders)) == (True, 0)
    rest.pending = [order()]
    assert account.next_deadline == at(23)
    account.on_deadline(at(23))
    rest.answer(account, 23)
    assert (account.orders.open.keys(), account.next_deadline) == ({"1"}, at(23) + LIST_EVERY)


def test_an_update_of_an_order_after_a_miss_outweighs_the_miss() -> None:
    account, _ = live()
    feed(account, pushed("orders", order(), now=5))
    resolved = OrderResolved(ts_recv=at(6), kind="amend", verdict=Verdict.CONFIRMED, order_id="1")
    account.apply(resolved)
    account.on_deadline(at(8))
    (fetch,) = account.fetches
    account.fetches.clear()
    feed(account, pushed("orders", order(px="61000", updated=9), now=8.1))
    account.fetched(fetch, None, at(8.2), "51603")
    assert (account.next_deadline, account.orders.open["1"].price) == (at(3) + LIST_EVERY, D(61000))


def test_pushes_during_a_read_win_over_older_rows_and_over_absence() -> None:
    account, rest = Account(), Rest()
    up(account)
    rest.pending = [order("1", updated=3)]
    rest.positions = [position("3", updated=3)]
    rest.balances = [balance("USDT", "100", updated=3)]
    feed(
        account,
        pushed("orders", order("1", state="canceled", updated=5), order("2", updated=5), now=0.5),
        pushed("positions", position("0", updated=5), position("7", updated=5, position_id="2", instId="ETH-USDT-SWAP"), now=0.5),
        pushed("account", {"uTime": str(MS0 + 5), "details": [balance("USDT", "90", 5), balance("BTC", "1", 5)]}, now=0.5),
    )
    rest.answer(account, 1)
    assert account.is_live
    assert list(account.orders.open) == ["2"]
    assert [(row.instrument, row.size) for row in account.positions] == [("ETH-USDT-SWAP", D(7))]
    assert {name: row.cash for name, row in account.balances.items()} == {"USDT": D(90), "BTC": D(1)}
    assert [fetch.path for fetch in rest.fetched].count("trade/order") == 0


def test_open_orders_and_fills_are_read_page_by_page() -> None:
    account, rest = live()
    feed(account, pushed("orders", order("900000"), now=5))
    down(account, 10)
    rest.pending = [order(str(n)) for n in range(350, 0, -1)]
    rest.fills = [executed(n, ordId="x", ts=str(MS0 + n)) for n in range(330, 0, -1)]
    rest.orders["900000"] = order("900000", state="filled", filled="3", updated=9)
    up(account, 20)
    rest.answer(account, 20)
    assert len(account.orders.open) == 350
    assert [fetch.path for fetch in rest.fetched].count("trade/orders-pending") == 4
    assert len(account.fills) == 330
    assert account.quality is Quality.RECONCILING
    account.on_deadline(at(22))
    rest.answer(account, 22)
    assert account.unaccounted == {"900000"}, "filled, and nobody knows how"
    assert account.is_live


def test_fills_are_read_back_to_the_last_complete_time_and_no_further() -> None:
    account, rest = live()
    feed(account, pushed("account", {"uTime": str(MS0 + 200_000), "details": [balance(updated=200_000)]}, now=5))
    down(account, 10)
    rest.fills = [executed(n, ordId="x", ts=str(MS0 + n * 1000)) for n in range(1000, 0, -1)]
    up(account, 20)
    rest.answer(account, 20)
    assert account.is_live
    assert [fetch.path for fetch in rest.fetched].count("trade/fills") == 9, "140,000 ms lie on the ninth page"


def test_many_orders_are_looked_up_a_few_at_a_time() -> None:
    account, rest = live()
    feed(account, pushed("orders", *(order(str(n)) for n in range(1, 101)), now=5))
    down(account, 10)
    up(account, 20)
    rest.orders = {str(n): order(str(n), state="canceled", updated=9) for n in range(1, 101)}
    most = 0
    while account.fetches:
        most = max(most, len(account.fetches))
        fetch = account.fetches.pop(0)
        account.fetched(fetch, rest.rows(fetch), at(21))
    assert most <= 24
    assert account.is_live
    assert len(account.orders.finished) == 100


# -- positions and balances ------------------------------------------------------------------------


def test_a_snapshot_in_pages_closes_positions_that_no_page_lists() -> None:
    account, _ = live()
    feed(account, pushed("positions", *(position("1", 5, str(n)) for n in range(6)), now=3, eventType="event_update"))
    pages = [
        pushed(
            "positions",
            position("1", 5, "0", pTime=str(MS0 + 50)),
            position("1", 5, "1", pTime=str(MS0 + 50)),
            now=4,
            eventType="snapshot",
            curPage=1,
            lastPage=False,
        ),
        pushed(
            "positions",
            position("1", 5, "2", pTime=str(MS0 + 50)),
            position("2", 6, "3", pTime=str(MS0 + 50)),
            now=4.1,
            eventType="snapshot",
            curPage=2,
            lastPage=True,
        ),
    ]
    feed(account, pages[0])
    account.on_deadline(at(4.05))
    assert len(account.positions) == 6
    feed(account, pages[1])
    account.on_deadline(account.next_deadline or 0)
    assert sorted(row.position_id for row in account.positions) == ["0", "1", "2", "3"]
    feed(account, pushed("positions", position("1", 5, "4"), now=5, eventType="event_update"))
    assert len(account.positions) == 5, "its end was inferred: a later row opens it again"
    image = {"eventType": "snapshot", "curPage": 1, "lastPage": True}
    feed(account, pushed("positions", position("1", 5, "0", pTime=str(MS0 + 90)), now=6, **image))
    feed(account, pushed("positions", position("9", 100, "8"), now=7, eventType="event_update"))
    assert sorted(row.position_id for row in account.positions) == ["0", "8"]


def test_a_late_push_does_not_open_a_closed_position_again() -> None:
    account, _ = live()
    feed(account, *(pushed("positions", row) for row in (position("0", 5), position("3", 4), position("3", 5))))
    assert account.positions == []
    feed(account, pushed("positions", position("1", 6)))
    assert account.position("BTC-USDT-SWAP") == D(1)


def test_long_and_short_are_netted() -> None:
    account, _ = live()
    feed(account, pushed("positions", position("3", 1, "1", posSide="long"), position("5", 1, "2", posSide="short")))
    assert account.position("BTC-USDT-SWAP") == D(-2)
    assert account.position("ETH-USDT-SWAP") == D(0)


def both(size: str, cash: str, updated: int) -> list[Event]:
    row = {
        "pTime": str(MS0 + updated + 50),
        "eventType": "filled",
        "trades": [],
        "balData": [{"ccy": "USDT", "cashBal": cash, "uTime": str(MS0 + updated)}],
        "posData": [
            {
                "posId": "1",
                "instId": "BTC-USDT-SWAP",
                "instType": "SWAP",
                "mgnMode": "cross",
                "posSide": "net",
                "pos": size,
                "ccy": "USDT",
                "avgPx": "61000",
                "uTime": str(MS0 + updated),
            }
        ],
    }
    return pushed("balance_and_position", row)


def test_balance_and_position_is_first_and_the_full_channels_complete_it() -> None:
    account, _ = live()
    feed(account, both("3", "90", 5))
    assert (account.position("BTC-USDT-SWAP"), account.balances["USDT"].cash) == (D(3), D(90))
    assert account.positions[0].liquidation_price is None
    feed(account, pushed("positions", position("3", 5)))
    feed(account, pushed("account", {"uTime": "1", "details": [balance(cash="90", updated=5)]}))
    assert account.positions[0].liquidation_price == D(41000)
    feed(account, both("3", "90", 5), both("2", "80", 4))
    assert account.positions[0].liquidation_price == D(41000)
    assert account.balances["USDT"].cash == D(90)
    feed(account, both("0", "95", 6))
    assert account.positions == []
    assert account.balances["USDT"].cash == D(95)
    assert account.as_of == T0 + 56 * 10**6


def test_an_update_replaces_the_currencies_it_lists_and_a_snapshot_replaces_all() -> None:
    account, _ = live()

    def money(*rows: dict[str, Any], **top: Any) -> None:
        feed(account, pushed("account", {"uTime": str(MS0 + 5), "totalEq": "7", "details": list(rows)}, **top))

    money(balance("BTC", "1"), balance("ETH", "2"), now=3, eventType="event_update")
    assert set(account.balances) == {"USDT", "BTC", "ETH"}
    money(balance("USDT"), now=4, eventType="snapshot", curPage=1, lastPage=False)
    assert set(account.balances) == {"USDT", "BTC", "ETH"}
    money(balance("BTC", "1"), now=4.1, eventType="snapshot", curPage=2, lastPage=True)
    assert set(account.balances) == {"USDT", "BTC"}
    assert account.money.totals is not None
    assert account.money.totals.total_equity == D(7)


# -- the state does not depend on the order of arrival --------------------------------------------


STORY: list[tuple[str, dict[str, Any]]] = [
    ("orders", order()),
    ("orders", order(updated=2, px="61000", reqId="r1", amendSource="1", amendResult="0")),
    ("orders", fill(10, total="1", updated=3, px="61000")),
    ("orders", fill(11, total="2", updated=3, px="61000")),
    ("orders", order(updated=4, filled="2", px="62000", reqId="r2", amendSource="1", amendResult="0", state="partially_filled")),
    ("orders", order(updated=7, state="canceled", filled="2", px="62000", cancelSource="1")),
    ("orders", order("2", updated=1)),
    ("orders", order("2", updated=5, px="59000", reqId="r3", amendSource="1", amendResult="0")),
    ("orders", order("3", updated=1)),
    ("orders", fill(12, "3", total="3", updated=6, state="filled", ordId="3", clOrdId="c3")),
    ("positions", position("3", 3)),
    ("positions", position("1", 5)),
    ("positions", position("0", 8)),
    ("positions", position("4", 3, "2", instId="ETH-USDT-SWAP")),
    ("account", {"uTime": str(MS0 + 3), "details": [balance("USDT", "90", 3)]}),
    ("account", {"uTime": str(MS0 + 6), "details": [balance("USDT", "80", 6), balance("BTC", "1", 6)]}),
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pushes_in_any_order_with_repetitions_give_the_same_state(data: Any) -> None:
    plain = Account()
    for n, (channel, row) in enumerate(STORY):
        feed(plain, pushed(channel, row, now=n, **({"eventType": "event_update"} if channel != "orders" else {})))
    extra = data.draw(st.lists(st.sampled_from(STORY), max_size=8))
    later = data.draw(st.lists(st.integers(0, 20), min_size=len(extra), max_size=len(extra)))
    again = []
    for (channel, row), ms in zip(extra, later, strict=True):  # repetitions may carry another time; of orders only
        is_repeat = channel == "orders"
        again.append((channel, {**row, "uTime": str(int(row["uTime"]) + ms)} if is_repeat else row))
    story = data.draw(st.permutations([*STORY, *again]))
    mixed = Account()
    for n, (channel, row) in enumerate(story):
        feed(mixed, pushed(channel, row, now=n, **({"eventType": "event_update"} if channel != "orders" else {})))
    ours, theirs = state_of(mixed), state_of(plain)
    assert [row[:5] for row in ours[0]] == [row[:5] for row in theirs[0]]
    assert ours[1:] == theirs[1:]


def test_every_permutation_of_the_pushes_of_an_order_gives_the_same_state() -> None:
    life = [
        order(),
        fill(10, total="1", updated=2),
        fill(11, total="2", updated=3),
        order(updated=4, state="canceled", filled="2", cancelSource="1"),
    ]
    ends = set()
    for story in itertools.permutations([*life, life[0], life[1]]):
        account = Account()
        for row in story:
            feed(account, pushed("orders", row))
        done = account.orders.finished["1"]
        orders = account.orders
        ends.add((done.state, done.filled_size, done.cancel_source, len(account.fills), orders.missing("1"), len(orders)))
    assert ends == {("canceled", D(2), "1", 2, D(0), 0)}


# -- real pushes -----------------------------------------------------------------------------------


@pytest.mark.skipif(not CORPUS.exists(), reason="the real captures are not beside this checkout")
def test_captured_order_pushes_of_2026_give_finished_orders_whose_fills_add_up() -> None:
    account, _ = live()
    lines = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    frames = {line["path"].rpartition("_orders_")[2]: line["raw"] for line in lines if line["channel"] == "orders"}
    # its publisher made the liquidation of the market close, trade id and all
    liquidation = frames.pop("liquidation.json")
    for _ in range(2):
        for raw in frames.values():
            feed(account, pushes_of(raw))
    done = account.orders.finished
    assert len(done) == len(account.fills) == len(frames) == 4
    assert {row.state for row in done.values()} == {"filled"}
    assert all(account.orders.missing(order_id) == 0 for order_id in done)
    assert {made.liquidity for made in account.fills.values()} == {"T", "M"}
    assert account.orders.repeats == 4
    assert account.next_deadline == at(3) + LIST_EVERY
    account, _ = live()
    feed(account, pushes_of(liquidation))
    (order_,) = account.orders.finished.values()
    assert (order_.category, account.fills["BTC-USDT-SWAP", 3329784607].liquidity) == ("full_liquidation", "L")


def pushes_of(raw: str) -> list[Event]:
    frame = decode(raw.encode(), at(5))
    assert isinstance(frame, PushFrame)
    return list(frame.events)
