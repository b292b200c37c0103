"""V1 and V3 over real sockets: client, journal, replay, tables, books, reconnects; against scripted bytes and the simulator."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.support.looped import following, looped, until
from tests.support.raw_server import BINARY, CLOSE, TEXT, Peer, RawServer, frame
from tests.support.recording import Until, texts

import okex_ws
from okex_ws import store
from okex_ws.events import (
    BookEvent,
    Connected,
    Disconnected,
    Event,
    Gap,
    Malformed,
    Resumed,
    Trade,
)
from okex_ws.journal import INCOMING, JournalReader, recorders
from okex_ws.legacy.deflate import deflated
from okex_ws.recorder.audit import audit
from okex_ws.recorder.recorder import Recorder
from okex_ws.replay import Replay, played
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.server import Server
from okex_ws.wire.frames import MAX_FRAME

DEALS = "ok_sub_spot_btc_usdt_deals"
QUICK = {"backoff_s": (0.01, 0.05)}


def exchange(*faults: str, seed: int = 7) -> Callable[[int], Exchange]:
    def made(now: int) -> Exchange:
        market = SeededMarket(seed, start=now, instruments=("BTC-USDT", "BTC-USDT-SWAP"), levels=40)
        return Exchange(market, seed=seed, now=now, rules=Rules(connects_per_s=0), faults=Faults.parse(list(faults)))

    return made


def deals(*ids: int) -> bytes:
    rows = [[str(n), "6395.1", "1", "14:45:28", "bid"] for n in ids]
    return json.dumps([{"binary": 0, "channel": DEALS, "data": rows}]).encode()


async def asked(peer: Peer) -> Any:
    """Wait for the client's addChannel, acknowledge it."""
    while True:
        opcode, payload = await peer.receive()
        if opcode == TEXT and b"addChannel" in payload:
            request = json.loads(payload)
            answer = [{"binary": 1, "channel": "addChannel", "data": {"result": True, "channel": request["channel"]}}]
            peer.send(frame(BINARY, deflated(json.dumps(answer).encode())))
            return request


async def live_on(peer: Peer) -> None:
    while True:
        opcode, payload = await peer.receive()
        if opcode == TEXT:
            assert payload == b'{"event":"ping"}'
            peer.send(frame(BINARY, deflated(b'{"event":"pong"}')))
        elif opcode == CLOSE:
            peer.send(frame(CLOSE, payload))
            return


# -- scripted bytes: C10, C11 ----------------------------------------------------------------------------------------------


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()


WRONG = {
    "C10 bomb": _bomb(),
    "C11 zlib header": zlib.compress(deals(1)),
    "C11 gzip header": zlib.compress(deals(1), wbits=31),
    "C11 cut short": deflated(deals(1))[:-9],
    "C11 two streams": deflated(deals(1)) * 2,
    "C11 bits flipped": bytes(byte ^ 0x55 for byte in deflated(deals(1))),
}


@pytest.mark.parametrize("name", WRONG)
def test_C10_C11_what_is_not_one_stream_is_told_bounded_and_answered_by_a_new_connection(name: str) -> None:
    @looped
    async def check() -> None:
        wrong = WRONG[name]

        async def script(peer: Peer) -> None:
            await peer.upgrade()
            await asked(peer)
            peer.send(frame(BINARY, wrong if peer.number == 1 else deflated(deals(2))))
            await live_on(peer)

        async with RawServer(script) as server:
            client = okex_ws.Client(site=f"{server.url}/ws/v1", dialect="v1", **QUICK)  # type: ignore[arg-type]
            client.subscribe(DEALS)
            seen: list[Event] = []
            tracemalloc.start()
            try:
                async with following(client) as stream:
                    await until(stream, Trade, seen)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        (bad,) = [event for event in seen if isinstance(event, Malformed)]
        assert bad.raw == wrong
        (lost,) = [event for event in seen if isinstance(event, Disconnected)]
        assert lost.code == 1007
        assert sum(isinstance(event, Connected) for event in seen) == 2
        assert peak < 2 * MAX_FRAME + 8 * len(wrong) + 2**22

    check()


def test_fragments_of_a_deflated_message_are_joined_and_texts_are_read_as_texts() -> None:
    @looped
    async def check() -> None:
        whole = deflated(deals(1))

        async def script(peer: Peer) -> None:
            await peer.upgrade()
            await asked(peer)
            peer.send(frame(BINARY, whole[:7], fin=False))
            peer.send(frame(0, whole[7:20], fin=False))
            peer.send(frame(0, whole[20:]))
            peer.text(deals(2))
            await live_on(peer)

        async with RawServer(script) as server:
            client = okex_ws.Client(site=f"{server.url}/websocket", dialect="v1", **QUICK)  # type: ignore[arg-type]
            client.subscribe(DEALS)
            async with following(client) as stream:
                assert (await until(stream, Trade)).trade_id == 1
                assert (await until(stream, Trade)).trade_id == 2

    check()


# -- the journal -----------------------------------------------------------------------------------------------------------


def test_a_journal_keeps_deflated_frames_readable_and_every_byte_of_them(tmp_path: Path) -> None:
    odd = zlib.compressobj(9, zlib.DEFLATED, -15)  # sound, but not packed as the real server packs
    sent = [deflated(deals(1)), odd.compress(deals(*range(100, 150))) + odd.flush(), deflated(deals(3))]

    @looped
    async def check() -> None:
        async def script(peer: Peer) -> None:
            await peer.upgrade()
            await asked(peer)
            for payload in sent:
                peer.send(frame(BINARY, payload))
            peer.text(deals(4))
            await live_on(peer)

        async with RawServer(script) as server:
            url = f"{server.url}/ws/v1"
            recorder = Recorder(tmp_path, site=url, dialect="v1", flush_within_s=0.05, **QUICK)
            recorder.client.subscribe(DEALS)
            all_of_them = Until(recorder.client, Trade, 53)
            async with recorder:
                running = asyncio.create_task(recorder.run())
                await all_of_them
                recorder.stop()
                await running

    check()
    (path,) = recorders(tmp_path / "journal")
    reader = JournalReader(path)
    records = list(reader.records())
    assert reader.header is not None
    assert reader.header.dialect == "v1"
    incoming = [record for record in records if record.kind in INCOMING and b"addChannel" not in record.text]
    received = [deflated(record.text) if record.kind == "deflated" else record.text for record in incoming]
    assert received == [*sent, deals(4)]
    assert [record.kind for record in records if record.kind in INCOMING] == ["deflated", "deflated", "binary", "deflated", "in"]
    assert [place.event.trade_id for place in played(records) if isinstance(place.event, Trade)] == [1, *range(100, 150), 3, 4]

    lines = zstandard.ZstdDecompressor().stream_reader((next(path.glob("*.zst"))).read_bytes(), read_across_frames=True).read()
    shown = [json.loads(line) for line in lines.splitlines()]
    readable = [line for line in shown if line.get("kind") == "deflated"]
    assert json.loads(readable[1]["text"])[0]["data"][0][0] == "1", "what zstdcat | jq shows of a deflated frame is its text"
    assert shown[0]["dialect"] == "v1"


PLANS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "v1": ("v1", "/ws/v1", [("trades", "BTC-USDT"), ("books", "BTC-USDT"), ("books5", "BTC-USDT"), ("tickers", "BTC-USDT")]),
    "v1 as text": ("v1", "/websocket", [("trades", "BTC-USDT"), ("books", "BTC-USDT")]),
    "v1 compressed": ("v1", "/websocket?compress=true", [("trades", "BTC-USDT"), ("books", "BTC-USDT")]),
    "v3": (
        "v3",
        "/ws/v3",
        [("trades", "BTC-USDT"), ("books", "BTC-USDT"), ("books-l2-tbt", "BTC-USDT-SWAP"), ("tickers", "BTC-USDT")],
    ),
}


@pytest.mark.parametrize("plan", PLANS)
def test_what_a_client_hears_is_recorded_replays_the_same_and_fills_the_tables(plan: str, tmp_path: Path) -> None:
    """Through a restart of the server: the line says what it may have missed, and goes on."""
    dialect, path, wanted = PLANS[plan]
    heard: list[Event] = []
    sink = tmp_path / "sink.jsonl"

    @looped
    async def check() -> None:
        async with Server(exchange(), speed=8) as first:
            port = first.port
            recorder = Recorder(
                tmp_path / "data",
                site=first.ws_url + path,
                dialect=dialect,
                flush_within_s=0.05,
                table_flush_s=0.2,
                checkpoint_s=0.2,
                sinks=[str(sink)],
                **QUICK,
            )
            recorder.client.on(Event, heard.append)
            for channel, instrument in wanted:
                recorder.client.subscribe(channel, instrument)
            enough = Until(recorder.client, Trade, 60)
            await recorder.__aenter__()
            running = asyncio.create_task(recorder.run())
            await enough
        assert not any(book.is_live for book in recorder.client.books), "whom nobody feeds is not trusted"
        more = Until(recorder.client, Resumed, len(wanted))
        again = Until(recorder.client, Trade, 30)
        async with Server(exchange(seed=8), port=port, speed=8):
            await more
            await again
            assert all(book.is_live for book in recorder.client.books)
            recorder.stop()
            await running
            await recorder.__aexit__()

    check()
    (journal,) = recorders(tmp_path / "data" / "journal")
    said = [place.event for place in played(JournalReader(journal).records())]
    assert texts(said) == texts(heard)
    replay = Replay()
    after = replay.resume(journal)
    assert after > 0, "there are checkpoints"
    rest = [event for record in JournalReader(journal).records(after=after) for event in replay.feed(record)]
    assert texts(rest) == texts(said)[len(said) - len(rest) :]
    assert rest
    gaps = {(event.channel, event.instrument) for event in said if isinstance(event, Gap)}
    assert gaps == {(channel, key) for channel, key in wanted if channel in ("trades", "books", "books-l2-tbt")}
    audited = audit([tmp_path / "data"])
    report = audited.report
    assert report.is_clean, report.findings
    books = [event for event in said if isinstance(event, BookEvent) and event.checksum]
    assert audited.checksums == len(books)
    assert bool(books) == (dialect == "v3")
    assert any("no sequence" in finding.text for finding in report.findings) == (dialect == "v1")
    trades = [row for row in map(json.loads, sink.read_text().splitlines()) if row["kind"] == "trade"]
    assert len(trades) == sum(isinstance(event, Trade) for event in heard)
    with store.Store(tmp_path / "data") as tables:
        assert tables.rows("SELECT count(*) FROM raw_trades")[0][0] == sum(isinstance(event, Trade) for event in heard)
        assert tables.rows('SELECT DISTINCT "count" FROM trades') == [(None,)], "the dialect does not say, which is not none"
        ids = {event.trade_id for event in heard if isinstance(event, Trade)}
        assert tables.rows("SELECT count(*) FROM trades")[0][0] == len(ids)
        assert tables.rows("SELECT count(*) FROM raw_book_updates")[0][0] > 0


def test_a_book_whose_checksum_is_wrong_says_gap_and_is_renewed() -> None:
    @looped
    async def check() -> None:
        async with Server(exchange("checksum_wrong channel=spot/depth action=update nth=2"), speed=8) as server:
            client = okex_ws.Client(site=server.ws_url + "/ws/v3", dialect="v3", **QUICK)  # type: ignore[arg-type]
            client.subscribe("spot/depth:BTC-USDT")
            async with following(client) as stream:
                gap = await until(stream, Gap)
                assert (gap.channel, gap.instrument, gap.cause) == ("books", "BTC-USDT", "checksum")
                assert not client.book("BTC-USDT").is_live
                await until(stream, Resumed)
                await until(stream, BookEvent)
                assert client.book("BTC-USDT").is_live

    check()
