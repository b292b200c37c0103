"""Audit: its lines alone show each request, its account and its outcome."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.trading_client import exchange, trading_client
from tests.support.virtual_trading import SPOT, SWAP

import okex_ws
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.server import Server

TIMES = ("at", "sent", "until")


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """As docs/trading.md says it is done."""
    path = tmp_path / "orders.jsonl"
    handler = logging.FileHandler(path)
    logging.getLogger("okex_ws.orders").addHandler(handler)
    logging.getLogger("okex_ws.orders").setLevel(logging.INFO)
    yield path
    logging.getLogger("okex_ws.orders").removeHandler(handler)
    logging.getLogger("okex_ws.orders").setLevel(logging.NOTSET)
    handler.close()


def written(file: Path) -> list[dict[str, Any]]:
    """Its lines; each is one object, and begins with when, whose and what."""
    rows = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    for row in rows:
        assert list(row)[:3] == ["at", "account", "what"]
        assert row["account"] == DEMO_KEY.uid
        assert all(row[name].endswith("Z") and len(row[name]) == 27 for name in TIMES if name in row)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    return rows


def test_an_order_is_logged_from_request_to_outcome(file: Path) -> None:
    async def main() -> str:
        settings = {"halt_file": None, "limits": okex_ws.Limits(order_size=Decimal(1))}
        async with Server(exchange()) as server, asyncio.timeout(20), trading_client(server, **settings) as client:
            await client.ready()
            made = await client.orders.place(SPOT, "buy", "0.01", price="59000", client_order_id="mine")
            await client.orders.place(SWAP, "sell", "2", price="60000", reduce_only=True, client_order_id="large")
            await client.orders.place(SPOT, "buy", "0.5", price="90000", client_order_id="dear")
            await client.orders.cancel(SPOT, client_order_id="mine")
            client.halt("line\u2028break\nand \x1b[2J")
            return made.order_id

    order_id = asyncio.run(main())
    text = file.read_text("ascii")
    for secret in (DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase):
        assert secret not in text
    rows = written(file)
    asked = {"kind": "place", "instrument": SPOT, "client_order_id": "mine", "side": "buy", "size": "0.01", "price": "59000",
             "order_type": "limit", "trade_mode": "cash"}  # fmt: skip
    brief = [{name: row[name] for name in row if name not in ("at", "account", "sent", "ticket")} for row in rows]
    assert brief[:2] == [
        {"what": "asked", **asked},
        {"what": "resolved", **asked, "order_id": order_id, "outcome": "confirmed", "via": "websocket"},
    ]
    refused = next(row for row in brief if row["what"] == "resolved" and row["client_order_id"] == "large")
    assert (refused["outcome"], refused["via"], refused["code"]) == ("rejected", "here", "order_size")
    assert (refused["side"], refused["size"], refused["reduce_only"]) == ("sell", "2", True)
    assert refused["reason"] == "size 2 is more than 1"
    assert refused["advice"] == "make it smaller"
    rejected = next(row for row in brief if row["what"] == "resolved" and row["client_order_id"] == "dear")
    assert (rejected["via"], rejected["code"], rejected["price"]) == ("websocket", "51006", "90000")
    canceled = next(row for row in brief if row["what"] == "resolved" and row["kind"] == "cancel")
    assert (canceled["outcome"], canceled["client_order_id"]) == ("confirmed", "mine")
    halted = next(row for row in brief if row["what"] == "halted")
    assert (halted["by"], halted["reason"]) == ("call", "line\u2028break\nand \x1b[2J")
    assert [row["what"] for row in brief].count("cancel_all_after") == 1
    tickets = [row["ticket"] for row in rows if row["what"] == "asked"]
    assert tickets == [row["ticket"] for row in rows if row["what"] == "resolved"], "the number joins what belongs together"


def test_requests_that_a_closed_client_leaves_open_are_logged_as_unknown(file: Path) -> None:
    async def main() -> None:
        async with Server(exchange("order_lost")) as server, asyncio.timeout(20):
            async with trading_client(server, halt_file=None) as client:
                await client.ready()
                waiting = asyncio.create_task(client.orders.place(SPOT, "buy", "0.01", price="59000", client_order_id="mine"))
                while not server.exchange.ledger.faults:  # noqa: ASYNC110  # the exchange has no event to wait for
                    await asyncio.sleep(0)
            assert not (await waiting).is_confirmed

    asyncio.run(main())
    last = written(file)[-1]
    assert (last["outcome"], last["client_order_id"], last["size"]) == ("unknown", "mine", "0.01")
    assert last["reason"] == "the client was closed before OKX answered"
