"""Latest: the last trade, ticker and candle of each instrument: the memory cache."""

from __future__ import annotations

from okex_ws.events import Candle, Event, Ticker, Trade

OVERTAKEN_MS = 2_000
"""What is older by up to this was overtaken on its way; what is older by more was sent by a clock that was set back."""


class Latest:
    """The newest of each kind by instrument. Feed it every event; what is older than what is known is left out."""

    def __init__(self) -> None:
        self._trades: dict[str, Trade] = {}
        self._tickers: dict[str, Ticker] = {}
        self._candles: dict[tuple[str, str], Candle] = {}

    def apply(self, event: Event) -> None:
        """Take any event."""
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
            # A closed candle may be corrected, but an opening push that comes late does not reopen it.
            if (
                candle is None
                or event.open_ms > candle.open_ms
                or (event.open_ms == candle.open_ms and event.closed >= candle.closed)
            ):
                self._candles[place] = event

    def trade(self, instrument: str) -> Trade | None:
        """The last trade, None before the first."""
        return self._trades.get(instrument)

    def ticker(self, instrument: str) -> Ticker | None:
        """The last ticker, None before the first."""
        return self._tickers.get(instrument)

    def candle(self, instrument: str, channel: str = "candle1m") -> Candle | None:
        """The newest candle of a channel, forming or closed; None before the first."""
        return self._candles.get((channel, instrument))

    def price(self, instrument: str) -> float | None:
        """The last traded price by trade or, failing that, by ticker."""
        trade, ticker = self._trades.get(instrument), self._tickers.get(instrument)
        if trade is not None and (ticker is None or trade.ts_ms >= ticker.ts_ms):
            return trade.price
        return ticker.last if ticker is not None else None
