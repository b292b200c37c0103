"""Client: what people do to it that nobody told them not to."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import okex_ws
from okex_ws.client.client import ClientOptions
from okex_ws.events import Connected, ConsumerFailed, Event, Refused, Subscribed, Trade
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server


@asynccontextmanager
async def served() -> AsyncIterator[okex_ws.Site]:
    def exchange(now: int) -> Exchange:
        return Exchange(SeededMarket(7, start=now, levels=60), seed=7, now=now, rules=Rules(connects_per_s=0))

    async with Server(exchange, speed=5) as server, asyncio.timeout(120):
        yield okex_ws.Site.at(server.ws_url, rest_url=server.rest_url)


async def until(client: okex_ws.Client, wanted: Callable[[Event], bool]) -> Event:
    async for event in client:
        if wanted(event):
            return event
    raise AssertionError("the stream ended")


def test_a_book_asked_for_too_early_is_the_one_that_comes() -> None:
    async def run() -> None:
        async with served() as site, okex_ws.connect("BTC-USDT", channels=["books5"], site=site) as client:
            early = client.book("BTC-USDT")
            assert not early.is_live
            await until(client, lambda event: isinstance(event, okex_ws.BookSnapshot))
            assert client.book("BTC-USDT") is early
            assert early.is_live
            assert not client.book("NO-SUCH").is_live
            assert [book.instrument for book in client.books] == ["BTC-USDT"]

    asyncio.run(run())


def test_what_was_refused_can_be_asked_for_again() -> None:
    async def run() -> None:
        async with served() as site, okex_ws.connect("FOO-USDT", site=site) as client:
            await until(client, lambda event: isinstance(event, Refused))
            client.subscribe("trades", "FOO-USDT")
            await until(client, lambda event: isinstance(event, Refused))

    asyncio.run(run())


def test_a_kind_that_is_none_is_refused_at_the_call() -> None:
    client = okex_ws.Client(site=okex_ws.Site.local())
    with pytest.raises(TypeError, match="'trades' is not an event class"):
        client.on("trades", print)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="not an event class"):
        client.stream("trades")  # type: ignore[arg-type]


def test_coroutine_functions_may_be_given_before_there_is_a_loop() -> None:
    seen: list[Trade] = []
    both = asyncio.Event()

    def see(trade: Trade) -> None:
        seen.append(trade)
        if len({id(trade) for trade in seen}) < len(seen):
            both.set()

    class Handler:
        async def __call__(self, trade: Trade) -> None:
            see(trade)

    async def run(client: okex_ws.Client) -> None:
        async with client:
            await both.wait()

    async def whole() -> None:
        async with served() as site:
            loopless = await asyncio.to_thread(prepared, site)
            await run(loopless)

    def prepared(site: okex_ws.Site) -> okex_ws.Client:
        client = okex_ws.connect("BTC-USDT", site=site)

        async def also(trade: Trade) -> None:
            see(trade)

        client.on(Trade, also)
        client.on(Trade, Handler())
        return client

    asyncio.run(whole())


def test_a_callback_whose_answer_nobody_awaits_is_told() -> None:
    async def run() -> None:
        async def slow(trade: Trade) -> None:
            await asyncio.sleep(0)

        async with served() as site:
            client = okex_ws.connect("BTC-USDT", site=site)
            client.on(Trade, lambda trade: slow(trade))
            stream = client.stream(ConsumerFailed)
            async with client:
                failed = await anext(stream)
            assert isinstance(failed, ConsumerFailed)
            assert "coroutine function" in failed.error

    asyncio.run(run())


def test_a_closed_client_says_so() -> None:
    async def run() -> None:
        async with served() as site:
            client = okex_ws.connect("BTC-USDT", site=site)
            async with client:
                pass
            with pytest.raises(RuntimeError, match="closed; make a new one"):
                client.start()

    asyncio.run(run())


def test_what_comes_before_the_first_look_is_kept() -> None:
    async def run() -> None:
        async with served() as site, okex_ws.connect("BTC-USDT", site=site) as client:
            traded = asyncio.Event()
            client.on(Trade, lambda _: traded.set())
            await traded.wait()
            kinds = [type(await anext(events)) for events in [aiter(client)] for _ in range(2)]
            assert kinds == [Connected, Subscribed]

    asyncio.run(run())


def test_a_stream_that_was_closed_leaves_nothing_behind() -> None:
    client = okex_ws.Client(site=okex_ws.Site.local())
    for _ in range(100):
        client.stream(Trade).close()
    assert client.hub.streams == []


def test_policies_may_be_given_by_name_and_wrong_ones_are_refused() -> None:
    client = okex_ws.Client(site=okex_ws.Site.local())
    assert client.stream(policy="wait").policy is okex_ws.Policy.WAIT  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="often"):
        client.stream(policy="often")  # type: ignore[arg-type]


def test_a_callback_can_be_taken_back() -> None:
    client = okex_ws.Client(site=okex_ws.Site.local())
    seen: list[Event] = []
    client.on(Event, seen.append)
    client.off(seen.append)
    client.hub.publish([Connected()])
    assert seen == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: okex_ws.connect(["BTC-USDT"]), "one by one"),
        (lambda: okex_ws.connect("btc-usdt"), "did you mean BTC-USDT"),
        (lambda: okex_ws.Client(site="erth"), "no site is called 'erth'"),
        (lambda: okex_ws.Client(stale_after_s=5), "seconds by channel"),
        (lambda: okex_ws.Client(proxy="foo"), "must begin with http://"),
        (lambda: okex_ws.Site.local(70000), "ports go from 1"),
        (lambda: okex_ws.Client(site="ws://example.com"), "use wss://"),
    ],
)
def test_mistakes_are_told_where_they_are_made(make: Callable[[], object], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        make()


def test_the_three_ways_to_begin_take_the_same_parameters() -> None:
    client, connect, blocking = (
        inspect.signature(made).parameters for made in (okex_ws.Client, okex_ws.connect, okex_ws.Blocking)
    )
    named = ["instruments", "channels", "site", "policy", "size"]
    assert list(client)[:5] == list(connect)[:5] == list(blocking)[:5] == named
    assert list(connect)[5:] == list(blocking)[5:] == ["options"]
    assert list(client)[5:] == list(ClientOptions.__annotations__)
    assert all(client[name].annotation == ClientOptions.__annotations__[name].__forward_arg__ for name in list(client)[5:])


def test_a_client_subscribes_to_what_it_is_made_with() -> None:
    for make in (okex_ws.Client, okex_ws.connect, lambda *args, **more: okex_ws.Blocking(*args, **more)._client):
        made = make("BTC-USDT", "ETH-USDT", channels=["trades", "books"])
        wanted = {"trades BTC-USDT", "trades ETH-USDT", "books BTC-USDT", "books ETH-USDT"}
        assert {str(item) for item in made.subscriptions} == wanted
        assert [str(item) for item in make("BTC-USDT").subscriptions] == ["trades BTC-USDT"]
    assert okex_ws.Client().subscriptions == []
    with pytest.raises(okex_ws.SubscriptionError):
        okex_ws.connect()


def test_old_names_of_a_client_still_work() -> None:
    for site in (okex_ws.Site.okx("eea"), "eea", "wss://wsus.okx.com", None):
        with pytest.warns(DeprecationWarning, match="site="):
            assert okex_ws.Client(site, "BTC-USDT").site == okex_ws.Client(site=site).site  # type: ignore[arg-type]
    client = okex_ws.Client()
    with pytest.warns(DeprecationWarning, match="event_count"):
        assert client.events == client.event_count == 0
    with pytest.warns(DeprecationWarning, match="connection_count"):
        assert client.connections == client.connection_count == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda: okex_ws.site("eea", demo=True), okex_ws.Site.okx("eea", demo=True)),
        (lambda: okex_ws.local(7), okex_ws.Site.local(7)),
        (lambda: okex_ws.at("wss://ws.okx.com"), okex_ws.Site.at("wss://ws.okx.com")),
    ],
)
def test_the_old_functions_for_sites_still_work(old: Callable[[], object], new: okex_ws.Site) -> None:
    with pytest.warns(DeprecationWarning, match=r"use okex_ws\.Site\."):
        assert old() == new


def test_names_and_urls_do_for_a_site_and_one_channel_for_a_list() -> None:
    assert okex_ws.Client(site="eea").site == okex_ws.Site.okx("eea")
    assert okex_ws.Client(site="wss://wsus.okx.com").site.websocket == "wss://wsus.okx.com"
    assert [str(item) for item in okex_ws.connect("BTC-USDT", channels="books").subscriptions] == ["books BTC-USDT"]
