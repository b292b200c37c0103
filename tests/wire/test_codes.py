"""Every documented code has its meaning and its policy."""

from __future__ import annotations

import re

import pytest
from tests.support.paths import SHARED

from okex_ws.wire.codes import CLOSE_CODES, CODES, CodePolicy, close_policy, lookup, lookup_close

SHEET = SHARED / "protocol" / "okx_v5.md"

SESSION = {
    CodePolicy.FATAL: "60005 60007 60018 60024 60032 60034",
    CodePolicy.BUG: "60012 60013 60019 60026 60027 60033 64000",
    CodePolicy.ROUTE: "60008 60028 64001 64002",
    CodePolicy.RETRY: "63999 64007",
    CodePolicy.BACK_OFF: "60009 60014 60023",
    CodePolicy.RELOGIN: "60011",
    CodePolicy.CLOCK: "60004 60006",
    CodePolicy.FALLBACK: "60029 60030 64003",
    CodePolicy.SPREAD: "64004",
    CodePolicy.RECONNECT: "64008",
    CodePolicy.IGNORE: "60031",
}


def test_session_codes_have_the_policy_of_okx_table() -> None:
    pinned = {code: policy for policy, words in SESSION.items() for code in words.split()}
    assert len(pinned) == 31
    assert {code: row.policy for code, row in CODES.items() if code[0] == "6"} == pinned


CLOSES = {
    CodePolicy.FATAL: (1008, 1009, 1010, 1015, 4001, 4007),
    CodePolicy.BUG: (4002,),
    CodePolicy.SPREAD: (4003, 4008, 4009),
    CodePolicy.BACK_OFF: (1011, 1013, 1014),
    CodePolicy.RECONNECT: (1000, 1001, 1002, 1003, 1005, 1006, 1007, 1012, 4004, 4005, 4006),
}


def test_close_codes() -> None:
    pinned = {code: policy for policy, codes in CLOSES.items() for code in codes}
    assert {code: close_policy(code) for code in CLOSE_CODES} == pinned
    assert close_policy(4999) is CodePolicy.RECONNECT
    assert lookup_close(4999).code == "4999"


@pytest.mark.parametrize("code", ["50004", "51054", "51149", "51400", "51503", "51016", "51603"])
def test_what_does_not_tell_the_outcome_is_looked_up_never_repeated(code: str) -> None:
    assert lookup(code).policy is CodePolicy.LOOK_UP


def test_an_unknown_code_is_not_repeated() -> None:
    row = lookup("69999")
    assert (row.code, row.policy) == ("69999", CodePolicy.FATAL)
    assert row.advice


def test_each_code_says_what_to_change() -> None:
    silent = (CodePolicy.NONE, CodePolicy.IGNORE, CodePolicy.RETRY, CodePolicy.BACK_OFF, CodePolicy.RECONNECT)
    for code, row in CODES.items():
        assert row.code == code
        assert row.meaning
        assert row.advice or row.policy in silent, code
        assert "\n" not in row.meaning + row.advice


def test_no_documented_code_is_missing() -> None:
    if not SHEET.exists():
        pytest.skip("../shared/protocol/okx_v5.md is not here")
    text = SHEET.read_text()
    sections = text[text.index("### 2b.") : text.index("## 3. Login")]
    absent = {"60001", "60002", "60003", "64009", "64010"}
    found = set(re.findall(r"\b[56]\d{4}\b", sections)) - absent
    for first, last in re.findall(r"\b([56]\d{4})-([56]\d{4})\b", sections):
        found |= {str(code) for code in range(int(first), int(last) + 1)}
    assert len(found) > 140
    assert sorted(found - set(CODES)) == []
