"""Sink: the interface of every event target, its errors, and its URL.

An event's id is "<recorder>:<n>:<i>": the recorder, the journal record, the index among that record's events.
Ids of one recorder only grow, except when a batch is delivered again.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from okex_ws.errors import OkexError
from okex_ws.events import Event

Batch = Sequence[tuple[str, Event]]
"""Events in order, each with its id."""

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.5


class SinkError(OkexError):
    """Error of a sink. The text is one line without secrets and names the remedy."""


class SinkUnreachableError(SinkError):
    """The target is unreachable, full or busy; a later attempt may succeed."""


class SinkClosedError(SinkError):
    """The target is closed permanently, e.g. the reader of standard output has ended."""


class SinkPosition(NamedTuple):
    """Position in one recorder's events: journal record n, event i of that record."""

    n: int
    i: int


NOTHING = SinkPosition(-1, -1)
"""Position of an empty target."""


class Sink(Protocol):
    """One target. `open` and `put` raise SinkError; after a failed `put`, close and open again before the next.

    url: the target without its password, for messages.
    """

    url: str

    async def open(self) -> None:
        """Connect and prepare the target. Raises SinkUnreachableError if a later attempt may succeed."""

    async def put(self, batch: Batch) -> None:
        """Store the batch; returns once the target holds all of it. Events it already holds are not stored again."""

    async def reached(self, recorder: str) -> SinkPosition | None:
        """Return the position of this recorder's events in the target; NOTHING if it was empty when opened; None if unknown.

        A position before the acknowledged one means that the target lost data: deliver again from there. An empty target may be
        intended: it is not filled from the beginning of the journal.
        """

    async def close(self) -> None:
        """Close the target within 2 s, in any state. Never raises."""


def split_id(event_id: str) -> tuple[str, SinkPosition]:
    """Return ("ab12", SinkPosition(n, i)) of "ab12:<n>:<i>"; raises ValueError for other texts."""
    recorder, n, i = event_id.rsplit(":", 2)
    return recorder, SinkPosition(int(n), int(i))


class SinkUrl(NamedTuple):
    """The parts of a sink's URL; options: its query."""

    text: str
    scheme: str
    user: str
    password: str
    host: str
    port: int
    path: str
    options: dict[str, str]

    @property
    def masked(self) -> str:
        return mask(self.text)

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"

    def clean(self, text: object) -> str:
        """Return a foreign message as one line, without the password in any spelling."""
        line = " ".join(str(text).split())
        spellings = {self.password, urlsplit(self.text).password or ""}
        for secret in sorted(spellings - {""}, key=len, reverse=True):
            line = line.replace(secret, "***")
        return mask(line)

    def only(self, *known: str) -> None:
        """Raise SinkError for an unknown option."""
        for name in self.options:
            if name not in known:
                raise SinkError(f"{self.masked}: no option {name}; options: {', '.join(known) or 'none'}")

    def whole_number(self, name: str, default: int) -> int:
        """Return an option that is a non-negative integer."""
        text = self.options.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise SinkError(f"{self.masked}: {name}={text} is not a whole number")
        return int(text)

    def switch(self, name: str, default: bool) -> bool:
        """Return an option that is yes or no."""
        text = self.options.get(name, "yes" if default else "no").lower()
        if text not in ("yes", "no", "1", "0", "true", "false"):
            raise SinkError(f"{self.masked}: {name}={text} is neither yes nor no")
        return text in ("yes", "1", "true")


def read_url(text: str, default_port: int) -> SinkUrl:
    """Parse a URL; raises SinkError if it is invalid."""
    try:
        parts = urlsplit(text)
        port = parts.port or default_port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        parts = None
    # The parser's message is not repeated: it may quote half a password.
    if parts is None or (default_port and ("@" in parts.path or parts.fragment)):
        raise SinkError(f"{mask(text)}: cannot be read as a URL; in a password write @ / : # ? % as %40 %2F %3A %23 %3F %25")
    return SinkUrl(
        text=text,
        scheme=parts.scheme,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        host=parts.hostname or "localhost",
        port=port,
        path=parts.path,
        options=options,
    )


def mask(text: str) -> str:
    """Return a text with the passwords of its URLs and of secret options replaced by ***."""
    # Greedy up to the last @: an unescaped password is hidden whole, even if the host is hidden too.
    text = re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", text)
    # Text in the position of a port that is not a port.
    text = re.sub(r"(://[^:/@\[\s]*:)(?!\*\*\*@|[0-9]{1,5}(?:[/?\s,;:]|$))[^/@\s]+", r"\1***", text)
    text = re.sub(r"((?:nats|tls)://)[^:/@\s*]+@", r"\1***@", text)
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&\s]*", r"\1***", text)


def library(module: str, extra: str, scheme: str) -> ModuleType:
    """Import a sink's library; the error names the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise SinkError(f"{scheme} needs the library {name}: pip install okex-websocket[{extra}]") from None
