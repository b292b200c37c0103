"""The valid V1 name that one that cannot exist was most likely meant for: compared word by word, wherever the words stand."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable

_WORD = re.compile(r"\d*[a-z]+|\d+")
_NUMBERED = re.compile(r"(\d+)([a-z]*)")
_SAME = {
    **dict.fromkeys(("trades", "deal", "deals"), "trade"),
    **dict.fromkeys(("book", "books", "orderbook"), "depth"),
    **dict.fromkeys(("candle", "candles", "klines"), "kline"),
    **dict.fromkeys(("account", "balance", "balances"), "userinfo"),
    "tickers": "ticker",
    "orders": "order",
    "position": "positions",
    "futures": "futureusd",
    "1d": "day",
    "1w": "week",
    **{f"{n}m": f"{n}min" for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": f"{n}hour" for n in (1, 2, 4, 6, 12)},
}
"""Words of other places, or of V1 itself, → one of those that mean the same."""
_KINDS = ("ticker", "trade", "depth", "kline", "index", "markprice", "order", "userinfo", "positions")
_WEIGHT = 3
"""A kind counts as so many words: what a name is about is not given up for the sake of its other words."""
_ALIKE = 0.65
"""How alike two words have to be to have anything in common."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The one of `valid` that has most of the words of a name, and least besides."""
    given = _words(name)

    def distance(other: str) -> tuple[float, float]:
        own = _words(other)
        missing = sum(
            (_WEIGHT if word in _KINDS else 1) * (1 - max((_likeness(word, each) for each in own), default=0)) for word in given
        )
        further = sum(1 - max((_likeness(word, each) for each in given), default=0) for word in own)
        return missing + further / 2, -difflib.SequenceMatcher(None, name.lower(), other).ratio()

    return min(valid, key=distance)


def is_kind(word: str) -> bool:
    """Whether a word says what a channel tells, so that it is no coin."""
    return _SAME.get(word, word) in _KINDS


def _words(name: str) -> list[str]:
    return [_SAME.get(word, word) for word in _WORD.findall(name.lower())]


@functools.lru_cache(4096)
def _likeness(one: str, other: str) -> float:
    """1 for the same word, 0 for no likeness at all; numbers are alike by their size."""
    if one == other:
        return 1
    first, second = _NUMBERED.fullmatch(one), _NUMBERED.fullmatch(other)
    if first is not None and second is not None:
        small, large = sorted((int(first[1]), int(second[1])))
        return (0.5 + 0.4 * small / large) if first[2] == second[2] and large else 0
    alike = difflib.SequenceMatcher(None, one, other).ratio()
    return alike if alike >= _ALIKE else 0
