"""Own account events: balances, positions, greeks, warnings, deposits, withdrawals.

Numbers are Decimal, None where OKX leaves them empty.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from okex_ws.events.base import Push, Timed
from okex_ws.events.dated import Dated, event_time


class Balance(msgspec.Struct, kw_only=True, gc=False):
    """One currency of an account, in that currency unless the name says usd.

    equity: total; cash: without positions; available, frozen, in_orders: parts of the cash. liability and
    interest: positive if owed.
    """

    currency: str = field(default="", name="ccy")
    equity: Decimal | None = field(default=None, name="eq")
    cash: Decimal | None = field(default=None, name="cashBal")
    updated_ms: int | None = field(default=None, name="uTime")
    isolated_equity: Decimal | None = field(default=None, name="isoEq")
    available_equity: Decimal | None = field(default=None, name="availEq")
    discounted_equity_usd: Decimal | None = field(default=None, name="disEq")
    fixed: Decimal | None = field(default=None, name="fixedBal")
    available: Decimal | None = field(default=None, name="availBal")
    frozen: Decimal | None = field(default=None, name="frozenBal")
    in_orders: Decimal | None = field(default=None, name="ordFrozen")
    liability: Decimal | None = field(default=None, name="liab")
    unrealized_profit: Decimal | None = field(default=None, name="upl")
    unrealized_loss_liability: Decimal | None = field(default=None, name="uplLiab")
    cross_liability: Decimal | None = field(default=None, name="crossLiab")
    reward: Decimal | None = field(default=None, name="rewardBal")
    isolated_liability: Decimal | None = field(default=None, name="isoLiab")
    margin_ratio: Decimal | None = field(default=None, name="mgnRatio")
    initial_margin: Decimal | None = field(default=None, name="imr")
    maintenance_margin: Decimal | None = field(default=None, name="mmr")
    interest: Decimal | None = None
    forced_repayment_level: str = field(default="", name="twap")
    forced_repayment_type: str = field(default="", name="frpType")
    max_loan: Decimal | None = field(default=None, name="maxLoan")
    equity_usd: Decimal | None = field(default=None, name="eqUsd")
    borrow_frozen_usd: Decimal | None = field(default=None, name="borrowFroz")
    notional_leverage: Decimal | None = field(default=None, name="notionalLever")
    price_usd: Decimal | None = field(default=None, name="coinUsdPrice")
    strategy_equity: Decimal | None = field(default=None, name="stgyEq")
    isolated_unrealized_profit: Decimal | None = field(default=None, name="isoUpl")
    spot_in_use: Decimal | None = field(default=None, name="spotInUseAmt")
    client_spot_in_use: Decimal | None = field(default=None, name="clSpotInUseAmt")
    max_spot_in_use: Decimal | None = field(default=None, name="maxSpotInUseAmt")
    spot_isolated: Decimal | None = field(default=None, name="spotIsoBal")
    smart_sync_equity: Decimal | None = field(default=None, name="smtSyncEq")
    spot_copy_trading_equity: Decimal | None = field(default=None, name="spotCopyTradingEq")
    spot: Decimal | None = field(default=None, name="spotBal")
    open_average_price: Decimal | None = field(default=None, name="openAvgPx")
    accumulated_average_price: Decimal | None = field(default=None, name="accAvgPx")
    spot_unrealized_profit: Decimal | None = field(default=None, name="spotUpl")
    spot_unrealized_profit_ratio: Decimal | None = field(default=None, name="spotUplRatio")
    total_profit: Decimal | None = field(default=None, name="totalPnl")
    total_profit_ratio: Decimal | None = field(default=None, name="totalPnlRatio")
    is_collateral: bool | None = field(default=None, name="collateralEnabled")
    is_collateral_restricted: bool | None = field(default=None, name="collateralRestrict")
    collateral_restriction: str = field(default="", name="colRes")
    collateral_auto_conversion: str = field(default="", name="colBorrAutoConversion")
    auto_lend_state: str = field(default="", name="autoLendStatus")
    auto_lend_matched: Decimal | None = field(default=None, name="autoLendMtAmt")


class AccountUpdate(Push, kw_only=True, gc=False):
    """Own balances (`account`): a snapshot of all that are not zero, then changed ones; also about every 5 s.

    event_type: snapshot or event_update; page (from 1), is_last_page: of a snapshot in several pushes.
    Totals are US dollars. A currency that is not listed in an event_update has not changed;
    it is not zero.
    Source: docs-v5 "Account channel".
    """

    event_type: str = field(default="", name="$eventType")
    page: int | None = field(default=None, name="$curPage")
    is_last_page: bool | None = field(default=None, name="$lastPage")
    updated_ms: int | None = field(default=None, name="uTime")
    total_equity: Decimal | None = field(default=None, name="totalEq")
    isolated_equity: Decimal | None = field(default=None, name="isoEq")
    adjusted_equity: Decimal | None = field(default=None, name="adjEq")
    available_equity: Decimal | None = field(default=None, name="availEq")
    in_orders: Decimal | None = field(default=None, name="ordFroz")
    initial_margin: Decimal | None = field(default=None, name="imr")
    maintenance_margin: Decimal | None = field(default=None, name="mmr")
    borrow_frozen: Decimal | None = field(default=None, name="borrowFroz")
    margin_ratio: Decimal | None = field(default=None, name="mgnRatio")
    notional: Decimal | None = field(default=None, name="notionalUsd")
    notional_borrow: Decimal | None = field(default=None, name="notionalUsdForBorrow")
    notional_swap: Decimal | None = field(default=None, name="notionalUsdForSwap")
    notional_futures: Decimal | None = field(default=None, name="notionalUsdForFutures")
    notional_option: Decimal | None = field(default=None, name="notionalUsdForOption")
    unrealized_profit: Decimal | None = field(default=None, name="upl")
    delta: Decimal | None = None
    delta_leverage: Decimal | None = field(default=None, name="deltaLever")
    delta_neutral_state: str = field(default="", name="deltaNeutralStatus")
    balances: list[Balance] = field(default_factory=list, name="details")

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, self.updated_ms)


class CloseOrder(msgspec.Struct, kw_only=True, gc=False):
    """Take-profit or stop-loss order that closes a position; close_fraction: 1 closes all of it."""

    algo_id: str = field(default="", name="algoId")
    stop_loss_trigger_price: Decimal | None = field(default=None, name="slTriggerPx")
    stop_loss_trigger_type: str = field(default="", name="slTriggerPxType")
    take_profit_trigger_price: Decimal | None = field(default=None, name="tpTriggerPx")
    take_profit_trigger_type: str = field(default="", name="tpTriggerPxType")
    close_fraction: Decimal | None = field(default=None, name="closeFraction")


class PositionUpdate(Dated, kw_only=True, gc=False):
    """Own position (`positions`): a snapshot of those that are not zero, then changes; also about every 5 s.

    event_type, page, is_last_page: as in AccountUpdate. size: contracts (margin: coins), negative when net
    short, 0 once closed. realized_profit = profit + fee + funding_fee + liquidation_penalty + settled_profit.
    Greeks: _bs in US dollars, _pa in coins. adl_rank: 1 to 5; higher ranks are deleveraged sooner.
    Source: docs-v5 "Positions channel".
    """

    event_type: str = field(default="", name="$eventType")
    page: int | None = field(default=None, name="$curPage")
    is_last_page: bool | None = field(default=None, name="$lastPage")
    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    position_id: str = field(default="", name="posId")
    position_side: str = field(default="", name="posSide")
    margin_mode: str = field(default="", name="mgnMode")
    size: Decimal | None = field(default=None, name="pos")
    hedged_size: Decimal | None = field(default=None, name="hedgedPos")
    position_currency: str = field(default="", name="posCcy")
    available_size: Decimal | None = field(default=None, name="availPos")
    average_price: Decimal | None = field(default=None, name="avgPx")
    non_settled_average_price: Decimal | None = field(default=None, name="nonSettleAvgPx")
    mark_price: Decimal | None = field(default=None, name="markPx")
    unrealized_profit: Decimal | None = field(default=None, name="upl")
    unrealized_profit_ratio: Decimal | None = field(default=None, name="uplRatio")
    unrealized_profit_at_last: Decimal | None = field(default=None, name="uplLastPx")
    unrealized_profit_ratio_at_last: Decimal | None = field(default=None, name="uplRatioLastPx")
    leverage: Decimal | None = field(default=None, name="lever")
    liquidation_price: Decimal | None = field(default=None, name="liqPx")
    initial_margin: Decimal | None = field(default=None, name="imr")
    margin: Decimal | None = None
    margin_ratio: Decimal | None = field(default=None, name="mgnRatio")
    maintenance_margin: Decimal | None = field(default=None, name="mmr")
    liability: Decimal | None = field(default=None, name="liab")
    liability_currency: str = field(default="", name="liabCcy")
    interest: Decimal | None = None
    trade_id: int | None = field(default=None, name="tradeId")
    notional_usd: Decimal | None = field(default=None, name="notionalUsd")
    option_value: Decimal | None = field(default=None, name="optVal")
    pending_close_liability: Decimal | None = field(default=None, name="pendingCloseOrdLiabVal")
    adl_rank: int | None = field(default=None, name="adl")
    currency: str = field(default="", name="ccy")
    last_price: Decimal | None = field(default=None, name="last")
    index_price: Decimal | None = field(default=None, name="idxPx")
    price_usd: Decimal | None = field(default=None, name="usdPx")
    break_even_price: Decimal | None = field(default=None, name="bePx")
    delta_bs: Decimal | None = field(default=None, name="deltaBS")
    delta_pa: Decimal | None = field(default=None, name="deltaPA")
    gamma_bs: Decimal | None = field(default=None, name="gammaBS")
    gamma_pa: Decimal | None = field(default=None, name="gammaPA")
    theta_bs: Decimal | None = field(default=None, name="thetaBS")
    theta_pa: Decimal | None = field(default=None, name="thetaPA")
    vega_bs: Decimal | None = field(default=None, name="vegaBS")
    vega_pa: Decimal | None = field(default=None, name="vegaPA")
    spot_in_use: Decimal | None = field(default=None, name="spotInUseAmt")
    spot_in_use_currency: str = field(default="", name="spotInUseCcy")
    client_spot_in_use: Decimal | None = field(default=None, name="clSpotInUseAmt")
    max_spot_in_use: Decimal | None = field(default=None, name="maxSpotInUseAmt")
    business_id: str = field(default="", name="bizRefId")
    business_type: str = field(default="", name="bizRefType")
    realized_profit: Decimal | None = field(default=None, name="realizedPnl")
    settled_profit: Decimal | None = field(default=None, name="settledPnl")
    profit: Decimal | None = field(default=None, name="pnl")
    fee: Decimal | None = None
    funding_fee: Decimal | None = field(default=None, name="fundingFee")
    liquidation_penalty: Decimal | None = field(default=None, name="liqPenalty")
    base_borrowed: Decimal | None = field(default=None, name="baseBorrowed")
    base_interest: Decimal | None = field(default=None, name="baseInterest")
    quote_borrowed: Decimal | None = field(default=None, name="quoteBorrowed")
    quote_interest: Decimal | None = field(default=None, name="quoteInterest")
    close_orders: list[CloseOrder] = field(default_factory=list, name="closeOrderAlgo")
    pushed_ms: int | None = field(default=None, name="pTime")


class BalanceChange(msgspec.Struct, kw_only=True, gc=False):
    """Cash of one currency after a change."""

    currency: str = field(default="", name="ccy")
    cash: Decimal | None = field(default=None, name="cashBal")
    updated_ms: int | None = field(default=None, name="uTime")


class PositionChange(msgspec.Struct, kw_only=True, gc=False):
    """Position after a change; size: contracts (margin: coins)."""

    position_id: str = field(default="", name="posId")
    trade_id: int | None = field(default=None, name="tradeId")
    instrument: str = field(default="", name="instId")
    instrument_type: str = field(default="", name="instType")
    margin_mode: str = field(default="", name="mgnMode")
    average_price: Decimal | None = field(default=None, name="avgPx")
    currency: str = field(default="", name="ccy")
    position_side: str = field(default="", name="posSide")
    size: Decimal | None = field(default=None, name="pos")
    position_currency: str = field(default="", name="posCcy")
    non_settled_average_price: Decimal | None = field(default=None, name="nonSettleAvgPx")
    settled_profit: Decimal | None = field(default=None, name="settledPnl")
    updated_ms: int | None = field(default=None, name="uTime")


class TradeReference(msgspec.Struct, kw_only=True, gc=False):
    """Execution that caused a change."""

    instrument: str = field(default="", name="instId")
    trade_id: int | None = field(default=None, name="tradeId")


class BalanceAndPosition(Push, kw_only=True, gc=False):
    """Cash and positions right after an event (`balance_and_position`), the fastest feed of balances.

    cause: snapshot, filled, transferred, liquidation, funding_fee, settlement and others.
    Source: docs-v5 "Balance and position channel".
    """

    cause: str = field(default="", name="eventType")
    balances: list[BalanceChange] = field(default_factory=list, name="balData")
    positions: list[PositionChange] = field(default_factory=list, name="posData")
    trades: list[TradeReference] = field(default_factory=list)
    pushed_ms: int | None = field(default=None, name="pTime")

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, self.pushed_ms)


class LiquidationWarning(Dated, kw_only=True, gc=False):
    """Own position near its liquidation (`liquidation-warning`). OKX may liquidate without this warning.

    Source: docs-v5 "Position risk warning".
    """

    instrument: str = field(name="instId")
    instrument_type: str = field(default="", name="instType")
    margin_mode: str = field(default="", name="mgnMode")
    position_id: str = field(default="", name="posId")
    position_side: str = field(default="", name="posSide")
    size: Decimal | None = field(default=None, name="pos")
    position_currency: str = field(default="", name="posCcy")
    leverage: Decimal | None = field(default=None, name="lever")
    mark_price: Decimal | None = field(default=None, name="markPx")
    margin_ratio: Decimal | None = field(default=None, name="mgnRatio")
    currency: str = field(default="", name="ccy")
    pushed_ms: int | None = field(default=None, name="pTime")


class AccountGreeks(Timed, kw_only=True, gc=False):
    """Greeks of one currency's positions and cash (`account-greeks`): _bs in US dollars, _pa in coins.

    Source: docs-v5 "Account greeks channel".
    """

    currency: str = field(name="ccy")
    delta_bs: Decimal | None = field(default=None, name="deltaBS")
    delta_pa: Decimal | None = field(default=None, name="deltaPA")
    gamma_bs: Decimal | None = field(default=None, name="gammaBS")
    gamma_pa: Decimal | None = field(default=None, name="gammaPA")
    theta_bs: Decimal | None = field(default=None, name="thetaBS")
    theta_pa: Decimal | None = field(default=None, name="thetaPA")
    vega_bs: Decimal | None = field(default=None, name="vegaBS")
    vega_pa: Decimal | None = field(default=None, name="vegaPA")


class Transfer(Push, kw_only=True, gc=False):
    """Common fields of deposits and withdrawals.

    size: in `currency`; state: OKX's number; user, sub_account: whose. sender, receiver: addresses or
    accounts; sender_area: dialing code when they are telephone numbers.
    """

    user: str = field(default="", name="uid")
    sub_account: str = field(default="", name="subAcct")
    pushed_ms: int | None = field(default=None, name="pTime")
    currency: str = field(default="", name="ccy")
    chain: str = ""
    size: Decimal | None = field(default=None, name="amt")
    sender: str = field(default="", name="from")
    sender_area: str = field(default="", name="areaCodeFrom")
    receiver: str = field(default="", name="to")
    transaction_id: str = field(default="", name="txId")
    ts_ms: int | None = field(default=None, name="ts")
    state: str = ""

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, self.pushed_ms, self.ts_ms)


class Deposit(Transfer, kw_only=True, gc=False):
    """A deposit changed its state (`deposit-info`, business); `state` shows when it can be used.

    confirmations: blocks so far.
    Source: docs-v5 "Deposit info channel".
    """

    deposit_id: str = field(name="depId")
    sender_withdrawal_id: str = field(default="", name="fromWdId")
    confirmations: int | None = field(default=None, name="actualDepBlkConfirm")


class Withdrawal(Transfer, kw_only=True, gc=False):
    """A withdrawal changed its state (`withdrawal-info`, business).

    address_tags: what the address needs besides, by name.
    Source: docs-v5 "Withdrawal info channel".
    """

    withdrawal_id: str = field(name="wdId")
    is_not_tradable: bool | None = field(default=None, name="nonTradableAsset")
    receiver_area: str = field(default="", name="areaCodeTo")
    receiver_type: str = field(default="", name="toAddrType")
    tag: str = ""
    payment_id: str = field(default="", name="pmtId")
    memo: str = ""
    address_tags: dict[str, Any] | None = field(default=None, name="addrEx")
    fee: Decimal | None = None
    fee_currency: str = field(default="", name="feeCcy")
    client_id: str = field(default="", name="clientId")
    note: str = ""
