"""Account REST beside balances and positions: bills, closed positions, what may be used, and figures of borrowing.

In: a Call. Out: rows, newest first. Nothing is borrowed and no account is liquidated, so debts and interest are zero.
Sources: OKX V5 docs, "Trading account / REST API".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.market.base import DAY, HOUR, MILLISECOND, stamp
from okex_ws.simulator.v5 import account_rows
from okex_ws.simulator.v5.order_rows import plain
from okex_ws.simulator.v5.rest.assets import currencies_of
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, constant, integer, number, required, unlisted
from okex_ws.simulator.v5.statements import bill_row, closed_row


def _bills(days: int) -> Any:
    """Return the read of bills of the last `days`. after: older than this bill id, before: newer."""

    def act(call: Call) -> Answer:
        query, since = call.query, call.now - days * DAY
        low = integer(query, "before") if "before" in query else 0
        high = integer(query, "after") if "after" in query else 1 << 63
        limit = number(query, "limit", 100, 100)
        rows: list[Any] = []
        for bill in reversed(call.services.statements.bills(call.uid)):
            if bill.at < since or len(rows) == limit:
                break
            row = bill_row(bill)
            if low < bill.number < high and all(query.get(n, row[n]) == row[n] for n in ("ccy", "instType", "type", "instId")):
                rows.append(row)
        return rows

    return act


def _positions_history(call: Call) -> Answer:
    """Return closed positions. after: closed before this time, before: closed later."""
    query = call.query
    low = integer(query, "before") if "before" in query else 0
    high = integer(query, "after") if "after" in query else 1 << 63
    closed = [
        each
        for each in reversed(call.services.statements.closed(call.uid))
        if low < each.at // MILLISECOND < high
        and query.get("instId", each.position.instrument) == each.position.instrument
        and query.get("instType", each.position.instrument_type) == each.position.instrument_type
        and query.get("posId", each.position.position_id) == each.position.position_id
    ]
    rows = [closed_row(each, call.trading.catalogue.row(each.position.instrument) or {}) for each in closed]
    return rows[: number(query, "limit", 100, 100)]


def _max_available(call: Call) -> Answer:
    """Return the money that may be used: of the quote and base currency on SPOT, of the settlement currency elsewhere."""
    required(call.query, "tdMode")
    rows, engine = [], call.trading.engine
    for instrument in required(call.query, "instId").split(","):
        row = call.trading.catalogue.row(instrument)
        if row is None:
            raise unlisted()
        if row["instType"] in ("SPOT", "MARGIN"):
            buy, sell = (engine.available(call.uid, row[name]) for name in ("quoteCcy", "baseCcy"))
        else:
            buy = sell = engine.available(call.uid, row["settleCcy"], equity=True)
        both = {"availBuy": plain(max(Decimal(0), buy)), "availSell": plain(max(Decimal(0), sell))}
        rows.append({"instId": instrument, **both})
    return rows


def _max_withdrawal(call: Call) -> Answer:
    engine = call.trading.engine
    wanted = call.query["ccy"].split(",") if "ccy" in call.query else None
    rows = []
    for currency in account_rows.held(engine, call.uid):
        if wanted is None or currency in wanted:
            most = plain(max(Decimal(0), engine.available(call.uid, currency)))
            row = {"ccy": currency, "maxWd": most, "maxWdEx": most, "spotOffsetMaxWd": most, "spotOffsetMaxWdEx": most}
            rows.append(row)
    return rows


def _max_loan(call: Call) -> Answer:
    mode = required(call.query, "mgnMode")
    rows = []
    for instrument in required(call.query, "instId").split(","):
        row = call.trading.catalogue.row(instrument)
        if row is None:
            raise unlisted()
        for side, currency in (("buy", row["quoteCcy"]), ("sell", row["baseCcy"])):
            same = {"instId": instrument, "mgnMode": mode, "mgnCcy": call.query.get("mgnCcy", ""), "maxLoan": "0"}
            rows.append({**same, "ccy": currency, "side": side})
    return rows


def _interest_rate(call: Call) -> Answer:
    return [{"ccy": each, "interestRate": "0"} for each in currencies_of(call) if call.query.get("ccy", each) == each]


def _interest_limits(call: Call) -> Answer:
    following = stamp(call.now - call.now % HOUR + HOUR)
    times = {"nextDiscountTime": following, "nextInterestTime": following}
    return [{"debt": "0", "interest": "0", "loanAlloc": "0", **times, "records": []}]


def _greeks(call: Call) -> Answer:
    engine = call.trading.engine
    held = account_rows.held(engine, call.uid)
    return [account_rows.greeks(engine, call.uid, each, call.now) for each in held if call.query.get("ccy", each) == each]


def _risk_state(call: Call) -> Answer:
    return [{"atRisk": False, "atRiskLevel": "low", "atRiskIdx": [], "atRiskMgn": [], "ts": stamp(call.now)}]


def _position_risk(call: Call) -> Answer:
    engine = call.trading.engine
    balances = []
    for currency in account_rows.held(engine, call.uid):
        row = account_rows.detail(engine, call.uid, currency)
        balances.append({"ccy": currency, "eq": row["eq"], "disEq": row["disEq"]})
    names = ("instType", "mgnMode", "posId", "instId", "pos", "baseBal", "quoteBal", "posSide", "posCcy", "ccy", "notionalUsd")
    positions = []
    for each in account_rows.open_positions(engine, call.uid):
        if call.query.get("instType", each.instrument_type) == each.instrument_type:
            row = account_rows.position(engine, each, call.trading.catalogue.figures(each.instrument), call.now)
            positions.append({**{name: row[name] for name in names}, "notionalCcy": ""})
    return [{"ts": stamp(call.now), "adjEq": "", "balData": balances, "posData": positions}]


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "account/bills"): Endpoint(_bills(7), 5),
    ("GET", "account/bills-archive"): Endpoint(_bills(92), 5),
    ("GET", "account/positions-history"): Endpoint(_positions_history, 10),
    ("GET", "account/max-avail-size"): Endpoint(_max_available, 20),
    ("GET", "account/max-withdrawal"): Endpoint(_max_withdrawal, 20),
    ("GET", "account/max-loan"): Endpoint(_max_loan, 20),
    ("GET", "account/interest-rate"): Endpoint(_interest_rate, 5),
    ("GET", "account/interest-accrued"): Endpoint(constant(), 5),
    ("GET", "account/interest-limits"): Endpoint(_interest_limits, 5),
    ("GET", "account/greeks"): Endpoint(_greeks, 10),
    ("GET", "account/risk-state"): Endpoint(_risk_state, 10),
    ("GET", "account/account-position-risk"): Endpoint(_position_risk, 10),
}
"""(method, path below /api/v5/) -> endpoint (OKX V5 docs, each endpoint's page)."""
