"""Rows of balances and positions, as the private channels push them and REST lists them.

In: the engine and an account's id. Out: dicts in OKX's names; every number is text. Figures that the simulator does not
compute (borrowing, greeks, liquidation prices) are "", or "0" where OKX writes a zero. Sources: OKX V5 docs, "Account channel",
"Positions channel", "Balance and position channel", "GET / Balance", "GET / Positions".
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.accounts import AccountPosition
from okex_ws.simulator.engine.catalogue import MarketFigures
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.market.base import stamp
from okex_ws.simulator.v5.order_rows import plain

_DOLLARS = frozenset({"USD", "USDT", "USDC"})
_CENT = Decimal("0.00000001")

_UNUSED_DETAILS = dict.fromkeys(
    (
        "borrowFroz",
        "crossLiab",
        "interest",
        "isoLiab",
        "liab",
        "maxLoan",
        "mgnRatio",
        "mmr",
        "notionalLever",
        "spotInUseAmt",
        "clSpotInUseAmt",
        "maxSpotInUseAmt",
        "uplLiab",
        "openAvgPx",
        "accAvgPx",
        "spotUpl",
        "spotUplRatio",
        "totalPnl",
        "totalPnlRatio",
    ),
    "",
) | dict.fromkeys(("smtSyncEq", "spotCopyTradingEq", "frpType", "colRes", "colBorrAutoConversion", "autoLendMtAmt"), "0")
_UNUSED_TOTALS = dict.fromkeys(
    (
        "adjEq",
        "availEq",
        "borrowFroz",
        "mmr",
        "mgnRatio",
        "notionalUsd",
        "notionalUsdForBorrow",
        "notionalUsdForSwap",
        "notionalUsdForFutures",
        "notionalUsdForOption",
        "delta",
        "deltaLever",
        "deltaNeutralStatus",
    ),
    "",
)
_UNUSED_POSITION = dict.fromkeys(
    (
        "posCcy",
        "liqPx",
        "margin",
        "mgnRatio",
        "mmr",
        "liab",
        "liabCcy",
        "interest",
        "optVal",
        "adl",
        "idxPx",
        "usdPx",
        "bePx",
        "deltaBS",
        "deltaPA",
        "gammaBS",
        "gammaPA",
        "thetaBS",
        "thetaPA",
        "vegaBS",
        "vegaPA",
        "spotInUseAmt",
        "spotInUseCcy",
        "clSpotInUseAmt",
        "maxSpotInUseAmt",
        "bizRefId",
        "bizRefType",
        "baseBal",
        "quoteBal",
        "baseBorrowed",
        "baseInterest",
        "quoteBorrowed",
        "quoteInterest",
        "pendingCloseOrdLiabVal",
        "nonSettleAvgPx",
        "settledPnl",
    ),
    "",
)


def in_dollars(engine: Engine, currency: str) -> Decimal | None:
    """Return the price of a currency in dollars by its mark price, None if no market of it trades."""
    if currency in _DOLLARS:
        return Decimal(1)
    for quote in ("USDT", "USDC", "USD"):
        mark = engine.mark(f"{currency}-{quote}")
        if mark is not None:
            return mark
    return None


def detail(engine: Engine, uid: str, currency: str) -> dict[str, Any]:
    """Return the row of one currency of an account."""
    balance = engine.accounts[uid].balances[currency]
    equity, frozen = engine.equity(uid, currency), engine.frozen(uid, currency)
    available = max(Decimal(0), engine.available(uid, currency, equity=True))
    price = in_dollars(engine, currency)
    dollars = "" if price is None else plain((equity * price).quantize(_CENT))
    return {
        "ccy": currency,
        "eq": plain(equity),
        "cashBal": plain(balance.cash),
        "uTime": stamp(balance.updated),
        "isoEq": "0",
        "availEq": plain(available),
        "disEq": dollars,
        "fixedBal": "0",
        "availBal": plain(max(Decimal(0), engine.available(uid, currency))),
        "frozenBal": plain(max(Decimal(0), equity - available)),
        "ordFrozen": plain(frozen),
        "upl": plain(equity - balance.cash),
        "eqUsd": dollars,
        "coinUsdPrice": plain(price),
        "isoUpl": "0",
        "stgyEq": "0",
        "twap": "0",
        "rewardBal": "0",
        "spotIsoBal": "0",
        "spotBal": plain(balance.cash),
        "imr": plain(sum((engine.margin(p) for p in open_positions(engine, uid) if p.currency == currency), Decimal(0))),
        "collateralEnabled": False,
        "collateralRestrict": False,
        "autoLendStatus": "off",
        **_UNUSED_DETAILS,
    }


def held(engine: Engine, uid: str) -> list[str]:
    """Return the currencies with a balance or equity, in alphabetical order."""
    account = engine.accounts[uid]
    return sorted(c for c, b in account.balances.items() if b.cash or b.frozen or engine.equity(uid, c))


def account(engine: Engine, uid: str, currencies: Iterable[str], now: int) -> dict[str, Any]:
    """Return the row of an account with details of these currencies; the totals cover the whole account."""
    total, profit = Decimal(0), Decimal(0)
    for currency in held(engine, uid):
        price = in_dollars(engine, currency)
        if price is not None:
            equity = engine.equity(uid, currency)
            total += equity * price
            profit += (equity - engine.accounts[uid].balances[currency].cash) * price
    return {
        "uTime": stamp(now),
        "totalEq": plain(total.quantize(_CENT)),
        "isoEq": "0",
        "ordFroz": "",
        "imr": "",
        "upl": plain(profit.quantize(_CENT)),
        **_UNUSED_TOTALS,
        "details": [detail(engine, uid, currency) for currency in currencies],
    }


def open_positions(engine: Engine, uid: str) -> list[AccountPosition]:
    """Return the positions that are not flat, in the order of their first opening."""
    return [position for position in engine.accounts[uid].positions.values() if position.size]


def position(engine: Engine, position: AccountPosition, facts: MarketFigures, now: int) -> dict[str, Any]:
    """Return the row of one position; a closed one has pos "0"."""
    profit, mark = engine.unrealised(position), engine.mark(position.instrument)
    margin = engine.margin(position) if position.size else Decimal(0)
    ratio = "" if profit is None or not margin else plain((profit / margin).quantize(_CENT))
    size = position.size if position.side == "net" else abs(position.size)
    return {
        "instType": position.instrument_type,
        "mgnMode": "cross",
        "posId": position.position_id,
        "posSide": position.side,
        "pos": plain(size),
        "hedgedPos": "",
        "availPos": plain(size),
        "avgPx": plain(position.average_price),
        "markPx": plain(mark),
        "upl": plain(profit),
        "uplRatio": ratio,
        "uplLastPx": plain(profit),
        "uplRatioLastPx": ratio,
        "instId": position.instrument,
        "lever": plain(position.leverage),
        "imr": plain(margin),
        "tradeId": str(position.trade_id or ""),
        "notionalUsd": plain(facts.scale.worth(abs(position.size), mark)),
        "ccy": position.currency,
        "last": facts.last,
        "realizedPnl": plain(position.realised),
        "pnl": plain(position.profit),
        "fee": plain(position.fee),
        "fundingFee": plain(position.funding),
        "liqPenalty": "0",
        "closeOrderAlgo": [],
        **_UNUSED_POSITION,
        "cTime": stamp(position.created),
        "uTime": stamp(position.updated),
        "pTime": stamp(now),
    }


def brief_balance(engine: Engine, uid: str, currency: str) -> dict[str, str]:
    """Return the row of a currency in balance_and_position."""
    balance = engine.accounts[uid].balances[currency]
    return {"ccy": currency, "cashBal": plain(balance.cash), "uTime": stamp(balance.updated)}


def brief_position(position: AccountPosition) -> dict[str, str]:
    """Return the row of a position in balance_and_position."""
    size = position.size if position.side == "net" else abs(position.size)
    return {
        "posId": position.position_id,
        "tradeId": str(position.trade_id or ""),
        "instId": position.instrument,
        "instType": position.instrument_type,
        "mgnMode": "cross",
        "posSide": position.side,
        "pos": plain(size),
        "ccy": position.currency,
        "posCcy": "",
        "avgPx": plain(position.average_price),
        "nonSettleAvgPx": "",
        "settledPnl": "",
        "uTime": stamp(position.updated),
    }


def greeks(engine: Engine, uid: str, currency: str, now: int) -> dict[str, str]:
    """Return a currency's greeks. Without options the delta is the equity and the others are zero."""
    zeros = dict.fromkeys(("deltaPA", "gammaBS", "gammaPA", "thetaBS", "thetaPA", "vegaBS", "vegaPA"), "0")
    return {"ccy": currency, "deltaBS": plain(engine.equity(uid, currency)), **zeros, "ts": stamp(now)}
