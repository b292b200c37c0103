"""Talking V1 and V3 to an Exchange in memory: a line that keeps what it was sent, inflated and decoded.

It knows of the old dialects only what their pages and recordings say: raw deflate in binary frames, MD5 and HMAC.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from typing import Any

from tests.support.talk import seconds

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.outgoing import Binary, Close, Outgoing, Text
from okex_ws.simulator.rules import ApiKey


def inflated(frame: bytes) -> bytes:
    """One whole raw stream and nothing behind it."""
    inflater = zlib.decompressobj(-15)
    text = inflater.decompress(frame)
    assert inflater.eof
    assert not inflater.unused_data
    return text


class OldTalker:
    """One client line; `out` is everything in order, `frames` the messages decoded (what is no JSON stays text)."""

    def __init__(self, venue: Exchange, path: str, at: float = 0.0) -> None:
        line = venue.open(path, seconds(at))
        assert isinstance(line, ExchangeConnection), line
        self.venue = venue
        self.line = line
        self.out: list[Outgoing] = []
        self._looked = 0

    def say(self, message: Any, at: float) -> list[Any]:
        """Send a message (texts and bytes as they are, the rest as JSON); what came back at once."""
        before = len(self.frames)
        text = message if isinstance(message, (bytes, str)) else json.dumps(message)
        self.line.receive(text.encode() if isinstance(text, str) else text, seconds(at))
        self._looked = len(self.frames)
        return self.frames[before:]

    def until(self, at: float) -> list[Any]:
        """Let time pass; what came since one last looked."""
        self.venue.on_deadline(seconds(at))
        before, self._looked = self._looked, len(self.frames)
        return self.frames[before:]

    @property
    def frames(self) -> list[Any]:
        """Every message so far, in order."""
        self._drain()
        return [decoded(each) for each in self.out if isinstance(each, (Binary, Text))]

    @property
    def closed(self) -> Close | None:
        """The close frame it was sent."""
        self._drain()
        return next((each for each in self.out if isinstance(each, Close)), None)

    def _drain(self) -> None:
        self.out.extend(self.line.take())


def decoded(out: Binary | Text) -> Any:
    """A message as a client sees it."""
    text = inflated(out.payload) if isinstance(out, Binary) else out.payload
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


# V1


def add(channel: str, **parameters: Any) -> dict[str, Any]:
    """A V1 addChannel."""
    request: dict[str, Any] = {"event": "addChannel", "channel": channel}
    return {**request, "parameters": parameters} if parameters else request


def signed(key: ApiKey, **parameters: Any) -> dict[str, Any]:
    """V1 parameters with their MD5 signature."""
    given = {**parameters, "api_key": key.key}
    text = "".join(f"{name}={given[name]}&" for name in sorted(given)) + f"secret_key={key.secret}"
    return {**given, "sign": hashlib.md5(text.encode()).hexdigest().upper()}


def pushes(frames: list[Any], channel: str) -> list[Any]:
    """The data of V1's pushes on one channel."""
    return [each["data"] for frame in frames if isinstance(frame, list) for each in frame if each.get("channel") == channel]


# V3


def login(key: ApiKey, timestamp: str, passphrase: str | None = None, secret: str | None = None) -> dict[str, Any]:
    """A V3 login."""
    text = f"{timestamp}GET/users/self/verify".encode()
    sign = base64.b64encode(hmac.new((secret or key.secret).encode(), text, hashlib.sha256).digest()).decode()
    return {"op": "login", "args": [key.key, key.passphrase if passphrase is None else passphrase, timestamp, sign]}


def rows(frames: list[Any], table: str) -> list[Any]:
    """The rows of V3's pushes of one table."""
    return [row for frame in frames if isinstance(frame, dict) and frame.get("table") == table for row in frame["data"]]
