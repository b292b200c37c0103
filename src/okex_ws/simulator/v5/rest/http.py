"""HTTP of V5: endpoints, calls, replies in OKX's envelope, parameters.

Sources: OKX V5 docs, "REST API", "Error code / REST API".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.trading import SimulatedTrading
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5.services import V5Services

T = TypeVar("T")
Query = dict[str, str]

_STATUS = {"50001": 503, "50004": 400, "50011": 429, "50013": 429, "50061": 429, "51115": 429}


WINDOW = 2 * SECOND


@dataclass(slots=True)
class Call:
    """One request to an endpoint. body: decoded JSON of a POST, else None. signer, uid: absent at public endpoints."""

    services: V5Services
    name: str
    query: Query
    headers: Mapping[str, str]
    now: int
    body: Any = None
    signer: ApiKey | None = None
    uid: str = ""

    @property
    def context(self) -> Context:
        """The exchange's shared parts."""
        return self.services.context

    @property
    def trading(self) -> SimulatedTrading:
        """Trading on the exchange."""
        return self.services.context.trading

    @property
    def key(self) -> ApiKey:
        """The key that signed the request."""
        assert self.signer is not None
        return self.signer

    def fields(self) -> dict[str, Any]:
        """Return the body of a POST that is one object; a list of one counts as one. Raises ApiError 50002."""
        body = self.body[0] if isinstance(self.body, list) and len(self.body) == 1 else self.body
        if not isinstance(body, dict):
            raise ApiError("50002", "JSON syntax error")
        return body


Answer = list[Any] | HttpReply


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. limit: requests per window (ns) and account, per IP at public ones, and per value of `per`.

    needs_key: the request must be signed. trades: its key needs the permission to trade.
    """

    act: Callable[[Call], Answer]
    limit: int
    window: int = WINDOW
    per: str = ""
    trades: bool = False
    needs_key: bool = True


def status_of(code: str) -> int:
    """Return the HTTP status of an error code: 400 for most 50xxx, 200 for the rest."""
    return _STATUS.get(code, 400 if code.startswith("50") else 200)


def reply(status: int, code: str, message: str, rows: Any, **more: str) -> HttpReply:
    """Return a reply in OKX's envelope."""
    body = v5.encode({"code": code, "msg": message, "data": rows, **more})
    return HttpReply(status, {"Content-Type": "application/json"}, body)


def unlisted() -> ApiError:
    """Return the error of an unknown instrument."""
    return ApiError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def required(query: Mapping[str, str], name: str) -> str:
    """Return a required parameter. Raises ApiError 50014."""
    if name not in query:
        raise ApiError("50014", f"Parameter {name} can not be empty.")
    return query[name]


def integer(query: Mapping[str, str], name: str) -> int:
    """Return a parameter as a whole number. Raises ApiError 51000."""
    try:
        return int(query[name])
    except ValueError:
        raise ApiError("51000", f"Parameter {name} error") from None


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a count such as limit, at most `most`. Raises ApiError 51000."""
    if name not in query:
        return default
    given = integer(query, name)
    if given < 1:
        raise ApiError("51000", f"Parameter {name} error")
    return min(given, most)


def newest(rows: Sequence[T], low: int, high: int, limit: int) -> list[T]:
    """Return at most `limit` of rows[low:high], the last first."""
    return [rows[i] for i in range(high - 1, max(low, high - limit) - 1, -1)]


def constant(*rows: Any) -> Callable[[Call], Answer]:
    """Return the read of a figure that the simulator does not have: always these rows, none by default."""
    return lambda call: list(rows)
