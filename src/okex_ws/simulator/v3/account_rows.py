"""Rows of V3's account, position and order tables. All values are texts.

Figures that the engine does not have (liquidation prices, margin ratios) are "". No recording has private tables of options,
so there are none here. Sources: OKEx V3 docs, the channels' pages; recordings of 2019 and 2020.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.accounts import AccountPosition
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import ZERO, Execution, Order
from okex_ws.simulator.legacy.rows import move, plain, status
from okex_ws.simulator.market.base import MILLISECOND
from okex_ws.simulator.v3.grammar import V3Channel, iso

_STATUS_WORDS = {-1: "cancelled", 0: "open", 1: "part_filled", 2: "filled"}
_ORDER_TYPES = {"post_only": "1", "fok": "2", "ioc": "3", "optimal_limit_ioc": "3", "market": "4"}


def _time(ns: int) -> str:
    return iso(ns // MILLISECOND)


def spot_order(order: Order, execution: Execution | None) -> dict[str, Any]:
    """Return the row of `spot/order`."""
    state = status(order)
    average = order.average_price or ZERO
    return {
        "client_oid": order.client_order_id,
        "created_at": _time(order.created),
        "filled_notional": plain(average * order.filled),
        "filled_size": plain(order.filled),
        "instrument_id": order.instrument,
        "last_fill_px": plain(execution.price) if execution else "0",
        "last_fill_qty": plain(execution.size) if execution else "0",
        "last_fill_time": _time(execution.at if execution else 0),
        "margin_trading": "1",
        "notional": plain(order.size) if order.counts_quote else "",
        "order_id": order.order_id,
        "order_type": "0" if order.order_type == "market" else _ORDER_TYPES.get(order.order_type, "0"),
        "price": plain(order.price) if order.price is not None else "",
        "side": order.side,
        "size": "" if order.counts_quote else plain(order.size),
        "state": str(state),
        "status": _STATUS_WORDS[state],
        "timestamp": _time(order.updated),
        "type": "market" if order.order_type == "market" else "limit",
    }


def contract_order(order: Order, contract_value: str) -> dict[str, Any]:
    """Return the row of `futures/order`; `swap/order` is the same without the leverage."""
    state = str(status(order))
    fields = {
        "leverage": plain(order.leverage or ZERO),
        "filled_qty": plain(order.filled),
        "fee": plain(order.fee),
        "client_oid": order.client_order_id,
        "price_avg": plain(order.average_price or ZERO),
        "type": str(move(order)),
        "instrument_id": order.instrument,
        "size": plain(order.size),
        "price": plain(order.price or ZERO),
        "contract_val": contract_value,
        "order_id": order.order_id,
        "order_type": _ORDER_TYPES.get(order.order_type, "0"),
        "timestamp": _time(order.updated),
        "status": state,
        "state": state,
        "pnl": plain(order.profit),
    }
    if order.instrument_type == "SWAP":
        del fields["leverage"]
    return fields


def account(channel: V3Channel, engine: Engine, uid: str, settle: str, now: int) -> dict[str, Any]:
    """Return the row of `*/account`; settle: its currency."""
    total, free = engine.equity(uid, settle), engine.available(uid, settle)
    if channel.business == "spot":
        cash = engine.accounts[uid].balance(settle).cash
        return {
            "balance": plain(cash), "available": plain(free), "currency": settle, "id": "",
            "hold": plain(engine.frozen(uid, settle)),
        }  # fmt: skip
    held = [each for each in engine.accounts[uid].positions.values() if each.currency == settle]
    sums = {
        "equity": plain(total),
        "margin": plain(sum((engine.margin(each) for each in held if each.size), ZERO)),
        "margin_mode": "crossed",
        "margin_ratio": "",
        "realized_pnl": plain(sum((each.realised for each in held), ZERO)),
        "total_avail_balance": plain(free),
        "unrealized_pnl": plain(sum((engine.unrealised(each) or ZERO for each in held if each.size), ZERO)),
    }
    if channel.business == "futures":
        return {settle: sums}
    rest = {"fixed_balance": "0", "instrument_id": channel.filter, "margin_frozen": plain(engine.frozen(uid, settle))}
    return {**sums, **rest, "timestamp": _time(now)}


def margin_account(instrument: str) -> dict[str, Any]:
    """Return the row of `spot/margin_account`, always empty, since the engine keeps all money in one account."""
    empty = dict.fromkeys(("available", "balance", "borrowed", "hold", "lending_fee"), "0")
    wallets = {f"currency:{currency}": dict(empty) for currency in instrument.split("-")}
    return {**wallets, "liquidation_price": "0", "tiers": "1", "maint_margin_ratio": "0.08", "instrument_id": instrument}


def futures_position(held: list[AccountPosition], instrument: str, now: int) -> dict[str, Any]:
    """Return the row of `futures/position`, with long and short."""
    fields: dict[str, Any] = {}
    for side, sign in (("long", 1), ("short", -1)):
        position = next((each for each in held if each.size * sign > 0), None)
        size = abs(position.size) if position else ZERO
        average = plain((position.average_price if position else None) or ZERO)
        fields |= {
            f"{side}_qty": plain(size),
            f"{side}_avail_qty": plain(size),
            f"{side}_avg_cost": average,
            f"{side}_settlement_price": average,
        }
    return {
        **fields,
        "liquidation_price": "",
        "instrument_id": instrument,
        "leverage": plain(held[0].leverage if held else ZERO),
        "created_at": _time(held[0].created if held else now),
        "updated_at": _time(held[0].updated if held else now),
        "realised_pnl": plain(sum((each.realised for each in held), ZERO)),
        "margin_mode": "crossed",
    }


def swap_position(held: list[AccountPosition], instrument: str, engine: Engine) -> dict[str, Any]:
    """Return the row of `swap/position`: one holding for each side."""
    return {
        "holding": [_holding(position, engine.margin(position)) for position in held],
        "instrument_id": instrument,
        "margin_mode": "crossed",
    }


def _holding(position: AccountPosition, margin: Decimal) -> dict[str, Any]:
    size, average = plain(abs(position.size)), plain(position.average_price or ZERO)
    is_short = position.size < 0 or position.side == "short"
    return {
        "avail_position": size,
        "avg_cost": average,
        "leverage": plain(position.leverage),
        "liquidation_price": "",
        "margin": plain(margin),
        "position": size,
        "realized_pnl": plain(position.realised),
        "settlement_price": average,
        "side": "short" if is_short else "long",
        "timestamp": _time(position.updated),
    }
