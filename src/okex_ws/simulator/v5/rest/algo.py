"""Algo REST: algo orders over HTTP.

In: a Call. Out: rows, newest first. Sources: OKX V5 docs, "Algo trading / REST API".
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.algo_orders import CANCELED, EFFECTIVE, FAILED, LIVE, AlgoOrder, Trigger
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.algo_grammar import read_stops, read_trigger
from okex_ws.simulator.v5.algo_rows import algo_row
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, integer, number, reply, required

_KINDS = ("conditional", "oco", "trigger")


def _read(call: Call, fields: dict[str, Any]) -> AlgoOrder:
    """Parse a new algo order. Raises ApiError."""
    given = {
        name: grammar.text(fields, name)
        for name in (
            "instId",
            "side",
            "ordType",
            "tdMode",
            "posSide",
            "algoClOrdId",
            "closeFraction",
            "tgtCcy",
            "ccy",
            "tag",
            "reduceOnly",
        )
    }
    for name in ("instId", "tdMode", "side", "ordType"):
        if not given[name]:
            raise grammar.refused("50014", name)
    listing = call.trading.catalogue.row(given["instId"])
    if listing is None:
        raise grammar.refused("51001")
    wrong = [
        name
        for name, options in (
            ("side", ("buy", "sell")),
            ("ordType", _KINDS),
            ("closeFraction", ("", "1")),
            ("tdMode", ("cash", "cross", "isolated")),
            ("posSide", ("", "net", "long", "short")),
        )
        if given[name] not in options
    ]
    if wrong:
        raise grammar.refused("51000", wrong[0])
    size = grammar.number(fields, "sz")
    if not size and not given["closeFraction"]:
        raise grammar.refused("50014", "sz")
    return AlgoOrder(
        algo_id=call.trading.algos.next_id(),
        client_algo_id=given["algoClOrdId"],
        uid=call.uid,
        kind=given["ordType"],
        instrument=given["instId"],
        instrument_type=listing["instType"],
        side=given["side"],
        trade_mode=given["tdMode"],
        position_side=given["posSide"],
        size=None if given["closeFraction"] else size,
        reduce_only=given["reduceOnly"] == "true",
        target_currency=given["tgtCcy"],
        currency=given["ccy"],
        tag=given["tag"],
        triggers=_triggers(call, fields, given),
        created=call.now,
        updated=call.now,
    )


def _triggers(call: Call, fields: dict[str, Any], given: dict[str, str]) -> list[Trigger]:
    is_sell = given["side"] == "sell"
    if given["ordType"] == "trigger":
        trigger = read_trigger(fields, "triggerPx", "triggerPxType", "orderPx")
        if trigger is None:
            raise grammar.refused("50014", "triggerPx")
        last = call.trading.catalogue.figures(given["instId"]).last
        trigger.rises = not last or trigger.price >= Decimal(last)
        return [trigger]
    triggers = read_stops(fields, is_sell=is_sell)
    if len(triggers) != (2 if given["ordType"] == "oco" else 1):
        raise grammar.refused("50015", "tpTriggerPx or slTriggerPx")
    return triggers


def _place(call: Call) -> Answer:
    fields = call.fields()
    row = {
        "algoId": "",
        "clOrdId": "",
        "algoClOrdId": grammar.text(fields, "algoClOrdId"),
        "sCode": "0",
        "sMsg": "",
        "tag": grammar.text(fields, "tag"),
    }
    algo = _read(call, fields)
    call.trading.algos.place(algo, call.now)
    return [{**row, "algoId": algo.algo_id}]


def _cancel(call: Call) -> Answer:
    given = call.body if isinstance(call.body, list) else [call.body]
    if len(given) > 10:
        raise ApiError("51000", "Parameter algoId error")
    rows, algos = [], call.trading.algos
    for each in given:
        fields = each if isinstance(each, dict) else {}
        algo_id, name = grammar.text(fields, "algoId"), grammar.text(fields, "algoClOrdId")
        row = {"algoId": algo_id, "algoClOrdId": name, "clOrdId": "", "tag": "", "sCode": "0", "sMsg": ""}
        algo = algos.find(call.uid, algo_id, name)
        try:
            if algo is None:
                raise grammar.refused("51400")
            algos.cancel(algo, call.now)
        except ApiError as error:
            row |= {"sCode": error.code, "sMsg": error.message}
        rows.append(row)
    if all(row["sCode"] != "0" for row in rows):
        raise ApiError("1", "All operations failed")
    return rows


def _amend(call: Call) -> Answer:
    """Change the size, trigger prices and order prices of a live algo order; what is not given stays."""
    fields = call.fields()
    algo_id, name = grammar.text(fields, "algoId"), grammar.text(fields, "algoClOrdId")
    row = {"algoId": algo_id, "algoClOrdId": name, "reqId": grammar.text(fields, "reqId"), "sCode": "0", "sMsg": ""}
    algo = call.trading.algos.find(call.uid, algo_id, name)
    try:
        if algo is None:
            raise grammar.refused("51603")
        size = grammar.number(fields, "newSz")
        triggers = [_amended(fields, algo, each) for each in algo.triggers]
        call.trading.algos.amend(algo, size if size else algo.size, triggers, call.now)
        row |= {"algoId": algo.algo_id, "algoClOrdId": algo.client_algo_id}
    except ApiError as error:
        row |= {"sCode": error.code, "sMsg": error.message}
        return reply(200, "1", "All operations failed", [row])
    return [row]


def _amended(fields: dict[str, Any], algo: AlgoOrder, trigger: Trigger) -> Trigger:
    kind = "" if algo.kind == "trigger" else "Tp" if trigger.is_profit else "Sl"
    at = grammar.number(fields, f"new{kind}TriggerPx")
    then = grammar.number(fields, f"new{kind}OrdPx", signed=True)
    price_type = grammar.text(fields, f"new{kind}TriggerPxType") or trigger.price_type
    if price_type not in ("last", "mark", "index"):
        raise grammar.refused("51000", f"new{kind}TriggerPxType")
    order_price = trigger.order_price if then is None else None if then == -1 else then
    return replace(trigger, price=at or trigger.price, order_price=order_price, price_type=price_type)


def _one(call: Call) -> Answer:
    algo_id, name = call.query.get("algoId", ""), call.query.get("algoClOrdId", "")
    algo = call.trading.algos.find(call.uid, algo_id, name)
    if algo is None:
        raise grammar.refused("51603")
    return [algo_row(algo, call.trading)]


def _pending(call: Call) -> Answer:
    return _listed(call, required(call.query, "ordType").split(","), (LIVE,))


def _history(call: Call) -> Answer:
    kinds = required(call.query, "ordType").split(",")
    if "state" not in call.query and "algoId" not in call.query:
        raise grammar.refused("50015", "state or algoId")
    states = (call.query["state"],) if "state" in call.query else (EFFECTIVE, CANCELED, FAILED)
    return _listed(call, kinds, states)


def _listed(call: Call, kinds: list[str], states: tuple[str, ...]) -> list[Any]:
    """Return a page, newest first. after: older than this algo id, before: newer."""
    query = call.query
    low = integer(query, "before") if "before" in query else 0
    high = integer(query, "after") if "after" in query else 1 << 63
    chosen = [
        algo
        for algo in call.trading.algos.of(call.uid)
        if algo.kind in kinds
        and algo.state in states
        and low < int(algo.algo_id) < high
        and query.get("instId", algo.instrument) == algo.instrument
        and query.get("instType", algo.instrument_type) == algo.instrument_type
        and query.get("algoId", algo.algo_id) == algo.algo_id
    ]
    return [algo_row(algo, call.trading) for algo in chosen[: number(query, "limit", 100, 100)]]


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "trade/order-algo"): Endpoint(_place, 20, per="instId", trades=True),
    ("POST", "trade/cancel-algos"): Endpoint(_cancel, 20, trades=True),
    ("POST", "trade/amend-algos"): Endpoint(_amend, 20, per="instId", trades=True),
    ("GET", "trade/order-algo"): Endpoint(_one, 20),
    ("GET", "trade/orders-algo-pending"): Endpoint(_pending, 20),
    ("GET", "trade/orders-algo-history"): Endpoint(_history, 20),
}
"""(method, path below /api/v5/) -> endpoint (OKX V5 docs, each endpoint's page)."""
