"""A TCP proxy on the loopback that spoils what passes through it: `async with Proxy(port, Toxics(...)) as proxy: proxy.port`.

What comes from the client goes up to `port`, what the server says comes down; toxics work on the way down unless they say
otherwise.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.listening import Listening, reset

CHUNK = 65_536


@dataclass
class Toxics:
    """What is done to each connection.

    holds: accept and answer nothing. gate: awaited with the client's first bytes before they go up.
    reset_after, close_after: RST or FIN once so many bytes have gone down. latency_s, jitter_s: how late, plus up to so much
    more, order kept. slice_bytes: most bytes a segment. bytes_per_s: bandwidth. black: both directions swallow everything.
    """

    holds: bool = False
    gate: Callable[[bytes], Awaitable[object]] | None = None
    reset_after: int | None = None
    close_after: int | None = None
    latency_s: float = 0.0
    jitter_s: float = 0.0
    slice_bytes: int = CHUNK
    bytes_per_s: float = 0.0
    black: bool = False
    seed: int = 7


class Proxy(Listening):
    """`connections` counts what was accepted, `down` the bytes that went to clients, ever."""

    def __init__(self, upstream_port: int, toxics: Toxics | None = None) -> None:
        super().__init__()
        self.toxics = toxics or Toxics()
        self.down = 0
        self._upstream_port = upstream_port
        self._luck = random.Random(self.toxics.seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        upper: asyncio.StreamWriter | None = None
        try:
            if self.toxics.holds:
                while await reader.read(CHUNK):
                    pass
                return
            first = await reader.read(CHUNK)
            if self.toxics.gate is not None:
                await self.toxics.gate(first)
            from_above, upper = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            self.writers.add(upper)
            upper.write(first)
            await asyncio.gather(self._up(reader, upper), self._down(from_above, writer))
        except ConnectionError:
            pass
        finally:
            for end in (writer, upper):
                if end is not None:
                    self.writers.discard(end)
                    end.close()

    async def _up(self, reader: asyncio.StreamReader, upper: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if not self.toxics.black:
                upper.write(chunk)
        upper.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        carrier = asyncio.get_running_loop().create_task(self._carry(on_the_way, writer))
        due = 0.0
        try:
            while chunk := await reader.read(CHUNK):
                toxics = self.toxics
                late = toxics.latency_s + toxics.jitter_s * self._luck.random()
                due = max(due, asyncio.get_running_loop().time() + late)
                on_the_way.put_nowait((due, chunk))
            on_the_way.put_nowait((due, b""))
            await carrier
        finally:
            carrier.cancel()
            writer.close()

    async def _carry(self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop, sent = asyncio.get_running_loop(), 0
        while (item := await on_the_way.get())[1]:
            due, chunk = item
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            while chunk and not writer.transport.is_closing():
                toxics = self.toxics
                if toxics.black:
                    break
                ends = [limit - sent for limit in (toxics.reset_after, toxics.close_after) if limit is not None]
                piece = chunk[: max(0, min(toxics.slice_bytes, *ends, CHUNK))]
                chunk = chunk[len(piece) :]
                writer.write(piece)
                sent += len(piece)
                self.down += len(piece)
                await writer.drain()
                # A turn of the loop, so that the client reads this piece before the next one comes.
                await asyncio.sleep(len(piece) / toxics.bytes_per_s if toxics.bytes_per_s else 0)
                if sent == toxics.reset_after:
                    reset(writer)
                elif sent == toxics.close_after:
                    writer.close()
