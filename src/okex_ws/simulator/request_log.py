"""RequestLog: one line for each request to the simulated exchange: time, request, account, answer code, duration.

In: a request with its answer. Out: a line to `write`. A line ends in what the exchange does not know: a path, an op, a channel or
a parameter. Headers and the arguments of a login are never written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.outgoing import HttpReply, Outgoing, Text
from okex_ws.simulator.rules import ApiKey

_SHOWN = 3
_UNKNOWN = {"60018": "channel", "60019": "op", "404": "path", "51001": "instrument"}


class RequestLog:
    """Log of one server. write: takes one line without its end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def rest(self, method: str, target: str, key: ApiKey | None, reply: HttpReply, took: int, now: int) -> None:
        """Write the line of an HTTP request. took: ns."""
        body = _decoded(reply.body)
        codes = _codes(body) if reply.status else ["reset"]
        self._line(now, f"{method} {target}", key, codes, took, reply.unknown)

    def message(
        self, connection: ExchangeConnection, path: str, data: bytes, answers: Iterable[Outgoing], took: int, now: int
    ) -> None:
        """Write the line of a message over WebSocket. answers: what the exchange sent since, pushes too."""
        request = _decoded(data)
        op = str(request.get("op") or request.get("event") or (data[:20].decode(errors="replace") if not request else "-"))
        codes = [code for each in answers if isinstance(each, Text) for code in _codes(_decoded(each.payload))]
        names = [] if op == "login" else [_name(arg) for arg in _args(request)]
        more = f" +{len(names) - _SHOWN}" if len(names) > _SHOWN else ""
        what = " ".join(["WS", path, op, *filter(None, names[:_SHOWN])]) + more
        if data == b"ping":
            codes = ["0"]
        self._line(now, what, connection.account, codes, took, ())

    def _line(self, now: int, what: str, key: ApiKey | None, codes: list[str], took: int, unknown: tuple[str, ...]) -> None:
        at = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        shown = ",".join(dict.fromkeys(codes)) or "-"
        words = dict.fromkeys(_UNKNOWN[code] for code in codes if code in _UNKNOWN)
        tail = "".join(f" unknown {each}" for each in (*words, *(f"parameter {name}" for name in unknown)))
        printable = what.encode("ascii", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
        self._write(f"{at} {printable} {key.uid if key is not None else '-'} {shown} {took // 1_000}us{tail}")


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _args(request: Mapping[str, Any]) -> list[Any]:
    args = request.get("args")
    return args if isinstance(args, list) else []


def _name(arg: Any) -> str:
    """Return an argument as channel:key, or as the instrument that it names."""
    if not isinstance(arg, dict):
        return str(arg)
    key = next((str(arg[name]) for name in ("instId", "sprdId", "instFamily", "instType", "instIdCode") if arg.get(name)), "")
    return ":".join(filter(None, (str(arg.get("channel") or ""), key)))


def _codes(frame: dict[str, Any]) -> list[str]:
    """Return the code of an answer and those of its rows that failed, none for a push. A subscription's ack has code 0."""
    found = next((str(frame[name]) for name in ("code", "errorCode", "error_code") if name in frame), "")
    if not found and frame.get("event") in ("subscribe", "unsubscribe", "login"):
        found = "0"
    rows = frame.get("data") if found and isinstance(frame.get("data"), list) else []
    failed = [str(row["sCode"]) for row in rows or [] if isinstance(row, dict) and row.get("sCode", "0") != "0"]
    return [found, *failed] if found else []
