"""The package's own V1 and V3 sessions against these faces: two readings of the old pages that know nothing of each other.

One account, both dialects logged in; V1 trades. What both tell is compared with the floor, which knows the truth.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.support.fixed_market import START
from tests.support.talk import exchange, seconds

from okex_ws.events import AccountUpdate, BookEvent, Instrument, OrderReplied, OrderUpdate, PositionUpdate, Trade
from okex_ws.legacy.v1.session import V1Session
from okex_ws.legacy.v1.wire import channels as v1_channels
from okex_ws.legacy.v1.wire import orders, requests
from okex_ws.legacy.v3.session import V3Session
from okex_ws.legacy.v3.wire import channels as v3_channels
from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.outgoing import Binary
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.v1.account_rows import order_id
from okex_ws.wire.sign import Credentials

CREDENTIALS = Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
V1 = (
    "ok_sub_spot_btc_usdt_order", "ok_sub_spot_btc_usdt_balance", "ok_sub_futureusd_trades", "ok_sub_futureusd_positions",
    "ok_sub_futureusd_userinfo", "ok_sub_futureusd_btc_trade_quarter", "ok_sub_futureusd_btc_depth_quarter",
    "ok_sub_futureusd_btc_ticker_quarter", "ok_sub_futureusd_btc_index", "ok_sub_futureusd_btc_kline_quarter_1min",
)  # fmt: skip
V3 = (
    "spot/order:BTC-USDT", "spot/account:USDT", "futures/order:{0}", "futures/position:{0}", "futures/account:BTC",
    "swap/order:BTC-USD-SWAP", "swap/position:BTC-USD-SWAP", "swap/depth_l2_tbt:BTC-USD-SWAP", "futures/trade:{0}",
    "swap/funding_rate:BTC-USD-SWAP", "option/summary:BTC-USD", "futures/ticker:{0}", "spot/candle60s:BTC-USDT",
    "futures/instruments", "option/instruments:BTC-USD",
)  # fmt: skip


class Meeting:
    """Both sessions and their lines in one exchange; `v1` and `v3` are the events each session told."""

    def __init__(self) -> None:
        self.venue = exchange(market=SeededMarket(7, start=START))
        self.now = seconds(20)
        self.venue.on_deadline(self.now)
        future = self.venue.instruments("FUTURES")[0]["instId"]
        wishes = [v1_channels.subscription(name) for name in V1], [v3_channels.subscription(name.format(future)) for name in V3]
        self.sessions = (
            V1Session("v1", wishes[0], now=self.now, credentials=CREDENTIALS),
            V3Session("v3", wishes[1], now=self.now, credentials=CREDENTIALS),
        )
        self.lines = [self.venue.open(path, self.now) for path in ("/ws/v1", "/ws/v3")]
        self.told: tuple[list[Any], list[Any]] = ([], [])
        self.settle()

    def settle(self) -> None:
        """Let both ends say what they have to say."""
        for _ in range(4):
            for session, line, told in zip(self.sessions, self.lines, self.told, strict=True):
                assert isinstance(line, ExchangeConnection)
                for data in session.bytes_to_send():
                    line.receive(data, self.now)
                for out in line.take():
                    assert isinstance(out, Binary), out
                    told += session.receive_binary(out.payload, self.now)

    def ask(self, request: orders.SentRequest) -> OrderReplied:
        """Send one V1 request about orders; its reply."""
        data = requests.trading(request.channel, request.parameters, CREDENTIALS)
        self.sessions[0].send("id", request.channel, data)
        self.settle()
        return self.all(0, OrderReplied)[-1]

    def wait(self, until: float) -> None:
        """Let time pass."""
        self.now = seconds(until)
        self.venue.on_deadline(self.now)
        self.settle()

    def all(self, which: int, kind: type) -> list[Any]:
        """The events of a kind that one session told."""
        return [event for event in self.told[which] if isinstance(event, kind)]


def test_orders_by_V1_are_told_alike_by_V1_and_V3_and_as_the_floor_has_them() -> None:
    meeting = Meeting()
    floor, uid = meeting.venue.engine, DEMO_KEY.uid
    book = meeting.venue.market.book("BTC-USD-SWAP", 1)
    assert book is not None
    for request in (
        orders.place("BTC-USDT", "buy", Decimal("0.5"), Decimal(50_000)),
        orders.place("BTC-USDT", "buy", Decimal(500), order_type="market"),
        orders.place("BTC-USD-QUARTER", "buy", Decimal(2), order_type="market", position_side="long", leverage=20),
        orders.place("BTC-USD-THIS-WEEK", "sell", Decimal(1), Decimal(book["bids"][0][0]), position_side="short"),
    ):
        assert meeting.ask(request).code == "0", request
    meeting.wait(50)
    resting = floor.orders(uid)[0]
    assert meeting.ask(orders.cancel("BTC-USDT", str(order_id(resting)))).code == "0"
    refused = meeting.ask(orders.cancel("BTC-USDT", str(order_id(resting))))
    assert [result.code for result in refused.results] == ["1050"]
    truth = [(str(order_id(order)), order.order_id, (order.state, order.filled)) for order in floor.orders(uid)]
    assert [state for *_, (state, _) in truth] == ["canceled", "filled", "filled", "filled"]
    for which in (0, 1):  # V1 has ids of its own
        last = {event.order_id: (event.state, event.filled_size) for event in meeting.all(which, OrderUpdate)}
        assert last == {row[which]: row[2] for row in truth}
        positions = [abs(event.size) for event in meeting.all(which, PositionUpdate) if event.size]
        assert Decimal(2) in positions
        assert Decimal(1) in positions
        balances = [each for event in meeting.all(which, AccountUpdate) for each in event.balances if each.currency == "USDT"]
        assert float(balances[-1].available) == float(floor.available(uid, "USDT"))


def test_nothing_either_says_is_strange_to_the_other() -> None:
    meeting = Meeting()
    meeting.ask(orders.place("BTC-USDT", "buy", Decimal("0.5"), Decimal(50_000)))
    for request in (orders.query("BTC-USDT"), orders.query("BTC-USD-QUARTER"), orders.balances(), orders.balances(futures=True)):
        assert meeting.ask(request).code == "0", request
    meeting.wait(25)
    for which, session in enumerate(meeting.sessions):
        assert (session.malformed, session.unrecognized) == (0, 0)
        assert session.is_settled
        for kind in (BookEvent, Trade, OrderUpdate, AccountUpdate):
            assert meeting.all(which, kind), (which, kind)
    listed = {event.instrument: event for event in meeting.all(1, Instrument)}
    rows = {row["instId"]: row for kind in ("FUTURES", "OPTION") for row in meeting.venue.instruments(kind)}
    assert listed.keys() == rows.keys()
    for name, event in listed.items():
        assert (event.tick_size, event.contract_value) == (Decimal(rows[name]["tickSz"]), Decimal(rows[name]["ctVal"]))
