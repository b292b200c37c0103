"""V1: OKEx's first WebSocket API, 2014 to 2019, used by the 2018 demo.

In: its frames and `now`. Out: the same events as V5, and its request texts.
May import: `legacy`, `wire.channels`, `events`.
"""

from okex_ws.legacy.v1.session import V1Session
from okex_ws.legacy.v1.wire.channels import literal, meaning, needs_login, subscription
from okex_ws.legacy.v1.wire.messages import subscriptions_in

__all__ = ["V1Session", "literal", "meaning", "needs_login", "subscription", "subscriptions_in"]
