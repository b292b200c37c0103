"""Grammar of V5: the messages of /ws/v5/public, /business and /private as OKX's pages describe them.

In: one text message of a client; a push. Out: a V5Request, or the bytes of an ack, error, event or push. Stateless.
Sources: OKX V5 docs, "WebSocket", each channel's page, "Error code / WebSocket".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from okex_ws.simulator.channels import CHANNELS, INST_TYPES, PublishedChannel, Topic
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.rules import ApiKey

encode = msgspec.json.encode

MESSAGES: dict[str, str] = {
    "60004": "Invalid timestamp",
    "60005": "Invalid apiKey",
    "60006": "Timestamp request expired",
    "60007": "Invalid sign",
    "60008": "The current WebSocket endpoint does not support subscribing to {0} channels. Please check the WebSocket URL",
    "60009": "Login failed.",
    "60011": "Please log in",
    "60012": "Illegal request: {0}",
    "60013": "Invalid args",
    "60014": "Requests too frequent",
    "60018": "Wrong URL or {0} doesn't exist. Please use the correct URL, channel and parameters referring to API document.",
    "60019": "Invalid op: {0}",
    "60024": "Wrong passphrase",
    "60026": "Batch login by APIKey and token simultaneously is not supported.",
    "60027": "Parameter {0} can not be empty.",
    "60028": "The current operation is not supported by this URL. Please use the correct WebSocket URL for the operation.",
    "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
    "60032": "API key doesn't exist.",
    "60033": "Parameter {0} error.",
    "64000": "Subscription parameter uly is unavailable anymore, please replace uly with instFamily.",
    "64001": "This channel has been migrated to the '/business' URL. Please subscribe using the new URL.",
    "64002": "This channel is not supported by '/business' URL. Please use '/private' or '/public'.",
    "64003": "Your trading fee tier doesn't meet the requirement to access this channel",
    "64004": "Subscribe to both {0} and books-l2-tbt for {1} is not allowed. Unsubscribe books-l2-tbt first.",
    "64007": "Operation failed due to WebSocket internal error. Please try again later.",
}
NOTICE = "The connection will soon be closed for a service upgrade. Please reconnect."


def refused(code: str, *about: str) -> ApiError:
    """Return the error with OKX's message for this code; `about` fills its placeholders."""
    return ApiError(code, MESSAGES.get(code, "Operation failed").format(*about or ("",), ""))


@dataclass(slots=True)
class V5Request:
    """Well-formed request. args and expires (expTime) are as the client sent them; id is "" without one."""

    op: str
    id: str
    args: Any
    expires: Any = None


def read_request(message: bytes) -> V5Request:
    """Parse one message as tolerantly as OKX: any field order, unknown fields, integers in place of texts.

    Raises ApiError 60012 (no JSON object), 60033 (id), 60019 (op).
    """
    try:
        body = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise refused("60012", echo(message)) from error
    if not isinstance(body, dict) or "op" not in body:
        raise refused("60012", echo(message))
    identity = body.get("id")
    if identity is None:
        identity = ""
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or len(identity) > 32 or not (identity == "" or identity.isalnum()):
        raise refused("60033", "id")
    op = body["op"]
    return V5Request(op if isinstance(op, str) else str(op), identity, body.get("args"), body.get("expTime"))


def echo(message: bytes) -> str:
    """Return a request as errors quote it: short and without control characters."""
    text = message[:120].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)


_MAIN_KEYS = ("instId", "sprdId", "algoId", "instFamily", "instType", "ccy")


def read_topic(arg: Any) -> Topic:
    """Resolve one element of a subscribe or unsubscribe request.

    Null fields and fields unknown to the channel are ignored: real clients send them.
    Raises ApiError 60013, 60027, 60018, 64000.
    """
    if not isinstance(arg, dict):
        raise refused("60013")
    name = arg.get("channel")
    if not isinstance(name, str) or not name:
        raise refused("60027", "channel")
    channel = CHANNELS.get(name)
    if channel is None:
        raise refused("60018", describe(arg))
    fields: dict[str, str] = {"channel": name}
    for wanted in channel.keys:
        stem, _, fixed = wanted.rstrip("?").partition("=")
        names = stem.split("|")
        given = [(n, _text(arg[n])) for n in names if arg.get(n) not in (None, "")]
        if not given:
            if wanted.endswith("?"):
                continue
            if "instFamily" in names and arg.get("uly"):
                raise refused("64000")
            raise refused("60027", " or ".join(names))
        field, value = given[0]
        if (fixed and value != fixed) or (field == "instType" and value not in (*INST_TYPES, "ANY")):
            raise refused("60018", describe(arg))
        fields[field] = value
    key = next((fields[n] for n in _MAIN_KEYS if n in fields), "")
    return Topic(channel, key, encode(fields))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise refused("60013")


def describe(arg: Mapping[str, Any]) -> str:
    """Return an arg as OKX's 60018 quotes it: "channel:foo,instId:BTC-USDT"."""
    return echo(",".join(f"{k}:{v}" for k, v in arg.items() if v not in (None, "")).encode("utf-8", "replace"))


def wrong_path_code(channel: PublishedChannel, path: str, habit: str) -> str:
    """Return the code for a channel on the wrong path, by the rules ("6400x": by direction)."""
    if habit != "6400x":
        return habit
    if channel.path == "business":
        return "64001"
    return "64002" if path == "business" else "60018"


def check_login(args: Any, keys: Mapping[str, ApiKey], now: int, window_s: float, *, demo: bool = False) -> ApiKey:
    """Return the key that signed a login's args. Demo trading and production have separate keys.

    Raises ApiError 60013, 60031 (several), 60026, 60004, 60005, 60006, 60032, 60007, 60024.
    Source: OKX V5 docs, "Login": base64(HMAC-SHA256(secret, timestamp + "GET" + "/users/self/verify")), timestamp in
    Unix seconds, valid for 30 s.
    """
    if isinstance(args, dict):
        args = [args]
    if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise refused("60013")
    if any("token" in arg for arg in args):
        raise refused("60026")
    if len(args) > 1:
        raise refused("60031")
    given = {n: args[0].get(n) for n in ("apiKey", "passphrase", "timestamp", "sign")}
    timestamp = given["timestamp"]
    text = str(timestamp) if isinstance(timestamp, (int, str)) and not isinstance(timestamp, bool) else ""
    try:
        seconds = float(text)
    except ValueError:
        raise refused("60004") from None
    if not 1e9 <= seconds < 1e11:
        raise refused("60004")
    if not isinstance(given["apiKey"], str) or not given["apiKey"]:
        raise refused("60005")
    if abs(seconds - now / 1e9) > window_s:
        raise refused("60006")
    known = keys.get(given["apiKey"])
    if known is None or known.demo != demo:
        raise refused("60032")
    digest = hmac.new(known.secret.encode(), f"{text}GET/users/self/verify".encode(), hashlib.sha256).digest()
    sign = given["sign"] if isinstance(given["sign"], str) else ""
    if not hmac.compare_digest(base64.b64encode(digest), sign.encode("utf-8", "replace")):
        raise refused("60007")
    if given["passphrase"] != known.passphrase:
        raise refused("60024")
    return known


def ack(event: str, topic: Topic, identity: str, conn_id: str) -> bytes:
    """Return the ack of one arg. A request of several args gets one frame for each."""
    head = b'{"id":' + encode(identity) + b"," if identity else b"{"
    return head + b'"event":"%b","arg":%b,"connId":"%b"}' % (event.encode(), topic.arg, conn_id.encode())


def login_ack(conn_id: str) -> bytes:
    """Return the ack of a login."""
    return b'{"event":"login","code":"0","msg":"","connId":"%b"}' % conn_id.encode()


def error(code: str, message: str, identity: str, conn_id: str) -> bytes:
    """Return an error event. OKX gives the request's id there, never the arg."""
    body: dict[str, str] = {"id": identity} if identity else {}
    return encode({**body, "event": "error", "code": code, "msg": message, "connId": conn_id})


def notice(conn_id: str) -> bytes:
    """Return the notice before a service upgrade (OKX 2024-12-18, 60 s since 2025-06-02)."""
    return encode({"event": "notice", "code": "64008", "msg": NOTICE, "connId": conn_id})


def conn_count(channel: str, count: int, conn_id: str, *, breach: bool = False) -> bytes:
    """Return channel-conn-count after a subscription, or its error form when the subscription was ended."""
    event = "channel-conn-count-error" if breach else "channel-conn-count"
    return encode({"event": event, "channel": channel, "connCount": str(count), "connId": conn_id})


def push(arg: bytes, rows: list[Any], action: str | None) -> bytes:
    """Return one data push; `arg` is the JSON of the subscription's arg."""
    if action is None:
        return b'{"arg":%b,"data":%b}' % (arg, encode(rows))
    return b'{"arg":%b,"action":"%b","data":%b}' % (arg, action.encode(), encode(rows))
