"""Server: the sockets of the simulated exchange: WebSocket on one port, REST on another.

In: an Exchange, or a function that makes one for a start time. Out: `ws_url`, `rest_url` and, with TLS, `ca_file`.
It binds the loopback unless `allow_remote` is set. An offer of permessage-deflate gets no answer, which declines it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Self, cast

import h11
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from okex_ws.simulator.certificates import DEFAULT_NAMES, Certificates
from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.outgoing import Abort, Binary, Close, Freeze, HttpReply, Ping, Text
from okex_ws.simulator.request_log import RequestLog

MAX_FRAME = 16 * 1024 * 1024
MAX_BODY = 1024 * 1024
_CLOSE_PATIENCE_S = 2.0


class _ServerSocket(WSListener):
    """Socket of one client, driving one connection of the exchange."""

    def __init__(self, server: Server, connection: ExchangeConnection) -> None:
        super().__init__()
        self._server = server
        self._connection = connection
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._is_frozen = False
        connection.wake = self._woken

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._server.sockets.add(self)
        self._server.touch(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
            return
        if kind == WSMsgType.PONG or self._connection.is_over:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._end(1002, "No extension was negotiated")
            return
        payload = frame.get_payload_as_bytes()
        self._parts_size += len(payload)
        if self._parts_size > MAX_FRAME:
            self._end(1009, "The message is too large")
            return
        if not frame.fin:
            self._parts.append(payload)
            return
        if self._parts:
            payload = b"".join((*self._parts, payload))
            self._parts.clear()
        self._parts_size = 0
        try:
            payload.decode()
        except UnicodeDecodeError:
            self._end(1007, "Not UTF-8")
            return
        self._receive(payload)
        self._server.flush()

    def _receive(self, payload: bytes) -> None:
        connection, log, now = self._connection, self._server.log, self._server.now()
        began, sent = time.perf_counter_ns(), len(connection.queued)
        connection.receive(payload, now)
        if log is not None:
            took = time.perf_counter_ns() - began
            log.message(connection, connection.path, payload, connection.queued[sent:], took, now)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._server.sockets.discard(self)
        self._connection.gone(self._server.now())
        self._server.flush()

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def _woken(self) -> None:
        self._server.touch(self)

    def _end(self, code: int, reason: str) -> None:
        self._connection.close(code, reason, self._server.now())
        self._server.flush()

    def flush(self) -> None:
        """Write what the connection has to send."""
        transport = self._transport
        if transport is None or self._is_frozen:
            return
        send = transport.send
        for out in self._connection.take():
            if isinstance(out, Text):
                send(WSMsgType.TEXT, out.payload)
            elif isinstance(out, Binary):
                send(WSMsgType.BINARY, out.payload)
            elif isinstance(out, Ping):
                transport.send_ping(out.payload)
            elif isinstance(out, Close):
                transport.send_close(cast(WSCloseCode, out.code), out.reason.encode())
                asyncio.get_running_loop().call_later(_CLOSE_PATIENCE_S, self.drop)
            elif isinstance(out, Abort):
                self.reset()
            elif isinstance(out, Freeze):
                self._is_frozen = True
                transport.underlying_transport.pause_reading()
                return
        limit = self._server.exchange.rules.max_pending
        if limit and transport.underlying_transport.get_write_buffer_size() > limit:
            self._connection.overflow(self._server.now())

    def reset(self) -> None:
        """End TCP with a reset."""
        if self._transport is not None:
            _reset_on_close(self._transport.underlying_transport)
            self._transport.disconnect(False)

    def drop(self) -> None:
        """End TCP if the peer has not."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.disconnect(False)

    def close_for_stop(self) -> None:
        """Close because the server stops."""
        self._connection.close(1001, "Going away", self._server.now())
        self.flush()


class Server:
    """The exchange on real sockets: `async with Server(exchange) as server: ... server.ws_url`.

    exchange: an Exchange, or a function of a start time (ns) that makes one. port, rest_port: 0 picks the port and,
    for REST, the next free one. speed: exchange seconds per real second. allow_remote must be set to bind any
    other address than the loopback (ValueError otherwise). log: receives every request.
    After `start()` the exchange's time is its start plus the time since, times speed.
    """

    def __init__(
        self,
        exchange: Exchange | Callable[[int], Exchange],
        host: str = "127.0.0.1",
        port: int = 0,
        rest_port: int = 0,
        *,
        tls: bool = False,
        clock: Callable[[], int] = time.time_ns,
        speed: float = 1.0,
        allow_remote: bool = False,
        log: RequestLog | None = None,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise ValueError(f"{host} is not the loopback: the simulator serves 127.0.0.1; pass allow_remote to insist")
        if speed <= 0:
            raise ValueError("speed must be positive")
        self.host = "127.0.0.1" if host == "localhost" else host
        self.port = port
        self.rest_port = rest_port
        self.ca_file: str | None = None
        self.log = log
        self.sockets: set[_ServerSocket] = set()
        self._given = exchange
        self._tls = tls
        self._clock = clock
        self._speed = speed
        self._epoch = 0
        self._exchange: Exchange | None = exchange if isinstance(exchange, Exchange) else None
        self._certificates: Certificates | None = None
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._touched: dict[_ServerSocket, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: int | None = None
        self._is_flush_due = False
        self._is_stopping = False

    @property
    def exchange(self) -> Exchange:
        """The exchange. RuntimeError before `start()` if a function makes it."""
        if self._exchange is None:
            raise RuntimeError("the server has not been started")
        return self._exchange

    @property
    def ws_url(self) -> str:
        """Scheme, host and port; the paths /ws/v5/public, /business and /private follow."""
        return f"{'wss' if self._tls else 'ws'}://{_bracketed(self.host)}:{self.port}"

    @property
    def rest_url(self) -> str:
        """Scheme, host and port; /api/v5/... follows."""
        return f"{'https' if self._tls else 'http'}://{_bracketed(self.host)}:{self.rest_port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind both ports and begin the exchange's time. OSError if a port is taken."""
        context: ssl.SSLContext | None = None
        if self._tls:
            names = tuple(dict.fromkeys((*DEFAULT_NAMES, self.host)))
            self._certificates = Certificates(names)
            self.ca_file = str(self._certificates.ca_file)
            context = self._certificates.context
        self._epoch = self._clock()
        if self._exchange is None:
            self._exchange = cast(Callable[[int], Exchange], self._given)(self._epoch)
            if self._speed != 1:
                self._exchange.set_speed(self._speed)
        try:
            await self._listen(context)
        except BaseException:
            await self.stop()
            raise
        self._arm()

    async def _listen(self, context: ssl.SSLContext | None) -> None:
        holds = self.exchange.holds_connections
        inner = await ws_create_server(
            self._upgrade,
            self.host,
            0 if holds else self.port,
            ssl=context,
            max_frame_size=MAX_FRAME,
            disconnect_on_exception=True,
            websocket_handshake_timeout=30,
            logger_name="simulator",
            backlog=2048,
        )
        self._servers.append(inner)
        if holds:
            behind = _port(inner)
            front = await asyncio.start_server(
                lambda reader, writer: self._spawn(self._hold(reader, writer, behind)), self.host, self.port
            )
            self._servers.append(front)
            self.port = _port(front)
        else:
            self.port = _port(inner)

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._spawn(self._serve_rest(reader, writer))

        wanted = self.rest_port or (self.port + 1 if self.port < 65535 else 0)
        try:
            rest = await asyncio.start_server(serve, self.host, wanted, ssl=context)
        except OSError:
            if self.rest_port:
                raise
            rest = await asyncio.start_server(serve, self.host, 0, ssl=context)
        self._servers.append(rest)
        self.rest_port = _port(rest)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Close every connection and both ports; return when all are closed, within a few seconds."""
        self._is_stopping = True
        for server in self._servers:
            server.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        open_sockets = list(self.sockets)
        for each in open_sockets:
            each.close_for_stop()
        for _ in range(20):
            if not self.sockets:
                break
            await asyncio.sleep(0.01)
        for each in list(self.sockets):
            each.drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._servers.clear()
        if self._certificates is not None:
            self._certificates.close()
            self._certificates = None

    def now(self) -> int:
        """The exchange's time, ns UTC."""
        return self.exchange.start + int((self._clock() - self._epoch) * self._speed)

    def touch(self, client: _ServerSocket) -> None:
        """Flush a socket before the loop's next turn."""
        self._touched[client] = None
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write every socket that has something to send, then set the timer."""
        self._is_flush_due = False
        while self._touched:
            touched, self._touched = self._touched, {}
            for each in touched:
                each.flush()
        self._arm()

    def _arm(self) -> None:
        due = self.exchange.deadline()
        if due == self._timer_due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due is not None and not self._is_stopping:
            wait = max(0.0, (due - self.now()) / 1e9 / self._speed)
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.exchange.on_deadline(self.now())
        self.flush()

    def _upgrade(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        # picows names the peer only after the upgrade; on the loopback all clients are one IP anyway
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self.exchange.open(request.path.decode("latin-1"), self.now(), headers=headers)
        self._flush_soon()
        if isinstance(answer, ExchangeConnection):
            return _ServerSocket(self, answer)
        return WSUpgradeResponseWithListener(_refused(answer), None)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: int) -> None:
        """Hold a new connection, then relay it to the WebSocket port behind (fault slow_open)."""
        try:
            await asyncio.sleep(self.exchange.hold(self.now()) / 1e9 / self._speed)
            inner_reader, inner_writer = await asyncio.open_connection(self.host, behind)
            await asyncio.gather(_relay(reader, inner_writer), _relay(inner_reader, writer))
        except OSError:
            pass
        finally:
            writer.close()

    async def _serve_rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP/1.1 with keep-alive, one request at a time."""
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
        try:
            while await self._serve_one(reader, writer, connection, peer):
                connection.start_next_cycle()
        except h11.RemoteProtocolError:
            await _send_bad_request(writer, connection)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: h11.Connection, peer: str
    ) -> bool:
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                return False
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
        held = self.exchange.rest_hold(method, target, bytes(body), self.now())
        if held:
            await asyncio.sleep(held / 1e9 / self._speed)
        began = time.perf_counter_ns()
        reply = self.exchange.rest(method, target, headers, bytes(body), self.now(), peer=peer)
        if self.log is not None:
            key = self.exchange.keys.get(headers.get("ok-access-key", ""))
            self.log.rest(method, target, key, reply, time.perf_counter_ns() - began, self.now())
        self.flush()
        if not reply.status:
            _reset(writer.transport)
            return False
        await _send_reply(writer, connection, reply)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _send_reply(writer: asyncio.StreamWriter, connection: h11.Connection, reply: HttpReply) -> None:
    headers = [*reply.headers.items(), ("Content-Length", str(len(reply.body)))]
    head = h11.Response(status_code=reply.status, headers=headers)
    writer.write(connection.send(head) or b"")
    writer.write((connection.send(h11.Data(data=reply.body)) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    await writer.drain()


async def _send_bad_request(writer: asyncio.StreamWriter, connection: h11.Connection) -> None:
    """Answer 400 to anything but HTTP."""
    if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        with contextlib.suppress(h11.LocalProtocolError, ConnectionError):
            await _send_reply(writer, connection, HttpReply(400, {"Connection": "close"}, b"Bad request\n"))


def _reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Set the socket so that closing it resets TCP."""
    handle = transport.get_extra_info("socket")
    if handle is not None:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset(transport: asyncio.WriteTransport) -> None:
    _reset_on_close(transport)
    transport.abort()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def _refused(refusal: HttpReply) -> Any:
    headers = dict(refusal.headers)
    if 300 <= refusal.status < 400:
        return WSUpgradeResponse.create_redirect_response(refusal.status, headers.pop("Location", "/"), headers)
    try:
        status = HTTPStatus(max(400, refusal.status))
    except ValueError:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return WSUpgradeResponse.create_error_response(status, refusal.body or None, headers)


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
