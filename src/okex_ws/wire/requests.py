"""Requests to OKX, as bytes.

Source: docs-v5 "Subscribe", "Unsubscribe", "Login". Ids are 1 to 32 letters and digits; OKX echoes them on acks and errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from okex_ws.wire.channels import Subscription
from okex_ws.wire.sign import Credentials, login_sign

PING = b"ping"
MAX_ARGS_BYTES = 64 * 1024
"""Limit of the args of a request; OKX closes the connection (1009) beyond it."""

_encode = msgspec.json.encode


def subscribe(request_id: str, subscriptions: Iterable[Subscription]) -> bytes:
    """Return a subscribe frame. OKX acknowledges each arg separately, with this id."""
    return _encode({"id": request_id, "op": "subscribe", "args": [item.arg for item in subscriptions]})


def unsubscribe(request_id: str, subscriptions: Iterable[Subscription]) -> bytes:
    """Return an unsubscribe frame."""
    return _encode({"id": request_id, "op": "unsubscribe", "args": [item.arg for item in subscriptions]})


class Sealed(bytes):
    """Bytes that contain a key; their repr, as in a traceback with variables, does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a login>"


def login(credentials: Credentials, timestamp_s: int) -> Sealed:
    """Return a login frame; timestamp_s: Unix seconds, valid for 30 s."""
    return Sealed(
        _encode(
            {
                "op": "login",
                "args": [
                    {
                        "apiKey": credentials.api_key,
                        "passphrase": credentials.passphrase,
                        "timestamp": str(timestamp_s),
                        "sign": login_sign(credentials.secret, str(timestamp_s)),
                    }
                ],
            }
        )
    )


def batches(
    subscriptions: Sequence[Subscription], *, most: int = 50, most_bytes: int = MAX_ARGS_BYTES // 2
) -> Iterator[list[Subscription]]:
    """Divide subscriptions into groups for one frame each: at most `most` args and `most_bytes` of text."""
    group: list[Subscription] = []
    size = 0
    for item in subscriptions:
        length = len(_encode(item.arg)) + 1
        if group and (len(group) >= most or size + length > most_bytes):
            yield group
            group, size = [], 0
        group.append(item)
        size += length
    if group:
        yield group
