"""`okex-ws simulate`: a simulated OKX on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import OK, BadInputError, RunFailedError
from okex_ws.cli.watch import Signals
from okex_ws.client.credentials import KEY_VARIABLES
from okex_ws.client.sites import Site
from okex_ws.wire.channels import SubscriptionError, channel, subscription

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.faults import Faults
    from okex_ws.simulator.market.seeded import SeededMarket
    from okex_ws.simulator.request_log import RequestLog
    from okex_ws.simulator.server import Server


def simulate(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="WebSocket port; 0 picks a free one.")
    ] = 18900,
    rest_port: Annotated[
        int, typer.Option("--rest-port", min=0, max=65535, metavar="PORT", help="REST port; 0: the port after --port.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Same seed: same market and same faults.")] = 7,
    instruments: Annotated[
        list[str] | None, typer.Option("--instrument", "-i", metavar="ID", help="Trade this instead of the default set; repeat.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", metavar="X", help="Order flow relative to the default.")] = 1.0,
    capture: Annotated[
        Path | None, typer.Option("--capture", metavar="FILE", help="Serve a recording (JSON lines with `raw`) instead.")
    ] = None,
    conn: Annotated[
        str | None, typer.Option("--conn", metavar="NAME", help="Connection of the recording. Default: the first.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start the recording again at its end.")] = False,
    speed: Annotated[float, typer.Option("--speed", metavar="X", help="Exchange seconds per real second.")] = 1.0,
    tls: Annotated[bool, typer.Option("--tls", help="wss:// and https:// with a temporary certificate authority.")] = False,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="FAULT", help='Scripted fault, e.g. "drop channel=books action=update every=50"; repeatable.'
        ),
    ] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Print every kind of fault and its options.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Simulate demo trading: a demo key, x-simulated-trading, other instrument codes.")
    ] = False,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="Address to bind.")] = "127.0.0.1",
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Allow a --host that other machines can reach.")] = False,
    log: Annotated[
        str | None, typer.Option("--log", metavar="FILE", help="Write a line for each request; - is standard error.")
    ] = None,
    for_s: options.ForTime = None,
) -> int:
    """Run a simulated OKX: WebSocket and REST, an active market, a funded account, faults on request.

    Example: okex-ws simulate --seed 7 --fault "drop channel=books action=update every=50"
    """
    require_simulator_extra()
    from okex_ws.simulator.faults import Faults

    if list_faults:
        _print_faults()
        return OK
    try:
        script = Faults.parse(faults or [])
    except ValueError as error:
        raise BadInputError(f"--fault: {error}; --list-faults lists them") from None
    _check(conn=conn, loop=loop, capture=capture, rate=rate, speed=speed, instruments=instruments)
    if capture:
        venue = _capture_venue(capture, conn, loop, seed, script, demo)
    else:
        venue = _seeded_venue(seed, instruments, rate, script, demo)
    from okex_ws.simulator.server import Server

    with _request_log(log) as requests:
        try:
            server = Server(venue, host, port, rest_port, tls=tls, speed=speed, allow_remote=allow_remote, log=requests)
        except ValueError:
            raise BadInputError(f"--host {host} can be reached by other machines; add --allow-remote to permit this") from None
        return asyncio.run(_serve(server, for_s))


@contextlib.contextmanager
def _request_log(name: str | None) -> Iterator[RequestLog | None]:
    """Open the log of requests, None without a name. Raises BadInputError if its file cannot be opened."""
    from okex_ws.simulator.request_log import RequestLog

    if name is None:
        yield None
        return
    if name == "-":
        yield RequestLog(lambda line: print(line, file=sys.stderr, flush=True))
        return
    try:
        writer = Path(name).open("a", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise BadInputError(f"--log {name}: {(error.strerror or str(error)).lower()}") from None
    try:
        yield RequestLog(lambda line: print(line, file=writer, flush=True))
    finally:
        writer.close()


async def _serve(server: Server, for_s: float | None) -> int:
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    try:
        await server.start()
    except OSError as error:
        ports = f"{server.port}" + (f" or {server.rest_port}" if server.rest_port else "")
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise RunFailedError(f"cannot listen on {server.host} port {ports}: {reason}; choose another with --port") from None
    except RuntimeError as error:  # --tls without the library trustme
        raise BadInputError(str(error)) from None
    try:
        with Signals(end):
            print("\n".join(_welcome(server)), flush=True)
            if for_s is not None:
                asyncio.get_running_loop().call_later(for_s, end, OK)
            code = await ended
    finally:
        await server.stop()
    print(_account(server), file=sys.stderr)
    return code


def _welcome(server: Server) -> list[str]:
    site = f"--url {server.ws_url}"
    if Site.at(server.ws_url).rest != server.rest_url:
        site += f" --rest-url {server.rest_url}"
    if server.ca_file:
        site += f" --ca-file {server.ca_file}"
    lines = [
        f"WebSocket  {server.ws_url}/ws/v5/public  (also /business, /private)",
        f"V1 and V3  {server.ws_url}/ws/v1  (also /websocket as text), {server.ws_url}/ws/v3",
        f"REST       {server.rest_url}/api/v5/",
    ]
    if server.ca_file:
        lines.append(f"CA file    {server.ca_file}")
    key = next(key for key in server.exchange.keys.values() if key.demo == server.exchange.rules.demo)
    values = (key.key, key.secret, key.passphrase)
    exports = [f"  export {name}={value}" for name, value in zip(KEY_VARIABLES, values, strict=True)]
    if key.demo:
        exports.append("  export OKX_DEMO=1")
    examples = _example_subscriptions(server.exchange.market)
    needs_login = any(channel(name).login for name, _ in examples if name)
    lines += ["", "Try:"] + (exports if needs_login else [])
    lines += [f"  okex-ws {words} {site}" for _, words in examples]
    if not needs_login:
        balances = server.exchange.engine.accounts[key.uid].balances.values()
        funds = ", ".join(f"{balance.cash:f} {balance.currency}" for balance in balances)
        kind = "a demo trading account" if key.demo else "an account"
        lines += ["", f"To trade, or see private channels: the key of {kind} that holds {funds}:", *exports]
        lines += [f"  okex-ws {words} {site}" for words in _orders(server.exchange)]
    lines += ["", "Ctrl-C stops it."]
    return lines


def _orders(exchange: Exchange) -> list[str]:
    """Return example commands: an order that rests at the best price of the first tradable instrument, and the account."""
    for row in (row for kind in ("SPOT", "SWAP") for row in exchange.instruments(kind)):
        book = exchange.market.book(row["instId"], 1)
        if book is not None and book["bids"] and row["minSz"]:
            return [f"order buy {row['instId']} {row['minSz']} --limit {book['bids'][0][0]}", "account"]
    return ["account"]


def _example_subscriptions(market: object) -> list[tuple[str, str]]:
    """Return (channel, arguments) that this market certainly answers."""
    from okex_ws.simulator.market.captures import CaptureMarket

    if not isinstance(market, CaptureMarket):
        seeded = cast("SeededMarket", market)
        first = next((row["instId"] for kind in ("SPOT", "SWAP") for row in seeded.instruments(kind)), "BTC-USDT")
        return [("trades", f"stream {first} -c trades -c books"), ("tickers", f"price {first}")]
    served = {address: pushes for address, pushes in market.streams().items() if _is_subscribable(*address)}
    if not served:
        return [("instruments", "stream SPOT -c instruments")]
    name, key = max(served, key=lambda address: (not channel(address[0]).login, served[address]))
    return [(name, f"stream {key} -c {name}")]


def _is_subscribable(name: str, key: str) -> bool:
    """True if a channel's name and main key are sufficient for a subscription."""
    try:
        return bool(key) and bool(subscription(name, key))
    except SubscriptionError:
        return False


def _account(server: Server) -> str:
    ledger = server.exchange.ledger
    pushes = sum(traffic.pushes for traffic in ledger.traffic.values())
    struck = Counter(fault.kind for fault in ledger.faults)
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(struck.items())) or "none"
    return f"{len(ledger.traffic)} connections, {pushes} pushes, faults: {faults}"


def _seeded_venue(seed: int, instruments: list[str] | None, rate: float, faults: Faults, demo: bool) -> Callable[[int], Exchange]:
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.market.seeded import SeededMarket
    from okex_ws.simulator.rules import Rules

    def venue(now: int) -> Exchange:
        market = SeededMarket(seed, start=now, instruments=instruments or None, rate=rate)
        return Exchange(market, seed=seed, now=now, rules=Rules(demo=demo), faults=faults)

    try:
        if instruments:
            SeededMarket(seed, start=0, instruments=instruments)
    except ValueError as error:
        raise BadInputError(f"--instrument: {error}") from None
    return venue


def _capture_venue(
    capture: Path, conn: str | None, loop: bool, seed: int, faults: Faults, demo: bool
) -> Callable[[int], Exchange]:
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.market.captures import CaptureMarket
    from okex_ws.simulator.rules import Rules

    try:
        text = capture.read_text(encoding="utf-8").splitlines()
        CaptureMarket(text, start=0, conn=conn)
    except OSError as error:
        raise BadInputError(f"--capture {capture}: {error.strerror}") from None
    except ValueError as error:
        raise BadInputError(f"--capture {capture}: {error}") from None
    # A recording keeps its original checksums.
    return lambda now: Exchange(
        CaptureMarket(text, start=now, conn=conn, loop=loop),
        seed=seed,
        now=now,
        rules=Rules(checksum="live", demo=demo),
        faults=faults,
    )


def _check(
    *, conn: str | None, loop: bool, capture: Path | None, rate: float, speed: float, instruments: list[str] | None
) -> None:
    if capture is None and (conn is not None or loop):
        raise BadInputError(f"{'--conn' if conn is not None else '--loop'} goes with --capture")
    if capture is not None and instruments:
        raise BadInputError("--instrument is for the seeded market; a --capture has its own")
    for name, value in (("--rate", rate), ("--speed", speed)):
        if not 0 < value < float("inf"):
            raise BadInputError(f"{name} {value:g}: give a number above 0")


def require_simulator_extra() -> None:
    """Raise an error naming the missing extra, before the first import that needs it."""
    try:
        import h11  # noqa: F401 - only to see whether it is there
    except ImportError:
        raise BadInputError("the simulator needs its extra: pip install 'okex-websocket[simulator]'") from None


def _print_faults() -> None:
    from okex_ws.simulator.fault_kinds import SELECTORS
    from okex_ws.simulator.faults import Faults

    kinds = Faults.kinds()
    width = max(map(len, kinds))
    for kind, text in kinds.items():
        print(f"{kind:<{width}}  {text}")
    print(f"\nWhen it applies: {' '.join(f'{name}=' for name in SELECTORS)}")
    print("Times are from the start (10s, 250ms); nth and every count per connection; channel and instrument may contain *.")
    print("action= is snapshot or update of a book, the state of an order push, and order, amend or cancel of a request.")
