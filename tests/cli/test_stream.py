"""`okex-ws stream` on a terminal, in a script and in a pipe."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.support.paths import SHARED
from tests.support.shell import PATIENCE_S, Simulator, run, started


def test_one_line_an_event(venue: Simulator) -> None:
    done = run("stream", "BTC-USDT", "-c", "trades", "-c", "books", "-c", "tickers", "--count", "12", *venue.where)
    assert done.code == 0, done.err
    assert len(done.lines) == 12
    kinds = {line.split()[1] for line in done.lines}
    assert kinds <= {"trades", "books", "tickers"}
    assert all(line.split()[2] == "BTC-USDT" for line in done.lines)
    assert "\x1b" not in done.out + done.err
    assert "connected" in done.err
    assert "12 events" in done.err.splitlines()[-1]
    assert "0 gaps" in done.err.splitlines()[-1]


def test_books_show_best_prices_as_of_the_line(venue: Simulator) -> None:
    done = run("stream", "BTC-USDT", "-c", "books", "--count", "4", *venue.where)
    assert done.code == 0, done.err
    for line in done.lines:
        words = line.split()
        assert float(words[3]) < float(words[5]), line


def test_json_lines(venue: Simulator) -> None:
    done = run("stream", "BTC-USDT", "-c", "trades", "-c", "books", "--json", "--count", "8", *venue.where)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.lines]
    for row in rows:
        assert list(row)[:3] == ["event", "ts_recv", "ts_event"]
        assert isinstance(row["ts_recv"], int)
    kinds = [row["event"] for row in rows]
    assert kinds[0] == "Connected"
    assert "Subscribed" in kinds
    image = next(row for row in rows if row["event"] == "BookSnapshot")
    assert image["instrument"] == "BTC-USDT"
    assert all(isinstance(cell, float | int) for level in image["bids"] for cell in level)
    assert image["bids"][0][0] > image["bids"][1][0]
    assert "raw_bids" not in image
    trade = next(row for row in rows if row["event"] == "Trade")
    assert {"instrument", "price", "size", "side", "trade_id", "count", "channel"} <= trade.keys()
    assert done.err.splitlines() == [done.err.strip()]  # only the summary


def test_ends_by_time(venue: Simulator) -> None:
    done = run("stream", "BTC-USDT", "-c", "tickers", "--for", "3s", *venue.where)
    assert done.code == 0
    assert done.lines


def test_head_is_quiet(venue: Simulator) -> None:
    with started("stream", "BTC-USDT", "-c", "bbo-tbt", "--json", *venue.where) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in err
    assert "Broken" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_cleanly(venue: Simulator, number: int, code: int) -> None:
    with started("stream", "BTC-USDT", "-c", "tickers", *venue.where) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert "Traceback" not in err
    assert "events" in err.splitlines()[-1]


def test_never_connected() -> None:
    done = run("stream", "BTC-USDT", "--url", "ws://127.0.0.1:1", "--for", "2s")
    assert done.code == 1
    assert "disconnected" in done.err
    assert len(done.complaints) == 1
    assert "never connected to ws://127.0.0.1:1" in done.complaints[0]


def test_certificates_are_verified() -> None:
    with Simulator("--tls") as secure:
        done = run("stream", "BTC-USDT", "--count", "1", *secure.where)
        assert done.code == 1
        assert "not trusted" in done.complaints[0]
        assert not done.out
        done = run("stream", "BTC-USDT", "--count", "1", "--ca-file", secure.ca_file, *secure.where)
        assert done.code == 0, done.err


def test_gap_with_strict() -> None:
    with Simulator("--fault", "drop channel=books nth=3") as lossy:
        done = run("stream", "BTC-USDT", "-c", "books", "--count", "12", "--strict", *lossy.where)
    assert done.code == 1
    assert "gap" in done.err
    assert "1 gap" in done.err.splitlines()[-1]
    assert len(done.lines) == 12


def test_login_from_the_environment() -> None:
    with Simulator() as guarded:
        key = guarded.key
        done = run("stream", "BTC-USDT", "-c", "books-l2-tbt", "--count", "3", *guarded.where, **key)
        assert done.code == 0, done.err
        key["OKX_API_PASSPHRASE"] = "wrong"
        done = run("stream", "BTC-USDT", "-c", "books-l2-tbt", "--for", "60s", *guarded.where, **key)
        assert done.code == 2
        assert "passphrase" in done.complaints[0]


def test_G6_what_the_exchange_writes_is_escaped() -> None:
    evil = r"{\"event\":\"notice\",\"code\":\"1\",\"msg\":\"a\\u001b[31mred\\nnew line\\u202e\"}"
    with Simulator("--fault", f'inject channel=tickers every=1 text="{evil}"') as rude:
        for way in ([], ["--json"]):
            done = run("stream", "BTC-USDT", "-c", "tickers", "--count", "3", *way, *rude.where)
            assert done.code == 0
            everything = done.out + done.err
            assert "red" in everything, everything
            assert not set(everything) & {"\x1b", "\u202e"}
            assert all("new line" not in line or "red" in line for line in everything.splitlines())


@pytest.mark.skipif(not SHARED.exists(), reason="../shared with the captures is absent")
def test_a_real_capture_without_a_gap() -> None:
    capture = SHARED / "corpora" / "cryptofeed-2022-05-okx-v5.jsonl"
    with Simulator("--capture", str(capture), "--speed", "8") as recorded:
        done = run("stream", "BTC-USDT", "-c", "books", "-c", "trades", "--count", "60", "--strict", *recorded.where)
    assert done.code == 0, done.err
    assert len(done.lines) == 60


def test_login_by_a_profile_of_the_file(tmp_path: Path) -> None:
    with Simulator() as guarded:
        api_key, secret, passphrase = guarded.key.values()
        file = tmp_path / ".okx" / "config.toml"
        file.parent.mkdir()
        file.touch(0o600)
        file.write_text(f'[profiles.desk]\napi_key = "{api_key}"\nsecret_key = "{secret}"\npassphrase = "{passphrase}"\n')
        done = run("stream", "-c", "account", "--count", "1", "--profile", "desk", *guarded.where, HOME=str(tmp_path))
    assert done.code == 0, done.err
    assert "BTC" in done.out
