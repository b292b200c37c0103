"""Orders as the trading floor knows them: what a client asks for, what became of it, and what there is to tell.

Money, prices and sizes are Decimal, times int ns UTC. Sizes are base coins on SPOT (the quote amount itself for a
market order counted in the quote currency) and contracts elsewhere. Words of the exchange's own alphabet (states,
sources) are the texts OKX uses. Sources: OKX V5 docs, "Place order", "Order channel".
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
    """What a client asks for. side: buy, sell. order_type: limit, market, post_only, ioc, fok, optimal_limit_ioc.
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
    """An order the exchange took. `filled` counts base coins or contracts even when `size` is a quote amount;
    `average_price` is None until something filled; `fee` is what was charged (never above zero), `rebate` what was
    paid out (never below); `profit` is what its closing fills realised. The last eight are the floor's own: `left` may
    still trade, in the unit of `size`; `turnover` is what average_price comes from; `ahead` is the market's size that
    stands before it at its price; `only_reduces` says that it can open nothing, `counts_quote` that its size is an
    amount of the quote currency; `bound` is the money (SPOT) or value it binds, for `bound_size`.
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
        """Whether it may still trade."""
        return self.state in (LIVE, PARTIALLY_FILLED)

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    def copy(self) -> Order:
        """The order as it is now; later changes do not show in it."""
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
    """One fill of one client's order. The two sides of a trade share its trade_id, which no public print has. fee:
    negative is charged, positive a rebate. liquidity: "T" taker, "M" maker. profit: realised by it. mark: the mark
    price then, None where the market knows none.
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
    """An order as it became: by a fill (`execution`), by a request (`request_id`; `amend_result` "0" done, "1" failed
    and therefore canceled), or by the exchange. Its `cancel_source` and `amend_source` are this change's own.
    """

    uid: str
    order: Order
    execution: Execution | None = None
    request_id: str = ""
    amend_result: str = ""


@dataclass(slots=True)
class BalanceChanged:
    """Money of these currencies moved or was bound or freed. cause: filled, funding_fee, transferred, or "" when only
    what orders bind changed.
    """

    uid: str
    currencies: tuple[str, ...]
    cause: str
