"""V3: OKEx's second WebSocket API, 2018 to 2021; Okcoin used it a little longer.

In: its frames and `now`. Out: the same events as V5, and its request texts.
May import: `legacy`, `wire.channels`, `events`.
"""

from okex_ws.legacy.v3.session import V3Session
from okex_ws.legacy.v3.wire.channels import literal, meaning, needs_login, subscription
from okex_ws.legacy.v3.wire.messages import subscriptions_in

__all__ = ["V3Session", "literal", "meaning", "needs_login", "subscription", "subscriptions_in"]
