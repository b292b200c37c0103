"""Frames of V5: a push as one subscription receives it, and what faults look for in it.

In: pushes. Out: text messages. Sources: OKX V5 docs, each channel's page.
"""

from __future__ import annotations

from typing import Any

from okex_ws.simulator.channels import PublishedChannel
from okex_ws.simulator.outgoing import Text
from okex_ws.simulator.subscriber import PublishedPush
from okex_ws.simulator.v5 import grammar


class AccountPush(PublishedPush):
    """Push of an account's channel. action: an order's state or an event type, for faults. head: fields before `data`."""

    __slots__ = ("head", "uid")

    def __init__(
        self,
        channel: PublishedChannel,
        key: str,
        rows: list[Any],
        ts: int,
        uid: str,
        action: str = "",
        head: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(channel, key, rows, action, ts)
        self.uid = uid
        self.head = b"".join(b'"%b":%b,' % (name.encode(), grammar.encode(value)) for name, value in (head or {}).items())


def frame(push: PublishedPush, arg: bytes) -> Text:
    """Return the frame for a subscription with this arg; an account's push adds the uid to it."""
    text = push.frames.get(arg)
    if text is None:
        if isinstance(push, AccountPush):
            rows = grammar.encode(push.rows)
            payload = b'{"arg":%b,"uid":"%b"},%b"data":%b}' % (arg[:-1], push.uid.encode(), push.head, rows)
        else:
            payload = grammar.push(arg, push.rows, push.action)
        text = push.frames[arg] = Text(payload)
    return text


def shifted(push: PublishedPush, by: int) -> PublishedPush:
    """Return the push with its ids moved, for exchanges whose ids differ per connection."""
    rows = []
    for row in push.rows:
        row = dict(row)
        for name in ("seqId", "prevSeqId"):
            if row.get(name, -1) >= 0:
                row[name] += by
        rows.append(row)
    return PublishedPush(push.channel, push.key, rows, push.action, push.ts)


def traits(push: PublishedPush) -> set[str]:
    """Return what the faults' `needs` name."""
    if isinstance(push, AccountPush):
        return {"order"} if push.channel.name == "orders" else set()
    found = {push.channel.chain, push.action or ""}
    if push.channel.checksum:
        found.add("checksum")
    for row in push.rows[:1]:
        if isinstance(row, dict):
            if "asks" in row:
                found.add("book")
            if "ts" in row:
                found.add("stamped")
        elif any(row[-1] == "1" for row in push.rows):
            found.add("closed_candle")
    return found


def detail(push: PublishedPush) -> str:
    """Return the ids in a push, for the ledger."""
    first = push.rows[0] if push.rows else None
    if isinstance(push, AccountPush):
        return " ".join(str(first[name]) for name in ("ordId", "state", "tradeId", "pos") if first and first.get(name))
    if isinstance(first, dict) and "tradeId" in first:
        low = int(first["tradeId"]) - int(first.get("count", "1")) + 1
        return f"trades {low}-{push.rows[-1]['tradeId']}"
    if isinstance(first, dict) and "prevSeqId" in first:
        return f"seq {first['prevSeqId']}->{first['seqId']}"
    return ""
