"""Driver: one Line driven over real sockets: dials, feeds, sends, keeps its timer.

picows underneath. It hands over frames, so texts in several frames are joined here; it does not speak permessage-deflate, so
none is offered. Redirects are not followed: credentials go to the host they were meant for, and nowhere else.
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
from typing import Any
from urllib.parse import urlsplit

import msgspec
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSParsedURL, WSTransport, ws_connect

from okex_ws.client.clock import Clock
from okex_ws.client.connect_limiter import CONNECT_LIMITER
from okex_ws.client.sanitize import one_line
from okex_ws.client.sites import is_loopback
from okex_ws.events import BookEvent, Event
from okex_ws.protocol.line import Dial, Failure, HangUp, Line
from okex_ws.protocol.session import FetchBook, FetchClock
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import MAX_FRAME, book_image

log = logging.getLogger("okex_ws")
log.addHandler(logging.NullHandler())

CLOSE_WITHIN_S = 1.0
"""How long a peer may take to answer a goodbye before it is cut off."""
LATE = 1_000_000_000
"""How late a timer may be while messages come, ns; then the next message sees to it."""

Tap = Callable[[int, str, int, str, bytes], None]
"""Sees everything a line is told, before it is told: now (ns), line, connection, kind, text.

Kinds "in" and "out" are text frames, untouched; "deflated" is the text in a binary frame that deflates back to it, "binary" any
other binary frame as it was; the others are the line's further inputs, their text a small JSON object:
start, stop, subscribe, unsubscribe, send, open, fail, close, timer, excuse, resync, image, clock, hand_over. Told the same, a
Line says the same.
"""


class _SocketListener(WSListener):
    """One socket. Joins fragments, notes the close code, passes whole texts on."""

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
            self.driver.on_text(self.number, frame.get_payload_as_bytes())
        elif kind == WSMsgType.BINARY and frame.fin:
            self.driver.on_binary(self.number, frame.get_payload_as_bytes())
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
        """Say goodbye and close; a peer that does not answer is cut off."""
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
            (self.driver.on_binary if self._is_binary else self.driver.on_text)(self.number, data)


class Driver:
    """Owns the sockets and the timer of one Line, and decides nothing.

    publish: gets every event of the line, in order. fetch: asked for what REST has. overloaded: told that OKX closed the
    connection because it carries too much. tap: sees every input. ssl_context: None for the machine's own trust.
    open_within_s: how long TCP, TLS and the upgrade together may take.
    """

    def __init__(
        self,
        line: Line,
        *,
        clock: Clock,
        publish: Callable[[list[Event], Driver], None],
        fetch: Callable[[FetchBook | FetchClock, Driver], None],
        overloaded: Callable[[Driver], None],
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        open_within_s: float = 10.0,
        tap: Tap | None = None,
    ) -> None:
        self.line = line
        self.frame_count = 0
        self.byte_count = 0
        self.tap = tap
        self._now = clock.now
        self._clock = clock
        self._publish = publish
        self._fetch = fetch
        self._overloaded = overloaded
        self._ssl = ssl_context
        self._proxy = proxy if proxy is not None else _proxy_from_environment(line.url)
        self._open_within_s = open_within_s
        self._listeners: dict[int, _SocketListener] = {}
        self._connections: dict[int, asyncio.Task[None]] = {}  # from the dial to the end of the socket
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0
        self._is_paused = False
        self._is_closing = False
        self._is_started = False

    def start(self, seed: int = 0) -> None:
        self._is_closing, self._is_started = False, True
        now = self._note("start", **self.line.settings, seed=seed)
        self.line.start(now)
        self.settle()

    async def close(self) -> None:
        """Hang up and wait until sockets and tasks are gone."""
        self._is_closing = True
        self._emit(self.line.stop(self._note("stop")))
        self.settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for number, task in self._connections.items():
            if number not in self._listeners:
                task.cancel()  # still dialling
        if self._connections:  # whoever was told goodbye is cut off in good time
            await asyncio.wait(self._connections.values(), timeout=1.5 * CLOSE_WITHIN_S)

    def pause(self) -> None:
        """Stop reading: a consumer wants no more for now."""
        self._is_paused = True
        for listener in self._listeners.values():
            if listener.transport is not None:
                listener.transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        for listener in self._listeners.values():
            if listener.transport is not None:
                listener.transport.underlying_transport.resume_reading()
        self.line.reset_timeouts(self._note("excuse"))
        self.settle()

    def subscribe(self, items: list[Subscription]) -> None:
        """Want these."""
        if self._is_started:
            self.line.subscribe(items, self._note("subscribe", args=[item.arg for item in items]))
            self.settle()
        else:
            self.line.subscribe(items, self._now())  # "start" will name them

    def unsubscribe(self, items: list[Subscription]) -> None:
        """Want these no more."""
        self.line.unsubscribe(items, self._note("unsubscribe", args=[item.arg for item in items]))
        self.settle()

    def send(self, request_id: str, op: str, data: bytes) -> int | None:
        """Say an order request now; the number of the connection it went by, None if none could carry it."""
        note = self._note("send", id=request_id, op=op, text=data.decode())
        number = self.line.send(request_id, op, data, note)
        if number is not None:
            self._send(number)
        return number

    def distrust(self, event: BookEvent, cause: str) -> list[Event]:
        """Ask for a new image of a book that is wrong; returns the Gap it says, which is not published here."""
        asked = (item for item in self.line.subscriptions if (item.channel, item.key) == (event.channel, event.instrument))
        item = next(asked, None)
        if item is None:
            return []  # nobody asked for it
        return self.line.resync(item, self._note("resync", arg=item.arg, cause=cause), cause)

    def book_fetched(self, item: Subscription, rows: list[Any]) -> None:
        """The rows REST gave for a FetchBook, none if it had none to give."""
        now = self._note("image", arg=item.arg, rows=rows)
        self._emit(self.line.book_fetched(item, book_image(rows, item, now), now))
        self.settle()

    def clock_measured(self, server_ms: int | None, asked: int) -> None:
        """What OKX said its time was to a question that left at `asked`; None if it said nothing."""
        now = self._note("clock", server_ms=server_ms, asked=asked)
        self._emit(self.line.clock_measured(server_ms, asked, now))
        self.settle()

    def hand_over(self, item: Subscription, to: Driver) -> None:
        """Another line takes a subscription over, with what is known of its continuity."""
        self.line.hand_over(item, to.line, self._note("hand_over", arg=item.arg, to=to.line.name))
        to.settle()

    # -- from the sockets ------------------------------------------------------------------------------------------------

    def on_opened(self, number: int, listener: _SocketListener) -> None:
        self._listeners[number] = listener
        try:
            self._emit(self.line.opened(number, self._note("open", number)))
        finally:  # whatever a consumer does, the line goes on
            self.settle()
        if self._is_paused and listener.transport is not None:
            listener.transport.underlying_transport.pause_reading()

    def on_text(self, number: int, data: bytes) -> None:
        now = self._now()
        if now - self._armed_for > LATE:
            now = self._on_late()
        self.frame_count += 1
        self.byte_count += len(data)
        if self.tap is not None:
            self.tap(now, self.line.name, number, "in", data)
        self._on_heard(number, self.line.receive(number, data, now))

    def on_binary(self, number: int, data: bytes) -> None:
        now = self._now()
        if now - self._armed_for > LATE:
            now = self._on_late()
        self.frame_count += 1
        self.byte_count += len(data)
        if self.tap is not None:
            self.tap(now, self.line.name, number, *self.line.dialect.noted(data))
        self._on_heard(number, self.line.receive(number, data, now, is_binary=True))

    def _on_heard(self, number: int, events: list[Event]) -> None:
        line = self.line
        if events:
            self._publish(events, self)
        session = line.sessions.get(number)
        if session is None or session.to_send or session.fetches or line.actions or session.next_deadline < self._armed_for:
            self.settle()

    def on_closed(self, number: int, code: int, reason: str) -> None:
        self._listeners.pop(number, None)
        try:
            self._emit(self.line.closed(number, code, reason, self._note("close", number, code=code, reason=reason)))
        finally:
            self.settle()

    def hang_up(self, number: int, code: int, reason: str) -> None:
        listener = self._listeners.get(number)
        if listener is not None:
            listener.hang_up(code, reason)

    # -- to the sockets --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Carry out what the line wants: dials, hang-ups, texts, the next deadline."""
        line = self.line
        actions, line.actions = line.actions, []
        for action in actions:
            match action:
                case Dial(number=number):
                    self._start(number)
                case HangUp(number=number, code=code, reason=reason):
                    self.hang_up(number, code, reason)
        for number in line.sessions:
            self._send(number)
        for wish in line.take_fetches():
            self._fetch(wish, self)
        if line.is_overloaded:
            self._overloaded(self)
        self._arm()

    def _send(self, number: int) -> None:
        messages = self.line.bytes_to_send(number)
        listener = self._listeners.get(number)
        if not messages or listener is None or listener.transport is None:
            return
        for message in messages:
            if self.tap is not None:
                self.tap(self._now(), self.line.name, number, "out", message)
            with contextlib.suppress(ConnectionError):  # on_closed will tell
                listener.transport.send(WSMsgType.TEXT, message)

    def _arm(self) -> None:
        if self._is_closing:
            return
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
        self._clock.correct()
        if self._is_paused:
            # A consumer holds us up: silence on the socket is our own doing, not the server's.
            self._timer = asyncio.get_running_loop().call_later(0.1, self._on_timer)
            return
        try:
            self._emit(self.line.on_deadline(self._note("timer")))
        finally:
            self.settle()

    def _on_late(self) -> int:
        """All that has piled up in a socket comes in one turn of the loop, in which no timer fires; returns the instant now."""
        if self._timer is not None and not self._is_paused:
            self._timer.cancel()
            self._on_timer()
        return self._now()

    def _emit(self, events: list[Event]) -> None:
        if events:
            self._publish(events, self)

    def _note(self, kind: str, number: int = 0, **what: Any) -> int:
        """Let the tap see an input; returns the instant it happens at."""
        now = self._now()
        if self.tap is not None:
            self.tap(now, self.line.name, number, kind, msgspec.json.encode(what))
        return now

    def _start(self, number: int) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(number))
        self._connections[number] = task
        task.add_done_callback(lambda _: self._connections.pop(number, None))

    async def _connect(self, number: int) -> None:
        """One connection from the dial to the end of its socket."""
        listener = _SocketListener(self, number)
        try:
            transport = await self._dial(listener)
            if listener.transport is not None:
                with contextlib.suppress(Exception):  # what picows refused is told by on_closed
                    await transport.wait_disconnected()
                return
            failure = Failure(f"{_host(self.line.url)} closed the connection instead of answering the upgrade")
        except Exception as error:  # whatever it is, a line that waits for this dial for ever would be worse
            failure = _failure(error, self.line.url, self._open_within_s)
        finally:
            if listener.transport is None and listener.sock is not None:
                await _give_up(listener.sock)
        self._emit(self.line.failed(number, failure, self._note("fail", number, **msgspec.structs.asdict(failure))))
        self.settle()

    async def _dial(self, listener: _SocketListener) -> WSTransport:
        async def open_socket(address: WSParsedURL) -> socket.socket:
            # Ours, because picows keeps the socket of a handshake that was cancelled.
            listener.sock = await _open_socket(address.host, address.port)
            return listener.sock

        while (wait_s := CONNECT_LIMITER.take(urlsplit(self.line.url).netloc)) > 0:  # noqa: ASYNC110  # other threads set no event here
            await asyncio.sleep(wait_s)
        async with asyncio.timeout(self._open_within_s):
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
    """Why a connection did not come about, in words for people."""
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
