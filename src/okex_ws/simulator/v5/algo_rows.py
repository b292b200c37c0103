"""Rows of algo orders, as `orders-algo` pushes them and REST lists them.

In: an AlgoOrder. Out: a dict in OKX's names. Source: OKX V5 docs, "Algo orders channel".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.algo_orders import AlgoOrder
from okex_ws.simulator.engine.trading import SimulatedTrading
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.v5.order_rows import plain

_UNUSED = dict.fromkeys(
    (
        "activePx",
        "advanceOrdType",
        "aggressiveness",
        "callbackRatio",
        "callbackSpread",
        "chaseType",
        "chaseVal",
        "isTradeBorrowMode",
        "lmtOrderNumber",
        "maxChaseType",
        "maxChaseVal",
        "moveTriggerPx",
        "pxLimit",
        "pxSpread",
        "pxVar",
        "quickMgnType",
        "szLimit",
        "timeInterval",
        "tradeQuoteCcy",
        "reqId",
        "amendResult",
        "clOrdId",
    ),
    "",
)


def algo_row(algo: AlgoOrder, trading: SimulatedTrading) -> dict[str, Any]:
    """Return the row of an algo order."""
    facts = trading.catalogue.figures(algo.instrument)
    is_spot = algo.instrument_type in ("SPOT", "MARGIN")
    leverage = None if is_spot else trading.engine.leverage(algo.uid, algo.instrument, algo.position_side or "net")
    row: dict[str, Any] = {
        "instType": algo.instrument_type,
        "instId": algo.instrument,
        "ccy": algo.currency,
        "ordId": algo.order.order_id if algo.order else "",
        "ordIdList": [algo.order.order_id] if algo.order else [],
        "algoId": algo.algo_id,
        "algoClOrdId": algo.client_algo_id,
        "sz": plain(algo.size),
        "closeFraction": "1" if algo.size is None else "",
        "ordType": algo.kind,
        "side": algo.side,
        "posSide": algo.position_side,
        "tdMode": algo.trade_mode,
        "tgtCcy": algo.target_currency,
        "state": algo.state,
        "lever": plain(leverage),
        "notionalUsd": plain(facts.scale.worth(algo.size, Decimal(facts.last)) if algo.size and facts.last else None),
        "last": facts.last,
        "triggerTime": stamp(algo.updated) if algo.fired else "",
        "actualSz": plain(algo.order.size) if algo.order else "0",
        "actualPx": plain(algo.order.price) if algo.order else "",
        "actualSide": ("tp" if algo.fired.is_profit else "sl") if algo.fired and algo.kind != "trigger" else "",
        "reduceOnly": "true" if algo.reduce_only else "false",
        "failCode": algo.fail_code,
        "tag": algo.tag,
        "amendPxOnTriggerType": "0",
        "attachAlgoOrds": [],
        "linkedOrd": {"ordId": ""},
        "triggerParams": [],
        "cTime": stamp(algo.created),
        "uTime": stamp(algo.updated),
        **_UNUSED,
    }
    for name in ("tp", "sl"):
        row |= dict.fromkeys((f"{name}TriggerPx", f"{name}TriggerPxType", f"{name}OrdPx"), "")
    row |= dict.fromkeys(("triggerPx", "triggerPxType", "ordPx"), "")
    for trigger in algo.triggers:
        price, kind = plain(trigger.price), trigger.price_type
        order_price = "-1" if trigger.order_price is None else plain(trigger.order_price)
        if algo.kind == "trigger":
            row |= {"triggerPx": price, "triggerPxType": kind, "ordPx": order_price}
        else:
            name = "tp" if trigger.is_profit else "sl"
            row |= {f"{name}TriggerPx": price, f"{name}TriggerPxType": kind, f"{name}OrdPx": order_price}
    return row
