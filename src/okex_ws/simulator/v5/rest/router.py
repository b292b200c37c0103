"""RestRouter: the one way of an HTTP request of V5 to its endpoint.

In: method, target, headers and body as received. Out: an HttpReply in OKX's envelope {"code","msg","data"}. Checks follow
OKX's order: endpoint, signature, permission, rate limit, and the parameters last. Sources: OKX V5 docs, "REST
Authentication", "Rate limits", "Error code / API class".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.base import MILLISECOND
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.rate_limits import SlidingWindows
from okex_ws.simulator.v5.order_grammar import OPS
from okex_ws.simulator.v5.rest import account, algo, assets, figures, funds, public, signed, spreads, trade
from okex_ws.simulator.v5.rest.http import Call, Endpoint, Query, reply, status_of
from okex_ws.simulator.v5.services import V5Services

_PREFIX = "/api/v5/"

ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    **public.ENDPOINTS,
    **figures.ENDPOINTS,
    **account.ENDPOINTS,
    **funds.ENDPOINTS,
    **assets.ENDPOINTS,
    **trade.ENDPOINTS,
    **algo.ENDPOINTS,
    **spreads.ENDPOINTS,
}
_NAMES = frozenset(name for _, name in ENDPOINTS)


class _ReadQuery(dict[str, str]):
    """Query that notes which parameters were read."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        super().__init__(items)
        self._read: set[Any] = set()

    def __getitem__(self, name: str) -> str:
        self._read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._read.add(name)
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self._read.update(super().keys())
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter, and note its name."""
        self._read.add(name)
        return super().get(name, default)

    def unread(self) -> tuple[str, ...]:
        """Return the parameters that nobody read."""
        return tuple(sorted({*super().keys()} - self._read))


class RestRouter:
    """Router of one exchange."""

    def __init__(self, services: V5Services) -> None:
        self._services = services
        self._context = services.context
        self._windows = SlidingWindows()

    def hold(self, method: str, target: str, body: bytes, now: int) -> int:
        """Return how long (ns) a request is held before the exchange has it (fault slow_order)."""
        name = trade.OPS_BY_PATH.get(urlsplit(target).path.removeprefix(_PREFIX)) if method == "POST" else None
        return self._services.gateway.held(OPS[name], _decoded(body), now) if name is not None else 0

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: int, peer: str) -> HttpReply:
        """Answer one request."""
        parts = urlsplit(target)
        query = _ReadQuery((name, value) for name, value in parse_qsl(parts.query) if value)
        answered = self._answer(method, target, parts.path, query, headers, body, now, peer)
        if answered.body.startswith(b'{"code":"0"'):
            answered.unknown = query.unread()
        return answered

    def _answer(
        self,
        method: str,
        target: str,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
        peer: str,
    ) -> HttpReply:
        name = path.removeprefix(_PREFIX)
        if name not in _NAMES or not path.startswith(_PREFIX):
            return reply(404, "404", f"Endpoint request error: no {path}", [])
        endpoint = ENDPOINTS.get((method, name))
        if endpoint is None:
            return reply(405, "405", f"{method} is not allowed here", [])
        lowered = {title.lower(): value for title, value in headers.items()}
        call = Call(self._services, name, query, lowered, now)
        if not endpoint.needs_key:
            return self._act(method, endpoint, call, peer)
        try:
            self._sign(call, method, target, endpoint, body)
        except ApiError as error:
            return reply(401, error.code, error.message, [])
        if method == "POST":
            if not body:
                return reply(400, "50000", "Body for POST request cannot be empty.", [])
            call.body = _decoded(body)
            if call.body is _UNREADABLE:
                return reply(400, "50002", "JSON syntax error", [])
        return self._act(method, endpoint, call, call.uid)

    def _sign(self, call: Call, method: str, target: str, endpoint: Endpoint, body: bytes) -> None:
        """Set the signer of a call. Raises ApiError."""
        context = self._context
        call.signer = signed.check(
            method,
            target,
            call.headers,
            body,
            keys=context.keys,
            now=context.clock(call.now),
            window_s=context.rules.login_window_s,
            demo=context.rules.demo,
        )
        if endpoint.trades and "trade" not in call.signer.permissions:
            raise signed.refused("50120")
        call.uid = context.trading.uid(call.signer)

    def _act(self, method: str, endpoint: Endpoint, call: Call, sender: str) -> HttpReply:
        scope = call.query.get(endpoint.per) or (str(call.body.get(endpoint.per) or "") if isinstance(call.body, dict) else "")
        habit = self._context.rules.rest_limits
        window = (sender, method, call.name, scope)
        if habit != "off" and not self._windows.spend(window, endpoint.limit, endpoint.window, call.now):
            return reply(429 if habit == "429" else 200, "50011", "Too Many Requests", [])
        faults = self._faults(method, endpoint, call)
        trouble = faults.get("rest_error")
        if trouble is not None:
            return reply(trouble.options["status"], trouble.options["code"], "Simulated trouble", [])
        try:
            answer = endpoint.act(call)
        except ApiError as error:
            return reply(status_of(error.code), error.code, error.message, [])
        finally:
            if endpoint.needs_key:
                self._context.trading.flush(call.now)
        return answer if isinstance(answer, HttpReply) else reply(200, "0", "", self._corrupted(answer, faults, endpoint, call))

    def _faults(self, method: str, endpoint: Endpoint, call: Call) -> dict[str, Fault]:
        kinds = {"rest_error"}
        if method == "GET":
            kinds |= {"rest_empty", "rest_unsorted"}
        if not endpoint.needs_key:
            kinds.add("rest_overlap")
        if call.name == "market/books":
            kinds.add("stale_rest_book")
        active, instrument = self._context.faults, call.query.get("instId", "")
        found = {fault.kind: fault for fault in active.due("rest", call.now, 0, key=instrument, target=call.name, only=kinds)}
        if method == "GET" and endpoint.needs_key:
            for fault in active.due("service", call.now, 0, path="rest"):
                found["rest_error"] = fault
        for fault in found.values():
            self._context.note(fault.kind, call.now, "", call.name, instrument)
        return found

    def _corrupted(self, rows: list[Any], faults: dict[str, Fault], endpoint: Endpoint, call: Call) -> list[Any]:
        query = call.query
        if "stale_rest_book" in faults and rows:
            ts = int(rows[0]["ts"]) - faults["stale_rest_book"].options["seconds"] // MILLISECOND
            stale = {"ts": str(ts), "seqId": self._context.publisher.stale_seq(query["instId"], call.now)}
            rows = [{**rows[0], **stale}]
        if "rest_overlap" in faults and "after" in query and call.name == "market/history-trades":
            after = int(query["after"]) + faults["rest_overlap"].options["rows"]
            again = endpoint.act(replace(call, query={**query, "after": str(after)}))
            rows = again if isinstance(again, list) else rows
        if "rest_unsorted" in faults:
            rows = rows[1::2] + rows[::2]
        return [] if "rest_empty" in faults else rows


_UNREADABLE = object()


def _decoded(body: bytes) -> Any:
    """Return a body's JSON, None for an empty body, _UNREADABLE for anything else."""
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _UNREADABLE
