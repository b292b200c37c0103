"""Which key is used, what it is for, and the one line that is said when that cannot be told."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import okex_ws
from okex_ws.client.credentials import CredentialsError
from okex_ws.client.sites import Site

API_KEY, SECRET, PASSPHRASE = "key-0123456789", "secret-0123456789", "passphrase-0123456789"
PROFILE = f'api_key = "{API_KEY}"\nsecret_key = "{SECRET}"\npassphrase = "{PASSPHRASE}"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of this machine who has set nothing yet."""
    for name in list(os.environ):
        if name.startswith("OKX_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str, mode: int = 0o600) -> Path:
    path = home / ".okx" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def say(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def say_key(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    say(monkeypatch, OKX_API_KEY=API_KEY, OKX_API_SECRET=SECRET, OKX_API_PASSPHRASE=PASSPHRASE, **variables)


def refusal(*args: str, **options: object) -> str:
    with pytest.raises(CredentialsError) as raised:
        okex_ws.credentials(*args, **options)  # type: ignore[arg-type]
    text = str(raised.value)
    assert "\n" not in text
    assert raised.value.__context__ is None, "an inner error might carry what was read"
    for secret in (API_KEY, SECRET, PASSPHRASE):
        assert secret not in text
    return text


@pytest.mark.parametrize("secret", ["OKX_API_SECRET", "OKX_SECRET_KEY", "OKX_API_SECRET_KEY"])
@pytest.mark.parametrize("passphrase", ["OKX_API_PASSPHRASE", "OKX_PASSPHRASE"])
def test_the_environment_by_every_name_in_use(secret: str, passphrase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, **{"OKX_API_KEY": API_KEY, secret: SECRET, passphrase: PASSPHRASE})
    key = okex_ws.credentials()
    assert (key.api_key, key.secret, key.passphrase) == (API_KEY, SECRET, PASSPHRASE)
    assert (key.site, key.origin) == (Site.okx("global"), "the environment")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OKX_DEMO": "1"}, Site.okx("global", demo=True)),
        ({"OKX_FLAG": "1"}, Site.okx("global", demo=True)),
        ({"OKX_FLAG": "0", "OKX_DEMO": "false"}, Site.okx("global")),
        ({"OKX_SITE": "EEA", "OKX_DEMO": "yes"}, Site.okx("eea", demo=True)),
        ({"OKX_SITE": "us"}, Site.okx("us")),
        ({"OKX_SITE": "", "OKX_DEMO": ""}, Site.okx("global")),
        ({"OKX_API_BASE_URL": "https://my.okx.com"}, Site.okx("eea")),
        ({"OKX_API_BASE_URL": "https://us.okx.com/", "OKX_SITE": "us"}, Site.okx("us")),
    ],
)
def test_what_the_key_is_for(variables: dict[str, str], expected: okex_ws.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    say_key(monkeypatch, **variables)
    assert okex_ws.credentials().site == expected


def test_what_is_asked_for_fills_in_what_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    say_key(monkeypatch)
    assert okex_ws.credentials(site="eea", demo=True).site == Site.okx("eea", demo=True)
    say(monkeypatch, OKX_DEMO="1")
    assert okex_ws.credentials(demo=True).site == Site.okx("global", demo=True)


@pytest.mark.parametrize(
    ("variables", "fragment"),
    [
        ({"OKX_SECRET_KEY": "another"}, "OKX_API_SECRET and OKX_SECRET_KEY contradict each other; leave one out"),
        ({"OKX_PASSPHRASE": "another"}, "OKX_API_PASSPHRASE and OKX_PASSPHRASE contradict"),
        ({"OKX_DEMO": "1", "OKX_FLAG": "0"}, "OKX_DEMO and OKX_FLAG contradict each other (demo and live)"),
        ({"OKX_DEMO": "maybe"}, "OKX_DEMO is 'maybe'; write 1 for demo trading or 0 for live"),
        ({"OKX_SITE": "tr"}, "OKX_SITE is tr: OKX documents no WebSocket for its Turkish site"),
        ({"OKX_SITE": "eeea"}, "did you mean eea?"),
        ({"OKX_SITE": "mars\n\x1b[2J"}, r"OKX_SITE is 'mars\\n\\x1b[2J'"),
        ({"OKX_API_BASE_URL": "https://okx.example"}, "is none of OKX's sites; leave it out and give --url"),
        ({"OKX_API_BASE_URL": "https://us.okx.com", "OKX_SITE": "eea"}, "contradict each other (eea and us)"),
        ({"OKX_API_SECRET": SECRET + " "}, "OKX_API_SECRET of the environment begins or ends with a blank"),
    ],
)
def test_contradictions_and_nonsense_are_refused(
    variables: dict[str, str], fragment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_key(monkeypatch)
    say(monkeypatch, **variables)
    assert fragment in refusal()


def test_two_names_with_one_value_are_no_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    say_key(monkeypatch, OKX_SECRET_KEY=SECRET, OKX_PASSPHRASE=PASSPHRASE, OKX_DEMO="1", OKX_FLAG="1")
    assert okex_ws.credentials().site.demo


def test_a_key_is_whole_or_none(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    write(home, f"[profiles.main]\n{PROFILE}")
    say(monkeypatch, OKX_API_KEY=API_KEY, OKX_API_PASPHRASE=PASSPHRASE)
    text = refusal()
    assert "the environment has no OKX_API_SECRET and no OKX_API_PASSPHRASE" in text, "half a key is not completed from the file"
    assert "OKX_API_PASPHRASE is set, did you mean OKX_API_PASSPHRASE?" in text


def test_no_key_at_all_says_where_to_put_one(home: Path) -> None:
    text = refusal()
    assert "set OKX_API_KEY, OKX_API_SECRET and OKX_API_PASSPHRASE" in text
    assert f"write a profile to {home}/.okx/config.toml" in text


def test_profiles_by_name_by_default_and_alone(home: Path) -> None:
    write(home, f'[profiles.main]\n{PROFILE}demo = true\nsite = "eea"\n')
    assert okex_ws.credentials().site == Site.okx("eea", demo=True)
    more = f'\n[profiles.live]\n{PROFILE}base_url = "https://www.okx.com"\n'
    path = write(home, f"[profiles.main]\n{PROFILE}demo = true\n{more}")
    assert "has several profiles (main, live) and no default_profile" in refusal()
    assert okex_ws.credentials("live").site == Site.okx("global")
    assert okex_ws.credentials("live").origin == f"profile live of {path}"
    write(home, f'default_profile = "main"\n[profiles.main]\n{PROFILE}demo = 1\n{more}')
    assert okex_ws.credentials().site.demo
    assert "did you mean live?" in refusal("life")


def test_the_environment_comes_before_the_file_and_a_name_before_both(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    write(home, f'[profiles.main]\n{PROFILE.replace(API_KEY, "key-of-the-file")}site = "eea"\n')
    say_key(monkeypatch, OKX_SITE="us", OKX_DEMO="1")
    assert okex_ws.credentials().api_key == API_KEY
    named = okex_ws.credentials("main")
    assert (named.api_key, named.site) == ("key-of-the-file", Site.okx("eea"))


def test_the_environment_may_complete_the_default_profile_but_not_contradict_it(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    write(home, f"[profiles.main]\n{PROFILE}")
    say(monkeypatch, OKX_DEMO="1")
    assert okex_ws.credentials().site.demo
    write(home, f"[profiles.main]\n{PROFILE}demo = false\n")
    assert "demo and OKX_DEMO of the environment contradict each other (live and demo)" in refusal()
    assert not okex_ws.credentials("main").site.demo
    assert "contradict" in refusal("main", demo=True)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_open_is_refused_with_the_command_that_mends_it(mode: int, home: Path) -> None:
    path = write(home, f"[profiles.main]\n{PROFILE}", mode)
    assert refusal() == f"{path} can be read by other users of this machine; type: chmod 600 {path}"
    path.chmod(0o400)
    assert okex_ws.credentials().api_key == API_KEY


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (f"[profiles.main]\napi_key = {API_KEY}\n", "is not TOML (at line 2, column"),
        ("", "has no profile; write [profiles.main]"),
        ('profiles = "main"', "has no profile"),
        (f'[profiles.main]\napi_key = "{API_KEY}"\n', "has no secret_key and no passphrase"),
        (f"[profiles.main]\n{PROFILE}site = ['eea']\n", "site of profile main of"),
        (f'default_profile = "mian"\n[profiles.main]\n{PROFILE}', "did you mean main?"),
    ],
)
def test_a_file_that_says_nothing_usable(text: str, fragment: str, home: Path) -> None:
    write(home, text)
    assert fragment in refusal()


def test_a_name_without_a_file(home: Path) -> None:
    assert f"no profile 'main': there is no {home}/.okx/config.toml" in refusal("main")
    (home / ".okx" / "config.toml").mkdir(parents=True)
    assert "is a directory" in refusal("main")


def test_what_nobody_reads_is_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(home, f'[profiles.main]\n{PROFILE}dmeo = true\nproxy_url = "http://proxy"\n')
    with caplog.at_level(logging.WARNING, "okex_ws"):
        assert not okex_ws.credentials().site.demo
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "nothing is called dmeo; did you mean demo?",
        "proxy_url is not used here; give proxy= to the Client",
    ]


def test_its_text_names_the_place_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    say_key(monkeypatch, OKX_DEMO="1")
    assert repr(okex_ws.credentials()) == "AccountKey(key-…, global demo)"


def test_a_client_goes_where_its_key_is_valid_and_nowhere_else_of_okx() -> None:
    key = okex_ws.AccountKey(API_KEY, SECRET, PASSPHRASE, site=Site.okx("eea", demo=True), origin="the environment")
    assert okex_ws.Client(credentials=key).site == Site.okx("eea", demo=True)
    assert okex_ws.Client(site=Site.okx("eea", demo=True), credentials=key).site == Site.okx("eea", demo=True)
    assert okex_ws.Client(site="ws://127.0.0.1:18900", credentials=key).site.is_local
    for wrong in ("eea", "global", Site.okx("global", demo=True)):
        with pytest.raises(CredentialsError, match="the key of the environment is for eea demo, not for"):
            okex_ws.Client(site=wrong, credentials=key)
