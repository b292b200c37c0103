"""Rows of orders and fills, as the `orders` and `fills` channels push them and REST lists them.

In: orders, executions, market figures. Out: dicts in OKX's names and field order; every number is text, an empty value is
"". Sources: OKX V5 docs, "Order channel", "Fills channel", "GET / Order details".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.algo_orders import AlgoOrder
from okex_ws.simulator.engine.catalogue import MarketFigures
from okex_ws.simulator.engine.orders import FILLED, Execution, Order, Origin
from okex_ws.simulator.market.base import stamp


def plain(value: Decimal | None) -> str:
    """Return a Decimal as OKX writes it: no exponent, no trailing zeros, None is ""."""
    if value is None:
        return ""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _flag(value: bool) -> str:
    return "true" if value else "false"


def attached_row(algo: AlgoOrder) -> dict[str, Any]:
    """Return an element of attachAlgoOrds (OKX V5 docs, "GET / Order details"); sz is "" for the whole order."""
    unused = ("tpTriggerRatio", "slTriggerRatio", "callbackRatio", "callbackSpread", "activePx", "failCode", "failReason")
    row: dict[str, Any] = {
        "attachAlgoId": algo.attach_id,
        "attachAlgoClOrdId": algo.client_algo_id,
        "tpOrdKind": "condition",
        "sz": "",
        "amendPxOnTriggerType": "0",
        **dict.fromkeys(unused, ""),
    }
    for name in ("tp", "sl"):
        row |= dict.fromkeys((f"{name}TriggerPx", f"{name}TriggerPxType", f"{name}OrdPx"), "")
    for trigger in algo.triggers:
        name = "tp" if trigger.is_profit else "sl"
        row |= {
            f"{name}TriggerPx": plain(trigger.price),
            f"{name}TriggerPxType": trigger.price_type,
            f"{name}OrdPx": "-1" if trigger.order_price is None else plain(trigger.order_price),
        }
    return row


def _common(order: Order, origin: Origin, attached: AlgoOrder | None) -> dict[str, Any]:
    return {
        "instType": order.instrument_type,
        "instId": order.instrument,
        "tgtCcy": order.target_currency,
        "ccy": order.currency,
        "tradeQuoteCcy": "",
        "ordId": order.order_id,
        "clOrdId": order.client_order_id,
        "algoClOrdId": origin.client_algo_id,
        "algoId": origin.algo_id,
        "tag": order.tag,
        "px": plain(order.price),
        "pxUsd": "",
        "pxVol": "",
        "pxType": "",
        "sz": plain(order.size),
        "ordType": order.order_type,
        "side": order.side,
        "posSide": order.position_side,
        "tdMode": order.trade_mode,
        "accFillSz": plain(order.filled),
        "avgPx": plain(order.average_price) or "0",
        "state": order.state,
        "lever": plain(order.leverage),
        "pnl": plain(order.profit),
        "feeCcy": order.fee_currency,
        "fee": plain(order.fee),
        "rebateCcy": order.rebate_currency,
        "rebate": plain(order.rebate),
        "category": "normal",
        "uTime": stamp(order.updated),
        "cTime": stamp(order.created + origin.skew),
        "source": origin.source,
        "reduceOnly": _flag(order.reduce_only),
        "cancelSource": order.cancel_source,
        "quickMgnType": "",
        "stpId": "",
        "stpMode": order.self_trade,
        "attachAlgoClOrdId": attached.client_algo_id if attached else "",
        "isTpLimit": "false",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "slOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tpOrdPx": "",
        "attachAlgoOrds": [attached_row(attached)] if attached else [],
        "linkedAlgoOrd": {"algoId": ""},
        "outcome": "",
    }


def order_push(
    order: Order,
    facts: MarketFigures,
    *,
    execution: Execution | None,
    request_id: str,
    amend_result: str,
    origin: Origin,
    attached: AlgoOrder | None = None,
) -> dict[str, Any]:
    """Return the row that the `orders` channel pushes for one change; the fill fields belong to this change."""
    worth: Decimal | None = order.size  # of a market order counted in quote currency
    if order.target_currency != "quote_ccy":
        worth = facts.scale.worth(order.size, order.average_price or order.price or _number(facts.last))
    row = _common(order, origin, attached) | {
        "notionalUsd": plain(worth),
        "amendSource": order.amend_source,
        "reqId": request_id,
        "amendResult": amend_result,
        "lastPx": facts.last,
        "code": "0",
        "msg": "",
    }
    if execution is None:
        row |= dict.fromkeys(_FILL_FIELDS, "") | {"fillSz": "0", "fillPnl": "0"}
    else:
        row |= dict.fromkeys(_FILL_FIELDS, "") | {
            "fillPx": plain(execution.price),
            "tradeId": str(execution.trade_id),
            "fillSz": plain(execution.size),
            "fillPnl": plain(execution.profit),
            "fillTime": stamp(execution.at),
            "fillFee": plain(execution.fee),
            "fillFeeCcy": execution.fee_currency,
            "execType": execution.liquidity,
            "fillNotionalUsd": plain(facts.scale.worth(execution.size, execution.price)),
            "fillMarkPx": plain(execution.mark),
            "fillIdxPx": facts.index,
        }
    return row


_FILL_FIELDS = (
    "fillPx",
    "tradeId",
    "fillSz",
    "fillPnl",
    "fillTime",
    "fillFee",
    "fillFeeCcy",
    "execType",
    "fillNotionalUsd",
    "fillPxVol",
    "fillPxUsd",
    "fillMarkVol",
    "fillFwdPx",
    "fillMarkPx",
    "fillIdxPx",
)


def order_read(order: Order, last: Execution | None, origin: Origin, attached: AlgoOrder | None = None) -> dict[str, Any]:
    """Return the row of an order on REST; the fill fields belong to its last fill."""
    row = _common(order, origin, attached) | {
        "cancelSourceReason": "",
        "fillPx": plain(last.price) if last else "",
        "tradeId": str(last.trade_id) if last else "",
        "fillSz": plain(last.size) if last else "0",
        "fillTime": stamp(last.at) if last else "",
    }
    if order.average_price is None:
        row["avgPx"] = "" if order.state != FILLED else "0"
    return row


def fill_read(execution: Execution, bill: int, rate: Decimal | None) -> dict[str, Any]:
    """Return the row of a fill on trade/fills; bill: its number in the account's bills."""
    order = execution.order
    return {
        "instType": order.instrument_type,
        "instId": order.instrument,
        "tradeId": str(execution.trade_id),
        "ordId": order.order_id,
        "clOrdId": order.client_order_id,
        "billId": str(bill),
        "subType": "1" if order.is_buy else "2",
        "tag": order.tag,
        "fillPx": plain(execution.price),
        "fillSz": plain(execution.size),
        "fillIdxPx": "",
        "fillPnl": plain(execution.profit),
        "fillPxVol": "",
        "fillPxUsd": "",
        "fillMarkVol": "",
        "fillFwdPx": "",
        "fillMarkPx": plain(execution.mark),
        "side": order.side,
        "posSide": order.position_side,
        "execType": execution.liquidity,
        "feeCcy": execution.fee_currency,
        "fee": plain(execution.fee),
        "feeRate": plain(rate),
        "tradeQuoteCcy": "",
        "ts": stamp(execution.at),
        "fillTime": stamp(execution.at),
    }


def fill_push(executions: list[Execution]) -> dict[str, Any]:
    """Return the `fills` row of matches of one order at one price. Only a taker's matches are merged.

    clOrdId is sent only if it is the text of a positive int64, else "0".
    """
    last = executions[-1]
    order = last.order
    name = order.client_order_id
    is_number = name.isascii() and name.isdigit() and 0 < int(name) < 1 << 63
    return {
        "instId": order.instrument,
        "fillSz": plain(sum((each.size for each in executions), Decimal(0))),
        "fillPx": plain(last.price),
        "side": order.side,
        "ts": stamp(last.at),
        "ordId": order.order_id,
        "clOrdId": name if is_number else "0",
        "tradeId": str(last.trade_id),
        "execType": last.liquidity,
        "count": str(len(executions)),
    }


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
