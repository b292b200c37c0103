"""A prepared process that forks traders to be killed at a step of the order path. Commands on stdin, what happens on stdout.

"<intent log> <url> <rest url> <step> <count>": a trader of that exchange that kills itself at the count-th time it comes to
that step; at the step "nowhere" it settles what others left, and ends. Said, a line each: "open <prefix> <order ids>" once the
account is read, "settled" when no intent is left open, "dead" or "ended" once it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio._backends._asyncio  # noqa: F401  # before the forks, not in each of them
import httpx  # noqa: F401

import okex_ws
from okex_ws.client import connection, intents
from okex_ws.core import trading
from okex_ws.core.effects import SendText
from okex_ws.protocol.orders.tickets import Patience
from okex_ws.simulator.rules import DEMO_KEY

STEPS = ("before the write", "in the write", "after the write", "after the send", "after the answer", "before the end is written")
PATIENCE = Patience(expires_s=0.5, ack_within_s=0.5, grace_s=0.2, report_s=5)
BTC = "BTC-USDT"
RESTING = okex_ws.PlaceOrder(instrument=BTC, side="buy", size=Decimal("0.001"), price=Decimal("30000"))


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def dies(step: str, count: int) -> Callable[[str], None]:
    """A function to be told every step."""
    left = count

    def at(here: str) -> None:
        nonlocal left
        if here == step:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return at


def watch(at: Callable[[str], None]) -> None:
    """Have every step of the order path told."""
    append, send, feed = intents.IntentLog.append, connection.Driver.send_text, trading.Orders.feed

    def appended(self: Any, records: Any) -> None:
        is_end = all(record.done for record in records)
        at("before the end is written" if is_end else "before the write")
        append(self, records)
        if not is_end:
            at("after the write")

    def synced(file: int) -> None:
        at("in the write")
        fdatasync(file)

    def sent(self: Any, effect: SendText) -> None:
        send(self, effect)
        if b"order" in effect.data[:200]:
            at("after the send")

    def fed(self: Any, event: Any, now: int) -> None:
        if isinstance(event, okex_ws.events.OrderReplied):
            at("after the answer")
        feed(self, event, now)

    fdatasync = os.fdatasync
    os.fdatasync = synced
    intents.IntentLog.append = appended  # type: ignore[method-assign]
    connection.Driver.send_text = sent  # type: ignore[method-assign]
    trading.Orders.feed = fed  # type: ignore[method-assign]


async def trade(log: str, url: str, rest_url: str, step: str, count: int) -> None:
    """One trader's life: read the account, then place, amend and cancel until it is killed."""
    settings = okex_ws.Trading(intent_log=log, patience=PATIENCE, halt_file=None, cancel_all_after_s=None)
    key = okex_ws.Credentials(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase)
    client = okex_ws.Client(site=okex_ws.Site.at(url, rest_url=rest_url), credentials=key, trading=settings)
    settled = asyncio.Event()
    client.on(okex_ws.events.OrderResolved, lambda event: settled.set())
    async with client:
        await client.ready()
        orders = client.orders.core.orders
        say(f"open {orders.ids.prefix} " + ",".join(order.order_id for order in client.account.orders))
        if step == "nowhere":
            while orders.unresolved:
                settled.clear()
                await settled.wait()
            say("settled")
            return
        watch(dies(step, count))
        while True:
            first = await client.orders.place(BTC, "buy", "0.001", price="30000")
            await client.orders.amend(BTC, client_order_id=first.client_order_id, size="0.002")
            others = await client.orders.place_batch([RESTING, RESTING])
            await client.orders.cancel(BTC, client_order_id=others[0].client_order_id)


def main() -> None:
    for command in sys.stdin:
        log, url, rest_url, step, count = command.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                asyncio.run(trade(log, url, rest_url, step, int(count)))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        say("dead" if os.WIFSIGNALED(status) else f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
