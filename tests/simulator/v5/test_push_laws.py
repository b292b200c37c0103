"""What the private channels tell adds up to what the exchange has, over random orders of two accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, code, venue

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.seeded_random import SeededRandom

KEYS = (ApiKey("a", "NOT-A-REAL-SECRET", "p", uid="1"), ApiKey("b", "NOT-A-REAL-SECRET", "p", uid="2"))
CHANNELS: list[dict[str, Any]] = [
    {"channel": "orders", "instType": "ANY"},
    {"channel": "fills"},
    {"channel": "account"},
    {"channel": "positions", "instType": "ANY"},
    {"channel": "balance_and_position"},
]


def trade(exchange: Exchange, traders: list[Trader], dice: SeededRandom, turns: int) -> None:
    """Random places, amends and cancels around the market's price."""
    types = ("limit", "limit", "limit", "market", "post_only", "ioc", "fok", "optimal_limit_ioc")
    for turn in range(turns):
        at = 1 + turn * 0.05
        trader, instrument = dice.choice(traders), dice.choice((SPOT, SWAP))
        opened = exchange.engine.open_orders(trader.key.uid)
        if opened and dice.chance(0.4):
            order = dice.choice(opened)
            name = {"instIdCode": code(exchange, order.instrument), "ordId": order.order_id}
            if dice.chance(0.5):
                trader.ask("cancel-order", name, at=at)
            else:
                trader.ask("amend-order", {**name, "newPx": str(59900 + dice.below(200)), "reqId": f"q{turn}"}, at=at)
            continue
        kind = dice.choice(types)
        trader.place(
            at=at,
            instrument=instrument,
            side=dice.choice(("buy", "sell")),
            ordType=kind,
            px="" if kind in ("market", "optimal_limit_ioc") else str(59900 + dice.below(200)),
            sz=str(1 + dice.below(9)) if instrument == SWAP else f"0.0{1 + dice.below(8)}",
            tgtCcy="base_ccy" if kind == "market" and instrument == SPOT else "",
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pushes_add_up_to_the_ledger(seed: int) -> None:
    exchange = venue(keys=KEYS, order_limits=False)
    traders = [Trader(exchange, key=key) for key in KEYS]
    for trader in traders:
        trader.subscribe(*CHANNELS)
    trade(exchange, traders, SeededRandom(seed), 250)
    exchange.on_deadline(exchange.now + 10**9)
    for trader in traders:
        uid = trader.key.uid
        rows = [row for push in trader.pushes("orders") for row in push["data"]]
        final = {row["ordId"]: row for row in rows}
        known = {order.order_id: order for order in exchange.engine.orders(uid)}
        assert {name: (row["state"], Decimal(row["accFillSz"])) for name, row in final.items()} == {
            name: (order.state, order.filled) for name, order in known.items()
        }
        executions = {str(each.trade_id): each.size for each in exchange.engine.executions(uid)}
        assert len(executions) > 20
        assert {row["tradeId"]: Decimal(row["fillSz"]) for row in rows if row["tradeId"]} == executions
        fills = [row for push in trader.pushes("fills") for row in push["data"]]
        assert sum(Decimal(row["fillSz"]) for row in fills) == sum(executions.values())
        assert sum(int(row["count"]) for row in fills) == len(executions)
        assert (
            _cash(trader, "account")
            == _cash(trader, "brief")
            == {name: balance.cash for name, balance in exchange.engine.accounts[uid].balances.items()}
        )
        told = {}
        for push in trader.pushes("positions"):
            told |= {row["instId"]: Decimal(row["pos"]) for row in push["data"]}
        assert told == {name: position.size for (name, _), position in exchange.engine.accounts[uid].positions.items()}


def _cash(trader: Trader, source: str) -> dict[str, Decimal]:
    if source == "account":
        rows = [each for push in trader.pushes("account") for row in push["data"] for each in row["details"]]
    else:
        rows = [each for push in trader.pushes("balance_and_position") for row in push["data"] for each in row["balData"]]
    return {row["ccy"]: Decimal(row["cashBal"]) for row in rows}
