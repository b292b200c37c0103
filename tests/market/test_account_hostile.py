"""Account: an event that no decoder makes does not raise, it makes the account STALE with its reason."""

from __future__ import annotations

from decimal import Decimal

from okex_ws.events import AccountQuality, OrderUpdate, PositionUpdate
from okex_ws.market.account import Account, Quality


def test_apply_never_raises() -> None:
    account = Account()
    account.quality = Quality.LIVE
    events = account.apply(PositionUpdate(instrument="BTC-USDT-SWAP", size=Decimal("sNaN")))
    assert account.quality is Quality.STALE
    assert [type(event) for event in events] == [AccountQuality]
    assert "PositionUpdate cannot be applied" in events[0].reason  # type: ignore[attr-defined]
    account.apply(OrderUpdate(instrument="A-B", order_id="1", state="live", filled_size=Decimal("sNaN")))
    account.apply(OrderUpdate(instrument="A-B", order_id="1", state="filled", filled_size=Decimal(1)))
