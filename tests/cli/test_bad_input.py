"""Bad input: one line on stderr that names the remedy, exit code 2, no other output."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.shell import CLEAN, Result, Simulator, run

from okex_ws.cli import app

CASES = [
    ("stream BTC-USDT --url foo", "must begin with wss://"),
    ("stream BTC-USDT --url https://ws.okx.com", "must begin with wss://"),
    ("stream BTC-USDT --url ws://ws.okx.com", "use wss://"),
    ("stream BTC-USDT --url wss://ws.okx.com:port", "port must be a number"),
    ("stream BTC-USDT --url wss://", "has no host"),
    ("stream BTC-USDT --url wss://127.0.0.1 --rest-url ftp://x", "https://"),
    ("stream BTC-USDT --rest-url http://127.0.0.1", "goes with --url"),
    ("stream BTC-USDT --site mars", "global, eea, us"),
    ("stream BTC-USDT --site us --url wss://ws.okx.com", "omit one"),
    ("stream BTC-USDT --ca-file /nowhere/ca.pem", "--ca-file /nowhere/ca.pem"),
    ("stream BTC-USDT -c tradez", "did you mean trades"),
    ("stream BTC-USDT -c candle7m", "not a bar of candle"),
    ("stream BTC-USDT -c status", "takes no key"),
    ("stream BTCUSDT", "ids look like BTC-USDT"),
    ("stream btc-usdt-swap", "did you mean BTC-USDT-SWAP"),
    ("stream -c trades", "needs an instrument"),
    ("stream -c liquidation-orders", "instType"),
    ("stream SPOTS -c instruments", "types are SPOT"),
    ("stream BTC-USD -c estimated-price", "needs instType"),
    ("stream BTC-USD -c option-trades -k instType=SWAP", "only for instType=OPTION"),
    ("stream BTC-USDT -k instTyp=SPOT", "has no key instTyp"),
    ("stream BTC-USDT -k nonsense", "NAME=VALUE"),
    ("stream BTC-USDT -c books-l2-tbt", "set OKX_API_KEY, OKX_API_SECRET and OKX_API_PASSPHRASE"),
    ("stream BTC-USDT --for soon", "write e.g. 10s"),
    ("stream BTC-USDT --for 0s", "must be above zero"),
    ("stream BTC-USDT --count 0", "--count"),
    ("stream BTC-USDT --count many", "--count"),
    ("stream BTC-USDT --colour", "--colour"),
    ("price", "INSTRUMENT"),
    ("price BTC-USDT --every never", "write e.g. 10s"),
    ("price BTC-USDT --every 0", "must be above zero"),
    ("plan BTC-USDT -c nothing", "no channel is called"),
    ("doctor --site moon", "global, eea, us"),
    ("simulate --fault dorp", "did you mean 'drop'"),
    ("simulate --fault drop=1", "unknown fault"),
    ("simulate --port 99999", "--port"),
    ("simulate --rate 0", "above 0"),
    ("simulate --speed -1", "above 0"),
    ("simulate --host 0.0.0.0", "--allow-remote"),
    ("simulate --capture /nowhere/file", "/nowhere/file"),
    ("simulate --conn 1", "goes with --capture"),
    ("simulate --port 0 --log /nowhere/file", "/nowhere/file"),
    ("steam BTC-USDT", "steam"),
]


def assert_one_line(done: Result, fragment: str) -> None:
    assert done.code == 2, done
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("okex-ws: ")
    assert fragment in done.err


@pytest.mark.parametrize(("command", "fragment"), CASES, ids=[case[0] for case in CASES])
def test_one_line_says_what_to_change(
    command: str, fragment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OKX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", CLEAN["HOME"])
    code = app.run(command.split())
    assert_one_line(Result(code, *capsys.readouterr()), fragment)


@pytest.mark.parametrize(("command", "fragment"), CASES[::12])
def test_the_same_in_a_process_of_its_own(command: str, fragment: str) -> None:
    assert_one_line(run(*command.split()), fragment)


def test_unknown_instruments_and_the_nearest(venue: Simulator) -> None:
    done = run("stream", "BTC-USDT", "ETH-USTD", "BTC-USDT-SWAPP", *venue.where)
    assert_one_line(done, "unknown instruments")
    assert "ETH-USTD (did you mean ETH-USDT?)" in done.err
    assert "BTC-USDT-SWAPP (did you mean BTC-USDT-SWAP?)" in done.err
    assert_one_line(run("price", "DOGE-USDC", *venue.where), "unknown instrument")


def test_refused_by_the_exchange_when_rest_cannot_tell(venue: Simulator) -> None:
    done = run("stream", "XYZ-USDT", "--url", venue.url, "--rest-url", "http://127.0.0.1:1", "--for", "20s")
    assert done.code == 2
    assert done.out == ""
    assert len(done.complaints) == 1
    assert "60018" in done.complaints[0]
    assert ".;" not in done.complaints[0]


def test_a_capture_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "capture.jsonl"
    file.write_text("no json\n")
    assert_one_line(run("simulate", "--capture", str(file)), "no JSON")
    file.write_text("{}\n")
    assert_one_line(run("simulate", "--capture", str(file)), "no V5 pushes")


@pytest.mark.parametrize("fault", ["drop nth=x", "abort every=3s"])
def test_counts_of_faults_are_whole_numbers(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(["simulate", "--fault", fault])
    assert_one_line(Result(code, *capsys.readouterr()), "write a whole number")


def test_a_port_that_is_taken(venue: Simulator) -> None:
    done = run("simulate", "--port", venue.url.rpartition(":")[2])
    assert done.code == 1
    assert "choose another with --port" in done.complaints[0]
    assert len(done.err.splitlines()) == 1
