"""Faults of the connection in which time matters, rows A8 to A10, A12 to A15 and A18: on virtual time."""

from __future__ import annotations

import itertools

import pytest
from tests.soak.schedule import audit
from tests.support.fed_core import FedCore
from tests.support.fixed_market import INSTRUMENTS, FixedMarket
from tests.support.virtual import MS, START, World

from okex_ws import Gap, Trade, subscription
from okex_ws.core.core import ClientCore
from okex_ws.core.effects import Dial
from okex_ws.core.inputs import DialFailed, LineStarted, TimerFired
from okex_ws.events import BookSnapshot, BookUpdate, Connected, Disconnected, Notice, Resumed, Stale
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.session import Timing
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.rules import Rules

PING_AFTER = int(Timing().ping_after_s * SECOND)


def world(*faults: str, **options: object) -> World:
    return World(Faults.parse(faults), **options)  # type: ignore[arg-type]


def streaming(*faults: str, **options: object) -> World:
    """A world whose client wants trades and books of BTC-USDT."""
    made = world(*faults, **options)
    for channel in ("trades", "books"):
        made.subscribe(channel, "BTC-USDT")
    return made


def untold(made: World) -> list[str]:
    """What the audit finds, once the last verdicts had time to fall."""
    made.run(100)
    return audit(made)


def busiest_second(dials: list[int]) -> int:
    """Most connects within any one second."""
    return max(sum(first <= dial < first + SECOND for dial in dials) for first in dials)


# -- A8 to A10: silence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [3.0, 17.3, 61.9])
def test_A8_a_peer_silently_gone_is_noticed_within_twice_the_ping_interval(at: float) -> None:
    made = streaming(f"freeze at={at}s")
    made.run(at + 120)
    [lost] = made.client.all(Disconnected)
    heard = max(event.ts_recv for event in made.client.all(Trade) + made.client.all(BookUpdate) if event.ts_recv < lost.ts_recv)
    assert lost.reason == "no answer to a ping, silent for 25 s"
    assert PING_AFTER <= lost.ts_recv - heard <= 2 * PING_AFTER
    assert [event.connection for event in made.client.all(Connected)] == [1, 2]
    assert made.client.all(Resumed, channel="books")
    assert made.client.all(Gap, channel="trades"), "what was traded meanwhile is told"
    assert untold(made) == []


def test_A8_a_silent_server_that_answers_pings_is_kept() -> None:
    made = world(market=FixedMarket(lasts=5.0))
    made.subscribe("trades", "BTC-USDT")
    made.run(600)
    assert not made.client.all(Disconnected)
    [wire] = made.client.wires.values()
    pongs = wire.frames.count(b"pong")
    assert 600 / 15 - 3 <= pongs <= 600 / 15, "one ping for every quiet interval, no more"


def test_A9_one_silent_subscription_is_told_while_the_others_flow_and_pongs_come() -> None:
    made = streaming("mute channel=books at=30s for=110s")
    made.run(250)
    stale = made.client.all(Stale)
    assert {(event.channel, event.key) for event in stale} == {("books", "BTC-USDT")}
    assert 70 <= stale[0].silent_s <= 71, "a quiet book is re-sent after 60 s; ten more are grace"
    assert not made.client.all(Disconnected), "the line itself is well"
    after = made.client.events[made.client.events.index(stale[0]) :]
    assert any(isinstance(event, BookSnapshot) for event in after), "asked for anew, it comes back"
    assert made.client.books.get("BTC-USDT", "books").is_live
    assert untold(made) == []


def test_A9_a_quiet_book_is_no_alarm_as_long_as_it_is_kept_alive() -> None:
    quiet = world(market=FixedMarket(lasts=5.0))
    for channel in ("trades", "books", "books5"):
        quiet.subscribe(channel, "BTC-USDT")
    quiet.run(1200)
    assert not quiet.client.all(Stale)
    assert not quiet.client.gaps
    dead = world(market=FixedMarket(lasts=5.0), rules=Rules(book_keepalive_s=0))
    dead.subscribe("books", "BTC-USDT")
    dead.run(1200)
    assert dead.client.all(Stale), "without its keep-alive it is one"


@pytest.mark.parametrize(("every_s", "survives"), [(20, True), (40, False)])
def test_A10_pongs_that_never_come_do_not_matter_while_data_flows(every_s: int, survives: bool) -> None:
    market = FixedMarket(lasts=1500, step_ms=every_s * 1000, trades_ms=every_s * 1000)
    made = world("ignore_ping", market=market)
    made.subscribe("trades", "BTC-USDT")
    made.run(1200)
    assert len(made.client.all(Trade)) >= 10
    assert bool(made.client.all(Disconnected)) is not survives, "each push within the patience for a pong counts as life"


@pytest.mark.parametrize("latency_ms", [250, 1000, 3000])
def test_A15_latency_up_to_three_seconds_is_no_fault(latency_ms: int) -> None:
    made = streaming(latency_ms=latency_ms)
    made.run(120)
    assert not made.client.all(Disconnected)
    assert not made.client.gaps
    assert len(made.client.dials) == 1
    assert untold(made) == []


# -- A12 to A14: many connects ----------------------------------------------------------------------------------------------


def test_A12_flapping_is_not_taken_for_health_and_never_dials_more_than_thrice_a_second() -> None:
    market = FixedMarket(lasts=3000, step_ms=1000, trades_ms=1000)
    made = streaming("die_after_frames frames=2 times=50", market=market, rules=Rules(idle_close_s=0))
    made.run(1500)
    lost = made.client.all(Disconnected)
    assert len(lost) == 50
    assert len(made.client.dials) == 51
    assert busiest_second(made.client.dials) <= 3
    for index, event in enumerate(lost):
        assert event.retry_s is not None
        assert 0 <= event.retry_s <= min(30.0, 0.5 * 2.0**index)
    assert max(event.retry_s for event in lost[40:]) > 15, "fully jittered under the cap, not begun afresh by a bare connect"
    assert made.client.all(Trade)[-1].ts_recv > made.now - 60 * SECOND, "it flows in the end"


def test_A12_only_half_a_minute_of_data_begins_the_back_off_afresh() -> None:
    def waits(*seconds_alive: float) -> list[float]:
        fed = FedCore(("trades", "BTC-USDT"), uniform=0.999)
        now, out = START, []
        for number, alive in enumerate(seconds_alive, 1):
            assert fed.number == number, "dialled again"
            fed.opened(now)
            for second in [*range(int(alive)), alive]:
                fed.text(PUSH, now + 1 + int(second * SECOND))
            now += int(alive * SECOND) + 1
            [lost] = [event for event in fed.closed(1006, now) if isinstance(event, Disconnected)]
            assert lost.retry_s is not None
            out.append(lost.retry_s)
            now = max(now, fed.line.next_deadline or 0)
            fed.timer(now)
        return out

    flapping = waits(0, 0.2, 0.05, 1, 29.9, 0.1)
    assert flapping == pytest.approx([0.999 * 0.5 * 2**n for n in range(6)])
    assert waits(0, 0.2, 0.05, 31, 0.1) == pytest.approx([0.4995, 0.999, 1.998, 0.4995, 0.999])


PUSH = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"5","px":"1","sz":"1",'
    b'"side":"buy","ts":"1790000000000","count":"1"}]}'
)


def test_A12_connects_are_limited_for_all_lines_together_also_when_one_of_them_waits_long() -> None:
    """A line that asks when it may dial in half a minute must not free what the others have used up just now."""
    core = ClientCore(seeded=lambda text: lambda: 0.99)
    dials: list[int] = []
    now = START
    for n in range(8):
        core.feed(LineStarted(line=f"public/{n}"), now)
    lines = core.lines.values()
    while now < START + 60 * SECOND:
        for effect in core.effects():
            assert isinstance(effect, Dial)
            dials.append(now)
            core.feed(DialFailed(line=effect.line, connection=effect.number, reason="refused", retry_after_s=7.0), now)
        now = max(now + MS, min(line.next_deadline for line in lines if line.next_deadline is not None))
        for line in lines:
            if line.next_deadline is not None and line.next_deadline <= now:
                core.feed(TimerFired(line=line.name), now)
    assert len(dials) > 20
    assert busiest_second(dials) <= 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("latency_ms", [1, 400])
def test_A13_an_announced_close_changes_connections_without_losing_or_repeating_anything(seed: int, latency_ms: int) -> None:
    made = streaming("notice at=20s", seed=seed, latency_ms=latency_ms)
    made.run(150)
    client = made.client
    assert [event.code for event in client.all(Notice)] == ["64008"]
    assert [event.handover for event in client.all(Connected)] == [False, True]
    [lost] = client.all(Disconnected)
    assert lost.handed_over
    assert lost.channels == ()
    assert lost.ts_recv < START + 80 * SECOND, "before OKX closes it"
    assert lost.ts_recv > client.all(Connected)[1].ts_recv, "the new one stood before the old one went"
    assert not client.gaps
    assert not client.all(Resumed)
    ids = [number for trade in client.all(Trade) for number in range(trade.first_id, trade.trade_id + 1)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    chain = [event for event in client.all(BookUpdate) if event.previous_sequence != event.sequence]
    assert all(then.previous_sequence == now.sequence for now, then in itertools.pairwise(chain))
    assert untold(made) == []


REFUSED = "refuse_connect at=20s for="


@pytest.mark.parametrize("trouble", [f"{REFUSED}25s", f"{REFUSED}100s", "drop_ack at=21s for=8s", ""])
def test_A13_a_handover_that_does_not_come_about_at_once_loses_nothing_untold(trouble: str) -> None:
    faults = ("notice at=20s", trouble) if trouble else ("notice at=20s", "notice at=30s", "abort at=22s")
    made = streaming(*faults)
    made.run(200)
    assert untold(made) == []
    assert made.client.all(Trade)[-1].ts_recv > made.now - 30 * SECOND


def test_A14_twenty_lines_lost_at_once_come_back_within_the_limits() -> None:
    made = world("kick_all at=60s", market=FixedMarket(lasts=150, step_ms=1000, trades_ms=1000), rules=Rules())
    for n in range(20):
        name = f"public/{n}"
        made.client.start_line(name, [subscription(channel, key) for channel in ("trades", "tickers") for key in INSTRUMENTS])
    made.run(59)
    assert len(made.exchange.connections) == 20
    assert len(made.client.dials) == 20
    made.run(61)
    assert len(made.exchange.connections) == 20, "all are back"
    assert len(made.client.dials) == 40, "none was dialled twice: the exchange refused nobody"
    assert busiest_second(made.client.dials) <= 3
    assert sum("429" in event.reason for event in made.client.all(Disconnected)) == 0
    assert max(traffic.requests for traffic in made.exchange.ledger.traffic.values()) < 10
    lost = made.client.all(Disconnected)
    assert {event.line for event in lost} == {f"public/{n}" for n in range(20)}


# -- A18: standing still ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asleep_s", "quiet"), [(21, False), (60, False), (600, False), (21, True), (7200, True)])
def test_A18_a_process_that_stood_still_reconnects_once_and_says_what_it_missed(asleep_s: int, quiet: bool) -> None:
    options = {"market": FixedMarket(lasts=25.0)} if quiet else {}
    made = streaming(**options)
    made.run(30)
    before = len(made.client.events)
    made.sleep(asleep_s)
    news = made.run(60)
    lost = [event for event in news if isinstance(event, Disconnected)]
    assert len(lost) == 1, [event.reason for event in lost]
    assert len([event for event in news if isinstance(event, Connected)]) == 1
    assert not [event for event in news if isinstance(event, Stale)], "no burst of timers that ran out meanwhile"
    assert made.client.all(Gap, channel="books"), "the book was stale for as long as we were away"
    [back] = [event for event in news if isinstance(event, Resumed) and event.channel == "books"]
    assert back.since <= START + 30 * SECOND
    assert back.ts_recv - back.since >= asleep_s * SECOND
    assert len(made.client.dials) == 2
    assert before < len(made.client.events)
    if not quiet:
        assert untold(made) == []


def test_A18_what_arrives_first_after_the_standstill_does_not_hide_it() -> None:
    """A pong, or data, that waited in the socket must not make ten minutes of standstill look like life."""
    for first in (b"pong", PUSH, b'{"event":"notice","code":"1","msg":""}'):
        fed = FedCore(("trades", "BTC-USDT"))
        fed.opened()
        fed.text(PUSH, START + SECOND)
        events = fed.text(first, START + 600 * SECOND)
        [lost] = [event for event in events if isinstance(event, Disconnected)]
        assert lost.reason.startswith("this process stood still for 59")


def test_A18_a_short_pause_is_no_standstill() -> None:
    made = streaming()
    made.run(30)
    made.sleep(8)
    made.run(60)
    assert not made.client.all(Disconnected)
    assert not made.client.gaps
    assert untold(made) == []
