"""What must not be written down: keys, passphrases and signatures in what we send, and in answers that quote it.

A frame without secrets is untouched, byte for byte. Source: docs-v5 "Login"; the legacy pages' `login` and `parameters`.
"""

from __future__ import annotations

import re

import msgspec

STARS = "***"

QUOTED = (b"assphrase", b"Unrecognized request")
"""What an answer holds that may quote a login back: errors 60012, and V3's 30039, repeat the request they could not read."""

_MENTIONS = re.compile(rb"log.?in|api.?key|pass.?phrase|sign|secret|\\u", re.IGNORECASE)
_SECRET_KEY = re.compile(r"api.?key|pass.?phrase|^sign(ature)?$|secret", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"api.?key|pass.?phrase|secret|Unrecognized request.*login", re.IGNORECASE | re.DOTALL)
_PLAIN_KEYS = frozenset({"op", "event", "id", "code", "connId"})


def is_quoting(text: bytes) -> bool:
    """Whether an incoming text may repeat what we sent."""
    return QUOTED[0] in text or QUOTED[1] in text


def redacted(text: bytes) -> bytes:
    """The text without secrets. What cannot be read as JSON and mentions one goes whole."""
    if _MENTIONS.search(text) is None:
        return text
    try:
        frame = msgspec.json.decode(text)
        clean = _cleaned(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return STARS.encode()
    return text if clean == frame else msgspec.json.encode(clean)


def _cleaned(value: object) -> object:
    if isinstance(value, dict):
        if "login" in (value.get("op"), value.get("event")) and "code" not in value:
            return {key: item if key in _PLAIN_KEYS else STARS for key, item in value.items()}
        return {key: STARS if _SECRET_KEY.search(key) else _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, str) and _SECRET_TEXT.search(value):
        return STARS
    return value
