"""Rules: limits, times and behaviour of the exchange, each with the value that OKX documents as its default.

Times are seconds, sizes bytes. Sources: OKX V5 docs, "Connect", "Subscribe", "Error code / WebSocket". Behaviour that OKX
does not document, or documents in two ways, has a switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

CONNECTION_LIMITED: Mapping[str, int] = {
    "orders": 30,
    "account": 30,
    "positions": 30,
    "balance_and_position": 30,
    "liquidation-warning": 30,
    "account-greeks": 30,
}
"""Most connections per channel and account; channel-conn-count-error ends further subscriptions (OKX 2024-11-08)."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """API key of the exchange, for logins and signed requests. Invented values only.

    uid: its account; several keys may share one. tier: the VIP level. demo: a key of demo trading, unknown to the
    production side, and the reverse. permissions: as in account/config. level: the account's (2 futures, 4 portfolio
    margin). funds: first funds of the account (None: the engine's DEFAULT_FUNDS).
    """

    key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    uid: str = "44"
    tier: int = 4
    demo: bool = False
    permissions: str = "read_only,trade"
    level: str = "2"
    funds: Mapping[str, Decimal] | None = field(default=None, hash=False)


DEMO_KEY = ApiKey("simulator-key", "NOT-A-REAL-SECRET", "simulator-passphrase")
"""Default key of every exchange, for production trading, which the simulator plays by default."""

DEMO_TRADING_KEY = ApiKey("simulator-demo-key", "NOT-A-REAL-SECRET", "simulator-passphrase", uid="45", demo=True)
"""Default key of demo trading, for Rules(demo=True). An exchange that plays production refuses it."""


@dataclass(slots=True)
class Rules:
    """Limits, times and switches of one exchange. A limit of 0 is off."""

    connects_per_s: int = 3
    requests_per_hour: int = 480
    over_budget: Literal["error_then_close", "error"] = "error_then_close"
    count_args: bool = False  # OKX does not say whether the 480 counts frames or args
    max_args_bytes: int = 65_536
    max_subscriptions: int = 0  # close 4009; the number is unpublished
    idle_close_s: float = 30.0
    idle_means: Literal["quiet", "unsubscribed"] = "quiet"  # one probe saw subscribed quiet connections stay open
    notice_s: float = 60.0
    book_keepalive_s: float = 60.0
    control_ping_s: float = 0.0
    login_window_s: float = 30.0
    close_on_bad_login: bool = False
    tick_by_tick_login: bool = True  # until 2022 books-l2-tbt and books50-l2-tbt were open to all
    checksum: Literal["zero", "live"] = "zero"
    seq_scope: Literal["instrument", "connection"] = "instrument"
    in_band_snapshot: bool = True
    push_before_ack: Literal["never", "sometimes", "always"] = "never"
    duplicate_subscribe: Literal["snapshot", "ack_only"] = "snapshot"
    wrong_path_code: Literal["60018", "60008", "64001", "64002", "6400x"] = "60018"
    rest_limits: Literal["429", "200", "off"] = "429"
    history_candles_limit: int = 100  # 300 in newer SDKs
    max_pending: int = 4_194_304
    ledger_limit: int = 250_000  # entries kept per instrument
    demo: bool = False  # play demo trading: its keys, its instrument codes, and REST only with x-simulated-trading: 1
    order_push: Literal["after_ack", "before_ack", "mixed"] = "after_ack"  # OKX promises neither
    order_instrument: Literal["code", "code_or_name"] = "code"  # WebSocket orders: instId ignored since 2026-04-07
    order_limits: bool = True
    account_interval_s: float = 5.0  # account and positions are pushed again this often
    account_merge_s: float = 0.05  # events of so long go into one push
    account_page: int = 20  # currencies or positions per page of a snapshot; OKX does not say how many
    unfilled_kept_s: float = 7200.0  # time in which an order canceled without a fill can be read
    v1_ping_close_s: float = 300.0  # without a V1 ping, even with pushes
    v1_first_trades: int = 24  # rows of a trade channel's first push: the only recorded size
    v3_requests_per_hour: int = 240  # subscribe, unsubscribe and login of one V3 connection; the page with this figure is gone
    conn_count_limits: Mapping[str, int] = field(default_factory=lambda: dict(CONNECTION_LIMITED))

    def at_speed(self, speed: float) -> Rules:
        """Return rules whose times towards clients stay the same in real time when the market runs at this speed."""
        names = ("idle_close_s", "v1_ping_close_s", "notice_s", "control_ping_s", "login_window_s", "account_interval_s")
        return replace(self, **{name: getattr(self, name) * speed for name in names})
