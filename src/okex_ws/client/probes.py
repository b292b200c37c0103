"""Probes of a server for the doctor, each with one question. No retries; every answer is a value or an OSError.

Source: docs-v5 "Connect" (the text `ping` is answered by `pong`), "Login", "Get system time".
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.common import WSHandshakeError  # not exported at the top

from okex_ws.client.rest import Rest
from okex_ws.errors import OkexError
from okex_ws.wire import requests
from okex_ws.wire.frames import MAX_FRAME
from okex_ws.wire.sign import Credentials


class TooOftenError(OkexError, OSError):
    """Too many connections were opened from this address within a second; try again a moment later."""


class Place(msgspec.Struct, frozen=True):
    """Host and port of a URL. tls: True if the connection needs TLS."""

    host: str
    port: int
    tls: bool


class TlsFacts(msgspec.Struct, frozen=True):
    """Facts of a TLS connection. version: e.g. TLSv1.3; days_left: until the certificate expires; issuer: of the certificate."""

    version: str
    days_left: int
    issuer: str


def place_of(url: str) -> Place:
    """Return the place of a ws://, wss://, http:// or https:// URL."""
    parts = urlsplit(url)
    tls = parts.scheme in ("wss", "https")
    return Place(parts.hostname or "", parts.port or (443 if tls else 80), tls)


async def addresses(place: Place) -> list[str]:
    """Return the IP addresses of the host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=1)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def tcp_ms(place: Place, timeout_s: float) -> float:
    """Return the milliseconds to open a TCP connection. Raises OSError, also TimeoutError."""
    began = time.perf_counter()
    async with asyncio.timeout(timeout_s):
        _, writer = await asyncio.open_connection(place.host, place.port)
    took = (time.perf_counter() - began) * 1e3
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return took


async def tls_facts(place: Place, context: ssl.SSLContext, timeout_s: float) -> TlsFacts:
    """Return facts of a TLS connection. Raises OSError; ssl.SSLCertVerificationError if the certificate is not trusted."""
    async with asyncio.timeout(timeout_s):
        _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    secure = writer.get_extra_info("ssl_object")
    certificate = secure.getpeercert() or {}
    expires = ssl.cert_time_to_seconds(certificate["notAfter"]) if "notAfter" in certificate else time.time()
    issuer = {name: value for pair in certificate.get("issuer", ()) for name, value in pair}
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    name = issuer.get("organizationName") or issuer.get("commonName") or "?"
    return TlsFacts(secure.version() or "?", int((expires - time.time()) // 86_400), name)


async def ping_ms(url: str, context: ssl.SSLContext | None, timeout_s: float) -> tuple[float, float]:
    """Return the milliseconds of the WebSocket handshake, and from text ping to pong. Raises OSError with a plain reason."""
    pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    began = time.perf_counter()
    async with asyncio.timeout(timeout_s), _opened(url, context, _Pong(pong)) as transport:
        opened = time.perf_counter()
        transport.send(WSMsgType.TEXT, b"ping")
        await pong
    return (opened - began) * 1e3, (time.perf_counter() - opened) * 1e3


async def clock_offset_ms(rest: Rest, timeout_s: float) -> tuple[float, float]:
    """Return (exchange's clock minus ours, uncertainty = half the round trip), ms. Raises RestError, TimeoutError."""
    async with asyncio.timeout(timeout_s):
        await rest.time_ms()  # opens the connection, so that it does not delay the second reading
        before, began = time.time(), time.perf_counter()
        theirs = await rest.time_ms()
        took = time.perf_counter() - began
    return theirs - (before + took / 2) * 1e3, took / 2 * 1e3


class LoginProbe(msgspec.Struct, frozen=True):
    """OKX's answer to a login. code: "0" if it was accepted; took_ms: until the answer."""

    code: str
    message: str
    took_ms: float


async def login(url: str, credentials: Credentials, context: ssl.SSLContext | None, timeout_s: float) -> LoginProbe:
    """Log in once, by this machine's clock. Raises OSError with a plain reason."""
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(timeout_s), _opened(url, context, _First(answer)) as transport:
        began = time.perf_counter()
        transport.send(WSMsgType.TEXT, requests.login(credentials, int(time.time())))
        text = await answer
        took_ms = (time.perf_counter() - began) * 1e3
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OSError("the answer to the login is no JSON") from None
    code, message = (str(frame.get(name, "")) for name in ("code", "msg")) if isinstance(frame, dict) else ("", "")
    return LoginProbe(code, message, took_ms)


@contextlib.asynccontextmanager
async def _opened(url: str, context: ssl.SSLContext | None, listener: WSListener) -> AsyncIterator[WSTransport]:
    """Open a WebSocket for the length of a `with`."""
    try:
        transport, _ = await ws_connect(
            lambda: listener, url, ssl_context=context, max_frame_size=MAX_FRAME, max_redirects=0, logger_name="okex_ws"
        )
    except WSHandshakeError as error:
        status = f"HTTP {int(error.response.status)}" if error.response is not None else str(error)
        kind = TooOftenError if status == "HTTP 429" else OSError
        raise kind(f"the server answered {status} instead of opening a WebSocket") from None
    except ValueError as error:
        raise OSError(str(error)) from None
    try:
        yield transport
    finally:
        transport.disconnect()


class _First(WSListener):
    """Waits for the first text."""

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT and not self._answer.done():
            self._answer.set_result(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection instead of answering the login"))


class _Pong(WSListener):
    """Waits for the text `pong`."""

    def __init__(self, pong: asyncio.Future[None]) -> None:
        self._pong = pong

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.get_payload_as_bytes() == b"pong" and not self._pong.done():
            self._pong.set_result(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._pong.done():
            self._pong.set_exception(ConnectionError("the server closed the connection instead of answering the ping"))
