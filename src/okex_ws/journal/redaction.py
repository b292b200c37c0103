"""Redaction of keys, passphrases and signatures in sent frames and in answers that quote them.

A frame without secrets stays unchanged, byte for byte. Source: docs-v5 "Login"; the legacy pages' `login` and `parameters`.
"""

from __future__ import annotations

import re

import msgspec

STARS = "***"

QUOTED = (b"assphrase", b"Unrecognized request")
"""Texts in answers that may quote a login: errors 60012, and V3's 30039, repeat the request that could not be parsed."""

_MENTIONS = re.compile(rb"log.?in|api.?key|pass.?phrase|sign|secret|\\u", re.IGNORECASE)
_SECRET_KEY = re.compile(r"api.?key|pass.?phrase|^sign(ature)?$|secret", re.IGNORECASE)
_NAME = r"(?:api.?key|pass.?phrase|secret(?:.?key)?|sign(?:ature)?)"
_SECRET_TEXT = re.compile(
    rf"""\\*["']?{_NAME}(?:\\*["']\s*[:=]|\s*=)|[{{,]\s*{_NAME}\s*:|(?<=Unrecognized request).*login""",
    re.IGNORECASE | re.DOTALL,
)
"""A secret within a text: the name of one with its value behind it, or a quoted login. The name alone is a word, and stays."""
_PLAIN_KEYS = frozenset({"op", "event", "id", "code", "connId"})


def is_quoting(text: bytes) -> bool:
    """True if an incoming text may quote a sent frame."""
    return QUOTED[0] in text or QUOTED[1] in text


def redacted(text: bytes) -> bytes:
    """Return the text without secrets. A text that mentions one and is not JSON is replaced whole."""
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
    return without_secrets(value) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    """Return a text up to the first secret that it quotes; a text without one is unchanged. For journal and ledger alike."""
    found = _SECRET_TEXT.search(text)
    return text if found is None else text[: found.start()] + STARS
