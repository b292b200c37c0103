"""In: events. Out: books, latest values, reference data, the own account.
May import: wire, events, absence, errors.
"""

from okex_ws.market.book import BookState, OrderBook
from okex_ws.market.books import Books
from okex_ws.market.instruments import Instruments, UnknownInstrumentError
from okex_ws.market.latest import Latest

__all__ = ["BookState", "Books", "Instruments", "Latest", "OrderBook", "UnknownInstrumentError"]
