"""Sink: what every target of events can do, how it fails, and how its URL is read.

An event's id is "<recorder>:<n>:<i>": the recorder, the journal record it came from, its place among that record's events.
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
    """A sink cannot do what it should. The text is one line without secrets and says what to change."""


class SinkUnreachableError(SinkError):
    """The target is away, full or busy: the same thing may work later."""


class SinkClosedError(SinkError):
    """The target is gone for good, as when the reader of standard output has ended."""


class SinkPosition(NamedTuple):
    """A place in one recorder's events: journal record n, event i of that record."""

    n: int
    i: int


NOTHING = SinkPosition(-1, -1)
"""Where a target stands that holds nothing at all."""


class Sink(Protocol):
    """One target. `open` and `put` raise SinkError; after a failed `put`, close and open again before the next.

    url: the target without its password, for people.
    """

    url: str

    async def open(self) -> None:
        """Connect and make ready. Raises SinkUnreachableError when trying again may help."""

    async def put(self, batch: Batch) -> None:
        """Returns once the target holds the whole batch. Events it already has are not stored again."""

    async def reached(self, recorder: str) -> SinkPosition | None:
        """How far the target itself says this recorder's events go; NOTHING where it was empty when opened; None where it
        does not say.

        Less than was acknowledged before means that the target lost its memory: go back to there. An empty one may be so on
        purpose: it is not filled from the beginning of time.
        """

    async def close(self) -> None:
        """Let go of the target within 2 s, whatever state it is in. Never raises."""


def split_id(event_id: str) -> tuple[str, SinkPosition]:
    """("ab12", SinkPosition(n, i)) of "ab12:<n>:<i>"; raises ValueError on anything else."""
    recorder, n, i = event_id.rsplit(":", 2)
    return recorder, SinkPosition(int(n), int(i))


class SinkUrl(NamedTuple):
    """A sink's URL taken apart; options: its query."""

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
        """A foreign message as one line, without the password in any spelling."""
        line = " ".join(str(text).split())
        spellings = {self.password, urlsplit(self.text).password or ""}
        for secret in sorted(spellings - {""}, key=len, reverse=True):
            line = line.replace(secret, "***")
        return mask(line)

    def only(self, *known: str) -> None:
        """Raise SinkError for an option the sink does not have."""
        for name in self.options:
            if name not in known:
                raise SinkError(f"{self.masked}: no option {name}; there are {', '.join(known) or 'none'}")

    def whole_number(self, name: str, default: int) -> int:
        """An option that is a whole number from 0."""
        text = self.options.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise SinkError(f"{self.masked}: {name}={text} is not a whole number")
        return int(text)

    def switch(self, name: str, default: bool) -> bool:
        """An option that is yes or no."""
        text = self.options.get(name, "yes" if default else "no").lower()
        if text not in ("yes", "no", "1", "0", "true", "false"):
            raise SinkError(f"{self.masked}: {name}={text} is neither yes nor no")
        return text in ("yes", "1", "true")


def read_url(text: str, default_port: int) -> SinkUrl:
    """Take a URL apart; raises SinkError where it cannot be one."""
    try:
        parts = urlsplit(text)
        port = parts.port or default_port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        parts = None
    # The library's words are not repeated: they quote what may be half a password.
    if parts is None or (default_port and ("@" in parts.path or parts.fragment)):
        raise SinkError(f"{mask(text)}: cannot be read as a URL; in a password @ / : # ? % are written %40 %2F %3A %23 %3F %25")
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
    """A text with the passwords of its URLs and of secret options replaced by ***."""
    # Greedy up to the last @: a password that was not escaped is hidden whole, even at the price of the host.
    text = re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", text)
    # What stands where a port should, and is none.
    text = re.sub(r"(://[^:/@\[\s]*:)(?!\*\*\*@|[0-9]{1,5}(?:[/?\s,;:]|$))[^/@\s]+", r"\1***", text)
    text = re.sub(r"((?:nats|tls)://)[^:/@\s*]+@", r"\1***@", text)
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&\s]*", r"\1***", text)


def library(module: str, extra: str, scheme: str) -> ModuleType:
    """Import a sink's library, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise SinkError(f"{scheme} needs the library {name}: pip install okex-websocket[{extra}]") from None
