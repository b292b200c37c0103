"""Faults of the connection on real sockets with short timings: rows A8, A12, A13 once more, A15 to A17."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import socket
import ssl
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from tests.support.looped import QUICK, client_of, following, looped, until
from tests.support.raw_server import Peer, RawServer, text_frame, trade
from tests.support.toxics import Proxy, Toxics
from tests.support.waiting import attended

from okex_ws import BookUpdate, Client, Event, Gap, Site, Trade
from okex_ws.client.connection import Driver
from okex_ws.client.rest import Rest, RestError
from okex_ws.events import BookSnapshot, Connected, Disconnected, Notice, Resumed
from okex_ws.protocol.session import Timing
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server


def market_server(*faults: str, **rules: Any) -> Server:
    def make(now: int) -> Exchange:
        return Exchange(SeededMarket(7, start=now), seed=7, now=now, rules=Rules(**rules), faults=Faults.parse(faults))

    return attended(make)


def rest_at(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@looped
async def test_A8_a_line_that_swallows_everything_is_left_for_a_new_one() -> None:
    async with market_server() as server, Proxy(server.port) as proxy:
        client = client_of(proxy.port, timing=QUICK)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            await until(stream, Trade)
            proxy.toxics.black = True
            lost = await until(stream, Disconnected)
            assert lost.reason.startswith("no answer to a ping")
            proxy.toxics.black = False
            assert (await until(stream, Connected)).connection >= 2
            await until(stream, Resumed)
            await until(stream, Trade)


@looped
async def test_A12_a_flapping_server_is_not_stormed() -> None:
    """OKX allows 3 connects a second."""
    begun = time.time_ns()
    async with market_server("die_after_frames frames=1 times=4", connects_per_s=0) as server:
        client = client_of(server.port, backoff_s=(0.01, 0.02))
        client.subscribe("trades", "BTC-USDT")
        seen: list[Event] = []
        async with following(client) as stream:
            lost = [await until(stream, Disconnected, seen) for _ in range(4)]
            assert (await until(stream, Connected, seen)).connection == 5
            await until(stream, Trade)
    assert all(event.code == 1006 for event in lost)
    opened = [event.ts_recv for event in seen if isinstance(event, Connected)]
    # Each dial comes after the end of the connection before, and before its own is open.
    assert opened[3] - begun >= 1_000_000_000
    assert opened[4] - lost[0].ts_recv >= 1_000_000_000


@looped
async def test_A13_an_announced_close_over_sockets_loses_and_repeats_nothing() -> None:
    async with market_server("notice at=300ms", notice_s=30.0) as server:
        client = client_of(server.port)
        for channel in ("trades", "books"):
            client.subscribe(channel, "BTC-USDT")
        seen: list[Event] = []
        async with following(client) as stream:
            await until(stream, Notice, seen)
            await until(stream, Disconnected, seen, handed_over=True)
            for _ in range(3):
                await until(stream, BookUpdate, seen)
    assert [event.handover for event in seen if isinstance(event, Connected)] == [False, True]
    assert not [event for event in seen if isinstance(event, Gap | Resumed)]
    ids = [number for t in seen if isinstance(t, Trade) for number in range(t.first_id, t.trade_id + 1)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


# -- A15, A16: slow networks ------------------------------------------------------------------------------------------------

PUSHES = 60


def book_row(n: int, levels: int) -> dict[str, Any]:
    asks = [[str(100 + i), "1", "0", "1"] for i in range(levels)]
    row = {"asks": asks, "bids": [["99", str(n), "0", "1"]], "ts": str(1000 + n)}
    return {**row, "seqId": 10 + n, "prevSeqId": 9 + n if n else -1, "checksum": 0}


def pushes() -> list[dict[str, Any]]:
    """Trades and a book, as an exchange would send them."""
    arg = {"channel": "books", "instId": "BTC-USDT"}
    said: list[dict[str, Any]] = []
    for n in range(PUSHES):
        said.append(trade(100 + n))
        action = "update" if n else "snapshot"
        said.append({"arg": arg, "action": action, "data": [book_row(n, 1 if n else 20)]})
    return said


async def through(toxics: Toxics | None, timing: Timing) -> list[Event]:
    """What a client gets of these pushes through a spoiled line, their times of arrival taken off."""

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        for push in pushes():
            peer.text(push)
        await peer.answer_pings()

    async with RawServer(script) as server, Proxy(server.port, toxics) as proxy:
        client = client_of(proxy.port, timing=timing)
        for channel in ("trades", "books"):
            client.subscribe(channel, "BTC-USDT")
        seen: list[Event] = []
        async with following(client) as stream:
            while sum(isinstance(event, Trade | BookSnapshot | BookUpdate) for event in seen) < 2 * PUSHES:
                seen.append(await until(stream, Event))
        assert proxy.connections == 1
    return [msgspec.structs.replace(event, ts_recv=0) for event in seen]


def told(events: list[Event]) -> list[str]:
    """Events as text, without what names the port."""
    return [repr(event) for event in events if not isinstance(event, Connected)]


SLOW = {
    "latency": Toxics(latency_s=0.3),
    "jitter": Toxics(latency_s=0.02, jitter_s=0.1),
    "a second": Toxics(latency_s=1.0),
    "slices of one byte": Toxics(slice_bytes=1),
    "slices of seven bytes, late": Toxics(slice_bytes=7, latency_s=0.05, jitter_s=0.02),
    "narrow": Toxics(slice_bytes=512, bytes_per_s=20_000),
}


@pytest.mark.parametrize("what", SLOW)
def test_A15_latency_jitter_slices_and_narrow_lines_change_nothing_but_the_time(what: str) -> None:
    """Smaller than life, so as not to take minutes: 25 KB at 20 KB/s instead of 2, and a ping each 0.4 s instead of 15."""
    patient = Timing(ping_after_s=0.4, pong_within_s=25)

    @looped
    async def check() -> None:
        assert told(await through(SLOW[what], patient)) == told(await through(None, Timing()))

    check()


@looped
async def test_A16_a_slow_handshake_holds_up_no_other_connection() -> None:
    released = asyncio.Event()

    async def gate(first: bytes) -> None:
        if b"/business" in first:
            await released.wait()

    async with market_server() as server, Proxy(server.port, Toxics(gate=gate)) as proxy:
        client = client_of(proxy.port)
        client.subscribe("trades", "BTC-USDT")
        client.subscribe("candle1m", "BTC-USDT")
        async with following(client) as stream:
            seen: list[Event] = []
            for _ in range(5):
                await until(stream, Trade, seen)
            assert [event.line for event in seen if isinstance(event, Connected)] == ["public/0"]
            released.set()
            await until(stream, Connected, seen, line="business/0")
        assert not [event for event in seen if isinstance(event, Disconnected)]


# -- A17: TLS and proxies ---------------------------------------------------------------------------------------------------


class Authority:
    """An authority of the test, its file to be trusted, and servers' contexts."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def context(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        past = datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
        span = {"not_before": past - datetime.timedelta(days=1), "not_after": past} if expired else {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **span).configure_cert(context)  # type: ignore[arg-type]
        return context

    def self_signed(self, folder: Path) -> ssl.SSLContext:
        """A server that shows the authority's own certificate."""
        file = folder / "self.pem"
        file.write_bytes(self.ca.private_key_pem.bytes() + self.ca.cert_pem.bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def serve_one_trade(peer: Peer) -> None:
    await peer.upgrade()
    await peer.subscribed()
    peer.text(trade(1))
    await peer.answer_pings()


async def first_news(context: ssl.SSLContext, **options: Any) -> Connected | Disconnected:
    async with RawServer(serve_one_trade, tls=context) as server:
        # A server whose certificate is refused hears of it as an alert; that is no news.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        client = client_of(server.port, scheme="wss", **options)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            async for event in stream:
                if isinstance(event, Connected):
                    await until(stream, Trade)
                if isinstance(event, Connected | Disconnected):
                    return event
    raise AssertionError("no news")


def test_A17_an_authority_of_ones_own_is_trusted_when_it_is_named(authority: Authority) -> None:
    @looped
    async def check() -> None:
        assert isinstance(await first_news(authority.context("127.0.0.1"), ca_file=authority.file), Connected)

    check()


@pytest.mark.parametrize("what", ["expired", "wrong host", "self-signed", "unknown authority"])
def test_A17_a_certificate_that_does_not_hold_is_refused_with_a_clear_reason(
    authority: Authority, tmp_path: Path, what: str
) -> None:
    trust = {"ca_file": authority.file}
    context, options, reason = {
        "expired": (authority.context("127.0.0.1", expired=True), trust, "certificate has expired"),
        "wrong host": (authority.context("okx.example"), trust, "IP address mismatch"),
        "self-signed": (authority.self_signed(tmp_path), {}, "self-signed certificate"),
        "unknown authority": (authority.context("127.0.0.1"), {}, "unable to get local issuer certificate"),
    }[what]

    @looped
    async def check() -> None:
        news = await first_news(context, **options)
        assert isinstance(news, Disconnected)
        assert news.reason.startswith("the certificate of 127.0.0.1 is not trusted: ")
        assert reason in news.reason
        assert news.fatal, "the first connection says at once what is wrong, and does not go on trying"
        assert news.retry_s is None

    check()


@looped
async def test_A17_a_certificate_that_runs_out_later_is_retried() -> None:
    """What has worked before is not given up: certificates are renewed late, and hotels answer for everybody."""
    ca = trustme.CA()
    good, bad = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(good)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(bad)
    connections = 0

    def choose(handle: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        nonlocal connections
        connections += 1
        handle.context = bad if connections == 2 else good

    good.sni_callback = choose

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        if peer.number > 2:
            await peer.answer_pings()

    with ca.cert_pem.tempfile() as file:
        async with RawServer(script, tls=good) as server:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            client = client_of(server.port, scheme="wss", ca_file=file)
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                await until(stream, Connected)
                await until(stream, Disconnected)
                refused = await until(stream, Disconnected)
                assert "is not trusted" in refused.reason
                assert refused.retry_s is not None
                await until(stream, Connected)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_A17_old_tls_is_refused(authority: Authority, version: str) -> None:
    context = authority.context("127.0.0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers("ALL:@SECLEVEL=0")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve() -> str:
            """Blocking, since asyncio's TLS keeps the alert that says what is wrong to itself."""
            with listening.accept()[0] as handle:
                try:
                    with context.wrap_socket(handle, server_side=True) as tls:
                        return str(tls.version())
                except ssl.SSLError as error:
                    return str(error.reason)

        @looped
        async def check() -> None:
            lax = ssl.create_default_context(cafile=authority.file)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                lax.minimum_version = ssl.TLSVersion[version]
            lax.set_ciphers("ALL:@SECLEVEL=0")
            served = asyncio.create_task(asyncio.to_thread(serve))
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=lax)
            writer.transport.abort()
            # Without this, the refusal below would prove nothing: the server does speak the old version.
            assert (await served).replace(".", "_") == ("TLSv1" if version == "TLSv1" else "TLSv1_1")

            served = asyncio.create_task(asyncio.to_thread(serve))
            client = client_of(port, scheme="wss", ca_file=authority.file, backoff_s=(60, 60))
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                news = await until(stream, Disconnected)
            assert await served == "UNSUPPORTED_PROTOCOL"
            assert news.reason == "TLS with 127.0.0.1 failed: TLSV1_ALERT_PROTOCOL_VERSION"

        check()


def test_A17_there_is_no_switch_that_turns_verification_off(authority: Authority) -> None:
    for door in (Client, Driver, Rest, Site.at):
        names = " ".join(inspect.signature(door).parameters)
        assert not any(word in names for word in ("verify", "insecure", "unsafe", "check"))
    for client in (Client(), Client(ca_file=authority.file), client_of(1, scheme="wss")):
        assert client._ssl is not None
        assert client._ssl.verify_mode is ssl.CERT_REQUIRED
        assert client._ssl.check_hostname
        assert client._ssl.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_A17_rest_verifies_like_the_stream(authority: Authority) -> None:
    @looped
    async def check() -> None:
        async def script(peer: Peer) -> None:
            await peer.until_gone()

        async with RawServer(script, tls=authority.context("127.0.0.1")) as server:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            async with client_of(server.port, scheme="wss") as client:
                with pytest.raises(RestError, match=r"(?i)certificate"):
                    await client.rest.time_ms()

    check()


PROXY_ANSWERS = {
    "refused": b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    "broken": b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "no proxy at all": b"220 mail.example ESMTP\r\n\r\n",
    "silent": b"",
}


@pytest.mark.parametrize("what", PROXY_ANSWERS)
def test_A17_a_proxy_that_does_not_let_us_through_is_named_and_tried_again(what: str) -> None:
    async def script(peer: Peer) -> None:
        assert (await peer.read_head()).startswith(b"CONNECT 127.0.0.1:")
        peer.send(PROXY_ANSWERS[what])

    @looped
    async def check() -> None:
        async with RawServer(script) as proxy:
            client = client_of(9, proxy=f"http://127.0.0.1:{proxy.port}")
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                lost = [await until(stream, Disconnected) for _ in range(2)]
        assert all(event.reason and event.retry_s is not None for event in lost)
        assert "proxy" in lost[0].reason.lower()

    check()


@looped
async def test_A17_a_proxy_that_works_is_passed_through() -> None:
    async with RawServer(serve_one_trade) as server:

        async def script(peer: Peer) -> None:
            head = await peer.read_head()
            port = int(head.split()[1].rpartition(b":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while chunk := await source.read(65_536):
                    sink.write(chunk)
                sink.close()

            await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))

        async with RawServer(script) as proxy:
            client = client_of(server.port, proxy=f"http://127.0.0.1:{proxy.port}")
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                await until(stream, Trade)
            assert (proxy.connections, server.connections) == (1, 1)


def test_A15_a_frame_is_the_same_whatever_its_size() -> None:
    """The scripted server's own framing, all three length forms."""
    assert [len(text_frame(b"x" * n)) - n for n in (125, 126, 65_535, 65_536)] == [2, 4, 4, 10]
