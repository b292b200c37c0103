"""What OKX answers to a key or an order, in words that say what to change."""

from __future__ import annotations

from okex_ws.cli.errors import BadInputError, RunFailedError
from okex_ws.client.credentials import AccountKey
from okex_ws.client.rest import RestError
from okex_ws.client.sites import SITES, Site
from okex_ws.wire.codes import CodePolicy, lookup

_UNKNOWN_THERE = ("50119", "60032", "60005", "50111")
_OTHER_ENVIRONMENT = ("50101",)
_TO_CHANGE = (CodePolicy.FATAL, CodePolicy.BUG)


def because(code: str, text: str, site: Site, key: AccountKey) -> str:
    """A refusal of a key, and what of site and environment may be wrong about it."""
    here = "demo trading" if site.demo else "live trading"
    if code in _OTHER_ENVIRONMENT:
        other = f"write demo = {str(not site.demo).lower()} in the {key.origin}"
        if key.origin == "the environment":
            other = f"set OKX_DEMO={'0' if site.demo else '1'}"
        return f"{text}; it is no key of {here}: {other}, or make one there"
    if code in _UNKNOWN_THERE and not site.is_local:
        others = " or ".join(name for name in SITES if not site.name.startswith(name))
        return f"{text}; it may be of another site (--site {others}) or not of {here}"
    return text


def ending(error: RestError, site: Site, key: AccountKey) -> BadInputError | RunFailedError:
    """How a command ends that was refused over REST: bad input if something has to be changed, else a failure."""
    to_change = bool(error.code) and lookup(error.code).policy in _TO_CHANGE
    return (BadInputError if to_change else RunFailedError)(because(error.code, str(error), site, key))
