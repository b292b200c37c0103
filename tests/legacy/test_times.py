"""Times without dates, and dates in ids: all against the calendar of the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from okex_ws.legacy.times import iso_ms, snowflake_ms, trade_ms

SHANGHAI = timezone(timedelta(hours=8))
KNOWN = {
    1006427740013578: "2018-06-27T09:47:48.591",
    1489246848778263: "2018-09-20T16:15:03.527",
    230874269033472: "2018-02-10T10:34:21.771",
    2188405999304707: "2019-01-22T03:40:25.526",
}


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("number", KNOWN)
def test_a_snowflake_says_when_it_was_made(number: int) -> None:
    assert snowflake_ms(number) == ms(KNOWN[number])


def test_a_trade_is_dated_by_its_id_whenever_it_is_read() -> None:
    for arrival in ("2018-06-27T09:47:49", "2026-11-26T00:00:00", "1970-01-01T00:00:00"):
        assert trade_ms("17:47:48", 1006427740013578, ms(arrival)) == ms("2018-06-27T09:47:48.591")
        assert trade_ms("00:15:03", 1489246848778263, ms(arrival)) == ms("2018-09-20T16:15:03.527")


@pytest.mark.parametrize("number", [425965263, 1093251376, 818723474])
def test_a_plain_counter_dates_nothing(number: int) -> None:
    assert trade_ms("14:45:28", number, ms("2018-06-30T06:45:30")) == ms("2018-06-30T06:45:28")


def test_an_id_that_disagrees_with_the_clock_of_its_row_is_not_believed() -> None:
    assert trade_ms("17:47:20", 1006427740013578, ms("2018-06-27T09:48:00")) == ms("2018-06-27T09:47:20")


@given(
    st.datetimes(datetime(2014, 1, 1), datetime(2020, 1, 1)).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC)),
    st.integers(-12 * 3600 + 1, 12 * 3600 - 1),
    st.integers(0, 2**40),
)
@example(datetime(2018, 11, 13, 16, 0, 5, tzinfo=UTC), 1, 425965263)
@example(datetime(2017, 9, 13, 16, 0, 15, tzinfo=UTC), 1, 1093251376)
def test_the_date_is_that_of_the_arrival_in_Shanghai_give_or_take_a_day(made: datetime, late_s: int, counter: int) -> None:
    clock = made.astimezone(SHANGHAI).strftime("%H:%M:%S")
    arrival = round((made.timestamp() + late_s) * 1000)
    assert trade_ms(clock, counter, arrival) == round(made.timestamp() * 1000)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)))
def test_an_ISO_time_is_what_the_calendar_says(moment: datetime) -> None:
    text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert iso_ms(text) == round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "2021-04-17", "2021-04-17T16:49:03.207", "2021-04-17 16:49:03Z", "17:47:48"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no time in UTC"):
        iso_ms(text)
    with pytest.raises(ValueError, match="is no HH:MM:SS"):
        trade_ms(text.replace("17:47:48", "24-47-48"), 1, 0)


@pytest.mark.parametrize("text", ["25:99:99", "24:00:00", "23:60:00", "\uff11\uff14:45:28", "14:45:28 "])
def test_a_time_that_no_clock_shows_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no HH:MM:SS"):
        trade_ms(text, 1, 0)


@pytest.mark.parametrize("text", ["2019-13-01T00:00:00Z", "2019-02-29T00:00:00.000Z", "2019-01-01T24:00:00Z"])
def test_a_day_that_no_calendar_has_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no time in UTC"):
        iso_ms(text)
