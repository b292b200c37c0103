"""Faults of the simulator's V1 and V3 faces, on virtual time: each is told, and the books are right again afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.legacy_corpus import START, session_v1, session_v3
from tests.support.legacy_world import World

from okex_ws.events import Connected, Disconnected, Event, Gap, Malformed, Refused, Resumed, Subscribed, Trade
from okex_ws.legacy.session import LegacySession
from okex_ws.market import OrderBook
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.rules import Rules

BTC, SWAP = "BTC-USDT", "BTC-USDT-SWAP"
WANTED = (("trades", BTC), ("books", BTC))


def lost(events: list[Event]) -> list[tuple[int, str]]:
    return [(event.code, event.reason) for event in events if isinstance(event, Disconnected)]


def as_published(world: World, book: OrderBook) -> bool:
    """Whether a book is the market's own, as of now."""
    rows = world.market.book(book.instrument, 400)
    mine = tuple([level[:2] for level in side] for side in book.depth())
    theirs = tuple([(float(row[0]), float(row[1])) for row in rows[side]] for side in ("bids", "asks"))
    return bool(book.is_live and mine == theirs)


def settle(world: World) -> None:
    """Let it run until every book is exactly the market's, at some instant of the last ten seconds."""
    assert len(world.books)
    for _ in range(400):
        if all(as_published(world, book) for book in world.books):
            return
        world.run(0.025)
    raise AssertionError([(book, world.market.book(book.instrument, 3)) for book in world.books])


@pytest.mark.parametrize("name", ["v1", "v3"])
def test_three_quiet_minutes_need_no_second_connection(name: str) -> None:
    world = World(name, [], *WANTED)
    events = world.run(100)
    assert sum(isinstance(event, Connected) for event in events) == 1
    assert not lost(events)
    assert not [event for event in events if isinstance(event, Gap | Malformed | Refused)]
    assert sum(isinstance(event, Trade) for event in events) > 100
    settle(world)


def test_a_V1_server_that_hears_no_ping_closes_after_300_s_and_ours_are_heard() -> None:
    world = World("v1", [], *WANTED, rules=Rules(connects_per_s=0, v1_ping_close_s=40))
    assert not lost(world.run(100)), "a ping every 30 s is soon enough"


@pytest.mark.parametrize("name", ["v1", "v3"])
def test_A8_a_half_open_line_is_noticed_and_replaced(name: str) -> None:
    world = World(name, ["freeze at=10s"], *WANTED)
    events = world.run(80)
    ((code, reason),) = lost(events)
    assert code == 1001
    assert "no answer to a ping" in reason
    assert {event.channel for event in events if isinstance(event, Gap)} >= {"books"}
    assert {event.channel for event in events if isinstance(event, Resumed)} == {"trades", "books"}
    settle(world)


def test_A10_a_V1_server_that_answers_no_ping_is_left_although_data_flows() -> None:
    world = World("v1", ["ignore_ping"], *WANTED)
    codes = [code for code, _ in lost(world.run(130))]
    assert codes == [1001] * 3


V1S = b'[{"binary":0,"data":{"result":false,"error_msg":"The subscription event type is  invalid.","error_code":20103}}]'
V3S = b'{"event":"error","message":"Unrecognized request: {\\"op\\":\\"login\\",\\"args\\":[\\"key-7\\"]}","errorCode":30039}'
V5S = b'{"event":"error","code":"60012","msg":"Invalid request: {}","connId":"a4d3ae55"}'


@pytest.mark.parametrize(
    ("make", "error", "there"),
    [(session_v1, V3S, "V3"), (session_v1, V5S, "V5"), (session_v3, V1S, "V1"), (session_v3, V5S, "V5")],
)
def test_a_server_of_another_dialect_is_known_by_its_error_and_not_asked_again(
    make: Callable[[], LegacySession], error: bytes, there: str
) -> None:
    session = make()
    (refused,) = session.receive(error, START)
    assert isinstance(refused, Refused)
    assert refused.message.startswith(f"the server speaks {there} (")
    assert f"give dialect {there.lower()}, or the URL of one that speaks V" in refused.message
    assert "key-7" not in repr(refused), "a login it quotes is not repeated"
    assert session.ending is not None
    assert session.ending.fatal


@pytest.mark.parametrize(("make", "error"), [(session_v1, V1S), (session_v3, V3S)])
def test_an_error_of_its_own_dialect_ends_nothing(make: Callable[[], LegacySession], error: bytes) -> None:
    session = make()
    (refused,) = session.receive(error, START)
    assert isinstance(refused, Refused)
    assert "the server speaks" not in refused.message
    assert session.ending is None


@pytest.mark.parametrize("name", ["v1", "v3"])
@pytest.mark.parametrize("what", ["corrupt", "truncated", "doubled", "zlib", "gzip", "bomb"])
def test_C10_C11_a_frame_that_does_not_inflate_costs_one_connection(name: str, what: str) -> None:
    channel = "ok_sub_spot_btc_usdt_depth" if name == "v1" else "spot/depth"
    world = World(name, [f"bad_deflate channel={channel} what={what} nth=20 size=40000000"], *WANTED)
    events = world.run(20)
    (bad,) = [event for event in events if isinstance(event, Malformed)]
    assert bad.raw
    assert [code for code, _ in lost(events)] == [1007]
    settle(world)


@pytest.mark.parametrize("name", ["v1", "v3"])
@pytest.mark.parametrize("fault", ["drop_ack", "drop_ack nth=2", "delay_ack seconds=3"])
def test_B1_B2_an_ack_that_is_lost_or_late_costs_nothing(name: str, fault: str) -> None:
    world = World(name, [fault], *WANTED)
    events = world.run(40)
    assert not lost(events)
    assert {event.channel for event in events if isinstance(event, Subscribed)} == {"trades", "books"}
    settle(world)


def test_D1_a_lost_change_of_a_V3_book_is_found_by_its_checksum() -> None:
    world = World("v3", ["drop channel=spot/depth action=update nth=30"], *WANTED)
    events = world.run(15)
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.channel, gap.instrument, gap.cause) == ("books", BTC, "checksum")
    assert not lost(events)
    settle(world)


@pytest.mark.parametrize("name", ["v1", "v3"])
@pytest.mark.parametrize("channel", ["books", "book*"])
def test_a_fault_strikes_by_V5s_names_too(name: str, channel: str) -> None:
    world = World(name, [f"drop channel={channel} action=update nth=30"], *WANTED)
    world.run(8)
    assert [entry.kind for entry in world.venue.ledger.faults] == ["drop"]


@pytest.mark.parametrize("name", ["v1", "v3"])
def test_D9_a_crossed_book_is_asked_for_anew(name: str) -> None:
    channel = "ok_sub_spot_btc_usdt_depth" if name == "v1" else "spot/depth"
    world = World(name, [f"crossed channel={channel} nth=30"], *WANTED)
    events = world.run(15)
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert gap.cause in ("crossed", "checksum")
    settle(world)


@pytest.mark.parametrize("name", ["v1", "v3"])
@pytest.mark.parametrize("seed", range(2))
def test_random_trouble_is_told_and_the_books_are_right_afterwards(name: str, seed: int) -> None:
    luck = random.Random(f"{name} {seed}")
    depth = "ok_sub_spot_btc_usdt_depth" if name == "v1" else "spot/depth"
    kinds = ["abort at={t}s", "close at={t}s", "freeze at={t}s", f"bad_deflate channel={depth} what=corrupt nth={{n}}"]
    kinds += ["drop_ack nth={n}", f"duplicate channel={depth} nth={{n}}", f"truncate channel={depth} nth={{n}}"]
    if name == "v3":  # what V1 loses is lost unseen
        kinds += [f"drop channel={depth} action=update nth={{n}}", f"checksum_wrong channel={depth} action=update nth={{n}}"]
    faults: list[Any] = [luck.choice(kinds).format(t=luck.randrange(5, 40), n=luck.randrange(5, 200)) for _ in range(6)]
    world = World(name, faults, *WANTED, seed=seed)
    world.run(100)
    settle(world)
    trades = [event for event in world.events if isinstance(event, Trade)]
    assert len({trade.trade_id for trade in trades}) == len(trades), "none twice"


@pytest.mark.parametrize(("path", "refused"), [("/ws/v1", 0), ("/websocket", 0), ("/ws/v3", 2), ("/ws/v5/public", 2)])
def test_V1_did_not_count_connections(path: str, refused: int) -> None:
    venue = Exchange(SeededMarket(3, start=START, instruments=[BTC]), seed=3, now=START, rules=Rules(connects_per_s=3))
    assert sum(isinstance(venue.open(path, START), HttpReply) for _ in range(5)) == refused
