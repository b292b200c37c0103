"""CaptureMarket: every recorded push is served, untouched and in time; books are right after each of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.paths import CORPORA

from okex_ws.simulator.market.base import MILLISECOND, SECOND, Publication, checksum
from okex_ws.simulator.market.capture_file import read_recording
from okex_ws.simulator.market.captures import CaptureMarket
from okex_ws.simulator.market.level_book import LevelBook

START = 1_790_000_000 * SECOND


def line(channel: str, row: dict[str, Any], at: str, action: str | None = None, conn: int = 1, **more: Any) -> str:
    message: dict[str, Any] = {"arg": {"channel": channel, "instId": "A-B"}, "data": [row]}
    if action:
        message["action"] = action
    record = {
        "dialect": "v5",
        "kind": "ws",
        "dir": "in",
        "conn": conn,
        "recv_ts": at,
        "raw": json.dumps(message),
    }
    return json.dumps(record | more)


SNAPSHOT = {"asks": [["10.1", "1", "0", "1"]], "bids": [["10", "2.50", "0", "1"]], "ts": "5", "checksum": 77}
UPDATE = {"asks": [["10.1", "0", "0", "0"], ["10.2", "3", "0", "1"]], "bids": [], "ts": "6", "checksum": 78}
TRADE = {"instId": "A-B", "tradeId": "9", "px": "10.1", "sz": "1", "side": "buy", "ts": "7"}
LINES = [
    line("books", SNAPSHOT, "100.0", "snapshot"),
    line("books", UPDATE, "100.25", "update"),
    line("trades", TRADE, "100.5"),
    line("books", SNAPSHOT, "101.000000001", "snapshot"),
]


def told(market: CaptureMarket) -> Iterator[Publication]:
    while (due := market.deadline()) is not None:
        yield from market.advance(due)


def test_rows_come_untouched_at_their_pace() -> None:
    market = CaptureMarket(LINES, start=START)
    market.watch("books", "A-B")
    market.watch("trades", "A-B")
    first = market.snapshot("books", "A-B")
    assert first is not None
    assert (first.action, first.rows) == ("snapshot", [SNAPSHOT])
    assert [(each.ts - START, each.channel, each.action, each.rows) for each in told(market)] == [
        (SECOND // 4, "books", "update", [UPDATE]),
        (SECOND // 2, "trades", None, [TRADE]),
        (SECOND + 1, "books", "snapshot", [SNAPSHOT]),
    ]
    assert market.matches("A-B") == [TRADE | {"source": "0"}]


def test_the_clock_waits_for_the_first_watch() -> None:
    market = CaptureMarket(LINES, start=START)
    assert market.origin is None
    for _ in range(10):
        due = market.deadline()
        assert due is not None
        assert market.advance(due) == []
    market.watch("books", "A-B")
    assert market.origin == START + SECOND
    assert market.deadline() == START + SECOND + SECOND // 4


def test_a_stream_watched_late_is_told_what_it_missed_and_then_keeps_pace() -> None:
    market = CaptureMarket(LINES, start=START)
    market.watch("trades", "A-B")
    market.advance(START + SECOND // 2)
    market.watch("books", "A-B")
    snapshot = market.snapshot("books", "A-B")
    assert snapshot is not None
    assert snapshot.rows == [SNAPSHOT]
    assert [each.ts - START for each in told(market)] == [SECOND // 2, SECOND + 1]


def test_a_later_subscriber_gets_the_rebuilt_book_with_its_checksum() -> None:
    market = CaptureMarket(LINES, start=START)
    market.watch("books", "A-B")
    market.advance(START + SECOND // 4)
    market.unwatch("books", "A-B")
    snapshot = market.snapshot("books", "A-B")
    assert snapshot is not None
    row = snapshot.rows[0]
    assert row["asks"] == [["10.2", "3", "0", "1"]]
    assert row["bids"] == [["10", "2.50", "0", "1"]]
    assert row["checksum"] == checksum(row["bids"], row["asks"])
    assert market.book("A-B", 5) == {"asks": row["asks"], "bids": row["bids"], "ts": "6"}
    assert list(told(market)) == []
    assert market.deadline() is None


def test_loop_begins_again() -> None:
    market = CaptureMarket(LINES, start=START, loop=True)
    market.watch("books", "A-B")
    market.watch("trades", "A-B")
    out = market.advance(START + 3 * SECOND + 2)
    assert [each.action for each in out] == [
        "update",
        None,
        "snapshot",
        "snapshot",
        "update",
        None,
        "snapshot",
    ]
    assert all(one.ts <= two.ts for one, two in itertools.pairwise(out))


def test_connections_are_told_apart_by_number_and_by_file() -> None:
    lines = [
        line("trades", TRADE, "1", path="a"),
        line("trades", TRADE, "1", path="b"),
        line("trades", TRADE, "1", conn=2, path="b"),
    ]
    market = CaptureMarket(lines, start=START)
    assert market.connections() == ["0", "1", "2"]
    with pytest.raises(ValueError, match="it has 0, 1, 2"):
        CaptureMarket(lines, start=START, conn="9")


def test_what_is_no_push_is_passed_over() -> None:
    noise = [
        "",
        json.dumps({"kind": "ws", "dir": "out", "raw": '{"op":"subscribe","args":[]}'}),
        json.dumps({"kind": "ws", "dir": "in", "raw": "pong"}),
        json.dumps({"kind": "ws", "dir": "in", "raw": '{"event":"subscribe","arg":{"channel":"books"}}'}),
    ]
    assert sum(map(len, read_recording([*noise, *LINES]).connections.values())) == len(LINES)
    with pytest.raises(ValueError, match="no V5 pushes"):
        CaptureMarket(noise, start=START)
    with pytest.raises(ValueError, match="line 1"):
        read_recording(["{"])


def test_times_fall_back_to_the_rows_own() -> None:
    lines = [
        json.dumps({"raw": json.dumps({"arg": {"channel": "trades", "instId": "A-B"}, "data": [TRADE]})}),
        json.dumps({"raw": json.dumps({"arg": {"channel": "trades", "instId": "A-B"}, "data": [TRADE | {"ts": "19"}]})}),
    ]
    market = CaptureMarket(lines, start=START)
    market.watch("trades", "A-B")
    assert [each.ts for each in told(market)] == [START, START + 12 * MILLISECOND]


def test_unrecorded_instruments_get_a_row() -> None:
    market = CaptureMarket(LINES, start=START)
    assert [row["instId"] for row in market.instruments("SPOT")] == ["A-B"]
    assert market.instruments("SWAP") == []
    assert market.knows("books", "A-B")
    assert not market.knows("books5", "A-B")


def test_candles_of_captured_trades() -> None:
    market = CaptureMarket(LINES, start=START)
    market.watch("trades", "A-B")
    list(told(market))
    assert market.candles("A-B", "1m") == [["0", "10.1", "10.1", "10.1", "10.1", "1", "10.1", "10.1", "0"]]


@pytest.mark.parametrize(
    ("instrument", "volumes"), [("BTC-USDT-SWAP", ["3", "0.03", "1500"]), ("BTC-USD-SWAP", ["3", "0.006", "300"])]
)
def test_candles_of_captured_contracts_count_contracts_coins_and_money(instrument: str, volumes: list[str]) -> None:
    trade = TRADE | {"instId": instrument, "px": "50000", "sz": "3"}
    line = json.dumps({"raw": json.dumps({"arg": {"channel": "trades", "instId": instrument}, "data": [trade]})})
    market = CaptureMarket([line], start=START)
    market.watch("trades", instrument)
    list(told(market))
    assert market.candles(instrument, "1m")[0][5:8] == volumes


@pytest.mark.parametrize(
    ("name", "connections", "pushes"),
    [("cryptofeed-2021-07-okex-v5", 3, 4_372), ("cryptofeed-2022-05-okx-v5", 1, 290)],
)
def test_every_real_checksum_verifies(name: str, connections: int, pushes: int) -> None:
    path = CORPORA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"needs ../shared/corpora/{name}.jsonl")
    lines = path.read_text().splitlines()
    names = CaptureMarket(lines, start=START).connections()
    assert len(names) == connections
    verified = 0
    for conn in names:
        market = CaptureMarket(lines, start=START, conn=conn)
        books: dict[str, LevelBook] = {}
        for channel, key in market.streams():
            market.watch(channel, key)
            snapshot = market.snapshot(channel, key)
            if snapshot is not None and snapshot.action == "snapshot":
                books[key] = LevelBook(400)
                books[key].apply(snapshot.rows[0], is_full=True)
                verified += books[key].checksum() == snapshot.rows[0]["checksum"]
        before = START
        for each in told(market):
            assert each.ts >= before
            before = each.ts
            if each.action is not None:
                books[each.key].apply(each.rows[0], is_full=each.action != "update")
                verified += books[each.key].checksum() == each.rows[0]["checksum"]
    assert verified == pushes


def test_real_instrument_lists_are_served_complete() -> None:
    path = CORPORA / "cryptofeed-2022-05-okx-v5.jsonl"
    if not path.exists():
        pytest.skip("needs ../shared/corpora/cryptofeed-2022-05-okx-v5.jsonl")
    market = CaptureMarket(path, start=START)
    rows = {row["instId"]: row for row in market.instruments("SPOT")}
    assert rows["BTC-USDT"]["tickSz"] == "0.1"
    assert isinstance(rows["BTC-USDT"]["instIdCode"], int)
    assert len(rows) > 400
