"""Real messages of V1 and V3, and a Session of each that needs no Line."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from tests.support.paths import CORPORA

from okex_ws.legacy import v1, v3
from okex_ws.legacy.chains import LegacyChains

SECOND = 1_000_000_000
START = 1_545_391_600 * SECOND
"""2018-12-21T11:26:40Z, when both dialects were spoken."""


@functools.cache
def rows(*names: str, dialect: str = "") -> tuple[dict[str, Any], ...]:
    """The WebSocket rows of corpora, of one dialect. Skips the test where they are not."""
    found: list[dict[str, Any]] = []
    for name in names:
        path = CORPORA / f"{name}.jsonl"
        if not path.exists():
            pytest.skip(f"../shared/corpora/{name}.jsonl is not here")
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return tuple(row for row in found if row.get("kind", "ws") == "ws" and dialect in ("", row["dialect"]))


def session_v1(*names: str, now: int = START, **options: Any) -> v1.V1Session:
    return v1.V1Session("v1/0", [v1.subscription(name) for name in names], now=now, chains=LegacyChains("v1/0"), **options)


def session_v3(*names: str, now: int = START, **options: Any) -> v3.V3Session:
    return v3.V3Session("v3/0", [v3.subscription(name) for name in names], now=now, chains=LegacyChains("v3/0"), **options)
