"""API keys, and signatures made with them.

Source: docs-v5 "Login" (WebSocket), "REST authentication".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import NoReturn

LOGIN_PATH = "/users/self/verify"


class Credentials:
    """API key of one account, frozen: api_key, secret, passphrase.

    The repr shows the first four characters of the key and no secret; a key cannot be pickled.
    A key belongs to one site (global, eea, us) and one environment: a demo key is not valid in production.
    Raises ValueError if a part is missing.
    """

    __slots__ = ("api_key", "passphrase", "secret")

    api_key: str
    secret: str
    passphrase: str

    def __init__(self, api_key: str, secret: str, passphrase: str) -> None:
        for name, value in (("api_key", api_key), ("secret", secret), ("passphrase", passphrase)):
            if not value:
                raise ValueError(f"credentials need a {name}; a key of OKX has three parts")
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Credentials({self.api_key[:4]}…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("Credentials are frozen; make new ones")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("Credentials are frozen; make new ones")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Credentials hold secrets and are never pickled or copied")

    def _parts(self) -> tuple[str, str, str]:
        return (self.api_key, self.secret, self.passphrase)


def login_sign(secret: str, timestamp_s: str) -> str:
    """Return the `sign` of a WebSocket login; timestamp_s: Unix seconds as text, valid for 30 s."""
    return _sign(secret, f"{timestamp_s}GET{LOGIN_PATH}")


def rest_sign(secret: str, timestamp: str, method: str, path_with_query: str, body: str = "") -> str:
    """Return the OK-ACCESS-SIGN header of a REST request.

    timestamp: that of OK-ACCESS-TIMESTAMP, e.g. `2026-11-22T10:00:00.000Z`; OKX answers 50102 if it is 30 s off.
    path_with_query, body: exactly as sent; method in capitals.
    """
    return _sign(secret, f"{timestamp}{method}{path_with_query}{body}")


def _sign(secret: str, text: str) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
