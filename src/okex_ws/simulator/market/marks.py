"""Marks: prices that are not traded: underlyings, index, mark, funding, open interest, limits, options.

A FairPrice depends on seed and time alone; figures derived from it keep no state, so subscribers do not change them.
Floats are used with basic arithmetic only, which gives the same bits on every platform.
"""

from __future__ import annotations

from typing import Any

from okex_ws.simulator.market.base import HOUR, MILLISECOND, MINUTE, PriceScale, decimal_text, float_text, stamp
from okex_ws.simulator.market.reference import Listing
from okex_ws.simulator.seeded_random import SeededRandom

STEP = 250 * MILLISECOND
_KEPT_STEPS = 40_000
_STEP_SIGMA = 1.1e-5
_SETTLEMENT_WINDOW = 30 * MINUTE


class Underlying:
    """Dollar price of a coin: a slow seeded walk in steps of 250 ms, with a little momentum."""

    def __init__(self, random: SeededRandom, price: float, start: int, rate: float) -> None:
        self._random = random
        self._start = start
        self._home = price
        self._sigma = _STEP_SIGMA * min(1.0, rate) ** 0.5
        self._first = 0
        self._steps = [price]
        self._drift = 0.0

    def step(self, ts: int) -> int:
        """Return the number of the step at ts."""
        return max(0, (ts - self._start) // STEP)

    def value(self, step: int) -> float:
        """Return the price of a step; the last three hours are kept."""
        while step >= self._first + len(self._steps):
            self._extend()
        return self._steps[max(0, step - self._first)]

    def _extend(self) -> None:
        bits = self._random.bits()
        noise = ((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) - 98_302.5) / 32_768.0
        push = ((bits >> 48) - 32_767.5) / 32_768.0
        price = self._steps[-1]
        home = (self._home - price) / self._home * 1e-5
        self._drift = self._drift * 0.995 + push * self._sigma * 0.05
        self._steps.append(price * (1.0 + noise * self._sigma + self._drift + home))
        if len(self._steps) > 2 * _KEPT_STEPS:
            del self._steps[:_KEPT_STEPS]
            self._first += _KEPT_STEPS


class FairPrice:
    """Fair price of one listing, in ticks."""

    def __init__(self, listing: Listing, underlying: Underlying) -> None:
        self.listing = listing
        self.underlying = underlying
        self._scale = PriceScale(str(listing.row["tickSz"]))
        self._step = -1
        self._ticks = 0

    def ticks(self, ts: int) -> int:
        """Return the fair price at ts."""
        step = self.underlying.step(ts)
        if step != self._step:
            self._step = step
            self._ticks = self._scale.steps(self._value(self.underlying.value(step)))
        return self._ticks

    def _value(self, spot: float) -> float:
        listing = self.listing
        if not listing.option_side:
            return spot * listing.premium
        return option_premium(spot, listing.strike, listing.option_side)


def option_premium(spot: float, strike: float, side: str) -> float:
    """Return a plausible option price in coins: inner value plus a time value that is largest at the strike."""
    inner = max(0.0, spot - strike if side == "C" else strike - spot) / spot
    away = (spot - strike) / spot * 4.0
    return inner + 0.09 / (1.0 + away * away)


class ContractFigures:
    """Texts and volumes of a listing, from ticks and lots."""

    def __init__(self, listing: Listing) -> None:
        row = listing.row
        self.tick = PriceScale(str(row["tickSz"]))
        self.lot = PriceScale(str(row["lotSz"]))
        self.inverse = row["ctType"] == "inverse"
        self.spot = listing.inst_type in ("SPOT", "SPREAD")
        value, multiplier = PriceScale(str(row["ctVal"] or "1")), PriceScale(str(row["ctMult"] or "1"))
        self._value = value.mantissa * multiplier.mantissa
        self._value_decimals = value.decimals + multiplier.decimals

    def worth(self, price: int, lots: int) -> tuple[int, int]:
        """Return (turnover in tick x lot, coins in 1e-8 for inverse contracts) of one match."""
        if not self.inverse:
            return price * lots, 0
        dollars = lots * self.lot.mantissa * self._value * 10 ** (8 + self.tick.decimals)
        coins = dollars // (price * self.tick.mantissa * 10 ** (self.lot.decimals + self._value_decimals))
        return price * lots, coins

    def volumes(self, lots: int, turnover: int, money: int) -> tuple[str, str, str]:
        """Return (vol, volCcy, volCcyQuote): contracts or base; base (quote on spot); quote."""
        tick, lot = self.tick, self.lot
        volume = lot.uncached_text(lots)
        if self.spot:
            quote = decimal_text(turnover * tick.mantissa * lot.mantissa, tick.decimals + lot.decimals)
            return volume, quote, quote
        size = decimal_text(lots * lot.mantissa * self._value, lot.decimals + self._value_decimals)
        if self.inverse:
            return volume, decimal_text(money, 8), size
        quote = decimal_text(
            turnover * tick.mantissa * lot.mantissa * self._value,
            tick.decimals + lot.decimals + self._value_decimals,
        )
        return volume, size, quote

    def coins(self, lots: int, price: float) -> float:
        """Return the base coins in so many lots at a price in dollars."""
        size: float = lots * self.lot.unit * self._value / float(10**self._value_decimals)
        return size / price if self.inverse else size


def mark_row(listing: Listing, mark: str, now: int) -> dict[str, Any]:
    """Return a row of mark-price, where a spot instrument has the type MARGIN."""
    kind = "MARGIN" if listing.inst_type == "SPOT" else listing.inst_type
    return {"instType": kind, "instId": listing.instrument, "markPx": mark, "ts": stamp(now)}


def limit_row(listing: Listing, scale: PriceScale, mark: int, now: int) -> dict[str, Any]:
    """Return a row of price-limit: one percent around the mark price."""
    return {
        "instType": listing.inst_type,
        "instId": listing.instrument,
        "buyLmt": scale.text(mark + mark // 100),
        "sellLmt": scale.text(mark - mark // 100),
        "ts": stamp(now),
        "enabled": True,
    }


def interest_row(listing: Listing, contract: ContractFigures, traded: int, price: float, now: int) -> dict[str, Any]:
    """Return a row of open-interest: a tenth of the volume opens or closes positions."""
    lots = listing.order_lots * 40_000 + traded // 10
    coins = contract.coins(lots, price)
    return {
        "instType": listing.inst_type,
        "instId": listing.instrument,
        "oi": contract.lot.uncached_text(lots),
        "oiCcy": float_text(coins, 4),
        "oiUsd": float_text(coins * price, 2),
        "ts": stamp(now),
    }


def funding_row(listing: Listing, random: SeededRandom, now: int) -> dict[str, Any]:
    """Return a row of funding-rate: BTC settles every 8 hours, the rest every 4, so that no client can assume an interval."""
    interval = (8 if listing.underlying == "BTC" else 4) * HOUR
    due = now - now % interval + interval
    minute = random.fork(str(now // (60 * 1_000 * MILLISECOND)))
    premium = (minute.uniform() - 0.45) * 0.0004
    rate = max(-0.00375, min(0.00375, premium + 0.0001))
    settled = (random.fork(str(due - interval)).uniform() - 0.45) * 0.0004 + 0.0001
    return {
        "instType": listing.inst_type,
        "instId": listing.instrument,
        "method": "current_period",
        "formulaType": "withRate",
        "fundingRate": float_text(rate, 10),
        "nextFundingRate": "",
        "fundingTime": stamp(due),
        "nextFundingTime": stamp(due + interval),
        "minFundingRate": "-0.00375",
        "maxFundingRate": "0.00375",
        "interestRate": "0.0001",
        "impactValue": "20000",
        "settState": "settled",
        "settFundingRate": float_text(settled, 10),
        "premium": float_text(premium, 10),
        "ts": stamp(now),
    }


def option_row(listing: Listing, spot: float, now: int) -> dict[str, Any]:
    """Return a row of opt-summary: smooth invented greeks that move with the underlying."""
    away = (spot - listing.strike) / spot * 4.0
    slope = 0.5 + away / (2.0 * (1.0 + (away if away > 0 else -away)))
    delta = slope if listing.option_side == "C" else slope - 1.0
    bell = 1.0 / (1.0 + away * away)
    smile = 0.5 + 0.1 * (1.0 - bell)
    premium = option_premium(spot, listing.strike, listing.option_side)
    return {
        "instType": "OPTION",
        "instId": listing.instrument,
        "uly": listing.row["uly"],
        "delta": float_text(delta - premium, 6),
        "gamma": float_text(bell, 6),
        "theta": float_text(-0.0008 * bell, 8),
        "vega": float_text(0.0009 * bell, 8),
        "deltaBS": float_text(delta, 6),
        "gammaBS": float_text(bell * 0.00002, 10),
        "thetaBS": float_text(-45.0 * bell, 4),
        "vegaBS": float_text(55.0 * bell, 4),
        "realVol": "",
        "bidVol": float_text(smile - 0.02, 4),
        "askVol": float_text(smile + 0.02, 4),
        "markVol": float_text(smile, 4),
        "volLv": float_text(smile, 4),
        "lever": float_text(1.0 / premium, 4),
        "fwdPx": float_text(spot * 1.0016, 2),
        "ts": stamp(now),
    }


def option_trade_row(listing: Listing, trade: dict[str, Any], spot: float, mark: str) -> dict[str, Any]:
    """Return a row of option-trades: a row of `trades` with the fields of an option."""
    return {
        "instId": listing.instrument,
        "instFamily": listing.family,
        "tradeId": trade["tradeId"],
        "px": trade["px"],
        "sz": trade["sz"],
        "side": trade["side"],
        "optType": listing.option_side,
        "fillVol": "0.52",
        "fwdPx": float_text(spot * 1.0016, 2),
        "idxPx": float_text(spot, 2),
        "markPx": mark,
        "ts": trade["ts"],
    }


def liquidation_row(listing: Listing, trade: dict[str, Any]) -> dict[str, Any]:
    """Return a row of liquidation-orders: a trade that closed a position; the seller was long."""
    detail = {
        "side": trade["side"],
        "posSide": "short" if trade["side"] == "buy" else "long",
        "bkPx": trade["px"],
        "bkLoss": "0",
        "sz": trade["sz"],
        "ccy": "",
        "ts": trade["ts"],
    }
    return {
        "instType": listing.inst_type,
        "instId": listing.instrument,
        "uly": listing.row["uly"],
        "instFamily": listing.family,
        "details": [detail],
    }


def settlement_row(listing: Listing, spot: float, now: int) -> dict[str, Any] | None:
    """Return a row of estimated-price, published only in the half hour before delivery or exercise."""
    expiry = int(listing.row["expTime"] or 0) * MILLISECOND
    if not expiry - _SETTLEMENT_WINDOW <= now < expiry:
        return None
    return {
        "instType": listing.inst_type,
        "instId": listing.instrument,
        "settleType": "delivery" if listing.inst_type == "FUTURES" else "exercise",
        "settlePx": float_text(spot, 1),
        "ts": stamp(now),
    }


def status_row(at: int) -> dict[str, Any]:
    """Return a row of status: a maintenance of the WebSocket service that begins an hour after `at`."""
    return {
        "title": "WebSocket service upgrade",
        "state": "scheduled",
        "begin": stamp(at + HOUR),
        "end": stamp(at + 2 * HOUR),
        "preOpenBegin": "",
        "href": "",
        "serviceType": "0",
        "system": "unified",
        "scheDesc": "",
        "maintType": "1",
        "env": "1",
        "ts": stamp(at),
    }
