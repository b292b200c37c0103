"""Dialects of the exchange: V5, and OKEx's dead V3 and V1 where `okex_ws.legacy` is installed. The only module that names all."""

from __future__ import annotations

import functools
import importlib.util
import re

from okex_ws.protocol.dialect import V5, Dialect
from okex_ws.protocol.session import Timing

NAMES = ("v5", "v3", "v1") if importlib.util.find_spec("okex_ws.legacy") is not None else ("v5",)


@functools.cache
def dialect(name: str) -> Dialect:
    """Return a dialect by its name; V3 and V1 are imported at their first use. Raises ValueError."""
    match name.lower():
        case "v5":
            return V5
        case "v3" if "v3" in NAMES:
            return _v3()
        case "v1" if "v1" in NAMES:
            return _v1()
    raise ValueError(f"no dialect is called {name!r}; dialects: {', '.join(NAMES)}")


def named_in(url: str) -> str | None:
    """Return the dialect in a URL's path, None if there is none."""
    found = re.search(r"/ws/(v[135])(?:/|$)", url)
    return found[1] if found is not None else None


def _v1() -> Dialect:
    from okex_ws.legacy import chains, deflate, v1

    return Dialect(
        "v1",
        v1.V1Session,
        chains.LegacyChains,
        v1.subscription,
        v1.needs_login,
        v1.subscriptions_in,
        noted=deflate.noted,
        frame_of=deflate.deflated,
        timing=Timing(ping_after_s=v1.V1Session.patience.ping_after_s),
        path="/ws/v1",
        endpoint_of=lambda _: "v1",
    )


def _v3() -> Dialect:
    from okex_ws.legacy import chains, deflate, v3

    return Dialect(
        "v3",
        v3.V3Session,
        chains.LegacyChains,
        v3.subscription,
        v3.needs_login,
        v3.subscriptions_in,
        noted=deflate.noted,
        frame_of=deflate.deflated,
        timing=Timing(ping_after_s=v3.V3Session.patience.ping_after_s),
        path="/ws/v3",
        endpoint_of=lambda _: "v3",
    )
