"""Credentials: find the API key and its site in the environment or in a profile of `~/.okx/config.toml`.

Order: the profile given by name and nothing else; else the key in the environment; else the file's default profile. The command
line is not a source, because every process of the machine can read it. Two settings that contradict each other are an error: a
live key used by mistake costs money.
Source of names: docs-v5 "Overview" (a key belongs to one site and to live or demo), and what OKX's own tools and SDKs read.
"""

from __future__ import annotations

import difflib
import logging
import os
from pathlib import Path
from urllib.parse import urlsplit

from okex_ws.client.config_file import CONFIG, Hidden, hint_at, read_profile, text_of
from okex_ws.client.config_file import CredentialsError as CredentialsError
from okex_ws.client.sanitize import one_line
from okex_ws.client.sites import DEMO_SITES, SITES, Site
from okex_ws.wire.sign import Credentials

KEY_VARIABLES = ("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE")
"""Environment variables of a key, by their first names."""

_PARTS = ("api_key", "secret", "passphrase")
_VARIABLES = {
    "api_key": ("OKX_API_KEY",),
    "secret": ("OKX_API_SECRET", "OKX_SECRET_KEY", "OKX_API_SECRET_KEY"),
    "passphrase": ("OKX_API_PASSPHRASE", "OKX_PASSPHRASE"),
    "demo": ("OKX_DEMO", "OKX_FLAG"),
    "site": ("OKX_SITE",),
    "base_url": ("OKX_API_BASE_URL",),
}
_FILE_KEYS = {name: "secret_key" if name == "secret" else name for name in _VARIABLES}
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_SITE_OF_HOST = {
    "www.okx.com": "global",
    "okx.com": "global",
    "my.okx.com": "eea",
    "app.okx.com": "us",
    **{urlsplit(site.rest).hostname or "": name for name, site in SITES.items()},
}

log = logging.getLogger("okex_ws")


class NoKeyError(CredentialsError):
    """No key in the environment or in the file."""


class AccountKey(Credentials):
    """An API key with the site it is valid for, live or demo. origin: the place it was found in, for messages.

    A frozen value like Credentials; its repr contains no secret either.
    """

    __slots__ = ("origin", "site")

    site: Site
    origin: str

    def __init__(self, api_key: str, secret: str, passphrase: str, *, site: Site, origin: str = "") -> None:
        super().__init__(api_key, secret, passphrase)
        object.__setattr__(self, "site", site)
        object.__setattr__(self, "origin", origin)

    def __repr__(self) -> str:
        return f"AccountKey({self.api_key[:4]}…, {self.site.name})"

    def at(self, wanted: Site | None) -> Site:
        """Return the site to connect to: the key's own, or `wanted`. Raises CredentialsError for another site of OKX."""
        if wanted is None or wanted == self.site:
            return self.site
        if wanted in (*SITES.values(), *DEMO_SITES.values()):
            hint = "leave the site out, or choose another key"
            raise CredentialsError(f"the key of {self.origin} is for {self.site.name}, not for {wanted.name}; {hint}")
        return wanted


def credentials(
    profile: str | None = None, *, site: str | None = None, demo: bool | None = None, file: Path | None = None
) -> AccountKey:
    """Find the API key and its site: `Client(credentials=okex_ws.credentials())`.

    Args:
        profile: a name in the file; the environment is then not read. None: the environment, or the file's default profile.
        site, demo: used where the settings are silent; an error where they differ from the settings.
        file: instead of `~/.okx/config.toml`.

    Raises:
        CredentialsError: there is no key, or settings contradict each other.
    """
    found = _environment()
    if profile is not None or not found.has_a_key:
        path = (file or CONFIG).expanduser()
        stored = _profile(path, profile)
        if stored is None:
            names = f"{', '.join(KEY_VARIABLES[:-1])} and {KEY_VARIABLES[-1]}"
            raise NoKeyError(f"no API key: set {names}, or write a profile to {path}")
        if profile is None:
            stored.merge(found)
        found = stored
    return found.key(site, demo)


class _Settings:
    """Settings of one place by our names, each with the spelling it was found under."""

    def __init__(self, origin: str, keys: dict[str, str]) -> None:
        self.origin = origin
        self._keys = keys
        self._values: dict[str, Hidden] = {}
        self._spelt: dict[str, str] = {}

    @property
    def has_a_key(self) -> bool:
        """True if any part of a key is set."""
        return any(name in self._values for name in _PARTS)

    def add(self, name: str, spelling: str, value: Hidden) -> None:
        """Add a setting. Raises CredentialsError if it is invalid or contradicts an earlier one."""
        value = value if name in (*_PARTS, "base_url") else Hidden(_normal(name, value, spelling))
        before = self._values.setdefault(name, value)
        first = self._spelt.setdefault(name, spelling)
        if before != value:
            shown = f" ({_shown(name, before)} and {_shown(name, value)})" if name in ("demo", "site") else ""
            raise CredentialsError(f"{first} and {spelling} contradict each other{shown}; leave one out")

    def merge(self, other: _Settings) -> None:
        """Add the settings of another place. Raises CredentialsError where the two differ."""
        for name, spelling in other._spelt.items():
            self.add(name, f"{spelling} of {other.origin}", other._values[name])

    def key(self, site: str | None, demo: bool | None) -> AccountKey:
        """Return the key that the settings describe."""
        missing = [self._keys[name] for name in _PARTS if name not in self._values]
        if missing:
            raise CredentialsError(f"{self.origin} has no {' and no '.join(missing)}{_misspelt(missing)}")
        for name in _PARTS:
            if not self._values[name].isprintable() or self._values[name] != self._values[name].strip():
                raise CredentialsError(f"{self._spelt[name]} of {self.origin} begins or ends with a blank; paste it again")
        if site is not None:
            self.add("site", "the site asked for", Hidden(site))
        if demo is not None:
            self.add("demo", "what is asked for", Hidden("1" if demo else "0"))
        return AccountKey(*(str(self._values[name]) for name in _PARTS), site=self._site(), origin=self.origin)

    def _site(self) -> Site:
        url = self._values.get("base_url")
        if url is not None:
            host = urlsplit(url).hostname or ""
            if host not in _SITE_OF_HOST:
                raise CredentialsError(
                    f"{self._spelt['base_url']} {one_line(url)} is none of OKX's sites; leave it out and give --url and "
                    "--rest-url, or a Site of your own to the Client"
                )
            self.add("site", self._spelt["base_url"], Hidden(_SITE_OF_HOST[host]))
        return Site.okx(self._values.get("site", "global"), demo=self._values.get("demo") == "1")


def _environment() -> _Settings:
    found = _Settings("the environment", {name: spellings[0] for name, spellings in _VARIABLES.items()})
    for name, spellings in _VARIABLES.items():
        for spelling in spellings:
            if os.environ.get(spelling):
                found.add(name, spelling, Hidden(os.environ[spelling]))
    return found


def _profile(path: Path, profile: str | None) -> _Settings | None:
    """Read a profile of the file, without a name its default one. None: no file, and no name given."""
    read = read_profile(path, profile)
    if read is None:
        return None
    name, table = read
    found = _Settings(f"profile {name} of {path}", _FILE_KEYS)
    for spelling in table:
        if spelling == "proxy_url":
            log.warning("%s: %s is not used here; give proxy= to the Client", found.origin, spelling)
        elif spelling not in _FILE_KEYS.values():
            log.warning("%s: nothing is called %s%s", found.origin, one_line(spelling), hint_at(spelling, _FILE_KEYS.values()))
    for ours, spelling in _FILE_KEYS.items():
        if table.get(spelling, "") != "":
            found.add(ours, spelling, text_of(table, spelling, found.origin))
    return found


def _normal(name: str, value: str, spelling: str) -> str:
    """Return a demo or site setting in the one form that can be compared."""
    word = value.strip().lower()
    if name == "demo":
        if word not in _YES + _NO:
            raise CredentialsError(f"{spelling} is {one_line(str(value))!r}; write 1 for demo trading or 0 for live")
        return "1" if word in _YES else "0"
    if word == "tr":
        raise CredentialsError(f"{spelling} is tr: OKX documents no WebSocket for its Turkish site; sites are {', '.join(SITES)}")
    if word not in SITES:
        raise CredentialsError(f"{spelling} is {one_line(str(value))!r}; sites are {', '.join(SITES)}{hint_at(word, SITES)}")
    return word


def _shown(name: str, value: str) -> str:
    return ("demo" if value == "1" else "live") if name == "demo" else one_line(value)


def _misspelt(missing: list[str]) -> str:
    """Return a hint at an environment variable that looks like a missing one."""
    known = {spelling for spellings in _VARIABLES.values() for spelling in spellings}
    strange = [name for name in os.environ if name.startswith("OK") and name not in known]
    for name in missing:
        for near in difflib.get_close_matches(name, strange, 1, 0.85):
            return f"; {one_line(near)} is set, did you mean {name}?"
    return ""
