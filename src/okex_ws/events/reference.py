"""Reference data events: instruments, event contracts, the exchange's own state, the economic calendar."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import field

from okex_ws.events.base import Number, Push, Timed


class UpcomingChange(msgspec.Struct, kw_only=True, gc=False):
    """Announced change of an instrument; parameter: its wire name, e.g. tickSz; new_value: its text."""

    parameter: str = field(default="", name="param")
    new_value: str = field(default="", name="newValue")
    effective_ms: int | None = field(default=None, name="effTime")


class Instrument(Push, kw_only=True, gc=False):
    """Trading rules of one instrument (`instruments`, and the rows of GET /api/v5/public/instruments).

    The channel sends changes only: load the list over REST, then replace single instruments; never the
    catalogue. code: `instIdCode`, the address of orders over WebSocket; differs between production and
    demo. Steps, limits and contract values are Decimal, because they apply to orders; sizes are contracts on
    derivatives, base currency on spot; notional limits are US dollars. state: live, suspend, expired, rebase,
    post_only, preopen, test, settling. A row before its listing has most fields empty. rule_type: normal,
    pre_market, rebase_contract, xperp.
    Source: docs-v5 "Instruments channel", "Get instruments".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    series: str = field(default="", name="seriesId")
    code: int | None = field(default=None, name="instIdCode")
    underlying: str = field(default="", name="uly")
    instrument_family: str = field(default="", name="instFamily")
    fee_group: str = field(default="", name="groupId")
    category: str = ""
    instrument_category: str = field(default="", name="instCategory")
    base_currency: str = field(default="", name="baseCcy")
    quote_currency: str = field(default="", name="quoteCcy")
    settlement_currency: str = field(default="", name="settleCcy")
    trade_quote_currencies: list[str] = field(default_factory=list, name="tradeQuoteCcyList")
    contract_value: Decimal | None = field(default=None, name="ctVal")
    contract_multiplier: Decimal | None = field(default=None, name="ctMult")
    contract_value_currency: str = field(default="", name="ctValCcy")
    contract_type: str = field(default="", name="ctType")
    option_type: str = field(default="", name="optType")
    strike_price: Decimal | None = field(default=None, name="stk")
    listing_ms: int | None = field(default=None, name="listTime")
    auction_end_ms: int | None = field(default=None, name="auctionEndTime")
    continuous_trading_ms: int | None = field(default=None, name="contTdSwTime")
    pre_market_switch_ms: int | None = field(default=None, name="preMktSwTime")
    opening_type: str = field(default="", name="openType")
    expiry_ms: int | None = field(default=None, name="expTime")
    max_leverage: Decimal | None = field(default=None, name="lever")
    tick_size: Decimal | None = field(default=None, name="tickSz")
    lot_size: Decimal | None = field(default=None, name="lotSz")
    min_size: Decimal | None = field(default=None, name="minSz")
    alias: str = ""
    state: str = ""
    rule_type: str = field(default="", name="ruleType")
    max_limit_size: Decimal | None = field(default=None, name="maxLmtSz")
    max_market_size: Decimal | None = field(default=None, name="maxMktSz")
    max_limit_notional: Decimal | None = field(default=None, name="maxLmtAmt")
    max_market_notional: Decimal | None = field(default=None, name="maxMktAmt")
    max_twap_size: Decimal | None = field(default=None, name="maxTwapSz")
    max_iceberg_size: Decimal | None = field(default=None, name="maxIcebergSz")
    max_trigger_size: Decimal | None = field(default=None, name="maxTriggerSz")
    max_stop_size: Decimal | None = field(default=None, name="maxStopSz")
    is_daily_settled: bool | None = field(default=None, name="futureSettlement")
    position_limit_notional: Decimal | None = field(default=None, name="posLmtAmt")
    position_limit_percent: Decimal | None = field(default=None, name="posLmtPct")
    platform_open_interest_limit: Decimal | None = field(default=None, name="maxPlatOILmt")
    rpi_min_level: Decimal | None = field(default=None, name="rpiMinLevel")
    rpi_min_price_band: Decimal | None = field(default=None, name="rpiMinPxBand")
    upcoming_changes: list[UpcomingChange] = field(default_factory=list, name="upcChg")


class EventContract(Push, kw_only=True, gc=False):
    """Market of one event contract (`event-contract-markets`): its question and outcome; changes only.

    floor_strike, cap_strike: bounds that the price must reach; outcome: yes, no or "" while open;
    settlement_value: paid per contract.
    Source: docs-v5 "Event contract markets channel".
    """

    instrument: str = field(name="instId")
    series: str = field(default="", name="seriesId")
    event: str = field(default="", name="eventId")
    listing_ms: int | None = field(default=None, name="listTime")
    fixing_ms: int | None = field(default=None, name="fixTime")
    expiry_ms: int | None = field(default=None, name="expTime")
    state: str = ""
    is_disputed: bool | None = field(default=None, name="disputed")
    outcome: str = ""
    floor_strike: Number | None = field(default=None, name="floorStrike")
    cap_strike: Number | None = field(default=None, name="capStrike")
    hit_direction: str = field(default="", name="hitDir")
    settlement_value: Number | None = field(default=None, name="settleValue")


class SystemStatus(Timed, kw_only=True, gc=False):
    """Maintenance of OKX (`status`): the latest one on subscribe, then each change.

    state: scheduled, ongoing, pre_open, completed, canceled. begin_ms to end_ms; pre_open_begin_ms: start
    of cancels and post-only orders. service: "0" WebSocket, "5" trading, "6" block, "7" bots, "8" and "9" batches,
    "10" spreads, "11" copy, "99" other. maintenance: "1" scheduled, "2" unscheduled, "3" disruption.
    environment: "1" production, "2" demo.
    Source: docs-v5 "Status channel".
    """

    title: str = ""
    state: str = ""
    begin_ms: int | None = field(default=None, name="begin")
    end_ms: int | None = field(default=None, name="end")
    pre_open_begin_ms: int | None = field(default=None, name="preOpenBegin")
    url: str = field(default="", name="href")
    service: str = field(default="", name="serviceType")
    system: str = ""
    reschedule_note: str = field(default="", name="scheDesc")
    maintenance: str = field(default="", name="maintType")
    environment: str = field(default="", name="env")


class EconomicEvent(Timed, kw_only=True, gc=False):
    """Entry of the economic calendar (`economic-calendar`; login, VIP1 or higher, production only).

    The figures are texts as published, e.g. "2.9%". importance: "1" low to "3" high. date_span: "0" the exact
    time is known, "1" only the day. ts_ms: last change of the entry.
    Source: docs-v5 "Economic calendar channel".
    """

    calendar_id: str = field(name="calendarId")
    scheduled_ms: int | None = field(default=None, name="date")
    region: str = ""
    category: str = ""
    event: str = ""
    reference_ms: int | None = field(default=None, name="refDate")
    actual: str = ""
    previous: str = ""
    forecast: str = ""
    previous_initial: str = field(default="", name="prevInitial")
    importance: str = ""
    currency: str = field(default="", name="ccy")
    unit: str = ""
    date_span: str = field(default="", name="dateSpan")
