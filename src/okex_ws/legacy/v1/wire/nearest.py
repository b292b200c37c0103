"""Nearest valid V1 name of a wrong one, compared word by word in any order."""

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
"""Words of other APIs or of V1 → one word with the same meaning."""
_KINDS = ("ticker", "trade", "depth", "kline", "index", "markprice", "order", "userinfo", "positions")
_WEIGHT = 3
"""Weight of a kind in words: the kind of a channel matters more than its other words."""
_ALIKE = 0.65
"""Least similarity of two words that counts."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the name in `valid` with most words of `name` and fewest others."""
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
    """True if a word names a kind of channel, so that it is not a coin."""
    return _SAME.get(word, word) in _KINDS


def _words(name: str) -> list[str]:
    return [_SAME.get(word, word) for word in _WORD.findall(name.lower())]


@functools.lru_cache(4096)
def _likeness(one: str, other: str) -> float:
    """Return the similarity of two words from 0 to 1; numbers are compared by size."""
    if one == other:
        return 1
    first, second = _NUMBERED.fullmatch(one), _NUMBERED.fullmatch(other)
    if first is not None and second is not None:
        small, large = sorted((int(first[1]), int(second[1])))
        return (0.5 + 0.4 * small / large) if first[2] == second[2] and large else 0
    alike = difflib.SequenceMatcher(None, one, other).ratio()
    return alike if alike >= _ALIKE else 0
