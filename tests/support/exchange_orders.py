"""Trading with an Exchange in memory: a logged-in line, signed REST, and the names of what trades there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.support.fixed_market import START
from tests.support.talk import Talker, seconds

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.market.calendar import civil
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY, DEMO_TRADING_KEY, ApiKey, Rules

SPOT, SWAP = "BTC-USDT", "BTC-USDT-SWAP"


def venue(*faults: str, keys: tuple[ApiKey, ...] = (DEMO_KEY, DEMO_TRADING_KEY), **rules: Any) -> Exchange:
    """An exchange over a small seeded market; idle closing and REST limits are off unless asked for."""
    habits = Rules(**{"idle_close_s": 0.0, "rest_limits": "off", "account_interval_s": 3600.0, **rules})
    market = SeededMarket(7, start=START, instruments=[SPOT, SWAP], rate=0.2, levels=20)
    return Exchange(market, seed=7, now=START, rules=habits, faults=Faults.parse(faults), keys=keys)


def login(key: ApiKey = DEMO_KEY, at: float = 0.0, **changed: Any) -> dict[str, Any]:
    """A login request."""
    stamp = str(seconds(at) // SECOND)
    digest = hmac.new(key.secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
    sign = base64.b64encode(digest).decode()
    arg = {"apiKey": key.key, "passphrase": key.passphrase, "timestamp": stamp, "sign": sign, **changed}
    return {"op": "login", "args": [arg]}


class Trader(Talker):
    """One logged-in line; every request gets the next id."""

    def __init__(self, venue: Exchange, path: str = "private", at: float = 0.0, key: ApiKey = DEMO_KEY) -> None:
        super().__init__(venue, path, at)
        self.asked = 0
        self.key = key
        (answer,) = self.say(login(key, at), at)
        assert answer["event"] == "login", answer

    def ask(self, op: str, *args: dict[str, Any], at: float = 1.0, **more: Any) -> dict[str, Any]:
        """One operation; returns its reply."""
        self.asked += 1
        came = self.say({"id": f"r{self.asked}", "op": op, "args": list(args), **more}, at)
        replies = [frame for frame in came if frame.get("id") == f"r{self.asked}"]
        assert len(replies) == 1, came
        return dict(replies[0])

    def place(self, at: float = 1.0, **fields: Any) -> dict[str, Any]:
        """One order: by default a bid of 0.01 BTC far below the market; returns its result."""
        reply = self.ask("order", self.order(**fields), at=at)
        return dict(reply["data"][0]) if reply["data"] else reply

    def order(self, instrument: str = SPOT, **fields: Any) -> dict[str, Any]:
        """The args of an order."""
        usual = {"side": "buy", "ordType": "limit", "px": "59800", "sz": "0.01" if instrument == SPOT else "1"}
        usual["tdMode"] = "cash" if instrument == SPOT else "cross"
        order = {"instIdCode": code(self.venue, instrument), **usual, **fields}
        return {name: value for name, value in order.items() if value != ""}


def code(venue: Exchange, instrument: str) -> int:
    """The instIdCode an instrument is published with."""
    kind = "SWAP" if instrument.endswith("SWAP") else "SPOT"
    return next(int(row["instIdCode"]) for row in venue.instruments(kind) if row["instId"] == instrument)


def iso(at: float) -> str:
    """An instant as REST's header writes it."""
    whole, part = divmod(seconds(at), SECOND)
    days, second = divmod(whole, 86_400)
    year, month = civil(days)
    day = next(d for d in range(1, 32) if _days(year, month, d) == days)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{part // 10**6:03d}"
    return f"{year}-{month:02d}-{day:02d}T{clock}Z"


def _days(year: int, month: int, day: int) -> int:
    from okex_ws.simulator.market.calendar import days_to

    return days_to(year, month, day)


def sign(key: ApiKey, method: str, target: str, body: str, at: float, **changed: str) -> dict[str, str]:
    """The headers of a signed request."""
    stamp = changed.pop("timestamp", iso(at))
    digest = hmac.new(key.secret.encode(), f"{stamp}{method}{target}{body}".encode(), hashlib.sha256).digest()
    headers = {
        "OK-ACCESS-KEY": key.key,
        "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": key.passphrase,
        **({"x-simulated-trading": "1"} if key.demo else {}),
        **changed,
    }
    return {name: value for name, value in headers.items() if value}


def rest(
    venue: Exchange, method: str, path: str, body: Any = None, *, at: float = 1.0, key: ApiKey = DEMO_KEY, **changed: str
) -> tuple[int, dict[str, Any]]:
    """One signed request; (HTTP status, decoded body), the body {} where the connection was reset."""
    target = f"/api/v5/{path}"
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    headers = sign(key, method, target, text, at, **changed)
    reply = venue.rest(method, target, headers, text.encode(), seconds(at))
    return reply.status, json.loads(reply.body) if reply.body else {}


def rows(venue: Exchange, path: str, at: float = 1.0, key: ApiKey = DEMO_KEY) -> list[Any]:
    """The rows of a signed GET that goes well."""
    status, body = rest(venue, "GET", path, at=at, key=key)
    assert (status, body["code"]) == (200, "0"), body
    data: list[Any] = body["data"]
    return data
