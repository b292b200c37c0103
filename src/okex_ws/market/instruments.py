"""Instruments: tick, lot, contract value and state of each; loaded over REST, updated by the `instruments` channel.

Source: docs-v5 "Instruments channel": pushes are changes only, never the whole list, so no push removes an instrument.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from okex_ws.errors import OkexError
from okex_ws.events import Event, Instrument


class UnknownInstrumentError(OkexError, KeyError):
    """An instrument that is not in the catalogue; the text has the most similar ids."""

    def __str__(self) -> str:
        return str(self.args[0])


class Instruments:
    """Catalogue of instruments by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Instrument] = {}

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, instrument: str) -> bool:
        return instrument in self._by_id

    def __getitem__(self, instrument: str) -> Instrument:
        """Return reference data of one instrument. Raises UnknownInstrumentError with the most similar ids."""
        try:
            return self._by_id[instrument]
        except KeyError:
            near = difflib.get_close_matches(instrument, self._by_id, 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UnknownInstrumentError(f"no instrument is called {instrument!r}{hint}") from None

    def get(self, instrument: str) -> Instrument | None:
        """Return reference data of one instrument, None if it is not known."""
        return self._by_id.get(instrument)

    def load(self, rows: Iterable[Instrument]) -> None:
        """Add or replace instruments."""
        for row in rows:
            self._by_id[row.instrument] = row

    def apply(self, event: Event) -> None:
        """Apply any event; only Instrument has an effect. Fields that a push leaves empty keep their value."""
        if isinstance(event, Instrument):
            known = self._by_id.get(event.instrument)
            self._by_id[event.instrument] = event if known is None else _patched(known, event)


def _patched(known: Instrument, change: Instrument) -> Instrument:
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return type(known)(
        **{name: value if value not in (None, "", (), []) else getattr(known, name) for name, value in fields.items()}
    )
