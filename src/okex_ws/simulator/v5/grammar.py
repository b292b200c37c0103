"""V5 face: the grammar of /ws/v5/public, /business and /private as OKX's pages describe it.

In: one text message of a client; a published push. Out: a V5Request, or the bytes of an ack, error, event or push.
Nothing here remembers anything. Sources: OKX V5 docs, "WebSocket", each channel's page, "Error code / WebSocket".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from okex_ws.simulator.market.calendar import CANDLE_PERIODS
from okex_ws.simulator.rules import ApiKey

encode = msgspec.json.encode

Chain = Literal["", "seq", "linked"]


@dataclass(frozen=True, slots=True)
class V5Channel:
    """One channel as its page describes it.

    keys: arg fields; "a|b" one of them, "a?" optional, "a=V" fixed value. chain: "" no ids, "seq" seqId only,
    "linked" seqId and prevSeqId. tier: the VIP level below which OKX answers 64003.
    """

    name: str
    path: str
    keys: tuple[str, ...] = ("instId",)
    login: bool = False
    chain: Chain = ""
    checksum: bool = False
    tier: int = 0

    @property
    def is_market_data(self) -> bool:
        """Whether its data is the market's; else it is an account's own."""
        return not self.login or self.name in _PUBLIC_WITH_LOGIN


_PUBLIC_WITH_LOGIN = frozenset({"books-l2-tbt", "books50-l2-tbt", "economic-calendar"})


def _channels() -> Iterable[V5Channel]:
    for name, login, tier in (("books", False, 0), ("books-l2-tbt", True, 4), ("books50-l2-tbt", True, 4)):
        yield V5Channel(name, "public", login=login, tier=tier, chain="linked", checksum=True)
    for name in ("books-rpi", "books-elp"):
        yield V5Channel(name, "public", chain="linked")
    for name in ("books5", "bbo-tbt", "trades"):
        yield V5Channel(name, "public", chain="seq")
    for name in ("tickers", "mark-price", "index-tickers", "open-interest", "funding-rate", "price-limit"):
        yield V5Channel(name, "public")
    yield V5Channel("call-auction-details", "public")
    yield V5Channel("option-trades", "public", ("instType=OPTION", "instId|instFamily"))
    yield V5Channel("opt-summary", "public", ("instFamily",))
    yield V5Channel("estimated-price", "public", ("instType", "instId|instFamily"))
    yield V5Channel("liquidation-orders", "public", ("instType",))
    yield V5Channel("adl-warning", "public", ("instType", "instFamily?"))
    yield V5Channel("instruments", "public", ("instType",))
    yield V5Channel("event-contract-markets", "public", ("instType=EVENTS",))
    yield V5Channel("status", "public", ())
    yield V5Channel("trades-all", "business")
    for name in ("public-block-trades", "block-tickers"):
        yield V5Channel(name, "business")
    yield V5Channel("public-struc-block-trades", "business", ())
    yield V5Channel("economic-calendar", "business", (), login=True, tier=1)
    for bar in CANDLE_PERIODS:
        yield V5Channel(f"candle{bar}", "business")
        if bar != "1s":
            yield V5Channel(f"mark-price-candle{bar}", "business")
            yield V5Channel(f"index-candle{bar}", "business")
            yield V5Channel(f"sprd-candle{bar}", "business", ("sprdId",))
    yield V5Channel("sprd-books-l2-tbt", "business", ("sprdId",), chain="linked", checksum=True)
    for name in ("sprd-bbo-tbt", "sprd-books5"):
        yield V5Channel(name, "business", ("sprdId",), chain="seq")
    for name in ("sprd-public-trades", "sprd-tickers"):
        yield V5Channel(name, "business", ("sprdId",))
    for name in ("sprd-orders", "sprd-trades"):
        yield V5Channel(name, "business", ("sprdId?",), login=True)
    for name in ("rfqs", "quotes", "struc-block-trades"):
        yield V5Channel(name, "business", (), login=True)
    yield V5Channel("orders-algo", "business", ("instType", "instFamily?", "instId?"), login=True)
    for name in ("algo-advance", "grid-orders-spot", "grid-orders-contract"):
        yield V5Channel(name, "business", ("instType", "instId?", "algoId?"), login=True)
    for name in ("grid-positions", "grid-sub-orders"):
        yield V5Channel(name, "business", ("algoId",), login=True)
    yield V5Channel("algo-recurring-buy", "business", ("instType", "algoId?"), login=True)
    yield V5Channel("copytrading-lead-notification", "business", ("instType", "instId?"), login=True)
    for name in ("deposit-info", "withdrawal-info"):
        yield V5Channel(name, "business", ("ccy?",), login=True)
    yield V5Channel("account", "private", ("ccy?", "extraParams?"), login=True)
    yield V5Channel("positions", "private", ("instType", "instFamily?", "instId?", "extraParams?"), login=True)
    yield V5Channel("balance_and_position", "private", (), login=True)
    for name in ("orders", "liquidation-warning"):
        yield V5Channel(name, "private", ("instType", "instFamily?", "instId?"), login=True)
    yield V5Channel("fills", "private", ("instId?",), login=True, tier=4)
    yield V5Channel("account-greeks", "private", ("ccy?",), login=True)


CHANNELS: dict[str, V5Channel] = {channel.name: channel for channel in _channels()}

PUSH_RANK: dict[str, int] = {
    "bbo-tbt": 1,
    "books-l2-tbt": 2,
    "books50-l2-tbt": 3,
    "books": 4,
    "books-elp": 5,
    "books-rpi": 6,
    "books5": 7,
    "sprd-bbo-tbt": 1,
    "sprd-books-l2-tbt": 2,
    "sprd-books5": 3,
}
"""OKX's fixed order of the book channels of one instrument on one connection; everything else comes before."""

INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")

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


class V5RequestError(Exception):
    """What is wrong with a request, as OKX's code; `about` fills the message's placeholders."""

    def __init__(self, code: str, *about: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES.get(code, "Operation failed").format(*about or ("",), "")


@dataclass(slots=True)
class V5Request:
    """One well-formed request. args and expires (expTime) are whatever the client sent; id is "" when there was none."""

    op: str
    id: str
    args: Any
    expires: Any = None


def read_request(message: bytes) -> V5Request:
    """Parse one message as tolerantly as OKX: any field order, unknown fields, integers where texts are due.

    Raises V5RequestError 60012 (no JSON object), 60033 (id), 60019 (op).
    """
    try:
        body = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise V5RequestError("60012", echo(message)) from error
    if not isinstance(body, dict) or "op" not in body:
        raise V5RequestError("60012", echo(message))
    identity = body.get("id")
    if identity is None:
        identity = ""
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or len(identity) > 32 or not (identity == "" or identity.isalnum()):
        raise V5RequestError("60033", "id")
    op = body["op"]
    return V5Request(op if isinstance(op, str) else str(op), identity, body.get("args"), body.get("expTime"))


def echo(message: bytes) -> str:
    """A request as an error may quote it: short, and never with control characters."""
    text = message[:120].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)


@dataclass(frozen=True, slots=True)
class Topic:
    """A resolved subscription arg: `arg` is what acks and pushes carry, `key` what the market calls it."""

    channel: V5Channel
    key: str
    arg: bytes

    @property
    def identity(self) -> bytes:
        """Equal for two args that mean the same subscription."""
        return self.arg


_MAIN_KEYS = ("instId", "sprdId", "algoId", "instFamily", "instType", "ccy")


def read_topic(arg: Any) -> Topic:
    """Resolve one element of a subscribe or unsubscribe request.

    Fields that are null, and fields the channel does not have, are ignored: real clients send them.
    Raises V5RequestError 60013, 60027, 60018, 64000.
    """
    if not isinstance(arg, dict):
        raise V5RequestError("60013")
    name = arg.get("channel")
    if not isinstance(name, str) or not name:
        raise V5RequestError("60027", "channel")
    channel = CHANNELS.get(name)
    if channel is None:
        raise V5RequestError("60018", describe(arg))
    fields: dict[str, str] = {"channel": name}
    for wanted in channel.keys:
        stem, _, fixed = wanted.rstrip("?").partition("=")
        names = stem.split("|")
        given = [(n, _text(arg[n])) for n in names if arg.get(n) not in (None, "")]
        if not given:
            if wanted.endswith("?"):
                continue
            if "instFamily" in names and arg.get("uly"):
                raise V5RequestError("64000")
            raise V5RequestError("60027", " or ".join(names))
        field, value = given[0]
        if (fixed and value != fixed) or (field == "instType" and value not in (*INST_TYPES, "ANY")):
            raise V5RequestError("60018", describe(arg))
        fields[field] = value
    key = next((fields[n] for n in _MAIN_KEYS if n in fields), "")
    return Topic(channel, key, encode(fields))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise V5RequestError("60013")


def describe(arg: Mapping[str, Any]) -> str:
    """An arg as OKX's 60018 quotes it: "channel:foo,instId:BTC-USDT"."""
    return echo(",".join(f"{k}:{v}" for k, v in arg.items() if v not in (None, "")).encode("utf-8", "replace"))


def wrong_path_code(channel: V5Channel, path: str, habit: str) -> str:
    """The code for a channel asked for on another path, by the exchange's habit ("6400x": by direction)."""
    if habit != "6400x":
        return habit
    if channel.path == "business":
        return "64001"
    return "64002" if path == "business" else "60018"


def check_login(args: Any, keys: Mapping[str, ApiKey], now: int, window_s: float, *, demo: bool = False) -> ApiKey:
    """The key a login's args prove possession of; demo trading and production do not know one another's keys.

    Raises V5RequestError 60013, 60031 (several), 60026, 60004, 60005, 60006, 60032, 60007, 60024.
    Source: OKX V5 docs, "Login": base64(HMAC-SHA256(secret, timestamp + "GET" + "/users/self/verify")), timestamp in
    Unix seconds, valid for 30 s.
    """
    if isinstance(args, dict):
        args = [args]
    if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise V5RequestError("60013")
    if any("token" in arg for arg in args):
        raise V5RequestError("60026")
    if len(args) > 1:
        raise V5RequestError("60031")
    given = {n: args[0].get(n) for n in ("apiKey", "passphrase", "timestamp", "sign")}
    timestamp = given["timestamp"]
    text = str(timestamp) if isinstance(timestamp, (int, str)) and not isinstance(timestamp, bool) else ""
    try:
        seconds = float(text)
    except ValueError:
        raise V5RequestError("60004") from None
    if not 1e9 <= seconds < 1e11:
        raise V5RequestError("60004")
    if not isinstance(given["apiKey"], str) or not given["apiKey"]:
        raise V5RequestError("60005")
    if abs(seconds - now / 1e9) > window_s:
        raise V5RequestError("60006")
    known = keys.get(given["apiKey"])
    if known is None or known.demo != demo:
        raise V5RequestError("60032")
    digest = hmac.new(known.secret.encode(), f"{text}GET/users/self/verify".encode(), hashlib.sha256).digest()
    sign = given["sign"] if isinstance(given["sign"], str) else ""
    if not hmac.compare_digest(base64.b64encode(digest), sign.encode("utf-8", "replace")):
        raise V5RequestError("60007")
    if given["passphrase"] != known.passphrase:
        raise V5RequestError("60024")
    return known


def ack(event: str, topic: Topic, identity: str, conn_id: str) -> bytes:
    """The ack of one arg: one frame each, also for a request of several args."""
    head = b'{"id":' + encode(identity) + b"," if identity else b"{"
    return head + b'"event":"%b","arg":%b,"connId":"%b"}' % (event.encode(), topic.arg, conn_id.encode())


def login_ack(conn_id: str) -> bytes:
    """The answer to a good login."""
    return b'{"event":"login","code":"0","msg":"","connId":"%b"}' % conn_id.encode()


def error(code: str, message: str, identity: str, conn_id: str) -> bytes:
    """An error event: it never says which arg it is about, only the request's id."""
    body: dict[str, str] = {"id": identity} if identity else {}
    return encode({**body, "event": "error", "code": code, "msg": message, "connId": conn_id})


def notice(conn_id: str) -> bytes:
    """The warning before a service upgrade (OKX 2024-12-18, 60 s since 2025-06-02)."""
    return encode({"event": "notice", "code": "64008", "msg": NOTICE, "connId": conn_id})


def conn_count(channel: str, count: int, conn_id: str, *, breach: bool = False) -> bytes:
    """channel-conn-count after a subscription, or its error form when the subscription was ended."""
    event = "channel-conn-count-error" if breach else "channel-conn-count"
    return encode({"event": event, "channel": channel, "connCount": str(count), "connId": conn_id})


def push(arg: bytes, rows: list[Any], action: str | None) -> bytes:
    """One data push; `arg` is the JSON of the subscription's arg."""
    if action is None:
        return b'{"arg":%b,"data":%b}' % (arg, encode(rows))
    return b'{"arg":%b,"action":"%b","data":%b}' % (arg, action.encode(), encode(rows))


def with_ids(channel: V5Channel, row: dict[str, Any], seq: int, previous: int, *, live: bool) -> dict[str, Any]:
    """A market's row with the ids the channel carries, in OKX's field order; checksum 0 unless it is to be live."""
    out = dict(row)
    checksum = out.pop("checksum", 0)
    if channel.checksum:
        out["checksum"] = checksum if live else 0
    out["seqId"] = seq
    if channel.chain == "linked":
        out["prevSeqId"] = previous
    return out
