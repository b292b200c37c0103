"""V1 private: what V1 tells of an account, from the floor's orders, balances and positions.

In: the floor's own things. Out: what stands under `data`. Futures are told in JSON numbers, spot orders in texts, as
recorded. Sources: OKEx V1 docs; recordings of 2017 and 2018.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from okex_ws.simulator.engine.accounts import AccountPosition
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import ZERO, Order
from okex_ws.simulator.market.base import DAY, HOUR, MILLISECOND
from okex_ws.simulator.v1.grammar import EPOCH_MS
from okex_ws.simulator.v1.names import Listed, date

_STATES = {"live": 0, "partially_filled": 1, "filled": 2, "canceled": -1}


def status(order: Order) -> int:
    """V1's state of an order: -1 cancelled, 0 open, 1 partly filled, 2 filled."""
    return _STATES[order.state]


def order_id(order: Order) -> int:
    """V1's id of an order: its millisecond, and 15 bits of the floor's own id."""
    return (order.created // MILLISECOND - EPOCH_MS) << 16 | int(order.order_id) & 0x7FFF


def trade_type(order: Order) -> str:
    """buy, sell, buy_market, sell_market."""
    return f"{order.side}_market" if order.order_type == "market" else order.side


def move(order: Order) -> int:
    """1 open long, 2 open short, 3 close long, 4 close short."""
    if order.position_side in ("long", "short"):
        is_opening = order.is_buy == (order.position_side == "long")
        return (1 if order.is_buy else 2) if is_opening else (4 if order.is_buy else 3)
    if order.reduce_only:
        return 4 if order.is_buy else 3
    return 1 if order.is_buy else 2


def plain(value: Decimal) -> str:
    """A Decimal without an exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# Spot


def spot_order(order: Order, symbol: str) -> dict[str, Any]:
    """`ok_sub_spot_X_order`."""
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
    """One order of `ok_spot_orderinfo`."""
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


def spot_balance(floor: Engine, uid: str, currencies: Iterable[str]) -> dict[str, Any]:
    """`ok_sub_spot_X_balance`: numbers."""
    free, frozen = _funds(floor, uid, currencies)
    return {"info": {"free": {k: float(v) for k, v in free.items()}, "freezed": {k: float(v) for k, v in frozen.items()}}}


def spot_funds(floor: Engine, uid: str) -> dict[str, Any]:
    """`ok_spot_userinfo`: texts, every currency; nothing can be borrowed here."""
    currencies = list(floor.accounts[uid].balances)
    free, frozen = _funds(floor, uid, currencies)
    told = {"free": free, "freezed": frozen, "borrow": dict.fromkeys(free, ZERO)}
    return {"funds": {name: {k: plain(v) for k, v in part.items()} for name, part in told.items()}}


def _funds(floor: Engine, uid: str, currencies: Iterable[str]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    names = list(currencies)
    free = {name.lower(): floor.available(uid, name) for name in names}
    return free, {name.lower(): floor.frozen(uid, name) for name in names}


# Futures


def futures_order(order: Order, listed: Listed) -> dict[str, Any]:
    """`ok_sub_futureusd_trades`."""
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
    """One order of `ok_futureusd_orderinfo`."""
    told = futures_order(order, listed)
    names = ("fee", "amount", "price", "contract_name", "create_date", "status", "lever_rate", "deal_amount", "price_avg")
    rest = {"type": told["type"], "order_id": told["orderid"], "unit_amount": told["unit_amount"], "symbol": listed.symbol}
    return {**{name: told[name] for name in names}, **rest}


def futures_account(floor: Engine, uid: str, coin: str) -> dict[str, Any]:
    """One coin of `ok_futureusd_userinfo`, cross margin."""
    kept, realised, open_profit = _margins(floor, uid, coin)
    equity = floor.equity(uid, coin.upper())
    return {
        "account_rights": float(equity),
        "keep_deposit": float(kept),
        "profit_real": float(realised),
        "profit_unreal": float(open_profit),
        "risk_rate": float(equity / kept) if kept else 10_000.0,
    }


def futures_userinfo(floor: Engine, uid: str, coin: str, unit: Decimal) -> dict[str, Any]:
    """`ok_sub_futureusd_userinfo`, cross margin."""
    kept, realised, _ = _margins(floor, uid, coin)
    return {
        "balance": float(floor.accounts[uid].balance(coin.upper()).cash),
        "symbol": f"{coin}_usd",
        "keep_deposit": float(kept),
        "profit_real": float(realised),
        "unit_amount": float(unit),
    }


def futures_positions(floor: Engine, position: AccountPosition, listed: Listed) -> dict[str, Any]:
    """`ok_sub_futureusd_positions`, cross margin: a row for long (1) and one for short (2)."""
    account = floor.accounts[position.uid]
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
                "margin": float(sum((floor.margin(each) for each in held), ZERO)),
                "realized": float(sum((each.realised for each in held), ZERO)),
            }
        )
    return {"positions": rows, "symbol": listed.symbol, "user_id": _number_of(position.uid)}


def _others(positions: Iterable[AccountPosition], changed: AccountPosition) -> list[AccountPosition]:
    """The account's positions but for the one that is told as it became."""
    return [each for each in positions if each.position_id != changed.position_id]


def _margins(floor: Engine, uid: str, coin: str) -> tuple[Decimal, Decimal, Decimal]:
    """(margin kept, realised profit, open profit) of a coin's positions."""
    held = [each for each in floor.accounts[uid].positions.values() if each.currency == coin.upper()]
    kept = sum((floor.margin(each) for each in held if each.size), ZERO)
    open_profit = sum((floor.unrealised(each) or ZERO for each in held if each.size), ZERO)
    return kept, sum((each.realised for each in held), ZERO), open_profit


def _number_of(uid: str) -> int:
    return int(uid) if uid.isdigit() else 0


def shanghai(ms: int) -> str:
    """YYYY-MM-DD HH:MM:SS in Shanghai."""
    days, rest = divmod(ms + 8 * HOUR // MILLISECOND, DAY // MILLISECOND)
    year, month, day = date(days)
    second = rest // 1000
    return f"{year:04d}-{month:02d}-{day:02d} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
