"""Floor: where clients' orders trade, with one another and with the market's published book.

In: `place`, `amend`, `cancel` and settings, and `advance(now)` after every instant of the market; out: what each call
returns, Rejections, and the happenings to `take()`, in order. Sans-IO: `now` (ns UTC) is an argument. No JSON and none
of OKX's short names: the faces translate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okex_ws.simulator.accounts import Account, Balance, Fees, Position, PositionChanged
from okex_ws.simulator.markets import Market
from okex_ws.simulator.orders import (
    BalanceChanged,
    Execution,
    NewOrder,
    Order,
    OrderChanged,
    Rejection,
)

__all__ = [
    "DEFAULT_FUNDS",
    "Account",
    "Balance",
    "BalanceChanged",
    "Execution",
    "Fees",
    "Floor",
    "FloorRules",
    "Happening",
    "NewOrder",
    "Order",
    "OrderChanged",
    "Position",
    "PositionChanged",
    "Rejection",
]

Happening = OrderChanged | BalanceChanged | PositionChanged

DEFAULT_FUNDS: Mapping[str, Decimal] = {
    "USDT": Decimal(100_000),
    "BTC": Decimal(10),
    "ETH": Decimal(100),
    "USDC": Decimal(100_000),
}
"""What a funded account of the simulator begins with."""


@dataclass(frozen=True, slots=True)
class FloorRules:
    """Figures of the floor (OKX V5 docs, "Place order": 4000 pending orders per account, 500 per instrument, 1000
    matches per taker). leverage: what an instrument begins with. kept_orders: finished orders remembered per account.
    """

    pending_per_account: int = 4000
    pending_per_instrument: int = 500
    makers_per_taker: int = 1000
    leverage: Decimal = Decimal(3)
    kept_orders: int = 100_000


class Floor:
    """One trading floor. instruments: a face's own reading of the reference rows (default: the market's)."""

    def __init__(
        self,
        market: Market,
        *,
        seed: int = 0,
        now: int,
        rules: FloorRules | None = None,
        instruments: Callable[[str], list[dict[str, Any]]] | None = None,
    ) -> None:
        raise NotImplementedError

    accounts: dict[str, Account]

    def open_account(
        self,
        uid: str,
        balances: Mapping[str, Decimal] = DEFAULT_FUNDS,
        *,
        position_mode: str = "net_mode",
        fees: Fees | None = None,
    ) -> Account:
        """A new client with this money; raises ValueError when the uid is taken."""
        raise NotImplementedError

    def place(self, uid: str, new: NewOrder, now: int) -> Order:
        """Take an order and match it at once; raises Rejection."""
        raise NotImplementedError

    def amend(
        self,
        uid: str,
        order: Order,
        now: int,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        request_id: str = "",
        cancel_on_fail: bool = False,
    ) -> Order:
        """Change size (total, filled part included) or price; raises Rejection."""
        raise NotImplementedError

    def cancel(self, uid: str, order: Order, now: int, *, source: str = "1") -> Order:
        """Cancel what is left; raises Rejection 51400 when nothing is."""
        raise NotImplementedError

    def find(self, uid: str, instrument: str, *, order_id: str = "", client_order_id: str = "") -> Order | None:
        """The order of this account and instrument; order_id wins; a client id used again finds the latest."""
        raise NotImplementedError

    def open_orders(self, uid: str) -> list[Order]:
        """Pending orders, oldest first."""
        raise NotImplementedError

    def orders(self, uid: str) -> Sequence[Order]:
        """Every remembered order, oldest first."""
        raise NotImplementedError

    def executions(self, uid: str) -> Sequence[Execution]:
        """Every remembered execution, oldest first."""
        raise NotImplementedError

    def leverage(self, uid: str, instrument: str, position_side: str = "net") -> Decimal:
        """The leverage in force."""
        raise NotImplementedError

    def set_leverage(self, uid: str, instrument: str, leverage: Decimal, now: int, *, position_side: str = "net") -> None:
        """Set it; raises Rejection."""
        raise NotImplementedError

    def set_position_mode(self, uid: str, mode: str) -> None:
        """net_mode or long_short_mode; raises Rejection while there are positions or orders."""
        raise NotImplementedError

    def available(self, uid: str, currency: str, *, equity: bool = False) -> Decimal:
        """What new orders may use: of cash alone, or with the open profit (derivatives). May be below zero."""
        raise NotImplementedError

    def equity(self, uid: str, currency: str) -> Decimal:
        """Cash and open profit."""
        raise NotImplementedError

    def frozen(self, uid: str, currency: str) -> Decimal:
        """What open orders bind of a currency, SPOT and derivatives together."""
        raise NotImplementedError

    def unrealised(self, position: Position) -> Decimal | None:
        """Open profit by the mark price, None where the market knows none."""
        raise NotImplementedError

    def margin(self, position: Position) -> Decimal:
        """Initial margin of a position by the mark price."""
        raise NotImplementedError

    def mark(self, instrument: str) -> Decimal | None:
        """The mark price: the market's, else the middle of its book, else its last trade."""
        raise NotImplementedError

    def deadline(self) -> int | None:
        """The next instant at which the floor itself has something to do (funding)."""
        raise NotImplementedError

    def advance(self, now: int) -> None:
        """Resting orders against the market as it is now published, and funding that is due."""
        raise NotImplementedError

    def take(self) -> list[Happening]:
        """What happened since the last call, in order."""
        raise NotImplementedError
