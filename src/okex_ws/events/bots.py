"""Own trading bot events: grids, recurring buys, copy trading.

Numbers are Decimal, None where OKX leaves them empty.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from okex_ws.events.base import Push
from okex_ws.events.dated import Dated


class Rebate(msgspec.Struct, kw_only=True, gc=False):
    """A rebate transferred to us."""

    size: Decimal | None = field(default=None, name="rebate")
    currency: str = field(default="", name="rebateCcy")


class GridUpdate(Dated, kw_only=True, gc=False):
    """Common fields of spot and contract grids.

    Profits and investment: quote currency; ratios and rates: fractions. trigger_parameters: OKX's objects
    unchanged; they differ by strategy.
    """

    algo_id: str = field(name="algoId")
    client_algo_id: str = field(default="", name="algoClOrdId")
    algo_order_type: str = field(default="", name="algoOrdType")
    instrument: str = field(default="", name="instId")
    instrument_type: str = field(default="", name="instType")
    state: str = ""
    tag: str = ""
    pushed_ms: int | None = field(default=None, name="pTime")
    rebates: list[Rebate] = field(default_factory=list, name="rebateTrans")
    trigger_parameters: list[dict[str, Any]] = field(default_factory=list, name="triggerParams")
    max_price: Decimal | None = field(default=None, name="maxPx")
    min_price: Decimal | None = field(default=None, name="minPx")
    grid_count: int | None = field(default=None, name="gridNum")
    run_type: str = field(default="", name="runType")
    take_profit_trigger_price: Decimal | None = field(default=None, name="tpTriggerPx")
    stop_loss_trigger_price: Decimal | None = field(default=None, name="slTriggerPx")
    trade_count: int | None = field(default=None, name="tradeNum")
    arbitrage_count: int | None = field(default=None, name="arbitrageNum")
    size_per_grid: Decimal | None = field(default=None, name="singleAmt")
    min_profit_rate: Decimal | None = field(default=None, name="perMinProfitRate")
    max_profit_rate: Decimal | None = field(default=None, name="perMaxProfitRate")
    start_price: Decimal | None = field(default=None, name="runPx")
    total_profit: Decimal | None = field(default=None, name="totalPnl")
    profit_ratio: Decimal | None = field(default=None, name="pnlRatio")
    investment: Decimal | None = None
    grid_profit: Decimal | None = field(default=None, name="gridProfit")
    floating_profit: Decimal | None = field(default=None, name="floatProfit")
    total_annualized_rate: Decimal | None = field(default=None, name="totalAnnualizedRate")
    annualized_rate: Decimal | None = field(default=None, name="annualizedRate")
    cancel_type: str = field(default="", name="cancelType")
    stop_type: str = field(default="", name="stopType")
    active_order_count: int | None = field(default=None, name="activeOrdNum")
    profit_sharing_ratio: Decimal | None = field(default=None, name="profitSharingRatio")
    copy_type: str = field(default="", name="copyType")


class SpotGridUpdate(GridUpdate, kw_only=True, gc=False):
    """Our spot grid changed (`grid-orders-spot`, business).

    quote_size, base_size: invested; current_ ones: held now.
    Source: docs-v5 "Spot grid algo orders channel".
    """

    quote_size: Decimal | None = field(default=None, name="quoteSz")
    base_size: Decimal | None = field(default=None, name="baseSz")
    current_quote_size: Decimal | None = field(default=None, name="curQuoteSz")
    current_base_size: Decimal | None = field(default=None, name="curBaseSz")
    profit: Decimal | None = None
    stop_result: str = field(default="", name="stopResult")
    trade_quote_currency: str = field(default="", name="tradeQuoteCcy")


class ContractGridUpdate(GridUpdate, kw_only=True, gc=False):
    """Our contract grid changed (`grid-orders-contract`, business).

    direction: long, short or neutral; size: margin invested.
    Source: docs-v5 "Contract grid algo orders channel".
    """

    direction: str = ""
    has_base_position: bool | None = field(default=None, name="basePos")
    size: Decimal | None = field(default=None, name="sz")
    leverage: Decimal | None = field(default=None, name="lever")
    actual_leverage: Decimal | None = field(default=None, name="actualLever")
    liquidation_price: Decimal | None = field(default=None, name="liqPx")
    in_orders: Decimal | None = field(default=None, name="ordFrozen")
    available_equity: Decimal | None = field(default=None, name="availEq")
    equity: Decimal | None = field(default=None, name="eq")
    take_profit_ratio: Decimal | None = field(default=None, name="tpRatio")
    stop_loss_ratio: Decimal | None = field(default=None, name="slRatio")
    fee: Decimal | None = None
    funding_fee: Decimal | None = field(default=None, name="fundingFee")


class GridPosition(Dated, kw_only=True, gc=False):
    """Position of our contract grid (`grid-positions`, business).

    Source: docs-v5 "Grid positions channel".
    """

    algo_id: str = field(name="algoId")
    client_algo_id: str = field(default="", name="algoClOrdId")
    instrument: str = field(default="", name="instId")
    instrument_type: str = field(default="", name="instType")
    average_price: Decimal | None = field(default=None, name="avgPx")
    currency: str = field(default="", name="ccy")
    leverage: Decimal | None = field(default=None, name="lever")
    liquidation_price: Decimal | None = field(default=None, name="liqPx")
    position_side: str = field(default="", name="posSide")
    size: Decimal | None = field(default=None, name="pos")
    margin_mode: str = field(default="", name="mgnMode")
    margin_ratio: Decimal | None = field(default=None, name="mgnRatio")
    initial_margin: Decimal | None = field(default=None, name="imr")
    maintenance_margin: Decimal | None = field(default=None, name="mmr")
    unrealized_profit: Decimal | None = field(default=None, name="upl")
    unrealized_profit_ratio: Decimal | None = field(default=None, name="uplRatio")
    last_price: Decimal | None = field(default=None, name="last")
    notional_usd: Decimal | None = field(default=None, name="notionalUsd")
    adl_rank: int | None = field(default=None, name="adl")
    mark_price: Decimal | None = field(default=None, name="markPx")
    pushed_ms: int | None = field(default=None, name="pTime")


class GridOrderUpdate(Dated, kw_only=True, gc=False):
    """One order our grid placed changed (`grid-sub-orders`, business).

    Source: docs-v5 "Grid sub orders channel".
    """

    algo_id: str = field(name="algoId")
    client_algo_id: str = field(default="", name="algoClOrdId")
    order_id: str = field(name="ordId")
    instrument: str = field(default="", name="instId")
    instrument_type: str = field(default="", name="instType")
    algo_order_type: str = field(default="", name="algoOrdType")
    group_id: str = field(default="", name="groupId")
    trade_mode: str = field(default="", name="tdMode")
    currency: str = field(default="", name="ccy")
    order_type: str = field(default="", name="ordType")
    size: Decimal | None = field(default=None, name="sz")
    state: str = ""
    side: str = ""
    price: Decimal | None = field(default=None, name="px")
    fee: Decimal | None = None
    fee_currency: str = field(default="", name="feeCcy")
    rebate: Decimal | None = None
    rebate_currency: str = field(default="", name="rebateCcy")
    average_price: Decimal | None = field(default=None, name="avgPx")
    filled_size: Decimal | None = field(default=None, name="accFillSz")
    position_side: str = field(default="", name="posSide")
    profit: Decimal | None = field(default=None, name="pnl")
    contract_value: Decimal | None = field(default=None, name="ctVal")
    leverage: Decimal | None = field(default=None, name="lever")
    tag: str = ""
    pushed_ms: int | None = field(default=None, name="pTime")


class RecurringPart(msgspec.Struct, kw_only=True, gc=False):
    """One currency of a recurring buy; ratio: its fraction of each investment; total_size: bought so far."""

    currency: str = field(default="", name="ccy")
    ratio: Decimal | None = None
    price: Decimal | None = field(default=None, name="px")
    average_price: Decimal | None = field(default=None, name="avgPx")
    profit: Decimal | None = None
    total_size: Decimal | None = field(default=None, name="totalAmt")


class RecurringBuyUpdate(Dated, kw_only=True, gc=False):
    """Our recurring buy changed (`algo-recurring-buy`, business).

    period: hourly, daily, weekly or monthly; recurring_day, recurring_hour, recurring_time, time_zone: its
    times, in OKX's form. investment_per_period, invested: in investment_currency.
    Source: docs-v5 "Recurring buy orders channel".
    """

    algo_id: str = field(name="algoId")
    client_algo_id: str = field(default="", name="algoClOrdId")
    instrument_type: str = field(default="", name="instType")
    pushed_ms: int | None = field(default=None, name="pTime")
    algo_order_type: str = field(default="", name="algoOrdType")
    state: str = ""
    name: str = field(default="", name="stgyName")
    parts: list[RecurringPart] = field(default_factory=list, name="recurringList")
    period: str = ""
    recurring_day: str = field(default="", name="recurringDay")
    recurring_hour: str = field(default="", name="recurringHour")
    recurring_time: str = field(default="", name="recurringTime")
    time_zone: str = field(default="", name="timeZone")
    investment_per_period: Decimal | None = field(default=None, name="amt")
    invested: Decimal | None = field(default=None, name="investmentAmt")
    investment_currency: str = field(default="", name="investmentCcy")
    next_investment_ms: int | None = field(default=None, name="nextInvestTime")
    tag: str = ""
    total_profit: Decimal | None = field(default=None, name="totalPnl")
    total_annualized_rate: Decimal | None = field(default=None, name="totalAnnRate")
    profit_ratio: Decimal | None = field(default=None, name="pnlRatio")
    market_value: Decimal | None = field(default=None, name="mktCap")
    cycles: int | None = None
    trade_quote_currency: str = field(default="", name="tradeQuoteCcy")


class LeadTradingNotice(Push, kw_only=True, gc=False):
    """Failure or limit of our lead trading (`copytrading-lead-notification`, business).

    notice_type: OKX's number; max_lead_traders, min_lead_equity: the limit reached.
    Source: docs-v5 "Copy trading notification".
    """

    notice_type: str = field(default="", name="infoType")
    sub_position_id: str = field(default="", name="subPosId")
    trader: str = field(default="", name="uniqueCode")
    instrument: str = field(default="", name="instId")
    instrument_type: str = field(default="", name="instType")
    side: str = ""
    position_side: str = field(default="", name="posSide")
    max_lead_traders: int | None = field(default=None, name="maxLeadTraderNum")
    min_lead_equity: Decimal | None = field(default=None, name="minLeadEq")
