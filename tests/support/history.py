"""A written-down history that answers a planner as OKX's REST would, and events to feed the planner with."""

from __future__ import annotations

from typing import Any

from okex_ws.events import Event, Gap, SingleTrade, Subscribed, Trade, Unrecoverable
from okex_ws.protocol.backfill.planner import BackfillPlanner, PageRequest
from okex_ws.protocol.pacing import SECOND

MS = SECOND // 1000
NOW = 1_790_000_000 * SECOND
BTC = "BTC-USDT"


def ms_of(trade_id: int) -> int:
    """When this history's trades happened: one every 100 ms, number 1,000 now."""
    return NOW // MS + (trade_id - 1000) * 100


def trade(last: int, count: int = 1, instrument: str = BTC) -> Trade:
    made = Trade(instrument=instrument, trade_id=last, price=1.0, size=float(count), side="buy", count=count, ts_ms=ms_of(last))
    made.channel, made.ts_recv = "trades", ms_of(last) * MS
    return made


def single(trade_id: int) -> SingleTrade:
    made = SingleTrade(instrument=BTC, trade_id=trade_id, price=1.0, size=1.0, side="buy", ts_ms=ms_of(trade_id))
    made.channel = "trades-all"
    return made


def gap(first: int | None, last: int | None, instrument: str = BTC, channel: str = "trades") -> Gap:
    return Gap(channel=channel, instrument=instrument, first_id=first, last_id=last, cause="sequence", since=NOW - SECOND)


def subscribed(channel: str = "trades", key: str = BTC) -> Subscribed:
    return Subscribed(channel=channel, key=key)


class History:
    """What OKX has: pages as the docs describe them. `spoil` may change the rows of a page, or raise Error."""

    def __init__(self, planner: BackfillPlanner, ids: Any = range(1, 1001), now: int = NOW) -> None:
        self.planner = planner
        self.ids = sorted(ids)
        self.now = now
        self.asked: list[PageRequest] = []
        self.instants: list[int] = []
        self.candles: dict[int, list[str]] = {}
        self.settlements: list[int] = []
        self.spoil: Any = lambda page, rows: rows

    def rows(self, page: PageRequest) -> list[Any]:
        args = page.args
        limit, after = int(args["limit"]), int(args.get("after", 1 << 62))
        if page.path == "public/funding-rate-history":
            times = [time for time in self.settlements if int(args["before"]) < time < after]
            same = {"instId": args["instId"], "instType": "SWAP", "fundingRate": "0.0001", "realizedRate": "0.0002"}
            return [{**same, "fundingTime": str(time)} for time in sorted(times, reverse=True)][:limit]
        if page.path.endswith("candles"):
            return [self.candles[time] for time in sorted(self.candles, reverse=True) if time < after][:limit]
        by_time = args.get("type") == "2"
        ids = [number for number in self.ids if (ms_of(number) if by_time else number) < after][::-1][:limit]
        same = {"instId": args["instId"], "px": "1", "sz": "1", "side": "buy", "source": "0"}
        return [{**same, "tradeId": str(number), "ts": str(ms_of(number))} for number in ids]

    def settle(self, seconds: float = 600) -> list[Event]:
        """Let the planner ask until it is content, or time is up; what it says."""
        out: list[Event] = []
        end = self.now + int(seconds * SECOND)
        while True:
            while (page := self.planner.next_page(self.now)) is not None:
                out += self.answer(page)
            due = self.planner.deadline()
            if due is None or due > end:
                self.now = end if due is not None else self.now
                return out
            self.now = max(self.now, due)

    def answer(self, page: PageRequest) -> list[Event]:
        self.asked.append(page)
        self.instants.append(self.now)
        try:
            rows = self.spoil(page, self.rows(page))
        except Error as error:
            return self.planner.failed(page.number, self.now, code=str(error), detail="trouble")
        return self.planner.fetched(page.number, rows, self.now)


class Error(Exception):
    """REST fails with this code."""


def told(*events: Event, since: int | None = None, ids: Any = range(1, 1001), **options: Any) -> tuple[BackfillPlanner, History]:
    """A planner that has seen these events."""
    planner = BackfillPlanner(since=since, **options)
    for event in events:
        planner.feed([event], NOW)
    return planner, History(planner, ids)


def ids_of(events: list[Event]) -> list[int]:
    return [event.trade_id for event in events if isinstance(event, Trade | SingleTrade)]


def lost(events: list[Event]) -> list[tuple[int | None, int | None, str]]:
    return [(event.first_id, event.last_id, event.reason) for event in events if isinstance(event, Unrecoverable)]
