"""The exchange over the real markets: the seeded one, and captures with their own checksums."""

from __future__ import annotations

import itertools
import json
import zlib
from typing import Any

import pytest
from tests.support.paths import CORPORA
from tests.support.talk import Talker, book, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.captures import CaptureMarket
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules

START = seconds(0)
QUIET = {"idle_close_s": 0.0, "connects_per_s": 0, "rest_limits": "off"}


class Book:
    """A client's book, an own reading of OKX's page: applies what it is sent and truncates to the depth."""

    def __init__(self, depth: int = 400) -> None:
        self.depth = depth
        self.sides: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
        self.last = -1
        self.breaks = 0

    def apply(self, push: dict[str, Any]) -> None:
        row = push["data"][0]
        if push["action"] == "snapshot":
            self.sides = {"asks": {}, "bids": {}}
            assert row["prevSeqId"] == -1
        elif row["prevSeqId"] != self.last:
            self.breaks += 1
        self.last = row["seqId"]
        for side, levels in self.sides.items():
            for price, size, *_ in row[side]:
                if float(size) == 0:
                    levels.pop(price, None)
                else:
                    levels[price] = size
            kept = sorted(levels.items(), key=lambda level: float(level[0]), reverse=side == "bids")
            self.sides[side] = dict(kept[: self.depth])

    def checksum(self) -> int:
        asks, bids = (list(self.sides[side].items())[:25] for side in ("asks", "bids"))
        pairs = [pair for i in range(25) for pair in (*bids[i : i + 1], *asks[i : i + 1])]
        crc = zlib.crc32(":".join(f"{price}:{size}" for price, size in pairs).encode())
        return crc - (1 << 32) if crc & (1 << 31) else crc


def seeded(*faults: str, **rules: Any) -> Exchange:
    market = SeededMarket(7, start=START, instruments=["BTC-USDT", "BTC-USDT-SWAP"])
    habits = Rules(**{**QUIET, **rules})
    return Exchange(market, seed=7, now=START, rules=habits, faults=Faults.parse(faults))


def test_a_seeded_book_is_the_markets_book_for_early_and_late_subscribers() -> None:
    venue = seeded()
    early, late = Talker(venue), Talker(venue)
    early.subscribe(book(), book("BTC-USDT-SWAP"))
    venue.on_deadline(seconds(3.051))
    late.subscribe(book(), at=3.051)
    venue.on_deadline(seconds(6.02))
    truth = venue.market.book("BTC-USDT", 400)
    assert truth is not None
    reply = json.loads(venue.rest("GET", "/api/v5/market/books?instId=BTC-USDT&sz=400", {}, b"", venue.now).body)
    for talker in (early, late):
        mine = Book()
        for push in talker.pushes("books"):
            if push["arg"]["instId"] == "BTC-USDT":
                mine.apply(push)
        assert mine.breaks == 0
        assert mine.last == reply["data"][0]["seqId"]
        for side in ("asks", "bids"):
            assert list(mine.sides[side].items()) == [(level[0], level[1]) for level in truth[side]]


def test_seeded_trades_are_continuous_and_history_tells_the_same() -> None:
    talker = Talker(seeded())
    talker.subscribe(book(channel="trades"))
    talker.until(20)
    ranges = [
        (int(row["tradeId"]) - int(row["count"]) + 1, int(row["tradeId"]))
        for push in talker.pushes("trades")
        for row in push["data"]
    ]
    assert len(ranges) > 20
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(ranges))
    assert [(first, last) for first, last, _ in talker.venue.ledger.trades["BTC-USDT"]] == ranges
    target = f"/api/v5/market/history-trades?instId=BTC-USDT&after={ranges[-1][1] + 1}&before={ranges[-1][0] - 1}"
    page = json.loads(talker.venue.rest("GET", target, {}, b"", talker.venue.now).body)["data"]
    assert [int(row["tradeId"]) for row in reversed(page)] == list(range(ranges[-1][0], ranges[-1][1] + 1))


def test_seeded_market_same_seed_same_bytes() -> None:
    def run() -> bytes:
        talker = Talker(seeded("drop channel=books probability=0.1", push_before_ack="sometimes"))
        talker.subscribe(*(book(channel=name) for name in ("books", "books5", "bbo-tbt", "trades", "tickers")))
        talker.until(3)
        return talker.raw()

    assert run() == run()


@pytest.mark.parametrize(
    ("name", "channel", "expected"),
    [
        ("cryptofeed-2021-07-okex-v5", "books-l2-tbt", 4372),
        ("cryptofeed-2022-05-okx-v5", "books", 290),
    ],
)
def test_captures_served_verify_by_their_own_checksums(name: str, channel: str, expected: int) -> None:
    path = CORPORA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the capture ../shared/corpora/{path.name} is not here")
    lines = path.read_text().splitlines()
    verified = 0
    for conn in CaptureMarket(lines, start=START).connections():
        market = CaptureMarket(lines, start=START, conn=conn)
        habits = Rules(**QUIET, checksum="live", tick_by_tick_login=False, book_keepalive_s=0)  # type: ignore[arg-type]
        venue = Exchange(market, now=START, rules=habits)
        keys = [key for key in _instruments(lines) if market.knows(channel, key)]
        talker = Talker(venue)
        talker.subscribe(*(book(key, channel) for key in keys))
        talker.until(60)
        books = {key: Book() for key in keys}
        for push in talker.pushes(channel):
            mine = books[push["arg"]["instId"]]
            mine.apply(push)
            verified += mine.checksum() == push["data"][0]["checksum"]
        assert not any(mine.breaks for mine in books.values())
    assert verified == expected


def _instruments(lines: list[str]) -> list[str]:
    keys: dict[str, None] = {}
    for line in lines:
        if '\\"action\\"' in line:
            keys[json.loads(json.loads(line)["raw"])["arg"]["instId"]] = None
    return list(keys)
