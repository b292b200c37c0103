"""The funding account over REST: currencies as every client library reads them first, and reads that are always empty."""

from __future__ import annotations

import json

import pytest
from tests.support.exchange_orders import rest, rows, venue
from tests.support.paths import CORPORA


def test_currencies_are_those_held_and_those_traded() -> None:
    exchange = venue()
    found = rows(exchange, "asset/currencies")
    assert [row["ccy"] for row in found] == ["BTC", "ETH", "USDC", "USDT"]
    assert {row["wdTickSz"] for row in found} == {"8"}
    assert [row["ccy"] for row in rows(exchange, "asset/currencies?ccy=USDT,BTC,XYZ")] == ["BTC", "USDT"]
    assert [row["ccy"] for row in rows(exchange, "asset/convert/currencies")] == ["BTC", "ETH", "USDC", "USDT"]


def test_currencies_need_a_key() -> None:
    reply = venue().rest("GET", "/api/v5/asset/currencies", {}, b"", 0)
    assert (reply.status, json.loads(reply.body)["code"]) == (401, "50103")


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpora are not here")
def test_a_currency_has_the_fields_of_the_recorded_rows() -> None:
    lines = (CORPORA / "okx-api-burakoner-manual.jsonl").read_text().splitlines()
    (raw,) = [each["raw"] for each in map(json.loads, lines) if each["channel"] == "get-currencies-btc"]
    row = rows(venue(), "asset/currencies?ccy=BTC")[0]
    assert set(json.loads(raw)["data"][0]) - set(row) == set()


@pytest.mark.parametrize("name", ["balances", "deposit-history", "withdrawal-history", "bills"])
def test_the_funding_account_is_empty(name: str) -> None:
    assert rest(venue(), "GET", f"asset/{name}")[1] == {"code": "0", "msg": "", "data": []}
