"""Outgoing messages of the exchange: WebSocket messages, ends of a connection, HTTP replies."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """Text message. `payload` is shared by all receivers of one push; it is not always UTF-8."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """Binary message: a deflated message of V1 or V3."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Control ping (opcode 9)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close frame; nothing follows it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Reset of TCP without a close frame."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """End of reading and writing; TCP stays open."""


Message = Text | Binary
Outgoing = Text | Binary | Ping | Close | Abort | Freeze


@dataclass(slots=True)
class HttpReply:
    """HTTP reply, also to an upgrade request that is refused. Status 0: the connection is reset without a reply.

    unknown: parameters of the request that its endpoint did not read.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    unknown: tuple[str, ...] = ()
