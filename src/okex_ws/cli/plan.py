"""`okex-ws plan`: shows connections and limits of subscriptions, without connecting."""

from __future__ import annotations

from okex_ws.cli import options
from okex_ws.protocol.outbox import RECOVERY_RESERVE
from okex_ws.protocol.pacing import requests_per_connection
from okex_ws.protocol.plan import MOST_BOOKS, Shard
from okex_ws.protocol.plan import plan as plan_of
from okex_ws.wire import requests
from okex_ws.wire.channels import channel


def plan(instruments: options.Instruments = None, channels: options.Channels = None, keys: options.Keys = None) -> int:
    """Show the connections that subscriptions would use, and their share of OKX's limits.

    Example: okex-ws plan BTC-USDT ETH-USDT -c trades -c books -c candle1m
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    items = options.wanted(channels or ["trades"], instruments or [], keys or [])
    made = plan_of(items)
    budget = requests_per_connection()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("connection", "login"):
        table.add_column(head)
    for head in ("channels", "books", "frames", "bytes", "spare/h"):
        table.add_column(head, justify="right")
    for shard in made.shards:
        login = any(channel(item.channel).login for item in shard.subscriptions)
        used = shard.frames + login
        table.add_row(
            shard.name,
            "yes" if login else "no",
            str(len(shard.subscriptions)),
            str(shard.books),
            str(shard.frames),
            str(_bytes(shard)),
            str(budget.limit - used),
        )
    console = Console(highlight=False, soft_wrap=True)
    frames = sum(shard.frames for shard in made.shards)
    lines, asked = _of(len(made.shards), "connection"), _of(frames, "subscribe frame")
    console.print(f"{_of(len(items), 'subscription')} over {lines}, {asked}.")
    console.print(table)
    seconds = max(0, (len(made.shards) - 1) // 3)
    wait = f"about {seconds} s" if seconds else "less than a second"
    console.print(f"Connecting takes {wait}: OKX allows 3 new connections a second.")
    console.print(
        f"Each connection may send {budget.limit} requests an hour; {RECOVERY_RESERVE} are kept for recovery. "
        f"Fewer than {MOST_BOOKS + 1} books a connection."
    )
    return 0


def _bytes(shard: Shard) -> int:
    groups = requests.batches(list(shard.subscriptions))
    return sum(len(requests.subscribe(f"c1r{index}", group)) for index, group in enumerate(groups, 1))


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
