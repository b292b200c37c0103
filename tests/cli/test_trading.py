"""`account`, `orders`, `order`, `cancel`: real processes against the simulator; one line for invalid orders."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.looped import looped
from tests.support.shell import CLEAN, Result, Simulator, here, run

from okex_ws import Client, Site, credentials
from okex_ws.cli import app, order
from okex_ws.cli.account_client import print_outcome
from okex_ws.cli.options import AccountOptions
from okex_ws.client.credentials import AccountKey
from okex_ws.client.kill_switch import press
from okex_ws.client.trading import Trading
from okex_ws.events import Halted, TradingResumed, Verdict
from okex_ws.protocol.orders.tickets import Outcome
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.server import Server
from okex_ws.wire.orders import PlaceOrder


@pytest.fixture(scope="module")
def desk() -> Iterator[Simulator]:
    """An exchange with a funded account of production."""
    with Simulator("--seed", "7") as running:
        yield running


@pytest.fixture(scope="module")
def demo_desk() -> Iterator[Simulator]:
    """A simulator with demo trading."""
    with Simulator("--seed", "7", "--demo") as running:
        yield running


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This process without any key."""
    for name in [name for name in os.environ if name.startswith("OKX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", CLEAN["HOME"])
    return monkeypatch


def told(done: Result) -> dict[str, str]:
    """Return the verdict and the named values that `order` and `cancel` print."""
    assert done.lines, done.err
    pairs = (line.split("  ", 1) for line in done.lines[1:])
    return {"verdict": done.lines[0], **{name: value.strip() for name, value in pairs}}


def test_from_the_first_look_to_the_last_cancel(desk: Simulator, nobody: pytest.MonkeyPatch) -> None:
    for name, value in desk.key.items():
        nobody.setenv(name, value)

    def say(*words: str) -> Result:
        """Run a command that sends orders in its own process, others in this one."""
        return run(*words, *desk.where, **desk.key) if words[0] in ("order", "cancel") else here(*words, *desk.where)

    before = json.loads(say("account", "--json").out)
    assert (before["quality"], before["open_orders"], before["positions"]) == ("LIVE", 0, [])
    held = {row["currency"]: Decimal(row["cash"]) for row in before["balances"]}

    bought = say("order", "buy", "BTC-USDT", "0.01", "--market")
    assert (bought.code, bought.err) == (0, "")
    assert told(bought)["verdict"] == "CONFIRMED"
    assert told(bought)["state"].startswith("filled, 0.01 at ")
    assert told(bought)["state"].endswith(" BTC")

    resting = say("order", "buy", "BTC-USDT", "0.02", "--limit", "58000", "--client-id", "rests")
    assert told(resting) | {"order id": ""} == {
        "verdict": "CONFIRMED",
        "instrument": "BTC-USDT",
        "order id": "",
        "client order id": "rests",
        "state": "live",
    }
    listed = [json.loads(line) for line in say("orders", "--json").lines]
    assert [(row["client_order_id"], row["price"], row["state"]) for row in listed] == [("rests", "58000", "live")]
    table = say("orders").out
    for word in ("58,000", "0.02", "rests", told(resting)["order id"]):
        assert word in table

    after = json.loads(say("account", "--json").out)
    cash = {row["currency"]: Decimal(row["cash"]) for row in after["balances"]}
    assert after["open_orders"] == 1
    assert 0 < cash["BTC"] - held["BTC"] <= Decimal("0.01"), "less the fee"
    assert cash["USDT"] < held["USDT"]

    gone = say("cancel", "BTC-USDT", "--client-id", "rests")
    assert (gone.code, told(gone)["verdict"], told(gone)["state"]) == (0, "CONFIRMED", "canceled, nothing was filled")
    history = say("orders", "BTC-USDT", "--history")
    assert history.out.count("BTC-USDT") == 2
    assert say("orders").out == f"Open orders at {desk.url}: none\n"


def test_a_position_and_cancel_all(desk: Simulator, nobody: pytest.MonkeyPatch) -> None:
    for name, value in desk.key.items():
        nobody.setenv(name, value)

    def say(*words: str) -> Result:
        return here(*words, *desk.where)

    assert say("order", "sell", "BTC-USDT-SWAP", "2", "--market").code == 0
    for price in ("61000", "61500"):
        assert say("order", "sell", "BTC-USDT-SWAP", "1", "--limit", price, "--post-only").code == 0
    shown = say("account").out
    assert "2 open orders" in shown
    position = next(line for line in shown.splitlines() if line.startswith("BTC-USDT-SWAP"))
    assert position.split()[1:4] == ["net", "cross", "-2"]
    assert say("cancel", "BTC-USDT-SWAP", "--all").out == "2 of 2 open orders canceled\n"
    assert say("cancel", "BTC-USDT-SWAP", "--all").out == "no open order\n"
    killed = say("order", "buy", "BTC-USDT-SWAP", "2", "--limit", "60600", "--post-only", "--reduce-only")
    assert told(killed)["state"] == "canceled, nothing was filled"
    closed = say("order", "buy", "BTC-USDT-SWAP", "2", "--limit", "60600", "--ioc", "--reduce-only")
    assert told(closed)["state"].startswith("filled, 2 at ")


def test_what_okx_rejects_is_told_with_its_reason(desk: Simulator) -> None:
    done = run("order", "buy", "BTC-USDT", "0.01", "--limit", "90000", "--price-distance", "100", *desk.where, **desk.key)
    assert done.code == 1
    said = told(done)
    assert said["verdict"] == "REJECTED"
    assert said["reason"].startswith("51006 ")
    assert "order id" not in said


def test_a_price_far_off_the_market_does_not_leave_unless_that_is_meant(
    desk: Simulator, nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    for name, value in desk.key.items():
        nobody.setenv(name, value)
    far = ("order", "buy", "BTC-USDT", "0.01", "--limit", "50000", *desk.where, "--audit", str(file))
    done = here(*far)
    assert (done.code, done.err) == (1, "")
    said = told(done)
    assert (said["verdict"], said["sent"]) == ("REJECTED", "no, refused by this client")
    assert said["reason"].startswith("price 50000 is more than 5 % off ")
    assert said["advice"] == "look at the price again, or allow a larger price distance"
    meant = here(*far, "--price-distance", "30")
    assert told(meant)["verdict"] == "CONFIRMED"
    assert here("cancel", "BTC-USDT", "--id", told(meant)["order id"], *desk.where, "--audit", str(file)).code == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["what"], line["kind"], line.get("code", "")) for line in lines] == [
        ("asked", "place", ""),
        ("resolved", "place", "price_distance"),
        ("asked", "place", ""),
        ("resolved", "place", ""),
        ("asked", "cancel", ""),
        ("resolved", "cancel", ""),
    ]
    unwritable = here(*far[:-1], str(tmp_path / "no" / "such"), "--price-distance", "30")
    assert (unwritable.code, unwritable.out) == (1, "")
    assert unwritable.err == f"okex-ws: {tmp_path / 'no' / 'such'}: no such file or directory\n"


def test_an_outcome_that_is_not_known_is_never_called_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Outcome(
        verdict=Verdict.UNKNOWN,
        kind="place",
        instrument="BTC-USDT",
        client_order_id="w1",
        reason="no answer\x1b[2J",
        advice="an OrderResolved tells",
    )
    assert print_outcome(lost) == 3
    assert told(Result(3, capsys.readouterr().out, "")) == {
        "verdict": "UNKNOWN",
        "instrument": "BTC-USDT",
        "client order id": "w1",
        "reason": r"no answer\x1b[2J",
        "advice": "it may have happened: check with okex-ws orders before sending it again",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_the_answer_it_says_that_it_may_have_happened_and_by_which_id_to_look(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def exchange(now: int) -> Exchange:
        return Exchange(SeededMarket(7, start=now, levels=5), seed=7, now=now, faults=Faults.parse(["order_lost"]))

    @looped
    async def check() -> None:
        async with Server(exchange) as server:
            key = AccountKey(DEMO_KEY.key, DEMO_KEY.secret, DEMO_KEY.passphrase, site=Site.okx())
            place = AccountOptions(Site.at(server.ws_url, rest_url=server.rest_url), None, key)
            wish = PlaceOrder(instrument="BTC-USDT", side="buy", size=Decimal("0.01"), price=Decimal(59000))
            command = asyncio.create_task(order.send(place, wish))
            while not server.exchange.ledger.faults:  # noqa: ASYNC110  # the exchange has no event to wait for
                await asyncio.sleep(0)
            signal.raise_signal(number)
            assert await command == 128 + number

    check()
    said = capsys.readouterr()
    assert said.out == ""
    line = r"okex-ws: stopped before OKX answered: client order id w\w{17,31} may exist; check with okex-ws orders\n"
    assert re.fullmatch(line, said.err)


# -- nothing is sent --------------------------------------------------------------------------------------------------------

CASES = [
    ("order buy BTC-USDT 0.01 --limit 50000.03", "not a multiple of the tick 0.1; the nearest is 50000"),
    ("order sell BTC-USDT 0.01 --limit 70000.07", "not a multiple of the tick 0.1; the nearest is 70000.1"),
    ("order buy BTC-USDT 0.000000001 --market", "less than 0.00001; the nearest is 0.00001"),
    ("order buy BTC-USDT 0.0000100004 --market", "not a multiple of the lot 0.00000001; the nearest is 0.00001"),
    ("order buy BTC-USDT-SWAP 1.005 --market", "not a multiple of the lot 0.01; the nearest is 1"),
    ("order buy BTC-UDST 1 --market", "did you mean BTC-USDT?"),
    ("cancel BTC-USDTX --all", "did you mean BTC-USDT?"),
    ("cancel BTC-USDTX --id 5", "did you mean BTC-USDT?"),
    ("orders BTC-FOO", "unknown instrument"),
    ("orders BTC-USDTX --history", "did you mean BTC-USDT?"),
    ("order buy BTC-USDT 100 --limit 50000", "not enough balance to buy 100 BTC-USDT: enough for "),
    ("order sell BTC-USDT 1000 --market", "not enough balance to sell 1,000 BTC-USDT: enough for "),
]


@pytest.mark.parametrize(("command", "fragment"), CASES, ids=[case[0] for case in CASES])
def test_an_order_that_cannot_work_is_one_line(command: str, fragment: str, desk: Simulator, nobody: pytest.MonkeyPatch) -> None:
    for name, value in desk.key.items():
        nobody.setenv(name, value)
    assert_refused(here(*command.split(), *desk.where), fragment)


WORDS = [
    ("order buy BTC-USDT 1", "either --limit PRICE or --market"),
    ("order buy BTC-USDT 1 --limit 5 --market", "either --limit PRICE or --market"),
    ("order buy BTC-USDT 1 --market --fok", "--fok goes with --limit"),
    ("order buy BTC-USDT 1 --limit 5 --ioc --fok", "--ioc and --fok exclude each other"),
    ("order buy BTC-USDT one --market", "size 'one' is not a number"),
    ("order buy BTC-USDT nan --market", "size 'nan' is not a number"),
    ("order buy BTC-USDT 1 --limit 1e999", "price '1e999' is not a number"),
    ("order hold BTC-USDT 1 --market", "'hold' is not a side"),
    ("order sell BTC-USDT -1.5 --market", "okex-ws: a negative number is not valid here; see okex-ws order --help"),
    ("order buy BTCUSDT 1 --market", "okex-ws: 'BTCUSDT' is not an OKX id; ids look like BTC-USDT"),
    ("cancel btc-usdt --all", "okex-ws: OKX writes ids in capitals; did you mean BTC-USDT?"),
    ("orders BTCUSDT", "okex-ws: 'BTCUSDT' is not an OKX id"),
    ("order buy BTC-USD-261225-60000-C 1 --limit 0.05", "only spot, swaps and futures can be ordered by this command"),
    ("order buy BTC-USDT_BTC-USDT-SWAP 1 --limit 1", "only spot, swaps and futures can be ordered by this command"),
    ("order buy BTC-USDT 1 --market --client-id no-hyphen", "letters and digits"),
    ("order buy BTC-USDT 1 --market --trade-mode lever", "modes are cash, cross, isolated"),
    ("order buy BTC-USDT 1 --market --position-side up", "long or short"),
    ("order buy BTC-USDT 1 --limit 5 --price-distance 0", "--price-distance 0: write percent of the last price, above zero"),
    ("order buy BTC-USDT 1 --limit 5 --price-distance far", "--price-distance 'far' is not a number"),
    ("cancel BTC-USDT", "one of --id ID, --client-id ID or --all"),
    ("cancel BTC-USDT --all --id 5", "one of --id ID, --client-id ID or --all"),
    (
        "order buy BTC-USDT 1 --market",
        "no API key: set OKX_API_KEY, OKX_API_SECRET and OKX_API_PASSPHRASE, or write a profile to",
    ),
    ("account --profile main", "no profile 'main': there is no"),
    ("orders --site mars", "no API key"),
]


@pytest.mark.parametrize(("command", "fragment"), WORDS, ids=[case[0] for case in WORDS])
def test_words_that_cannot_be_meant_are_one_line(command: str, fragment: str, nobody: pytest.MonkeyPatch) -> None:
    assert_refused(here(*command.split()), fragment)


def test_a_wrong_key_is_told_apart_from_a_wrong_place(
    desk: Simulator, demo_desk: Simulator, nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(at: Simulator, key: dict[str, str], fragment: str) -> None:
        for name in ("OKX_DEMO", *desk.key):
            nobody.delenv(name, raising=False)
        for name, value in key.items():
            nobody.setenv(name, value)
        assert_refused(here("order", "buy", "BTC-USDT", "0.01", "--market", *at.where), fragment)

    refused(desk, {**desk.key, "OKX_API_KEY": "somebody-elses"}, "50119 API key doesn't exist; use the site (global, eea, us)")
    refused(desk, {**desk.key, "OKX_API_SECRET": "another-secret"}, "50113 Invalid Sign; check the secret")
    refused(desk, {**desk.key, "OKX_API_PASSPHRASE": "another-phrase"}, "check the passphrase given when the key was made")
    refused(desk, demo_desk.key, "50101 APIKey does not match current environment")
    refused(desk, desk.key | {"OKX_DEMO": "1"}, "this key does not belong to demo trading: set OKX_DEMO=0")
    home = tmp_path / ".okx"
    home.mkdir()
    parts = zip(("api_key", "secret_key", "passphrase"), desk.key.values(), strict=True)
    (home / "config.toml").write_text("\n".join(["[profiles.mine]", "demo = true", *(f'{name} = "{v}"' for name, v in parts)]))
    (home / "config.toml").chmod(0o600)
    nobody.setenv("HOME", str(tmp_path))
    of_file = here("account", "--profile", "mine", *desk.where)
    assert_refused(
        of_file, f"this key does not belong to demo trading: write demo = false in the profile mine of {home}/config.toml"
    )
    live = {name: value for name, value in demo_desk.key.items() if name != "OKX_DEMO"}
    refused(demo_desk, live, "this key does not belong to live trading: set OKX_DEMO=1")


def test_nothing_of_all_that_was_sent(desk: Simulator) -> None:
    """The exchange knows only the orders that the tests above sent."""
    rows = [json.loads(line) for line in run("orders", "--history", "--json", *desk.where, **desk.key).lines]
    assert {row["size"] for row in rows} <= {"0.01", "0.02", "1", "2"}


@pytest.mark.parametrize(
    ("variables", "words", "fragment"),
    [
        ({"OKX_SITE": "eea"}, "--site us", "OKX_SITE and the site asked for contradict each other (eea and us); leave one out"),
        ({"OKX_DEMO": "0"}, "--demo", "OKX_DEMO and what is asked for contradict each other (live and demo); leave one out"),
        ({"OKX_FLAG": "1", "OKX_DEMO": "0"}, "", "OKX_DEMO and OKX_FLAG contradict each other (live and demo); leave one out"),
        ({"OKX_SITE": "tr"}, "", "OKX_SITE is tr: OKX documents no WebSocket for its Turkish site"),
        ({"OKX_API_BASE_URL": "https://my.okx.com"}, "--site us", "contradict each other (us and eea); leave one out"),
    ],
)
def test_a_key_goes_to_no_site_but_its_own(
    variables: dict[str, str], words: str, fragment: str, nobody: pytest.MonkeyPatch
) -> None:
    for name in ("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"):
        nobody.setenv(name, "of-nobody-at-all")
    for name, value in variables.items():
        nobody.setenv(name, value)
    assert_refused(here("order", "buy", "BTC-USDT", "1", "--market", "--yes", *words.split()), fragment)


def test_a_live_site_wants_a_word(nobody: pytest.MonkeyPatch) -> None:
    for name in ("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"):
        nobody.setenv(name, "of-nobody-at-all")
    done = here("order", "buy", "BTC-USDT", "1", "--market", "--site", "eea")
    assert_refused(done, "this would go to OKX eea (live): add --yes, or run it in a terminal to confirm")


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("n", False), ("", False)])
def test_at_a_terminal_it_asks_and_only_yes_means_yes(answer: str, sent: bool, nobody: pytest.MonkeyPatch) -> None:
    """Test the confirmation; no live site is available, so the call that would send is replaced."""
    ours, theirs = pty.openpty()
    key = AccountKey("of-nobody-key", "of-nobody-secret", "of-nobody-phrase", site=Site.okx("global"))
    wish = PlaceOrder(instrument="BTC-USDT", side="buy", size=Decimal("0.01"), price=Decimal(60000))
    with os.fdopen(theirs, "r") as terminal:
        nobody.setattr("sys.stdin", terminal)
        os.write(ours, f"{answer}\n".encode())
        assert order.is_confirmed(AccountOptions(key.site, None, key), wish, None) is sent
    os.close(ours)


def assert_refused(done: Result, fragment: str) -> None:
    assert (done.code, done.out) == (2, ""), done
    assert len(done.err.splitlines()) == 1, done.err
    assert fragment in done.err
    assert done.err.startswith("okex-ws: ")


@pytest.mark.parametrize("name", ["account", "orders", "order", "cancel", "halt"])
def test_help_says_how(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run([name, "--help"]) == 0
    assert f"Example: okex-ws {name}" in " ".join(capsys.readouterr().out.split())


# -- the kill switch --------------------------------------------------------------------------------------------------------


def test_halt_stops_what_trades_cancels_everything_and_stays_until_resumed(
    desk: Simulator, tmp_path: Path, nobody: pytest.MonkeyPatch
) -> None:
    for name, value in {**desk.key, "HOME": str(tmp_path)}.items():
        nobody.setenv(name, value)

    @looped
    async def check() -> None:
        settings = Trading(instrument_types=("SPOT",))
        client = Client(site=Site.at(desk.url, rest_url=desk.rest_url), credentials=credentials(), trading=settings)
        news = client.stream(Halted, TradingResumed)
        async with client:
            await client.ready()
            for price in ("50000", "50001"):
                assert (await client.orders.place("BTC-USDT", "buy", "0.01", price=price)).is_confirmed
            done = await asyncio.to_thread(run, "halt", "--reason", "enough", *desk.where, **desk.key, HOME=str(tmp_path))
            switch = tmp_path / ".okx" / "okex-ws.halt"
            assert (done.code, done.err) == (0, "")
            assert done.lines[0] == f"no new orders are sent: {switch}"
            assert "open orders canceled at" in done.lines[1]
            halted = await anext(aiter(news))
            assert (halted.reason, halted.by) == ("enough", "file")
            refused = await client.orders.place("BTC-USDT", "buy", "0.01", price="50000")
            assert (refused.verdict, refused.via) == (Verdict.REJECTED, "here")
            assert await client.rest.pending_orders() == []
            assert here("halt", "--resume").out == f"trading resumed: {switch} is removed\n"
            assert isinstance(await anext(aiter(news)), TradingResumed)
            again = await client.orders.place("BTC-USDT", "buy", "0.01", price="50000")
            assert again.is_confirmed
            assert (await client.orders.cancel("BTC-USDT", order_id=again.order_id)).is_confirmed

    check()


def test_an_order_typed_while_halted_does_not_leave(desk: Simulator, tmp_path: Path) -> None:
    switch = tmp_path / ".okx" / "okex-ws.halt"
    press(switch, "enough is enough")
    done = run("order", "buy", "BTC-USDT", "0.01", "--market", *desk.where, **desk.key, HOME=str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert done.err == "okex-ws: trading is halted: enough is enough; nothing was sent; run `okex-ws halt --resume` to resume\n"


def test_without_a_key_the_switch_is_pressed_and_the_rest_is_said(tmp_path: Path, nobody: pytest.MonkeyPatch) -> None:
    switch = tmp_path / "switch"
    (tmp_path / "file").touch()
    done = here("halt", "--file", str(switch))
    assert (done.code, done.out) == (1, f"no new orders are sent: {switch}\n")
    assert done.err.startswith("okex-ws: open orders were not canceled: no API key: set ")
    assert here("halt", "--file", str(switch), "--resume").code == 0
    assert here("halt", "--file", str(switch), "--resume").out == f"trading was not halted: there is no {switch}\n"
    blocked = here("halt", "--file", str(tmp_path / "file" / "switch"))
    assert (blocked.code, blocked.out) == (1, "")
    assert "stop trading programs by hand; open orders were not canceled: no API key" in blocked.err
