"""Private rows are complete: each field that OKX documents is there, on every private channel and its REST twin."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.exchange_orders import SPOT, SWAP, Trader, rest, rows, venue
from tests.support.paths import SHARED

CHANNELS = SHARED / "protocol" / "okx_v5_channels.json"

PUSHED_ONLY = {
    *("notionalUsd", "fillPnl", "fillFee", "fillFeeCcy", "fillPxVol", "fillPxUsd", "fillMarkVol", "fillFwdPx", "fillMarkPx"),
    *("fillIdxPx", "fillNotionalUsd", "execType", "amendSource", "reqId", "amendResult", "lastPx", "code", "msg"),
}
"""Fields of the `orders` channel that the page of GET / Order details does not list."""

pytestmark = pytest.mark.skipif(not CHANNELS.exists(), reason="the channel table is not here")


def fields(channel: str) -> dict[str, tuple[str, ...]]:
    """The documented fields of a row; a nested row's fields follow its name."""
    (entry,) = [each for each in json.loads(CHANNELS.read_text()) if each["channel"] == channel]
    found: dict[str, tuple[str, ...]] = {}
    for text in entry["payload_fields"]:
        name, _, inner = text.partition("[")
        found[name] = tuple(inner.rstrip("]").split(";")) if inner else ()
    return found


def lacks(row: dict[str, Any], channel: str) -> set[str]:
    missing = set()
    for name, inner in fields(channel).items():
        if name not in row:
            missing.add(name)
        for part in row.get(name, []) if inner and isinstance(row.get(name), list) else []:
            missing |= {f"{name}.{each}" for each in inner if each not in part}
    return missing


def traded() -> tuple[Trader, Trader]:
    """An account with a filled and a resting order, a position and a stop, as its two connections heard it."""
    exchange = venue()
    trader, business = Trader(exchange), Trader(exchange, "business")
    every = {"instType": "ANY"}
    trader.subscribe(
        *({"channel": name} for name in ("account", "balance_and_position", "fills", "account-greeks")),
        *({"channel": name, **every} for name in ("positions", "orders")),
    )
    business.subscribe({"channel": "orders-algo", **every})
    trader.place(instrument=SWAP, px="", ordType="market", sz="2")
    trader.place(instrument=SPOT, px="", ordType="market", sz="100")
    trader.place()
    stop = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "conditional", "sz": "1"}
    rest(exchange, "POST", "trade/order-algo", {**stop, "slTriggerPx": "50000", "slOrdPx": "-1"})
    return trader, business


@pytest.mark.parametrize("channel", ["account", "positions", "balance_and_position", "orders", "fills", "account-greeks"])
def test_pushed_rows_have_every_documented_field(channel: str) -> None:
    trader, _ = traded()
    trader.until(3)
    told = [row for push in trader.pushes(channel) for row in push["data"]]
    assert told
    assert [lacks(row, channel) for row in told] == [set()] * len(told)


@pytest.mark.parametrize(
    ("path", "channel"),
    [
        ("account/balance", "account"),
        ("account/positions", "positions"),
        ("trade/orders-pending", "orders"),
        ("trade/orders-history?instType=SWAP", "orders"),
        ("trade/orders-algo-pending?ordType=conditional", "orders-algo"),
    ],
)
def test_read_rows_have_every_documented_field(path: str, channel: str) -> None:
    trader, _ = traded()
    found = rows(trader.venue, path, at=2)
    assert found
    only = PUSHED_ONLY if channel == "orders" else set()
    assert [lacks(row, channel) - only for row in found] == [set()] * len(found)


def test_pushed_algo_orders_have_every_documented_field() -> None:
    _, business = traded()
    told = [row for push in business.pushes("orders-algo") for row in push["data"]]
    assert [lacks(row, "orders-algo") for row in told] == [set()]


def test_positions_have_what_the_venue_sends_beyond_its_page() -> None:
    trader, _ = traded()
    (row,) = rows(trader.venue, "account/positions", at=2)
    assert (row["baseBal"], row["quoteBal"]) == ("", "")
    (account,) = rows(trader.venue, "account/balance", at=2)
    detail = account["details"][0]
    assert (detail["collateralRestrict"], detail["autoLendStatus"], detail["smtSyncEq"]) == (False, "off", "0")
