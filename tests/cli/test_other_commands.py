"""`price`, `simulate`, `plan`, `doctor`, `demo`, and the command as a whole."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.paths import SHARED
from tests.support.shell import CLEAN, COMMAND, PATIENCE_S, Simulator, run, started

import okex_ws


def test_price_and_time(venue: Simulator) -> None:
    done = run("price", "BTC-USDT", "ETH-USDT", "--every", "2s", "--count", "2", *venue.where)
    assert done.code == 0, done.err
    prices = [line for line in done.lines if ": " not in line]
    assert len(prices) == 4
    for line in prices:
        assert re.fullmatch(r"(BTC|ETH)-USDT +\d+\.\d+ [▲▼ ] +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line.rstrip()), line


def test_price_sums_up(venue: Simulator) -> None:
    done = run("price", "BTC-USDT", "--every", "1s", "--for", "4s", *venue.where)
    assert done.code == 0, done.err
    assert re.search(r"^BTC-USDT: \d+ trades, [\d.]+ to [\d.]+, [+-][\d.]+ in total, size [\d.]+$", done.out, re.M), done.out


def test_price_without_an_exchange() -> None:
    done = run("price", "BTC-USDT", "--url", "ws://127.0.0.1:1", "--every", "100ms", "--for", "2s")
    assert done.code == 1
    assert "(no connection)" in done.out
    assert "never connected" in done.complaints[0]


def test_simulate_says_how_to_use_it() -> None:
    with Simulator("--fault", "drop channel=books nth=2") as venue:
        assert f"okex-ws stream BTC-USDT -c trades -c books --url {venue.url}" in venue.welcome
        assert "export OKX_API_KEY=" in venue.welcome
        assert venue.url.startswith("ws://127.0.0.1:")
        assert run("stream", "BTC-USDT", "-c", "books", "--count", "6", *venue.where).code == 0
    assert venue.code == 143
    assert "1 drop" in venue.err


def test_simulate_ends_on_ctrl_c_and_by_time() -> None:
    with started("simulate", "--port", "0") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert run("simulate", "--port", "0", "--for", "100ms").code == 0


def test_simulate_lists_its_faults() -> None:
    done = run("simulate", "--list-faults")
    assert done.code == 0
    assert any(line.startswith("drop ") for line in done.lines)
    assert "nth=" in done.out


def test_simulate_a_capture(tmp_path: Path) -> None:
    row = {"instId": "AAA-USDT", "tradeId": "1", "px": "2", "sz": "3", "side": "buy", "ts": "1790000000000", "count": "1"}
    lines = []
    for number in range(1, 31):
        push = {"arg": {"channel": "trades", "instId": "AAA-USDT"}, "data": [{**row, "tradeId": str(number)}]}
        lines.append(json.dumps({"raw": json.dumps(push), "recv_ts": 1790000000 + number / 10, "conn": "1", "path": "public"}))
    file = tmp_path / "capture.jsonl"
    file.write_text("\n".join(lines))
    with Simulator("--capture", str(file), "--speed", "4") as recorded:
        assert "stream AAA-USDT" in recorded.welcome
        done = run("stream", "AAA-USDT", "--count", "5", "--json", *recorded.where)
    assert done.code == 0, done.err
    ids = [row["trade_id"] for row in map(json.loads, done.lines) if row["event"] == "Trade"]
    assert ids == [1, 2, 3, 4, 5]


@pytest.mark.skipif(not SHARED.exists(), reason="../shared with the captures is absent")
def test_simulate_one_connection_of_a_capture() -> None:
    capture = str(SHARED / "corpora" / "cryptofeed-2021-07-okex-v5.jsonl")
    with Simulator("--capture", capture, "--conn", "2"):
        pass
    done = run("simulate", "--capture", capture, "--conn", "9")
    assert done.code == 2
    assert "it has 0, 1, 2" in done.err


def test_plan_counts_connections_and_frames() -> None:
    many = [f"COIN{number}-USDT" for number in range(60)]
    done = run("plan", *many, "-c", "trades", "-c", "books", "-c", "candle1m")
    assert done.code == 0, done.err
    assert done.lines[0] == "180 subscriptions over 4 connections, 6 subscribe frames."
    assert sum("public/" in line for line in done.lines) == 3
    assert sum("business/" in line for line in done.lines) == 1


def test_doctor_finds_nothing_broken(venue: Simulator) -> None:
    done = run("doctor", "--for", "1s", *venue.where)
    assert done.code == 0, done.out
    for what in ("URL", "port", "DNS", "TCP", "public", "business", "clock", "status", "data", "fields"):
        assert re.search(rf"^✓ {what} ", done.out, re.M), (what, done.out)
    assert "nothing is broken" in done.out


def test_doctor_names_unknown_fields() -> None:
    with Simulator("--fault", "extra_field channel=tickers name=novelty") as venue:
        done = run("doctor", "--for", "1s", *venue.where)
    assert done.code == 0, done.out
    assert "tickers: novelty" in done.out


def test_doctor_says_why_it_fails() -> None:
    done = run("doctor", "--url", "ws://127.0.0.1:8443")
    assert done.code == 1
    assert "switched off by OKX on 2026-10-31" in done.out
    assert "connection refused" in done.out
    with Simulator("--tls") as secure:
        done = run("doctor", *secure.where)
        assert done.code == 1
        assert "give its authority with --ca-file" in done.out
        done = run("doctor", "--for", "500ms", "--ca-file", secure.ca_file, *secure.where)
        assert done.code == 0, done.out
        assert "TLSv1.3" in done.out


def test_demo_checks_itself() -> None:
    done = run("demo", "--for", "3s")
    assert done.code == 0, done.out + done.err
    assert re.search(r"^✓ gaps +0$", done.out, re.M)
    assert "none missing from the exchange's own ledger" in done.out
    assert re.search(r"trades +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+", done.out)


def test_demo_fails_when_something_was_lost() -> None:
    done = run("demo", "--for", "6s", "--fault", "drop channel=trades nth=3")
    assert done.code == 1, done.out
    assert re.search(r"^✗ gaps", done.out, re.M)


def test_the_bare_command_helps() -> None:
    done = run()
    assert done.code == 0
    for name in ("stream", "price", "simulate", "plan", "doctor", "demo", "Exit codes"):
        assert name in done.out
    assert run("--version").out == f"okex-ws {okex_ws.__version__}\n"


@pytest.mark.parametrize("name", ["stream", "price", "simulate", "plan", "doctor", "demo"])
def test_every_command_has_an_example_and_exit_codes(name: str) -> None:
    done = run(name, "--help")
    assert done.code == 0
    assert f"Example: okex-ws {name}" in " ".join(done.out.split())
    assert "Exit codes" in done.out


def test_stdout_that_is_closed_leads_nowhere(venue: Simulator) -> None:
    for command in (["plan", "BTC-USDT"], ["stream", "BTC-USDT", "--count", "3", *venue.where]):
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *command], capture_output=True, text=True, timeout=60, env=CLEAN
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line(venue: Simulator) -> None:
    for command in (
        ["plan", "BTC-USDT"],
        ["stream", "BTC-USDT", "--for", "60s", *venue.where],
        ["price", "BTC-USDT", "--for", "60s", *venue.where],
    ):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([*COMMAND, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=CLEAN)
        assert done.returncode == 1, done.stderr
        assert "okex-ws: cannot continue: no space left on device" in done.stderr.splitlines()
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_ctrl_c_while_the_command_is_imported() -> None:
    code = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "okex_ws.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from okex_ws.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=CLEAN)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_doctor_does_not_call_its_own_haste_broken() -> None:
    with Simulator("--fault", "rest_error status=429 code=50011 target=*status*") as venue:
        done = run("doctor", "--for", "500ms", *venue.where)
    assert done.code == 0, done.out
    assert re.search(r"^- status +not requested", done.out, re.M), done.out
    with Simulator("--fault", "refuse_connect status=429 path=business times=1") as venue:
        done = run("doctor", "--for", "500ms", *venue.where)
    assert done.code == 0, done.out
    assert re.search(r"^✓ business +WebSocket opens", done.out, re.M), done.out


def test_ctrl_c_ends_the_doctor_while_it_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and never answers
        where = ["--url", f"ws://127.0.0.1:{mute.getsockname()[1]}", "--rest-url", "http://127.0.0.1:1"]
        with started("doctor", *where) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if "TCP REST" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert err == ""


def test_tls_to_a_port_without_it_is_guessed_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        done = run("stream", "BTC-USDT", "--url", f"wss://127.0.0.1:{port}", "--rest-url", "http://127.0.0.1:1", "--for", "1s")
    assert done.code == 1
    assert re.search(r"still opening after [\d.]+ s; is it TLS there\?", done.complaints[0])


def test_a_host_that_is_not_there() -> None:
    done = run("stream", "BTC-USDT", "--url", "wss://nowhere.invalid", "--rest-url", "http://127.0.0.1:1", "--for", "2s")
    assert done.code == 1
    assert "cannot find the host nowhere.invalid" in done.complaints[0]


def test_a_capture_is_offered_with_what_it_serves(tmp_path: Path) -> None:
    book = {"asks": [["2", "1", "0", "1"]], "bids": [["1", "1", "0", "1"]], "ts": "1790000000000", "seqId": 1, "prevSeqId": -1}
    push = {"arg": {"channel": "books-l2-tbt", "instId": "AAA-USDT"}, "action": "snapshot", "data": [book]}
    file = tmp_path / "capture.jsonl"
    file.write_text(json.dumps({"raw": json.dumps(push), "recv_ts": 1790000000, "conn": "1", "path": "public"}))
    with Simulator("--capture", str(file)) as recorded:
        tried = recorded.welcome.partition("Try:")[2]
    assert "okex-ws stream AAA-USDT -c books-l2-tbt --url" in tried
    assert "--rest-url" not in tried
    assert tried.index("export OKX_API_KEY=") < tried.index("okex-ws stream")
