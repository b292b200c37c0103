"""The doctor's findings about an API key, for each kind of invalid key."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
from tests.support.looped import looped
from tests.support.shell import Simulator, run

from okex_ws.cli.api_errors import refusal_text
from okex_ws.cli.doctor_key import check_key
from okex_ws.cli.options import Target
from okex_ws.cli.report import DoctorReport
from okex_ws.client.credentials import AccountKey, CredentialsError, NoKeyError
from okex_ws.client.sites import Site
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import ApiKey, Rules
from okex_ws.simulator.server import Server

PARTS = ("doctors-api-key", "doctors-secret", "doctors-passphrase")


@contextlib.asynccontextmanager
async def exchange(**options: bool) -> AsyncIterator[Site]:
    def made(now: int) -> Exchange:
        market = SeededMarket(7, start=now, levels=5)
        return Exchange(market, seed=7, now=now, keys=[ApiKey(*PARTS, **options)], rules=Rules(**options))

    async with Server(made) as server:
        yield Site.at(server.ws_url, rest_url=server.rest_url, demo=options.get("demo", False))


async def say(place: Site, key: AccountKey | CredentialsError) -> int:
    report = DoctorReport()
    await check_key(report, Target(place, None), key, ssl.create_default_context())
    return report.code


def key_of(place: Site, *parts: str) -> AccountKey:
    return AccountKey(*(parts or PARTS), site=place, origin="the environment")


def test_a_good_key_of_demo_trading(capsys: pytest.CaptureFixture[str]) -> None:
    @looped
    async def check() -> None:
        async with exchange(demo=True) as place:
            assert await say(place, key_of(place)) == 0

    check()
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "✓ key        doct… of the environment, for demo trading",
        "✓ account    44, futures, net positions",
        "✓ may        read, trade",
    ]
    assert said[3].startswith("✓ login      answered in ")


@pytest.mark.parametrize(
    ("parts", "fragment"),
    [
        (("somebody-elses-key", *PARTS[1:]), "50119 API key doesn't exist; use the site"),
        ((PARTS[0], "another-secret", PARTS[2]), "50113 Invalid Sign; check the secret"),
        ((*PARTS[:2], "another-passphrase"), "50105"),
    ],
)
def test_a_wrong_part_is_named_once(parts: tuple[str, str, str], fragment: str, capsys: pytest.CaptureFixture[str]) -> None:
    @looped
    async def check() -> None:
        async with exchange() as place:
            assert await say(place, key_of(place, *parts)) == 1

    check()
    _, line = capsys.readouterr().out.splitlines()
    assert line.startswith("✗ key        GET account/config: HTTP 401, code ")
    assert fragment in line


def test_a_key_of_the_other_environment(capsys: pytest.CaptureFixture[str]) -> None:
    @looped
    async def check() -> None:
        async with exchange(demo=True) as place:
            live = Site.at(place.websocket, rest_url=place.rest)
            assert await say(live, key_of(live)) == 1
        async with exchange() as place:
            demo = Site.at(place.websocket, rest_url=place.rest, demo=True)
            assert await say(demo, key_of(demo)) == 1

    check()
    said = capsys.readouterr().out
    assert "this key does not belong to live trading: set OKX_DEMO=1, or create one there" in said
    assert "this key does not belong to demo trading: set OKX_DEMO=0, or create one there" in said


@looped
async def test_without_a_key_it_is_skipped_and_with_two_it_is_broken() -> None:
    assert await say(Site.okx("eea"), NoKeyError("no API key: set …")) == 0
    assert await say(Site.okx("eea"), CredentialsError("OKX_DEMO and OKX_FLAG contradict each other")) == 1


def test_the_other_sites_are_named_for_a_key_that_does_not_exist() -> None:
    key = key_of(Site.okx("eea"))
    text = refusal_text("60032", "60032 API key doesn't exist", Site.okx("eea"), key)
    assert text == "60032 API key doesn't exist; it may belong to another site (--site global or us) or not to live trading"
    assert "to demo trading" in refusal_text("50119", "", Site.okx("us", demo=True), key)


def test_the_command_itself_without_a_key(venue: Simulator) -> None:
    done = run("doctor", "--for", "100ms", "-c", "tickers", *venue.where)
    assert "- key        not checked: no API key: set OKX_API_KEY, OKX_API_SECRET and OKX_API_PASSPHRASE, or " in done.out
    assert done.lines[-1] == "nothing is broken"
