"""A scripted server: every connection runs a script that gives exactly the bytes it is told to. Shares no code with our ends."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.listening import Listening, reset

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Peer:
    """One client as the script sees it. number: the how-many-th connection; head: its upgrade request, once read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader, self.writer, self.number = reader, writer, number
        self.head = b""

    async def read_head(self) -> bytes:
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        return self.head

    async def upgrade(self) -> None:
        """Read the request and answer 101 as RFC 6455 wants it."""
        head = await self.read_head()
        self.send(accepted(head))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def text(self, message: Any) -> None:
        """A text frame of bytes, or of anything else as JSON."""
        self.send(text_frame(message))

    async def receive(self) -> tuple[int, bytes]:
        """The client's next frame, unmasked: opcode, payload. Raises IncompleteReadError at the end."""
        first, second = await self.reader.readexactly(2)
        assert first & 0x80, "our client sends whole messages"
        assert second & 0x80, "a client masks its frames"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def subscribed(self) -> dict[str, Any]:
        """Wait for a subscribe request and acknowledge it; returns it."""
        while True:
            opcode, payload = await self.receive()
            if opcode == TEXT and payload != b"ping":
                request: dict[str, Any] = json.loads(payload)
                for arg in request["args"]:
                    self.text({"event": "subscribe", "arg": arg, "id": request["id"], "connId": "raw"})
                return request

    async def answer_pings(self) -> None:
        """Live on as an exchange with nothing to say, until the client goes."""
        while True:
            opcode, payload = await self.receive()
            if opcode == TEXT and payload == b"ping":
                self.text(b"pong")
            elif opcode == CLOSE:
                self.send(frame(CLOSE, payload))
                return

    async def until_gone(self) -> bytes:
        """Say nothing until the client goes; returns what it still said."""
        return await self.reader.read(-1)

    def reset(self) -> None:
        reset(self.writer)


Script = Callable[[Peer], Awaitable[object]]


class RawServer(Listening):
    """`async with RawServer(script) as server`: `url`, `port`, and `connections` accepted so far."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self._script = script
        self._errors: list[BaseException] = []

    @property
    def url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}"

    async def __aexit__(self, *reason: object) -> None:
        await super().__aexit__(*reason)
        if self._errors:
            raise self._errors[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        try:
            await self._script(Peer(reader, writer, number))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went
        except Exception as error:
            self._errors.append(error)
        finally:
            writer.close()
            self.writers.discard(writer)


def accepted(head: bytes) -> bytes:
    """The 101 that answers this upgrade request."""
    key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    proof = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
    lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
    return b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + proof, b"", b""))


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = False) -> bytes:
    """One frame as a server sends it."""
    size = len(payload)
    bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += bytes([bit | 126]) + size.to_bytes(2)
    else:
        head += bytes([bit | 127]) + size.to_bytes(8)
    return head + (bytes(4) if masked else b"") + payload


def text_frame(message: Any) -> bytes:
    return frame(TEXT, message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode())


def trade(trade_id: int, instrument: str = "BTC-USDT") -> dict[str, Any]:
    """A push of one trade."""
    row = {"instId": instrument, "tradeId": str(trade_id), "px": "100.5", "sz": "1", "side": "buy", "ts": "1790000000000"}
    return {"arg": {"channel": "trades", "instId": instrument}, "data": [{**row, "count": "1"}]}
