"""Rows G3 to G8: plain text, open ports, bombs, forged log lines, hostile files, redirects."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.support.looped import client_of, following, looped, until
from tests.support.raw_server import CLOSE, TEXT, Peer, RawServer, frame, text_frame, trade

from okex_ws import Client, Credentials, Site, SiteError, Trade, subscription
from okex_ws.client.rest import RestError
from okex_ws.client.sites import DEMO_SITES, SITES
from okex_ws.events import Disconnected, GenericPush, Malformed, Refused, Subscribed
from okex_ws.protocol.line import Line
from okex_ws.protocol.pacing import SECOND, connects_per_ip
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.captures import CaptureMarket
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.server import Server
from okex_ws.wire.frames import MAX_FRAME

START = 1_790_000_000 * SECOND
KEY = Credentials("canary-key", "canary-secret", "canary-passphrase")

# -- G3, G4: plain text and open ports --------------------------------------------------------------------------------------

PLAIN = (
    "ws://ws.okx.com",
    "ws://ws.okx.com:8443/ws/v5/public",
    "ws://127.0.0.1.example.com",
    "ws://localhost.example.com",
    "ws://localhost@example.com",
    "ws://0.0.0.0:18900",
    "ws://192.168.1.2:18900",
    "ws://2130706433",
    "ws://[::ffff:8.8.8.8]:18900",
)


@pytest.mark.parametrize("url", PLAIN)
def test_G3_plain_text_to_anything_but_this_machine_is_refused(url: str) -> None:
    with pytest.raises(SiteError):
        Site.at(url)
    with pytest.raises(SiteError, match="readable on the way"):
        Site("mine", url, "https://ws.okx.com")  # nor by leaving the front door out
    with pytest.raises(SiteError, match="readable on the way"):
        Site("mine", "wss://ws.okx.com", url.replace("ws://", "http://"))


def test_G3_other_schemes_and_nonsense_are_refused() -> None:
    for url in ("http://127.0.0.1", "ftp://ws.okx.com", "ws.okx.com", "ws://", "", "wss://[::1", "wss://ws.okx.com:port"):
        with pytest.raises(SiteError):
            Site.at(url)
    with pytest.raises(SiteError, match="user name"):
        Site.at("wss://key:secret@ws.okx.com")
    with pytest.raises(SiteError):
        Site("mine", "wss://ws.okx.com", "file:///etc/passwd")


def test_G3_this_machine_and_tls_are_allowed_and_okx_is_tls_everywhere() -> None:
    for url in ("ws://127.0.0.1:18900", "ws://localhost:18900", "ws://[::1]:18900", "ws://127.1.2.3", "wss://ws.okx.com"):
        assert Site.at(url).url("public").startswith(url)
    for made in (*SITES.values(), *DEMO_SITES.values(), Client().site, Site.okx()):
        assert made.websocket.startswith("wss://")
        assert made.rest.startswith("https://")


def exchange(now: int) -> Exchange:
    return Exchange(SeededMarket(7, start=now, levels=5), seed=7, now=now)


def test_G4_the_simulator_listens_to_this_machine_alone() -> None:
    @looped
    async def check() -> None:
        async with Server(exchange) as server:
            for port in (server.port, server.rest_port):
                with socket.create_connection(("127.0.0.1", port), timeout=5):
                    pass
                # 127.0.0.2 is this machine as well: a server bound to every address answers there, ours does not.
                with pytest.raises(OSError, match=r"refused|unreachable|assign"):
                    socket.create_connection(("127.0.0.2", port), timeout=5)

    check()
    for host in ("0.0.0.0", "::", "192.168.1.5", ""):
        with pytest.raises(ValueError, match="loopback"):
            Server(exchange, host)


# -- G5: bombs --------------------------------------------------------------------------------------------------------------

TEN_MB = 10_000_000
ARG = b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":['
ROW = b'{"instId":"BTC-USDT","tradeId":"5","sz":"1","side":"buy","ts":"1790000000000","count":"1","px":'
BOMBS = {
    "brackets": b"[" * TEN_MB,
    "braces": b'{"a":' * (TEN_MB // 5),
    "closed brackets": b"[" * (TEN_MB // 2) + b"]" * (TEN_MB // 2),
    "brackets in data": ARG + b"[" * TEN_MB,
    "brackets in an unknown field": ARG + ROW + b'"1","x":' + b"[" * (TEN_MB // 2) + b"]" * (TEN_MB // 2) + b"}]}",
    "digits": b"1" * TEN_MB,
    "digits for a price": ARG + ROW + b'"' + b"9" * TEN_MB + b'"}]}',
    "digits for an id": ARG + ROW.replace(b'"5"', b'"' + b"9" * TEN_MB + b'"') + b'"1"}]}',
    "an exponent": ARG + ROW + b'"1e999999999"}]}',
    "one text": b'"' + b"\\u0041" * (TEN_MB // 6) + b'"',
    "no end of text": b'"' + b"a" * TEN_MB,
    "blanks": b" " * TEN_MB,
    "zeros": bytes(TEN_MB),
    "envelope": b'{"event":"error","msg":"' + b"a" * TEN_MB + b'"}',
}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("what", BOMBS)
def test_G5_a_bomb_costs_less_than_twice_the_limit_of_a_frame_and_the_line_lives_on(what: str, known: bool) -> None:
    line = Line("public/0", luck=lambda: 0.5, connects=connects_per_ip())
    line.subscribe([subscription("trades", "BTC-USDT")], START)
    line.start(START)
    line.opened(1, START)
    good = json.dumps(trade(1), separators=(",", ":")).encode()
    if known:  # the short way in is open
        line.receive(1, good, START)
    data = BOMBS[what]
    tracemalloc.start()
    try:
        events = line.receive(1, data, START)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MAX_FRAME
    if what in ("envelope", "one text"):
        assert not any(isinstance(event, Trade) for event in events)
    else:
        assert [type(event) for event in events] == [Malformed]
    again = line.receive(1, json.dumps(trade(2)).encode(), START + 1)
    assert [event.trade_id for event in again if isinstance(event, Trade)] == [2]


def test_G5_endless_new_names_do_not_fill_the_memory() -> None:
    """Pushes nobody asked for, each of another channel and instrument: delivered, and nothing of them is kept."""
    line = Line("public/0", luck=lambda: 0.5, connects=connects_per_ip())
    line.start(START)
    line.opened(1, START)

    def say(numbers: range) -> None:
        for n in numbers:
            push = {"arg": {"channel": f"channel-{n}", "instId": f"COIN{n}-USDT"}, "data": [{"n": str(n)}]}
            [event] = line.receive(1, json.dumps(push).encode(), START + n)
            assert isinstance(event, GenericPush)

    say(range(1_000))
    tracemalloc.start()
    try:
        say(range(1_000, 6_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 200_000


LENGTHS = {
    "one byte too many": frame(TEXT)[:1] + b"\x7f" + (MAX_FRAME + 1).to_bytes(8),
    "2^62": frame(TEXT)[:1] + b"\x7f" + (2**62).to_bytes(8),
    "2^64-1": frame(TEXT)[:1] + b"\x7f" + b"\xff" * 8,
    "a long ping": b"\x89\x7e\xff\xff",
    "masked": frame(TEXT, b"pong", masked=True),
    "unknown opcode": frame(3, b"x"),
}


@pytest.mark.parametrize("what", LENGTHS)
def test_G5_a_length_beyond_the_limit_is_refused_by_its_head_alone(what: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.subscribed()
        peer.send(LENGTHS[what])
        await peer.until_gone()

    @looped
    async def check() -> None:
        async with RawServer(script) as server:
            client = client_of(server.port)
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                await until(stream, Subscribed)
                tracemalloc.start()
                try:
                    lost = await until(stream, Disconnected)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
        assert lost.code == (1009 if what in ("one byte too many", "2^62") else 1002)
        assert lost.retry_s is not None
        assert peak < 1_000_000

    check()


@looped
async def test_G5_a_message_in_endless_pieces_ends_at_the_limit() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.upgrade()
        await peer.subscribed()
        peer.send(frame(TEXT, b"[", fin=False))
        peer.send(frame(0, b"", fin=False) * 20_000 + frame(0, b"[", fin=False) * 20_000)
        piece = frame(0, b"[" * 1_000_000, fin=False)
        while not peer.reader.at_eof() and not peer.writer.transport.is_closing():
            peer.send(piece)
            sent += len(piece)
            await peer.writer.drain()
            await asyncio.sleep(0)

    async with RawServer(script) as server:
        client = client_of(server.port)
        client.subscribe("trades", "BTC-USDT")
        async with following(client) as stream:
            lost = await until(stream, Disconnected)
    assert (lost.code, lost.reason) == (1009, f"a message of more than {MAX_FRAME} bytes")
    assert MAX_FRAME < sent < 2 * MAX_FRAME, "what the system had buffered comes on top"


# -- G6: forged log lines ---------------------------------------------------------------------------------------------------

EVIL = "BTC\n2026-11-22 CRITICAL all funds moved\r\x1b[2J\x1b]0;owned\x07\u2028\u202e\x00"


def is_harmless(text: str) -> bool:
    return not any(char in text for char in "\r\x1b\x07\u2028\u202e\x00") and "\n2026" not in text


class Lines(logging.Handler):
    """Everything logged, as a file would show it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@looped
async def test_G6_hostile_names_and_messages_are_written_out_in_logs_and_texts() -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        request = await peer.subscribed()
        peer.text({"event": "error", "id": request["id"], "code": EVIL, "msg": EVIL, "connId": EVIL})
        peer.text({"event": "notice", "code": "1", "msg": EVIL, "connId": "x"})
        peer.text({"event": EVIL})
        peer.text(EVIL.encode())
        peer.text({"arg": {"channel": EVIL, "instId": EVIL}, "data": [{"x": EVIL}]})
        peer.text(trade(1, EVIL))
        peer.send(frame(CLOSE, (4001).to_bytes(2) + EVIL.encode()[:100]))
        await peer.until_gone()

    def fails(event: object) -> None:
        raise RuntimeError(getattr(event, "instrument", EVIL) + EVIL)

    written = Lines()
    log = logging.getLogger("okex_ws")
    level = log.level
    log.addHandler(written)
    log.setLevel(1)  # the library underneath logs what it reads at levels below DEBUG
    try:
        async with RawServer(script) as server:
            client = client_of(server.port)
            client.subscribe("trades", "BTC-USDT")
            client.on(Trade, fails)
            client.on(GenericPush, fails)
            fails.__qualname__ = EVIL
            client.on(Refused, fails)
            seen: list[Any] = []
            async with following(client) as stream:
                await until(stream, Disconnected, seen)
    finally:
        log.removeHandler(written)
        log.setLevel(level)
    assert len(seen) > 6
    for event in seen:
        assert is_harmless(repr(event)), repr(event)
        assert is_harmless(str(event))
    assert seen[-1].reason.isprintable()
    assert any("RuntimeError" in line for line in written.lines), "the failing callbacks were logged"
    for line in written.lines:
        assert is_harmless(line), line


@looped
async def test_G6_hostile_answers_to_http_are_written_out() -> None:
    body = json.dumps({"code": "51001", "msg": EVIL, "data": []}).encode()
    answers = (
        b"HTTP/1.1 302 Found\r\nLocation: wss://\xe2\x80\xaeexample.com/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 \x1b[2J\n2026 CRITICAL\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
    )
    for answer in answers:

        async def script(peer: Peer, answer: bytes = answer) -> None:
            await peer.read_head()
            peer.send(answer)

        async with RawServer(script) as server:
            client = client_of(server.port)
            client.subscribe("trades", "BTC-USDT")
            async with following(client) as stream:
                lost = await until(stream, Disconnected)
                with pytest.raises(RestError) as raised:
                    await client.rest.get("public/time")
            assert lost.reason.isprintable()
            assert str(raised.value).isprintable()


# -- G7: hostile files ------------------------------------------------------------------------------------------------------


def capture_line(row: Any, channel: str = "trades", **record: Any) -> str:
    raw = json.dumps({"arg": {"channel": channel, "instId": "BTC-USDT"}, "data": [row], "action": "snapshot"})
    return json.dumps({"kind": "push", "dir": "in", "conn": "0", "recv_ts": 1_790_000_000.0, "raw": raw, **record})


GOOD = trade(1)["data"][0]
BOOK = {"asks": [["1", "1", "0", "1"]], "bids": [], "ts": "1790000000000"}
HOSTILE = {
    "a pickle": pickle.dumps({"raw": "x"}).decode("latin-1"),
    "deep nesting": "[" * 200_000,
    "deep nesting closed": "[" * 200_000 + "]" * 200_000,
    "endless number": '{"recv_ts": ' + "9" * 100_000 + "}",
    "time written short": capture_line(GOOD, recv_ts="1e999999999"),
    "time beyond measure": capture_line(GOOD, recv_ts="9" * 60),
    "no time": capture_line(GOOD, recv_ts="__import__('os').abort()"),
    "NaN for a time": capture_line(GOOD, recv_ts="NaN"),
    "a price written short": capture_line({**GOOD, "px": "1e999999999"}),
    "a price of code": capture_line({**GOOD, "px": "__import__('os')"}),
    "no price": capture_line({"instId": "BTC-USDT"}),
    "a row of text": capture_line("row"),
    "a level of text": capture_line({**BOOK, "asks": ["1"]}, "books"),
    "a level too short": capture_line({**BOOK, "asks": [["1"]]}, "books"),
    "a level of objects": capture_line({**BOOK, "asks": [[{}, {}]]}, "books"),
    "asks of a number": capture_line({**BOOK, "asks": 5}, "books"),
    "a candle of objects": capture_line([{}, {}, {}, {}, {}], "candle1m"),
    "nothing at all": "",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_G7_a_hostile_capture_is_refused_in_one_line_and_in_little_memory(what: str, tmp_path: Path) -> None:
    file = tmp_path / "capture.jsonl"
    file.write_text(HOSTILE[what] + "\n", encoding="utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="capture") as raised:
            CaptureMarket(file, start=START)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert len(str(raised.value)) < 400


def test_G7_nesting_inside_a_recorded_frame_is_passed_over() -> None:
    lines = [json.dumps({"raw": "[" * 200_000}), capture_line(GOOD)]
    assert CaptureMarket(lines, start=START).streams() == {("trades", "BTC-USDT"): 1}


def test_G7_names_that_look_like_paths_stay_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "../../../../tmp/owned"
    raw = json.dumps({"arg": {"channel": "trades", "instId": name}, "data": [{**GOOD, "instId": name}]})
    line = json.dumps({"raw": raw, "conn": name, "path": name, "url": f"file://{name}", "recv_ts": 1_790_000_000})
    market = CaptureMarket([line], start=START)
    assert market.connections() == ["0"]
    assert market.streams() == {("trades", name): 1}
    served = Exchange(market, now=START)
    reply = served.rest("GET", f"/api/v5/market/trades?instId={name}", {}, b"", START)
    assert reply.status < 500
    assert os.listdir(tmp_path) == []


# -- G8: redirects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_G8_a_redirect_is_not_followed_and_no_credentials_leave(status: int) -> None:
    heads: list[bytes] = []

    @looped
    async def check() -> None:
        async def elsewhere(peer: Peer) -> None:
            heads.append(await peer.read_head())

        async with RawServer(elsewhere) as other:

            async def redirect(peer: Peer) -> None:
                heads.append(await peer.read_head())
                scheme = "ws" if b"Upgrade" in heads[-1] else "http"
                place = f"{scheme}://localhost:{other.port}/ws/v5/private"
                peer.send(f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
                await peer.until_gone()

            async with RawServer(redirect) as server:
                client = client_of(server.port, credentials=KEY)
                client.subscribe("account")
                async with following(client) as stream:
                    lost = await until(stream, Disconnected)
                    with pytest.raises(RestError, match=f"HTTP {status}"):
                        await client.rest.time_ms()
            assert f"HTTP {status}, a redirect to ws://localhost:{other.port}/ws/v5/private, which is not followed" in lost.reason
            assert lost.retry_s is not None
            assert other.connections == 0
        assert len(heads) >= 2

    check()
    for head in heads:
        assert b"canary" not in head
        assert not any(word in head.lower() for word in (b"authorization", b"ok-access", b"cookie"))


@looped
async def test_G8_the_key_is_sent_after_the_upgrade_to_the_host_it_is_for_and_in_the_login_alone() -> None:
    said: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        said.append((await peer.receive())[1])
        peer.send(text_frame({"event": "login", "code": "0", "msg": "", "connId": "raw"}))
        said.append((await peer.receive())[1])
        assert b"canary" not in peer.head

    async with RawServer(script) as server:
        client = client_of(server.port, credentials=KEY)
        client.subscribe("account")
        async with following(client) as stream:
            await until(stream, Disconnected)
    login, subscribe = said
    assert json.loads(login)["op"] == "login"
    assert b"canary-secret" not in login, "the secret signs, and stays"
    assert b"canary" not in subscribe
