"""Chains of one instrument, their rows, and what they report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, Event, Gap, SingleTrade, Trade
from okex_ws.protocol.chains.base import Chain
from okex_ws.protocol.chains.books import BookChain
from okex_ws.protocol.chains.registry import Chains
from okex_ws.protocol.chains.trades import TradeChain
from okex_ws.wire.channels import subscription

T = 1_790_000_000_000_000_000
MS = 1_000_000


def trade(trade_id: int, count: int = 1, ts_ms: int = T // MS) -> Trade:
    return Trade(instrument="A-B", trade_id=trade_id, count=count, ts_ms=ts_ms, price=1, size=1, side="buy")


def trades(channel: str = "trades") -> TradeChain:
    chain = Chains("public/0").of(subscription(channel, "A-B"))
    assert isinstance(chain, TradeChain)
    return chain


def ids(events: Sequence[Any]) -> list[int]:
    return [event.trade_id for event in events if isinstance(event, Trade | SingleTrade)]


def gaps(events: Sequence[Event]) -> list[tuple[int | None, int | None]]:
    return [(event.first_id, event.last_id) for event in events if isinstance(event, Gap)]


def let_pass(chain: Chain, now: int) -> list[Event]:
    """Every verdict due by `now`, as a Session asks for them."""
    out: list[Event] = []
    while chain.deadline is not None and chain.deadline <= now:
        out += chain.expire(chain.deadline)
    return out


def snapshot(sequence: int | None, ts_ms: int = 1) -> BookSnapshot:
    return BookSnapshot(instrument="A-B", ts_ms=ts_ms, raw_bids=[], raw_asks=[], sequence=sequence, previous_sequence=-1)


def change(previous: int | None, sequence: int | None, ts_ms: int = 2) -> BookUpdate:
    return BookUpdate(instrument="A-B", ts_ms=ts_ms, raw_bids=[], raw_asks=[], sequence=sequence, previous_sequence=previous)


def book() -> BookChain:
    chain = Chains("public/0").of(subscription("books", "A-B"))
    assert isinstance(chain, BookChain)
    return chain


def feed(chain: BookChain, *rows: BookEvent, now: int = T, number: int = 0) -> list[Any]:
    return [event for row in rows for event in chain.feed([row], number, now)]
