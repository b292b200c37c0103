"""Connections: the sockets and timers of a ClientCore. Sockets and timers become inputs; the core's effects become I/O.

picows is the WebSocket library. It hands over frames, so messages of several frames are joined here. It does not speak
permessage-deflate, so none is offered. Redirects are not followed: credentials go to no host but the one they were meant for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSParsedURL, WSTransport, ws_connect

from okex_ws.client.clock import Clock
from okex_ws.client.connect_limiter import CONNECT_LIMITER
from okex_ws.client.sanitize import one_line
from okex_ws.client.sites import is_loopback
from okex_ws.core.core import ClientCore
from okex_ws.core.effects import Dial, FetchBook, FetchClock, HangUp, SendText
from okex_ws.core.inputs import DialFailed, Input, Opened, ReadingResumed, SocketClosed, TimerFired
from okex_ws.events import Event
from okex_ws.protocol.line import Failure, Line
from okex_ws.wire.frames import MAX_FRAME

log = logging.getLogger("okex_ws")
log.addHandler(logging.NullHandler())

CLOSE_WITHIN_S = 1.0
"""Longest wait for the answer to a close frame."""
LATE = 1_000_000_000
"""Lateness of a timer, ns, from which the next message fires it."""


class _SocketListener(WSListener):
    """One socket. Joins fragments, keeps the close code, passes whole messages on."""

    def __init__(self, driver: Driver, number: int) -> None:
        self.driver = driver
        self.number = number
        self.transport: WSTransport | None = None
        self.sock: socket.socket | None = None
        self.code = 1006
        self.reason = "the connection broke"
        self._parts = bytearray()
        self._is_binary = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        # Here, not after ws_connect returns: the first frames may come in the same packet as the handshake.
        self.driver.on_opened(self.number, self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT and frame.fin:
            self.driver.on_message(self.number, frame.get_payload_as_bytes())
        elif kind == WSMsgType.BINARY and frame.fin:
            self.driver.on_message(self.number, frame.get_payload_as_bytes(), is_binary=True)
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._on_part(transport, frame)
        elif kind == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            if self.code == 1006:
                self.code = int.from_bytes(payload[:2]) if len(payload) >= 2 else 1005
                self.reason = one_line(payload[2:].decode(errors="replace")) or "closed by the server"
            transport.send(WSMsgType.CLOSE, payload[:2])
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        handshake = transport.close_handshake
        if self.code == 1006 and handshake is not None and handshake.sent is not None:
            # The frame was refused by picows itself: too large, or against RFC 6455.
            self.code, self.reason = int(handshake.sent.code), handshake.sent.reason or "refused by us"  # type: ignore[call-overload]
        self.driver.on_closed(self.number, self.code, self.reason)

    def hang_up(self, code: int, reason: str) -> None:
        """Send a close frame and close; cut off a peer that does not answer."""
        transport = self.transport
        if transport is None or transport.is_disconnected:
            return
        self.code, self.reason = code, reason
        with contextlib.suppress(Exception):  # the peer may be gone already
            transport.send(WSMsgType.CLOSE, code.to_bytes(2) + reason.encode("ascii", "replace")[:120])
        asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self.cut_off)
        transport.disconnect()

    def cut_off(self) -> None:
        """End the socket now."""
        if self.transport is not None:
            self.transport.disconnect(False)

    def _on_part(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.CONTINUATION:
            self._is_binary = frame.msg_type == WSMsgType.BINARY
        self._parts += frame.get_payload_as_memoryview()
        if len(self._parts) > MAX_FRAME:
            self._parts.clear()
            self.driver.hang_up(self.number, 1009, f"a message of more than {MAX_FRAME} bytes")
        elif frame.fin:
            data = bytes(self._parts)
            self._parts.clear()
            self.driver.on_message(self.number, data, is_binary=self._is_binary)


class Connections:
    """Carries out the effects of a core, and feeds it what sockets and timers bring. It decides nothing.

    publish: takes the events of each input, in order. fetch: carries out a FetchBook or FetchClock over REST. ssl_context: None
    trusts what the machine trusts. open_within_s: longest time for TCP, TLS and the upgrade together.
    """

    def __init__(
        self,
        core: ClientCore,
        *,
        clock: Clock,
        publish: Callable[[list[Event]], None],
        fetch: Callable[[FetchBook | FetchClock], None],
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        open_within_s: float = 10.0,
    ) -> None:
        self.core = core
        self.drivers: dict[str, Driver] = {}
        self.clock = clock
        self.publish = publish
        self.before_publish: Callable[[list[Event]], list[Event]] | None = None
        """Function that returns events with those that follow from them: for a client that trades."""
        self.after_publish: Callable[[], None] | None = None
        """Function called after each publication: for a client that fetches back what it missed."""
        self.ssl_context = ssl_context
        self.proxy = proxy
        self.open_within_s = open_within_s
        self.is_paused = False
        self.is_closing = False
        self._fetch = fetch

    def feed(self, item: Input) -> None:
        """Feed an input that happens now, publish its events, carry out what follows."""
        try:
            self.emit(self.core.feed(item, self.clock.now()))
        finally:  # whatever a consumer does, the lines go on
            self.carry_out()

    def emit(self, events: list[Event]) -> None:
        """Publish events, if there are any."""
        if events:
            if self.before_publish is not None:
                events = self.before_publish(events)
            self.publish(events)
            if self.after_publish is not None:
                self.after_publish()

    def carry_out(self) -> None:
        """Dial, hang up, send and fetch what the core requests, then arm the timers."""
        for effect in self.core.effects():
            match effect:
                case SendText(line=name):
                    self._driver(name).send_text(effect)
                case Dial(line=name, number=number):
                    self._driver(name).dial(number)
                case HangUp(line=name, number=number, code=code, reason=reason):
                    self._driver(name).hang_up(number, code, reason)
                case _:
                    self._fetch(effect)
        if not self.is_closing:
            for name in self.core.lines:
                self._driver(name).arm()

    async def close(self) -> None:
        """Hang up, and wait until sockets and tasks are gone."""
        self.is_closing = True
        self.emit(self.core.stop(self.clock.now()))
        self.carry_out()
        await asyncio.gather(*(driver.close() for driver in self.drivers.values()))

    def pause(self) -> None:
        """Stop reading: a consumer has no more room."""
        self.is_paused = True
        for driver in self.drivers.values():
            driver.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        self.is_paused = False
        for name, driver in self.drivers.items():
            driver.resume_reading()
            self.feed(ReadingResumed(line=name))

    def _driver(self, name: str) -> Driver:
        driver = self.drivers.get(name)
        if driver is None or driver.line is not self.core.lines[name]:
            driver = self.drivers[name] = Driver(self, self.core.lines[name])
        return driver


class Driver:
    """The sockets and the timer of one line."""

    def __init__(self, connections: Connections, line: Line) -> None:
        self.line = line
        self.frame_count = 0
        self.byte_count = 0
        self._connections = connections
        self._core = connections.core
        self._now = connections.clock.now
        is_plain = connections.before_publish is None and connections.after_publish is None
        self._publish = connections.publish if is_plain else connections.emit
        is_secure = line.url.startswith("wss://")
        self._ssl = connections.ssl_context if is_secure else None
        self._proxy = connections.proxy if connections.proxy is not None else _proxy_from_environment(line.url)
        self._listeners: dict[int, _SocketListener] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}  # from the dial to the end of the socket
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0

    # -- from the sockets ------------------------------------------------------------------------------------------------

    def on_opened(self, number: int, listener: _SocketListener) -> None:
        self._listeners[number] = listener
        self._connections.feed(Opened(line=self.line.name, connection=number))
        if self._connections.is_paused and listener.transport is not None:
            listener.transport.underlying_transport.pause_reading()

    def on_message(self, number: int, data: bytes, *, is_binary: bool = False) -> None:
        now = self._now()
        if now - self._armed_for > LATE:
            now = self._on_late()
        self.frame_count += 1
        self.byte_count += len(data)
        line = self.line
        if is_binary:
            events = self._core.receive_binary(line, number, data, now)
        else:
            events = self._core.receive_text(line, number, data, now)
        if events:
            self._publish(events)
        session = line.sessions.get(number)
        if session is None or session.to_send or session.fetches or line.actions or session.next_deadline < self._armed_for:
            self._connections.carry_out()

    def on_closed(self, number: int, code: int, reason: str) -> None:
        self._listeners.pop(number, None)
        self._connections.feed(SocketClosed(line=self.line.name, connection=number, code=code, reason=reason))

    # -- to the sockets --------------------------------------------------------------------------------------------------

    def dial(self, number: int) -> None:
        """Open a socket, in a task that lives as long as the socket."""
        task = asyncio.get_running_loop().create_task(self._connect(number))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    def hang_up(self, number: int, code: int, reason: str) -> None:
        """Close a socket, if it is open."""
        listener = self._listeners.get(number)
        if listener is not None:
            listener.hang_up(code, reason)

    def send_text(self, effect: SendText) -> None:
        """Send a text over an open socket."""
        listener = self._listeners.get(effect.connection)
        if listener is None or listener.transport is None:
            return
        self._core.sent(effect, self._now())
        with contextlib.suppress(ConnectionError):  # on_closed reports it
            listener.transport.send(WSMsgType.TEXT, effect.data)

    def pause_reading(self) -> None:
        """Read nothing more from the sockets."""
        for listener in self._listeners.values():
            if listener.transport is not None:
                listener.transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the sockets again."""
        for listener in self._listeners.values():
            if listener.transport is not None:
                listener.transport.underlying_transport.resume_reading()

    async def close(self) -> None:
        """Cancel the timer and dials; wait until every socket is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for number, task in self._tasks.items():
            if number not in self._listeners:
                task.cancel()  # still dialling
        if self._tasks:  # a peer that does not answer the close is cut off in good time
            await asyncio.wait(self._tasks.values(), timeout=1.5 * CLOSE_WITHIN_S)

    # -- the timer -------------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Set the timer to the line's deadline."""
        deadline = self.line.next_deadline
        if self._timer is not None:
            if deadline is not None and deadline == self._armed_for:
                return
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline or 0
        if deadline is not None:
            delay = max(0.0, (deadline - self._now()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._connections.clock.correct()
        if self._connections.is_paused:
            # A consumer has no room: silence on the socket is our own doing, not the server's.
            self._timer = asyncio.get_running_loop().call_later(0.1, self._on_timer)
            return
        self._connections.feed(TimerFired(line=self.line.name))

    def _on_late(self) -> int:
        """Fire an overdue timer before the next message; return the instant now. The loop fires none while it reads a backlog."""
        if self._timer is not None and not self._connections.is_paused:
            self._timer.cancel()
            self._on_timer()
        return self._now()

    # -- dialling --------------------------------------------------------------------------------------------------------

    async def _connect(self, number: int) -> None:
        """Run one connection from the dial to the end of its socket."""
        listener = _SocketListener(self, number)
        open_within_s = self._connections.open_within_s
        try:
            transport = await self._dial(listener)
            if listener.transport is not None:
                with contextlib.suppress(Exception):  # on_closed reports what picows refused
                    await transport.wait_disconnected()
                return
            failure = Failure(f"{_host(self.line.url)} closed the connection instead of answering the upgrade")
        except Exception as error:  # whatever it is, a line that waits for this dial for ever would be worse
            failure = _failure(error, self.line.url, open_within_s)
        finally:
            if listener.transport is None and listener.sock is not None:
                await _give_up(listener.sock)
        self._connections.feed(DialFailed(line=self.line.name, connection=number, **msgspec.structs.asdict(failure)))

    async def _dial(self, listener: _SocketListener) -> WSTransport:
        async def open_socket(address: WSParsedURL) -> socket.socket:
            # Ours, because picows keeps the socket of a handshake that was cancelled.
            listener.sock = await _open_socket(address.host, address.port)
            return listener.sock

        while (wait_s := CONNECT_LIMITER.take(urlsplit(self.line.url).netloc)) > 0:  # noqa: ASYNC110  # other threads set no event here
            await asyncio.sleep(wait_s)
        async with asyncio.timeout(self._connections.open_within_s):
            transport, _ = await ws_connect(
                lambda: listener,
                self.line.url,
                ssl_context=self._ssl,
                websocket_handshake_timeout=None,
                logger_name=log,
                max_frame_size=MAX_FRAME,
                max_redirects=0,
                proxy=self._proxy,
                socket_factory=open_socket,
            )
        return transport


async def _open_socket(host: str, port: int) -> socket.socket:
    """TCP to the first address of a host that accepts it. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name: a thread asks for it, and cannot be called back
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _give_up(sock: socket.socket) -> None:
    """End a socket that some transport may own: it notices the end of the stream within a few turns of the loop."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    for _ in range(20):
        if sock.fileno() < 0:
            return
        await asyncio.sleep(0)
    sock.close()


def _failure(error: BaseException, url: str, open_within_s: float) -> Failure:
    """Return why a connection could not be opened, as one line for people."""
    host = _host(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(f"the certificate of {host} is not trusted: {error.verify_message}", fatal=True)
    if isinstance(error, ssl.SSLError):
        return Failure(f"TLS with {host} failed: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return Failure(f"{host} did not answer within {open_within_s:g} s")
    if isinstance(error, WSHandshakeError):
        return _not_upgraded(error, host)
    if isinstance(error, socket.gaierror):
        return Failure(f"cannot find the host {host}: {(error.strerror or 'no answer').lower()}; check the name and the network")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        port = urlsplit(url).port
        return Failure(f"cannot connect to {host}{f':{port}' if port else ''}: {os.strerror(error.errno)}")
    return Failure(f"cannot connect to {host}: {one_line(str(error)) or type(error).__name__}")


def _not_upgraded(error: WSHandshakeError, host: str) -> Failure:
    answer = error.response
    if answer is None or answer.status == 101:
        return Failure(f"{host} does not speak WebSocket: {one_line(str(error))}")
    status = int(answer.status)
    where = answer.headers.get("Location")
    if where:
        return Failure(f"{host} answered HTTP {status}, a redirect to {one_line(where)}, which is not followed")
    wait = str(answer.headers.get("Retry-After", ""))
    seconds = min(600.0, float(wait)) if wait.isascii() and wait.isdigit() else 0.0
    return Failure(f"{host} answered HTTP {status}", retry_after_s=seconds)


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _proxy_from_environment(url: str) -> str | None:
    """HTTPS_PROXY, ALL_PROXY and NO_PROXY as other tools read them; never for this machine itself."""
    host = urlsplit(url).hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get("https") or proxies.get("all")
