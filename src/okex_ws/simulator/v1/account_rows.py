"""Rows of V1's account channels: orders, balances and positions.

In: orders, positions, the engine. Out: `data` of pushes and replies. Futures have JSON numbers, spot orders texts, as
recorded. Sources: OKEx V1 docs; recordings of 2017 and 2018.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.accounts import AccountPosition
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import ZERO, Order
from okex_ws.simulator.legacy.rows import date, move, plain, status
from okex_ws.simulator.market.base import DAY, HOUR, MILLISECOND
from okex_ws.simulator.v1.grammar import EPOCH_MS
from okex_ws.simulator.v1.names import Listed


def order_id(order: Order) -> int:
    """Return V1's id of an order: its millisecond, and 15 bits of the engine's id."""
    return (order.created // MILLISECOND - EPOCH_MS) << 16 | int(order.order_id) & 0x7FFF


def trade_type(order: Order) -> str:
    """Return buy, sell, buy_market or sell_market."""
    return f"{order.side}_market" if order.order_type == "market" else order.side


# Spot


def spot_order(order: Order, symbol: str) -> dict[str, Any]:
    """Return the data of `ok_sub_spot_X_order`."""
    average = order.average_price or ZERO
    price = order.size if order.counts_quote else order.price
    return {
        "symbol": symbol,
        "orderId": order_id(order),
        "tradeUnitPrice": plain(price or ZERO),
        "tradeAmount": plain(ZERO if order.counts_quote else order.size),
        "createdDate": str(order.updated // MILLISECOND),
        "completedTradeAmount": plain(order.filled),
        "averagePrice": plain(average),
        "tradePrice": plain(average * order.filled),
        "tradeType": trade_type(order),
        "status": status(order),
    }


def spot_order_row(order: Order, symbol: str) -> dict[str, Any]:
    """Return one order of `ok_spot_orderinfo`."""
    price = order.size if order.counts_quote else order.price
    return {
        "symbol": symbol,
        "amount": plain(ZERO if order.counts_quote else order.size),
        "price": plain(price or ZERO),
        "avg_price": float(order.average_price or 0),
        "create_date": order.created // MILLISECOND,
        "type": trade_type(order),
        "deal_amount": float(order.filled),
        "order_id": order_id(order),
        "status": status(order),
    }


def spot_balance(engine: Engine, uid: str, currencies: Iterable[str]) -> dict[str, Any]:
    """Return the data of `ok_sub_spot_X_balance`, in numbers."""
    free, frozen = _funds(engine, uid, currencies)
    return {"info": {"free": {k: float(v) for k, v in free.items()}, "freezed": {k: float(v) for k, v in frozen.items()}}}


def spot_funds(engine: Engine, uid: str) -> dict[str, Any]:
    """Return the funds of `ok_spot_userinfo`: texts, every currency, no borrowing."""
    currencies = list(engine.accounts[uid].balances)
    free, frozen = _funds(engine, uid, currencies)
    fields = {"free": free, "freezed": frozen, "borrow": dict.fromkeys(free, ZERO)}
    return {"funds": {name: {k: plain(v) for k, v in part.items()} for name, part in fields.items()}}


def _funds(engine: Engine, uid: str, currencies: Iterable[str]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    names = list(currencies)
    free = {name.lower(): engine.available(uid, name) for name in names}
    return free, {name.lower(): engine.frozen(uid, name) for name in names}


# Futures


def futures_order(order: Order, listed: Listed) -> dict[str, Any]:
    """Return the data of `ok_sub_futureusd_trades`."""
    return {
        "orderid": order_id(order),
        "contract_name": listed.contract_name,
        "fee": float(order.fee),
        "user_id": _number_of(order.uid),
        "contract_id": listed.contract_id,
        "price": float(order.price or 0),
        "create_date_str": shanghai(order.created // MILLISECOND),
        "amount": float(order.size),
        "status": status(order),
        "system_type": 0,
        "unit_amount": float(listed.unit),
        "price_avg": float(order.average_price or 0),
        "contract_type": listed.contract,
        "create_date": order.created // MILLISECOND,
        "lever_rate": float(order.leverage or 0),
        "type": move(order),
        "deal_amount": float(order.filled),
    }


def futures_order_row(order: Order, listed: Listed) -> dict[str, Any]:
    """Return one order of `ok_futureusd_orderinfo`."""
    fields = futures_order(order, listed)
    names = ("fee", "amount", "price", "contract_name", "create_date", "status", "lever_rate", "deal_amount", "price_avg")
    rest = {"type": fields["type"], "order_id": fields["orderid"], "unit_amount": fields["unit_amount"], "symbol": listed.symbol}
    return {**{name: fields[name] for name in names}, **rest}


def futures_account(engine: Engine, uid: str, coin: str) -> dict[str, Any]:
    """Return one coin of `ok_futureusd_userinfo`, cross margin."""
    kept, realised, open_profit = _margins(engine, uid, coin)
    equity = engine.equity(uid, coin.upper())
    return {
        "account_rights": float(equity),
        "keep_deposit": float(kept),
        "profit_real": float(realised),
        "profit_unreal": float(open_profit),
        "risk_rate": float(equity / kept) if kept else 10_000.0,
    }


def futures_userinfo(engine: Engine, uid: str, coin: str, unit: Decimal) -> dict[str, Any]:
    """Return the data of `ok_sub_futureusd_userinfo`, cross margin."""
    kept, realised, _ = _margins(engine, uid, coin)
    return {
        "balance": float(engine.accounts[uid].balance(coin.upper()).cash),
        "symbol": f"{coin}_usd",
        "keep_deposit": float(kept),
        "profit_real": float(realised),
        "unit_amount": float(unit),
    }


def futures_positions(engine: Engine, position: AccountPosition, listed: Listed) -> dict[str, Any]:
    """Return the data of `ok_sub_futureusd_positions`, cross margin: a row for long (1) and one for short (2)."""
    account = engine.accounts[position.uid]
    rows = []
    for side, is_long in ((1, True), (2, False)):
        held = [
            each
            for each in (*_others(account.positions.values(), position), position)
            if each.instrument == position.instrument and each.size and (each.size > 0) == is_long
        ]
        size = sum((abs(each.size) for each in held), ZERO)
        average = float(held[0].average_price or 0) if held else 0.0
        rows.append(
            {
                "position": side,
                "contract_name": listed.contract_name,
                "costprice": average,
                "bondfreez": 0.0,
                "avgprice": average,
                "contract_id": listed.contract_id,
                "position_id": int(position.position_id),
                "eveningup": float(size),
                "hold_amount": float(size),
                "margin": float(sum((engine.margin(each) for each in held), ZERO)),
                "realized": float(sum((each.realised for each in held), ZERO)),
            }
        )
    return {"positions": rows, "symbol": listed.symbol, "user_id": _number_of(position.uid)}


def _others(positions: Iterable[AccountPosition], changed: AccountPosition) -> list[AccountPosition]:
    """Return the account's positions without the changed one."""
    return [each for each in positions if each.position_id != changed.position_id]


def _margins(engine: Engine, uid: str, coin: str) -> tuple[Decimal, Decimal, Decimal]:
    """Return (margin kept, realised profit, open profit) of a coin's positions."""
    held = [each for each in engine.accounts[uid].positions.values() if each.currency == coin.upper()]
    kept = sum((engine.margin(each) for each in held if each.size), ZERO)
    open_profit = sum((engine.unrealised(each) or ZERO for each in held if each.size), ZERO)
    return kept, sum((each.realised for each in held), ZERO), open_profit


def _number_of(uid: str) -> int:
    return int(uid) if uid.isdigit() else 0


def shanghai(ms: int) -> str:
    """Return YYYY-MM-DD HH:MM:SS in Shanghai."""
    days, rest = divmod(ms + 8 * HOUR // MILLISECOND, DAY // MILLISECOND)
    year, month, day = date(days)
    second = rest // 1000
    return f"{year:04d}-{month:02d}-{day:02d} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
