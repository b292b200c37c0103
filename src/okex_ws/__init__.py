"""okex-websocket: OKX (formerly OKEx) over its WebSocket, as typed events.

Public names only. Each is imported at its first use, so that a command starts before its imports do.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # type checkers and editors read these; at run time `_NAMES` is used, and a test compares the two
    from okex_ws import events as events
    from okex_ws.client.blocking import Blocking as Blocking
    from okex_ws.client.client import Client as Client
    from okex_ws.client.client import connect as connect
    from okex_ws.client.credentials import AccountKey as AccountKey
    from okex_ws.client.credentials import CredentialsError as CredentialsError
    from okex_ws.client.credentials import NoKeyError as NoKeyError
    from okex_ws.client.credentials import credentials as credentials
    from okex_ws.client.errors import LoginRefusedError as LoginRefusedError
    from okex_ws.client.errors import NotReadyError as NotReadyError
    from okex_ws.client.errors import NotTradingError as NotTradingError
    from okex_ws.client.intents import IntentLogError as IntentLogError
    from okex_ws.client.rest import Rest as Rest
    from okex_ws.client.rest import RestError as RestError
    from okex_ws.client.sites import Site as Site
    from okex_ws.client.sites import SiteError as SiteError
    from okex_ws.client.sites import at as at
    from okex_ws.client.sites import local as local
    from okex_ws.client.sites import site as site
    from okex_ws.client.status import ClientStatus as ClientStatus
    from okex_ws.client.stream import Policy as Policy
    from okex_ws.client.stream import Stream as Stream
    from okex_ws.client.trading import Trading as Trading
    from okex_ws.errors import OkexError as OkexError
    from okex_ws.events import BookSnapshot as BookSnapshot
    from okex_ws.events import BookUpdate as BookUpdate
    from okex_ws.events import Candle as Candle
    from okex_ws.events import Connected as Connected
    from okex_ws.events import Disconnected as Disconnected
    from okex_ws.events import Event as Event
    from okex_ws.events import Gap as Gap
    from okex_ws.events import OrderUpdate as OrderUpdate
    from okex_ws.events import Ticker as Ticker
    from okex_ws.events import Trade as Trade
    from okex_ws.events import Verdict as Verdict
    from okex_ws.journal.errors import JournalError as JournalError
    from okex_ws.market import Books as Books
    from okex_ws.market import BookState as BookState
    from okex_ws.market import Instruments as Instruments
    from okex_ws.market import Latest as Latest
    from okex_ws.market import OrderBook as OrderBook
    from okex_ws.market import UnknownInstrumentError as UnknownInstrumentError
    from okex_ws.market.sizing import SizeError as SizeError
    from okex_ws.protocol.orders.tickets import Outcome as Outcome
    from okex_ws.protocol.risk.limits import Limits as Limits
    from okex_ws.sinks.sink import SinkError as SinkError
    from okex_ws.store.folder import StoreError as StoreError
    from okex_ws.wire.channels import CHANNELS as CHANNELS
    from okex_ws.wire.channels import Subscription as Subscription
    from okex_ws.wire.channels import SubscriptionError as SubscriptionError
    from okex_ws.wire.channels import subscription as subscription
    from okex_ws.wire.frames import FrameError as FrameError
    from okex_ws.wire.orders import AmendOrder as AmendOrder
    from okex_ws.wire.orders import Attached as Attached
    from okex_ws.wire.orders import CancelOrder as CancelOrder
    from okex_ws.wire.orders import OrderError as OrderError
    from okex_ws.wire.orders import OrderType as OrderType
    from okex_ws.wire.orders import PlaceOrder as PlaceOrder
    from okex_ws.wire.orders import PositionSide as PositionSide
    from okex_ws.wire.orders import Side as Side
    from okex_ws.wire.orders import TradeMode as TradeMode
    from okex_ws.wire.sign import Credentials as Credentials

    __version__: str
else:  # hidden from type checkers: with a module `__getattr__` they accept any misspelt name
    import importlib

    _NAMES = {
        "client.blocking": "Blocking",
        "client.client": "Client connect",
        "client.credentials": "AccountKey CredentialsError NoKeyError credentials",
        "client.errors": "LoginRefusedError NotReadyError NotTradingError",
        "client.intents": "IntentLogError",
        "client.rest": "Rest RestError",
        "client.sites": "Site SiteError at local site",
        "client.status": "ClientStatus",
        "client.stream": "Policy Stream",
        "client.trading": "Trading",
        "errors": "OkexError",
        "events": "BookSnapshot BookUpdate Candle Connected Disconnected Event Gap OrderUpdate Ticker Trade Verdict",
        "journal.errors": "JournalError",
        "market": "Books BookState Instruments Latest OrderBook UnknownInstrumentError",
        "market.sizing": "SizeError",
        "protocol.orders.tickets": "Outcome",
        "protocol.risk.limits": "Limits",
        "sinks.sink": "SinkError",
        "store.folder": "StoreError",
        "wire.channels": "CHANNELS Subscription SubscriptionError subscription",
        "wire.frames": "FrameError",
        "wire.orders": "AmendOrder Attached CancelOrder OrderError OrderType PlaceOrder PositionSide Side TradeMode",
        "wire.sign": "Credentials",
    }
    _MODULE_OF = {"events": "", **{name: module for module, names in _NAMES.items() for name in names.split()}}
    _RENAMED = {"EndpointError": "SiteError"}  # until the version after next
    __all__ = [name for name in _MODULE_OF if name not in ("at", "local", "site")]  # these three are deprecated

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # takes a third of the import's time

            return version("okex-websocket")
        if name in _RENAMED:
            import warnings

            warnings.warn(f"okex_ws.{name} is now okex_ws.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
            return __getattr__(_RENAMED[name])
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = _MODULE_OF[name]
        found = importlib.import_module(f"okex_ws.{module or name}")
        value = globals()[name] = getattr(found, name) if module else found
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, "__version__"})
