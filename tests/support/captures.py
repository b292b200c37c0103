"""Recordings of the real exchange, where they are at hand, and how to compare what is sent with what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.paths import CORPORA

FOLDER = CORPORA


def recorded(name: str) -> Iterator[dict[str, Any]]:
    """The lines of one recording; the test that asks is skipped where it is not at hand."""
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the recordings are not at hand: no {path}")
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def shape(value: Any) -> Any:
    """A message's form: keys and kinds of values; a list is as its first element, numbers are one kind."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value and isinstance(value[0], (dict, list)) else [shape(each) for each in value]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
