"""Rows A18 on real processes, and A19: leaving at any moment, with nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from picows import WSMsgType
from tests.support.looped import client_of, closed_port, following, looped, sockets_to, until
from tests.support.market_server import KEY, market_server
from tests.support.raw_server import CLOSE, Peer, RawServer, Script, trade
from tests.support.toxics import Proxy
from tests.support.waiting import turns_until

from okex_ws import Client, Event, Policy, Trade
from okex_ws.client import client as client_module
from okex_ws.events import Connected, Disconnected, Notice, Subscribed


def client_tasks() -> list[str]:
    """Tasks of ours that still run, by name of their coroutine."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    codes = [getattr(task.get_coro(), "cr_code", None) for task in tasks]
    return [code.co_qualname for code in codes if code is not None and "/okex_ws/client/" in code.co_filename]


async def leave(client: Client, consumer: asyncio.Task[None] | None, port: int) -> None:
    """Close the client, or cancel the task that uses it, and see that nothing of it is left."""
    if consumer is None:
        await client.close()
    else:
        consumer.cancel()
        await asyncio.wait([consumer])
    assert client_tasks() == []
    assert sockets_to(port) == 0
    for driver in client._connections.drivers.values():
        assert driver._timer is None
        assert not driver._tasks
        assert driver.line.next_deadline is None


async def use(client: Client) -> None:
    async with client:
        async for _ in client:
            pass


async def sweep(port: int, make: Callable[[], Client], turns: int) -> None:
    """Leave after each of the first turns of the loop, by `close` and by cancelling."""
    for turn in range(turns):
        for is_cancelled in (False, True):
            client = make()
            consumer = asyncio.create_task(use(client)) if is_cancelled else None
            if consumer is None:
                client.start()
            for _ in range(turn):
                await asyncio.sleep(0)
            await leave(client, consumer, port)


async def silent(peer: Peer) -> None:
    await peer.until_gone()


async def upgraded_then_silent(peer: Peer) -> None:
    await peer.upgrade()
    await peer.until_gone()


def wanting(make: Callable[[], Client], *channels: str) -> Callable[[], Client]:
    """Clients that want these channels."""

    def made() -> Client:
        client = make()
        for channel in channels:
            client.subscribe(channel) if channel == "account" else client.subscribe(channel, "BTC-USDT")
        return client

    return made


# Where a connection stands, what the server does there, how to reach it, and how many turns of the loop that takes at most.
PLACES: dict[str, tuple[Script, dict[str, Any], tuple[str, ...], int]] = {
    "connect": (silent, {}, ("trades", "candle1m"), 25),
    "TLS": (silent, {"scheme": "wss"}, ("trades",), 16),
    "login": (upgraded_then_silent, {"credentials": KEY}, ("account", "trades"), 40),
    "subscribe": (upgraded_then_silent, {}, ("trades", "books"), 40),
}


@pytest.mark.parametrize("place", PLACES)
def test_A19_leaving_while_the_server_does_not_answer(place: str) -> None:
    script, options, channels, turns = PLACES[place]

    @looped
    async def check() -> None:
        async with RawServer(script) as server:
            await sweep(server.port, wanting(lambda: client_of(server.port, **options), *channels), turns)
            assert server.connections > turns

    check()


@looped
async def test_A19_leaving_while_waiting_for_the_next_try() -> None:
    port = closed_port()
    await sweep(port, wanting(lambda: client_of(port, backoff_s=(30, 30)), "trades"), 25)
    client = wanting(lambda: client_of(port, backoff_s=(30, 30), seed=1), "trades")()
    async with following(client) as stream:
        assert (await until(stream, Disconnected)).retry_s
    await leave(client, None, port)


@looped
async def test_A19_leaving_at_any_turn_of_a_whole_conversation() -> None:
    async with market_server() as server:
        make = wanting(lambda: client_of(server.port, credentials=KEY), "account", "trades", "books", "candle1m")
        await sweep(server.port, make, 60)
        client = make()  # the sweep got as far as a stream that flows
        async with following(client) as stream:
            await until(stream, Subscribed, channel="account")
            await until(stream, Trade)


@looped
async def test_A19_leaving_during_a_change_of_connections() -> None:
    """The old connection still works, the new one is not answered."""

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        if peer.number == 1:
            await peer.subscribed()
            peer.text({"event": "notice", "code": "64008", "msg": "upgrade", "connId": "raw"})
        await peer.until_gone()

    for turn in range(25):
        async with RawServer(script) as server:
            client = client_of(server.port)
            client.subscribe("trades", "BTC-USDT")
            stream = client.stream()
            client.start()
            await until(stream, Notice)
            for _ in range(turn):
                await asyncio.sleep(0)
            await leave(client, None, server.port)


@looped
async def test_A19_leaving_a_server_that_neither_reads_nor_answers() -> None:
    async with market_server() as server, Proxy(server.port) as proxy:
        client = wanting(lambda: client_of(proxy.port), "trades")()
        stream = client.stream()
        client.start()
        await until(stream, Trade)
        proxy.toxics.black = True
        await leave(client, None, proxy.port)


@looped
async def test_A19_leaving_a_peer_that_does_not_take_what_it_is_sent() -> None:
    """The goodbye waits behind megabytes: the peer is cut off."""

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await gone.wait()

    gone = asyncio.Event()
    async with RawServer(script) as server:
        client = wanting(lambda: client_of(server.port), "trades")()
        stream = client.stream()
        client.start()
        await until(stream, Connected)
        transport = client._connections.drivers["public/0"]._listeners[1].transport
        assert transport is not None
        transport.send(WSMsgType.TEXT, bytes(30_000_000))
        await leave(client, None, server.port)
        gone.set()


@looped
async def test_A19_leaving_while_consumers_hold_the_line_up() -> None:
    """A full queue that pauses reading, a callback that waits, one that will not be cancelled in time."""
    stuck = asyncio.Event()

    async def waits(_: Event) -> None:
        await stuck.wait()

    async def stubborn(_: Event) -> None:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await stuck.wait()

    async with market_server() as server:
        for callback in (None, waits, stubborn):
            client = wanting(lambda: client_of(server.port, policy=Policy.WAIT, size=2), "trades", "books")()
            if callback is not None:
                client.on(Trade, callback)
            own = client.stream(size=2)
            client.start()
            await until(own, Trade)
            hub = client.hub
            await turns_until(lambda hub=hub: hub.is_paused)  # type: ignore[misc]
            await client.close()
            assert sockets_to(server.port) == 0
            stuck.set()
            await turns_until(lambda: not client_tasks())
            stuck.clear()


@looped
async def test_A19_what_a_consumer_holds_can_still_be_read_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "DRAIN_WITHIN_S", 60)  # a busy machine needs more than is promised to it
    got: list[int] = []

    async def slow(event: Trade) -> None:
        await asyncio.sleep(0)
        got.append(event.trade_id)

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        for n in range(50):
            peer.text(trade(n))
        await peer.answer_pings()

    async with RawServer(script) as server:
        client = wanting(lambda: client_of(server.port), "trades")()
        client.on(Trade, slow)
        held = client.stream(Trade)
        async with following(client) as stream:
            await until(stream, Trade, trade_id=49)
        assert [event.trade_id async for event in held if isinstance(event, Trade)] == list(range(50))
        assert got == list(range(50)), "the callback was let finish"


@looped
async def test_A19_closing_twice_and_closing_what_never_began() -> None:
    async with market_server() as server:
        client = wanting(lambda: client_of(server.port), "trades")()
        await client.close()
        client = wanting(lambda: client_of(server.port), "trades")()
        client.start()
        await asyncio.gather(client.close(), client.close())
        await leave(client, None, server.port)


@looped
async def test_A19_the_goodbye_is_a_proper_one() -> None:
    said: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        said.append(await peer.receive())

    async with RawServer(script) as server:
        async with following(wanting(lambda: client_of(server.port), "trades")()) as stream:
            await until(stream, Subscribed)
        await turns_until(lambda: bool(said))
    assert said == [(CLOSE, (1000).to_bytes(2))]


# -- real processes ---------------------------------------------------------------------------------------------------------

CHILD = """
    import asyncio, json, sys, okex_ws
    from okex_ws.protocol.session import Timing

    async def main():
        timing = Timing(ping_after_s=0.2, pong_within_s=5, stalled_after_s=0.3)  # a busy machine may be slow to answer
        port = sys.argv[1]
        site = okex_ws.Site.at(f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}")
        client = okex_ws.Client(site=site, timing=timing, backoff_s=(0.01, 0.05))
        client.subscribe("trades", "BTC-USDT")
        client.subscribe("books", "BTC-USDT")
        async with client:
            async for event in client:
                print(json.dumps([type(event).__name__, getattr(event, "reason", "")]), flush=True)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print('["bye", ""]', flush=True)
"""


@contextlib.asynccontextmanager
async def child(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with a client in it that prints what it is told; any warning is an error there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(CHILD), str(port)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        process._transport.close()  # type: ignore[attr-defined]  # asyncio forgets to


async def told(process: asyncio.subprocess.Process, kind: str, seen: list[tuple[str, str]]) -> None:
    """Read on to an event of this kind."""
    assert process.stdout is not None
    while not seen or seen[-1][0] != kind:
        line = await process.stdout.readline()
        assert line, "the child ended"
        seen.append(tuple(json.loads(line)))


@looped
async def test_A18_a_stopped_process_reconnects_once_when_it_goes_on() -> None:
    async with market_server() as server, child(server.port) as process:
        before: list[tuple[str, str]] = []
        await told(process, "Trade", before)
        os.kill(process.pid, signal.SIGSTOP)
        await asyncio.sleep(1.0)  # the standstill itself
        os.kill(process.pid, signal.SIGCONT)
        after: list[tuple[str, str]] = []
        await told(process, "Disconnected", after)
        await told(process, "Resumed", after)
        await told(process, "Trade", after)
    kinds = [kind for kind, _ in (*before, *after)]
    reasons = [reason for kind, reason in (*before, *after) if kind == "Disconnected"]
    assert all(reason.startswith("this process stood still for ") for reason in reasons), "a busy machine adds some of its own"
    assert kinds.count("Connected") == 1 + len(reasons), "once for each"
    assert "Gap" in {kind for kind, _ in after}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_A19_a_signal_ends_the_process_cleanly(name: str) -> None:
    @looped
    async def check() -> None:
        async with market_server() as server, child(server.port) as process:
            seen: list[tuple[str, str]] = []
            await told(process, "Trade", seen)
            os.kill(process.pid, signal.Signals[name])
            out, errors = await process.communicate()
            if name == "SIGINT":
                assert process.returncode == 0
                assert out.strip().endswith(b'["bye", ""]')
            # "Executing ... took 0.3 seconds" is asyncio's debug mode on a busy machine.
            said = [line for line in errors.splitlines() if not line.startswith(b"Executing <")]
            assert said == [], "no traceback, no warning"

    check()


@looped
async def test_A18_a_long_turn_of_the_loop_in_which_messages_come_is_no_standstill() -> None:
    """A socket's whole backlog is read in one turn: timers fire in it too, by the messages' own clock."""
    heard: list[Event] = []
    async with market_server() as server:
        client = client_of(server.port)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            last = (await until(stream, Trade)).trade_id
            client.on(Event, heard.append)
            [driver] = client._connections.drivers.values()
            for trade_id in range(last + 1, last + 60):
                client._clock.offset += 1_000_000_000
                driver.on_message(1, json.dumps(trade(trade_id), separators=(",", ":")).encode())
            assert len([event for event in heard if isinstance(event, Trade)]) == 59
            assert not [event for event in heard if isinstance(event, Disconnected)]
