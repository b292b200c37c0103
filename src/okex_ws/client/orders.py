"""ClientOrders: places, amends and cancels the orders of a client. Sizes and prices are Decimal, int or text; a float is refused.

Every call ends in an Outcome: CONFIRMED, REJECTED with a reason, or UNKNOWN; an event reports what became of an UNKNOWN one.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from okex_ws.client.errors import NotTradingError
from okex_ws.market.sizing import exact
from okex_ws.wire.orders import (
    MOST_IN_BATCH,
    AmendOrder,
    Attached,
    CancelOrder,
    MassCancel,
    OrderType,
    PlaceOrder,
    PositionSide,
    Side,
    TradeMode,
)

if TYPE_CHECKING:  # a client that only listens has no use for these
    from okex_ws.client.trading import Trader
    from okex_ws.core.trading import TradingCore
    from okex_ws.market.account import Account
    from okex_ws.protocol.orders.tickets import Outcome, Ticket

Number = Decimal | int | str
MOVED = (
    *("place", "amend", "cancel", "place_batch", "amend_batch", "cancel_batch", "mass_cancel"),
    *("place_spread", "amend_spread", "cancel_spread", "cancel_spreads"),
)
"""Methods that were once methods of Client itself."""


class ClientOrders:
    """The orders of one client that trades."""

    def __init__(self, trader: Trader) -> None:
        self._trader = trader

    @property
    def core(self) -> TradingCore:
        """The part that decides: tickets, limits, account."""
        return self._trader.core

    @property
    def account(self) -> Account:
        """Own orders, fills, positions and balances, and how far they can be trusted."""
        return self.core.account

    @property
    def unresolved(self) -> list[Ticket]:
        """Requests whose outcome is not known, a former process's among them; `order` is what was requested."""
        return self.core.orders.unresolved

    async def ready(self, within_s: float | None = 30.0) -> None:
        """Wait until orders can be sent, see `Client.ready`."""
        await self._trader.ready(within_s)

    def halt(self, reason: str) -> None:
        """Kill switch: send no new order from now on, and cancel what is open."""
        self._trader.halt(reason)

    def resume(self, reason: str = "") -> None:
        """Let new orders leave again."""
        self._trader.resume(reason)

    async def place(
        self,
        instrument: str,
        side: Side,
        size: Number,
        *,
        price: Number | None = None,
        order_type: OrderType = "limit",
        trade_mode: TradeMode | None = None,
        client_order_id: str = "",
        position_side: PositionSide | Literal[""] = "",
        reduce_only: bool = False,
        target_currency: str = "",
        currency: str = "",
        tag: str = "",
        self_trade: str = "",
        ban_amend: bool = False,
        attached: Attached | None = None,
        may_resend: bool = False,
        override: str = "",
    ) -> Outcome:
        """Place an order, rounded to the instrument's steps: the size down, a buy's price down, a sell's up.

        attached: a take-profit, a stop-loss or both, active once the order has filled; such an order goes over REST.
        size: base currency on spot, contracts on derivatives; target_currency="quote_ccy" for a spot market order that is an
        amount of money. trade_mode: None for cash on spot, cross on derivatives. may_resend: if it certainly never arrived, it is
        sent once more under the same id. override: why the order may go although account or book are not LIVE; it is logged.
        """
        order = PlaceOrder(
            instrument=instrument,
            side=side,
            size=exact(size),
            price=None if price is None else exact(price, "price"),
            order_type=order_type,
            trade_mode=trade_mode or self._trade_mode(instrument),
            client_order_id=client_order_id,
            position_side=position_side,
            reduce_only=reduce_only,
            target_currency=target_currency,
            currency=currency,
            tag=tag,
            self_trade=self_trade,
            ban_amend=ban_amend,
            attached=attached,
        )
        return (await self._trader.submit([order], may_resend=may_resend, override=override))[0]

    async def amend(
        self,
        instrument: str,
        *,
        client_order_id: str = "",
        order_id: str = "",
        size: Number | None = None,
        price: Number | None = None,
        cancel_on_fail: bool = False,
        override: str = "",
    ) -> Outcome:
        """Amend an order's total size, its price, or both. CONFIRMED means accepted; a later failure comes as OrderResolved."""
        order = AmendOrder(
            instrument=instrument,
            client_order_id=client_order_id,
            order_id=order_id,
            size=None if size is None else exact(size),
            price=None if price is None else exact(price, "price"),
            cancel_on_fail=cancel_on_fail,
        )
        return (await self._trader.submit([order], override=override))[0]

    async def cancel(self, instrument: str, *, client_order_id: str = "", order_id: str = "") -> Outcome:
        """Cancel an order. REJECTED with 51400 if it was filled first."""
        order = CancelOrder(instrument=instrument, client_order_id=client_order_id, order_id=order_id)
        return (await self._trader.submit([order]))[0]

    async def place_batch(self, orders: Sequence[PlaceOrder], *, override: str = "") -> list[Outcome]:
        """Place up to 20 orders in one request; return an outcome for each."""
        return await self._trader.submit(orders, override=override)

    async def amend_batch(self, orders: Sequence[AmendOrder], *, override: str = "") -> list[Outcome]:
        """Amend up to 20 orders in one request."""
        return await self._trader.submit(orders, override=override)

    async def cancel_batch(self, orders: Sequence[CancelOrder]) -> list[Outcome]:
        """Cancel up to 20 orders in one request."""
        return await self._trader.submit(orders)

    async def mass_cancel(self, family: str, *, lock_ms: int = 0) -> Outcome:
        """Cancel all market maker orders of an option family; portfolio margin only. lock_ms: refuse new ones so long."""
        return (await self._trader.submit([MassCancel(instrument=family, lock_ms=lock_ms)]))[0]

    async def place_spread(
        self,
        spread: str,
        side: Side,
        size: Number,
        *,
        price: Number | None = None,
        order_type: OrderType = "limit",
        client_order_id: str = "",
        tag: str = "",
        override: str = "",
    ) -> Outcome:
        """Place an order of a spread such as BTC-USDT_BTC-USDT-SWAP; its price may be negative. Needs Trading(spreads=True)."""
        order = PlaceOrder(
            instrument=spread,
            is_spread=True,
            side=side,
            size=exact(size),
            price=None if price is None else exact(price, "price"),
            order_type=order_type,
            client_order_id=client_order_id,
            tag=tag,
        )
        return (await self._trader.submit([order], override=override))[0]

    async def amend_spread(
        self,
        spread: str,
        *,
        client_order_id: str = "",
        order_id: str = "",
        size: Number | None = None,
        price: Number | None = None,
        override: str = "",
    ) -> Outcome:
        """Amend a spread order."""
        order = AmendOrder(
            instrument=spread,
            is_spread=True,
            client_order_id=client_order_id,
            order_id=order_id,
            size=None if size is None else exact(size),
            price=None if price is None else exact(price, "price"),
        )
        return (await self._trader.submit([order], override=override))[0]

    async def cancel_spread(self, spread: str, *, client_order_id: str = "", order_id: str = "") -> Outcome:
        """Cancel a spread order."""
        order = CancelOrder(instrument=spread, is_spread=True, client_order_id=client_order_id, order_id=order_id)
        return (await self._trader.submit([order]))[0]

    async def cancel_spreads(self, spread: str = "") -> Outcome:
        """Cancel all orders of a spread, "": of all spreads."""
        return (await self._trader.submit([MassCancel(instrument=spread, is_spread=True)]))[0]

    async def cancel_all(self, instrument: str = "") -> list[Outcome]:
        """Cancel every open order of an instrument, "": of all; return an outcome for each. Spread orders: `cancel_spreads`."""
        found = [order for order in self.account.orders if not instrument or order.instrument == instrument]
        cancels = [CancelOrder(instrument=order.instrument, order_id=order.order_id) for order in found]
        outcomes: list[Outcome] = []
        for start in range(0, len(cancels), MOST_IN_BATCH):
            outcomes += await self.cancel_batch(cancels[start : start + MOST_IN_BATCH])
        return outcomes

    def _trade_mode(self, instrument: str) -> TradeMode:
        """Return what a plain order is traded on: cash on spot, cross margin on derivatives."""
        why_not = self.core.why_not(())
        if why_not:
            raise NotTradingError(why_not)
        return "cash" if self.core.instruments[instrument].instrument_type == "SPOT" else "cross"
