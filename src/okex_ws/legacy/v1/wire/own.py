"""V1's account data as events: orders, balances, positions of spot and futures.

Orders and positions of futures are called as their trades and books are: EOS0420 is EOS-USD-THIS-WEEK in the week before it is
delivered, and EOS-USD-180420 ever after.
Source: OKEx's pages "WebSocket API for Spot" and "... for Futures", and recordings where these differ.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from okex_ws.events import AccountUpdate, Balance, Event, OrderUpdate, PositionUpdate
from okex_ws.events.base import MS
from okex_ws.legacy.numbers import nonzero, own, text, whole
from okex_ws.legacy.times import COUNTED_BELOW, DAY, day_ms, snowflake_ms, year_of
from okex_ws.legacy.v1.wire.channels import CONTRACT_WORDS, instrument_of
from okex_ws.wire.channels import Subscription

STATES = {-1: "canceled", 0: "live", 1: "partially_filled", 2: "filled", 4: "live"}
"""-1 cancelled, 0 open, 1 partly filled, 2 filled, 4 being cancelled."""
KINDS = {1: ("buy", "long"), 2: ("sell", "short"), 3: ("sell", "long"), 4: ("buy", "short")}
"""Type of a futures order: opens long, opens short, closes long, closes short."""
POSITION_SIDES = {1: "long", 2: "short"}
WEEK, DELIVERED_AT = 7 * DAY, 8 * 3_600_000
"""ms; contracts were delivered on Fridays at 16:00 in Shanghai."""
_ID = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}")
"""A contract's id begins with the day of its delivery; some published ids are masked."""


def order_rows(item: Subscription, data: Any, now: int) -> list[Event]:
    """Return one order, or several."""
    rows = data if isinstance(data, list) else [data]
    return [order_of(row, now) for row in rows]


def order_of(row: Any, now: int) -> OrderUpdate:
    """Return an order in any of V1's four shapes."""
    if "orderId" in row:
        return _spot_push(row)
    if "contract_name" in row or "lever_rate" in row:
        return _futures(row, now)
    return _spot_read(row) if "order_id" in row else _spot_bare(row)


def _spot_push(row: Any) -> OrderUpdate:
    made = _spot(row["symbol"], row["orderId"], row.get("tradeType", ""), row["status"])
    price, size = row.get("tradeUnitPrice"), row.get("tradeAmount")
    _price_and_size(made, price, size)
    made.filled_size = own(row.get("completedTradeAmount"))
    made.average_price = nonzero(row.get("averagePrice"))
    made.updated_ms = whole(row["createdDate"]) if row.get("createdDate") else None  # in recordings it moves with each change
    made.created_ms = snowflake_ms(whole(row["orderId"])) if whole(row["orderId"]) >= COUNTED_BELOW else None
    return made


def _spot_read(row: Any) -> OrderUpdate:
    """Return a requested order: `ok_spot_orderinfo`."""
    made = _spot(row["symbol"], row["order_id"], row.get("type", ""), row["status"])
    _price_and_size(made, row.get("price"), row.get("amount"))
    made.filled_size = own(row.get("deal_amount"))
    made.average_price = nonzero(row.get("avg_price"))
    made.created_ms = whole(row["create_date"]) if row.get("create_date") else None
    return made


def _spot_bare(row: Any) -> OrderUpdate:
    """Return an order pushed without a channel, whose sides 1 and 2 are undocumented. The caller sets its instrument."""
    filled = own(row.get("filledSize"))
    spent = own(row.get("executedValue"))
    return OrderUpdate(
        instrument="",
        order_id=text(row["id"]),
        instrument_type="SPOT",
        state=STATES[whole(row["status"])],
        price=nonzero(row.get("price")),
        size=nonzero(row.get("size")),
        filled_size=filled,
        average_price=spent / filled if filled and spent else None,
        created_ms=whole(row["createTime"]) if row.get("createTime") else None,
        updated_ms=whole(row["modifyTime"]) if row.get("modifyTime") else None,
    )


def _spot(symbol: str, order_id: Any, kind: str, status: Any) -> OrderUpdate:
    side, _, market = kind.partition("_")
    return OrderUpdate(
        instrument=symbol.upper().replace("_", "-"),
        order_id=text(order_id),
        instrument_type="SPOT",
        side=side,
        order_type="market" if market else "limit",
        trade_mode="cash",
        state=STATES[whole(status)],
    )


def _price_and_size(made: OrderUpdate, price: Any, size: Any) -> None:
    """Set price and size of an order; the price of a market buy is the amount of quote currency to spend."""
    if made.order_type == "market" and made.side == "buy":
        made.size, made.target_currency = nonzero(price), "quote_ccy"
    elif made.order_type == "market":
        made.size, made.target_currency = own(size), "base_ccy"
    else:
        made.price, made.size = own(price), own(size)


def _futures(row: Any, now: int) -> OrderUpdate:
    side, position_side = KINDS[whole(row["type"])]
    filled = own(row.get("deal_amount"))
    return OrderUpdate(
        instrument=_contract(row, now),
        order_id=text(row["orderid"] if "orderid" in row else row["order_id"]),
        instrument_type="FUTURES",
        side=side,
        position_side=position_side,
        order_type="limit",
        state=STATES[whole(row["status"])],
        price=nonzero(row.get("price")),
        size=own(row.get("amount")),
        filled_size=filled,
        average_price=nonzero(row.get("price_avg")),
        fee=own(row.get("fee")),
        leverage=own(row.get("lever_rate")),
        created_ms=whole(row["create_date"]) if row.get("create_date") else None,
        category=text(row["system_type"]) if "system_type" in row else "",
    )


def _contract(row: Any, now: int) -> str:
    """Return the instrument of a row's contract, named as in its trades and books: BTC-USD-QUARTER.

    At any time a coin had three contracts: one delivered this Friday, one next Friday, and one of the quarter. A delivered
    contract has none of these names: it is BTC-USD-180330.
    """
    name = str(row.get("contract_name", ""))
    coin = name[:-4] or str(row.get("symbol", "")).partition("_")[0].upper()
    if row.get("contract_type") in CONTRACT_WORDS:
        return instrument_of(coin, row["contract_type"])
    digits, made = str(row.get("contract_id", "")), whole(row.get("create_date") or 0)
    if _ID.match(digits):
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    else:
        month, day = int(name[-4:-2]), int(name[-2:])
        year = year_of(month, day, made or now // MS)
    left = day_ms(year, month, day) + DELIVERED_AT - max(made, now // MS)
    if left <= 0:
        return f"{coin}-USD-{year % 100:02d}{month:02d}{day:02d}"
    return instrument_of(coin, "this_week" if left <= WEEK else "next_week" if left <= 2 * WEEK else "quarter")


def account_rows(item: Subscription, data: Any, now: int) -> list[Event]:
    """Return balances of spot currencies, or of one coin's futures account."""
    if "info" in data:
        return [_whole_account(data["info"])]
    coin = str(data["symbol"]).partition("_")[0].upper()
    contracts = data.get("contracts") or []
    balance = Balance(
        currency=coin,
        cash=own(data.get("balance")),
        available=own(contracts[0].get("available")) if contracts else None,
        frozen=_total(contracts, "freeze"),
        initial_margin=own(data.get("keep_deposit")) if "keep_deposit" in data else _total(contracts, "bond"),
    )
    return [AccountUpdate(event_type="event_update", balances=[balance])]


def _whole_account(account: Any) -> AccountUpdate:
    if "free" in account or "funds" in account:
        funds = account.get("funds", account)
        return AccountUpdate(event_type="snapshot" if "funds" in account else "event_update", balances=_spot_balances(funds))
    balances = [
        Balance(
            currency=coin.upper(),
            equity=own(row.get("account_rights", row.get("rights"))),
            cash=own(row.get("balance")),
            initial_margin=own(row.get("keep_deposit")),
            unrealized_profit=own(row.get("profit_unreal")),
            margin_ratio=own(row.get("risk_rate")),
        )
        for coin, row in account.items()
    ]
    return AccountUpdate(event_type="snapshot", balances=balances)


def _spot_balances(funds: Any) -> list[Balance]:
    free, held, borrowed = funds.get("free", {}), funds.get("freezed", {}), funds.get("borrow", {})
    return [
        Balance(
            currency=name.upper(),
            available=own(free.get(name)),
            frozen=own(held.get(name)),
            liability=own(borrowed.get(name)),
        )
        for name in {**free, **held, **borrowed}
    ]


def position_rows(item: Subscription, data: Any, now: int) -> list[Event]:
    """Return one position per side, and per leverage where margin is fixed."""
    rows: list[Event] = []
    for row in data["positions"]:
        is_fixed = "fixmargin" in row
        coin = str(row["contract_name"])[:-4]
        rows.append(
            PositionUpdate(
                event_type="event_update",
                instrument=_contract(row, now),
                instrument_type="FUTURES",
                position_id=text(row.get("position_id", "")),
                position_side=POSITION_SIDES[whole(row["position"])],
                margin_mode="isolated" if is_fixed else "cross",
                size=own(row.get("hold_amount")),
                available_size=own(row.get("eveningup")),
                average_price=nonzero(row.get("avgprice")),
                non_settled_average_price=nonzero(row.get("costprice")),
                leverage=own(row.get("lever_rate")),
                liquidation_price=nonzero(row.get("forcedprice")),
                margin=own(row.get("fixmargin" if is_fixed else "margin")),
                realized_profit=own(row.get("profitreal" if is_fixed else "realized")),
                currency=coin,
            )
        )
    return rows


def _total(rows: Any, name: str) -> Decimal | None:
    return sum((own(row.get(name)) or Decimal(0) for row in rows), Decimal(0)) if rows else None
