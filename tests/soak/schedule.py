"""Seeded fault schedules, and the audit of what a client made of them."""

from __future__ import annotations

from typing import Any

from tests.support.virtual import World

from okex_ws.events import BookSnapshot, BookUpdate, Gap, Trade
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.rules import Rules
from okex_ws.simulator.seeded_random import SeededRandom

MINUTES = 10
CALM_S = 100
"""The last stretch of a run is free of faults, so that every verdict falls before the audit."""
INSTRUMENTS = ("BTC-USDT", "BTC-USDT-SWAP")


def faults(dice: SeededRandom, seconds: float) -> list[Fault]:
    """Between two and eight kinds of trouble, each once, now and then, or for a while."""
    return [_fault(dice, seconds) for _ in range(2 + dice.below(7))]


def _fault(dice: SeededRandom, seconds: float) -> Fault:
    kind = dice.choice(
        (
            *("drop", "drop", "duplicate", "swap", "delay", "mute", "abort", "close", "freeze", "notice", "kick_all"),
            *("ignore_ping", "drop_ack", "delay_ack", "seq_reset", "resnapshot", "refuse_connect", "die_after_frames"),
            *("truncate", "garbage", "unknown_delete", "extra_field", "crossed", "wrong_dialect", "late"),
        )
    )
    at = 5 + dice.uniform() * (seconds - 5)
    where: dict[str, Any] = {"channel": dice.choice(("trades", "books", "*"))} if kind in _ON_PUSHES else {}
    match kind:
        case "drop" | "duplicate" | "swap" | "unknown_delete" | "extra_field" | "truncate" | "crossed":
            share = dice.choice((0.001, 0.01, 0.05))
            return Fault(kind, probability=share, at=at, **{"for": min(120.0, seconds - at)}, **where)
        case "mute" | "delay" | "late":
            return Fault(kind, at=at, **{"for": min(5 + dice.uniform() * 100, seconds - at)}, **where)
        case "close":
            return Fault(kind, at=at, code=dice.choice((1001, 1006 + 6, 4004, 4005, 4006, 1008)))
        case "refuse_connect":
            return Fault(kind, at=at, **{"for": min(30.0, seconds - at)}, status=dice.choice((503, 429, 403)))
        case "die_after_frames":
            return Fault(kind, frames=1 + dice.below(40), at=at, times=1 + dice.below(5), **{"for": min(60.0, seconds - at)})
        case "drop_ack" | "delay_ack":
            return Fault(kind, at=0, **{"for": seconds}, times=1 + dice.below(3))
        case "ignore_ping":
            return Fault(kind, at=at, **{"for": min(60.0, seconds - at)})
        case "seq_reset":
            return Fault(kind, at=at, instrument=dice.choice(INSTRUMENTS))
        case "garbage" | "wrong_dialect" | "resnapshot":
            return Fault(kind, at=at, times=1)
        case _:
            return Fault(kind, at=at)


_ON_PUSHES = ("drop", "duplicate", "swap", "mute", "delay", "late", "truncate", "unknown_delete", "extra_field", "crossed")


def world(seed: int) -> World:
    """Ten virtual minutes under a seeded schedule, not yet run."""
    dice = SeededRandom(f"schedule {seed}")
    rules = Rules(
        push_before_ack=dice.choice(("never", "sometimes", "always")),
        duplicate_subscribe=dice.choice(("snapshot", "ack_only")),
        in_band_snapshot=dice.chance(0.85),
    )
    made = World(
        faults(dice, MINUTES * 60 - CALM_S),
        seed=seed,
        rules=rules,
        instruments=INSTRUMENTS[: 1 + dice.below(2)],
        latency_ms=dice.choice((1, 20, 120)),
    )
    for instrument in INSTRUMENTS:
        if made.market.knows("trades", instrument):
            made.subscribe("trades", instrument)
            made.subscribe("books", instrument)
    return made


def audit(made: World) -> list[str]:
    """What is wrong, in words: nothing, when delivered and reported as missing together are what the exchange published."""
    wrong: list[str] = []
    until = made.now - 5 * 1_000_000_000
    for instrument, published in made.exchange.ledger.trades.items():
        wrong += _audit_trades(made, instrument, [entry for entry in published if entry[2] < until])
    for (channel, instrument), steps in made.exchange.ledger.books.items():
        wrong += _audit_book(made, channel, instrument, steps)
    for conn_id, traffic in made.exchange.ledger.traffic.items():
        if traffic.requests > 480:
            wrong.append(f"{conn_id} sent {traffic.requests} requests")
    dials = made.client.dials
    wrong += [f"more than 3 connects within a second at {b}" for a, b in zip(dials, dials[3:], strict=False) if b - a < 10**9]
    return wrong


def _audit_trades(made: World, instrument: str, published: list[tuple[int, int, int]]) -> list[str]:
    wrong: list[str] = []
    delivered: set[int] = set()
    for trade in made.client.all(Trade, instrument=instrument):
        ids = range(trade.first_id, trade.trade_id + 1)
        if delivered.intersection(ids):
            wrong.append(f"{instrument}: trade {trade.trade_id} delivered twice")
        delivered.update(ids)
    missing: set[int] = set()
    for gap in made.client.all(Gap, channel="trades", instrument=instrument):
        assert gap.first_id is not None
        assert gap.last_id is not None
        missing.update(range(gap.first_id, gap.last_id + 1))
    if not delivered:
        return [f"{instrument}: no trade at all"]
    truth = {number for first, last, _ in published for number in range(first, last + 1) if number >= min(delivered)}
    newest = max(delivered)
    unexplained = sorted(number for number in truth if number not in delivered and number not in missing)
    if unexplained:
        wrong.append(f"{instrument}: {len(unexplained)} trades lost without a word, first {unexplained[0]}, newest {newest}")
    invented = sorted(number for number in missing if number not in truth and number <= max(truth))
    if invented:
        wrong.append(f"{instrument}: {len(invented)} ids reported missing that never were, first {invented[0]}")
    late = missing & delivered
    if len(late) > len(missing) // 2 + 50:
        wrong.append(f"{instrument}: {len(late)} ids both delivered and reported missing")
    return wrong


def _audit_book(made: World, channel: str, instrument: str, steps: list[tuple[int, int]]) -> list[str]:
    """Walk the exchange's chain beside what came out: each step is delivered, or lies in a gap that was told."""
    wrong: list[str] = []
    place = -1  # index of the last step delivered
    told = True  # a gap, or the beginning, explains a jump
    for event in made.client.events:
        if isinstance(event, Gap) and (event.channel, event.instrument) == (channel, instrument):
            told = True
        elif isinstance(event, BookSnapshot) and (event.channel, event.instrument) == (channel, instrument):
            found = _find(steps, place, lambda step, seq=event.sequence: step[1] == seq)
            if found is None:
                continue  # an image taken before the first step of the ledger
            if found != place and not told:
                wrong.append(f"{channel} {instrument}: image {event.sequence} skips {found - place} steps untold")
            place, told = found, False
        elif isinstance(event, BookUpdate) and (event.channel, event.instrument) == (channel, instrument):
            pair = (event.previous_sequence, event.sequence)
            found = _find(steps, place, lambda step, pair=pair: step == pair)
            if found is None:
                found = _find(steps, place, lambda step, seq=pair[1]: step[1] == seq)
            if found is None:
                wrong.append(f"{channel} {instrument}: {pair} was never published after step {place}")
            elif found != place + 1 and not told and place >= 0:
                wrong.append(f"{channel} {instrument}: {found - place - 1} steps before {pair} lost without a word")
            place, told = (place if found is None else found), False
    book = made.client.books.get(instrument, channel)
    if not book.is_live:
        wrong.append(f"{channel} {instrument}: still {book.state} at the end")
        return wrong
    truth = made.market.book(instrument, 400)
    ours = [[str(level.price), str(level.size)] for level in book.bids(20)]
    theirs = [[str(float(row[0])), str(float(row[1]))] for row in truth["bids"][:20]]
    if ours != theirs and book.ts_event == int(truth["ts"]) * 1_000_000:
        wrong.append(f"{channel} {instrument}: the book differs from the exchange's")
    return wrong


def _find(steps: list[tuple[int, int]], place: int, matches: Any) -> int | None:
    for index in range(max(place, 0), len(steps)):
        if matches(steps[index]):
            return index
    return None
