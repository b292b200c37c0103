"""Every kind of fault, struck once and looked at; and how they are written."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from tests.support.fixed_market import FixedMarket
from tests.support.talk import Talker, book, exchange, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.fault_kinds import BAD_DEFLATES, KINDS, nanoseconds
from okex_ws.simulator.faults import Fault, Faults
from okex_ws.simulator.legacy import deflate
from okex_ws.simulator.outgoing import Abort, Close, Freeze, HttpReply, Text

BOOK = ["channel=books", "action=update"]


def visit(*faults: str, channel: str = "books", at: float = 2.0, **rules: Any) -> Talker:
    """A subscription under these faults, lived for some seconds."""
    path = "business" if channel.startswith("candle") else "public"
    talker = Talker(exchange(*faults, **rules), path)
    talker.subscribe(book(channel=channel))
    talker.until(at)
    return talker


def breaks(pushes: list[Any]) -> int:
    """How many updates do not follow the one before."""
    ids = [p["data"][0] for p in pushes]
    return sum(b["prevSeqId"] not in (-1, a["seqId"]) for a, b in itertools.pairwise(ids))


def kinds(talker: Talker) -> list[str]:
    return [f.kind for f in talker.venue.ledger.faults]


def test_every_bad_deflate_can_be_made() -> None:
    assert tuple(deflate.BAD_DEFLATES) == BAD_DEFLATES


def test_parse_reads_selectors_options_and_durations() -> None:
    fault = Fault.parse("mute channel=trades instrument=BTC-USDT at=10s for=30s")
    assert (fault.channel, fault.instrument, fault.at, fault.lasts) == ("trades", "BTC-USDT", 10**10, 3 * 10**10)
    assert Fault("close", code=4004, at=1.5).options["code"] == 4004
    assert Fault("drop", for_=2).lasts == 2 * 10**9
    assert Fault.parse("inject text='{\"a\": 1}'").options["text"] == '{"a": 1}'
    assert [nanoseconds(t) for t in ("250ms", "2m", "1h", 0.5, "3")] == [
        250 * 10**6,
        120 * 10**9,
        3600 * 10**9,
        5 * 10**8,
        3 * 10**9,
    ]
    assert Fault.parse("drop probability=5%").probability == 0.05


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("dorp channel=books", "'drop'"),
        ("close cod=4004", "'code'"),
        ("drop chanel=books", "'channel'"),
        ("drop nth=many", "nth='many'"),
        ("drop probability=3", "between 0 and 1"),
        ("abort path=/ws/v5/business", "write one of public, business, private, rest, v1, v3"),
        ("drop nth", "name=value"),
        ("", "empty fault"),
    ],
)
def test_unknown_words_name_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        Fault.parse(text)


def test_every_kind_has_one_line_of_help() -> None:
    listed = Faults.kinds()
    assert list(listed) == list(KINDS)
    assert len(listed) >= 40
    assert all(line and "\n" not in line for line in listed.values())


def test_one_script_drives_two_exchanges_alike() -> None:
    script = Faults.parse(["drop channel=books nth=3"])
    for _ in range(2):
        venue = Exchange(FixedMarket(), now=seconds(0), faults=script)
        talker = Talker(venue)
        talker.subscribe(book())
        talker.until(2)
        assert breaks(talker.pushes("books")) == 1


def test_A3_refused_upgrade() -> None:
    venue = exchange("refuse_connect status=503 retry_after=2 times=1")
    assert venue.open("/ws/v5/public", seconds(0)) == HttpReply(503, {"Retry-After": "2"})
    Talker(venue)


def test_A2_slow_open_is_a_matter_of_the_shell() -> None:
    venue = exchange("slow_open seconds=3 nth=2")
    assert [venue.hold(seconds(n)) for n in range(3)] == [0, 3 * 10**9, 0]


@pytest.mark.parametrize("code", [1000, 1012, 4001, 4005, 4009])
def test_A7_close_frames(code: int) -> None:
    talker = visit(f"close code={code} reason=why at=1s")
    assert talker.closed == Close(code, "why")
    assert talker.out[-1] == talker.closed
    assert not talker.venue.connections


def test_A7_close_after_frames_once_or_on_every_line() -> None:
    venue = exchange("close code=4006 after_frames=3", "die_after_frames frames=5")
    lengths = []
    for n in range(3):
        talker = Talker(venue, at=n)
        talker.subscribe(book(), at=n)
        talker.until(n + 0.9)
        lengths.append((len(talker.pushes("books")), type(talker.out[-1])))
    assert lengths == [(3, Close), (5, Abort), (5, Abort)]


def test_A6_abort_and_A14_kick_all() -> None:
    venue = exchange("abort at=1s whom=one", "kick_all at=2s")
    talkers = [Talker(venue) for _ in range(3)]
    venue.on_deadline(seconds(1))
    assert len(venue.connections) == 2
    venue.on_deadline(seconds(2))
    assert venue.connections == []
    assert [t.line.take()[-1] for t in talkers] == [Abort()] * 3


def test_timed_faults_may_repeat() -> None:
    venue = exchange("abort at=1s repeat=2s for=6s")
    for n in range(5):
        Talker(venue, at=2.0 * n)
    venue.on_deadline(seconds(20))
    assert [f.ts for f in venue.ledger.faults] == [seconds(n) for n in (1, 3, 5)]


def test_A8_freeze_says_nothing_ever_again() -> None:
    talker = visit("freeze at=1s")
    assert talker.out[-1] == Freeze()
    assert talker.say(b"ping", 3) == []


def test_A9_one_subscription_goes_silent() -> None:
    talker = Talker(exchange("mute channel=trades instrument=BTC-USDT at=1s for=2s"))
    talker.subscribe(book(channel="trades"), book("ETH-USDT", "trades"))
    talker.until(4)
    silent = [p for p in talker.pushes("trades") if p["arg"]["instId"] == "BTC-USDT"]
    assert len(silent) == 8
    assert len(talker.pushes("trades")) == 24
    assert talker.line.traffic.dropped == 8 == kinds(talker).count("mute")


def test_A10_pings_are_ignored_for_a_while() -> None:
    talker = Talker(exchange("ignore_ping for=5s"))
    assert talker.say(b"ping", 1) == []
    assert talker.say(b"ping", 6) == [b"pong"]


def test_A12_flapping() -> None:
    venue = exchange("die_after_frames frames=1 times=50", connects_per_s=0)
    for n in range(51):
        talker = Talker(venue, at=n * 0.5)
        talker.subscribe(book(channel="tickers"), at=n * 0.5)
    assert len(venue.ledger.faults) == 50
    assert len(venue.connections) == 1


def test_B1_ack_lost_but_subscribed() -> None:
    talker = visit("drop_ack channel=books nth=1")
    assert "event" not in str(talker.drain()[0])
    assert len(talker.pushes("books")) > 5


def test_B2_ack_late() -> None:
    talker = visit("delay_ack seconds=1")
    frames = talker.drain()
    assert frames[0]["action"] == "snapshot"
    assert [f.get("event") for f in frames].index("subscribe") > 5


def test_B3_B4_ack_turned_into_an_error() -> None:
    talker = visit("error_ack channel=books code=60014 times=1")
    assert talker.drain()[0]["code"] == "60014"
    assert talker.drain()[0]["id"] == "r1"
    assert len(talker.drain()) == 1


def test_B6_pushes_after_an_unsubscribe() -> None:
    talker = visit("linger frames=2")
    assert len([p for p in talker.subscribe(book(), at=2, op="unsubscribe") + talker.until(5) if "data" in p]) == 2
    assert not talker.line.subscriptions
    assert talker.venue.market.watched == []


def test_B8_conn_count_error_follows_a_normal_ack() -> None:
    talker = visit("conn_count_error channel=books")
    events = [f["event"] for f in talker.drain() if "event" in f]
    assert events == ["subscribe", "channel-conn-count-error"]
    assert talker.until(3) == []


def test_D1_dropped_updates_break_the_chain_and_are_in_the_ledger() -> None:
    talker = visit("drop channel=books action=update every=5", at=5.15)
    pushes = talker.pushes("books")
    dropped = [f.detail for f in talker.venue.ledger.faults]
    assert breaks(pushes) == len(dropped) == talker.line.traffic.dropped > 5
    steps = {f"seq {a}->{b}" for a, b in talker.venue.ledger.books["books", "BTC-USDT"]}
    assert set(dropped) <= steps
    assert len(steps) == len(pushes) - 1 + len(dropped)


def test_D2_duplicate_and_swap() -> None:
    twice = [p["data"][0]["seqId"] for p in visit("duplicate channel=books nth=4").pushes("books")]
    assert twice[3] == twice[4]
    assert len(set(twice)) == len(twice) - 1
    swapped = [p["data"][0]["seqId"] for p in visit("swap channel=books nth=4").pushes("books")]
    assert swapped != sorted(swapped)
    assert sorted(swapped) == sorted(set(swapped))
    assert swapped[4] < swapped[3] < swapped[5]


def test_D3_sequence_reset_is_a_legal_chain() -> None:
    pushes = visit("seq_reset instrument=BTC-USDT at=1s").pushes("books")
    rows = [p["data"][0] for p in pushes]
    resets = [r for r in rows if r["seqId"] < r["prevSeqId"]]
    assert breaks(pushes) == 0
    assert len(resets) == 1
    assert resets[0]["seqId"] < 2000


def test_D5_no_snapshot() -> None:
    assert visit("no_snapshot times=1").pushes("books")[0]["action"] == "update"


def test_D6_second_snapshot_in_mid_stream() -> None:
    pushes = visit("resnapshot channel=books nth=4").pushes("books")
    assert [n for n, p in enumerate(pushes) if p["action"] == "snapshot"] == [0, 3]
    assert breaks(pushes) == 0
    assert len(pushes[3]["data"][0]["bids"]) == 10


def rebuilt(pushes: list[Any]) -> tuple[dict[str, str], dict[str, str]]:
    sides: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
    for push in pushes:
        for side, levels in sides.items():
            if push["action"] == "snapshot":
                levels.clear()
            for price, size, *_ in push["data"][0][side]:
                levels[price] = size
                if size == "0":
                    del levels[price]
    return sides["asks"], sides["bids"]


@pytest.mark.parametrize("fault", ["one_sided channel=books nth=5", "empty_book channel=books nth=5"])
def test_D8_one_sided_and_empty_books_heal(fault: str) -> None:
    talker = visit(fault)
    pushes = talker.pushes("books")
    asks, bids = rebuilt(pushes[:5])
    assert not asks
    assert bool(bids) == fault.startswith("one_sided")
    assert breaks(pushes) == 0
    truth = talker.venue.market.book("BTC-USDT", 400)
    assert truth is not None
    assert rebuilt(pushes) == tuple({level[0]: level[1] for level in truth[side]} for side in ("asks", "bids"))


def test_D9_crossed_book() -> None:
    asks, bids = rebuilt(visit("crossed channel=books nth=3").pushes("books"))
    assert max(map(int, bids)) > min(map(int, asks))


def test_D7_unknown_deletes_and_empty_levels() -> None:
    clean, spoilt = visit(), visit("unknown_delete every=2", "zero_size_in_snapshot")
    assert rebuilt(clean.pushes("books")) == rebuilt(spoilt.pushes("books"))
    assert any(level[1] == "0" for level in spoilt.pushes("books")[0]["data"][0]["bids"])
    assert kinds(spoilt).count("unknown_delete") > 3


def test_D10_a_wrong_checksum() -> None:
    sums = [p["data"][0]["checksum"] for p in visit("checksum_wrong channel=books nth=3").pushes("books")]
    assert [n for n, c in enumerate(sums) if c != 0] == [2]


@pytest.mark.parametrize(("kind", "count"), [("late", 8), ("ts_back nth=4", 1)])
def test_D19_time_stamps_lie_back(kind: str, count: int) -> None:
    honest = [int(p["data"][0]["ts"]) for p in visit(channel="trades").pushes("trades")]
    told = [int(p["data"][0]["ts"]) for p in visit(f"{kind} seconds=10", channel="trades").pushes("trades")]
    assert sum(h - t == 10_000 for h, t in zip(honest, told, strict=True)) == count


def test_D20_candle_correction() -> None:
    closed = visit("candle_correction", channel="candle1m").pushes("candle1m")[:2]
    assert [c["data"][0][-1] for c in closed] == ["1", "1"]
    assert closed[0]["data"][0][4] != closed[1]["data"][0][4]


def test_delay_keeps_the_order_within_a_subscription() -> None:
    talker = Talker(exchange("delay channel=trades nth=2 seconds=0.6"))
    talker.subscribe(book(channel="trades"))
    assert len([p for p in talker.until(0.9) if "data" in p]) == 1
    talker.until(2)
    ids = [int(p["data"][0]["tradeId"]) for p in talker.pushes("trades")]
    assert ids == sorted(ids)
    assert len(ids) == 8


def test_C1_truncated_json() -> None:
    frames = visit("truncate channel=books nth=2").drain()
    (torn,) = [f for f in frames if isinstance(f, bytes)]
    assert torn.startswith(b'{"arg"')


@pytest.mark.parametrize("utf8", [0, 1])
def test_C2_garbage(utf8: int) -> None:
    talker = visit(f"garbage channel=books nth=2 bytes=40 utf8={utf8}")
    (junk,) = [o.payload for o in talker.out if isinstance(o, Text) and not o.payload.startswith(b"{")]
    assert len(junk) == 40
    assert breaks(talker.pushes("books")) == 0
    if utf8:
        junk.decode()
    else:
        with pytest.raises(UnicodeDecodeError):
            junk.decode()


def test_C3_any_text_can_be_injected() -> None:
    talker = visit("inject nth=1 text='{\"arg\":NaN}'")
    assert any(isinstance(o, Text) and o.payload == b'{"arg":NaN}' for o in talker.out)


@pytest.mark.parametrize(
    ("what", "check"),
    [
        ("null_data", lambda m: m["data"] is None),
        ("dict_data", lambda m: isinstance(m["data"], dict)),
        ("text_data", lambda m: isinstance(m["data"], str)),
        ("short_level", lambda m: len(m["data"][0]["bids"][0]) == 2),
        ("long_level", lambda m: len(m["data"][0]["bids"][0]) == 5),
        ("empty_price", lambda m: m["data"][0]["bids"][0][0] == ""),
        ("number_price", lambda m: isinstance(m["data"][0]["bids"][0][0], float)),
    ],
)
def test_C5_wrong_types(what: str, check: Any) -> None:
    assert check(visit(f"bad_types what={what} channel=books nth=1").pushes("books")[0])


def test_C6_unknown_fields_and_channels_B17_other_dialects() -> None:
    talker = visit(
        "extra_field nth=1 name=novel", "unknown_channel nth=2", "wrong_dialect nth=3", "wrong_dialect nth=4 version=1"
    )
    frames = talker.drain()
    assert talker.pushes("books")[0]["novel"] == {"new": True}
    assert "novel" in talker.pushes("books")[0]["data"][0]
    assert talker.pushes("brand-new-channel")
    assert any(isinstance(f, dict) and "table" in f for f in frames)
    assert any(isinstance(f, list) for f in frames)


@pytest.mark.parametrize("name", ["arg", "data", "seqId", "prevSeqId", "checksum", "ts"])
def test_C7_missing_fields(name: str) -> None:
    frames = visit(f"missing_field channel=books nth=2 name={name}").drain()
    missing = [f for f in frames if "event" not in f and name not in f and name not in f.get("data", [{}])[0]]
    assert len(missing) == (1 if name not in ("arg", "data") else len(missing)) >= 1


def test_C8_big_frames_have_the_size_asked_for() -> None:
    talker = visit("big_frame size=1200000 nth=1")
    sizes = [len(o.payload) for o in talker.out if isinstance(o, Text)]
    assert 1_200_000 in sizes
    big = next(o.payload for o in talker.out if isinstance(o, Text) and len(o.payload) == 1_200_000)
    json.loads(big)


def test_probability_is_seeded_and_times_bounds_the_whole_exchange() -> None:
    def struck(seed: int) -> list[str]:
        talker = Talker(exchange("drop probability=0.2 times=4", seed=seed))
        talker.subscribe(book(), book(channel="trades"))
        talker.until(20)
        return [f.detail for f in talker.venue.ledger.faults]

    assert struck(1) == struck(1) != struck(2)
    assert len(struck(1)) == 4


def test_faults_select_by_path_and_instrument_pattern() -> None:
    talker = Talker(exchange("drop instrument=ETH-*", "drop path=business"))
    talker.subscribe(book(), book("ETH-USDT"))
    talker.until(2)
    assert {p["arg"]["instId"] for p in talker.pushes("books")} == {"BTC-USDT"}
