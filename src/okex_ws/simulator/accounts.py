"""Accounts: balances, positions, fees, leverage and margin of everyone who trades on the floor.

Exact: every sum, product and fee is a Decimal without rounding; the only roundings are stated in `money`, and both
sides of a trade are booked from one rounded figure. Times are int ns UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from okex_ws.simulator.orders import ZERO


@dataclass(frozen=True, slots=True)
class Fees:
    """Fee rates as shares of the value traded; a negative rate is a rebate. Default: OKX's regular user, level 1."""

    spot_maker: Decimal = Decimal("0.0008")
    spot_taker: Decimal = Decimal("0.001")
    derivative_maker: Decimal = Decimal("0.0002")
    derivative_taker: Decimal = Decimal("0.0005")


@dataclass(slots=True)
class Balance:
    """One currency of one account: `cash` owned, `frozen` the part that open SPOT orders bind."""

    currency: str
    cash: Decimal = ZERO
    frozen: Decimal = ZERO
    updated: int = 0


@dataclass(slots=True)
class Position:
    """One position. side: net, long or short. size: contracts, below zero when short, on every side. cost: the signed
    entry value in `currency`. realised = profit + fee + funding since it was opened. average_price is None when flat.
    """

    position_id: str
    uid: str
    instrument: str
    instrument_type: str
    side: str
    currency: str
    leverage: Decimal
    created: int
    updated: int
    size: Decimal = ZERO
    cost: Decimal = ZERO
    average_price: Decimal | None = None
    profit: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    trade_id: int = 0

    @property
    def realised(self) -> Decimal:
        """What it has earned or cost in cash since it was opened."""
        return self.profit + self.fee + self.funding

    def copy(self) -> Position:
        """The position as it is now."""
        twin = object.__new__(Position)
        for name in Position.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin


@dataclass(slots=True)
class PositionChanged:
    """A position as it became; size zero when it has been closed. cause: filled, funding_fee, set_leverage."""

    uid: str
    position: Position
    cause: str


@dataclass(slots=True)
class Account:
    """One client. position_mode: net_mode or long_short_mode. positions: (instrument, side) -> Position, flat ones
    too; leverages: (instrument, side) -> what was set, where it was.
    """

    uid: str
    position_mode: str = "net_mode"
    fees: Fees = field(default_factory=Fees)
    balances: dict[str, Balance] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    leverages: dict[tuple[str, str], Decimal] = field(default_factory=dict)
