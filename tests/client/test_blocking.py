"""Blocking: events in a plain loop, whatever the threads around it do."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from tests.support.shell import CLEAN, Simulator

import okex_ws
from okex_ws import BookSnapshot, Policy, SubscriptionError, Trade
from okex_ws.client.blocking import Blocking
from okex_ws.events import Connected, Disconnected, Dropped, Event, Subscribed, Unsubscribed

PATIENCE_S = 60.0
"""What takes longer hangs, however busy the machine is."""


@pytest.fixture(scope="module")
def venue() -> Iterator[Simulator]:
    with Simulator("--seed", "5", "--rate", "3") as running:
        yield running


@pytest.fixture
def site(venue: Simulator) -> okex_ws.Site:
    return okex_ws.Site.at(venue.url, rest_url=venue.rest_url)


def until(client: Blocking, kind: type[Event]) -> Event:
    return next(event for event in client if isinstance(event, kind))


def is_ended(client: Blocking) -> bool:
    """Whether its thread ends: a busy machine may need longer than the two seconds that a close waits for it."""
    if client._thread is not None:
        client._thread.join(PATIENCE_S)
    return client._thread is None or not client._thread.is_alive()


def test_a_plain_loop(site: okex_ws.Site) -> None:
    with Blocking("BTC-USDT", channels=["trades", "books"], site=site) as client:
        seen: list[Event] = []
        for event in client:
            seen.append(event)
            if len(seen) >= 40 and {Trade, BookSnapshot} <= {type(each) for each in seen}:
                break
        assert isinstance(seen[0], Connected)
        book = client.book("BTC-USDT")
        assert book.is_live
        updates = book.updates
        until(client, Trade)
        assert book.updates == updates  # a copy: it does not move
        assert client.latest.price("BTC-USDT")
    assert is_ended(client)
    assert "okex-ws" not in [thread.name for thread in threading.enumerate()]


def test_the_end_of_the_with_is_the_end_of_the_events(site: okex_ws.Site) -> None:
    with Blocking("BTC-USDT", site=site) as client:
        until(client, Trade)
    rest = list(client)
    assert not rest or isinstance(rest[-1], Disconnected | Event)
    with pytest.raises(EOFError):
        client.next_event()
    with pytest.raises(RuntimeError, match="closed"):
        client.start()


def test_next_event_with_a_time_limit(site: okex_ws.Site) -> None:
    with Blocking(site=site) as client:
        with pytest.raises(TimeoutError):
            client.next_event(0.05)
        client.subscribe("trades", "BTC-USDT")
        assert isinstance(client.next_event(PATIENCE_S), Connected)


def test_subscribing_while_it_runs(site: okex_ws.Site) -> None:
    with Blocking(site=site) as client:
        client.subscribe("tickers", "ETH-USDT")
        assert isinstance(until(client, Subscribed), Subscribed)
        with pytest.raises(SubscriptionError):
            client.subscribe("tickerz", "ETH-USDT")
        client.unsubscribe("tickers", "ETH-USDT")
        until(client, Unsubscribed)
        assert "BTC-USDT" in client.load_instruments("SPOT")


def test_callbacks_come_in_the_clients_thread(site: okex_ws.Site) -> None:
    names: set[str] = set()
    came = threading.Event()

    def note(trade: Trade) -> None:
        names.add(threading.current_thread().name)
        came.set()

    async def wrong(trade: Trade) -> None: ...

    client = Blocking("BTC-USDT", site=site)
    client.on(Trade, note)
    with pytest.raises(TypeError, match="plain functions"):
        client.on(Trade, wrong)
    with client:
        assert came.wait(PATIENCE_S)
    assert names == {"okex-ws"}


def test_a_callback_may_close_it(site: okex_ws.Site) -> None:
    client = Blocking("BTC-USDT", site=site)
    client.on(Trade, lambda trade: client.close())
    with client:
        kinds = [type(event) for event in client]
    assert Trade in kinds


def test_wait_keeps_everything_for_a_slow_reader(site: okex_ws.Site) -> None:
    with (
        Blocking("BTC-USDT", channels=["bbo-tbt"], site=site, size=5) as client,
        Blocking("BTC-USDT", channels=["bbo-tbt"], site=site) as brisk,
    ):
        until(client, Subscribed)
        stream = client._stream
        while not client._do(lambda: stream.is_full):
            time.sleep(0.01)
        held = client._do(lambda: len(stream))
        until(brisk, Subscribed)
        for _ in range(20):
            until(brisk, BookSnapshot)
        assert client._do(lambda: len(stream)) == held, "paused, however much comes"
        for _ in range(60):
            client.next_event(PATIENCE_S)
        assert stream.dropped == 0


def test_drop_oldest_says_what_went(site: okex_ws.Site) -> None:
    with Blocking("BTC-USDT", channels=["bbo-tbt"], site=site, policy=Policy.DROP_OLDEST, size=5) as client:
        stream = client._stream
        while stream.dropped < 20:  # nobody reads yet
            time.sleep(0.01)
        assert client._do(lambda: len(stream)) <= 5
        dropped = until(client, Dropped)
        assert isinstance(dropped, Dropped)
        assert dropped.count == dropped.total >= 20


@pytest.mark.parametrize("state", ["unstarted", "unreachable", "running", "full", "reading"])
def test_it_closes_from_any_state(site: okex_ws.Site, state: str) -> None:
    place = okex_ws.Site.local(1) if state == "unreachable" else site
    client = Blocking("BTC-USDT", channels=["bbo-tbt"], site=place, size=5)
    reader: threading.Thread | None = None
    if state != "unstarted":
        client.start()
        client.next_event(PATIENCE_S)
    if state == "full":
        while not client._stream.is_full:
            time.sleep(0.01)
    if state == "reading":
        reader = threading.Thread(target=lambda: list(client))
        reader.start()
    client.close()
    client.close()
    assert is_ended(client)
    if reader is not None:
        reader.join(PATIENCE_S)
        assert not reader.is_alive()


def test_a_close_beside_a_start_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Blocking("BTC-USDT", site=okex_ws.Site.local(1))
    begin = threading.Thread.start

    def beside(thread: threading.Thread) -> None:
        client.close()  # by another thread, before this one has its loop
        begin(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", beside)
        client.start()
    assert is_ended(client)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # half a loop cannot be closed, says asyncio
def test_where_there_is_no_loop_to_be_had_start_says_so_and_waits_for_nothing() -> None:
    client = Blocking("BTC-USDT", site=okex_ws.Site.local(1))
    open_files, most = len(os.listdir("/dev/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files - 1, most[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            client.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert is_ended(client)
    gc.collect()


def test_beside_a_running_loop(site: okex_ws.Site) -> None:
    async def notebook_cell() -> Event:
        with Blocking("BTC-USDT", site=site) as client:
            return until(client, Trade)

    assert isinstance(asyncio.run(notebook_cell()), Trade)


SCRIPT = """
import os, signal, sys, threading
import okex_ws
from okex_ws.client.blocking import Blocking
client = Blocking("BTC-USDT", site=okex_ws.Site.at(sys.argv[1]))
with client:
    client.next_event(60)
    try:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        for event in client:
            pass
    except KeyboardInterrupt:
        print("interrupted")
    print(type(client.next_event(60)).__name__)
print("closed")
"""


FORGETFUL = """
import sys
import okex_ws
from okex_ws.client.blocking import Blocking
client = Blocking("BTC-USDT", site=okex_ws.Site.at(sys.argv[1]))
print(type(next(client)).__name__)
"""


def test_ctrl_c_leaves_it_usable(venue: Simulator) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, venue.url], capture_output=True, text=True, timeout=60, env=CLEAN)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[0] == "interrupted"
    assert words[-1] == "closed"
    assert done.stderr == ""


def test_a_script_that_forgets_to_close_still_ends(venue: Simulator) -> None:
    done = subprocess.run([sys.executable, "-c", FORGETFUL, venue.url], capture_output=True, text=True, timeout=60, env=CLEAN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Connected\n", "")


def test_it_does_not_trade_and_says_what_does() -> None:
    with pytest.raises(TypeError, match="async with Client"):
        Blocking("BTC-USDT", site="ws://127.0.0.1:9", trading=okex_ws.Trading())  # type: ignore[arg-type]
