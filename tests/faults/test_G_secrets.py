"""Rows G1, G2 and G9: secrets stay where they are, come from where they should, and may not do more than they need."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import io
import logging
import os
import pickle
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import rich.console
import rich.traceback
from tests.support import canary
from tests.support.looped import following, looped, until
from tests.support.shell import here, run

import okex_ws
from okex_ws import AccountKey, Client, Credentials, CredentialsError, RestError, Site, Trading
from okex_ws.events import Disconnected, Refused, Subscribed
from okex_ws.journal import JournalReader, JournalWriter
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.server import Server

API_KEY, SECRET, PASSPHRASE = "canary-api-key-of-G1", "canary-secret-of-G1", "canary-passphrase-of-G1"
SECRETS = (API_KEY, SECRET, PASSPHRASE)
KEY = Credentials(*SECRETS)
ACCOUNT_KEY = AccountKey(*SECRETS, site=Site.okx("eea"), origin="the environment")


def is_silent(text: str | bytes) -> bool:
    data = text.encode() if isinstance(text, str) else text
    return not any(secret.encode() in data for secret in SECRETS)


@contextlib.asynccontextmanager
async def exchange(**options: Any) -> AsyncIterator[Server]:
    """An exchange that knows the canary."""

    def made(now: int) -> Exchange:
        keys = [ApiKey(*SECRETS, **options)]
        return Exchange(SeededMarket(7, start=now, levels=5), seed=7, now=now, keys=keys)

    async with Server(made) as server:
        yield server


def client_of(server: Server, key: Credentials = KEY, **options: Any) -> Client:
    return Client(site=Site.at(server.ws_url, rest_url=server.rest_url), credentials=key, seed=1, **options)


async def trade_a_little(server: Server) -> None:
    """Log in, place and cancel an order over the WebSocket and one over REST."""
    client = client_of(server, trading=Trading(instrument_types=("SPOT",)))
    async with client:
        await client.ready()
        placed = await client.orders.place("BTC-USDT", "buy", "0.01", price="59000")
        assert placed.is_confirmed
        answer = await client.rest.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": placed.order_id})
        assert answer.code == "0"


def shown(error: BaseException) -> str:
    """An error as everything there is shows it: with and without the variables of every frame."""
    plain = traceback.TracebackException.from_exception(error, capture_locals=True)
    out = io.StringIO()
    pretty = rich.traceback.Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=None, locals_max_length=None, width=300
    )
    rich.console.Console(file=out, width=300).print(pretty)
    return "".join([*plain.format(), out.getvalue(), str(error), repr(error), repr(error.args), repr(vars(error))])


# -- G1: nowhere written ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, ACCOUNT_KEY], ids=["Credentials", "AccountKey"])
def test_G1_no_text_copy_or_pickle_of_a_key(key: Credentials) -> None:
    for text in (repr(key), str(key), f"{key}", f"{[key]!r} { ({'key': key}) }"):
        assert "cana…" in text
        assert is_silent(text)
    for way in (copy.copy, copy.deepcopy, *(lambda k, n=n: pickle.dumps(k, n) for n in range(pickle.HIGHEST_PROTOCOL + 1))):
        with pytest.raises(TypeError, match="never pickled"):
            way(key)
    with pytest.raises(TypeError):
        vars(key)


@looped
async def test_G1_no_text_or_pickle_of_what_holds_a_key() -> None:
    client = Client(site=Site.okx("eea"), credentials=KEY)
    client.subscribe("account")
    try:
        for holder in (client, client.rest, client.hub):
            assert is_silent(repr(holder) + str(holder))
            with pytest.raises(Exception, match=r"pickle|copied"):
                pickle.dumps(holder)
    finally:
        await client.close()


def written_at_every_level() -> Iterator[list[str]]:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Kept(0)
    loggers = [logging.getLogger(name) for name in ("okex_ws", "httpx", "httpcore", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(1)  # below DEBUG the libraries underneath log what they send
    try:
        yield lines
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    yield from written_at_every_level()


def test_G1_logs_at_the_lowest_level_while_logging_in_and_signing(logged: list[str]) -> None:
    @looped
    async def check() -> None:
        async with exchange() as server:
            await trade_a_little(server)
            wrong = client_of(server, Credentials(API_KEY, SECRET + "?", PASSPHRASE))
            wrong.subscribe("account")
            async with following(wrong) as stream:
                failed = await until(stream, Refused)
                assert is_silent(repr(failed))
                with pytest.raises(RestError) as raised:
                    await wrong.rest.get("account/config")
                assert is_silent(shown(raised.value))

    check()
    assert any("POST" in line or "GET" in line for line in logged), "the HTTP library logged"
    for line in logged:
        assert is_silent(line), line


@looped
async def test_G1_no_frame_of_ours_holds_a_secret_among_its_variables_but_the_signing_itself() -> None:
    """Whatever fails, wherever: a traceback that lists variables has none of these to list."""
    holders: set[str] = set()

    def at_every_step(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        _, ours, name = frame.f_code.co_filename.rpartition("/okex_ws/")
        if not ours or name.startswith("simulator/"):
            return None

        def look(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
            for value in list(frame.f_locals.values()):
                with contextlib.suppress(Exception):  # an object half made
                    if not is_silent(repr(value)):
                        holders.add(f"{name} {frame.f_code.co_qualname}")
            return look

        return look

    async with exchange() as server:
        before = sys.gettrace()
        sys.settrace(at_every_step)
        try:
            await trade_a_little(server)
        finally:
            sys.settrace(before)
    assert holders == {"wire/sign.py login_sign", "wire/sign.py rest_sign", "wire/sign.py _sign"}


@looped
async def test_G1_tracebacks_with_variables_of_what_fails_on_the_way_to_a_login() -> None:
    raised: list[BaseException] = []

    class TapError(Exception):
        pass

    def failing(now: int, line: str, connection: int, way: str, text: bytes) -> None:
        if way == "out" and b"login" in text:
            try:
                raise TapError(f"no room for {text!r}")
            except TapError as error:
                raised.append(error)
                raise

    async with exchange() as server:
        client = client_of(server, tap=failing)
        client.subscribe("account")
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
        async with following(client) as stream:
            lost = await until(stream, Disconnected)
    assert any(isinstance(error, TapError) for error in raised)
    for error in raised:
        assert is_silent(shown(error))
    assert is_silent(repr(lost))


def test_G1_tracebacks_with_variables_of_settings_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = dict(zip(("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"), SECRETS, strict=True))
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "config.toml"
    profile = f'[profiles.main]\napi_key = "{API_KEY}"\nsecret_key = "{SECRET}"\npassphrase = "{PASSPHRASE}"\n'

    def refused(text: str | None = None, **variables: str) -> None:
        for name in [name for name in os.environ if name.startswith("OKX_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        if text is not None:
            file.write_text(text)
            file.chmod(0o600)
        with pytest.raises(CredentialsError) as caught:
            okex_ws.credentials(file=file if text is not None else None)
        here = caught.value.__traceback__
        assert here is not None
        caught.value.__traceback__ = here.tb_next  # this test knows the secrets, its own frame is none of ours
        assert is_silent(shown(caught.value))

    refused(**parts, OKX_SECRET_KEY="canary-secret-of-G1-too")
    refused(**parts, OKX_SITE="tr")
    refused(**{**parts, "OKX_API_PASSPHRASE": PASSPHRASE + "\n"})
    refused(OKX_API_KEY=API_KEY, OKX_SECRET_KEY=SECRET)
    refused(profile.replace(f'"{SECRET}"', SECRET))
    refused(profile + "demo = 3\n")
    refused(profile + f'[profiles.other]\nsecret_key = "{SECRET}"\n')


def test_G1_recorded_files_hold_no_login(tmp_path: Path) -> None:
    @looped
    async def check() -> None:
        journal = JournalWriter(tmp_path, recorder="G1", software="tests", now=0)

        def tap(now: int, line: str, connection: int, way: str, text: bytes) -> None:
            journal.write(now, line, connection, way, text)

        async with exchange() as server:
            client = client_of(server, tap=tap)
            client.subscribe("account")
            async with following(client) as stream:
                await until(stream, Subscribed)
        journal.close(time.time_ns())

    check()
    texts = [record.text for record in JournalReader(tmp_path / "G1").records()]
    assert any(b'"login"' in text for text in texts), texts
    assert all(is_silent(text) for text in texts)


def test_G1_the_watch_over_all_tests_sees_what_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "secrets", set())
    monkeypatch.setattr(canary, "hits", [])
    Credentials("watched-api-key", "watched-secret", "watched-passphrase")
    Credentials("short", "short", "short")
    assert len(canary.secrets) == 3
    canary.note("stdout", "all is well\n  export OKX_API_SECRET=watched-secret\n")
    logging.getLogger("okex_ws.anything").debug("nothing to see")
    (tmp_path / "config.toml").write_text("secret_key = 'watched-secret'")
    canary.scan([tmp_path])
    assert not canary.hits
    zstandard = pytest.importorskip("zstandard")
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    canary.note("stdout", "the secret is watched-secret")
    logging.getLogger("okex_ws.anything").debug("watched-passphrase")
    (tmp_path / "journal.zst").write_bytes(zstandard.compress(b"a frame") + zstandard.compress(b"watched-api-key") + b"cut off")
    table = pyarrow.table({"n": [1, 2], "text": ["", "watched-secret"]})
    parquet.write_table(table, tmp_path / "rows.parquet", compression="zstd")
    canary.scan([tmp_path])
    assert sorted(hit.rpartition("/")[2] for hit in canary.hits) == [
        "journal.zst: watched-api-key",
        "log of okex_ws.anything: watched-passphrase",
        "rows.parquet: watched-secret",
        "stdout: watched-secret",
    ]
    for file in tmp_path.iterdir():
        file.unlink()


# -- G2: where keys come from -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["stream", "doctor", "account", "orders", "order", "cancel", "halt"])
@pytest.mark.parametrize("option", ["--api-key", "--secret", "--passphrase", "--key-file"])
def test_G2_no_command_takes_a_key_on_its_line(command: str, option: str) -> None:
    done = here(command, option, "canary-on-the-line")
    assert done.code == 2
    assert option in done.complaints[0]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_G2_a_file_that_others_can_read_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    file = tmp_path / ".okx" / "config.toml"
    file.parent.mkdir()
    file.write_text(f'[profiles.main]\napi_key = "{API_KEY}"\nsecret_key = "{SECRET}"\npassphrase = "{PASSPHRASE}"\n')
    file.chmod(0o644)
    done = run("stream", "-c", "account", "--url", "ws://127.0.0.1:1", HOME=str(tmp_path))
    assert (done.code, done.out) == (2, "")
    mend = f"type: chmod 600 {file}"
    assert done.err == f"okex-ws: account needs a login; {file} can be read by other users of this machine; {mend}\n"


# -- G9: what a key may do --------------------------------------------------------------------------------------------------


def test_G9_the_doctor_warns_of_a_key_that_may_withdraw() -> None:
    @looped
    async def check() -> None:
        async with exchange(permissions="read_only,trade,withdraw") as server:
            parts = dict(zip(("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"), SECRETS, strict=True))
            where = ("--url", server.ws_url, "--rest-url", server.rest_url)
            done = await asyncio.to_thread(run, "doctor", "--for", "100ms", "-c", "tickers", *where, **parts)
        assert "! may        read, trade, withdraw: anyone with this key can withdraw funds" in done.out
        assert done.lines[-1] == "nothing is broken, 1 to check"
        assert is_silent(done.out + done.err)

    check()


@pytest.mark.parametrize("permissions", ["read_only,trade,withdraw", "read_only,trade"])
def test_G9_a_client_that_trades_warns_of_it_too(permissions: str, caplog: pytest.LogCaptureFixture) -> None:
    @looped
    async def check() -> None:
        async with exchange(permissions=permissions) as server:
            client = client_of(server, trading=Trading(instrument_types=("SPOT",)))
            async with client:
                await client.ready()
                await client.rest.account_config()  # its own was asked for before

    check()
    warned = [record.getMessage() for record in caplog.records if "may withdraw" in record.getMessage()]
    assert len(warned) == permissions.count("withdraw")
