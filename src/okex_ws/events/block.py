"""Block trading and spread events: public trades, tickers, quotes and requests for them, own fills."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import field

from okex_ws.events.base import Number, Timed
from okex_ws.events.dated import Dated


class BlockTradeLeg(msgspec.Struct, kw_only=True, gc=False):
    """One instrument of a public block trade; size: contracts, on spot base currency."""

    instrument: str = field(default="", name="instId")
    price: Number | None = field(default=None, name="px")
    size: Number | None = field(default=None, name="sz")
    side: str = ""
    trade_id: int | None = field(default=None, name="tradeId")


class BlockStructureTrade(Dated, kw_only=True, gc=False):
    """A public block trade of several legs (`public-struc-block-trades`), sent 15 minutes late.

    Source: docs-v5 "Public structure block trades channel".
    """

    block_trade_id: str = field(name="blockTdId")
    group_id: str = field(default="", name="groupId")
    legs: list[BlockTradeLeg] = field(default_factory=list)


class BlockTrade(Timed, kw_only=True, gc=False):
    """One leg of a public block trade (`public-block-trades`), sent 15 minutes late.

    volatility, forward_price, index_price, mark_price: of options, if known.
    Source: docs-v5 "Public block trades channel".
    """

    instrument: str = field(name="instId")
    trade_id: int = field(name="tradeId")
    price: Number = field(name="px")
    size: Number = field(name="sz")
    side: str
    volatility: Number | None = field(default=None, name="fillVol")
    forward_price: Number | None = field(default=None, name="fwdPx")
    index_price: Number | None = field(default=None, name="idxPx")
    mark_price: Number | None = field(default=None, name="markPx")
    group_id: str = field(default="", name="groupId")


class BlockTicker(Timed, kw_only=True, gc=False):
    """Block trading volume of 24 h (`block-tickers`), in the units of Ticker.

    Source: docs-v5 "Block tickers channel".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    volume_currency_24h: Number | None = field(default=None, name="volCcy24h")
    volume_24h: Number | None = field(default=None, name="vol24h")


class RfqLeg(msgspec.Struct, kw_only=True, gc=False):
    """One instrument of a request for quotes."""

    instrument: str = field(default="", name="instId")
    trade_mode: str = field(default="", name="tdMode")
    currency: str = field(default="", name="ccy")
    size: Decimal | None = field(default=None, name="sz")
    side: str = ""
    position_side: str = field(default="", name="posSide")
    target_currency: str = field(default="", name="tgtCcy")
    trade_quote_currency: str = field(default="", name="tradeQuoteCcy")


class RfqAllocation(msgspec.Struct, kw_only=True, gc=False):
    """Part of one account in a group request; code "0" or "" if it was accepted."""

    account: str = field(default="", name="acct")
    code: str = field(default="", name="sCode")
    message: str = field(default="", name="sMsg")
    legs: list[RfqLeg] = field(default_factory=list)


class Rfq(Dated, kw_only=True, gc=False):
    """Request for quotes, ours or sent to us (`rfqs`).

    state: active, canceled, pending_fill, filled, traded_away, expired, failed.
    Source: docs-v5 "RFQs channel".
    """

    rfq_id: str = field(name="rfqId")
    client_rfq_id: str = field(default="", name="clRfqId")
    tag: str = ""
    state: str = ""
    flow_type: str = field(default="", name="flowType")
    trader: str = field(default="", name="traderCode")
    valid_until_ms: int | None = field(default=None, name="validUntil")
    allows_partial: bool | None = field(default=None, name="allowPartialExecution")
    counterparties: list[str] = field(default_factory=list)
    group_id: str = field(default="", name="groupId")
    reason: str = ""
    legs: list[RfqLeg] = field(default_factory=list)
    allocations: list[RfqAllocation] = field(default_factory=list, name="acctAlloc")


class QuoteLeg(RfqLeg, kw_only=True, gc=False):
    """One instrument of a quote: a leg of the request, priced."""

    price: Decimal | None = field(default=None, name="px")


class Quote(Dated, kw_only=True, gc=False):
    """Answer to a request for quotes (`quotes`).

    Source: docs-v5 "Quotes channel".
    """

    quote_id: str = field(name="quoteId")
    client_quote_id: str = field(default="", name="clQuoteId")
    rfq_id: str = field(default="", name="rfqId")
    client_rfq_id: str = field(default="", name="clRfqId")
    tag: str = ""
    valid_until_ms: int | None = field(default=None, name="validUntil")
    trader: str = field(default="", name="traderCode")
    side: str = field(default="", name="quoteSide")
    state: str = ""
    reason: str = ""
    legs: list[QuoteLeg] = field(default_factory=list)


class BlockFillLeg(msgspec.Struct, kw_only=True, gc=False):
    """One instrument of our block trade; a negative fee was charged."""

    instrument: str = field(default="", name="instId")
    price: Decimal | None = field(default=None, name="px")
    size: Decimal | None = field(default=None, name="sz")
    side: str = ""
    fee: Decimal | None = None
    fee_currency: str = field(default="", name="feeCcy")
    trade_id: int | None = field(default=None, name="tradeId")
    target_currency: str = field(default="", name="tgtCcy")
    trade_quote_currency: str = field(default="", name="tradeQuoteCcy")


class BlockFillAllocation(msgspec.Struct, kw_only=True, gc=False):
    """Part of one account in our block trade."""

    block_trade_id: str = field(default="", name="blockTdId")
    error_code: str = field(default="", name="errorCode")
    account: str = field(default="", name="acct")
    legs: list[BlockFillLeg] = field(default_factory=list)


class BlockFill(Dated, kw_only=True, gc=False):
    """Our block trade, done or failed (`struc-block-trades`). taker, maker: trader codes.

    Source: docs-v5 "Structure block trades channel".
    """

    rfq_id: str = field(default="", name="rfqId")
    client_rfq_id: str = field(default="", name="clRfqId")
    quote_id: str = field(default="", name="quoteId")
    client_quote_id: str = field(default="", name="clQuoteId")
    block_trade_id: str = field(default="", name="blockTdId")
    group_id: str = field(default="", name="groupId")
    tag: str = ""
    taker: str = field(default="", name="tTraderCode")
    maker: str = field(default="", name="mTraderCode")
    is_successful: bool | None = field(default=None, name="isSuccessful")
    error_code: str = field(default="", name="errorCode")
    legs: list[BlockFillLeg] = field(default_factory=list)
    allocations: list[BlockFillAllocation] = field(default_factory=list, name="acctAlloc")


class SpreadTrade(Timed, kw_only=True, gc=False):
    """Public trade of a spread (`sprd-public-trades`); price may be zero or negative. instrument: `sprdId`.

    Source: docs-v5 "Spread public trades channel".
    """

    instrument: str = field(name="sprdId")
    trade_id: int = field(name="tradeId")
    price: Number = field(name="px")
    size: Number = field(name="sz")
    side: str


class SpreadTicker(Timed, kw_only=True, gc=False):
    """Last price, best bid and ask, 24 h figures of a spread (`sprd-tickers`); prices may be negative.

    Source: docs-v5 "Spread tickers channel".
    """

    instrument: str = field(name="sprdId")
    last: Number | None = None
    last_size: Number | None = field(default=None, name="lastSz")
    best_ask: Number | None = field(default=None, name="askPx")
    best_ask_size: Number | None = field(default=None, name="askSz")
    best_bid: Number | None = field(default=None, name="bidPx")
    best_bid_size: Number | None = field(default=None, name="bidSz")
    open_24h: Number | None = field(default=None, name="open24h")
    high_24h: Number | None = field(default=None, name="high24h")
    low_24h: Number | None = field(default=None, name="low24h")
    volume_24h: Number | None = field(default=None, name="vol24h")


class SpreadOrderUpdate(Dated, kw_only=True, gc=False):
    """Our spread order changed (`sprd-orders`); without fees, which SpreadFill has.

    pending_fill_size, pending_settlement_size: not yet matched, matched but not yet settled. fill_price,
    fill_size, trade_id: of this update only.
    Source: docs-v5 "Spread orders channel".
    """

    instrument: str = field(name="sprdId")
    order_id: str = field(name="ordId")
    client_order_id: str = field(default="", name="clOrdId")
    tag: str = ""
    price: Decimal | None = field(default=None, name="px")
    size: Decimal | None = field(default=None, name="sz")
    order_type: str = field(default="", name="ordType")
    side: str = ""
    fill_size: Decimal | None = field(default=None, name="fillSz")
    fill_price: Decimal | None = field(default=None, name="fillPx")
    trade_id: int | None = field(default=None, name="tradeId")
    filled_size: Decimal | None = field(default=None, name="accFillSz")
    pending_fill_size: Decimal | None = field(default=None, name="pendingFillSz")
    pending_settlement_size: Decimal | None = field(default=None, name="pendingSettleSz")
    canceled_size: Decimal | None = field(default=None, name="canceledSz")
    state: str = ""
    average_price: Decimal | None = field(default=None, name="avgPx")
    cancel_source: str = field(default="", name="cancelSource")
    code: str = ""
    message: str = field(default="", name="msg")
    request_id: str = field(default="", name="reqId")
    amend_result: str = field(default="", name="amendResult")


class SpreadFillLeg(msgspec.Struct, kw_only=True, gc=False):
    """One instrument of our spread fill.

    size: base currency; contracts: the same in contracts, None on spot.
    """

    instrument: str = field(default="", name="instId")
    price: Decimal | None = field(default=None, name="px")
    size: Decimal | None = field(default=None, name="sz")
    contracts: Decimal | None = field(default=None, name="szCont")
    side: str = ""
    profit: Decimal | None = field(default=None, name="fillPnl")
    fee: Decimal | None = None
    fee_currency: str = field(default="", name="feeCcy")
    trade_id: int | None = field(default=None, name="tradeId")


class SpreadFill(Timed, kw_only=True, gc=False):
    """Execution of our spread order, leg by leg with fees (`sprd-trades`). liquidity: T taker, M maker.

    state: filled or rejected, the reason then in code and message.
    Source: docs-v5 "Spread trades channel".
    """

    instrument: str = field(name="sprdId")
    trade_id: int | None = field(default=None, name="tradeId")
    order_id: str = field(default="", name="ordId")
    client_order_id: str = field(default="", name="clOrdId")
    tag: str = ""
    price: Decimal | None = field(default=None, name="fillPx")
    size: Decimal | None = field(default=None, name="fillSz")
    side: str = ""
    state: str = ""
    liquidity: str = field(default="", name="execType")
    legs: list[SpreadFillLeg] = field(default_factory=list)
    code: str = ""
    message: str = field(default="", name="msg")
