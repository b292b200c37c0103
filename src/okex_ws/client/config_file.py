"""The file of API keys, `~/.okx/config.toml`: reads one profile. Nothing it returns or raises shows a secret in a traceback."""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from okex_ws.client.sanitize import one_line
from okex_ws.errors import OkexError

CONFIG = Path("~/.okx/config.toml")
"""File of the profiles, shared with OKX's own command line."""


class CredentialsError(OkexError, ValueError):
    """No usable key, or contradicting settings; the text names the variable or line to change, and contains no secret."""


class Hidden(str):
    """A text whose repr shows nothing, for tracebacks that print variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


def read_profile(path: Path, profile: str | None) -> tuple[str, dict[str, Any]] | None:
    """Return a profile's name and table, texts being Hidden; without a name the default one. None: no file, and no name given."""
    tables = _read(path)
    if tables is not None:
        return _chosen(tables, profile, path)
    if profile is not None:
        raise CredentialsError(f"no profile {profile!r}: there is no {path}")
    return None


def text_of(table: dict[str, Any], name: str, origin: str) -> Hidden:
    """Return a setting. Raises CredentialsError if it is no text."""
    value = table[name]
    if not isinstance(value, Hidden):
        raise CredentialsError(f"{name} of {origin} must be a text in quotes")
    return value


def hint_at(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that looks most like this one."""
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {one_line(near[0])}?" if near else ""


def _read(path: Path) -> dict[str, Any] | None:
    """Read the file, its values hidden; None if there is none. An error if other users can read it."""
    problem = ""
    try:
        with path.open("rb") as handle:
            if os.name != "posix" or not stat.S_IMODE(os.fstat(handle.fileno()).st_mode) & 0o077:
                return {name: _hidden(value) for name, value in tomllib.load(handle).items()}
            problem = f"{path} can be read by other users of this machine; type: chmod 600 {path}"
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"{path}: {os.strerror(error.errno or 0).lower()}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition("(")[2].rstrip(")") if isinstance(error, tomllib.TOMLDecodeError) else "no UTF-8"
        problem = f'{path} is not TOML ({where}); texts are in quotes: api_key = "…"'
    # Raised here, outside the handlers: an error of the parser carries the whole file.
    raise CredentialsError(problem)


def _hidden(value: object) -> Any:
    """Return a TOML value with its texts hidden; None for a value that is neither table nor text."""
    if isinstance(value, dict):
        return {name: _hidden(item) for name, item in value.items()}
    return Hidden(value) if isinstance(value, str | bool | int) else None


def _chosen(tables: dict[str, Any], profile: str | None, path: Path) -> tuple[str, dict[str, Any]]:
    profiles = tables.get("profiles")
    if not isinstance(profiles, dict) or not profiles:
        raise CredentialsError(f"{path} has no profile; write [profiles.main] with api_key, secret_key and passphrase")
    listed = ", ".join(map(one_line, profiles))
    if profile is not None:
        name = profile
    elif tables.get("default_profile", "") != "":
        name = str(text_of(tables, "default_profile", str(path)))
    elif len(profiles) == 1:
        name = next(iter(profiles))
    elif "default" in profiles:
        name = "default"
    else:
        raise CredentialsError(f"{path} has several profiles ({listed}) and no default_profile; choose one with --profile")
    table = profiles.get(name)
    if not isinstance(table, dict):
        raise CredentialsError(f"no profile {one_line(name)!r} in {path}; it has {listed}{hint_at(name, profiles)}")
    return name, table
