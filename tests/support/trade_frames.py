"""Frames with one trade each."""

from __future__ import annotations

from collections.abc import Iterator

START = 1_790_000_000_000_000_000


def messages(count: int, first: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield (receive ns, frame) of trades, a millisecond apart."""
    for number in range(first, first + count):
        ts = START + number * 1_000_000
        row = b'{"instId":"BTC-USDT","tradeId":"%d","px":"60000.%d","sz":"0.01","side":"buy","ts":"%d","count":"1"}' % (
            number, number % 10, ts // 1_000_000,
        )  # fmt: skip
        yield ts, b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[' + row + b"]}"
