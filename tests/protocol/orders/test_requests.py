"""Order requests on a Session and a Line: when they may be said, by which connection, and how their answers come back."""

from __future__ import annotations

from tests.support.talking import KEY, LOGIN_ACK, ack, at, error, said, session

from okex_ws.events import LoggedIn, OrderReplied, Refused, Unrecognized
from okex_ws.protocol.line import Line
from okex_ws.protocol.pacing import Window
from okex_ws.protocol.session import Session
from okex_ws.wire.channels import subscription

ORDERS = subscription("orders", "ANY")
REQUEST = b'{"id":"o1","op":"order","args":[]}'
REPLY = (
    b'{"id":"o1","op":"order","code":"2","msg":"","data":[{"ordId":"77","clOrdId":"c1","tag":"","ts":"1790000000123","sCode":"0",'
    b'"sMsg":"","subCode":""},{"ordId":"","clOrdId":"c2","sCode":"51008","sMsg":"Insufficient"}],"inTime":"1790000000120123",'
    b'"outTime":"1790000000123456"}'
)
NOTICE = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a4d3ae55"}'


def logged_in() -> Session:
    made = session(ORDERS, credentials=KEY)
    said(made)
    assert not made.can_trade
    made.receive(LOGIN_ACK, at(0.1))
    made.on_deadline(at(0.2))
    (request,) = said(made)
    assert not made.can_trade, "what it would have to hear of is not confirmed yet"
    made.receive(ack(request["id"], ORDERS), at(0.3))
    return made


def test_an_order_may_be_said_once_logged_in_and_subscribed() -> None:
    made = logged_in()
    assert made.can_trade
    made.send("o1", "order", REQUEST)
    assert made.bytes_to_send() == [REQUEST]


def test_a_reply_is_an_event_with_a_result_for_each_order() -> None:
    made = logged_in()
    made.send("o1", "order", REQUEST)
    (reply,) = made.receive(REPLY, at(1))
    assert isinstance(reply, OrderReplied)
    assert (reply.request_id, reply.op, reply.code, reply.in_us, reply.out_us) == (
        "o1",
        "order",
        "2",
        1790000000120123,
        1790000000123456,
    )
    assert [(result.client_order_id, result.code, result.order_id) for result in reply.results] == [
        ("c1", "0", "77"),
        ("c2", "51008", ""),
    ]


def test_an_error_with_the_id_of_an_order_is_its_reply_and_no_refused_subscription() -> None:
    made = logged_in()
    made.send("o1", "order", REQUEST)
    (reply,) = made.receive(error("o1", "60011", "Please log in"), at(1))
    assert isinstance(reply, OrderReplied)
    assert (reply.code, reply.results) == ("60011", ())
    (other,) = made.receive(error("o1", "60013", "again"), at(1))
    assert isinstance(other, Refused), "that request is answered"


def test_a_reply_nobody_asked_for_is_told_all_the_same_and_one_that_cannot_be_read_is_malformed() -> None:
    made = logged_in()
    assert [type(event) for event in made.receive(REPLY, at(1))] == [OrderReplied]
    assert [type(event).__name__ for event in made.receive(b'{"id":"o1","op":"order","code":"0","data":7}', at(1))] == [
        "Malformed"
    ]
    assert [type(event) for event in made.receive(b'{"op":"order","code":"0"}', at(1))] == [Unrecognized]


def test_a_mass_cancel_is_answered_by_a_truth() -> None:
    made = logged_in()
    (reply,) = made.receive(b'{"id":"o2","op":"mass-cancel","code":"0","msg":"","data":[{"result":true}]}', at(1))
    assert isinstance(reply, OrderReplied)
    assert reply.results[0].result is True


def speak(line: Line, number: int, second: float) -> None:
    """Log in and subscribe on one connection of a line."""
    line.bytes_to_send(number)
    events = line.receive(number, LOGIN_ACK, at(second))
    assert any(isinstance(event, LoggedIn) for event in events)
    line.on_deadline(at(second + 0.2))
    (request,) = said(line.sessions[number])  # type: ignore[arg-type]
    line.receive(number, ack(request["id"], ORDERS), at(second + 0.3))


def test_during_a_handover_orders_go_by_the_connection_that_stays() -> None:
    line = Line("private/0", luck=lambda: 0.5, connects=Window(3, 1), credentials=KEY)
    line.subscribe([ORDERS], at(0))
    line.start(at(0))
    assert line.send("o1", "order", REQUEST, at(0)) is None, "no connection"
    line.opened(1, at(0))
    assert line.send("o1", "order", REQUEST, at(0)) is None, "not logged in"
    speak(line, 1, 0.1)
    assert line.send("o1", "order", REQUEST, at(1)) == 1
    line.receive(1, NOTICE, at(2))
    assert line.send("o2", "order", REQUEST, at(2)) == 1, "for want of another"
    line.on_deadline(at(3))
    line.opened(2, at(3))
    speak(line, 2, 3.1)
    assert line.send("o3", "order", REQUEST, at(3.5)) == 2
    assert REQUEST in line.bytes_to_send(2)
