"""Public REST: the reads that a stream needs, GET /api/v5/public/*, /market/* and /system/status.

In: a Call. Out: rows, newest first. An unknown parameter is ignored, an empty one counts as absent. Sources: OKX V5 docs,
"Public data", "Market data", "Status".
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

from okex_ws.simulator.channels import INST_TYPES
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import MILLISECOND, SECOND
from okex_ws.simulator.market.calendar import CANDLE_PERIODS
from okex_ws.simulator.v5.rest.http import WINDOW, Answer, Call, Endpoint, integer, newest, number, required, unlisted


def _time(call: Call) -> Answer:
    return [{"ts": str(call.context.clock(call.now) // MILLISECOND)}]


def _status(call: Call) -> Answer:
    rows = call.context.market.status()
    state = call.query.get("state")
    return [row for row in rows if state is None or row.get("state") == state]


def _instruments(call: Call) -> Answer:
    inst_type = required(call.query, "instType")
    if inst_type not in INST_TYPES:
        raise ApiError("51000", "Parameter instType error")
    if inst_type == "OPTION" and not ("uly" in call.query or "instFamily" in call.query):
        raise ApiError("50015", "Either parameter uly or instFamily is required")
    if inst_type == "EVENTS":
        required(call.query, "seriesId")
    rows = call.context.listings.rows(inst_type)
    for name in ("instFamily", "uly", "seriesId"):
        if name in call.query:
            rows = [row for row in rows if row.get(name) == call.query[name]]
    if "instId" in call.query:
        rows = [row for row in rows if row.get("instId") == call.query["instId"]]
        if not rows:
            raise unlisted()
    return rows


def _books(call: Call) -> Answer:
    book = _book(call, number(call.query, "sz", 1, 400))
    return [{**book, "seqId": call.context.publisher.book_seq(call.query["instId"], call.now)}]


def _books_full(call: Call) -> Answer:
    book = _book(call, number(call.query, "sz", 1, 5000))
    for side in ("asks", "bids"):
        book[side] = [[level[0], level[1], level[-1]] for level in book[side]]
    return [book]


def _book(call: Call, depth: int) -> dict[str, Any]:
    instrument = _instrument(call)
    book = call.context.market.book(instrument, depth)
    if book is None:
        raise unlisted()
    return {"asks": book["asks"], "bids": book["bids"], "ts": book["ts"]}


def _trades(call: Call) -> Answer:
    matches = call.context.market.matches(_instrument(call))
    return newest(matches, 0, len(matches), number(call.query, "limit", 100, 500))


def _history_trades(call: Call) -> Answer:
    matches = call.context.market.matches(_instrument(call))
    limit = number(call.query, "limit", 100, 100)
    kind = call.query.get("type", "1")
    if kind not in ("1", "2"):
        raise ApiError("51000", "Parameter type error")
    if kind == "2" and "before" in call.query:
        raise ApiError("50039", "before is not supported when paging by timestamp")
    field_name = "tradeId" if kind == "1" else "ts"
    low, high = 0, len(matches)
    if "after" in call.query:
        high = bisect.bisect_left(matches, integer(call.query, "after"), key=lambda row: int(row[field_name]))
    if "before" in call.query:
        low = bisect.bisect_right(matches, integer(call.query, "before"), key=lambda row: int(row[field_name]))
    return newest(matches, low, high, limit)


def _candles(call: Call) -> Answer:
    return _candle_rows(call, 300)[:1440]


def _history_candles(call: Call) -> Answer:
    return _candle_rows(call, call.context.rules.history_candles_limit)


def _candle_rows(call: Call, most: int) -> list[Any]:
    instrument = _instrument(call)
    bar = call.query.get("bar", "1m")
    if bar not in CANDLE_PERIODS:
        raise ApiError("51000", "Parameter bar error")
    return paged(call, call.context.market.candles(instrument, bar), most)


def paged(call: Call, rows: Sequence[list[str]], most: int) -> list[Any]:
    """Return a page of candles, newest first. after: older than this opening time, before: newer."""
    if "after" in call.query:
        after = integer(call.query, "after")
        rows = [row for row in rows if int(row[0]) < after]
    if "before" in call.query:
        before = integer(call.query, "before")
        rows = [row for row in rows if int(row[0]) > before]
    return list(rows[: number(call.query, "limit", 100, most)])


def _price_candles(kind: str) -> Callable[[Call], Answer]:
    """Return the read of candles of index or mark prices."""

    def act(call: Call) -> Answer:
        key, bar = required(call.query, "instId"), call.query.get("bar", "1m")
        if bar not in CANDLE_PERIODS or bar == "1s":
            raise ApiError("51000", "Parameter bar error")
        if not call.context.market.knows(f"{kind}{bar}", key):
            raise unlisted()
        return paged(call, call.context.market.price_candles(f"{kind}{bar}", key), 100)

    return act


def _ticker(call: Call) -> Answer:
    return _latest(call, "tickers", _instrument(call))


def _tickers(call: Call) -> Answer:
    return _of_type(call, "tickers")


def _index_tickers(call: Call) -> Answer:
    if "instId" in call.query:
        return _latest(call, "index-tickers", call.query["instId"])
    if "quoteCcy" not in call.query:
        raise ApiError("50015", "Either parameter quoteCcy or instId is required")
    rows = (call.context.market.snapshot("index-tickers", index) for index in indexes(call, call.query["quoteCcy"]))
    return [row for snapshot in rows if snapshot is not None for row in snapshot.rows]


def indexes(call: Call, quote: str) -> list[str]:
    """Return the indexes in a quote currency, of the coins that trade here."""
    listed = [row for inst_type in INST_TYPES for row in call.context.listings.rows(inst_type)]
    coins = sorted({str(row["instId"]).split("-")[0] for row in listed})
    return [f"{coin}-{quote}" for coin in coins if call.context.market.knows("index-tickers", f"{coin}-{quote}")]


def _mark_price(call: Call) -> Answer:
    return _of_type(call, "mark-price")


def _open_interest(call: Call) -> Answer:
    return _of_type(call, "open-interest")


def _price_limit(call: Call) -> Answer:
    return _latest(call, "price-limit", _instrument(call))


def _funding_rate(call: Call) -> Answer:
    if required(call.query, "instId") == "ANY":
        market = call.context.market
        rates = [market.snapshot("funding-rate", row["instId"]) for row in market.instruments("SWAP")]
        return [row for snapshot in rates if snapshot is not None for row in snapshot.rows]
    return _latest(call, "funding-rate", _instrument(call))


def _funding_history(call: Call) -> Answer:
    """Return the settlements before the present interval, all at the last settled rate, the only one the market keeps."""
    present = _latest(call, "funding-rate", _instrument(call))[0]
    due, following = int(present["fundingTime"]), int(present["nextFundingTime"])
    step = max(1, following - due)
    times = [due - step * (i + 1) for i in range(number(call.query, "limit", 100, 400))]
    low = integer(call.query, "before") if "before" in call.query else 0
    high = integer(call.query, "after") if "after" in call.query else due
    rate = present.get("settFundingRate") or present["fundingRate"]
    same = {"instType": present["instType"], "instId": present["instId"], "method": present.get("method", "")}
    return [
        {**same, "fundingRate": rate, "realizedRate": rate, "fundingTime": str(time)}
        for time in times
        if low < time < high and time <= call.now // MILLISECOND
    ]


def _of_type(call: Call, channel: str) -> list[Any]:
    inst_type = required(call.query, "instType")
    if inst_type not in INST_TYPES:
        raise ApiError("51000", "Parameter instType error")
    rows: list[Any] = []
    for row in call.context.market.instruments(inst_type):
        wanted = all(row.get(n) == call.query[n] for n in ("instFamily", "uly", "instId") if n in call.query)
        snapshot = call.context.market.snapshot(channel, row["instId"]) if wanted else None
        if snapshot is not None:
            rows.extend(snapshot.rows)
    return rows


def _latest(call: Call, channel: str, key: str) -> list[Any]:
    market = call.context.market
    snapshot = market.snapshot(channel, key) if market.knows(channel, key) else None
    if snapshot is None or not snapshot.rows:
        raise unlisted()
    return snapshot.rows


def _instrument(call: Call) -> str:
    instrument = required(call.query, "instId")
    if not call.context.market.knows("trades", instrument):
        raise unlisted()
    return instrument


def _public(act: Callable[[Call], Answer], limit: int, *, window: int = WINDOW, per: str = "") -> Endpoint:
    return Endpoint(act, limit, window, per, needs_key=False)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "public/time"): _public(_time, 10),
    ("GET", "public/instruments"): _public(_instruments, 20, per="instType"),
    ("GET", "public/funding-rate"): _public(_funding_rate, 10, per="instId"),
    ("GET", "public/funding-rate-history"): _public(_funding_history, 10, per="instId"),
    ("GET", "public/mark-price"): _public(_mark_price, 10),
    ("GET", "public/open-interest"): _public(_open_interest, 20),
    ("GET", "public/price-limit"): _public(_price_limit, 20),
    ("GET", "market/books"): _public(_books, 40),
    ("GET", "market/books-full"): _public(_books_full, 10),
    ("GET", "market/trades"): _public(_trades, 100),
    ("GET", "market/history-trades"): _public(_history_trades, 20),
    ("GET", "market/candles"): _public(_candles, 40),
    ("GET", "market/history-candles"): _public(_history_candles, 20),
    ("GET", "market/index-candles"): _public(_price_candles("index-candle"), 20),
    ("GET", "market/history-index-candles"): _public(_price_candles("index-candle"), 10),
    ("GET", "market/mark-price-candles"): _public(_price_candles("mark-price-candle"), 20),
    ("GET", "market/history-mark-price-candles"): _public(_price_candles("mark-price-candle"), 10),
    ("GET", "market/ticker"): _public(_ticker, 20),
    ("GET", "market/tickers"): _public(_tickers, 20),
    ("GET", "market/index-tickers"): _public(_index_tickers, 20),
    ("GET", "system/status"): _public(_status, 1, window=5 * SECOND),
}
"""(method, path below /api/v5/) -> endpoint, limited per IP (OKX V5 docs, each endpoint's "Rate Limit")."""
