"""Dialects: what can be spoken at the other end: V5, and OKEx's dead V1 and V3. The one place that knows all of them."""

from __future__ import annotations

import functools
import re

from okex_ws.protocol.dialect import V5, Dialect
from okex_ws.protocol.session import Timing

NAMES = ("v5", "v3", "v1")


@functools.cache
def dialect(name: str) -> Dialect:
    """A dialect by its name; the dead ones are loaded when they are first asked for. Raises ValueError."""
    match name.lower():
        case "v5":
            return V5
        case "v3":
            return _v3()
        case "v1":
            return _v1()
    raise ValueError(f"no dialect is called {name!r}; dialects: {', '.join(NAMES)}")


def named_in(url: str) -> str | None:
    """The dialect a URL names in its path; None where it names none."""
    found = re.search(r"/ws/(v[135])(?:/|$)", url)
    return found[1] if found is not None else None


def _v1() -> Dialect:
    from okex_ws.legacy import continuity, deflate, v1

    return Dialect(
        "v1",
        v1.V1Session,
        continuity.LegacyChains,
        v1.subscription,
        v1.needs_login,
        v1.heard,
        noted=deflate.noted,
        frame_of=deflate.deflated,
        timing=Timing(ping_after_s=v1.V1Session.patience.ping_after_s),
        path="/ws/v1",
        endpoint_of=lambda _: "v1",
    )


def _v3() -> Dialect:
    from okex_ws.legacy import continuity, deflate, v3

    return Dialect(
        "v3",
        v3.V3Session,
        continuity.LegacyChains,
        v3.subscription,
        v3.needs_login,
        v3.heard,
        noted=deflate.noted,
        frame_of=deflate.deflated,
        timing=Timing(ping_after_s=v3.V3Session.patience.ping_after_s),
        path="/ws/v3",
        endpoint_of=lambda _: "v3",
    )
