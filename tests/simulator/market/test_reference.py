"""Reference rows: complete, of the right types, made from the shape of an instId where need be."""

from __future__ import annotations

import json

import pytest
from tests.support.paths import SHARED

from okex_ws.simulator.market.base import DAY, MILLISECOND
from okex_ws.simulator.market.reference import (
    FIELDS,
    completed,
    default_listings,
    instrument_row,
    listing_of,
    margin_row,
    type_of,
)

START = 1_790_000_000_000 * MILLISECOND


def test_types_are_told_by_the_shape_of_the_id() -> None:
    assert type_of("BTC-USDT") == "SPOT"
    assert type_of("BTC-USDT-SWAP") == "SWAP"
    assert type_of("BTC-USD-261225") == "FUTURES"
    assert type_of("BTC-USD-261225-70000-C") == "OPTION"


@pytest.mark.parametrize("instrument", list(default_listings(START)))
def test_default_rows_have_every_field(instrument: str) -> None:
    row = default_listings(START)[instrument].row
    assert set(row) == set(FIELDS)
    if "_" not in instrument:
        assert isinstance(row["instIdCode"], int)
        assert isinstance(row["futureSettlement"], bool)
        assert isinstance(row["upcChg"], list)
        assert all(isinstance(row[name], str) for name in ("tickSz", "lotSz", "minSz", "listTime", "lever"))


def test_dated_instruments_expire_far_away() -> None:
    dated = [each.row for each in default_listings(START).values() if each.inst_type in ("FUTURES", "OPTION")]
    assert len(dated) == 3
    assert all(int(row["expTime"]) * MILLISECOND - START > 900 * DAY for row in dated)


def test_inverse_and_linear() -> None:
    assert instrument_row("BTC-USD-SWAP")["ctType"] == "inverse"
    linear = instrument_row("BTC-USDT-SWAP")
    assert (linear["ctType"], linear["settleCcy"], linear["instFamily"]) == ("linear", "USDT", "BTC-USDT")


def test_margin_row_shares_id_and_code_with_the_spot() -> None:
    spot = instrument_row("BTC-USDT")
    margin = margin_row(spot)
    assert margin["instType"] == "MARGIN"
    assert (margin["instIdCode"], margin["instId"]) == (spot["instIdCode"], "BTC-USDT")
    assert (spot["uly"], margin["uly"], margin["instFamily"]) == ("", "BTC-USDT", "BTC-USDT")


def test_an_old_row_is_completed_and_keeps_its_own_word() -> None:
    old = {"instId": "ETH-USD-SWAP", "instType": "SWAP", "uly": "ETH-USD", "ctVal": "10", "tickSz": "0.01"}
    row = completed(old)
    assert set(FIELDS) <= set(row)
    assert (row["ctVal"], row["instFamily"], row["ctType"]) == ("10", "ETH-USD", "inverse")


def test_unlisted_names_get_a_listing() -> None:
    assert listing_of("SOL-USDT", START).inst_type == "SPOT"
    assert listing_of("SOL-USDT-SWAP", START).row["instFamily"] == "SOL-USDT"
    with pytest.raises(ValueError, match="options"):
        listing_of("SOL-USD-261225-100-C", START)


def test_fields_are_those_of_the_channel_table() -> None:
    table = SHARED / "protocol" / "okx_v5_channels.json"
    if not table.exists():
        pytest.skip("needs ../shared/protocol/okx_v5_channels.json")
    rows = json.loads(table.read_text())
    wanted = next(row["payload_fields"] for row in rows if row["channel"] == "instruments")
    assert {name.split("[")[0] for name in wanted} <= set(FIELDS)


def test_fields_cover_production_rows() -> None:
    rows = SHARED / "corpora" / "instrument-rows-2026-04.jsonl"
    if not rows.exists():
        pytest.skip("needs ../shared/corpora/instrument-rows-2026-04.jsonl")
    for line in rows.read_text().splitlines():
        row = json.loads(json.loads(line)["raw"])
        assert set(row) <= set(FIELDS), set(row) - set(FIELDS)
        ours = instrument_row(row["instId"], row["instType"])
        assert {name: type(ours[name]) for name in row} == {name: type(row[name]) for name in row}
