"""Errors of a client that trades."""

from __future__ import annotations

from okex_ws.errors import OkexError


class NotTradingError(OkexError, RuntimeError):
    """The client was not made for trading, or is not ready; the text says what to do."""


class NotReadyError(OkexError, TimeoutError):
    """No order could be sent within the time given; the text says what is missing. The client goes on trying."""


class LoginRefusedError(OkexError):
    """OKX refuses the key, and trying again is pointless; the text says what to change."""
