"""The REST reads: envelope, paging, limits, error codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.fixed_market import START
from tests.support.talk import Talker, book, exchange, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules


def lived(*faults: str, at: float = 60, **rules: Any) -> Exchange:
    venue = exchange(*faults, **{"rest_limits": "off", **rules})
    venue.on_deadline(seconds(at))
    return venue


def get(venue: Exchange, target: str, at: float = 60, method: str = "GET") -> tuple[int, dict[str, Any]]:
    reply = venue.rest(method, f"/api/v5/{target}", {}, b"", seconds(at))
    return reply.status, json.loads(reply.body)


def rows(venue: Exchange, target: str, at: float = 60) -> list[Any]:
    status, body = get(venue, target, at)
    assert (status, body["code"], body["msg"]) == (200, "0", ""), body
    data: list[Any] = body["data"]
    return data


def test_time() -> None:
    assert rows(lived(), "public/time") == [{"ts": str(seconds(60) // 10**6)}]


def test_instruments_of_a_type_and_their_rules() -> None:
    venue = lived()
    assert [r["instId"] for r in rows(venue, "public/instruments?instType=SPOT")] == ["BTC-USDT", "ETH-USDT"]
    assert len(rows(venue, "public/instruments?instType=SPOT&instId=ETH-USDT")) == 1
    assert rows(venue, "public/instruments?instType=OPTION&instFamily=BTC-USD") == []
    for query, code in (
        ("", "50014"),
        ("?instType=COW", "51000"),
        ("?instType=OPTION", "50015"),
        ("?instType=EVENTS", "50014"),
        ("?instType=SPOT&instId=X", "51001"),
    ):
        assert get(venue, f"public/instruments{query}")[1]["code"] == code


def test_books_depth_and_id() -> None:
    venue = lived(at=1)
    (one,) = rows(venue, "market/books?instId=BTC-USDT", 1)
    assert len(one["asks"]) == len(one["bids"]) == 1
    assert len(one["asks"][0]) == 4
    assert isinstance(one["seqId"], int)
    assert len(rows(venue, "market/books?instId=BTC-USDT&sz=5&x=", 1)[0]["bids"]) == 5
    (full,) = rows(venue, "market/books-full?instId=BTC-USDT&sz=5000", 1)
    assert len(full["asks"]) == 10
    assert len(full["asks"][0]) == 3


@pytest.mark.parametrize(
    ("target", "code", "status"),
    [
        ("market/books", "50014", 400),
        ("market/books?instId=", "50014", 400),
        ("market/books?instId=NO-SUCH", "51001", 200),
        ("market/books?instId=BTC-USDT&sz=x", "51000", 200),
        ("market/books?instId=BTC-USDT&sz=0", "51000", 200),
        ("market/candles?instId=BTC-USDT&bar=7m", "51000", 200),
        ("market/history-trades?instId=BTC-USDT&type=2&before=1", "50039", 400),
        ("market/history-trades?instId=BTC-USDT&type=3", "51000", 200),
        ("market/nothing", "404", 404),
    ],
)
def test_errors(target: str, code: str, status: int) -> None:
    assert get(lived(), target) == (status, {**get(lived(), target)[1], "code": code, "data": []})


def test_post_is_refused_politely() -> None:
    assert get(lived(), "public/time", method="POST")[0] == 405


def test_history_trades_page_by_id_until_continuous() -> None:
    venue = lived()
    newest = rows(venue, "market/trades?instId=BTC-USDT&limit=500")
    ids = [int(r["tradeId"]) for r in newest]
    assert ids == list(range(ids[0], ids[0] - len(ids), -1))
    assert ids[-1] == 1001
    collected: list[int] = []
    cursor = ids[0] + 1
    while page := rows(venue, f"market/history-trades?instId=BTC-USDT&after={cursor}"):
        assert len(page) <= 100
        collected += [int(r["tradeId"]) for r in page]
        cursor = collected[-1]
    assert collected == ids
    between = rows(venue, "market/history-trades?instId=BTC-USDT&after=1010&before=1005&type=1")
    assert [r["tradeId"] for r in between] == ["1009", "1008", "1007", "1006"]
    assert set(between[0]) == {"instId", "tradeId", "px", "sz", "side", "source", "ts"}


def test_history_trades_page_by_time() -> None:
    venue = lived()
    cut = seconds(2) // 10**6
    page = rows(venue, f"market/history-trades?instId=BTC-USDT&type=2&after={cut}&limit=3")
    assert len(page) == 3
    assert all(int(r["ts"]) < cut for r in page)


def test_candles_limits_and_paging() -> None:
    venue = lived()
    assert len(rows(venue, "market/candles?instId=BTC-USDT")) == 100
    newest = rows(venue, "market/candles?instId=BTC-USDT&limit=500")
    assert len(newest) == 300
    assert int(newest[0][0]) > int(newest[1][0])
    assert rows(venue, f"market/candles?instId=BTC-USDT&before={newest[2][0]}") == newest[:2]
    assert rows(venue, f"market/candles?instId=BTC-USDT&after={newest[2][0]}&limit=2") == newest[3:5]
    assert len(rows(venue, "market/history-candles?instId=BTC-USDT&limit=300")) == 100


def test_tickers_status_and_funding() -> None:
    venue = lived()
    assert rows(venue, "market/ticker?instId=BTC-USDT")[0]["last"] == "100"
    assert len(rows(venue, "market/tickers?instType=SPOT")) == 2
    assert rows(venue, "system/status")[0]["state"] == "scheduled"
    assert rows(venue, "public/funding-rate?instId=BTC-USDT")[0]["fundingRate"] == "0.0001"
    past = rows(venue, "public/funding-rate-history?instId=BTC-USDT&limit=3")
    times = [int(r["fundingTime"]) for r in past]
    assert times == sorted(times, reverse=True)
    assert times[0] - times[1] == 28_800_000


@pytest.mark.parametrize(("habit", "status"), [("429", 429), ("200", 200)])
def test_rate_limits_per_ip(habit: str, status: int) -> None:
    venue = lived(rest_limits=habit)
    answers = [get(venue, "public/time") for _ in range(11)]
    assert answers[9][1]["code"] == "0"
    assert answers[10] == (status, {**answers[10][1], "code": "50011"})
    assert get(venue, "public/time", at=62.1)[1]["code"] == "0"


def test_D16_errors_empty_unsorted_and_overlapping_pages() -> None:
    target = "market/history-trades?instId=BTC-USDT&limit=4&after=1050"
    venue = lived(
        "rest_error target=history-trades nth=1",
        "rest_empty target=history-trades nth=1",
        "rest_unsorted target=history-trades nth=2",
        "rest_overlap target=history-trades nth=3 rows=2",
    )
    status, body = get(venue, target)
    assert status == 429
    assert body["code"] == "50011"
    assert [f.kind for f in venue.ledger.faults] == ["rest_error", "rest_empty"]
    unsorted = [int(r["tradeId"]) for r in rows(venue, target)]
    assert sorted(unsorted) == [1046, 1047, 1048, 1049] != unsorted
    assert [int(r["tradeId"]) for r in rows(venue, target)] == [1051, 1050, 1049, 1048]
    assert [int(r["tradeId"]) for r in rows(venue, target)] == [1049, 1048, 1047, 1046]
    assert rows(lived("rest_empty target=history-trades"), target) == []
    assert rows(lived("rest_empty target=history-trades"), "public/time")


def test_D13_a_stale_rest_book_is_older_than_the_stream() -> None:
    venue = exchange("stale_rest_book times=1", in_band_snapshot=False)
    talker = Talker(venue)
    talker.subscribe(book())
    first = talker.until(1)[0]["data"][0]
    stale, fresh = (rows(venue, "market/books?instId=BTC-USDT&sz=400", 1)[0] for _ in range(2))
    assert stale["seqId"] < first["prevSeqId"]
    assert int(stale["ts"]) < int(fresh["ts"])
    assert fresh["seqId"] == talker.pushes("books")[-1]["data"][0]["seqId"]


def test_D21_an_instrument_changes_on_rest_and_stream() -> None:
    venue = exchange("instrument_change instrument=BTC-USDT at=1s tickSz=0.5 state=suspend")
    talker = Talker(venue)
    talker.subscribe({"channel": "instruments", "instType": "SPOT"})
    (push,) = [p for p in talker.until(2) if "data" in p]
    assert push["data"][0]["instId"] == "BTC-USDT"
    assert push["data"][0]["state"] == "suspend"
    assert rows(venue, "public/instruments?instType=SPOT", 2)[0]["tickSz"] == "0.5"


def seeded() -> Exchange:
    names = ["BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "ETH-USDT-SWAP"]
    market = SeededMarket(7, start=START, instruments=names, rate=0.1, levels=10)
    return Exchange(market, now=START, rules=Rules(rest_limits="off"))


def test_reads_of_every_index_of_a_quote() -> None:
    venue = seeded()
    quoted = rows(venue, "market/index-tickers?quoteCcy=USDT", 0)
    assert [row["instId"] for row in quoted] == ["BTC-USDT", "ETH-USDT"]
    assert quoted[:1] == rows(venue, "market/index-tickers?instId=BTC-USDT", 0)
    assert get(venue, "market/index-tickers", 0)[1]["code"] == "50015"
    assert rows(venue, "market/index-tickers?quoteCcy=EUR", 0) == []


def test_funding_rates_of_any_swap() -> None:
    venue = seeded()
    each = [rows(venue, f"public/funding-rate?instId={name}-USDT-SWAP", 0)[0] for name in ("BTC", "ETH")]
    assert rows(venue, "public/funding-rate?instId=ANY", 0) == each


@pytest.mark.parametrize("kind", ["index", "mark-price"])
@pytest.mark.parametrize("twin", ["", "history-"])
def test_candles_of_index_and_mark_prices(kind: str, twin: str) -> None:
    venue = seeded()
    path = f"market/{twin}{kind}-candles?instId=BTC-USDT&bar=1H"
    found = rows(venue, path, 0)
    assert len(found) == 100
    assert {len(row) for row in found} == {6}
    older = rows(venue, f"{path}&after={found[-1][0]}&limit=2", 0)
    assert [int(found[-1][0]) - int(row[0]) for row in older] == [3_600_000, 7_200_000]
    assert get(venue, f"market/{twin}{kind}-candles?instId=NO-SUCH", 0)[1]["code"] == "51001"
    assert get(venue, f"market/{twin}{kind}-candles?instId=BTC-USDT&bar=1s", 0)[1]["code"] == "51000"


def test_history_candles_page_back_1440_bars() -> None:
    venue, after, seen = seeded(), "", 0
    while found := rows(venue, f"market/history-candles?instId=BTC-USDT&bar=1D&limit=300{after}", 0):
        seen, after = seen + len(found), f"&after={found[-1][0]}"
    assert seen == 1440
