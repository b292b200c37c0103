"""`okex-ws doctor`: checks the connection to an exchange, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer

from okex_ws.cli import options
from okex_ws.cli.doctor_key import check_key
from okex_ws.cli.errors import BadInputError
from okex_ws.cli.instrument_checks import check_instruments
from okex_ws.cli.report import CONNECT_PAUSE_S, PATIENCE_S, DoctorReport
from okex_ws.cli.watch import Signals
from okex_ws.client import probes
from okex_ws.client.client import Client
from okex_ws.client.credentials import AccountKey, CredentialsError
from okex_ws.client.rest import Rest, RestError
from okex_ws.client.sites import DEMO_SITES, SITES, Site
from okex_ws.dialects import named_in
from okex_ws.events import Disconnected, Event, Gap, Push, Refused, Subscribed
from okex_ws.wire.channels import Subscription, find

RETIRED_PORT = 8443
_LOGIN_WINDOW_MS = 30_000
_TOO_OFTEN = "50011"


@options.with_location
def doctor(
    instruments: Annotated[
        list[str] | None, typer.Argument(metavar="INSTRUMENT", help="Instruments to subscribe to. Default: BTC-USDT.")
    ] = None,
    channels: Annotated[
        list[str] | None,
        typer.Option("--channel", "-c", metavar="CHANNEL", help="Channels to subscribe to. Default: tickers, trades, books."),
    ] = None,
    for_s: Annotated[
        float, typer.Option("--for", parser=options.duration, metavar="TIME", help="How long to listen.", show_default="3s")
    ] = 3.0,
    *,
    location: options.Location,
) -> int:
    """Check the connection to an exchange: URL, port, DNS, TCP, TLS, WebSocket, clock, status, a few seconds of data; and your
    API key.

    The key is that of the environment or of ~/.okx/config.toml, if there is one: its validity at this site, and its
    permissions.

    Example: okex-ws doctor --site eea
    """
    place = location.target()
    other = named_in(place.site.websocket)
    if other not in (None, "v5"):
        there = f"--dialect {other} --url {place.site.websocket}"
        raise BadInputError(f"doctor speaks V5, not {other}; try: okex-ws stream BTC-USDT {there}")
    key: AccountKey | CredentialsError
    try:
        account = location.account()
        place, key = options.Target(account.site, account.ca_file), account.key
    except CredentialsError as error:
        key = error
    items = options.wanted(channels or ["tickers", "trades", "books"], instruments or ["BTC-USDT"])
    return asyncio.run(_examine(place, key, items, for_s))


async def _examine(place: options.Target, key: AccountKey | CredentialsError, items: list[Subscription], for_s: float) -> int:
    report = DoctorReport()
    steps = asyncio.create_task(_steps(report, place, key, items, for_s))

    def interrupt(code: int) -> None:
        report.interrupt(code)
        steps.cancel()

    with Signals(interrupt), contextlib.suppress(asyncio.CancelledError):
        await steps
    return report.close()


async def _steps(
    report: DoctorReport, place: options.Target, key: AccountKey | CredentialsError, items: list[Subscription], for_s: float
) -> None:
    for step in (_endpoint, _network, _websocket, _rest):
        await step(report, place)
    await check_key(report, place, key, _context(place))
    await _listen(report, place, items, for_s)


async def _endpoint(report: DoctorReport, place: options.Target) -> None:
    site = place.site
    report.add("ok", "URL", f"{site.websocket} and {site.rest} ({_which(site)})")
    port = probes.place_of(site.websocket).port
    if port == RETIRED_PORT:
        bare = site.websocket.replace(f":{RETIRED_PORT}", "")
        report.add("fail", "port", f"8443 was switched off by OKX on 2026-10-31; omit the port: --url {bare}")
    else:
        report.add("ok", "port", f"{port}")
    proxy = next((os.environ[name] for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY") if os.environ.get(name)), None)
    if proxy is not None and not site.is_local:
        report.add("warn", "proxy", "the environment names a proxy; the steps below up to TLS bypass it")


async def _network(report: DoctorReport, place: options.Target) -> None:
    named: set[str] = set()
    for name, url in (("", place.site.websocket), (" REST", place.site.rest)):
        where = probes.place_of(url)
        try:
            if where.host not in named:
                named.add(where.host)
                found = await probes.addresses(where)
                report.add("ok", "DNS", f"{where.host} is {', '.join(found[:4])}")
            took = await probes.tcp_ms(where, PATIENCE_S)
            report.add("ok", f"TCP{name}", f"{where.host} port {where.port} answers in {took:.1f} ms")
            if where.tls:
                facts = await probes.tls_facts(where, _context(place), PATIENCE_S)
                mark = "ok" if facts.days_left >= 14 else "warn"
                report.add(mark, f"TLS{name}", f"{facts.version}, certificate of {facts.issuer}, {facts.days_left} days left")
            else:
                report.add("skip", f"TLS{name}", "none: this machine only")
            continue
        except socket.gaierror as error:
            report.add("fail", "DNS", f"{where.host} cannot be resolved: {error.strerror}; check the name and the network")
        except ssl.SSLCertVerificationError as error:
            hint = "give its authority with --ca-file" if place.ca_file is None else "the --ca-file belongs to another authority"
            report.add("fail", f"TLS{name}", f"the certificate is not trusted: {error.verify_message}; {hint}")
        except TimeoutError:
            report.add(
                "fail", f"TCP{name}", f"{where.host} port {where.port} does not answer within {PATIENCE_S:.0f} s; a firewall?"
            )
        except OSError as error:
            report.add("fail", f"TCP{name}", f"{where.host} port {where.port}: {_reason(error)}")
        report.unreachable.add(url)


async def _websocket(report: DoctorReport, place: options.Target) -> None:
    if place.site.websocket in report.unreachable:
        return
    context = _context(place) if probes.place_of(place.site.websocket).tls else None
    for endpoint in ("public", "business"):
        try:
            opened, answered = await _ping(place.site.url(endpoint), context)
            report.add("ok", endpoint, f"WebSocket opens in {opened:.1f} ms, ping to pong {answered:.1f} ms")
            continue
        except TimeoutError:
            report.add("fail", endpoint, f"no WebSocket, or no pong, within {PATIENCE_S:.0f} s")
        except OSError as error:
            report.add("fail", endpoint, f"WebSocket: {_reason(error)}")
        report.unreachable.add(place.site.websocket)


async def _ping(url: str, context: ssl.SSLContext | None) -> tuple[float, float]:
    try:
        return await probes.ping_ms(url, context, PATIENCE_S)
    except probes.TooOftenError:  # another connect from this address just before: no fault of the exchange
        await asyncio.sleep(CONNECT_PAUSE_S)
        return await probes.ping_ms(url, context, PATIENCE_S)


async def _rest(report: DoctorReport, place: options.Target) -> None:
    if place.site.rest in report.unreachable:
        return
    client = Client(site=place.site, ca_file=place.ca_file)
    try:
        offset, doubt = await probes.clock_offset_ms(client.rest, PATIENCE_S)
        mark = "ok" if abs(offset) < 1_000 + doubt else "warn" if abs(offset) < _LOGIN_WINDOW_MS else "fail"
        text = f"this machine is {abs(offset):.0f} ms {'behind' if offset > 0 else 'ahead'} (± {doubt:.0f} ms)"
        advice = "; set the clock, logins fail beyond 30 s" if mark != "ok" else ""
        report.add(mark, "clock", text + advice)
        await _status(report, client.rest)
    except (RestError, TimeoutError) as error:
        report.add("fail", "REST", f"{error or 'no answer'}; streams run without it, loading instruments does not")
    finally:
        await client.close()


async def _status(report: DoctorReport, rest: Rest) -> None:
    rows: Iterable[dict[str, Any]]
    try:
        async with asyncio.timeout(PATIENCE_S):
            rows = await rest.system_status()
    except RestError as error:
        if error.status != 429 and error.code != _TOO_OFTEN:
            raise
        report.add(
            "skip", "status", "not requested: the exchange answers once in 5 s, and another program here just requested it"
        )
        return
    open_ones = [row for row in rows if row.get("state") in ("scheduled", "ongoing", "pre_open")]
    for row in open_ones:
        mark = "ok" if row["state"] == "scheduled" else "warn"
        report.add(mark, "status", f"{row['state']}: {row.get('title', '')} {row.get('href', '')}")
    if not open_ones:
        report.add("ok", "status", "no maintenance is announced or running")


async def _listen(report: DoctorReport, place: options.Target, items: list[Subscription], for_s: float) -> None:
    if place.site.websocket in report.unreachable:
        report.add("skip", "data", "no WebSocket to listen to")
        return
    fields = FieldWatch()
    client = Client(site=place.site, ca_file=place.ca_file, tap=fields.check)
    seen: dict[str, int] = {}
    late: list[float] = []
    limit = asyncio.timeout(PATIENCE_S + for_s)
    is_heard = False

    def note(event: Event) -> None:
        nonlocal is_heard
        if isinstance(event, Subscribed) and not is_heard and not report.stop.is_set():  # a slow start does not count as silence
            is_heard = True
            limit.reschedule(asyncio.get_running_loop().time() + for_s)
        if isinstance(event, Push):
            seen[event.channel] = seen.get(event.channel, 0) + 1
            if type(event).__name__ in ("Trade", "BookUpdate"):
                late.append((event.ts_recv - event.ts_event) / 1e6)
        elif report.stop.is_set():
            return
        elif isinstance(event, Gap):
            report.add("warn", "gap", f"{event.channel} {event.instrument}: {event.cause}")
        elif isinstance(event, Disconnected):
            report.add("fail", "connection", event.reason)
        elif isinstance(event, Refused):
            advice = f"; {event.advice}" if event.advice else ""
            report.add("fail", "refused", f"{event.channel} {event.key}: {event.code} {event.message.rstrip('.')}{advice}")

    try:
        await check_instruments(client, items)
        for item in items:
            client.subscribe(item.channel, **dict(item.args))
        client.on(Event, note)
        await asyncio.sleep(CONNECT_PAUSE_S)
        async with client:
            try:
                async with limit:
                    await report.stop.wait()
            except TimeoutError:
                report.stop.set()
    except BadInputError as error:
        report.add("fail", "instrument", str(error))
        return
    finally:
        await client.close()
    if report.is_over:
        return
    _describe(report, seen, late, fields, items, for_s)


def _describe(
    report: DoctorReport, seen: dict[str, int], late: list[float], fields: FieldWatch, items: list[Subscription], for_s: float
) -> None:
    counts = ", ".join(f"{seen.get(name, 0)} {name}" for name in dict.fromkeys(item.channel for item in items))
    report.add("ok" if seen else "fail", "data", f"in {for_s:g} s: {counts}")
    if late:
        late.sort()
        middle = late[len(late) // 2]
        if abs(middle) > 3_600_000:
            report.add("ok", "latency", f"unknown: the time stamps lie {middle / 86_400_000:.0f} days back, this is a recording")
        else:
            report.add("ok", "latency", f"median {middle:.1f} ms from the exchange's time stamp, clock offset included")
    for channel, names in sorted(fields.unknown.items()):
        report.add("warn", "fields", f"new to this version on {channel}: {', '.join(sorted(names))} (ignored, harmless)")
    if seen and not fields.unknown:
        report.add("ok", "fields", "every received field is known")


class FieldWatch:
    """Compares the keys of raw rows with the wire names of their event classes. unknown: channel → names."""

    def __init__(self) -> None:
        self.unknown: dict[str, set[str]] = {}
        self._known: dict[str, frozenset[str]] = {}

    def check(self, now: int, line: str, connection: int, way: str, text: bytes) -> None:
        """Tap of the client: check one frame."""
        if way != "in" or not text.startswith(b"{"):
            return
        try:
            push = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        arg, rows = push.get("arg"), push.get("data")
        if not isinstance(arg, dict) or not isinstance(rows, list):
            return
        channel = str(arg.get("channel", ""))
        known = self._known_of(channel)
        for row in rows:
            strange = row.keys() - known if known and isinstance(row, dict) else None
            if strange:
                self.unknown.setdefault(channel, set()).update(strange)

    def _known_of(self, channel: str) -> frozenset[str]:
        if channel not in self._known:
            row = find(channel)
            names = {field.encode_name for field in msgspec.structs.fields(row.event)} if row else set()
            self._known[channel] = frozenset(names)
        return self._known[channel]


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


def _which(site: Site) -> str:
    for table in (SITES, DEMO_SITES):
        for known in table.values():
            if known.websocket == site.websocket:
                return f"site {known.name}"
    return "this machine" if site.is_local else "a custom URL"


def _context(place: options.Target) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if place.ca_file is not None:
        context.load_verify_locations(place.ca_file)
    return context
