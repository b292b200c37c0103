"""The dead man's switch: armed at once, renewed in time, let go when idle, and what happens when OKX does not hear us."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from okex_ws.events import Event, SwitchArmed, SwitchFailed
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.risk.cancel_all_after import CancelAllAfter

T0 = 1_790_000_000 * SECOND


class Okx:
    """OKX's side: what it was asked, and when it canceled everything. is_deaf: nothing gets through; is_mute: no answer does."""

    def __init__(self, switch: CancelAllAfter) -> None:
        self.switch = switch
        self.now = T0
        self.asked: list[tuple[float, int]] = []
        self.until: int | None = None
        self.fired: list[float] = []
        self.told: list[Event] = []
        self.is_deaf = False
        self.is_mute = False

    @property
    def second(self) -> float:
        return (self.now - T0) / SECOND

    def run(self, seconds: float) -> None:
        end = self.now + int(seconds * SECOND)
        self._carry()
        while True:
            times = [due for due in (self.switch.next_deadline, self.until) if due is not None and due <= end]
            if not times:
                break
            self.now = max(self.now, min(times))
            if self.until is not None and self.until <= self.now:
                self.until = None
                self.fired.append(self.second)
            self.told += self.switch.on_deadline(self.now)
            self._carry()
        self.now = end

    def live(self, count: int) -> None:
        self.switch.set_live(count > 0, self.now)
        self._carry()

    def _carry(self) -> None:
        while self.switch.actions:
            arm = self.switch.actions.pop(0)
            self.asked.append((self.second, arm.timeout_s))
            if self.is_deaf:
                self.told += self.switch.answered(arm.number, "HTTP 503", self.now)
            else:
                self.until = self.now + arm.timeout_s * SECOND if arm.timeout_s else None
                if not self.is_mute:
                    self.told += self.switch.answered(arm.number, "", self.now)

    def kinds(self) -> list[type]:
        return [type(event) for event in self.told]


def made(**options: Any) -> tuple[CancelAllAfter, Okx]:
    switch = CancelAllAfter(**options)
    return switch, Okx(switch)


def test_the_first_order_arms_it_at_once_and_it_is_renewed_while_there_are_any() -> None:
    switch, okx = made(tag="t1")
    okx.run(5)
    assert okx.asked == []
    okx.live(1)
    okx.run(0.1)
    assert okx.asked == [(5, 30)]
    okx.run(60)
    assert okx.asked == [(5 + 5 * n, 30) for n in range(13)]
    assert okx.fired == []
    assert switch.is_armed
    assert okx.kinds() == [SwitchArmed], "renewals are no news"


def test_with_nothing_open_it_is_let_go_after_a_while() -> None:
    switch, okx = made()
    okx.live(1)
    okx.run(2)
    okx.live(0)
    okx.live(1)
    okx.run(2)
    okx.live(0)
    okx.run(20)
    assert okx.asked[-1] == (9, 0)
    assert not switch.is_armed
    assert okx.until is None
    assert switch.next_deadline is None
    assert okx.kinds() == [SwitchArmed, SwitchArmed]
    assert okx.fired == []


def test_orders_that_come_and_go_never_ask_more_than_once_a_second() -> None:
    _, okx = made(renew_s=1.0)
    for step in range(400):
        okx.live(step % 3)
        okx.run(0.05)
    times = [second for second, _ in okx.asked]
    assert all(round(b - a, 6) >= 1 for a, b in itertools.pairwise(times))
    assert okx.fired == []


def test_one_that_fails_is_asked_for_again_a_second_later_and_all_is_well() -> None:
    switch, okx = made()
    okx.is_deaf = True
    okx.live(1)
    okx.run(1.5)
    okx.is_deaf = False
    okx.run(1)
    assert okx.asked == [(0, 30), (1.1, 30), (2.2, 30)]
    assert okx.kinds() == [SwitchFailed, SwitchFailed, SwitchArmed]
    assert (switch.failures, switch.failure) == (0, "")


@pytest.mark.parametrize("how", ["is_deaf", "is_mute"])
def test_however_often_it_fails_it_is_renewed_while_there_is_time(how: str) -> None:
    switch, okx = made()
    okx.live(1)
    okx.run(3)
    for _ in range(10):
        setattr(okx, how, True)
        okx.run(12)
        setattr(okx, how, False)
        okx.run(10)
    assert (switch.failure, okx.fired) == ("", [])
    assert {timeout for _, timeout in okx.asked} == {30}


@pytest.mark.parametrize("how", ["is_deaf", "is_mute"])
def test_with_a_third_of_its_time_left_it_has_failed_and_okx_is_asked_to_cancel_everything_soon(how: str) -> None:
    switch, okx = made()
    okx.live(1)
    okx.run(14)
    setattr(okx, how, True)
    okx.run(15)
    assert switch.failure == "", "renewed last at 10 s, so it lasts until 40 s"
    okx.run(4)
    assert switch.failure
    failures = [event.failures for event in okx.told if isinstance(event, SwitchFailed)]
    assert failures[:3] == [1, 2, 3]
    assert okx.asked[-1][1] == 10, "the shortest there is"
    setattr(okx, how, False)
    okx.run(3)
    last, _ = okx.asked[-1]
    okx.run(30)
    assert okx.asked[-1][0] == last, "not renewed"
    assert len(okx.fired) == 1
    assert okx.fired[0] - last == 10
    okx.live(0)
    switch.reset(okx.now)
    okx.live(1)
    okx.run(1)
    assert (switch.failure, switch.is_armed) == ("", True)


def test_fired_on_purpose_it_takes_the_shortest_time_and_lets_it_run_out() -> None:
    switch, okx = made()
    okx.live(2)
    okx.run(7)
    switch.fire(okx.now)
    switch.fire(okx.now)
    okx.run(30)
    assert okx.asked == [(0, 30), (5, 30), (7, 10)]
    assert okx.fired == [17]
    assert not switch.failure


def test_a_renewal_that_was_on_its_way_is_not_taken_for_the_shortest_time() -> None:
    switch = CancelAllAfter()
    switch.set_live(True, T0)
    (first,) = switch.actions
    switch.actions.clear()
    switch.fire(T0 + SECOND // 10)
    assert switch.actions == []
    switch.answered(first.number, "", T0 + SECOND // 5)
    switch.on_deadline(T0 + 2 * SECOND)
    assert [arm.timeout_s for arm in switch.actions] == [10]


def test_if_it_ran_out_because_we_stood_still_that_is_told() -> None:
    switch, okx = made()
    okx.live(1)
    okx.now += 40 * SECOND
    told = switch.on_deadline(okx.now)
    assert [type(event) for event in told] == [SwitchFailed]
    assert "ran out" in told[0].reason  # type: ignore[attr-defined]
    assert len(switch.actions) == 1, "and armed anew for what may still be open"


@pytest.mark.parametrize("options", [{"timeout_s": 9}, {"timeout_s": 121}, {"renew_s": 0.5}, {"renew_s": 16}])
def test_what_okx_would_not_take_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"s$"):
        CancelAllAfter(**options)


def test_the_body_is_okx_s() -> None:
    switch = CancelAllAfter(tag="t1")
    switch.set_live(True, T0)
    assert switch.actions[0].body == {"timeOut": "30", "tag": "t1"}
    plain = CancelAllAfter()
    plain.set_live(True, T0)
    assert plain.actions[0].body == {"timeOut": "30"}
