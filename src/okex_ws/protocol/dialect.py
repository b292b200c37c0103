"""Dialect: everything that a Line needs to know about the API version of the server.

V5 is defined here. Other dialects are whole sibling Sessions: the V5 rooms do not import them, they are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from okex_ws.events import Event
from okex_ws.protocol.chains.registry import Chains
from okex_ws.protocol.plan import endpoint_of
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.session import Session, Timing
from okex_ws.wire.channels import Subscription, find, subscription
from okex_ws.wire.frames import pushed
from okex_ws.wire.sign import Credentials


class AnyEnding(Protocol):
    """Reason of a session to close its connection."""

    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def fatal(self) -> bool: ...


class AnyChains(Protocol):
    """Continuity of a line's subscriptions; it outlives connections."""

    @property
    def deadline(self) -> int | None: ...
    @property
    def are_handed_over(self) -> bool: ...
    def all(self) -> Iterable[Any]: ...
    def begin(self, number: int) -> None: ...
    def release(self, subscription: Subscription) -> Any: ...
    def adopt(self, chain: Any) -> None: ...
    def interrupt(self, now: int, cause: str) -> list[Event]: ...
    def expire(self, now: int) -> list[Event]: ...
    def start_handover(self, successor: int) -> None: ...
    def finish_handover(self, successor: int, now: int) -> list[Event]: ...
    def cancel_handover(self) -> list[Event]: ...


class AnySession(Protocol):
    """Session of one connection: the four methods, and the members that a Line uses."""

    to_send: list[bytes]
    fetches: list[Any]

    @property
    def number(self) -> int: ...
    @property
    def next_deadline(self) -> int: ...
    @property
    def ending(self) -> AnyEnding | None: ...
    @property
    def is_leaving(self) -> bool: ...
    @property
    def is_settled(self) -> bool: ...
    @property
    def can_trade(self) -> bool: ...
    @property
    def is_login_refused(self) -> bool: ...
    @property
    def first_push_at(self) -> int: ...

    def receive(self, data: bytes, now: int) -> list[Event]: ...
    def receive_binary(self, data: bytes, now: int) -> list[Event]: ...
    def bytes_to_send(self) -> list[bytes]: ...
    def deadline(self) -> int: ...
    def on_deadline(self, now: int) -> list[Event]: ...
    def subscribe(self, subscriptions: Iterable[Subscription], now: int) -> None: ...
    def unsubscribe(self, subscriptions: Iterable[Subscription], now: int) -> None: ...
    def resync(self, subscription: Subscription, now: int, cause: str) -> list[Event]: ...
    def send(self, request_id: str, op: str, data: bytes) -> None: ...
    def adopt(self, item: Subscription) -> None: ...
    def book_fetched(self, subscription: Subscription, snapshot: Any, now: int) -> list[Event]: ...
    def clock_measured(self, succeeded: bool, now: int) -> list[Event]: ...
    def reset_timeouts(self, now: int) -> None: ...


class MakeSession(Protocol):
    """Function that makes the session of connection `number`."""

    def __call__(
        self,
        line: str,
        subscriptions: Iterable[Subscription],
        *,
        now: int,
        number: int,
        chains: Any,
        credentials: Credentials | None,
        timing: Any,
        stale_after_s: Mapping[str, float] | None,
        server_clock: ServerClock | None,
    ) -> AnySession: ...


def _as_text(data: bytes) -> tuple[str, bytes]:
    return "in", data


def _needs_login(item: Subscription) -> bool:
    row = find(item.channel)
    return row is not None and row.login


def _subscriptions_in(data: bytes) -> Sequence[Subscription]:
    item = pushed(data)
    return () if item is None else (item,)


class Dialect(NamedTuple):
    """Parts of a dialect. name: in journals. path: of its WebSocket, "" if it depends on the channel.

    make_session, make_chains: make a connection's session and a line's chains. subscription: makes a checked one of channel, key
    and further args; raises SubscriptionError. needs_login: True if a subscription needs a login. subscriptions_in: subscriptions
    that a recorded frame is a push of. noted: form of a binary frame in a journal, as (kind, text); frame_of: the frame again, of
    a text of kind "deflated". endpoint_of: endpoint of a subscription; its line has the same name. has_rest: True if our REST
    client serves the dialect.
    """

    name: str
    make_session: MakeSession
    make_chains: Callable[[str], AnyChains]
    subscription: Callable[..., Subscription]
    needs_login: Callable[[Subscription], bool]
    subscriptions_in: Callable[[bytes], Sequence[Subscription]]
    noted: Callable[[bytes], tuple[str, bytes]] = _as_text
    frame_of: Callable[[bytes], bytes] = bytes
    timing: Timing = Timing()
    path: str = ""
    endpoint_of: Callable[[Subscription], str] = endpoint_of
    has_rest: bool = False


V5 = Dialect("v5", Session, Chains, subscription, _needs_login, _subscriptions_in, has_rest=True)
