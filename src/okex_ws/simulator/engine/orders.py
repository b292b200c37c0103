"""Orders of the engine: requests, states, fills and changes.

Money, prices and sizes are Decimal, times int ns UTC. Sizes are base coins on SPOT (the quote amount itself for a
market order counted in the quote currency) and contracts elsewhere. States and sources are OKX's texts. Sources: OKX V5
docs, "Place order", "Order channel".
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter

ZERO = Decimal(0)

LIVE, PARTIALLY_FILLED, FILLED, CANCELED = "live", "partially_filled", "filled", "canceled"

CANCELED_BY_USER = "1"
CANCELED_POSITION_GONE = "17"
CANCELED_FOK = "13"
CANCELED_IOC_REST = "14"
CANCELED_BY_TIMER = "20"
CANCELED_POST_ONLY = "31"
CANCELED_SELF_TRADE = "32"
CANCELED_TOO_MANY_MAKERS = "33"

AMENDED_BY_USER = "1"
AMENDED_REDUCE_ONLY = "4"


@dataclass(slots=True)
class NewOrder:
    """Request for an order. side: buy, sell. order_type: limit, market, post_only, ioc, fok, optimal_limit_ioc.
    trade_mode: cash (SPOT), cross. position_side: "", net, long, short. target_currency: base_ccy, quote_ccy (SPOT
    market orders; "" means quote for a buy, base for a sell). self_trade: cancel_maker, cancel_taker, cancel_both.
    """

    instrument: str
    side: str
    order_type: str
    size: Decimal
    price: Decimal | None = None
    trade_mode: str = "cash"
    position_side: str = ""
    reduce_only: bool = False
    target_currency: str = ""
    client_order_id: str = ""
    tag: str = ""
    currency: str = ""
    self_trade: str = "cancel_maker"
    ban_amend: bool = False


@dataclass(slots=True)
class Order:
    """Order that the exchange accepted. `filled` counts base coins or contracts even when `size` is a quote amount;
    `average_price` is None before the first fill; `fee` is charged (never above zero), `rebate` paid out (never below);
    `profit` is realised by its closing fills. The last seven fields are internal: `left` may still trade, in the unit of
    `size`; `turnover` gives the average price; `ahead` is the market's size in front of it at its price;
    `only_reduces`: it cannot open a position; `counts_quote`: its size is an amount of the quote currency; `bound` is
    the money (SPOT) or value that it binds, for `bound_size`.
    """

    order_id: str
    uid: str
    instrument: str
    instrument_type: str
    side: str
    order_type: str
    size: Decimal
    price: Decimal | None
    trade_mode: str
    position_side: str
    reduce_only: bool
    target_currency: str
    client_order_id: str
    tag: str
    currency: str
    self_trade: str
    ban_amend: bool
    leverage: Decimal | None
    created: int
    updated: int
    state: str = LIVE
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    fee: Decimal = ZERO
    fee_currency: str = ""
    rebate: Decimal = ZERO
    rebate_currency: str = ""
    profit: Decimal = ZERO
    cancel_source: str = ""
    amend_source: str = ""
    left: Decimal = ZERO
    turnover: Decimal = ZERO
    ahead: Decimal = ZERO
    only_reduces: bool = False
    counts_quote: bool = False
    bound: Decimal = ZERO
    bound_size: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        """True if it may still trade."""
        return self.state in (LIVE, PARTIALLY_FILLED)

    @property
    def is_buy(self) -> bool:
        """True if it buys."""
        return self.side == "buy"

    def copy(self) -> Order:
        """Return a copy of the present state."""
        return Order(*_every_field(self))


_every_field = attrgetter(*(each.name for each in fields(Order)))


@dataclass(frozen=True, slots=True)
class Origin:
    """Source of an order: an algo order, or a client (""). skew: offset of the exchange's clock at that time, ns."""

    source: str = ""
    algo_id: str = ""
    client_algo_id: str = ""
    skew: int = 0


BY_CLIENT = Origin()


@dataclass(slots=True)
class Execution:
    """One fill of one client's order. Both sides of a trade share its trade_id, which no public trade has. fee: negative
    if charged, positive for a rebate. liquidity: "T" taker, "M" maker. profit: realised by the fill. mark: the mark
    price at that time, None without one.
    """

    order: Order = field(repr=False)
    trade_id: int
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: str
    profit: Decimal
    at: int
    mark: Decimal | None = None


@dataclass(slots=True)
class OrderChanged:
    """New state of an order after a fill (`execution`), a request (`request_id`; `amend_result` "0" done, "1" failed and
    therefore canceled), or an act of the exchange. `cancel_source` and `amend_source` belong to this change.
    """

    uid: str
    order: Order
    execution: Execution | None = None
    request_id: str = ""
    amend_result: str = ""


@dataclass(slots=True)
class BalanceChanged:
    """Change of cash or frozen funds in some currencies. cause: filled, funding_fee, transferred, or "" when only frozen
    funds changed.
    """

    uid: str
    currencies: tuple[str, ...]
    cause: str
