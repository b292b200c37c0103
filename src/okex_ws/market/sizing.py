"""Sizing: prices and sizes that an instrument accepts: exact, in its steps, within its limits; contracts ⇄ coins ⇄ notional.

Everything is Decimal. Sizes round down only; prices round down, up or to the nearest tick. A SizeError names the broken rule and
the nearest valid value.
Source: docs-v5 "Get instruments" (tickSz, lotSz, minSz, max…Sz, ctVal, ctMult, ctType), "Place order" (sz, tgtCcy), "Price limit
channel".
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from okex_ws.events import Instrument, PriceLimit
from okex_ws.wire.orders import OrderError, plain

PRICELESS = ("market", "optimal_limit_ioc")
"""Order types without a price of their own."""
CLOSED = ("suspend", "expired", "settling")
"""States of an instrument in which OKX accepts no order."""
DOLLARS = ("USD", "USDT", "USDC")
"""Quote currencies to which OKX's dollar limits apply."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_EXACT = Context(prec=60)


class SizeError(OrderError):
    """Price or size that the instrument does not accept. rule: the broken rule; nearest: the nearest valid value, if any."""

    def __init__(self, what: str, *, rule: str, nearest: Decimal | None = None) -> None:
        hint = "" if nearest is None else f"; the nearest is {plain(nearest)}"
        super().__init__(what + hint)
        self.rule = rule
        self.nearest = nearest


def exact(value: Decimal | int | str, what: str = "size") -> Decimal:
    """Return a price or size exactly as written. Raises SizeError for a float, which is not exact, and for other values."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):
        wanted = f"{str(value)!r} or Decimal({str(value)!r})" if isinstance(value, float) else "a text, an int or a Decimal"
        raise SizeError(f"{what} {value!r} is a {type(value).__name__}, which is not exact; give {wanted}", rule="exact")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise SizeError(f"{what} {value[:40]!r} is not a number", rule="exact")
    number = Decimal(value)
    if not number.is_finite() or len(number.as_tuple().digits) > 40 or not -40 < number.adjusted() < 40:
        raise SizeError(f"{what} {str(value)[:40]} is not a number an order can have", rule="exact")
    return number


# -- steps -----------------------------------------------------------------------------------------------------------


def price_down(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the next tick at or below a price; a buy never pays more than requested."""
    return _stepped(price, _tick(instrument), ROUND_FLOOR)


def price_up(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the next tick at or above a price; a sell never receives less than requested."""
    return _stepped(price, _tick(instrument), ROUND_CEILING)


def price_nearest(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the nearest tick, the even one for a price half-way."""
    return _stepped(price, _tick(instrument), ROUND_HALF_EVEN)


def size_down(instrument: Instrument, size: Decimal) -> Decimal:
    """Return the next whole lot at or below a size; it may be zero."""
    return _stepped(size, _lot(instrument), ROUND_FLOOR)


# -- checks ----------------------------------------------------------------------------------------------------------


def check_size(instrument: Instrument, size: Decimal, *, order_type: str = "limit") -> None:
    """Raise SizeError unless the size is a whole number of lots within the instrument's smallest and largest size."""
    least = instrument.min_size or _lot(instrument)
    if size < least:
        text = f"{instrument.instrument}: size {plain(size)} is less than {plain(least)}"
        raise SizeError(text, rule="min_size", nearest=least)
    is_priceless = order_type in PRICELESS
    most, rule = instrument.max_limit_size, "max_limit_size"
    if is_priceless and instrument.max_market_size is not None:
        most, rule = instrument.max_market_size, "max_market_size"
    if most is not None and size > most:
        nearest = size_down(instrument, most)
        text = f"{instrument.instrument}: size {plain(size)} is more than {plain(most)} for order type {order_type}"
        raise SizeError(text, rule=rule, nearest=nearest)
    if _EXACT.remainder(size, _lot(instrument)):
        lots = size_down(instrument, size)
        text = f"{instrument.instrument}: size {plain(size)} is not a multiple of the lot {plain(_lot(instrument))}"
        raise SizeError(text, rule="lot_size", nearest=max(lots, least))


def check_price(instrument: Instrument, price: Decimal, side: str, limit: PriceLimit | None = None) -> None:
    """Raise SizeError unless the price is a whole number of ticks within OKX's price limit for the side, if that is known."""
    tick = _tick(instrument)
    if price <= 0:
        raise SizeError(f"{instrument.instrument}: price {plain(price)} is not above zero", rule="price", nearest=tick)
    if _EXACT.remainder(price, tick):
        nearest = price_nearest(instrument, price) or tick
        text = f"{instrument.instrument}: price {plain(price)} is not a multiple of the tick {plain(tick)}"
        raise SizeError(text, rule="tick_size", nearest=nearest)
    if limit is None or limit.is_enabled is False:
        return
    if side == "buy" and limit.max_buy is not None and price > (most := Decimal(repr(limit.max_buy))):
        text = f"{instrument.instrument}: price {plain(price)} is above the highest buy {plain(most)}"
        raise SizeError(text, rule="price_limit", nearest=price_down(instrument, most))
    if side == "sell" and limit.min_sell is not None and price < (least := Decimal(repr(limit.min_sell))):
        text = f"{instrument.instrument}: price {plain(price)} is below the lowest sell {plain(least)}"
        raise SizeError(text, rule="price_limit", nearest=price_up(instrument, least))


def fit(
    instrument: Instrument,
    *,
    side: str,
    size: Decimal | int | str,
    price: Decimal | int | str | None = None,
    order_type: str = "limit",
    target_currency: str = "",
    limit: PriceLimit | None = None,
) -> tuple[Decimal, Decimal | None]:
    """Return size and price as OKX accepts them: the size rounded down, a buy's price down, a sell's price up, then checked.

    So an order is never larger and never at a worse price than requested. The size of a spot market order is in base currency;
    with target_currency quote_ccy it is an amount of money, which has no lot. Raises SizeError.
    """
    if side not in ("buy", "sell"):
        raise SizeError(f"side {side!r}: write buy or sell", rule="side")
    if instrument.state in CLOSED:
        raise SizeError(f"{instrument.instrument} accepts no orders: its state is {instrument.state}", rule="state")
    requested = exact(size)
    if requested <= 0:
        raise SizeError(f"{instrument.instrument}: size {plain(requested)} is not above zero", rule="size")
    if in_quote_currency(instrument, order_type, target_currency):
        fitted = requested
    else:
        fitted = size_down(instrument, requested)
        check_size(instrument, fitted or requested, order_type=order_type)
    if order_type in PRICELESS:
        if price is not None:
            raise SizeError(f"order type {order_type} has no price; leave price out", rule="price")
        return fitted, None
    if price is None:
        raise SizeError(f"order type {order_type} needs a price", rule="price")
    limit_price = exact(price, "price")
    if limit_price <= 0:
        check_price(instrument, limit_price, side)
    fitted_price = (price_down if side == "buy" else price_up)(instrument, limit_price)
    check_price(instrument, fitted_price, side, limit)
    _check_notional(instrument, fitted, fitted_price)
    return fitted, fitted_price


def fit_change(
    instrument: Instrument,
    *,
    side: str,
    size: Decimal | int | str | None = None,
    price: Decimal | int | str | None = None,
    limit: PriceLimit | None = None,
) -> tuple[Decimal | None, Decimal | None]:
    """Return the new size and price of an order, fitted as by `fit`; None stays None.

    side: the order's, "" if unknown: then the price must be a whole number of ticks. Raises SizeError.
    """
    fitted = fitted_price = None
    if size is not None:
        requested = exact(size)
        fitted = size_down(instrument, requested)
        check_size(instrument, fitted or requested)
    if price is not None:
        fitted_price = exact(price, "price")
        if side and fitted_price > 0:
            fitted_price = (price_down if side == "buy" else price_up)(instrument, fitted_price)
        check_price(instrument, fitted_price, side, limit)
    return fitted, fitted_price


def in_quote_currency(instrument: Instrument, order_type: str, target_currency: str) -> bool:
    """Return True if an order's size is in quote currency: a spot market order with target_currency quote_ccy."""
    return instrument.instrument_type == "SPOT" and order_type == "market" and target_currency == "quote_ccy"


def size_unit(instrument: Instrument, *, side: str, order_type: str, trade_mode: str, target_currency: str = "") -> str:
    """Return the unit of an order's size for OKX (tgtCcy): base currency unless the caller sets another one.

    Without tgtCcy, OKX reads the size of a spot market buy as an amount of money; on margin it always does. Raises SizeError.
    """
    if instrument.instrument_type != "SPOT" or order_type != "market":
        return target_currency
    if trade_mode in ("cross", "isolated") and side == "buy" and target_currency != "quote_ccy":
        money = instrument.quote_currency or "quote currency"
        text = f"{instrument.instrument}: on margin the size of a market buy is in {money}; give it so, with quote_ccy"
        raise SizeError(text, rule="target_currency")
    return target_currency or "base_ccy"


# -- contracts, coins, notional --------------------------------------------------------------------------------------


def contract_size(instrument: Instrument) -> Decimal:
    """Return the value of one contract in contract_value_currency: coins; dollars if inverse. Raises SizeError for spot."""
    if instrument.contract_value is None:
        raise SizeError(f"{instrument.instrument} has no contracts; its sizes are coins already", rule="contract_value")
    return _EXACT.multiply(instrument.contract_value, instrument.contract_multiplier or Decimal(1))


def coins(instrument: Instrument, size: Decimal, price: Decimal | None = None) -> Decimal:
    """Return the size of an order or position in coins of the base currency. price: required for inverse contracts."""
    if instrument.contract_value is None:
        return size
    amount = _EXACT.multiply(size, contract_size(instrument))
    return _EXACT.divide(amount, _needed(instrument, price)) if is_inverse(instrument) else amount


def contracts(instrument: Instrument, of_coins: Decimal, price: Decimal | None = None) -> Decimal:
    """Return a number of coins as contracts, rounded down to whole lots. price: as in `coins`."""
    one = contract_size(instrument)
    amount = _EXACT.multiply(of_coins, _needed(instrument, price)) if is_inverse(instrument) else of_coins
    return size_down(instrument, _EXACT.divide(amount, one))


def notional(instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Return the value of a size in quote currency; of inverse contracts in dollars, independent of the price."""
    if is_inverse(instrument):
        return abs(_EXACT.multiply(size, contract_size(instrument)))
    return abs(_EXACT.multiply(coins(instrument, size), price))


def is_inverse(instrument: Instrument) -> bool:
    """Return True if contracts have a fixed value in dollars and settle in coins."""
    return instrument.contract_type == "inverse"


# -- inside ----------------------------------------------------------------------------------------------------------


def _check_notional(instrument: Instrument, size: Decimal, price: Decimal) -> None:
    most = instrument.max_limit_notional
    if most is None or (instrument.quote_currency not in DOLLARS and not is_inverse(instrument)):
        return
    worth = notional(instrument, size, price)
    if worth > most:
        nearest = size_down(instrument, _EXACT.divide(_EXACT.multiply(size, most), worth))
        text = f"{instrument.instrument}: {plain(size)} at {plain(price)} is worth more than {plain(most)} dollars"
        raise SizeError(text, rule="max_limit_notional", nearest=nearest)


def _stepped(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    steps = _EXACT.divide(value, step).to_integral_value(rounding)
    value = _EXACT.multiply(steps, step).normalize(_EXACT)
    return value if value.as_tuple().exponent <= 0 else value.quantize(Decimal(1), context=_EXACT)  # type: ignore[operator]


def _tick(instrument: Instrument) -> Decimal:
    return _known(instrument, instrument.tick_size, "tick_size")


def _lot(instrument: Instrument) -> Decimal:
    return _known(instrument, instrument.lot_size, "lot_size")


def _known(instrument: Instrument, step: Decimal | None, rule: str) -> Decimal:
    if step is None or step <= 0:
        raise SizeError(f"{instrument.instrument} has no {rule} yet; it is not open for orders", rule=rule)
    return step


def _needed(instrument: Instrument, price: Decimal | None) -> Decimal:
    if price is None or price <= 0:
        raise SizeError(
            f"{instrument.instrument}: its contracts are in dollars; a price above zero is needed for coins", rule="price"
        )
    return price
