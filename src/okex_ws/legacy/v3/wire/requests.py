"""V3's requests as text messages, and the signature of the login.

Source: OKEx's pages of V3: subscribe, unsubscribe, login, ping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from okex_ws.wire.sign import Credentials, login_sign

PING = b"ping"
MAX_REQUEST = 4096
"""Largest request, bytes; clients of that time split there."""


def subscribe(names: Sequence[str]) -> Iterator[bytes]:
    """Return the subscribe requests."""
    return _requests("subscribe", names)


def unsubscribe(names: Sequence[str]) -> Iterator[bytes]:
    """Return the unsubscribe requests."""
    return _requests("unsubscribe", names)


def login(credentials: Credentials, now: int) -> bytes:
    """Return the login request; its time is part of the signature and valid for 30 s."""
    seconds = f"{now // 1_000_000_000}.{now // 1_000_000 % 1000:03d}"
    sign = login_sign(credentials.secret, seconds)  # the signed text is the same as in V5
    args = [credentials.api_key, credentials.passphrase, seconds, sign]
    return msgspec.json.encode({"op": "login", "args": args})


def _requests(op: str, names: Sequence[str]) -> Iterator[bytes]:
    batch: list[str] = []
    size = 0
    for name in names:
        if batch and size + len(name) + 3 > MAX_REQUEST - 40:
            yield msgspec.json.encode({"op": op, "args": batch})
            batch, size = [], 0
        batch.append(name)
        size += len(name) + 3
    if batch:
        yield msgspec.json.encode({"op": op, "args": batch})
