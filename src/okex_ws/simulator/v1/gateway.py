"""V1OrderGateway: V1's requests to trade and to read, and V1's pushes of an account.

In: the parameters of a request with a good signature; what the engine did. Out: replies, (channel, data) of pushes.
A contract word means today's contract; long and short are used in that position mode, else closing orders may only reduce.
Sources: OKEx V1 docs, "Trading", "Error codes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.accounts import LONG_SHORT_MODE, PositionChanged
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.engine.orders import BalanceChanged, NewOrder, Order, OrderChanged
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.v1 import account_rows as rows
from okex_ws.simulator.v1 import names
from okex_ws.simulator.v1.grammar import CONTRACTS, refused
from okex_ws.simulator.v1.names import Listed

_SPOT_CODES = {
    "51008": 10010, "51020": 10011, "51120": 10011, "51121": 1028, "51150": 1028, "51006": 10014,
    "51101": 1027, "51201": 1027, "51202": 1027, "51203": 1027,
}  # fmt: skip
_FUTURES_CODES = {
    "51008": 20012, "51006": 20018, "51112": 20016, "51169": 20016, "51170": 20016, "59102": 20025, "59108": 20025,
}  # fmt: skip
"""Code of the engine -> V1's code; any other is an illegal parameter."""
_LONGEST_PAGE = 50


class V1OrderGateway:
    """The requests and pushes of one account."""

    def __init__(self, context: Context, uid: str) -> None:
        self._context = context
        self._engine = context.trading.engine
        self.uid = uid
        self._requests: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
            "ok_spot_order": self._spot_order,
            "ok_spot_cancel_order": self._spot_cancel,
            "ok_spot_userinfo": self._spot_userinfo,
            "ok_spot_orderinfo": self._spot_orderinfo,
            "ok_futureusd_trade": self._futures_order,
            "ok_futuresusd_trade": self._futures_order,
            "ok_futureusd_cancel_order": self._futures_cancel,
            "ok_futureusd_userinfo": self._futures_userinfo,
            "ok_futureusd_orderinfo": self._futures_orderinfo,
        }

    def perform(self, channel: str, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        """Perform a request and return the data of its reply. Raises ApiError with a code of V1."""
        is_spot = channel.startswith("ok_spot")
        try:
            return {"result": True, **self._requests[channel](parameters, now)}
        except KeyError as missing:
            raise refused(10000 if is_spot else 20006, channel) from missing
        except (InvalidOperation, ValueError) as wrong:
            raise refused(10001 if is_spot else 20007, channel) from wrong

    def _place(self, new: NewOrder, codes: dict[str, int], otherwise: int, now: int) -> dict[str, Any]:
        with _codes(codes, otherwise):
            order = self._engine.place(self.uid, new, now)
        return {"order_id": rows.order_id(order)}

    # Spot

    def _pair(self, parameters: dict[str, Any]) -> Listed:
        coin, _, quote = str(parameters["symbol"]).lower().partition("_")
        listed = names.spot(self._context.listings.rows, coin, quote)
        if listed is None:
            raise ValueError(f"{parameters['symbol']} is not listed")
        return listed

    def _spot_order(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        listed, wanted = self._pair(parameters), str(parameters["type"])
        side, _, kind = wanted.partition("_")
        if side not in ("buy", "sell") or kind not in ("", "market"):
            raise ValueError(f"{wanted} is no type of an order")
        new = NewOrder(listed.instrument, side, "market" if kind else "limit", Decimal(0))
        if not kind:
            new.price, new.size = _positive(parameters, "price"), _positive(parameters, "amount")
        elif side == "buy":
            new.size, new.target_currency = _positive(parameters, "price"), "quote_ccy"
        else:
            new.size, new.target_currency = _positive(parameters, "amount"), "base_ccy"
        return self._place(new, _SPOT_CODES, 10001, now)

    def _spot_cancel(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        order = self._found(self._pair(parameters), parameters, 10009)
        return self._canceled(order, now)

    def _spot_userinfo(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        return {"info": rows.spot_funds(self._engine, self.uid)}

    def _spot_orderinfo(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        listed = self._pair(parameters)
        chosen = self._chosen(listed, parameters, 10009)
        return {"orders": [rows.spot_order_row(order, listed.symbol) for order in chosen]}

    # Futures

    def _contract(self, parameters: dict[str, Any], now: int) -> Listed:
        coin, _, quote = str(parameters["symbol"]).lower().partition("_")
        word = str(parameters["contract_type"])
        word = "quarter" if word == "this_quarter" else word
        known = quote == "usd" and word in CONTRACTS
        listed = names.futures(self._context.listings.rows, coin, word, now) if known else None
        if listed is None:
            raise ValueError(f"{parameters['symbol']} {word} is not listed")
        return listed

    def _futures_order(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        listed, move = self._contract(parameters, now), int(parameters["type"])
        if move not in (1, 2, 3, 4):
            raise ValueError(f"{move} is no type of an order")
        side = "buy" if move in (1, 4) else "sell"
        has_sides = self._engine.accounts[self.uid].position_mode == LONG_SHORT_MODE
        position_side = ("long" if move in (1, 3) else "short") if has_sides else ""
        new = NewOrder(listed.instrument, side, "limit", _positive(parameters, "amount"), trade_mode="cross")
        new.position_side, new.reduce_only = position_side, move in (3, 4) and not has_sides
        is_matched = str(parameters.get("match_price", "0")) == "1"
        new.price = self._opposite(listed, side) if is_matched else _positive(parameters, "price")
        self._set_leverage(listed, position_side or "net", Decimal(str(parameters.get("lever_rate", 10))), now)
        return self._place(new, _FUTURES_CODES, 20007, now)

    def _opposite(self, listed: Listed, side: str) -> Decimal:
        """Return the counterparty's price."""
        book = self._context.market.book(listed.instrument, 1)
        levels = book["asks" if side == "buy" else "bids"] if book else []
        if not levels:
            raise refused(20013)
        return Decimal(levels[0][0])

    def _set_leverage(self, listed: Listed, side: str, leverage: Decimal, now: int) -> None:
        if leverage not in (10, 20):
            raise refused(20025)
        if self._engine.leverage(self.uid, listed.instrument, side) != leverage:
            with _codes(_FUTURES_CODES, 20007):
                self._engine.set_leverage(self.uid, listed.instrument, leverage, now, position_side=side)

    def _futures_cancel(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        return self._canceled(self._found(self._contract(parameters, now), parameters, 20015), now)

    def _futures_userinfo(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        coins = sorted({listed.coin for listed in names.all_futures(self._context.listings.rows, now)})
        return {"info": {coin: rows.futures_account(self._engine, self.uid, coin) for coin in coins}}

    def _futures_orderinfo(self, parameters: dict[str, Any], now: int) -> dict[str, Any]:
        listed = self._contract(parameters, now)
        chosen = self._chosen(listed, parameters, 20015)
        return {"orders": [rows.futures_order_row(order, listed) for order in chosen]}

    # Both

    def _found(self, listed: Listed, parameters: dict[str, Any], missing: int) -> Order:
        given = str(parameters["order_id"])
        for order in reversed(self._engine.orders(self.uid)):
            if order.instrument == listed.instrument and str(rows.order_id(order)) == given:
                return order
        raise refused(missing)

    def _canceled(self, order: Order, now: int) -> dict[str, Any]:
        if not order.is_open:
            raise refused(1051 if order.state == "filled" else 1050)
        self._engine.cancel(self.uid, order, now)
        return {"order_id": str(rows.order_id(order))}

    def _chosen(self, listed: Listed, parameters: dict[str, Any], missing: int) -> list[Order]:
        """Return one order, or with order_id -1 a page of open orders (status 2: of finished orders)."""
        if str(parameters["order_id"]) != "-1":
            return [self._found(listed, parameters, missing)]
        is_finished = str(parameters.get("status", "1")) == "2"
        orders = [
            order
            for order in self._engine.orders(self.uid)
            if order.instrument == listed.instrument and order.is_open != is_finished
        ]
        page = max(1, int(parameters.get("current_page", 1)))
        length = min(_LONGEST_PAGE, max(1, int(parameters.get("page_length", _LONGEST_PAGE))))
        return orders[::-1][(page - 1) * length : page * length]

    # Pushes

    def pushes(self, events: Sequence[EngineEvent], now: int) -> list[tuple[str, str, Any]]:
        """Return (channel, instrument, data) of pushes: orders and positions in order, then each balance once, as it is last."""
        pushes: list[tuple[str, str, Any]] = []
        touched: dict[str, None] = {}
        contracts = {listed.instrument: listed for listed in names.all_futures(self._context.listings.rows, now)}
        for event in events:
            if event.uid != self.uid:
                continue
            if isinstance(event, OrderChanged):
                pushes += self._order_pushes(event.order, contracts)
            elif isinstance(event, BalanceChanged):
                touched.update(dict.fromkeys(event.currencies))
            elif isinstance(event, PositionChanged) and event.position.instrument in contracts:
                position, listed = event.position, contracts[event.position.instrument]
                data = rows.futures_positions(self._engine, position, listed)
                pushes.append(("ok_sub_futureusd_positions", position.instrument, data))
        return [*pushes, *self._balance_pushes(list(touched), contracts)]

    def _order_pushes(self, order: Order, contracts: dict[str, Listed]) -> list[tuple[str, str, Any]]:
        if order.instrument in contracts:
            data = rows.futures_order(order, contracts[order.instrument])
            return [("ok_sub_futureusd_trades", order.instrument, data)]
        if order.instrument_type not in ("SPOT", "MARGIN"):
            return []
        symbol = order.instrument.lower().replace("-", "_")
        return [(f"ok_sub_spot_{symbol}_order", order.instrument, rows.spot_order(order, symbol))]

    def _balance_pushes(self, currencies: list[str], contracts: dict[str, Listed]) -> list[tuple[str, str, Any]]:
        pushes: list[tuple[str, str, Any]] = []
        for row in self._context.listings.rows("SPOT") if currencies else ():
            changed = [name for name in (row["baseCcy"], row["quoteCcy"]) if name in currencies]
            if changed:
                symbol = row["instId"].lower().replace("-", "_")
                data = rows.spot_balance(self._engine, self.uid, changed)
                pushes.append((f"ok_sub_spot_{symbol}_balance", row["instId"], data))
        units = {listed.coin: listed.unit for listed in contracts.values()}
        for coin, unit in units.items():
            if coin.upper() in currencies:
                data = rows.futures_userinfo(self._engine, self.uid, coin, unit)
                pushes.append(("ok_sub_futureusd_userinfo", "", data))
        return pushes


@contextmanager
def _codes(codes: dict[str, int], otherwise: int) -> Iterator[None]:
    """Turn an error of the engine into V1's code."""
    try:
        yield
    except ApiError as error:
        raise refused(codes.get(error.code, otherwise)) from error


def _positive(parameters: dict[str, Any], name: str) -> Decimal:
    value = Decimal(str(parameters[name]))
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{name} must be above 0")
    return value
