"""V3's account data as events: orders, balances, positions.

Source: OKEx's pages of V3, and recordings where these differ.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from okex_ws.events import AccountUpdate, AlgoOrderUpdate, Balance, Event, OrderUpdate, PositionUpdate
from okex_ws.legacy.numbers import nonzero, own, text, whole
from okex_ws.legacy.times import iso_ms

STATES = {-2: "canceled", -1: "canceled", 0: "live", 1: "partially_filled", 2: "filled", 3: "live", 4: "live"}
"""-2 failed, -1 cancelled, 0 open, 1 partly filled, 2 filled, 3 being submitted, 4 being cancelled."""
ORDER_TYPES = {"0": "limit", "1": "post_only", "2": "fok", "3": "ioc", "4": "market"}
KINDS = {"1": ("buy", "long"), "2": ("sell", "short"), "3": ("sell", "long"), "4": ("buy", "short")}
"""Type of an order on a derivative: opens long, opens short, closes long, closes short."""
MARGIN_MODES = {"crossed": "cross", "fixed": "isolated"}


def order_rows(row: Any, kind: str) -> list[Event]:
    """Return one order; rows of options and spot have a side, those of futures and swaps a type."""
    state = whole(row["state"] if "state" in row else row["status"])
    order_type = ORDER_TYPES.get(str(row.get("order_type", "0")), "")
    made = OrderUpdate(
        instrument=row["instrument_id"],
        order_id=text(row["order_id"]),
        instrument_type=kind,
        client_order_id=row.get("client_oid", ""),
        state=STATES[state],
        cancel_source="failed" if state == -2 else "",
        order_type="market" if row.get("type") == "market" else order_type,
        price=nonzero(row.get("price")),
        size=nonzero(row.get("size")),
        filled_size=own(row.get("filled_size", row.get("filled_qty"))),
        average_price=nonzero(row.get("price_avg")),
        fill_price=nonzero(row.get("last_fill_px")),
        fill_size=nonzero(row.get("last_fill_qty")),
        fee=own(row.get("fee")),
        leverage=own(row.get("leverage")),
        profit=own(row.get("pnl")),
        updated_ms=_ms(row.get("timestamp")),
        created_ms=_ms(row.get("created_at")),
    )
    if made.fill_price is not None:
        made.fill_ms = _ms(row.get("last_fill_time"))
    if row.get("type") in KINDS:
        made.side, made.position_side = KINDS[row["type"]]
    else:
        made.side = str(row.get("side", ""))
    if kind == "SPOT":
        _spot(made, row)
    return [made]


def _spot(made: OrderUpdate, row: Any) -> None:
    made.trade_mode = "cross" if str(row.get("margin_trading", "1")) == "2" else "cash"
    filled, spent = made.filled_size, own(row.get("filled_notional"))
    made.average_price = spent / filled if filled and spent else None
    if made.order_type == "market" and made.side == "buy":
        made.size, made.target_currency, made.price = nonzero(row.get("notional")), "quote_ccy", None


def algo_rows(row: Any, kind: str) -> list[Event]:
    """Return an order that waits for a price."""
    states = {"1": "live", "2": "effective", "3": "canceled", "4": "live", "5": "live", "6": "order_failed"}
    return [
        AlgoOrderUpdate(
            instrument=row["instrument_id"].upper().replace("_", "-"),
            algo_id=text(row["algo_id"]),
            instrument_type=kind,
            order_id=str(row.get("order_id", "")),
            side=str(row.get("side", "")),
            size=own(row.get("size")),
            trigger_price=own(row.get("trigger_price")),
            order_price=own(row.get("algo_price")),
            state=states.get(str(row.get("status", "")), ""),
            created_ms=_ms(row.get("created_at")),
            updated_ms=_ms(row.get("timestamp")),
        )
    ]


def account_rows(row: Any, kind: str) -> list[Event]:
    """Return balances of a currency, a margin pair, a swap, or one coin's futures, where the coin is the only key."""
    at = _ms(row.get("timestamp"))
    if any(name.startswith("currency:") for name in row):
        balances = [
            Balance(
                currency=name.partition(":")[2],
                cash=own(values.get("balance")),
                available=own(values.get("available")),
                frozen=own(values.get("hold")),
                liability=own(values.get("borrowed")),
                interest=own(values.get("lending_fee")),
            )
            for name, values in row.items()
            if name.startswith("currency:")
        ]
    elif "currency" in row and "balance" in row:
        available, held = own(row.get("available")), own(row.get("hold"))
        balances = [Balance(currency=row["currency"], cash=own(row["balance"]), available=available, frozen=held)]
    elif "equity" in row:
        balances = [_margined(str(row.get("currency") or row.get("instrument_id") or row.get("underlying")).split("-")[0], row)]
    else:
        balances = [_margined(coin.split("-")[0], values) for coin, values in row.items() if isinstance(values, dict)]
        if not balances:
            raise ValueError("an account of no known shape")
    return [AccountUpdate(event_type="event_update", balances=balances, updated_ms=at)]


def _margined(coin: str, row: Any) -> Balance:
    return Balance(
        currency=coin,
        equity=own(row.get("equity")),
        available=own(row.get("total_avail_balance", row.get("avail_margin"))),
        initial_margin=own(row.get("margin")),
        frozen=own(row.get("margin_frozen")),
        fixed=own(row.get("fixed_balance")),
        margin_ratio=own(row.get("margin_ratio")),
        unrealized_profit=own(row.get("unrealized_pnl")),
    )


def position_rows(row: Any, kind: str) -> list[Event]:
    """Return positions: both sides of a futures contract, one element per side of a swap, one of an option."""
    instrument, mode = row.get("instrument_id", ""), MARGIN_MODES.get(row.get("margin_mode", ""), "")
    if "holding" in row:
        return [_holding(instrument, mode, held, kind) for held in row["holding"]]
    if "long_qty" in row:
        return [_side(instrument, mode, side, row, kind) for side in ("long", "short")]
    return [_holding(instrument, mode, row, kind)]


def _holding(instrument: str, mode: str, row: Any, kind: str) -> Event:
    return PositionUpdate(
        event_type="event_update",
        instrument=instrument or row["instrument_id"],
        instrument_type=kind,
        position_side=str(row.get("side", "")),
        margin_mode=mode,
        size=own(row["position"]),
        available_size=own(row.get("avail_position")),
        average_price=nonzero(row.get("avg_cost")),
        non_settled_average_price=nonzero(row.get("settlement_price")),
        leverage=own(row.get("leverage")),
        liquidation_price=nonzero(row.get("liquidation_price")),
        margin=own(row.get("margin")),
        realized_profit=own(row.get("realized_pnl")),
        updated_ms=_ms(row.get("timestamp")),
    )


def _side(instrument: str, mode: str, side: str, row: Any, kind: str) -> Event:
    def of(name: str) -> Decimal | None:
        return own(row.get(f"{side}_{name}"))

    return PositionUpdate(
        event_type="event_update",
        instrument=instrument,
        instrument_type=kind,
        position_side=side,
        margin_mode=mode,
        size=of("qty"),
        available_size=of("avail_qty"),
        average_price=of("avg_cost") or None,
        non_settled_average_price=of("settlement_price") or None,
        leverage=of("leverage") or own(row.get("leverage")),
        liquidation_price=of("liqui_price") or nonzero(row.get("liquidation_price")),
        margin=of("margin"),
        unrealized_profit_ratio=of("pnl_ratio"),
        realized_profit=own(row.get("realised_pnl")),
        created_ms=_ms(row.get("created_at")),
        updated_ms=_ms(row.get("updated_at")),
    )


def _ms(value: Any) -> int | None:
    return iso_ms(value) if value else None
