"""Faults of the session, rows B1 to B8 and B14 to B17: client and exchange in memory, on one virtual clock."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from tests.support.still_market import StillMarket
from tests.support.talk import Talker, book, exchange
from tests.support.virtual import START, World

from okex_ws import BookSnapshot, BookUpdate, Credentials, Gap, Trade
from okex_ws.core.inputs import BookInvalidated
from okex_ws.events import (
    ConnectionCount,
    Disconnected,
    Event,
    LoggedIn,
    Malformed,
    Refused,
    Resumed,
    Stale,
    Subscribed,
    Unrecognized,
    Unsubscribed,
)
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.session import Session
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.wire.channels import subscription

KEY = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
BOTH = ("BTC-USDT", "ETH-USDT")


def requests_of(world: World) -> int:
    """How many texts the exchange was sent, over all connections."""
    return sum(traffic.requests for traffic in world.exchange.ledger.traffic.values())


def second(event: Event) -> float:
    return (event.ts_recv - START) / SECOND


def frames_of(world: World, event: str) -> list[dict[str, Any]]:
    """The exchange's frames of one `event`, over all connections."""
    frames = [json.loads(data) for wire in world.client.wires.values() for data in wire.frames if b'"event"' in data]
    return [frame for frame in frames if frame["event"] == event]


def no_holes(trades: list[Any]) -> bool:
    return all(b.first_id == a.trade_id + 1 for a, b in itertools.pairwise(trades))


# -- B1, B2: acks lost and late --------------------------------------------------------------------


def test_B1_a_lost_ack_is_asked_for_once_more() -> None:
    world = World([Fault("drop_ack", channel="trades", nth=1), Fault("mute", channel="trades", **{"for": 12})])
    world.subscribe("trades", "BTC-USDT")
    world.run(40)
    told = world.client.all(Subscribed, channel="trades")
    assert [round(second(event)) for event in told] == [10]
    assert world.client.all(Refused) == []
    trades = world.client.all(Trade)
    assert trades
    assert no_holes(trades)
    assert len(frames_of(world, "subscribe")) == 1


def test_B1_lost_twice_it_is_an_alarm_and_asked_again_later() -> None:
    world = World([Fault("drop_ack", channel="trades", times=2), Fault("mute", channel="trades", **{"for": 45})])
    world.subscribe("trades", "BTC-USDT")
    world.run(80)
    alarms = world.client.all(Refused)
    assert [(alarm.code, alarm.will_retry, round(second(alarm))) for alarm in alarms] == [("timeout", True, 20)]
    assert [round(second(event)) for event in world.client.all(Subscribed)] == [50]
    assert world.client.all(Disconnected) == []


def test_B1_what_flows_is_not_asked_again() -> None:
    world = World([Fault("drop_ack", times=2)])
    world.subscribe("books", "BTC-USDT")
    world.subscribe("trades", "BTC-USDT")
    world.run(30)
    assert requests_of(world) == 1
    assert world.client.gaps == []
    assert len(world.client.all(BookSnapshot)) == 1


def test_B1_a_lost_goodbye_is_said_once_more() -> None:
    world = World([Fault("drop_ack", action="unsubscribe", times=1)])
    world.subscribe("trades", *BOTH[:1])
    world.at(5, lambda: world.client.unsubscribe("trades", "BTC-USDT"))
    world.run(30)
    assert [round(second(event)) for event in world.client.all(Unsubscribed)] == [15]


@pytest.mark.parametrize("habit", ["always", "sometimes"])
def test_B2_data_before_its_ack_is_delivered(habit: Any) -> None:
    world = World([Fault("delay_ack", seconds=5)], rules=Rules(push_before_ack=habit))
    world.subscribe("books", "BTC-USDT")
    world.subscribe("trades", "BTC-USDT")
    world.run(20)
    acked = world.client.all(Subscribed)
    assert [round(second(event)) for event in acked] == [5, 5]
    images = world.client.all(BookSnapshot)
    assert len(images) == 1
    assert second(images[0]) < 1
    assert any(second(trade) < 5 for trade in world.client.all(Trade))
    assert no_holes(world.client.all(Trade))
    assert world.client.gaps == []
    assert world.client.books.get("BTC-USDT").is_live


# -- B3, B4: errors --------------------------------------------------------------------------------


def test_B3_one_of_many_is_refused_and_the_others_live() -> None:
    world = World(instruments=BOTH)
    world.subscribe("trades", "BTC-USDT", "NO-SUCH", "ETH-USDT")
    world.subscribe("books", "NO-SUCH", "BTC-USDT")
    world.run(20)
    refused = world.client.all(Refused)
    assert sorted((event.channel, event.key, event.code, event.will_retry) for event in refused) == [
        ("books", "NO-SUCH", "60018", False),
        ("trades", "NO-SUCH", "60018", False),
    ]
    assert all("NO-SUCH" in event.message and event.advice for event in refused)
    assert {trade.instrument for trade in world.client.all(Trade)} == set(BOTH)
    assert world.client.all(BookUpdate)
    assert len(world.client.wires) == 1
    assert requests_of(world) == 1


def test_B3_refused_it_may_be_wanted_again() -> None:
    world = World([Fault("error_ack", channel="trades", code="60018", times=1)])
    world.subscribe("trades", "BTC-USDT")
    world.run(5)
    assert world.client.all(Refused)
    world.client.unsubscribe("trades", "BTC-USDT")
    world.client.subscribe("trades", "BTC-USDT")
    world.run(5)
    assert world.client.all(Subscribed)
    assert world.client.all(Trade)


@pytest.mark.parametrize("code", ["60012", "60013", "60008", "64000", "64001", "64002", "64003", "64004"])
def test_B4_what_only_a_person_can_change_is_told_once_and_not_repeated(code: str) -> None:
    world = World([Fault("error_ack", channel="books", code=code)])
    world.subscribe("books", "BTC-USDT")
    world.subscribe("trades", "BTC-USDT")
    world.run(120)
    refused = world.client.all(Refused)
    assert [(event.channel, event.code, event.will_retry) for event in refused] == [("books", code, False)]
    assert refused[0].advice
    assert world.client.all(Trade)
    assert world.client.all(Disconnected) == []
    assert len([fault for fault in world.exchange.ledger.faults if fault.kind == "error_ack"]) <= 2


@pytest.mark.parametrize("code", ["60014", "64007"])
def test_B4_what_passes_is_tried_again_ever_later(code: str) -> None:
    world = World([Fault("error_ack", channel="books", code=code, times=4)])
    world.subscribe("books", "BTC-USDT")
    world.subscribe("trades", "BTC-USDT")
    world.run(120)
    refused = world.client.all(Refused, channel="books")
    assert [event.will_retry for event in refused] == [True] * 4
    times = [second(event) for event in refused]
    waits = [b - a for a, b in itertools.pairwise(times)]
    assert waits == sorted(waits)
    assert min(waits) >= (9 if code == "60014" else 2)
    assert world.client.books.get("BTC-USDT").is_live
    assert no_holes(world.client.all(Trade))


# -- B5: a duplicate subscription ------------------------------------------------------------------


@pytest.mark.parametrize("habit", ["snapshot", "ack_only"])
def test_B5_a_duplicate_subscription_is_one_subscription(habit: Any) -> None:
    world = World(rules=Rules(duplicate_subscribe=habit))
    world.subscribe("books", "BTC-USDT")
    again = b'{"id":"other","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'
    world.at(5, lambda: world.client.wires["public/0", 1].send(again))
    world.run(30)
    assert len(frames_of(world, "subscribe")) == 2
    assert len(world.client.all(Subscribed)) == 1
    assert len(world.client.all(BookSnapshot)) == (2 if habit == "snapshot" else 1)
    assert world.client.books.get("BTC-USDT").is_live
    seen = [(event.previous_sequence, event.sequence) for event in world.client.all(BookUpdate)]
    assert len(seen) == len(set(seen)), "no change twice"
    ours, truth = world.client.books.get("BTC-USDT"), world.market.book("BTC-USDT", 10)
    while ours.ts_event != int(truth["ts"]) * 1_000_000:  # until nothing is on its way
        world.run(0.01)
        truth = world.market.book("BTC-USDT", 10)
    assert [(level.price, level.size) for level in ours.bids(10)] == [(float(row[0]), float(row[1])) for row in truth["bids"]]


# -- B6: unsubscribing -----------------------------------------------------------------------------


def test_B6_pushes_after_an_unsubscribe_are_dropped_and_it_stays_away_after_a_reconnect() -> None:
    world = World([Fault("linger", channel="trades", frames=20), Fault("abort", at=40)])
    world.subscribe("trades", "BTC-USDT")
    world.subscribe("books", "BTC-USDT")
    world.run(10)
    world.client.unsubscribe("trades", "BTC-USDT")
    since = len(world.client.events)
    world.run(20)
    after = world.client.events[since:]
    assert [type(event) for event in after if not isinstance(event, BookUpdate)] == [Unsubscribed]
    session = world.client.lines["public/0"].sessions[1]
    assert session.late_pushes >= 20
    world.run(60)
    assert len(world.client.all(Disconnected)) == 1
    assert [event.channel for event in world.client.events[since:] if isinstance(event, Subscribed)] == ["books"]
    assert not [event for event in world.client.events[since:] if isinstance(event, Trade)]


def test_B6_unsubscribing_and_resubscribing_at_every_moment_ends_as_wanted() -> None:
    """The instants sweep over the subscribe in flight, its ack, the goodbye in flight and its ack."""
    for step in range(45):
        world = World([Fault("delay_ack", seconds=0.2, every=2)], latency_ms=20)
        world.subscribe("books", "BTC-USDT")
        world.subscribe("trades", "BTC-USDT")
        out = step * 0.011
        world.at(out, lambda w=world: w.client.unsubscribe("books", "BTC-USDT"))  # type: ignore[misc]
        if step % 3:
            world.at(out + (step % 7) * 0.03, lambda w=world: w.client.subscribe("books", "BTC-USDT"))  # type: ignore[misc]
        world.run(15)
        last = world.run(5)
        states = world.client.lines["public/0"].sessions[1].registry.states
        wanted = {"books", "trades"} if step % 3 else {"trades"}
        assert {item.channel for item in states} == wanted, step
        assert ("books" in wanted) == any(isinstance(event, BookUpdate) for event in last), step
        assert [event for event in world.client.news if isinstance(event, (Refused, Stale))] == []
        held = world.exchange.connections[0].subscriptions.values()
        assert {topic.channel.name for topic in held} == wanted, step
        if "books" in wanted:
            assert world.client.books.get("BTC-USDT").is_live, step


def test_B6_wishes_while_there_is_no_line() -> None:
    """Asked for while disconnected, let go during the back-off: the next connection asks for exactly what is wanted then."""
    world = World([Fault("abort", at=5), Fault("refuse_connect", at=5, **{"for": 10})], instruments=BOTH)
    world.subscribe("trades", "BTC-USDT")
    world.run(7)
    world.client.subscribe("trades", "ETH-USDT")
    world.client.subscribe("books", "BTC-USDT")
    world.run(1)
    world.client.unsubscribe("trades", "BTC-USDT")
    world.run(40)
    since = [event for event in world.client.events if event.ts_recv > START + 7 * SECOND]
    assert sorted((event.channel, event.key) for event in since if isinstance(event, Subscribed)) == [
        ("books", "BTC-USDT"),
        ("trades", "ETH-USDT"),
    ]
    assert {event.instrument for event in since if isinstance(event, Trade)} == {"ETH-USDT"}
    assert world.client.books.get("BTC-USDT").is_live


def test_B6_wishes_during_a_handover_hold_for_both_connections() -> None:
    world = World([Fault("notice", at=10)], instruments=BOTH)
    world.subscribe("trades", "BTC-USDT")
    world.subscribe("books", "BTC-USDT")

    def change() -> None:
        world.client.subscribe("books", "ETH-USDT")
        world.client.unsubscribe("trades", "BTC-USDT")
        world.client.subscribe("trades", "ETH-USDT")

    world.at(10.02, change)
    world.run(120)
    assert [event.handed_over for event in world.client.all(Disconnected)] == [True]
    assert world.client.gaps == []
    held = {(topic.channel.name, topic.key) for topic in world.exchange.connections[0].subscriptions.values()}
    assert held == {("books", "BTC-USDT"), ("books", "ETH-USDT"), ("trades", "ETH-USDT")}
    assert no_holes(world.client.all(Trade, instrument="ETH-USDT"))
    assert world.client.books.get("ETH-USDT").is_live
    late = [event for event in world.client.all(Trade, instrument="BTC-USDT") if second(event) > 10.1]
    assert late == []


# -- B7: the hourly limit --------------------------------------------------------------------------


def test_B7_an_hour_of_churn_over_three_thousand_subscriptions_keeps_every_limit() -> None:
    world = World(market=StillMarket(), rules=Rules(over_budget="error"))
    items = [f"COIN{n:04}-USDT" for n in range(2_999)]
    world.subscribe("books", "BTC-USDT")
    world.subscribe("trades", *items)
    world.run(20)
    lines = world.client.lines
    assert len(lines) == 30
    assert len(world.client.all(Subscribed)) == 3_000
    sent_first = {conn: traffic.requests for conn, traffic in world.exchange.ledger.traffic.items()}
    assert max(sent_first.values()) <= 4, "many args a frame"
    for step in range(3_540):
        name = items[step % 40]  # all of them live on the first connection
        world.client.unsubscribe("trades", name)
        world.client.subscribe("trades", name)
        if step % 7 == 0:
            world.client.unsubscribe("trades", items[1000 + step % 1999])
            world.client.subscribe("trades", items[1000 + step % 1999])
        world.run(1)
    assert frames_of(world, "error") == [], "never 60014"
    assert world.client.all(Disconnected) == [], "and never 1009: no frame over 64 KB"
    assert world.client.all(Refused) == []
    busy = lines["public/0"].sessions[1]
    assert busy.outbox.budget.left(world.now) >= 60, "the reserve for recovery is kept"
    item = subscription("books", "BTC-USDT")
    world.client.feed(BookInvalidated(line="public/0", arg=item.arg, cause="checksum"))
    assert [(gap.cause, gap.instrument) for gap in world.client.gaps] == [("checksum", "BTC-USDT")]
    assert Resumed in [type(event) for event in world.run(1)], "a book is renewed at once all the same"
    world.run(20)
    held = sum(len(line.subscriptions) for line in world.exchange.connections)
    assert held == 3_000, "what is wanted runs, every one of them"


def test_B7_answered_60014_all_the_same_it_waits_and_loses_nothing() -> None:
    world = World(market=StillMarket(), rules=Rules(requests_per_hour=2, over_budget="error"))
    world.subscribe("trades", "A-USDT")
    world.run(1)
    world.subscribe("trades", "B-USDT")
    world.run(1)
    world.subscribe("trades", "C-USDT", "D-USDT")
    world.run(3600)
    refused = [event for event in world.client.all(Refused) if event.channel]
    assert {event.code for event in refused} == {"60014"}
    assert all(event.will_retry for event in refused)
    times = sorted({second(event) for event in refused})
    assert min(b - a for a, b in itertools.pairwise(times)) >= 10, "never a storm"
    world.run(120)
    assert {event.key for event in world.client.all(Subscribed)} == {"A-USDT", "B-USDT", "C-USDT", "D-USDT"}


def test_B7_a_spent_connection_gets_a_fresh_one() -> None:
    world = World(market=StillMarket(), rules=Rules(over_budget="error_then_close", requests_per_hour=2))
    for name in ("A-USDT", "B-USDT", "C-USDT"):
        world.subscribe("trades", name)
        world.run(1)
    world.run(30)
    assert [event.code for event in world.client.all(Disconnected)] == [4006]
    assert len(world.exchange.connections[0].subscriptions) == 3


# -- B8: too many connections hold a channel -------------------------------------------------------


def test_B8_a_channel_ended_after_its_ack_is_told_and_the_others_live() -> None:
    world = World([Fault("conn_count_error", channel="orders")], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.subscribe("account", "BTC")
    world.subscribe("trades", "BTC-USDT")
    world.run(30)
    assert len(world.client.all(LoggedIn)) == 1
    assert {event.channel for event in world.client.all(Subscribed)} == {"orders", "account", "trades"}
    refused = world.client.all(Refused)
    assert [(event.channel, event.key, event.code, event.will_retry) for event in refused] == [
        ("orders", "SPOT", "channel-conn-count-error", False)
    ]
    order = [event for event in world.client.events if getattr(event, "channel", "") == "orders"]
    assert [type(event) for event in order][:2] == [Subscribed, Refused]
    assert [event.channel for event in world.client.all(ConnectionCount)] == ["account"]
    assert world.client.all(Disconnected) == []
    held = {topic.channel.name for line in world.exchange.connections for topic in line.subscriptions.values()}
    assert held == {"account", "trades"}


# -- login, as far as public data is concerned -----------------------------------------------------


def test_B9_a_refused_login_ends_what_needs_it_and_the_public_data_beside_it_goes_on() -> None:
    world = World(credentials=Credentials(DEMO_KEY.key, "another secret", DEMO_KEY.passphrase))
    world.subscribe("trades", "BTC-USDT")
    world.subscribe("books-l2-tbt", "BTC-USDT")
    world.run(120)
    assert [(event.channel, event.code) for event in world.client.all(Refused)] == [("login", "60007"), ("books-l2-tbt", "60007")]
    assert no_holes(world.client.all(Trade))
    assert world.client.all(Disconnected) == []
    assert len(world.client.dials) == 1


def test_B10_a_login_ack_that_is_lost_costs_one_connection() -> None:
    world = World([Fault("drop_ack", channel="login", times=1)], credentials=KEY)
    world.subscribe("books-l2-tbt", "BTC-USDT")
    world.run(40)
    assert [event.reason for event in world.client.all(Disconnected)] == ["no answer to the login"]
    assert len(world.client.all(LoggedIn)) == 1
    assert world.client.books.get("BTC-USDT").is_live


def test_B11_a_channel_that_wants_a_login_after_all_gets_one() -> None:
    for key in (KEY, None):
        world = World([Fault("error_ack", channel="tickers", code="60011", times=1)], credentials=key)
        world.subscribe("tickers", "BTC-USDT")
        world.run(20)
        refused = world.client.all(Refused)
        assert [(event.channel, event.will_retry) for event in refused] == [("tickers", key is not None)]
        assert len(world.client.all(LoggedIn)) == len(world.client.all(Subscribed)) == (1 if key else 0)


# -- B14: the key is deleted -----------------------------------------------------------------------


def test_B14_with_the_key_gone_what_needs_it_stops_for_good_and_public_data_lives_on() -> None:
    world = World([Fault("close", code=4007, reason="API key deleted", at=20)], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.subscribe("trades", "BTC-USDT")
    world.run(300)
    lost = {event.line: event for event in world.client.all(Disconnected)}
    assert lost["private/0"].fatal
    assert lost["private/0"].retry_s is None
    assert lost["private/0"].channels == (("orders", "SPOT"),)
    assert not lost["public/0"].fatal
    assert [number for name, number in world.client.wires if name == "private/0"] == [1], "not dialled again"
    assert world.client.all(Trade)[-1].ts_recv > world.now - 30 * SECOND


def test_B14_without_a_key_the_code_means_nothing_special() -> None:
    world = World([Fault("close", code=4007, at=20)])
    world.subscribe("trades", "BTC-USDT")
    world.run(120)
    assert [(event.code, event.fatal) for event in world.client.all(Disconnected)] == [(4007, False)]
    assert world.client.all(Trade)[-1].ts_recv > world.now - 30 * SECOND


# -- B15: numbers as texts and texts as numbers ----------------------------------------------------


def test_B15_the_client_takes_integers_for_texts_and_texts_for_integers() -> None:
    session = Session("public/0", [subscription(name, "BTC-USDT") for name in ("trades", "books")], now=START)
    session.bytes_to_send()
    events: list[Event] = []
    for frame in (
        b'{"id":"c0r1","event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55","code":0}',
        b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":7,"px":1.5,"sz":2,"side":"buy",'
        b'"ts":1790000000000,"count":1,"seqId":"12"}]}',
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["101","1","0","1"]],"bids":[],'
        b'"ts":1790000000000,"checksum":"0","seqId":"5","prevSeqId":"-1"}]}',
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[],"bids":[["100","2","0","1"]],'
        b'"ts":"1790000000001","checksum":0,"seqId":"6","prevSeqId":"5"}]}',
        b'{"event":"channel-conn-count","channel":"orders","connCount":2,"connId":"a4d3ae55"}',
        b'{"id":"c0r1","event":"error","code":60018,"msg":"no","connId":"a4d3ae55"}',
    ):
        events += session.receive(frame, START)
    kinds = [type(event) for event in events]
    assert kinds == [Subscribed, Trade, BookSnapshot, BookUpdate, ConnectionCount, Refused, Gap]
    trade, update = events[1], events[3]
    assert isinstance(trade, Trade)
    assert isinstance(update, BookUpdate)
    assert (trade.trade_id, trade.price, trade.sequence, update.previous_sequence) == (7, 1.5, 12, 5)
    assert events[-2].code == "60018"  # type: ignore[attr-defined]


def test_B15_the_exchange_takes_what_real_clients_send() -> None:
    from okex_ws.wire.sign import login_sign

    talker = Talker(exchange(), "private")
    stamp_s = 1_790_000_000
    login = {
        "apiKey": DEMO_KEY.key,
        "passphrase": DEMO_KEY.passphrase,
        "timestamp": stamp_s,
        "sign": login_sign(DEMO_KEY.secret, str(stamp_s)),
    }
    assert talker.say({"op": "login", "args": [login]}, 0.0)[0]["code"] == "0", "an integer timestamp, as python-okx sends"
    orders = {"channel": "orders", "instType": "SPOT", "instFamily": None, "instId": None}
    (ack, *_) = talker.say({"id": 1512, "op": "subscribe", "args": [orders]}, 0.1)
    assert (ack["event"], ack["id"]) == ("subscribe", "1512")
    public = Talker(exchange())
    null = {"channel": "trades", "instId": "BTC-USDT", "instType": None, "instFamily": None}
    assert public.say({"id": None, "op": "subscribe", "args": [null]}, 0.1)[0]["event"] == "subscribe"
    assert public.say({"op": "login", "args": None}, 0.2)[0]["event"] == "error"
    assert public.closed is None


# -- B16, B17: other dialects ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        b"{'event':'addChannel','channel':'ok_sub_spot_btc_usdt_ticker'}",
        b"[{'event':'addChannel','channel':'ok_sub_spot_btc_usdt_ticker'}]",
        b'{"event":"addChannel","channel":"ok_sub_spot_btc_usdt_depth"}',
        b"{'event':'ping'}",
        b'{"event":"ping"}',
        b'{"op":"ping"}',
        b'{"op":"subscribe","args":["spot/ticker:BTC-USDT"]}',
    ],
)
def test_B16_requests_of_older_dialects_are_answered_as_v5_does(request_: bytes) -> None:
    talker = Talker(exchange())
    answer = talker.say(request_, 0.1)
    assert [(frame["event"], frame["code"]) for frame in answer] == [("error", _code(request_))]
    assert talker.closed is None
    assert talker.subscribe(book(channel="trades"), at=0.2)[0]["event"] == "subscribe", "the line goes on"


def _code(request: bytes) -> str:
    if b'"op":"ping"' in request:
        return "60019"
    return "60013" if b"subscribe" in request else "60012"


@pytest.mark.parametrize("version", [1, 3])
def test_B17_frames_of_another_dialect_are_unrecognized_counted_and_kept(version: int) -> None:
    world = World([Fault("wrong_dialect", version=version, every=10)])
    world.subscribe("trades", "BTC-USDT")
    world.subscribe("books", "BTC-USDT")
    world.run(60)
    strange = world.client.all(Unrecognized)
    struck = [fault for fault in world.exchange.ledger.faults if fault.kind == "wrong_dialect"]
    assert len(strange) == len(struck) == world.client.lines["public/0"].sessions[1].unrecognized > 3
    assert all((b"ok_sub_spot_btc_usdt_ticker" if version == 1 else b'"table":"spot/ticker"') in event.raw for event in strange)
    assert world.client.all(Malformed) == []
    assert world.client.all(Disconnected) == []
    assert world.client.gaps == []
    assert no_holes(world.client.all(Trade))
