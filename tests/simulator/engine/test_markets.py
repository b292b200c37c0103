"""The engine on real markets: a seeded one, where fills depend on the seed and the orders alone, and captures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from tests.support.paths import CORPORA, ROOT

from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import SECOND, Market
from okex_ws.simulator.market.captures import CaptureMarket
from okex_ws.simulator.market.seeded import SeededMarket

START = 1_790_000_000 * SECOND
SPOT, SWAP = "BTC-USDT", "BTC-USDT-SWAP"
WATCHED = ("books", "trades", "bbo-tbt", "books-l2-tbt", "tickers")


def at_top(market: Market, instrument: str, side: str, depth: int = 1) -> Decimal:
    book = market.book(instrument, depth)
    assert book is not None
    return Decimal(book["bids" if side == "buy" else "asks"][-1][0])


def trade_for(seconds: float, *, watch: bool = False) -> tuple[Engine, list[str]]:
    """Two accounts quote and take on a seeded market every 200 ms; every event as text."""
    market = SeededMarket(11, start=START, instruments=[SPOT, SWAP])
    engine = Engine(market, seed=3, now=START)
    changes: list[str] = []
    if watch:
        for channel in WATCHED:
            market.watch(channel, SPOT)
            market.watch(channel, SWAP)
    for uid in ("a", "b"):
        engine.open_account(uid)
    turn, following = 0, START
    while True:
        due = min(market.deadline() or following, following)
        if due > START + round(seconds * SECOND):
            return engine, changes
        if due == following and (market.deadline() or due) > due:
            following += SECOND // 5
            turn += 1
            quote(engine, market, turn, due)
        else:
            market.advance(due)
            engine.advance(due)
        changes += [repr(each) for each in engine.take()]


def quote(engine: Engine, market: Market, turn: int, now: int) -> None:
    instrument, mode = ((SPOT, "cash"), (SWAP, "cross"))[turn % 2]
    uid, side = ("a", "b")[turn // 2 % 2], ("buy", "sell")[turn // 4 % 2]
    for order in engine.open_orders(uid)[:-6]:
        engine.cancel(uid, order, now)
    size = Decimal("0.02") if mode == "cash" else Decimal(2)
    price = at_top(market, instrument, side, 1 + turn % 3)
    engine.place(uid, NewOrder(instrument, side, "limit", size, price, trade_mode=mode), now)
    if turn % 5 == 0:
        across = at_top(market, instrument, "sell" if side == "buy" else "buy", 3)
        engine.place(uid, NewOrder(instrument, side, "ioc", size * 30, across, trade_mode=mode), now)


def test_H2_the_same_seed_and_orders_give_the_same_fills_whoever_watches() -> None:
    engine, changes = trade_for(20)
    makers = [e for uid in engine.accounts for e in engine.executions(uid) if e.liquidity == "M"]
    assert len(makers) > 10
    assert trade_for(20)[1] == changes
    assert trade_for(20, watch=True)[1] == changes


def test_H2_another_process_fills_alike() -> None:
    _, changes = trade_for(3)
    code = "from tests.simulator.engine.test_markets import trade_for; import json; print(json.dumps(trade_for(3)[1]))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(found.stdout) == changes


def test_seeded_market_money_is_conserved_and_trade_ids_are_the_engines_own() -> None:
    engine, _ = trade_for(5)
    assert engine.books.totals() == {"USDT": 200_000, "BTC": 20, "ETH": 200, "USDC": 200_000}
    public = {match["tradeId"] for match in SeededMarket(11, start=START, instruments=[SPOT]).matches(SPOT)}
    ids = [str(e.trade_id) for uid in engine.accounts for e in engine.executions(uid)]
    assert ids
    assert not public & set(ids)


def test_one_level_is_shown_as_the_book_shows_it() -> None:
    market = SeededMarket(11, start=START, instruments=[SPOT])
    market.follow(SPOT)
    market.advance(START + 2 * SECOND)
    book = market.book(SPOT, 400)
    assert book is not None
    for side in ("bids", "asks"):
        assert [market.shown(SPOT, side, Decimal(level[0])) for level in book[side]] == [Decimal(each[1]) for each in book[side]]
    best = Decimal(book["bids"][0][0])
    assert market.shown(SPOT, "asks", best) == market.shown(SPOT, "bids", best + Decimal("0.05")) == 0
    assert market.shown("DOGE-USDT", "bids", best) == 0


def test_following_a_seeded_market_changes_nothing_that_trades() -> None:
    quiet, followed = (SeededMarket(11, start=START, instruments=[SPOT]) for _ in range(2))
    followed.follow(SPOT)
    for market in (quiet, followed):
        while (due := market.deadline()) <= START + 3 * SECOND:
            market.advance(due)
    assert list(quiet.matches(SPOT)) == list(followed.matches(SPOT)) != []
    assert quiet.book(SPOT, 400) == followed.book(SPOT, 400)


def test_following_a_capture_starts_its_clock_and_its_trades_unheard() -> None:
    rows: list[tuple[str, dict[str, Any], str]] = [
        ("books", {"asks": [["10.1", "1", "0", "1"]], "bids": [["10", "2", "0", "1"]], "ts": "5"}, "100.0"),
        ("trades", {"instId": "A-B", "tradeId": "9", "px": "10", "sz": "3", "side": "sell", "ts": "7"}, "100.5"),
        ("trades-all", {"instId": "A-B", "tradeId": "9", "px": "10", "sz": "3", "side": "sell", "ts": "7"}, "100.5"),
    ]
    lines = []
    for channel, row, at in rows:
        action = {"action": "snapshot"} if channel == "books" else {}
        push = {"arg": {"channel": channel, "instId": "A-B"}, **action, "data": [row]}
        lines.append(json.dumps({"dir": "in", "recv_ts": at, "raw": json.dumps(push)}))
    market = CaptureMarket(lines, start=START)
    engine = Engine(market, now=START)
    engine.open_account("a", {"B": Decimal(1000)})
    assert market.origin is None
    order = engine.place("a", NewOrder("A-B", "buy", "limit", Decimal(4), Decimal(10)), START)
    assert order.ahead == 2
    market.watch("trades", "A-B")
    assert len(market.advance(START + SECOND)) == 1
    engine.advance(START + SECOND)
    assert order.filled == 1, "two channels of the same trade are one trade"
    assert market.shown("A-B", "asks", Decimal("10.10")) == 1


def test_funding_is_settled_at_the_seeded_markets_time() -> None:
    market = SeededMarket(5, start=START, instruments=["ETH-USDT-SWAP"], rate=0.01, levels=20)
    engine = Engine(market, now=START)
    engine.open_account("a")
    engine.place("a", NewOrder("ETH-USDT-SWAP", "buy", "market", Decimal(1), trade_mode="cross"), START)
    due = engine.deadline()
    assert due is not None
    assert due % (4 * 3600 * SECOND) == 0
    market.advance(due - 1)
    engine.advance(due - 1)
    before = engine.accounts["a"].balances["USDT"].cash
    assert engine.accounts["a"].positions["ETH-USDT-SWAP", "net"].funding == 0
    market.advance(due)
    engine.advance(due)
    snapshot = market.snapshot("funding-rate", "ETH-USDT-SWAP")
    assert snapshot is not None
    rate, mark = Decimal(snapshot.rows[0]["settFundingRate"]), engine.mark("ETH-USDT-SWAP")
    assert mark is not None
    paid = engine.accounts["a"].positions["ETH-USDT-SWAP", "net"].funding
    assert paid == -(mark * Decimal("0.1") * rate)
    assert engine.accounts["a"].balances["USDT"].cash == before + paid
    assert engine.deadline() == due + 4 * 3600 * SECOND


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no captures: ../shared/corpora is not there")
def test_a_capture_fills_resting_orders_by_its_own_trades() -> None:
    market, instrument = tradable_capture()
    engine = Engine(market, now=START)
    currencies = {name: Decimal(10**9) for name in (*instrument.split("-")[:2], "USDT", "BTC", "USDC")}
    engine.open_account("a", currencies)
    mode = "cash" if engine.terms(instrument).is_spot else "cross"
    lot = engine.terms(instrument).lot or Decimal(1)
    least = max(lot, engine.terms(instrument).least or lot)
    for side in ("buy", "sell"):
        price = at_top(market, instrument, side)
        engine.place("a", NewOrder(instrument, side, "limit", least, price, trade_mode=mode), START)
    now, refused = START, 0
    while (due := market.deadline()) is not None:
        now = due
        market.advance(now)
        engine.advance(now)
        for side in ("buy", "sell"):
            if not any(order.side == side for order in engine.open_orders("a")):
                try:
                    engine.place(
                        "a", NewOrder(instrument, side, "limit", least, at_top(market, instrument, side), trade_mode=mode), now
                    )
                except (ApiError, IndexError):
                    refused += 1
    assert [e.liquidity for e in engine.executions("a")].count("M") > 0
    assert {c: t for c, t in engine.books.totals().items() if t} == currencies


def tradable_capture() -> tuple[CaptureMarket, str]:
    """The first capture that has a book and trades of one instrument on one connection."""
    for path in sorted(CORPORA.glob("*.jsonl")):
        try:
            names = CaptureMarket(path, start=START).connections()
        except ValueError:
            continue
        for name in names:
            market = CaptureMarket(path, start=START, conn=name)
            streams: dict[Any, int] = market.streams()
            for channel, key in streams:
                has_trades = streams.get(("trades", key), 0) > 20
                if channel in ("books", "books-l2-tbt", "books5") and has_trades and market.book(key, 1):
                    return market, key
    pytest.skip("no capture here has a book and trades of one instrument")
