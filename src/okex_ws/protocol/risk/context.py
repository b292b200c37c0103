"""RiskContext: facts about account and market that the pre-trade check of one order needs."""

from __future__ import annotations

from decimal import Decimal

import msgspec

LIVE = "LIVE"


class RiskContext(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about account and market at the time one order is sent; None is not known.

    account, book: their states, LIVE or not; book None: no book of this instrument is kept. mid: of the book, or last price.
    size: of the order in the instrument's own sizes, also if it was given as an amount of money. notional: the order's value.
    side: of the order, also of an amended one. open_orders: of the account, in flight included. position: net, or of the order's
    position side where long and short are held apart; negative when short. working: sizes still open on the order's side (and
    position side) in this instrument, in flight included, without the order itself.
    """

    account: str
    book: str | None = None
    mid: Decimal | None = None
    size: Decimal | None = None
    notional: Decimal | None = None
    side: str = ""
    open_orders: int = 0
    position: Decimal = Decimal(0)
    working: Decimal | None = Decimal(0)
