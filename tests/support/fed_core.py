"""A ClientCore without an exchange: a test feeds its inputs by hand and reads events and effects."""

from __future__ import annotations

from okex_ws.core.core import ClientCore
from okex_ws.core.effects import Dial, Effect
from okex_ws.core.inputs import Opened, SocketClosed, TextReceived, TimerFired
from okex_ws.events import Event
from okex_ws.protocol.line import Line
from okex_ws.wire.channels import Subscription, subscription

START = 1_790_000_000 * 10**9


class FedCore:
    """A core that has started. number: the connection that it dialled last."""

    def __init__(self, *items: tuple[str, str], uniform: float = 0.5) -> None:
        self.core = ClientCore(seeded=lambda text: lambda: uniform)
        self.core.subscribe([subscription(channel, key) for channel, key in items], START)
        self.core.start(START)
        self.number = 0
        self.effects: list[Effect] = []
        self.settle()

    @property
    def line(self) -> Line:
        """The only line."""
        [line] = self.core.lines.values()
        return line

    @property
    def items(self) -> list[Subscription]:
        return list(self.line.subscriptions)

    def settle(self) -> list[Effect]:
        """Effects since the last call; the number of a dial is remembered."""
        effects = self.core.effects()
        self.number = next((effect.number for effect in effects if isinstance(effect, Dial)), self.number)
        self.effects += effects
        return effects

    def opened(self, now: int = START) -> list[Event]:
        return self._feed(Opened(line=self.line.name, connection=self.number), now)

    def text(self, data: bytes, now: int) -> list[Event]:
        return self._feed(TextReceived(line=self.line.name, connection=self.number, data=data), now)

    def closed(self, code: int, now: int) -> list[Event]:
        return self._feed(SocketClosed(line=self.line.name, connection=self.number, code=code, reason=""), now)

    def timer(self, now: int) -> list[Event]:
        return self._feed(TimerFired(line=self.line.name), now)

    def _feed(self, item: Opened | TextReceived | SocketClosed | TimerFired, now: int) -> list[Event]:
        events = self.core.feed(item, now)
        self.settle()
        return events
