"""V1's requests as text messages, and their signature.

Source: OKEx's pages "WebSocket API for Spot" and "... for Futures": addChannel, removeChannel, login, ping, the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from okex_ws.wire.sign import Credentials

PING = b'{"event":"ping"}'
PONG = b'{"event":"pong"}'
BATCH = 50
"""Requests in one message at most: no limit is documented, but a frame of 64 KB is too long."""


def signed(parameters: Mapping[str, str], api_key: str, secret: str) -> str:
    """Return the MD5 of the parameters in order of their names, the key among them and the secret last, in capitals."""
    pairs = sorted({**parameters, "api_key": api_key}.items())
    text = "&".join([*(f"{name}={value}" for name, value in pairs), f"secret_key={secret}"])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()  # V1 has no other signature


def add_channels(names: Sequence[str]) -> Iterator[bytes]:
    """Return the subscribe messages, each with one request or a list of them."""
    return _requests("addChannel", names)


def remove_channels(names: Sequence[str]) -> Iterator[bytes]:
    """Return the unsubscribe messages."""
    return _requests("removeChannel", names)


def login(credentials: Credentials) -> bytes:
    """Return the login request."""
    return msgspec.json.encode({"event": "login", "parameters": _parameters({}, credentials)})


def trading(name: str, parameters: Mapping[str, str], credentials: Credentials) -> bytes:
    """Return an order request, which is an addChannel like any other."""
    return msgspec.json.encode({"event": "addChannel", "channel": name, "parameters": _parameters(parameters, credentials)})


def _requests(event: str, names: Sequence[str]) -> Iterator[bytes]:
    made = [{"event": event, "channel": name} for name in names]
    for first in range(0, len(made), BATCH):
        batch = made[first : first + BATCH]
        yield msgspec.json.encode(batch[0] if len(batch) == 1 else batch)


def _parameters(parameters: Mapping[str, str], credentials: Credentials) -> dict[str, str]:
    sign = signed(parameters, credentials.api_key, credentials.secret)
    return {**parameters, "api_key": credentials.api_key, "sign": sign}
