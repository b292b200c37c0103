"""Endpoints: the hosts of OKX's sites, of demo trading, of a local simulator.

Source: docs-v5 "Overview", "Demo Trading"; port 8443 was switched off on 2026-10-31, so no URL here carries a port.
"""

from __future__ import annotations

import difflib
import ipaddress
from urllib.parse import urlsplit

import msgspec


class EndpointError(ValueError):
    """A site or URL that cannot be used; the text says what to change."""


class Site(msgspec.Struct, frozen=True):
    """One place to talk to: WebSocket base (`/ws/v5/public` is appended), REST base, and whether it is demo trading."""

    name: str
    websocket: str
    rest: str
    demo: bool = False

    def url(self, endpoint: str) -> str:
        """The WebSocket URL of an endpoint: public, business or private."""
        return f"{self.websocket}/ws/v5/{endpoint}"

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
    """One of OKX's sites by the domain the account was opened on: global (www), eea (my), us (app)."""
    table = DEMO_SITES if demo else SITES
    if name not in table:
        near = difflib.get_close_matches(name, table, 1)
        raise EndpointError(f"no site is called {name!r}; sites: {', '.join(table)}" + (f"; did you mean {near[0]}?" if near else ""))
    return table[name]


def local(port: int = 18900, *, rest_port: int | None = None, tls: bool = False) -> Site:
    """A simulator on this machine; its REST listens on the next port."""
    s = "s" if tls else ""
    return Site("local", f"ws{s}://127.0.0.1:{port}", f"http{s}://127.0.0.1:{rest_port or port + 1}")


def at(url: str, *, rest_url: str | None = None, demo: bool = False) -> Site:
    """Any URL that speaks OKX V5. A path ending in /ws/v5/... is cut back to its base; ws:// only to this machine.

    Without `rest_url`, REST is sought on the same host: on the next port for this machine (a simulator), else on https.
    """
    parts = urlsplit(url if "//" in url else f"//{url}")
    if parts.scheme not in ("ws", "wss"):
        raise EndpointError(f"{url!r} is not a WebSocket URL; it must begin with wss:// (or ws:// for this machine)")
    host = parts.hostname
    try:
        port = parts.port
    except ValueError:
        raise EndpointError(f"{url!r}: the port must be a number from 1 to 65535") from None
    if not host:
        raise EndpointError(f"{url!r} has no host; write e.g. wss://ws.okx.com")
    if parts.username is not None or parts.password is not None:
        raise EndpointError("a URL must not carry a user name or password")
    if parts.scheme == "ws" and not is_loopback(host):
        raise EndpointError(f"ws:// to {host} would be readable on the way; use wss:// (ws:// is for this machine only)")
    path = parts.path.split("/ws/v5")[0].rstrip("/")
    if rest_url is None:
        rest_scheme = "https" if parts.scheme == "wss" else "http"
        rest_port = f":{port + 1}" if port is not None and is_loopback(host) else ""
        rest_url = f"{rest_scheme}://{_bracketed(host)}{rest_port}"
    rest = urlsplit(rest_url)
    if rest.scheme not in ("http", "https") or not rest.hostname:
        raise EndpointError(f"{rest_url!r} is not a REST URL; it must begin with https://")
    if rest.scheme == "http" and not is_loopback(rest.hostname):
        raise EndpointError(f"http:// to {rest.hostname} would be readable on the way; use https://")
    return Site("custom", f"{parts.scheme}://{parts.netloc}{path}", rest_url.rstrip("/"), demo)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
