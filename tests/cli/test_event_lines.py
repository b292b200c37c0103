"""EventLines: text and JSON lines of events."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from okex_ws import events
from okex_ws.cli.event_lines import EventLines, as_json, number
from okex_ws.client.sanitize import one_line as escaped
from okex_ws.events import Event
from okex_ws.wire.channels import CHANNELS

NASTY = "a\x1b[31m\n\r\x9b\u202e\ud800é"


@pytest.mark.parametrize(
    ("value", "text"),
    [(60000.0, "60000"), (0.1, "0.1"), (1e-07, "0.0000001"), (1.5e16, "15000000000000000"), (None, "-"), (-0.5, "-0.5")],
)
def test_numbers_have_no_exponent(value: float | None, text: str) -> None:
    assert number(value) == text


def test_control_characters_are_written_out() -> None:
    assert escaped(NASTY) == r"a\x1b[31m\n\r\x9b\u202e\ud800é"
    assert escaped("plain text") == "plain text"


def _events() -> list[Event]:
    """Return one event of every class of the channel table, and every status event, with hostile texts."""
    kinds = {kind for row in CHANNELS.values() for kind in (row.event, row.update) if kind}
    kinds |= {kind for name in events.__all__ if issubclass(kind := getattr(events, name), events.StatusEvent)}
    return [_filled(kind) for kind in sorted(kinds, key=lambda kind: kind.__name__)]


def _filled(kind: type[Any]) -> Any:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.type is str:
            values[field.name] = NASTY
        elif field.name in ("raw_bids", "raw_asks"):
            values[field.name] = [("1.5", "2", "0", "3")]
        elif field.type is bytes:
            values[field.name] = NASTY.encode(errors="surrogatepass")
        elif field.required:
            values[field.name] = 1
    return kind(**values)


@pytest.mark.parametrize("event", _events(), ids=lambda event: type(event).__name__)
def test_every_event_is_one_safe_line(event: Event) -> None:
    text = EventLines(colour=False).line(event) or ""
    assert text.isprintable()
    machine = as_json(_without_surrogates(event))
    assert machine.isascii()
    assert "\n" not in machine
    assert json.loads(machine)["event"] == type(event).__name__


def _without_surrogates(event: Any) -> Any:
    """A JSON decoder never returns half a surrogate pair; everything else in NASTY is possible."""
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str):
            setattr(event, name, value.replace("\ud800", "\U0001f600"))
    return event


def test_json_survives_text_beyond_ascii() -> None:
    notice = events.Notice(ts_recv=1, message="é \U0001f600 \x1b")
    assert "\x1b" not in as_json(notice)
    assert json.loads(as_json(notice))["message"] == "é \U0001f600 \x1b"
