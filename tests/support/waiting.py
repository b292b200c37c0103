"""Waiting for what a test asserts, on a machine of any speed: never for a time, never for what may have happened already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.server import Server


async def turns_until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; nobody tells when."""
    while not is_so():  # noqa: ASYNC110  # an event for each would need hooks in what is tested
        await asyncio.sleep(0)


def attended(exchange: Exchange | Callable[[int], Exchange], **settings: Any) -> Server:
    """A Server whose time stands still until somebody has subscribed: what it does at a time, and what a short market has to
    tell, comes while somebody listens.
    """
    made = time.time_ns()
    begun: list[int] = []

    def clock() -> int:
        if not begun and server._exchange is not None and any(line.subscriptions for line in server.exchange.connections):
            begun.append(time.time_ns())
        return made + (time.time_ns() - begun[0] if begun else 0)

    server = Server(exchange, clock=clock, **settings)
    return server
