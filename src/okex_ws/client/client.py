"""Client: all lines together, one ordered stream of events out."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
import random
import secrets
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

from okex_ws.client.clock import Clock
from okex_ws.client.connection import Connections
from okex_ws.client.credentials import AccountKey
from okex_ws.client.errors import NotTradingError
from okex_ws.client.hub import Hub
from okex_ws.client.orders import MOVED, ClientOrders
from okex_ws.client.rest import Rest, RestError
from okex_ws.client.sites import SITES, Site, SiteError
from okex_ws.client.status import ClientStatus
from okex_ws.client.stream import Policy, Stream
from okex_ws.core.core import ClientCore
from okex_ws.core.effects import FetchBook, FetchClock
from okex_ws.core.inputs import BookFetched, ClockMeasured, Input, Tap, Tapped
from okex_ws.dialects import dialect as spoken
from okex_ws.dialects import named_in
from okex_ws.events import Dropped, Event
from okex_ws.market import Books, Instruments, Latest, OrderBook
from okex_ws.market.books import deepest
from okex_ws.protocol.orders.order_ids import PREFIX_BITS
from okex_ws.protocol.orders.tickets import Ticket
from okex_ws.protocol.plan import Shard
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.session import Timing
from okex_ws.wire.channels import Subscription, find
from okex_ws.wire.sign import Credentials

if TYPE_CHECKING:
    from okex_ws.client.trading import Trader, Trading
    from okex_ws.market.account import Account

DRAIN_WITHIN_S = 0.4
"""Longest time that coroutine callbacks get after the lines are closed, and again after their cancellation."""

E = TypeVar("E", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
Waiting = Literal[Policy.WAIT]
Callback = Callable[[Any], object] | Callable[[Any], Awaitable[object]]


class ClientOptions(TypedDict, total=False):
    """Keyword parameters of Client that `connect` and Blocking pass on; a test compares them with the signature of Client."""

    keep_books: bool
    credentials: Credentials | None
    ca_file: str | None
    proxy: str | None
    timing: Timing | None
    stale_after_s: Mapping[str, float] | None
    backoff_s: tuple[float, float]
    open_within_s: float
    seed: int | None
    tap: Tap | None
    dialect: str
    trading: Trading | None


class Client:
    """Market data of OKX as typed events.

    Use it as an async context manager; every task and socket ends with it, within two seconds.

    Args:
        instruments, channels: subscribed from the start, channels being trades unless given; more with `subscribe`.
        site: a Site, the name of one of OKX's sites, or a URL. Default: the site of the key, or global.
        policy, size: of the client's own iterator, `async for event in client`; see `Policy`.
        keep_books: keep order books, verify their checksums where OKX sends any, and subscribe again to a wrong book.
        credentials: an API key, for channels that need a login.
        trading: settings for sending orders with it, see `Trading`.
        ca_file: a further certificate authority to trust.
        stale_after_s: seconds of silence by channel after which it counts as stale, instead of the documented cadence.
        open_within_s: limit for TCP, TLS and the WebSocket upgrade together.
        dialect: v5, or OKEx's dead v3 or v1, where channels may also have the dialect's own names.
    """

    def __init__(
        self,
        *instruments: str,
        channels: Iterable[str] | str | None = None,
        site: Site | str | None = None,
        policy: Policy = Policy.WAIT,
        size: int = 10_000,
        keep_books: bool = True,
        credentials: Credentials | None = None,
        ca_file: str | None = None,
        proxy: str | None = None,
        timing: Timing | None = None,
        stale_after_s: Mapping[str, float] | None = None,
        backoff_s: tuple[float, float] = (0.5, 30.0),
        open_within_s: float = 10.0,
        seed: int | None = None,
        tap: Tap | None = None,
        dialect: str = "v5",
        trading: Trading | None = None,
    ) -> None:
        if instruments and _is_site(instruments[0]):
            text = "the site as first argument of Client is deprecated; write Client(site=…)"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            site, instruments = instruments[0], instruments[1:]
        for instrument in instruments:
            if not isinstance(instrument, str):
                wanted = "instruments are given one by one, as texts: connect('BTC-USDT', 'ETH-USDT')"
                raise TypeError(f"{wanted}, not {instrument!r}")
        self.dialect = spoken(dialect)
        if site is None and not self.dialect.has_rest:
            raise SiteError(f"OKX no longer speaks {dialect}; give the URL of a server that does, as site")
        if stale_after_s is not None and not isinstance(stale_after_s, Mapping):
            raise TypeError("stale_after_s wants seconds by channel, such as {'trades': 30}")
        if proxy is not None and "://" not in proxy:
            raise SiteError(f"{proxy!r} is not a proxy; it must begin with http://, https://, socks4:// or socks5://")
        if isinstance(site, str):
            site = Site.of(site)
        if isinstance(credentials, AccountKey):
            site = credentials.at(site)
        self.site = site or Site.okx()
        there = named_in(self.site.websocket)
        if there not in (None, dialect):
            wrong = f"{self.site.websocket} is where {there} is spoken, not {dialect}"
            raise SiteError(f"{wrong}; say dialect {there}, or leave the path out")
        self.hub = Hub(pause=lambda: self._connections.pause(), resume=lambda: self._connections.resume())
        self._credentials = credentials
        is_plain = self.site.websocket.startswith("ws://") and self.site.rest.startswith("http://")
        self._ssl = None if is_plain and ca_file is None else _trusting(ca_file)  # loading what is trusted takes 20 ms
        self._clock = Clock()
        self._server_clock = ServerClock()
        self.core = ClientCore(
            seeded=lambda text: random.Random(text).random,  # noqa: S311  # jitter, not secrets
            seed=random.SystemRandom().getrandbits(32) if seed is None else seed,
            dialect=self.dialect,
            url_of=self._url_of,
            credentials=credentials,
            timing=timing,
            stale_after_s=stale_after_s,
            backoff_s=backoff_s,
            server_clock=self._server_clock,
            keeps_books=keep_books,
            observer=Tapped(tap) if tap is not None else None,
        )
        self._connections = Connections(
            self.core,
            clock=self._clock,
            publish=self.hub.publish,
            fetch=lambda effect: self._spawn(self._fetch(effect)),
            ssl_context=self._ssl,
            proxy=proxy,
            open_within_s=open_within_s,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._rest: Rest | None = None
        self._trader: Trader | None = None
        self._orders: ClientOrders | None = None
        self._is_running = False
        self._is_closed = False
        self._deferred: list[Callable[[], Coroutine[Any, Any, None]]] = []  # for when there is a loop
        self._own_policy, self._own_size = Policy(policy), size
        self._own_stream: Stream[Event] | None = None
        if trading is not None:
            self._trade(trading)
        if channels is None:
            channels = ("trades",) if instruments else ()
        for channel in (channels,) if isinstance(channels, str) else channels:
            self.subscribe(channel, *instruments)

    # -- life ------------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Connect what has been subscribed so far; returns at once. Status events report what happens."""
        if self._is_closed:
            raise RuntimeError("this client has been closed; make a new one")
        if not self._is_running:
            self._is_running = True
            if not self.hub.has_consumers:
                # For an iterator that comes a little later. Until it does, nobody may be held up by its queue.
                early = self._own_policy if self._own_policy is Policy.CONFLATE else Policy.DROP_OLDEST
                self._own_stream = self.stream(policy=early, size=self._own_size, name="client")
            for work in self._deferred:
                self._spawn(work())
            self._deferred.clear()
            self._spawn(asyncio.to_thread(importlib.import_module, "httpx"))  # slow, and wanted in a hurry when it is wanted
            self._connections.emit(self.core.start(self._clock.now()))
            self._connections.carry_out()
            if self._trader is not None:
                self._trader.start()

    async def close(self) -> None:
        """Hang up, end every task, let readers finish what they hold."""
        self._is_running, self._is_closed = False, True
        if self._trader is not None:
            await self._trader.leave()
            self._trader.close()
        await self._connections.close()
        self.hub.close()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        if tasks:  # a callback may finish what it holds, within reason
            _, late = await asyncio.wait(tasks, timeout=DRAIN_WITHIN_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=DRAIN_WITHIN_S)
        if self._rest is not None:
            await self._rest.close()
            self._rest = None

    # -- what is wanted --------------------------------------------------------------------------------------------------

    def subscribe(self, channel: str, *keys: str, **args: str) -> list[Subscription]:
        """Subscribe to a channel of instruments (or families, types, spreads): `subscribe("books", "BTC-USDT", "ETH-USDT")`.

        Further keys go by OKX's names. Raises SubscriptionError before anything is sent. Subscriptions are spread over
        connections and survive reconnects.
        """
        items = self._items(channel, keys, args)
        self._connections.emit(self.core.subscribe(items, self._clock.now()))
        if self._is_running:
            self._connections.carry_out()
        return items

    def unsubscribe(self, channel: str, *keys: str, **args: str) -> list[Subscription]:
        """Remove subscriptions."""
        items = self._items(channel, keys, args)
        self._connections.emit(self.core.unsubscribe(items, self._clock.now()))
        if self._is_running:
            self._connections.carry_out()
        return items

    @property
    def subscriptions(self) -> list[Subscription]:
        """All subscriptions."""
        return [item for shard in self.core.plan.shards for item in shard.subscriptions]

    def feed(self, item: Input) -> None:
        """Feed an input of the core that comes from the client's owner, and publish its events."""
        self._connections.feed(item)

    # -- events out ------------------------------------------------------------------------------------------------------

    @overload
    def stream(self, *, policy: Policy = ..., size: int = ..., name: str = ...) -> Stream[Event]: ...
    @overload
    def stream(self, kind: type[E], /, *, policy: Waiting = ..., size: int = ..., name: str = ...) -> Stream[E]: ...
    @overload
    def stream(self, kind: type[E], /, *, policy: Policy, size: int = ..., name: str = ...) -> Stream[E | Dropped]: ...
    @overload
    def stream(
        self, kind: type[E], other: type[E2], /, *, policy: Waiting = ..., size: int = ..., name: str = ...
    ) -> Stream[E | E2]: ...
    @overload
    def stream(
        self, kind: type[E], other: type[E2], third: type[E3], /, *, policy: Waiting = ..., size: int = ..., name: str = ...
    ) -> Stream[E | E2 | E3]: ...
    @overload
    def stream(self, *kinds: type[Event], policy: Policy = ..., size: int = ..., name: str = ...) -> Stream[Event]: ...

    def stream(self, *kinds: type[Event], policy: Policy = Policy.WAIT, size: int = 10_000, name: str = "") -> Stream[Any]:
        """Return an iterator over events of these kinds (without any: all), with its own queue and policy.

        A stream that may drop events also contains Dropped.
        """
        return self.hub.stream(kinds, policy=policy, size=size, name=name)

    async def __aiter__(self) -> AsyncIterator[Event]:
        if self._own_stream is None:
            self._own_stream = self.stream(policy=self._own_policy, size=self._own_size, name="client")
        self._own_stream.policy = self._own_policy
        async for event in self._own_stream:
            yield event

    def on(self, kind: type[E], callback: Callable[[E], object]) -> None:
        """Call `callback` with every event of a kind, in order, as it arrives. Keep it short.

        A coroutine function (or an object called as one) gets a queue and a task of its own. A callback that raises is reported
        as ConsumerFailed, once per kind of error; the others, and the line, go on.
        """
        name = getattr(callback, "__qualname__", repr(callback))
        call = getattr(type(callback), "__call__", None)  # noqa: B004  # of an object that is called as a function
        if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(call):
            made = self.stream(kind, name=name)
            work = functools.partial(self._consume, made, callback, name)
            if self._is_running:
                self._spawn(work())
            else:
                self._deferred.append(work)
        else:
            self.hub.on(kind, callback, name)

    def off(self, callback: Callable[[E], object]) -> None:
        """Stop calling a function. A stream is ended by its own `close`."""
        self.hub.off(callback)

    @property
    def books(self) -> Books:
        """All order books kept."""
        return self.core.books

    @property
    def latest(self) -> Latest:
        """Last trade, ticker and candle of each instrument."""
        return self.core.latest

    @property
    def instruments(self) -> Instruments:
        """Reference data, after `load_instruments`."""
        return self.core.instruments

    @property
    def event_count(self) -> int:
        """Number of events so far."""
        return self.core.event_count

    @property
    def connection_count(self) -> int:
        """Number of open connections."""
        return sum(len(line.sessions) for line in self.core.lines.values())

    def status(self) -> ClientStatus:
        """Sockets, subscriptions, rate budgets, gaps, latency, streams and books at this moment."""
        return self.hub.tracker.status(
            self._clock.now(),
            events=self.event_count,
            core=self.core,
            drivers=self._connections.drivers.values(),
            streams=self.hub.streams,
        )

    @property
    def events(self) -> int:
        """Deprecated: use event_count."""
        warnings.warn("Client.events is now Client.event_count", DeprecationWarning, stacklevel=2)
        return self.event_count

    @property
    def connections(self) -> int:
        """Deprecated: use connection_count."""
        warnings.warn("Client.connections is now Client.connection_count", DeprecationWarning, stacklevel=2)
        return self.connection_count

    def book(self, instrument: str, channel: str | None = None) -> OrderBook:
        """The order book of an instrument: EMPTY until subscribed and received, STALE after a gap until renewed.

        channel: None takes the deepest that is subscribed.
        """
        if channel is None:
            wanted = (item.channel for item in self.subscriptions if item.key == instrument)
            channel = deepest(name for name in wanted if (row := find(name)) is not None and row.depth)
        return self.books.get(instrument, channel)

    # -- trading -------------------------------------------------------------------------------------------------------

    @property
    def orders(self) -> ClientOrders:
        """Place, amend and cancel orders. Raises NotTradingError if the client was made without `trading`."""
        if self._orders is None:
            raise NotTradingError("this client does not trade; make it with Client(…, credentials=…, trading=Trading())")
        return self._orders

    @property
    def account(self) -> Account:
        """Own orders, fills, positions and balances, and how far they can be trusted. Raises as `orders`."""
        return self.orders.account

    @property
    def unresolved(self) -> list[Ticket]:
        """Requests whose outcome is not known, a former process's among them; `order` is what was requested."""
        return self.orders.unresolved

    async def ready(self, within_s: float | None = 30.0) -> None:
        """Wait until orders can be sent, and until the outcome of requests that a former process left open is known.

        Raises LoginRefusedError, with what to change, when that will never be, and NotReadyError, with what is missing, after so
        many seconds; None waits for ever.
        """
        await self.orders.ready(within_s)

    def halt(self, reason: str) -> None:
        """Kill switch: send no new order from now on, and cancel what is open."""
        self.orders.halt(reason)

    def resume_trading(self, reason: str = "") -> None:
        """Let new orders leave again."""
        self.orders.resume(reason)

    if not TYPE_CHECKING:  # old names still work, and type checkers refuse them

        def __getattr__(self, name: str) -> Any:
            if name in MOVED:
                warnings.warn(f"Client.{name} is now Client.orders.{name}", DeprecationWarning, stacklevel=2)
                return getattr(self.orders, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- REST ------------------------------------------------------------------------------------------------------------

    @property
    def rest(self) -> Rest:
        """REST on the same site, signed where credentials were given."""
        if self._rest is None:
            self._rest = Rest(
                self.site,
                ssl_context=self._ssl,
                credentials=self._credentials,
                server_clock=self._server_clock,
                now=self._clock.now,
            )
        return self._rest

    async def load_instruments(self, *types: str, family: str | None = None) -> Instruments:
        """Fill the catalogue over REST (SPOT and SWAP by default) and keep it up to date by the `instruments` channel."""
        for kind in types or ("SPOT", "SWAP"):
            self.instruments.load(await self.rest.instruments(kind, family=family))
            self.subscribe("instruments", kind)
        return self.instruments

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _items(self, channel: str, keys: Iterable[str], args: dict[str, str]) -> list[Subscription]:
        make = self.dialect.subscription
        return [make(channel, key, **args) for key in keys] or [make(channel, None, **args)]

    def _url_of(self, shard: Shard) -> str:
        return self.site.url_of(self.dialect.path) if self.dialect.path else self.site.url(shard.endpoint)

    def _with_own(self, events: list[Event]) -> list[Event]:
        """Return events of the lines with those that follow from what trading does about them."""
        assert self._trader is not None
        own, self.core.own_events = self.core.own_events, []
        more = self._trader.after_input(own)
        self.core.add_own(more)
        return [*events, *more]

    def _publish_own(self, events: list[Event]) -> None:
        self.core.add_own(events)
        self.hub.publish(events)

    def _trade(self, settings: Trading) -> None:
        from okex_ws.client.trading import Trader  # here, because a client that only listens has no use for it
        from okex_ws.core.trading import PRIVATE, SPREADS

        if self._credentials is None:
            raise NotTradingError("trading needs a key: Client(…, credentials=okex_ws.credentials(), trading=…)")
        if not self.dialect.has_rest:
            raise NotTradingError(f"a client trades in v5 only; requests of {self.dialect.name} are made by okex_ws.legacy")
        trading = self.core.trade(
            id_prefix=secrets.randbits(PREFIX_BITS),
            server_clock=self._server_clock,
            instrument_types=settings.instrument_types,
            spreads=settings.spreads,
            patience=settings.patience,
            wait_s=settings.wait_s,
            limits=settings.limits,
            limits_by_instrument=settings.limits_by_instrument,
            switches=settings.switches(),
        )
        self._trader = Trader(
            settings,
            trading,
            rest=lambda: self.rest,
            publish=self._publish_own,
            flush=self._connections.carry_out,
            spawn=self._spawn,
            now=self._clock.now,
        )
        self._orders = ClientOrders(self._trader)
        self._connections.before_publish = self._with_own
        for channel, key in PRIVATE + (SPREADS if settings.spreads else ()):
            self.subscribe(channel, *((key,) if key else ()))
        for kind in settings.instrument_types:
            self.subscribe("instruments", kind)  # ticks, lots and states change while one trades

    async def _consume(self, stream: Stream[Any], callback: Callable[[Any], Any], name: str) -> None:
        async for event in stream:
            try:
                await callback(event)
            except Exception as error:
                self.hub.report(name, error, event.ts_recv)

    async def _fetch(self, effect: FetchBook | FetchClock) -> None:
        if isinstance(effect, FetchClock):
            server_ms, asked = None, self._clock.now()
            with contextlib.suppress(RestError):
                server_ms = await self.rest.time_ms()
            self._connections.feed(ClockMeasured(line=effect.line, server_ms=server_ms, asked=asked))
            return
        rows: list[Any] = []
        with contextlib.suppress(RestError):
            rows = await self.rest.book_rows(effect.subscription.key, effect.depth)
        self._connections.feed(BookFetched(line=effect.line, arg=effect.subscription.arg, rows=rows))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def connect(
    *instruments: str,
    channels: Iterable[str] | str | None = None,
    site: Site | str | None = None,
    policy: Policy = Policy.WAIT,
    size: int = 10_000,
    **options: Unpack[ClientOptions],
) -> Client:
    """A Client that subscribes to these channels of these instruments: `async with connect("BTC-USDT") as client:`.

    Parameters are those of Client. Raises SubscriptionError without instruments, where the channels need one.
    """
    return Client(
        *instruments, channels="trades" if channels is None else channels, site=site, policy=policy, size=size, **options
    )


def _is_site(value: object) -> bool:
    """True if a first argument is a site: the only positional parameter of Client until now."""
    return value is None or isinstance(value, Site) or (isinstance(value, str) and ("://" in value or value in SITES))


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
