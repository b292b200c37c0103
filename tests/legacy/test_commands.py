"""`--dialect` on the command line: stream, price and record in V1 and V3, and replay, which knows it by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.legacy_corpus import CORPORA, rows
from tests.support.paths import ROOT
from tests.support.shell import Simulator, here


@pytest.fixture(scope="module")
def venue() -> Iterator[Simulator]:
    with Simulator("--seed", "7", "--rate", "4", "--speed", "4") as running:
        yield running


def test_stream_speaks_V1_and_takes_its_own_names_and_ours(venue: Simulator) -> None:
    own = ("-c", "ok_sub_futureusd_btc_trade_quarter", "-c", "ok_sub_spot_btc_usdt_depth_5")
    done = here("stream", *own, "--dialect", "v1", "--url", f"{venue.url}/ws/v1", "--json", "-n", "80")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.lines]
    data = [event for event in events if event["event"] in ("Trade", "BookSnapshot")]
    assert {(event["channel"], event["instrument"]) for event in data} == {
        ("trades", "BTC-USD-QUARTER"),
        ("books5", "BTC-USDT"),
    }
    texts = ("--dialect", "v1", "--url", f"{venue.url}/websocket")
    done = here("stream", "BTC-USDT", "-c", "trades", "-c", "books", *texts, "-n", "80")
    assert done.code == 0, done.err
    assert {line.split()[1] for line in done.lines} == {"trades", "books"}


def test_price_speaks_V3(venue: Simulator) -> None:
    url = f"{venue.url}/ws/v3"
    done = here("price", "BTC-USDT", "--every", "700ms", "-n", "3", "--dialect", "v3", "--url", url)
    assert done.code == 0, done.err
    assert all(line.startswith("BTC-USDT ") for line in done.lines[:2])
    assert " trades, " in done.lines[-1], "what happened over all"


def test_record_and_replay_and_verify(venue: Simulator, tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    place = ("--dialect", "v1", "--url", f"{venue.url}/ws/v1")
    done = here("record", "BTC-USDT", "-c", "trades", "-c", "books", *place, "--to", folder, "--for", "1s")
    assert done.code == 0, done.err
    again = here("replay", folder, "--flat", "--json")
    assert again.code == 0, again.err
    kinds = [json.loads(line)["event"] for line in again.lines]
    assert {"Connected", "Subscribed", "Trade", "BookSnapshot", "BookUpdate", "Disconnected"} <= set(kinds)
    checked = here("verify", folder)
    assert checked.code == 0, checked.out + checked.err
    assert "unverifiable BTC-USDT: the ids of" in checked.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stream", "BTC-USDT", "--dialect", "v2"), "no dialect is called 'v2'; dialects: v5, v3, v1"),
        (("stream", "BTC-USDT", "--dialect", "v1"), "OKX no longer speaks v1; give the --url"),
        (
            ("doctor", "--url", "ws://127.0.0.1:1/ws/v1"),
            "doctor speaks V5, not v1; try: okex-ws stream BTC-USDT --dialect v1 --url ws://127.0.0.1:1/ws/v1",
        ),
        (("price", "BTC-USDT", "--dialect", "v3"), "OKX no longer speaks v3; give the --url"),
        (
            ("stream", "-c", "ok_sub_futureusd_btc_trade_quater", "--dialect", "v1", "--url", "ws://127.0.0.1:1"),
            "the nearest is ok_sub_futureusd_btc_trade_quarter",
        ),
        (("stream", "-c", "trades", "--dialect", "v1", "--url", "ws://127.0.0.1:1"), "trades needs an instrument"),
        (("stream", "-c", "btc_forecast_price", "--dialect", "V1", "--url", "ws://127.0.0.1:1"), "it cannot be asked for"),
        (
            ("stream", "-c", "swap/trade", "--dialect", "V3", "--url", "ws://127.0.0.1:1"),
            "the nearest is swap/trade:BTC-USD-SWAP",
        ),
        (("stream", "btc-usdt", "--dialect", "v1", "--url", "ws://127.0.0.1:1"), "did you mean BTC-USDT?"),
        (("record", "BTC-USDT", "--since", "2h", "--dialect", "v3", "--url", "ws://127.0.0.1:1"), "omit it"),
        (
            ("stream", "BTC-USDT", "-c", "ok_sub_futureusd_btc_trade_quarter", "--dialect", "v1", "--url", "ws://127.0.0.1:1"),
            "no channel uses BTC-USDT, since ok_sub_futureusd_btc_trade_quarter names its instrument itself; omit it",
        ),
        (
            ("stream", "ETH-USDT", "-c", "spot/ticker:BTC-USDT", "--dialect", "v3", "--url", "ws://127.0.0.1:1"),
            "no channel uses ETH-USDT",
        ),
        (("stream", "spot/trade:BTC-USDT", "--dialect", "v3", "--url", "ws://127.0.0.1:1"), "not an instrument"),
    ],
)
def test_bad_input_is_told_in_one_line_before_anything_is_opened(arguments: tuple[str, ...], words: str) -> None:
    done = here(*arguments)
    assert done.code == 2
    (complaint,) = done.complaints
    assert words in complaint


@pytest.mark.parametrize(
    ("name", "events"), [("cryptofeed-2021-04-okcoin-v3", 1770 - 90), ("v1-comments-2018", 17), ("legacy_samples", None)]
)
def test_a_capture_replays_in_the_dialect_it_is_of(name: str, events: int | None, tmp_path: Path) -> None:
    if not (CORPORA / f"{name}.jsonl").exists():
        pytest.skip(f"../shared/corpora/{name}.jsonl is not here")
    capture = tmp_path / "capture.jsonl"
    shutil.copy(CORPORA / f"{name}.jsonl", capture)
    done = here("replay", str(capture), "--flat", "--json")
    assert done.code == 0, done.err
    assert '"Malformed"' not in done.out
    if name != "legacy_samples":
        assert ", 0 gaps" in done.err
    else:
        assert ", 1 gap" in done.err, "the example has not all the levels its checksum is of"
        assert "of 2630 records" in done.err, "V1 and V3, each by its own rules"
        told = [line for line in done.lines if '"books-l2-tbt"' in line and '"Gap"' not in line]
        assert len(told) == 2398 + 1, "a session told whole, and an example"
    if events is not None:  # all rows of all pushes: every frame but the acks is one row, or counted by hand
        assert f"{events} events of" in done.err


def test_the_pages_own_line_of_a_capture_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "from-the-2018-demo.md").read_text()
    capture = tmp_path / "capture.jsonl"
    capture.write_text(page.split("```json\n")[1].split("```")[0])
    done = here("replay", str(capture), "--flat", "--json")
    assert done.code == 0, done.err
    (trade,) = map(json.loads, done.lines)
    assert (trade["event"], trade["trade_id"], trade["ts_event"]) == ("Trade", 1, 1541052000 * 10**9)


def test_a_capture_of_several_dialects_is_told_in_each_and_a_strange_one_is_named(tmp_path: Path) -> None:
    deal = [{"channel": "ok_sub_spot_btc_usdt_deals", "data": [["1", "6395.1", "1", "14:45:28", "bid"]]}]
    row = {"instrument_id": "BTC-USDT", "price": "3864.1", "side": "buy", "size": "1", "trade_id": "7"}
    trade = {"table": "spot/trade", "data": [{**row, "timestamp": "2018-12-24T09:00:00.000Z"}]}
    told = {"v1": deal, "v3": trade, "v9": {}}
    lines = [json.dumps({"dialect": name, "raw": json.dumps(message)}) for name, message in told.items()]
    capture = tmp_path / "capture.jsonl"
    capture.write_text("\n".join([*lines, "not a capture", ""]))
    done = here("replay", str(capture), "--flat", "--json")
    assert [event["trade_id"] for event in map(json.loads, done.lines) if event["event"] == "Trade"] == [1, 7]
    assert "has frames of dialect 'v9'; known are v5, v3, v1; other frames are replayed" in done.err
    assert done.err.count("not a capture") == 1
    assert done.code == 1, "a line is damaged"
    capture.write_text(lines[2])
    done = here("replay", str(capture))
    assert done.code == 2
    assert "has frames of dialect 'v9'" in done.err


def test_a_capture_of_V3_that_lost_a_change_says_so_by_its_checksum_and_serves_no_wrong_book(tmp_path: Path) -> None:
    kept = [row for row in rows("cryptofeed-2021-04-okcoin-v3", dialect="v3") if '"checksum"' in row["raw"]]
    books = [row for row in kept if '"USDT-USD"' in row["raw"]][:40]
    lost = 4
    capture = tmp_path / "capture.jsonl"
    capture.write_text("\n".join(json.dumps(row) for n, row in enumerate(books) if n != lost))
    done = here("replay", str(capture), "--flat", "--json")
    events = [json.loads(line) for line in done.lines]
    assert [event["event"] for event in events] == ["BookSnapshot", *["BookUpdate"] * lost, "Gap"]
    assert (events[-1]["instrument"], events[-1]["cause"]) == ("USDT-USD", "checksum")
    assert ", 1 gap" in done.err


def test_a_capture_of_V1_whose_maker_reconnected_begins_its_book_anew(tmp_path: Path) -> None:
    def book(asks: list[list[str]], bids: list[list[str]]) -> object:
        return {"channel": "ok_sub_spot_btc_usdt_depth", "data": {"asks": asks, "bids": bids, "timestamp": 1541052000400}}

    ack = {"binary": 1, "channel": "addChannel", "data": {"result": True, "channel": "ok_sub_spot_btc_usdt_depth"}}
    first = [ack, book([["5", "1"], ["4", "1"]], [["3", "1"]]), book([["4", "2"]], [])]
    second = [ack, book([["11", "1"], ["10", "1"]], [["9", "1"]]), book([["10", "3"]], [])]
    capture = tmp_path / "capture.jsonl"
    row = {"dialect": "v1", "recv_ts": "1541052000.5"}
    capture.write_text("\n".join(json.dumps({**row, "raw": json.dumps([told])}) for told in (*first, *second)))
    done = here("replay", str(capture), "--flat", "--json")
    kinds = [json.loads(line)["event"] for line in done.lines]
    assert kinds == ["BookSnapshot", "BookUpdate", "Gap", "Resumed", "BookSnapshot", "BookUpdate"]
