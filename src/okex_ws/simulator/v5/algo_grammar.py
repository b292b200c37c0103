"""Grammar of triggers, in algo orders and in algo orders attached to plain orders.

In: one decoded element of a request. Out: Triggers and AlgoOrders, or an ApiError with OKX's code. Sources: OKX V5 docs, "POST /
Place algo order", "POST / Place order" (attachAlgoOrds).
"""

from __future__ import annotations

from typing import Any

from okex_ws.simulator.engine.algo_orders import AlgoOrder, Trigger
from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.v5 import order_grammar as grammar

_PRICE_TYPES = ("last", "mark", "index")


def read_attached(arg: dict[str, Any], new: NewOrder, uid: str, instrument_type: str, now: int) -> AlgoOrder | None:
    """Parse the algo order attached to a new order, which closes it again; None if there is none.

    Raises ApiError with code 50014, 50015 or 51000.
    """
    given = arg.get("attachAlgoOrds")
    if not given:
        return None
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise grammar.refused("51000", "attachAlgoOrds")
    is_sell = new.side == "buy"
    stops = read_stops(given[0], is_sell=is_sell)
    if not stops:
        raise grammar.refused("50015", "tpTriggerPx or slTriggerPx")
    return AlgoOrder(
        algo_id="",
        client_algo_id=grammar.identity(given[0], "attachAlgoClOrdId"),
        uid=uid,
        kind="oco" if len(stops) == 2 else "conditional",
        instrument=new.instrument,
        instrument_type=instrument_type,
        side="sell" if is_sell else "buy",
        trade_mode=new.trade_mode,
        position_side=new.position_side,
        size=None,
        reduce_only=instrument_type != "SPOT" and new.position_side in ("", "net"),
        target_currency="base_ccy",
        currency=new.currency,
        tag=new.tag,
        triggers=stops,
        created=now,
        updated=now,
    )


def read_stops(fields: dict[str, Any], *, is_sell: bool) -> list[Trigger]:
    """Parse the take-profit and the stop-loss of an order on that side, if given. Raises ApiError 50014, 51000."""
    stops = []
    for name, is_profit in (("tp", True), ("sl", False)):
        stop = read_trigger(fields, f"{name}TriggerPx", f"{name}TriggerPxType", f"{name}OrdPx")
        if stop is not None:
            stop.is_profit, stop.rises = is_profit, is_sell == is_profit
            stops.append(stop)
    return stops


def read_trigger(fields: dict[str, Any], price: str, price_type: str, order_price: str) -> Trigger | None:
    """Parse one trigger by the names of its fields, None if it is not given. Raises ApiError 50014, 51000."""
    at = grammar.number(fields, price)
    if at is None:
        return None
    kind = grammar.text(fields, price_type) or "last"
    if kind not in _PRICE_TYPES:
        raise grammar.refused("51000", price_type)
    then = grammar.number(fields, order_price, signed=True)
    if then is None:
        raise grammar.refused("50014", order_price)
    return Trigger(at, None if then == -1 else then, rises=True, price_type=kind)
