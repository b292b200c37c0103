"""Grammar of V3: OKEx's second WebSocket API (December 2018 to 2021).

In: one message of a client; a channel such as `swap/depth:BTC-USD-SWAP`. Out: V3Requests, V3Channels, the objects of acks
and errors. Stateless. Sources: OKEx V3 docs, "WebSocket"; a whole recorded session of 2021.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.legacy.rows import date
from okex_ws.simulator.market.base import DAY, MILLISECOND
from okex_ws.simulator.rules import ApiKey

MESSAGES: dict[int, str] = {
    30001: "OK-ACCESS-KEY header is required",
    30002: "OK-ACCESS-SIGN header is required",
    30003: "OK-ACCESS-TIMESTAMP header is required",
    30004: "OK-ACCESS-PASSPHRASE header is required",
    30005: "Invalid OK-ACCESS-TIMESTAMP",
    30006: "Invalid OK-ACCESS-KEY",
    30008: "Request timestamp expired",
    30013: "Invalid sign",
    30014: "Requests too frequent",
    30015: "Invalid OK-ACCESS-PASSPHRASE",
    30041: "User not logged in / User must be logged in",
    30042: "Already logged in",
}

BARS: dict[str, str] = {
    "60": "1m", "180": "3m", "300": "5m", "900": "15m", "1800": "30m", "3600": "1H", "7200": "2H", "14400": "4H",
    "21600": "6H", "43200": "12H", "86400": "1D", "604800": "1W",
}  # fmt: skip
"""Seconds of a candle's name -> the market's bar."""

_ANY = ("spot", "futures", "swap", "option")
_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "ticker": ("tickers", _ANY),
    "trade": ("trades", _ANY),
    "depth": ("books", _ANY),
    "depth5": ("books5", _ANY),
    "depth_l2_tbt": ("books-l2-tbt", _ANY),
    "mark_price": ("mark-price", ("futures", "swap")),
    "price_range": ("price-limit", ("futures", "swap")),
    "funding_rate": ("funding-rate", ("swap",)),
    "estimated_price": ("estimated-price", ("futures",)),
    "summary": ("opt-summary", ("option",)),
    "trades": ("option-trades", ("option",)),
    "instruments": ("instruments", ("futures", "option")),
}
"""Kind -> the market's channel, and the businesses that have it."""

PRIVATE: dict[str, tuple[str, ...]] = {
    "account": ("spot", "futures", "swap"),
    "margin_account": ("spot",),
    "order": ("spot", "futures", "swap"),
    "position": ("futures", "swap"),
}

_CHANNEL = re.compile(r"(?P<business>[a-z]+)/(?P<kind>[a-z_0-9]+)(?::(?P<filter>[A-Za-z0-9_.-]+))?")
_WHOLE = "futures/instruments"
"""The channel without a filter."""
_CANDLE = re.compile(r"candle(\d+)s")


def refused(code: int, message: str = "") -> ApiError:
    """Return the error with V3's message for this code, or with the given one."""
    return ApiError(str(code), message or MESSAGES[code])


@dataclass(frozen=True, slots=True)
class V3Request:
    """Well-formed request."""

    op: str
    args: list[Any]


@dataclass(frozen=True, slots=True)
class V3Channel:
    """Parsed `business/kind:filter`. source: the market's channel, "" for an account's channels."""

    name: str
    business: str
    kind: str
    filter: str
    source: str

    @property
    def table(self) -> str:
        """The name of the table in its pushes."""
        return f"{self.business}/{self.kind}"

    @property
    def key(self) -> str:
        """The market's key; for `instruments` it is a whole instType."""
        return self.business.upper() if self.kind == "instruments" else self.filter


def read_request(message: bytes) -> V3Request:
    """Parse one message; `args` may be one text instead of a list. Raises ApiError 30039, which quotes the message."""
    try:
        body = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        body = None
    op = body.get("op") if isinstance(body, dict) else None
    args = body.get("args") if isinstance(body, dict) else None
    if isinstance(args, str):
        args = [args]
    if op not in ("subscribe", "unsubscribe", "login") or not isinstance(args, list):
        raise refused(30039, f"Unrecognized request: {message[:1000].decode('utf-8', 'replace')}")
    return V3Request(str(op), args)


def read_channel(arg: Any) -> V3Channel:
    """Parse one arg. Raises ApiError 30040."""
    found = _CHANNEL.fullmatch(arg) if isinstance(arg, str) else None
    if found is None or (found["filter"] is None) != (arg.partition(":")[0] == _WHOLE):
        raise unknown(arg)
    business, kind, wanted = found["business"], found["kind"], found["filter"] or ""
    candle = _CANDLE.fullmatch(kind)
    source = ""
    if candle is not None and candle[1] in BARS and business in (*_ANY, "index"):
        source = ("index-candle" if business == "index" else "candle") + BARS[candle[1]]
    elif (business, kind) == ("index", "ticker"):
        source = "index-tickers"
    elif kind in _SOURCES and business in _SOURCES[kind][1]:
        source = _SOURCES[kind][0]
    elif business not in PRIVATE.get(kind, ()):
        raise unknown(arg)
    return V3Channel(arg, business, kind, wanted, source)


def unknown(arg: Any) -> ApiError:
    """Return the error of an unknown channel, which quotes it."""
    return refused(30040, f"Channel {str(arg)[:200]} doesn't exist")


def check_login(args: list[Any], keys: Mapping[str, ApiKey], now: int, window_s: float) -> ApiKey:
    """Return the key that signed [key, passphrase, seconds, sign]. Raises ApiError.

    Source: OKEx V3 docs, "Login": base64(HMAC-SHA256(secret, seconds + "GET" + "/users/self/verify")), valid for 30 s.
    """
    given = [each if isinstance(each, str) else "" for each in (*args, "", "", "", "")][:4]
    for text, code in zip((given[0], given[3], given[2], given[1]), (30001, 30002, 30003, 30004), strict=True):
        if not text:
            raise refused(code)
    key, passphrase, timestamp, sign = given
    try:
        seconds = float(timestamp)
    except ValueError:
        raise refused(30005) from None
    if not abs(seconds - now / 1e9) <= window_s:
        raise refused(30008)
    known = keys.get(key)
    if known is None:
        raise refused(30006)
    digest = hmac.new(known.secret.encode(), f"{timestamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(digest), sign.encode("utf-8", "replace")):
        raise refused(30013)
    if passphrase != known.passphrase:
        raise refused(30015)
    return known


def ack(event: str, channel: str) -> dict[str, Any]:
    """Return the ack of one arg."""
    return {"event": event, "channel": channel}


LOGIN_ACK: dict[str, Any] = {"event": "login", "success": True}


def error(problem: ApiError) -> dict[str, Any]:
    """Return an error event."""
    return {"event": "error", "message": problem.message, "errorCode": int(problem.code)}


def table(channel: V3Channel, rows: list[Any], action: str | None) -> dict[str, Any]:
    """Return one push."""
    head: dict[str, Any] = {"table": channel.table}
    if action is not None:
        head["action"] = action
    return {**head, "data": rows}


def iso(ms: int | str) -> str:
    """Return milliseconds as V3 writes a time: "2021-04-17T16:49:03.207Z"."""
    days, rest = divmod(int(ms), DAY // MILLISECOND)
    year, month, day = date(days)
    second, part = divmod(rest, 1000)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}.{part:03d}Z"
