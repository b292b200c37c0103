"""DIALECTS: what can be spoken at the other end: V5, and OKEx's dead V1 and V3. The one place that knows all of them."""

from __future__ import annotations

import difflib

from okex_ws.legacy import deflate, v1, v3
from okex_ws.legacy.continuity import Chains
from okex_ws.protocol.dialect import V5, Dialect
from okex_ws.protocol.session import Timing

V1 = Dialect(
    "v1",
    v1.Session,
    Chains,
    v1.subscription,
    v1.needs_login,
    v1.heard,
    deflate.noted,
    deflate.deflated,
    Timing(ping_after_s=30.0),
    "/ws/v1",
    lambda _: "v1",
)
V3 = Dialect(
    "v3",
    v3.Session,
    Chains,
    v3.subscription,
    v3.needs_login,
    v3.heard,
    deflate.noted,
    deflate.deflated,
    Timing(ping_after_s=20.0),
    "/ws/v3",
    lambda _: "v3",
)
DIALECTS = {dialect.name: dialect for dialect in (V5, V3, V1)}


def dialect(name: str) -> Dialect:
    """A dialect by its name. Raises ValueError."""
    if name not in DIALECTS:
        near = difflib.get_close_matches(name.lower(), DIALECTS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no dialect is called {name!r}; dialects: {', '.join(DIALECTS)}{hint}")
    return DIALECTS[name]
