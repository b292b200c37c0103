"""Own order events: orders, fills, algo orders. Numbers are Decimal, None where OKX leaves them empty."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import field

from okex_ws.events.base import Timed
from okex_ws.events.dated import Dated, event_time


class AttachedOrder(msgspec.Struct, kw_only=True, gc=False):
    """Take-profit or stop-loss order attached to another one.

    An order price of -1 is a market order. Ratios are fractions of the fill price.
    """

    algo_id: str = field(default="", name="attachAlgoId")
    client_algo_id: str = field(default="", name="attachAlgoClOrdId")
    take_profit_kind: str = field(default="", name="tpOrdKind")
    take_profit_trigger_price: Decimal | None = field(default=None, name="tpTriggerPx")
    take_profit_trigger_ratio: Decimal | None = field(default=None, name="tpTriggerRatio")
    take_profit_trigger_type: str = field(default="", name="tpTriggerPxType")
    take_profit_order_price: Decimal | None = field(default=None, name="tpOrdPx")
    stop_loss_trigger_price: Decimal | None = field(default=None, name="slTriggerPx")
    stop_loss_trigger_ratio: Decimal | None = field(default=None, name="slTriggerRatio")
    stop_loss_trigger_type: str = field(default="", name="slTriggerPxType")
    stop_loss_order_price: Decimal | None = field(default=None, name="slOrdPx")
    size: Decimal | None = field(default=None, name="sz")
    amend_on_trigger: str = field(default="", name="amendPxOnTriggerType")
    callback_ratio: Decimal | None = field(default=None, name="callbackRatio")
    callback_spread: Decimal | None = field(default=None, name="callbackSpread")
    activation_price: Decimal | None = field(default=None, name="activePx")


class LinkedAlgo(msgspec.Struct, kw_only=True, gc=False):
    """Algo order that an order belongs to; "" if none."""

    algo_id: str = field(default="", name="algoId")


class LinkedOrder(msgspec.Struct, kw_only=True, gc=False):
    """Order that an algo order belongs to; "" if none."""

    order_id: str = field(default="", name="ordId")


class OrderUpdate(Dated, kw_only=True, gc=False):
    """Our order changed (`orders`); there is no snapshot, and the same message may come more than once.

    state: live, partially_filled, then one of filled, canceled, mmp_canceled; a refused order has no
    update. The `fill_` fields, trade_id and liquidity are of this update's match only; filled_size,
    average_price, fee, rebate and profit are totals. A fee is negative when charged, positive when it is a
    rebate. Sizes: base currency on spot (size itself is quote currency on a market buy with target_currency
    quote_ccy), contracts on derivatives. An update may differ from the one before it although updated_ms is
    the same: do not order or drop by it. cancel_source, amend_source, amend_result, source, category: OKX's
    codes.
    Source: docs-v5 "Order channel".
    """

    instrument: str = field(name="instId")
    order_id: str = field(name="ordId")
    instrument_type: str = field(default="", name="instType")
    client_order_id: str = field(default="", name="clOrdId")
    tag: str = ""
    target_currency: str = field(default="", name="tgtCcy")
    currency: str = field(default="", name="ccy")
    trade_quote_currency: str = field(default="", name="tradeQuoteCcy")
    price: Decimal | None = field(default=None, name="px")
    price_usd: Decimal | None = field(default=None, name="pxUsd")
    price_volatility: Decimal | None = field(default=None, name="pxVol")
    price_type: str = field(default="", name="pxType")
    size: Decimal | None = field(default=None, name="sz")
    notional_usd: Decimal | None = field(default=None, name="notionalUsd")
    order_type: str = field(default="", name="ordType")
    side: str = ""
    position_side: str = field(default="", name="posSide")
    trade_mode: str = field(default="", name="tdMode")
    leverage: Decimal | None = field(default=None, name="lever")
    state: str = ""
    fill_price: Decimal | None = field(default=None, name="fillPx")
    trade_id: int | None = field(default=None, name="tradeId")
    fill_size: Decimal | None = field(default=None, name="fillSz")
    fill_profit: Decimal | None = field(default=None, name="fillPnl")
    fill_ms: int | None = field(default=None, name="fillTime")
    fill_fee: Decimal | None = field(default=None, name="fillFee")
    fill_fee_currency: str = field(default="", name="fillFeeCcy")
    fill_volatility: Decimal | None = field(default=None, name="fillPxVol")
    fill_price_usd: Decimal | None = field(default=None, name="fillPxUsd")
    fill_mark_volatility: Decimal | None = field(default=None, name="fillMarkVol")
    fill_forward_price: Decimal | None = field(default=None, name="fillFwdPx")
    fill_mark_price: Decimal | None = field(default=None, name="fillMarkPx")
    fill_index_price: Decimal | None = field(default=None, name="fillIdxPx")
    fill_notional_usd: Decimal | None = field(default=None, name="fillNotionalUsd")
    liquidity: str = field(default="", name="execType")
    filled_size: Decimal | None = field(default=None, name="accFillSz")
    average_price: Decimal | None = field(default=None, name="avgPx")
    fee: Decimal | None = None
    fee_currency: str = field(default="", name="feeCcy")
    rebate: Decimal | None = None
    rebate_currency: str = field(default="", name="rebateCcy")
    profit: Decimal | None = field(default=None, name="pnl")
    last_price: Decimal | None = field(default=None, name="lastPx")
    self_trade_id: str = field(default="", name="stpId")
    self_trade_mode: str = field(default="", name="stpMode")
    reduce_only: bool | None = field(default=None, name="reduceOnly")
    quick_margin_type: str = field(default="", name="quickMgnType")
    attached_client_algo_id: str = field(default="", name="attachAlgoClOrdId")
    take_profit_trigger_price: Decimal | None = field(default=None, name="tpTriggerPx")
    take_profit_trigger_type: str = field(default="", name="tpTriggerPxType")
    take_profit_order_price: Decimal | None = field(default=None, name="tpOrdPx")
    stop_loss_trigger_price: Decimal | None = field(default=None, name="slTriggerPx")
    stop_loss_trigger_type: str = field(default="", name="slTriggerPxType")
    stop_loss_order_price: Decimal | None = field(default=None, name="slOrdPx")
    attached_orders: list[AttachedOrder] = field(default_factory=list, name="attachAlgoOrds")
    linked_algo: LinkedAlgo | None = field(default=None, name="linkedAlgoOrd")
    is_take_profit_limit: bool | None = field(default=None, name="isTpLimit")
    algo_id: str = field(default="", name="algoId")
    client_algo_id: str = field(default="", name="algoClOrdId")
    source: str = ""
    cancel_source: str = field(default="", name="cancelSource")
    amend_source: str = field(default="", name="amendSource")
    category: str = ""
    request_id: str = field(default="", name="reqId")
    amend_result: str = field(default="", name="amendResult")
    code: str = ""
    message: str = field(default="", name="msg")
    outcome: str = ""

    @property
    def is_final(self) -> bool:
        """True if the order cannot trade any more."""
        return self.state in ("filled", "canceled", "mmp_canceled")

    @property
    def is_fill(self) -> bool:
        """True if this update reports an execution; one per (instrument, trade_id), repeats are legal."""
        return self.trade_id is not None


class Fill(Timed, kw_only=True, gc=False):
    """Execution of our order from the fastest channel (`fills`, VIP4 or higher); its fee comes with OrderUpdate.

    Taker fills are aggregated per price: trade_id is the last of `count` matches. client_order_id is "0"
    unless it was a positive whole number: join by order_id. liquidity: T taker, M maker.
    Source: docs-v5 "Fills channel".
    """

    instrument: str = field(name="instId")
    order_id: str = field(name="ordId")
    trade_id: int = field(name="tradeId")
    price: Decimal | None = field(default=None, name="fillPx")
    size: Decimal | None = field(default=None, name="fillSz")
    side: str = ""
    client_order_id: str = field(default="", name="clOrdId")
    liquidity: str = field(default="", name="execType")
    count: int = 1


class AlgoOrderUpdate(Dated, kw_only=True, gc=False):
    """Our conditional, one-cancels-other, trigger or chase order changed (`orders-algo`); no snapshot.

    state: live, pause, effective, partially_effective, canceled, order_failed, partially_failed. An order
    price of -1 is a market order. actual_: of the triggered order.
    Source: docs-v5 "Algo orders channel".
    """

    instrument: str = field(name="instId")
    algo_id: str = field(name="algoId")
    instrument_type: str = field(default="", name="instType")
    client_algo_id: str = field(default="", name="algoClOrdId")
    currency: str = field(default="", name="ccy")
    order_id: str = field(default="", name="ordId")
    order_ids: list[str] = field(default_factory=list, name="ordIdList")
    client_order_id: str = field(default="", name="clOrdId")
    size: Decimal | None = field(default=None, name="sz")
    close_fraction: Decimal | None = field(default=None, name="closeFraction")
    order_type: str = field(default="", name="ordType")
    side: str = ""
    position_side: str = field(default="", name="posSide")
    trade_mode: str = field(default="", name="tdMode")
    target_currency: str = field(default="", name="tgtCcy")
    trade_quote_currency: str = field(default="", name="tradeQuoteCcy")
    state: str = ""
    leverage: Decimal | None = field(default=None, name="lever")
    take_profit_trigger_price: Decimal | None = field(default=None, name="tpTriggerPx")
    take_profit_trigger_type: str = field(default="", name="tpTriggerPxType")
    take_profit_order_price: Decimal | None = field(default=None, name="tpOrdPx")
    stop_loss_trigger_price: Decimal | None = field(default=None, name="slTriggerPx")
    stop_loss_trigger_type: str = field(default="", name="slTriggerPxType")
    stop_loss_order_price: Decimal | None = field(default=None, name="slOrdPx")
    trigger_price: Decimal | None = field(default=None, name="triggerPx")
    trigger_type: str = field(default="", name="triggerPxType")
    order_price: Decimal | None = field(default=None, name="ordPx")
    advanced_order_type: str = field(default="", name="advanceOrdType")
    actual_size: Decimal | None = field(default=None, name="actualSz")
    actual_price: Decimal | None = field(default=None, name="actualPx")
    actual_side: str = field(default="", name="actualSide")
    notional_usd: Decimal | None = field(default=None, name="notionalUsd")
    trigger_ms: int | None = field(default=None, name="triggerTime")
    reduce_only: bool | None = field(default=None, name="reduceOnly")
    quick_margin_type: str = field(default="", name="quickMgnType")
    last_price: Decimal | None = field(default=None, name="last")
    fail_code: str = field(default="", name="failCode")
    tag: str = ""
    request_id: str = field(default="", name="reqId")
    amend_result: str = field(default="", name="amendResult")
    amend_on_trigger: str = field(default="", name="amendPxOnTriggerType")
    attached_orders: list[AttachedOrder] = field(default_factory=list, name="attachAlgoOrds")
    linked_order: LinkedOrder | None = field(default=None, name="linkedOrd")
    chase_type: str = field(default="", name="chaseType")
    chase_value: Decimal | None = field(default=None, name="chaseVal")
    max_chase_type: str = field(default="", name="maxChaseType")
    max_chase_value: Decimal | None = field(default=None, name="maxChaseVal")
    is_borrow_mode: bool | None = field(default=None, name="isTradeBorrowMode")


class AdvancedAlgoOrderUpdate(Dated, kw_only=True, gc=False):
    """Our iceberg, TWAP or trailing-stop order changed (`algo-advance`, business).

    price_variance, price_spread, size_limit, price_limit, interval_s: of the slices; callback_ and
    activation_price: of the trailing stop. actual_: traded so far.
    Source: docs-v5 "Advance algo orders channel".
    """

    instrument: str = field(name="instId")
    algo_id: str = field(name="algoId")
    instrument_type: str = field(default="", name="instType")
    client_algo_id: str = field(default="", name="algoClOrdId")
    currency: str = field(default="", name="ccy")
    order_id: str = field(default="", name="ordId")
    client_order_id: str = field(default="", name="clOrdId")
    size: Decimal | None = field(default=None, name="sz")
    order_type: str = field(default="", name="ordType")
    side: str = ""
    position_side: str = field(default="", name="posSide")
    trade_mode: str = field(default="", name="tdMode")
    state: str = ""
    leverage: Decimal | None = field(default=None, name="lever")
    take_profit_trigger_price: Decimal | None = field(default=None, name="tpTriggerPx")
    take_profit_order_price: Decimal | None = field(default=None, name="tpOrdPx")
    stop_loss_trigger_price: Decimal | None = field(default=None, name="slTriggerPx")
    stop_loss_order_price: Decimal | None = field(default=None, name="slOrdPx")
    trigger_price: Decimal | None = field(default=None, name="triggerPx")
    order_price: Decimal | None = field(default=None, name="ordPx")
    actual_size: Decimal | None = field(default=None, name="actualSz")
    actual_price: Decimal | None = field(default=None, name="actualPx")
    actual_side: str = field(default="", name="actualSide")
    notional_usd: Decimal | None = field(default=None, name="notionalUsd")
    trigger_ms: int | None = field(default=None, name="triggerTime")
    count: int | None = None
    price_variance: Decimal | None = field(default=None, name="pxVar")
    price_spread: Decimal | None = field(default=None, name="pxSpread")
    size_limit: Decimal | None = field(default=None, name="szLimit")
    price_limit: Decimal | None = field(default=None, name="pxLimit")
    interval_s: Decimal | None = field(default=None, name="timeInterval")
    callback_ratio: Decimal | None = field(default=None, name="callbackRatio")
    callback_spread: Decimal | None = field(default=None, name="callbackSpread")
    activation_price: Decimal | None = field(default=None, name="activePx")
    move_trigger_price: Decimal | None = field(default=None, name="moveTriggerPx")
    fail_code: str = field(default="", name="failCode")
    reduce_only: bool | None = field(default=None, name="reduceOnly")
    tag: str = ""
    pushed_ms: int | None = field(default=None, name="pTime")

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, self.updated_ms, self.pushed_ms, self.created_ms)
