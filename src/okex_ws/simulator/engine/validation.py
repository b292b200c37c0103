"""Validation: OKX's checks of an order that need no money and no book, with its codes.

In: a new order and the instrument's terms. Out: nothing, or an ApiError. Source: OKX V5 docs, "Error code / Trade class";
the messages are OKX's, shortened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from okex_ws.simulator.engine.accounts import LONG_SHORT_MODE, NET, TradingAccount
from okex_ws.simulator.engine.orders import ZERO, NewOrder
from okex_ws.simulator.engine.terms import DOLLARS, InstrumentTerms
from okex_ws.simulator.errors import ApiError

IMMEDIATE = frozenset({"market", "ioc", "fok", "optimal_limit_ioc"})
UNPRICED = frozenset({"market", "optimal_limit_ioc"})
ORDER_TYPES = frozenset({"limit", "post_only"}) | IMMEDIATE
DERIVATIVES = frozenset({"SWAP", "FUTURES"})

CLOSED: Mapping[str, tuple[str, str]] = {
    "suspend": ("51022", "Contract suspended"),
    "preopen": ("51021", "Contract to be listed"),
    "expired": ("51027", "Contract expired"),
}
"""States without trading, each with the code and message that refuse an order."""


@dataclass(frozen=True, slots=True)
class EngineRules:
    """Figures of the engine (OKX V5 docs, "Place order": 4000 pending orders per account, 500 per instrument, 1000 matches
    per taker). leverage: the first leverage of an instrument. remembered: finished orders, and executions, kept per
    account.
    """

    pending_per_account: int = 4000
    pending_per_instrument: int = 500
    makers_per_taker: int = 1000
    leverage: Decimal = Decimal(3)
    remembered: int = 100_000


NO_SUCH_MODE = "Parameter tdMode error: this simulator trades cash on spot and cross on derivatives; it has no isolated margin"


def parameter(name: str) -> ApiError:
    """Return the error 51000 about a parameter, by its OKX name."""
    return ApiError("51000", f"Parameter {name} error")


def check_state(terms: InstrumentTerms) -> None:
    """Raise an ApiError if the instrument does not trade now."""
    refused = CLOSED.get(terms.state)
    if refused is not None:
        raise ApiError(*refused)


def check_parameters(new: NewOrder, terms: InstrumentTerms, account: TradingAccount) -> None:
    """Raise an ApiError if a parameter is invalid for this instrument and account."""
    if new.side not in ("buy", "sell"):
        raise parameter("side")
    if new.order_type not in ORDER_TYPES or (new.order_type == "optimal_limit_ioc" and terms.is_spot):
        raise parameter("ordType")
    if new.self_trade not in ("cancel_maker", "cancel_taker", "cancel_both"):
        raise parameter("stpMode")
    if new.order_type == "fok" and new.self_trade == "cancel_both":
        raise ApiError("54036", "FOK orders do not support the cancel_both self trade prevention mode")
    if len(new.client_order_id) > 32 or (new.client_order_id and not _is_plain(new.client_order_id)):
        raise parameter("clOrdId")
    if len(new.tag) > 16 or (new.tag and not _is_plain(new.tag)):
        raise parameter("tag")
    if new.target_currency not in ("", "base_ccy", "quote_ccy"):
        raise parameter("tgtCcy")
    if terms.is_spot:
        if new.trade_mode != "cash":
            raise ApiError("51000", NO_SUCH_MODE)
        if new.position_side not in ("", NET):
            raise parameter("posSide")
        if new.reduce_only:
            raise ApiError("51205", "Reduce Only isn't available.")
    elif terms.instrument_type not in DERIVATIVES:
        raise ApiError("51015", f"Instrument ID {terms.instrument} does not match instrument type; it is not traded here")
    else:
        if new.trade_mode != "cross":
            raise ApiError("51000", NO_SUCH_MODE)
        sides = ("long", "short") if account.position_mode == LONG_SHORT_MODE else ("", NET)
        if new.position_side not in sides:
            raise parameter("posSide")


def counts_quote(new: NewOrder, terms: InstrumentTerms) -> bool:
    """True if the size is an amount of the quote currency."""
    if not terms.is_spot or new.order_type != "market":
        return False
    return (new.target_currency or ("quote_ccy" if new.side == "buy" else "base_ccy")) == "quote_ccy"


def check_price(price: Decimal, terms: InstrumentTerms, is_buy: bool, band: tuple[Decimal, Decimal] | None) -> None:
    """Check tick and price band. band: (highest bid, lowest ask), None where there is none."""
    if not price.is_finite() or price <= ZERO:
        raise parameter("px")
    if terms.tick is not None and price % terms.tick:
        raise ApiError("51150", f"Order price must be a multiple of the tick size {terms.tick}")
    if band is not None and (price > band[0] if is_buy else price < band[1]):
        raise ApiError(
            "51006",
            f"Order price is not within the price limit (max buy price: {band[0]} min sell price: {band[1]})",
        )


def check_size(size: Decimal, terms: InstrumentTerms) -> None:
    """Check lot and minimum of a size in base coins or contracts."""
    if not size.is_finite() or size <= ZERO:
        raise parameter("sz")
    if terms.least is not None and size < terms.least:
        if terms.is_spot:
            raise ApiError("51020", f"Your order should meet or exceed the minimum order amount {terms.least}")
        raise ApiError("51120", f"Order quantity is less than {terms.least}, please try again")
    if terms.lot is not None and size % terms.lot:
        raise ApiError("51121", f"Order quantity must be a multiple of the lot size {terms.lot}")


def check_maximum(size: Decimal, price: Decimal | None, terms: InstrumentTerms) -> None:
    """Check the maximum of a limit order, or (price None) of a market order in base coins or contracts."""
    if price is None:
        if terms.max_market_size is not None and size > terms.max_market_size and not terms.is_spot:
            raise ApiError("51202", f"Market order quantity exceeds the maximum {terms.max_market_size}")
        return
    if terms.max_limit_size is not None and size > terms.max_limit_size:
        raise ApiError("51101", f"Entered amount exceeds the max order amount {terms.max_limit_size}")
    amount = price * size
    if terms.is_spot and terms.quote in DOLLARS and terms.max_limit_amount is not None and amount > terms.max_limit_amount:
        raise ApiError("51203", f"Order amount exceeds the limit {terms.max_limit_amount}")


def check_quote_amount(amount: Decimal, terms: InstrumentTerms) -> None:
    """Check the size of a market order in the quote currency."""
    if not amount.is_finite() or amount <= ZERO:
        raise parameter("sz")
    if terms.quote in DOLLARS and terms.max_market_amount is not None and amount > terms.max_market_amount:
        raise ApiError("51201", f"Value of per market order cannot exceed {terms.max_market_amount} {terms.quote}")


def check_counts(account: TradingAccount, instrument: str, rules: EngineRules) -> None:
    """Check that one more order may be pending."""
    if len(account.open) >= rules.pending_per_account:
        raise ApiError("51103", f"Pending orders reached the upper limit of {rules.pending_per_account}")
    if account.counts.get(instrument, 0) >= rules.pending_per_instrument:
        raise ApiError("51102", f"Pending orders of {instrument} reached the upper limit of {rules.pending_per_instrument}")


def check_client_order_id(account: TradingAccount, client_order_id: str) -> None:
    """Check that no live order of the account has this client order id."""
    if client_order_id in account.live_names:
        raise ApiError("51016", "Client order ID already exists.")


def reducible(account: TradingAccount, new: NewOrder) -> Decimal | None:
    """Return the maximum size of an order that can only reduce a position, None if it may open one. Raises ApiError 51169
    (no position), 51170 (wrong side), 51112 (more than the rest to close).
    """
    is_buy = new.side == "buy"
    if account.position_mode == LONG_SHORT_MODE:
        if is_buy == (new.position_side == "long"):
            if new.reduce_only:
                raise ApiError("51170", "Reduce-only orders must be on the opposite side of the position")
            return None
        held = abs(account.held(new.instrument, new.position_side))
        if held == ZERO:
            raise ApiError("51169", "Order failed because you don't have any positions in this direction to close")
        closing = account.reducing.get(new.instrument, {}).values()
        free = held - sum((o.left for o in closing if o.position_side == new.position_side), ZERO)
        if new.size > free:
            raise ApiError("51112", f"Close order size exceeds your available size {free}")
        return free
    if not new.reduce_only:
        return None
    held = account.held(new.instrument, NET)
    if held == ZERO:
        raise ApiError("51169", "Order failed because you don't have any positions in this direction to reduce")
    if (held > ZERO) == is_buy:
        raise ApiError("51170", "Reduce-only orders must be on the opposite side of the position")
    return abs(held)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isalnum()
