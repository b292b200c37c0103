"""A Client of a dead dialect: what it is told at once, and where it connects."""

from __future__ import annotations

import asyncio

import pytest

import okex_ws
from okex_ws.client.errors import NotTradingError
from okex_ws.client.trading import Trading
from okex_ws.dialects import dialect

KEY = okex_ws.Credentials("key", "secret", "phrase")
HERE = "ws://127.0.0.1:18900"


def test_a_dialect_nobody_speaks_is_told() -> None:
    with pytest.raises(ValueError, match="no dialect is called 'v2'; dialects: v5, v3, v1"):
        okex_ws.Client(site=HERE, dialect="v2")
    with pytest.raises(okex_ws.SiteError, match="OKX no longer speaks v1"):
        okex_ws.Client(dialect="v1")


def test_a_client_does_not_trade_in_a_dead_dialect() -> None:
    with pytest.raises(NotTradingError, match="trades in v5 only"):
        okex_ws.Client(site=HERE, dialect="v1", credentials=KEY, trading=Trading())


@pytest.mark.parametrize(
    ("name", "site", "url"),
    [
        ("v1", HERE, f"{HERE}/ws/v1"),
        ("v1", f"{HERE}/websocket?compress=true", f"{HERE}/websocket?compress=true"),
        ("v1", f"{HERE}/ws/v1", f"{HERE}/ws/v1"),
        ("v3", "wss://real.okcoin.com:8443/ws/v3", "wss://real.okcoin.com:8443/ws/v3"),
        ("v3", HERE, f"{HERE}/ws/v3"),
    ],
)
def test_it_connects_to_the_path_it_is_given_else_to_the_dialects_own(name: str, site: str, url: str) -> None:
    client = okex_ws.connect("BTC-USDT", channels=["trades", "books5"], site=site, dialect=name)
    assert [client._url_of(shard) for shard in client.core.plan.shards] == [url], "one connection for all"
    assert {str(item) for item in client.subscriptions} == {"trades BTC-USDT", "books5 BTC-USDT"}
    client.unsubscribe("trades", "BTC-USDT")
    assert [str(item) for item in client.subscriptions] == ["books5 BTC-USDT"]
    asyncio.run(client.close())


@pytest.mark.parametrize(
    ("name", "site", "there"),
    [("v5", f"{HERE}/ws/v1", "v1"), ("v5", f"{HERE}/ws/v3?compress=true", "v3"), ("v1", f"{HERE}/ws/v3", "v3")],
)
def test_a_path_that_names_another_dialect_is_told_before_anything_is_opened(name: str, site: str, there: str) -> None:
    with pytest.raises(okex_ws.SiteError, match=f"is where {there} is spoken, not {name}; say dialect {there}"):
        okex_ws.connect("BTC-USDT", channels=["trades"], site=site, dialect=name)


def test_the_dead_dialects_ping_as_their_servers_wanted_it() -> None:
    assert dialect("v1").timing.ping_after_s == 30.0
    assert dialect("v3").timing.ping_after_s == 20.0
    assert dialect("v1") is dialect("v1")
