"""V1's V1Session: what it says and when, what it believes, and how its orders find their answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.support.legacy_corpus import SECOND, START, session_v1

from okex_ws.events import (
    AccountUpdate,
    BookSnapshot,
    BookUpdate,
    Event,
    Gap,
    LoggedIn,
    Malformed,
    OrderReplied,
    OrderUpdate,
    Refused,
    Resumed,
    Stale,
    Subscribed,
    Trade,
    Unsubscribed,
)
from okex_ws.legacy.chains import LegacyChains
from okex_ws.legacy.v1 import V1Session, subscription
from okex_ws.legacy.v1.wire import codes, orders, requests
from okex_ws.wire.sign import Credentials

DEALS, DEPTH = "ok_sub_spot_btc_usdt_deals", "ok_sub_spot_btc_usdt_depth"
KEY = Credentials("abc", "xyz", "unused by V1")
PONG = b'{"event":"pong"}'


def said(session: V1Session) -> list[Any]:
    return [json.loads(text) for text in session.bytes_to_send()]


def ack(name: str) -> bytes:
    return json.dumps([{"binary": 1, "channel": "addChannel", "data": {"result": True, "channel": name}}]).encode()


def deals(*ids: int) -> bytes:
    return json.dumps([{"channel": DEALS, "data": [[str(n), "6395", "1", "14:45:28", "ask"] for n in ids]}]).encode()


def depth(bids: list[list[Any]], asks: list[list[Any]]) -> bytes:
    return json.dumps([{"channel": DEPTH, "data": {"bids": bids, "asks": asks, "timestamp": 1545391600000}}]).encode()


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


IMAGE, CHANGE = depth([["10", "1"], ["9", "2"]], [["12", "3"], ["11", "4"]]), depth([["10", "0"]], [])


# -- asking ----------------------------------------------------------------------------------------------------------------


def test_channels_are_asked_for_in_one_message_and_told_when_acknowledged() -> None:
    session = session_v1(DEALS, DEPTH)
    assert said(session) == [[{"event": "addChannel", "channel": DEALS}, {"event": "addChannel", "channel": DEPTH}]]
    assert not session.is_settled
    (told,) = session.receive(ack(DEALS), START)
    assert isinstance(told, Subscribed)
    session.receive(ack(DEPTH), START)
    assert session.is_settled


def test_a_hundred_channels_are_a_few_messages() -> None:
    session = session_v1(*(f"ok_sub_spot_c{n}_usdt_deals" for n in range(101)))
    assert [len(batch) if isinstance(batch, list) else 1 for batch in said(session)] == [50, 50, 1]


def test_an_ack_that_never_comes_is_asked_for_twice_then_told() -> None:
    session = session_v1(DEALS)
    said(session)
    now = START + 10 * SECOND
    assert session.on_deadline(now) == []
    assert said(session) == [{"event": "addChannel", "channel": DEALS}]
    now += 10 * SECOND
    (told,) = session.on_deadline(now)
    assert isinstance(told, Refused)
    assert (told.code, told.will_retry) == ("timeout", True)


def test_data_without_an_ack_counts_as_one() -> None:
    session = session_v1(DEALS)
    session.receive(deals(1), START + SECOND)
    events = session.on_deadline(START + 10 * SECOND)
    assert kinds(events) == ["Subscribed"]
    assert session.is_settled


def test_a_channel_refused_for_its_name_stays_refused_until_it_is_asked_for_again() -> None:
    session = session_v1(DEALS)
    said(session)
    error = [{"binary": 0, "channel": DEALS, "data": {"result": False, "error_msg": "param not match.", "error_code": 20116}}]
    (told,) = session.receive(json.dumps(error).encode(), START)
    assert isinstance(told, Refused)
    assert (told.channel, told.key, told.will_retry, told.advice) == ("trades", "BTC-USDT", False, "correct the channel's name")
    assert session.is_settled
    session.subscribe([subscription(DEALS)], START + SECOND)
    assert said(session) == [{"event": "addChannel", "channel": DEALS}]


def test_an_error_that_may_pass_is_tried_again() -> None:
    session = session_v1(DEALS)
    said(session)
    error = [{"channel": DEALS, "data": {"result": False, "error_code": 10015}}]
    (told,) = session.receive(json.dumps(error).encode(), START)
    assert isinstance(told, Refused)
    assert told.will_retry
    session.on_deadline(START + SECOND)
    assert said(session) == [{"event": "addChannel", "channel": DEALS}]


def test_a_goodbye_needs_no_answer_and_late_pushes_are_dropped() -> None:
    session = session_v1(DEALS)
    session.receive(ack(DEALS), START)
    said(session)
    session.unsubscribe([subscription(DEALS)], START)
    assert said(session) == [{"event": "removeChannel", "channel": DEALS}]
    assert session.receive(deals(1), START + 1) == []
    assert session.late_pushes == 1
    gone = [{"binary": 1, "channel": "removeChannel", "data": {"result": True, "channel": DEALS}}]
    (told,) = session.receive(json.dumps(gone).encode(), START + 2)
    assert isinstance(told, Unsubscribed)


def test_what_nobody_asked_for_is_delivered_all_the_same() -> None:
    assert kinds(session_v1().receive(deals(1, 2), START)) == ["Trade", "Trade"]


# -- heartbeat -------------------------------------------------------------------------------------------------------------


def test_a_ping_every_30_s_whatever_comes_and_no_pong_within_10_s_ends_the_connection() -> None:
    session = session_v1(DEALS)
    session.receive(ack(DEALS), START)
    said(session)
    now = START
    pings = 0
    while session.ending is None:
        now += SECOND
        session.receive(deals(now), now)
        if session.next_deadline <= now:
            session.on_deadline(now)
        for message in said(session):
            assert message == {"event": "ping"}
            pings += 1
            if pings < 4:
                session.receive(PONG, now)
    assert pings == 4
    assert now - START == (4 * 30 + 10) * SECOND
    assert session.ending.code == 1001


def test_a_process_that_slept_does_not_blame_the_server() -> None:
    session = session_v1(DEALS)
    assert session.on_deadline(START + 600 * SECOND) == []
    assert session.ending is not None
    assert "stood still" in session.ending.reason


def test_excused_silence_is_nobodys_fault() -> None:
    session = session_v1(DEALS)
    session.receive(ack(DEALS), START)
    session.on_deadline(START + 30 * SECOND)
    session.reset_timeouts(START + 300 * SECOND)
    session.on_deadline(session.deadline())
    assert session.ending is None


def test_a_channel_may_be_told_to_be_never_silent() -> None:
    session = session_v1(DEALS, stale_after_s={"trades": 5.0})
    session.receive(ack(DEALS), START)
    session.receive(deals(1), START)
    assert session.deadline() == START + 5 * SECOND
    events = session.on_deadline(START + 5 * SECOND)
    assert kinds(events) == ["Stale"]
    assert isinstance(events[0], Stale)
    assert said(session)[1:] == [{"event": "removeChannel", "channel": DEALS}, {"event": "addChannel", "channel": DEALS}]
    assert kinds(session.receive(deals(2), START + 6 * SECOND)) == ["Gap", "Resumed", "Trade"]


# -- books -----------------------------------------------------------------------------------------------------------------


def test_the_first_push_is_the_image_and_the_others_are_changes() -> None:
    session = session_v1(DEPTH)
    session.receive(ack(DEPTH), START)
    (image,) = session.receive(IMAGE, START)
    assert isinstance(image, BookSnapshot)
    assert [level[:2] for level in image.raw_asks] == [("11", "4"), ("12", "3")]
    (change,) = session.receive(CHANGE, START)
    assert type(change) is BookUpdate


def test_a_first_push_that_deletes_is_no_image_and_another_is_asked_for() -> None:
    session = session_v1(DEPTH)
    session.receive(ack(DEPTH), START)
    said(session)
    assert session.receive(CHANGE, START) == [], "a change of a book that is not known"
    session.on_deadline(START + 10 * SECOND)
    assert said(session) == [{"event": "removeChannel", "channel": DEPTH}, {"event": "addChannel", "channel": DEPTH}]
    session.receive(ack(DEPTH), START + 11 * SECOND)
    assert kinds(session.receive(IMAGE, START + 11 * SECOND)) == ["BookSnapshot"]


def test_a_distrusted_book_says_gap_once_and_is_silent_until_its_new_image() -> None:
    session = session_v1(DEPTH)
    session.receive(ack(DEPTH), START)
    session.receive(IMAGE, START)
    said(session)
    item = subscription(DEPTH)
    (gap,) = session.resync(item, START + 1, "crossed")
    assert isinstance(gap, Gap)
    assert (gap.channel, gap.instrument, gap.cause) == ("books", "BTC-USDT", "crossed")
    assert session.resync(item, START + 2, "crossed") == [], "one renewal at a time"
    assert said(session) == [{"event": "removeChannel", "channel": DEPTH}, {"event": "addChannel", "channel": DEPTH}]
    assert session.receive(CHANGE, START + 3) == []
    session.receive(ack(DEPTH), START + 4)
    resumed, image = session.receive(IMAGE, START + 5)
    assert isinstance(resumed, Resumed)
    assert isinstance(image, BookSnapshot)


def test_renewals_that_do_not_help_come_ever_slower() -> None:
    session = session_v1(DEPTH)
    now, waits = START, []
    for _ in range(5):
        session.receive(ack(DEPTH), now)
        session.receive(IMAGE, now)
        said(session)
        asked = now
        session.resync(subscription(DEPTH), now, "crossed")
        while not any(message == {"event": "addChannel", "channel": DEPTH} for message in said(session)):
            now = session.deadline()
            session.on_deadline(now)
            session.receive(PONG, now)
        waits.append((now - asked) // SECOND)
    assert waits == [0, 2, 4, 8, 16]


def test_trades_after_a_break_are_a_gap_unless_they_overlap_and_none_comes_twice() -> None:
    chains = LegacyChains("v1/0")
    item = subscription(DEALS)

    def connected(number: int) -> V1Session:
        return V1Session("v1/0", [item], now=START, number=number, chains=chains)

    assert kinds(connected(1).receive(deals(1, 2, 5), START)) == ["Trade"] * 3
    chains.interrupt(START, "disconnected")
    events = connected(2).receive(deals(2, 5, 6), START)
    assert kinds(events) == ["Resumed", "Trade"], "the first batch reaches back to what was known: nothing is missing"
    assert [event.trade_id for event in events if isinstance(event, Trade)] == [6]
    chains.interrupt(START, "disconnected")
    gap, resumed, trade = connected(3).receive(deals(9), START)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.first_id, gap.last_id) == ("disconnected", None, None), "ids skip: how many is not known"
    assert kinds([resumed, trade]) == ["Resumed", "Trade"]


def test_twenty_unreadable_messages_in_ten_seconds_end_the_connection() -> None:
    session = session_v1(DEALS)
    for n in range(20):
        assert session.ending is None
        assert kinds(session.receive(b"{", START + n)) == ["Malformed"]
    assert session.ending is not None
    assert session.ending.code == 1002


# -- the login and orders --------------------------------------------------------------------------------------------------


def test_signatures_are_MD5_in_capitals_over_sorted_parameters() -> None:
    parameters = {"symbol": "btc_usdt", "type": "buy", "price": "680", "amount": "1.0"}
    sign = requests.signed(parameters, "c821db84-6fbd-11e4-a9e3-c86000d26d7c", "secretKey")
    assert sign == "2E8D13ABF63D9CDD98B8E6F4780C87BC"
    assert requests.signed({}, "abc", "xyz") == "38FB3E5D8B8E95A98FF7252914621604"
    assert requests.signed({}, "", "") == "2CB075309DDEEF8ECE7DB92669A7321C", "as the 2018 demo signed"


def test_private_channels_wait_for_the_login_and_public_ones_do_not() -> None:
    session = session_v1(DEALS, "ok_sub_spot_btc_usdt_order", credentials=KEY)
    login, public = said(session)
    assert login == {"event": "login", "parameters": {"api_key": "abc", "sign": "38FB3E5D8B8E95A98FF7252914621604"}}
    assert public == {"event": "addChannel", "channel": DEALS}
    (told,) = session.receive(b'[{"binary":0,"channel":"login","data":{"result":true}}]', START)
    assert isinstance(told, LoggedIn)
    assert said(session) == [{"event": "addChannel", "channel": "ok_sub_spot_btc_usdt_order"}]
    assert "xyz" not in repr(vars(session))


def test_a_refused_login_is_told_and_public_data_goes_on() -> None:
    session = session_v1(DEALS, "ok_sub_spot_btc_usdt_order", credentials=KEY)
    error = b'[{"data":{"result":false,"error_msg":"Invalid logon.","error_code":20102}}]'
    login, private = session.receive(error, START)
    assert isinstance(login, Refused)
    assert isinstance(private, Refused)
    assert (login.channel, private.channel, private.key) == ("login", "orders", "BTC-USDT")
    assert session.is_login_refused
    assert kinds(session.receive(deals(1), START)) == ["Trade"]


def test_a_login_without_an_answer_ends_the_connection() -> None:
    session = session_v1(credentials=KEY)
    session.on_deadline(session.deadline())
    assert session.ending is not None
    assert session.ending.reason == "no answer to the login"


ORDERS = {
    "spot limit": (
        orders.place("BTC-USDT", "buy", Decimal("1.0"), Decimal(680)),
        "ok_spot_order",
        {"symbol": "btc_usdt", "type": "buy", "price": "680", "amount": "1.0"},
    ),
    "spot market buy": (
        orders.place("BTC-USDT", "buy", Decimal(100), order_type="market"),
        "ok_spot_order",
        {"symbol": "btc_usdt", "type": "buy_market", "price": "100"},
    ),
    "spot market sell": (
        orders.place("BTC-USDT", "sell", Decimal("1E-8"), order_type="market"),
        "ok_spot_order",
        {"symbol": "btc_usdt", "type": "sell_market", "amount": "0.00000001"},
    ),
    "spot cancel": (orders.cancel("BTC-USDT", "6189"), "ok_spot_cancel_order", {"symbol": "btc_usdt", "order_id": "6189"}),
    "spot query": (orders.query("BTC-USDT"), "ok_spot_orderinfo", {"symbol": "btc_usdt", "order_id": "-1"}),
    "futures open long": (
        orders.place("BTC-USD-THIS-WEEK", "buy", Decimal(3), Decimal("6400.5"), position_side="long", leverage=20),
        "ok_futureusd_trade",
        {
            "symbol": "btc_usd",
            "contract_type": "this_week",
            "price": "6400.5",
            "amount": "3",
            "type": "1",
            "match_price": "0",
            "lever_rate": "20",
        },
    ),
    "futures close short at the counterparty's price": (
        orders.place("ETH-USD-QUARTER", "buy", Decimal(3), order_type="market", position_side="short"),
        "ok_futureusd_trade",
        {
            "symbol": "eth_usd",
            "contract_type": "quarter",
            "price": "0",
            "amount": "3",
            "type": "4",
            "match_price": "1",
            "lever_rate": "10",
        },
    ),
    "futures cancel": (
        orders.cancel("BTC-USD-QUARTER", "7"),
        "ok_futureusd_cancel_order",
        {"symbol": "btc_usd", "order_id": "7", "contract_type": "quarter"},
    ),
    "futures query": (
        orders.query("BTC-USD-QUARTER", "7"),
        "ok_futureusd_orderinfo",
        {
            "symbol": "btc_usd",
            "order_id": "7",
            "contract_type": "quarter",
            "status": "1",
            "current_page": "1",
            "page_length": "50",
        },
    ),
    "balances": (orders.balances(), "ok_spot_userinfo", {}),
    "futures balances": (orders.balances(futures=True), "ok_futureusd_userinfo", {}),
}


@pytest.mark.parametrize("name", ORDERS)
def test_requests_to_trade_are_what_the_pages_say(name: str) -> None:
    request, channel, parameters = ORDERS[name]
    assert request == (channel, parameters)
    sent = json.loads(requests.trading(*request, KEY))
    assert sent.pop("parameters") == {**parameters, "api_key": "abc", "sign": requests.signed(parameters, "abc", "xyz")}
    assert sent == {"event": "addChannel", "channel": channel}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("BTC-USDT", "long", Decimal(1), Decimal(1)), "buy and sell"),
        (("BTC-USDT", "buy", Decimal(1)), "needs a price"),
        (("BTC-USD-QUARTER", "buy", Decimal(1), Decimal(1)), "position_side is long or short"),
        (("BTC", "buy", Decimal(1), Decimal(1)), "not an instrument"),
        (("BTC-USDT-SWAP", "buy", Decimal(1), Decimal(1)), "not an instrument"),
        (("BTC-USD-210625", "buy", Decimal(1), Decimal(1)), "not an instrument"),
        (("BTC-USDT", "buy", Decimal(-1), Decimal(5)), "size is -1; give a number above 0"),
        (("BTC-USDT", "buy", Decimal(1), Decimal("NaN")), "price is NaN; give a number above 0"),
        (("BTC-USDT", "buy", Decimal("Infinity"), Decimal(5)), "above 0"),
    ],
)
def test_an_order_V1_cannot_say_is_told_before_it_is_sent(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(orders.NoRequestError, match=words):
        orders.place(*arguments)


def test_contracts_are_whole_and_ids_are_ids() -> None:
    with pytest.raises(orders.NoRequestError, match=r"size is 1.5; contracts are whole"):
        orders.place("BTC-USD-QUARTER", "buy", Decimal("1.5"), Decimal(1), position_side="long")
    for ask in (orders.cancel, orders.query):
        with pytest.raises(orders.NoRequestError, match="is not an order id"):
            ask("BTC-USDT", "7&symbol=eth_usdt")


def test_answers_find_their_requests_in_order_per_channel() -> None:
    session = session_v1(credentials=KEY)
    session.receive(b'[{"binary":0,"channel":"login","data":{"result":true}}]', START)
    assert session.can_trade
    for number, (channel, parameters) in enumerate((ORDERS["spot limit"][0], ORDERS["spot cancel"][0], ORDERS["spot limit"][0])):
        session.send(f"r{number}", channel, requests.trading(channel, parameters, KEY))
    cancel = b'[{"channel":"ok_spot_cancel_order","data":{"result":true,"order_id":"125433027"}}]'
    first = b'[{"binary":1,"channel":"ok_spot_order","data":{"result":true,"order_id":6189}}]'
    second = b'[{"binary":1,"channel":"ok_spot_order","data":{"result":false,"error_code":10010}}]'
    replies = [event for data in (cancel, first, second) for event in session.receive(data, START)]
    assert [(reply.request_id, reply.code, reply.results[0].code) for reply in replies if isinstance(reply, OrderReplied)] == [
        ("r1", "0", "0"),
        ("r0", "0", "0"),
        ("r2", "1", "10010"),
    ]
    assert isinstance(replies[2], OrderReplied)
    assert replies[2].results[0].message == "funds too low"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ('{"channel":"ok_spot_order","data":{"result":true,"order_id":[]}}', "malformed"),
        ('{"channel":"ok_spot_order","data":{"order_id":6189}}', "malformed"),
        ('{"channel":"ok_spot_order","data":null}', "malformed"),
        ('{"channel":"ok_spot_order"}', "malformed"),
        ('{"channel":"ok_spot_order","success":"false","errorcode":"10010"}', "1"),
        ('{"channel":"ok_spot_order","success":false,"errorcode":10010,"data":{}}', "1"),
    ],
)
def test_an_answer_takes_its_request_with_it_whatever_its_shape(answer: str, code: str) -> None:
    session = session_v1(credentials=KEY)
    for number in range(2):
        session.send(f"r{number}", "ok_spot_order", b"{}")
    message = f'[{answer},{{"channel":"ok_spot_order","data":{{"result":true,"order_id":77}}}}]'.encode()
    replies = [event for event in session.receive(message, START) if isinstance(event, OrderReplied)]
    assert [(reply.request_id, reply.code) for reply in replies] == [("r0", code), ("r1", "0")]
    assert [result.code for result in replies[0].results] == ([] if code == "malformed" else ["10010"])


def test_a_message_that_may_have_been_any_answer_ends_the_connection_if_one_is_due() -> None:
    session = session_v1(credentials=KEY)
    session.receive(b"[{", START)
    assert session.ending is None
    session.send("r0", "ok_spot_order", b"{}")
    session.receive(b"[{", START)
    assert session.ending is not None
    assert not session.can_trade


def test_orders_and_balances_asked_for_come_as_events_behind_the_reply() -> None:
    session = session_v1(credentials=KEY)
    found = {"result": True, "orders": [{"symbol": "bch_btc", "amount": "0.1", "price": "1", "avg_price": 0,
             "create_date": 1504529828000, "type": "buy", "deal_amount": 0, "order_id": 6189, "status": -1}]}  # fmt: skip
    reply, order = session.receive(json.dumps([{"channel": "ok_spot_orderinfo", "data": found}]).encode(), START)
    assert isinstance(reply, OrderReplied)
    assert isinstance(order, OrderUpdate)
    assert (order.instrument, order.order_id, order.state, order.average_price) == ("BCH-BTC", "6189", "canceled", None)
    funds = {"result": True, "info": {"funds": {"free": {"btc": "5927.8506057903954517"}, "freezed": {"btc": "7228"}}}}
    _, account = session.receive(json.dumps([{"channel": "ok_spot_userinfo", "data": funds}]).encode(), START)
    assert isinstance(account, AccountUpdate)
    assert account.balances[0].available == Decimal("5927.8506057903954517")
    info = {"result": True, "info": {"btc": {"account_rights": 1, "keep_deposit": 0, "profit_unreal": 0, "risk_rate": 10000}}}
    _, account = session.receive(json.dumps([{"channel": "ok_futureusd_userinfo", "data": info}]).encode(), START)
    assert isinstance(account, AccountUpdate)
    assert (account.balances[0].currency, account.balances[0].equity) == ("BTC", Decimal(1))


def test_an_answer_that_is_neither_yes_nor_no_is_told() -> None:
    (told,) = session_v1().receive(b'[{"channel":"ok_spot_order","data":{"order_id":1}}]', START)
    assert isinstance(told, Malformed)


def test_every_code_of_the_sheet_has_a_meaning() -> None:
    assert len(codes.MEANINGS) == 99
    assert codes.advice("10049").startswith("more than 50 small open orders")
    assert codes.advice("1209") == "API invalid"
    assert codes.advice("77777") == ""


def test_two_names_of_one_thing_are_asked_for_once_and_the_second_is_refused_in_one_line() -> None:
    names = ("ok_sub_futureusd_btc_trade_quarter", "ok_sub_futureusd_btc_trade_this_quarter")
    session = session_v1(*names[:1])
    session.subscribe([subscription(names[1])], START)
    assert [asked["channel"] for asked in said(session)] == [names[0]]
    assert session.deadline() == START
    (refused,) = session.on_deadline(START)
    assert isinstance(refused, Refused)
    assert (refused.channel, refused.key, refused.will_retry) == ("trades", "BTC-USD-QUARTER", False)
    assert refused.message == f"{names[1]} is {names[0]} by another name, and that is wanted already: leave one of them out"
    assert session.on_deadline(START) == []
    session.unsubscribe([subscription(names[0])], START)
    said(session)
    session.subscribe([subscription(names[1])], START)
    assert [asked["channel"] for asked in said(session)] == [names[1]], "alone it is as good as the other"
