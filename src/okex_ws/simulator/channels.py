"""Channels: the table of what the market and the accounts publish, and resolved subscriptions to it.

The market publishes rows of V5's channels; V1 and V3 translate them. Sources: OKX V5 docs, "WebSocket", each channel's page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from okex_ws.simulator.market.calendar import CANDLE_PERIODS

Chain = Literal["", "seq", "linked"]


@dataclass(frozen=True, slots=True)
class PublishedChannel:
    """Channel as its page describes it.

    keys: arg fields; "a|b" one of them, "a?" optional, "a=V" fixed value. chain: "" no ids, "seq" seqId only,
    "linked" seqId and prevSeqId. tier: the VIP level below which OKX answers 64003.
    """

    name: str
    path: str
    keys: tuple[str, ...] = ("instId",)
    login: bool = False
    chain: Chain = ""
    checksum: bool = False
    tier: int = 0

    @property
    def is_market_data(self) -> bool:
        """True if the market publishes its data, False if its data belongs to an account."""
        return not self.login or self.name in _PUBLIC_WITH_LOGIN


_PUBLIC_WITH_LOGIN = frozenset({"books-l2-tbt", "books50-l2-tbt", "economic-calendar"})


def _channels() -> Iterable[PublishedChannel]:
    for name, login, tier in (("books", False, 0), ("books-l2-tbt", True, 4), ("books50-l2-tbt", True, 4)):
        yield PublishedChannel(name, "public", login=login, tier=tier, chain="linked", checksum=True)
    for name in ("books-rpi", "books-elp"):
        yield PublishedChannel(name, "public", chain="linked")
    for name in ("books5", "bbo-tbt", "trades"):
        yield PublishedChannel(name, "public", chain="seq")
    for name in ("tickers", "mark-price", "index-tickers", "open-interest", "funding-rate", "price-limit"):
        yield PublishedChannel(name, "public")
    yield PublishedChannel("call-auction-details", "public")
    yield PublishedChannel("option-trades", "public", ("instType=OPTION", "instId|instFamily"))
    yield PublishedChannel("opt-summary", "public", ("instFamily",))
    yield PublishedChannel("estimated-price", "public", ("instType", "instId|instFamily"))
    yield PublishedChannel("liquidation-orders", "public", ("instType",))
    yield PublishedChannel("adl-warning", "public", ("instType", "instFamily?"))
    yield PublishedChannel("instruments", "public", ("instType",))
    yield PublishedChannel("event-contract-markets", "public", ("instType=EVENTS",))
    yield PublishedChannel("status", "public", ())
    yield PublishedChannel("trades-all", "business")
    for name in ("public-block-trades", "block-tickers"):
        yield PublishedChannel(name, "business")
    yield PublishedChannel("public-struc-block-trades", "business", ())
    yield PublishedChannel("economic-calendar", "business", (), login=True, tier=1)
    for bar in CANDLE_PERIODS:
        yield PublishedChannel(f"candle{bar}", "business")
        if bar != "1s":
            yield PublishedChannel(f"mark-price-candle{bar}", "business")
            yield PublishedChannel(f"index-candle{bar}", "business")
            yield PublishedChannel(f"sprd-candle{bar}", "business", ("sprdId",))
    yield PublishedChannel("sprd-books-l2-tbt", "business", ("sprdId",), chain="linked", checksum=True)
    for name in ("sprd-bbo-tbt", "sprd-books5"):
        yield PublishedChannel(name, "business", ("sprdId",), chain="seq")
    for name in ("sprd-public-trades", "sprd-tickers"):
        yield PublishedChannel(name, "business", ("sprdId",))
    for name in ("sprd-orders", "sprd-trades"):
        yield PublishedChannel(name, "business", ("sprdId?",), login=True)
    for name in ("rfqs", "quotes", "struc-block-trades"):
        yield PublishedChannel(name, "business", (), login=True)
    yield PublishedChannel("orders-algo", "business", ("instType", "instFamily?", "instId?"), login=True)
    for name in ("algo-advance", "grid-orders-spot", "grid-orders-contract"):
        yield PublishedChannel(name, "business", ("instType", "instId?", "algoId?"), login=True)
    for name in ("grid-positions", "grid-sub-orders"):
        yield PublishedChannel(name, "business", ("algoId",), login=True)
    yield PublishedChannel("algo-recurring-buy", "business", ("instType", "algoId?"), login=True)
    yield PublishedChannel("copytrading-lead-notification", "business", ("instType", "instId?"), login=True)
    for name in ("deposit-info", "withdrawal-info"):
        yield PublishedChannel(name, "business", ("ccy?",), login=True)
    yield PublishedChannel("account", "private", ("ccy?", "extraParams?"), login=True)
    yield PublishedChannel("positions", "private", ("instType", "instFamily?", "instId?", "extraParams?"), login=True)
    yield PublishedChannel("balance_and_position", "private", (), login=True)
    for name in ("orders", "liquidation-warning"):
        yield PublishedChannel(name, "private", ("instType", "instFamily?", "instId?"), login=True)
    yield PublishedChannel("fills", "private", ("instId?",), login=True, tier=4)
    yield PublishedChannel("account-greeks", "private", ("ccy?",), login=True)


CHANNELS: dict[str, PublishedChannel] = {channel.name: channel for channel in _channels()}

PUSH_RANK: dict[str, int] = {
    "bbo-tbt": 1,
    "books-l2-tbt": 2,
    "books50-l2-tbt": 3,
    "books": 4,
    "books-elp": 5,
    "books-rpi": 6,
    "books5": 7,
    "sprd-bbo-tbt": 1,
    "sprd-books-l2-tbt": 2,
    "sprd-books5": 3,
}
"""OKX's fixed order of the book channels of one instrument on one connection; other channels come before."""

INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")


@dataclass(frozen=True, slots=True)
class Topic:
    """Resolved subscription. key: the market's key. arg: JSON of the arg in V5, name of the channel in V1 and V3."""

    channel: PublishedChannel
    key: str
    arg: bytes

    @property
    def identity(self) -> bytes:
        """Return an id that is equal for two args of the same subscription."""
        return self.arg
