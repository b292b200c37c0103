"""Talking to an Exchange in memory: a line that keeps what it was sent, decoded."""

from __future__ import annotations

import json
from typing import Any

from tests.support.fixed_market import START, FixedMarket

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.base import SECOND
from okex_ws.simulator.outgoing import Close, Outgoing, Text
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.v5.connection import V5Connection


def seconds(n: float) -> int:
    """An instant so many seconds after the market's start."""
    return START + round(n * SECOND)


def exchange(*faults: str, seed: int = 7, market: Any = None, **rules: Any) -> Exchange:
    """An exchange over the fixed market; idle closing is off unless asked for."""
    habits = Rules(**{"idle_close_s": 0.0, **rules})
    return Exchange(market or FixedMarket(), seed=seed, now=START, rules=habits, faults=Faults.parse(faults))


class Talker:
    """One client line; `frames` are the decoded text messages, `out` everything in order."""

    def __init__(self, venue: Exchange, path: str = "public", at: float = 0.0) -> None:
        line = venue.open(f"/ws/v5/{path}", seconds(at))
        assert isinstance(line, V5Connection), line
        self.venue = venue
        self.line = line
        self.out: list[Outgoing] = []
        self._decoded: list[Any] = []

    def say(self, message: Any, at: float) -> list[Any]:
        """Send a message (anything but bytes as JSON) and return what came back at once, decoded."""
        before = len(self.drain())
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.line.receive(data, seconds(at))
        return self.drain()[before:]

    def subscribe(self, *args: dict[str, Any], at: float = 0.0, op: str = "subscribe") -> list[Any]:
        """Send one request for these args with the id r1."""
        return self.say({"id": "r1", "op": op, "args": list(args)}, at)

    def until(self, at: float) -> list[Any]:
        """Let time pass and return what came meanwhile, decoded."""
        before = len(self.drain())
        self.venue.on_deadline(seconds(at))
        return self.drain()[before:]

    def drain(self) -> list[Any]:
        """All text messages so far, decoded; what is no JSON stays bytes."""
        fresh = self.line.take()
        self.out.extend(fresh)
        self._decoded.extend(_decoded(o.payload) for o in fresh if isinstance(o, Text))
        return list(self._decoded)

    def raw(self) -> bytes:
        """Every byte of every text message so far."""
        self.drain()
        return b"\n".join(o.payload for o in self.out if isinstance(o, Text))

    def pushes(self, channel: str) -> list[Any]:
        """The pushes of one channel so far."""
        return [f for f in self.drain() if isinstance(f, dict) and (f.get("arg") or {}).get("channel") == channel and "data" in f]

    @property
    def closed(self) -> Close | None:
        """The close frame it was sent."""
        self.drain()
        return next((o for o in self.out if isinstance(o, Close)), None)


def _decoded(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def book(instrument: str = "BTC-USDT", channel: str = "books") -> dict[str, Any]:
    """A subscription arg."""
    return {"channel": channel, "instId": instrument}
