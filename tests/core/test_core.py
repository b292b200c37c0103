"""ClientCore as a machine of values: inputs in, events and effects out. The simulator is the exchange, in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.fed_core import START, FedCore
from tests.support.virtual import World

from okex_ws.core.core import ClientCore
from okex_ws.core.effects import Dial, HangUp, SendText
from okex_ws.core.inputs import (
    BackfillStarted,
    DialFailed,
    EarlierRunsKnown,
    HandedOver,
    LineStarted,
    Opened,
    RequestSent,
    SocketClosed,
    TimerFired,
    from_record,
    to_record,
)
from okex_ws.events import BookSnapshot, BookUpdate, Connected, Disconnected, Event, Gap, Resumed, Ticker, Trade
from okex_ws.simulator.faults import Faults
from okex_ws.wire.channels import subscription

SECOND = 10**9
BTC = "BTC-USDT"


def push(channel: str, *rows: dict[str, Any], **top: Any) -> bytes:
    return json.dumps({"arg": {"channel": channel, "instId": BTC}, **top, "data": list(rows)}, separators=(",", ":")).encode()


def trade(number: int) -> dict[str, Any]:
    return {"instId": BTC, "tradeId": str(number), "px": "1", "sz": "2", "side": "buy", "ts": "1790000000000", "count": "1"}


def book(sequence: int, previous: int, bid: str, ask: str) -> dict[str, Any]:
    levels = {"bids": [[bid, "1", "0", "1"]], "asks": [[ask, "1", "0", "1"]]}
    return {**levels, "ts": "1790000000000", "seqId": sequence, "prevSeqId": previous}


class Notebook:
    """An observer that writes everything down."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, str]] = []
        self.events: list[tuple[int, str]] = []

    def received(self, now: int, line: str, connection: int, kind: str, text: bytes) -> int:
        self.inputs.append((line, kind))
        return len(self.inputs)

    def emitted(self, number: int, events: list[Event]) -> None:
        self.events += [(number, type(event).__name__) for event in events]


def test_nothing_is_dialled_before_the_start() -> None:
    core = ClientCore(seeded=lambda text: lambda: 0.5)
    core.subscribe([subscription("trades", BTC)], START)
    assert core.effects() == []
    core.start(START)
    assert core.effects() == [Dial(1, "public/0")]


def test_one_trade() -> None:
    fed = FedCore(("trades", BTC))
    [connected] = fed.opened()
    assert isinstance(connected, Connected)
    [asked] = [effect for effect in fed.effects if isinstance(effect, SendText)]
    assert b'"subscribe"' in asked.data
    [event] = fed.text(push("trades", trade(7)), START + SECOND)
    assert isinstance(event, Trade)
    assert (event.trade_id, event.ts_recv) == (7, START + SECOND)
    assert fed.core.latest.trade(BTC) is event
    assert fed.core.event_count == 2


def test_a_book_that_fails_its_check_is_invalidated_before_its_events_leave() -> None:
    fed = FedCore(("books", BTC))
    fed.opened()
    fed.text(json.dumps({"event": "subscribe", "id": "1", "arg": {"channel": "books", "instId": BTC}}).encode(), START)
    fed.text(push("books", book(1, -1, "99", "101"), action="snapshot"), START + SECOND)
    kept = fed.core.books.get(BTC, "books")
    assert kept.is_live
    crossed = fed.text(push("books", book(2, 1, "102", "103"), action="update"), START + 2 * SECOND)
    assert [type(event) for event in crossed] == [BookUpdate, Gap]
    assert crossed[1].cause == "crossed"  # type: ignore[attr-defined]
    assert not kept.is_live
    fed.effects.clear()
    fed.timer(fed.line.next_deadline or 0)
    asked = [effect.data for effect in fed.effects if isinstance(effect, SendText)]
    assert [b'"unsubscribe"' in data or b'"subscribe"' in data for data in asked] == [True, True]
    back = fed.text(push("books", book(9, -1, "99", "101"), action="snapshot"), START + 3 * SECOND)
    assert [type(event) for event in back] == [Resumed, BookSnapshot]
    assert kept.is_live


def test_each_event_has_the_number_of_its_input() -> None:
    notebook = Notebook()
    fed = FedCore(("books", BTC), ("trades", BTC))
    fed.core.observer = notebook
    fed.opened()
    fed.text(push("books", book(1, -1, "99", "101"), action="snapshot"), START + SECOND)
    fed.text(push("trades", trade(1), trade(2)), START + SECOND)
    fed.text(push("books", book(2, 1, "102", "103"), action="update"), START + SECOND)
    assert [kind for _, kind in notebook.inputs] == ["open", "in", "in", "in", "resync"]
    names = ["Connected", "BookSnapshot", "Trade", "Trade", "BookUpdate", "Gap"]
    assert notebook.events == list(zip([1, 2, 3, 3, 4, 5], names, strict=True))


def test_a_lost_connection_is_dialled_again_after_a_pause() -> None:
    fed = FedCore(("trades", BTC))
    fed.opened()
    fed.text(push("trades", trade(1)), START + SECOND)
    fed.effects.clear()
    [lost, *_] = fed.closed(1006, START + 2 * SECOND)
    assert isinstance(lost, Disconnected)
    assert lost.retry_s is not None
    assert fed.effects == []
    fed.timer(fed.line.next_deadline or 0)
    assert fed.effects == [Dial(2, "public/0")]


def test_a_connection_that_carries_too_much_is_split_with_its_continuity() -> None:
    fed = FedCore(*(("trades", f"COIN{n}-USDT") for n in range(4)))
    notebook = Notebook()
    fed.core.observer = notebook
    fed.opened()
    fed.closed(4008, START + SECOND)
    assert [kind for _, kind in notebook.inputs] == ["open", "close", "start", "hand_over", "hand_over"]
    held = {name: [item.key for item in line.subscriptions] for name, line in fed.core.lines.items()}
    assert held == {"public/0": ["COIN0-USDT", "COIN1-USDT"], "public/1": ["COIN2-USDT", "COIN3-USDT"]}


def test_the_same_inputs_give_the_same_events_and_effects() -> None:
    def run() -> tuple[list[Event], list[Any]]:
        fed = FedCore(("books", BTC), ("trades", BTC), ("tickers", BTC))
        events = fed.opened()
        for n in range(1, 50):
            events += fed.text(push("books", book(n, n - 1 if n > 1 else -1, "99", "101"), action="update"), START + n)
            events += fed.text(push("trades", trade(n + n // 10)), START + n)
        events += fed.closed(1006, START + SECOND)
        return events, fed.effects

    assert run() == run()


def test_the_deadline_is_that_of_the_earliest_part() -> None:
    fed = FedCore(("trades", BTC))
    assert fed.core.deadline() == fed.line.next_deadline
    fed.opened()
    assert fed.core.deadline() == fed.line.next_deadline
    assert ClientCore(seeded=lambda text: lambda: 0.5).deadline() is None


def test_a_stopped_core_hangs_up() -> None:
    fed = FedCore(("trades", BTC))
    fed.opened()
    fed.effects.clear()
    fed.core.stop(START + SECOND)
    fed.settle()
    assert [type(effect) for effect in fed.effects] == [HangUp]


def test_what_was_missed_comes_back_over_rest_and_once() -> None:
    """Backfill in the core: a push that REST outran is dropped, and every id is delivered once."""
    world = World(Faults(["drop channel=trades every=5"]), seed=3)
    core = world.client.core
    core.planner = core.make_planner(BackfillStarted(channels=["trades"], since=None, seed=1))
    world.subscribe("trades", BTC)
    world.run(20)
    page = core.next_page(world.now)
    assert page is not None
    assert page.path.startswith("market/")
    assert page.args["instId"] == BTC


@pytest.mark.parametrize(
    "item",
    [
        LineStarted(line="public/0", url="wss://x", args=[{"channel": "trades", "instId": BTC}], timing={"ping_after_s": 3.0}),
        Opened(line="public/0", connection=2),
        SocketClosed(line="public/0", connection=2, code=1006, reason="reset"),
        DialFailed(line="public/0", connection=3, reason="refused", retry_after_s=2.0),
        TimerFired(line="public/0"),
        HandedOver(line="public/0", arg={"channel": "trades", "instId": BTC}, to="public/1"),
        RequestSent(line="private/0", request_id="5", op="order", text="{}"),
        EarlierRunsKnown(known={"trades": {BTC: 9}}),
    ],
    ids=lambda item: type(item).__name__,
)
def test_an_input_is_a_journal_record_and_back(item: Any) -> None:
    kind, text = to_record(item)
    assert from_record(item.line, item.connection, kind, text) == item


def test_records_of_other_kinds_are_no_inputs() -> None:
    assert from_record("public/0", 1, "out", b"ping") is None


def test_a_client_and_an_exchange_in_memory() -> None:
    world = World(seed=7)
    for channel in ("trades", "books", "tickers"):
        world.subscribe(channel, BTC)
    world.run(30)
    assert {Trade, BookUpdate, Ticker} <= {type(event) for event in world.client.events}
    assert world.client.gaps == []
    assert world.client.books.get(BTC, "books").is_live
