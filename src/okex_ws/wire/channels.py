"""CHANNELS: every channel of OKX V5, its endpoint, login, keys and event class; the one table of them.

Source: docs-v5, section by section; bars and depths as of 2026-11.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

import msgspec

from okex_ws import events
from okex_ws.errors import OkexError
from okex_ws.events import Event

PUBLIC, BUSINESS, PRIVATE = "public", "business", "private"

_LOCAL_BARS = "1s 1m 3m 5m 15m 30m 1H 2H 4H 6H 12H 1D 2D 3D 5D 1W 1M 3M"
_UTC_BARS = "6Hutc 12Hutc 1Dutc 2Dutc 3Dutc 5Dutc 1Wutc 1Mutc 3Mutc"
BARS = (*_LOCAL_BARS.split(), *_UTC_BARS.split())
"""Candle lengths. Without `utc`, bars of 6 H and more open at UTC+8 boundaries."""

INSTRUMENT_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY")


class SubscriptionError(OkexError, ValueError):
    """A channel or a combination of keys that OKX cannot serve; the text says what to change."""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the channel table.

    name: OKX's, with `{bar}` for a candle length.
    keys: required arg names, the main one first; `a|b` is one of two, `a=x` has one possible value.
    optional: further arg names. event: class of a row; update: class of a row whose `action` is "update".
    depth: levels of a book, 0 elsewhere.
    silence_s: longest normal time without a push; None if unknown.
    """

    name: str
    endpoint: str
    event: type[Event]
    keys: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    login: bool = False
    update: type[Event] | None = None
    depth: int = 0
    silence_s: float | None = None
    bars: tuple[str, ...] = ()

    @property
    def is_chained(self) -> bool:
        """True for books that are sent as one snapshot and then updates, chained by seqId."""
        return self.update is not None


class Subscription(msgspec.Struct, frozen=True, order=True):
    """Channel plus keys: OKX's `arg` in requests, acks and pushes. Hashable.

    args: (name, value) pairs sorted by name, without the channel.
    """

    channel: str
    args: tuple[tuple[str, str], ...] = ()

    @property
    def arg(self) -> dict[str, str]:
        """OKX's `arg` object."""
        return {"channel": self.channel, **dict(self.args)}

    @property
    def key(self) -> str:
        """Value of the main key: an instrument for most channels, else a family, a type or ""."""
        values = dict(self.args)
        for name in ("instId", "sprdId", "instFamily", "algoId", "instType", "ccy"):
            if name in values:
                return values[name]
        return ""

    def __str__(self) -> str:
        return " ".join((self.channel, *(value for _, value in self.args)))


def channel(name: str) -> Channel:
    """Return the table's row for a literal channel name. Raises SubscriptionError with the most similar name."""
    row = find(name)
    if row is not None:
        return row
    stem, bar = _split_bar(name)
    template = CHANNELS.get(f"{stem}{{bar}}")
    if template is not None:
        near = difflib.get_close_matches(bar, template.bars, 1)
        hint = f"; did you mean {stem}{near[0]}?" if near else ""
        bars = " ".join(template.bars)
        raise SubscriptionError(f"{name}: {bar or 'no bar'} is not a bar of {stem}; bars: {bars}{hint}")
    near = difflib.get_close_matches(name, literal_names(), 1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise SubscriptionError(f"no channel is called {name!r}{hint}")


def find(name: str) -> Channel | None:
    """Return the table's row for a literal channel name, None if unknown."""
    row = CHANNELS.get(name)
    if row is not None and not row.bars:
        return row
    stem, bar = _split_bar(name)
    template = CHANNELS.get(f"{stem}{{bar}}")
    return template if template is not None and bar in template.bars else None


def bar_of(name: str) -> str:
    """Return the candle length in a literal channel name: "1m" of "mark-price-candle1m", "" if there is none."""
    return _split_bar(name)[1]


def literal_names() -> list[str]:
    """Return every channel name: templates are expanded for each bar."""
    return [row.name.format(bar=bar) if row.bars else row.name for row in CHANNELS.values() for bar in (row.bars or ("",))]


def subscription(name: str, key: str | None = None, **args: str) -> Subscription:
    """Return a checked Subscription: channel, the value of its main key, and further keys by OKX's names.

    Raises SubscriptionError if the channel is unknown, or a key is missing, unknown or of impossible form.
    """
    row = channel(name)
    given = {name: str(value) for name, value in args.items()}
    if key is not None:
        given.setdefault(_main_key(row, key), key)
    _check(row, name, given)
    return Subscription(name, tuple(sorted(given.items())))


def from_arg(arg: Mapping[str, object]) -> Subscription:
    """Return the Subscription of an `arg` from OKX, without the `uid` that OKX adds."""
    asked = {key: value for key, value in arg.items() if key not in ("channel", "uid") and value is not None}
    pairs = sorted((key, str(value)) for key, value in asked.items())
    return Subscription(str(arg.get("channel", "")), tuple(pairs))


def _split_bar(name: str) -> tuple[str, str]:
    stem, found, bar = name.rpartition("candle")
    return (stem + found, bar) if found else (name, "")


def _main_key(row: Channel, value: str) -> str:
    for key in row.keys:
        name, _, fixed = key.partition("=")
        if fixed == value:
            return name
    keys = [key for key in row.keys if "=" not in key]
    if not keys:
        if row.optional:
            return row.optional[0]
        raise SubscriptionError(f"{row.name} takes no key, got {value!r}; leave it out")
    if keys[0] == "instType" and value not in INSTRUMENT_TYPES:
        # `estimated-price BTC-USD`, `orders BTC-USDT`: the type is given by name, the value is the other key.
        others = keys[1:] or [key for key in ("instId", "instFamily") if key in row.optional and "-" in value]
        keys = others or keys
    names = keys[0].split("|")
    if len(names) == 2 and names[0] == "instId" and value.count("-") == 1:
        return names[1]
    return names[0]


def _check(row: Channel, name: str, given: dict[str, str]) -> None:
    required = [part.split("=") for part in row.keys]
    for part in required:
        if len(part) == 2:
            given.setdefault(part[0], part[1])
    known = {word for part in required for word in part[0].split("|")} | set(row.optional)
    shape = " ".join([*row.keys, *(f"[{key}]" for key in row.optional)]) or "no keys"
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SubscriptionError(f"{name} has no key {key}; it takes {shape}{hint}")
        if not re.fullmatch(r"[\w\-.:,{}\"\\ ]{1,256}", value):
            raise SubscriptionError(f"{name}: {key}={value!r} cannot be an OKX id")
        if key in ("instId", "sprdId", "instFamily") and value != value.upper():
            raise SubscriptionError(f"{name}: OKX writes ids in capitals; did you mean {value.upper()}?")
        if key in ("instId", "sprdId", "instFamily") and "-" not in value:
            example = "BTC-USDT" if key != "sprdId" else "BTC-USDT_BTC-USDT-SWAP"
            raise SubscriptionError(f"{name}: {key}={value!r} is not an OKX id; ids look like {example}")
        if key == "instType" and value not in INSTRUMENT_TYPES:
            raise SubscriptionError(f"{name}: instType={value!r}; types are {' '.join(INSTRUMENT_TYPES)}")
    for part in required:
        words = [word for word in part[0].split("|") if word in given]
        if not words:
            raise SubscriptionError(f"{name} needs {part[0]}; it takes {shape}")
        if len(words) > 1:
            raise SubscriptionError(f"{name} takes either {' or '.join(words)}, not both")
        if len(part) == 2 and given[words[0]] != part[1]:
            raise SubscriptionError(f"{name} is only for {part[0]}={part[1]}, not {given[words[0]]}")


def _table(rows: Iterable[Channel]) -> dict[str, Channel]:
    return {row.name: row for row in rows}


# Quiet books are sent after about 60 s, mark prices after 10 s, indices after 60 s, funding after 90 s.
_BOOK_SILENCE_S = 70.0


def _book(name: str, depth: int, *, login: bool = False) -> Channel:
    """Book of one snapshot and then updates."""
    return Channel(
        name=name,
        endpoint=PUBLIC,
        event=events.BookSnapshot,
        update=events.BookUpdate,
        keys=("instId",),
        login=login,
        depth=depth,
        silence_s=_BOOK_SILENCE_S,
    )


def _snapshots(name: str, depth: int) -> Channel:
    """Book that is sent whole each time."""
    return Channel(
        name=name,
        endpoint=PUBLIC,
        event=events.BookSnapshot,
        keys=("instId",),
        depth=depth,
        silence_s=_BOOK_SILENCE_S,
    )


def _spread_book(name: str, depth: int, update: type[Event] | None = None) -> Channel:
    return Channel(
        name=name,
        endpoint=BUSINESS,
        event=events.SpreadBookSnapshot,
        update=update,
        keys=("sprdId",),
        depth=depth,
        silence_s=_BOOK_SILENCE_S,
    )


def _public(name: str, event: type[Event], *keys: str, silence_s: float | None = None) -> Channel:
    return Channel(name=name, endpoint=PUBLIC, event=event, keys=keys, silence_s=silence_s)


def _business(name: str, event: type[Event], *keys: str, bars: Iterable[str] = ()) -> Channel:
    return Channel(name=name, endpoint=BUSINESS, event=event, keys=keys, bars=tuple(bars))


def _own(name: str, event: type[Event], *keys: str, endpoint: str = BUSINESS) -> Channel:
    """Channel that needs a login; a key with `?` at its end is optional."""
    return Channel(
        name=name,
        endpoint=endpoint,
        event=event,
        keys=tuple(key for key in keys if not key.endswith("?")),
        optional=tuple(key[:-1] for key in keys if key.endswith("?")),
        login=True,
    )


CHANNELS: dict[str, Channel] = _table(
    [
        _book("books", 400),
        _snapshots("books5", 5),
        _snapshots("bbo-tbt", 1),
        _book("books50-l2-tbt", 50, login=True),
        _book("books-l2-tbt", 400, login=True),
        _book("books-rpi", 400),
        _book("books-elp", 400),
        _public("trades", events.Trade, "instId"),
        _business("trades-all", events.SingleTrade, "instId"),
        _public("option-trades", events.OptionTrade, "instType=OPTION", "instId|instFamily"),
        _public("tickers", events.Ticker, "instId"),
        _business("candle{bar}", events.Candle, "instId", bars=BARS),
        _business("mark-price-candle{bar}", events.MarkPriceCandle, "instId", bars=BARS[1:]),
        _business("index-candle{bar}", events.IndexCandle, "instId", bars=BARS[1:]),
        _public("mark-price", events.MarkPrice, "instId", silence_s=30.0),
        _public("index-tickers", events.IndexTicker, "instId", silence_s=130.0),
        _public("open-interest", events.OpenInterest, "instId"),
        _public("funding-rate", events.FundingRate, "instId", silence_s=200.0),
        _public("price-limit", events.PriceLimit, "instId"),
        _public("opt-summary", events.OptionSummary, "instFamily"),
        _public("estimated-price", events.EstimatedPrice, "instType", "instId|instFamily"),
        _public("liquidation-orders", events.Liquidation, "instType"),
        Channel(
            name="adl-warning",
            endpoint=PUBLIC,
            event=events.AdlWarning,
            keys=("instType",),
            optional=("instFamily",),
        ),
        _public("instruments", events.Instrument, "instType"),
        _public("status", events.SystemStatus),
        _public("call-auction-details", events.CallAuction, "instId"),
        _public("event-contract-markets", events.EventContract, "instType=EVENTS"),
        _own("economic-calendar", events.EconomicEvent),
        _business("public-struc-block-trades", events.BlockStructureTrade),
        _business("public-block-trades", events.BlockTrade, "instId"),
        _business("block-tickers", events.BlockTicker, "instId"),
        _own("rfqs", events.Rfq),
        _own("quotes", events.Quote),
        _own("struc-block-trades", events.BlockFill),
        _spread_book("sprd-bbo-tbt", 1),
        _spread_book("sprd-books5", 5),
        _spread_book("sprd-books-l2-tbt", 400, events.SpreadBookUpdate),
        _business("sprd-public-trades", events.SpreadTrade, "sprdId"),
        _business("sprd-tickers", events.SpreadTicker, "sprdId"),
        _business("sprd-candle{bar}", events.SpreadCandle, "sprdId", bars=BARS[1:]),
        _own("sprd-orders", events.SpreadOrderUpdate, "sprdId?"),
        _own("sprd-trades", events.SpreadFill, "sprdId?"),
        _own("account", events.AccountUpdate, "ccy?", "extraParams?", endpoint=PRIVATE),
        _own(
            "positions",
            events.PositionUpdate,
            "instType",
            "instFamily?",
            "instId?",
            "extraParams?",
            endpoint=PRIVATE,
        ),
        _own("balance_and_position", events.BalanceAndPosition, endpoint=PRIVATE),
        _own("orders", events.OrderUpdate, "instType", "instFamily?", "instId?", endpoint=PRIVATE),
        _own("fills", events.Fill, "instId?", endpoint=PRIVATE),
        _own(
            "liquidation-warning",
            events.LiquidationWarning,
            "instType",
            "instFamily?",
            "instId?",
            endpoint=PRIVATE,
        ),
        _own("account-greeks", events.AccountGreeks, "ccy?", endpoint=PRIVATE),
        _own("orders-algo", events.AlgoOrderUpdate, "instType", "instFamily?", "instId?"),
        _own("algo-advance", events.AdvancedAlgoOrderUpdate, "instType", "instId?", "algoId?"),
        _own("grid-orders-spot", events.SpotGridUpdate, "instType", "instId?", "algoId?"),
        _own("grid-orders-contract", events.ContractGridUpdate, "instType", "instId?", "algoId?"),
        _own("grid-positions", events.GridPosition, "algoId"),
        _own("grid-sub-orders", events.GridOrderUpdate, "algoId"),
        _own("algo-recurring-buy", events.RecurringBuyUpdate, "instType", "algoId?"),
        _own("copytrading-lead-notification", events.LeadTradingNotice, "instType", "instId?"),
        _own("deposit-info", events.Deposit, "ccy?"),
        _own("withdrawal-info", events.Withdrawal, "ccy?"),
    ]
)
