"""The account's picture: built from pushes in any order, read anew after interruptions, never taken for more than it is."""

from __future__ import annotations

import copy
import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.paths import CORPORA

from okex_ws.events import (
    AccountQuality,
    Disconnected,
    Event,
    Malformed,
    OrderResolved,
    OrderUpdate,
    Refused,
    Subscribed,
    Trade,
    Unsubscribed,
    Verdict,
)
from okex_ws.market.account import LIST_EVERY, Account, FetchAccount, Quality
from okex_ws.market.own_orders import OwnOrders
from okex_ws.wire.frames import PushFrame, decode

SECOND = 1_000_000_000
T0 = 1_790_000_000 * SECOND
MS0 = T0 // 10**6
D = Decimal
PLACES = (("orders", "ANY"), ("account", ""), ("positions", "ANY"))
CORPUS = CORPORA / "tradebot-private-2026.jsonl"


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def pushed(channel: str, *rows: dict[str, Any], now: float = 0, **top: Any) -> list[Event]:
    """What a push becomes on its way in."""
    arg = {"channel": channel, "uid": "44"} | ({"instType": "ANY"} if channel in ("orders", "positions") else {})
    frame = decode(json.dumps({"arg": arg, **top, "data": rows}).encode(), at(now))
    assert isinstance(frame, PushFrame)
    return list(frame.events)


def order(order_id: str = "1", state: str = "live", updated: int = 1, filled: str = "0", **more: Any) -> dict[str, Any]:
    base = {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "ordId": order_id,
        "clOrdId": f"c{order_id}",
        "px": "60000",
        "sz": "3",
        "side": "buy",
        "ordType": "limit",
        "state": state,
        "accFillSz": filled,
        "avgPx": "0",
        "fillSz": "0",
        "tradeId": "",
        "reqId": "",
        "amendSource": "",
        "amendResult": "",
        "uTime": str(MS0 + updated),
        "cTime": str(MS0),
        "attachAlgoOrds": [],
    }
    return {**base, **more}


def fill(
    trade: int, size: str = "1", *, total: str, updated: int, state: str = "partially_filled", **more: Any
) -> dict[str, Any]:
    told = {"tradeId": str(trade), "fillSz": size, "fillPx": "60000", "fillFee": "-0.1", "fillFeeCcy": "USDT", "execType": "T"}
    return order(state=state, filled=total, updated=updated, **{**told, **more})


def position(size: str = "3", updated: int = 1, position_id: str = "1", **more: Any) -> dict[str, Any]:
    base = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "posId": position_id,
        "posSide": "net",
        "pos": size,
        "mgnMode": "cross",
        "avgPx": "60000",
        "ccy": "USDT",
        "liqPx": "41000",
        "uTime": str(MS0 + updated),
        "pTime": str(MS0 + updated),
    }
    return {**base, **more}


def balance(currency: str = "USDT", cash: str = "100", updated: int = 1, **more: Any) -> dict[str, Any]:
    return {"ccy": currency, "cashBal": cash, "eq": cash, "availBal": cash, "uTime": str(MS0 + updated), **more}


def feed(account: Account, *pushes: list[Event]) -> list[Event]:
    return [told for events in pushes for event in events for told in account.apply(event)]


def up(account: Account, now: float = 0, *places: tuple[str, str]) -> list[Event]:
    return [
        told for channel, key in places or PLACES for told in account.apply(Subscribed(ts_recv=at(now), channel=channel, key=key))
    ]


def down(account: Account, now: float, *places: tuple[str, str], **more: Any) -> list[Event]:
    lost = Disconnected(ts_recv=at(now), reason="reset by peer", channels=places or PLACES, retry_s=0.5, **more)
    return account.apply(lost)


class Rest:
    """OKX's side of the reads: lists, and whatever is looked up by itself. Answers until nothing is wished for."""

    def __init__(self) -> None:
        self.pending: list[dict[str, Any]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.positions: list[dict[str, Any]] = []
        self.balances: list[dict[str, Any]] = [balance()]
        self.fills: list[dict[str, Any]] = []
        self.asked: list[FetchAccount] = []

    def answer(self, account: Account, now: float, *, only: str = "") -> list[Event]:
        told: list[Event] = []
        while wishes := [wish for wish in account.fetches if only in wish.path]:
            for wish in wishes:
                account.fetches.remove(wish)
                self.asked.append(wish)
                rows = self.rows(wish)
                told += account.fetched(wish, rows, at(now), "" if rows is not None else "51603")
        return told

    def rows(self, wish: FetchAccount) -> list[Any] | None:
        query = wish.query
        match wish.path:
            case "account/balance":
                rows = [{"uTime": str(MS0), "totalEq": "1", "details": self.balances}]
            case "account/positions":
                rows = self.positions
            case "trade/orders-pending":
                rows = [row for row in self.pending if int(row["ordId"]) < int(query.get("after", 10**9))]
            case "trade/fills" | "trade/fills-history":
                rows = [row for row in self.fills if row["ordId"] == query.get("ordId", row["ordId"])]
                rows = [row for row in rows if int(row["billId"]) < int(query.get("after", 10**9))]
                rows = [row for row in rows if wish.path == "trade/fills" or not row.get("old")]
                rows = [row for row in rows if wish.path == "trade/fills-history" or not row.get("archived")]
            case "trade/orders-history":
                rows = []
            case "trade/order":
                found = self.orders.get(query["ordId"])
                return None if found is None else [copy.deepcopy(found)]
        return copy.deepcopy(rows[: int(query.get("limit", 1000))])


def live(now: float = 0, rest: Rest | None = None, **options: Any) -> tuple[Account, Rest]:
    account, rest = Account(**options), rest or Rest()
    up(account, now)
    rest.answer(account, now)
    account.on_deadline(at(now + 3))
    rest.answer(account, now + 3)
    assert (account.quality, account.next_deadline) == (Quality.LIVE, at(now + 3) + LIST_EVERY)
    rest.asked.clear()
    return account, rest


def asked_until(account: Account, rest: Rest, until: float = 100) -> float:
    """Let time pass until it is LIVE or nothing is left to ask; when that was, in seconds."""
    now = 0.0
    while not account.is_live and account.next_deadline is not None and now < until:
        now = (account.next_deadline - at(0)) / SECOND
        account.on_deadline(account.next_deadline)
        rest.answer(account, now)
    return now


def qualities(events: list[Event]) -> list[str]:
    return [event.quality for event in events if isinstance(event, AccountQuality)]


def picture(account: Account) -> Any:
    """All of it that has a meaning, comparable."""

    def plain(row: OrderUpdate) -> Any:
        return (row.order_id, row.state, row.filled_size, row.price, row.size, row.updated_ms if not row.is_final else 0)

    return (
        sorted(plain(row) for row in account.orders.open.values()),
        sorted(plain(row) for row in account.orders.finished.values()),
        sorted((key, made.order_id, made.size, made.price, made.fee) for key, made in account.fills.items()),
        sorted((row.position_id, row.size, row.average_price, row.liquidation_price) for row in account.positions),
        sorted((name, row.cash, row.equity, row.updated_ms) for name, row in account.balances.items()),
    )


# -- quality ---------------------------------------------------------------------------------------


def test_it_is_live_only_when_every_channel_runs_and_everything_was_read() -> None:
    account, rest = Account(), Rest()
    assert (account.quality, account.is_live) == (Quality.STALE, False)
    assert up(account, 0, *PLACES[:2]) == []
    assert account.fetches == []
    told = up(account, 1, PLACES[2])
    assert qualities(told) == ["RECONCILING"]
    assert [wish.path for wish in account.fetches] == [
        "account/balance",
        "account/positions",
        "trade/orders-pending",
        "trade/fills",
    ]
    for path in ("balance", "positions", "pending"):
        assert rest.answer(account, 2, only=path) == []
    told = rest.answer(account, 3)
    assert qualities(told) == ["LIVE"]
    assert told[0].ts_recv == at(3)
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
def test_whatever_ends_one_channel_makes_it_stale_at_once(lost: Event) -> None:
    account, rest = live()
    told = account.apply(lost)
    assert qualities(told) == ["STALE"]
    assert account.apply(lost) == [], "said once"
    assert account.fetches == []
    for place in PLACES:
        up(account, 6, place)
    rest.answer(account, 7)
    assert account.is_live, "all of it runs again"


def test_what_does_not_concern_it_changes_nothing() -> None:
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


def test_a_push_that_could_not_be_read_is_reason_to_read_everything_anew() -> None:
    account, rest = live()
    assert qualities(account.apply(Malformed(ts_recv=at(5), channel="orders", key="ANY"))) == ["RECONCILING"]
    assert qualities(rest.answer(account, 6)) == ["LIVE"]


def test_answers_from_before_an_interruption_do_not_count() -> None:
    account, rest = Account(), Rest()
    up(account)
    old = list(account.fetches)
    assert qualities(down(account, 1)) == ["STALE"]
    for wish in old:
        assert account.fetched(wish, [], at(2)) == []
    assert account.quality is Quality.STALE
    up(account, 3)
    assert account.quality is Quality.RECONCILING
    assert qualities(rest.answer(account, 4)) == ["LIVE"]


def test_reads_that_fail_are_tried_again_ever_later_and_it_is_said_why() -> None:
    account, rest = Account(), Rest()
    up(account)
    rest.answer(account, 0, only="account")
    rest.answer(account, 0, only="fills")
    told: list[Event] = []
    waits = []
    now = at(0)
    for _ in range(8):
        (wish,) = account.fetches
        account.fetches.clear()
        told += account.fetched(wish, None, now, "50120")
        assert account.next_deadline is not None
        waits.append((account.next_deadline - now) / SECOND)
        now = account.next_deadline
        account.on_deadline(now)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [(event.quality, "50120" in event.reason) for event in told] == [("RECONCILING", True)]  # type: ignore[attr-defined]
    (wish,) = account.fetches
    account.fetches.clear()
    account.fetched(wish, [{"nonsense": 1}], now)
    account.on_deadline(account.next_deadline or 0)
    assert qualities(rest.answer(account, 300)) == ["LIVE"]


# -- orders ----------------------------------------------------------------------------------------


def test_F8_an_order_told_twice_is_one_and_two_changes_of_one_instant_are_two() -> None:
    account, _ = live()
    feed(account, pushed("orders", order(slTriggerPx="50000")), pushed("orders", order(slTriggerPx="50000", updated=9)))
    assert (len(account.orders), account.orders.repeats) == (1, 1)
    feed(account, pushed("orders", order(slTriggerPx="51000")))
    assert account.orders.open["1"].stop_loss_trigger_price == D(51000), "another content, though uTime is that of the first"
    feed(account, pushed("orders", order(slTriggerPx="50000")))
    assert account.orders.open["1"].stop_loss_trigger_price == D(51000)


def test_F8_amendments_are_applied_once_and_a_late_repetition_of_the_first_state_does_not_undo_them() -> None:
    account, _ = live()
    amended = {"px": "61000", "reqId": "r1", "amendSource": "1", "amendResult": "0"}
    feed(account, pushed("orders", order()), pushed("orders", order(updated=2, **amended)), pushed("orders", order(updated=3)))
    assert account.orders.open["1"].price == D(61000)
    feed(account, pushed("orders", order(updated=4, px="60000", reqId="r2", amendSource="1", amendResult="0")))
    assert account.orders.open["1"].price == D(60000), "amended back on purpose"
    feed(account, pushed("orders", order(updated=9, **amended)))
    assert account.orders.open["1"].price == D(60000), "one result per request"


def test_a_filled_size_only_grows_and_what_is_final_stays_final() -> None:
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


def test_of_two_ends_the_one_that_was_filled_more_holds() -> None:
    ends = [order(state="canceled", filled="1", updated=5), order(state="filled", filled="3", updated=4)]
    for told in itertools.permutations(ends):
        account, _ = live()
        feed(account, *(pushed("orders", row) for row in told))
        assert account.orders.finished["1"].filled_size == D(3)


def test_an_older_push_of_an_open_position_changes_nothing() -> None:
    account, _ = live()
    feed(account, pushed("positions", position("3", 5)), pushed("positions", position("9", 4)))
    assert account.position("BTC-USDT-SWAP") == D(3)


def test_a_channel_let_go_under_one_key_that_runs_under_another_is_no_lasting_reason_for_doubt() -> None:
    account, rest = live()
    up(account, 4, ("orders", "SPOT"))
    told = account.apply(Unsubscribed(ts_recv=at(5), channel="orders", key="SPOT"))
    assert qualities(told) == ["STALE", "RECONCILING"]
    rest.answer(account, 6)
    assert account.is_live


def test_after_a_hand_over_it_is_read_once_more_as_a_late_push_may_have_gone_with_the_old_connection() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=5))
    assert account.apply(Disconnected(ts_recv=at(6), line="private/0", reason="handed over", handed_over=True)) == []
    rest.orders["1"] = order(state="canceled", updated=2)
    rest.answer(account, 6.1)
    assert (account.orders.finished["1"].state, account.is_live) == ("canceled", True)


def test_every_subscription_of_a_channel_has_to_run_again() -> None:
    account, rest = live()
    down(account, 5, ("orders", "SPOT"), *PLACES)
    up(account, 6)
    assert account.quality is Quality.STALE
    assert qualities(up(account, 7, ("orders", "SPOT"))) == ["RECONCILING"]
    rest.answer(account, 8)
    assert account.is_live


def test_a_fill_counts_once_however_often_and_by_whatever_channel_it_is_told() -> None:
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
    assert [made.trade_id for made in account.fills.values()] == [10], "two together are told one by one by `orders`"
    assert account.fills["BTC-USDT", 10].fee == D("-0.1")
    assert account.orders.missing("1") == 0


def test_a_spot_market_order_ends_with_a_marker_that_is_no_fill() -> None:
    account, _ = live()
    market = {"ordType": "market", "px": "", "sz": "180000", "tgtCcy": "quote_ccy"}
    feed(account, pushed("orders", fill(10, "3", total="3", updated=2, **market)))
    feed(account, pushed("orders", order(state="filled", filled="3", updated=3, **market)))
    assert account.orders.finished["1"].state == "filled"
    assert len(account.fills) == 1


def test_of_a_client_order_id_used_again_the_latest_order_is_meant() -> None:
    account, _ = live()
    feed(account, pushed("orders", order("1", state="filled", filled="3")))
    feed(account, pushed("orders", order("2", clOrdId="c1", cTime=str(MS0 + 5))))
    found = account.orders.get(client_order_id="c1")
    assert found is not None
    assert found.order_id == "2"
    feed(account, pushed("orders", order("3", clOrdId="c1", cTime=str(MS0 + 1))))
    assert account.orders.get(client_order_id="c1") == found
    assert account.orders.get(client_order_id="c9") is account.orders.get("9") is None


def test_finished_orders_and_fills_are_kept_up_to_a_number_and_the_rest_is_counted() -> None:
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


def test_F9_fills_that_do_not_add_up_are_looked_for_after_a_moment() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=5), pushed("orders", fill(12, total="3", updated=4, state="filled"), now=5))
    assert account.fetches == [], "one that was overtaken may still come"
    feed(account, pushed("orders", fill(10, total="1", updated=2), now=5.5))
    assert account.orders.missing("1") == D(1)
    assert account.next_deadline == at(6)
    account.on_deadline(at(6))
    rest.fills = [executed(12), executed(11), executed(10)]
    rest.answer(account, 6.1)
    assert [wish.path for wish in rest.asked] == ["trade/fills"]
    assert sorted(trade for _, trade in account.fills) == [10, 11, 12]
    assert account.orders.missing("1") == 0
    assert account.unaccounted == set()
    assert account.is_live


def test_F9_fills_too_old_for_one_list_are_in_the_other_and_those_in_none_are_said_to_be_missing() -> None:
    for archived, left in ((True, set()), (False, {"1"})):
        account, rest = live()
        feed(account, pushed("orders", fill(12, total="2", updated=4), now=5))
        account.on_deadline(at(6))
        rest.fills = [executed(11, archived=True)] if archived else []
        rest.answer(account, 6.1)
        assert [wish.path for wish in rest.asked] == ["trade/fills", "trade/fills-history"]
        assert rest.asked[1].query["instType"] == "SPOT"
        assert account.unaccounted == left
        assert account.next_deadline == at(3) + LIST_EVERY, "not asked for ever"


def test_a_fill_without_its_order_s_push_makes_the_order_be_read() -> None:
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


def test_a_cancel_or_amendment_that_was_accepted_and_not_told_of_makes_the_order_be_read() -> None:
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
        assert [(wish.path, wish.query["ordId"]) for wish in rest.asked] == [("trade/order", "1")]
        known = account.orders.get("1")
        assert known is not None
        assert (known.state, known.price) == (("canceled", D(60000)) if kind == "cancel" else ("live", D(61000)))
        assert account.next_deadline == at(3) + LIST_EVERY


def executions(*trades: int, now: float) -> list[Event]:
    told = [{"instId": "BTC-USDT", "tradeId": str(trade)} for trade in trades]
    return pushed("balance_and_position", {"pTime": str(MS0), "eventType": "filled", "balData": [], "trades": told}, now=now)


def test_an_execution_that_a_balance_tells_of_and_no_order_s_push_is_reason_to_read_everything_anew() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), now=5), executions(10, 11, now=5))
    for trade in (10, 11):
        feed(account, pushed("orders", fill(trade, total=str(trade - 9), updated=trade), now=5.5))
    assert account.on_deadline(at(6)) == []
    feed(account, executions(12, now=7))
    (told,) = account.on_deadline(at(8))
    assert isinstance(told, AccountQuality)
    assert (told.quality, told.reason) == (
        "RECONCILING",
        "trade 12 of BTC-USDT changed a balance without an order push",
    )
    rest.orders["1"], rest.fills = order(state="filled", filled="3", updated=20), [executed(12), executed(11), executed(10)]
    assert qualities(rest.answer(account, 8)) == ["LIVE"]
    assert account.orders.finished["1"].filled_size == D(3)
    assert sorted(trade for _, trade in account.fills) == [10, 11, 12]


def test_executions_that_no_order_ever_tells_do_not_keep_it_reading() -> None:
    account, rest = live()
    times = []
    for second in range(5, 65):
        feed(account, executions(second, now=second))
        if account.next_deadline is not None and account.next_deadline <= at(second):
            times += [second] * len(qualities(account.on_deadline(at(second))))
        rest.answer(account, second)
        assert account.is_live
    assert times == [6, 36]


def test_while_nothing_happens_the_list_of_open_orders_is_read_now_and_then() -> None:
    account, rest = live()
    feed(account, pushed("orders", order(), order("2"), now=5))
    rest.pending, rest.orders["1"] = [order("2")], order(state="canceled", updated=5)
    for look in (1, 2):
        assert account.next_deadline == at(3) + look * LIST_EVERY
        assert account.on_deadline(account.next_deadline) == []
        rest.answer(account, 3 + look * LIST_EVERY / SECOND)
    assert [wish.path for wish in rest.asked] == ["trade/orders-pending", "trade/order", "trade/orders-pending"]
    assert (list(account.orders.open), account.orders.finished["1"].state, account.is_live) == (["2"], "canceled", True)


# -- reconciling -----------------------------------------------------------------------------------


def test_spread_orders_are_read_when_their_channel_starts_and_a_list_that_fails_does_not_keep_it_from_being_live() -> None:
    account, rest = live()
    spread = {"sprdId": "A_B", "ordId": "7", "clOrdId": "s7", "state": "live", "side": "buy", "uTime": str(MS0)}
    feed(account, [Subscribed(ts_recv=at(5), channel="sprd-orders", key="")])
    (wish,) = account.fetches
    account.fetches.clear()
    account.fetched(wish, [spread], at(5))
    assert account.spreads.open.keys() == {"7"}
    down(account, 10)
    up(account, 20)
    (wish,) = [wish for wish in account.fetches if wish.path == "sprd/orders-pending"]
    account.fetches.remove(wish)
    rest.answer(account, 20)
    assert account.is_live
    account.fetched(wish, None, at(21), "50120")
    assert account.is_live
    assert account.spreads.open.keys() == {"7"}, "what was last known"


def test_after_a_disconnect_what_happened_meanwhile_is_found_out() -> None:
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
    asked_until(account, rest)
    assert account.is_live
    assert {key: row.price for key, row in account.orders.open.items()} == {"1": D(7), "2": D(2), "6": D(60000)}
    assert {key: row.state for key, row in account.orders.finished.items()} == {"3": "filled", "4": "canceled", "5": "canceled"}
    assert [(row.position_id, row.size) for row in account.positions] == [("1", D(2))]
    assert account.position("BTC-USDT-SWAP") == D(2)
    assert {name: row.cash for name, row in account.balances.items()} == {"USDT": D(250)}
    assert account.fills["BTC-USDT", 30].size == D(3)
    looked_up = sorted(wish.query["ordId"] for wish in rest.asked if wish.path == "trade/order")
    assert looked_up == ["3", "4", *["5"] * 6]


def test_F4_an_order_that_is_not_shown_for_a_while_is_not_taken_for_gone() -> None:
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
    asked_until(account, rest)
    assert (account.orders.open["1"].state, account.is_live) == ("live", True)


def test_F4_fills_tell_how_an_order_ended_that_is_shown_no_more() -> None:
    for size, ended in (("3", ("filled", D(3))), ("2", ("canceled", D(2)))):
        account, rest = live()
        feed(account, pushed("orders", order(), now=5))
        down(account, 6)
        rest.fills = [executed(10, size)]
        up(account, 20)
        rest.answer(account, 20)
        asked_until(account, rest)
        gone = account.orders.finished["1"]
        assert ((gone.state, gone.filled_size), account.is_live) == (ended, True)
        assert (account.orders.missing("1"), account.unaccounted) == (0, set())


def test_F4_a_young_order_that_a_new_process_is_not_shown_at_first_is_found_by_a_second_look() -> None:
    account, rest = Account(), Rest()
    up(account, 20)
    rest.answer(account, 20)
    assert (account.is_live, len(account.orders)) == (True, 0)
    rest.pending = [order()]
    assert account.next_deadline == at(23)
    account.on_deadline(at(23))
    rest.answer(account, 23)
    assert (account.orders.open.keys(), account.next_deadline) == ({"1"}, at(23) + LIST_EVERY)


def test_what_is_heard_of_an_order_after_it_was_missed_outweighs_that() -> None:
    account, _ = live()
    feed(account, pushed("orders", order(), now=5))
    resolved = OrderResolved(ts_recv=at(6), kind="amend", verdict=Verdict.CONFIRMED, order_id="1")
    account.apply(resolved)
    account.on_deadline(at(8))
    (wish,) = account.fetches
    account.fetches.clear()
    feed(account, pushed("orders", order(px="61000", updated=9), now=8.1))
    account.fetched(wish, None, at(8.2), "51603")
    assert (account.next_deadline, account.orders.open["1"].price) == (at(3) + LIST_EVERY, D(61000))


def test_pushes_that_come_while_it_is_read_win_over_rows_that_are_older_and_over_absence() -> None:
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
    assert [wish.path for wish in rest.asked].count("trade/order") == 0


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
    assert [wish.path for wish in rest.asked].count("trade/orders-pending") == 4
    assert len(account.fills) == 330
    assert account.quality is Quality.RECONCILING
    account.on_deadline(at(22))
    rest.answer(account, 22)
    assert account.unaccounted == {"900000"}, "filled, and nobody knows how"
    assert account.is_live


def test_fills_are_read_back_to_where_everything_was_known_and_no_further() -> None:
    account, rest = live()
    feed(account, pushed("account", {"uTime": str(MS0 + 200_000), "details": [balance(updated=200_000)]}, now=5))
    down(account, 10)
    rest.fills = [executed(n, ordId="x", ts=str(MS0 + n * 1000)) for n in range(1000, 0, -1)]
    up(account, 20)
    rest.answer(account, 20)
    assert account.is_live
    assert [wish.path for wish in rest.asked].count("trade/fills") == 9, "140,000 ms lie on the ninth page"


def test_many_orders_are_looked_up_a_few_at_a_time() -> None:
    account, rest = live()
    feed(account, pushed("orders", *(order(str(n)) for n in range(1, 101)), now=5))
    down(account, 10)
    up(account, 20)
    rest.orders = {str(n): order(str(n), state="canceled", updated=9) for n in range(1, 101)}
    most = 0
    while account.fetches:
        most = max(most, len(account.fetches))
        wish = account.fetches.pop(0)
        account.fetched(wish, rest.rows(wish), at(21))
    assert most <= 24
    assert account.is_live
    assert len(account.orders.finished) == 100


# -- positions and balances ------------------------------------------------------------------------


def test_an_image_that_comes_in_pages_closes_what_none_of_them_lists() -> None:
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
    assert len(account.positions) == 5, "nobody said that it was closed: told of again, it is open"
    image = {"eventType": "snapshot", "curPage": 1, "lastPage": True}
    feed(account, pushed("positions", position("1", 5, "0", pTime=str(MS0 + 90)), now=6, **image))
    feed(account, pushed("positions", position("9", 100, "8"), now=7, eventType="event_update"))
    assert sorted(row.position_id for row in account.positions) == ["0", "8"]


def test_a_closed_position_is_not_opened_again_by_what_was_overtaken() -> None:
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


def test_the_fast_feed_goes_ahead_and_the_full_ones_complete_it() -> None:
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


def test_an_event_restates_what_it_lists_and_an_image_lists_all() -> None:
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


# -- the law: what is true does not depend on the order it is told in -----------------------------


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
def test_any_order_and_any_repetition_of_what_was_pushed_ends_in_the_same_picture(data: Any) -> None:
    plain = Account()
    for n, (channel, row) in enumerate(STORY):
        feed(plain, pushed(channel, row, now=n, **({"eventType": "event_update"} if channel != "orders" else {})))
    extra = data.draw(st.lists(st.sampled_from(STORY), max_size=8))
    later = data.draw(st.lists(st.integers(0, 20), min_size=len(extra), max_size=len(extra)))
    again = []
    for (channel, row), ms in zip(extra, later, strict=True):  # repetitions may carry another time; of orders only
        is_repeat = channel == "orders"
        again.append((channel, {**row, "uTime": str(int(row["uTime"]) + ms)} if is_repeat else row))
    told = data.draw(st.permutations([*STORY, *again]))
    mixed = Account()
    for n, (channel, row) in enumerate(told):
        feed(mixed, pushed(channel, row, now=n, **({"eventType": "event_update"} if channel != "orders" else {})))
    ours, theirs = picture(mixed), picture(plain)
    assert [row[:5] for row in ours[0]] == [row[:5] for row in theirs[0]]
    assert ours[1:] == theirs[1:]


def test_every_permutation_of_one_order_s_life_ends_alike() -> None:
    life = [
        order(),
        fill(10, total="1", updated=2),
        fill(11, total="2", updated=3),
        order(updated=4, state="canceled", filled="2", cancelSource="1"),
    ]
    ends = set()
    for told in itertools.permutations([*life, life[0], life[1]]):
        account = Account()
        for row in told:
            feed(account, pushed("orders", row))
        done = account.orders.finished["1"]
        orders = account.orders
        ends.add((done.state, done.filled_size, done.cancel_source, len(account.fills), orders.missing("1"), len(orders)))
    assert ends == {("canceled", D(2), "1", 2, D(0), 0)}


# -- real pushes -----------------------------------------------------------------------------------


@pytest.mark.skipif(not CORPUS.exists(), reason="the real captures are not beside this checkout")
def test_real_order_pushes_of_2026_make_finished_orders_and_fills_that_add_up() -> None:
    account, _ = live()
    lines = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    frames = {line["path"].rpartition("_orders_")[2]: line["raw"] for line in lines if line["channel"] == "orders"}
    # its publisher made the liquidation of the market close, trade id and all
    liquidation = frames.pop("liquidation.json")
    for _ in range(2):
        for raw in frames.values():
            feed(account, told(raw))
    done = account.orders.finished
    assert len(done) == len(account.fills) == len(frames) == 4
    assert {row.state for row in done.values()} == {"filled"}
    assert all(account.orders.missing(order_id) == 0 for order_id in done)
    assert {made.liquidity for made in account.fills.values()} == {"T", "M"}
    assert account.orders.repeats == 4
    assert account.next_deadline == at(3) + LIST_EVERY
    account, _ = live()
    feed(account, told(liquidation))
    (order_,) = account.orders.finished.values()
    assert (order_.category, account.fills["BTC-USDT-SWAP", 3329784607].liquidity) == ("full_liquidation", "L")


def told(raw: str) -> list[Event]:
    frame = decode(raw.encode(), at(5))
    assert isinstance(frame, PushFrame)
    return list(frame.events)
