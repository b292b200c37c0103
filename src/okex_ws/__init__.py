"""okex-websocket: OKX (formerly OKEx) over its WebSocket, as typed events.

The front door: names only.
"""

from okex_ws import events
from okex_ws.client.blocking import Blocking
from okex_ws.client.client import Client, connect
from okex_ws.client.endpoints import EndpointError, Site, at, local, site
from okex_ws.client.rest import Rest, RestError
from okex_ws.client.stream import Policy, Stream
from okex_ws.events import BookSnapshot, BookUpdate, Candle, Event, Gap, Ticker, Trade
from okex_ws.market import Books, BookState, Instruments, Latest, OrderBook
from okex_ws.wire.channels import CHANNELS, Subscription, SubscriptionError, subscription
from okex_ws.wire.sign import Credentials

__all__ = [
    "CHANNELS",
    "Blocking",
    "BookSnapshot",
    "BookState",
    "BookUpdate",
    "Books",
    "Candle",
    "Client",
    "Credentials",
    "EndpointError",
    "Event",
    "Gap",
    "Instruments",
    "Latest",
    "OrderBook",
    "Policy",
    "Rest",
    "RestError",
    "Site",
    "Stream",
    "Subscription",
    "SubscriptionError",
    "Ticker",
    "Trade",
    "at",
    "connect",
    "events",
    "local",
    "site",
    "subscription",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # looked up when asked for: it takes a third of the import's time

        return version("okex-websocket")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
