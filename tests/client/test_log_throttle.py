"""When something that goes on failing is told."""

from __future__ import annotations

from okex_ws.client.log_throttle import LOG_AGAIN_AFTER, LogThrottle

NOW = 1_000 * LOG_AGAIN_AFTER


def test_a_cause_is_said_once_and_again_when_it_has_lasted() -> None:
    throttle = LogThrottle()
    said = [seconds for seconds in range(150) if throttle.fails("full", f"try {seconds}", NOW + seconds * LOG_AGAIN_AFTER // 60)]
    assert said == [0, 60, 120]
    assert throttle.text == "try 149"


def test_another_cause_is_said_and_one_that_comes_back_is_not() -> None:
    throttle = LogThrottle()
    said = [throttle.fails(cause, cause, NOW + now) for now, cause in enumerate(("slow", "gone", "slow", "gone"))]
    assert said == [True, True, False, False]


def test_the_end_is_said_when_the_failure_was() -> None:
    throttle = LogThrottle()
    assert not throttle.ends()
    throttle.fails("slow", "slow", NOW)
    assert throttle.ends()
    assert not throttle.text
    assert not throttle.fails("slow", "slow", NOW + 1), "now and then is not told more often than always"
    assert not throttle.ends()
