"""Asset REST: currencies and the funding account, which is empty: the simulator has no deposits and no withdrawals.

In: a Call. Out: rows. Sources: OKX V5 docs, "Funding account / REST API", "Convert".
"""

from __future__ import annotations

from typing import Any

from okex_ws.simulator.channels import INST_TYPES
from okex_ws.simulator.v5.rest.http import Answer, Call, Endpoint, constant

_CHAINS = {"BTC": "BTC-Bitcoin", "ETH": "ETH-ERC20", "USDT": "USDT-ERC20", "USDC": "USDC-ERC20", "USD": "USD-Fedwire"}
_NAMES = {"BTC": "Bitcoin", "ETH": "Ethereum", "USDT": "Tether", "USDC": "USD Coin", "USD": "US Dollar"}


def currencies_of(call: Call) -> list[str]:
    """Return the currencies that an account holds or an instrument names, in alphabetical order."""
    found = set(call.trading.engine.accounts[call.uid].balances)
    for inst_type in INST_TYPES:
        for row in call.context.listings.rows(inst_type):
            found |= {str(row[name]) for name in ("baseCcy", "quoteCcy", "settleCcy") if row.get(name)}
    return sorted(found)


def _currencies(call: Call) -> Answer:
    wanted = call.query["ccy"].split(",") if "ccy" in call.query else None
    return [_currency(each) for each in currencies_of(call) if wanted is None or each in wanted]


def _currency(currency: str) -> dict[str, Any]:
    unused = ("logoLink", "ctAddr", "depEstOpenTime", "wdEstOpenTime", "minFeeForCtAddr", "maxFeeForCtAddr", "burningFeeRate")
    quotas = ("depQuotaFixed", "usedDepQuotaFixed", "depQuoteDailyLayer2")
    return {
        "ccy": currency,
        "name": _NAMES.get(currency, currency),
        "chain": _CHAINS.get(currency, f"{currency}-Simulated"),
        "canDep": False,
        "canWd": False,
        "canInternal": False,
        "minDep": "0.0001",
        "minWd": "0.001",
        "minInternal": "0.0001",
        "maxWd": "1000000",
        "wdTickSz": "8",
        "wdQuota": "0",
        "usedWdQuota": "0",
        "fee": "0",
        "minFee": "0",
        "maxFee": "0",
        "mainNet": True,
        "needTag": False,
        "minDepArrivalConfirm": "1",
        "minWdUnlockConfirm": "1",
        **dict.fromkeys((*unused, *quotas), ""),
    }


def _convert_currencies(call: Call) -> Answer:
    return [{"ccy": each, "min": "", "max": ""} for each in currencies_of(call)]


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "asset/currencies"): Endpoint(_currencies, 12),
    ("GET", "asset/balances"): Endpoint(constant(), 12),
    ("GET", "asset/deposit-history"): Endpoint(constant(), 12),
    ("GET", "asset/withdrawal-history"): Endpoint(constant(), 12),
    ("GET", "asset/bills"): Endpoint(constant(), 12),
    ("GET", "asset/convert/currencies"): Endpoint(_convert_currencies, 12),
}
"""(method, path below /api/v5/) -> endpoint (OKX V5 docs, each endpoint's page)."""
