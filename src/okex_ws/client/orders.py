"""Ordering: what a Client that trades can be asked to do. Sizes and prices are Decimal, int or text; a float is refused.

Every call ends in an Outcome: CONFIRMED, REJECTED with a reason, or UNKNOWN, which is never guessed and told later.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from okex_ws.errors import OkexError
from okex_ws.market.sizing import exact
from okex_ws.wire.orders import AmendOrder, Attached, CancelOrder, MassCancel, PlaceOrder

if TYPE_CHECKING:  # a client that only listens has no use for these
    from okex_ws.client.trading import Trader
    from okex_ws.market.account import Account
    from okex_ws.protocol.orders.tickets import Outcome, Ticket

Number = Decimal | int | str


class NotTradingError(OkexError, RuntimeError):
    """The client was not made for trading, or is not ready; the text says what to do."""


class Ordering:
    """The trading half of a Client."""

    _trader: Trader | None = None

    @property
    def trader(self) -> Trader:
        """Orders, account and limits. Raises NotTradingError when the client was made without `trading`."""
        if self._trader is None:
            raise NotTradingError("this client does not trade; make it with Client(…, credentials=…, trading=Trading())")
        return self._trader

    @property
    def account(self) -> Account:
        """Own orders, fills, positions and balances, and how far they can be trusted."""
        return self.trader.account

    @property
    def unresolved(self) -> list[Ticket]:
        """Requests of which it is not known what became, a former process's among them; `order` is what was asked."""
        return self.trader.orders.unresolved

    async def ready(self, within_s: float | None = 30.0) -> None:
        """Wait until orders can be sent, and until it is known what became of those that a former process left open.

        Raises LoginRefusedError, with what to change, when that will never be, and NotReadyError, with what is missing, after so
        many seconds; None waits for ever.
        """
        await self.trader.ready(within_s)

    async def place(
        self,
        instrument: str,
        side: str,
        size: Number,
        *,
        price: Number | None = None,
        order_type: str = "limit",
        trade_mode: str | None = None,
        client_order_id: str = "",
        position_side: str = "",
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
        """A new order, rounded to the instrument's steps: the size down, a buy's price down, a sell's up.

        attached: a take-profit, a stop-loss or both, for when it has filled; with one it goes over REST.
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
            trade_mode=trade_mode or self.trader.trade_mode(instrument),
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
        return (await self.trader.ask([order], may_resend=may_resend, override=override))[0]

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
        """Change an order's total size, its price, or both. CONFIRMED is accepted; should it fail then, OrderResolved tells."""
        order = AmendOrder(
            instrument=instrument,
            client_order_id=client_order_id,
            order_id=order_id,
            size=None if size is None else exact(size),
            price=None if price is None else exact(price, "price"),
            cancel_on_fail=cancel_on_fail,
        )
        return (await self.trader.ask([order], override=override))[0]

    async def cancel(self, instrument: str, *, client_order_id: str = "", order_id: str = "") -> Outcome:
        """End an order. REJECTED with 51400 when it was filled first."""
        order = CancelOrder(instrument=instrument, client_order_id=client_order_id, order_id=order_id)
        return (await self.trader.ask([order]))[0]

    async def place_batch(self, orders: Sequence[PlaceOrder], *, override: str = "") -> list[Outcome]:
        """Up to 20 new orders in one request; each has an outcome of its own."""
        return await self.trader.ask(orders, override=override)

    async def amend_batch(self, orders: Sequence[AmendOrder], *, override: str = "") -> list[Outcome]:
        """Up to 20 amendments in one request."""
        return await self.trader.ask(orders, override=override)

    async def cancel_batch(self, orders: Sequence[CancelOrder]) -> list[Outcome]:
        """Up to 20 cancels in one request."""
        return await self.trader.ask(orders)

    async def mass_cancel(self, family: str, *, lock_ms: int = 0) -> Outcome:
        """End all market maker orders of an option family; portfolio margin accounts only. lock_ms: none new meanwhile."""
        return (await self.trader.ask([MassCancel(instrument=family, lock_ms=lock_ms)]))[0]

    async def place_spread(
        self,
        spread: str,
        side: str,
        size: Number,
        *,
        price: Number | None = None,
        order_type: str = "limit",
        client_order_id: str = "",
        tag: str = "",
        override: str = "",
    ) -> Outcome:
        """A new spread order, such as of BTC-USDT_BTC-USDT-SWAP; its price may be below zero. Needs Trading(spreads=True)."""
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
        return (await self.trader.ask([order], override=override))[0]

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
        """Change a spread order."""
        order = AmendOrder(
            instrument=spread,
            is_spread=True,
            client_order_id=client_order_id,
            order_id=order_id,
            size=None if size is None else exact(size),
            price=None if price is None else exact(price, "price"),
        )
        return (await self.trader.ask([order], override=override))[0]

    async def cancel_spread(self, spread: str, *, client_order_id: str = "", order_id: str = "") -> Outcome:
        """End a spread order."""
        order = CancelOrder(instrument=spread, is_spread=True, client_order_id=client_order_id, order_id=order_id)
        return (await self.trader.ask([order]))[0]

    async def cancel_spreads(self, spread: str = "") -> Outcome:
        """End all orders of a spread, "": of all of them."""
        return (await self.trader.ask([MassCancel(instrument=spread, is_spread=True)]))[0]

    def halt(self, reason: str) -> None:
        """The kill switch: from now on no new order leaves, and what is open is canceled."""
        self.trader.halt(reason)

    def resume_trading(self, reason: str = "") -> None:
        """The kill switch off again."""
        self.trader.resume(reason)
