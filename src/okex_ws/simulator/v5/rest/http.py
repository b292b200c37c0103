"""HTTP: what the public and the signed half of REST share: replies in OKX's envelope, errors, parameters.

Sources: OKX V5 docs, "REST API", "Error code / REST API".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from okex_ws.simulator.v5 import grammar as v5

T = TypeVar("T")
Query = dict[str, str]

_STATUS = {"50001": 503, "50004": 400, "50011": 429, "50013": 429, "50061": 429}


@dataclass(slots=True)
class RestReply:
    """An HTTP reply; status 0: none comes, the connection is reset."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Wrong(Exception):
    """An OKX error code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def status_of(code: str) -> int:
    """HTTP's status for an error code: 400 for most 50xxx, 200 for the rest."""
    return _STATUS.get(code, 400 if code.startswith("50") else 200)


def reply(status: int, code: str, message: str, rows: list[Any], **more: str) -> RestReply:
    """A reply in OKX's envelope."""
    body = v5.encode({"code": code, "msg": message, "data": rows, **more})
    return RestReply(status, {"Content-Type": "application/json"}, body)


def unlisted() -> Wrong:
    """There is no such instrument."""
    return Wrong("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def required(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be given."""
    if name not in query:
        raise Wrong("50014", f"Parameter {name} can not be empty.")
    return query[name]


def integer(query: Mapping[str, str], name: str) -> int:
    """A parameter as a whole number."""
    try:
        return int(query[name])
    except ValueError:
        raise Wrong("51000", f"Parameter {name} error") from None


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A count such as limit: more than `most` is `most`."""
    if name not in query:
        return default
    given = integer(query, name)
    if given < 1:
        raise Wrong("51000", f"Parameter {name} error")
    return min(given, most)


def newest(rows: Sequence[T], low: int, high: int, limit: int) -> list[T]:
    """At most `limit` of rows[low:high], the last first."""
    return [rows[i] for i in range(high - 1, max(low, high - limit) - 1, -1)]
