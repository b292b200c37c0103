"""Tests on an event loop: nothing may be left behind, nothing may go wrong unseen."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from okex_ws import Client, Event, Site
from okex_ws.client.stream import Stream
from okex_ws.protocol.session import Timing

E = TypeVar("E", bound=Event)
HANG_S = 300.0
"""A test that takes longer hangs, however busy the machine is."""
QUICK = Timing(ping_after_s=0.2, pong_within_s=0.2)
"""For a line that is to be given up: a busy machine loses others by it."""
CURIOUS = Timing(ping_after_s=0.2, pong_within_s=60)
"""For a line that is to be asked, and kept."""


def looped(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a coroutine test on a loop of its own; whatever reaches the loop's exception handler, and any task left, fails it."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        unseen: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
            async with asyncio.timeout(HANG_S):
                await test(*args, **kwargs)
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            if left:  # servers take a moment to notice that their clients are gone
                _, left = await asyncio.wait(left, timeout=10)
            assert not left, f"tasks left behind: {left}"
            gc.collect()  # futures and sockets complain when they are collected

        asyncio.run(main())
        gc.collect()
        assert not unseen, unseen

    return run


def client_of(port: int, *, host: str = "127.0.0.1", scheme: str = "ws", **options: Any) -> Client:
    """A client of a port of this machine that retries quickly."""
    rest = f"{'https' if scheme == 'wss' else 'http'}://{host}:{port}"
    settings = {"backoff_s": (0.01, 0.05), "seed": 1, **options}
    return Client(site=Site.at(f"{scheme}://{host}:{port}", rest_url=rest), **settings)


@contextlib.asynccontextmanager
async def following(client: Client) -> AsyncIterator[Stream[Event]]:
    """A started client and a stream of everything it says."""
    stream = client.stream()
    async with client:
        yield stream


async def until(stream: Stream[Event], kind: type[E], seen: list[Event] | None = None, **where: Any) -> E:
    """Read on to the next event of a kind with these field values; `seen` keeps everything that was read."""
    async for event in stream:
        if seen is not None:
            seen.append(event)
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in where.items()):
            return event
    raise AssertionError(f"the stream ended before a {kind.__name__} {where}")


async def rest_of(stream: Stream[Event]) -> list[Event]:
    """Everything still held by a stream that is closed."""
    return [event async for event in stream]


def sockets_to(port: int) -> int:
    """How many of this process's sockets are connected to a port: the clients' ends."""
    found = 0
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as handle:
                    found += handle.family == socket.AF_INET and handle.getpeername()[1] == port
    return found


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        return int(handle.getsockname()[1])
