"""OKEx's first WebSocket API, 2014 to 2019: what the 2018 demo spoke."""

from okex_ws.legacy.v1.session import V1Session
from okex_ws.legacy.v1.wire.channels import literal, meaning, needs_login, subscription
from okex_ws.legacy.v1.wire.messages import heard

__all__ = ["V1Session", "heard", "literal", "meaning", "needs_login", "subscription"]
