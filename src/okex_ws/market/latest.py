"""Last trade, ticker and candle of each instrument."""

from __future__ import annotations

from okex_ws.events import Candle, Event, Ticker, Trade

OVERTAKEN_MS = 2_000
"""An event older by up to this is late and ignored; one older by more comes from a clock that was set back, and counts."""


class Latest:
    """Newest event of each kind by instrument. Apply every event; older events than the known one are ignored."""

    def __init__(self) -> None:
        self._trades: dict[str, Trade] = {}
        self._tickers: dict[str, Ticker] = {}
        self._candles: dict[tuple[str, str], Candle] = {}

    def apply(self, event: Event) -> None:
        """Apply any event."""
        kind = type(event)
        if kind is Trade:
            assert isinstance(event, Trade)
            known = self._trades.get(event.instrument)
            if known is None or event.trade_id > known.trade_id or event.ts_ms > known.ts_ms:
                self._trades[event.instrument] = event
        elif kind is Ticker:
            assert isinstance(event, Ticker)
            ticker = self._tickers.get(event.instrument)
            if ticker is None or not 0 < ticker.ts_ms - event.ts_ms <= OVERTAKEN_MS:
                self._tickers[event.instrument] = event
        elif isinstance(event, Candle):
            place = (event.channel, event.instrument)
            candle = self._candles.get(place)
            # A closed candle may be corrected, but a late push of the forming candle does not reopen it.
            if (
                candle is None
                or event.open_ms > candle.open_ms
                or (event.open_ms == candle.open_ms and event.closed >= candle.closed)
            ):
                self._candles[place] = event

    def trade(self, instrument: str) -> Trade | None:
        """Return the last trade, None before the first."""
        return self._trades.get(instrument)

    def ticker(self, instrument: str) -> Ticker | None:
        """Return the last ticker, None before the first."""
        return self._tickers.get(instrument)

    def candle(self, instrument: str, channel: str = "candle1m") -> Candle | None:
        """Return the newest candle of a channel, forming or closed; None before the first."""
        return self._candles.get((channel, instrument))

    def price(self, instrument: str) -> float | None:
        """Return the last traded price, of the newer of trade and ticker; None if there is neither."""
        trade, ticker = self._trades.get(instrument), self._tickers.get(instrument)
        if trade is not None and (ticker is None or trade.ts_ms >= ticker.ts_ms):
            return trade.price
        return ticker.last if ticker is not None else None
