"""One market, three dialects: the same seed leads to the same trades and the same books, whichever one listens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.fixed_market import START
from tests.support.legacy_talk import OldTalker, add, pushes, rows
from tests.support.talk import Talker, exchange

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.level_book import LevelBook
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.v1.grammar import snowflake
from okex_ws.simulator.v3.grammar import iso

BEGIN, END = 5, 30
Told = list[tuple[str, Decimal, Decimal, str]]
Book = dict[str, list[tuple[float, float]]]


def venue() -> Exchange:
    return exchange(market=SeededMarket(11, start=START), connects_per_s=0)


FUTURE = str(venue().instruments("FUTURES")[0]["instId"])
NAMES = {
    "BTC-USDT": ("spot_btc_usdt_deals", "spot_btc_usdt_depth"),
    FUTURE: ("futureusd_btc_trade_quarter", "futureusd_btc_depth_quarter"),
}


def heard_v1(instrument: str) -> tuple[Told, Book]:
    """What a V1 client knows at the end, by V1's rules alone."""
    talker = OldTalker(venue(), "/ws/v1", BEGIN)
    trade, depth = (f"ok_sub_{name}" for name in NAMES[instrument])
    before = {row[0] for batch in pushes(talker.say(add(trade), BEGIN), trade) for row in batch}
    talker.say(add(depth), BEGIN)
    talker.until(END)
    sides: dict[str, dict[float, float]] = {"asks": {}, "bids": {}}
    for image in pushes(talker.frames, depth):
        for side, levels in sides.items():
            for price, size, *_ in image[side]:
                levels[float(price)] = float(size)
    told = [row for batch in pushes(talker.frames, trade) for row in batch if row[0] not in before]
    book = {side: sorted(((p, s) for p, s in levels.items() if s), reverse=side == "bids") for side, levels in sides.items()}
    return [(row[0], Decimal(row[1]), Decimal(row[2]), {"bid": "buy", "ask": "sell"}[row[4]]) for row in told], book


def heard_v3(instrument: str) -> tuple[list[dict[str, Any]], Book]:
    """What a V3 client knows at the end."""
    talker = OldTalker(venue(), "/ws/v3", BEGIN)
    business = "spot" if instrument == "BTC-USDT" else "futures"
    asked = [f"{business}/trade:{instrument}", f"{business}/depth:{instrument}"]
    before = {row["trade_id"] for row in rows(talker.say({"op": "subscribe", "args": asked}, BEGIN), f"{business}/trade")}
    talker.until(END)
    held = LevelBook()
    for frame in talker.frames:
        if frame.get("table") == f"{business}/depth":
            held.apply(frame["data"][0], is_full=frame["action"] == "partial")
    told = [row for row in rows(talker.frames, f"{business}/trade") if row["trade_id"] not in before]
    return told, _best(held)


def heard_v5(instrument: str) -> tuple[list[dict[str, Any]], Book]:
    """What a V5 client knows at the end."""
    talker = Talker(venue(), at=BEGIN)
    talker.subscribe({"channel": "trades", "instId": instrument}, {"channel": "books", "instId": instrument}, at=BEGIN)
    talker.until(END)
    held = LevelBook()
    for push in talker.pushes("books"):
        held.apply(push["data"][0], is_full=push["action"] == "snapshot")
    return [row for push in talker.pushes("trades") for row in push["data"]], _best(held)


def _best(held: LevelBook) -> Book:
    return {side: [(float(each[0]), float(each[1])) for each in held.best(side, 400)] for side in ("asks", "bids")}


@pytest.mark.parametrize("instrument", ["BTC-USDT", FUTURE])
def test_the_same_seed_leads_to_the_same_trades_and_books(instrument: str) -> None:
    (told_v1, book_v1), (told_v3, book_v3), (told_v5, book_v5) = (hear(instrument) for hear in (heard_v1, heard_v3, heard_v5))
    assert len(told_v5) > 20
    facts = [(row["tradeId"], Decimal(row["px"]), Decimal(row["sz"]), row["side"]) for row in told_v5]
    size = "size" if instrument == "BTC-USDT" else "qty"
    assert [(row["trade_id"], Decimal(row["price"]), Decimal(row[size]), row["side"]) for row in told_v3] == facts
    assert [row["timestamp"] for row in told_v3] == [iso(row["ts"]) for row in told_v5]
    if instrument == FUTURE:  # V1's futures ids hold the time, and are told once a second
        facts = [(snowflake(int(row["ts"]), int(row["tradeId"])), *fact[1:]) for row, fact in zip(told_v5, facts, strict=True)]
        assert 0 <= len(facts) - len(told_v1) < 10
        facts = facts[: len(told_v1)]
    assert told_v1 == facts
    assert book_v3 == book_v5
    assert book_v1 == {side: levels[:200] for side, levels in book_v5.items()}


def test_what_trades_does_not_depend_on_who_listens_in_which_dialect() -> None:
    alone, crowded = venue(), venue()
    others = [OldTalker(crowded, "/ws/v1"), OldTalker(crowded, "/websocket"), OldTalker(crowded, "/ws/v3")]
    others[0].say(add("ok_sub_futureusd_btc_depth_quarter"), 0)
    others[1].say(add("ok_sub_spot_btc_usdt_deals"), 0)
    others[2].say({"op": "subscribe", "args": ["spot/depth_l2_tbt:BTC-USDT", f"futures/ticker:{FUTURE}"]}, 0)
    frames = []
    for each in (alone, crowded):
        talker = Talker(each)
        talker.line.conn_id = "same"
        talker.subscribe({"channel": "trades", "instId": "BTC-USDT"}, {"channel": "books", "instId": FUTURE})
        talker.until(10)
        frames.append(talker.raw())
    assert frames[0] == frames[1]
    assert len(frames[0]) > 10_000
