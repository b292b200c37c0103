"""Clients this project did not write: the official python-okx SDK in its own environment, and plain `websockets`."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import ssl
import subprocess
import time
import venv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.paths import ROOT
from websockets.asyncio.client import connect

from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server

ENVIRONMENT = ROOT / ".cache" / "foreign-venv"
WANTED = ("python-okx==0.4.4", "websockets>=14")
INSTRUMENT = "BTC-USDT"


def venue(now: int) -> Exchange:
    market = SeededMarket(7, start=now, instruments=[INSTRUMENT])
    return Exchange(market, seed=7, now=now, rules=Rules(rest_limits="429"))


@pytest.fixture(scope="session")
def foreign_python() -> Path:
    """A Python with python-okx in it; made once and kept in .cache."""
    python = ENVIRONMENT / "bin" / "python"
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with (ENVIRONMENT.parent / "foreign-venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = ENVIRONMENT / "installed.txt"
        if not stamp.exists() or stamp.read_text() != "\n".join(WANTED):
            venv.create(ENVIRONMENT, with_pip=True, clear=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *WANTED]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"python-okx cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
            stamp.write_text("\n".join(WANTED))
    return python


async def visit(python: Path, server: Server, script_name: str = "foreign_visit.py") -> dict[str, Any]:
    """Run one of the SDK's visits as a process that trusts the server's throw-away authority."""
    assert server.ca_file is not None
    script = ROOT / "tests" / "support" / script_name
    clean = {n: v for n, v in os.environ.items() if "proxy" not in n.lower() and not n.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(
        python,
        "-W",
        "ignore",
        script,
        server.ws_url,
        server.rest_url,
        INSTRUMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**clean, "SSL_CERT_FILE": server.ca_file},
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 300)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


def test_the_official_sdk_streams_and_reads_over_tls(foreign_python: Path) -> None:
    async def main() -> dict[str, Any]:
        async with Server(venue, tls=True, clock=time.time_ns) as server:
            return await visit(foreign_python, server)

    seen = asyncio.run(main())
    for name, channels in (("public", 2), ("tick_by_tick", 1), ("business", 2)):
        frames = seen[name]
        acks = [f for f in frames if f.get("event") == "subscribe"]
        assert len(acks) == channels, frames[:3]
        assert all(f["id"] == "visit1" for f in acks)
        assert len([f for f in frames if "data" in f]) >= 5
        assert not [f for f in frames if f.get("event") == "error"]
    assert seen["tick_by_tick"][0] == {"event": "login", "code": "0", "msg": "", **_conn(seen["tick_by_tick"][0])}
    book = [f for f in seen["public"] if f.get("arg", {}).get("channel") == "books" and "data" in f]
    ids = [(f["data"][0]["prevSeqId"], f["data"][0]["seqId"]) for f in book]
    assert ids[0][0] == -1
    assert all(after[0] == before[1] for before, after in itertools.pairwise(ids))
    rest = seen["rest"]
    assert {name: reply["code"] for name, reply in rest.items()} == dict.fromkeys(rest, "0")
    assert rest["instruments"]["data"][0]["instId"] == INSTRUMENT
    assert len(rest["book"]["data"][0]["asks"]) == 5
    assert len(rest["candles"]["data"]) == 3


def test_the_official_sdk_trades_over_both(foreign_python: Path) -> None:
    async def main() -> tuple[dict[str, Any], Exchange]:
        async with Server(venue, tls=True, clock=time.time_ns) as server:
            return await visit(foreign_python, server, "foreign_trade.py"), server.exchange

    seen, exchange = asyncio.run(main())
    socket, rest = seen["websocket"], seen["rest"]
    assert socket["login"]["event"] == "login"
    for name in ("place", "amend", "cancel", "batch", "batch cancel", "market"):
        assert (socket[name]["code"], {row["sCode"] for row in socket[name]["data"]}) == ("0", {"0"}), socket[name]
    assert socket["canceled"]["cancelSource"] == "1"
    assert {name: reply["code"] for name, reply in rest.items()} == dict.fromkeys(rest, "0")
    assert [row["sz"] for row in rest["open"]["data"]] == ["0.03"]
    assert rest["order"]["data"][0]["state"] == "filled"
    executions = exchange.engine.executions("44")
    told = [row["tradeId"] for row in socket["pushes"]["rows"] if row["tradeId"]]
    assert told == [str(each.trade_id) for each in executions if each.order.client_order_id == "sdk2"]
    assert [row["tradeId"] for row in rest["fills"]["data"]] == [str(each.trade_id) for each in executions][::-1]
    cash = {row["ccy"]: Decimal(row["cashBal"]) for row in rest["balance"]["data"][0]["details"]}
    assert cash == {name: balance.cash for name, balance in exchange.engine.accounts["44"].balances.items()}


def _conn(frame: dict[str, Any]) -> dict[str, Any]:
    return {"connId": frame["connId"]}


@pytest.mark.parametrize("tls", [False, True])
def test_plain_websockets_with_its_defaults(tls: bool) -> None:
    async def main() -> list[Any]:
        async with Server(venue, tls=tls) as server:
            context = ssl.create_default_context(cafile=server.ca_file) if tls else None
            async with connect(f"{server.ws_url}/ws/v5/public", ssl=context) as client:
                args = [{"channel": name, "instId": INSTRUMENT} for name in ("trades", "books", "bbo-tbt")]
                await client.send(json.dumps({"op": "subscribe", "args": args}))
                frames: list[Any] = []
                while sum("data" in f for f in frames) < 20:
                    frames.append(json.loads(await client.recv()))
                return frames

    frames = asyncio.run(main())
    assert {f["arg"]["channel"] for f in frames if f.get("event") == "subscribe"} == {"trades", "books", "bbo-tbt"}
    assert {f["arg"]["channel"] for f in frames if "data" in f} >= {"books", "bbo-tbt"}
