"""Account REST: balances, positions, configuration and settings of the account that signed.

In: a Call. Out: rows. Sources: OKX V5 docs, "Trading account / REST API".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.channels import INST_TYPES
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.v5 import account_rows
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.order_rows import plain
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, required, unlisted

_CONTRACTS = ("SWAP", "FUTURES", "OPTION")


def _balance(call: Call) -> Answer:
    engine = call.trading.engine
    held = account_rows.held(engine, call.uid)
    wanted = call.query["ccy"].split(",") if "ccy" in call.query else held
    return [account_rows.account(engine, call.uid, [c for c in held if c in wanted], call.now)]


def _positions(call: Call) -> Answer:
    trading, query = call.trading, call.query
    wanted = query["instId"].split(",") if "instId" in query else None
    return [
        account_rows.position(trading.engine, position, trading.catalogue.figures(position.instrument), call.now)
        for position in account_rows.open_positions(trading.engine, call.uid)
        if (wanted is None or position.instrument in wanted)
        and query.get("instType", position.instrument_type) == position.instrument_type
        and query.get("posId", position.position_id) == position.position_id
    ]


def _config(call: Call) -> Answer:
    account = call.trading.engine.accounts[call.uid]
    return [
        {
            "acctLv": call.key.level,
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "feeType": "0",
            "greeksType": "PA",
            "ip": "",
            "kycLv": "3",
            "label": "simulator",
            "level": f"VIP{call.key.tier}" if call.key.tier else "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": call.uid,
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": call.key.permissions,
            "posMode": account.position_mode,
            "roleType": "0",
            "settleCcy": "USDT",
            "settleCcyList": ["USDT", "USDC"],
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "stgyType": "0",
            "traderInsts": [],
            "type": "0",
            "uid": call.uid,
        }
    ]


def _instruments(call: Call) -> Answer:
    inst_type = required(call.query, "instType")
    if inst_type not in INST_TYPES:
        raise ApiError("51000", "Parameter instType error")
    rows = call.context.listings.rows(inst_type)
    for name in ("instFamily", "uly", "instId"):
        if name in call.query:
            rows = [row for row in rows if row.get(name) == call.query[name]]
    if "instId" in call.query and not rows:
        raise unlisted()
    return rows


def _sides(call: Call) -> tuple[str, ...]:
    is_hedged = call.trading.engine.accounts[call.uid].position_mode == "long_short_mode"
    return ("long", "short") if is_hedged else ("net",)


def _leverage_info(call: Call) -> Answer:
    mode = required(call.query, "mgnMode")
    rows: list[Any] = []
    for instrument in required(call.query, "instId").split(","):
        if call.trading.catalogue.row(instrument) is None:
            raise unlisted()
        for side in _sides(call):
            leverage = call.trading.engine.leverage(call.uid, instrument, side)
            rows.append({"instId": instrument, "ccy": "", "mgnMode": mode, "posSide": side, "lever": plain(leverage)})
    return rows


def _set_leverage(call: Call) -> Answer:
    fields = call.fields()
    leverage, instrument = grammar.number(fields, "lever"), grammar.text(fields, "instId")
    mode, side = grammar.text(fields, "mgnMode"), grammar.text(fields, "posSide") or "net"
    for name, value in (("lever", leverage), ("instId", instrument), ("mgnMode", mode)):
        if not value:
            raise grammar.refused("50014", name)
    if mode != "cross":
        raise ApiError("51000", "Parameter mgnMode error: this simulator has no isolated margin")
    if call.trading.catalogue.row(instrument) is None:
        raise unlisted()
    assert leverage is not None
    for each in _sides(call):
        call.trading.engine.set_leverage(call.uid, instrument, leverage, call.now, position_side=each)
    return [{"lever": plain(leverage), "mgnMode": mode, "instId": instrument, "posSide": side}]


def _set_position_mode(call: Call) -> Answer:
    mode = grammar.text(call.fields(), "posMode")
    if mode not in ("net_mode", "long_short_mode"):
        raise grammar.refused("51000", "posMode")
    call.trading.engine.set_position_mode(call.uid, mode)
    return [{"posMode": mode}]


def _trade_fee(call: Call) -> Answer:
    inst_type = required(call.query, "instType")
    if inst_type not in INST_TYPES:
        raise ApiError("51000", "Parameter instType error")
    fees = call.trading.engine.accounts[call.uid].fees
    is_contract = inst_type in _CONTRACTS
    maker, taker = (fees.derivative_maker, fees.derivative_taker) if is_contract else (fees.spot_maker, fees.spot_taker)
    both = {"maker": plain(-maker), "taker": plain(-taker)}
    contracts = {"makerU": both["maker"], "takerU": both["taker"]} if is_contract else {"makerU": "", "takerU": ""}
    row = {"category": "1", "instType": inst_type, "level": f"VIP{call.key.tier}", "ruleType": "normal", **both, **contracts}
    return [
        {
            **row,
            "makerUSDC": both["maker"],
            "takerUSDC": both["taker"],
            "delivery": "",
            "exercise": "",
            "fiat": [],
            "ts": stamp(call.now),
        }
    ]


def _max_size(call: Call) -> Answer:
    """Return the sizes that the available money buys and sells at px, or at the mark price."""
    required(call.query, "tdMode")
    rows = []
    for instrument in required(call.query, "instId").split(","):
        row, engine = call.trading.catalogue.row(instrument), call.trading.engine
        if row is None:
            raise unlisted()
        price = grammar.number(dict(call.query), "px") or engine.mark(instrument)
        if price is None:
            raise unlisted()
        if row["instType"] in ("SPOT", "MARGIN"):
            buy = max(Decimal(0), engine.available(call.uid, row["quoteCcy"])) / price
            sell = max(Decimal(0), engine.available(call.uid, row["baseCcy"]))
            currency = row["baseCcy"]
        else:
            scale = call.trading.catalogue.figures(instrument).scale
            value = scale.worth(Decimal(1), price) or Decimal(1)
            margin = value / price if scale.is_inverse else value
            currency = row["settleCcy"]
            money = max(Decimal(0), engine.available(call.uid, currency, equity=True))
            buy = sell = money * engine.leverage(call.uid, instrument, _sides(call)[0]) / margin
        lot = Decimal(row["lotSz"])
        maxima = {"maxBuy": plain(buy // lot * lot), "maxSell": plain(sell // lot * lot)}
        rows.append({"ccy": currency, "instId": instrument, **maxima})
    return rows


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "account/balance"): Endpoint(_balance, 10),
    ("GET", "account/positions"): Endpoint(_positions, 10),
    ("GET", "account/config"): Endpoint(_config, 5),
    ("GET", "account/instruments"): Endpoint(_instruments, 20, per="instType"),
    ("GET", "account/leverage-info"): Endpoint(_leverage_info, 20),
    ("POST", "account/set-leverage"): Endpoint(_set_leverage, 20, trades=True),
    ("POST", "account/set-position-mode"): Endpoint(_set_position_mode, 5, trades=True),
    ("GET", "account/trade-fee"): Endpoint(_trade_fee, 5),
    ("GET", "account/max-size"): Endpoint(_max_size, 20),
}
"""(method, path below /api/v5/) -> endpoint (OKX V5 docs, each endpoint's page)."""
