"""Orders by hand: what they want done, and what OKX would answer, push or show."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.support.talking import at

from okex_ws.events import Disconnected, Event, OrderReplied, OrderResolved, OrderResult, OrderUpdate
from okex_ws.protocol.orders.order_ids import OrderIds
from okex_ws.protocol.orders.orders import Orders
from okex_ws.protocol.orders.tickets import (
    FetchInstrument,
    FetchOrder,
    FetchOrderClock,
    Intent,
    SendRest,
    SendSocket,
    Ticket,
    WriteIntent,
)
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.frames import decode_rows
from okex_ws.wire.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder

BTC = "BTC-USDT"


def limit(size: str = "1", price: str = "100", **more: Any) -> PlaceOrder:
    return PlaceOrder(instrument=BTC, side="buy", size=Decimal(size), price=Decimal(price), **more)


def amend(client_order_id: str, size: str = "2", **more: Any) -> AmendOrder:
    return AmendOrder(instrument=BTC, client_order_id=client_order_id, size=Decimal(size), **more)


def cancel(client_order_id: str) -> CancelOrder:
    return CancelOrder(instrument=BTC, client_order_id=client_order_id)


def row(client_order_id: str, state: str = "live", filled: str = "0", **more: str) -> dict[str, str]:
    """An order as OKX shows it."""
    plain = {"instId": BTC, "instType": "SPOT", "ordId": f"9{client_order_id[-6:]}", "clOrdId": client_order_id, "px": "100"}
    return {**plain, "sz": "1", "accFillSz": filled, "state": state, "side": "buy", "cTime": "1790000000500", **more}


def push(client_order_id: str, state: str = "live", filled: str = "0", **more: str) -> OrderUpdate:
    return decode_rows([row(client_order_id, state, filled, **more)], OrderUpdate, "orders")[0]


class Desk:
    """One Orders, and everything it wanted done: `sent` over the socket, `posted` and `reads` over REST, `written` before.

    ahead_s: how far OKX's clock is ahead; read at once when it is asked for, except where that is None.
    """

    def __init__(self, **options: Any) -> None:
        self.socket = True
        self.ahead_s: float | None = 0
        self.clock = ServerClock()
        self.codes: dict[str, int | None] = {BTC: 123}
        self.now = at(0)
        self.sent: list[dict[str, Any]] = []
        self.posted: list[SendRest] = []
        self.reads: list[FetchOrder] = []
        self.refreshes: list[str] = []
        self.written: list[Intent] = []
        self.events: list[Event] = []
        self.book: list[dict[str, str]] | None = None  # answers reads at once where given
        self.orders = Orders(
            OrderIds(7),
            can_send=lambda endpoint: self.socket,
            code_of=lambda instrument: self.codes.get(instrument),
            clock=self.clock,
            **options,
        )

    def place(self, *orders: OrderRequest, second: float | None = None, **options: Any) -> list[Ticket]:
        if second is not None:
            self.now = at(second)
        tickets = self.orders.submit(orders or (limit(),), self.now, **options)
        self.settle()
        return tickets

    def settle(self) -> None:
        while actions := self.orders.take_actions():
            for action in actions:
                match action:
                    case WriteIntent(intents=intents):
                        self.written += intents
                    case SendSocket(request_id=request_id, data=data):
                        self.sent.append(json.loads(data))
                        self.orders.sent(request_id, "private/0", 1)
                    case SendRest():
                        self.posted.append(action)
                    case FetchOrder():
                        self.reads.append(action)
                        if self.book is not None:
                            itself = action.path.endswith("/order")
                            self.found(*self.book, code="51603" if itself and not self.book else "")
                    case FetchInstrument(instrument=instrument):
                        self.refreshes.append(instrument)
                    case FetchOrderClock():
                        if self.ahead_s is not None:
                            self.clock.learn(self.now // 10**6 + int(self.ahead_s * 1000), self.now, self.now)
                        self.orders.clock_read()
        self.events += self.orders.take_events()

    def reply(self, code: str = "0", *results: dict[str, str], request: int = -1, **top: str) -> None:
        """OKX answers the last request, or another; without results, as its code says for each order."""
        said = self.sent[request]
        if not results and code in ("0", "1"):
            made = [
                {"clOrdId": arg.get("clOrdId", ""), "ordId": "1", "sCode": code if code == "0" else "51008"}
                for arg in said["args"]
            ]
            results = tuple(made)
        items = tuple(
            OrderResult(
                client_order_id=r.get("clOrdId", ""), order_id=r.get("ordId", ""), code=r["sCode"], message=r.get("sMsg", "")
            )
            for r in results
        )
        self.feed(OrderReplied(request_id=said["id"], op=said["op"], code=code, message=top.get("msg", ""), results=items))

    def feed(self, event: Event) -> None:
        self.orders.feed(event, self.now)
        self.settle()

    def lost(self) -> None:
        self.feed(Disconnected(line="private/0", connection=1))

    def found(self, *rows: dict[str, str], code: str = "") -> None:
        """The answer to the last read: rows, or a code."""
        self.orders.looked_up(self.reads[-1].ticket, None if code else list(rows), code, self.now)
        self.settle()

    def run(self, until: float) -> None:
        """Let time pass to that second."""
        while (due := self.orders.deadline()) is not None and due <= at(until):
            self.now = max(self.now, due)
            self.orders.on_deadline(self.now)
            self.settle()
        self.now = max(self.now, at(until))

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        return [(e.kind, e.verdict.value) for e in self.events if isinstance(e, OrderResolved)]
