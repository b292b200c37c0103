"""Root of the package's errors: `except okex_ws.OkexError` catches all of them. Imports nothing."""


class OkexError(Exception):
    """Base class of every public error of okex_ws."""
