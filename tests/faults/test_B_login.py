"""Faults of the login, rows B9 to B13: client and exchange in memory; what one of the clocks shows is the other's, shifted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.still_market import StillMarket
from tests.support.virtual import START, World

from okex_ws import Credentials, Trade
from okex_ws.events import Disconnected, Event, LoggedIn, Refused, Subscribed
from okex_ws.protocol.pacing import SECOND
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.rules import DEMO_KEY, Rules

KEY = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
PRIVATE = ("private/0", "business/0")


class Ahead:
    """The exchange, or one of its connections, with a clock `by` ns ahead of the client's."""

    def __init__(self, of: Any, world: World, clock: list[int] | None = None) -> None:
        self._of, self._world = of, world
        self.clock = clock if clock is not None else [0]

    @classmethod
    def of(cls, world: World, seconds: float) -> Ahead:
        """Put between a world's client and its exchange."""
        shifted = cls(world.exchange, world, [int(seconds * SECOND)])
        world.exchange = shifted  # type: ignore[assignment]
        return shifted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_of", "_world", "clock"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._of, name, value)  # `wake`, which a connection calls

    def step(self, seconds: float) -> None:
        """The client's clock is set back by this much, which looks as if the exchange's went forward."""
        self.clock[0] += int(seconds * SECOND)

    def open(self, path: str, now: int) -> Any:
        return Ahead(self._of.open(path, now + self.clock[0]), self._world, self.clock)

    def rest(self, method: str, target: str, headers: Any, body: bytes, now: int) -> Any:
        return self._of.rest(method, target, headers, body, now + self.clock[0])

    def deadline(self) -> int | None:
        due = self._of.deadline()
        return None if due is None else max(self._world.now, due - self.clock[0])

    def on_deadline(self, now: int) -> None:
        self._of.on_deadline(now + self.clock[0])

    def receive(self, data: bytes, now: int) -> None:
        self._of.receive(data, now + self.clock[0])

    def gone(self, now: int) -> None:
        self._of.gone(now + self.clock[0])


def second(event: Event) -> float:
    return (event.ts_recv - START) / SECOND


def logins(world: World, line: str = "private/0") -> list[dict[str, Any]]:
    """The login requests a line has sent, over all its connections."""
    wires = [wire for (name, _), wire in world.client.wires.items() if name == line]
    sent = [json.loads(data) for wire in wires for data in wire.sent if data != b"ping"]
    return [request["args"][0] for request in sent if request["op"] == "login"]


# -- B9: refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "code", "advice"),
    [
        (
            Credentials("no such key", DEMO_KEY.secret, DEMO_KEY.passphrase),
            "60032",
            "use the site (global, eea, us) and environment",
        ),
        (Credentials(DEMO_KEY.key, "another secret", DEMO_KEY.passphrase), "60007", "check the secret"),
        (Credentials(DEMO_KEY.key, DEMO_KEY.secret, "another phrase"), "60024", "check the passphrase"),
    ],
)
def test_B9_a_key_that_is_wrong_is_tried_once_and_never_again(key: Credentials, code: str, advice: str) -> None:
    world = World(credentials=key)
    world.subscribe("orders", "SPOT")
    world.subscribe("orders-algo", "SPOT")
    world.subscribe("trades", "BTC-USDT")
    world.run(600)
    for line, channel in zip(PRIVATE, ("orders", "orders-algo"), strict=True):
        refused = [event for event in world.client.all(Refused) if event.line == line]
        assert [(event.channel, event.code, event.will_retry) for event in refused] == [
            ("login", code, False),
            (channel, code, False),
        ]
        assert all(event.advice.startswith(advice) for event in refused)
        (lost,) = world.client.all(Disconnected, line=line)
        assert (lost.fatal, lost.retry_s) == (True, None)
        assert code in lost.reason
        assert len(logins(world, line)) == 1
        assert [number for name, number in world.client.wires if name == line] == [1], "not dialled again"
    assert world.client.all(Disconnected, line="public/0") == []
    assert world.client.all(Trade)[-1].ts_recv > world.now - 30 * SECOND


@pytest.mark.parametrize("code", ["60005", "60007", "60024", "60032", "60026"])
def test_B9_whatever_the_reason_what_only_a_person_can_change_ends_the_line(code: str) -> None:
    world = World([Fault("error_ack", channel="login", code=code)], credentials=KEY)
    world.subscribe("positions", "ANY")
    world.run(300)
    assert [event.fatal for event in world.client.all(Disconnected)] == [True]
    assert len(logins(world)) == 1


def test_B9_a_public_line_keeps_its_data_and_does_not_try_the_key_again_after_a_reconnect() -> None:
    world = World([Fault("abort", at=60)], credentials=Credentials(DEMO_KEY.key, "another secret", DEMO_KEY.passphrase))
    world.subscribe("trades", "BTC-USDT")
    world.subscribe("books-l2-tbt", "BTC-USDT")
    world.run(120)
    assert [event.fatal for event in world.client.all(Disconnected)] == [False]
    assert len(logins(world, "public/0")) == 1
    assert world.client.all(Trade)[-1].ts_recv > world.now - 30 * SECOND


def test_B9_what_passes_is_tried_again_ever_later_and_not_for_ever() -> None:
    world = World([Fault("error_ack", channel="login", code="60009", times=2)], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.run(30)
    assert [(event.code, event.will_retry) for event in world.client.all(Refused)] == [("60009", True)] * 2
    assert len(world.client.all(LoggedIn)) == len(world.client.all(Subscribed)) == 1
    world = World([Fault("error_ack", channel="login", code="60009")], market=StillMarket(), credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.run(3_600)
    refused = world.client.all(Refused, channel="login")
    assert [event.will_retry for event in refused] == [True] * (len(refused) - 1) + [False]
    assert len(refused) <= 60, "an hour of it"


@pytest.mark.parametrize("ahead_s", [-35, 35, -3_600, 86_400])
def test_B9_a_clock_that_is_off_is_measured_once_and_the_login_signed_once_more(ahead_s: float) -> None:
    world = World(market=StillMarket(), credentials=KEY)
    Ahead.of(world, ahead_s)
    world.subscribe("orders", "SPOT")
    world.run(20)
    assert [(event.channel, event.code, event.will_retry) for event in world.client.all(Refused)] == [("login", "60006", True)]
    assert [event.key for event in world.client.all(Subscribed)] == ["SPOT"]
    assert world.client.all(Disconnected) == []
    first, again = (int(login["timestamp"]) for login in logins(world))
    assert abs(again - first - ahead_s) <= 1


def test_B9_a_time_that_stays_wrong_is_no_reason_to_try_for_ever() -> None:
    world = World([Fault("error_ack", channel="login", code="60006")], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.run(600)
    assert [event.will_retry for event in world.client.all(Refused, channel="login")] == [True, False]
    assert [event.fatal for event in world.client.all(Disconnected)] == [True]
    assert len(logins(world)) == 2


# -- B10, B11: late, lost, too early ---------------------------------------------------------------


def test_B10_nothing_private_is_asked_for_before_a_login_that_is_answered_late() -> None:
    world = World([Fault("delay_ack", channel="login", seconds=5)], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.run(4.9)
    assert [json.loads(data)["op"] for data in world.client.wires["private/0", 1].sent] == ["login"]
    world.run(5)
    assert [round(second(event)) for event in world.client.all(LoggedIn)] == [5]
    assert [event.key for event in world.client.all(Subscribed)] == ["SPOT"]
    assert world.client.all(Disconnected) == world.client.all(Refused) == []


def test_B10_a_login_that_is_never_answered_costs_one_connection() -> None:
    world = World([Fault("drop_ack", channel="login", times=1)], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.run(40)
    assert [event.reason for event in world.client.all(Disconnected)] == ["no answer to the login"]
    assert len(world.client.all(LoggedIn)) == len(world.client.all(Subscribed)) == 1


@pytest.mark.parametrize("times", [1, 3])
def test_B11_asked_too_early_it_is_asked_for_again_after_the_login_and_not_lost(times: int) -> None:
    world = World([Fault("error_ack", channel="orders", code="60011", times=times)], credentials=KEY)
    world.subscribe("orders", "SPOT")
    world.run(60)
    assert [(event.channel, event.code) for event in world.client.all(Refused, will_retry=True)] == [("orders", "60011")] * times
    assert world.client.all(Refused, will_retry=False) == []
    assert [event.key for event in world.client.all(Subscribed)] == ["SPOT"]
    assert len(logins(world)) == len(world.client.all(LoggedIn)) == 1


# -- B12: clocks -----------------------------------------------------------------------------------


def test_B12_a_clock_set_back_in_mid_session_costs_nothing_and_the_next_login_is_corrected_again() -> None:
    still = {"market": StillMarket(), "rules": Rules(idle_close_s=0)}
    world = World([Fault("abort", path="private", at=3_700)], credentials=KEY, **still)
    exchange = Ahead.of(world, 35)
    world.subscribe("orders", "SPOT")
    world.subscribe("trades", "BTC-USDT")
    world.run(20)
    assert len(world.client.all(LoggedIn)) == 1
    world.at(30, lambda: exchange.step(3_600))
    world.run(20)
    assert world.client.all(Disconnected) == [], "durations are measured by our own clock, which did not jump"
    world.run(120)
    assert [(event.line, event.fatal) for event in world.client.all(Disconnected)] == [("private/0", False)]
    assert len(world.client.all(LoggedIn)) == 2
    codes = [event.code for event in world.client.all(Refused)]
    assert codes == ["60006", "60006"], "once per time that was wrong"


def test_B12_once_measured_every_later_login_is_right_at_once() -> None:
    world = World([Fault("abort", path="private", at=135), Fault("abort", path="private", at=235)], credentials=KEY)
    Ahead.of(world, 35)
    world.subscribe("orders", "SPOT")
    world.run(300)
    assert len(world.client.all(LoggedIn)) == 3
    assert [event.code for event in world.client.all(Refused)] == ["60006"]


# -- B13: never twice ------------------------------------------------------------------------------


def test_B13_one_login_a_connection_however_often_something_private_is_wanted() -> None:
    world = World([Fault("abort", path="private", at=200)], credentials=KEY)
    world.subscribe("orders", "SPOT")
    for step, kind in enumerate(("SWAP", "FUTURES", "OPTION", "MARGIN")):
        world.at(20 + 10 * step, lambda kind=kind: world.client.subscribe("orders", kind))  # type: ignore[misc]
        world.at(25 + 10 * step, lambda kind=kind: world.client.unsubscribe("orders", kind))  # type: ignore[misc]
    world.run(400)
    connections = [number for name, number in world.client.wires if name == "private/0"]
    assert len(connections) == 2
    assert len(logins(world)) == len(world.client.all(LoggedIn)) == 2
    assert world.client.all(Refused) == []


def test_B13_told_that_it_is_logged_in_already_it_believes_it() -> None:
    world = World([Fault("error_ack", channel="login", code="60031", times=1)], credentials=KEY)
    world.subscribe("trades", "BTC-USDT")
    world.subscribe("books-l2-tbt", "BTC-USDT")
    world.run(20)
    assert len(world.client.all(LoggedIn)) == 1
    assert len(logins(world, "public/0")) <= 2
