"""Public REST beside the stream: figures that follow from the simulated market, and those it does not have.

In: a Call. Out: rows. Contracts never expire here, nothing is borrowed, and no position is liquidated: the reads of these are
empty or zero. Sources: OKX V5 docs, "Public data", "Market data", "Trading statistics".
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from okex_ws.simulator.channels import INST_TYPES
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.order_rows import plain
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, constant, reply, required, unlisted

_CONTRACTS = ("SWAP", "FUTURES", "OPTION")
_CENT = Decimal("0.01")
_YUAN = Decimal("7.1")


def _listed(call: Call, inst_type: str) -> list[dict[str, Any]]:
    """Return the rows of a type that the query names by instFamily, uly or instId. Raises ApiError 51000."""
    if inst_type not in INST_TYPES:
        raise ApiError("51000", "Parameter instType error")
    rows = call.context.listings.rows(inst_type)
    for name in ("instFamily", "uly", "instId"):
        if name in call.query:
            rows = [row for row in rows if row.get(name) in call.query[name].split(",")]
    return rows


def _position_tiers(call: Call) -> Answer:
    """Return one tier an instrument or family: the greatest leverage. The maintenance margin is zero: nobody is liquidated."""
    inst_type, mode = required(call.query, "instType"), required(call.query, "tdMode")
    if mode not in ("cross", "isolated"):
        raise ApiError("51000", "Parameter tdMode error")
    if inst_type != "MARGIN" and not {"instFamily", "uly", "instId"} & set(call.query):
        raise ApiError("50015", "Either parameter instFamily or instId is required")
    rows: dict[str, dict[str, Any]] = {}
    for row in _listed(call, inst_type):
        leverage = Decimal(row["lever"] or 1)
        name = row["instId"] if inst_type == "MARGIN" else row["instFamily"]
        loans = "0" if inst_type == "MARGIN" else ""
        rows.setdefault(
            name,
            {
                "uly": row["uly"],
                "instFamily": row["instFamily"],
                "instId": row["instId"] if inst_type == "MARGIN" else "",
                "tier": "1",
                "minSz": "0",
                "maxSz": row["maxLmtSz"],
                "mmr": "0",
                "imr": plain((1 / leverage).quantize(Decimal("0.0001"))),
                "maxLever": plain(leverage),
                "optMgnFactor": "0",
                "quoteMaxLoan": loans,
                "baseMaxLoan": loans,
            },
        )
    return list(rows.values())


def _underlying(call: Call) -> Answer:
    inst_type = required(call.query, "instType")
    if inst_type not in _CONTRACTS:
        raise ApiError("51000", "Parameter instType error")
    return [sorted({row["uly"] for row in call.context.listings.rows(inst_type)})]


def _option_summary(call: Call) -> Answer:
    family = call.query.get("instFamily") or call.query.get("uly")
    if family is None:
        raise ApiError("50015", "Either parameter uly or instFamily is required")
    market = call.context.market
    snapshot = market.snapshot("opt-summary", family) if market.knows("opt-summary", family) else None
    return snapshot.rows if snapshot is not None else []


def _estimated_price(call: Call) -> Answer:
    """Return no rows: estimated prices are published in the half hour before an expiry, and contracts do not expire here."""
    _instrument(call)
    return []


def _instrument(call: Call) -> dict[str, Any]:
    instrument = required(call.query, "instId")
    for inst_type in INST_TYPES:
        for row in call.context.listings.rows(inst_type):
            if row["instId"] == instrument:
                return row
    raise unlisted()


def _convert(call: Call) -> Answer:
    """Return the contracts of an amount (type 1) or the amount of contracts (type 2), in coins or in dollars (unit usds)."""
    row, kind = _instrument(call), call.query.get("type", "1")
    size, price = grammar.number(dict(call.query), "sz"), grammar.number(dict(call.query), "px")
    unit = call.query.get("unit", "coin")
    if row["instType"] not in _CONTRACTS or kind not in ("1", "2") or unit not in ("coin", "usds"):
        raise ApiError("51000", "Parameter instId, type or unit error")
    if size is None:
        raise ApiError("50014", "Parameter sz can not be empty.")
    face = Decimal(row["ctVal"]) * Decimal(row["ctMult"] or 1)
    in_dollars = row["ctType"] == "inverse"
    if (unit == "usds") != in_dollars:
        if price is None:
            raise ApiError("50014", "Parameter px can not be empty.")
        face = face / price if in_dollars else face * price
    if kind == "1":
        lot = Decimal(row["lotSz"])
        rounding = ROUND_FLOOR if call.query.get("opType") == "open" else ROUND_CEILING
        result = (size / face / lot).to_integral_value(rounding) * lot
    else:
        result = (size * face).quantize(Decimal("0.00000001"))
    return [{"instId": row["instId"], "type": kind, "px": plain(price), "sz": plain(result), "unit": unit}]


def _insurance_fund(call: Call) -> Answer:
    """Return an empty fund: nothing is liquidated."""
    inst_type = required(call.query, "instType")
    family = call.query.get("instFamily") or call.query.get("uly", "")
    unused = dict.fromkeys(("adlType", "amt", "decRate", "maxBal", "maxBalTs"), "")
    detail = {"balance": "0", "ccy": call.query.get("ccy", "USDT"), "type": "regular_update", "ts": stamp(call.now), **unused}
    return [{"instType": inst_type, "instFamily": family, "total": "0", "details": [detail]}]


def _platform_volume(call: Call) -> Answer:
    """Return the worth of 24 hours of trading of every instrument here, in dollars and yuan."""
    total = Decimal(0)
    market = call.context.market
    for inst_type in ("SPOT", *_CONTRACTS):
        for row in market.instruments(inst_type):
            snapshot = market.snapshot("tickers", row["instId"])
            if snapshot is None or not snapshot.rows:
                continue
            ticker = snapshot.rows[-1]
            volume, coins, last = (Decimal(ticker[name] or 0) for name in ("vol24h", "volCcy24h", "last"))
            if inst_type == "SPOT":
                total += coins
            else:
                face = Decimal(row["ctVal"] or 1) * Decimal(row["ctMult"] or 1)
                total += volume * face if row["ctType"] == "inverse" else volume * face * last
    return [{"volUsd": plain(total.quantize(_CENT)), "volCny": plain((total * _YUAN).quantize(_CENT)), "ts": stamp(call.now)}]


def _index_components(call: Call) -> HttpReply:
    """Return the one component of a simulated index: the simulated exchange. data is an object, not a list."""
    index = required(call.query, "index")
    market = call.context.market
    snapshot = market.snapshot("index-tickers", index) if market.knows("index-tickers", index) else None
    if snapshot is None or not snapshot.rows:
        raise unlisted()
    price = snapshot.rows[0]["idxPx"]
    part = {"exch": "OKX", "symbol": index.replace("-", "/"), "symPx": price, "wgt": "1.000", "cnvPx": price}
    return reply(200, "0", "", {"index": index, "last": price, "ts": stamp(call.now), "components": [part]})


def _books_lite(call: Call) -> Answer:
    instrument = _instrument(call)["instId"]
    book = call.context.market.book(instrument, 25)
    if book is None:
        raise unlisted()
    return [{"asks": book["asks"], "bids": book["bids"], "ts": book["ts"]}]


def _block_tickers(call: Call) -> Answer:
    inst_type = required(call.query, "instType")
    return [_block_row(row, call) for row in _listed(call, inst_type)]


def _block_ticker(call: Call) -> Answer:
    return [_block_row(_instrument(call), call)]


def _block_row(row: dict[str, Any], call: Call) -> dict[str, str]:
    """Return a row without volume: there are no block trades."""
    return {"instType": row["instType"], "instId": row["instId"], "volCcy24h": "0", "vol24h": "0", "ts": stamp(call.now)}


def _public(act: Any, limit: int) -> Endpoint:
    return Endpoint(act, limit, needs_key=False)


_QUOTAS: dict[str, list[Any]] = {"basic": [], "vip": [], "regular": [], "config": [], "configCcyList": []}
_STATISTICS = (
    "contracts/open-interest-volume",
    "contracts/open-interest-history",
    "contracts/long-short-account-ratio",
    "contracts/long-short-account-ratio-contract",
    "taker-volume",
    "margin/loan-ratio",
)

ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "public/position-tiers"): _public(_position_tiers, 10),
    ("GET", "public/underlying"): _public(_underlying, 20),
    ("GET", "public/opt-summary"): _public(_option_summary, 20),
    ("GET", "public/estimated-price"): _public(_estimated_price, 10),
    ("GET", "public/convert-contract-coin"): _public(_convert, 10),
    ("GET", "public/insurance-fund"): _public(_insurance_fund, 10),
    ("GET", "public/interest-rate-loan-quota"): _public(constant(_QUOTAS), 2),
    ("GET", "public/delivery-exercise-history"): _public(constant(), 40),
    ("GET", "market/platform-24-volume"): _public(_platform_volume, 2),
    ("GET", "market/exchange-rate"): _public(constant({"usdCny": plain(_YUAN)}), 1),
    ("GET", "market/index-components"): _public(_index_components, 20),
    ("GET", "market/books-lite"): _public(_books_lite, 6),
    ("GET", "market/block-tickers"): _public(_block_tickers, 20),
    ("GET", "market/block-ticker"): _public(_block_ticker, 20),
    **{("GET", f"rubik/stat/{name}"): _public(constant(), 5) for name in _STATISTICS},
}
"""(method, path below /api/v5/) -> endpoint, limited per IP (OKX V5 docs, each endpoint's "Rate Limit")."""
