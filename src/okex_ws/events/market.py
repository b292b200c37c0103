"""Public market data events: trades, tickers, candles, prices, rates, reference data."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from msgspec import field

from okex_ws.events.base import MS, Number, Push, Timed, number_of
from okex_ws.events.dated import event_time


class Trade(Timed, kw_only=True, gc=False):
    """Public trade (`trades`): the matches of one taker at one price, aggregated by OKX.

    side: the taker's, buy or sell. size: contracts on derivatives, base currency on spot.
    trade_id is the last of `count` consecutive ids; count None: the dialect does not send it, and its ids skip. source: "0" order
    book, "1" RPI. Source: docs-v5 "Trades channel".
    """

    instrument: str = field(name="instId")
    trade_id: int = field(name="tradeId")
    price: Number = field(name="px")
    size: Number = field(name="sz")
    side: str
    count: int | None = 1
    source: str = "0"
    sequence: int | None = field(default=None, name="seqId")

    @property
    def first_id(self) -> int:
        """First of the ids that this trade covers."""
        return self.trade_id - (self.count or 1) + 1


class Ticker(Timed, kw_only=True, gc=False):
    """Last price, best bid and ask, and 24 h figures (`tickers`); at most one per 100 ms.

    volume_24h: contracts on derivatives, base currency on spot; volume_currency_24h: base currency on
    derivatives, quote on spot.
    A number OKX leaves empty is None. Source: docs-v5 "Tickers channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    last: Number | None = None
    last_size: Number | None = field(default=None, name="lastSz")
    best_ask: Number | None = field(default=None, name="askPx")
    best_ask_size: Number | None = field(default=None, name="askSz")
    best_bid: Number | None = field(default=None, name="bidPx")
    best_bid_size: Number | None = field(default=None, name="bidSz")
    open_24h: Number | None = field(default=None, name="open24h")
    high_24h: Number | None = field(default=None, name="high24h")
    low_24h: Number | None = field(default=None, name="low24h")
    open_utc0: Number | None = field(default=None, name="sodUtc0")
    open_utc8: Number | None = field(default=None, name="sodUtc8")
    volume_currency_24h: Number | None = field(default=None, name="volCcy24h")
    volume_24h: Number | None = field(default=None, name="vol24h")


class Candle(Push, kw_only=True, gc=False):
    """One candle of traded prices (`candle{bar}`), pushed at most once a second while it forms.

    open_ms: opening time, ms UTC. closed: True once OKX confirms it; a later push of the same open_ms
    corrects it.
    volume: contracts or base currency; volume_currency: base (derivatives) or quote (spot); volume_quote:
    quote currency.
    Wire: [ts, open, high, low, close, vol, volCcy, volCcyQuote, confirm]. Source: docs-v5 "Candlesticks
    channel".
    """

    instrument: str = field(default="", name="$instrument")
    bar: str = field(default="", name="$bar")
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None
    volume_currency: float | None = None
    volume_quote: float | None = None
    closed: bool = False

    @property
    def ts_event(self) -> int:
        return self.open_ms * MS

    @classmethod
    def from_row(cls, row: list[Any]) -> Candle:
        """Return a candle from OKX's array. Its columns after the close depend on class and time.

        9: vol, volCcy, volCcyQuote, confirm. 7: vol, volCcy (June to September 2022). 6: vol. 5: none (indices and mark prices of
        2021). A candle without `confirm` counts as not closed.
        """
        if len(row) < 5:
            raise ValueError(f"a candle has at least 5 columns, this one has {len(row)}")
        rest = row[5:]
        is_closed = cls._is_confirmed(rest)
        volumes = [number_of(text) if text != "" else None for text in rest[: cls._volume_count(rest)]]
        volumes += [None] * (3 - len(volumes))
        return cls(
            open_ms=_whole(row[0]),
            open=number_of(row[1]),
            high=number_of(row[2]),
            low=number_of(row[3]),
            close=number_of(row[4]),
            volume=volumes[0],
            volume_currency=volumes[1],
            volume_quote=volumes[2],
            closed=is_closed,
        )

    @classmethod
    def _volume_count(cls, rest: list[Any]) -> int:
        """Return the number of volumes among the columns after the close."""
        return len(rest) if len(rest) < 3 else min(3, len(rest) - 1)

    @classmethod
    def _is_confirmed(cls, rest: list[Any]) -> bool:
        """True if these columns after the close confirm the candle."""
        return len(rest) > 2 and str(rest[3] if len(rest) > 4 else rest[-1]) == "1"


class _ConfirmedCandle(Candle, kw_only=True, gc=False):
    """Candle whose last column is `confirm` in every form that has one."""

    @classmethod
    def _volume_count(cls, rest: list[Any]) -> int:
        return max(0, min(3, len(rest) - 1))

    @classmethod
    def _is_confirmed(cls, rest: list[Any]) -> bool:
        return bool(rest) and str(rest[-1]) == "1"


class MarkPriceCandle(_ConfirmedCandle, kw_only=True, gc=False):
    """One candle of mark prices (`mark-price-candle{bar}`); it has no volumes.

    Source: docs-v5 "Mark price candlesticks".
    """


class IndexCandle(_ConfirmedCandle, kw_only=True, gc=False):
    """One candle of an index (`index-candle{bar}`); instrument is the index, e.g. BTC-USD. It has no volumes.

    Source: docs-v5 "Index candlesticks channel".
    """


class SpreadCandle(_ConfirmedCandle, kw_only=True, gc=False):
    """One candle of a spread (`sprd-candle{bar}`); prices may be zero or negative.

    It has `volume`, not the other two.
    Source: docs-v5 "Spread candlesticks channel".
    """


class SingleTrade(Timed, kw_only=True, gc=False):
    """Public trade of exactly one match (`trades-all`, business); nothing is aggregated.

    side: the taker's. size: contracts on derivatives, base currency on spot. source: "0" order book, "1" RPI.
    Source: docs-v5 "All trades channel".
    """

    instrument: str = field(name="instId")
    trade_id: int = field(name="tradeId")
    price: Number = field(name="px")
    size: Number = field(name="sz")
    side: str
    source: str = "0"
    count: ClassVar[int] = 1

    @property
    def first_id(self) -> int:
        """Same as trade_id: nothing is aggregated here."""
        return self.trade_id


class OptionTrade(Timed, kw_only=True, gc=False):
    """Public trade of an option (`option-trades`), with the reference prices at that time.

    price, mark_price: in the option's settlement currency; forward_price, index_price: in its quote currency.
    volatility: implied by the price, 0.5 is 50 %. option_type: C or P. size: contracts.
    Source: docs-v5 "Option trades channel".
    """

    instrument: str = field(name="instId")
    instrument_family: str = field(default="", name="instFamily")
    trade_id: int = field(name="tradeId")
    price: Number = field(name="px")
    size: Number = field(name="sz")
    side: str
    option_type: str = field(default="", name="optType")
    volatility: Number | None = field(default=None, name="fillVol")
    forward_price: Number | None = field(default=None, name="fwdPx")
    index_price: Number | None = field(default=None, name="idxPx")
    mark_price: Number | None = field(default=None, name="markPx")


class MarkPrice(Timed, kw_only=True, gc=False):
    """Price used for margins and liquidations (`mark-price`): every 200 ms when it moves, else every 10 s.

    Source: docs-v5 "Mark price channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    price: Number = field(name="markPx")


class IndexTicker(Timed, kw_only=True, gc=False):
    """Index price and its 24 h figures (`index-tickers`): every 100 ms when it moves, else once a minute.

    instrument: the index, e.g. BTC-USD.
    Source: docs-v5 "Index tickers channel".
    """

    instrument: str = field(name="instId")
    price: Number = field(name="idxPx")
    open_24h: Number | None = field(default=None, name="open24h")
    high_24h: Number | None = field(default=None, name="high24h")
    low_24h: Number | None = field(default=None, name="low24h")
    open_utc0: Number | None = field(default=None, name="sodUtc0")
    open_utc8: Number | None = field(default=None, name="sodUtc8")


class OpenInterest(Timed, kw_only=True, gc=False):
    """Open interest of a derivative (`open-interest`), every 3 s while it changes.

    contracts, coins, usd: the same size in contracts, base currency and US dollars.
    Source: docs-v5 "Open interest channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    contracts: Number | None = field(default=None, name="oi")
    coins: Number | None = field(default=None, name="oiCcy")
    usd: Number | None = field(default=None, name="oiUsd")


class FundingRate(Push, kw_only=True, gc=False):
    """Funding rate of a perpetual (`funding-rate`), every 30 to 90 s.

    Rates are fractions, 0.0001 is one basis point. funding_ms, next_funding_ms: this and the next settlement;
    their difference is the interval, which OKX may change (1 to 8 h). settlement_state: processing or
    settled; settled_rate: the rate being, or last, settled. formula: noRate or withRate.
    Source: docs-v5 "Funding rate channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    method: str = ""
    formula: str = field(default="", name="formulaType")
    rate: Number | None = field(default=None, name="fundingRate")
    next_rate: Number | None = field(default=None, name="nextFundingRate")
    funding_ms: int | None = field(default=None, name="fundingTime")
    next_funding_ms: int | None = field(default=None, name="nextFundingTime")
    min_rate: Number | None = field(default=None, name="minFundingRate")
    max_rate: Number | None = field(default=None, name="maxFundingRate")
    interest_rate: Number | None = field(default=None, name="interestRate")
    impact_value: Number | None = field(default=None, name="impactValue")
    settlement_state: str = field(default="", name="settState")
    settled_rate: Number | None = field(default=None, name="settFundingRate")
    premium: Number | None = None
    ts_ms: int | None = field(default=None, name="ts")

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, self.ts_ms)


class PriceLimit(Timed, kw_only=True, gc=False):
    """Highest buy and lowest sell price that OKX accepts (`price-limit`); both None while is_enabled is False.

    Source: docs-v5 "Price limit channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    max_buy: Number | None = field(default=None, name="buyLmt")
    min_sell: Number | None = field(default=None, name="sellLmt")
    is_enabled: bool | None = field(default=None, name="enabled")


class OptionSummary(Timed, kw_only=True, gc=False):
    """Greeks and volatilities of one option (`opt-summary`); a push holds all options of a family.

    delta, gamma, theta, vega: in coins; the `_bs` ones are Black-Scholes greeks in US dollars. Volatilities
    are fractions, 0.5 is 50 %; volatility_level: of the at-the-money option.
    Source: docs-v5 "Option summary channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    underlying: str = field(default="", name="uly")
    delta: Number | None = None
    gamma: Number | None = None
    theta: Number | None = None
    vega: Number | None = None
    delta_bs: Number | None = field(default=None, name="deltaBS")
    gamma_bs: Number | None = field(default=None, name="gammaBS")
    theta_bs: Number | None = field(default=None, name="thetaBS")
    vega_bs: Number | None = field(default=None, name="vegaBS")
    realized_volatility: Number | None = field(default=None, name="realVol")
    bid_volatility: Number | None = field(default=None, name="bidVol")
    ask_volatility: Number | None = field(default=None, name="askVol")
    mark_volatility: Number | None = field(default=None, name="markVol")
    volatility_level: Number | None = field(default=None, name="volLv")
    leverage: Number | None = field(default=None, name="lever")
    forward_price: Number | None = field(default=None, name="fwdPx")


class EstimatedPrice(Timed, kw_only=True, gc=False):
    """Estimated price of delivery, exercise or settlement (`estimated-price`).

    Sent in the half hour before only. settlement_type: settlement, delivery or exercise.
    Source: docs-v5 "Estimated delivery/exercise/settlement price channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    settlement_type: str = field(default="", name="settleType")
    price: Number | None = field(default=None, name="settlePx")


class LiquidationDetail(msgspec.Struct, kw_only=True, gc=False):
    """One forced order: sell with position_side long closes a long position.

    bankruptcy_price: at which the position is worth nothing; loss: beyond it; size: contracts.
    """

    side: str = ""
    position_side: str = field(default="", name="posSide")
    bankruptcy_price: Number | None = field(default=None, name="bkPx")
    loss: Number | None = field(default=None, name="bkLoss")
    size: Number | None = field(default=None, name="sz")
    currency: str = field(default="", name="ccy")
    ts_ms: int | None = field(default=None, name="ts")


class Liquidation(Push, kw_only=True, gc=False):
    """Liquidations of an instrument (`liquidation-orders`): OKX sends at most one a second, never all.

    Source: docs-v5 "Liquidation orders channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    instrument_family: str = field(default="", name="instFamily")
    underlying: str = field(default="", name="uly")
    details: list[LiquidationDetail] = field(default_factory=list)

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, *(detail.ts_ms for detail in reversed(self.details)))


class AdlWarning(Timed, kw_only=True, gc=False):
    """Auto-deleveraging is near or active (`adl-warning`): then once a second, nothing in the normal state.

    state: warning or adl. balance: of the insurance fund, USD or currency. Most other figures are None since
    2026-06-09.
    Source: docs-v5 "ADL warning channel".
    """

    instrument_type: str = field(default="", name="instType")
    instrument_family: str = field(default="", name="instFamily")
    instrument: str = field(default="", name="instId")
    currency: str = field(default="", name="ccy")
    state: str = ""
    balance: Number | None = field(default=None, name="bal")
    max_balance: Number | None = field(default=None, name="maxBal")
    max_balance_ms: int | None = field(default=None, name="maxBalTs")
    adl_type: str = field(default="", name="adlType")
    adl_balance: Number | None = field(default=None, name="adlBal")
    adl_recovery_balance: Number | None = field(default=None, name="adlRecBal")
    decline_rate: Number | None = field(default=None, name="decRate")
    adl_rate: Number | None = field(default=None, name="adlRate")
    adl_recovery_rate: Number | None = field(default=None, name="adlRecRate")


class CallAuction(Timed, kw_only=True, gc=False):
    """Call auction of a new instrument (`call-auction-details`).

    equilibrium_price: the price at which most would match; state: call_auction or continuous_trading.
    Source: docs-v5 "Call auction details channel".
    """

    instrument: str = field(name="instId")
    equilibrium_price: Number | None = field(default=None, name="eqPx")
    matched_size: Number | None = field(default=None, name="matchedSz")
    unmatched_size: Number | None = field(default=None, name="unmatchedSz")
    auction_end_ms: int | None = field(default=None, name="auctionEndTime")
    state: str = ""


def _whole(value: Any) -> int:
    """Return a time or an id; JSON numbers such as 7.0 count too."""
    number = number_of(value)
    text = str(value)
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(text) if text.removeprefix("-").isdecimal() else int(number)
