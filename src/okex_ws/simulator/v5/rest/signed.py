"""Signatures of REST requests.

In: method, target, headers and body exactly as received, the known keys, `now`. Out: the ApiKey, or an ApiError
with OKX's code. Written from OKX's pages alone, so that it checks a client's signing independently.
Sources: OKX V5 docs, "REST Authentication", "Error code / API class".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import DAY, HOUR, MINUTE, SECOND
from okex_ws.simulator.market.calendar import days_to
from okex_ws.simulator.rules import ApiKey

_HEADERS = (
    ("ok-access-key", "50103"),
    ("ok-access-passphrase", "50104"),
    ("ok-access-sign", "50106"),
    ("ok-access-timestamp", "50107"),
)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")

MESSAGES: dict[str, str] = {
    "50101": "APIKey does not match current environment.",
    "50102": "Timestamp request expired",
    "50103": 'Request header "OK-ACCESS-KEY" can\'t be empty.',
    "50104": 'Request header "OK-ACCESS-PASSPHRASE" can\'t be empty.',
    "50105": 'Request header "OK-ACCESS-PASSPHRASE" incorrect.',
    "50106": 'Request header "OK-ACCESS-SIGN" can\'t be empty.',
    "50107": 'Request header "OK-ACCESS-TIMESTAMP" can\'t be empty.',
    "50111": "Invalid OK-ACCESS-KEY",
    "50112": "Invalid OK-ACCESS-TIMESTAMP",
    "50113": "Invalid Sign",
    "50119": "API key doesn't exist",
    "50120": "This API key doesn't have permission to use this function",
}


def refused(code: str) -> ApiError:
    """Return the error with OKX's message for this code; its HTTP status is 401."""
    return ApiError(code, MESSAGES[code])


def check(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    keys: Mapping[str, ApiKey],
    now: int,
    window_s: float,
    demo: bool,
) -> ApiKey:
    """Return the key that signed a request. headers: names in lower case. demo: True if the exchange plays demo trading.

    A key, the header x-simulated-trading and the environment must agree (50101).
    """
    given = {name: headers.get(name, "") for name, _ in _HEADERS}
    for name, code in _HEADERS:
        if not given[name]:
            raise refused(code)
    sent = instant(given["ok-access-timestamp"])
    if sent is None:
        raise refused("50112")
    if abs(sent - now) > window_s * SECOND:
        raise refused("50102")
    if _KEY.fullmatch(given["ok-access-key"]) is None:
        raise refused("50111")
    key = keys.get(given["ok-access-key"])
    if key is None:
        raise refused("50119")
    if key.demo != demo or (headers.get("x-simulated-trading", "0") == "1") != demo:
        raise refused("50101")
    if given["ok-access-passphrase"] != key.passphrase:
        raise refused("50105")
    text = f"{given['ok-access-timestamp']}{method}{target}".encode("latin-1") + body
    digest = hmac.new(key.secret.encode(), text, hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(digest), given["ok-access-sign"].encode("utf-8", "replace")):
        raise refused("50113")
    return key


def instant(text: str) -> int | None:
    """Return ns UTC of "2026-11-22T10:00:00.000Z", None for any other text."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    fraction = int((found[7] or "0").ljust(9, "0"))
    return days_to(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second * SECOND + fraction
