"""NatsSink: JetStream, many events to a message; `nats://user:password@host:4222`, `tls://` with TLS, `nats://token@host`.

Subject `okx.<channel>.<instrument>`, e.g. `okx.trades.BTC-USDT`; a message is JSON lines, one an event, at most 256 KiB.
Headers:
`Nats-Msg-Id`, by which the server drops a repeated message; `Okx-Last`, the id of the last event, from which a new connection
continues. Options: stream (created if no stream has the subject; default OKX), prefix (default okx).
Every message is acknowledged by JetStream when `put` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from okex_ws.sinks.rows import kind_of, safe_token, topic
from okex_ws.sinks.sink import (
    CLOSE_TIMEOUT_S,
    NOTHING,
    OPEN_TIMEOUT_S,
    Batch,
    SinkError,
    SinkPosition,
    SinkUnreachableError,
    SinkUrl,
    library,
    read_url,
    split_id,
)

MESSAGE_BYTES = 256 * 1024
IN_FLIGHT = 256
"""Maximum number of messages waiting for their acknowledgement."""
ACK_TIMEOUT_S = 10.0


class NatsSink:
    """One connection to a NATS server with JetStream. Needs the extra `nats` (nats-py)."""

    def __init__(self, url: SinkUrl, *, stream: str = "OKX", prefix: str = "okx") -> None:
        self.url = url.masked
        self._url = url
        self._stream, self._prefix = stream, prefix
        self._nats: Any = None
        self._jetstream: Any = None
        self._errors: Any = None
        self._refusal = ""
        self._lost = asyncio.Event()
        self._bytes = MESSAGE_BYTES
        self._subjects: dict[tuple[str, str], str] = {}
        self._last: dict[str, tuple[str, SinkPosition] | None] = {}
        self._was_empty = False

    @classmethod
    def from_url(cls, text: str) -> NatsSink:
        url = read_url(text, 4222)
        url.only("stream", "prefix")
        stream, prefix = url.options.get("stream", "OKX"), url.options.get("prefix", "okx")
        if not re.fullmatch(r"[\w-]{1,64}", stream) or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", prefix):
            raise SinkError(f"{url.masked}: stream and prefix may contain letters, digits, - and _")
        return cls(url, stream=stream, prefix=prefix)

    async def open(self) -> None:
        client = library("nats.aio.client", "nats", "nats://")
        self._errors = library("nats.errors", "nats", "nats://")
        await self.close()
        url = self._url
        login = {"user": url.user, "password": url.password} if url.password else {"token": url.user} if url.user else {}
        self._refusal = ""
        self._last = {}
        lost = self._lost = asyncio.Event()

        async def lose() -> None:
            lost.set()

        try:
            connection = self._nats = client.Client()
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await connection.connect(
                    f"{url.scheme}://[{url.host}]:{url.port}" if ":" in url.host else f"{url.scheme}://{url.place}",
                    name="okex-ws",
                    allow_reconnect=False,  # the spool reconnects and reads the last ids
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=int(OPEN_TIMEOUT_S),
                    ping_interval=10,
                    max_outstanding_pings=2,
                    error_cb=self._hear,
                    closed_cb=lose,
                    **login,
                )
                self._bytes = min(MESSAGE_BYTES, int(connection.max_payload * 0.9))
                self._jetstream = connection.jetstream(timeout=ACK_TIMEOUT_S)
                await self._find_stream()
        except Exception as error:
            await self.close()
            raise self._error(error) from None

    async def put(self, batch: Batch) -> None:
        if self._nats is None or not self._nats.is_connected:
            raise SinkUnreachableError(f"{self.url}: not connected")
        parts: dict[str, list[tuple[str, bytes]]] = {}
        for event_id, event in batch:
            place = topic(event)
            subject = self._subjects.get(place)
            if subject is None:
                subject = f"{self._prefix}.{safe_token(place[0])}.{safe_token(place[1])}"
                self._subjects[place] = subject
            parts.setdefault(subject, []).append((event_id, kind_of(event).json(event_id, event)))
        try:
            await asyncio.gather(*(self._ask_last(subject) for subject in parts if subject not in self._last))
            messages = [message for subject, lines in parts.items() for message in self._messages(subject, lines)]
            for start in range(0, len(messages), IN_FLIGHT):
                await self._publish(messages[start : start + IN_FLIGHT])
        except Exception as error:
            raise self._error(error) from None

    async def close(self) -> None:
        connection, self._nats, self._jetstream = self._nats, None, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), CLOSE_TIMEOUT_S)

    async def reached(self, recorder: str) -> SinkPosition | None:
        return NOTHING if self._was_empty else None

    async def _publish(self, messages: list[tuple[str, bytes, str, str]]) -> None:
        publishing = [
            asyncio.ensure_future(
                self._jetstream.publish(subject, payload, headers={"Nats-Msg-Id": message_id, "Okx-Last": last})
            )
            for subject, payload, message_id, last in messages
        ]
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            acknowledged = asyncio.gather(*publishing)
            waiting: set[asyncio.Future[Any]] = {acknowledged, lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not acknowledged.done():  # the library would let each one run into its timeout
                raise ConnectionError("the connection was lost")
            acknowledged.result()
        finally:
            for task in (lost, *publishing):
                task.cancel()
            await asyncio.gather(lost, *publishing, return_exceptions=True)
        for subject, _, _, last in messages:
            self._last[subject] = split_id(last)

    def _messages(self, subject: str, lines: list[tuple[str, bytes]]) -> list[tuple[str, bytes, str, str]]:
        """Return (subject, payload, message id, id of the last event) of the messages that the subject does not hold yet."""
        held = self._last.get(subject)
        if held is not None:
            recorder, reached = held
            ids = [split_id(event_id) for event_id, _ in lines]
            lines = [line for line, (name, place) in zip(lines, ids, strict=True) if name != recorder or place > reached]
        messages: list[tuple[str, bytes, str, str]] = []
        part: list[bytes] = []
        first, last, size = "", "", 0
        for event_id, line in lines:
            if len(line) > self._bytes:
                # No message of this server can hold the line; the journal has it.
                line = b'{"kind":"too_large","id":"%s","bytes":%d}' % (event_id.encode(), len(line))
            if part and size + len(line) > self._bytes:
                messages.append((subject, b"\n".join(part), f"{first}/{last}/{subject}", last))
                part, size = [], 0
            if not part:
                first = event_id
            part.append(line)
            last, size = event_id, size + len(line) + 1
        if part:
            messages.append((subject, b"\n".join(part), f"{first}/{last}/{subject}", last))
        return messages

    async def _ask_last(self, subject: str) -> None:
        """Read a subject's last event id from its last message. After a restart batches are cut differently, so message ids
        differ.
        """
        errors = library("nats.js.errors", "nats", "nats://")
        try:
            message = await self._jetstream.get_last_msg(self._stream, subject)
            self._last[subject] = split_id((message.headers or {})["Okx-Last"])
        except (errors.NotFoundError, KeyError, ValueError):
            self._last[subject] = None

    async def _find_stream(self) -> None:
        errors = library("nats.js.errors", "nats", "nats://")
        subject = f"{self._prefix}.>"
        try:
            self._stream = await self._jetstream.find_stream_name_by_subject(subject)
            self._was_empty = False
        except errors.NotFoundError:
            await self._jetstream.add_stream(name=self._stream, subjects=[subject])
            self._was_empty = True

    async def _hear(self, error: Exception) -> None:
        self._refusal = str(error) or self._refusal

    def _error(self, error: Exception) -> SinkError:
        if isinstance(error, SinkError):
            return error
        url = self._url
        text = url.clean(" ".join(filter(None, (str(error), self._refusal))))
        name = type(error).__name__
        lower = text.lower()
        if "authorization" in lower or "authentication" in lower:
            return SinkError(f"{self.url}: NATS refuses the login: wrong user, password or token")
        if "permissions violation" in lower:
            return SinkError(f"{self.url}: this user lacks the permission: {text}")
        if name == "ServiceUnavailableError" or "jetstream not enabled" in lower:
            return SinkError(f"{self.url}: this NATS server has no JetStream; start it with: nats-server -js")
        if name in ("BadRequestError", "ServerError") and "stream name already in use" in lower:
            return SinkError(f"{self.url}: the stream {self._stream} is used for other subjects; choose one with ?stream=")
        if isinstance(error, ConnectionRefusedError) or name == "NoServersError" or "connect call failed" in lower:
            return SinkUnreachableError(f"{self.url}: connection refused at {url.place}; is nats-server running?")
        if isinstance(error, TimeoutError) or name == "TimeoutError":
            return SinkUnreachableError(f"{self.url}: no answer from {url.place} within {OPEN_TIMEOUT_S:.0f} s")
        return SinkUnreachableError(f"{self.url}: {text or name}")
