"""A Client that trades, over real sockets against the simulator; what it believes is compared with the exchange's own ledger."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.records import Record
from tests.support.trading_client import exchange, trading_client
from tests.support.virtual_trading import SPOT, SPREAD, SWAP
from tests.support.waiting import turns_until

import okex_ws
from okex_ws.client.intents import IntentLog, IntentLogError
from okex_ws.client.kill_switch import press, release
from okex_ws.events import (
    AccountQuality,
    Event,
    Instrument,
    OrderRefused,
    OrderReplied,
    OrderResolved,
    OrderUpdate,
    SpreadOrderUpdate,
    Subscribed,
    SwitchArmed,
    Verdict,
)
from okex_ws.market.instruments import UnknownInstrumentError
from okex_ws.protocol.orders.tickets import Intent, Patience
from okex_ws.replay import Replay
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.server import Server
from okex_ws.wire.orders import PlaceOrder


def traded(life: Callable[[okex_ws.Client, Server], Awaitable[Any]], *faults: str, **options: Any) -> Any:
    """What `life` returns, of a client that is ready."""

    async def main() -> Any:
        quiet = {"halt_file": None, **options}
        async with Server(exchange(*faults)) as server, asyncio.timeout(120), trading_client(server, **quiet) as client:
            await client.ready()
            return await life(client, server)

    return asyncio.run(main())


def test_place_amend_cancel_and_every_answer_before_its_verdict() -> None:
    async def life(client: okex_ws.Client, server: Server) -> list[str]:
        said = []
        client.on(OrderReplied, lambda event: said.append(event.op))
        client.on(OrderResolved, lambda event: said.append(f"{event.kind} {event.verdict}"))
        made = await client.orders.place(SPOT, "buy", "0.01", price="50000")
        changed = await client.orders.amend(SPOT, client_order_id=made.client_order_id, size=Decimal("0.02"))
        gone = await client.orders.cancel(SPOT, order_id=made.order_id)
        assert [made.is_confirmed, changed.is_confirmed, gone.is_confirmed] == [True] * 3
        (order,) = server.exchange.engine.orders(DEMO_KEY.uid)
        assert (order.state, order.size, order.client_order_id) == ("canceled", Decimal("0.02"), made.client_order_id)
        return said

    assert traded(life) == ["order", "place confirmed", "amend-order", "amend confirmed", "cancel-order", "cancel confirmed"]


def test_an_order_that_fills_is_in_the_account_with_its_fill() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        filled = asyncio.Event()
        client.on(OrderUpdate, lambda event: filled.set() if event.state == "filled" else None)
        made = await client.orders.place(SWAP, "buy", 1, order_type="market")
        await filled.wait()
        order = client.account.orders.get(made.order_id)
        assert order is not None
        assert (order.state, order.trade_mode) == ("filled", "cross")
        assert sum(fill.size for fill in client.account.fills.values()) == 1

    traded(life)


def test_a_market_buy_is_in_coins_unless_it_is_said_to_be_money_and_limits_know_the_difference() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        client.subscribe("bbo-tbt", SPOT)
        await turns_until(lambda: client.book(SPOT, "bbo-tbt").is_live)
        plain = await client.orders.place(SPOT, "buy", "0.01", order_type="market")
        assert plain.is_confirmed, plain
        money = await client.orders.place(SPOT, "buy", "50", order_type="market", target_currency="quote_ccy")
        assert money.is_confirmed, money
        too_much = await client.orders.place(SPOT, "buy", "50000", order_type="market", target_currency="quote_ccy")
        assert (too_much.via, too_much.code) == ("here", "order_size")
        filled = {order.order_id: order.filled for order in server.exchange.engine.orders(DEMO_KEY.uid)}
        assert filled[plain.order_id] == Decimal("0.01")
        assert 0 < filled[money.order_id] < Decimal("0.01")

    traded(life, limits=okex_ws.Limits(order_size=Decimal("0.05")))


def test_a_trade_mode_the_simulator_does_not_have_is_refused_in_words_about_it() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        made = await client.orders.place(SWAP, "buy", 1, order_type="market", trade_mode="isolated")
        assert (made.verdict, made.code) == (Verdict.REJECTED, "51000")
        assert "tdMode error: this simulator trades cash on spot and cross on derivatives" in made.reason
        assert made.advice == "change the parameter named, or leave it out"

    traded(life)


def test_a_batch_and_its_cancels() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        orders = [
            okex_ws.PlaceOrder(instrument=SPOT, side="buy", size=Decimal("0.01"), price=Decimal(50000 + number))
            for number in range(20)
        ]
        made = await client.orders.place_batch(orders)
        assert len({outcome.client_order_id for outcome in made if outcome.is_confirmed}) == 20
        gone = await client.orders.cancel_batch(
            [okex_ws.CancelOrder(instrument=SPOT, client_order_id=outcome.client_order_id) for outcome in made]
        )
        assert all(outcome.is_confirmed for outcome in gone)
        assert server.exchange.engine.open_orders(DEMO_KEY.uid) == []
        with pytest.raises(okex_ws.OrderError, match="OKX takes 20"):
            await client.orders.place_batch([*orders, orders[0]])

    traded(life)


def test_a_changed_tick_counts_from_the_moment_it_is_told() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        told = asyncio.Event()
        client.on(Instrument, lambda event: told.set() if event.tick_size == 10 else None)
        if client.instruments[SPOT].tick_size != 10:
            await told.wait()
        made = await client.orders.place(SPOT, "buy", "0.01", price="50009")
        (order,) = server.exchange.engine.orders(DEMO_KEY.uid)
        assert (made.verdict, order.price) == (Verdict.CONFIRMED, 50000)

    traded(life, f"instrument_change instrument={SPOT} tickSz=10 at=0.5s")


def test_spread_orders_go_over_a_connection_of_their_own() -> None:
    async def main() -> None:
        async with Server(exchange()) as server, asyncio.timeout(120):
            client = trading_client(server, spreads=True, halt_file=None)
            heard, live, armed = asyncio.Event(), asyncio.Event(), asyncio.Event()
            client.on(SwitchArmed, lambda event: armed.set() if event.is_spread else None)
            client.on(Subscribed, lambda event: heard.set() if event.channel == "sprd-orders" else None)
            client.on(SpreadOrderUpdate, lambda event: live.set() if event.state == "live" else None)
            async with client:
                await client.ready()
                await heard.wait()
                made = await client.orders.place_spread(SPREAD, "buy", 1, price="-500")
                assert (made.verdict, made.via) == (Verdict.CONFIRMED, "websocket"), made
                await live.wait()
                assert client.connection_count == 3
                await armed.wait()
                assert list(server.exchange.trading.cancel_all_after.armed_spreads) == [DEMO_KEY.uid]
                assert (await client.orders.amend_spread(SPREAD, client_order_id=made.client_order_id, size=2)).is_confirmed
                assert (await client.orders.cancel_spread(SPREAD, client_order_id=made.client_order_id)).is_confirmed
                again = await client.orders.place_spread(SPREAD, "buy", 1, price="-500")
                assert (await client.orders.cancel_spreads()).is_confirmed
                assert {order.state for order in server.exchange.trading.spreads.orders(DEMO_KEY.uid)} == {"canceled"}
                assert again.order_id != made.order_id

    asyncio.run(main())


def test_a_client_that_would_hear_nothing_of_a_spread_order_does_not_send_it() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        for ask in (
            client.orders.place_spread(SPREAD, "buy", "1", price="-500"),
            client.orders.amend_spread(SPREAD, order_id="1", price="-400"),
        ):
            with pytest.raises(okex_ws.NotTradingError, match=r"Trading\(spreads=True\)"):
                await ask

    traded(life)


def test_F20_halted_no_spread_order_leaves_and_open_ones_are_canceled() -> None:
    async def main() -> None:
        async with Server(exchange()) as server, asyncio.timeout(120):
            client = trading_client(server, spreads=True, halt_file=None)
            live, gone = asyncio.Event(), asyncio.Event()
            client.on(SpreadOrderUpdate, lambda event: (live if event.state == "live" else gone).set())
            async with client:
                await client.ready()
                made = await client.orders.place_spread(SPREAD, "buy", 1, price="-500")
                await live.wait()
                assert client.account.spreads.open.keys() == {made.order_id}
                client.halt("enough")
                late = await client.orders.place_spread(SPREAD, "buy", 1, price="-500")
                changed = await client.orders.amend_spread(SPREAD, client_order_id=made.client_order_id, size=2)
                assert [(o.verdict, o.via) for o in (late, changed)] == [(Verdict.REJECTED, "here")] * 2
                assert "enough" in late.reason
                await gone.wait()
                assert [order.state for order in server.exchange.trading.spreads.orders(DEMO_KEY.uid)] == ["canceled"]
                assert len(client.account.spreads) == 0

    asyncio.run(main())


def test_F19_spread_orders_count_for_the_limits_of_the_whole_account() -> None:
    async def life(client: okex_ws.Client, server: Server) -> list[str]:
        said = []
        client.on(OrderRefused, lambda event: said.append(event.rule))
        for _ in range(3):
            await client.orders.place_spread(SPREAD, "buy", 1, price="-500")
        await client.orders.place_spread(SPREAD, "buy", 9, price="-500")
        assert len(server.exchange.trading.spreads.orders(DEMO_KEY.uid)) == 2
        return said

    strict = {"spreads": True, "limits_by_instrument": {SPREAD: okex_ws.Limits(order_size=Decimal(5))}}
    assert traded(life, limits=okex_ws.Limits(open_orders=2), **strict) == ["open_orders", "open_orders"]
    assert traded(life, limits=okex_ws.Limits(orders_per_second=2, open_orders=5), **strict) == ["orders_per_second"] * 2


@pytest.mark.parametrize(("level", "said"), [("2", (Verdict.REJECTED, "51411")), ("4", (Verdict.CONFIRMED, ""))])
def test_a_mass_cancel_ends_an_option_family_s_orders_for_those_who_may_and_no_others(level: str, said: Any) -> None:
    async def main() -> okex_ws.Outcome:
        keys = [dataclasses.replace(DEMO_KEY, level=level)]
        async with Server(exchange(keys=keys)) as server, asyncio.timeout(120):
            async with trading_client(server, halt_file=None) as client:
                await client.ready()
                await client.orders.place(SPOT, "buy", "0.01", price="59000")
                outcome = await client.orders.mass_cancel("BTC-USD")
            assert [order.state for order in server.exchange.engine.orders(DEMO_KEY.uid)] == ["live"]
            return outcome

    outcome = asyncio.run(main())
    assert (outcome.kind, outcome.via, outcome.instrument) == ("mass_cancel", "websocket", "BTC-USD")
    assert (outcome.verdict, outcome.code) == said


def test_started_while_the_halt_file_is_there_a_client_cancels_what_a_former_one_left_open(tmp_path: Path) -> None:
    async def main() -> None:
        file = tmp_path / "halt"
        async with Server(exchange()) as server, asyncio.timeout(120):
            async with trading_client(server, halt_file=file, cancel_all_after_s=None) as client:
                await client.ready()
                assert (await client.orders.place(SPOT, "buy", "0.01", price="59000")).is_confirmed
            press(file, "not now")
            client, gone = trading_client(server, halt_file=file, cancel_all_after_s=None), asyncio.Event()
            client.on(OrderUpdate, lambda event: gone.set() if event.state == "canceled" else None)
            async with client:
                await gone.wait()
                await client.ready()
                assert (await client.orders.place(SPOT, "buy", "0.01", price="59000")).via == "here"
                client.halt("and I say so too")
                release(file)
                client.orders._trader._switch._check()
                assert (await client.orders.place(SPOT, "buy", "0.01", price="59000")).via == "here", (
                    "the file was not the only reason"
                )
            assert [order.state for order in server.exchange.engine.orders(DEMO_KEY.uid)] == ["canceled"]

    asyncio.run(main())


def test_where_no_price_is_known_it_is_said_once_that_none_is_checked(caplog: pytest.LogCaptureFixture) -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        for _ in range(2):
            assert (await client.orders.place(SPOT, "buy", "0.01", price="1000")).is_confirmed

    traded(life)
    said = [record.getMessage() for record in caplog.records if "price_distance" in record.getMessage()]
    assert said == [f"no price of {SPOT} is known here, so price_distance is not checked: keep its book, or subscribe to it"]


def test_a_channel_that_is_refused_for_good_ends_the_wait_and_says_which() -> None:
    async def main() -> None:
        refused = exchange("error_ack channel=positions code=60018")
        async with Server(refused) as server, asyncio.timeout(120), trading_client(server, halt_file=None) as client:
            with pytest.raises(okex_ws.NotTradingError, match=r"OKX refused positions, without which .*60018"):
                await client.ready()

    asyncio.run(main())


def test_F1_a_spread_order_whose_answer_was_lost_is_read_by_its_id_too() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        made = await client.orders.place_spread(SPREAD, "buy", 1, price="-500")
        (order,) = server.exchange.trading.spreads.orders(DEMO_KEY.uid)
        assert (made.verdict, made.via, order.order_id) == (Verdict.CONFIRMED, "lookup", made.order_id)

    traded(life, "order_then_drop times=1 action=order", spreads=True)


def test_closed_before_the_answer_it_is_unknown_and_the_next_client_finds_out(tmp_path: Path) -> None:
    async def main() -> None:
        log = tmp_path / "intents"
        async with Server(exchange("delay_ack channel=order seconds=9", "slow_order seconds=0.2 inside=1 times=1")) as server:
            async with trading_client(server, intent_log=log, halt_file=None) as client:
                await client.ready()
                asking = asyncio.create_task(client.orders.place(SPOT, "buy", "0.01", price="50000"))
                await asyncio.sleep(0)  # it is on its way
            left = await asking
            assert left.verdict is Verdict.UNKNOWN
            assert "closed before OKX answered" in left.reason
            resolved = asyncio.Queue[OrderResolved]()
            async with asyncio.timeout(120), trading_client(server, intent_log=log, halt_file=None) as client:
                client.on(OrderResolved, resolved.put_nowait)
                found = await resolved.get()
                assert (found.client_order_id, found.verdict) == (left.client_order_id, Verdict.CONFIRMED)
            assert len(server.exchange.engine.orders(DEMO_KEY.uid)) == 1

    asyncio.run(main())


def test_F15_nothing_new_is_sent_before_it_is_known_what_a_former_process_left_open(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "intents"
        async with Server(exchange()) as server, asyncio.timeout(120):
            left, now = IntentLog(path), server.now()
            lost = PlaceOrder(instrument=SPOT, side="buy", size=Decimal("0.01"), price=Decimal(50000), client_order_id="left1")
            left.append([Intent("former-1", lost, now - 9 * 10**9, now - 4 * 10**9)])
            left.close()
            settings = {"intent_log": path, "halt_file": None, "patience": Patience(grace_s=0.2)}
            client = trading_client(server, **settings)
            told: list[OrderResolved] = []
            client.on(OrderResolved, told.append)
            async with client:
                await turns_until(lambda: client.orders.core.orders.left_open)
                assert [ticket.order.client_order_id for ticket in client.unresolved] == ["left1"]
                with pytest.raises(okex_ws.NotTradingError, match="a former process left open"):
                    await client.orders.place(SPOT, "buy", "0.01", price="50000")
                await client.ready()
                assert [(event.client_order_id, event.verdict) for event in told] == [("left1", Verdict.REJECTED)]
                assert client.unresolved == []
                assert (await client.orders.place(SPOT, "buy", "0.01", price="50000")).is_confirmed

    asyncio.run(main())


@pytest.mark.parametrize("is_left_open", [False, True])
def test_F13_closed_with_nothing_open_a_client_leaves_no_timer_that_would_cancel_the_orders_of_others(is_left_open: bool) -> None:
    async def main() -> Any:
        async with Server(exchange()) as server, asyncio.timeout(120):
            async with trading_client(server, halt_file=None) as client:
                await client.ready()
                armed = asyncio.Event()
                client.on(SwitchArmed, lambda _: armed.set())
                made = await client.orders.place(SPOT, "buy", "0.01", price="50000")
                await armed.wait()
                if not is_left_open:
                    await client.orders.cancel(SPOT, order_id=made.order_id)
                    await turns_until(lambda: not client.account.orders.open)
            return dict(server.exchange.trading.cancel_all_after.armed)

    assert bool(asyncio.run(main())) is is_left_open


def test_what_cannot_be_asked_is_told_where_it_is_asked_and_nothing_is_sent(tmp_path: Path) -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        with pytest.raises(okex_ws.OrderError, match=r"float.*Decimal"):
            await client.orders.place(SPOT, "buy", 0.01, price="50000")  # type: ignore[arg-type]
        with pytest.raises(UnknownInstrumentError, match="did you mean BTC-USDT"):
            await client.orders.place("BTC-USDTT", "buy", "0.01", price="50000")
        with pytest.raises(okex_ws.OrderError, match="no hyphen"):
            await client.orders.place(SPOT, "buy", "0.01", price="50000", client_order_id="my-order")
        with pytest.raises(okex_ws.OrderError, match="which order"):
            await client.orders.cancel(SPOT)
        with pytest.raises(IntentLogError, match="another process"):
            okex_ws.Client(
                site=client.site, credentials=client._credentials, trading=okex_ws.Trading(intent_log=tmp_path / "log")
            )
        assert server.exchange.engine.orders(DEMO_KEY.uid) == []

    traded(life, intent_log=tmp_path / "log")


def test_a_client_that_was_not_made_for_trading_says_how_to_make_one() -> None:
    client = okex_ws.Client(site="ws://127.0.0.1:9")
    with pytest.raises(okex_ws.NotTradingError, match=r"trading=Trading\(\)"):
        client.halt("why")
    with pytest.raises(okex_ws.NotTradingError, match="credentials"):
        okex_ws.Client(site="ws://127.0.0.1:9", trading=okex_ws.Trading())


def test_before_it_is_ready_nothing_is_sent_and_closing_ends_the_wait() -> None:
    async def main() -> None:
        key = okex_ws.Credentials("key", "NOT-A-REAL-SECRET", "pass")
        client = okex_ws.Client(site="ws://127.0.0.1:9", credentials=key, trading=okex_ws.Trading(halt_file=None))
        async with client:
            with pytest.raises(okex_ws.NotTradingError, match="ready"):
                await client.orders.cancel(SPOT, order_id="1")
            for more in ({}, {"trade_mode": "cash"}):
                with pytest.raises(okex_ws.NotTradingError, match="ready"):
                    await client.orders.place(SPOT, "buy", "0.01", price="50000", **more)
            waiting = asyncio.create_task(client.ready())
            await asyncio.sleep(0)
        with pytest.raises(okex_ws.NotTradingError, match="closed"):
            await waiting

    asyncio.run(main())


def test_what_is_missing_is_told_when_it_does_not_become_ready_in_time() -> None:
    async def ready_at(site: okex_ws.Site, stands: Callable[[okex_ws.Client], bool]) -> str:
        key = okex_ws.Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
        settings = okex_ws.Trading(halt_file=None, instrument_types=())
        async with okex_ws.Client(site=site, credentials=key, trading=settings) as client:
            await turns_until(lambda: stands(client))
            with pytest.raises(okex_ws.NotReadyError) as late:
                await client.ready(within_s=0.1)
        return str(late.value)

    async def check() -> None:
        text = await ready_at(okex_ws.Site.at("ws://127.0.0.1:1"), lambda client: "OKX's time" in client.orders.core.missing)
        assert text.startswith("not ready for orders within 0.1 s: ")
        async with Server(exchange("maintenance")) as server:
            site = okex_ws.Site.at("ws://127.0.0.1:1", rest_url=server.rest_url)
            text = await ready_at(site, lambda client: "private/0" in client.orders.core.missing)
            assert text.startswith("not ready for orders within 0.1 s: private/0 has no connection: ")
            site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
            text = await ready_at(
                site, lambda client: client.core.trading_line("private") is not None and client.orders.core.is_prepared
            )
            assert text == "not ready for orders within 0.1 s: account state is RECONCILING"

    asyncio.run(check())


def test_while_the_socket_cannot_take_it_a_cancel_goes_over_rest() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        made = await client.orders.place(SPOT, "buy", "0.01", price="50000")
        server.exchange.rules.connects_per_s = 1
        lost = asyncio.Event()
        client.on(okex_ws.events.Disconnected, lambda event: lost.set() if event.line == "private/0" else None)
        for line in server.exchange.connections:
            line.apply_fault(Fault("abort"), server.now())
        await lost.wait()
        gone = await client.orders.cancel(SPOT, client_order_id=made.client_order_id)
        assert (gone.verdict, gone.via) == (Verdict.CONFIRMED, "rest")

    traded(life)


def test_a_recording_of_a_trading_client_says_the_same_again_and_holds_no_secret() -> None:
    records: list[Record] = []
    said: list[Event] = []

    def tap(now: int, line: str, conn: int, kind: str, text: bytes) -> None:
        records.append(Record(len(records) + 1, now, line, conn, kind, bytes(text)))

    async def main() -> None:
        key = okex_ws.Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
        async with Server(exchange()) as server, asyncio.timeout(120):
            site = okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)
            client = okex_ws.Client(site=site, credentials=key, trading=okex_ws.Trading(halt_file=None), tap=tap, seed=3)
            client.on(Event, said.append)
            async with client:
                await client.ready()
                made = await client.orders.place(SPOT, "buy", "0.01", price="50000")
                await client.orders.cancel(SPOT, client_order_id=made.client_order_id)

    asyncio.run(main())
    replay = Replay()
    again = [event for record in records for event in replay.feed(record)]
    ours = [event for event in said if not isinstance(event, (OrderResolved, AccountQuality, SwitchArmed))]
    assert [event for event in again if isinstance(event, OrderReplied)]
    assert again == ours
    assert {record.kind for record in records} >= {"send", "in", "out"}
    assert not any(DEMO_KEY.secret.encode() in record.text for record in records)


def test_cancel_all_cancels_the_open_orders_of_one_instrument_or_of_all() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        for instrument, price in ((SPOT, "50000"), (SPOT, "50001"), (SWAP, "50000")):
            assert (await client.orders.place(instrument, "buy", "0.01", price=price)).is_confirmed
        await turns_until(lambda: len(client.account.orders.open) == 3)
        assert [outcome.is_confirmed for outcome in await client.orders.cancel_all(SPOT)] == [True, True]
        assert [order.instrument for order in server.exchange.engine.open_orders(DEMO_KEY.uid)] == [SWAP]
        await turns_until(lambda: len(client.account.orders.open) == 1)
        assert [outcome.is_confirmed for outcome in await client.orders.cancel_all()] == [True]
        assert server.exchange.engine.open_orders(DEMO_KEY.uid) == []

    traded(life)


def test_the_old_names_of_order_methods_still_work() -> None:
    async def life(client: okex_ws.Client, server: Server) -> None:
        with pytest.warns(DeprecationWarning, match=r"Client\.place is now Client\.orders\.place"):
            made = await client.place(SPOT, "buy", "0.01", price="50000")  # type: ignore[attr-defined]
        with pytest.warns(DeprecationWarning, match=r"Client\.cancel is now Client\.orders\.cancel"):
            assert (await client.cancel(SPOT, order_id=made.order_id)).is_confirmed  # type: ignore[attr-defined]

    traded(life)


def test_a_client_that_only_listens_has_no_orders() -> None:
    with pytest.raises(okex_ws.NotTradingError, match=r"make it with Client\(.*trading=Trading\(\)\)"):
        _ = okex_ws.Client("BTC-USDT").orders
    with pytest.raises(AttributeError, match="no attribute 'plcae'"):
        _ = okex_ws.Client("BTC-USDT").plcae  # type: ignore[attr-defined]
