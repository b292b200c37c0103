"""Absence: an order is absent only if every place that could hold it was read late enough and did not hold it."""

from __future__ import annotations

from typing import Any

import pytest

from okex_ws.absence import GRACE, PAGE, SECOND, Absence

BY_ID = ("trade/order", {"instId": "BTC-USDT", "ordId": "7"})
MADE_MS = 1_790_000_000_000


def read(absence: Absence) -> tuple[list[str], float | None]:
    """Miss the order in each read; return the paths read, and the second at which absence was certain."""
    paths, now = [], 0.0
    while now < 60:
        paths.append(absence.path)
        rows: list[Any] | None = [] if "orders-" in absence.path else None
        if absence.missed(rows, "" if rows is not None else "51603", int(now * SECOND)):
            return paths, now
        now += absence.pause / SECOND
    return paths, None


def test_absence_needs_the_grace_period_and_all_three_places() -> None:
    paths, certain = read(Absence("BTC-USDT", BY_ID))
    assert paths == ["trade/order"] * 6 + ["trade/orders-pending", "trade/orders-history"]
    assert certain is not None
    assert certain >= GRACE / SECOND


def test_a_read_that_finds_the_order_cancels_earlier_misses() -> None:
    absence = Absence("BTC-USDT", BY_ID)
    for second in (0, 1, 2, 4):
        assert not absence.missed(None, "51603", second * SECOND)
    assert absence.path == "trade/orders-pending"
    absence.found()
    assert (absence.path, absence.since) == ("trade/order", None)
    assert not absence.missed(None, "51603", 100 * SECOND)
    assert absence.path == "trade/order"


@pytest.mark.parametrize(("rows", "code"), [(None, ""), (None, "50011"), (None, "50001"), ([], "")])
def test_an_answer_about_something_else_proves_nothing(rows: list[Any] | None, code: str) -> None:
    absence = Absence("BTC-USDT", BY_ID)
    for second in range(100):
        assert not absence.missed(rows, code, second * SECOND)
        assert absence.pause >= SECOND // 4, "reads are repeated after a pause"
    assert (absence.path, absence.since) == ("trade/order", None)


def test_a_list_that_cannot_be_read_is_read_again_and_proves_nothing() -> None:
    absence = Absence("BTC-USDT", BY_ID)
    for second in (0, 4):
        absence.missed(None, "51603", second * SECOND)
    for second in range(5, 50):
        assert not absence.missed(None, "50011", second * SECOND)
        assert absence.path == "trade/orders-pending"
        assert absence.pause > 0


def test_an_order_that_may_still_be_on_its_way_is_not_absent() -> None:
    absence = Absence("BTC-USDT", BY_ID)
    assert not any(absence.missed(None, "51603", second * SECOND, may_come=True) for second in range(30))
    assert absence.path == "trade/order"


def test_pages_are_read_until_their_orders_are_older_than_this_one() -> None:
    absence = Absence("BTC-USDT", BY_ID, made_ms=MADE_MS)
    for second in (0, 4):
        absence.missed(None, "51603", second * SECOND)

    def page(first: int, made_ms: int) -> list[dict[str, str]]:
        return [{"ordId": str(first - n), "cTime": str(made_ms)} for n in range(PAGE)]

    assert absence.query == {"instId": "BTC-USDT"}
    assert not absence.missed(page(900, MADE_MS + 5_000), "", 5 * SECOND)
    assert (absence.path, absence.query) == ("trade/orders-pending", {"instId": "BTC-USDT", "after": "801"})
    assert not absence.missed(page(800, MADE_MS - 61_000), "", 5 * SECOND)
    assert (absence.path, absence.query) == ("trade/orders-history", {"instType": "SPOT", "instId": "BTC-USDT"})
    assert absence.missed(page(700, MADE_MS - 100_000), "", 5 * SECOND)


def test_spread_orders_are_in_lists_of_their_own() -> None:
    spread = "BTC-USDT_BTC-USDT-SWAP"
    absence = Absence(spread, ("sprd/order", {"ordId": "7"}), is_spread=True)
    for second in (0, 4):
        absence.missed(None, "51603", second * SECOND)
    assert (absence.path, absence.query) == ("sprd/orders-pending", {"sprdId": spread})
    absence.missed([{"ordId": str(n), "cTime": str(MADE_MS)} for n in range(PAGE, 0, -1)], "", 4 * SECOND)
    assert absence.query == {"sprdId": spread, "endId": "1"}


@pytest.mark.parametrize(
    ("instrument", "kind"),
    [
        ("BTC-USDT", "SPOT"),
        ("BTC-USD-SWAP", "SWAP"),
        ("BTC-USD-261225", "FUTURES"),
        ("BTC-USD-261225-60000-C", "OPTION"),
    ],
)
def test_past_orders_are_read_by_the_type_of_their_instrument(instrument: str, kind: str) -> None:
    absence = Absence(instrument, BY_ID)
    for second in (0, 4, 4):
        absence.missed([], "51603", second * SECOND)
    assert (absence.path, absence.query["instType"]) == ("trade/orders-history", kind)
