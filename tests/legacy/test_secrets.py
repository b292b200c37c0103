"""Keys of V1 and V3 are in what is sent, and in nothing that is kept or told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.legacy_corpus import START, session_v1, session_v3

from okex_ws.journal import JournalReader, JournalWriter
from okex_ws.legacy.v1.wire import orders
from okex_ws.legacy.v1.wire import requests as v1_requests
from okex_ws.wire.sign import Credentials

KEY = Credentials("key-d41d8cd98f", "secret-00b204e980", "phrase-0998ecf842")
PARTS = [b"key-d41d8cd98f", b"secret-00b204e980", b"phrase-0998ecf842"]


def kept(tmp_path: Path, *records: tuple[str, bytes]) -> list[bytes]:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START, dialect="v1")
    for kind, text in records:
        writer.write(START, "line/0", 1, kind, text)
    writer.close(START)
    return [record.text for record in JournalReader(writer.folder).records()]


@pytest.mark.parametrize("make", [session_v1, session_v3])
def test_what_is_sent_to_log_in_and_to_trade_is_journaled_without_its_secrets(make: object, tmp_path: Path) -> None:
    session = make(credentials=KEY)  # type: ignore[operator]
    order = v1_requests.trading(*orders.cancel("BTC-USDT", "7"), KEY)
    texts = kept(tmp_path, *(("out", text) for text in [*session.bytes_to_send(), order]))
    assert len(texts) == 2
    for text in texts:
        assert not any(part in text for part in PARTS)
        assert b"***" in text
    assert b"ok_spot_cancel_order" in texts[1]


def test_an_answer_that_quotes_a_login_is_journaled_without_it(tmp_path: Path) -> None:
    quoted = (
        b'{"event":"error","message":"Unrecognized request: {\\"op\\":\\"login\\",\\"args\\":[\\"key-d41d8cd98f\\",'
        b'\\"phrase-0998ecf842\\"]}","errorCode":30039}'
    )
    accepted = [b'{"event":"login","success":true}', b'[{"binary":0,"channel":"login","data":{"result":true}}]']
    texts = kept(tmp_path, ("deflated", quoted), *(("deflated", text) for text in accepted))
    assert texts[1:] == accepted, "what holds no secret is kept to the byte"
    assert not any(part in texts[0] for part in PARTS)
    assert b"30039" in texts[0]
    (event,) = session_v3().receive(quoted, START)
    assert not any(part.decode() in repr(event) for part in PARTS)


def test_an_error_about_a_login_that_quotes_none_is_told_whole() -> None:
    (event,) = session_v3().receive(b'{"event":"error","message":"login failure","errorCode":30027}', START)
    assert (event.message, event.advice) == ("login failure", "check the key and what it may do")  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [session_v1, session_v3])
def test_a_session_shows_no_secret_of_its_key(make: object) -> None:
    session = make(credentials=KEY)  # type: ignore[operator]
    session.bytes_to_send()
    assert not any(part.decode() in repr(vars(session)) for part in PARTS)
