"""Seeded runs of exchange, client lines, backfill and REST on one virtual clock; the audit goes by the exchange's own tape.

`python -m tests.soak.backfill FIRST COUNT [SECONDS]` prints what went wrong, and exits 1 if anything did.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any
from urllib.parse import urlencode

from tests.soak.workers import workers
from tests.support.fixed_market import FixedMarket
from tests.support.virtual import MS, START, World

from okex_ws.core.inputs import BackfillStopped, PageFailed, PageFetched
from okex_ws.events import Event, Gap, Subscribed, Trade, Unrecoverable
from okex_ws.protocol.backfill.planner import BackfillPlanner, PageRequest
from okex_ws.protocol.pacing import SECOND
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.seeded_random import SeededRandom

RUN_S = 150.0
CALM_S = 60.0
"""The last stretch is free of faults (but for those that are for good), so that every hole is settled before the audit."""
INSTRUMENTS = ("BTC-USDT", "BTC-USDT-SWAP")


class Fetching:
    """A planner between a world's lines and its client's events, and its requests on the way to the world's exchange.

    keeps_s: how far back the exchange's REST goes, keeps_from_s: the second it begins at; None: no limit.
    partitions: (from, to) in seconds, when REST is out of reach: a request is lost and fails after `timeout_s`.
    """

    def __init__(
        self,
        world: World,
        *,
        keeps_s: float | None = None,
        keeps_from_s: float | None = None,
        partitions: tuple[tuple[float, float], ...] = (),
        timeout_s: float = 10.0,
        **planner: Any,
    ) -> None:
        self.world = world
        self.planner = BackfillPlanner(luck=SeededRandom("backfill luck").uniform, **planner)
        world.client.core.planner = self.planner
        self.pages: list[tuple[int, PageRequest]] = []
        self.answers: Counter[str] = Counter()
        self.keeps_s = keeps_s
        self.keeps_from_s = keeps_from_s
        self.is_hindered = False  # REST is out of reach for good, or there was no time to ask it
        self._partitions = partitions
        self._timeout = int(timeout_s * SECOND)
        self._deliver = world.client.publish
        self._armed_for: int | None = None
        world.client.publish = self._publish  # type: ignore[method-assign]

    def _publish(self, events: list[Event]) -> None:
        self._deliver(events)
        self.poke()

    def stop(self) -> None:
        self.world.client.feed(BackfillStopped())

    def poke(self) -> None:
        world = self.world
        while (page := world.client.core.next_page(world.now)) is not None:
            self.pages.append((world.now, page))
            second = (world.now - START) / SECOND
            if any(begin <= second < end for begin, end in self._partitions):
                world.after(self._timeout, lambda page=page: self._fail(page, "", "timed out"))  # type: ignore[misc]
            else:
                world.after(world.latency, lambda page=page: self._ask(page))  # type: ignore[misc]
        due = self.planner.deadline()
        if due is not None and (self._armed_for is None or due < self._armed_for or self._armed_for < world.now):
            self._armed_for = due
            world.after(due - world.now, self._wake)

    def _wake(self) -> None:
        self._armed_for = None
        self.poke()

    def _ask(self, page: PageRequest) -> None:
        world = self.world
        reply = world.exchange.rest("GET", f"/api/v5/{page.path}?{urlencode(page.args)}", {}, b"", world.now)
        body = json.loads(reply.body)
        self.answers[body["code"]] += 1
        if body["code"] == "0":
            rows = [row for row in body["data"] if self._is_kept(row)]
            world.after(world.latency, lambda: self._take(page, rows))
        else:
            world.after(world.latency, lambda: self._fail(page, body["code"], body["msg"]))

    def _is_kept(self, row: Any) -> bool:
        ts = int(row["ts"] if isinstance(row, dict) and "ts" in row else row[0] if isinstance(row, list) else 1 << 60)
        begins = START + int((self.keeps_from_s or 0) * SECOND)
        if self.keeps_s is not None:
            begins = max(begins, self.world.now - int(self.keeps_s * SECOND))
        return ts * MS >= begins

    def _take(self, page: PageRequest, rows: list[Any]) -> None:
        self.world.client.feed(PageFetched(number=page.number, rows=rows))
        self.poke()

    def _fail(self, page: PageRequest, code: str, detail: str) -> None:
        self.world.client.feed(PageFailed(number=page.number, code=code, detail=detail))
        self.poke()


def faults(dice: SeededRandom, seconds: float) -> list[Fault]:
    """Trouble on the lines, and trouble of REST."""
    made = [_line_fault(dice, seconds) for _ in range(2 + dice.below(5))]
    return made + [_rest_fault(dice, seconds) for _ in range(dice.below(4))]


def _line_fault(dice: SeededRandom, seconds: float) -> Fault:
    kind = dice.choice(
        (
            *("drop", "drop", "drop", "swap", "duplicate", "mute", "delay", "delay", "abort", "kick_all", "freeze", "close"),
            *("notice", "refuse_connect", "die_after_frames", "delay_ack", "drop_ack"),
        )
    )
    at = 2 + dice.uniform() * (seconds - 2)
    match kind:
        case "drop" | "swap" | "duplicate":
            share = dice.choice((0.01, 0.05, 0.3))
            return Fault(kind, channel="trades*", probability=share, at=at, **{"for": min(60.0, seconds - at)})
        case "delay":
            late = dice.choice((1, 4, 8))
            return Fault(kind, channel="trades*", seconds=late, at=at, **{"for": min(2 + dice.uniform() * 30, seconds - at)})
        case "mute":
            return Fault(kind, channel="trades*", at=at, **{"for": min(2 + dice.uniform() * 30, seconds - at)})
        case "refuse_connect":
            return Fault(kind, at=at, **{"for": min(5 + dice.uniform() * 30, seconds - at)})
        case "die_after_frames":
            return Fault(kind, frames=1 + dice.below(40), at=at, times=1 + dice.below(5), **{"for": min(30.0, seconds - at)})
        case "drop_ack" | "delay_ack":
            return Fault(kind, at=0, **{"for": seconds}, times=1 + dice.below(3))
        case _:
            return Fault(kind, at=at)


def _rest_fault(dice: SeededRandom, seconds: float) -> Fault:
    kind = dice.choice(("rest_error", "rest_empty", "rest_unsorted", "rest_overlap"))
    options: dict[str, Any] = {"target": dice.choice(("history-trades", "*"))}
    if kind == "rest_error":
        status, code = dice.choice(((429, "50011"), (503, "50001"), (200, "50026")))
        options |= {"status": status, "code": code}
    if kind == "rest_overlap":
        options["rows"] = dice.choice((1, 10, 99))
    at = dice.uniform() * seconds
    return Fault(kind, probability=dice.choice((0.1, 0.3)), at=at, **{"for": seconds - at}, **options)


def run(seed: int, seconds: float = RUN_S) -> tuple[World, Fetching]:
    """One run to its end."""
    dice = SeededRandom(f"backfill {seed}")
    lasting = seconds - CALM_S
    harm = dice.choice(("", "", "", "forgetful", "unreachable", "stopped"))
    script = faults(dice, lasting)
    if harm == "unreachable":  # for good: what is missed from here on is not to be had
        script.append(Fault("rest_error", at=dice.uniform() * lasting, status=503, code="50001", **{"for": 36_000.0}))
    partitions: tuple[tuple[float, float], ...] = ()
    if dice.chance(0.4):
        begin = dice.uniform() * lasting
        partitions = ((begin, begin + 5 + dice.uniform() * 25),)
    instruments = INSTRUMENTS[: 1 + dice.below(2)]
    market: Any = None
    kind = dice.choice(("busy", "busy", "quiet", "ending"))
    if kind == "ending":  # what was missed last, no push tells
        market, instruments = FixedMarket(lasts=lasting * (0.3 + 0.7 * dice.uniform())), ("BTC-USDT", "ETH-USDT")
    elif kind == "quiet":  # a minute without a trade is nothing special
        market = SeededMarket(seed, start=START, instruments=list(instruments), rate=dice.choice((0.002, 0.01)), levels=50)
    world = World(
        script,
        seed=seed,
        market=market,
        rules=Rules(push_before_ack=dice.choice(("never", "always"))),
        instruments=instruments,
        latency_ms=dice.choice((1, 20, 120, 400)),
    )
    fetching = Fetching(
        world,
        since=START + 3 * SECOND if dice.chance(0.7) else None,
        keeps_s=10 + dice.uniform() * 30 if harm == "forgetful" else None,
        partitions=partitions,
    )
    fetching.is_hindered = harm in ("unreachable", "stopped")
    begin = dice.uniform() * 20 if dice.chance(0.5) else 0.0
    channels = ("trades", "trades-all") if kind != "ending" and dice.chance(0.3) else ("trades",)
    world.run(begin)
    for channel in channels:
        world.subscribe(channel, *instruments)
    if harm == "stopped":
        world.run(max(1.0, lasting * dice.uniform()))
    else:
        world.run(seconds - begin)
        world.run(150) if harm == "unreachable" else None
    world.client.stop()
    fetching.stop()
    return world, fetching


def audit(world: World, fetching: Fetching) -> list[str]:
    """What is wrong, in words: nothing, if delivered and unrecoverable together are what was traded, and nothing came twice."""
    wrong: list[str] = []
    news = world.client.all(Unrecoverable)
    for channel, instrument in sorted({(event.channel, event.instrument) for event in _trades(world)}):
        wrong += _audit_trades(
            world,
            fetching,
            channel,
            instrument,
            [event for event in news if (event.channel, event.instrument) == (channel, instrument)],
        )
    instants = [instant for instant, page in fetching.pages if page.path == "market/history-trades"]
    wrong += [f"more than 20 pages in 2 s at {b}" for a, b in zip(instants, instants[20:], strict=False) if b - a < 2 * SECOND]
    if fetching.answers["50011"] and not any(fault.kind == "rest_error" for fault in world.exchange.ledger.faults):
        wrong.append(f"the exchange's limits were hit {fetching.answers['50011']} times")
    return wrong


def _trades(world: World) -> list[Any]:
    return [event for event in world.client.events if hasattr(event, "trade_id")]


def _audit_trades(world: World, fetching: Fetching, channel: str, instrument: str, news: list[Unrecoverable]) -> list[str]:
    where = f"{channel} {instrument}"
    wrong: list[str] = []
    delivered: set[int] = set()
    for event in _trades(world):
        if (event.channel, event.instrument) != (channel, instrument):
            continue
        ids = range(event.first_id, event.trade_id + 1)
        if delivered.intersection(ids):
            wrong.append(f"{where}: {event.trade_id} delivered twice")
        delivered.update(ids)
        if event.backfilled and event.count != 1:
            wrong.append(f"{where}: {event.trade_id} fetched back with count {event.count}")
    tape = {int(row["tradeId"]): int(row["ts"]) * MS for row in world.market.matches(instrument)}
    since = fetching.planner._since
    first = min(delivered)
    if since is not None:  # a run may end before anything was traded from then on
        first = min((number for number, ts in tape.items() if ts >= since), default=first)
    newest = max(delivered)
    truth = {number for number in tape if first <= number <= newest}
    if not fetching.is_hindered:  # whatever a subscription began after is checked by REST, though nothing may be traded any more
        began = max((event.ts_recv for event in world.client.all(Subscribed, channel=channel, key=instrument)), default=0)
        truth |= {number for number, ts in tape.items() if first <= number and ts < began}
    lost: set[int] = set()
    for event in news:
        end = max(tape) if event.last_id is None else event.last_id
        ids = range(first if event.first_id is None else event.first_id, end + 1)
        if lost.intersection(ids):
            wrong.append(f"{where}: {event.first_id}..{event.last_id} given up twice")
        lost.update(ids)
        for number in (ids[0], ids[-1]) if ids else ():
            ts = tape.get(number)
            if ts is not None and not event.since - SECOND <= ts <= event.until + SECOND:
                wrong.append(f"{where}: {number} of {ts} is not within {event.since} and {event.until}, {event.reason}")
        if event.first_id is not None and event.last_id is not None and event.first_id > event.last_id:
            wrong.append(f"{where}: an empty range {event}")
    if since is None:
        lost = {number for number in lost if number >= first}
    if delivered & lost:
        wrong.append(f"{where}: {len(delivered & lost)} ids both delivered and given up, first {min(delivered & lost)}")
    if untold := truth - delivered - lost:
        wrong.append(f"{where}: {len(untold)} trades lost without a word, first {min(untold)}")
    if invented := (delivered | lost) - set(tape):
        wrong.append(f"{where}: {len(invented)} ids that never were, first {min(invented)}")
    is_young = since is not None and not any(ts < since for ts in tape.values())  # nobody can tell whether there was more
    reasons = {event.reason for event in news if not (is_young and event.first_id is None)}
    struck = {fault.kind for fault in world.exchange.ledger.faults}
    allowed = {"stopped"} | ({"unreachable"} if "rest_error" in struck or fetching._partitions else set())
    allowed |= {"expired", "absent"} if fetching.keeps_s or fetching.keeps_from_s or "rest_empty" in struck else set()
    if reasons - allowed:
        wrong.append(f"{where}: given up as {sorted(reasons - allowed)} without a cause")
    return wrong


def figures(world: World, fetching: Fetching) -> dict[str, int]:
    """What happened, in numbers."""
    trades = _trades(world)
    lost = [event for event in world.client.all(Unrecoverable) if event.first_id is not None and event.last_id is not None]
    return {
        "trades": sum(event.count for event in trades),
        "fetched back": sum(event.count for event in trades if event.backfilled),
        "gaps": len(world.client.all(Gap)),
        "residual ranges": len(world.client.all(Unrecoverable)),
        "residual trades": sum(event.last_id - event.first_id + 1 for event in lost),
        "late pushes held back": fetching.planner.duplicates,
        "pages": len(fetching.pages),
        "aggregates": sum(1 for event in trades if isinstance(event, Trade) and event.count > 1),
    }


def one(job: tuple[int, float]) -> tuple[int, list[str], dict[str, int]]:
    world, fetching = run(*job)
    return job[0], audit(world, fetching), figures(world, fetching)


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else RUN_S
    bad = 0
    totals: Counter[str] = Counter()
    with workers(2) as pool:
        jobs = [(seed, seconds) for seed in range(first, first + count)]
        for seed, wrong, numbers in pool.map(one, jobs, chunksize=5):
            totals.update(numbers)
            if wrong:
                bad += 1
                print(f"seed {seed}:", *wrong[:8], sep="\n  ", flush=True)
    print(f"{count - bad} of {count} runs: every trade delivered once, or given up by its exact id")
    print(", ".join(f"{number:,} {name}" for name, number in totals.items()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
