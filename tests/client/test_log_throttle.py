"""When something that goes on failing is told."""

from __future__ import annotations

from okex_ws.client.log_throttle import SAY_AGAIN, LogThrottle

NOW = 1_000 * SAY_AGAIN


def test_a_cause_is_said_once_and_again_when_it_has_lasted() -> None:
    alarm = LogThrottle()
    said = [seconds for seconds in range(150) if alarm.fails("full", f"try {seconds}", NOW + seconds * SAY_AGAIN // 60)]
    assert said == [0, 60, 120]
    assert alarm.text == "try 149"


def test_another_cause_is_said_and_one_that_comes_back_is_not() -> None:
    alarm = LogThrottle()
    said = [alarm.fails(cause, cause, NOW + now) for now, cause in enumerate(("slow", "gone", "slow", "gone"))]
    assert said == [True, True, False, False]


def test_the_end_is_said_when_the_failure_was() -> None:
    alarm = LogThrottle()
    assert not alarm.ends()
    alarm.fails("slow", "slow", NOW)
    assert alarm.ends()
    assert not alarm.text
    assert not alarm.fails("slow", "slow", NOW + 1), "now and then is not told more often than always"
    assert not alarm.ends()
