"""Sites: the WebSocket and REST addresses of OKX's sites, of demo trading and of a local simulator.

Source: docs-v5 "Overview", "Demo Trading"; port 8443 was switched off on 2026-10-31, so no URL here carries a port.
"""

from __future__ import annotations

import difflib
import ipaddress
import warnings
from urllib.parse import SplitResult, urlsplit

import msgspec

from okex_ws.errors import OkexError


class SiteError(OkexError, ValueError):
    """A site or URL that cannot be used; the text says what to change."""


def is_loopback(host: str) -> bool:
    """True if a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise SiteError(f"{url!r} is not a URL: {error}") from None


class Site(msgspec.Struct, frozen=True):
    """Addresses of one exchange: WebSocket base (`/ws/v5/public` is appended), REST base; demo: True for demo trading.

    Make one with `Site.okx`, `Site.local` or `Site.at`. query: the URL's query where a dead dialect is spoken, with its `?`.

    Raises SiteError for an unencrypted URL that is not on this machine.
    """

    name: str
    websocket: str
    rest: str
    demo: bool = False
    query: str = ""

    def __post_init__(self) -> None:
        for url, plain, safe in ((self.websocket, "ws", "wss"), (self.rest, "http", "https")):
            parts = _split(url)
            if parts.scheme not in (plain, safe) or not parts.hostname:
                raise SiteError(f"{url!r} is not usable here; it must begin with {safe}://")
            if parts.scheme == plain and not is_loopback(parts.hostname):
                hint = f"use {safe}:// ({plain}:// is for this machine only)"
                raise SiteError(f"{plain}:// to {parts.hostname} would be readable on the way; {hint}")

    @classmethod
    def okx(cls, name: str = "global", *, demo: bool = False) -> Site:
        """One of OKX's sites, by the domain an account was opened on: global (www), eea (my), us (app).

        Raises SiteError for another name.
        """
        table = DEMO_SITES if demo else SITES
        if name not in table:
            near = difflib.get_close_matches(name, table, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SiteError(f"no site is called {name!r}; sites: {', '.join(table)}{hint}")
        return table[name]

    @classmethod
    def local(cls, port: int = 18900, *, rest_port: int | None = None, tls: bool = False) -> Site:
        """A simulator on this machine. Its REST port is the next one, unless `rest_port` is given."""
        if not 0 < port < 65536 or not 0 < (rest_port or port + 1) < 65536:
            raise SiteError(f"port {port}: ports go from 1 to 65535, and REST needs the next one")
        s = "s" if tls else ""
        return cls("local", f"ws{s}://127.0.0.1:{port}", f"http{s}://127.0.0.1:{rest_port or port + 1}")

    @classmethod
    def at(cls, url: str, *, rest_url: str | None = None, demo: bool = False) -> Site:
        """Any server of OKX's WebSocket API. A path ending in /ws/v5/... is cut to its base; ws:// only to this machine.

        Without `rest_url`, REST is at the same host: at the next port on this machine (a simulator), else at https.
        """
        parts = _split(url if "//" in url else f"//{url}")
        if parts.scheme not in ("ws", "wss"):
            raise SiteError(f"{url!r} is not a WebSocket URL; it must begin with wss:// (or ws:// for this machine)")
        host = parts.hostname
        try:
            port = parts.port
        except ValueError:
            raise SiteError(f"{url!r}: the port must be a number from 1 to 65535") from None
        if not host:
            raise SiteError(f"{url!r} has no host; write e.g. wss://ws.okx.com")
        if parts.username is not None or parts.password is not None:
            raise SiteError("a URL must not carry a user name or password")
        path = parts.path.split("/ws/v5")[0].rstrip("/")
        if rest_url is None:
            rest_scheme = "https" if parts.scheme == "wss" else "http"
            rest_port = f":{port + 1}" if port is not None and is_loopback(host) else ""
            rest_url = f"{rest_scheme}://{f'[{host}]' if ':' in host else host}{rest_port}"
        query = f"?{parts.query}" if parts.query else ""
        return cls("custom", f"{parts.scheme}://{parts.netloc}{path}", rest_url.rstrip("/"), demo, query)

    @classmethod
    def of(cls, site: Site | str) -> Site:
        """A Site as it is; a text with `://` as a URL; any other text as the name of one of OKX's sites."""
        if isinstance(site, str):
            return cls.at(site) if "://" in site else cls.okx(site)
        return site

    def url(self, endpoint: str) -> str:
        """Return the WebSocket URL of an endpoint: public, business or private."""
        return f"{self.websocket}/ws/v5/{endpoint}"

    def url_of(self, path: str) -> str:
        """Return the WebSocket URL of another dialect: this site's own path if it has one, else `path`."""
        return f"{self.websocket}{path if not urlsplit(self.websocket).path else ''}{self.query}"

    @property
    def is_local(self) -> bool:
        """True for addresses of this machine."""
        return is_loopback(urlsplit(self.websocket).hostname or "")


SITES = {
    "global": Site("global", "wss://ws.okx.com", "https://openapi.okx.com"),
    "eea": Site("eea", "wss://wseea.okx.com", "https://eea.okx.com"),
    "us": Site("us", "wss://wsus.okx.com", "https://us.okx.com"),
}
DEMO_SITES = {
    "global": Site("global demo", "wss://wspap.okx.com", "https://openapi.okx.com", demo=True),
    "eea": Site("eea demo", "wss://wseeapap.okx.com", "https://eea.okx.com", demo=True),
    "us": Site("us demo", "wss://wsuspap.okx.com", "https://us.okx.com", demo=True),
}


def site(name: str = "global", *, demo: bool = False) -> Site:
    """Deprecated: use Site.okx."""
    _warn("site", "okx")
    return Site.okx(name, demo=demo)


def local(port: int = 18900, *, rest_port: int | None = None, tls: bool = False) -> Site:
    """Deprecated: use Site.local."""
    _warn("local", "local")
    return Site.local(port, rest_port=rest_port, tls=tls)


def at(url: str, *, rest_url: str | None = None, demo: bool = False) -> Site:
    """Deprecated: use Site.at."""
    _warn("at", "at")
    return Site.at(url, rest_url=rest_url, demo=demo)


def _warn(old: str, new: str) -> None:
    warnings.warn(f"okex_ws.{old}() is deprecated; use okex_ws.Site.{new}()", DeprecationWarning, stacklevel=3)
