"""An account at work: rows and pushes as OKX writes them, and the REST answers that reconcile the account."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

from okex_ws.events import AccountQuality, Disconnected, Event, OrderUpdate, Subscribed
from okex_ws.market.account import LIST_EVERY, Account, FetchAccount, Quality
from okex_ws.wire.frames import PushFrame, decode

SECOND = 1_000_000_000
T0 = 1_790_000_000 * SECOND
MS0 = T0 // 10**6
D = Decimal
PLACES = (("orders", "ANY"), ("account", ""), ("positions", "ANY"))


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def pushed(channel: str, *rows: dict[str, Any], now: float = 0, **top: Any) -> list[Event]:
    """Return the events of a push."""
    arg = {"channel": channel, "uid": "44"} | ({"instType": "ANY"} if channel in ("orders", "positions") else {})
    frame = decode(json.dumps({"arg": arg, **top, "data": rows}).encode(), at(now))
    assert isinstance(frame, PushFrame)
    return list(frame.events)


def order(order_id: str = "1", state: str = "live", updated: int = 1, filled: str = "0", **more: Any) -> dict[str, Any]:
    base = {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "ordId": order_id,
        "clOrdId": f"c{order_id}",
        "px": "60000",
        "sz": "3",
        "side": "buy",
        "ordType": "limit",
        "state": state,
        "accFillSz": filled,
        "avgPx": "0",
        "fillSz": "0",
        "tradeId": "",
        "reqId": "",
        "amendSource": "",
        "amendResult": "",
        "uTime": str(MS0 + updated),
        "cTime": str(MS0),
        "attachAlgoOrds": [],
    }
    return {**base, **more}


def fill(
    trade: int, size: str = "1", *, total: str, updated: int, state: str = "partially_filled", **more: Any
) -> dict[str, Any]:
    execution = {
        "tradeId": str(trade),
        "fillSz": size,
        "fillPx": "60000",
        "fillFee": "-0.1",
        "fillFeeCcy": "USDT",
        "execType": "T",
    }
    return order(state=state, filled=total, updated=updated, **{**execution, **more})


def position(size: str = "3", updated: int = 1, position_id: str = "1", **more: Any) -> dict[str, Any]:
    base = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "posId": position_id,
        "posSide": "net",
        "pos": size,
        "mgnMode": "cross",
        "avgPx": "60000",
        "ccy": "USDT",
        "liqPx": "41000",
        "uTime": str(MS0 + updated),
        "pTime": str(MS0 + updated),
    }
    return {**base, **more}


def balance(currency: str = "USDT", cash: str = "100", updated: int = 1, **more: Any) -> dict[str, Any]:
    return {"ccy": currency, "cashBal": cash, "eq": cash, "availBal": cash, "uTime": str(MS0 + updated), **more}


def feed(account: Account, *pushes: list[Event]) -> list[Event]:
    return [change for events in pushes for event in events for change in account.apply(event)]


def up(account: Account, now: float = 0, *places: tuple[str, str]) -> list[Event]:
    return [
        change
        for channel, key in places or PLACES
        for change in account.apply(Subscribed(ts_recv=at(now), channel=channel, key=key))
    ]


def down(account: Account, now: float, *places: tuple[str, str], **more: Any) -> list[Event]:
    lost = Disconnected(ts_recv=at(now), reason="reset by peer", channels=places or PLACES, retry_s=0.5, **more)
    return account.apply(lost)


class Rest:
    """OKX's lists and single orders; answers an account's fetches until none is left."""

    def __init__(self) -> None:
        self.pending: list[dict[str, Any]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.positions: list[dict[str, Any]] = []
        self.balances: list[dict[str, Any]] = [balance()]
        self.fills: list[dict[str, Any]] = []
        self.fetched: list[FetchAccount] = []

    def answer(self, account: Account, now: float, *, only: str = "") -> list[Event]:
        events: list[Event] = []
        while fetches := [fetch for fetch in account.fetches if only in fetch.path]:
            for fetch in fetches:
                account.fetches.remove(fetch)
                self.fetched.append(fetch)
                rows = self.rows(fetch)
                events += account.fetched(fetch, rows, at(now), "" if rows is not None else "51603")
        return events

    def rows(self, fetch: FetchAccount) -> list[Any] | None:
        query = fetch.query
        match fetch.path:
            case "account/balance":
                rows = [{"uTime": str(MS0), "totalEq": "1", "details": self.balances}]
            case "account/positions":
                rows = self.positions
            case "trade/orders-pending":
                rows = [row for row in self.pending if int(row["ordId"]) < int(query.get("after", 10**9))]
            case "trade/fills" | "trade/fills-history":
                rows = [row for row in self.fills if row["ordId"] == query.get("ordId", row["ordId"])]
                rows = [row for row in rows if int(row["billId"]) < int(query.get("after", 10**9))]
                rows = [row for row in rows if fetch.path == "trade/fills" or not row.get("old")]
                rows = [row for row in rows if fetch.path == "trade/fills-history" or not row.get("archived")]
            case "trade/orders-history":
                rows = []
            case "trade/order":
                found = self.orders.get(query["ordId"])
                return None if found is None else [copy.deepcopy(found)]
        return copy.deepcopy(rows[: int(query.get("limit", 1000))])


def live(now: float = 0, rest: Rest | None = None, **options: Any) -> tuple[Account, Rest]:
    account, rest = Account(**options), rest or Rest()
    up(account, now)
    rest.answer(account, now)
    account.on_deadline(at(now + 3))
    rest.answer(account, now + 3)
    assert (account.quality, account.next_deadline) == (Quality.LIVE, at(now + 3) + LIST_EVERY)
    rest.fetched.clear()
    return account, rest


def live_at(account: Account, rest: Rest, until: float = 100) -> float:
    """Advance time until the account is LIVE or has no deadline; return the time of that in seconds."""
    now = 0.0
    while not account.is_live and account.next_deadline is not None and now < until:
        now = (account.next_deadline - at(0)) / SECOND
        account.on_deadline(account.next_deadline)
        rest.answer(account, now)
    return now


def qualities(events: list[Event]) -> list[str]:
    return [event.quality for event in events if isinstance(event, AccountQuality)]


def state_of(account: Account) -> Any:
    """Return the state of an account in comparable form."""

    def plain(row: OrderUpdate) -> Any:
        return (row.order_id, row.state, row.filled_size, row.price, row.size, row.updated_ms if not row.is_final else 0)

    return (
        sorted(plain(row) for row in account.orders.open.values()),
        sorted(plain(row) for row in account.orders.finished.values()),
        sorted((key, made.order_id, made.size, made.price, made.fee) for key, made in account.fills.items()),
        sorted((row.position_id, row.size, row.average_price, row.liquidation_price) for row in account.positions),
        sorted((name, row.cash, row.equity, row.updated_ms) for name, row in account.balances.items()),
    )
