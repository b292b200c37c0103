"""Replay: a journal back into events, by the same door as live.

In: records of what a line was told (frames, opens, closes, timers). Out: the events it said, with the journal place of each.
A Line is deterministic: told the same, it says the same, so nothing is stored twice.
May import: checkpoints, dialects, market, protocol, wire, events.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from okex_ws import checkpoints
from okex_ws.dialects import dialect as spoken
from okex_ws.events import BookEvent, Event
from okex_ws.market import Books
from okex_ws.protocol.backfill.planner import BackfillPlanner
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.dialect import V5, AnySession, Dialect
from okex_ws.protocol.line import Failure, Line
from okex_ws.protocol.pacing import connects_per_ip
from okex_ws.protocol.session import Timing
from okex_ws.wire.channels import Subscription, from_arg
from okex_ws.wire.frames import book_image


class Played(NamedTuple):
    """An event and where it comes from: the record's number, and its place among the events of that record."""

    n: int
    i: int
    event: Event


class Replay:
    """Lines brought back to life. `feed` one record after another, in order.

    dialect: of frames whose line is not known; lines say theirs themselves.
    is_exact: what is said is what was said live. In a journal that was `resume`d, not from a hole on until its next checkpoint:
    lines are known only from their beginning, so the frames in between are taken as frames alone.
    """

    def __init__(self, dialect: Dialect = V5) -> None:
        self.lines: dict[str, Line] = {}
        self._dialect = dialect
        self._bare: dict[tuple[str, int], tuple[AnySession, Any, Books]] = {}
        self._connects = connects_per_ip()
        self._planner: BackfillPlanner | None = None
        self._restart = Restart()
        self.is_exact = True
        self._folder: Path | None = None
        self._n = 0
        self._ahead: dict[int, checkpoints.Checkpoint] = {}

    def resume(self, folder: Path, *, through: int | None = None, before: int | None = None) -> int:
        """Begin where a recorder's lines stood: after a record ≤ `through`, everything received before `before` (ns).

        Returns that record: feed what follows it, all of it. 0: there is no such checkpoint, feed all.
        """
        self._folder = folder
        self._n = self._stand(checkpoints.find(folder, through=through, before=before))
        return self._n

    def _stand(self, found: Iterable[checkpoints.Checkpoint]) -> int:
        """As the first of these that can be read says; returns its record, or 0."""
        for checkpoint in found:
            standing = checkpoints.read(checkpoint.path)
            if standing is not None:
                self.lines, self._connects, self._planner, self._restart = standing
                self.is_exact = True
                return checkpoint.n
        return 0

    def _step(self, n: int, folder: Path) -> None:
        """Record n is next: behind a hole, or where lines stood as a checkpoint ahead of a hole says."""
        if n > self._n + 1:
            self.lines, self._bare, self._connects, self._planner, self._restart = {}, {}, connects_per_ip(), None, Restart()
            self.is_exact = False
            self._ahead = {one.n: one for one in checkpoints.find(folder) if one.n >= n - 1}
        if not self.is_exact and n - 1 in self._ahead and self._stand([self._ahead[n - 1]]):
            self._bare = {}
        self._n = n

    def feed(self, record: Any) -> list[Event]:
        """What was said to this, as a consumer got to see it."""
        if self._folder is not None:
            self._step(record.n, self._folder)
        if record.line == "restart":
            return self._restart.apply(record.text, record.ts)
        if record.line == "backfill":
            events = self._plan(record)
        else:
            events = self._hear(record)
            if self._planner is not None and events:
                events = self._planner.feed(events, events[0].ts_recv)
        return self._restart.feed(events)

    def _plan(self, record: Any) -> list[Event]:
        """What the backfill was told: settings, pages asked for, answers."""
        if record.kind == "backfill":
            settings = msgspec.json.decode(record.text)
            luck = random.Random(f"{settings['seed']} backfill").random  # noqa: S311  # the jitter that was
            self._planner = BackfillPlanner(channels=settings["channels"], since=settings["since"], luck=luck)
            return []
        return self._planner.apply(record.kind, record.text, record.ts) if self._planner is not None else []

    def _hear(self, record: Any) -> list[Event]:
        line = self.lines.get(record.line)
        if record.kind == "start":
            return self._start(record)
        if line is None:
            return self._feed_bare(record)
        events = self._tell(line, record)
        line.actions.clear()
        for number in list(line.sessions):
            line.bytes_to_send(number)
        line.take_fetches()
        return events

    def _start(self, record: Any) -> list[Event]:
        known = self.lines.get(record.line)
        said = known.stop(record.ts) if known is not None else []  # a recorder that died, and began again
        settings = msgspec.json.decode(record.text)
        line = self.lines[record.line] = Line(
            record.line,
            url=settings.get("url", ""),
            luck=random.Random(f"{settings['seed']} {record.line}").random,  # noqa: S311  # the jitter that was
            connects=self._connects,
            credentials=checkpoints.NOBODY if settings.get("login") else None,
            timing=Timing(**settings.get("timing", {})),
            stale_after_s=settings.get("stale_after_s"),
            backoff_s=tuple(settings.get("backoff_s", (0.5, 30.0))),
            dialect=spoken(settings.get("dialect", "v5")),
        )
        line.subscribe(_subscriptions(settings["args"]), record.ts)
        line.start(record.ts)
        line.actions.clear()
        return said

    def _tell(self, line: Line, record: Any) -> list[Event]:
        now, number, text = record.ts, record.conn, record.text
        match record.kind:
            case "in":
                return line.receive(number, text, now)
            case "deflated":
                return line.receive(number, line.dialect.frame_of(text), now, is_binary=True)
            case "binary":
                return line.receive(number, text, now, is_binary=True)
            case "timer":
                return line.on_deadline(now)
            case "open":
                return line.opened(number, now)
            case "close":
                what = msgspec.json.decode(text)
                return line.closed(number, what["code"], what["reason"], now)
            case "fail":
                return line.failed(number, msgspec.json.decode(text, type=Failure), now)
            case "stop":
                return line.stop(now)
            case "excuse":
                line.reset_timeouts(now)
            case "subscribe":
                line.subscribe(_subscriptions(msgspec.json.decode(text)["args"]), now)
            case "unsubscribe":
                line.unsubscribe(_subscriptions(msgspec.json.decode(text)["args"]), now)
            case "send":
                what = msgspec.json.decode(text)
                line.send(what["id"], what["op"], what["text"].encode(), now)
            case "resync":
                what = msgspec.json.decode(text)
                return line.resync(from_arg(what["arg"]), now, what["cause"])
            case "image":
                what = msgspec.json.decode(text)
                item = from_arg(what["arg"])
                return line.book_fetched(item, book_image(what["rows"], item, now), now)
            case "clock":
                what = msgspec.json.decode(text)
                return line.clock_measured(what["server_ms"], what["asked"], now)
            case "hand_over":
                what = msgspec.json.decode(text)
                line.hand_over(from_arg(what["arg"]), self.lines[what["to"]], now)
        return []

    def _feed_bare(self, record: Any) -> list[Event]:
        """A recording of frames alone: a Session that takes every push as one it asked for, and books to distrust it by."""
        dialect = self._dialect
        known = self._bare.get((record.line, record.conn))
        if known is None:
            name = record.line or str(record.conn)
            chains = dialect.make_chains(name)
            session = dialect.make_session(
                name,
                (),
                now=record.ts,
                number=0,
                chains=chains,
                credentials=None,
                timing=dialect.timing,
                stale_after_s=None,
                server_clock=None,
            )
            known = self._bare[record.line, record.conn] = session, chains, Books()
        session, chains, books = known
        if record.kind not in ("in", "binary"):
            return []
        due = chains.deadline
        verdicts = chains.expire(due) if due is not None and due <= record.ts else []
        is_binary = record.kind == "binary"
        heard = dialect.heard(dialect.noted(record.text)[1] if is_binary else record.text)
        for subscription in heard:
            session.adopt(subscription)
        receive = session.receive_binary if is_binary else session.receive
        events = [*verdicts, *receive(record.text, record.ts)]
        for event in tuple(events):
            trouble = books.apply(event)
            if trouble is not None and isinstance(event, BookEvent):
                of = [item for item in heard if (item.channel, item.key) == (event.channel, event.instrument)]
                events += session.resync(of[0], record.ts, trouble) if of else ()
        session.bytes_to_send()  # to nobody
        return events


def played(records: Iterable[Any], dialect: Dialect = V5, replay: Replay | None = None) -> Iterator[Played]:
    """Every event of these records, flat out, in order. replay: one that was resumed, and records from there on."""
    replay = replay or Replay(dialect)
    for record in records:
        for i, event in enumerate(replay.feed(record)):
            yield Played(record.n, i, event)


async def paced(
    records: Iterable[Any], *, speed: float = 1.0, now: Callable[[], int], sleep: Callable[[float], Any] = asyncio.sleep
) -> AsyncIterator[Played]:
    """Every event at the pace it was recorded, or `speed` times faster; memory stays bounded, however slow the reader."""
    begun, first = now(), None
    for place in played(records):
        ts = place.event.ts_recv
        first = ts if first is None else first
        ahead = (ts - first) / speed - (now() - begun)
        if ahead > 1_000_000:
            await sleep(ahead / 1e9)
        yield place


def _subscriptions(args: Iterable[Mapping[str, object]]) -> list[Subscription]:
    return [from_arg(arg) for arg in args]
