"""okex-websocket: OKX (formerly OKEx) over its WebSocket, as typed events.

The front door: names only, each fetched when it is first asked for. So the command is at work before its imports begin.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from okex_ws import events
    from okex_ws.client.blocking import Blocking
    from okex_ws.client.client import Client, connect
    from okex_ws.client.credentials import AccountKey, CredentialsError, credentials
    from okex_ws.client.intents import IntentLogError
    from okex_ws.client.orders import NotTradingError
    from okex_ws.client.rest import Rest, RestError
    from okex_ws.client.sites import EndpointError, Site, at, local, site
    from okex_ws.client.stream import Policy, Stream
    from okex_ws.client.trading import LoginRefusedError, NotReadyError, Trading
    from okex_ws.events import BookSnapshot, BookUpdate, Candle, Event, Gap, Ticker, Trade, Verdict
    from okex_ws.market import Books, BookState, Instruments, Latest, OrderBook, UnknownInstrumentError
    from okex_ws.protocol.orders.tickets import Outcome
    from okex_ws.protocol.risk.pre_trade import Limits
    from okex_ws.wire.channels import CHANNELS, Subscription, SubscriptionError, subscription
    from okex_ws.wire.orders import AmendOrder, Attached, CancelOrder, OrderError, PlaceOrder
    from okex_ws.wire.sign import Credentials

    __version__: str

__all__ = [
    "CHANNELS",
    "AccountKey",
    "AmendOrder",
    "Attached",
    "Blocking",
    "BookSnapshot",
    "BookState",
    "BookUpdate",
    "Books",
    "CancelOrder",
    "Candle",
    "Client",
    "Credentials",
    "CredentialsError",
    "EndpointError",
    "Event",
    "Gap",
    "Instruments",
    "IntentLogError",
    "Latest",
    "Limits",
    "LoginRefusedError",
    "NotReadyError",
    "NotTradingError",
    "OrderBook",
    "OrderError",
    "Outcome",
    "PlaceOrder",
    "Policy",
    "Rest",
    "RestError",
    "Site",
    "Stream",
    "Subscription",
    "SubscriptionError",
    "Ticker",
    "Trade",
    "Trading",
    "UnknownInstrumentError",
    "Verdict",
    "at",
    "connect",
    "credentials",
    "events",
    "local",
    "site",
    "subscription",
]

_PLACES = {
    "okex_ws.client.blocking": "Blocking",
    "okex_ws.client.client": "Client connect",
    "okex_ws.client.credentials": "AccountKey CredentialsError credentials",
    "okex_ws.client.sites": "EndpointError Site at local site",
    "okex_ws.client.intents": "IntentLogError",
    "okex_ws.client.orders": "NotTradingError",
    "okex_ws.client.rest": "Rest RestError",
    "okex_ws.client.stream": "Policy Stream",
    "okex_ws.client.trading": "LoginRefusedError NotReadyError Trading",
    "okex_ws.events": "BookSnapshot BookUpdate Candle Event Gap Ticker Trade Verdict",
    "okex_ws.market": "Books BookState Instruments Latest OrderBook UnknownInstrumentError",
    "okex_ws.protocol.risk.pre_trade": "Limits",
    "okex_ws.wire.channels": "CHANNELS Subscription SubscriptionError subscription",
    "okex_ws.protocol.orders.tickets": "Outcome",
    "okex_ws.wire.orders": "AmendOrder Attached CancelOrder OrderError PlaceOrder",
    "okex_ws.wire.sign": "Credentials",
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names.split()}


if not TYPE_CHECKING:  # a checker would take any misspelt name for one that is fetched later

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # looked up when asked for: it takes a third of the import's time

            return version("okex-websocket")
        if name == "events":
            return import_module("okex_ws.events")
        if name not in _PLACE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_PLACE_OF[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
