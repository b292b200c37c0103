"""REST face: the public reads a stream needs, GET /api/v5/public/*, /market/* and /system/status.

In: method, target with query, headers, body. Out: RestReply in OKX's envelope {"code","msg","data"}, rows newest first.
What needs a key is answered by private_rest.py.
An unknown parameter is ignored, an empty one counts as absent. Sources: OKX V5 docs, "Public data", "Market data",
"Status", "Error code / REST API".
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.calendar import CANDLE_PERIODS
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.rest import trade as trade_rest
from okex_ws.simulator.v5.rest.http import Query, RestReply, Wrong, integer, newest, number, reply, required, status_of, unlisted
from okex_ws.simulator.v5.rest.private import PrivateRest

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange

_MS = 1_000_000
_SECOND = 1_000 * _MS


@dataclass(frozen=True, slots=True)
class _Endpoint:
    read: Callable[[PublicRest, Query, int], list[Any]]
    limit: int  # requests ...
    window: int  # ... per so many ns, per IP
    per: str = ""  # and per value of this parameter


class PublicRest:
    """Answers requests for one exchange; remembers only the recent request times of each IP."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._private = PrivateRest(exchange)
        self._recent: dict[tuple[str, str, str], deque[int]] = {}

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: int, peer: str) -> RestReply:
        """One request."""
        parts = urlsplit(target)
        query: Query = {name: value for name, value in parse_qsl(parts.query) if value}
        name = parts.path.removeprefix("/api/v5/")
        if self._private.has(name):
            return self._private.answer(method, target, name, query, headers, body, now)
        endpoint = _ENDPOINTS.get(name)
        if endpoint is None or not parts.path.startswith("/api/v5/"):
            return reply(404, "404", f"Endpoint request error: no {parts.path}", [])
        if method != "GET":
            return reply(405, "405", f"{method} is not allowed here", [])
        if self._is_too_often(name, endpoint, query, peer, now):
            status = 429 if self._exchange.rules.rest_limits == "429" else 200
            return reply(status, "50011", "Too Many Requests", [])
        struck = self._strike(name, query, now)
        refusal = struck.get("rest_error")
        if refusal is not None:
            return reply(refusal.options["status"], refusal.options["code"], "Simulated trouble", [])
        try:
            rows = endpoint.read(self, query, now)
        except Wrong as wrong:
            return reply(status_of(wrong.code), wrong.code, wrong.message, [])
        return reply(200, "0", "", self._spoil(rows, struck, name, query, now))

    def hold(self, method: str, target: str, body: bytes, now: int) -> int:
        """How long (ns) a request is on its way."""
        name = urlsplit(target).path.removeprefix("/api/v5/")
        return trade_rest.hold(self._exchange, name, body, now) if method == "POST" else 0

    def _is_too_often(self, name: str, endpoint: _Endpoint, query: Query, peer: str, now: int) -> bool:
        if self._exchange.rules.rest_limits == "off":
            return False
        recent = self._recent.setdefault((peer, name, query.get(endpoint.per, "")), deque())
        while recent and recent[0] <= now - endpoint.window:
            recent.popleft()
        if len(recent) >= endpoint.limit:
            return True
        recent.append(now)
        return False

    def _strike(self, name: str, query: Query, now: int) -> dict[str, Fault]:
        kinds = {"rest_error", "rest_empty", "rest_unsorted", "rest_overlap"}
        if name == "market/books":
            kinds.add("stale_rest_book")
        struck = self._exchange.running.due("rest", now, 0, key=query.get("instId", ""), target=name, only=kinds)
        for fault in struck:
            self._exchange.note(fault.kind, now, "", name, query.get("instId", ""))
        return {fault.kind: fault for fault in struck}

    def _spoil(self, rows: list[Any], struck: dict[str, Fault], name: str, query: Query, now: int) -> list[Any]:
        if "stale_rest_book" in struck and rows:
            back = struck["stale_rest_book"].options["seconds"] // _MS
            old = {"ts": str(int(rows[0]["ts"]) - back), "seqId": self._exchange.stale_seq(query["instId"], now)}
            rows = [{**rows[0], **old}]
        if "rest_overlap" in struck and "after" in query and name == "market/history-trades":
            reach = {**query, "after": str(int(query["after"]) + struck["rest_overlap"].options["rows"])}
            rows = self._history_trades(reach, now)
        if "rest_unsorted" in struck:
            rows = rows[1::2] + rows[::2]
        return [] if "rest_empty" in struck else rows

    def _time(self, query: Query, now: int) -> list[Any]:
        return [{"ts": str(self._exchange.clock(now) // _MS)}]

    def _status(self, query: Query, now: int) -> list[Any]:
        rows = self._exchange.market.status()
        state = query.get("state")
        return [row for row in rows if state is None or row.get("state") == state]

    def _instruments(self, query: Query, now: int) -> list[Any]:
        inst_type = required(query, "instType")
        if inst_type not in v5.INST_TYPES:
            raise Wrong("51000", "Parameter instType error")
        if inst_type == "OPTION" and not ("uly" in query or "instFamily" in query):
            raise Wrong("50015", "Either parameter uly or instFamily is required")
        if inst_type == "EVENTS":
            required(query, "seriesId")
        rows = self._exchange.instruments(inst_type)
        for name in ("instFamily", "uly", "seriesId"):
            if name in query:
                rows = [row for row in rows if row.get(name) == query[name]]
        if "instId" in query:
            rows = [row for row in rows if row.get("instId") == query["instId"]]
            if not rows:
                raise unlisted()
        return rows

    def _books(self, query: Query, now: int) -> list[Any]:
        book = self._book(query, number(query, "sz", 1, 400))
        return [{**book, "seqId": self._exchange.book_seq(query["instId"], now)}]

    def _books_full(self, query: Query, now: int) -> list[Any]:
        book = self._book(query, number(query, "sz", 1, 5000))
        for side in ("asks", "bids"):
            book[side] = [[level[0], level[1], level[-1]] for level in book[side]]
        return [book]

    def _book(self, query: Query, depth: int) -> dict[str, Any]:
        instrument = self._instrument(query)
        book = self._exchange.market.book(instrument, depth)
        if book is None:
            raise unlisted()
        return {"asks": book["asks"], "bids": book["bids"], "ts": book["ts"]}

    def _trades(self, query: Query, now: int) -> list[Any]:
        matches = self._exchange.market.matches(self._instrument(query))
        return newest(matches, 0, len(matches), number(query, "limit", 100, 500))

    def _history_trades(self, query: Query, now: int) -> list[Any]:
        matches = self._exchange.market.matches(self._instrument(query))
        limit = number(query, "limit", 100, 100)
        kind = query.get("type", "1")
        if kind not in ("1", "2"):
            raise Wrong("51000", "Parameter type error")
        if kind == "2" and "before" in query:
            raise Wrong("50039", "before is not supported when paging by timestamp")
        field_name = "tradeId" if kind == "1" else "ts"
        low, high = 0, len(matches)
        if "after" in query:
            high = bisect.bisect_left(matches, integer(query, "after"), key=lambda row: int(row[field_name]))
        if "before" in query:
            low = bisect.bisect_right(matches, integer(query, "before"), key=lambda row: int(row[field_name]))
        return newest(matches, low, high, limit)

    def _candles(self, query: Query, now: int) -> list[Any]:
        return self._candle_rows(query, 300)[:1440]

    def _history_candles(self, query: Query, now: int) -> list[Any]:
        return self._candle_rows(query, self._exchange.rules.history_candles_limit)

    def _candle_rows(self, query: Query, most: int) -> list[Any]:
        instrument = self._instrument(query)
        bar = query.get("bar", "1m")
        if bar not in CANDLE_PERIODS:
            raise Wrong("51000", "Parameter bar error")
        rows: Sequence[list[str]] = self._exchange.market.candles(instrument, bar)
        if "after" in query:
            after = integer(query, "after")
            rows = [row for row in rows if int(row[0]) < after]
        if "before" in query:
            before = integer(query, "before")
            rows = [row for row in rows if int(row[0]) > before]
        return list(rows[: number(query, "limit", 100, most)])

    def _ticker(self, query: Query, now: int) -> list[Any]:
        return self._latest("tickers", self._instrument(query))

    def _tickers(self, query: Query, now: int) -> list[Any]:
        return self._of_type("tickers", required(query, "instType"), query)

    def _index_tickers(self, query: Query, now: int) -> list[Any]:
        index = required(query, "instId")
        return self._latest("index-tickers", index)

    def _mark_price(self, query: Query, now: int) -> list[Any]:
        return self._of_type("mark-price", required(query, "instType"), query)

    def _open_interest(self, query: Query, now: int) -> list[Any]:
        return self._of_type("open-interest", required(query, "instType"), query)

    def _price_limit(self, query: Query, now: int) -> list[Any]:
        return self._latest("price-limit", self._instrument(query))

    def _funding_rate(self, query: Query, now: int) -> list[Any]:
        return self._latest("funding-rate", self._instrument(query))

    def _funding_history(self, query: Query, now: int) -> list[Any]:
        """The settlements before the present interval, all at the rate last settled: the market keeps no more."""
        present = self._latest("funding-rate", self._instrument(query))[0]
        due, following = int(present["fundingTime"]), int(present["nextFundingTime"])
        step = max(1, following - due)
        times = [due - step * (i + 1) for i in range(number(query, "limit", 100, 400))]
        low = integer(query, "before") if "before" in query else 0
        high = integer(query, "after") if "after" in query else due
        rate = present.get("settFundingRate") or present["fundingRate"]
        same = {"instType": present["instType"], "instId": present["instId"], "method": present.get("method", "")}
        return [
            {**same, "fundingRate": rate, "realizedRate": rate, "fundingTime": str(time)}
            for time in times
            if low < time < high and time <= now // _MS
        ]

    def _of_type(self, channel: str, inst_type: str, query: Query) -> list[Any]:
        if inst_type not in v5.INST_TYPES:
            raise Wrong("51000", "Parameter instType error")
        rows: list[Any] = []
        for row in self._exchange.market.instruments(inst_type):
            wanted = all(row.get(n) == query[n] for n in ("instFamily", "uly", "instId") if n in query)
            snapshot = self._exchange.market.snapshot(channel, row["instId"]) if wanted else None
            if snapshot is not None:
                rows.extend(snapshot.rows)
        return rows

    def _latest(self, channel: str, key: str) -> list[Any]:
        market = self._exchange.market
        snapshot = market.snapshot(channel, key) if market.knows(channel, key) else None
        if snapshot is None or not snapshot.rows:
            raise unlisted()
        return snapshot.rows

    def _instrument(self, query: Query) -> str:
        instrument = required(query, "instId")
        if not self._exchange.market.knows("trades", instrument):
            raise unlisted()
        return instrument


_W = 2 * _SECOND
_ENDPOINTS: dict[str, _Endpoint] = {
    "public/time": _Endpoint(PublicRest._time, 10, _W),
    "public/instruments": _Endpoint(PublicRest._instruments, 20, _W, "instType"),
    "public/funding-rate": _Endpoint(PublicRest._funding_rate, 10, _W, "instId"),
    "public/funding-rate-history": _Endpoint(PublicRest._funding_history, 10, _W, "instId"),
    "public/mark-price": _Endpoint(PublicRest._mark_price, 10, _W),
    "public/open-interest": _Endpoint(PublicRest._open_interest, 20, _W),
    "public/price-limit": _Endpoint(PublicRest._price_limit, 20, _W),
    "market/books": _Endpoint(PublicRest._books, 40, _W),
    "market/books-full": _Endpoint(PublicRest._books_full, 10, _W),
    "market/trades": _Endpoint(PublicRest._trades, 100, _W),
    "market/history-trades": _Endpoint(PublicRest._history_trades, 20, _W),
    "market/candles": _Endpoint(PublicRest._candles, 40, _W),
    "market/history-candles": _Endpoint(PublicRest._history_candles, 20, _W),
    "market/ticker": _Endpoint(PublicRest._ticker, 20, _W),
    "market/tickers": _Endpoint(PublicRest._tickers, 20, _W),
    "market/index-tickers": _Endpoint(PublicRest._index_tickers, 20, _W),
    "system/status": _Endpoint(PublicRest._status, 1, 5 * _SECOND),
}
"""Path below /api/v5/ -> its read and its limit per IP (OKX V5 docs, each endpoint's "Rate Limit")."""
