"""Reference rows: the rows of `public/instruments`, with all fields in their real shape.

The values are synthetic. Every row has all fields of the `instruments` channel and of the REST page (OKX V5 docs, Get
instruments and the instruments channel); an empty value is "".
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from okex_ws.simulator.market.base import DAY, HOUR, MILLISECOND
from okex_ws.simulator.market.calendar import civil, days_to

_NAMES = """
instType seriesId instId instIdCode uly groupId instFamily category instCategory baseCcy quoteCcy settleCcy
ctVal ctMult ctValCcy ctType optType stk listTime auctionEndTime contTdSwTime preMktSwTime openType expTime
lever tickSz lotSz minSz alias state ruleType maxLmtSz maxMktSz maxLmtAmt maxMktAmt maxTwapSz maxIcebergSz
maxTriggerSz maxStopSz futureSettlement posLmtAmt posLmtPct maxPlatOILmt rpiMinLevel rpiMinPxBand upcChg
tradeQuoteCcyList longPosRemainingQuota shortPosRemainingQuota method freq
"""
FIELDS: tuple[str, ...] = tuple(_NAMES.split())
TYPES: tuple[str, ...] = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")

_START_PRICES = {"BTC": 60_000.0, "ETH": 2_500.0}
_TICKS = ((10_000.0, "0.1"), (1_000.0, "0.01"), (100.0, "0.001"), (10.0, "0.0001"), (0.0, "0.00001"))
_OPEN_SPOT = 1_548_133_413_000
_OPEN_DERIVATIVE = 1_611_916_828_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument or spread of the seeded market: its REST row and the figures of its trading.

    premium: fair price over the underlying's (1.0 = same). order_lots: mean size of a resting order in lots. gap: mean
    distance of levels in ticks. pace: share of the standard order rate. depth: cap on the levels a side (None: no cap).
    strike and option_side ("C", "P"): of options. legs: of spreads.
    """

    instrument: str
    inst_type: str
    row: dict[str, Any]
    underlying: str
    premium: float = 1.0
    order_lots: int = 500
    gap: int = 4
    pace: float = 1.0
    depth: int | None = None
    strike: float = 0.0
    option_side: str = ""
    legs: tuple[str, ...] = field(default=())

    @property
    def family(self) -> str:
        """instFamily, "" for SPOT."""
        return str(self.row["instFamily"])


def code_of(instrument: str) -> int:
    """Return an invented instIdCode, always the same for an instrument."""
    return 10_000 + zlib.crc32(instrument.encode()) % 900_000


def type_of(instrument: str) -> str:
    """Return the instrument type by the shape of an instId: BTC-USDT, …-SWAP, BTC-USD-261225, BTC-USD-261225-70000-C."""
    parts = instrument.split("-")
    if len(parts) >= 5:
        return "OPTION"
    if parts[-1] == "SWAP":
        return "SWAP"
    return "FUTURES" if len(parts) == 3 else "SPOT"


def instrument_row(instrument: str, inst_type: str | None = None, **known: Any) -> dict[str, Any]:
    """Return a complete row for an instId, from its shape alone; `known` fields replace the guesses."""
    kind = inst_type or type_of(instrument)
    parts = instrument.split("-")
    base, quote = parts[0], parts[1] if len(parts) > 1 else "USDT"
    quote = quote.split("_")[0]
    row: dict[str, Any] = dict.fromkeys(FIELDS, "")
    row.update(
        instType=kind,
        instId=instrument,
        instIdCode=code_of(instrument),
        groupId="1",
        category="1",
        instCategory="1",
        listTime=str(_OPEN_SPOT),
        openType="call_auction",
        lever="10",
        tickSz="0.1",
        lotSz="1",
        minSz="1",
        state="live",
        ruleType="normal",
        maxLmtSz="100000000",
        maxMktSz="1000000",
        maxLmtAmt="20000000",
        maxTwapSz="100000000",
        maxIcebergSz="100000000",
        maxTriggerSz="100000000",
        maxStopSz="1000000",
        futureSettlement=False,
        rpiMinLevel="1",
        rpiMinPxBand="0.0001",
        upcChg=[],
        tradeQuoteCcyList=[],
    )
    if kind in ("SPOT", "MARGIN"):
        row.update(
            baseCcy=base,
            quoteCcy=quote,
            openType="fix_price",
            lotSz="0.000001",
            minSz="0.0001",
            maxLmtSz="9999999999",
            maxMktAmt="1000000",
            tradeQuoteCcyList=[quote],
        )
        if kind == "MARGIN":
            row.update(uly=f"{base}-{quote}", instFamily=f"{base}-{quote}")
    else:
        family = "-".join(parts[:2])
        inverse = quote == "USD"
        row.update(
            uly=f"{base}-{quote}",
            instFamily=family,
            settleCcy=base if inverse else quote,
            ctVal="100" if inverse else "0.01",
            ctMult="1",
            ctValCcy="USD" if inverse else base,
            ctType="inverse" if inverse else "linear",
            listTime=str(_OPEN_DERIVATIVE),
            lever="100",
            posLmtAmt="250000",
            posLmtPct="30",
            maxPlatOILmt="10000000000000",
        )
        if kind in ("FUTURES", "OPTION") and len(parts) > 2:
            row.update(expTime=_expiry(parts[2]), openType="")
        if kind == "FUTURES":
            row.update(alias="quarter", futureSettlement=True, lever="20")
        if kind == "OPTION":
            row.update(
                ctVal="1",
                ctMult="0.01",
                ctValCcy=base,
                ctType="",
                lever="",
                stk=parts[3],
                optType=parts[4],
                tickSz="0.0001",
                posLmtAmt="",
                posLmtPct="",
                maxPlatOILmt="",
            )
    row.update(known)
    return row


def completed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an old or partial row with every field of today's page; its own values are kept."""
    known = {key: value for key, value in row.items() if key in FIELDS and value is not None}
    if not known.get("instFamily") and known.get("instType") != "SPOT":
        known["instFamily"] = known.get("uly", "")
    guessed = instrument_row(str(row["instId"]), str(row.get("instType") or "") or None)
    return {**guessed, **known, **{key: value for key, value in row.items() if key not in FIELDS}}


def _expiry(code: str) -> str:
    """Return the expTime of a yymmdd code: that day at 08:00 UTC; "" if the code is no date."""
    if len(code) != 6 or not code.isdigit():
        return ""
    day = days_to(2000 + int(code[:2]), int(code[2:4]), int(code[4:]))
    return str((day * DAY + 8 * HOUR) // MILLISECOND)


def far_expiry(start: int) -> str:
    """Return yymmdd of the 25th of June three years after `start`: no simulation reaches this delivery."""
    year, _ = civil(start // DAY)
    return f"{(year + 3) % 100:02d}0625"


def start_price(coin: str) -> float:
    """Return the first price of a coin in dollars."""
    known = _START_PRICES.get(coin)
    return known if known is not None else 1.0 + zlib.crc32(coin.encode()) % 20_000 / 100


def default_listings(start: int) -> dict[str, Listing]:
    """Return the default instruments by instId: two spots, three swaps, a future, two options, a spread."""
    far = far_expiry(start)
    listings = [
        spot_listing("BTC-USDT", tick="0.1", lot="0.00000001", least="0.00001", order_lots=5_000_000),
        spot_listing("ETH-USDT", tick="0.01", lot="0.000001", least="0.0001", order_lots=800_000),
        derivative_listing("BTC-USDT-SWAP", tick="0.1", lot="0.01", ct_val="0.01", premium=1.0002, order_lots=500),
        derivative_listing("ETH-USDT-SWAP", tick="0.01", lot="0.01", ct_val="0.1", premium=1.0001, order_lots=800),
        derivative_listing("BTC-USD-SWAP", tick="0.1", lot="0.1", ct_val="100", premium=1.0001, order_lots=300),
        derivative_listing(f"BTC-USD-{far}", tick="0.1", lot="0.1", ct_val="100", premium=1.02, order_lots=100, pace=0.25),
    ]
    for strike, side in ((60_000, "C"), (50_000, "P")):
        name = f"BTC-USD-{far}-{strike}-{side}"
        listings.append(
            Listing(
                instrument=name,
                inst_type="OPTION",
                row=instrument_row(name),
                underlying="BTC",
                order_lots=20,
                gap=2,
                pace=0.02,
                depth=30,
                strike=float(strike),
                option_side=side,
            )
        )
    listings.append(spread_listing("BTC-USDT_BTC-USDT-SWAP"))
    return {listing.instrument: listing for listing in listings}


def spot_listing(instrument: str, *, tick: str, lot: str, least: str, order_lots: int) -> Listing:
    """Return a spot instrument; its MARGIN row has the same figures."""
    return Listing(
        instrument=instrument,
        inst_type="SPOT",
        row=instrument_row(instrument, tickSz=tick, lotSz=lot, minSz=least),
        underlying=instrument.split("-")[0],
        order_lots=order_lots,
    )


def derivative_listing(
    instrument: str, *, tick: str, lot: str, ct_val: str, premium: float, order_lots: int, pace: float = 1.0
) -> Listing:
    """Return a swap or a future; its size is in contracts."""
    return Listing(
        instrument=instrument,
        inst_type=type_of(instrument),
        row=instrument_row(instrument, tickSz=tick, lotSz=lot, minSz=lot, ctVal=ct_val),
        underlying=instrument.split("-")[0],
        premium=premium,
        order_lots=order_lots,
        pace=pace,
    )


def spread_listing(spread: str) -> Listing:
    """Return a Nitro spread such as BTC-USDT_BTC-USDT-SWAP. Its price is the difference of its legs, perhaps negative."""
    near, far = spread.split("_")
    row = dict.fromkeys(FIELDS, "") | {
        "instId": spread,
        "tickSz": "0.1",
        "lotSz": "0.001",
        "instIdCode": None,
    }
    return Listing(
        instrument=spread,
        inst_type="SPREAD",
        row=row,
        underlying=near.split("-")[0],
        premium=0.0002,
        order_lots=400,
        gap=2,
        pace=0.05,
        depth=60,
        legs=(near, far),
    )


def listing_of(instrument: str, start: int) -> Listing:
    """Return the default listing of this name, else one from the shape of the name at an invented price."""
    found = default_listings(start).get(instrument)
    if found is not None:
        return found
    if "_" in instrument:
        return spread_listing(instrument)
    kind = type_of(instrument)
    coin = instrument.split("-")[0]
    price = start_price(coin)
    tick = next(step for least, step in _TICKS if price >= least)
    if kind == "SPOT":
        return spot_listing(instrument, tick=tick, lot="0.000001", least="0.0001", order_lots=2_000_000)
    if kind == "OPTION":
        raise ValueError(f"{instrument}: the seeded market lists only its own options")
    inverse = instrument.split("-")[1] == "USD"
    ct_val = "10" if inverse else "0.1"
    return derivative_listing(instrument, tick=tick, lot="0.1", ct_val=ct_val, premium=1.0002, order_lots=300)


def margin_row(spot: Mapping[str, Any]) -> dict[str, Any]:
    """Return the MARGIN row of a spot instrument: the same instId and code, with uly and family."""
    underlying = f"{spot['baseCcy']}-{spot['quoteCcy']}"
    return {**spot, "instType": "MARGIN", "uly": underlying, "instFamily": underlying}
