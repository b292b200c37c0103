"""Grammar of V1: OKEx's first WebSocket API (2014 to 2019) as its pages and its recordings show it.

In: one message of a client, in the loose JSON the real server took; a channel name. Out: V1Requests, V1Channels, the
objects of acks and errors. Stateless. Sources: OKEx V1 docs, "WebSocket API for Spot", "... for Futures", "Error codes";
the recordings where the pages differ.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.rules import ApiKey

PONG: dict[str, str] = {"event": "pong"}

MESSAGES: dict[int, str] = {
    20102: "Invalid logon.",
    20103: "The subscription event type is  invalid.",
    20107: "JSON format error.",
    20116: "param not match.",
}

PERIODS: dict[str, str] = {
    **{f"{n}min": f"{n}m" for n in (1, 3, 5, 15, 30)},
    **{f"{n}hour": f"{n}H" for n in (1, 2, 4, 6, 12)},
    "day": "1D",
    "3day": "3D",
    "week": "1W",
}
"""V1's kline periods as the market's bars."""

CONTRACTS = ("this_week", "next_week", "quarter", "this_quarter")
DEPTHS = (5, 10, 20)

REQUESTS = frozenset(
    {"ok_spot_order", "ok_spot_cancel_order", "ok_spot_userinfo", "ok_spot_orderinfo"}
    | {"ok_futureusd_trade", "ok_futuresusd_trade"}
    | {"ok_futureusd_cancel_order", "ok_futureusd_userinfo", "ok_futureusd_orderinfo"}
)
"""Channels that are requests to trade or to read, not subscriptions."""


def refused(code: int, channel: str = "") -> ApiError:
    """Return the error of a V1 code. channel: where the answer names it."""
    return ApiError(str(code), MESSAGES.get(code, ""), channel)


@dataclass(frozen=True, slots=True)
class V1Request:
    """One request of a message. channel: "" without one."""

    event: str
    channel: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class V1Channel:
    """Parsed channel name. market: "spot" or "futures". kind: ticker, depth, deals, kline, index, markprice, order,
    balance, trades, userinfo, positions. coin, quote: lower case. contract: "" on spot. depth: 0 for the whole,
    incremental book. bar: the market's name of a kline's period.
    """

    name: str
    market: str
    kind: str
    coin: str = ""
    quote: str = ""
    contract: str = ""
    depth: int = 0
    bar: str = ""

    @property
    def is_private(self) -> bool:
        """True if its data belongs to an account."""
        return self.kind in ("order", "balance", "trades", "userinfo", "positions")


# Requests

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w$]))
    | (?P<word>[A-Za-z_$][\w$]*)
    | (?P<mark>[{}\[\]:,])
    )""",
    re.VERBOSE | re.DOTALL,
)


def read_requests(message: bytes) -> list[V1Request]:
    """Parse the requests of one message: strict JSON, or with single quotes and bare keys; an object or a list of them.

    Raises ApiError 20107.
    """
    body = _loose(message)
    given = body if isinstance(body, list) else [body]
    requests = []
    for each in given:
        if not isinstance(each, dict):
            raise refused(20107)
        event, channel, parameters = each.get("event"), each.get("channel"), each.get("parameters")
        requests.append(
            V1Request(
                event if isinstance(event, str) else "",
                channel if isinstance(channel, str) else "",
                parameters if isinstance(parameters, dict) else {},
            )
        )
    return requests


_decode = msgspec.json.Decoder(float_hook=str).decode
"""Keeps numbers with a point as text: signatures cover the text as sent."""


def _loose(message: bytes) -> Any:
    try:
        return _decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _decode(_strict(message.decode()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refused(20107) from error


def _strict(text: str) -> str:
    """Turn loose JSON into strict JSON, token by token. Raises ApiError for anything else."""
    parts: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise refused(20107)
        at = token.end()
        found = token[token.lastgroup or ""]
        if token.lastgroup == "quoted":
            found = '"' + found[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
        elif token.lastgroup == "word" and found not in ("true", "false", "null"):
            found = f'"{found}"'
        parts.append(found)
    return "".join(parts)


# V1Channel names

_CONTRACT = "|".join(CONTRACTS)
_PERIOD = "|".join(PERIODS)
_DEPTH = "|".join(map(str, DEPTHS))
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (market, re.compile(pattern))
    for market, pattern in (
        (
            "spot",
            rf"ok_sub_spot_(?P<coin>[a-z0-9]+)_(?P<quote>[a-z0-9]+)_"
            rf"(?P<kind>ticker|depth|deals|kline|order|balance)(?:_(?P<depth>{_DEPTH})|_(?P<bar>{_PERIOD}))?",
        ),
        (
            "futures",
            rf"ok_sub_futureusd_(?P<coin>[a-z0-9]+)_(?P<kind>ticker|depth|trade|kline|markprice)_(?P<contract>{_CONTRACT})"
            rf"(?:_(?P<depth>{_DEPTH})|_(?P<bar>{_PERIOD}))?",
        ),
        ("futures", r"ok_sub_futureusd_(?P<coin>[a-z0-9]+)_(?P<kind>index)"),
        ("futures", r"ok_sub_futureusd_(?P<kind>trades|userinfo|positions)"),
        ("futures", rf"ok_sub_future_(?P<coin>[a-z0-9]+)_(?P<kind>depth)_(?P<contract>{_CONTRACT})_usd"),
    )
)


def read_channel(name: str) -> V1Channel:
    """Parse a channel name. Raises ApiError 20116."""
    for market, form in _FORMS:
        found = form.fullmatch(name)
        if found is None:
            continue
        parts = {part: text for part, text in found.groupdict().items() if text}
        kind = "deals" if parts["kind"] == "trade" else parts["kind"]
        if ("bar" in parts) != (kind == "kline") or ("depth" in parts and kind != "depth"):
            break
        contract = parts.get("contract", "")
        return V1Channel(
            name=name,
            market=market,
            kind=kind,
            coin=parts.get("coin", ""),
            quote=parts.get("quote", ""),
            contract="quarter" if contract == "this_quarter" else contract,
            depth=int(parts.get("depth", 0)),
            bar=PERIODS[parts["bar"]] if "bar" in parts else "",
        )
    raise refused(20116, name)


# Signatures


def sign(parameters: Mapping[str, Any], secret: str) -> str:
    """Return the MD5 of the parameters in the order of their names and the secret, upper case (V1 docs, "V1Request signing")."""
    pairs = [f"{name}={_text(parameters[name])}" for name in sorted(parameters) if name != "sign"]
    text = "&".join((*pairs, f"secret_key={secret}"))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def signer(parameters: Mapping[str, Any], keys: Mapping[str, ApiKey]) -> ApiKey | None:
    """Return the key that signed these parameters, None if the signature is wrong."""
    known = keys.get(str(parameters.get("api_key", "")))
    given = str(parameters.get("sign", "")).encode("utf-8", "replace")
    if known is None or not hmac.compare_digest(sign(parameters, known.secret).encode(), given):
        return None
    return known


# Answers


def message(channel: str, content: Any, binary: int) -> dict[str, Any]:
    """Return one object of the list that every answer and push is."""
    return {"binary": binary, "channel": channel, "data": content}


def ack(event: str, channel: str, binary: int) -> dict[str, Any]:
    """Return the ack of addChannel, or of removeChannel, which no recording has, in the same form."""
    return message(event, {"result": True, "channel": channel}, binary)


def error(problem: ApiError, binary: int) -> dict[str, Any]:
    """Return an error as recorded: of a bad login `data` alone, of other requests the channel where it is known."""
    data = {"result": False, "error_msg": problem.message, "error_code": int(problem.code)}
    if problem.code == "20102":
        return {"data": data}
    return message(problem.channel, data, binary) if problem.channel else {"binary": binary, "data": data}


def failure(channel: str, problem: ApiError, binary: int) -> dict[str, Any]:
    """Return the answer to a failed trading request: the code alone."""
    return message(channel, {"result": False, "error_code": int(problem.code)}, binary)


# Numbers and times

EPOCH_MS = 1_514_736_000_000
"""Epoch of the ids: 2018-01-01 00:00 in Shanghai."""


def snowflake(ms: int, number: int) -> str:
    """Return a futures trade id: its millisecond, and 15 bits of the market's id."""
    return str((ms - EPOCH_MS) << 16 | 0x8000 | number & 0x7FFF)


def clock(ms: int) -> str:
    """Return HH:MM:SS in Shanghai, V1's time of a trade."""
    second = (ms // 1000 + 8 * 3600) % 86_400
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def number(value: Decimal) -> int | float:
    """Return a JSON number; a whole one has no point."""
    return int(value) if value == value.to_integral_value() else float(value)
