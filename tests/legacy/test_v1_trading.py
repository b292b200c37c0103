"""V1's orders against the simulator's V1 face, in memory: placed, filled, cancelled, asked for, refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.legacy_corpus import session_v1

from okex_ws.events import AccountUpdate, Event, LoggedIn, OrderReplied, OrderUpdate, PositionUpdate
from okex_ws.legacy.v1.wire import orders, requests
from okex_ws.market import Books
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Binary
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.wire.sign import Credentials

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
KEY = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
PRIVATE = ("ok_sub_spot_btc_usdt_order", "ok_sub_spot_btc_usdt_balance")


class Talk:
    """A logged-in V1 session and the exchange, joined without a network."""

    def __init__(self, *names: str, instruments: tuple[str, ...] = ("BTC-USDT", "BTC-USD-SWAP"), start: int = START) -> None:
        market = SeededMarket(3, start=start, instruments=instruments, levels=30)
        self.venue = Exchange(market, seed=3, now=start, rules=Rules(connects_per_s=0))
        self.session = session_v1(*names, now=start, credentials=KEY)
        self.books = Books()
        self.now = start
        self._line: Any = self.venue.open("/ws/v1", start)
        self._line.wake = lambda: None
        self._count = 0
        self.first = self.exchange()

    def exchange(self) -> list[Event]:
        """Both say what they have to say, until neither has."""
        heard: list[Event] = []
        while messages := self.session.bytes_to_send():
            for message in messages:
                self._line.receive(message, self.now)
            for out in self._line.take():
                if isinstance(out, Binary):
                    heard += self.session.receive_binary(out.payload, self.now)
        for event in heard:
            self.books.apply(event)
        return heard

    def ask(self, request: orders.SentRequest) -> tuple[OrderReplied, list[Event]]:
        """The reply to a request, and what else was told at once."""
        self._count += 1
        self.session.send(f"r{self._count}", request.channel, requests.trading(*request, KEY))
        heard = self.exchange()
        (reply,) = [event for event in heard if isinstance(event, OrderReplied)]
        assert reply.request_id == f"r{self._count}"
        assert reply.op == request.channel
        return reply, [event for event in heard if event is not reply]


def test_a_spot_order_is_placed_told_cancelled_and_asked_for() -> None:
    talk = Talk(*PRIVATE)
    assert any(isinstance(event, LoggedIn) for event in talk.first)
    assert talk.session.can_trade
    reply, told = talk.ask(orders.place("BTC-USDT", "buy", Decimal("0.01"), Decimal(50000)))
    assert reply.code == "0"
    order_id = reply.results[0].order_id
    (live,) = [event for event in told if isinstance(event, OrderUpdate)]
    assert (live.order_id, live.state, live.side, live.price, live.size) == (order_id, "live", "buy", 50000, Decimal("0.01"))
    assert (live.created_ms, live.updated_ms) == (START // 1_000_000, START // 1_000_000), "the id is a snowflake, as they were"
    assert {balance.currency for event in told if isinstance(event, AccountUpdate) for balance in event.balances} >= {"USDT"}
    reply, found = talk.ask(orders.query("BTC-USDT", order_id))
    assert [(event.order_id, event.state) for event in found if isinstance(event, OrderUpdate)] == [(order_id, "live")]
    reply, told = talk.ask(orders.cancel("BTC-USDT", order_id))
    assert reply.results[0].order_id == order_id
    assert [event.state for event in told if isinstance(event, OrderUpdate)] == ["canceled"]
    _, balances = talk.ask(orders.balances())
    (account,) = [event for event in balances if isinstance(event, AccountUpdate)]
    assert {balance.currency for balance in account.balances} >= {"BTC", "USDT"}
    assert all(isinstance(balance.available, Decimal) for balance in account.balances)


@pytest.mark.parametrize(("amount", "price"), [("0.001", "50000"), ("0.10", "50000.00"), ("0.00005", "5E4"), ("1", "60000.10")])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_request_whose_numbers_are_numbers_is_signed_over_their_texts(amount: str, price: str, quote: str) -> None:
    talk = Talk(*PRIVATE)
    parameters = {"symbol": "btc_usdt", "type": "buy", "price": price, "amount": amount}
    sign = requests.signed(parameters, KEY.api_key, KEY.secret)
    text = (
        f'{{"event":"addChannel","channel":"ok_spot_order","parameters":{{"symbol":"btc_usdt","type":"buy","price":{price},'
        f'"amount":{amount},"api_key":"{KEY.api_key}","sign":"{sign}"}}}}'
    )
    talk.session.send("r1", "ok_spot_order", text.replace('"', quote).encode())
    (reply,) = [event for event in talk.exchange() if isinstance(event, OrderReplied)]
    assert reply.results[0].code in ("0", "10010", "10011"), "all of them are about the money, none about the signature"


def test_a_market_buy_spends_quote_currency_and_is_filled() -> None:
    talk = Talk(*PRIVATE)
    reply, told = talk.ask(orders.place("BTC-USDT", "buy", Decimal(600), order_type="market"))
    assert reply.code == "0"
    filled = [event for event in told if isinstance(event, OrderUpdate)][-1]
    assert (filled.state, filled.order_type, filled.target_currency) == ("filled", "market", "quote_ccy")
    assert filled.average_price is not None
    assert Decimal(50_000) < filled.average_price < Decimal(70_000)


def test_what_the_exchange_will_not_do_is_a_reply_that_says_why() -> None:
    talk = Talk(*PRIVATE)
    reply, told = talk.ask(orders.place("BTC-USDT", "buy", Decimal(20), Decimal(50000)))
    assert told == []
    assert (reply.code, reply.results[0].code, reply.results[0].message) == ("1", "10010", "funds too low")
    reply, _ = talk.ask(orders.cancel("BTC-USDT", "12345"))
    assert (reply.code, reply.results[0].message) == ("1", "order not found")


def test_a_futures_order_opens_a_side_and_is_told_without_being_asked() -> None:
    talk = Talk()
    reply, told = talk.ask(orders.place("BTC-USD-QUARTER", "buy", Decimal(2), Decimal(50000), position_side="long", leverage=20))
    assert reply.code == "0", reply
    (live,) = [event for event in told if isinstance(event, OrderUpdate)]
    assert (live.instrument, live.side, live.position_side, live.state) == ("BTC-USD-QUARTER", "buy", "long", "live")
    assert (live.order_id, live.leverage, live.size) == (reply.results[0].order_id, 20, 2)
    reply, found = talk.ask(orders.query("BTC-USD-QUARTER", live.order_id))
    assert [event.order_id for event in found if isinstance(event, OrderUpdate)] == [live.order_id]
    reply, told = talk.ask(orders.cancel("BTC-USD-QUARTER", live.order_id))
    assert [event.state for event in told if isinstance(event, OrderUpdate)] == ["canceled"]
    _, balances = talk.ask(orders.balances(futures=True))
    assert any(isinstance(event, AccountUpdate) for event in balances)


@pytest.mark.parametrize("contract", ["BTC-USD-QUARTER", "BTC-USD-THIS-WEEK"])
@pytest.mark.parametrize("days", range(0, 100, 13))
def test_orders_and_positions_of_a_contract_are_called_as_its_trades_are_on_every_day(contract: str, days: int) -> None:
    talk = Talk(instruments=("BTC-USD-SWAP", "BTC-USD-290625"), start=START + days * 86_400 * SECOND)
    reply, told = talk.ask(orders.place(contract, "buy", Decimal(2), position_side="long", order_type="market"))
    _, found = talk.ask(orders.query(contract, reply.results[0].order_id))
    kept = [event for event in (*told, *found) if isinstance(event, OrderUpdate | PositionUpdate)]
    assert {type(event) for event in kept} == {OrderUpdate, PositionUpdate}
    assert {event.instrument for event in kept} == {contract}
