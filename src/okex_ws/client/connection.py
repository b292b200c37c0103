"""Driver: one Line driven over real sockets: dials, feeds, sends, keeps its timer.

picows underneath. It hands over frames, so texts in several frames are joined here; it does not speak permessage-deflate, so none is
offered. Redirects are not followed: credentials go to the host they were meant for, and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.common import WSHandshakeError  # not exported at the top

from okex_ws.client.clock import Clock
from okex_ws.client.endpoints import is_loopback
from okex_ws.events import Event
from okex_ws.protocol.line import Dial, Failure, Hangup, Line
from okex_ws.wire.frames import MAX_FRAME

log = logging.getLogger("okex_ws")
log.addHandler(logging.NullHandler())

OPEN_WITHIN_S = 10.0
CLOSE_WITHIN_S = 1.0

Tap = Callable[[int, str, int, str, bytes], None]
"""Sees every text frame: ts_recv (ns), line, connection, "in" or "out", the text untouched."""


class _Listener(WSListener):
    """One socket. Joins fragments, notes the close code, passes whole texts on."""

    def __init__(self, driver: Driver, number: int) -> None:
        self.driver = driver
        self.number = number
        self.transport: WSTransport | None = None
        self.code = 1006
        self.reason = "the connection broke"
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        # Here, not after ws_connect returns: the first frames may come in the same packet as the handshake.
        self.driver.on_opened(self.number, self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT and frame.fin:
            self.driver.on_text(self.number, frame.get_payload_as_bytes())
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._on_part(transport, frame)
        elif kind == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            if self.code == 1006:
                self.code = int.from_bytes(payload[:2]) if len(payload) >= 2 else 1005
                self.reason = payload[2:].decode(errors="replace") or "closed by the server"
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
            transport.send(WSMsgType.CLOSE, code.to_bytes(2) + reason.encode()[:120])
        asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, transport.disconnect, False)
        transport.disconnect()

    def _on_part(self, transport: WSTransport, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MAX_FRAME:
            self._parts = []
            self.code, self.reason = 1009, f"a message of more than {MAX_FRAME} bytes"
            self.driver.hang_up(self.number, 1009, self.reason)
        elif frame.fin:
            data, self._parts = b"".join(self._parts), []
            self.driver.on_text(self.number, data)


class Driver:
    """Owns the sockets and the timer of one Line, and decides nothing.

    publish: gets every event of the line, in order. ssl_context: None for the machine's own trust.
    """

    def __init__(
        self,
        line: Line,
        *,
        clock: Clock,
        publish: Callable[[list[Event], Line], None],
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.line = line
        self.frames_in = 0
        self.bytes_in = 0
        self.tap = tap
        self._now = clock.now
        self._clock = clock
        self._publish = publish
        self._ssl = ssl_context
        self._proxy = proxy if proxy is not None else _proxy_from_environment(line.url)
        self._listeners: dict[int, _Listener] = {}
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0
        self._is_paused = False

    def start(self) -> None:
        self.line.start(self._now())
        self.settle()

    async def close(self) -> None:
        """Hang up and wait until sockets and tasks are gone."""
        self._emit(self.line.stop(self._now()))
        self.settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        dials = list(self._dials.values())
        for task in dials:
            task.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        listeners = list(self._listeners.values())
        transports = [item.transport for item in listeners if item.transport is not None]
        if transports:
            waits = [asyncio.ensure_future(_gone(transport)) for transport in transports]
            _, late = await asyncio.wait(waits, timeout=CLOSE_WITHIN_S)
            for transport in transports:
                transport.disconnect(False)
            for task in late:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

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
        self.line.excuse(self._now())
        self.settle()

    # -- from the sockets ------------------------------------------------------------------------------------------------

    def on_opened(self, number: int, listener: _Listener) -> None:
        self._listeners[number] = listener
        self._emit(self.line.opened(number, self._now()))
        self.settle()
        if self._is_paused and listener.transport is not None:
            listener.transport.underlying_transport.pause_reading()

    def on_text(self, number: int, data: bytes) -> None:
        now = self._now()
        self.frames_in += 1
        self.bytes_in += len(data)
        if self.tap is not None:
            self.tap(now, self.line.name, number, "in", data)
        line = self.line
        events = line.receive(number, data, now)
        if events:
            self._publish(events, line)
        session = line.sessions.get(number)
        if session is None or session.outbox or line.actions or session.next_deadline < self._armed_for:
            self.settle()

    def on_closed(self, number: int, code: int, reason: str) -> None:
        self._listeners.pop(number, None)
        self._emit(self.line.closed(number, code, reason, self._now()))
        self.settle()

    def hang_up(self, number: int, code: int, reason: str) -> None:
        listener = self._listeners.get(number)
        if listener is not None:
            listener.hang_up(code, reason)

    # -- to the sockets --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Carry out what the line wants: dials, hang-ups, texts, the next deadline."""
        line = self.line
        for action in line.actions:
            match action:
                case Dial(number=number):
                    self._dials[number] = asyncio.get_running_loop().create_task(self._dial(number))
                case Hangup(number=number, code=code, reason=reason):
                    self.hang_up(number, code, reason)
        line.actions.clear()
        for number in line.sessions:
            self._send(number)
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
        now = self._now()
        if self._is_paused:
            # A consumer holds us up: silence on the socket is our own doing, not the server's.
            self._timer = asyncio.get_running_loop().call_later(0.1, self._on_timer)
            return
        self._emit(self.line.on_deadline(now))
        self.settle()

    def _emit(self, events: list[Event]) -> None:
        if events:
            self._publish(events, self.line)

    async def _dial(self, number: int) -> None:
        url = self.line.url
        listener = _Listener(self, number)
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await ws_connect(
                    lambda: listener,
                    url,
                    ssl_context=self._ssl,
                    websocket_handshake_timeout=OPEN_WITHIN_S,
                    logger_name=log,
                    max_frame_size=MAX_FRAME,
                    max_redirects=0,
                    proxy=self._proxy,
                )
        except (OSError, WSHandshakeError, TimeoutError, ValueError, AssertionError) as error:
            self._emit(self.line.failed(number, _failure(error, url), self._now()))
            self.settle()
        finally:
            self._dials.pop(number, None)


async def _gone(transport: WSTransport) -> None:
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()


def _failure(error: BaseException, url: str) -> Failure:
    """Why a connection did not come about, in words for people."""
    host = urlsplit(url).hostname or url
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(f"the certificate of {host} is not trusted: {error.verify_message}", fatal=True)
    if isinstance(error, ssl.SSLError):
        return Failure(f"TLS with {host} failed: {error.reason or error}", fatal=False)
    if isinstance(error, TimeoutError):
        return Failure(f"{host} did not answer within {OPEN_WITHIN_S:.0f} s")
    if isinstance(error, WSHandshakeError):
        if error.response is None:
            return Failure(f"{host} does not speak WebSocket: {error}")
        status = int(error.response.status)
        where = error.response.headers.get("Location")
        if where:
            return Failure(f"{host} answered HTTP {status}, a redirect to {where}, which is not followed")
        wait = str(error.response.headers.get("Retry-After", ""))
        return Failure(f"{host} answered HTTP {status}", retry_after_s=min(600.0, float(wait)) if wait.isdigit() else 0.0)
    return Failure(f"cannot connect to {host}: {error}")


def _proxy_from_environment(url: str) -> str | None:
    """HTTPS_PROXY, ALL_PROXY and NO_PROXY as other tools read them; never for this machine itself."""
    host = urlsplit(url).hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get("https") or proxies.get("all")
