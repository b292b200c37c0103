"""Messages for refused keys and requests, with their remedy."""

from __future__ import annotations

from okex_ws.cli.errors import BadInputError, RunFailedError
from okex_ws.client.credentials import AccountKey
from okex_ws.client.rest import RestError
from okex_ws.client.sites import SITES, Site
from okex_ws.wire.codes import CodePolicy, lookup

_UNKNOWN_THERE = ("50119", "60032", "60005", "50111")
_OTHER_ENVIRONMENT = ("50101",)
_TO_CHANGE = (CodePolicy.FATAL, CodePolicy.BUG)


def refusal_text(code: str, text: str, site: Site, key: AccountKey) -> str:
    """Return the reason of a refused key, and the likely wrong site or environment."""
    here = "demo trading" if site.demo else "live trading"
    if code in _OTHER_ENVIRONMENT:
        other = f"write demo = {str(not site.demo).lower()} in the {key.origin}"
        if key.origin == "the environment":
            other = f"set OKX_DEMO={'0' if site.demo else '1'}"
        return f"{text}; this key does not belong to {here}: {other}, or create one there"
    if code in _UNKNOWN_THERE and not site.is_local:
        others = " or ".join(name for name in SITES if not site.name.startswith(name))
        return f"{text}; it may belong to another site (--site {others}) or not to {here}"
    return text


def refusal_error(error: RestError, site: Site, key: AccountKey) -> BadInputError | RunFailedError:
    """Return the error of a command refused over REST: BadInputError if the user must change something, else RunFailedError."""
    to_change = bool(error.code) and lookup(error.code).policy in _TO_CHANGE
    return (BadInputError if to_change else RunFailedError)(refusal_text(error.code, str(error), site, key))
