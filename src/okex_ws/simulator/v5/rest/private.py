"""Private REST: what needs a key: signature, limits and faults of the endpoints in trade_rest.py and account_rest.py.

In: a request as received. Out: a RestReply. Every request is checked in OKX's order: is there such an endpoint, who
signed it, may this key do it, is it too often, and only then what it says. Sources: OKX V5 docs, "REST Authentication",
"Rate limits", "Error code / API class".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.rate_limits import Windows
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.v5.rest import signed
from okex_ws.simulator.v5.rest.http import Query, RestReply, Wrong, reply, status_of

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange

WINDOW = 2 * SECOND


@dataclass(slots=True)
class Call:
    """One request whose signer is known. body: the decoded JSON of a POST, None of a GET."""

    exchange: Exchange
    name: str
    key: ApiKey
    uid: str
    query: Query
    body: Any
    headers: Mapping[str, str]
    now: int

    def fields(self) -> dict[str, Any]:
        """The body of a POST that is one object; a list of one counts as one."""
        body = self.body[0] if isinstance(self.body, list) and len(self.body) == 1 else self.body
        if not isinstance(body, dict):
            raise Wrong("50002", "JSON syntax error")
        return body


Answer = list[Any] | RestReply


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. limit: requests per window (ns) and account, and per value of `per` where given.

    trades: whether the key needs the permission to trade.
    """

    act: Callable[[Call], Answer]
    limit: int
    window: int = WINDOW
    per: str = ""
    trades: bool = False


class PrivateRest:
    """Answers signed requests for one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        from okex_ws.simulator.v5 import spread_grammar as spreads
        from okex_ws.simulator.v5.rest import account as account_rest
        from okex_ws.simulator.v5.rest import algo as algo_rest
        from okex_ws.simulator.v5.rest import trade as trade_rest

        self._exchange = exchange
        self._windows = Windows()
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            **account_rest.ENDPOINTS,
            **trade_rest.ENDPOINTS,
            **algo_rest.ENDPOINTS,
            **spreads.ENDPOINTS,
        }
        self._names = {name for _, name in self._endpoints}

    def has(self, name: str) -> bool:
        """Whether this path (below /api/v5/) needs a key."""
        return name in self._names

    def answer(
        self, method: str, target: str, name: str, query: Query, headers: Mapping[str, str], body: bytes, now: int
    ) -> RestReply:
        """One request."""
        exchange = self._exchange
        endpoint = self._endpoints.get((method, name))
        if endpoint is None:
            return reply(405, "405", f"{method} is not allowed here", [])
        lowered = {title.lower(): value for title, value in headers.items()}
        try:
            key = signed.check(
                method,
                target,
                lowered,
                body,
                keys=exchange.keys,
                now=exchange.clock(now),
                window_s=exchange.rules.login_window_s,
                demo=exchange.rules.demo,
            )
            if endpoint.trades and "trade" not in key.permissions:
                raise signed.SignatureError("50120")
        except signed.SignatureError as error:
            return reply(401, error.code, error.message, [])
        uid = exchange.desk.uid(key)
        fields = decoded(body) if method == "POST" else None
        if method == "POST" and not body:
            return reply(400, "50000", "Body for POST request cannot be empty.", [])
        if isinstance(fields, NoJson):
            return reply(400, "50002", "JSON syntax error", [])
        scope = query.get(endpoint.per) or (str(fields.get(endpoint.per) or "") if isinstance(fields, dict) else "")
        limited = exchange.rules.rest_limits != "off"
        if limited and not self._windows.spend((uid, method, name, scope), endpoint.limit, endpoint.window, now):
            status = 429 if exchange.rules.rest_limits == "429" else 200
            return reply(status, "50011", "Too Many Requests", [])
        struck = self._strike(method, name, query, now)
        trouble = struck.get("rest_error")
        if trouble is not None:
            return reply(trouble.options["status"], trouble.options["code"], "Simulated trouble", [])
        try:
            answer = endpoint.act(Call(exchange, name, key, uid, query, fields, lowered, now))
        except (Wrong, ApiError) as refusal:
            return reply(status_of(refusal.code), refusal.code, refusal.message, [])
        finally:
            exchange.desk.flush(now)
        if isinstance(answer, RestReply):
            return answer
        if "rest_unsorted" in struck:
            answer = answer[1::2] + answer[::2]
        return reply(200, "0", "", [] if "rest_empty" in struck else answer)

    def _strike(self, method: str, name: str, query: Query, now: int) -> dict[str, Any]:
        exchange = self._exchange
        struck = {}
        kinds = {"rest_error", "rest_empty", "rest_unsorted"} if method == "GET" else {"rest_error"}
        for fault in exchange.running.due("rest", now, 0, key=query.get("instId", ""), target=name, only=kinds):
            struck[fault.kind] = fault
        if method == "GET":
            for fault in exchange.running.due("service", now, 0, path="rest"):
                struck["rest_error"] = fault
        for fault in struck.values():
            exchange.note(fault.kind, now, "", name, query.get("instId", ""))
        return struck


class NoJson:
    """What a body is that cannot be read."""


def decoded(body: bytes) -> Any:
    """A body's JSON; None of an empty one, NoJson of one that is none."""
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return NoJson()
