"""Credentials: the API key to use, and what it was made for, from the environment or a profile of `~/.okx/config.toml`.

Which one: a profile asked for by name, and then nothing else; or else the key in the environment; or else the file's default
profile. Never the command line, which every process of the machine can read. Two places that contradict each other are refused
rather than ranked: a live key used by mistake costs money.
Source of names: docs-v5 "Overview" (a key belongs to one site and to live or demo), and what OKX's own tools and SDKs read.
"""

from __future__ import annotations

import difflib
import logging
import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from okex_ws.client.sanitize import one_line
from okex_ws.client.sites import DEMO_SITES, SITES, Site
from okex_ws.errors import OkexError
from okex_ws.wire.sign import Credentials

KEY_VARIABLES = ("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE")
"""Environment variables of a key, by their first names."""

CONFIG = Path("~/.okx/config.toml")
"""Where profiles are, as OKX's own command line keeps them."""

_PARTS = ("api_key", "secret", "passphrase")
_VARIABLES = {
    "api_key": ("OKX_API_KEY",),
    "secret": ("OKX_API_SECRET", "OKX_SECRET_KEY", "OKX_API_SECRET_KEY"),
    "passphrase": ("OKX_API_PASSPHRASE", "OKX_PASSPHRASE"),
    "demo": ("OKX_DEMO", "OKX_FLAG"),
    "site": ("OKX_SITE",),
    "base_url": ("OKX_API_BASE_URL",),
}
_FILE_KEYS = {
    "api_key": ("api_key",),
    "secret": ("secret_key",),
    "passphrase": ("passphrase",),
    "demo": ("demo",),
    "site": ("site",),
    "base_url": ("base_url",),
}
_NOT_USED = ("proxy_url",)
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_SITE_OF_HOST = {
    "www.okx.com": "global",
    "okx.com": "global",
    "my.okx.com": "eea",
    "app.okx.com": "us",
    **{urlsplit(site.rest).hostname or "": name for name, site in SITES.items()},
}

log = logging.getLogger("okex_ws")


class CredentialsError(OkexError, ValueError):
    """No usable key, or settings that contradict each other; the text says which variable or line to change, and no secret."""


class NoKeyError(CredentialsError):
    """There is no key anywhere one is looked for."""


class AccountKey(Credentials):
    """An API key with what it was made for. site: where it is valid, live or demo; origin: where it was found, for people.

    A frozen value like Credentials, and as silent about its secrets.
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
        """Where to go with it: its own site, or a place that is none of OKX's. Raises CredentialsError for another of OKX's."""
        if wanted is None or wanted == self.site:
            return self.site
        if wanted in (*SITES.values(), *DEMO_SITES.values()):
            hint = "leave the site out, or choose another key"
            raise CredentialsError(f"the key of {self.origin} is for {self.site.name}, not for {wanted.name}; {hint}")
        return wanted


def credentials(
    profile: str | None = None, *, site: str | None = None, demo: bool | None = None, file: Path | None = None
) -> AccountKey:
    """The key to use, with its site: `Client(credentials=okex_ws.credentials())`.

    profile: a name in the file, and then the environment is not read; None: the environment, or the file's default profile.
    site, demo: what is wanted; fills in what the settings leave open and must not contradict what they say.
    file: instead of `~/.okx/config.toml`. Raises CredentialsError.
    """
    found = _Settings.of_environment()
    if profile is not None or not found.has_any(_PARTS):
        path = (file or CONFIG).expanduser()
        held = _Settings.of_file(path, profile)
        if held is None:
            names = f"{', '.join(KEY_VARIABLES[:-1])} and {KEY_VARIABLES[-1]}"
            raise NoKeyError(f"no API key: set {names}, or write a profile to {path}")
        if profile is None:
            held.agree(found)
        found = held
    return found.key(site, demo)


class _Hidden:
    """A text that a traceback with its variables does not show."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "***"


class _Settings:
    """What one place says: values by our names, each with the spelling it was found under. Its text shows names alone."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._values: dict[str, _Hidden] = {}
        self._spelt: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"_Settings({self.origin}: {', '.join(self._spelt.values())})"

    @classmethod
    def of_environment(cls) -> Self:
        made = cls("the environment")
        for name, spellings in _VARIABLES.items():
            for spelling in spellings:
                if os.environ.get(spelling):
                    made._add(name, spelling, _Hidden(os.environ[spelling]))
        return made

    @classmethod
    def of_file(cls, path: Path, profile: str | None) -> Self | None:
        """A profile of the file, its default one without a name. None: no such file, and nothing was asked of it by name."""
        tables = _tables(path)
        if tables is None:
            if profile is None:
                return None
            raise CredentialsError(f"no profile {profile!r}: there is no {path}")
        name, table = _chosen(tables, profile, path)
        made = cls(f"profile {name} of {path}")
        _warn_of_unknown(table.names, [word for words in _FILE_KEYS.values() for word in words], made.origin)
        for ours, spellings in _FILE_KEYS.items():
            for spelling in spellings:
                if table.has(spelling):
                    made._add(ours, spelling, _Hidden(table.text(spelling, made.origin)))
        return made

    def has_any(self, names: Iterable[str]) -> bool:
        """Whether any of these is said."""
        return any(name in self._values for name in names)

    def agree(self, other: _Settings) -> None:
        """Take what the other place says besides; raises where the two differ."""
        for name, spelling in other._spelt.items():
            self._add(name, f"{spelling} of {other.origin}", other._values[name])

    def key(self, site: str | None, demo: bool | None) -> AccountKey:
        """The key all this amounts to."""
        missing = [_VARIABLES[name][0] if self._is_environment else _FILE_KEYS[name][0] for name in self._missing()]
        if missing:
            raise CredentialsError(f"{self.origin} has no {' and no '.join(missing)}{self._misspelt(missing)}")
        for name in _PARTS:
            if not self._values[name].text.isprintable() or self._values[name].text != self._values[name].text.strip():
                raise CredentialsError(f"{self._spelt[name]} of {self.origin} begins or ends with a blank; paste it again")
        if site is not None:
            self._add("site", "the site asked for", _Hidden(site))
        if demo is not None:
            self._add("demo", "what is asked for", _Hidden("1" if demo else "0"))
        return AccountKey(*(self._values[name].text for name in _PARTS), site=self._site(), origin=self.origin)

    @property
    def _is_environment(self) -> bool:
        return self.origin == "the environment"

    def _missing(self) -> list[str]:
        return [name for name in _PARTS if name not in self._values]

    def _misspelt(self, missing: list[str]) -> str:
        """A hint at a variable that is set and looks much like one that is not."""
        if not self._is_environment:
            return ""
        known = {spelling for spellings in _VARIABLES.values() for spelling in spellings}
        strange = [name for name in os.environ if name.startswith("OK") and name not in known]
        for name in missing:
            for near in difflib.get_close_matches(name, strange, 1, 0.85):
                return f"; {one_line(near)} is set, did you mean {name}?"
        return ""

    def _add(self, name: str, spelling: str, value: _Hidden) -> None:
        meaning = value if name in (*_PARTS, "base_url") else _Hidden(_normal(name, value.text, spelling))
        before = self._values.get(name)
        if before is not None and before.text != meaning.text:
            shown = f" ({_shown(name, before.text)} and {_shown(name, meaning.text)})" if name in ("demo", "site") else ""
            raise CredentialsError(f"{self._spelt[name]} and {spelling} contradict each other{shown}; leave one out")
        if before is None:
            self._values[name], self._spelt[name] = meaning, spelling

    def _site(self) -> Site:
        if "base_url" in self._values:
            url = self._values["base_url"].text
            host = urlsplit(url).hostname or ""
            if host not in _SITE_OF_HOST:
                raise CredentialsError(
                    f"{self._spelt['base_url']} {one_line(url)} is none of OKX's sites; leave it out and give --url and "
                    "--rest-url, or a Site of your own to the Client"
                )
            self._add("site", self._spelt["base_url"], _Hidden(_SITE_OF_HOST[host]))
        name, demo = (self._values[word].text if word in self._values else "" for word in ("site", "demo"))
        return Site.okx(name or "global", demo=demo == "1")


def _normal(name: str, value: str, spelling: str) -> str:
    """The word of a demo or site in the one form that can be compared."""
    if name == "demo":
        word = value.strip().lower()
        if word not in _YES + _NO:
            raise CredentialsError(f"{spelling} is {one_line(value)!r}; write 1 for demo trading or 0 for live")
        return "1" if word in _YES else "0"
    word = value.strip().lower()
    if word == "tr":
        raise CredentialsError(f"{spelling} is tr: OKX documents no WebSocket for its Turkish site; sites are {', '.join(SITES)}")
    if word not in SITES:
        near = difflib.get_close_matches(word, SITES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise CredentialsError(f"{spelling} is {one_line(value)!r}; sites are {', '.join(SITES)}{hint}")
    return word


def _shown(name: str, value: str) -> str:
    return ("demo" if value == "1" else "live") if name == "demo" else one_line(value)


class _TomlTable:
    """A table of the file whose text does not show what it holds."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        self._rows = rows

    @property
    def names(self) -> list[str]:
        return list(self._rows)

    def has(self, name: str) -> bool:
        return self._rows.get(name) not in (None, "")

    def table(self, name: str) -> _TomlTable | None:
        rows = self._rows.get(name)
        return _TomlTable(rows) if isinstance(rows, dict) else None

    def text(self, name: str, origin: str) -> str:
        if not isinstance(self._rows[name], str | bool | int):
            raise CredentialsError(f"{name} of {origin} must be a text in quotes")
        return str(self._rows[name])


def _tables(path: Path) -> _TomlTable | None:
    """The file, read; None when there is none. Nobody but its owner may read it, or what is in it is no secret."""
    problem = ""
    try:
        with path.open("rb") as handle:
            mode = os.fstat(handle.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                problem = f"{path} can be read by other users of this machine; type: chmod 600 {path}"
            else:
                return _TomlTable(tomllib.load(handle))
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"{path}: {os.strerror(error.errno or 0).lower()}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition("(")[2].rstrip(")") if isinstance(error, tomllib.TOMLDecodeError) else "no UTF-8"
        problem = f'{path} is not TOML ({where}); texts stand in quotes: api_key = "…"'
    # Raised out here: an error of the parser carries the whole file along.
    raise CredentialsError(problem)


def _chosen(tables: _TomlTable, profile: str | None, path: Path) -> tuple[str, _TomlTable]:
    profiles = tables.table("profiles")
    names = profiles.names if profiles is not None else []
    if profiles is None or not names:
        raise CredentialsError(f"{path} has no profile; write [profiles.main] with api_key, secret_key and passphrase")
    if profile is not None:
        name = profile
    elif tables.has("default_profile"):
        name = tables.text("default_profile", str(path))
    elif len(names) == 1:
        name = names[0]
    elif "default" in names:
        name = "default"
    else:
        listed = ", ".join(map(one_line, names))
        raise CredentialsError(f"{path} has several profiles ({listed}) and no default_profile; choose one with --profile")
    table = profiles.table(name)
    if table is None:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {one_line(near[0])}?" if near else ""
        listed = ", ".join(map(one_line, names))
        raise CredentialsError(f"no profile {one_line(name)!r} in {path}; it has {listed}{hint}")
    return name, table


def _warn_of_unknown(names: Iterable[str], known: list[str], origin: str) -> None:
    for name in names:
        if name in _NOT_USED:
            log.warning("%s: %s is not used here; give proxy= to the Client", origin, name)
        elif name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            log.warning("%s: nothing is called %s%s", origin, one_line(name), hint)
