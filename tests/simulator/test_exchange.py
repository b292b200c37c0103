"""The exchange in memory: subscriptions, sequence chains, limits and habits."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.fixed_market import START, FixedMarket
from tests.support.paths import ROOT
from tests.support.talk import Talker, book, exchange, seconds

from okex_ws.simulator.outgoing import Abort, HttpReply, Ping, Text
from okex_ws.simulator.rules import ApiKey

HERE = Path(__file__).parent


def chain_of(pushes: list[Any]) -> list[tuple[int, int]]:
    return [(p["data"][0]["prevSeqId"], p["data"][0]["seqId"]) for p in pushes]


def test_subscribe_acks_each_arg_with_id_and_conn_id() -> None:
    talker = Talker(exchange())
    first, second = talker.subscribe(book(channel="trades"), book("ETH-USDT", "trades"))
    assert first == {
        "id": "r1",
        "event": "subscribe",
        "arg": {"channel": "trades", "instId": "BTC-USDT"},
        "connId": talker.line.conn_id,
    }
    assert second["arg"]["instId"] == "ETH-USDT"
    assert len(talker.line.conn_id) == 8
    assert int(talker.line.conn_id, 16) >= 0


def test_book_chain_starts_with_a_snapshot_and_never_breaks() -> None:
    talker = Talker(exchange())
    ack, snapshot = talker.subscribe(book())
    assert ack["event"] == "subscribe"
    assert snapshot["action"] == "snapshot"
    assert snapshot["data"][0]["prevSeqId"] == -1
    assert snapshot["data"][0]["checksum"] == 0
    talker.until(5)
    chain = chain_of(talker.pushes("books"))
    assert len(chain) > 20
    for (_, seq), (previous, following) in itertools.pairwise(chain):
        assert previous == seq < following
    jumps = {b[1] - a[1] for a, b in itertools.pairwise(chain)}
    assert len(jumps) > 5
    assert talker.venue.ledger.books["books", "BTC-USDT"] == chain[1:]


def test_ids_of_one_instrument_share_a_number_space_and_two_lines_get_the_same_bytes() -> None:
    venue = exchange()
    one, two = Talker(venue), Talker(venue)
    for talker in (one, two):
        talker.subscribe(book(), book(channel="trades"), book(channel="books5"), book(channel="bbo-tbt"))
    one.until(3)
    assert one.raw().replace(one.line.conn_id.encode(), b"") == two.raw().replace(two.line.conn_id.encode(), b"")
    ids = [p["data"][0]["seqId"] for p in one.drain() if "data" in p]
    assert max(ids) - min(ids) < 10_000
    taken = [o.payload for o in one.out if isinstance(o, Text) and b'"update"' in o.payload]
    others = [o.payload for o in two.out if isinstance(o, Text) and b'"update"' in o.payload]
    assert all(a is b for a, b in zip(taken, others, strict=True)), "a push is encoded once and shared"


def test_a_late_subscriber_joins_the_running_chain() -> None:
    venue = exchange()
    early, late = Talker(venue), Talker(venue)
    early.subscribe(book())
    early.until(2.05)
    snapshot = late.subscribe(book(), at=2.05)[1]
    assert snapshot["data"][0]["seqId"] == early.pushes("books")[-1]["data"][0]["seqId"]
    update = next(p for p in late.until(4) if p.get("action") == "update")
    assert update["data"][0]["prevSeqId"] == snapshot["data"][0]["seqId"]


def test_push_order_within_an_instant_is_fixed() -> None:
    talker = Talker(exchange())
    wanted = ["books5", "books", "bbo-tbt", "trades"]
    talker.subscribe(*(book(channel=name) for name in wanted))
    pushes = [p for p in talker.until(0.5) if "data" in p and p["data"][0]["ts"] == str((START // 10**6) + 500)]
    assert [p["arg"]["channel"] for p in pushes] == ["trades", "bbo-tbt", "books", "books5"]


def test_ids_may_differ_per_connection() -> None:
    venue = exchange(seq_scope="connection")
    one, two = Talker(venue), Talker(venue)
    first, second = (t.subscribe(book())[1]["data"][0] for t in (one, two))
    assert first["seqId"] != second["seqId"]
    assert first["prevSeqId"] == second["prevSeqId"] == -1
    one.until(3)
    for talker in (one, two):
        chain = chain_of(talker.pushes("books"))
        assert all(a[1] == b[0] for a, b in itertools.pairwise(chain))


def test_live_checksums_are_the_markets() -> None:
    talker = Talker(exchange(checksum="live"))
    snapshot = talker.subscribe(book())[1]
    assert snapshot["data"][0]["checksum"] != 0


def test_D4_quiet_book_keeps_alive_after_60_s() -> None:
    talker = Talker(exchange(market=FixedMarket(lasts=1)))
    talker.subscribe(book(), book("ETH-USDT", "books5"))
    talker.until(60)
    last = talker.pushes("books")[-1]["data"][0]
    last5 = talker.pushes("books5")[-1]
    later = talker.until(62)
    alive = next(p for p in later if p["arg"]["channel"] == "books")
    row = alive["data"][0]
    assert alive["action"] == "update"
    assert row["asks"] == row["bids"] == []
    assert row["seqId"] == row["prevSeqId"] == last["seqId"]
    assert next(p for p in later if p["arg"]["channel"] == "books5") == last5
    assert talker.venue.ledger.books["books", "BTC-USDT"][-1] == (last["seqId"], last["seqId"])
    assert len([p for p in talker.until(183) if p["arg"]["channel"] == "books"]) == 2


def test_no_in_band_snapshot_and_rest_gives_the_matching_id() -> None:
    talker = Talker(exchange(in_band_snapshot=False))
    assert [f["event"] for f in talker.subscribe(book())] == ["subscribe"]
    talker.until(1.05)
    reply = talker.venue.rest("GET", "/api/v5/market/books?instId=BTC-USDT&sz=400", {}, b"", seconds(1.05))
    last = talker.pushes("books")[-1]["data"][0]["seqId"]
    assert f'"seqId":{last}'.encode() in reply.body
    assert talker.pushes("books")[0]["action"] == "update"


@pytest.mark.parametrize("habit", ["never", "always", "sometimes"])
def test_B2_push_may_come_before_its_ack(habit: str) -> None:
    orders = set()
    for seed in range(20):
        talker = Talker(exchange(push_before_ack=habit, seed=seed))
        orders.add("event" in talker.subscribe(book(channel="tickers"))[0])
    assert orders == {"never": {True}, "always": {False}, "sometimes": {True, False}}[habit]


@pytest.mark.parametrize(("habit", "frames"), [("snapshot", 2), ("ack_only", 1)])
def test_B5_duplicate_subscribe(habit: str, frames: int) -> None:
    talker = Talker(exchange(duplicate_subscribe=habit))
    talker.subscribe(book())
    assert len(talker.subscribe(book(), at=0.01)) == frames
    updates = [p for p in talker.until(1) if "data" in p]
    assert len({p["data"][0]["seqId"] for p in updates}) == len(updates), "one logical subscription"


def test_unsubscribe_stops_pushes_and_a_new_subscription_starts_again() -> None:
    talker = Talker(exchange())
    talker.subscribe(book())
    assert talker.subscribe(book(), at=1, op="unsubscribe")[-1]["event"] == "unsubscribe"
    assert talker.until(2) == []
    assert talker.subscribe(book(), at=2)[1]["action"] == "snapshot"


def test_text_ping_is_answered_and_counts_as_life() -> None:
    talker = Talker(exchange(idle_close_s=30.0))
    assert talker.say(b"ping", 20) == [b"pong"]
    talker.until(49.9)
    assert talker.closed is None
    talker.until(50)
    assert talker.closed is not None
    assert talker.closed.code == 4004
    assert talker.closed.reason == "No data received in 30s."


def test_idle_close_comes_exactly_at_30_s_and_pushes_count_as_life() -> None:
    venue = exchange(idle_close_s=30.0, market=FixedMarket(lasts=40))
    quiet, busy = Talker(venue), Talker(venue)
    busy.subscribe(book())
    venue.on_deadline(seconds(30) - 1)
    assert quiet.closed is None
    venue.on_deadline(seconds(30))
    assert quiet.closed is not None
    assert busy.closed is None
    venue.on_deadline(seconds(71))
    assert busy.closed is not None


def test_idle_close_can_be_for_the_unsubscribed_only() -> None:
    talker = Talker(exchange(idle_close_s=30.0, idle_means="unsubscribed", market=FixedMarket(lasts=1)))
    talker.subscribe(book(channel="trades"))
    talker.until(200)
    assert talker.closed is None


def test_three_connects_a_second() -> None:
    venue = exchange()
    answers = [venue.open("/ws/v5/public", seconds(0.1)) for _ in range(4)]
    assert isinstance(answers[3], HttpReply)
    assert answers[3].status == 429
    assert "Retry-After" in answers[3].headers
    assert not isinstance(venue.open("/ws/v5/public", seconds(0.1), peer="127.0.0.2"), HttpReply)
    assert not isinstance(venue.open("/ws/v5/public?brokerId=9999", seconds(1.1)), HttpReply)
    assert venue.open("/elsewhere", seconds(3)) == HttpReply(404, {}, venue.open("/x", seconds(3)).body)  # type: ignore[union-attr]


def test_B7_the_481st_request_of_an_hour_gets_60014_then_the_end() -> None:
    talker = Talker(exchange())
    for n in range(480):
        talker.subscribe(book(channel="trades"), at=n / 1000, op="unsubscribe" if n % 2 else "subscribe")
    assert talker.closed is None
    assert talker.subscribe(book(), at=1)[-1]["code"] == "60014"
    assert talker.closed is not None


def test_B7_over_budget_may_be_an_error_only_and_an_hour_later_all_is_well() -> None:
    talker = Talker(exchange(over_budget="error", requests_per_hour=2))
    for at in (0.0, 1.0):
        talker.subscribe(book(channel="trades"), at=at)
    assert talker.subscribe(book(channel="trades"), at=2)[-1]["code"] == "60014"
    assert talker.closed is None
    assert talker.subscribe(book(channel="trades"), at=3600.5)[-1]["event"] == "subscribe"


def test_64_kb_of_args_close_1009() -> None:
    talker = Talker(exchange())
    talker.subscribe(*({"channel": "trades", "instId": f"X{n:05}-USDT"} for n in range(1500)))
    assert talker.closed is not None
    assert talker.closed.code == 1009


def test_A13_notice_then_close_after_60_s() -> None:
    talker = Talker(exchange("notice at=1s"))
    talker.subscribe(book())
    note = next(f for f in talker.until(1.01) if f.get("event") == "notice")
    assert note["code"] == "64008"
    assert note["connId"] == talker.line.conn_id
    talker.until(60.9)
    assert talker.closed is None
    talker.until(61)
    assert talker.closed is not None


def test_connection_count_events() -> None:
    keys = [ApiKey("k", "s", "p")]
    venue = exchange(conn_count_limits={"orders": 2}, connects_per_s=0)
    talkers = [Talker(venue, "private") for _ in range(3)]
    arg = {"channel": "orders", "instType": "ANY"}
    for talker in talkers:
        talker.line.account = keys[0]
    assert [f["event"] for f in talkers[0].subscribe(arg)] == ["subscribe", "channel-conn-count"]
    assert talkers[1].subscribe(arg)[1]["connCount"] == "2"
    frames = talkers[2].subscribe(arg)
    assert [f["event"] for f in frames] == ["subscribe", "channel-conn-count-error"]
    assert not talkers[2].line.subscriptions


def test_control_pings_can_be_switched_on() -> None:
    talker = Talker(exchange(control_ping_s=20.0))
    talker.until(41)
    assert [o for o in talker.out if isinstance(o, Ping)] == [Ping(b"")] * 2


def test_the_ledger_knows_trades_nobody_received() -> None:
    venue = exchange()
    talker = Talker(venue)
    talker.subscribe(book(channel="trades"))
    talker.until(1)
    talker.line.gone(seconds(1))
    venue.on_deadline(seconds(3))
    entries = venue.ledger.trades["BTC-USDT"]
    assert len(entries) == 12
    assert len(talker.pushes("trades")) == 4
    for (_, last, _), (first, _, _) in itertools.pairwise(entries):
        assert first == last + 1


def test_wake_is_called_when_there_is_something_to_take() -> None:
    talker = Talker(exchange())
    woken: list[int] = []
    talker.line.wake = lambda: woken.append(1)
    talker.line.receive(b"ping", seconds(0))
    talker.line.receive(b"ping", seconds(0))
    assert len(woken) == 1
    assert len(talker.line.take()) == 2
    talker.venue.kick_all(seconds(1))
    assert len(woken) == 2
    assert talker.line.take() == [Abort()]


def script(seed: int) -> bytes:
    """Everything one fixed visit is sent, as bytes."""
    venue = exchange(
        "drop channel=books probability=10%",
        "duplicate channel=trades every=3",
        "bad_types channel=books nth=9",
        "garbage probability=0.05",
        push_before_ack="sometimes",
        seed=seed,
    )
    one, two = Talker(venue), Talker(venue)
    one.subscribe(book(), book(channel="trades"), book(channel="books5"))
    two.subscribe(book("ETH-USDT"), book(channel="tickers"), at=0.3)
    venue.on_deadline(seconds(10))
    return one.raw() + b"|" + two.raw()


def test_H2_same_seed_same_bytes_in_another_process() -> None:
    here = hashlib.sha256(script(7)).hexdigest()
    search = [str(ROOT), str(ROOT / "src")]
    program = (
        f"import sys; sys.path[:0] = {search!r}; import hashlib; from tests.simulator.test_exchange import script;"
        " print(hashlib.sha256(script(7)).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here
    assert script(8) != script(7)


def test_H2_late_wakeups_change_nothing() -> None:
    def run(steps: int) -> bytes:
        talker = Talker(exchange("delay channel=trades seconds=0.3"))
        talker.subscribe(book(), book(channel="trades"))
        for n in range(1, steps + 1):
            talker.until(10 * n / steps)
        return talker.raw()

    assert run(1) == run(7) == run(1000)
