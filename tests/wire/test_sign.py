"""Signatures against known vectors, and keys that do not leak."""

from __future__ import annotations

import copy
import pickle

import pytest

from okex_ws.wire.sign import Credentials, login_sign, rest_sign

SECRET = "NOT-A-REAL-SECRET"
STAMP = "2026-11-22T10:00:00.000Z"
KEY = Credentials("canary-key-0123", SECRET, "canary-pass")


def test_login_vector() -> None:
    assert login_sign(SECRET, "1790000000") == "RgNU6IB0l6gJrJ58Id2MS2r82X2+eXne/D2klVQ62hM="


def test_rest_vectors() -> None:
    get = rest_sign(SECRET, STAMP, "GET", "/api/v5/account/balance?ccy=BTC,USDT")
    assert get == "Vxf2sa3EZ64eQ2YPGeIt/ECZ/4QL3bO8EziG27HMyWg="
    body = '{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"60000","sz":"0.01"}'
    post = rest_sign(SECRET, STAMP, "POST", "/api/v5/trade/order", body)
    assert post == "DPj1JqBTsrWtFpZbwzR+5VTyL6bfyf7hynLjrbZG6ko="


@pytest.mark.parametrize("text", [repr(KEY), str(KEY), f"{KEY}", f"{KEY!r:>40}", repr([KEY]), repr({"key": KEY})])
def test_no_text_of_credentials_shows_a_secret(text: str) -> None:
    assert "cana" in text
    for secret in ("canary-k", SECRET, "canary-pass"):
        assert secret not in text


def test_credentials_are_never_pickled_or_copied() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled") as caught:
            attempt(KEY)
        assert SECRET not in str(caught.value)
    assert not hasattr(KEY, "__dict__")


def test_credentials_are_frozen_values() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        KEY.secret = "other"
    with pytest.raises(AttributeError, match="frozen"):
        del KEY.secret
    assert Credentials("canary-key-0123", SECRET, "canary-pass") == KEY
    assert hash(Credentials("canary-key-0123", SECRET, "canary-pass")) == hash(KEY)
    assert Credentials("canary-key-0123", SECRET, "other") != KEY
    assert KEY != "canary-key-0123"


@pytest.mark.parametrize("parts", [("", SECRET, "p"), ("k", "", "p"), ("k", SECRET, "")])
def test_a_missing_part_is_named_without_the_others(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"need a (api_key|secret|passphrase)") as caught:
        Credentials(*parts)
    assert SECRET not in str(caught.value)
