"""SeededMarket: deterministic, and every channel agrees with the others."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from okex_ws.simulator.market.base import (
    BOOK_DEPTH,
    HOUR,
    MILLISECOND,
    MINUTE,
    SECOND,
    Publication,
    checksum,
)
from okex_ws.simulator.market.calendar import CANDLE_PERIODS, opening
from okex_ws.simulator.market.reference import TYPES, default_listings, far_expiry
from okex_ws.simulator.market.seeded import SeededMarket

START = 1_790_000_000_000 * MILLISECOND
SPOT = "BTC-USDT"
SWAP = "BTC-USDT-SWAP"
FAR = far_expiry(START)
OWN = (
    "trades",
    "trades-all",
    "tickers",
    "bbo-tbt",
    "books-l2-tbt",
    "books50-l2-tbt",
    "books",
    "books-rpi",
    "books5",
)


def everything(market: SeededMarket) -> list[tuple[str, str]]:
    wanted: list[tuple[str, str]] = [("status", ""), ("opt-summary", "BTC-USD"), ("option-trades", "BTC-USD")]
    wanted += [("liquidation-orders", "SWAP"), ("instruments", "SPOT"), ("index-tickers", SPOT)]
    wanted += [(f"index-candle{bar}", SPOT) for bar in ("1m", "1H")]
    for kind in TYPES:
        for row in market.instruments(kind):
            key = row["instId"]
            for channel in (*OWN, "candle1s", "candle1m", "candle1D", "mark-price", "mark-price-candle1m"):
                wanted.append((channel, key))
            for channel in ("open-interest", "funding-rate", "price-limit"):
                wanted.append((channel, key))
    spread = "BTC-USDT_BTC-USDT-SWAP"
    for name in ("public-trades", "tickers", "books5", "bbo-tbt", "books-l2-tbt", "candle1m"):
        wanted.append((f"sprd-{name}", spread))
    return [each for each in dict.fromkeys(wanted) if market.knows(*each)]


def run(market: SeededMarket, seconds: float) -> list[Publication]:
    out: list[Publication] = []
    end = market.start + int(seconds * SECOND)
    while (due := market.deadline()) is not None and due <= end:
        out += market.advance(due)
    return out


def watched(market: SeededMarket, *wanted: tuple[str, str]) -> SeededMarket:
    for channel, key in wanted:
        assert market.knows(channel, key), (channel, key)
        market.watch(channel, key)
    return market


def digest(publications: list[Publication]) -> str:
    rows = [[each.ts, each.channel, each.key, each.rows, each.action] for each in publications]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def whole_digest() -> str:
    market = SeededMarket(7, start=START)
    for channel, key in everything(market):
        market.watch(channel, key)
    return digest(run(market, 5))


class Book:
    """The receiving end: levels by price text, cut to the depth after each update."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[Decimal, list[str]]] = {"bids": {}, "asks": {}}

    def apply(self, row: dict[str, Any], action: str | None) -> None:
        for side, levels in self.sides.items():
            if action == "snapshot":
                levels.clear()
            for level in row[side]:
                price = Decimal(level[0])
                if level[1] == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = level
            for price in sorted(levels, reverse=side == "bids")[self.depth :]:
                del levels[price]

    def rows(self, side: str) -> list[list[str]]:
        levels = self.sides[side]
        return [levels[price] for price in sorted(levels, reverse=side == "bids")]


def test_same_seed_same_bytes_in_any_process() -> None:
    here = whole_digest()
    assert here == whole_digest()
    code = f"import runpy, sys; sys.path[:0] = {sys.path!r}; print(runpy.run_path({__file__!r})['whole_digest']())"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == here


def test_another_seed_is_another_market() -> None:
    one = run(watched(SeededMarket(1, start=START, instruments=[SPOT]), ("trades", SPOT)), 5)
    two = run(watched(SeededMarket(2, start=START, instruments=[SPOT]), ("trades", SPOT)), 5)
    assert digest(one) != digest(two)


def test_what_trades_does_not_depend_on_who_watches() -> None:
    blind = SeededMarket(3, start=START)
    run(blind, 10)
    for wanted in ([("books", SPOT)], [("bbo-tbt", SPOT), ("trades", SWAP)], everything(blind)):
        market = watched(SeededMarket(3, start=START), *wanted)
        run(market, 4)
        for channel, key in wanted[::2]:
            market.unwatch(channel, key)
        run(market, 10)
        for key in (SPOT, SWAP, "ETH-USDT", f"BTC-USD-{FAR}"):
            assert list(market.matches(key)) == list(blind.matches(key))
            assert market.book(key, 400) == blind.book(key, 400)
            assert market.candles(key, "1s") == blind.candles(key, "1s")


def test_late_advances_give_the_same_as_punctual_ones() -> None:
    punctual = watched(SeededMarket(4, start=START, instruments=[SPOT]), *((channel, SPOT) for channel in OWN))
    late = watched(SeededMarket(4, start=START, instruments=[SPOT]), *((channel, SPOT) for channel in OWN))
    assert digest(run(punctual, 3)) == digest(late.advance(START + 3 * SECOND))


def test_times_never_go_back_and_books_are_told_in_okxs_order() -> None:
    market = SeededMarket(5, start=START)
    out = run(watched(market, *everything(market)), 3)
    assert all(one.ts <= two.ts for one, two in itertools.pairwise(out))
    rank = {channel: number for number, channel in enumerate(OWN) if channel != "tickers"}
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for each in out:
        if each.channel in rank:
            groups[each.ts, each.key].append(rank[each.channel])
    assert any(len(group) > 4 for group in groups.values())
    assert all(group == sorted(group) for group in groups.values())


@pytest.mark.parametrize("channel", ["books", "books-l2-tbt", "books50-l2-tbt", "books-rpi"])
def test_updates_rebuild_the_book_exactly(channel: str) -> None:
    market = watched(SeededMarket(6, start=START, instruments=[SWAP], live_checksum=True), (channel, SWAP))
    run(market, 0.55)
    first = market.snapshot(channel, SWAP)
    assert first is not None
    book = Book(BOOK_DEPTH[channel])
    book.apply(first.rows[0], first.action)
    updates = 0
    end = START + 20 * SECOND
    while (due := market.deadline()) is not None and due <= end:
        for each in market.advance(due):
            assert each.action == "update"
            updates += 1
            row = each.rows[0]
            assert row["asks"] or row["bids"]
            book.apply(row, each.action)
            assert len(book.rows("bids")) == len(book.rows("asks")) == BOOK_DEPTH[channel]
            assert Decimal(book.rows("bids")[0][0]) < Decimal(book.rows("asks")[0][0])
            if channel != "books-rpi":
                assert row["checksum"] == checksum(book.rows("bids"), book.rows("asks"))
            else:
                assert "checksum" not in row
            if updates % 20 == 0:
                now = market.snapshot(channel, SWAP)
                assert now is not None
                assert [now.rows[0][side] for side in ("bids", "asks")] == [
                    book.rows("bids"),
                    book.rows("asks"),
                ]
    assert updates > 150
    if channel == "books":
        assert market.book(SWAP, 400) == {
            "asks": book.rows("asks"),
            "bids": book.rows("bids"),
            "ts": row["ts"],
        }


def test_books_keep_400_levels_and_never_cross() -> None:
    market = SeededMarket(8, start=START, instruments=[SPOT, "ETH-USDT-SWAP", "SOL-USDT"])
    for step in range(1, 300):
        market.advance(START + step * 200 * MILLISECOND)
        for key in (SPOT, "ETH-USDT-SWAP", "SOL-USDT"):
            book = market.book(key, 400)
            assert book is not None
            assert len(book["asks"]) == len(book["bids"]) == 400
            assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
            assert all(int(level[3]) > 0 and Decimal(level[1]) > 0 for level in (*book["asks"], *book["bids"]))


def test_trades_are_continuous_and_sum_up_the_matches() -> None:
    market = watched(SeededMarket(9, start=START), ("trades", SPOT), ("trades-all", SPOT))
    out = run(market, 60)
    rows = [row for each in out if each.channel == "trades" for row in each.rows]
    matches = {row["tradeId"]: row for each in out if each.channel == "trades-all" for row in each.rows}
    assert list(matches.values()) == list(market.matches(SPOT))
    assert len(rows) > 300
    last = int(rows[0]["tradeId"]) - int(rows[0]["count"])
    for row in rows:
        assert int(row["tradeId"]) - int(row["count"]) == last
        last = int(row["tradeId"])
        parts = [matches.pop(str(number)) for number in range(last - int(row["count"]) + 1, last + 1)]
        assert {(part["px"], part["side"], part["source"], part["ts"]) for part in parts} == {
            (row["px"], row["side"], row["source"], row["ts"])
        }
        assert sum(Decimal(part["sz"]) for part in parts) == Decimal(row["sz"])
    assert not matches
    assert {row["source"] for row in rows} == {"0", "1"}
    assert {row["side"] for row in rows} == {"buy", "sell"}
    assert max(int(row["count"]) for row in rows) > 1
    assert any(len(each.rows) > 1 for each in out if each.channel == "trades")
    assert len({row["px"] for row in rows}) > 20


@pytest.mark.parametrize("key", [SPOT, SWAP, "BTC-USD-SWAP"])
def test_candles_agree_with_the_trades(key: str) -> None:
    channels = ("candle1s", "candle1m", "candle3m")
    market = watched(SeededMarket(10, start=START, rate=0.2), *((channel, key) for channel in channels))
    out = run(market, 400)
    by_bar: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for match in market.matches(key):
        for bar in ("1s", "1m", "3m"):
            by_bar[bar, opening(int(match["ts"]) * MILLISECOND, bar)].append(match)
    closed = 0
    for channel in channels:
        bar = channel.removeprefix("candle")
        pushes = [each for each in out if each.channel == channel]
        assert all(two.ts - one.ts >= SECOND for one, two in itertools.pairwise(pushes))
        rows = [row for each in pushes for row in each.rows]
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        for row in rows:
            begin = int(row[0]) * MILLISECOND
            if row[8] == "1" and begin >= START:
                closed += 1
                prices = [Decimal(match["px"]) for match in by_bar[bar, begin]]
                assert [Decimal(text) for text in row[1:5]] == [
                    prices[0],
                    max(prices),
                    min(prices),
                    prices[-1],
                ]
                assert Decimal(row[5]) == sum(Decimal(match["sz"]) for match in by_bar[bar, begin])
    assert closed > 200
    for begin in {row[0] for each in out if each.channel == "candle1m" for row in each.rows}:
        confirms = [row[8] for each in out if each.channel == "candle1m" for row in each.rows if row[0] == begin]
        assert "1" not in confirms[:-1]
    newest = market.candles(key, "1m")
    steps = [int(two[0]) - int(one[0]) for one, two in itertools.pairwise(newest)]
    assert set(steps) == {-60_000}
    assert (newest[0][8], newest[1][8]) == ("0", "1")
    assert len(newest) == 1_440


def test_every_bar_has_a_current_candle() -> None:
    market = SeededMarket(11, start=START, instruments=[SPOT])
    run(market, 5)
    for bar in CANDLE_PERIODS:
        now = market.snapshot(f"candle{bar}", SPOT)
        assert now is not None
        assert int(now.rows[0][0]) * MILLISECOND == opening(START + 5 * SECOND, bar)
        assert market.candles(SPOT, bar)[0] == now.rows[0]


def test_tickers_agree_with_book_and_trades() -> None:
    market = watched(SeededMarket(12, start=START, instruments=[SWAP]), ("tickers", SWAP), ("books", SWAP))
    pushes = 0
    end = START + 30 * SECOND
    last = START
    while (due := market.deadline()) is not None and due <= end:
        for each in market.advance(due):
            if each.channel != "tickers":
                continue
            pushes += 1
            assert each.ts - last >= 100 * MILLISECOND
            last = each.ts
            row = each.rows[0]
            book = market.book(SWAP, 1)
            assert book is not None
            assert [row["askPx"], row["askSz"]] == book["asks"][0][:2]
            assert [row["bidPx"], row["bidSz"]] == book["bids"][0][:2]
            if market.matches(SWAP):
                assert (row["last"], row["lastSz"]) == (
                    market.matches(SWAP)[-1]["px"],
                    market.matches(SWAP)[-1]["sz"],
                )
            assert Decimal(row["low24h"]) <= Decimal(row["last"]) <= Decimal(row["high24h"])
            assert Decimal(row["vol24h"]) > 0
    assert pushes > 100
    volume = Decimal(row["vol24h"])
    hours = market.candles(SWAP, "1m")
    assert abs(sum(Decimal(candle[5]) for candle in hours) / volume - 1) < Decimal("0.01")


def test_the_price_moves() -> None:
    market = watched(SeededMarket(13, start=START, instruments=[SPOT]), ("trades", SPOT))
    prices = {row["px"] for each in run(market, 30) for row in each.rows}
    assert len(prices) > 15


def test_marks_index_funding_and_the_rest() -> None:
    market = SeededMarket(14, start=START)
    wanted = [("mark-price", SWAP), ("mark-price", SPOT), ("index-tickers", SPOT), ("funding-rate", SWAP)]
    wanted += [("funding-rate", "ETH-USDT-SWAP"), ("open-interest", SWAP), ("price-limit", SWAP)]
    wanted += [("opt-summary", "BTC-USD"), ("mark-price-candle1m", SWAP), ("index-candle1m", SPOT)]
    out = run(watched(market, *wanted), 130)
    by: dict[tuple[str, str], list[Publication]] = defaultdict(list)
    for each in out:
        by[each.channel, each.key].append(each)
    assert set(by) == set(wanted)
    marks = by["mark-price", SWAP]
    assert all(two.ts - one.ts >= 200 * MILLISECOND for one, two in itertools.pairwise(marks))
    index = Decimal(by["index-tickers", SPOT][-1].rows[0]["idxPx"])
    assert abs(Decimal(marks[-1].rows[0]["markPx"]) / index - 1) < Decimal("0.002")
    assert by["mark-price", SPOT][0].rows[0]["instType"] == "MARGIN"
    assert len(by["funding-rate", SWAP]) == 2
    for key, hours in ((SWAP, 8), ("ETH-USDT-SWAP", 4)):
        row = by["funding-rate", key][0].rows[0]
        assert int(row["nextFundingTime"]) - int(row["fundingTime"]) == hours * HOUR // MILLISECOND
    assert len(by["opt-summary", "BTC-USD"][0].rows) == 2
    assert all(len(row) == 6 for each in by["mark-price-candle1m", SWAP] for row in each.rows)
    assert "1" in {row[5] for each in by["index-candle1m", SPOT] for row in each.rows}
    limits = by["price-limit", SWAP][0].rows[0]
    assert Decimal(limits["sellLmt"]) < Decimal(limits["buyLmt"])


def test_options_spreads_and_liquidations() -> None:
    option = f"BTC-USD-{FAR}-60000-C"
    spread = "BTC-USDT_BTC-USDT-SWAP"
    wanted = [("option-trades", "BTC-USD"), ("trades", option), ("liquidation-orders", "SWAP")]
    wanted += [("sprd-public-trades", spread), ("sprd-books-l2-tbt", spread), ("sprd-tickers", spread)]
    out = run(watched(SeededMarket(15, start=START), *wanted), 90)
    seen = {each.channel for each in out}
    assert seen == {channel for channel, _ in wanted}
    for each in out:
        if each.channel == "sprd-books-l2-tbt":
            assert all(len(level) == 3 for level in (*each.rows[0]["asks"], *each.rows[0]["bids"]))
        if each.channel == "option-trades":
            assert each.rows[0]["instId"] in (option, f"BTC-USD-{FAR}-50000-P")
        if each.channel == "liquidation-orders":
            assert each.rows[0]["details"][0]["posSide"] in ("long", "short")


def test_the_estimated_price_is_told_only_before_delivery() -> None:
    future = f"BTC-USD-{FAR}"
    expiry = int(SeededMarket(21, start=START).instruments("FUTURES")[0]["expTime"]) * MILLISECOND
    listing = default_listings(START)[future]
    market = SeededMarket(21, start=expiry - 30 * MINUTE - 3 * SECOND, instruments=[listing])
    out = run(watched(market, ("estimated-price", future), ("estimated-price", "BTC-USD")), 5)
    assert [each.key for each in out[:2]] == [future, "BTC-USD"]
    assert min(each.ts for each in out) == expiry - 30 * MINUTE
    assert out[0].rows[0]["settleType"] == "delivery"


def test_a_burst_multiplies_the_rate() -> None:
    calm = watched(SeededMarket(16, start=START, instruments=[SPOT]), ("trades", SPOT))
    wild = watched(SeededMarket(16, start=START, instruments=[SPOT]), ("trades", SPOT))
    wild.burst(START + SECOND, 2, 20)
    assert digest(run(calm, 1)) == digest(run(wild, 1))
    assert len(run(wild, 3)) > 3 * len(run(calm, 3))
    before = len(wild.matches(SPOT))
    run(wild, 4)
    assert len(wild.matches(SPOT)) - before < 60


@pytest.mark.parametrize(("side", "other"), [("asks", "bids"), ("bids", "asks")])
def test_one_side_is_emptied_and_comes_back(side: str, other: str) -> None:
    market = watched(SeededMarket(17, start=START, instruments=[SPOT]), ("books", SPOT), ("tickers", SPOT))
    first = market.snapshot("books", SPOT)
    assert first is not None
    book = Book(400)
    book.apply(first.rows[0], "snapshot")
    market.one_sided(START + SECOND + 1, SPOT, side, 2)
    for each in run(market, 2):
        if each.channel == "books":
            book.apply(each.rows[0], each.action)
    assert book.rows(side) == []
    assert len(book.rows(other)) == 400
    ticker = market.snapshot("tickers", SPOT)
    assert ticker is not None
    assert ticker.rows[0][f"{side[:-1]}Px"] == ""
    count = len(market.matches(SPOT))
    for each in run(market, 2.9):
        if each.channel == "books":
            book.apply(each.rows[0], each.action)
    assert len(market.matches(SPOT)) == count
    for each in run(market, 6):
        if each.channel == "books":
            book.apply(each.rows[0], each.action)
    assert len(book.rows(side)) == 400
    assert Decimal(book.rows("bids")[0][0]) < Decimal(book.rows("asks")[0][0])
    assert len(market.matches(SPOT)) > count
    with pytest.raises(ValueError, match="bids"):
        market.one_sided(START, SPOT, "left", 1)


def test_scheduled_changes_and_status() -> None:
    market = SeededMarket(18, start=START)
    watched(market, ("instruments", "SPOT"), ("instruments", "MARGIN"), ("status", ""), ("adl-warning", "SWAP"))
    assert market.snapshot("status", "") is None
    market.schedule_instrument_change(START + SECOND, SPOT, {"tickSz": "0.01"})
    market.schedule_instrument_change(START + 2 * SECOND, "NEW-USDT", {"state": "preopen"})
    market.schedule_status(START + 3 * SECOND, {"title": "WS upgrade"})
    market.schedule(START + 4 * SECOND, "adl-warning", "SWAP", [{"state": "warning"}])
    out = run(market, 5)
    assert [(each.ts - START, each.channel, each.key) for each in out] == [
        (SECOND, "instruments", "SPOT"),
        (SECOND, "instruments", "MARGIN"),
        (2 * SECOND, "instruments", "SPOT"),
        (3 * SECOND, "status", ""),
        (4 * SECOND, "adl-warning", "SWAP"),
    ]
    assert {row["instId"]: row["tickSz"] for row in market.instruments("SPOT")}[SPOT] == "0.01"
    assert "NEW-USDT" in {row["instId"] for row in market.instruments("SPOT")}
    latest = market.snapshot("status", "")
    assert latest is not None
    assert latest.rows == market.status()[:1]


def test_unknown_things_are_unknown() -> None:
    market = SeededMarket(19, start=START)
    for channel, key in [
        ("books", "NO-SUCH"),
        ("nonsense", SPOT),
        ("funding-rate", SPOT),
        ("candle7m", SPOT),
        ("books", ""),
        ("opt-summary", SPOT),
        ("mark-price-candle1s", SWAP),
    ]:
        assert not market.knows(channel, key), (channel, key)
    assert market.book("NO-SUCH", 1) is None
    assert market.candles("NO-SUCH", "1m") == []
    with pytest.raises(ValueError, match="7m"):
        market.candles(SPOT, "7m")


def test_a_second_watch_of_a_fast_book_starts_from_its_snapshot() -> None:
    market = watched(SeededMarket(20, start=START, instruments=[SPOT]), ("bbo-tbt", SPOT))
    run(market, 1)
    before = market.snapshot("books-l2-tbt", SPOT)
    market.watch("books-l2-tbt", SPOT)
    after = market.snapshot("books-l2-tbt", SPOT)
    assert before is not None
    assert before == after
